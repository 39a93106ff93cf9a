"""One still image in, by what the file is."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import OpenEXR
import OpenImageIO as oiio
import pytest

from corridorkey_models.errors import InputError
from corridorkey_server.footage.exr import write_exr
from corridorkey_server.footage.images import read_image
from corridorkey_server.footage.picture import Image, Window
from corridorkey_server.footage.stills import write_png8

WINDOW = Window(0, 0, 8, 6)
PLATE = Image(np.full((6, 8, 3), 0.25, np.float32), ("R", "G", "B"), WINDOW, WINDOW)


def test_the_content_decides(tmp_path):
    """An EXR that someone renamed is still read as an EXR; a PNG called .exr is refused."""
    write_exr(tmp_path / "a.png", PLATE.pixels, PLATE.channels, like=PLATE)
    assert read_image(tmp_path / "a.png").working_space == "linear_rec709"
    write_png8(tmp_path / "b.exr", PLATE.pixels)
    with pytest.raises(InputError, match="not an OpenEXR file"):
        read_image(tmp_path / "b.exr")


def test_what_cannot_be_opened_is_named(tmp_path):
    """A folder, an empty file and a missing file are told apart."""
    (tmp_path / "empty.exr").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("not a picture")
    for name, reason in (
        ("", "is a directory"),
        ("empty.exr", "is empty"),
        ("gone.exr", "no such file"),
        ("notes.txt", "not an image"),
    ):
        with pytest.raises(InputError, match=reason):
            read_image(tmp_path / name)


def test_one_thread_a_call():
    """The libraries bring no pool of their own, because frames are read by several threads already."""
    assert OpenEXR.global_thread_count() == 0
    assert oiio.get_int_attribute("threads") == 1


def test_threads_read_and_write_at_once(tmp_path):
    """Many threads at once get their own pixels."""

    def there_and_back(value):
        path = tmp_path / f"{value}.exr"
        write_exr(path, PLATE.pixels + value, PLATE.channels, like=PLATE)
        write_png8(path.with_suffix(".png"), np.full((6, 8, 3), value, np.uint8))
        return read_image(path).pixels.max(), read_image(path.with_suffix(".png")).pixels.max()

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(there_and_back, range(100)))
    assert np.allclose(results, [(0.25 + value, value / 255) for value in range(100)])
