"""The worker: owns one device and the Keyers on it. The only module of the server that imports torch."""

import argparse
import logging
import os
import sys
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch
from numpy import floating
from numpy.typing import NDArray

from corridorkey_models import color, convert, screen
from corridorkey_models.backend import pick_device
from corridorkey_models.errors import InputError
from corridorkey_models.kept import KeptPredictions
from corridorkey_models.keyed import FrameKeyer
from corridorkey_models.keyer import Keyer, finite
from corridorkey_models.predictors import Network, Procedural
from corridorkey_models.watch import Watch

from . import system
from .errands import Memory, Unfit
from .model_names import CORRIDORKEY, PROCEDURAL, full_name
from .work import Worker

KEPT_BYTES = 512 * 2**20
"""What predictions may be kept for frames of which only finishing changes."""

_MODELS = 2  # models on the device at once: both screens of one project


def open_keyer(model: str, screen_color: str, device: str = "auto", kept: KeptPredictions | None = None) -> Keyer:
    """Return a Keyer with `model` loaded.

    Args:
        model: "corridorkey", the checkpoint of the screen's color; "procedural", which needs no weights; or the
            path of a converted checkpoint.
        screen_color: "green" or "blue".
        device: as `backend.pick_device` takes it.
        kept: where it keeps its predictions, none if None.

    Raises:
        CheckpointError: the weights are missing or damaged.
        InputError: the device or the model does not exist.
    """
    chosen = pick_device(device)
    if model == PROCEDURAL:
        return Keyer(Procedural(chosen), kept)
    source = screen_color if model == CORRIDORKEY else Path(full_name(model))
    network, identity = convert.load_network(source)
    return Keyer(Network(network, identity, chosen), kept)


def detect_screen(plate: NDArray[floating], space: str) -> str | None:
    """Return "green", "blue" or, where no screen is found, None.

    Args:
        plate: [height, width, 3 or more] encoded as `space`.
    """
    pixels = finite(torch.from_numpy(plate[..., :3].astype("float32")))
    return screen.detect_screen(color.decode(pixels, space).clamp(0, 1))


class TorchBackend:
    """Keyers on one device of torch; see `work.Backend`."""

    def __init__(self, device: str) -> None:
        self._device = pick_device(device)
        self.device = str(self._device)
        self._kept = KeptPredictions(KEPT_BYTES)
        self._keyers: OrderedDict[tuple[str, str], Keyer] = OrderedDict()

    def open(self, model: str, screen: str, watch: Watch) -> FrameKeyer:
        """See `work.Backend.open`; the one used longest ago makes room."""
        name = (model, screen)
        if name not in self._keyers:
            watch("load", 0.0)
            while len(self._keyers) >= _MODELS:
                self._keyers.popitem(last=False)
            self._keyers[name] = open_keyer(model, screen, self.device, self._kept)
        self._keyers.move_to_end(name)
        return self._keyers[name]

    def detect_screen(self, plate: NDArray[floating], space: str) -> str | None:
        """See `work.Backend.detect_screen`."""
        return detect_screen(plate, space)

    def memory(self) -> Memory:
        """See `work.Backend.memory`."""
        if self._device.type == "cuda":
            _, total = torch.cuda.mem_get_info(self._device)
            return Memory(kind="vram", used=torch.cuda.memory_reserved(self._device), total=total)
        return Memory(kind="ram", used=system.resident_bytes(), total=system.memory_bytes())


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the supervisor that started this process; return when there is no device to serve it with."""
    parser = argparse.ArgumentParser(prog="ckey worker", description="Started by `ckey serve`, not by hand.")
    parser.add_argument("--link", type=int, required=True, help="number of the inherited descriptor")
    parser.add_argument("--parent", type=int, required=True, help="process id of the supervisor")
    parser.add_argument("--device", default="auto")
    args = parser.parse_args(argv)
    system.end_with_parent(args.parent)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    link = system.inherited(args.link)
    try:
        backend = TorchBackend(args.device)
    except InputError as error:
        link.send(Unfit(sentence=str(error)).encode())
        return 1
    logging.getLogger("ckey.worker").info("process %d, device %s", os.getpid(), backend.device)
    Worker(link, backend).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
