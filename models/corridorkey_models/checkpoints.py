"""The known checkpoints, where they live, what is installed, and whether it is still whole.

Reads the headers of safetensors files itself: knows no torch, no network and no terminal.
"""

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .errors import CheckpointError, CorridorKeyError, InputError, ResourceError
from .watch import Watch

LICENCE = "CORRIDOR KEY LICENCE v1.0"

TERMS = """\
The CorridorKey checkpoints are published by Corridor Digital under the CORRIDOR KEY LICENCE, based on
Creative Commons BY-NC-SA 4.0 with terms that prevail over it. In short:
  - You may use them for any lawful work, and process pictures of commercial projects with them.
  - You may not resell, repackage or redistribute them, in whole or in part, alone or in a competing product.
  - You may not offer their inference as a paid API, a subscription or any service billed by use.
  - Software vendors and inference services need a written agreement: contact@corridordigital.com.
  - Whatever builds on them keeps the name CorridorKey in a prominent place, credits it, and is released under
    the same terms.
The full text, which alone is binding: https://github.com/nikopueringer/CorridorKey/blob/main/LICENSE
"""
"""What a user is shown before the first download."""


@dataclass(frozen=True)
class Checkpoint:
    """A published checkpoint.

    Attributes:
        name: the screen it was trained for, as in `ckey pull green`.
        repo: repository on the Hugging Face hub.
        filenames: names the file has or had there, tried in order.
        licence, terms: name of its licence, and what it says in short.
        sha256: of the published file, where its author states one.
    """

    name: str
    repo: str
    filenames: tuple[str, ...]
    licence: str = LICENCE
    terms: str = TERMS
    sha256: str | None = None


CHECKPOINTS = {
    checkpoint.name: checkpoint
    for checkpoint in (
        Checkpoint("green", "nikopueringer/CorridorKey_v1.0", ("CorridorKey_v1.0.pth", "CorridorKey.pth")),
        Checkpoint("blue", "nikopueringer/CorridorKeyBlue_1.0", ("CorridorKeyBlue_1.0.pth",)),
    )
}


def find_checkpoint(name: str) -> Checkpoint:
    """Return the checkpoint called `name`.

    Raises:
        InputError: there is none of that name.
    """
    if name not in CHECKPOINTS:
        raise InputError(f"there is no checkpoint {name!r}; choose one of {', '.join(CHECKPOINTS)}.")
    return CHECKPOINTS[name]


def models_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where checkpoints are kept: $CKEY_MODELS, else ckey/models in $XDG_DATA_HOME.

    Raises:
        InputError: it is in the home folder of somebody who has none.
    """
    data = environment.get("XDG_DATA_HOME") or "~/.local/share"
    chosen = environment.get("CKEY_MODELS") or f"{data}/ckey/models"
    try:
        return Path(chosen).expanduser()
    except RuntimeError:
        user = Path(chosen).parts[0]
        raise InputError(f"{chosen} is nowhere: {user} has no home folder; set CKEY_MODELS to a folder.") from None


def installed_path(name: str, folder: Path | None = None) -> Path:
    """Return where the converted checkpoint `name` is, or would be."""
    return (folder or models_folder()) / f"{name}.safetensors"


@dataclass(frozen=True)
class Installed:
    """A converted checkpoint on disk, as its own header tells.

    Attributes:
        name: green or blue, or the file's stem where it is another.
        path, size: the file, and its bytes.
        source: hub repository and file, or the file, that it was converted from.
        sha256: of that source.
        tensors_sha256: of the names, types, shapes and values of its tensors; see `hash_tensors`.
        licence: name of the licence.
        date: when it was converted, ISO 8601, UTC.
        converter: version of this software that did it.
    """

    name: str
    path: Path
    size: int
    source: str
    sha256: str
    tensors_sha256: str
    licence: str
    date: str
    converter: str


@dataclass(frozen=True)
class _Layout:
    """Header of a safetensors file: free text; type, shape, span of each tensor; start, size of the data."""

    metadata: dict[str, str]
    tensors: dict[str, tuple[str, tuple[int, ...], int, int]]
    start: int
    length: int


_HEADER_LIMIT = 1 << 20  # bytes; ours has about 50 000


def read_installed(path: Path) -> Installed:
    """Return what the converted checkpoint at `path` says of itself; reads its header only.

    Raises:
        CheckpointError: it is missing, cut short, or not written by `ckey pull`.
    """
    metadata = _read_layout(path).metadata
    fields = ("source", "sha256", "tensors_sha256", "licence", "date", "converter")
    if missing := [field for field in fields if field not in metadata]:
        raise CheckpointError(
            f"{path} was not written by `ckey pull`: it does not state its {missing[0]}; "
            f"remove it, and {_remedy(path)}."
        )
    return Installed(path.stem, path, path.stat().st_size, **{field: metadata[field] for field in fields})


def list_installed(folder: Path | None = None) -> list[Path]:
    """Return the converted checkpoints in the models folder, sorted; none where the folder does not exist.

    Raises:
        InputError: the folder cannot be read.
    """
    folder = folder or models_folder()
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".safetensors")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(folder, error) from error


def find_installed(name: str, folder: Path | None = None) -> Installed | None:
    """Return the converted checkpoint `name`, or None where it is missing or its file is damaged."""
    try:
        return read_installed(installed_path(name, folder))
    except CheckpointError:
        return None


def verify(installed: Installed, watch: Watch | None = None) -> None:
    """Read every tensor of a converted checkpoint again and compare with what was written.

    Raises:
        CheckpointError: a value, name or shape has changed since.
    """
    if hash_tensors(_read_tensors(installed.path, watch)) != installed.tensors_sha256:
        raise damaged(installed.path, "its values are no longer those that were written")


Named = tuple[str, str, tuple[int, ...], "bytes | memoryview"]
"""A tensor as it is hashed: name, safetensors type, shape, little-endian values."""


def hash_tensors(tensors: Iterable[Named]) -> str:
    """Return one sha256 for all `tensors`, whatever their order."""
    digests = {}
    for name, kind, shape, values in tensors:
        digest = hashlib.sha256(f"{name} {kind} {list(shape)}\n".encode())
        digest.update(values)
        digests[name] = digest.digest()
    return hashlib.sha256(b"".join(digests[name] for name in sorted(digests))).hexdigest()


def _read_tensors(path: Path, watch: Watch | None) -> Iterator[Named]:
    layout = _read_layout(path)
    with path.open("rb") as file:
        for name, (kind, shape, first, last) in layout.tensors.items():
            file.seek(layout.start + first)
            yield name, kind, shape, file.read(last - first)
            if watch is not None:
                watch("verify", last / max(layout.length, 1))


def read_metadata(path: Path) -> dict[str, str]:
    """Return the free text in the header of a safetensors file.

    Raises:
        CheckpointError: it is missing, cut short, or no safetensors file.
    """
    return _read_layout(path).metadata


def hash_file(path: Path, watch: Watch | None = None) -> str:
    """Return the sha256 of a file's bytes."""
    digest, done, size = hashlib.sha256(), 0, max(path.stat().st_size, 1)
    with path.open("rb") as file:
        while block := file.read(8 << 20):
            digest.update(block)
            done += len(block)
            if watch is not None:
                watch("hash", done / size)
    return digest.hexdigest()


