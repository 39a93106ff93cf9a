"""Values to and from msgpack, as the daemon's messages have them. Knows no messages and no sockets.

Nothing, true and false, whole numbers of 64 bits, floats, text, bytes, lists, and maps with text as names. There are no
extension types. All that is read is limited before room is made for it.
"""

from __future__ import annotations

import struct
from contextlib import suppress

LIMIT = 65536
"""Bytes of a message, at most."""

_ENTRIES = 1024  # of a list or map
_DEPTH = 8  # lists and maps within each other


def pack(value: object) -> bytes:
    """Return a value as msgpack, each part in as few bytes as it takes.

    >>> pack({"op": "status", "id": 9}).hex()
    '82a26f70a6737461747573a2696409'

    Raises:
        ValueError: msgpack, or a message, cannot hold it.
    """
    data = _pack(value, _DEPTH)
    if len(data) > LIMIT:
        raise ValueError(f"it is {len(data)} bytes, more than {LIMIT}")
    return data


def unpack(data: bytes) -> object:
    """Return the one value that `data` is.

    >>> unpack(bytes.fromhex("82a26f70a6737461747573a2696409"))
    {'op': 'status', 'id': 9}

    Raises:
        ValueError: the bytes are no such value, or more than one.
    """
    if len(data) > LIMIT:
        raise ValueError(f"it is {len(data)} bytes, more than {LIMIT}")
    reader = _Reader(data)
    value = reader.value(_DEPTH)
    reader.end()
    return value


def _pack(value: object, depth: int) -> bytes:
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, (int, float)):
        return _pack_int(value) if isinstance(value, int) else struct.pack(">Bd", 0xCB, value)
    if isinstance(value, str):
        return _pack_text(value)
    if isinstance(value, bytes):
        return _head(len(value), ((8, 0xC4), (16, 0xC5), (32, 0xC6))) + value
    return _pack_entries(value, depth)


def _pack_int(value: int) -> bytes:
    if -32 <= value < 128:
        return bytes((value & 0xFF,))
    mark = 0xD0 if value < 0 else 0xCC
    for step, size in enumerate((1, 2, 4, 8)):
        with suppress(OverflowError):
            return bytes((mark + step,)) + value.to_bytes(size, "big", signed=value < 0)
    raise ValueError("a whole number has more than 64 bits")


def _pack_text(value: str) -> bytes:
    # A lone surrogate, from a file name that is not UTF-8, is a UnicodeEncodeError: a ValueError.
    data = value.encode("utf-8")
    if len(data) < 32:
        return bytes((0xA0 | len(data),)) + data
    return _head(len(data), ((8, 0xD9), (16, 0xDA), (32, 0xDB))) + data


def _pack_entries(value: object, depth: int) -> bytes:
    if not isinstance(value, (list, tuple, dict)):
        raise ValueError(f"msgpack has nothing for a {type(value).__name__}")
    if depth == 0 or len(value) > _ENTRIES:
        raise ValueError(f"a list or map is too deep, or has more than {_ENTRIES} entries")
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise ValueError("a name in a map is no text")
        parts = [_pack(part, depth - 1) for pair in value.items() for part in pair]
        return _short_head(len(value), 0x80, 0xDE) + b"".join(parts)
    return _short_head(len(value), 0x90, 0xDC) + b"".join([_pack(entry, depth - 1) for entry in value])


def _short_head(size: int, fixed: int, mark: int) -> bytes:
    return bytes((fixed | size,)) if size < 16 else _head(size, ((16, mark),))


def _head(size: int, kinds: tuple[tuple[int, int], ...]) -> bytes:
    for bits, mark in kinds:
        if size >> bits == 0:
            return bytes((mark,)) + size.to_bytes(bits // 8, "big")
    raise ValueError(f"it is {size} bytes, more than {LIMIT}")


_PLAIN = {0xC0: None, 0xC2: False, 0xC3: True}
_NUMBERS = {
    0xCA: ">f",
    0xCB: ">d",
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
_SIZED = {
    0xC4: ("bin", ">B"),
    0xC5: ("bin", ">H"),
    0xC6: ("bin", ">I"),
    0xD9: ("str", ">B"),
    0xDA: ("str", ">H"),
    0xDB: ("str", ">I"),
    0xDC: ("list", ">H"),
    0xDD: ("list", ">I"),
    0xDE: ("map", ">H"),
    0xDF: ("map", ">I"),
}


class _Reader:
    """Reads values one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def value(self, depth: int) -> object:
        mark = self._take(1)[0]
        if mark < 0x80:
            return mark
        if mark >= 0xE0:
            return mark - 0x100
        if mark in _PLAIN:
            return _PLAIN[mark]
        if mark in _NUMBERS:
            return self._number(_NUMBERS[mark])
        return self._sized(*self._kind(mark), depth)

    def end(self) -> None:
        if self._at != len(self._data):
            raise ValueError("something follows the value")

    def _kind(self, mark: int) -> tuple[str, int]:
        """Return what follows, and its size."""
        if mark < 0x90:
            return "map", mark & 0x0F
        if mark < 0xA0:
            return "list", mark & 0x0F
        if mark < 0xC0:
            return "str", mark & 0x1F
        if mark not in _SIZED:
            raise ValueError("extension types are not allowed")
        kind, form = _SIZED[mark]
        return kind, int(self._number(form))

    def _sized(self, kind: str, size: int, depth: int) -> object:
        if kind == "bin":
            return self._take(size)
        if kind == "str":
            return self._take(size).decode("utf-8")
        if depth == 0 or size > _ENTRIES:
            raise ValueError(f"a list or map is too deep, or has more than {_ENTRIES} entries")
        return self._map(size, depth - 1) if kind == "map" else [self.value(depth - 1) for _ in range(size)]

    def _map(self, size: int, depth: int) -> dict[str, object]:
        read: dict[str, object] = {}
        for _ in range(size):
            name = self.value(depth)
            # Of a name that comes twice, every decoder picks its own.
            if not isinstance(name, str) or name in read:
                raise ValueError("a name is no text, or comes twice")
            read[name] = self.value(depth)
        return read

    def _number(self, form: str) -> int | float:
        number: int | float = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return number

    def _take(self, size: int) -> bytes:
        data = self._data[self._at : self._at + size]
        if len(data) < size:
            raise ValueError("the value is cut off")
        self._at += size
        return data
