"""How a slot is laid out: part of the wire contract, see `protocol`. Does no I/O and knows no arrays."""

import struct
from dataclasses import dataclass

from .protocol import VERSION

PAGE = 4096
"""Bytes of the header; every plane begins at a multiple of it."""

SLOT_MARK = b"CKSLOT1\0"
HEADER = struct.Struct("<8s6I9Q")


@dataclass(frozen=True)
class Layout:
    """Where the planes of a slot lie: float32, rows top-down, without gaps between rows.

    Attributes:
        masks: a plane of two channels, inside and outside.
        hint: a plane of one channel, the hint as it was used.

    >>> layout = Layout(3840, 2160)
    >>> layout.in_offset, layout.out_offset, layout.size
    (4096, 132714496, 265424896)
    """

    width: int
    height: int
    masks: bool = False
    hint: bool = False

    @property
    def in_offset(self) -> int:
        """Bytes from the region's start to the plate and its A."""
        return PAGE

    @property
    def out_offset(self) -> int:
        """Bytes from the region's start to foreground and matte."""
        return PAGE + self._plane(4)

    @property
    def mask_offset(self) -> int:
        """Bytes from the region's start to the masks, or 0."""
        return PAGE + 2 * self._plane(4) if self.masks else 0

    @property
    def hint_offset(self) -> int:
        """Bytes from the region's start to the used hint, or 0."""
        return self.size - self._plane(1) if self.hint else 0

    @property
    def size(self) -> int:
        """Bytes of a region that holds all planes."""
        planes = 2 * self._plane(4) + self.masks * self._plane(2) + self.hint * self._plane(1)
        return PAGE + planes

    def header(self, slot: int) -> bytes:
        """Return what the daemon writes at the region's start, for clients that would rather read than compute."""
        flags = self.masks | self.hint << 1
        planes = ((self.in_offset, 4), (self.out_offset, 4), (self.mask_offset, 2), (self.hint_offset, 1))
        numbers = [value for offset, channels in planes for value in (offset, self._stride(channels) if offset else 0)]
        return HEADER.pack(SLOT_MARK, VERSION, slot, self.width, self.height, flags, 0, *numbers, self.size)

    def _stride(self, channels: int) -> int:
        return self.width * channels * 4

    def _plane(self, channels: int) -> int:
        return -(-self._stride(channels) * self.height // PAGE) * PAGE
