"""The measures of a matte and a foreground: zero for the truth, and the right size for known errors."""

import math

import numpy as np
import pytest

from corridorkey_models import metrics
from corridorkey_models.synthetic import Image

RANDOM = np.random.default_rng(7)


def disc(size: int = 64, radius: float = 20) -> Image:
    """Return a soft-edged disc."""
    v, u = np.mgrid[:size, :size] - (size - 1) / 2
    return np.clip(radius - np.hypot(u, v), 0, 1).astype(np.float32)


def test_the_truth_has_no_error() -> None:
    """Every measure is 0 when the answer is the truth."""
    alpha, color = disc(), RANDOM.random((64, 64, 3), np.float32)
    assert metrics.alpha_mad(alpha, alpha) == 0
    assert metrics.foreground_mad(color, color, alpha) == 0
    assert metrics.dtssd(np.stack((alpha, alpha)), np.stack((alpha, alpha))) == 0
    assert metrics.recomposite(color, alpha, color, alpha) == metrics.Recomposite(0, 0, 0)


def test_the_alpha_error_has_its_customary_unit() -> None:
    """A matte that is .1 too high everywhere scores a MAD of 100."""
    truth = np.full((8, 8), 0.5, np.float32)
    assert metrics.alpha_mad(truth + 0.1, truth) == pytest.approx(100, rel=1e-4)


def test_flicker_counts_only_change_against_the_truth() -> None:
    """A constant error does not flicker; one that comes and goes scores its size x 1e2."""
    truth = np.stack([disc()] * 3)
    steady = truth * 0.9
    blinking = truth + np.array((0, 0.1, 0), np.float32)[:, None, None]
    assert metrics.dtssd(steady, truth) == pytest.approx(0, abs=1e-9)
    assert metrics.dtssd(blinking, truth) == pytest.approx(10, rel=1e-4)


def test_a_foreground_counts_only_where_it_is_seen() -> None:
    """Colour under bare screen is free."""
    alpha, truth = disc(), np.full((64, 64, 3), 0.3, np.float32)
    wrong = np.where(alpha[..., None] > 0, truth, 5.0)
    assert metrics.foreground_mad(wrong, truth, alpha) == 0
    assert metrics.foreground_mad(truth + 0.1, truth, alpha) == pytest.approx(100, rel=1e-4)


def test_a_composite_is_the_over_of_a_straight_foreground() -> None:
    """Half coverage of 1 over 0.5 is 0.75."""
    ones = np.ones((1, 1, 3), np.float32)
    assert metrics.composite(ones, np.full((1, 1), 0.5, np.float32), ones * 0.5)[0, 0, 0] == 0.75


def test_backgrounds_span_what_comps_are_laid_over() -> None:
    """Dark, grey, saturated, brighter than white, and textured."""
    scenes = metrics.backgrounds(16, 24)
    assert set(scenes) == {"dark", "grey", "saturated", "bright", "texture"}
    assert all(scene.shape == (16, 24, 3) for scene in scenes.values())
    assert scenes["dark"].max() < 0.05
    assert scenes["bright"].min() == 2
    assert scenes["texture"].std() > 0.05


def test_core_and_edge_do_not_overlap_and_cover_the_subject() -> None:
    """Every covered pixel is in one of them."""
    alpha = disc()
    core, edge = metrics.core_of(alpha), metrics.edge_of(alpha)
    assert not (core & edge).any()
    assert (core | edge)[alpha > 0.01].all()
    assert core[32, 32]
    assert edge[32, 12]


def test_an_error_at_the_edge_is_not_charged_to_the_core() -> None:
    """A matte choked by a pixel hurts edges alone."""
    truth, color = disc(), np.full((64, 64, 3), 0.3, np.float32)
    result = metrics.recomposite(color, disc(radius=19), color, truth)
    assert result.core == 0
    assert result.edge > 10
    assert result.edge_stops > 0


def test_grain_in_the_core_is_no_error() -> None:
    """A keyer that keeps the plate's grain is right; one that smooths it is charged for it."""
    truth, color = disc(), np.full((64, 64, 3), 0.3, np.float32)
    grainy = color + RANDOM.normal(0, 0.02, color.shape).astype(np.float32)
    assert metrics.recomposite(grainy, truth, color, truth, grainy).core == 0
    assert metrics.recomposite(color, truth, color, truth, grainy).core > 5


def test_a_picture_without_a_core_says_so() -> None:
    """Nothing solid: the core's error is nan, not 0."""
    thin = np.full((16, 16), 0.5, np.float32)
    color = np.zeros((16, 16, 3), np.float32)
    result = metrics.recomposite(color, thin, color, thin)
    assert math.isnan(result.core)
    assert result.edge == 0
