"""The screen behind the subject: which colour it has, a rough chroma hint, and what it looks like when empty.

Plates are torch tensors [H, W, 3], float32, linear Rec.709, on any device; the same plate gives the same bits. Knows
no foreground: `procedural` unmixes with what is found here.
"""

import math

import numpy as np
import torch
from torch import Tensor

from .filters import blur, box, enlarge, erode_mask, erode_square, fill, shrink

CHANNELS = {"green": 1, "blue": 2}
"""Index of each screen colour's channel in R, G, B."""

DETECTION_SIZE = 320
"""Longer side of the picture that detection looks at, in pixels."""

CLEAN_SIZE = 288
"""Shorter side of the picture that the clean screen is estimated on, in pixels."""

SHADE, CLEARANCE = 0.4, 0.02
"""How dark a screen may fall, in parts of its smooth surface, and how far from the subject it must be to do so."""

DEGREE, STIFFNESS = 4, 1e-4
"""Degree of the surface laid through the screen, and how much it resists bending where the screen is hidden."""

ROUGHNESS, LEAST_ROUGHNESS = 2.0, 0.004
"""Unevenness, in times the median's, at which a piece of screen is taken for hair, an edge or a marker."""

LEAST_PURITY = 0.06
LEAST_EXCESS = 0.004
HINT_LOW, HINT_RANGE = 0.20, 0.50
HINT_ERODE, HINT_SIGMA = 0.004, 0.004
"""Part of the picture height by which a chroma hint is eroded and blurred: too small is better than too large."""


def excess(light: Tensor, screen: str) -> Tensor:
    """Return how far the screen's channel stands above the larger of the other two, [..., 3] -> [...]."""
    channel = CHANNELS[screen]
    others = torch.maximum(light[..., 0], light[..., 3 - channel])
    return light[..., channel] - others


def detect_screen(plate: Tensor) -> str | None:
    """Return "green" or "blue" for a plate [H, W, 3] in linear Rec.709, or None when it shows no screen."""
    thumb = shrink(plate.clamp(0, 1), DETECTION_SIZE / max(plate.shape[:2]))
    strength = {screen: float(excess(thumb, screen).clamp(min=0).mean()) for screen in CHANNELS}
    screen = max(strength, key=lambda name: strength[name])
    return screen if screen_pixels(thumb, screen) is not None else None


def screen_pixels(thumb: Tensor, screen: str) -> Tensor | None:
    """Return a mask [H, W] of the pixels of a small picture that show the bare screen, or None if too few do.

    The screen is the most frequent purity, excess over the sum of the channels, of what has the screen's hue; each
    pixel counts by its excess, so that a large greenish subject does not outvote the screen.
    """
    amount = excess(thumb, screen)
    purity = amount / thumb.sum(-1).clamp(min=1e-4)
    candidates = (purity > LEAST_PURITY) & (amount > LEAST_EXCESS)
    if int(candidates.sum()) < min(50, math.ceil(0.02 * candidates.numel())):
        return None
    values, weights = (x[candidates].double().cpu().numpy() for x in (purity, amount))
    counts, edges = np.histogram(values, bins=64, range=(LEAST_PURITY, 1.0), weights=weights)
    smooth = np.convolve(counts, (1, 2, 3, 2, 1), mode="same")
    mode = float(edges[int(smooth.argmax())] + edges[1] - edges[0])
    return candidates & (purity > 0.6 * mode)


def chroma_hint(plate: Tensor, screen: str) -> tuple[Tensor, str | None]:
    """Return a rough matte [H, W] in [0, 1] made from colour alone, and a note for the artist or None.

    Args:
        plate: [H, W, 3] linear Rec.709 in [0, 1].
        screen: "green" or "blue".
    """
    height, width = plate.shape[:2]
    clean = estimate_clean_screen(plate, screen)
    if not bool((excess(clean, screen) > 0).any()):
        return plate.new_ones(height, width), f"no {screen} screen found: the hint is 1 everywhere"
    raw = 1 - ((excess_ratio(plate, clean, screen) - HINT_LOW) / HINT_RANGE).clamp(0, 1)
    eroded = erode_square(raw, round(HINT_ERODE * height))
    return blur(eroded, HINT_SIGMA * height), None


