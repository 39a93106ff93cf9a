"""Images on their way into a keyer."""

import numpy as np
import pytest

from corridorkey_models.errors import InputError
from corridorkey_models.keyed import check_image


def test_an_image_has_channels_and_single_precision() -> None:
    """A picture of one channel gets an axis for it, and half and double floats become float32."""
    for kind in (np.float16, np.float32, np.float64):
        checked = check_image(np.full((2, 3), 0.5, kind), "hint", (1, 3))
        assert (checked.shape, checked.dtype) == ((2, 3, 1), np.float32)
        assert (checked == 0.5).all()


def test_what_fits_is_not_copied() -> None:
    """A float32 plate is checked where it lies: a UHD frame is 100 MB."""
    plate = np.zeros((4, 6, 4), np.float32)
    assert np.shares_memory(check_image(plate[..., :3], "plate", (3, 4), (4, 6)), plate)


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        ([[0.5]], "the hint is a list; give a numpy array."),
        (np.ones((4, 6), np.uint8), "the hint holds uint8 values; give floats, 8 or 16 bit scaled to 0 to 1."),
        (np.ones((4, 6, 2)), r"the hint has shape \(4, 6, 2\); give height, width and 1 or 3 channels."),
        (np.ones(6), r"the hint has shape \(6,\); give height"),
        (np.ones((0, 6)), r"the hint has shape \(0, 6\); give height"),
        (np.ones((6, 4)), "the hint is 4x6, the plate 6x4; give a hint of the plate's size."),
    ],
)
def test_what_does_not_fit_is_refused(image: np.ndarray, sentence: str) -> None:
    """The artist reads what is wrong with which picture, and what to give instead."""
    with pytest.raises(InputError, match=sentence):
        check_image(image, "hint", (1, 3), (4, 6))
