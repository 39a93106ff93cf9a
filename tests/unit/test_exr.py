"""OpenEXR in and out."""

import os
import resource
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import OpenEXR
import OpenImageIO as oiio
import pytest

from corridorkey_models.errors import InputError
from corridorkey_server.footage.exr import COMPRESSIONS, ExrOptions, read_exr, read_exr_header, time_code, write_exr
from corridorkey_server.footage.picture import Image, Window

RNG = np.random.default_rng(3)
SCANLINES = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
HD = Window(0, 0, 48, 27)
RGBA = ("R", "G", "B", "A")


def picture(data=HD, display=HD, channels=RGBA, **more):
    """A picture of half floats, which any lossless file gives back exactly."""
    pixels = RNG.random((data.height, data.width, len(channels)), np.float32).astype(np.float16).astype(np.float32)
    return Image(pixels, channels, data, display, **more)


def save(path, channels, **attributes):
    """Write with the OpenEXR module, which changes the dictionaries that it is given."""
    OpenEXR.File(SCANLINES | attributes, dict(channels)).write(str(path))


def save_parts(path, **parts):
    """Write (header, channels) pairs as parts."""
    made = [OpenEXR.Part(SCANLINES | header, dict(channels), name) for name, (header, channels) in parts.items()]
    OpenEXR.File(made).write(str(path))


def planes(names, shape=(6, 8)):
    """Random channels."""
    return {name: RNG.random(shape, np.float32) for name in names}


@pytest.mark.parametrize("data", [HD, Window(10, 5, 20, 12), Window(-8, -6, 64, 39), Window(-5, 20, 30, 30)])
def test_windows_survive(tmp_path, data):
    """Cropped, overscanned or off to one side: pixels and both windows come back as they were."""
    image = picture(data, replace(HD, x=-1), pixel_aspect=2.0)
    write_exr(tmp_path / "a.exr", image.pixels, image.channels, like=image)
    read = read_exr(tmp_path / "a.exr")
    assert (read.data_window, read.display_window, read.pixel_aspect) == (data, image.display_window, 2.0)
    assert read.channels == RGBA
    assert np.array_equal(read.pixels, image.pixels)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_alpha_is_exact_in_every_compression(tmp_path, compression):
    """A matte never suffers from the compression, not even a lossy one."""
    image = picture()
    write_exr(tmp_path / "a.exr", image.pixels, RGBA, like=image, options=ExrOptions(compression))
    read = read_exr(tmp_path / "a.exr")
    assert np.array_equal(read.channel("A"), image.channel("A"))
    assert np.abs(read.pixels - image.pixels).max() < 0.05


def test_compressions_that_damage_alpha_are_refused():
    """B44 is not offered."""
    with pytest.raises(InputError, match="choose one of none"):
        ExrOptions("b44")


def test_header_survives_verbatim(tmp_path):
    """Time code, rate, owner and a studio's own attributes pass through with their types; colour tags do not."""
    kept = {
        "timeCode": time_code(1, 2, 3, 4, drop=True),
        "framesPerSecond": Fraction(24000, 1001),
        "owner": "Zoé",
        "studio/shot": 17,
        "studio/matrix": np.arange(16, dtype=np.float32).reshape(4, 4),
        "studio/window": ((1, 2), (3, 4)),
        "studio/names": ["a", "b"],
        "studio/lens": np.array([35.0]),
    }
    stale = {
        "chromaticities": (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767),
        "colorInteropID": "lin_ap1_scene",
        "whiteLuminance": 100.0,
    }
    save(tmp_path / "plate.exr", planes("RGB"), **kept, **stale)
    plate = read_exr(tmp_path / "plate.exr")
    added = {"corridorkey/hash": "1a2b"}
    matte = plate.pixels[..., :1]
    write_exr(tmp_path / "matte.exr", matte, ("A",), like=plate, metadata=added, interop_id="data")
    before, after = read_exr_header(tmp_path / "plate.exr"), read_exr_header(tmp_path / "matte.exr")
    for name in kept:
        assert repr(after[name]) == repr(before[name])
        assert type(after[name]) is type(before[name])
    assert after["colorInteropID"] == "data"
    assert after["corridorkey/hash"] == "1a2b"
    assert not {"chromaticities", "whiteLuminance"} & set(after)


def test_tiled_plate_becomes_scanlines(tmp_path):
    """What a texture's header says of its tiles does not go into a file of scanlines."""
    pixels = RNG.random((100, 130, 3), np.float32)
    oiio.ImageBufAlgo.make_texture(oiio.MakeTxTexture, oiio.ImageBuf(pixels), str(tmp_path / "t.exr"), oiio.ImageSpec())
    plate = read_exr(tmp_path / "t.exr")
    assert np.array_equal(plate.pixels, pixels)
    write_exr(tmp_path / "fg.exr", plate.pixels, plate.channels, like=plate, options=ExrOptions("none", half=False))
    assert np.array_equal(read_exr(tmp_path / "fg.exr").pixels, pixels)