def estimate_clean_screen(plate: Tensor, screen: str) -> Tensor:
    """Return the screen as it would look without the subject, [H, W, 3] linear Rec.709; 0 where there is none.

    A smooth surface follows falloff beneath the subject, a pyramid of local means what differs from it. Pixels
    that are not clearly bare screen, and their neighbours, have no say.
    """
    height, width = plate.shape[:2]
    thumb = shrink(plate.clamp(0, 1), CLEAN_SIZE / min(height, width))
    bare = screen_pixels(thumb, screen)
    if bare is None:
        return torch.zeros_like(plate)
    surface = _fit_surface(thumb, bare)
    even = erode_mask(bare & _is_even(thumb, surface, screen))
    clear = erode_mask(bare & (excess_ratio(thumb, surface, screen) > SHADE), round(CLEARANCE * CLEAN_SIZE))
    clean = surface
    for least in (SHADE, 0.8, 0.93):
        ratio = excess_ratio(thumb, clean, screen)
        trusted = even & (ratio < 2 - least) & (ratio > torch.where(clear, least, 0.93))
        if bool(trusted.any()):
            clean = surface * fill(thumb / surface, trusted.to(thumb))
    return enlarge(clean, height, width)


def excess_ratio(light: Tensor, clean: Tensor, screen: str) -> Tensor:
    """Return the excess of `light` over that of the clean screen, [..., 3] -> [...]: 1 on bare screen, 0 off it."""
    return excess(light, screen) / excess(clean, screen).clamp(min=1e-4)


def _is_even(thumb: Tensor, surface: Tensor, screen: str) -> Tensor:
    """Return where the screen varies no more than the calmer half of it does: no hair, edge or marker near."""
    ratio = excess_ratio(thumb, surface, screen)
    detail = ratio - box(ratio, 2)
    roughness = box(detail * detail, 2).sqrt()
    calm = roughness[ratio > 0.6]
    limit = max(LEAST_ROUGHNESS, ROUGHNESS * float(calm.median())) if len(calm) else LEAST_ROUGHNESS
    even: Tensor = roughness < limit
    return even


def _fit_surface(thumb: Tensor, bare: Tensor) -> Tensor:
    """Fit a polynomial per channel to the bare pixels, least squares reweighted against outliers."""
    rows, columns = thumb.shape[:2]
    v, u = torch.meshgrid(_axis(rows), _axis(columns), indexing="ij")
    powers = [(i, j) for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]
    basis = torch.stack([u**i * v**j for i, j in powers], -1)
    samples, values = basis[bare.cpu()], thumb[bare].double().cpu()
    weight = torch.ones(len(samples), 1, dtype=torch.float64)
    stiffness = torch.tensor([STIFFNESS * (i + j) ** 2 + 1e-9 for i, j in powers], dtype=torch.float64)
    ridge = torch.diag(stiffness) * len(samples)
    for _ in range(4):
        weighted = samples * weight
        factors = torch.linalg.solve(weighted.T @ samples + ridge, weighted.T @ values)
        fitted = samples @ factors
        off = ((values - fitted) / (0.1 * fitted.abs() + 1e-3)).square().sum(-1, keepdim=True)
        weight = 1 / (1 + off)
    low, high = values.quantile(0.05, 0) * 0.5, values.quantile(0.95, 0) * 1.3
    surface = (basis @ factors).clamp(low.expand(3), high.expand(3))
    positive: Tensor = surface.clamp(min=1e-4)
    return positive.to(thumb)


def _axis(size: int) -> Tensor:
    return (torch.arange(size, dtype=torch.float64) + 0.5) / size * 2 - 1
