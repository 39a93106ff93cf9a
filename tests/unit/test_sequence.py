"""Sequences: finding, reading and pairing frames."""

import hashlib
import shutil

import numpy as np
import pytest

from corridorkey_models.errors import InputError
from corridorkey_server.footage.exr import write_exr
from corridorkey_server.footage.frame_range import parse_frames
from corridorkey_server.footage.picture import Image, Window
from corridorkey_server.footage.sequence import open_sequence, pair
from corridorkey_server.footage.stills import write_png8

WINDOW = Window(0, 0, 4, 2)


def make(folder, pattern, frames):
    """Write EXR frames whose pixels are a thousandth of their number."""
    folder.mkdir(parents=True, exist_ok=True)
    for frame in frames:
        image = Image(np.full((2, 4, 3), frame / 1000, np.float32), ("R", "G", "B"), WINDOW, WINDOW)
        write_exr(folder / (pattern % frame), image.pixels, image.channels, like=image)


@pytest.fixture
def shot(tmp_path):
    """plate.1001.exr to plate.1010.exr without 1004 and 1005."""
    make(tmp_path / "plate", "plate.%04d.exr", [*range(1001, 1004), *range(1006, 1011)])
    return tmp_path


@pytest.mark.parametrize("name", ["plate.%04d.exr", "plate.####.exr", "plate.@@@@.exr", "plate.$F4.exr", ""])
def test_pattern_or_folder(shot, name):
    """Every spelling, and the folder itself, finds the same frames and tells the holes."""
    plate = open_sequence(shot / "plate" / name)
    assert plate.frames == (1001, 1002, 1003, 1006, 1007, 1008, 1009, 1010)
    assert plate.missing == (1004, 1005)
    assert (plate.name, plate.padding, plate.is_still, plate.is_movie) == ("plate", 4, False, False)
    assert plate.describe() == "plate.####.exr 1001-1003, 1006-1010 (8 frames, missing 1004-1005)"


def test_frames_are_read_by_number(shot):
    """Frame 1006 is the file of that number, not the fourth."""
    plate = open_sequence(str(shot / "plate"))
    assert plate.path(1006) == shot / "plate" / "plate.1006.exr"
    assert np.allclose(plate.read(1006).pixels, 1.006, atol=1e-3)
    with pytest.raises(InputError, match=r"no frame 1004; it has 1001-1003, 1006-1010"):
        plate.read(1004)


def test_part_of_a_range(shot):
    """What was asked for and is not there is listed; what was not asked for is not missed."""
    plate = open_sequence(shot / "plate", parse_frames("1003-1007x2,1020"))
    assert (plate.frames, plate.missing) == ((1003, 1007), (1005, 1020))


def test_range_outside_names_what_there_is(shot):
    """A wrong range is answered with the right one."""
    with pytest.raises(InputError, match=r"plate\.####\.exr has no frame 1-100; it has 1001-1003, 1006-1010"):
        open_sequence(shot / "plate", parse_frames("1-100"))


def test_one_member_is_one_frame(shot):
    """A numbered file means that frame alone, with its number."""
    plate = open_sequence(shot / "plate" / "plate.1006.exr")
    assert (plate.frames, plate.missing, plate.is_still) == ((1006,), (), False)


def test_negative_and_long_numbers(tmp_path):
    """Pre-roll below zero and frames beyond the padding belong to the sequence."""
    make(tmp_path, "a.%04d.exr", [-2, -1, 0, 9999, 10000])
    shutil.copy(tmp_path / "a.0000.exr", tmp_path / "a.5.exr")
    sequence = open_sequence(tmp_path / "a.####.exr", parse_frames("-2-10,9999-10000"))
    assert sequence.frames == (-2, -1, 0, 9999, 10000)
    assert sequence.path(-2).name == "a.-002.exr"


def test_hidden_and_other_files_are_ignored(shot):
    """Temporary files, notes and thumbnails' databases do not make a folder ambiguous."""
    for name in (".plate.1004.exr", ".ckey-1-ab.tmp", "notes.txt", "Thumbs.db"):
        (shot / "plate" / name).write_bytes(b"")
    assert len(open_sequence(shot / "plate").frames) == 8


