"""The file in which a host hands over a frame: plate, hint and masks as layers of one OpenEXR. Touches nothing else."""

from pathlib import Path

from corridorkey_models.errors import InputError

from .footage.exr import read_exr_layers
from .footage.picture import Image

LAYERS = {"hint": "ck_hint", "inside": "ck_inside", "outside": "ck_outside"}
"""Layer of each input but the plate, which is R, G, B and A; one that is not there is not wired."""


def read_exchange(path: Path) -> tuple[Image, dict[str, Image]]:
    """Return the plate, and hint, inside and outside as far as they are there.

    Raises:
        InputError: the file is not whole, or holds no R, G and B.
    """
    plate, layers = read_exr_layers(path, tuple(LAYERS.values()))
    if not plate.has("R", "G", "B"):
        raise InputError(f"{path} holds no R, G and B; export the plate's colors.")
    return plate, {name: layers[layer] for name, layer in LAYERS.items() if layer in layers}
