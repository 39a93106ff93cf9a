"""Start the daemon in the background, where it stays until `ckey stop`.

It answers within a second; the model is loaded by the first frame. Ctrl-C ends the waiting, not the daemon.
"""

import argparse
import sys

from ..launch import SERVE, start, stop
from ..link import DaemonLost, Link, NoDaemon
from ..rendezvous import Rendezvous, here
from ..settings import Settings, add_options, read_options
from ..terminal import LongWait
from .ps import describe_device


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `ckey start`, which are those of `ckey serve`."""
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Start it unless it runs, say where it is, and return the exit code.

    Raises:
        InputError: an option cannot be, or the runtime folder is not safe to use.
        ResourceError: it does not start; the sentence holds why.
    """
    settings, place = read_options(args), here()
    ran = _runs(place)
    if not ran:
        with LongWait("waiting for the daemon"):
            start(place, [*SERVE, *settings.options()])
    with Link(place, visit=True) as link:
        facts = link.status()
    words = "a daemon runs already" if ran else "the daemon runs"
    sys.stdout.write(f"{words}: process {facts['pid']}, device {describe_device(facts)}, folder {place.folder}\n")
    if ran and settings != Settings():
        sys.stdout.write("the options given were not applied; run `ckey stop` first.\n")
    return 0


def _runs(place: Rendezvous) -> bool:
    """Whether there is a daemon that stays; one that is about to stop is waited for."""
    try:
        with Link(place, visit=True) as link:
            if not link.status()["draining"]:
                return True
            with LongWait("waiting for the daemon that is stopping"):
                stop(link)
    except (NoDaemon, DaemonLost):
        # Whatever is still there is on its way out: the new one waits for its place.
        pass
    return False
