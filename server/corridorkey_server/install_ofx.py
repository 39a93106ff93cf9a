"""Puts the OFX bundle into a folder that hosts read, and takes it away again. Copies files, and does nothing else.

A bundle is written under a name that hosts pass over and then renamed, so that no host ever sees half of one.
"""

import ctypes
import ntpath
import os
import plistlib
import posixpath
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.parsers.expat import ExpatError

from corridorkey_models.errors import InputError

from .host_files import BUNDLE
from .install_files import (
    IDENTIFIER,
    Installed,
    copy,
    move_all,
    refusals,
    refuse_link,
    temporary,
    workspace,
    write_command,
)

_SYSTEM_HOSTS = (
    "Nuke (not Non-commercial), DaVinci Resolve (on Linux only Studio), Fusion Studio, Natron, Silhouette",
    "and other OFX hosts read this folder.",
)
_FOLLOWERS = "Nuke (not Non-commercial), Natron and other hosts after the OFX standard"
_RESOLVE = "DaVinci Resolve (on Linux only Studio) reads the system folder: `ckey install ofx --system`."

_HERE, _EXCHANGE = -100, 2  # AT_FDCWD; RENAME_EXCHANGE on Linux, RENAME_SWAP on macOS


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
    with refusals(folder, folder == system_folder()):
        before = find_installed(folder)
        with workspace(folder) as fresh:
            copy(bundle, fresh)
            write_command(fresh / "Contents" / "Resources", command)
            _swap(fresh, folder / BUNDLE)
    return Installed(folder / BUNDLE, _version(folder / BUNDLE) or ""), before


def uninstall(folder: Path) -> Installed | None:
    """Remove our bundle from `folder`, and return what it was; None if there was none.

    Raises:
        InputError: what lies there is not ours, or may not be removed.
        ResourceError: the disk failed.
    """
    with refusals(folder, folder == system_folder()):
        before = find_installed(folder)
        if before is not None:
            old = temporary(folder)
            before.path.rename(old)
            shutil.rmtree(old)
    return before


def find_installed(folder: Path) -> Installed | None:
    """Return our bundle in `folder`, None if there is none.

    Raises:
        InputError: what has its name is a link, or not ours.
    """
    path = folder / BUNDLE
    refuse_link(path)
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


def _swap(fresh: Path, target: Path) -> None:
    """Put `fresh` in the place of `target`; what was there is removed, or put back if that fails."""
    if not target.exists():
        fresh.rename(target)
        return
    if _exchange(fresh, target):
        return
    old = temporary(target.parent)
    move_all([(target, old), (fresh, target)])
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change names at once, and return whether the system did."""
    if sys.platform == "win32":
        return False
    library, paths = ctypes.CDLL(None), (os.fsencode(one), os.fsencode(other))
    if hasattr(library, "renameat2"):
        return bool(library.renameat2(_HERE, paths[0], _HERE, paths[1], _EXCHANGE) == 0)
    return hasattr(library, "renamex_np") and bool(library.renamex_np(*paths, _EXCHANGE) == 0)
