"""Give back the memory that the daemon holds on its device; the next frame loads the model again.

It ends the daemon's worker after the frame that is being keyed. `ckey start --keep-alive` says when that happens by
itself.
"""

import argparse
import sys

from ..link import Link
from ..protocol import Done, Unload
from ..rendezvous import here
from ..terminal import LongWait
from .ps import describe_bytes

_FRAME = 600.0  # seconds that the running frame may take


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has no options."""
    del parser


def run(args: argparse.Namespace) -> int:
    """Give the memory back, say how much it was, and return the exit code.

    Raises:
        NoDaemon: none runs.
        ResourceError: it does not answer, or the frame takes too long.
    """
    del args
    with Link(here(), visit=True) as link:
        worker = link.status()["worker"]
        with LongWait("waiting for the frame that is being keyed"):
            done = link.request(Unload(id=link.next_id()), Done, _FRAME)
    if not done.found:
        sys.stdout.write("there was nothing to free: the daemon has no worker at the moment.\n")
        return 0
    memory = worker["memory"]
    freed = f"{describe_bytes(memory['used'])} of {memory['kind'].upper()}" if memory else "its memory"
    sys.stdout.write(f"freed {freed}: the worker, process {worker['pid']}, has ended.\n")
    return 0