def test_half_overflow_stays_finite(tmp_path):
    """A sun of 1e6 is written as the largest half, not as infinity; float keeps it."""
    image = picture(Window(0, 0, 3, 1), Window(0, 0, 3, 1), ("Y",))
    sun = np.array([[[1e6], [-1e6], [np.inf]]], np.float32)
    write_exr(tmp_path / "half.exr", sun, ("Y",), like=image)
    write_exr(tmp_path / "float.exr", sun, ("Y",), like=image, options=ExrOptions(half=False))
    assert read_exr(tmp_path / "half.exr").pixels.ravel().tolist() == [65504, -65504, 65504]
    assert read_exr(tmp_path / "float.exr").pixels.ravel().tolist() == [1e6, -1e6, np.inf]


def test_mixed_depths(tmp_path):
    """Half colour, float depth and integer ids in one file: each channel is read by its name."""
    channels = planes("RG") | {"B": np.full((6, 8), 0.5, np.float16), "id.id": np.full((6, 8), 70000, np.uint32)}
    save(tmp_path / "a.exr", channels)
    image = read_exr(tmp_path / "a.exr")
    assert image.channels == ("R", "G", "B")
    assert np.array_equal(image.channel("R"), channels["R"])
    assert (image.channel("B") == 0.5).all()
    assert (read_exr(tmp_path / "a.exr", "id").pixels == 70000).all()


def test_layers_and_parts(tmp_path):
    """A layer, a part or one channel is read by name, with the header of its own part."""
    beauty, extra = planes(("R", "G", "B", "fg.R", "fg.G", "fg.B", "fg.A")), planes("A", (4, 5))
    display, data = ((0, 0), (7, 5)), ((2, 1), (6, 4))
    matte = {"dataWindow": data, "displayWindow": display}
    save_parts(tmp_path / "a.exr", beauty=({"displayWindow": display}, beauty), matte=(matte, extra))
    assert np.array_equal(read_exr(tmp_path / "a.exr").channel("G"), beauty["G"])
    layer = read_exr(tmp_path / "a.exr", "fg")
    assert layer.channels == RGBA
    assert np.array_equal(layer.channel("A"), beauty["fg.A"])
    part = read_exr(tmp_path / "a.exr", "matte.A")
    assert (part.channels, part.data_window) == (("A",), Window(2, 1, 5, 4))
    assert np.array_equal(part.pixels[..., 0], extra["A"])
    with pytest.raises(InputError, match=r"a\.exr: there is no layer 'roto'; choose one of beauty, fg, .*, matte"):
        read_exr(tmp_path / "a.exr", "roto")


def test_part_of_a_file_is_written_alone(tmp_path):
    """What named the part in its file does not go into a file of its own."""
    save_parts(tmp_path / "a.exr", **{name: ({"owner": name}, planes("RGB")) for name in ("left", "right")})
    plate = read_exr(tmp_path / "a.exr", "right")
    write_exr(tmp_path / "fg.exr", plate.pixels, plate.channels, like=plate)
    header = read_exr_header(tmp_path / "fg.exr")
    assert header["owner"] == "right"
    assert "name" not in header


def test_deep_is_refused(tmp_path):
    """A deep image is refused with what to do, where other readers give wrong pixels without a word."""
    spec = oiio.ImageSpec(4, 3, 4, oiio.FLOAT)
    spec.deep = True
    samples = oiio.DeepData()
    samples.init(12, 4, (oiio.TypeDesc("float"),) * 4, ("R", "G", "B", "A"))
    for pixel in range(12):
        samples.set_samples(pixel, 1)
    sink = oiio.ImageOutput.create("exr")
    assert sink.open(str(tmp_path / "deep.exr"), spec)
    assert sink.write_deep_image(samples)
    sink.close()
    with pytest.raises(InputError, match="deep image; flatten it first"):
        read_exr(tmp_path / "deep.exr")


def test_luminance_and_chroma_are_refused(tmp_path):
    """Y with RY and BY is not a grey picture."""
    save(tmp_path / "yc.exr", planes(("Y", "RY", "BY")))
    with pytest.raises(InputError, match="write it again as R, G, B"):
        read_exr(tmp_path / "yc.exr")


