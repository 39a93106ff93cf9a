"""Pictures as tests give them, and images as Fusion has them: bottom row first, in memory that is watched."""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusionhost import pixels as native_pixels
from fusionhost.pixels import Facts, Watch

Box = tuple[int, int, int, int]  # left, bottom, right, top; the last two are the first that lie outside
Pixels = NDArray[Any]

POISON = 7.25  # in every channel of a new image
GUARD = 4096  # bytes before and after an image
CANARY = 0xA5
PADDING = 64  # bytes after each row where rows do not follow each other
SMALL = 8  # pixels in a row up to which "padded_large" has no padding

# The type of a channel by the depth of an image without color; one with color has 4 more.
TYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype(np.uint8), 2: np.dtype(np.uint16), 3: np.dtype(np.float16), 4: np.dtype(np.float32)
}  # fmt: skip
DEPTHS = {dtype: depth for depth, dtype in TYPES.items()}


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels [height, width, 4], or [height, width] of an image without color, top row first.

    They are float32, float16, uint16 or uint8. Only those in `data_window`, counted from the lower left, are in the
    image; all of them if it is None. Where the window is larger than the frame, the image has something else.
    """

    pixels: Pixels
    data_window: Box | None = None
    field: int = -1
    proxy_scale: int = 1

    @property
    def format(self) -> "Format":
        """What the image says of itself."""
        height, width = self.pixels.shape[:2]
        depth = DEPTHS[self.pixels.dtype] + (4 if self.pixels.ndim == 3 else 0)
        window = self.data_window or (0, 0, width, height)
        return Format(width, height, depth, window, self.field, self.proxy_scale)


@dataclass(frozen=True)
class Format:
    """What an image says of itself."""

    width: int
    height: int
    depth: int
    window: Box
    field: int = -1
    proxy_scale: int = 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of one channel."""
        return TYPES[(self.depth - 1) % 4 + 1]

    @property
    def channels(self) -> int:
        """How many values a pixel has."""
        return 4 if self.depth > 4 else 1

    @property
    def size(self) -> int:
        """Bytes of a pixel."""
        return self.channels * self.dtype.itemsize

    @property
    def extent(self) -> tuple[int, int]:
        """Width and height of the data window."""
        left, bottom, right, top = self.window
        return right - left, top - bottom


def quantized(values: NDArray[np.float32], dtype: np.dtype[Any]) -> Pixels:
    """Return floats as `dtype`, as pixels.c stores them."""
    if dtype.kind == "f":
        return values.astype(dtype)
    most = np.float32(np.iinfo(dtype).max)
    whole = np.clip(np.nan_to_num(values, nan=0.0), np.float32(0), np.float32(1)) * most + np.float32(0.5)
    levels: Pixels = np.floor(whole).astype(dtype)
    return levels


def converted(pixels: Pixels, target: Format) -> Pixels:
    """Return pixels with the depth of `target`; one channel is alpha."""
    channels = 4 if pixels.ndim == 3 else 1
    if pixels.dtype == target.dtype and channels == target.channels:
        return pixels
    values = pixels.astype(np.float32)
    if pixels.dtype.kind == "u":
        values /= np.float32(np.iinfo(pixels.dtype).max)
    if channels < target.channels:
        values = np.stack([np.zeros_like(values)] * 3 + [values], axis=2)
    elif channels > target.channels:
        values = values[:, :, 3]
    return quantized(values, target.dtype)


