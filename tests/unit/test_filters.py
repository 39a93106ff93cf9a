"""Picture filters."""

import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from corridorkey_models import filters


@pytest.mark.parametrize("radius", [1.0, 2.5, 7.0])
def test_grow_moves_an_edge_by_its_radius(radius: float) -> None:
    """A straight edge moves by the radius, outwards or inwards, fractions included."""
    edge = torch.zeros(41, 81)
    edge[:, :40] = 1
    assert filters.grow(edge, radius)[20].sum().item() == pytest.approx(40 + radius)
    assert filters.grow(edge, -radius)[20].sum().item() == pytest.approx(40 - radius)


def test_grow_is_round() -> None:
    """A point grows into a disc, not a square."""
    point = torch.zeros(21, 21)
    point[10, 10] = 1
    grown = filters.grow(point, 5)
    assert grown[10, 15] == 1
    assert grown[14, 14] == 0


@given(sigma=st.floats(0.0, 6.0), channels=st.sampled_from([0, 1, 3]))
def test_blur_keeps_a_flat_picture_flat(sigma: float, channels: int) -> None:
    """A blur changes nothing where there is nothing to blur, up to the border, at any sigma."""
    flat = torch.full((9, 13) if channels == 0 else (9, 13, channels), 0.7)
    torch.testing.assert_close(filters.blur(flat, sigma), flat)


def test_a_wide_blur_is_a_blur() -> None:
    """The shortcut of a wide blur agrees with the blur itself to 2 per cent, and keeps a flat picture flat."""
    rows = torch.linspace(0, 6, 120)[:, None, None]
    picture = 0.5 + 0.4 * torch.sin(rows + torch.linspace(0, 4, 160)[None, :, None]).repeat(1, 1, 2)
    wide, true = filters.blur_wide(picture, 12), filters.blur(picture, 12)
    torch.testing.assert_close(wide[8:-8, 8:-8], true[8:-8, 8:-8], rtol=0, atol=0.02)
    flat = torch.full((50, 70, 1), 0.3)
    torch.testing.assert_close(filters.blur_wide(flat, 16), flat)


def test_erosion_spares_the_border() -> None:
    """A subject that the frame cuts off is not eroded from that side."""
    matte = torch.zeros(20, 20)
    matte[:, 8:] = 1
    eroded = filters.erode_square(matte, 3)
    assert torch.equal(eroded[:, 11:], torch.ones(20, 9))
    assert eroded[:, :11].max() == 0


def test_fill_keeps_what_is_known_and_carries_it_outward() -> None:
    """Two sides known: each stays, the gap between takes values between."""
    values, weight = torch.zeros(32, 64, 1), torch.zeros(32, 64)
    values[:, 40:] = 1
    weight[:, :20] = weight[:, 44:] = 1
    filled = filters.fill(values, weight, trust=0.001)
    assert filled[:, :18].abs().max() < 0.01
    assert filled[:, 46:].min() > 0.99
    assert 0 < float(filled[16, 32, 0]) < 1


def test_blurs_keep_a_flat_plane_and_spread_a_point() -> None:
    """Gaussian and box leave constants alone, to the border, and move a point's weight outward without loss."""
    plane = torch.full((21, 31), 0.7)
    assert torch.allclose(filters.blur(plane, 3.0), plane)
    assert torch.allclose(filters.box(plane, 4), plane)
    point = torch.zeros(21, 31)
    point[10, 15] = 1
    assert float(filters.blur(point, 2.0).sum()) == pytest.approx(1, abs=1e-4)
    assert float(filters.blur(point, 2.0)[10, 15]) == pytest.approx(1 / (2 * torch.pi * 4), rel=0.02)


def test_growing_far_is_exact_and_quick() -> None:
    """A disc of 50 pixels is exact, and grows in time that does not explode with its radius."""
    matte = torch.rand(180, 240, generator=torch.Generator().manual_seed(3)) ** 30
    grown = filters.grow(matte, 50)
    rows, columns = torch.meshgrid(torch.arange(180), torch.arange(240), indexing="ij")
    for row, column in ((0, 0), (90, 120), (179, 7)):
        near = (rows - row) ** 2 + (columns - column) ** 2 <= 50**2
        assert grown[row, column] == matte[near].max()
    start = time.perf_counter()
    filters.grow(torch.rand(1080, 1920), 50)
    assert time.perf_counter() - start < 10


def test_a_wide_blur_is_not_shifted() -> None:
    """Sides that are no multiple of the inner step are not stretched: left and right edges blur alike."""
    picture = torch.zeros(30, 401, 1)
    picture[:, 150:251] = 1
    wide = filters.blur_wide(picture, 16)[15, :, 0]
    torch.testing.assert_close(wide, wide.flip(0), rtol=0, atol=0.03)
