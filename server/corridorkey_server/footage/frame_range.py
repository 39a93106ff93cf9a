"""Frame numbers as artists write them: "1001-1100x2,1200". Knows no files."""

import re
from collections.abc import Iterable

from corridorkey_models.errors import InputError

_PART = re.compile(r"(-?\d+)(?:-(-?\d+)(?:x(\d+))?)?")
_TOO_LONG = re.compile(r"\d{10}")
_MOST = 1_000_000
_QUOTED = 60


def parse_frames(text: str) -> tuple[int, ...]:
    """Return the frames that a text names, in order and each once; ranges are inclusive, x is the step.

    Raises:
        InputError: the text is not a frame range, has a number of more than 9 digits, or names over a million frames.

    >>> parse_frames("1-5x2,10")
    (1, 3, 5, 10)
    """
    frames: set[int] = set()
    for part in text.split(","):
        frames.update(_parse_part(part.strip(), text))
        if len(frames) > _MOST:
            raise InputError(f"the frame range {_short(text)} is too long; name at most {_MOST} frames.")
    return tuple(sorted(frames))


def _parse_part(part: str, text: str) -> range:
    match = _PART.fullmatch(part)
    if match is None:
        raise InputError(f"{_short(text)} is not a frame range; write for example 1001-1100, 1001-1100x2 or 1001,1005.")
    if _TOO_LONG.search(part):
        raise InputError(f"the frame range {_short(part)} has a number of more than 9 digits; these are not frames.")
    first = int(match[1])
    last = first if match[2] is None else int(match[2])
    step = 1 if match[3] is None else int(match[3])
    if last < first or step == 0:
        raise InputError(f"frame range {part!r} is empty; write first-last, or first-lastxstep.")
    frames = range(first, last + 1, step)
    if len(frames) > _MOST:
        raise InputError(f"the frame range {_short(part)} is too long; name at most {_MOST} frames.")
    return frames


def _short(text: str) -> str:
    return repr(text if len(text) <= _QUOTED else f"{text[:_QUOTED]}...")


def format_frames(frames: Iterable[int]) -> str:
    """Return frames as text that `parse_frames` reads.

    >>> format_frames((1, 2, 3, 5))
    '1-3,5'
    """
    runs: list[list[int]] = []
    for frame in sorted(set(frames)):
        if runs and frame == runs[-1][1] + 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)
