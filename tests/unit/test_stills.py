"""Still images other than OpenEXR."""

import os

import numpy as np
import OpenImageIO as oiio
import pytest

from corridorkey_models.errors import InputError
from corridorkey_server.footage.picture import Window
from corridorkey_server.footage.stills import read_png_text, read_still, write_png8

RNG = np.random.default_rng(5)
RGB16 = RNG.integers(0, 65536, (20, 30, 3), np.uint16)
RGBA16 = RNG.integers(0, 65536, (20, 30, 4), np.uint16)


def write(path, pixels, depth=None, **attributes):
    """Write with OpenImageIO; two underscores in a keyword stand for a colon."""
    sink = oiio.ImageOutput.create(str(path))
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], depth or str(pixels.dtype))
    for name, value in attributes.items():
        spec.attribute(name.replace("__", ":"), value)
    assert sink.open(str(path), spec), sink.geterror()
    assert sink.write_image(pixels), sink.geterror()
    assert sink.close()


@pytest.mark.parametrize(("name", "limit"), [("a.png", 65535), ("a.tif", 65535), ("a.dpx", 65535)])
def test_16_bits_are_exact(tmp_path, name, limit):
    """Every one of 65536 levels comes back."""
    write(tmp_path / name, RGB16, oiio__BitsPerSample=16)
    image = read_still(tmp_path / name)
    assert image.pixels.dtype == np.float32
    assert np.array_equal(np.rint(image.pixels * limit), RGB16)
    assert image.data_window == image.display_window == Window(0, 0, 30, 20)


def test_png_alpha_stays_straight(tmp_path):
    """Colour under an alpha of 0 is kept to the last bit; premultiplying would lose it."""
    rgba = RGBA16.copy()
    rgba[::2, :, 3] = 0
    write(tmp_path / "a.png", rgba, oiio__UnassociatedAlpha=1)
    image = read_still(tmp_path / "a.png")
    assert image.channels == ("R", "G", "B", "A")
    assert np.array_equal(np.rint(image.pixels * 65535), rgba)


def test_10_bit_dpx(tmp_path):
    """A 10-bit DPX is read to its own precision."""
    write(tmp_path / "a.dpx", RGB16, oiio__BitsPerSample=10)
    assert np.abs(read_still(tmp_path / "a.dpx").pixels - RGB16 / 65535).max() < 1 / 1023


def test_8_bit_and_jpeg(tmp_path):
    """8-bit levels are exact in TGA and TIFF, and near in JPEG."""
    ramp = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], 16, axis=0).repeat(3, axis=2)
    for name, error in (("a.tga", 1e-6), ("a.tif", 1e-6), ("a.jpg", 0.02)):
        write(tmp_path / name, ramp)
        assert np.abs(read_still(tmp_path / name).pixels - ramp / 255).max() < error


def test_grey_keeps_its_channels(tmp_path):
    """A grey matte is Y, with its alpha if it has one."""
    write(tmp_path / "y.png", RGBA16[..., :1])
    write(tmp_path / "ya.png", RGBA16[..., :2], oiio__UnassociatedAlpha=1)
    assert read_still(tmp_path / "y.png").channels == ("Y",)
    assert read_still(tmp_path / "ya.png").channels == ("Y", "A")
    assert np.array_equal(np.rint(read_still(tmp_path / "ya.png", "A").pixels * 65535), RGBA16[..., 1:2])


@pytest.mark.parametrize(
    ("name", "depth", "attributes", "space", "reason"),
    [
        ("a.png", "uint16", {}, "srgb", "PNG is sRGB"),
        ("a.png", "uint8", {"oiio__ColorSpace": "g24_rec709_scene"}, "rec709_g24", "PNG tag g24_rec709_scene"),
        ("a.jpg", "uint8", {}, "srgb", "JPEG is sRGB"),
        ("a.tga", "uint8", {}, "srgb", "TGA is sRGB"),
        ("a.tif", "uint8", {}, "srgb", "TIFF is sRGB"),
        ("a.tif", "uint16", {}, "srgb", "16-bit TIFF without a tag, assumed"),
        ("a.tif", "float", {}, "linear_rec709", "float TIFF, assumed"),
        ("a.dpx", "uint16", {}, None, "DPX does not say how it is encoded"),
        ("a.dpx", "uint16", {"dpx__Transfer": "Linear"}, "linear_rec709", "DPX transfer Linear"),
        ("a.dpx", "uint16", {"dpx__Transfer": "ITU-R 709-4"}, "rec709_g24", "DPX transfer ITU-R 709-4"),
        ("a.dpx", "uint16", {"dpx__Transfer": "Logarithmic"}, None, "DPX transfer Logarithmic, which may be any"),
    ],
)
def test_working_space(tmp_path, name, depth, attributes, space, reason):
    """The space follows from the tag, else from the format; what is assumed says so; an untagged DPX has none."""
    write(tmp_path / name, RGB16.astype(np.float32) / 65535, depth, **attributes)
    image = read_still(tmp_path / name)
    assert image.working_space == space
    assert image.space_reason.startswith(reason)


