"""Put a plug-in where its hosts find it. Needs no network.

ofx: the node CorridorKey for Nuke, DaVinci Resolve, Fusion, Natron and every other OFX host.
"""

import argparse
import os
import sys
from pathlib import Path

from corridorkey_models.errors import InputError

from ..host_files import find_bundle
from ..install_ofx import explain, find_command, install, system_folder, user_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `ckey install`, which are also those of `ckey uninstall`."""
    parser.add_argument("what", choices=("ofx",), help="the plug-in")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--system", action="store_true", help="for all users, in the folder that every host reads")
    place.add_argument("--to", metavar="FOLDER", help="in this folder instead of the user's")


def folder_of(args: argparse.Namespace) -> Path:
    """Return the folder that the options name.

    Raises:
        InputError: it has no name, or the system does not say where the user's is.
    """
    if args.system:
        return system_folder()
    if args.to is None:
        return user_folder(os.environ, Path.home())
    if not args.to:
        raise InputError("--to is empty; name a folder, or leave --to out.")
    return Path(os.path.normpath(Path(args.to).absolute()))


def run(args: argparse.Namespace) -> int:
    """Install it, say who will see it, and return the exit code.

    Raises:
        InputError: it was not built, or may not be written there.
        ResourceError: the disk is full.
    """
    folder = folder_of(args)
    placed, before = install(find_bundle(), folder, find_command(sys.argv[0], sys.executable))
    instead = f", in place of {before.version}" if before else ""
    sys.stdout.write(f"CorridorKey {placed.version} is installed{instead}: {placed.path}\n")
    for line in explain(folder, os.environ):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write("Restart the host to see the node CorridorKey, in the group Keyer.\n")
    return 0
