"""Pictures in a stream: a format, a bounding box, and channels over it; outside the box its edge repeats."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]  # x, y, r, t: the lower left pixel, and the one after the upper right
Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Format:
    """How large a frame is."""

    width: int
    height: int
    aspect: float = 1.0
    name: str = ""

    @property
    def box(self) -> Box:
        """The frame as a box."""
        return 0, 0, self.width, self.height

    def scaled(self, scale: float) -> "Format":
        """Return the format of a proxy."""
        return self if scale == 1 else replace(self, width=_ceil(self.width * scale), height=_ceil(self.height * scale))


def parse_format(text: str) -> Format | None:
    """Return what a format's text says: width, height, the box if there is one, pixel aspect, name."""
    words = text.split()
    if len(words) < 2 or not all(word.isdigit() for word in words[:2]):
        return None
    rest = words[6:] if len(words) > 6 else []
    aspect = float(rest[0]) if rest else 1.0
    return Format(int(words[0]), int(words[1]), aspect, rest[1] if len(rest) > 1 else "")


@dataclass(frozen=True, eq=False)
class Picture:
    """Channels by full name, each over the bounding box with the top row first."""

    format: Format
    box: Box
    planes: dict[str, Plane]
    metadata: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def black(cls, format_: Format) -> "Picture":
        """Return what an unwired input gives."""
        return cls(format_, (0, 0, 1, 1), {})

    def read(self, name: str, box: Box) -> Plane:
        """Return a channel over any box: edges repeat, and a channel that is not there is 0."""
        plane = self.planes.get(name)
        if plane is None:
            return np.zeros((box[3] - box[1], box[2] - box[0]), np.float32)
        columns = np.clip(np.arange(box[0], box[2]), self.box[0], self.box[2] - 1) - self.box[0]
        rows = self.box[3] - 1 - np.clip(np.arange(box[3] - 1, box[1] - 1, -1), self.box[1], self.box[3] - 1)
        return plane[rows[:, None], columns]

    def over(self, box: Box, names: Iterable[str] | None = None) -> "Picture":
        """Return it with another bounding box."""
        wanted = self.planes if names is None else names
        return replace(self, box=box, planes={name: self.read(name, box) for name in wanted})

    def padded(self) -> "Picture":
        """Return it with one black pixel around, so that it is black outside."""
        x, y, r, t = self.box
        planes = {name: np.pad(plane, 1) for name, plane in self.planes.items()}
        return replace(self, box=(x - 1, y - 1, r + 1, t + 1), planes=planes)

    def scaled(self, scale: float) -> "Picture":
        """Return what a proxy of it has: the nearest pixel of each."""
        if scale == 1:
            return self
        x, y, r, t = self.box
        box = (math.floor(x * scale), math.floor(y * scale), _ceil(r * scale), _ceil(t * scale))
        planes = {}
        for name in self.planes:
            columns = np.floor((np.arange(box[0], box[2]) + 0.5) / scale).astype(int)
            rows = np.floor((np.arange(box[3] - 1, box[1] - 1, -1) + 0.5) / scale).astype(int)
            columns, rows = np.clip(columns, x, r - 1) - x, t - 1 - np.clip(rows, y, t - 1)
            planes[name] = self.planes[name][rows[:, None], columns]
        return replace(self, format=self.format.scaled(scale), box=box, planes=planes)

    def rgba(self) -> NDArray[np.float32]:
        """Return what a viewer shows: red, green, blue and alpha over the format."""
        names = [f"rgba.{name}" for name in ("red", "green", "blue", "alpha")]
        return np.dstack([self.read(name, self.format.box) for name in names])


def union(one: Box, other: Box) -> Box:
    """Return the box around both."""
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def intersection(one: Box, other: Box) -> Box:
    """Return the box within both; one pixel if there is none."""
    x, y = max(one[0], other[0]), max(one[1], other[1])
    return x, y, max(min(one[2], other[2]), x + 1), max(min(one[3], other[3]), y + 1)


def _ceil(value: float) -> int:
    return math.ceil(value - 1e-9)
