"""Milliseconds that a frame takes before and after the network, with a network that takes no time."""

import statistics

import numpy as np
import torch
from figures import figure
from torch import Tensor, nn

from corridorkey_models.greenformer import Prediction, normalize_plate
from corridorkey_models.keyer import Keyer
from corridorkey_models.params import Params
from corridorkey_models.predictors import Network
from corridorkey_models.watch import Watch

SIZES = {"hd": (1080, 1920), "uhd": (2160, 3840)}
REPEATS = 5


class Instant(nn.Module):
    """A network that answers at once: the matte is the hint, the foreground the plate as it was given."""

    def forward(self, image: Tensor, _refiner_scale: float, _watch: Watch | None) -> Prediction:
        """Undo the normalization of the plate."""
        zero, one = (normalize_plate(image.new_full((1, 3, 1, 1), value)) for value in (0.0, 1.0))
        return Prediction(image[:, 3:], (image[:, :3] - zero) / (one - zero))


def main() -> None:
    """Print pre and post for each size; resizing to and from 2048 is part of them."""
    generator = np.random.default_rng(0)
    for name, (height, width) in SIZES.items():
        plate = generator.random((height, width, 3), dtype=np.float32)
        hint = np.zeros((height, width), np.float32)
        hint[height // 4 :, width // 3 : -width // 3] = 1
        keyer = Keyer(Network(Instant(), "instant", torch.device("cpu")))  # type: ignore[arg-type]
        params = Params(working_space="linear_rec709")
        timings = [keyer.key(plate, hint, params).timings for _ in range(REPEATS + 1)][1:]
        before = statistics.median(timing["pre"] + timing["infer"] for timing in timings)
        figure(f"pre_{name}", before * 1e3, "ms")
        figure(f"post_{name}", statistics.median(timing["post"] for timing in timings) * 1e3, "ms")


if __name__ == "__main__":
    main()
