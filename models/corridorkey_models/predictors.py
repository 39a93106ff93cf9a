"""What looks at a plate and a hint and predicts matte and foreground: the network, and the procedural keyer.

Both see linear Rec.709 clipped to [0, 1] and answer with raw, straight, sRGB-encoded colour, so that everything
after them is the same. Looking comes before predicting: what is seen, and a few parameters, decide the prediction.
Knows no masks, no despill and no working space beyond what a plate says of itself.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from . import color
from .filters import from_planes, to_planes
from .greenformer import GreenFormer, Prediction, normalize_plate
from .params import QUALITIES, Params
from .procedural import unmix
from .watch import Watch


@dataclass(frozen=True)
class Plate:
    """A finite plate on its device.

    Attributes:
        pixels: [height, width, 3] as it came, encoded as `space`.
        linear: the same in linear Rec.709, not clipped.
        space: one of `params.WORKING_SPACES` but auto.
    """

    pixels: Tensor
    linear: Tensor
    space: str


class Predictor(Protocol):
    """What the Keyer asks for a prediction.

    Attributes:
        identity: names what predicts, down to the last weight; equal identities predict equal pixels.
        device: where its tensors live.
    """

    identity: str
    device: torch.device

    def look(self, plate: Plate, hint: Tensor, params: Params) -> Tensor:
        """Return all that is seen of the plate and of `hint` [height, width]: [1, 4, h, w], of any size."""

    def settings(self, params: Params) -> Hashable:
        """Return what else a prediction depends on: equal ones predict the same of what looks the same."""

    def predict(self, seen: Tensor, params: Params, watch: Watch | None) -> Prediction:
        """Return alpha [1, 1, h, w] and straight sRGB-encoded foreground [1, 3, h, w], both in [0, 1].

        `seen` is what `look` returned and stays as it is. May raise Cancelled through `watch`.
        """


class Network:
    """CorridorKey's network with one checkpoint."""

    def __init__(
        self,
        network: GreenFormer,
        checkpoint: str,
        device: torch.device,
        sizes: dict[str, int] | None = None,
    ) -> None:
        """Keep `network`, moved to `device` in eval mode.

        Args:
            checkpoint: sha256 over the tensors of the checkpoint.
            sizes: side of the network's square by the name of the quality, in pixels; multiples of 32.
        """
        self.identity = checkpoint
        self.device = device
        self._network = network.eval().to(device)
        self._sizes = sizes or QUALITIES
        self._precision = frozenset(weights.dtype for weights in network.parameters())

    @torch.inference_mode()
    def look(self, plate: Plate, hint: Tensor, params: Params) -> Tensor:
        """See `Predictor.look`; it has the network's size, its first three channels are normalized."""
        side = self._sizes[params.quality]
        return torch.cat([normalize_plate(_encoded_at(plate, side)), resize(to_planes(hint), (side, side))], dim=1)

    def settings(self, params: Params) -> Hashable:
        """See `Predictor.settings`; the quality shows in the size of what is seen."""
        return self._precision, params.refiner_scale

    @torch.inference_mode()
    def predict(self, seen: Tensor, params: Params, watch: Watch | None) -> Prediction:
        """See `Predictor.predict`; the result has the network's size."""
        prediction: Prediction = self._network(seen, params.refiner_scale, watch)
        return prediction


class Procedural:
    """The embedded keyer, which needs no weights: it unmixes the plate from a locally estimated clean screen."""

    identity = "procedural 1"

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @torch.inference_mode()
    def look(self, plate: Plate, hint: Tensor, params: Params) -> Tensor:
        """See `Predictor.look`; it has the plate's size, its first three channels are linear Rec.709 in [0, 1]."""
        del params
        return torch.cat([to_planes(plate.linear.clamp(0, 1)), to_planes(hint)], dim=1)

    def settings(self, params: Params) -> Hashable:
        """See `Predictor.settings`."""
        return params.screen

    @torch.inference_mode()
    def predict(self, seen: Tensor, params: Params, watch: Watch | None) -> Prediction:
        """See `Predictor.predict`; the result has the plate's size."""
        alpha, linear = unmix(from_planes(seen[:, :3], 3), params.screen, seen[0, 3], watch)
        return Prediction(to_planes(alpha), to_planes(color.srgb_encode(linear.clamp(0, 1))))


def resize(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Return [1, channels, *size] by anti-aliased bilinear filtering, as CorridorKey was trained and published."""
    if tuple(planes.shape[-2:]) == size:
        return planes
    return F.interpolate(planes, size, mode="bilinear", align_corners=False, antialias=True)


def _encoded_at(plate: Plate, side: int) -> Tensor:
    """The plate as the network sees it: an sRGB-encoded square.

    Clipping comes before the linear resize, else one bright pixel would spread a halo over its neighbours.
    """
    if plate.space == "srgb":
        return resize(to_planes(plate.pixels.clamp(0, 1)), (side, side))
    return color.srgb_encode(resize(to_planes(plate.linear.clamp(0, 1)), (side, side)))
