"""OpenEXR files as bytes: whether all of a file is there, and what in it the OpenEXR module cannot read.

Follows "OpenEXR File Layout" (openexr.com). Knows no pixels.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAGIC = b"\x76\x2f\x31\x01"
UNREADABLE_KIND = "deepImageState"
"""A type of attribute, and the name of the one attribute that has it, which the OpenEXR module cannot read."""

_TILED, _MULTI_PART = 0x200, 0x1000
_LARGEST_HEADER = 1 << 26


@dataclass(frozen=True)
class _Attribute:
    kind: str
    start: int
    size: int


_Header = dict[str, _Attribute]


def is_whole(path: Path) -> bool:
    """Whether every chunk that the header promises is in the file; raises OSError if it cannot be opened.

    Writers fill the table of chunk offsets last, so a file that is still being written is not whole.
    """
    with path.open("rb") as file:
        try:
            data, headers, end = _read_headers(file)
            last = _last_chunk(file, end)
            return _chunk_end(file, last, data, headers) <= _size(file)
        except (ValueError, struct.error):
            return False


def made_readable(data: bytes) -> bytes:
    """Return an OpenEXR file with "?" for what is not UTF-8 in its text, and no type unknown to the OpenEXR module.

    A deepImageState (a note on how samples lie) is given a type that is no standard one, which the module passes over.

    Raises:
        ValueError: the file is damaged.
    """
    headers, _ = _parse_headers(data)
    changed = bytearray(data)
    for attribute in (a for header in headers for a in header.values()):
        if attribute.kind == "string":
            place = slice(attribute.start, attribute.start + attribute.size)
            changed[place] = _ascii_text(data[place])
        if attribute.kind == UNREADABLE_KIND:
            kind_start = attribute.start - 5 - len(UNREADABLE_KIND)
            changed[kind_start : kind_start + 1] = b"_"
    return bytes(changed)


def _ascii_text(text: bytes) -> bytes:
    try:
        text.decode()
    except UnicodeDecodeError:
        return bytes(byte if byte < 128 else ord("?") for byte in text)
    return text


def _read_headers(file: BinaryIO) -> tuple[bytes, list[_Header], int]:
    """Read no more than the headers need: files are large and often on a network."""
    amount = 1 << 16
    while True:
        file.seek(0)
        data = file.read(amount)
        try:
            return data, *_parse_headers(data)
        except (ValueError, struct.error):
            if len(data) < amount or amount >= _LARGEST_HEADER:
                raise
        amount *= 8


def _parse_headers(data: bytes) -> tuple[list[_Header], int]:
    """Return the headers and the position after them."""
    if data[:4] != MAGIC:
        raise ValueError("not OpenEXR")
    headers, position = [], 8
    while True:
        header, position = _parse_header(data, position)
        if header:
            headers.append(header)
        if not header or not _flags(data) & _MULTI_PART:
            return headers, position


def _parse_header(data: bytes, position: int) -> tuple[_Header, int]:
    header = {}
    while data[position : position + 1] != b"\0":
        name_end = data.index(b"\0", position)
        kind_end = data.index(b"\0", name_end + 1)
        (size,) = struct.unpack_from("<I", data, kind_end + 1)
        start = kind_end + 5
        header[data[position:name_end].decode("latin-1")] = _Attribute(
            data[name_end + 1 : kind_end].decode("latin-1"), start, size
        )
        position = start + size
    return header, position + 1


def _flags(data: bytes) -> int:
    return int.from_bytes(data[4:8], "little")


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _last_chunk(file: BinaryIO, position: int) -> int:
    """Return where the last chunk begins. The tables of offsets end where the first chunk begins."""
    begin, size, last = position, _size(file), 0
    first = size
    file.seek(position)
    while position < first:
        (offset,) = struct.unpack("<Q", file.read(8))
        if not begin < offset < size:
            raise ValueError("a chunk is missing")
        first, last = min(first, offset), max(last, offset)
        position += 8
    return last


def _chunk_end(file: BinaryIO, chunk: int, data: bytes, headers: list[_Header]) -> int:
    file.seek(chunk)
    part, tiled = 0, bool(_flags(data) & _TILED)
    if _flags(data) & _MULTI_PART:
        (part,) = struct.unpack("<I", file.read(4))
    if part >= len(headers):
        raise ValueError("a chunk of no part")
    kind = headers[part].get("type")
    if kind is not None:
        tiled = data[kind.start : kind.start + kind.size] in (b"tiledimage", b"deeptile")
    file.seek(16 if tiled else 4, os.SEEK_CUR)
    if kind is not None and data[kind.start : kind.start + 4] == b"deep":
        return file.tell()
    (size,) = struct.unpack("<I", file.read(4))
    return file.tell() + int(size)
