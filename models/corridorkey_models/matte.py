"""Keying maths after the network: masks, despeckle, despill, restore, plate core and matte tools.

Mattes are float tensors [height, width] in [0, 1]; foregrounds [height, width, 3], straight. Each function says
which encoding it works on. Lengths are pixels of the picture at hand: the caller scales them. Knows no network.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

SCREEN_CHANNEL = {"green": 1, "blue": 2}
"""Index of the screen's channel in R, G, B."""

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
    channel = SCREEN_CHANNEL[screen]
    others = [index for index in range(3) if index != channel]
    limit = (foreground[..., others[0]] + foreground[..., others[1]]) / 2
    spill = strength * (foreground[..., channel] - limit).clamp(min=0)
    half = spill / 2
    shifts = [half, half, half]
    shifts[channel] = -spill
    return foreground + torch.stack(shifts, dim=-1)


def restore(
    model: Tensor, plate: Tensor, matte: Tensor, screen: str, amounts: tuple[float, float]
) -> Tensor:
    """Return the `model` foreground with what the network could not see of `plate` given back (both linear Rec.709).

    F = model + highlight * smoothstep(.10, .60, matte) * r + gamut * smoothstep(.80, .98, matte) * min(plate, 0),
    r = max(plate - 1, 0) with the screen channel limited to the mean of the other two, so that a screen brighter
    than 1 does not come back. An exact no-op where the plate lies inside [0, 1].

    Args:
        amounts: strength of the highlight and of the gamut term, each 0 to 1.
    """
    highlight, gamut = amounts
    excess = (plate - 1).clamp(min=0)
    channel = SCREEN_CHANNEL[screen]
    others = [index for index in range(3) if index != channel]
    limit = (excess[..., others[0]] + excess[..., others[1]]) / 2
    excess[..., channel] = torch.minimum(excess[..., channel], limit)
    bright = highlight * _smoothstep(0.10, 0.60, matte).unsqueeze(-1) * excess
    return model + bright + gamut * _smoothstep(0.80, 0.98, matte).unsqueeze(-1) * plate.clamp(max=0)


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
    solid = _square_minimum((matte > 0.95).to(matte), radius)
    weight = blur(solid, 0.4 * radius, radius=radius).unsqueeze(-1)
    return Core(plate * _low_frequency_ratio(model, plate, solid, 16 * scale), weight)


def levels(matte: Tensor, black: float, white: float, gamma: float) -> Tensor:
    """Return `matte` with `black` at 0, `white` at 1 and a gamma between; untouched at 0, 1, 1."""
    if (black, white, gamma) == (0.0, 1.0, 1.0):
        return matte
    return ((matte - black) / (white - black)).clamp(0, 1) ** (1 / gamma)


def grow(matte: Tensor, radius: float) -> Tensor:
    """Return `matte` grown by a disc of `radius` pixels, shrunk where it is negative; fractions are blended."""
    if radius < 0:
        return 1 - grow(1 - matte, -radius)
    whole = math.floor(radius)
    grown = _disc_maximum(matte, whole)
    part = radius - whole
    return grown if part == 0 else torch.lerp(grown, _disc_maximum(matte, whole + 1), part)


def blur(image: Tensor, sigma: float, radius: int | None = None) -> Tensor:
    """Return `image` [height, width] or [height, width, channels] under a Gaussian; edge pixels are repeated.

    Args:
        sigma: standard deviation in pixels; below 0.1 nothing is done.
        radius: pixels the kernel reaches, three sigma if not given.
    """
    if sigma < 0.1:
        return image
    reach = math.ceil(3 * sigma) if radius is None else radius
    offsets = torch.arange(-reach, reach + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    planes = to_planes(image)
    channels = planes.shape[1]
    for shape, pad in (((1, 1, 1, -1), (reach, reach, 0, 0)), ((1, 1, -1, 1), (0, 0, reach, reach))):
        padded = F.pad(planes, pad, mode="replicate")
        planes = F.conv2d(padded, kernel.reshape(shape).repeat(channels, 1, 1, 1), groups=channels)
    return from_planes(planes, image.dim())


def to_planes(image: Tensor) -> Tensor:
    """Return [height, width] or [height, width, channels] as [1, channels, height, width]."""
    return image[None, None] if image.dim() == 2 else image.permute(2, 0, 1)[None].contiguous()


def from_planes(planes: Tensor, dim: int) -> Tensor:
    """Return [1, channels, height, width] as [height, width] for `dim` 2, else [height, width, channels]."""
    return planes[0, 0] if dim == 2 else planes[0].permute(1, 2, 0).contiguous()


def _smoothstep(low: float, high: float, value: Tensor) -> Tensor:
    t = ((value - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def _square_minimum(matte: Tensor, radius: int) -> Tensor:
    """Minimum over a square; the picture's border does not erode, since a subject may be cut off by it."""
    side = 2 * radius + 1
    planes = -to_planes(matte)
    planes = F.max_pool2d(planes, (1, side), stride=1, padding=(0, radius))
    return -from_planes(F.max_pool2d(planes, (side, 1), stride=1, padding=(radius, 0)), 2)


def _disc_maximum(matte: Tensor, radius: int) -> Tensor:
    """Maximum over a disc: for each row offset, the maximum over the chord of the disc at that offset."""
    if radius == 0:
        return matte
    padded = F.pad(to_planes(matte), (0, 0, radius, radius), value=-math.inf)
    height, result = matte.shape[0], matte
    for offset in range(-radius, radius + 1):
        half = math.floor(math.sqrt(radius * radius - offset * offset))
        rows = padded[:, :, radius + offset : radius + offset + height]
        chord = F.max_pool2d(rows, (1, 2 * half + 1), stride=1, padding=(0, half))
        result = torch.maximum(result, chord[0, 0])
    return result


def _low_frequency_ratio(model: Tensor, plate: Tensor, solid: Tensor, sigma: float) -> Tensor:
    """Return model over plate, both blurred by `sigma` within `solid`.

    The plate is clipped to [0, 1] first as the network's was: a highlight above 1 must not lower the ratio.
    """
    weight = solid.unsqueeze(-1)
    stacked = torch.cat([model * weight, plate.clamp(0, 1) * weight, weight], dim=-1)
    low = _low_frequencies(stacked, sigma)
    floor = _DARK * low[..., 6:] + torch.finfo(low.dtype).tiny
    ratio = (low[..., :3] + floor) / (low[..., 3:6] + floor)
    return ratio.clamp(*_RATIO_LIMITS)


def _low_frequencies(image: Tensor, sigma: float) -> Tensor:
    """A wide Gaussian, computed on a picture made smaller by a quarter of sigma: the result holds no finer detail."""
    step = max(1, min(round(sigma / 4), *image.shape[:2]))
    planes = F.avg_pool2d(to_planes(image), step, ceil_mode=True, count_include_pad=False)
    small = to_planes(blur(from_planes(planes, 3), sigma / step))
    return from_planes(F.interpolate(small, image.shape[:2], mode="bilinear", align_corners=False), 3)
