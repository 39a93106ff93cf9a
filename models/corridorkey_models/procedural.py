"""The procedural keyer: a matte and a spill-free foreground from colour alone, without weights.

Each pixel is taken for a mix, plate = alpha * foreground + (1 - alpha) * screen. The empty screen is estimated in
`screen`; the foreground's colour is drawn from solid pixels around; alpha and foreground then follow as the most
likely mix, in the manner of Chuang et al., A Bayesian Approach to Digital Matting, 2001. Knows no files, no network
and no working spaces; the same input gives the same bits.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from .filters import box, enlarge, erode_mask, fill, shrink, smoothstep
from .screen import CHANNELS, estimate_clean_screen, excess, excess_ratio
from .watch import Watch

SOLID_RATIO, SOLID_RATIO_HINTED = 0.15, 0.35
"""Part of the screen's excess below which a pixel may be solid and merely spilled on; larger inside a hint."""

BARE_RATIO = 0.8
"""Part of the screen's excess above which a pixel belongs to the outside of an edge."""

DEPTH_FACTOR, DEPTH_POWER, LIFT_POWER = 0.7, 20, 8
"""How far inside, in distances to the outside, a pixel is deep; how steeply shallow ones lose their say."""

FILL_TRUST = 0.006
"""Weight of certain foreground at which its local mean counts as much as that of a wider neighbourhood."""

HUE_DEVIATION = 0.35
"""Assumed deviation of a foreground's excess, in parts of the screen's, where nothing is known of it."""

SHADING, COLOR_FLOOR, SCREEN_ERROR = 0.15, 0.015, 0.01
"""Deviations beyond what is measured: of a foreground's brightness, of its colour, of the clean screen."""

FREE_COLOR, UNMIX_ERROR = 0.3, 0.02
"""Deviations when colour is unmixed: of a foreground that no neighbour explains, of the clean screen."""

ROUNDS = 3
CHROMA_RADIUS = 3


@dataclass(frozen=True)
class _Plate:
    """What is known of a plate before anything is solved.

    Attributes:
        light: [H, W, 3] linear Rec.709 in [0, 1].
        clean: [H, W, 3] the empty screen.
        ratio: [H, W] excess of the plate over excess of the clean screen: 1 on bare screen, 0 or less off it.
        noise: deviation of `ratio` on bare screen.
        grain: [3] deviation of the light on bare screen.
    """

    light: Tensor
    clean: Tensor
    ratio: Tensor
    noise: float
    grain: Tensor


def unmix(plate: Tensor, screen: str, hint: Tensor | None, watch: Watch | None = None) -> tuple[Tensor, Tensor]:
    """Return the matte [H, W] in [0, 1] and the straight foreground [H, W, 3], linear, in [0, 1].

    Args:
        plate: [H, W, 3] linear Rec.709 in [0, 1].
        screen: "green" or "blue".
        hint: [H, W] rough matte in [0, 1] or None. It makes the inside solid where the plate nearly says so, and
            drops islands far from it, such as tracking markers; soft detail always comes from the plate.
        watch: called between stages.

    A plate without a screen comes back with a matte of 1.

    Raises:
        Cancelled: from `watch`.
    """
    tell = watch or (lambda _stage, _fraction: None)
    tell("screen", 0.0)
    known = _look(plate, screen)
    if known is None:
        return torch.ones_like(plate[..., 0]), plate.clone()
    tell("solid", 0.25)
    regions = _regions(known, hint)
    mean, spread, plain = _foreground_model(known, regions.depth)
    tell("unmix", 0.5)
    alpha, foreground = _solve(known, regions, mean, spread)
    tell("clean", 0.85)
    alpha = _settle(alpha, known)
    if hint is not None:
        alpha = _drop_islands(alpha, hint)
    tell("spill", 0.9)
    foreground = _limit_spill(foreground, known.clean, plain, regions.depth**4, screen)
    foreground = _calm_chroma(foreground, alpha)
    tell("done", 1.0)
    return alpha, foreground


