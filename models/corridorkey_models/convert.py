"""From a published checkpoint to a strict, checked safetensors file, and from that to a network.

A `.pth` is read once, with nothing but tensors allowed in it, and never again. Knows no terminal, no device.
"""

import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from . import __version__
from .checkpoints import (
    CHECKPOINTS,
    Checkpoint,
    Installed,
    Named,
    damaged,
    hash_file,
    hash_tensors,
    installed_path,
    now,
    read_installed,
    read_metadata,
    storage_error,
)
from .errors import CheckpointError, ResourceError
from .greenformer import PATCH, POSITIONS, GreenFormer, fit_positions

_TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}
_UNREADABLE = (
    RuntimeError,
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
)


def check_source(path: Path) -> None:
    """Look at the first and last bytes of a checkpoint that has not been read yet.

    Raises:
        CheckpointError: it is missing, empty, a git-LFS pointer, cut short, or no checkpoint at all.
    """
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); give a checkpoint's path.") from error
    if not head:
        raise CheckpointError(f"{path} is empty; download it again.")
    if head.startswith(b"version https://git-lfs"):
        raise CheckpointError(f"{path} is a git-LFS pointer, not the file it stands for; download that.")
    if _is_safetensors(path, head):
        read_metadata(path)
    elif head.startswith(b"PK"):
        if not zipfile.is_zipfile(path):
            raise CheckpointError(f"{path} is cut short: its last part is missing; download it again.")
    elif not head.startswith(b"\x80\x02"):
        raise CheckpointError(f"{path} is no torch checkpoint and no safetensors file; download it again.")


def _is_safetensors(path: Path, head: bytes) -> bool:
    return path.suffix == ".safetensors" or head[8:9] == b"{"


def convert(
    source: Path,
    target: Path,
    checkpoint: Checkpoint,
    *,
    origin: str = "",
    sha256: str = "",
) -> Installed:
    """Write `source`, a `.pth` or `.safetensors`, as the safetensors file `target`; values stay as they are.

    `target` appears when it is complete, and says it was made from `origin` of `sha256`: `source` by default.

    Raises:
        CheckpointError: `source` cannot be read or does not hold exactly this network's tensors.
        ResourceError: the disk is full.
    """
    check_source(source)
    tensors = _read_source(source)
    check_tensors(tensors, source)
    metadata = {
        "source": origin or str(source.resolve()),
        "sha256": sha256 or hash_file(source),
        "tensors_sha256": hash_tensors(_named(tensors)),
        "licence": checkpoint.licence,
        "date": now(),
        "converter": __version__,
    }
    partial = target.with_name(f".{target.name}.partial")
    try:
        save_file(tensors, partial, metadata)
        partial.chmod(0o644)  # other users of a shared models folder read it too
        partial.replace(target)
    except SafetensorError as error:
        raise ResourceError(f"{target} could not be written ({error}); free 1 GB on its disk.") from error
    except OSError as error:
        raise storage_error(error, target.parent) from error
    finally:
        partial.unlink(missing_ok=True)
    return read_installed(target)


def _read_source(path: Path) -> dict[str, Tensor]:
    with path.open("rb") as file:
        head = file.read(64)
    if _is_safetensors(path, head):
        return _load(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=head.startswith(b"PK"))
    except _UNREADABLE as error:
        raise CheckpointError(
            f"{path} is damaged, or holds more than tensors, unlike a published one; download it again."
        ) from error
    return dict(_unwrap(content))


def _unwrap(content: object) -> Iterator[tuple[str, Tensor]]:
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    for name, value in state.items() if isinstance(state, Mapping) else ():
        if isinstance(value, Tensor):
            # a view may not share its storage with another tensor in a safetensors file
            yield str(name).removeprefix("_orig_mod."), value.contiguous().clone()


def _load(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); download or convert it again.") from error


def check_tensors(tensors: Mapping[str, Tensor], path: Path) -> int:
    """Check names, shapes and types against the network; return the size of picture it was made for.

    Raises:
        CheckpointError: one is missing, unknown, or of another shape or type; names the first of them.
    """
    size = _size_of(tensors)
    with torch.device("meta"):
        expected = GreenFormer(size or 2048).state_dict()
    misfits = {name for name in expected.keys() & tensors if not _fits(tensors[name], expected[name])}
    for wrong, names in (
        ("lacks", expected.keys() - tensors),
        ("has an unknown tensor", tensors.keys() - expected),
        ("has another shape or type of", misfits),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise CheckpointError(f"{path} {wrong} {min(names)}{more}; it is not a CorridorKey checkpoint.")
    return size


def _fits(given: Tensor, wanted: Tensor) -> bool:
    same_kind = given.is_floating_point() == wanted.is_floating_point() and given.dtype in _TYPES
    return given.shape == wanted.shape and same_kind


def _size_of(tensors: Mapping[str, Tensor]) -> int:
    """Side of the square its positions are made for, 0 where they are not those of a square."""
    positions = tensors.get(POSITIONS)
    if positions is None or positions.ndim != 3:
        return 0
    side = round(positions.shape[1] ** 0.5)
    return side * PATCH if side % 8 == 0 and side * side == positions.shape[1] else 0


def _named(tensors: Mapping[str, Tensor]) -> Iterator[Named]:
    for name, tensor in tensors.items():
        values = tensor.reshape(-1).view(torch.uint8).numpy().data
        yield name, _TYPES[tensor.dtype], tuple(tensor.shape), values


def load_network(
    source: str | Path, size: int | None = None, dtype: torch.dtype = torch.float32
) -> tuple[GreenFormer, str]:
    """Return the network, ready to predict, and its identity: the sha256 of the tensors in the file.

    The identity is computed from what was loaded, as `hash_tensors` does, not taken from what the file states.

    Args:
        source: green, blue, or the path of a safetensors file.
        size: side of the square the network shall be made for; as stored where None.
        dtype: floating-point type of its weights.

    Raises:
        CheckpointError: the checkpoint is not installed, damaged, altered, or not this network's.
    """
    path = installed_path(source) if isinstance(source, str) and source in CHECKPOINTS else Path(source)
    if path.suffix in (".pth", ".pt"):
        raise CheckpointError(f"{path} is not converted; run `ckey pull green --from {path}`, or blue.")
    metadata = read_metadata(path)
    tensors = _load(path)
    stored = check_tensors(tensors, path)
    identity = hash_tensors(_named(tensors))
    if metadata.get("tensors_sha256", identity) != identity:
        raise damaged(path, "its values are no longer those that were written")
    if size not in (None, stored):
        tensors = fit_positions(tensors, size or stored)
    with torch.device("meta"):
        network = GreenFormer(size or stored)
    network.load_state_dict(tensors, strict=True, assign=True)
    network.to(dtype).eval().requires_grad_(False)
    return network, identity
