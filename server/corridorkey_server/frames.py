"""The planes of a shared slot as arrays, without a copy. Knows the layout, but neither sockets nor keying."""

from dataclasses import dataclass
from mmap import mmap

import numpy as np
from numpy.typing import NDArray

from .layout import Layout

Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Frame:
    """Views into one mapped region, float32, rows top-down; they live as long as the mapping is referred to.

    Attributes:
        given: [height, width, 4], the plate's RGB and, in A, the hint or the source's alpha.
        made: [height, width, 4], straight foreground RGB and matte A.
        masks: [height, width, 2], inside and outside mask, or None.
        hint: [height, width], the hint as it was used, or None.
    """

    given: Plane
    made: Plane
    masks: Plane | None
    hint: Plane | None


def view(mapping: mmap, layout: Layout) -> Frame:
    """Return the planes of `mapping` as `layout` says.

    Raises:
        ValueError: the mapping is too small for the layout.
    """
    if len(mapping) < layout.size:
        raise ValueError(f"a region of {len(mapping)} bytes cannot hold a frame of {layout.size}")
    size = (layout.height, layout.width)
    masks = _plane(mapping, layout.mask_offset, (*size, 2)) if layout.masks else None
    hint = _plane(mapping, layout.hint_offset, size) if layout.hint else None
    given, made = (_plane(mapping, offset, (*size, 4)) for offset in (layout.in_offset, layout.out_offset))
    return Frame(given, made, masks, hint)


def _plane(mapping: mmap, offset: int, shape: tuple[int, ...]) -> Plane:
    return np.ndarray(shape, np.float32, mapping, offset)
