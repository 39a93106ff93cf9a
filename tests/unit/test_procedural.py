"""The procedural keyer, case by case, as an artist would check it, and against the truth of the synthetic shot."""

import numpy as np
import pytest
import torch
from torch import Tensor

from corridorkey_models import metrics
from corridorkey_models.errors import Cancelled
from corridorkey_models.procedural import unmix
from corridorkey_models.synthetic import Screen, ShotSpec, camera, render

COLORS: dict[Screen, tuple[float, float, float]] = {"green": (0.04, 0.42, 0.11), "blue": (0.04, 0.09, 0.42)}
SCREENS: tuple[Screen, ...] = ("green", "blue")
GREY, SKIN, DARK = (0.19, 0.19, 0.19), (0.46, 0.27, 0.19), (0.02, 0.018, 0.02)
SIZE = (180, 240)


def empty(screen: Screen, falloff: bool = True) -> Tensor:
    """Return a screen [H, W, 3] whose light falls off to the right."""
    light = torch.linspace(1, 0.6 if falloff else 1, SIZE[1])[None, :, None]
    return torch.tensor(COLORS[screen]) * light.expand(SIZE[0], -1, 1)


def mixed(screen: Screen, color: tuple[float, float, float], alpha: Tensor) -> Tensor:
    """Return a plate of one colour over the screen."""
    return alpha[..., None] * torch.tensor(color) + (1 - alpha[..., None]) * empty(screen)


def slab(ramp: int = 1) -> Tensor:
    """Return an upright slab's matte whose left and right edges are ramps `ramp` pixels wide."""
    u = torch.arange(SIZE[1], dtype=torch.float32)
    profile = ((60 - (u - 120).abs()) / ramp + 0.5).clamp(0, 1)
    return profile.expand(SIZE).clone()


def grain(deviation: float) -> Tensor:
    """Return the same grain at every call."""
    return torch.randn(*SIZE, 3, generator=torch.Generator().manual_seed(5)) * deviation


@pytest.mark.parametrize("screen", SCREENS)
def test_a_clean_screen_is_exactly_zero(screen: Screen) -> None:
    """Falloff and grain leave nothing in the matte."""
    alpha, _ = unmix((empty(screen) + grain(0.006)).clamp(0, 1), screen, None)
    assert float(alpha.max()) == 0


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("color", [GREY, SKIN, DARK, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)])
def test_the_inside_is_exactly_one(screen: Screen, color: tuple[float, float, float]) -> None:
    """Grey and dark cloth, skin, a blown-out lamp and pure black have no holes, with grain on."""
    plate = (mixed(screen, color, slab()) + grain(0.004)).clamp(0, 1)
    alpha, _ = unmix(plate, screen, None)
    assert float(alpha[:, 70:170].min()) == 1
    assert float(alpha[:, :55].max()) == 0


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("color", [GREY, SKIN, DARK])
def test_a_motion_blurred_limb_keeps_its_coverage(screen: Screen, color: tuple[float, float, float]) -> None:
    """A ramp of 16 pixels comes back as that ramp, half covered where it is half covered, in its own colour."""
    truth = slab(16)
    alpha, foreground = unmix(mixed(screen, color, truth), screen, None)
    assert float((alpha - truth).abs().max()) < 0.1
    assert float((alpha - truth).abs().mean()) < 0.01
    half = (truth > 0.4) & (truth < 0.6)
    assert float((foreground[half] - torch.tensor(color)).abs().max()) < 0.05


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("hinted", [False, True])
def test_glass_stays_see_through(screen: Screen, hinted: bool) -> None:
    """A neutral pane of 45 percent keys at 45 percent, even where a rough hint calls it solid."""
    truth = slab() * 0.45
    alpha, foreground = unmix(mixed(screen, (0.3, 0.3, 0.3), truth), screen, slab() if hinted else None)
    pane = alpha[:, 80:160]
    assert float((pane - 0.45).abs().max()) < 0.05
    assert float((foreground[:, 80:160] - 0.3).abs().max()) < 0.06


@pytest.mark.parametrize("screen", SCREENS)
def test_grey_cloth_has_no_colored_rim(screen: Screen) -> None:
    """Spill on the edge of a neutral subject is gone from foreground, and the matte stays solid under it."""
    truth = slab(2)
    rim = torch.exp(-(60 - (torch.arange(SIZE[1]) - 120.0).abs()).clamp(min=0) / 6)[None, :, None]
    spilled = mixed(screen, GREY, truth) + 0.1 * rim * truth[..., None] * torch.tensor(COLORS[screen])
    alpha, foreground = unmix(spilled, screen, None)
    channel = 1 if screen == "green" else 2
    seen = foreground[alpha > 0.1]
    above = seen[:, channel] - seen.sum(-1).sub(seen[:, channel]) / 2
    assert float(above.max()) < 0.01
    assert float(alpha[:, 70:170].min()) == 1


