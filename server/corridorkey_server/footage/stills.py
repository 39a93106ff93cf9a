"""Still images other than OpenEXR in and out: DPX, TIFF, PNG, JPEG, TGA. Knows no colour maths."""

import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from corridorkey_models.errors import InputError

from .exr import time_code
from .layers import Part, choose
from .paths import check_name
from .picture import Image, Pixels, Window
from .publish import replacing
from .tags import Verdict, space_of_name

_LABELS = {"png": "PNG", "jpeg": "JPEG", "targa": "TGA", "tiff": "TIFF", "dpx": "DPX", "cineon": "Cineon"}
_PNG_FILTER_AVERAGE = 64
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_LONGEST_TEXT = 1 << 20
_CRC = 4
_DPX_TRANSFERS = {"ITU-R 709-4": "rec709_g24", "Linear": "linear_rec709"}
_OTHER_GAMUTS = ("p3", "adobe", "prophoto", "romm", "2020")


def read_still(path: Path, layer: str | None = None) -> Image:
    """Read the first image of a file; integers become 0 to 1, straight alpha stays straight.

    Raises:
        InputError: the file is damaged or of no known format, or has no such channel, or its name is not UTF-8.
    """
    check_name(path)
    # Otherwise colour is multiplied by alpha on reading, which nothing brings back where alpha is 0.
    hints = oiio.ImageSpec()
    hints.attribute("oiio:UnassociatedAlpha", 1)
    source = oiio.ImageInput.open(str(path), hints)
    if source is None:
        raise InputError(f"{path} is damaged or not an image: {_sentence(oiio.geterror())}; render or copy it again.")
    try:
        pixels = source.read_image(oiio.FLOAT)
        # A JPEG that ends early is filled up with grey, and only the message tells.
        problem = source.geterror()
        if pixels is None or problem:
            raise InputError(f"{path} is damaged or not whole: {_sentence(problem)}; render or copy it again.")
        return _to_image(path, source, pixels, layer)
    finally:
        source.close()


def write_png8(
    path: Path, rgb: NDArray[np.float32] | NDArray[np.uint8], metadata: Mapping[str, str] | None = None
) -> None:
    """Write an 8-bit PNG.

    Args:
        rgb: [height, width, 3], sRGB-encoded: uint8, or float, which is clipped to 0 to 1.
        metadata: text to add.

    Raises:
        InputError: `path` cannot be written.
        ResourceError: the disk is full or failed.
    """
    bytes_ = rgb if rgb.dtype == np.uint8 else np.rint(np.clip(np.nan_to_num(rgb), 0, 1) * 255).astype(np.uint8)
    height, width, channels = bytes_.shape
    spec = oiio.ImageSpec(width, height, channels, "uint8")
    # One filter for all rows and little searching: a third of the time for 3 % more bytes, on grainy pictures.
    spec.attribute("png:compressionLevel", 1)
    spec.attribute("png:filter", _PNG_FILTER_AVERAGE)
    for name, text in (metadata or {}).items():
        spec.attribute(name, text)
    with replacing(path) as temporary:
        sink: Any = oiio.ImageOutput.create("png")
        done = sink.open(str(temporary), spec) and sink.write_image(np.ascontiguousarray(bytes_))
        done = sink.close() and done
        # On a full disk every call reports success, and only the message tells.
        problem = sink.geterror()
        if problem or not done:
            raise RuntimeError(_sentence(problem))


def read_png_text(path: Path) -> dict[str, str]:
    """Return the text that `write_png8` added to a PNG, or nothing if the file is missing, damaged or not whole.

    Source: "Portable Network Graphics Specification", 5.2, 5.3 and 11.3.3.2.
    """
    try:
        check_name(path)
        with path.open("rb") as file:
            file.seek(-len(_PNG_END), os.SEEK_END)
            if file.read() != _PNG_END:
                return {}
            file.seek(0)
            return _png_text(file) if file.read(len(_PNG_MAGIC)) == _PNG_MAGIC else {}
    except (OSError, ValueError, struct.error, InputError):
        return {}


