"""What every `ckey install` does with files: writes them whole, renames them into place, takes back what it began.

Knows no host. Hosts never see half of anything: it is written under a name that they pass over and then renamed.
"""

import errno
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from corridorkey_models.errors import CorridorKeyError, InputError, ResourceError

IDENTIFIER = "corridorkey.comp"

_TEMPORARY = "@ckey-"  # OFX hosts pass over names that begin with @
_STALE = 3600.0  # seconds after which nobody can still be at work on a temporary folder


@dataclass(frozen=True)
class Installed:
    """A plug-in of ours in a folder.

    Attributes:
        path: the plug-in.
        version: of what lies there.
    """

    path: Path
    version: str


def find_command(called: str, interpreter: str) -> Path:
    """Return the full path of `ckey`, which plug-ins start the daemon with.

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


def refuse_link(path: Path) -> None:
    """Refuse a link in the place of something of ours.

    Raises:
        InputError: it is one.
    """
    if path.is_symlink():
        raise InputError(f"{path} is a link to {path.readlink()}; remove the link and try again.")


def temporary(folder: Path) -> Path:
    """Return the path of something new in `folder`, under a name that hosts pass over."""
    return folder / f"{_TEMPORARY}{secrets.token_hex(6)}"


@contextmanager
def workspace(folder: Path) -> Iterator[Path]:
    """Give a temporary path in `folder`, which is made if need be; what is there at the end is removed."""
    make(folder)
    _sweep(folder)
    path = temporary(folder)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what was left by processes that were killed."""
    for leftover in folder.glob(f"{_TEMPORARY}*"):
        with suppress(OSError):
            if time.time() - leftover.lstat().st_ctime > _STALE:
                shutil.rmtree(leftover, ignore_errors=True)


def make(folder: Path) -> None:
    """Make a folder and those above it, for every user to read whatever the umask."""
    if not folder.is_dir():
        make(folder.parent)
        folder.mkdir()
        folder.chmod(0o755)


def copy(source: Path, target: Path) -> None:
    """Copy a folder's files, and those of the folders in it, to a folder that has none of them."""
    make(target)
    for path in sorted(source.iterdir()):
        if path.is_dir():
            copy(path, target / path.name)
        else:
            write(target / path.name, path.read_bytes())


def write(path: Path, data: bytes) -> None:
    """Write a new file that everybody may read; a full disk shows before this ends."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o644)


def write_command(folder: Path, command: Path) -> None:
    """Write down in a plug-in's folder which `ckey` its button Start Daemon runs."""
    write(folder / "ckey.path", f"{command}\n".encode())


def move_all(moves: Sequence[tuple[Path, Path]]) -> None:
    """Give each first path the name of the second, in this order; if one fails, those before it are taken back."""
    with ExitStack() as undo:
        for source, target in moves:
            source.rename(target)
            undo.callback(target.rename, source)
        undo.pop_all()


_TRY_AGAIN = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE}


@contextmanager
def refusals(folder: Path, is_system: bool) -> Iterator[None]:
    """Turn what the system refuses into a sentence.

    Args:
        folder: what is worked on.
        is_system: whether it is every user's.

    Raises:
        InputError: the folder may not be changed, or is none.
        ResourceError: the disk is full or failed.
    """
    try:
        yield
    except OSError as error:
        raise _refusal(folder, is_system, error) from error


def _refusal(folder: Path, is_system: bool, error: OSError) -> CorridorKeyError:
    reason = (error.strerror or str(error)).lower()
    if error.errno in _TRY_AGAIN:
        return ResourceError(f"{folder} could not be written: {reason}; free space and try again.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return InputError(f"{folder} cannot be changed: {reason}; {_way_in(is_system)}.")
    return InputError(f"{folder} cannot be used: {reason}; choose another folder with --to.")


def _way_in(is_system: bool) -> str:
    if sys.platform == "win32":
        return "close all hosts and run this as administrator, or choose a folder of yours with --to"
    instead = "leave out --system" if is_system else "choose a folder of yours with --to"
    return f"run `sudo $(command -v ckey)` with the same words, or {instead}"
