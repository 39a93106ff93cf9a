"""One still image in, by what the file is. Knows no sequences and no movies."""

from pathlib import Path

from corridorkey_models.errors import InputError

from .exr import read_exr
from .exr_bytes import MAGIC
from .paths import check_name, unreadable
from .picture import Image
from .stills import read_still


def read_image(path: Path, layer: str | None = None) -> Image:
    """Read a file as float32, with the working space that it says or that its kind suggests.

    Args:
        layer: a part, a layer ("fg" for fg.R, fg.G, fg.B) or one channel ("matte.A"); else the main picture.

    Raises:
        InputError: the file is missing, damaged, of no known format or deep, or has no such layer, or its name is
            not UTF-8.
    """
    check_name(path)
    magic = _first_bytes(path)
    if magic == MAGIC:
        return read_exr(path, layer)
    if path.suffix.lower() == ".exr":
        raise InputError(f"{path} is not an OpenEXR file; render or copy it again.")
    return read_still(path, layer)


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise unreadable(path, error) from error
    if not magic:
        raise InputError(f"{path} is empty; it is damaged, or still being written.")
    return magic
