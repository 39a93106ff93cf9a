"""A picture with its windows: where its pixels lie, what its channels are called, how it is encoded.

Knows no files and no colour maths.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels, y down; `x`, `y` is its first pixel, which may be negative."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def from_corners(cls, low: tuple[int, int], high: tuple[int, int]) -> "Window":
        """Return the window from its first to its last pixel, both inclusive as in OpenEXR."""
        return cls(low[0], low[1], high[0] - low[0] + 1, high[1] - low[1] + 1)

    @property
    def right(self) -> int:
        """First column to the right of the window."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """First row below the window."""
        return self.y + self.height

    def corners(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the first and the last pixel, both inclusive as in OpenEXR."""
        return (self.x, self.y), (self.right - 1, self.bottom - 1)

    def contains(self, other: "Window") -> bool:
        """Whether every pixel of `other` is in this window."""
        return self.intersection(other) == other

    def intersection(self, other: "Window") -> "Window":
        """Return what both windows share; of width and height 0 if that is nothing."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        width, height = min(self.right, other.right) - x, min(self.bottom, other.bottom) - y
        return Window(x, y, width, height) if width > 0 and height > 0 else Window(x, y, 0, 0)

    def union(self, other: "Window") -> "Window":
        """Return the smallest window that contains both."""
        x, y = min(self.x, other.x), min(self.y, other.y)
        return Window(x, y, max(self.right, other.right) - x, max(self.bottom, other.bottom) - y)


def place(array: NDArray[Any], covered: Window, wanted: Window) -> NDArray[Any]:
    """Return `array`, which covers `covered`, over `wanted`: cropped, and 0 where there is nothing.

    Args:
        array: [covered.height, covered.width, ...].

    Returns:
        [wanted.height, wanted.width, ...]: `array` itself when the windows are equal, else a new array.
    """
    if covered == wanted:
        return array
    placed = np.zeros((wanted.height, wanted.width, *array.shape[2:]), array.dtype)
    shared = covered.intersection(wanted)
    placed[_slices(shared, wanted)] = array[_slices(shared, covered)]
    return placed


def _slices(part: Window, whole: Window) -> tuple[slice, slice]:
    x, y = part.x - whole.x, part.y - whole.y
    return slice(y, y + part.height), slice(x, x + part.width)


@dataclass(frozen=True)
class Image:
    """One picture as its file holds it.

    Attributes:
        pixels: float32 [height, width, channels] over the data window; rows top-down; alpha as in the file.
        channels: "R", "G", "B" and "A", or "Y" and "A", or what is left of other names without their layer.
        data_window: where there are pixels.
        display_window: what is shown: Nuke's format.
        pixel_aspect: width of a pixel over its height.
        working_space: how the colours are encoded, a word of params.WORKING_SPACES, or None if unknown.
        space_reason: why, in words for an artist.
        metadata: OpenEXR attributes by name, typed as the OpenEXR module has them.
    """

    pixels: Pixels
    channels: tuple[str, ...]
    data_window: Window
    display_window: Window
    pixel_aspect: float = 1.0
    working_space: str | None = None
    space_reason: str = "not said"
    metadata: Mapping[str, object] = field(default_factory=dict)

    def has(self, *names: str) -> bool:
        """Whether there are all these channels."""
        return set(names) <= set(self.channels)

    def channel(self, name: str) -> Pixels:
        """Return one channel, [height, width]; KeyError if it is not there."""
        if name not in self.channels:
            raise KeyError(name)
        return self.pixels[..., self.channels.index(name)]

    def framed(self, window: Window) -> Pixels:
        """Return the pixels over `window`, [height, width, channels], 0 outside the data window."""
        return place(self.pixels, self.data_window, window)