def test_folder_with_several_things_lists_them(shot):
    """Which of two sequences is meant is not guessed."""
    make(shot / "plate", "matte.%04d.exr", [1001])
    write_png8(shot / "plate" / "reference.png", np.zeros((2, 4, 3), np.float32))
    with pytest.raises(
        InputError, match=r"several things, name one: matte\.####\.exr, plate\.####\.exr, reference\.png"
    ):
        open_sequence(shot / "plate")


def test_nothing_there(tmp_path):
    """An empty folder, a missing file, a missing folder and a pattern without files each say what is wrong."""
    make(tmp_path / "a", "a.%d.exr", [1])
    (tmp_path / "empty").mkdir()
    for name, reason in (
        ("empty", "no images and no movie"),
        ("gone.exr", "does not exist"),
        ("gone/a.####.exr", "no such file or directory"),
        ("a/a.####.exr", "check the name and the padding"),
        ("a/a.%04d.####.exr", "several frame numbers"),
    ):
        with pytest.raises(InputError, match=reason):
            open_sequence(tmp_path / name)


def test_dates_are_not_frames(tmp_path):
    """Numbers that lie too far apart are refused instead of filling the memory with holes."""
    make(tmp_path, "a.%d.exr", [1, 2026112010])
    with pytest.raises(InputError, match="these are not frames"):
        open_sequence(tmp_path)


def test_still_stands_for_every_frame(shot):
    """A garbage matte without a number goes with each frame; asking it for a range changes nothing."""
    make(shot, "garbage_v002.exr%.0s", [7])
    still = open_sequence(shot / "garbage_v002.exr", (5, 6))
    assert (still.is_still, still.name, still.frames, still.describe()) == (
        *(True, "garbage_v002", (1,)),
        "garbage_v002.exr (still)",
    )
    pairing = pair(open_sequence(shot / "plate"), still)
    plate, garbage = pairing.read(1010)
    assert np.allclose(plate.pixels, 1.010, atol=1e-3)
    assert np.allclose(garbage.pixels, 0.007, atol=1e-4)


def test_pairs_by_number_never_by_order(shot):
    """A hint that starts later does not slip: frames pair by number, and those that lack are listed."""
    make(shot / "hint", "hint.%04d.exr", range(1006, 1015))
    plate, hint = open_sequence(shot / "plate"), open_sequence(shot / "hint")
    with pytest.raises(InputError, match=r"hint\.####\.exr has no frame for 1001-1003 of plate\.####\.exr"):
        pair(plate, hint)
    part = pair(open_sequence(shot / "plate", parse_frames("1006-1010")), hint)
    assert part.frames == (1006, 1007, 1008, 1009, 1010)
    for image in part.read(1008):
        assert np.allclose(image.pixels, 1.008, atol=1e-3)


def test_fingerprint_follows_bytes_and_layer(shot):
    """The same bytes have the same fingerprint under any name; another layer of them has another."""
    source, copy = shot / "plate" / "plate.1001.exr", shot / "copy" / "b.7.exr"
    copy.parent.mkdir()
    shutil.copy(source, copy)
    plate = open_sequence(shot / "plate")
    assert plate.fingerprint(1001) == open_sequence(copy).fingerprint(7)
    assert plate.fingerprint(1001) == hashlib.blake2b(source.read_bytes(), digest_size=16).digest()
    assert plate.fingerprint(1001) != plate.fingerprint(1002)
    assert plate.fingerprint(1001) != open_sequence(shot / "plate", layer="R").fingerprint(1001)
    copy_sequence = open_sequence(copy)
    copy.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        copy_sequence.fingerprint(7)


def test_layer_reaches_every_frame(shot):
    """The layer of a sequence is that of each of its files."""
    assert open_sequence(shot / "plate", layer="G").read(1002).channels == ("G",)
