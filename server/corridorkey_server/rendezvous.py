"""Where the clients and the daemon of one user meet: a folder that only this user enters, and what lies in it.

The same rule holds in C and in Lua; tests/contract/runtime_folder.json holds the three to it. Opens no connection.
"""

import os
import shlex
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from corridorkey_models.errors import InputError

from . import system

_OURS = {"control", "lease", "daemon.lock", "starting.lock", "daemon.log"}
"""What lies in a runtime folder."""

_PATH_LIMIT = 103 if sys.platform == "darwin" else 107
"""Most bytes of a socket's path."""


def find_folder(environ: Mapping[str, str], user: int, exists: Callable[[str], bool]) -> str:
    """Return the path of the runtime folder, without a slash at its end.

    It is `CKEY_RUNTIME` if that is set and not empty, else /run/user/<user>/ckey if /run/user/<user> exists, else
    /tmp/ckey-<user>; on Windows the last two are ckey\\run in the user's local application data.

    Args:
        environ: environment variables; only those named above are asked for, as others differ between a desktop, cron
            and a farm.
        user: user id.
        exists: says whether there is something at a path.

    Raises:
        InputError: `CKEY_RUNTIME` is relative: two programs would then not meet.
    """
    given = environ.get("CKEY_RUNTIME", "")
    if given:
        if not PurePath(given).is_absolute():
            raise InputError(f"CKEY_RUNTIME is {given}, which is not a full path; write it from the root on.")
        return given.rstrip("/") or "/"
    if sys.platform == "win32":
        return _in_profile(environ)
    session = f"/run/user/{user}"
    return f"{session}/ckey" if exists(session) else f"/tmp/ckey-{user}"


def _in_profile(environ: Mapping[str, str]) -> str:
    profile = environ.get("LOCALAPPDATA", "")
    if not profile:
        raise InputError("LOCALAPPDATA is not set; set CKEY_RUNTIME to a folder that only you can open.")
    return f"{profile}\\ckey\\run"


@dataclass(frozen=True)
class Rendezvous:
    """The runtime folder and what lies in it.

    Attributes:
        folder: full path; nothing says that it is there.
    """

    folder: Path

    @property
    def control(self) -> str:
        """Where the daemon's ZeroMQ socket listens."""
        return system.control_endpoint(self.control_path)

    @property
    def control_path(self) -> Path:
        """Its path, to be dialled."""
        return self.folder / "control"

    @property
    def lease(self) -> str:
        """Path of the socket on which sessions begin and regions are passed; see `system.Listener`."""
        return str(self.folder / "lease")

    @property
    def lock(self) -> Path:
        """File that the daemon holds locked while it lives."""
        return self.folder / "daemon.lock"

    @property
    def starting(self) -> Path:
        """File that a client holds locked while it starts the daemon."""
        return self.folder / "starting.lock"

    @property
    def log(self) -> Path:
        """File that the daemon writes what happens to."""
        return self.folder / "daemon.log"

    def holder(self) -> int | None:
        """Return the process id of the daemon that lives here, whether it answers or not; None if there is none."""
        if not self.lock.exists():
            return None
        free = system.lock(self.lock)
        if free is not None:
            os.close(free)
            return None
        text = self.lock.read_text().strip()
        return int(text) if text.isdigit() else 0

    def check(self) -> bool:
        """Return whether the folder is there; if it is not, no daemon of this user runs here.

        Raises:
            InputError: it is not this user's alone, not a folder, or its path is too long for a socket.
        """
        self._check_length()
        try:
            status = self.folder.lstat()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._unusable(f"cannot be read: {_reason(error)}") from error
        self._check_private(status)
        return True

    def create(self) -> None:
        """Make the folder and those above it, if they are not there, for this user only; raises as `check` does."""
        self._check_length()
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError as error:
            raise self._unusable("is not a folder") from error
        except OSError as error:
            raise self._unusable(f"cannot be made: {_reason(error)}") from error
        self.check()

    def _check_length(self) -> None:
        longest = max(len(os.fsencode(path)) for path in (self.control_path, self.lease))
        if longest > _PATH_LIMIT:
            raise InputError(
                f"{self.folder} is too long: a socket in it would have a path of {longest} bytes, "
                f"{_PATH_LIMIT} are possible; set CKEY_RUNTIME to a shorter path, the same for every program."
            )

    def _check_private(self, status: os.stat_result) -> None:
        if stat.S_ISLNK(status.st_mode):
            raise self._unusable("is a symbolic link")
        if not stat.S_ISDIR(status.st_mode):
            raise self._unusable("is not a folder")
        if sys.platform == "win32":
            return
        if status.st_uid != system.user():
            raise self._unusable(f"belongs to user {status.st_uid} and not to you ({system.user()})")
        if status.st_mode & 0o077 and not {entry.name for entry in self.folder.iterdir()} <= _OURS:
            # No advice to close / or /tmp to everybody else.
            raise self._unusable("is open to other users and holds more than a daemon's files")
        if status.st_mode & 0o077:
            raise InputError(f"{self.folder} is open to other users; run: chmod 700 {shlex.quote(str(self.folder))}")

    def _unusable(self, reason: str) -> InputError:
        return InputError(f"{self.folder} {reason}; set CKEY_RUNTIME to a folder of yours, the same for every program.")


def here(environ: Mapping[str, str] = os.environ) -> Rendezvous:
    """Return where this user's programs meet on this machine; raises as `find_folder` does."""
    return Rendezvous(Path(find_folder(environ, system.user(), _exists)))


def _exists(path: str) -> bool:
    try:
        Path(path).stat()
    except OSError:
        return False
    return True


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