def test_damaged_files_are_refused(tmp_path):
    """Cut or garbled anywhere, a file is refused with a sentence, and its header says that it must be made again."""
    path = tmp_path / "a.exr"
    image = picture()
    write_exr(path, image.pixels, RGBA, like=image)
    data = path.read_bytes()
    for damaged in (b"", data[:4], data[:200], data[:-1], data[: len(data) // 2], RNG.bytes(4000)):
        path.write_bytes(damaged)
        assert read_exr_header(path) is None
        with pytest.raises(InputError, match="damaged"):
            read_exr(path)
    garbled = bytearray(data)
    garbled[-300:-200] = bytes(100)
    path.write_bytes(garbled)
    with pytest.raises(InputError, match=r"damaged.*render or copy it again"):
        read_exr(path)
    assert read_exr_header(tmp_path / "absent.exr") is None
    assert read_exr_header(tmp_path) is None


def test_latin_1_in_a_header_does_not_stop_a_shot(tmp_path):
    """A comment of an older program, not in UTF-8, loses its accent and nothing else."""
    path = tmp_path / "a.exr"
    channels = planes("RGB")
    save(path, channels, comments="cafX", owner="Zoé")
    path.write_bytes(path.read_bytes().replace(b"cafX", b"caf\xe9"))
    image = read_exr(path)
    assert np.array_equal(image.channel("R"), channels["R"])
    assert (image.metadata["comments"], image.metadata["owner"]) == ("caf?", "Zoé")
    assert read_exr_header(path)["owner"] == "Zoé"


def test_flat_picture_with_a_deep_image_s_state(tmp_path):
    """A flattened picture that kept the deep one's note on its samples is read, and what is made from it lacks it."""
    path = tmp_path / "a.exr"
    channels = planes("RGB")
    save(path, channels, deepImageState="123456789", owner="Zoé")
    text, state = b"string\0\x09\0\0\x00123456789", b"deepImageState\0\1\0\0\0\3"
    path.write_bytes(path.read_bytes().replace(text, state))
    with pytest.raises(RuntimeError, match="unsupported attribute type"):
        OpenEXR.File(str(path))
    image = read_exr(path)
    assert np.array_equal(image.channel("R"), channels["R"])
    assert read_exr_header(path)["owner"] == "Zoé"
    write_exr(tmp_path / "fg.exr", image.pixels, image.channels, like=image)
    assert read_exr_header(tmp_path / "fg.exr").keys() & {"owner", "deepImageState"} == {"owner"}


def test_rate_by_zero_is_damage(tmp_path):
    """A frame rate of 24/0 is refused as other damage is."""
    path = tmp_path / "a.exr"
    save(path, planes("RGB"), framesPerSecond=Fraction(24, 7))
    rate = b"rational\0\x08\0\0\0\x18\0\0\0"
    path.write_bytes(path.read_bytes().replace(rate + b"\7", rate + b"\0"))
    assert read_exr_header(path) is None
    with pytest.raises(InputError, match="is damaged"):
        read_exr(path)


@pytest.mark.parametrize(
    ("name", "reason"), [(b"caf\xe9/a.exr", "not UTF-8; rename it"), (b"caf\xe9.exr", "not UTF-8"), (b"a\0.exr", "NUL")]
)
def test_names_that_the_module_cannot_take(tmp_path, name, reason):
    """A folder or file named in Latin-1 is refused on the way in and out, and nothing is left behind."""
    path, image = tmp_path / os.fsdecode(name), picture()
    with pytest.raises(InputError, match=reason):
        write_exr(path, image.pixels, RGBA, like=image)
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match=reason):
        read_exr(path)
    assert read_exr_header(path) is None


def test_full_disk_leaves_nothing(tmp_path):
    """A file that the disk cannot hold is a ResourceError, and neither it nor a temporary file is left."""
    program = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from corridorkey_models.errors import ResourceError\n"
        "from corridorkey_server.footage.exr import ExrOptions, write_exr\n"
        "from corridorkey_server.footage.picture import Image, Window\n"
        "from corridorkey_server.footage.stills import write_png8\n"
        "pixels = np.random.default_rng(1).random((200, 300, 3), np.float32)\n"
        "window = Window(0, 0, 300, 200)\n"
        "like = Image(pixels, ('R', 'G', 'B'), window, window)\n"
        "folder = Path(sys.argv[1])\n"
        "def refused(write):\n"
        "    try:\n"
        "        write()\n"
        "    except ResourceError as error:\n"
        "        assert 'free space' in str(error), error\n"
        "        return True\n"
        "    return False\n"
        "options = [ExrOptions(name) for name in ('zip', 'none', 'piz')]\n"
        "assert all(refused(lambda: write_exr(folder / 'a.exr', pixels, like.channels, like=like, options=o))"
        " for o in options)\n"
        "assert refused(lambda: write_png8(folder / 'a.png', pixels))\n"
        "assert not list(folder.iterdir()), list(folder.iterdir())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_wrong_shape_is_a_bug(tmp_path):
    """Pixels that do not cover the data window are a mistake of the program, not of the artist."""
    image = picture()
    with pytest.raises(ValueError, match="are not 4 channels over"):
        write_exr(tmp_path / "a.exr", image.pixels[1:], RGBA, like=image)
