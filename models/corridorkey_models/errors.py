"""Everything that can go wrong, as one tree; each message names the cause and the next step.

    CorridorKeyError
    ├── InputError           the request cannot work as it stands: wrong file, value or size
    │   └── CheckpointError  the weights are missing, damaged or not CorridorKey's
    ├── ResourceError        the machine could not do it this time: disk full, out of memory, no network
    └── Cancelled            the caller asked to stop

The command line ends with exit code 2 for InputError and 1 for the others.
"""


class CorridorKeyError(Exception):
    """Root of the tree."""


class InputError(CorridorKeyError):
    """The request cannot work as it stands."""


class CheckpointError(InputError):
    """The weights are missing, damaged or not CorridorKey's."""


class ResourceError(CorridorKeyError):
    """The machine could not do it this time; trying again may work."""


class Cancelled(CorridorKeyError):
    """The caller asked to stop."""
