"""One channel from a hint image."""

import numpy as np
import pytest

from corridorkey_models.errors import InputError
from corridorkey_models.hint import select_channel

VALUES = (0.1, 0.2, 0.3, 0.9)
LUMINANCE = 0.2126 * 0.1 + 0.7152 * 0.2 + 0.0722 * 0.3


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        (1, {name: 0.1 for name in ("auto", "alpha", "red", "green", "blue", "luminance")}),
        (2, {"auto": 0.2, "alpha": 0.2, "red": 0.1, "green": 0.1, "blue": 0.1, "luminance": 0.1}),
        (3, {"auto": LUMINANCE, "red": 0.1, "green": 0.2, "blue": 0.3, "luminance": LUMINANCE}),
        (4, {"auto": 0.9, "alpha": 0.9, "red": 0.1, "green": 0.2, "blue": 0.3, "luminance": LUMINANCE}),
    ],
)
def test_every_channel_of_every_kind_of_image(channels: int, expected: dict[str, float]) -> None:
    """Grey, grey and alpha, RGB, RGBA: each choice finds its channel, one that is alone is it for every choice."""
    image = np.broadcast_to(VALUES[:channels], (2, 3, channels))
    for channel, value in expected.items():
        chosen, notes = select_channel(image, channel)
        assert (chosen.shape, chosen.dtype, notes) == ((2, 3), np.float32, ())
        np.testing.assert_allclose(chosen, value, rtol=1e-6)


def test_a_matte_without_channels_is_itself() -> None:
    """[height, width] is taken as it is, whatever the channel."""
    matte = np.random.default_rng(1).random((4, 5), np.float32)
    assert np.array_equal(select_channel(matte, "blue")[0], matte)


def test_alpha_that_is_not_there_is_refused() -> None:
    """Asking an RGB picture for its alpha is a mistake, not a luminance."""
    with pytest.raises(InputError, match="the hint has no alpha; choose hint_channel red or luminance"):
        select_channel(np.ones((2, 2, 3)), "alpha")


def test_an_image_that_is_no_hint_is_refused() -> None:
    """Five channels are nothing that a channel could be chosen from by its name."""
    with pytest.raises(InputError, match="the hint has shape"):
        select_channel(np.ones((2, 2, 5)), "auto")


@pytest.mark.parametrize("channels", [2, 4])
def test_auto_passes_over_a_solid_alpha(channels: int) -> None:
    """A grey picture whose alpha is 1 everywhere is read from its colour, and that is said."""
    image = np.ones((2, 3, channels))
    image[0, 0, :-1] = 0.25
    chosen, notes = select_channel(image, "auto")
    assert chosen[0, 0] == 0.25
    assert notes == ("the hint's alpha is 1 everywhere: its colour was taken instead",)


@pytest.mark.parametrize(
    "pixel",
    [(0.2, 0.2, 0.2, 0.99), (0.2, 0.3, 0.2, 1.0), (1.0, 1.0, 1.0, 1.0)],
)
def test_auto_keeps_an_alpha_that_may_be_meant(pixel: tuple[float, ...]) -> None:
    """Alpha stays the hint where it is not solid, where the picture is coloured, and where all is white."""
    image = np.ones((2, 3, 4))
    image[0, 0] = pixel
    chosen, notes = select_channel(image, "auto")
    assert chosen[0, 0] == np.float32(pixel[3])
    assert notes == ()


def test_luminance_does_not_depend_on_where_pixels_lie() -> None:
    """A client may send a crop or a copy of the same pixels: their luminance is the same bits."""
    image = np.random.default_rng(2).random((40, 60, 4), np.float32)
    whole, _ = select_channel(image[..., :3], "luminance")
    part, _ = select_channel(np.asfortranarray(image[7:30, 5:50, :3]), "luminance")
    assert np.array_equal(part, whole[7:30, 5:50])


def test_broken_values_pass_without_a_warning() -> None:
    """NaN and infinities of both signs are left to the hint's tools."""
    image = np.array([[[np.inf, -np.inf, 0], [np.nan, 0, 0]]], np.float32)
    assert np.isnan(select_channel(image, "luminance")[0]).all()
