"""Put a plug-in where its hosts find it. Needs no network.

ofx:  the node CorridorKey for Nuke, DaVinci Resolve, Fusion, Natron and every other OFX host.
fuse: the tool CorridorKey for Fusion: the Fusion page of DaVinci Resolve, also of the free one, and Fusion Studio.
nuke: the node CorridorKey for Nuke 13 to 17, every edition: keyed frame ranges, and live where the OFX plug-in is, too.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from corridorkey_models.errors import InputError

from .. import install_fuse, install_nuke, install_ofx
from ..host_files import find_bundle, find_fuse, find_gizmo, find_libraries
from ..install_files import Installed, find_command
from ..install_fuse import HOSTS, Account, Place

_SOME_HOST = "DaVinci Resolve (or Fusion Studio)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `ckey install`, which are also those of `ckey uninstall`."""
    parser.add_argument("what", choices=("ofx", "fuse", "nuke"), help="the plug-in")
    parser.add_argument("--host", choices=tuple(HOSTS), help="fuse: for this host (every one that is found)")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--system", action="store_true", help="ofx, fuse: for all users, where every host looks")
    named = "in this folder; fuse: the Fusion folder, which holds Fuses; nuke: one that NUKE_PATH names, or a Cattery"
    place.add_argument("--to", metavar="FOLDER", help=named)


def folder_of(args: argparse.Namespace) -> Path | None:
    """Return the folder that --to names, None without it.

    Raises:
        InputError: it has no name, or there is an option that the plug-in does not have.
    """
    if args.what != "fuse" and args.host:
        hosts = "all OFX hosts read" if args.what == "ofx" else "every Nuke reads"
        raise InputError(f"--host is an option of fuse alone; leave it out, {hosts} the same folder.")
    if args.what == "nuke" and args.system:
        raise InputError("Nuke has no folder for all users; name one with --to and put it into everybody's NUKE_PATH.")
    if args.to is None:
        return None
    if not args.to:
        raise InputError("--to is empty; name a folder, or leave --to out.")
    return Path(os.path.normpath(Path(args.to).absolute()))


def ofx_folder(args: argparse.Namespace) -> Path:
    """Return the folder of OFX plug-ins that the options mean.

    Raises:
        InputError: as `folder_of`, or the system does not say where the user's is.
    """
    usual = install_ofx.system_folder() if args.system else None
    return folder_of(args) or usual or install_ofx.user_folder(os.environ, Path.home())


def nuke_folder(args: argparse.Namespace) -> Path:
    """Return the folder of Nuke that the options mean.

    Raises:
        InputError: as `folder_of`.
    """
    return folder_of(args) or install_nuke.user_folder(os.environ, Path.home())


def account() -> Account:
    """Return whose folders are meant: those of who asks."""
    return Account(os.environ, Path.home())


def run(args: argparse.Namespace) -> int:
    """Install it, say who will see it, and return the exit code.

    Raises:
        InputError: it was not built, or may not be written there.
        ResourceError: the disk is full.
    """
    runs = {"ofx": _run_ofx, "fuse": _run_fuse, "nuke": _run_nuke}
    for line in runs[args.what](args):
        sys.stdout.write(f"{line}\n")
    return 0


def _run_ofx(args: argparse.Namespace) -> Iterator[str]:
    folder = ofx_folder(args)
    placed, before = install_ofx.install(find_bundle(), folder, _command())
    yield f"CorridorKey {placed.version} is installed{_instead(before)}: {placed.path}"
    yield from install_ofx.explain(folder, os.environ)
    yield "Restart the host to see the node CorridorKey, in the group Keyer."


def _run_fuse(args: argparse.Namespace) -> Iterator[str]:
    whose, named = account(), folder_of(args)
    if named:
        places = [install_fuse.named_place(named, args.host)]
    else:
        places = [*install_fuse.chosen_places(whose, args.host, args.system)]
    for place in places:
        yield from _install_fuse(place)
    if whose.has_container and not named and args.host != "fusion":
        yield "DaVinci Resolve of the App Store does not see the tool: it is sandboxed."
    yield _restart(places)


def _run_nuke(args: argparse.Namespace) -> Iterator[str]:
    folder = nuke_folder(args)
    placed, before = install_nuke.install(find_gizmo(), folder, _command())
    yield f"CorridorKey {placed.version} is installed{_instead(before)}: {placed.path}"
    yield from install_nuke.explain(folder, os.environ, Path.home())
    yield "It keys frame ranges. To key live as well, install the OFX plug-in: `ckey install ofx`."
    yield "Restart Nuke to see the node CorridorKey."


def _install_fuse(place: Place) -> Iterator[str]:
    placed, before = install_fuse.install(find_fuse(), find_libraries(), place.folder, _command())
    host = f" for {HOSTS[place.host]}" if place.host else ""
    yield f"CorridorKey {placed.version} is installed{host}{_instead(before)}: {placed.path}"
    yield f"Its modules are in {place.folder / install_fuse.MODULES}."
    if place.host and not place.was_found:
        yield f"{HOSTS[place.host]} was not found; the folder that it will read was made."


def _restart(places: Sequence[Place]) -> str:
    hosts = " and ".join(HOSTS[place.host] for place in places if place.host)
    return f"Restart {hosts or _SOME_HOST} to see the tool CorridorKey, in the group Matte."


def _instead(before: Installed | None) -> str:
    return f", in place of {before.version}" if before else ""


def _command() -> Path:
    return find_command(sys.argv[0], sys.executable)
