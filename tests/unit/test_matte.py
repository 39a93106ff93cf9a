"""Keying maths on the cases that artists name."""

import pytest
import torch
from torch import Tensor

from corridorkey_models import matte

HD = (1080, 1920)


def soft_disc(size: tuple[int, int], center: tuple[float, float], radius: float) -> Tensor:
    """A disc with an anti-aliased edge, [height, width]."""
    rows, columns = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    distance = ((rows - center[0]) ** 2 + (columns - center[1]) ** 2).sqrt()
    return (radius + 0.5 - distance).clamp(0, 1)


def body() -> Tensor:
    """A solid figure in the middle of an HD frame."""
    picture = torch.zeros(HD)
    picture[300:, 800:1100] = 1
    return picture


def test_despeckle_keeps_a_veil() -> None:
    """A .45 veil attached to the body is part of the body."""
    picture = body()
    picture[400:700, 1100:1110] = 0.45
    assert torch.equal(matte.despeckle(picture, 400), picture)


def test_despeckle_keeps_a_swept_limb() -> None:
    """A limb swept to a few per cent by motion blur stays to its last pixel."""
    picture = body()
    picture[500:520, 1100:1300] = torch.linspace(1, 0.025, 200)
    assert torch.equal(matte.despeckle(picture, 400), picture)


def test_despeckle_keeps_a_ball() -> None:
    """A flying ball of a radius of 11 pixels stays, which peers open away: with its edge it covers 400 pixels."""
    picture = torch.maximum(body(), soft_disc(HD, (100, 200), 11))
    assert torch.equal(matte.despeckle(picture, 400), picture)


def test_despeckle_keeps_strands() -> None:
    """A 1-pixel strand stays, attached to the head or flying free but long, though it is connected by corners only."""
    picture = body()
    steps = torch.arange(450)
    picture[300 - steps[:200], 900 + steps[:200]] = 0.3
    picture[50 + steps, 100 + steps] = 0.1
    assert torch.equal(matte.despeckle(picture, 400), picture)


def test_despeckle_removes_islands_only() -> None:
    """Small islands go to exactly 0, every other value stays bit for bit, even below the floor."""
    picture = body() * 0.987
    dirt = torch.zeros(HD)
    dirt[40:50, 40:50] = 0.8
    dirt[700, 30] = 1.0
    haze = torch.zeros(HD)
    haze[900:, :700] = 0.01
    assert torch.equal(matte.despeckle(picture + dirt + haze, 400), picture + haze)


def test_despeckle_of_nothing_is_nothing() -> None:
    """An empty matte passes."""
    assert torch.equal(matte.despeckle(torch.zeros(9, 9), 400), torch.zeros(9, 9))


@pytest.mark.parametrize(("screen", "channel"), [("green", 1), ("blue", 2)])
def test_despill_takes_the_screens_excess(screen: str, channel: int) -> None:
    """At full strength the screen channel comes down to the others' mean, which get half of it each."""
    pixel = torch.full((1, 1, 3), 0.2)
    pixel[..., channel] = 0.8
    despilled = matte.despill(pixel, screen, 1.0)
    others = [index for index in range(3) if index != channel]
    assert despilled[0, 0, channel].item() == pytest.approx(0.2)
    assert despilled[0, 0, others].tolist() == pytest.approx([0.5, 0.5])


def test_despill_half_is_half_way() -> None:
    """Strength blends between the foreground and its fully despilled twin."""
    picture = torch.rand(4, 4, 3)
    middle = (picture + matte.despill(picture, "green", 1.0)) / 2
    torch.testing.assert_close(matte.despill(picture, "green", 0.5), middle)


def test_despill_leaves_what_has_no_spill() -> None:
    """Skin and grey have no excess and stay bit for bit."""
    skin = torch.tensor([[[0.8, 0.6, 0.5], [0.4, 0.4, 0.4]]])
    assert torch.equal(matte.despill(skin, "green", 1.0), skin)


def test_restore_is_no_op_inside_the_unit_cube() -> None:
    """A plate inside [0, 1] gives the model's foreground bit for bit."""
    model, plate = torch.rand(8, 8, 3), torch.rand(8, 8, 3)
    assert torch.equal(matte.restore(model, plate, torch.rand(8, 8), "green", (1.0, 1.0)), model)


def test_restore_gives_highlights_back() -> None:
    """A specular of 6 in a solid matte comes back as 6."""
    plate = torch.full((2, 2, 3), 6.0)
    restored = matte.restore(torch.ones(2, 2, 3), plate, torch.ones(2, 2), "green", (1.0, 1.0))
    torch.testing.assert_close(restored, plate)


def test_bright_screen_does_not_come_back() -> None:
    """A green screen exposed to 3 adds nothing, even where the matte is half or solid."""
    plate = torch.tensor([0.4, 3.0, 0.5]).expand(4, 4, 3)
    model = torch.full((4, 4, 3), 0.2)
    for coverage in (0.0, 0.5, 1.0):
        restored = matte.restore(model, plate, torch.full((4, 4), coverage), "green", (1.0, 1.0))
        assert torch.equal(restored, model)


def test_restore_gives_gamut_back_in_the_core_only() -> None:
    """A colour outside Rec.709 returns where the matte is solid, not where the screen shines through."""
    plate = torch.tensor([1.0, -0.1, 0.2]).expand(1, 2, 3)
    restored = matte.restore(plate.clamp(0, 1), plate, torch.tensor([[1.0, 0.5]]), "green", (1.0, 1.0))
    assert restored[0, :, 1].tolist() == pytest.approx([-0.1, 0.0])


