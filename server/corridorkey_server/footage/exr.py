"""OpenEXR files in and out, headers kept verbatim. Knows no other format and no colour maths."""

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

from corridorkey_models.errors import InputError

from .exr_bytes import UNREADABLE_KIND, is_whole, made_readable
from .layers import Choice, Part, choose
from .paths import check_name
from .picture import Image, Pixels, Window
from .publish import replacing
from .tags import space_of_exr

_CODES = {
    "none": OpenEXR.NO_COMPRESSION,
    "rle": OpenEXR.RLE_COMPRESSION,
    "zips": OpenEXR.ZIPS_COMPRESSION,
    "zip": OpenEXR.ZIP_COMPRESSION,
    "piz": OpenEXR.PIZ_COMPRESSION,
    "pxr24": OpenEXR.PXR24_COMPRESSION,
    "dwaa": OpenEXR.DWAA_COMPRESSION,
    "dwab": OpenEXR.DWAB_COMPRESSION,
}
COMPRESSIONS = tuple(_CODES)
"""How an OpenEXR file can be written. Not b44: it damages alpha (error .125)."""

_HALF_MAX = float(np.finfo(np.float16).max)

_STRUCTURE = re.compile(
    "channels|compression|dataWindow|displayWindow|pixelAspectRatio|lineOrder|type|version|tiles|chunkCount|name|view"
    f"|multiView|maxSamplesPerPixel|dwaCompressionLevel|preview|{UNREADABLE_KIND}"
)
"""Attributes that follow from how a file is laid out, or show its pixels."""

_COLOR = re.compile(
    "chromaticities|whiteLuminance|adoptedNeutral|colorInteropID|acesImageContainerFlag|renderingTransform"
    "|lookModTransform|oiio:ColorSpace"
)
"""Attributes that say how the plate's pixels are encoded, which does not hold for what is made from them."""

# The module makes a Fraction of a frame rate of 24/0: an ArithmeticError.
_READ_ERRORS = (RuntimeError, ValueError, ArithmeticError, MemoryError, OSError)


@dataclass(frozen=True)
class ExrOptions:
    """How to store pixels: one of COMPRESSIONS, as half or as float; InputError for any other compression."""

    compression: str = "zip"
    half: bool = True

    def __post_init__(self) -> None:
        if self.compression not in _CODES:
            raise InputError(f"compression is {self.compression!r}; choose one of {', '.join(_CODES)}.")


def read_exr(path: Path, layer: str | None = None) -> Image:
    """Read one layer of a file (`layers.choose` says which), with the header of its part.

    Raises:
        InputError: the file is damaged, not whole, deep or subsampled, or has no such layer, or its name is not UTF-8.
    """
    with _reading(path):
        choice = _choose(path, _open(path, header_only=True), layer)
        return _to_image(path, _open(path, header_only=False), choice)


def read_exr_layers(path: Path, layers: Sequence[str]) -> tuple[Image, dict[str, Image]]:
    """Return the main picture of a file and those of some layers that are there; the file is decoded once.

    Raises:
        InputError: as of `read_exr`.
    """
    with _reading(path):
        file = _open(path, header_only=False)
        names = {channel.name.rpartition(".")[0] for part in file.parts for channel in part.header["channels"]}
        pictures = {layer: _to_image(path, file, _choose(path, file, layer)) for layer in layers if layer in names}
        return _to_image(path, file, _choose(path, file, None)), pictures


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Let a whole file be read; what the library says against it becomes InputError."""
    check_name(path)
    try:
        if not is_whole(path):
            raise InputError(f"{path} is not a whole OpenEXR file; it is damaged, or still being written.")
        yield
    except _READ_ERRORS as error:
        raise InputError(f"{path} is damaged: {error}; render or copy it again.") from error


def read_exr_header(path: Path) -> dict[str, object] | None:
    """Return the attributes of a file's first part, or None if the file is missing, damaged or not whole."""
    try:
        return dict(_open(path, header_only=True).header()) if is_whole(path) else None
    except _READ_ERRORS:
        return None


