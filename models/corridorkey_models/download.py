"""Fetching a checkpoint from the Hugging Face hub, into a private folder that is gone after the pull.

Knows the hub and the models folder, but no torch and no terminal; what comes back is not yet checked.
"""

import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies

from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

from .checkpoints import Checkpoint, storage_error
from .errors import CheckpointError, CorridorKeyError, ResourceError
from .watch import Watch

_PREFIX = ".pull-"
# of whichever HTTP library this version of the hub is built on
_TRANSPORT_ERROR: type[Exception] = HfHubHTTPError.__bases__[0]


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """Give a private folder inside the models folder, for one pull at a time; it is gone afterwards.

    The lock ends with its process, so whoever holds it may remove what killed pulls left behind.

    Raises:
        ResourceError: another pull is at work there, or the disk is full.
        InputError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise storage_error(error, folder) from error
    try:
        _lock(lock, folder)
        for orphan in folder.glob(f"{_PREFIX}*"):
            shutil.rmtree(orphan, ignore_errors=True)
        place = _make_place(folder)
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
    finally:
        os.close(lock)


def _make_place(folder: Path) -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
    except OSError as error:
        raise storage_error(error, folder) from error


def _lock(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ResourceError(f"another `ckey pull` is writing to {folder}; try again after it.") from None
    except OSError as error:
        raise storage_error(error, folder) from error


def download(checkpoint: Checkpoint, place: Path, watch: Watch | None = None) -> tuple[Path, str]:
    """Fetch the published file into `place`, trying its names in order; return it and where it came from.

    Honours HF_ENDPOINT, HF_HUB_OFFLINE and the hub's other variables. What `watch` raises ends it.

    Raises:
        CheckpointError: the hub has no such file, or refuses it.
        ResourceError: the hub cannot be reached, the transfer broke off, or the disk is full.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise ResourceError(f"HF_HUB_OFFLINE forbids the download; unset it, or {_by_hand(checkpoint)}.")
    _knock(checkpoint)
    for filename in checkpoint.filenames:
        if (path := _fetch(checkpoint, filename, place, watch)) is not None:
            return path, f"{checkpoint.repo}/{filename}"
    names = " or ".join(checkpoint.filenames)
    raise CheckpointError(f"{_endpoint()}/{checkpoint.repo} has no {names} (404); {_by_hand(checkpoint)}.")


def _knock(checkpoint: Checkpoint) -> None:
    """Fail at once where nothing listens: the hub's own client tries for half a minute."""
    address = urlsplit(_endpoint())
    if getproxies():
        return
    try:
        port = address.port or {"http": 80}.get(address.scheme, 443)
        socket.create_connection((address.hostname or "", port), timeout=constants.HF_HUB_ETAG_TIMEOUT).close()
    except (OSError, ValueError) as error:
        raise _unreachable(checkpoint) from error


def _unreachable(checkpoint: Checkpoint) -> ResourceError:
    why = f"{_endpoint()} cannot be reached"
    return ResourceError(f"{why}; check the network or HF_ENDPOINT, or {_by_hand(checkpoint)}.")


def _fetch(checkpoint: Checkpoint, filename: str, place: Path, watch: Watch | None) -> Path | None:
    """Return the fetched file, or None where the hub has none of that name."""
    # its own protocol would ignore what a progress report raises, and keep a cache of its own
    constants.HF_HUB_DISABLE_XET = True
    constants.HF_HUB_DISABLE_TELEMETRY = True
    try:
        return Path(
            hf_hub_download(
                checkpoint.repo,
                filename,
                local_dir=place,
                endpoint=os.environ.get("HF_ENDPOINT") or None,
                tqdm_class=_bar_class(watch),
            )
        )
    except (_TRANSPORT_ERROR, EntryNotFoundError, OSError) as error:
        if _status(error) == 404:
            return None
        raise _explain(error, checkpoint, place) from error


def _status(error: BaseException | None) -> int | None:
    """HTTP status behind an error, as the hub wraps some of them."""
    while error is not None:
        if isinstance(error, HfHubHTTPError) and error.response is not None:
            return int(error.response.status_code)
        error = error.__cause__
    return None


def _explain(error: Exception, checkpoint: Checkpoint, place: Path) -> CorridorKeyError:
    status = _status(error)
    if status in (401, 403):
        why = f"{_endpoint()} refuses {checkpoint.repo} ({status})"
        return CheckpointError(f"{why}; log in with `hf auth login`, or {_by_hand(checkpoint)}.")
    if status is not None:
        return ResourceError(f"{_endpoint()} answered {status}; try again later, or {_by_hand(checkpoint)}.")
    if isinstance(error, LocalEntryNotFoundError):
        return _unreachable(checkpoint)
    if isinstance(error, OSError) and error.errno is not None:
        return storage_error(error, place.parent)
    return ResourceError(f"the download broke off; try again, or {_by_hand(checkpoint)}.")


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def _by_hand(checkpoint: Checkpoint) -> str:
    return f"fetch the file elsewhere and run `ckey pull {checkpoint.name} --from FILE`"


def _bar_class(watch: Watch | None) -> Any:
    """Return what the hub takes for a progress bar: it passes the bytes on to `watch`."""

    class Bar:
        def __init__(self, total: float | None = None, initial: float = 0, **_: object) -> None:
            self.total, self.n = total, initial

        def __enter__(self) -> Self:
            return self

        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None:
            self.close()

        def update(self, amount: float = 1) -> None:
            self.n += amount
            if watch is not None and self.total:
                watch("download", min(self.n / self.total, 1.0))

        def close(self) -> None:
            """Nothing is open."""

    return Bar
