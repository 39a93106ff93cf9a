"""Results as pictures to look at."""

import numpy as np
import pytest

from corridorkey_models.keyed import Keyed
from corridorkey_models.params import Params
from corridorkey_models.view import preview

GREY = 0.2140  # linear light of sRGB 0.5


@pytest.fixture
def keyed() -> Keyed:
    """A grey foreground, solid on the left and absent on the right."""
    matte = np.zeros((40, 80), np.float32)
    matte[:, :40] = 1
    return Keyed(np.full((40, 80, 3), GREY, np.float32), matte, matte / 2)


def view(keyed: Keyed, output: str) -> np.ndarray:
    """Return the preview of one output."""
    plate = np.full((40, 80, 3), 0.5, np.float32)
    return preview(keyed, plate, Params(working_space="linear_rec709", output=output))


@pytest.mark.parametrize(
    ("output", "left", "right"),
    [
        ("premultiplied", 0.5, 0.0),
        ("foreground", 0.5, 0.5),
        ("matte", 1.0, 0.0),
        ("hint", 0.5, 0.0),
        ("plate", 0.735, 0.735),
    ],
)
def test_each_output_shows_its_part(keyed: Keyed, output: str, left: float, right: float) -> None:
    """What is chosen is shown, sRGB-encoded."""
    picture = view(keyed, output)
    assert picture.shape == (40, 80, 3)
    np.testing.assert_allclose(picture[:, :40], left, atol=1e-3)
    np.testing.assert_allclose(picture[:, 40:], right, atol=1e-3)


def test_checker_shines_through_where_the_matte_is_0(keyed: Keyed) -> None:
    """Over the checker the foreground is solid on the left, and both greys show on the right."""
    picture = view(keyed, "checker")
    np.testing.assert_allclose(picture[:, :40], 0.5, atol=1e-3)
    assert sorted({round(float(value), 2) for value in np.unique(picture[:, 40:])}) == [0.15, 0.55]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_plates_of_any_precision_are_shown(keyed: Keyed, kind: type[np.floating]) -> None:
    """A half or double plate, with an alpha and read-only, is shown as its float32 twin, in float32."""
    plate = np.broadcast_to(np.array([0.5, 0.25, 2.0, 1.0], kind), (40, 80, 4))
    shown = preview(keyed, plate, Params(working_space="linear_rec709", output="plate"))
    assert shown.dtype == np.float32
    np.testing.assert_allclose(shown[0, 0], [0.735, 0.537, 1.0], atol=1e-3)


def test_a_working_space_is_shown_as_it_is_meant(keyed: Keyed) -> None:
    """An ACEScg grey looks the same as a linear Rec.709 grey."""
    params = Params(working_space="acescg", output="foreground")
    np.testing.assert_allclose(preview(keyed, keyed.foreground, params), 0.5, atol=1e-3)
