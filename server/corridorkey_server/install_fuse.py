"""Puts the fuse into the folders that DaVinci Resolve and Fusion Studio read, and takes it away again.

In a Fusion folder, the one that holds Fuses, it is Fuses/CorridorKey with the client library for every system, and
Modules/Lua/corridorkey*.lua. A module is ours if it ends with the line that is put there when it is installed.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from corridorkey_models import __version__
from corridorkey_models.errors import InputError

from .install_files import (
    IDENTIFIER,
    Installed,
    copy,
    make,
    move_all,
    refusals,
    refuse_link,
    workspace,
    write,
    write_command,
)

HOSTS = {"resolve": "DaVinci Resolve", "fusion": "Fusion Studio"}
MODULES = Path("Modules", "Lua")  # in a Fusion folder, where `require` looks

_NAME = "CorridorKey"
_FUSES = Path("Fuses")
_PATTERN = "corridorkey*.lua"
_MANIFEST = "manifest.json"

# A host's own folder, and where in it the Fusion folder is. Users' are in the home or APPDATA, on Windows everybody's
# are in PROGRAMDATA.
_USER = {
    ("resolve", "darwin"): ("Library/Application Support/Blackmagic Design/DaVinci Resolve", "Fusion"),
    ("resolve", "win32"): ("Blackmagic Design/DaVinci Resolve", "Support/Fusion"),
    ("resolve", "linux"): (".local/share/DaVinciResolve", "Fusion"),
    ("fusion", "darwin"): ("Library/Application Support/Blackmagic Design/Fusion", ""),
    ("fusion", "win32"): ("Blackmagic Design/Fusion", ""),
    ("fusion", "linux"): (".fusion/BlackmagicDesign/Fusion", ""),
}
_SYSTEM = {
    ("resolve", "darwin"): ("/Library/Application Support/Blackmagic Design/DaVinci Resolve", "Fusion"),
    ("resolve", "win32"): ("Blackmagic Design/DaVinci Resolve", "Fusion"),
    ("resolve", "linux"): ("/opt/resolve", "Fusion"),
    ("fusion", "darwin"): ("/Library/Application Support/Blackmagic Design/Fusion", ""),
    ("fusion", "win32"): ("Blackmagic Design/Fusion", ""),
}

_CONTAINER = "Library/Containers/com.blackmagic-design.DaVinciResolveLite"
_SANDBOXED = (
    "DaVinci Resolve of the App Store is sandboxed and reaches neither the daemon nor the library; "
    "install DaVinci Resolve from blackmagicdesign.com."
)


@dataclass(frozen=True)
class Account:
    """Whose folders are looked for.

    Attributes:
        environ: environment variables.
        home: the user's folder.
        platform: the system, as sys.platform says.
    """

    environ: Mapping[str, str]
    home: Path
    platform: str = sys.platform

    @property
    def system(self) -> str:
        """The system, as the tables of folders name it."""
        return self.platform if self.platform in ("darwin", "win32") else "linux"

    @property
    def has_container(self) -> bool:
        """Whether this user has DaVinci Resolve of the App Store."""
        return self.system == "darwin" and (self.home / _CONTAINER).is_dir()


@dataclass(frozen=True)
class Place:
    """A Fusion folder.

    Attributes:
        folder: the one that holds Fuses.
        host: which host reads it, a key of HOSTS; None if that is not known.
        was_found: whether the host's own folder is there.
        own: the host's own folder, which `folder` is or lies in; None if that is not known.
    """

    folder: Path
    host: str | None = None
    was_found: bool = True
    own: Path | None = None


def known_places(account: Account, host: str | None = None, is_system: bool = False) -> Sequence[Place]:
    """Return where hosts look, whether or not they are there.

    Args:
        account: for whom.
        host: for this host alone.
        is_system: the folders for all users instead of the user's own.

    Raises:
        InputError: a host has no such folder, or the system does not say where it is.
    """
    table = _SYSTEM if is_system else _USER
    hosts = [name for name in HOSTS if (name, account.system) in table and host in (None, name)]
    if not hosts:
        raise InputError("Fusion Studio has no folder for all users on Linux that is known; name one with --to.")
    base = _base(account, is_system)
    places = []
    for name in hosts:
        own, within = table[name, account.system]
        places.append(Place(base / own / within, name, (base / own).is_dir(), base / own))
    return places


def chosen_places(account: Account, host: str | None = None, is_system: bool = False) -> Sequence[Place]:
    """Return where to install: for `host`, else for every host that was found, else for DaVinci Resolve all the same.

    Args:
        account: for whom.
        host: for this host alone.
        is_system: for all users.

    Raises:
        InputError: as `known_places`, or DaVinci Resolve is there as the App Store's edition only.
    """
    known = known_places(account, host, is_system)
    places = [place for place in known if place.was_found] or known[:1]
    if account.has_container and any(place.host == "resolve" and not place.was_found for place in places):
        raise InputError(_SANDBOXED)
    return places


def named_place(folder: Path, host: str | None = None, platform: str = sys.platform) -> Place:
    """Return the place that a folder is which somebody named.

    Args:
        folder: the one that was named, a full path.
        host: which host reads it, a key of HOSTS; None if that is not known.
        platform: the system, as sys.platform says.

    Raises:
        InputError: no host that can use the fuse would look there, or it lies in a Fusion folder and is none.
    """
    real = Path(os.path.realpath(folder))
    # realpath takes links in a circle, too, which Path.resolve does not before Python 3.13.
    paths = (path.replace("\\", "/").lower() for path in (str(folder), str(real)))
    if any("/containers/com.blackmagic-design" in path for path in paths):
        raise InputError(_SANDBOXED)
    with refusals(folder, _is_system(folder)):
        for path in (folder, real):
            _refuse_inner(path, platform)
    return Place(folder, host)


def install(
    fuse: Path, libraries: Path, folder: Path, command: Path, version: str = __version__
) -> tuple[Installed, Installed | None]:
    """Copy the fuse, its modules and libraries into a Fusion folder, and return it and what it replaces.

    Whatever fails, what was there stays. All is written first, beside Fuses, which hosts search to the bottom; then
    names change: the old modules go, the old fuse goes, the new modules come, and the new fuse comes last. So a process
    that is killed in between leaves a fuse without modules or modules without a fuse, and never a fuse with modules of
    another version. Doing it again completes it.

    Args:
        fuse: folder with *.fuse and Modules/Lua/corridorkey*.lua.
        libraries: folder with a folder for each system.
        folder: the Fusion folder, made if need be.
        command: the `ckey` that starts the daemon.
        version: of all these.

    Raises:
        InputError: the folder may not be written to, or something that is not ours has a name that is needed.
        ResourceError: the disk is full or failed.
    """
    target, modules = folder / _FUSES / _NAME, folder / MODULES
    names = [path.name for path in sorted((fuse / MODULES).glob(_PATTERN))]
    with refusals(folder, _is_system(folder)):
        before, ours = find_installed(folder), _find_modules(modules)
        _refuse_theirs(modules, names, ours)
        make(target.parent)
        make(modules)
        with workspace(folder) as work:
            _write_fuse(fuse, libraries, work / _NAME, command, version)
            _write_modules(fuse / MODULES, names, work / MODULES, version)
            moves = _moves_out(before, ours, work / "old")
            moves += [(work / MODULES / name, modules / name) for name in names]
            move_all([*moves, (work / _NAME, target)])
    return Installed(target, version), before


def uninstall(folder: Path, own: Path | None = None) -> Installed | None:
    """Remove our fuse and its modules from a Fusion folder, and return what it was; None if there was none.

    Folders that are empty afterwards go, too, so that the next installation does not take the host for found.

    Args:
        folder: the Fusion folder.
        own: the outermost folder that may go, `folder` or one that it lies in; if None, `folder` stays.

    Raises:
        InputError: what lies there is not ours, or may not be removed.
        ResourceError: the disk failed.
    """
    with refusals(folder, _is_system(folder)):
        before, ours = find_installed(folder), _find_modules(folder / MODULES)
        if before is None and not ours:
            return None
        with workspace(folder) as work:
            move_all(_moves_out(before, ours, work / "old"))
            shutil.rmtree(work)
    _remove_empty(folder, own)
    return before or Installed(folder / MODULES, next(iter(ours.values())))


def find_installed(folder: Path) -> Installed | None:
    """Return our fuse in a Fusion folder, None if there is none.

    Raises:
        InputError: what has its name is a link, or not ours.
    """
    path = folder / _FUSES / _NAME
    refuse_link(path)
    if not path.exists():
        return None
    version = _version(path)
    if version is None:
        raise InputError(f"{path} is not {_NAME}'s; move it away and try again.")
    return Installed(path, version)


def _base(account: Account, is_system: bool) -> Path:
    """Return the folder that those of the tables are in."""
    if account.system != "win32":
        return Path("/") if is_system else account.home
    variable = "PROGRAMDATA" if is_system else "APPDATA"
    if not account.environ.get(variable):
        raise InputError(f"{variable} is not set; name a folder with --to.")
    return Path(account.environ[variable])


def _refuse_inner(folder: Path, platform: str) -> None:
    """Refuse a folder in a Fusion folder: hosts search Fuses to the bottom, and would find the tool there twice.

    One that holds Fuses is a Fusion folder, whatever it is called and wherever it lies.
    """
    fold = str.lower if platform in ("darwin", "win32") else str
    names = [fold(name) for name in (_FUSES.name, MODULES.parent.name)]
    for path in (*reversed(folder.parents), folder):
        if fold(path.name) in names and not any((each / _FUSES).exists() for each in (path, folder)):
            what = f"{'is' if path == folder else 'is inside'} the folder {path.name} of a Fusion folder"
            raise InputError(f"{folder} {what}; name the Fusion folder itself, {path.parent}.")


def _remove_empty(folder: Path, own: Path | None) -> None:
    """Remove what is empty of the folders that `install` makes, from the inside out; a link is not followed."""
    folders = [folder / MODULES, folder / MODULES.parent, folder / _FUSES]
    if own:
        folders += [path for path in (folder, *folder.parents) if path.is_relative_to(own)]
    for path in folders:
        # Of a link, rmdir would remove the link itself on Windows.
        if Path(os.path.realpath(path)) == Path(os.path.realpath(path.parent), path.name):
            with suppress(OSError):  # one that is not empty, is not there, or is not ours to remove
                path.rmdir()


def _is_system(folder: Path) -> bool:
    return folder in (Path("/", *path) for path in _SYSTEM.values())


def _version(path: Path) -> str | None:
    """Return the version of a fuse's folder, None if it is not ours."""
    try:
        facts = json.loads((path / _MANIFEST).read_bytes())
        return str(facts["version"]) if facts["identifier"] == IDENTIFIER else None
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None


