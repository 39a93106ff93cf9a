"""OpenEXR files as bytes."""

import numpy as np
import OpenEXR
import OpenImageIO as oiio
import pytest

from corridorkey_server.footage.exr_bytes import is_whole, made_readable

RNG = np.random.default_rng(7)
SCANLINES = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}


def write_scanlines(path):
    """A file of 5 chunks."""
    planes = {name: RNG.random((70, 40), np.float32) for name in "RGB"}
    OpenEXR.File(dict(SCANLINES), planes).write(str(path))


def write_parts(path):
    """Two parts, each with its own table of offsets."""
    parts = [OpenEXR.Part(dict(SCANLINES), {"A": RNG.random((70, 40), np.float32)}, name) for name in ("fg", "matte")]
    OpenEXR.File(parts).write(str(path))


def write_mipmap(path):
    """A texture: tiles at several sizes."""
    buffer = oiio.ImageBuf(RNG.random((100, 130, 3), np.float32))
    oiio.ImageBufAlgo.make_texture(oiio.MakeTxTexture, buffer, str(path), oiio.ImageSpec())


@pytest.mark.parametrize("write", [write_scanlines, write_parts, write_mipmap])
def test_a_file_is_whole_only_to_its_last_byte(tmp_path, write):
    """Cut anywhere, even by one byte, a file is not whole; neither is one whose table of offsets is not filled in."""
    path = tmp_path / "a.exr"
    write(path)
    data = path.read_bytes()
    assert is_whole(path)
    for length in [0, 3, 4, 9, 300, *range(400, len(data), len(data) // 20), len(data) - 1]:
        path.write_bytes(data[:length])
        assert not is_whole(path), length


def test_a_file_that_is_being_written_is_not_whole(tmp_path):
    """The writer fills in the offsets last: zeros there mean that it has not finished."""
    path = tmp_path / "a.exr"
    write_scanlines(path)
    data = bytearray(path.read_bytes())
    first = min(offset for at in range(8, 600) if (offset := int.from_bytes(data[at : at + 8], "little")) == at + 40)
    data[first - 40 : first] = bytes(40)
    path.write_bytes(data)
    assert not is_whole(path)


def test_random_bytes_are_not_whole(tmp_path):
    """No file of random bytes passes, nor one that is random after the magic number."""
    path = tmp_path / "a.exr"
    for start in (b"", b"\x76\x2f\x31\x01", b"\x76\x2f\x31\x01\x02\0\0\0"):
        for _ in range(20):
            path.write_bytes(start + RNG.bytes(3000))
            assert not is_whole(path)


def test_large_headers(tmp_path):
    """A header that is larger than the first read is read whole."""
    path = tmp_path / "a.exr"
    OpenEXR.File(SCANLINES | {"manifest": "x" * 300_000}, {"A": np.zeros((4, 4), np.float32)}).write(str(path))
    assert is_whole(path)


def test_latin_1_becomes_ascii_and_utf_8_stays(tmp_path):
    """Only text that is not UTF-8 changes, byte for byte, so that everything stays where it is."""
    path = tmp_path / "a.exr"
    OpenEXR.File(SCANLINES | {"owner": "Zoé", "note": "cafX"}, {"A": np.zeros((4, 4), np.float32)}).write(str(path))
    data = path.read_bytes().replace(b"cafX", b"caf\xe9")
    assert made_readable(data) == data.replace(b"caf\xe9", b"caf?")


def test_state_of_a_deep_image_becomes_a_type_that_is_passed_over(tmp_path):
    """One byte of the type changes, and only where it is a type, so that everything stays where it is."""
    path = tmp_path / "a.exr"
    texts = {"note": "deepImageState", "state": "123456789"}
    OpenEXR.File(SCANLINES | texts, {"A": np.zeros((4, 4), np.float32)}).write(str(path))
    data = path.read_bytes().replace(b"string\0\x09\0\0\x00123456789", b"deepImageState\0\1\0\0\0\3")
    assert b"\0deepImageState\0" in data
    assert made_readable(data) == data.replace(b"\0deepImageState\0", b"\0_eepImageState\0")
