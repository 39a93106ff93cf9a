"""Keying maths after the network: masks, despeckle, despill, restore, plate core and levels.

Mattes are float tensors [height, width] in [0, 1]; foregrounds [height, width, 3], straight. Each function says
which encoding it works on. Lengths are pixels of the picture at hand: the caller scales them. Knows no network.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from .filters import blur, blur_wide, erode_square, smoothstep
from .screen import CHANNELS

_DESPECKLE_FLOOR = 0.02
_RATIO_LIMITS = (0.5, 2.0)
_DARK = 1e-3


def apply_masks(matte: Tensor, inside: Tensor | None, outside: Tensor | None) -> Tensor:
    """Return max(matte, inside) * (1 - outside): keep what `inside` holds, then drop what `outside` holds."""
    if inside is not None:
        matte = torch.maximum(matte, inside)
    return matte if outside is None else matte * (1 - outside)


def despeckle(matte: Tensor, size: float) -> Tensor:
    """Return `matte` with whole islands of fewer than `size` pixels at 0, every other value bit for bit.

    An island is an 8-connected part of matte > 0.02, so that soft detail attached to a body belongs to the body.
    """
    above = (matte > _DESPECKLE_FLOOR).cpu().numpy()
    labels, count = ndimage.label(above, structure=np.ones((3, 3), dtype=np.int8))
    if count == 0:
        return matte
    areas = np.bincount(labels.ravel())
    small = areas < size
    small[0] = False
    return matte.masked_fill(torch.from_numpy(small[labels]).to(matte.device), 0.0)


def despill(foreground: Tensor, screen: str, strength: float) -> Tensor:
    """Return `foreground` (sRGB-encoded, straight) with the screen channel's excess over the others' mean removed.

    Half of what is taken goes to each of the other channels, which keeps brightness: CorridorKey's own despill.
    """
    if strength == 0:
        return foreground
    channel = CHANNELS[screen]
    others = [index for index in range(3) if index != channel]
    limit = (foreground[..., others[0]] + foreground[..., others[1]]) / 2
    spill = strength * (foreground[..., channel] - limit).clamp(min=0)
    half = spill / 2
    shifts = [half, half, half]
    shifts[channel] = -spill
    return foreground + torch.stack(shifts, dim=-1)


def restore(model: Tensor, plate: Tensor, matte: Tensor, screen: str, amounts: tuple[float, float]) -> Tensor:
    """Return the `model` foreground with what the network could not see of `plate` given back (both linear Rec.709).

    F = model + highlight * smoothstep(.10, .60, matte) * r + gamut * smoothstep(.80, .98, matte) * min(plate, 0),
    r = max(plate - 1, 0) with the screen channel limited to the mean of the other two, so that a screen brighter
    than 1 does not come back. An exact no-op where the plate lies inside [0, 1].

    Args:
        amounts: strength of the highlight and of the gamut term, each 0 to 1.
    """
    lowest, highest = plate.aminmax()
    if lowest >= 0 and highest <= 1:
        return model
    highlight, gamut = amounts
    excess = (plate - 1).clamp(min=0)
    channel = CHANNELS[screen]
    others = [index for index in range(3) if index != channel]
    limit = (excess[..., others[0]] + excess[..., others[1]]) / 2
    excess[..., channel] = torch.minimum(excess[..., channel], limit)
    bright = highlight * smoothstep(0.10, 0.60, matte).unsqueeze(-1) * excess
    return model + bright + gamut * smoothstep(0.80, 0.98, matte).unsqueeze(-1) * plate.clamp(max=0)


@dataclass(frozen=True)
class Core:
    """The plate where the matte is solid.

    Attributes:
        pixels: [height, width, 3] linear Rec.709.
        weight: [height, width, 1], 1 in the core, 0 outside the solid matte.
    """

    pixels: Tensor
    weight: Tensor

    def over(self, edges: Tensor) -> Tensor:
        """Return the core, and `edges` [height, width, 3] where it ends."""
        return torch.lerp(edges, self.pixels, self.weight)


def plate_core(plate: Tensor, model: Tensor, matte: Tensor, scale: float) -> Core:
    """Return `plate` as a core, its low frequencies matched to `model`'s (both despilled, linear Rec.709).

    Solid is matte > .95 eroded by 5 pixels and feathered over 11, times `scale`. Matching takes what remains of the
    spill, while grain and sharpness stay the plate's; `model` is what the network gave, before any restore.
    """
    radius = max(1, round(5 * scale))
    solid = erode_square((matte > 0.95).to(matte), radius)
    weight = blur(solid, 0.4 * radius, radius=radius).unsqueeze(-1)
    return Core(plate * _low_frequency_ratio(model, plate, solid, 16 * scale), weight)


def levels(matte: Tensor, black: float, white: float, gamma: float) -> Tensor:
    """Return `matte` with `black` at 0, `white` at 1 and a gamma between; untouched at 0, 1, 1."""
    if (black, white, gamma) == (0.0, 1.0, 1.0):
        return matte
    return ((matte - black) / (white - black)).clamp(0, 1) ** (1 / gamma)


def _low_frequency_ratio(model: Tensor, plate: Tensor, solid: Tensor, sigma: float) -> Tensor:
    """Return model over plate, both blurred by `sigma` within `solid`.

    The plate is clipped to [0, 1] first as the network's was: a highlight above 1 must not lower the ratio.
    """
    weight = solid.unsqueeze(-1)
    stacked = torch.cat([model * weight, plate.clamp(0, 1) * weight, weight], dim=-1)
    low = blur_wide(stacked, sigma)
    floor = _DARK * low[..., 6:] + torch.finfo(low.dtype).tiny
    ratio = (low[..., :3] + floor) / (low[..., 3:6] + floor)
    return ratio.clamp(*_RATIO_LIMITS)
