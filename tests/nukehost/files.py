"""EXR files as Nuke's Read and Write have them, and the names of frames."""

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

from nukehost.channels import RGBA
from nukehost.errors import NukeError
from nukehost.pictures import Box, Format, Picture

_COMPRESSIONS = {
    "none": OpenEXR.NO_COMPRESSION,
    "Zip (1 scanline)": OpenEXR.ZIPS_COMPRESSION,
    "Zip (16 scanlines)": OpenEXR.ZIP_COMPRESSION,
    "PIZ Wavelet (32 scanlines)": OpenEXR.PIZ_COMPRESSION,
    "RLE": OpenEXR.RLE_COMPRESSION,
}
_SHORT = dict(zip(RGBA, "RGBA", strict=True))
_LONG = {short: full for full, short in _SHORT.items()}
_HASHES, _PERCENT = re.compile(r"#+"), re.compile(r"%(0\d+)?d")
_LAYOUT = frozenset({"channels", "compression", "dataWindow", "displayWindow", "lineOrder", "type", "version"})


def name_of(pattern: str, frame: float, view: str) -> str:
    """Return the file of a frame and a view: %04d or ####, %V and %v.

    >>> name_of("a.%V.####.exr", 7, "left")
    'a.left.0007.exr'
    """
    named = pattern.replace("%V", view).replace("%v", view[:1])
    named = _HASHES.sub(lambda found: f"{int(frame):0{len(found[0])}d}", named)
    return _PERCENT.sub(lambda found: f"{int(frame):{found[1] or ''}d}", named)


def write(path: Path, picture: Picture, names: list[str], knobs: Mapping[str, str]) -> None:
    """Write channels of a picture over its bounding box, as a whole file or not at all."""
    if not names:
        raise NukeError(f"{path}: there are no channels to write")
    if knobs["compression"] not in _COMPRESSIONS:
        raise NukeError(f"the fake Nuke does not write {knobs['compression']}")
    kind = np.float32 if knobs["datatype"] == "32 bit float" else np.float16
    # What does not fit into a half becomes infinite, as it does in Nuke.
    with np.errstate(over="ignore"):
        planes = {_SHORT.get(name, name): picture.read(name, picture.box).astype(kind) for name in names}
    header = {
        "compression": _COMPRESSIONS[knobs["compression"]],
        "type": OpenEXR.scanlineimage,
        "dataWindow": _window(picture.box, picture.format),
        "displayWindow": _window(picture.format.box, picture.format),
        "pixelAspectRatio": picture.format.aspect,
        "nuke/node_hash": "0",
    }
    temporary = path.with_name(path.name + ".tmp")
    try:
        OpenEXR.File(header, {name: np.ascontiguousarray(plane) for name, plane in planes.items()}).write(
            str(temporary)
        )
        temporary.replace(path)
    except (RuntimeError, OSError) as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise NukeError(f"{path}: cannot be written: {error}") from error


def read(path: Path) -> Picture:
    """Read a file; where its data window is not its display window there is one black pixel around."""
    try:
        with path.open("rb"):
            file = OpenEXR.File(str(path), separate_channels=True)
        header, channels = file.header(), file.channels()
    except FileNotFoundError:
        raise NukeError(f"{path}: No such file or directory") from None
    except (RuntimeError, ValueError, OSError) as error:
        raise NukeError(f"{path}: read error: {error}") from error
    low, high = header["displayWindow"]
    frame = Format(int(high[0] - low[0]) + 1, int(high[1] - low[1]) + 1, float(header.get("pixelAspectRatio", 1.0)))
    box = _box(header["dataWindow"], int(low[0]), int(high[1]))
    planes = {_LONG.get(name, name): one.pixels.astype(np.float32) for name, one in channels.items()}
    picture = Picture(frame, box, planes, _metadata(path, header, frame))
    return picture if box == frame.box else picture.padded()


def _metadata(path: Path, header: dict[str, Any], frame: Format) -> dict[str, Any]:
    found = {f"exr/{name}": value for name, value in header.items() if name not in _LAYOUT}
    return {"input/filename": str(path), "input/width": frame.width, "input/height": frame.height, **found}


def _window(box: Box, frame: Format) -> tuple[Any, Any]:
    """Return a box as OpenEXR has it: the top row is 0, and the last pixel belongs to it."""
    low, high = (box[0], frame.height - box[3]), (box[2] - 1, frame.height - 1 - box[1])
    return np.array(low, np.int32), np.array(high, np.int32)


def _box(window: Any, left: int, bottom: int) -> Box:
    low, high = window
    return int(low[0]) - left, bottom - int(high[1]), int(high[0]) + 1 - left, bottom + 1 - int(low[1])
