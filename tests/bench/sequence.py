"""Frames per second from files to files against the same Keyer on frames in memory."""

import tempfile
import threading
import time
from pathlib import Path

import torch
from figures import figure, interleaved

from corridorkey_models.greenformer import GreenFormer
from corridorkey_models.keyed import Keyed
from corridorkey_models.keyer import Keyer
from corridorkey_models.params import Params
from corridorkey_models.predictors import Network, Procedural
from corridorkey_models.synthetic import ShotSpec, Truth, render
from corridorkey_server.batch import Job, key_range
from corridorkey_server.footage.exr import write_exr
from corridorkey_server.footage.picture import Image, Window
from corridorkey_server.footage.sequence import open_sequence
from corridorkey_server.passes import Passes
from corridorkey_server.targets import Inputs

FRAMES = {"device_standin": 40, "network_draft": 12, "procedural": 12}
REPEATS = 2
PARAMS = Params(working_space="linear_rec709", output_space="linear_rec709", quality="draft")


class Silent:
    """Shows nothing."""

    def working(self, frame: int, stage: str, fraction: float) -> None:
        """See batch.FrameProgress."""

    def done(self, frame: int, outcome: str) -> None:
        """See batch.FrameProgress."""


class OnDevice(Keyer):
    """Stands in for a Keyer on an accelerator: for half a second a frame the processor has nothing to do."""

    def __init__(self, keyed: Keyed) -> None:
        super().__init__(Procedural(torch.device("cpu")))
        self._keyed = keyed

    def key(self, *_: object, **__: object) -> Keyed:
        """Wait as for a device, and return what was keyed before."""
        time.sleep(0.5)
        return self._keyed


def shoot(folder: Path) -> Truth:
    """Write the same HD frame under as many numbers as the longest range needs."""
    truth = render(ShotSpec(width=1920, height=1080, noise=True), 0)
    window = Window(0, 0, 1920, 1080)
    image = Image(truth.plate, ("R", "G", "B"), window, window)
    for frame in range(1, max(FRAMES.values()) + 1):
        write_exr(folder / f"plate.{frame:04d}.exr", truth.plate, image.channels, like=image)
        write_exr(folder / f"hint.{frame:04d}.exr", truth.hint[..., None], ("A",), like=image)
    return truth


def compare(name: str, keyer: Keyer, folder: Path, truth: Truth) -> None:
    """Print both rates and their ratio."""
    frames = tuple(range(1, FRAMES[name] + 1))
    inputs = Inputs(*(open_sequence(folder / f"{kind}.####.exr", frames) for kind in ("plate", "hint")))
    job = Job(inputs, Passes(folder / "out"), PARAMS, assumed=False, overwrite=True)

    def memory() -> None:
        for _ in frames:
            keyer.key(truth.plate, truth.hint, PARAMS)

    def files() -> None:
        summary = key_range(job, keyer, Silent(), threading.Event())
        assert len(summary.keyed) == len(frames), summary.failed

    seconds = interleaved({"memory": memory, "files": files}, REPEATS)
    figure(f"{name}_keyer_fps", len(frames) / seconds["memory"], "fps")
    figure(f"{name}_sequence_fps", len(frames) / seconds["files"], "fps")
    figure(f"{name}_sequence_over_keyer", seconds["files"] / seconds["memory"], "x", "<= 1.05")


def main() -> None:
    """Compare with an accelerator's stand-in; and where the keyer itself needs the processor that files need too."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth = shoot(folder)
        keyed = Keyer(Procedural(torch.device("cpu"))).key(truth.plate, truth.hint, PARAMS)
        compare("device_standin", OnDevice(keyed), folder, truth)
        network = Network(GreenFormer(512), "random", torch.device("cpu"))
        compare("network_draft", Keyer(network), folder, truth)
        compare("procedural", Keyer(Procedural(torch.device("cpu"))), folder, truth)


if __name__ == "__main__":
    main()
