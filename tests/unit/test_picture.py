"""Windows and pictures."""

import numpy as np
import pytest

from corridorkey_server.footage.picture import Image, Window, place

DISPLAY = Window(0, 0, 8, 6)


def test_corners_are_inclusive():
    """A window of 8 x 6 ends at pixel 7, 5, as OpenEXR counts."""
    assert DISPLAY.corners() == ((0, 0), (7, 5))
    assert Window.from_corners((-3, -2), (4, 3)) == Window(-3, -2, 8, 6)


def test_union_and_intersection():
    """Overscan joins display and data window; a crop is what both share."""
    data = Window(-2, 1, 6, 9)
    assert DISPLAY.union(data) == Window(-2, 0, 10, 10)
    assert DISPLAY.intersection(data) == Window(0, 1, 4, 5)
    assert DISPLAY.contains(Window(1, 1, 2, 2))
    assert not DISPLAY.contains(data)


def test_windows_apart_share_nothing():
    """Windows that do not touch have an empty intersection."""
    shared = DISPLAY.intersection(Window(20, 20, 3, 3))
    assert (shared.width, shared.height) == (0, 0)


@pytest.mark.parametrize("data", [Window(2, 1, 3, 2), Window(-4, -3, 20, 15), Window(-4, 2, 6, 9), DISPLAY])
def test_framed_puts_every_pixel_where_it_was(data):
    """A pixel keeps its coordinates when a picture is framed, and is 0 outside the data window."""
    rows, columns = np.mgrid[data.y : data.bottom, data.x : data.right]
    pixels = np.stack([columns + 100, rows + 100], axis=-1).astype(np.float32)
    framed = Image(pixels, ("R", "G"), data, DISPLAY).framed(DISPLAY)
    for y in range(DISPLAY.height):
        for x in range(DISPLAY.width):
            inside = data.contains(Window(x, y, 1, 1))
            assert tuple(framed[y, x]) == ((x + 100, y + 100) if inside else (0, 0))


def test_place_takes_single_channel_arrays():
    """A matte without a channel axis is placed as well."""
    matte = np.ones((2, 3), np.float32)
    assert place(matte, Window(1, 1, 3, 2), DISPLAY).sum() == 6


def test_place_far_away_is_black():
    """Nothing is shared with a window far away, so all of it is 0."""
    assert not place(np.ones((6, 8), np.float32), DISPLAY, Window(50, 50, 4, 4)).any()


def test_channels_by_name():
    """Channels are found by name whatever their order, and one that is not there is an error."""
    pixels = np.arange(4, dtype=np.float32).reshape(1, 1, 4)
    window = Window(0, 0, 1, 1)
    image = Image(pixels, ("A", "B", "G", "R"), window, window)
    assert image.channel("A").tolist() == [[0]]
    assert image.has("R", "A")
    with pytest.raises(KeyError):
        image.channel("Z")
