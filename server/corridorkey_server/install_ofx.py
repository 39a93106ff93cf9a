"""Puts the OFX bundle into a folder that hosts read, and takes it away again. Copies files, and does nothing else.

A bundle is written under a name that hosts pass over and then renamed, so that no host ever sees half of one.
"""

import ctypes
import errno
import ntpath
import os
import plistlib
import posixpath
import re
import secrets
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from xml.parsers.expat import ExpatError

from corridorkey_models.errors import CorridorKeyError, InputError, ResourceError

from .host_files import BUNDLE

IDENTIFIER = "corridorkey.comp"

_TEMPORARY = "@ckey-"  # hosts pass over names that begin with @
_STALE = 3600.0  # seconds after which nobody can still be at work on a temporary folder

_SYSTEM_HOSTS = (
    "Nuke (not Non-commercial), DaVinci Resolve (on Linux only Studio), Fusion Studio, Natron, Silhouette",
    "and other OFX hosts read this folder.",
)
_FOLLOWERS = "Nuke (not Non-commercial), Natron and other hosts after the OFX standard"
_RESOLVE = "DaVinci Resolve (on Linux only Studio) reads the system folder: `ckey install ofx --system`."

_HERE, _EXCHANGE = -100, 2  # AT_FDCWD; RENAME_EXCHANGE on Linux, RENAME_SWAP on macOS


@dataclass(frozen=True)
class Installed:
    """A bundle of ours in a folder.

    Attributes:
        path: the bundle.
        version: of what lies there.
    """

    path: Path
    version: str


def user_folder(environ: Mapping[str, str], home: Path, platform: str = sys.platform) -> Path:
    """Return where plug-ins of this user alone lie.

    Raises:
        InputError: the system does not say where.
    """
    if platform == "darwin":
        return home / "Library" / "OFX" / "Plugins"
    if platform != "win32":
        return home / "OFX" / "Plugins"
    if not environ.get("LOCALAPPDATA"):
        raise InputError("LOCALAPPDATA is not set; name a folder with --to.")
    return Path(environ["LOCALAPPDATA"]) / "OFX" / "Plugins"


def system_folder(platform: str = sys.platform) -> Path:
    """Return where every host looks, for every user."""
    folders = {"darwin": "/Library/OFX/Plugins", "win32": r"C:\Program Files\Common Files\OFX\Plugins"}
    return Path(folders.get(platform, "/usr/OFX/Plugins"))


def find_command(called: str, interpreter: str) -> Path:
    """Return the full path of `ckey`, which the plug-in starts the daemon with.

    Args:
        called: what this process was called as.
        interpreter: path of Python, beside which `ckey` lies where it was called in another way.

    Raises:
        InputError: there is none.
    """
    name = "ckey.exe" if sys.platform == "win32" else "ckey"
    for path in (Path(called).absolute(), Path(interpreter).absolute().with_name(name)):
        if path.name == name and path.is_file() and os.access(path, os.X_OK):
            return path
    raise InputError(f"there is no {name} beside {interpreter}; install corridorkey-comp with pip.")


def install(bundle: Path, folder: Path, command: Path) -> tuple[Installed, Installed | None]:
    """Copy `bundle` into `folder`, made if need be, and return it and what it replaces.

    Whatever fails, what was there stays and nothing is left behind. Where the system cannot let two folders change
    names at once, a process that is killed between two renames leaves neither under its name.

    Args:
        command: what its button Start Daemon runs.

    Raises:
        InputError: the folder may not be written to, or something else lies there under that name.
        ResourceError: the disk is full or failed.
    """
    with _refusals(folder):
        before = find_installed(folder)
        _make(folder)
        _sweep(folder)
        fresh = _temporary(folder)
        try:
            _copy(bundle, fresh)
            _write(fresh / "Contents" / "Resources" / "ckey.path", f"{command}\n".encode())
            _swap(fresh, folder / BUNDLE)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return Installed(folder / BUNDLE, _version(folder / BUNDLE) or ""), before


def uninstall(folder: Path) -> Installed | None:
    """Remove our bundle from `folder`, and return what it was; None if there was none.

    Raises:
        InputError: what lies there is not ours, or may not be removed.
        ResourceError: the disk failed.
    """
    with _refusals(folder):
        before = find_installed(folder)
        if before is not None:
            old = _temporary(folder)
            before.path.rename(old)
            shutil.rmtree(old)
    return before


def find_installed(folder: Path) -> Installed | None:
    """Return our bundle in `folder`, None if there is none.

    Raises:
        InputError: what has its name is a link, or not ours.
    """
    path = folder / BUNDLE
    if path.is_symlink():
        raise InputError(f"{path} is a link to {path.readlink()}; remove the link and try again.")
    if not path.exists():
        return None
    version = _version(path)
    if version is None:
        raise InputError(f"{path} is not CorridorKey's bundle; move it away and try again.")
    return Installed(path, version)


