"""Picture filters: blur, grow, erode, fill, resize. They know nothing of keying.

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
    height, width = image.shape[:2]
    step = max(1, min(round(sigma / 4), height, width))
    whole = F.pad(to_planes(image), (0, -width % step, 0, -height % step), mode="replicate")
    small = blur(from_planes(F.avg_pool2d(whole, step), 3), sigma / step)
    large = F.interpolate(to_planes(small), scale_factor=step, mode="bilinear", align_corners=False)
    return from_planes(large[..., :height, :width], 3)


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
    if radius < 1:
        return matte
    side = 2 * radius + 1
    planes = -to_planes(matte)
    planes = F.max_pool2d(planes, (1, side), stride=1, padding=(0, radius))
    return -from_planes(F.max_pool2d(planes, (side, 1), stride=1, padding=(radius, 0)), 2)


def _disc_maximum(matte: Tensor, radius: int) -> Tensor:
    """Maximum over a disc: for each row offset, the maximum over the chord of the disc at that offset.

    A chord's maximum is that of two overlapping runs whose length is a power of two, and those come from each other
    by doubling, so that the time grows with the radius and not with its square.
    """
    if radius == 0:
        return matte
    runs = _doubled_maxima(F.pad(to_planes(matte), (radius, radius, 0, 0), value=-math.inf)[0, 0], radius)
    height, width = matte.shape
    result = matte
    for offset in range(min(radius, height - 1) + 1):
        half = math.floor(math.sqrt(radius * radius - offset * offset))
        length = 2 * half + 1
        run = runs[length.bit_length() - 1]
        first, last = radius - half, radius + half + 1 - (1 << (length.bit_length() - 1))
        chord = torch.maximum(run[:, first : first + width], run[:, last : last + width])
        upper, lower = result[: height - offset], result[offset:]
        result = result.clone() if offset == 0 else result
        result[: height - offset] = torch.maximum(upper, chord[offset:])
        result[offset:] = torch.maximum(lower, chord[: height - offset])
    return result


def _doubled_maxima(padded: Tensor, radius: int) -> list[Tensor]:
    """Return maxima over 1, 2, 4, ... pixels to the right of each pixel, up to the disc's width."""
    runs = [padded]
    while 1 << len(runs) <= 2 * radius + 1:
        step = 1 << (len(runs) - 1)
        shifted = F.pad(runs[-1], (0, step), value=-math.inf)[:, step:]
        runs.append(torch.maximum(runs[-1], shifted))
    return runs


def erode_mask(mask: Tensor, radius: int = 1) -> Tensor:
    """Return the boolean mask [H, W] shrunk by `radius` pixels."""
    return erode_square(mask.to(torch.float32), radius) > 0.5


def box(plane: Tensor, radius: int) -> Tensor:
    """Return the mean of [H, W] over a square of `radius` pixels, of what lies inside the picture."""
    size = 2 * radius + 1
    across = F.avg_pool2d(plane[None, None], (size, 1), 1, (radius, 0), count_include_pad=False)
    return F.avg_pool2d(across, (1, size), 1, (0, radius), count_include_pad=False)[0, 0]


def fill(values: Tensor, weight: Tensor, trust: float = 0.05) -> Tensor:
    """Return `values` [H, W, C] averaged by `weight` [H, W]; from ever coarser means where the weight is small.

    Pull-push interpolation; Gortler et al., The Lumigraph, 1996. `trust` is the mean weight at which a level counts
    as much as the coarser ones.
    """
    sums = torch.cat((values * weight[..., None], weight[..., None]), -1).permute(2, 0, 1)[None]
    levels = [sums]
    while max(levels[-1].shape[2:]) > 1:
        levels.append(F.avg_pool2d(levels[-1], 2, ceil_mode=True))
    result = levels[-1][:, :-1] / levels[-1][:, -1:].clamp(min=1e-12)
    for level in reversed(levels[:-1]):
        coarse = F.interpolate(result, size=level.shape[2:], mode="bilinear", align_corners=False)
        result = (level[:, :-1] + trust * coarse) / (level[:, -1:] + trust)
    return result[0].permute(1, 2, 0)


def shrink(image: Tensor, factor: float) -> Tensor:
    """Return [H, W, C] at `factor` times its size, anti-aliased; as it is when `factor` is 1 or more."""
    if factor >= 1:
        return image
    size = [max(1, round(side * factor)) for side in image.shape[:2]]
    planes = image.permute(2, 0, 1)[None]
    small = F.interpolate(planes, size=size, mode="bilinear", align_corners=False, antialias=True)
    return small[0].permute(1, 2, 0)


def enlarge(image: Tensor, height: int, width: int) -> Tensor:
    """Return [H, W, C] resized to `height` by `width`, bilinear."""
    planes = image.permute(2, 0, 1)[None]
    large = F.interpolate(planes, size=(height, width), mode="bilinear", align_corners=False)
    return large[0].permute(1, 2, 0)
