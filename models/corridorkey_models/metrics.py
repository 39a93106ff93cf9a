"""How far a matte and a foreground are from the truth, in the units of the matting literature.

Arrays are numpy, [H, W] for mattes and [H, W, 3] straight linear Rec.709 for colours. Knows no keyer and no files.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Image = NDArray[np.floating[Any]]

CORE_ALPHA = 0.98
"""Coverage above which a pixel counts as solid, once eroded."""

CORE_EROSION = 3
"""Pixels by which the solid part is eroded to give the core."""

STOP_OFFSET = 2.0**-6
"""Light added before the logarithm, so that black has a finite number of stops."""


@dataclass(frozen=True)
class Recomposite:
    """Mean absolute error x 1e3 of the picture laid over new backgrounds, in linear light.

    Attributes:
        core: over the eroded solid part; nan where the picture has none.
        edge: over every partly covered pixel and the rim around; nan where the picture has none.
        edge_stops: the edge again, in stops.
    """

    core: float
    edge: float
    edge_stops: float


def alpha_mad(alpha: Image, truth: Image) -> float:
    """Return mean |a - a*| x 1e3; the convention of Lin et al., Robust High-Resolution Video Matting, 2021."""
    return float(np.abs(alpha - truth).mean(dtype=np.float64) * 1e3)


def dtssd(alphas: Image, truths: Image) -> float:
    """Return flicker x 1e2 of mattes [T, H, W]: root mean square of (a_t - a_t-1) - (a*_t - a*_t-1).

    Erofeev et al., Perceptually Motivated Benchmark for Video Matting, 2015.
    """
    change = np.diff(alphas.astype(np.float64), axis=0) - np.diff(truths.astype(np.float64), axis=0)
    return float(np.sqrt(np.square(change).mean()) * 1e2)


def foreground_mad(foreground: Image, truth: Image, alpha_truth: Image) -> float:
    """Return mean |F - F*| x 1e3 of the straight foreground where the true coverage is above .01."""
    seen = alpha_truth > 0.01
    return float(np.abs(foreground[seen] - truth[seen]).mean(dtype=np.float64) * 1e3)


def backgrounds(height: int, width: int) -> dict[str, Image]:
    """Return the new backgrounds [H, W, 3] that a recomposite is judged over: linear light."""
    v, u = np.mgrid[0:height, 0:width].astype(np.float32)
    wave = 0.5 + 0.5 * np.sin(0.21 * u) * np.sin(0.17 * v)
    texture = wave[..., None] * np.array((0.5, 0.3, 0.6), np.float32) + np.float32(0.02)
    flat = {
        "dark": (0.01, 0.01, 0.012),
        "grey": (0.18, 0.18, 0.18),
        "saturated": (0.8, 0.05, 0.3),
        "bright": (2.0, 2.0, 2.0),
    }
    plain = {name: np.broadcast_to(np.array(color, np.float32), (height, width, 3)) for name, color in flat.items()}
    return plain | {"texture": texture}


def composite(foreground: Image, alpha: Image, background: Image) -> Image:
    """Return a F + (1 - a) B, linear [H, W, 3]; Porter and Duff, Compositing Digital Images, 1984."""
    return alpha[..., None] * foreground + (1 - alpha[..., None]) * background


def core_of(alpha_truth: Image) -> NDArray[np.bool_]:
    """Return where the truth is solid and not near an edge."""
    return np.asarray(ndimage.binary_erosion(alpha_truth > CORE_ALPHA, iterations=CORE_EROSION, border_value=1))


def edge_of(alpha_truth: Image) -> NDArray[np.bool_]:
    """Return where the truth is partly covered, with a rim of `CORE_EROSION` pixels either side."""
    partly = (alpha_truth > 0.005) & (alpha_truth <= CORE_ALPHA)
    solid = core_of(alpha_truth)
    return np.asarray(ndimage.binary_dilation(partly, iterations=CORE_EROSION)) & ~solid


def recomposite(
    foreground: Image, alpha: Image, truth: Image, alpha_truth: Image, grainy: Image | None = None
) -> Recomposite:
    """Return the error of alpha F + (1 - alpha) R against the truth, mean over `backgrounds` R.

    Args:
        foreground, truth: straight linear colour [H, W, 3].
        alpha, alpha_truth: coverage [H, W].
        grainy: the true foreground with the plate's grain [H, W, 3]; the core is held against it where given,
            because grain belongs to the plate and a keyer must keep it.
    """
    core, edge = core_of(alpha_truth), edge_of(alpha_truth)
    sums = np.zeros(3)
    scenes = backgrounds(*alpha.shape).values()
    for scene in scenes:
        ours = composite(foreground, alpha, scene)
        clean = composite(truth, alpha_truth, scene)
        solid = clean if grainy is None else composite(grainy, alpha_truth, scene)
        stops = np.abs(_stops(ours[edge]) - _stops(clean[edge]))
        sums += _mean(np.abs(ours - solid)[core]), _mean(np.abs(ours - clean)[edge]), _mean(stops)
    return Recomposite(*(float(total / len(scenes) * 1e3) for total in sums))


def _stops(light: Image) -> Image:
    return np.log2(np.maximum(light, 0) + np.float32(STOP_OFFSET))


def _mean(values: Image) -> float:
    return float(values.mean(dtype=np.float64)) if values.size else float("nan")
