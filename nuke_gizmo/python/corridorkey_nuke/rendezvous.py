"""Where the programs of one user meet: a folder that only this user enters. Opens no connection and makes no folder.

The daemon's rule in docs/protocol.md; tests/contract/runtime_folder.json holds all who follow it to the same.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Mapping

from .failure import Refusal

PATH_LIMIT = 103 if sys.platform == "darwin" else 107
"""Bytes of a socket's path, at most."""


def find_folder(environ: Mapping[str, str], user: int, exists: Callable[[str], bool]) -> str:
    """Return the path of the runtime folder, without a slash at its end.

    Args:
        environ: environment variables; only CKEY_RUNTIME is asked for.
        user: number of the user.
        exists: says whether there is something at a path.

    Raises:
        Refusal: CKEY_RUNTIME is relative: two programs would then not meet.
    """
    given = environ.get("CKEY_RUNTIME", "")
    if given and not given.startswith("/"):
        raise Refusal(f"CKEY_RUNTIME is {given}, which is not a full path; write it from the root on.")
    if given:
        return given.rstrip("/") or "/"
    session = f"/run/user/{user}"
    return session + "/ckey" if exists(session) else f"/tmp/ckey-{user}"


def here() -> str:
    """Return the runtime folder of who runs this process; raises as `find_folder` does."""
    return find_folder(os.environ, os.getuid(), os.path.exists)


def check(folder: str) -> bool:
    """Return whether the folder is there; if it is not, no daemon of this user runs here.

    Raises:
        Refusal: it is not this user's alone, no folder, or its path is too long for a socket.
    """
    if len(os.fsencode(folder + "/control")) > PATH_LIMIT:
        raise Refusal(
            f"{folder} is too long for the path of a socket; set CKEY_RUNTIME to a shorter path, the same for every "
            "program."
        )
    try:
        status = os.lstat(folder)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unusable(folder, "cannot be read") from error
    _check_private(folder, status)
    return True


def _check_private(folder: str, status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise _unusable(folder, "is a symbolic link")
    if not stat.S_ISDIR(status.st_mode):
        raise _unusable(folder, "is not a folder")
    if status.st_uid != os.getuid():
        raise _unusable(folder, "belongs to another user")
    if status.st_mode & 0o077:
        raise _unusable(folder, "is open to other users")


def _unusable(folder: str, reason: str) -> Refusal:
    return Refusal(f"{folder} {reason}; set CKEY_RUNTIME to a folder of yours, the same for every program.")
