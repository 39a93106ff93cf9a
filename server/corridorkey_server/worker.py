"""Opens a Keyer on a device: the only module of the server that imports torch."""

from pathlib import Path
from stat import S_ISREG

import torch
from numpy import floating
from numpy.typing import NDArray

from corridorkey_models import color, convert, screen
from corridorkey_models.backend import pick_device
from corridorkey_models.errors import InputError
from corridorkey_models.keyer import Keyer, finite
from corridorkey_models.predictors import Network, Procedural

from .footage.paths import given_path, mode

PROCEDURAL, CORRIDORKEY = "procedural", "corridorkey"


def open_keyer(model: str, screen_color: str, device: str = "auto") -> Keyer:
    """Return a Keyer with `model` loaded.

    Args:
        model: "corridorkey", the checkpoint of the screen's colour; "procedural", which needs no weights; or the
            path of a converted checkpoint.
        screen_color: "green" or "blue".
        device: as `backend.pick_device` takes it.

    Raises:
        CheckpointError: the weights are missing or damaged.
        InputError: the device or the model does not exist.
    """
    chosen = pick_device(device)
    if model == PROCEDURAL:
        return Keyer(Procedural(chosen))
    source: str | Path = screen_color if model == CORRIDORKEY else given_path(model)
    if isinstance(source, Path) and not S_ISREG(mode(source)):
        raise InputError(f"there is no model {model!r}; give corridorkey, procedural or a checkpoint file.")
    network, identity = convert.load_network(source)
    return Keyer(Network(network, identity, chosen))


def detect_screen(plate: NDArray[floating], space: str) -> str | None:
    """Return "green", "blue" or, where no screen is found, None.

    Args:
        plate: [height, width, 3 or more] encoded as `space`.
    """
    pixels = finite(torch.from_numpy(plate[..., :3].astype("float32")))
    return screen.detect_screen(color.decode(pixels, space).clamp(0, 1))
