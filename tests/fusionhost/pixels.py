"""The C code behind images, and what it found wrong."""

import ctypes
import functools
import tempfile
from pathlib import Path

import native

# In the order of the enumeration in pixels.c.
SENTENCES = (
    "a pixel outside the data window was touched",
    "a pixel past the end of its row was touched",
    "a pixel of an image without data was touched",
    "a pixel of an image that was freed was touched",
    "an input image was written",
    "an image was written after it was set",
    "a PixPtr was used before GotoXY",
    "a PixPtr was used without a Pixel",
)
NO_DATA, FREED, INPUT_WRITTEN, SET_WRITTEN, NONE = 2, 3, 4, 5, -1


@functools.cache
def library() -> str:
    """Compile pixels.c, once; returns where the library is."""
    folder = Path(tempfile.mkdtemp(prefix="ckey-fusion-"))
    return str(native.compile_c([Path(__file__).parent / "pixels.c"], folder / "pixels.so", "-shared", "-fPIC"))


class Facts(ctypes.Structure):
    """What C has to know of an image: fusion_image of pixels.c."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("stride", ctypes.c_int64),
        ("faults", ctypes.c_void_p),
        ("left", ctypes.c_int32),
        ("bottom", ctypes.c_int32),
        ("right", ctypes.c_int32),
        ("top", ctypes.c_int32),
        ("depth", ctypes.c_int32),
        ("size", ctypes.c_int32),
        ("unusable", ctypes.c_int32),
        ("unwritable", ctypes.c_int32),
    ]


class Watch:
    """Counts of what was done wrong with pixels, by whatever state on whatever thread.

    It keeps what C knows of images, for whoever has a pointer to one that is gone.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._counts = ((ctypes.c_int64 * 3) * len(SENTENCES))()
        self.address = ctypes.addressof(self._counts)
        self._kept: list[Facts] = []

    def keep(self, facts: Facts) -> None:
        """Let nothing else take the place of an image's facts."""
        self._kept.append(facts)

    def take(self) -> list[str]:
        """Return a sentence for each kind of fault since the last time."""
        found = [
            f"{text} ({count} times, first at x {x}, y {y})"
            for text, (count, x, y) in zip(SENTENCES, self._counts, strict=True)
            if count
        ]
        ctypes.memset(self.address, 0, ctypes.sizeof(self._counts))
        return found
