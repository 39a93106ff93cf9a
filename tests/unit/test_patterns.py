"""File names with a frame number."""

from pathlib import Path

import pytest

from corridorkey_models.errors import InputError
from corridorkey_server.footage.patterns import group, parse_pattern, split_number


@pytest.mark.parametrize(
    ("text", "padding"),
    [
        *((f"a.{token}.exr", 4) for token in ("%04d", "####", "@@@@", "$F4")),
        *((f"a.{token}.exr", 1) for token in ("%d", "#", "@", "$F")),
        ("a.##########.exr", 10),
    ],
)
def test_every_program_s_spelling(text, padding):
    """Nuke's, Houdini's and RV's spelling mean the same; one # is one digit."""
    pattern = parse_pattern(Path("shots") / text)
    assert (pattern.folder, pattern.prefix, pattern.padding, pattern.suffix) == (
        Path("shots"),
        "a.",
        padding,
        ".exr",
    )


def test_padding_is_exact_below_and_open_above():
    """#### is 0001 and 10000, never 1 or 00001."""
    pattern = parse_pattern(Path("a.####.exr"))
    names = (
        "a.0001.exr",
        "a.10000.exr",
        "a.-0005.exr",
        "a.-005.exr",
        "a.1.exr",
        "a.00001.exr",
        "a.exr",
        "a.0001.exr.tmp",
    )
    assert [pattern.frame(name) for name in names] == [1, 10000, -5, -5, None, None, None, None]
    assert parse_pattern(Path("a.%d.exr")).frame("a.12.exr") == 12
    assert parse_pattern(Path("a.%d.exr")).frame("a.0012.exr") is None


@pytest.mark.parametrize("frame", [-12, 0, 7, 1001, 123456])
def test_path_and_frame_agree(frame):
    """The name that a pattern makes for a frame has that frame."""
    pattern = parse_pattern(Path("a.%04d.exr"))
    assert pattern.frame(pattern.path(frame).name) == frame


def test_two_numbers_in_a_pattern_are_refused():
    """Which of two numbers is the frame is not guessed."""
    with pytest.raises(InputError, match="several frame numbers"):
        parse_pattern(Path("a.%04d.####.exr"))


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("plate.1001.exr", ("plate.", "1001", ".exr")),
        ("frame0001.png", ("frame", "0001", ".png")),
        ("plate.-0005.exr", ("plate.", "-0005", ".exr")),
        ("plate-1001.exr", ("plate-", "1001", ".exr")),
        ("sh010_v002.1001.left.exr", ("sh010_v002.", "1001", ".left.exr")),
        ("plate_-0005.R.exr", ("plate_", "-0005", ".R.exr")),
        ("-0005.exr", ("", "-0005", ".exr")),
        ("0001.dpx", ("", "0001", ".dpx")),
        ("plate_v002.exr", None),
        ("talent_1920x1080.png", None),
        ("plate.v002.exr", None),
        ("sh010_v002.left.exr", None),
        ("sh010_v002.1001_left.exr", None),
        ("still.exr", None),
        ("A001C002_green.exr", None),
        ("A001C002.green.exr", None),
        ("shot_4k.exr", None),
        ("2024_plate.exr", None),
        ("2024.plate.exr", None),
        ("plate_1080p.left.exr", None),
    ],
)
def test_frame_number_of_a_file(name, parts):
    """The frame is the number before the extension or a view; versions, sizes, years, reels and formats are none."""
    assert split_number(name) == parts


def test_group():
    """Files that differ in their number make one sequence; padding is that of the shortest number."""
    names = ["b.png", "a.0998.exr", "a.1000.exr", "a.0999.exr", "c9.tif", "c10.tif"]
    patterns, singles = group(Path("x"), names)
    assert [str(pattern) for pattern in patterns] == ["a.####.exr", "c#.tif"]
    assert singles == ["b.png"]
    assert [pattern.name for pattern in patterns] == ["a", "c"]


def test_names_without_a_prefix_take_the_folder_s():
    """0001.dpx in the folder plate is called plate."""
    assert parse_pattern(Path("shots/plate/%04d.dpx")).name == "plate"


def test_left_and_right_have_names_of_their_own():
    """What tells two plates of a stereo pair apart is in what they are called, so that their results do not collide."""
    patterns, _ = group(Path("x"), ["plate.1001.left.exr", "plate.1001.right.exr", "plate.1001.exr"])
    assert [pattern.name for pattern in patterns] == ["plate", "plate.left", "plate.right"]
    assert parse_pattern(Path("plate.####_left.exr")).name == "plate_left"
    assert parse_pattern(Path("shots/plate/####.left.exr")).name == "plate.left"


def test_padding_that_explains_negative_numbers():
    """-002 beside 0000 is padded to 4, as printf does it, and -0002 as others do."""
    for names in (["a.-002.exr", "a.0000.exr"], ["a.-0002.exr", "a.0000.exr"]):
        (pattern,) = group(Path("x"), names)[0]
        assert pattern.padding == 4
        assert [pattern.frame(name) for name in names] == [-2, 0]


@pytest.mark.parametrize("token", ["%09999999999d", "%00d", "%011d", "$F0", "$F99", "#" * 11, f"%0{'9' * 5000}d"])
def test_absurd_paddings_are_refused(token):
    """A width that no frame number has is refused with an example, not tried."""
    with pytest.raises(InputError, match="write 1 to 10 digits, for example %04d"):
        parse_pattern(Path(f"plate.{token}.exr"))
