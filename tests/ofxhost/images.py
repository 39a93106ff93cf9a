"""Pictures as tests give them, and images in memory as a plug-in gets them: watched on all sides."""

import ctypes
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ofxhost import abi
from ofxhost.modes import Mode

Box = tuple[int, int, int, int]  # x1, y1, x2, y2
Pixels = NDArray[np.float32]

GUARD = 4096  # bytes before and after an image
CANARY = 0xFF  # as a float it is not a number: whoever reads it shows it
POISON = 0x7FC0DEAD  # a not-a-number that no arithmetic makes


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels [height, width] or [height, width, channels], top row first, with their lower left corner `at`.

    defined: the clip's region of definition in pixels, the picture's own box if None; a host whose images are all of
    one size knows no other. padding (bytes after a row) and flipped (rowBytes negative): the mode's if None.
    """

    pixels: Pixels
    at: tuple[int, int] = (0, 0)
    premult: str = abi.OPAQUE
    defined: Box | None = None
    aspect: float = 1.0
    padding: int | None = None
    flipped: bool | None = None

    @property
    def box(self) -> Box:
        """Where its pixels are."""
        height, width = self.pixels.shape[:2]
        return self.at[0], self.at[1], self.at[0] + width, self.at[1] + height

    @property
    def region(self) -> Box:
        """The region of definition in pixels."""
        return self.defined or self.box

    @property
    def components(self) -> str:
        """What its channels are in OFX's words."""
        channels = self.pixels.shape[2] if self.pixels.ndim == 3 else 1
        return {4: abi.RGBA, 3: abi.RGB, 1: abi.ALPHA}[channels]


@dataclass(frozen=True)
class Frame:
    """What a host asks for.

    time, scale: of the render. window: pixels to write, all of the output if None. bounds: of the output's image, its
    region of definition if None. extent: width and height of the project, the box that begins at 0, 0 and reaches the
    upper right corner of Source if None. abort: what the plug-in polls; abort_after: how many times it hears no.
    misled: what the images of a clip say of themselves instead of the truth, properties by the name of the clip; an
    Output that does so is to be left alone.
    """

    time: float = 1.0
    scale: tuple[float, float] = (1.0, 1.0)
    window: Box | None = None
    bounds: Box | None = None
    extent: tuple[float, float] | None = None
    abort: threading.Event | None = None
    abort_after: int | None = None
    interactive: bool = False
    misled: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Job:
    """What an action works on: pictures by the name of their clip, and the images that clips give, Output's too."""

    pictures: Mapping[str, Picture] = field(default_factory=dict)
    frame: Frame = field(default_factory=Frame)
    images: Mapping[str, "Image"] = field(default_factory=dict)


def convert(pixels: Pixels, components: str) -> Pixels:
    """Return pixels [height, width, channels] as a host converts them to `components`; RGB becomes solid."""
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    channels, wanted = pixels.shape[2], abi.CHANNELS[components]
    if channels == wanted:
        return pixels
    if channels == 1:
        return np.repeat(pixels, wanted, axis=2)
    if wanted == 1:
        return pixels[:, :, 3:] if channels == 4 else np.ones_like(pixels[:, :, :1])
    return pixels[:, :, :3] if wanted == 3 else np.concatenate([pixels, np.ones_like(pixels[:, :, :1])], axis=2)


