"""Reads what stands in the header of an OpenEXR file, of its first part. Knows no pixels.

Nothing of the file is believed: sizes are checked before anything is read, and no more is kept than a header needs.
Follows "OpenEXR File Layout" (openexr.com).
"""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path
from typing import BinaryIO, Dict, Tuple, Union

Attributes = Dict[str, Union[str, Tuple[int, int, int, int]]]

_MAGIC, _VERSION = b"\x76\x2f\x31\x01", 2
_NAME = 256  # bytes of a name with its end, at most
_TEXT = 65536  # bytes of text that are kept; an attribute with more is passed over
_MOST = 1024  # attributes
_WINDOWS = ("dataWindow", "displayWindow")


def read_attributes(path: str) -> Attributes:
    """Return the attributes that are text, and the two windows as (x0, y0, x1, y1), ends included.

    Empty if the file is missing, is no OpenEXR file, or its header is not whole.
    """
    try:
        # Opening a pipe would wait for who writes into it.
        if not stat.S_ISREG(Path(path).stat().st_mode):
            return {}
        with Path(path).open("rb") as file:
            found = _read(file, os.fstat(file.fileno()).st_size)
    except (OSError, ValueError, struct.error):
        return {}
    return found if all(name in found for name in _WINDOWS) else {}


def _read(file: BinaryIO, size: int) -> Attributes:
    """Return the attributes of a file that has `size` bytes; ValueError or struct.error if it cannot be."""
    if file.read(4) != _MAGIC or file.read(4)[:1] != bytes((_VERSION,)):
        raise ValueError("no OpenEXR file")
    found: Attributes = {}
    for _ in range(_MOST):
        name = _read_name(file)
        if not name:
            return found
        kind = _read_name(file)
        (length,) = struct.unpack("<I", file.read(4))
        start = file.tell()
        if length > size - start:
            raise ValueError("an attribute is longer than the file")
        if kind == "box2i" and name in _WINDOWS and length == 16:
            found[name] = struct.unpack("<4i", file.read(16))
        elif kind == "string" and name not in _WINDOWS and length <= _TEXT:
            found[name] = file.read(length).decode("utf-8", "replace")
        file.seek(start + length)
    raise ValueError("too many attributes")


def _read_name(file: BinaryIO) -> str:
    """Return a name, which a zero byte ends; it is empty at the end of a header."""
    start = file.tell()
    data = file.read(_NAME)
    end = data.index(b"\0")
    file.seek(start + end + 1)
    return data[:end].decode("latin-1")
