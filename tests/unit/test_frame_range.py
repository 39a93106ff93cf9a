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


@pytest.mark.parametrize("text", ["", "a", "1-", "1..5", "5-1", "1-10x0", "1-10:2", "1,,2", "1-999999999"])
def test_other_text_is_refused(text):
    """What is no frame range is refused with an example, and a slip of the finger does not fill the memory."""
    with pytest.raises(InputError, match="frame range"):
        parse_frames(text)
