"""What the package inside Nuke reads of OpenEXR headers: of files that the server and others wrote, and of no files."""

import os
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nuke_package  # noqa: F401
from corridorkey_nuke.exr_header import read_attributes
from corridorkey_server.footage.exr import ExrOptions, write_exr
from corridorkey_server.footage.picture import Image, Window

SCANLINES = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIPS_COMPRESSION}
MAGIC = b"\x76\x2f\x31\x01\x02\0\0\0"
WINDOWS = {"dataWindow": (-3, 2, 12, 11), "displayWindow": (0, 0, 15, 8)}


def attribute(name: bytes, kind: bytes, data: bytes, size: int | None = None) -> bytes:
    """Return an attribute's bytes, with another size than it has if one is given."""
    return name + b"\0" + kind + b"\0" + struct.pack("<I", len(data) if size is None else size) + data


BOXES = b"".join(attribute(name.encode(), b"box2i", struct.pack("<4i", *box)) for name, box in WINDOWS.items())


def read(path: Path, data: bytes) -> Any:
    """Return what is read of a file with these bytes."""
    path.write_bytes(data)
    return read_attributes(str(path))


@pytest.fixture
def keyed(tmp_path: Path) -> Path:
    """A file as the server writes keyed frames."""
    data, display = Window.from_corners((-3, 2), (12, 11)), Window.from_corners((0, 0), (15, 8))
    pixels = np.zeros((data.height, data.width, 4), np.float32)
    like = Image(pixels, ("R", "G", "B", "A"), data, display, 1.0, None, "", {"comment": "of the plate"})
    metadata = {"corridorkey/version": "0.1.0", "corridorkey/settings": "screen=grün " + "x" * 2000, "empty": ""}
    path = tmp_path / "keyed.0001.exr"
    write_exr(path, pixels, ("R", "G", "B", "A"), like=like, options=ExrOptions("zips"), metadata=metadata)
    return path


def test_what_the_server_writes(keyed: Path) -> None:
    """Text comes as it was written, and the windows with their ends."""
    read_back = read_attributes(str(keyed))
    assert read_back.items() >= WINDOWS.items()
    assert read_back["corridorkey/version"] == "0.1.0"
    assert read_back["corridorkey/settings"] == "screen=grün " + "x" * 2000
    assert read_back["empty"] == ""
    assert read_back["comment"] == "of the plate"


def test_all_text_that_the_openexr_module_reads(keyed: Path) -> None:
    """No text of a header is missed and none is made up, whatever other attributes lie in between."""
    header = OpenEXR.File(str(keyed), header_only=True).header() | {"type": "scanlineimage"}
    text = {name: value for name, value in header.items() if isinstance(value, str)}
    assert read_attributes(str(keyed)) == text | WINDOWS


def test_the_first_of_several_parts(tmp_path: Path) -> None:
    """Of a file with parts, tiles or long names the first header is read."""
    path = tmp_path / "parts.exr"
    plane = np.zeros((5, 7), np.float32)
    parts = [OpenEXR.Part(SCANLINES | {"which": name}, {"A": plane}, name) for name in ("first", "second")]
    OpenEXR.File(parts).write(str(path))
    assert read_attributes(str(path))["which"] == "first"
    OpenEXR.File(SCANLINES | {"n" * 200: "long"}, {"A": plane}).write(str(path))
    read_back = read_attributes(str(path))
    assert read_back["n" * 200] == "long"
    assert read_back["dataWindow"] == (0, 0, 6, 4)


def test_a_preview_is_passed_over(tmp_path: Path) -> None:
    """What is large and no text costs nothing, also beyond what is kept of text."""
    path = tmp_path / "a.exr"
    large = attribute(b"preview", b"preview", bytes(1 << 20)) + attribute(b"novel", b"string", b"x" * 70000)
    assert read(path, MAGIC + large + BOXES + attribute(b"a", b"string", b"b") + b"\0") == WINDOWS | {"a": "b"}


def test_a_header_is_whole_to_its_last_byte(keyed: Path, tmp_path: Path) -> None:
    """Cut anywhere in its header, a file has no attributes; cut in its pixels, it has."""
    data = keyed.read_bytes()
    lengths = range(0, len(data), 7)
    wholes = [length for length in lengths if read(tmp_path / "cut.exr", data[:length])]
    assert wholes == [length for length in lengths if length >= wholes[0]]
    assert data.index(b"corridorkey/settings") < wholes[0] < len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PNG",
        MAGIC,
        MAGIC + b"\0",
        MAGIC + BOXES,
        b"\x76\x2f\x31\x01\x03\0\0\0" + BOXES + b"\0",
        MAGIC + attribute(b"dataWindow", b"box2i", bytes(16)) + b"\0",
        MAGIC + BOXES + attribute(b"a", b"string", b"b", 2**32 - 1) + b"\0",
        MAGIC + BOXES + attribute(b"a", b"string", b"b", 2**31) + b"\0",
        MAGIC + BOXES + attribute(b"a", b"float", b"b", 2**32 - 1) + b"\0",
        MAGIC + BOXES + attribute(b"n" * 300, b"string", b"b") + b"\0",
        MAGIC + BOXES + attribute(b"a", b"k" * 300, b"b") + b"\0",
        MAGIC
        + attribute(b"dataWindow", b"box2i", bytes(12))
        + attribute(b"displayWindow", b"box2i", bytes(16))
        + b"\0",
        MAGIC + attribute(b"dataWindow", b"string", b"x") + attribute(b"displayWindow", b"string", b"y") + b"\0",
        MAGIC + BOXES + attribute(b"a", b"string", b"b") * 2000 + b"\0",
        MAGIC + b"x" * 100000,
    ],
)
def test_what_is_no_header(tmp_path: Path, data: bytes) -> None:
    """Garbage, sizes beyond the file, names and lists without end: nothing is read of it, and no room made for it."""
    assert read(tmp_path / "a.exr", data) == {}


def test_text_that_is_not_utf_8(tmp_path: Path) -> None:
    """Older programs wrote Latin-1: the rest of the header is no worse for it."""
    text = attribute(b"owner", b"string", "Jörg".encode("latin-1")) + attribute(b"a", b"string", b"b")
    assert read(tmp_path / "a.exr", MAGIC + BOXES + text + b"\0") == WINDOWS | {"owner": "J\ufffdrg", "a": "b"}


def test_what_is_no_file(tmp_path: Path) -> None:
    """Nothing there, a folder, a name that cannot be, and a pipe, which is not waited for."""
    os.mkfifo(tmp_path / "pipe")
    began = time.monotonic()
    for path in (tmp_path / "none", tmp_path, tmp_path / "pipe", tmp_path / "\0", tmp_path / "pipe" / "in"):
        assert read_attributes(str(path)) == {}
    assert time.monotonic() - began < 2


@given(st.binary(max_size=400))
def test_any_bytes_are_a_header_or_none(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever a file holds, nothing is raised."""
    path = tmp_path_factory.getbasetemp() / "any.exr"
    for start in (b"", MAGIC, MAGIC + BOXES):
        found = read(path, start + data)
        assert found == {} or found.keys() >= WINDOWS.keys()
