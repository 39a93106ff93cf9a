"""SMPTE 12M time code: the one of a later frame. Knows no files."""

import re
from dataclasses import dataclass
from fractions import Fraction

_PATTERN = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)")
_FASTEST = 30  # above, a time code counts pairs of frames


@dataclass(frozen=True)
class TimeCode:
    """Hours, minutes, seconds and frame; `drop` if two frame numbers a minute are left out (29.97 a second)."""

    hours: int
    minutes: int
    seconds: int
    frame: int
    drop: bool


def time_code_after(text: str, frames: int, rate: Fraction) -> TimeCode | None:
    """Return the time code `frames` after `text`, or None: for other text, or more than 30 a second.

    >>> time_code_after("00:00:59;29", 1, Fraction(30000, 1001))
    TimeCode(hours=0, minutes=1, seconds=0, frame=2, drop=True)
    """
    match = _PATTERN.fullmatch(text)
    nominal = round(rate)
    if match is None or not 0 < nominal <= _FASTEST:
        return None
    hours, minutes, seconds, frame = (int(match[group]) for group in (1, 2, 3, 5))
    drop = match[4] != ":" and nominal == _FASTEST
    minutes += 60 * hours
    count = (minutes * 60 + seconds) * nominal + frame - (2 * (minutes - minutes // 10) if drop else 0)
    return _time_code(count + frames, nominal, drop)


def _time_code(count: int, nominal: int, drop: bool) -> TimeCode:
    if drop:
        tens, rest = divmod(count, 600 * nominal - 18)
        count += 18 * tens + 2 * max(0, (rest - 2) // (60 * nominal - 2))
    seconds, frame = divmod(count, nominal)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return TimeCode(hours % 24, minutes, seconds, frame, drop)
