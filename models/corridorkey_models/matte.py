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
_NOTHING = 1e-6


def apply_masks(matte: Tensor, inside: Tensor | None, outside: Tensor | None) -> Tensor:
    """Return max(matte, inside) * (1 - outside): keep what `inside` holds, drop what `outside` holds.

    All are [height, width]; a mask that is None does nothing.
    """
    if inside is not None:
        matte = torch.maximum(matte, inside)
    return matte if outside is None else matte * (1 - outside)


def hold_masks(matte: Tensor, inside: Tensor | None, outside: Tensor | None) -> Tensor:
    """Return `matte` [height, width], to which the masks were applied, without what later tools did against them.

    What despeckle or shrinking took from inside comes back, what growing or blur put outside goes.
    """
    if inside is not None:
        matte = torch.maximum(matte, apply_masks(inside, None, outside))
    return matte if outside is None else torch.minimum(matte, 1 - outside)


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
    spill = strength * (foreground[..., channel] - _mean_of_others(foreground, channel)).clamp(min=0)
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
        model, plate: [height, width, 3].
        matte: [height, width].
        amounts: strength of the highlight and of the gamut term, each 0 to 1.
    """
    if _is_visible(plate):
        return model
    highlight, gamut = amounts
    bright = highlight * smoothstep(0.10, 0.60, matte).unsqueeze(-1) * _above_white(plate, screen, 1.0)
    return model + bright + gamut * smoothstep(0.80, 0.98, matte).unsqueeze(-1) * plate.clamp(max=0)


def with_unseen(seen: Tensor, plate: Tensor, screen: str, strength: float) -> Tensor:
    """Return `seen`, the despilled part of `plate` within [0, 1], with all that lies outside it put back.

    Above 1 the screen channel's excess over the mean of the others is taken away by `strength`, as despill does, but
    given to no other channel: a screen brighter than 1 must not come back in another colour. All are linear Rec.709,
    [height, width, 3].
    """
    if _is_visible(plate):
        return seen
    return seen + _above_white(plate, screen, strength) + plate.clamp(max=0)


def _is_visible(plate: Tensor) -> bool:
    """Whether the network sees all of `plate`: every value lies in [0, 1]."""
    lowest, highest = plate.aminmax()
    return bool(lowest >= 0) and bool(highest <= 1)


def _above_white(plate: Tensor, screen: str, strength: float) -> Tensor:
    """Return max(plate - 1, 0) with the screen channel's excess over the mean of the others taken off by `strength`."""
    excess = (plate - 1).clamp(min=0)
    channel = CHANNELS[screen]
    limit = _mean_of_others(excess, channel)
    excess[..., channel] -= strength * (excess[..., channel] - limit).clamp(min=0)
    return excess


def _mean_of_others(pixels: Tensor, channel: int) -> Tensor:
    return (pixels[..., 0] + pixels[..., 3 - channel]) / 2


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
    """Return `plate` as a core, its low frequencies matched to `model`'s (both despilled, linear Rec.709, in [0, 1]).

    Solid is matte > .95 eroded by 5 pixels and feathered over 11, times `scale`. Matching takes what remains of the
    spill and leaves grain and sharpness the plate's. It adds the difference of the blurred pictures, since spill is
    added light: a gain would change the contrast of grain, most of all in the blacks.

    Args:
        plate, model: [height, width, 3].
        matte: [height, width].
    """
    radius = max(1, round(5 * scale))
    solid = erode_square((matte > 0.95).to(matte), radius)
    weight = blur(solid, 0.4 * radius, radius=radius).unsqueeze(-1)
    inside = solid.unsqueeze(-1)
    low = blur_wide(torch.cat([(model - plate) * inside, inside], dim=-1), 16 * scale)
    shift = low[..., :3] / low[..., 3:].clamp(min=_NOTHING)
    return Core((plate + shift).clamp(min=0), weight)


def levels(matte: Tensor, black: float, white: float, gamma: float) -> Tensor:
    """Return `matte` [height, width] with `black` at 0, `white` at 1 and a gamma between; untouched at 0, 1, 1."""
    if (black, white, gamma) == (0.0, 1.0, 1.0):
        return matte
    return ((matte - black) / (white - black)).clamp(0, 1) ** (1 / gamma)
