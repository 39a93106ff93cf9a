"""Pulling a checkpoint: fetched from the Hugging Face hub, checked, converted, and put into the models folder.

Everything happens in a private folder that is gone after the pull. Knows no torch and no terminal.
"""

import fcntl
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .checkpoints import (
    Checkpoint,
    Installed,
    find_installed,
    hash_file,
    installed_path,
    is_accepted,
    known_sha256,
    models_folder,
    read_installed,
    record_sha256,
    storage_error,
)
from .convert import check_source, convert
from .errors import CheckpointError, CorridorKeyError, InputError, ResourceError
from .hub_settings import check_settings, endpoint, explain, find_route
from .watch import Watch

try:  # it reads, and trips over, its settings while it is imported
    from huggingface_hub import constants, get_session, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError
except ValueError as error:
    check_settings()
    raise InputError(f"the hub's client cannot start ({error}); check the HF_ variables that are set.") from error

_PREFIX = ".pull-"
# of whichever HTTP library this version of the hub is built on
_TRANSPORT_ERROR: type[Exception] = HfHubHTTPError.__bases__[0]
_INVALID_URL: type[Exception] = getattr(sys.modules[_TRANSPORT_ERROR.__module__], "InvalidURL", ValueError)


def pull(
    checkpoint: Checkpoint,
    *,
    source: Path | None = None,
    overwrite: bool = False,
    folder: Path | None = None,
    watch: Watch | None = None,
) -> Installed:
    """Fetch `checkpoint`, or take it from the file `source`, convert it and put it into the models folder.

    One that is installed already stays unless `overwrite` or `source` is given. Until everything is checked
    and written, the models folder is as it was. Stages of `watch`, which may raise to stop: download, hash,
    convert.

    Raises:
        InputError: the terms have not been accepted, the folder cannot be written, or a network setting is wrong.
        CheckpointError: no such file on the hub; not this network's weights; other bytes than last time.
        ResourceError: no network, disk full, another pull at work.
    """
    folder = folder or models_folder()
    if not is_accepted(checkpoint, folder):
        raise InputError(
            f"the terms of the {checkpoint.name} checkpoint have not been accepted; "
            f"run `ckey pull {checkpoint.name}` in a terminal, or with --accept-license."
        )
    with workplace(folder) as place:
        present = None if overwrite or source else find_installed(checkpoint.name, folder)
        return present or _install(checkpoint, source, overwrite, place, watch)


def _install(
    checkpoint: Checkpoint, source: Path | None, overwrite: bool, place: Path, watch: Watch | None
) -> Installed:
    folder = place.parent
    path, origin = (source, "") if source else download(checkpoint, place, watch)
    check_source(path)
    sha256 = hash_file(path, watch)
    _check_sha256(checkpoint, sha256, overwrite, folder)
    target = installed_path(checkpoint.name, folder)
    converted = convert(path, place / target.name, checkpoint, origin=origin, sha256=sha256)
    try:
        converted.path.replace(target)
    except OSError as error:
        raise storage_error(error, folder) from error
    record_sha256(checkpoint, sha256, folder)
    if watch is not None:
        watch("convert", 1.0)
    return read_installed(target)


def _check_sha256(checkpoint: Checkpoint, sha256: str, overwrite: bool, folder: Path) -> None:
    if checkpoint.sha256 not in (None, sha256):
        raise CheckpointError(
            f"the {checkpoint.name} checkpoint has sha256 {sha256}, its author states {checkpoint.sha256}; "
            "it is damaged or not the published one: get it from another network or mirror."
        )
    known = known_sha256(checkpoint, folder)
    if known not in (None, sha256) and not overwrite:
        raise CheckpointError(
            f"the {checkpoint.name} checkpoint's sha256 changed since it was last pulled, from {known} "
            f"to {sha256}; if its author published a new one, run `ckey pull {checkpoint.name} --overwrite`."
        )


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
        InputError: a network setting is wrong.
        CheckpointError: the hub has no such file, or refuses it.
        ResourceError: the hub cannot be reached, the transfer broke off, or the disk is full.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise ResourceError(f"HF_HUB_OFFLINE forbids the download; unset it, or {_by_hand(checkpoint)}.")
    check_settings()
    _open_client()
    _knock(checkpoint)
    for filename in checkpoint.filenames:
        if (path := _fetch(checkpoint, filename, place, watch)) is not None:
            return path, f"{checkpoint.repo}/{filename}"
    names = " or ".join(checkpoint.filenames)
    raise CheckpointError(f"{endpoint()}/{checkpoint.repo} has no {names} (404); {_by_hand(checkpoint)}.")


def _open_client() -> None:
    """Have the client read the settings for proxies and certificates, so that what it raises is about them."""
    try:
        get_session()
    except (ImportError, ValueError, OSError, _INVALID_URL) as error:
        raise explain(error) from error


def _knock(checkpoint: Checkpoint) -> None:
    """Fail at once where nothing listens: the hub's own client tries for half a minute."""
    route = find_route()
    try:
        socket.create_connection((route.host, route.port), timeout=constants.HF_HUB_ETAG_TIMEOUT).close()
    except (OSError, ValueError) as error:
        raise _unreachable(checkpoint) from error


def _unreachable(checkpoint: Checkpoint) -> ResourceError:
    route = find_route()
    via = "" if route.setting == "HF_ENDPOINT" else f" through the proxy {route.host}:{route.port}"
    why = f"{endpoint()} cannot be reached{via}"
    return ResourceError(f"{why}; check the network or {route.setting}, or {_by_hand(checkpoint)}.")


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
                endpoint=endpoint(),
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
        why = f"{endpoint()} refuses {checkpoint.repo} ({status})"
        return CheckpointError(f"{why}; log in with `hf auth login`, or {_by_hand(checkpoint)}.")
    if status is not None:
        return ResourceError(f"{endpoint()} answered {status}; try again later, or {_by_hand(checkpoint)}.")
    if isinstance(error, LocalEntryNotFoundError):
        return _unreachable(checkpoint)
    if isinstance(error, OSError) and error.errno is not None:
        return storage_error(error, place.parent)
    return ResourceError(f"the download broke off; try again, or {_by_hand(checkpoint)}.")


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
