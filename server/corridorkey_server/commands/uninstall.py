"""Take a plug-in away again that `ckey install` put somewhere; options as there."""

import argparse
import sys

from ..install_ofx import uninstall
from .install import add_arguments, folder_of

__all__ = ["add_arguments", "run"]


def run(args: argparse.Namespace) -> int:
    """Remove it, and return the exit code; it is no failure if there is none.

    Raises:
        InputError: what lies there is not ours, or may not be removed.
        ResourceError: the disk failed.
    """
    folder = folder_of(args)
    removed = uninstall(folder)
    if removed is None:
        sys.stdout.write(f"there is no CorridorKey in {folder}.\n")
    else:
        sys.stdout.write(f"CorridorKey {removed.version} is removed: {removed.path}\nRestart the host.\n")
    return 0
