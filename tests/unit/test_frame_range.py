"""Frame ranges as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridorkey_models.errors import InputError
from corridorkey_server.footage.frame_range import format_frames, parse_frames


@given(st.sets(st.integers(-2000, 20000), min_size=1))
def test_text_leads_back_to_the_same_frames(frames):
    """Whatever frames are written as text, negative ones too, reading the text gives them again."""
    assert parse_frames(format_frames(frames)) == tuple(sorted(frames))


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("7", (7,)),
        ("1001-1005x2,1200", (1001, 1003, 1005, 1200)),
        ("-5--3", (-5, -4, -3)),
        ("-1-1", (-1, 0, 1)),
        ("1-10x4", (1, 5, 9)),
        ("3, 1-2 ,2", (1, 2, 3)),
    ],
)
def test_ranges(text, frames):
    """Ranges are inclusive, steps count from the first frame, and each frame comes once."""
    assert parse_frames(text) == frames


@pytest.mark.parametrize("text", ["", "a", "1-", "1..5", "5-1", "1-10x0", "1-10:2", "1,,2", "1-999999999", "1" * 5000])
def test_other_text_is_refused(text):
    """What is no frame range is refused with an example, and a slip of the finger does not fill the memory."""
    with pytest.raises(InputError, match="frame range"):
        parse_frames(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1001-1000000000000", "more than 9 digits"),
        ("1-5x1234567890", "more than 9 digits"),
        ("1-1000001", "at most 1000000 frames"),
        ("1-600000,700000-1200000", "at most 1000000 frames"),
    ],
)
def test_slips_of_the_finger_are_refused(text, reason):
    """A number or a range that no shot has is refused at once, and the sentence stays short."""
    with pytest.raises(InputError, match=reason):
        parse_frames(text)
    with pytest.raises(InputError, match="frame range") as refused:
        parse_frames(text * 1000)
    assert len(str(refused.value)) < 200


def test_a_million_frames_are_allowed():
    """The longest range is a million frames, also far apart and by a step."""
    assert len(parse_frames("1-1000000")) == 1_000_000
    assert len(parse_frames("0-999999999x1000")) == 1_000_000
