"""The synthetic shot: its truth is consistent, repeatable, and holds the cases that keyers get wrong."""

from dataclasses import replace

import numpy as np
import pytest

from corridorkey_models.synthetic import (
    GLASS_ALPHA,
    ShotSpec,
    camera,
    decode_srgb,
    encode_srgb,
    render,
    rough_hint,
)

SMALL = ShotSpec(width=320, height=180)


def test_the_same_spec_and_frame_give_the_same_bits() -> None:
    """Noise included, so that a figure can be reproduced."""
    spec = replace(SMALL, noise=True, bits=8, subsampling="420")
    first, second = render(spec, 3), render(spec, 3)
    assert np.array_equal(first.plate, second.plate)
    assert np.array_equal(first.foreground_noisy, second.foreground_noisy)


def test_another_seed_is_another_shot() -> None:
    """Figures over several seeds say more than one."""
    assert not np.array_equal(render(SMALL, 0).plate, render(replace(SMALL, seed=2), 0).plate)


def test_shapes_and_types_are_those_promised() -> None:
    """Every picture is float32 and of the size asked for, odd sizes too."""
    truth = render(replace(SMALL, width=161, height=91, bits=8, subsampling="420"), 0)
    assert truth.plate.shape == truth.foreground.shape == truth.clean_plate.shape == (91, 161, 3)
    assert truth.alpha.shape == truth.hint.shape == (91, 161)
    assert all(getattr(truth, name).dtype == np.float32 for name in ("plate", "hint", "alpha", "foreground"))


def test_the_matte_is_coverage() -> None:
    """Between 0 and 1, with bare screen, solid parts and many fractional pixels."""
    alpha = render(SMALL, 0).alpha
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    assert (alpha == 0).mean() > 0.3
    assert (alpha > 0.999).mean() > 0.1
    assert ((alpha > 0.05) & (alpha < 0.95)).mean() > 0.05


def test_the_bare_screen_is_the_clean_plate() -> None:
    """Where nothing covers the screen, plate and clean plate agree."""
    truth = render(SMALL, 0)
    bare = truth.alpha == 0
    assert np.abs(truth.plate - truth.clean_plate)[bare].max() < 1e-3


@pytest.mark.parametrize("screen", ["green", "blue"])
def test_a_plate_is_its_parts_and_some_spill(screen: str) -> None:
    """Plate less alpha F plus (1 - alpha) B leaves only light of the screen's own colour, where the screen is even."""
    spec = ShotSpec(320, 180, "green" if screen == "green" else "blue", uneven=False)
    truth = render(spec, 0)
    mixed = truth.alpha[..., None] * truth.foreground + (1 - truth.alpha[..., None]) * truth.clean_plate
    spill = truth.plate - mixed
    assert spill.min() > -2e-3
    assert spill.mean((0, 1)).argmax() == (1 if screen == "green" else 2)


def test_glass_is_see_through() -> None:
    """A good part of the picture has exactly the pane's coverage."""
    assert (np.abs(render(SMALL, 0).alpha - GLASS_ALPHA) < 0.003).mean() > 0.02


def test_speculars_are_above_one() -> None:
    """In the core and at edges, so that clipping shows."""
    truth = render(SMALL, 0)
    assert truth.foreground.max() > 3
    assert (truth.plate.max(-1) > 1).any()


def test_a_locked_shot_moves_nothing_but_the_noise() -> None:
    """Flicker can be measured: the truth stands still while the plates differ."""
    spec = replace(SMALL, locked=True, noise=True)
    first, second = render(spec, 0), render(spec, 1)
    assert np.array_equal(first.alpha, second.alpha)
    assert not np.array_equal(first.plate, second.plate)


def test_an_unlocked_shot_moves() -> None:
    """The subject sways, the screen stays."""
    first, second = render(SMALL, 0), render(SMALL, 4)
    assert np.abs(first.alpha - second.alpha).mean() > 0.005
    assert np.array_equal(first.clean_plate, second.clean_plate)


def test_an_uneven_screen_falls_off() -> None:
    """The brightest part of the screen is at least half as bright again as the darkest; an even one is flat."""
    uneven, even = (render(replace(SMALL, uneven=value), 0).clean_plate[..., 1] for value in (True, False))
    assert np.percentile(uneven, 99) > 1.5 * np.percentile(uneven, 1)
    assert even.max() < 1.1 * even.min()


def test_grain_sits_on_the_noisy_foreground_alone() -> None:
    """The noisy foreground differs from the true one by exactly the plate's grain."""
    clean, noisy = render(SMALL, 0), render(replace(SMALL, noise=True), 0)
    grain = noisy.plate - clean.plate
    assert np.allclose(noisy.foreground_noisy - noisy.foreground, grain, atol=2e-6)
    assert 1e-3 < grain.std() < 0.02


def test_the_curve_round_trips() -> None:
    """Encoding and decoding sRGB give the light back."""
    ramp = np.linspace(0, 1, 1001, dtype=np.float32)
    assert np.allclose(decode_srgb(encode_srgb(ramp)), ramp, atol=1e-6)


def test_a_camera_keeps_flat_grey_and_bleeds_color() -> None:
    """8-bit 4:2:0 moves a flat grey by under half a code, and smears a hard colour edge sideways."""
    grey = np.full((8, 8, 3), 0.18, np.float32)
    assert np.abs(encode_srgb(camera(grey)) - encode_srgb(grey)).max() < 0.5 / 219 + 1e-6
    edge = np.zeros((8, 8, 3), np.float32)
    edge[:, 3:, 0] = 0.5
    recorded = {mode: camera(edge, 8, mode) for mode in ("none", "420")}
    assert np.abs(recorded["420"] - edge).max() > 5 * np.abs(recorded["none"] - edge).max()


def test_a_camera_takes_odd_sizes() -> None:
    """One pixel, and odd width or height, keep their shape."""
    for shape in ((1, 1, 3), (3, 5, 3), (4, 7, 3)):
        assert camera(np.full(shape, 0.2, np.float32)).shape == shape


def test_a_rough_hint_is_smaller_than_the_subject() -> None:
    """Eroded and soft: next to nothing of it lies on bare screen, and hair is left out."""
    truth = render(SMALL, 0)
    assert truth.hint[truth.alpha == 0].mean() < 0.01
    assert truth.hint.max() > 0.99
    assert rough_hint(np.zeros((20, 30), np.float32)).max() == 0