def _look(plate: Tensor, screen: str) -> _Plate | None:
    light = plate.clamp(0, 1)
    clean = estimate_clean_screen(light, screen)
    if not bool((excess(clean, screen) > 0).any()):
        return None
    ratio = excess_ratio(light, clean, screen)
    bare = erode_mask((ratio > 0.85) & (ratio < 1.15), 2)
    if not bool(bare.any()):
        return _Plate(light, clean, ratio, 0.0, torch.zeros(3))
    noise = 1.4826 * float((ratio[bare] - 1).abs().median())
    grain = 1.4826 * (light[bare] - clean[bare]).abs().median(0).values
    return _Plate(light, clean, ratio, noise, grain)


@dataclass(frozen=True)
class _Regions:
    """Where a plate can be read without solving, all [H, W].

    Attributes:
        bare: the bare screen.
        depth: how surely a pixel shows foreground alone, in [0, 1]; 1 is deep inside.
        lift: how much of what is missing from a matte of 1 is put down to spill, in [0, 1].
    """

    bare: Tensor
    depth: Tensor
    lift: Tensor


def _regions(known: _Plate, hint: Tensor | None) -> _Regions:
    """Find bare screen and deep foreground.

    A soft edge is as wide inside as it looks from outside, so depth compares the distance to the rim of the solid part
    with the distance to where the screen begins to show: a motion-blurred limb is not solid up to its visible rim.
    """
    bare = erode_mask(box(known.ratio, 1) > 1 - max(0.02, 3 * known.noise))
    limit = torch.full_like(known.ratio, SOLID_RATIO)
    if hint is not None:
        limit = limit + (SOLID_RATIO_HINTED - SOLID_RATIO) * smoothstep(0.8, 1.0, hint)
    solid = known.ratio < limit
    inside, outside = _distance(solid), _distance(known.ratio < BARE_RATIO)
    depth = (inside / (DEPTH_FACTOR * outside + 1)).clamp(0, 1) * solid
    power = torch.where(known.ratio > 0, LIFT_POWER, DEPTH_POWER)  # without excess there is no spill to lift
    lift = smoothstep(0.0, 0.4, 1 - known.ratio / limit) * depth**power
    return _Regions(bare, depth, lift)


def _distance(mask: Tensor) -> Tensor:
    """Return the distance in pixels from each pixel of `mask` to the nearest one outside it; 0 outside."""
    if bool(mask.all()):
        return torch.full(mask.shape, 1e6, device=mask.device)
    values = ndimage.distance_transform_edt(mask.cpu().numpy())
    return torch.from_numpy(np.asarray(values, np.float32)).to(mask.device)


