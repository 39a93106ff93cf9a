"""Puts a whole file in place or none: it is written under a hidden name in the same folder and then renamed.

Knows nothing of what is written.
"""

import errno
import os
import platform
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from corridorkey_models.errors import CorridorKeyError, InputError, ResourceError

from .paths import check_name

_TRY_AGAIN = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE}

_HOST = re.sub(r"\W", "_", platform.node())


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the name of an empty file beside `path`, which becomes `path` if the block ends without error.

    The folder is made if it is not there. Whatever fails, `path` stays as it was and nothing is left behind.

    Raises:
        InputError: `path` cannot be written: a folder of that name, a missing right, a name that is not UTF-8.
        ResourceError: the disk is full or failed, or the block raised OSError or RuntimeError.
    """
    check_name(path)
    temporary = _create(path)
    try:
        yield temporary
        _settle(temporary, path)
    except OSError as error:
        raise _refusal(path, error) from error
    except RuntimeError as error:
        raise ResourceError(f"{path} could not be written: {error}; free space or choose another folder.") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def sweep(folder: Path) -> None:
    """Remove from `folder` what processes of this machine left there that were killed while they wrote."""
    with suppress(OSError):
        for leftover in folder.glob(f".ckey-{_HOST}-*.tmp"):
            process = leftover.name.split("-")[2]
            if process.isdigit() and not _is_running(int(process)):
                leftover.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _create(path: Path) -> Path:
    # The process id alone is not enough: two farm machines write to one folder.
    temporary = path.parent / f".ckey-{_HOST}-{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not tempfile: its files are private, and others in the studio must read the result.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise _refusal(path, error) from error
    return temporary


def _settle(temporary: Path, path: Path) -> None:
    """Rename once the bytes are on the disk: network file systems report a full disk only then."""
    descriptor = os.open(temporary, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)


def _refusal(path: Path, error: OSError) -> CorridorKeyError:
    reason = (error.strerror or str(error)).lower()
    if error.errno in _TRY_AGAIN:
        return ResourceError(f"{path} could not be written: {reason}; free space or choose another folder.")
    return InputError(f"{path} cannot be written: {reason}; choose a folder that you may write to.")