def write_exr(  # noqa: PLR0913 (a file is made from that many independent things)
    path: Path,
    pixels: Pixels,
    channels: tuple[str, ...],
    *,
    like: Image,
    options: ExrOptions | None = None,
    metadata: Mapping[str, str] | None = None,
    interop_id: str | None = None,
) -> None:
    """Write one part of scanlines with the windows, pixel aspect and header attributes of `like`.

    Half floats are clamped to +-65504, so that what is finite stays finite.

    Args:
        pixels: float32 [height, width, len(channels)] over the data window of `like`.
        metadata: attributes to add.
        interop_id: colorInteropID of the pixels ("data" for a matte); what `like` says is dropped.

    Raises:
        InputError: `path` cannot be written.
        ResourceError: the disk is full or failed.
    """
    window = like.data_window
    if pixels.shape != (window.height, window.width, len(channels)):
        raise ValueError(f"pixels {pixels.shape} are not {len(channels)} channels over {window}")
    options = options or ExrOptions()
    header = _header(like, options) | dict(metadata or {})
    if interop_id is not None:
        header["colorInteropID"] = interop_id
    planes = {name: _stored(pixels[..., index], options.half) for index, name in enumerate(channels)}
    with replacing(path) as temporary:
        OpenEXR.File(header, planes).write(str(temporary))
        if not is_whole(temporary):
            raise RuntimeError("the file came out short")


def time_code(hours: int, minutes: int, seconds: int, frame: int, drop: bool) -> object:
    """Return the value of a timeCode attribute."""
    return OpenEXR.TimeCode(hours, minutes, seconds, frame, int(drop), *[0] * 13)


def _open(path: Path, header_only: bool) -> Any:
    try:
        return OpenEXR.File(str(path), separate_channels=True, header_only=header_only)
    except (UnicodeDecodeError, RuntimeError) as error:
        # Older programs wrote Latin-1 where the module reads nothing but UTF-8.
        if isinstance(error, RuntimeError) and UNREADABLE_KIND not in str(error):
            raise
        with tempfile.NamedTemporaryFile(suffix=".exr") as copy:
            copy.write(made_readable(path.read_bytes()))
            copy.flush()
            return OpenEXR.File(copy.name, separate_channels=True, header_only=header_only)


def _choose(path: Path, file: Any, layer: str | None) -> Choice:
    headers = [part.header for part in file.parts]
    parts = [Part(header.get("name", ""), tuple(c.name for c in header["channels"])) for header in headers]
    try:
        choice = choose(parts, layer)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    header = headers[choice.part]
    if header.get("type") in (OpenEXR.deepscanline, OpenEXR.deeptile):
        raise InputError(f"{path} is a deep image; flatten it first (in Nuke: DeepToImage).")
    chosen = [channel for channel in header["channels"] if channel.name in choice.channels.values()]
    subsampled = any((channel.xSampling, channel.ySampling) != (1, 1) for channel in chosen)
    if subsampled or {"RY", "BY"} & set(parts[choice.part].channels):
        raise InputError(f"{path} stores subsampled luminance and chroma; write it again as R, G, B.")
    return choice


def _to_image(path: Path, file: Any, choice: Choice) -> Image:
    if choice.part >= len(file.parts):
        raise InputError(f"{path} is damaged: its pixels cannot be decoded; render or copy it again.")
    header, planes = file.header(choice.part), file.channels(choice.part)
    data_window = _window(header["dataWindow"])
    shape = (data_window.height, data_window.width, len(choice.channels))
    pixels = np.empty(shape, np.float32)
    for index, name in enumerate(choice.channels.values()):
        pixels[..., index] = planes[name].pixels
    space, reason = space_of_exr(header)
    return Image(
        pixels,
        tuple(choice.channels),
        data_window,
        _window(header["displayWindow"]),
        float(header.get("pixelAspectRatio", 1.0)),
        space,
        reason,
        {name: value for name, value in header.items() if not _STRUCTURE.fullmatch(name)},
    )


def _window(box: tuple[Any, Any]) -> Window:
    low, high = box
    return Window.from_corners((int(low[0]), int(low[1])), (int(high[0]), int(high[1])))


def _header(like: Image, options: ExrOptions) -> dict[str, Any]:
    dropped = re.compile(f"{_COLOR.pattern}|{_STRUCTURE.pattern}")
    kept = {name: value for name, value in like.metadata.items() if not dropped.fullmatch(name)}
    return kept | {
        "type": OpenEXR.scanlineimage,
        "compression": _CODES[options.compression],
        "dataWindow": like.data_window.corners(),
        "displayWindow": like.display_window.corners(),
        "pixelAspectRatio": like.pixel_aspect,
    }


def _stored(plane: Pixels, half: bool) -> Any:
    if half:
        return np.clip(plane, -_HALF_MAX, _HALF_MAX).astype(np.float16)
    return np.ascontiguousarray(plane, np.float32)
