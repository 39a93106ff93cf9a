"""The file that a host reads back: which frames count as keyed, and what may be written."""

from dataclasses import replace

import numpy as np
import pytest

from corridorkey_models.errors import InputError
from corridorkey_models.params import Params
from corridorkey_server.footage.picture import Image, Window
from corridorkey_server.keyed_file import digest, file_space
from corridorkey_server.loaded import Loaded, lay_over

WINDOW = Window(0, 0, 8, 4)
PARAMS = Params(working_space="acescg")


def picture(seed: int, channels: str = "RGBA", window: Window = WINDOW) -> Image:
    """Return noise."""
    shape = (window.height, window.width, len(channels))
    return Image(np.random.default_rng(seed).random(shape, np.float32), tuple(channels), window, WINDOW)


def frame(plate: Image | None = None, params: Params = PARAMS, **others: Image) -> Loaded:
    """Return a frame with a hint."""
    return lay_over(plate or picture(1), {"hint": picture(2), **others}, params)


def name(loaded: Loaded, params: Params = PARAMS, identity: str = "model", half: bool = True) -> str:
    """Return the frame's digest."""
    return digest(loaded, params, identity, half)


def test_what_keying_looks_at_changes_the_digest() -> None:
    """Pixels, masks, windows, model, parameters and depth each make it another frame."""
    changed = {
        name(frame()),
        name(frame(picture(3))),
        name(frame(hint=picture(3))),
        name(frame(inside=picture(3))),
        name(frame(outside=picture(3))),
        name(frame(picture(1, window=Window(0, 0, 8, 3)))),
        name(frame(), replace(PARAMS, despill=0.25)),
        name(frame(), identity="other"),
        name(frame(), half=False),
    }
    assert len(changed) == 9


def test_what_keying_does_not_look_at_changes_nothing() -> None:
    """The plate's alpha, unused channels of the hint, the view: no reason to key again, whichever program asks."""
    plate, hint = picture(1), picture(2)
    alone = replace(hint, pixels=hint.pixels[..., 3:], channels=("A",))
    bare = replace(plate, pixels=plate.pixels[..., :3], channels=("R", "G", "B"))
    assert name(frame(bare, hint=alone)) == name(frame(plate))
    assert name(frame(), replace(PARAMS, output="matte")) == name(frame())
    chroma = replace(PARAMS, hint_source="chroma")
    assert name(frame(params=chroma, hint=picture(5)), chroma) == name(frame(params=chroma), chroma)
    source = replace(PARAMS, hint_source="source_alpha")
    assert name(frame(bare), source) != name(frame(plate), source)


def test_hint_and_masks_are_0_where_there_is_no_plate() -> None:
    """What lies outside the plate's data window is nobody's foreground, in every host alike."""
    small = Window(2, 1, 3, 2)
    loaded = frame(picture(1, window=small), inside=picture(3))
    assert loaded.hint is not None and loaded.masks.inside is not None
    for plane in (loaded.pixels, loaded.hint, loaded.masks.inside):
        assert plane[1:3, 2:5].all()
        assert np.count_nonzero(plane.any(axis=2) if plane.ndim == 3 else plane) == 3 * 2


def test_a_plate_that_lies_beside_the_frame_has_no_hint() -> None:
    """Nothing of it is seen, so nothing is kept; it is no error that would end a range."""
    loaded = frame(picture(1, window=Window(20, 0, 8, 4)))
    assert loaded.hint is not None
    assert not loaded.hint.any() and not loaded.pixels.any()


@pytest.mark.parametrize("window", [WINDOW, Window(2, 1, 3, 2)])
def test_a_grey_hint_with_solid_alpha_is_its_colour(window: Window) -> None:
    """Painting programs save mattes like that; a plate that is smaller than the frame makes no difference."""
    hint = picture(4)
    hint.pixels[..., 1:3], hint.pixels[..., 3] = hint.pixels[..., :1], 1
    loaded = frame(picture(1, window=window), hint=hint)
    assert loaded.hint is not None
    assert np.array_equal(loaded.hint[1:3, 2:5], hint.pixels[1:3, 2:5, 0])
    assert any("alpha is 1 everywhere" in note for note in loaded.notes)


@pytest.mark.parametrize(
    ("space", "output", "expected"),
    [
        ("acescg", "same", "acescg"),
        ("linear_rec709", "same", "linear_rec709"),
        ("arri_logc3", "acescg", "acescg"),
        ("acescg", "linear_rec709", "linear_rec709"),
        ("srgb", "same", None),
        ("arri_logc4", "same", None),
    ],
)
def test_files_are_linear(space: str, output: str, expected: str | None) -> None:
    """An encoded foreground would be taken for light by the host that reads it back, so it is refused."""
    params = Params(working_space=space, output_space=output)
    if expected is not None:
        assert file_space(params) == expected
        return
    with pytest.raises(InputError, match="not linear"):
        file_space(params)
