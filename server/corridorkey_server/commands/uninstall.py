"""Take a plug-in away again that `ckey install` put somewhere; options as there."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from .. import install_fuse, install_nuke, install_ofx
from ..install_files import Installed
from ..install_fuse import Place
from .install import account, add_arguments, folder_of, nuke_folder, ofx_folder

__all__ = ["add_arguments", "run"]


def run(args: argparse.Namespace) -> int:
    """Remove it, and return the exit code; it is no failure if there is none.

    Raises:
        InputError: what lies there is not ours, or may not be removed.
        ResourceError: the disk failed.
    """
    folders, found = list[Path](), False
    for folder, removed in _uninstall(args):
        folders.append(folder)
        if removed is not None:
            what = f"CorridorKey {removed.version} is" if removed.version else "CorridorKey's lines are"
            sys.stdout.write(f"{what} removed: {removed.path}\n")
            found = True
    if found:
        sys.stdout.write("Restart the host.\n")
    else:
        sys.stdout.write(f"there is no CorridorKey in {' or '.join(map(str, folders))}.\n")
    return 0


def _uninstall(args: argparse.Namespace) -> Iterator[tuple[Path, Installed | None]]:
    """Remove it from each folder that is meant, and give the folder and what was there."""
    if args.what == "ofx":
        folder = ofx_folder(args)
        yield folder, install_ofx.uninstall(folder)
        return
    if args.what == "nuke":
        folder = nuke_folder(args)
        yield folder, install_nuke.uninstall(folder)
        return
    for place in _fuse_places(args):
        yield place.folder, install_fuse.uninstall(place.folder, place.own)


def _fuse_places(args: argparse.Namespace) -> Sequence[Place]:
    named = folder_of(args)
    if named:
        return [install_fuse.named_place(named)]
    return install_fuse.known_places(account(), args.host, args.system)