def _foreground_model(known: _Plate, depth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the local mean [H, W, 3] and covariance [H, W, 6] of foreground colour, and its mean free of spill."""
    height, width = depth.shape
    weight = (depth**DEPTH_POWER)[..., None]
    color, total = _gathered(known.light, weight, 2)
    moments = enlarge(fill(torch.cat((color, _products(color)), -1), total, FILL_TRUST), height, width)
    mean = moments[..., :3]
    color, total = _gathered(known.light, weight * torch.exp(-known.ratio.clamp(min=0) / 0.02)[..., None], 4)
    return mean, moments[..., 3:] - _products(mean), enlarge(fill(color, total, FILL_TRUST), height, width)


def _gathered(light: Tensor, weight: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Return the mean of [H, W, 3] by `weight` [H, W, 1], and the weight's own, at 1 / `factor` of the size."""
    small = shrink(torch.cat((light * weight, weight), -1), 1 / factor)
    return small[..., :3] / small[..., 3:].clamp(min=1e-9), small[..., 3]


def _products(x: Tensor) -> Tensor:
    """Return the six products xx, yy, zz, xy, xz, yz of [..., 3]."""
    first, second, third = x.unbind(-1)
    return torch.stack(
        (first * first, second * second, third * third, first * second, first * third, second * third), -1
    )


@dataclass(frozen=True)
class _Unsure:
    """The pixels to solve, as lists: light, clean screen, local foreground [N, 3], its covariance [N, 6], ratio [N]."""

    light: Tensor
    clean: Tensor
    center: Tensor
    cover: Tensor
    ratio: Tensor
    grain: Tensor


def _solve(known: _Plate, regions: _Regions, mean: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
    solid = regions.lift == 1
    alpha, foreground = (~regions.bare).to(known.light), torch.where(solid[..., None], known.light, mean)
    unsure = ~(regions.bare | solid)
    if not bool(unsure.any()):
        return alpha, foreground
    center = mean[unsure]
    cover = spread[unsure] + _products(center * SHADING)
    cover[:, :3] += COLOR_FLOOR**2
    light, clean, ratio = known.light[unsure], known.clean[unsure], known.ratio[unsure]
    pixels = _Unsure(light, clean, center, cover, ratio, known.grain.to(light))
    solved, fit = _most_likely(pixels)
    solved = solved + (1 - solved) * regions.lift[unsure]
    alpha[unsure] = solved
    foreground[unsure] = _unmixed(pixels, solved, fit)
    return alpha, foreground


def _most_likely(pixels: _Unsure) -> tuple[Tensor, Tensor]:
    """Return alpha [N] and how well a mix of local foreground and screen explains the pixel, [N] in [0, 1].

    Where it explains it badly, as with glass, a foreground without excess of its own is assumed.
    """
    gap, rest = pixels.center - pixels.clean, pixels.light - pixels.clean
    screen_spread = pixels.grain**2 + (SCREEN_ERROR * pixels.clean) ** 2 + 1e-5
    simple = (1 - pixels.ratio).clamp(0, 1)
    trust = 1 / (HUE_DEVIATION * simple + (-pixels.ratio).clamp(min=0) + 0.02) ** 2
    alpha = fit = simple
    for _ in range(ROUNDS):
        a = alpha[:, None]
        matrix = a * a * pixels.cover
        matrix[:, :3] += screen_spread
        inverse = _inverse(matrix)
        toward = _apply(inverse, gap)
        strength = (toward * gap).sum(-1)
        nearest = ((toward * rest).sum(-1) / strength.clamp(min=1e-6)).clamp(0, 1)
        off = rest - nearest[:, None] * gap
        misfit = (off * _apply(inverse, off)).sum(-1) / 3
        fit = 1 / (1 + misfit * misfit)
        strength = fit * strength
        alpha = (strength * nearest + trust * simple) / (strength + trust)
    return alpha, fit


def _unmixed(pixels: _Unsure, alpha: Tensor, fit: Tensor) -> Tensor:
    """Return the foreground [N, 3]: its local mean, moved by what the pixel says as far as alpha lets it be seen."""
    a = alpha[:, None]
    free = pixels.cover.clone()
    free[:, :3] += (FREE_COLOR * a) ** 2 * (1 - fit)[:, None] + 0.02**2
    matrix = a * a * free
    matrix[:, :3] += pixels.grain**2 + (UNMIX_ERROR * pixels.clean) ** 2 + 1e-6
    off = pixels.light - a * pixels.center - (1 - a) * pixels.clean
    return pixels.center + a * _apply(free, _apply(_inverse(matrix), off))


def _inverse(m: Tensor) -> Tensor:
    """Return the inverse of symmetric 3x3 matrices given as [N, 6], in the order of `_products`."""
    xx, yy, zz, xy, xz, yz = m.unbind(-1)
    adjugate = torch.stack(
        (
            yy * zz - yz * yz,
            xx * zz - xz * xz,
            xx * yy - xy * xy,
            xz * yz - xy * zz,
            xy * yz - xz * yy,
            xy * xz - yz * xx,
        ),
        -1,
    )
    determinant = xx * adjugate[:, 0] + xy * adjugate[:, 3] + xz * adjugate[:, 4]
    return adjugate / determinant.clamp(min=1e-18)[:, None]


def _apply(m: Tensor, x: Tensor) -> Tensor:
    """Return symmetric [N, 6] times [N, 3]."""
    xx, yy, zz, xy, xz, yz = m.unbind(-1)
    first, second, third = x.unbind(-1)
    rows = (xx * first + xy * second + xz * third, xy * first + yy * second + yz * third)
    return torch.stack((*rows, xz * first + yz * second + zz * third), -1)


def _settle(alpha: Tensor, known: _Plate) -> Tensor:
    """Take what the screen's own noise can explain to exactly 0 or 1; what stands clear of it stays as it is."""
    step = max(0.01, 1.2 * known.noise)
    around = box(alpha, 1)
    low = smoothstep(step, 2 * step, around)
    high = smoothstep(step, 2 * step, 1 - around)
    return (1 - (1 - alpha * low) * high).clamp(0, 1)


def _drop_islands(alpha: Tensor, hint: Tensor) -> Tensor:
    """Remove connected parts of the matte that the hint does not touch, from 4 to 8 percent of the height away."""
    height = alpha.shape[0]
    labels, count = ndimage.label(alpha.cpu().numpy() > 0.0, np.ones((3, 3)))
    meant = hint.cpu().numpy() > 0.1
    touched = np.zeros(count + 1, bool)
    touched[np.unique(labels[meant])] = True
    island = torch.from_numpy(~touched[labels]).to(alpha.device)
    away = _distance(torch.from_numpy(~meant).to(alpha.device)) / height
    return torch.where(island, alpha * (1 - smoothstep(0.04, 0.08, away)), alpha)


def _limit_spill(foreground: Tensor, clean: Tensor, mean: Tensor, core: Tensor, screen: str) -> Tensor:
    """Take away screen colour until the screen's channel is no higher than the others and the surroundings allow.

    The limit lies between the mean and the larger of the other channels, where the local foreground has it: a yellow
    scarf keeps its green, brown hair does not turn olive.
    """
    channel = CHANNELS[screen]
    low, high = _others(mean, channel)
    allowed = ((mean[..., channel] - low) / (high - low).clamp(min=1e-4)).clamp(0, 1)
    allowed = allowed + (1 - allowed) * core
    limits = [_others(x, channel) for x in (foreground, clean)]
    limit, clean_limit = (low + allowed * (high - low) for low, high in limits)
    above = (foreground[..., channel] - limit).clamp(min=0)
    spill = above / (clean[..., channel] - clean_limit).clamp(min=1e-4)
    limited = (foreground - spill[..., None] * clean).clamp(min=0)
    low, high = _others(limited, channel)
    limited[..., channel] = torch.minimum(limited[..., channel], low + allowed * (high - low))
    return limited


def _calm_chroma(foreground: Tensor, alpha: Tensor) -> Tensor:
    """Lend pixels of low alpha the chroma of the more solid ones around: theirs is noise, divided by alpha."""
    weight = alpha * alpha
    total = box(weight, CHROMA_RADIUS).clamp(min=1e-6)
    around = torch.stack([box(foreground[..., c] * weight, CHROMA_RADIUS) / total for c in range(3)], -1)
    change = (around - foreground) - (around - foreground).mean(-1, keepdim=True)
    return (foreground + (1 - alpha)[..., None] * change * (total > 1e-5)[..., None]).clamp(0, 1)


def _others(light: Tensor, channel: int) -> tuple[Tensor, Tensor]:
    """Return the mean and the larger of the two channels that are not the screen's."""
    first, second = light[..., 0], light[..., 3 - channel]
    return (first + second) / 2, torch.maximum(first, second)