def _mark(name: str, version: str) -> bytes:
    """Return the last line of a module that was installed; a copy under another name is not ours any more."""
    return f"-- Installed by ckey: {IDENTIFIER} {name} {version}\n".encode()


def _find_modules(modules: Path) -> Mapping[Path, str]:
    """Return our modules in a folder, each with its version."""
    found = {}
    for path in sorted(modules.glob(_PATTERN)):
        if path.is_file() and not path.is_symlink():
            line, mark = path.read_bytes().rstrip().rpartition(b"\n")[2], _mark(path.name, "").rstrip(b"\n")
            if line.startswith(mark):
                found[path] = line.removeprefix(mark).decode(errors="replace")
    return found


def _refuse_theirs(modules: Path, names: Sequence[str], ours: Mapping[Path, str]) -> None:
    for path in (modules / name for name in names):
        refuse_link(path)
        if path.exists() and path not in ours:
            raise InputError(f"{path} is not what ckey installed; move it away and try again.")


def _write_fuse(fuse: Path, libraries: Path, target: Path, command: Path, version: str) -> None:
    copy(libraries, target)
    for path in sorted(fuse.glob("*.fuse")):
        write(target / path.name, path.read_bytes())
    write_command(target, command)
    manifest = {"identifier": IDENTIFIER, "version": version}
    write(target / _MANIFEST, f"{json.dumps(manifest)}\n".encode())


def _write_modules(source: Path, names: Sequence[str], target: Path, version: str) -> None:
    make(target)
    for name in names:
        write(target / name, (source / name).read_bytes().rstrip() + b"\n" + _mark(name, version))


def _moves_out(before: Installed | None, ours: Iterable[Path], old: Path) -> list[tuple[Path, Path]]:
    """Make `old`, and return how what is installed goes there: the fuse last, which tells what was installed."""
    make(old)
    paths = [*ours, *([before.path] if before else [])]
    return [(path, old / path.name) for path in paths]
