"""Frames, formats and boxes as Python has them."""

from collections.abc import Iterator
from typing import Any

from nukehost.pictures import Format


class FrameRange:
    """Frames from one to another."""

    def __init__(self, first: int, last: int, increment: int = 1) -> None:
        """Take all three."""
        self._first, self._last, self._increment = int(first), int(last), int(increment)

    def first(self) -> int:
        """Return the first frame."""
        return self._first

    def last(self) -> int:
        """Return the last frame."""
        return self._last

    def increment(self) -> int:
        """Return the distance of two frames."""
        return self._increment

    def frames(self) -> int:
        """Return how many there are."""
        return len(range(self._first, self._last + 1, self._increment))

    def __iter__(self) -> Iterator[int]:
        """Give each."""
        return iter(range(self._first, self._last + 1, self._increment))


class FrameRanges:
    """Ranges of frames."""

    def __init__(self, ranges: Any = ()) -> None:
        """Take ranges."""
        self._ranges: list[FrameRange] = list(ranges)

    def add(self, r: FrameRange) -> None:
        """Add a range."""
        self._ranges.append(r)

    def size(self) -> int:
        """Return how many ranges there are."""
        return len(self._ranges)

    def toFrameList(self) -> list[int]:
        """Return all frames."""
        return [frame for one in self._ranges for frame in one]

    def __iter__(self) -> Iterator[FrameRange]:
        """Give each range."""
        return iter(self._ranges)


class Info:
    """A bounding box."""

    def __init__(self, box: tuple[int, int, int, int]) -> None:
        """Take the box."""
        self._box = box

    def x(self) -> float:
        """Return the left edge."""
        return float(self._box[0])

    def y(self) -> float:
        """Return the lower edge."""
        return float(self._box[1])

    def w(self) -> float:
        """Return the width."""
        return float(self._box[2] - self._box[0])

    def h(self) -> float:
        """Return the height."""
        return float(self._box[3] - self._box[1])


class NukeFormat:
    """A format, as Python asks it."""

    def __init__(self, format_: Format) -> None:
        """Take a format."""
        self._format = format_

    def width(self) -> int:
        """Return the width."""
        return self._format.width

    def height(self) -> int:
        """Return the height."""
        return self._format.height

    def pixelAspect(self) -> float:
        """Return how wide a pixel is."""
        return self._format.aspect

    def name(self) -> str:
        """Return the name."""
        return self._format.name
