"""Picture filters: blur, grow, erode. They know nothing of keying.

Pictures are float tensors [height, width] or [height, width, channels], on any device; lengths are in pixels.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def to_planes(image: Tensor) -> Tensor:
    """Return [height, width] or [height, width, channels] as [1, channels, height, width]."""
    return image[None, None] if image.dim() == 2 else image.permute(2, 0, 1)[None].contiguous()


def from_planes(planes: Tensor, dim: int) -> Tensor:
    """Return [1, channels, height, width] as [height, width] for `dim` 2, else [height, width, channels]."""
    return planes[0, 0] if dim == 2 else planes[0].permute(1, 2, 0).contiguous()


def smoothstep(low: float, high: float, value: Tensor) -> Tensor:
    """Return 0 below `low`, 1 above `high`, and the smooth cubic 3t^2 - 2t^3 between."""
    t = ((value - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


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


def blur_wide(image: Tensor, sigma: float) -> Tensor:
    """Return `image` [height, width, channels] under a wide Gaussian.

    It is computed on a picture made smaller by a quarter of sigma, since the result holds no finer detail.
    """
    step = max(1, min(round(sigma / 4), *image.shape[:2]))
    planes = F.avg_pool2d(to_planes(image), step, ceil_mode=True, count_include_pad=False)
    small = to_planes(blur(from_planes(planes, 3), sigma / step))
    return from_planes(F.interpolate(small, image.shape[:2], mode="bilinear", align_corners=False), 3)


def grow(matte: Tensor, radius: float) -> Tensor:
    """Return `matte` grown by a disc of `radius` pixels, shrunk where it is negative; fractions are blended."""
    if radius < 0:
        return 1 - grow(1 - matte, -radius)
    whole = math.floor(radius)
    grown = _disc_maximum(matte, whole)
    part = radius - whole
    return grown if part == 0 else torch.lerp(grown, _disc_maximum(matte, whole + 1), part)


def erode_square(matte: Tensor, radius: int) -> Tensor:
    """Return the minimum over a square; the picture's border does not erode, since it may cut a subject off."""
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