def test_a_thin_dark_hair_is_kept() -> None:
    """A strand half a pixel wide keeps its half coverage on a grainy plate."""
    truth = torch.zeros(SIZE)
    truth[60:120, 100] = 0.5
    alpha, foreground = unmix((mixed("green", DARK, truth) + grain(0.003)).clamp(0, 1), "green", None)
    assert float(alpha[62:118, 100].mean()) == pytest.approx(0.5, abs=0.04)
    assert float(foreground[62:118, 100].mean()) < 0.06


def test_a_hint_drops_tracking_markers() -> None:
    """A cross far from the hint goes; without a hint it stays, because nothing tells it from a prop."""
    plate = mixed("green", GREY, slab())
    plate[20:24, 12:24] = plate[16:28, 16:20] = torch.tensor((0.07, 0.26, 0.13))
    hint = slab()
    assert float(unmix(plate, "green", None)[0][16:28, 12:24].max()) > 0.2
    alpha, _ = unmix(plate, "green", hint)
    assert float(alpha[16:28, 12:24].max()) == 0
    assert float(alpha[:, 70:170].min()) == 1


def test_a_hint_makes_a_greenish_inside_solid() -> None:
    """Cloth that takes a quarter of the screen's colour is solid where the hint says so."""
    greenish = (0.15, 0.15 + 0.25 * 0.25, 0.15)
    plate = mixed("green", greenish, slab())
    assert float(unmix(plate, "green", slab())[0][:, 80:160].min()) > 0.95


def test_an_empty_hint_is_an_empty_matte_far_from_it() -> None:
    """Nothing is meant, so nothing is kept."""
    alpha, _ = unmix(mixed("green", GREY, slab()), "green", torch.zeros(SIZE))
    assert float(alpha.max()) == 0


def test_a_plate_without_a_screen_is_solid() -> None:
    """The plate comes back untouched with a matte of 1."""
    plate = torch.full((*SIZE, 3), 0.2)
    alpha, foreground = unmix(plate, "green", None)
    assert bool((alpha == 1).all())
    assert torch.equal(foreground, plate)


def test_the_same_plate_gives_the_same_bits() -> None:
    """Twice, at a size with every stage at work."""
    truth = render(ShotSpec(320, 180, noise=True, bits=8, subsampling="420"), 0)
    plate, hint = torch.from_numpy(truth.plate), torch.from_numpy(truth.hint)
    first, second = unmix(plate, "green", hint), unmix(plate, "green", hint)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (8, 8), (33, 57), (91, 161)])
@pytest.mark.parametrize("subject", [False, True])
def test_any_size_is_finite_and_in_range(size: tuple[int, int], subject: bool) -> None:
    """Tiny and odd plates, empty or half covered."""
    plate = torch.tensor(COLORS["green"]).expand(*size, 3).clone()
    if subject:
        plate[:, : size[1] // 2] = torch.tensor(SKIN)
    alpha, foreground = unmix(plate, "green", torch.ones(size))
    assert alpha.shape == size
    assert foreground.shape == (*size, 3)
    assert bool(alpha.isfinite().all() and foreground.isfinite().all())
    assert 0 <= float(alpha.min()) <= float(alpha.max()) <= 1
    assert float(foreground.min()) >= 0


def test_a_plate_that_is_all_subject_but_a_corner_works() -> None:
    """A close-up that leaves a tenth of the screen in sight keys that tenth out."""
    truth = torch.ones(SIZE)
    truth[:60, :72] = 0
    alpha, _ = unmix(mixed("blue", SKIN, truth), "blue", None)
    assert float(alpha[:55, :66].max()) == 0
    assert float(alpha[70:, 80:].min()) == 1


def test_stages_are_told_and_can_cancel() -> None:
    """Stages come in order up to 1, and a cancel from one of them leaves at once."""
    told: list[float] = []
    unmix(mixed("green", GREY, slab()), "green", None, lambda _stage, fraction: told.append(fraction))
    assert told == sorted(told)
    assert told[-1] == 1

    def stop(_stage: str, fraction: float) -> None:
        if fraction >= 0.5:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        unmix(mixed("green", GREY, slab()), "green", None, stop)


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("uneven", [False, True])
def test_the_synthetic_shot_keys_close_to_the_truth(screen: Screen, uneven: bool) -> None:
    """Alpha within 9e-3 on average and edges over new backgrounds within 3e-2, on a seed the figures do not use."""
    truth = render(ShotSpec(screen=screen, uneven=uneven, seed=11), 0)
    alpha, foreground = unmix(torch.from_numpy(truth.plate).clamp(0, 1), screen, torch.from_numpy(truth.hint))
    assert metrics.alpha_mad(alpha.numpy(), truth.alpha) < 9
    light = np.minimum(truth.foreground, 1)
    assert metrics.recomposite(foreground.numpy(), alpha.numpy(), light, truth.alpha).edge < 30


def test_compression_leaves_the_screen_clean() -> None:
    """8-bit 4:2:0 with grain: the screen away from everything is 0 and the torso 1."""
    truth = render(ShotSpec(640, 360, noise=True), 0)
    plate = torch.from_numpy(camera(truth.plate, 8, "420"))
    alpha = unmix(plate, "green", torch.from_numpy(truth.hint))[0]
    assert float(alpha[180:, :60].max()) == 0
    assert float(alpha[300:, 230:320].min()) == 1
