"""Take a plug-in away again that `ckey install` put somewhere; options as there."""

import argparse
import sys
from pathlib import Path

from .. import install_fuse, install_ofx
from ..install_files import Installed
from .install import account, add_arguments, folder_of, ofx_folder

__all__ = ["add_arguments", "run"]


def run(args: argparse.Namespace) -> int:
    """Remove it, and return the exit code; it is no failure if there is none.

    Raises:
        InputError: what lies there is not ours, or may not be removed.
        ResourceError: the disk failed.
    """
    folders = _fuse_folders(args) if args.what == "fuse" else [ofx_folder(args)]
    found = False
    for folder in folders:
        removed = _uninstall(args.what, folder)
        if removed is not None:
            sys.stdout.write(f"CorridorKey {removed.version} is removed: {removed.path}\n")
            found = True
    if found:
        sys.stdout.write("Restart the host.\n")
    else:
        sys.stdout.write(f"there is no CorridorKey in {' or '.join(map(str, folders))}.\n")
    return 0


def _fuse_folders(args: argparse.Namespace) -> list[Path]:
    named = folder_of(args)
    if named:
        return [install_fuse.named_place(named).folder]
    return [place.folder for place in install_fuse.known_places(account(), args.host, args.system)]


def _uninstall(what: str, folder: Path) -> Installed | None:
    return install_fuse.uninstall(folder) if what == "fuse" else install_ofx.uninstall(folder)
