"""The screen: which colour it has, what it looks like when empty, and the hint that colour alone gives."""

import pytest
import torch
from torch import Tensor

from corridorkey_models import screen
from corridorkey_models.synthetic import ShotSpec, render

COLORS = {"green": (0.04, 0.42, 0.11), "blue": (0.04, 0.09, 0.42)}


def flat(color: tuple[float, float, float], height: int = 120, width: int = 160) -> Tensor:
    """Return a plate of one colour."""
    return torch.tensor(color).expand(height, width, 3).clone()


def graded(name: str) -> Tensor:
    """Return an empty screen whose light falls off to 40 percent."""
    light = torch.linspace(1, 0.4, 160)[None, :, None] * torch.linspace(1, 0.8, 120)[:, None, None]
    return torch.tensor(COLORS[name]) * light


@pytest.mark.parametrize("name", ["green", "blue"])
@pytest.mark.parametrize("uneven", [False, True])
def test_the_screen_is_detected(name: str, uneven: bool) -> None:
    """With a subject that fills half of the frame, on even and uneven screens."""
    spec = ShotSpec(320, 180, "green" if name == "green" else "blue", uneven=uneven)
    assert screen.detect_screen(torch.from_numpy(render(spec, 0).plate)) == name


@pytest.mark.parametrize("color", [(0.0, 0.0, 0.0), (0.18, 0.18, 0.18), (0.5, 0.3, 0.2), (1.0, 1.0, 1.0)])
def test_no_screen_is_no_screen(color: tuple[float, float, float]) -> None:
    """Black, grey, skin and white plates have none."""
    assert screen.detect_screen(flat(color)) is None


def test_a_grainy_grey_plate_has_no_screen() -> None:
    """Noise is no hue."""
    grain = torch.randn(120, 160, 3, generator=torch.Generator().manual_seed(3)) * 0.003
    assert screen.detect_screen(flat((0.3, 0.3, 0.3)) + grain) is None


def test_a_small_green_thing_is_no_screen() -> None:
    """A leaf of a thousandth of the frame is not keyed on."""
    plate = flat((0.2, 0.2, 0.2), 200, 200)
    plate[:6, :6] = torch.tensor(COLORS["green"])
    assert screen.detect_screen(plate) is None


def test_an_underexposed_screen_is_found() -> None:
    """Three stops under."""
    assert screen.detect_screen(graded("green") / 8) == "green"


@pytest.mark.parametrize("name", ["green", "blue"])
def test_a_chroma_hint_is_black_on_the_screen_and_white_on_the_subject(name: str) -> None:
    """Grey cloth is solid in the middle, falloff leaves nothing on the screen, and there is no note."""
    plate = graded(name)
    plate[40:80, 60:110] = 0.2
    hint, note = screen.chroma_hint(plate, name)
    assert note is None
    assert hint[55:65, 80:90].min() > 0.9999
    assert hint[:, :50].max() < 0.01
    assert hint[:, 120:].max() < 0.01


def test_a_chroma_hint_errs_towards_small() -> None:
    """The hint overreaches the subject by almost nothing, because the network fills in better than it removes."""
    truth = render(ShotSpec(480, 270, uneven=False), 0)
    hint, _ = screen.chroma_hint(torch.from_numpy(truth.plate).clamp(0, 1), "green")
    assert float(hint[torch.from_numpy(truth.alpha == 0)].mean()) < 0.01


def test_a_chroma_hint_without_a_screen_is_white_and_says_so() -> None:
    """The note names the colour that was looked for."""
    hint, note = screen.chroma_hint(flat((0.2, 0.2, 0.2)), "blue")
    assert bool((hint == 1).all())
    assert note == "no blue screen found: the hint is 1 everywhere"


@pytest.mark.parametrize("name", ["green", "blue"])
def test_the_clean_screen_is_followed_beneath_the_subject(name: str) -> None:
    """Falloff is carried under an object within 3 percent."""
    empty = graded(name)
    plate = empty.clone()
    plate[30:90, 50:110] = torch.tensor((0.4, 0.25, 0.18))
    clean = screen.estimate_clean_screen(plate, name)
    assert float(((clean - empty).abs().sum(-1) / empty.sum(-1)).max()) < 0.03


def test_hair_does_not_darken_the_clean_screen() -> None:
    """Thin dark strands over the screen are not taken for a darker screen."""
    plate = flat(COLORS["green"], 288, 288)
    plate[100:200, 100:200:4] *= 0.6
    clean = screen.estimate_clean_screen(plate, "green")
    assert float((clean - torch.tensor(COLORS["green"])).abs().max()) < 0.01


def test_a_soft_shadow_away_from_the_subject_is_screen() -> None:
    """A smooth dark patch of the screen's own hue is followed, so that it keys out."""
    v, u = torch.meshgrid(torch.linspace(-1, 1, 288), torch.linspace(-1, 1, 288), indexing="ij")
    shade = 1 - 0.45 * torch.exp(-((u - 0.5) ** 2 + v**2) / 0.08)
    plate = torch.tensor(COLORS["green"]) * shade[..., None]
    clean = screen.estimate_clean_screen(plate, "green")
    assert float((clean - plate).abs().max()) < 0.02


def test_there_is_no_clean_screen_without_a_screen() -> None:
    """0 everywhere, which callers test for."""
    assert screen.estimate_clean_screen(flat((0.2, 0.2, 0.2)), "green").abs().max() == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (8, 8), (33, 57), (7, 400)])
def test_any_size_works(size: tuple[int, int]) -> None:
    """Tiny and odd plates give finite answers of their own size."""
    plate = flat(COLORS["green"], *size)
    hint, _ = screen.chroma_hint(plate, "green")
    assert hint.shape == size
    assert bool(hint.isfinite().all())
    assert screen.estimate_clean_screen(plate, "green").shape == (*size, 3)
    assert screen.detect_screen(plate) == "green"