def profile_called(name):
    """The least that counts as an ICC profile: a header and one tag, the description."""
    text = b"desc\0\0\0\0" + (len(name) + 1).to_bytes(4, "big") + name.encode() + b"\0" + bytes(70)
    tag = b"desc" + (144).to_bytes(4, "big") + len(text).to_bytes(4, "big")
    header = bytearray(128)
    header[0:4] = (144 + len(text)).to_bytes(4, "big")
    header[8:24] = b"\2\x10\0\0mntrRGB XYZ "
    header[36:40] = b"acsp"
    return np.frombuffer(bytes(header) + (1).to_bytes(4, "big") + tag + text, np.uint8)


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
@pytest.mark.parametrize(("profile", "space"), [("Adobe RGB (1998)", None), ("Display P3", None), ("sRGB", "srgb")])
def test_photograph_in_a_wider_gamut_is_not_taken_for_srgb(tmp_path, name, profile, space):
    """An embedded profile that is none of the working spaces is named as the reason to refuse."""
    data = profile_called(profile)
    buffer = oiio.ImageBuf(RGB16.astype(np.float32) / 65535)
    buffer.specmod().attribute("ICCProfile", oiio.TypeDesc(f"uint8[{len(data)}]"), data)
    assert buffer.write(str(tmp_path / name), "uint8")
    image = read_still(tmp_path / name)
    assert image.working_space == space
    assert space is not None or profile in image.space_reason


def test_time_code_of_a_dpx_is_kept(tmp_path):
    """The time code of a DPX is there to be written into an EXR."""
    words = np.array([0x01020304, 0], np.uint32)
    buffer = oiio.ImageBuf(RGB16.astype(np.float32) / 65535)
    buffer.specmod().attribute("smpte:TimeCode", oiio.TypeDesc("timecode"), words)
    assert buffer.write(str(tmp_path / "a.dpx"), "uint16")
    code = read_still(tmp_path / "a.dpx").metadata["timeCode"]
    assert (code.hours, code.minutes, code.seconds, code.frame) == (1, 2, 3, 4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_upright(tmp_path, orientation):
    """A camera held on its side gives the same picture as OpenImageIO's own turning."""
    pixels = RNG.integers(0, 256, (6, 10, 3), np.uint8)
    write(tmp_path / "a.tif", pixels, Orientation=orientation)
    upright = oiio.ImageBufAlgo.reorient(oiio.ImageBuf(str(tmp_path / "a.tif"))).get_pixels(oiio.FLOAT)
    image = read_still(tmp_path / "a.tif")
    assert np.array_equal(image.pixels, upright)
    assert (image.data_window.height, image.data_window.width) == upright.shape[:2]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.dpx", "a.tga"])
def test_damaged_files_are_refused(tmp_path, name):
    """Empty, garbled or cut in half, a file is refused with a sentence; a JPEG too, which other readers fill up."""
    write(tmp_path / name, (RGB16 >> 8).astype(np.uint8))
    data = (tmp_path / name).read_bytes()
    for damaged in (data[: len(data) // 2], RNG.bytes(3000)):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(InputError, match="render or copy it again"):
            read_still(tmp_path / name)


def test_png8_rounds_and_clips(tmp_path):
    """Values outside 0 to 1 and NaN become valid bytes, the others the nearest; bytes pass as they are."""
    rgb = np.array([[[-1, 0, 0.5], [1, 2, np.nan]]], np.float32)
    write_png8(tmp_path / "a.png", rgb, {"Software": "CorridorKey"})
    assert np.rint(read_still(tmp_path / "a.png").pixels * 255).ravel().tolist() == [0, 0, 128, 255, 255, 0]
    assert oiio.ImageBuf(str(tmp_path / "a.png")).spec().get_string_attribute("Software") == "CorridorKey"
    bytes_ = RNG.integers(0, 256, (20, 30, 3), np.uint8)
    write_png8(tmp_path / "b.png", bytes_)
    assert np.array_equal(np.rint(read_still(tmp_path / "b.png").pixels * 255), bytes_)


def test_text_of_a_png_comes_back(tmp_path):
    """What is written as text, in any script and with a slash in its name, is what is read."""
    path = tmp_path / "a.png"
    text = {"corridorkey/hash": "1a2b", "Software": "CorridorKey", "Description": "Grüße, 緑", "long": "x" * 100_000}
    write_png8(path, RNG.integers(0, 256, (20, 30, 3), np.uint8), text)
    assert read_png_text(path) == text
    write_png8(path, RNG.integers(0, 256, (20, 30, 3), np.uint8))
    assert read_png_text(path) == {}


def test_text_of_a_damaged_png_is_none(tmp_path):
    """Missing, empty, cut anywhere or garbled, a PNG has no text and so has to be made again; nothing is raised."""
    path = tmp_path / "a.png"
    write_png8(path, RNG.integers(0, 256, (20, 30, 3), np.uint8), {"corridorkey/hash": "1a2b"})
    data = path.read_bytes()
    cut = [data[:length] for length in (0, 1, 8, 12, 60, len(data) // 2, len(data) - 1)]
    garbled = [data.replace(b"1a2b", b"1a2c"), data.replace(b"tEXt", b"tEX"), RNG.bytes(500) + data[-12:], data[-12:]]
    for damaged in (*cut, *garbled, data[:8] + data[-12:], data[:33] + b"\xff\xff\xff\xfftEXt" + data[-12:]):
        path.write_bytes(damaged)
        assert read_png_text(path) == {}
    for nothing in (tmp_path, tmp_path / "gone.png", tmp_path / "a\0.png", tmp_path / ("x" * 300)):
        assert read_png_text(nothing) == {}


def test_names_that_openimageio_cannot_take(tmp_path):
    """A PNG in a folder named in Latin-1 is refused on the way in and out."""
    path = tmp_path / os.fsdecode(b"caf\xe9") / "a.png"
    for use in (lambda: write_png8(path, np.zeros((2, 2, 3), np.uint8)), lambda: read_still(path)):
        with pytest.raises(InputError, match="its name is not UTF-8; rename it"):
            use()