class Image:
    """Rows of float32 in memory with canaries before, between and after them.

    `pixels` is a view of them, top row first; `data` and `row_bytes` are what a plug-in gets: the address of the lowest
    row and the distance to the one above.
    """

    def __init__(self, box: Box, channels: int, *, padding: int, offset: int, flipped: bool) -> None:
        """Lay out an image without content."""
        self.box, self.channels = box, channels
        self._given: Pixels | None = None
        width, height = box[2] - box[0], box[3] - box[1]
        row, stride = 4 * channels * width, 4 * channels * width + padding
        self._memory = np.empty(2 * GUARD + 16 + stride * height, np.uint8)
        start = GUARD + (offset - self._memory.ctypes.data) % 16
        first = self._memory.ctypes.data + start
        shape, strides = (height, width, channels), (stride, 4 * channels, 4)
        rows: Pixels = np.ndarray(shape, np.float32, self._memory.data, start, strides)
        gaps: NDArray[np.uint8] = np.ndarray(
            (max(height - 1, 0), padding), np.uint8, self._memory.data, start + row, (stride, 1)
        )
        self._canaries = (self._memory[:start], gaps, self._memory[start + max(stride * height - padding, 0) :])
        for one in self._canaries:
            one[...] = CANARY
        self.pixels = rows if flipped else rows[::-1]
        self.row_bytes = -stride if flipped else stride
        self.data = first + stride * max(height - 1, 0) if flipped else first

    @classmethod
    def like(cls, picture: Picture, components: str, mode: Mode) -> "Image":
        """Return an image that holds `picture` as `components`."""
        image = cls(
            picture.box,
            abi.CHANNELS[components],
            padding=mode.padding if picture.padding is None else picture.padding,
            offset=mode.offset,
            flipped=mode.flipped if picture.flipped is None else picture.flipped,
        )
        image._given = convert(picture.pixels, components)
        image.pixels[...] = image._given
        return image

    @classmethod
    def poisoned(cls, box: Box, components: str, mode: Mode) -> "Image":
        """Return an image to be written."""
        image = cls(box, abi.CHANNELS[components], padding=mode.padding, offset=mode.offset, flipped=mode.flipped)
        image.bits[...] = POISON
        return image

    @property
    def bits(self) -> NDArray[np.uint32]:
        """The pixels as whole numbers: the only way to compare what is not a number."""
        return self.pixels.view(np.uint32)

    def has_intact_canaries(self) -> bool:
        """Whether nothing was written around the pixels."""
        return all(bool((one == CANARY).all()) for one in self._canaries)

    def is_unchanged(self) -> bool:
        """Whether it still holds the picture that it was made of."""
        return self._given is not None and np.array_equal(self.bits, self._given.view(np.uint32))

    def guards(self) -> Iterator[tuple[int, int]]:
        """Give address and size of each canary."""
        for one in self._canaries:
            for line in one if one.ndim == 2 else one[None]:
                yield line.ctypes.data, line.nbytes

    def inside(self, window: Box) -> tuple[slice, slice]:
        """Return which rows and columns of `pixels` lie in `window`."""
        x1, y1, x2, y2 = self.box
        left, right = max(window[0] - x1, 0), max(min(window[2], x2) - x1, 0)
        top, bottom = max(y2 - window[3], 0), max(min(y2 - window[1], y2 - y1), 0)
        return slice(top, bottom), slice(left, right)

    def faults(self, window: Box) -> Iterator[str]:
        """Say where an output that was to be written in `window` is wrong."""
        untouched = self.bits == POISON
        where = self.inside(window)
        if untouched[where].any():
            missing = np.argwhere(untouched[where].any(axis=2))
            row, column = missing[0]
            yield f"{len(missing)} pixels in the render window were not written, first in row {row}, column {column}"
        untouched[where] = True
        if not untouched.all():
            yield f"{int((~untouched).any(axis=2).sum())} pixels outside the render window were written"


def shown(picture: Picture | None, components: str, box: Box) -> Pixels:
    """Return what a picture has within `box`, as `components`; 0 where it has nothing."""
    channels = abi.CHANNELS[components]
    seen = Image(box, channels, padding=0, offset=0, flipped=True)
    seen.pixels[...] = 0
    if picture is not None:
        given = Image(picture.box, channels, padding=0, offset=0, flipped=True)
        given.pixels[...] = convert(picture.pixels, components)
        seen.pixels[seen.inside(picture.box)] = given.pixels[given.inside(box)]
    return seen.pixels


class Shade:
    """Makes canaries unreadable for code that is compiled with ASan, as long as a plug-in has the image."""

    def __init__(self) -> None:
        """Look for ASan in this process."""
        program = ctypes.CDLL(None)
        names = ("__asan_poison_memory_region", "__asan_unpoison_memory_region")
        self._functions = [getattr(program, name) for name in names if hasattr(program, name)]

    def cover(self, image: Image, *, on: bool) -> None:
        """Forbid the canaries of `image`, or allow them again."""
        if not self._functions:
            return
        for address, size in image.guards():
            self._functions[0 if on else 1](ctypes.c_void_p(address), ctypes.c_size_t(size))
