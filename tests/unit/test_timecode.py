"""Time codes."""

from fractions import Fraction

import pytest

from corridorkey_server.footage.timecode import TimeCode, time_code_after

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("text", "frames", "rate", "expected"),
    [
        ("01:00:00:00", 0, Fraction(24), TimeCode(1, 0, 0, 0, False)),
        ("01:00:59:23", 1, Fraction(24), TimeCode(1, 1, 0, 0, False)),
        ("00:00:00:00", 24, Fraction(24000, 1001), TimeCode(0, 0, 1, 0, False)),
        ("23:59:59:24", 1, Fraction(25), TimeCode(0, 0, 0, 0, False)),
        ("00:00:59;29", 1, NTSC, TimeCode(0, 1, 0, 2, True)),
        ("00:09:59;29", 1, NTSC, TimeCode(0, 10, 0, 0, True)),
        ("00:00:00;00", 107892, NTSC, TimeCode(1, 0, 0, 0, True)),
        ("00:00:59:29", 1, NTSC, TimeCode(0, 1, 0, 0, False)),
    ],
)
def test_time_code_of_a_later_frame(text, frames, rate, expected):
    """Counting goes on over minutes, midnight and dropped numbers (an hour of drop frame is 107892 frames)."""
    assert time_code_after(text, frames, rate) == expected


@pytest.mark.parametrize(("text", "rate"), [("", Fraction(24)), ("soon", Fraction(24)), ("00:00:00:00", Fraction(60))])
def test_no_time_code(text, rate):
    """Text that is no time code, and rates that count pairs of frames, give none."""
    assert time_code_after(text, 5, rate) is None
