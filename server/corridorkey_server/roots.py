"""Which files a session may have keyed: those in folders that it declared and that are the user's own.

Every process of the user could touch them anyway. This keeps a client's mistake, or what a client was talked into,
from making the daemon read or replace files elsewhere.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from corridorkey_models.errors import InputError

from . import system
from .footage.paths import check_name, printable, unreadable


class Roots:
    """The folders of one session."""

    def __init__(self, folders: Iterable[str] = ()) -> None:
        """Take what a session declares.

        Raises:
            InputError: one is no full path, not there, no folder but a link, or another user's.
        """
        self._folders = [_folder(Path(folder)) for folder in folders]

    def source(self, text: str, target: str) -> Path:
        """Return the path of an exchange file that is there, is the user's own, no link, and in a root.

        Raises:
            InputError: it is not, or it lies beside its target, where keyed files are that nobody shall remove.
        """
        path = self._inside(Path(text))
        if path.parent == Path(os.path.realpath(Path(target).parent)):
            raise InputError(f"{path} lies where keyed files go; export to another folder.")
        status = _look(path)
        if status is None or not stat.S_ISREG(status.st_mode) or not _is_own(status):
            raise InputError(f"{path} is no file of yours; export the frame again.")
        return path

    def target(self, text: str) -> Path:
        """Return the path of a file in a root that may be written: it is not there, or a file and no link.

        Raises:
            InputError: it may not.
        """
        path = self._inside(Path(text))
        status = _look(path)
        if status is not None and not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path} is there and is no file; choose another name.")
        return path

    def _inside(self, path: Path) -> Path:
        check_name(path)
        # The folder may be reached by a link; where it really is has to lie in a root.
        folder = Path(os.path.realpath(path.parent))
        if not path.is_absolute() or path.suffix.lower() != ".exr":
            raise InputError(f"{path} is no full path of an OpenEXR file; give one.")
        if not any(folder.is_relative_to(root) for root in self._folders):
            raise InputError(f"{path} lies in no folder that was declared; declare its folder first.")
        return folder / path.name


def _folder(path: Path) -> Path:
    check_name(path)
    status = _look(path) if path.is_absolute() else None
    if status is None or not stat.S_ISDIR(status.st_mode):
        raise InputError(f"{printable(str(path))} is no folder; make it first, and give its full path.")
    if not _is_own(status):
        raise InputError(f"{path} belongs to another user; choose a folder of your own.")
    return Path(os.path.realpath(path))


def _look(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unreadable(path, error) from error


def _is_own(status: os.stat_result) -> bool:
    return status.st_uid == system.user()
