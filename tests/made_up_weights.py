"""Deterministic made-up weights for the CorridorKey network, as the golden figures were computed with."""

import zlib

import torch
from torch import Tensor

from corridorkey_models.greenformer import GreenFormer


def made_up_state_dict(size: int = 256) -> dict[str, Tensor]:
    """Return a full state dict for GreenFormer(size); each tensor depends on its name and shape alone."""
    with torch.device("meta"):
        shapes = GreenFormer(size).state_dict()
    return {name: _gain(name) * _made_up(name, like) for name, like in shapes.items()}


def _gain(name: str) -> float:
    return 0.02 if name.startswith("refiner.final") else 1


def _made_up(name: str, like: Tensor) -> Tensor:
    if not like.is_floating_point():
        return torch.zeros(like.shape, dtype=like.dtype)
    noise = torch.randn(like.shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
    if name.endswith("running_var"):
        return 1 + 0.1 * noise.abs()
    if noise.ndim == 1:
        return 0.1 * noise + (1 if name.endswith("weight") else 0)
    if name.endswith("pos_embed"):
        return 0.1 * noise
    return noise.div(noise[0].numel() ** 0.5)