class Image:
    """One image of a comp. `pixels` is a view of its data window, bottom row first; empty if it has no data."""

    def __init__(self, form: Format, watch: Watch, layout: str, *, data: bool = True) -> None:
        """Lay it out as GetScanLine of the kind of host shows it; its content is whatever the memory holds."""
        self.format, self.is_input, self.has_data = form, False, data
        self.pixels: Pixels = np.empty((0, 0), form.dtype)
        self._layout = layout
        left, bottom, right, top = form.window
        self.facts = Facts(
            faults=watch.address, left=left, bottom=bottom, right=right, top=top, depth=form.depth, size=form.size,
            unusable=native_pixels.NONE if data else native_pixels.NO_DATA, unwritable=native_pixels.NONE,
        )  # fmt: skip
        watch.keep(self.facts)
        self._canaries: list[NDArray[np.uint8]] = []
        self._block: NDArray[np.uint8] = np.empty((0, 0), np.uint8)  # its rows, the lowest in memory first
        self._lines: NDArray[np.uint8] = np.empty(0, np.uint8)  # where GetScanLine leads to if that is not the rows
        if data:
            self._allocate()

    @classmethod
    def of(cls, picture: Picture, watch: Watch, layout: str, *, data: bool) -> "Image":
        """Return an input's image, which nobody may write."""
        image = cls(picture.format, watch, layout, data=data)
        image.is_input, image.facts.unwritable = True, native_pixels.INPUT_WRITTEN
        if data:
            image.pixels[...] = POISON if image.format.dtype.kind == "f" else 1
            frame = (0, 0, image.format.width, image.format.height)
            common = _common(image.format.window, frame)
            part = _part(picture.pixels[::-1], frame, common)
            _part(image.pixels, image.format.window, common)[...] = part
        return image

    @classmethod
    def poisoned(cls, form: Format, watch: Watch, layout: str) -> "Image":
        """Return a new image, with what no picture has in it."""
        image = cls(form, watch, layout)
        image.pixels[...] = POISON if form.dtype.kind == "f" else 7
        return image

    @property
    def address(self) -> int:
        """Where `facts` are."""
        return ctypes.addressof(self.facts)

    @property
    def scan_line(self) -> tuple[int, str] | None:
        """What GetScanLine gives now, and its type in C; None if there is no such method or no data."""
        if not self.has_data or self._layout == "none":
            return None
        if self._layout == "copy":
            self._lines[: self._block.size] = self._block.ravel()
        is_elsewhere = self._lines.size > 0 and (self.is_input or self._layout != "wrong_inputs")
        address = self._lines.ctypes.data if is_elsewhere else self._block.ctypes.data
        return address, "uint8_t **" if self._layout == "rows" else "uint8_t *"

    def _allocate(self) -> None:
        """Get memory with canaries around it and between its rows."""
        width, height = self.format.extent
        row = width * self.format.size
        is_padded = self._layout == "padded" or (self._layout == "padded_large" and width > SMALL)
        stride = row + (PADDING if is_padded else 0)
        self._memory = np.empty(2 * GUARD + 64 + stride * height, np.uint8)
        start = GUARD + -(self._memory.ctypes.data + GUARD) % 64
        end = start + stride * height
        block = self._memory[start:end].reshape(height, stride)
        self._canaries = [self._memory[:start], self._memory[end:], block[:, row:]]
        for one in self._canaries:
            one[...] = CANARY
        self._block, first = block, self._memory.ctypes.data + start
        item = self.format.dtype.itemsize
        shape, strides = (height, width, self.format.channels), (stride, self.format.size, item)
        rows: Pixels = np.ndarray(shape, self.format.dtype, self._memory.data, start, strides)
        rows = rows if self.format.channels == 4 else rows[:, :, 0]
        turned = self._layout == "top_down"
        self.pixels = rows[::-1] if turned else rows
        self.facts.data = first + (stride * max(height - 1, 0) if turned else 0)
        self.facts.stride = -stride if turned else stride
        self._mislead(stride)

    def _mislead(self, stride: int) -> None:
        """Lay out what GetScanLine leads to if that is not the rows: enough of it for whoever reads on."""
        height = self.format.extent[1]
        if self._layout == "rows":
            lines = np.zeros(height + GUARD, np.uint64)
            lines[:height] = self._block.ctypes.data + stride * np.arange(height, dtype=np.uint64)
            self._lines = lines.view(np.uint8)
        elif self._layout in ("wrong", "copy"):
            self._lines = np.zeros(stride * height + GUARD, np.uint8)
        elif self._layout == "wrong_inputs":
            self._lines = np.full(stride * height + GUARD, CANARY, np.uint8)

    def crop(self, target: "Image") -> None:
        """Copy it into `target`, whose pixels are 0 where it has none."""
        target.pixels[...] = 0
        common = _common(self.format.window, target.format.window)
        _part(target.pixels, target.format.window, common)[...] = converted(
            _part(self.pixels, self.format.window, common), target.format
        )

    def shown(self) -> NDArray[np.float32]:
        """Return the whole frame as float32 [height, width, 4], top row first; 0 outside the data window."""
        width, height = self.format.width, self.format.height
        whole = Format(width, height, 8, (0, 0, width, height))
        if self.format.window == whole.window:
            return converted(self.pixels, whole)[::-1]
        seen = np.zeros((height, width, 4), np.float32)
        common = _common(whole.window, self.format.window)
        _part(seen, whole.window, common)[...] = converted(_part(self.pixels, self.format.window, common), whole)
        return seen[::-1]

    def free(self) -> None:
        """Let nobody touch its pixels any more; what `shown` gave keeps them."""
        self.facts.unusable, self.facts.data = native_pixels.FREED, None

    def close(self) -> None:
        """Let nobody write it any more: it is an output's."""
        if self.facts.unwritable == native_pixels.NONE:
            self.facts.unwritable = native_pixels.SET_WRITTEN

    def faults(self) -> Iterator[str]:
        """Say whether something was written around it."""
        if not all(bool((one == CANARY).all()) for one in self._canaries):
            yield "memory around an image was written"


def _common(one: Box, other: Box) -> Box:
    """Return where two boxes overlap, something empty if nowhere."""
    left, bottom = max(one[0], other[0]), max(one[1], other[1])
    return left, bottom, max(min(one[2], other[2]), left), max(min(one[3], other[3]), bottom)


def _part(pixels: Pixels, window: Box, box: Box) -> Pixels:
    """Return a view of the pixels in `box`, of those that fill `window`."""
    left, bottom, right, top = box
    x, y = window[:2]
    if right == left or top == bottom:
        return pixels[:0, :0]
    return pixels[bottom - y : top - y, left - x : right - x]
