"""Frames per second from files to files against the same Keyer on frames in memory."""

import tempfile
import threading
from pathlib import Path

import torch
from figures import figure, interleaved

from corridorkey_models.greenformer import GreenFormer
from corridorkey_models.keyer import Keyer
from corridorkey_models.params import Params
from corridorkey_models.predictors import Network, Procedural
from corridorkey_models.synthetic import ShotSpec, Truth, render
from corridorkey_server.batch import Inputs, Job, key_range
from corridorkey_server.footage.exr import write_exr
from corridorkey_server.footage.picture import Image, Window
from corridorkey_server.footage.sequence import open_sequence

FRAMES = 8
PARAMS = Params(working_space="linear_rec709", output_space="linear_rec709", quality="draft")


class Silent:
    """Shows nothing."""

    def working(self, frame: int, stage: str, fraction: float) -> None:
        """See batch.FrameProgress."""

    def done(self, frame: int, outcome: str) -> None:
        """See batch.FrameProgress."""


def shoot(folder: Path) -> Truth:
    """Write the same HD frame under `FRAMES` numbers."""
    truth = render(ShotSpec(width=1920, height=1080, noise=True), 0)
    window = Window(0, 0, 1920, 1080)
    image = Image(truth.plate, ("R", "G", "B"), window, window)
    for frame in range(1, FRAMES + 1):
        write_exr(folder / f"plate.{frame:04d}.exr", truth.plate, image.channels, like=image)
        write_exr(folder / f"hint.{frame:04d}.exr", truth.hint[..., None], ("A",), like=image)
    return truth


def compare(name: str, keyer: Keyer, folder: Path, truth: Truth, repeats: int) -> None:
    """Print both rates and their ratio."""
    inputs = Inputs(open_sequence(folder / "plate.####.exr"), open_sequence(folder / "hint.####.exr"))
    job = Job(inputs, folder / "out", PARAMS, assumed=False, overwrite=True)

    def memory() -> None:
        for _ in range(FRAMES):
            keyer.key(truth.plate, truth.hint, PARAMS)

    def files() -> None:
        summary = key_range(job, keyer, Silent(), threading.Event())
        assert len(summary.keyed) == FRAMES, summary.failed

    seconds = interleaved({"memory": memory, "files": files}, repeats)
    figure(f"{name}_keyer_fps", FRAMES / seconds["memory"], "fps")
    figure(f"{name}_sequence_fps", FRAMES / seconds["files"], "fps")
    figure(f"{name}_sequence_over_keyer", seconds["files"] / seconds["memory"], "x", "<= 1.05")


def main() -> None:
    """Compare with the network at its smallest size, and with the procedural keyer for the record."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth = shoot(folder)
        network = Network(GreenFormer(512), "random", torch.device("cpu"))
        compare("network_draft", Keyer(network), folder, truth, 3)
        compare("procedural", Keyer(Procedural(torch.device("cpu"))), folder, truth, 3)


if __name__ == "__main__":
    main()