def test_plate_core_keeps_grain() -> None:
    """Grain in the core keeps its contrast, though the model has smoothed it away."""
    generator = torch.Generator().manual_seed(1)
    model = torch.full((200, 300, 3), 0.4)
    plate = model + 0.03 * torch.randn(200, 300, 3, generator=generator)
    core = matte.plate_core(plate, model, torch.ones(200, 300), 1.0)
    inner = core.over(model)[20:-20, 20:-20]
    assert inner.std().item() == pytest.approx(plate.std().item(), rel=0.02)


def test_plate_core_takes_low_frequencies_from_the_model() -> None:
    """A tint that the model has removed stays removed; only what is finer comes from the plate."""
    plate = torch.tensor([0.4, 0.5, 0.4]).expand(200, 300, 3)
    model = torch.full((200, 300, 3), 0.4)
    core = matte.plate_core(plate, model, torch.ones(200, 300), 1.0)
    torch.testing.assert_close(core.over(model), model, rtol=1e-3, atol=1e-3)


def test_plate_core_keeps_grain_in_the_blacks() -> None:
    """Grain around black keeps its contrast too, though the model shows a lifted, smooth black."""
    generator = torch.Generator().manual_seed(2)
    plate = (0.004 + 0.001 * torch.randn(200, 300, 3, generator=generator)).clamp(0, 1)
    core = matte.plate_core(plate, torch.full((200, 300, 3), 0.008), torch.ones(200, 300), 1.0)
    assert core.pixels.std().item() == pytest.approx(plate.std().item(), rel=0.02)
    assert core.pixels.mean().item() == pytest.approx(0.008, abs=1e-4)


def test_plate_core_has_no_seam() -> None:
    """Where the core ends and the model begins nothing steps, however far the two are apart in colour."""
    plate = torch.tensor([0.05, 0.40, 0.05]).expand(120, 160, 3)
    model = torch.tensor([0.05, 0.08, 0.05]).expand(120, 160, 3)
    alpha = torch.ones(120, 160)
    alpha[:, 80:] = 0.5
    result = matte.plate_core(plate, model, alpha, 1.0).over(model)
    torch.testing.assert_close(result, model, rtol=0, atol=2e-3)


def test_the_unseen_comes_back_to_the_core() -> None:
    """A specular of 6 and a colour outside Rec.709 are the plate's again, and a plate in [0, 1] is untouched."""
    plate = torch.tensor([[[6.0, 6.0, 6.0], [1.5, -0.2, 0.3]]])
    torch.testing.assert_close(matte.with_unseen(plate.clamp(0, 1), plate, "green", 1.0), plate)
    inside = torch.rand(4, 4, 3)
    assert matte.with_unseen(inside, inside, "green", 1.0) is inside


def test_a_bright_screen_comes_back_to_the_core_in_no_color() -> None:
    """Green light of 3 on a solid part gives no green above 1 and no magenta instead of it."""
    plate = torch.tensor([[[0.4, 3.0, 0.5]]])
    seen = torch.tensor([[[0.5, 0.5, 0.5]]])
    assert torch.equal(matte.with_unseen(seen, plate, "green", 1.0), seen)


def test_plate_core_leaves_edges_to_the_model() -> None:
    """Nothing of the plate is taken outside the solid matte, and nothing inside if there is no solid matte."""
    alpha = torch.zeros(80, 80)
    alpha[:, :40] = 1.0
    core = matte.plate_core(torch.rand(80, 80, 3), torch.rand(80, 80, 3), alpha, 1.0)
    assert core.weight[:, 40:].max() == 0
    assert core.weight[:, :25].min() == pytest.approx(1)
    thin = matte.plate_core(torch.rand(80, 80, 3), torch.rand(80, 80, 3), torch.full((80, 80), 0.9), 1.0)
    assert thin.weight.max() == 0


def test_masks_hold_and_drop() -> None:
    """Inside forces 1, outside forces 0 and wins."""
    inside, outside = torch.tensor([[1.0, 0.0, 1.0]]), torch.tensor([[0.0, 1.0, 1.0]])
    assert matte.apply_masks(torch.full((1, 3), 0.5), inside, outside).tolist() == [[1.0, 0.0, 0.0]]
    assert matte.apply_masks(torch.full((1, 3), 0.5), None, None).tolist() == [[0.5, 0.5, 0.5]]


def test_masks_hold_against_later_tools() -> None:
    """What growing put into the garbage goes, what despeckle took from inside comes back; soft masks do not add up."""
    inside, outside = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.5, 1.0]])
    held = matte.hold_masks(torch.tensor([[0.0, 0.4, 0.7]]), inside, outside)
    torch.testing.assert_close(held, torch.tensor([[1.0, 0.4, 0.0]]))


def test_levels_stretch_the_matte() -> None:
    """Black goes to 0, white to 1, the middle by gamma; the defaults touch nothing."""
    ramp = torch.tensor([0.1, 0.2, 0.5, 0.8, 0.9])
    assert matte.levels(ramp, 0.2, 0.8, 1.0).tolist() == pytest.approx([0, 0, 0.5, 1, 1])
    assert matte.levels(torch.tensor([0.25]), 0.0, 1.0, 2.0).item() == pytest.approx(0.5)
    assert matte.levels(ramp, 0.0, 1.0, 1.0) is ramp
