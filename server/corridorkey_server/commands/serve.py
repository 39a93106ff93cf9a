"""Run the daemon in this terminal: it holds the model, and every host and command of this user shares it.

What happens is told on standard error. Ctrl-C stops it after the frame that is being keyed, a second one at once.
"""

import argparse
import logging

from .. import system
from ..daemon import Daemon
from ..rendezvous import here
from ..settings import add_options, read_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `ckey serve`."""
    add_options(parser)
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Serve until asked to stop, and return the exit code.

    Raises:
        InputError: an option cannot be, or the runtime folder is not safe to use.
        ResourceError: another daemon runs.
    """
    settings = read_options(args)
    if args.parent is not None:
        system.end_with_parent(args.parent)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    return Daemon(settings, here()).run()
