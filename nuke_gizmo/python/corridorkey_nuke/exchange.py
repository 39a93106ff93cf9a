"""The folder through which frames go to the daemon: in memory where there is such a place, and gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .failure import Refusal

_MEMORY = "/dev/shm"
_MOST = 4 << 30  # bytes that frames on their way may take
_ENOUGH = 1 << 30  # bytes that must be free in memory: in a container it may be small
_LEAST = 2  # frames that are on their way at once however large they are


@contextmanager
def folder() -> Iterator[str]:
    """Give a new folder of the user's own, which is removed with all that is in it.

    Raises:
        Refusal: there is no place for it.
    """
    base = _base()
    try:
        _sweep(base)
        path = tempfile.mkdtemp(prefix=f"{_machine()}-{os.getpid()}-", dir=base)
    except OSError as error:
        raise Refusal(
            f"{base} cannot be written ({error.strerror}); let CORRIDORKEY_TMP name another folder."
        ) from error
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):
            Path(base).rmdir()  # which it refuses while another run is there


def budget(path: str) -> int:
    """Return how many bytes frames on their way may take there."""
    try:
        return min(_MOST, shutil.disk_usage(path).free // 4)
    except OSError:
        return 0


def frames_within(room: int, frame_bytes: int) -> int:
    """Return how many frames fit; two do whatever their size, as one is read while the next one is written."""
    return max(_LEAST, room // max(1, frame_bytes))


def _base() -> str:
    """Return the folder that holds those of all runs of this user, made if need be."""
    given = os.environ.get("CORRIDORKEY_TMP", "")
    if given and not Path(given).is_absolute():
        raise Refusal(f"CORRIDORKEY_TMP is {given}, which is not a full path; write it from the root on.")
    place = given or (_MEMORY if _has_room(_MEMORY) else tempfile.gettempdir())
    path = str(Path(place, f"ckey-{_user()}-nuke"))
    try:
        Path(path).mkdir(mode=0o700, parents=True, exist_ok=True)
        status = Path(path).lstat()
    except OSError as error:
        raise Refusal(f"{path} cannot be made ({error.strerror}); let CORRIDORKEY_TMP name another folder.") from error
    if not stat.S_ISDIR(status.st_mode) or not _is_private(status):
        raise Refusal(f"{path} belongs to somebody else or is open to others; remove it, or set CORRIDORKEY_TMP.")
    return path


def _has_room(place: str) -> bool:
    try:
        return os.access(place, os.W_OK) and shutil.disk_usage(place).free >= _ENOUGH
    except OSError:
        return False


def _is_private(status: os.stat_result) -> bool:
    return os.name != "posix" or (status.st_uid == os.getuid() and not status.st_mode & 0o077)


def _sweep(base: str) -> None:
    """Remove the folders of processes of this machine that have ended without doing so."""
    for path in Path(base).iterdir():
        machine, _, pid = path.name.rpartition("-")[0].rpartition("-")
        if machine == _machine() and pid.isdigit() and not _is_alive(int(pid)):
            shutil.rmtree(str(path), ignore_errors=True)


def _is_alive(pid: int) -> bool:
    if os.name != "posix":
        return True  # asking would end it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _machine() -> str:
    """Return this machine's name: several may share the folder that CORRIDORKEY_TMP names."""
    return "".join(letter if letter.isalnum() else "_" for letter in socket.gethostname())


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