def _png_text(file: BinaryIO) -> dict[str, str]:
    """Read the chunks before the pixels, where this module's text is; struct.error or ValueError if damaged."""
    text: dict[str, str] = {}
    while True:
        size, kind = struct.unpack(">I4s", file.read(8))
        if kind in (b"IDAT", b"IEND"):
            return text
        data = file.read(size) if kind == b"tEXt" and size <= _LONGEST_TEXT else None
        if data is None:
            file.seek(size + _CRC, os.SEEK_CUR)
            continue
        if struct.unpack(">I", file.read(_CRC)) != (zlib.crc32(kind + data),):
            raise ValueError("a chunk is damaged")
        name, _, value = data.partition(b"\0")
        # OpenImageIO writes UTF-8 where the specification has Latin-1.
        text[name.decode()] = value.decode()


def _to_image(path: Path, source: Any, pixels: Pixels, layer: str | None) -> Image:
    spec = source.spec()
    try:
        channels = choose([Part("", tuple(spec.channelnames))], layer).channels
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    pixels = pixels.reshape(spec.height, spec.width, spec.nchannels)
    if tuple(channels.values()) != tuple(spec.channelnames):
        pixels = pixels[..., [spec.channelnames.index(name) for name in channels.values()]]
    data = Window(spec.x, spec.y, spec.width, spec.height)
    display = Window(spec.full_x, spec.full_y, spec.full_width, spec.full_height)
    orientation = spec.get_int_attribute("Orientation", 1)
    if orientation in _TURNS:
        pixels = np.ascontiguousarray(_TURNS[orientation](pixels))
        data = display = Window(0, 0, pixels.shape[1], pixels.shape[0])
    space, reason = _space(source.format_name(), spec)
    return Image(pixels, tuple(channels), data, display, _aspect(spec), space, reason, _metadata(spec))


_TURNS = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels.swapaxes(0, 1)[:, ::-1],
    7: lambda pixels: pixels.swapaxes(0, 1)[::-1, ::-1],
    8: lambda pixels: pixels.swapaxes(0, 1)[::-1],
}
"""What brings rows and columns upright, by the Exif orientation; 1 is upright."""


def _aspect(spec: Any) -> float:
    aspect = float(spec.get_float_attribute("PixelAspectRatio", 1.0))
    return aspect if 0.1 < aspect < 10 else 1.0


def _space(kind: str, spec: Any) -> Verdict:
    label = _LABELS.get(kind, kind)
    if kind in ("dpx", "cineon"):
        return _space_of_dpx(label, spec.get_string_attribute("dpx:Transfer"))
    profile = spec.get_string_attribute("ICCProfile:profile_description")
    if any(word in profile.lower() for word in _OTHER_GAMUTS):
        return None, f"{label} with the profile {profile}, which is not a working space here"
    tag = spec.get_string_attribute("oiio:ColorSpace")
    if tag and tag != "srgb_rec709_scene":
        return space_of_name(tag, f"{label} tag")
    return _space_of_depth(label, tag, spec.format.basetype)


def _space_of_depth(label: str, tag: str, basetype: Any) -> Verdict:
    if basetype in (oiio.HALF, oiio.FLOAT, oiio.DOUBLE):
        return "linear_rec709", f"float {label}, assumed"
    if label == "TIFF" and not tag and basetype != oiio.UINT8:
        return "srgb", "16-bit TIFF without a tag, assumed"
    return "srgb", f"{label} is sRGB"


def _space_of_dpx(label: str, transfer: str) -> Verdict:
    space = _DPX_TRANSFERS.get(transfer)
    if space:
        return space, f"{label} transfer {transfer}"
    if transfer in ("", "Undefined", "User defined"):
        return None, f"{label} does not say how it is encoded"
    return None, f"{label} transfer {transfer}, which may be any of several encodings"


def _metadata(spec: Any) -> dict[str, object]:
    packed = spec.getattribute("smpte:TimeCode")
    if not packed:
        return {}
    word = int(packed[0])
    bytes_ = ((word >> 24, 0x3), (word >> 16, 0x7), (word >> 8, 0x7), (word, 0x3))
    hours, minutes, seconds, frame = (_decimal(byte, tens_mask) for byte, tens_mask in bytes_)
    return {"timeCode": time_code(hours, minutes, seconds, frame, bool(word & 0x40))}


def _decimal(byte: int, tens_mask: int) -> int:
    """Return the number in a byte of SMPTE 12M binary coded decimal, whose high bits are flags."""
    return (byte >> 4 & tens_mask) * 10 + (byte & 0xF)


def _sentence(message: str) -> str:
    return " ".join(message.split()).rstrip(".") or "no reason given"
