"""What all functions of the module have: the session that they work on."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nukehost.host import NukeHost


class Part:
    """Functions of a session."""

    def __init__(self, host: "NukeHost") -> None:
        """Work on a session."""
        self._host = host