def explain(folder: Path, environ: Mapping[str, str], platform: str = sys.platform) -> Sequence[str]:
    """Return lines that tell which hosts see a bundle in `folder`, and what is needed for it."""
    if folder == system_folder(platform):
        return _SYSTEM_HOSTS
    before = environ.get("OFX_PLUGIN_PATH", "")
    if _is_named(folder, before, platform):
        return (f"{_FOLLOWERS} read this folder: OFX_PLUGIN_PATH names it.", _RESOLVE)
    advice = _advice(folder, before, platform)
    return (f"{_FOLLOWERS} read this folder", f"once OFX_PLUGIN_PATH names it. {advice}", _RESOLVE)


def _is_named(folder: Path, before: str, platform: str) -> bool:
    """Return whether a folder is among those of OFX_PLUGIN_PATH, however it is written there."""
    paths = ntpath if platform == "win32" else posixpath
    names = re.split(";" if platform == "win32" else "[:;]", before)
    ours, *others = (paths.normcase(paths.normpath(name)) for name in (str(folder), *filter(None, names)))
    return ours in others


def _advice(folder: Path, before: str, platform: str) -> str:
    """Return what to do; only a shell puts what OFX_PLUGIN_PATH holds into the line by itself."""
    both = f"{folder};{before}" if before else str(folder)
    if platform == "win32":
        return f'Run this once:\n    setx OFX_PLUGIN_PATH "{both}"'
    if platform == "darwin":
        return f"Run this after each login:\n    launchctl setenv OFX_PLUGIN_PATH {shlex.quote(both)}"
    line = f"export OFX_PLUGIN_PATH={shlex.quote(str(folder))}${{OFX_PLUGIN_PATH:+:$OFX_PLUGIN_PATH}}"
    return f"Add this line to ~/.profile, and log in again:\n    {line}"


def _version(bundle: Path) -> str | None:
    """Return the version of a bundle, None if it is not ours."""
    try:
        facts = plistlib.loads((bundle / "Contents" / "Info.plist").read_bytes())
        return str(facts["CFBundleVersion"]) if facts["CFBundleIdentifier"] == IDENTIFIER else None
    except (FileNotFoundError, NotADirectoryError, ValueError, ExpatError, KeyError, TypeError):
        return None


def _temporary(folder: Path) -> Path:
    return folder / f"{_TEMPORARY}{secrets.token_hex(6)}"


def _sweep(folder: Path) -> None:
    """Remove what was left by processes that were killed."""
    for leftover in folder.glob(f"{_TEMPORARY}*"):
        with suppress(OSError):
            if time.time() - leftover.lstat().st_ctime > _STALE:
                shutil.rmtree(leftover, ignore_errors=True)


def _make(folder: Path) -> None:
    """Make a folder and those above it, for every user to read whatever the umask."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir()
        folder.chmod(0o755)


def _copy(source: Path, target: Path) -> None:
    _make(target)
    for path in sorted(source.iterdir()):
        if path.is_dir():
            _copy(path, target / path.name)
        else:
            _write(target / path.name, path.read_bytes())


def _write(path: Path, data: bytes) -> None:
    """Write a file that everybody may read; a full disk shows before this ends."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o644)


def _swap(fresh: Path, target: Path) -> None:
    """Put `fresh` in the place of `target`; what was there is removed, or put back if that fails."""
    if not target.exists():
        fresh.rename(target)
        return
    if _exchange(fresh, target):
        return
    old = _temporary(target.parent)
    target.rename(old)
    try:
        fresh.rename(target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change names at once, and return whether the system did."""
    if sys.platform == "win32":
        return False
    library, paths = ctypes.CDLL(None), (os.fsencode(one), os.fsencode(other))
    if hasattr(library, "renameat2"):
        return bool(library.renameat2(_HERE, paths[0], _HERE, paths[1], _EXCHANGE) == 0)
    return hasattr(library, "renamex_np") and bool(library.renamex_np(*paths, _EXCHANGE) == 0)


_TRY_AGAIN = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE}


@contextmanager
def _refusals(folder: Path) -> Iterator[None]:
    """Turn what the system refuses into a sentence."""
    try:
        yield
    except OSError as error:
        raise _refusal(folder, error) from error


def _refusal(folder: Path, error: OSError) -> CorridorKeyError:
    reason = (error.strerror or str(error)).lower()
    if error.errno in _TRY_AGAIN:
        return ResourceError(f"{folder} could not be written: {reason}; free space and try again.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return InputError(f"{folder} cannot be changed: {reason}; {_way_in(folder)}.")
    return InputError(f"{folder} cannot be used: {reason}; choose another folder with --to.")


def _way_in(folder: Path) -> str:
    if sys.platform == "win32":
        return "close all hosts and run this as administrator, or choose a folder of yours with --to"
    instead = "leave out --system" if folder == system_folder() else "choose a folder of yours with --to"
    return f"run `sudo $(command -v ckey)` with the same words, or {instead}"
