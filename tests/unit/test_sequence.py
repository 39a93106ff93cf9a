"""Sequences: finding, reading and pairing frames."""

import hashlib
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from corridorkey_models.errors import InputError
from corridorkey_server.footage.exr import write_exr
from corridorkey_server.footage.frame_range import parse_frames
from corridorkey_server.footage.picture import Image, Window
from corridorkey_server.footage.sequence import check_covers, open_sequence
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
    assert open_sequence(tmp_path, (-2, 10000)).frames == (-2, 10000)
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
    """A garbage matte without a number goes with each frame."""
    make(shot, "garbage_v002.exr%.0s", [7])
    still = open_sequence(shot / "garbage_v002.exr")
    assert (still.is_still, still.name, still.frames, still.describe()) == (
        *(True, "garbage_v002", (1,)),
        "garbage_v002.exr (still)",
    )
    check_covers(open_sequence(shot / "plate"), still)
    assert np.allclose(still.read(1010).pixels, 0.007, atol=1e-4)


def test_still_has_no_frames_to_choose_from(shot):
    """Frames asked of a still are refused, whether it is named or is what a folder holds, not left undone."""
    make(shot / "one", "still.exr%.0s", [7])
    for source in (shot / "one", shot / "one" / "still.exr"):
        with pytest.raises(InputError, match=r"still\.exr is a still, which has no frames to choose from"):
            open_sequence(source, (5, 6))


def test_numbered_file_as_a_still(shot):
    """A garbage matte called garbage_01.exr stands for every frame if that is asked for; a sequence stays one."""
    make(shot, "garbage_%02d.exr", [1])
    path = shot / "garbage_01.exr"
    assert (open_sequence(path).is_still, open_sequence(path).frames) == (False, (1,))
    still = open_sequence(path, still=True)
    assert (still.is_still, still.name, still.label) == (True, "garbage_01", "garbage_01.exr")
    assert np.allclose(still.read(1010).pixels, 0.001, atol=1e-4)
    assert len(open_sequence(shot / "plate", still=True).frames) == 8
    with pytest.raises(InputError, match="no frames to choose from"):
        open_sequence(path, (1,), still=True)


def test_pairs_by_number_never_by_order(shot):
    """A hint that starts later does not slip: frames pair by number, and those that lack are listed."""
    make(shot / "hint", "hint.%04d.exr", range(1006, 1015))
    plate, hint = open_sequence(shot / "plate"), open_sequence(shot / "hint")
    with pytest.raises(InputError, match=r"hint\.####\.exr has no frame for 1001-1003 of plate\.####\.exr"):
        check_covers(plate, hint)
    part = open_sequence(shot / "plate", parse_frames("1006-1010"))
    check_covers(part, hint)
    for sequence in (part, hint):
        assert np.allclose(sequence.read(1008).pixels, 1.008, atol=1e-3)


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


@pytest.mark.parametrize("name", ["", "plate.###.exr", "plate.####.exr"])
def test_mixed_padding_is_refused(tmp_path, name):
    """A frame whose number is padded otherwise is named, with one that is padded as the others, not left out."""
    make(tmp_path, "plate.%03d.exr", [98, 99])
    make(tmp_path, "plate.%04d.exr", [100])
    with pytest.raises(InputError, match="is not padded like") as refused:
        open_sequence(tmp_path / name)
    assert "plate.0100.exr" in str(refused.value)
    assert "plate.098.exr" in str(refused.value)


def test_one_frame_spelled_twice_is_refused(tmp_path):
    """Which of -005 and -0005 is frame -5 is not guessed."""
    make(tmp_path, "a.%04d.exr", [-5, 0])
    shutil.copy(tmp_path / "a.-005.exr", tmp_path / "a.-0005.exr")
    with pytest.raises(InputError, match=r"a\.-005\.exr, which is not padded like a\.-0005\.exr"):
        open_sequence(tmp_path / "a.####.exr")


def test_reels_and_formats_are_not_sequences(tmp_path):
    """A folder of A001C002_green and A001C003_green holds two stills, none of which is a frame of the other."""
    make(tmp_path, "A001C%03d_green.exr", [2, 3])
    assert open_sequence(tmp_path / "A001C002_green.exr").name == "A001C002_green"
    with pytest.raises(InputError, match=r"name one: A001C002_green\.exr, A001C003_green\.exr"):
        open_sequence(tmp_path)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("name", ["", "plate.1001.exr", "plate.####.exr", "gone.exr"])
def test_folder_of_another_user(tmp_path, name):
    """What a user may not look at is told in a sentence, whichever way it is named."""
    folder = tmp_path / "private"
    make(folder, "plate.%04d.exr", [1001])
    folder.chmod(0o700)
    program = (
        "import os, sys\n"
        "from corridorkey_models.errors import InputError\n"
        "from corridorkey_server.footage.sequence import open_sequence\n"
        "os.chdir(sys.argv[1]); os.setuid(65534)\n"
        "try: open_sequence(os.path.join('private', sys.argv[2]))\n"
        "except InputError as error: print(error)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path), name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("private"), done.stderr
    assert "cannot be read: permission denied; check the path" in done.stdout


def test_link_that_leads_nowhere_in_a_folder(shot):
    """A link in a circle is no reason to refuse the frames beside it, and as a frame it is told when it is read."""
    (shot / "plate" / "notes.txt").symlink_to("notes.txt")
    (shot / "plate" / "plate.1004.exr").symlink_to("plate.1004.exr")
    plate = open_sequence(shot / "plate")
    assert plate.missing == (1005,)
    with pytest.raises(InputError, match=r"plate\.1004\.exr cannot be read: too many levels"):
        plate.read(1004)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("x" * 300 + ".exr", "cannot be read: file name too long"),
        ("x" * 300 + "/plate.####.exr", "cannot be read: file name too long"),
        ("a\0b.exr", "has a NUL character in its name"),
        ("plate.%00d.exr", "1 to 10 digits"),
    ],
)
def test_impossible_names(tmp_path, name, reason):
    """A name that no file can have is refused in a sentence that can be printed."""
    with pytest.raises(InputError, match=reason) as refused:
        open_sequence(tmp_path / name)
    assert "\0" not in str(refused.value)


def test_home_of_nobody():
    """A slip in the name of a home folder is told."""
    with pytest.raises(InputError, match=r"~nosuchuser/plate\.exr names the home of nobody here"):
        open_sequence("~nosuchuser/plate.exr")


def test_names_that_are_not_utf_8(shot):
    """A file, a sequence or a folder whose name is Latin-1 is refused in a sentence that can be printed."""
    latin = shot / os.fsdecode(b"caf\xe9")
    (shot / "plate").rename(latin)
    sequence, file, both = shot / "sequence", shot / "file", shot / "both"
    for folder, names in ((sequence, [b"\xe9.1.exr"]), (file, [b"\xe9.exr"]), (both, [b"\xe9.exr", b"a.exr"])):
        folder.mkdir()
        for name in names:
            shutil.copy(latin / "plate.1001.exr", folder / os.fsdecode(name))
    for source in (latin, latin / "plate.####.exr", latin / "plate.1001.exr", sequence, file):
        with pytest.raises(InputError, match="its name is not UTF-8; rename it") as refused:
            open_sequence(source)
        str(refused.value).encode()
    with pytest.raises(InputError, match="several things") as refused:
        open_sequence(both)
    str(refused.value).encode()
