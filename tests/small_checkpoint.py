"""A checkpoint of the network's own names and shapes, in half precision and for 32 pixels: 140 MB."""

from pathlib import Path

import torch
from torch import Tensor

from corridorkey_models.greenformer import GreenFormer

SIZE = 32


def small_state_dict(dtype: torch.dtype = torch.float16) -> dict[str, Tensor]:
    """Return a state dict for GreenFormer(32); each counts up in eighths, so that a swap would show."""
    with torch.device("meta"):
        shapes = GreenFormer(SIZE).state_dict()
    return {name: _count_up(like, dtype, number) for number, (name, like) in enumerate(shapes.items())}


def _count_up(like: Tensor, dtype: torch.dtype, start: int) -> Tensor:
    if not like.is_floating_point():
        return torch.zeros(like.shape, dtype=like.dtype)
    values = torch.zeros(like.numel(), dtype=dtype)
    values[:100] = (start + torch.arange(100)[: values.numel()]) / 8
    return values.view(like.shape)


def save_published(path: Path, state: dict[str, Tensor]) -> Path:
    """Write `state` as the published files are: in a dict, with the names a compiled network gives."""
    torch.save({"state_dict": {f"_orig_mod.{name}": tensor for name, tensor in state.items()}}, path)
    return path
