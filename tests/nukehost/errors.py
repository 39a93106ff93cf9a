"""What goes wrong in the fake Nuke."""


class NukeError(RuntimeError):
    """An error that Nuke has itself: of a node, of a render, of a call that it refuses."""


class Fault(RuntimeError):
    """What code must never do in Nuke. It is noted in `host.faults`, so that nothing can swallow it."""