def _read_layout(path: Path) -> _Layout:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = file.read(length) if 2 <= length <= min(_HEADER_LIMIT, size) else b""
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist; {_remedy(path)}.") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); check its path and permissions.") from error
    try:
        return _parse_layout(json.loads(header), 8 + length, size)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise damaged(path, "it is cut short, or no safetensors file") from error


def _parse_layout(header: dict[str, Any], start: int, size: int) -> _Layout:
    metadata = {str(key): str(value) for key, value in header.pop("__metadata__", {}).items()}
    tensors = {}
    for name, row in header.items():
        first, last = map(int, row["data_offsets"])
        tensors[name] = (str(row["dtype"]), tuple(map(int, row["shape"])), first, last)
    spans = sorted((first, last) for _, _, first, last in tensors.values())
    ends = [0, *(last for _, last in spans)]
    if [first for first, _ in spans] != ends[:-1] or start + ends[-1] != size:
        raise ValueError("the spans of the tensors do not cover the file")
    return _Layout(metadata, tensors, start, ends[-1])


def damaged(path: Path, why: str) -> CheckpointError:
    """Return the error that the checkpoint at `path` is damaged, and how to get a whole one."""
    return CheckpointError(f"{path} is damaged: {why}; {_remedy(path, ' --overwrite')}.")


def _remedy(path: Path, option: str = "") -> str:
    return f"run `ckey pull {path.stem}{option}`" if path.stem in CHECKPOINTS else "get the file again"


def is_accepted(checkpoint: Checkpoint, folder: Path | None = None) -> bool:
    """Tell whether a user of this models folder has accepted the terms of `checkpoint`, as they read now."""
    record = _read_record("licences", folder).get(checkpoint.licence, {})
    return bool(record.get("terms") == _terms_key(checkpoint))


def accept(checkpoint: Checkpoint, folder: Path | None = None) -> None:
    """Record that the terms of `checkpoint` were accepted, so that they are asked for once."""
    record = {"terms": _terms_key(checkpoint), "date": now()}
    _write_record("licences", {**_read_record("licences", folder), checkpoint.licence: record}, folder)


def known_sha256(checkpoint: Checkpoint, folder: Path | None = None) -> str | None:
    """Return the sha256 that the source of `checkpoint` had when it was last pulled, if it ever was."""
    found = _read_record("sources", folder).get(checkpoint.name, {}).get("sha256")
    return None if found is None else str(found)


def record_sha256(checkpoint: Checkpoint, sha256: str, folder: Path | None = None) -> None:
    """Remember the sha256 of the source of `checkpoint`, also when the converted file is removed."""
    record = {"sha256": sha256, "date": now()}
    _write_record("sources", {**_read_record("sources", folder), checkpoint.name: record}, folder)


def now() -> str:
    """Return the time as it is written into records: ISO 8601, UTC, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def storage_error(error: OSError, folder: Path) -> CorridorKeyError:
    """Return what a failed write below `folder` means to a user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ResourceError(f"the disk of {folder} is full; free 1 GB, or set CKEY_MODELS to another folder.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG):
        return InputError(f"{folder} cannot be written ({error.strerror}); set CKEY_MODELS to one that can.")
    return ResourceError(f"writing to {folder} failed ({error.strerror or error}); try again.")


def _unreadable(folder: Path, error: OSError) -> InputError:
    return InputError(f"{folder} cannot be read ({error.strerror}); set CKEY_MODELS to a folder that can.")


def _terms_key(checkpoint: Checkpoint) -> str:
    return hashlib.sha256(checkpoint.terms.encode()).hexdigest()


def _read_record(name: str, folder: Path | None) -> dict[str, Any]:
    path = (folder or models_folder()) / f"{name}.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise _unreadable(path.parent, error) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({error}); correct or remove it.") from error
    if not isinstance(record, dict):
        raise InputError(f"{path} is not a record of `ckey pull`; remove it.")
    return record


def _write_record(name: str, record: dict[str, Any], folder: Path | None) -> None:
    path = (folder or models_folder()) / f"{name}.json"
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise storage_error(error, path.parent) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
