"""The file in which a host hands over a frame: plate, hint and masks as layers of one OpenEXR. Touches nothing else."""

from pathlib import Path

from corridorkey_models.errors import InputError

from .footage.exr import read_exr_header, read_exr_layers
from .footage.picture import Image
from .keyed_file import HINT_LAYER
from .protocol import SIDE_LIMIT

LAYERS = {"hint": HINT_LAYER, "inside": "ck_inside", "outside": "ck_outside"}
"""Layer of each input but the plate, which is R, G, B and A; one that is not there is not wired."""


def read_exchange(path: Path) -> tuple[Image, dict[str, Image]]:
    """Return the plate, and hint, inside and outside as far as they are there.

    Raises:
        InputError: the file is not whole, holds no R, G and B, or is larger than a frame can be.
    """
    header = read_exr_header(path) or {}
    for name in ("dataWindow", "displayWindow"):
        _check_size(path, name, header.get(name))
    plate, layers = read_exr_layers(path, tuple(LAYERS.values()))
    if not plate.has("R", "G", "B"):
        raise InputError(f"{path} holds no R, G and B; export the plate's colors.")
    return plate, {name: layers[layer] for name, layer in LAYERS.items() if layer in layers}


def _check_size(path: Path, name: str, box: object) -> None:
    """Refuse a window that nobody could hold in memory; one that cannot be read is told when the file is."""
    if not isinstance(box, tuple):
        return
    low, high = box
    width, height = (int(high[axis]) - int(low[axis]) + 1 for axis in (0, 1))
    if max(width, height) > SIDE_LIMIT:
        raise InputError(f"the {name} of {path} is {width}x{height}, more than {SIDE_LIMIT} on a side; crop the plate.")
