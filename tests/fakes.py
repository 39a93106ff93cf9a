"""Stand-ins with behaviour, for tests that need no network."""

from collections.abc import Hashable

import torch
from torch import Tensor

from corridorkey_models import color
from corridorkey_models.filters import to_planes
from corridorkey_models.greenformer import Prediction
from corridorkey_models.params import Params
from corridorkey_models.predictors import Plate
from corridorkey_models.watch import Watch


class HintAsMatte:
    """Predicts that the matte is the hint, and the foreground what the network could see of the plate."""

    identity = "hint as matte"
    device = torch.device("cpu")

    def look(self, plate: Plate, hint: Tensor, params: Params) -> Tensor:
        """See `predictors.Predictor.look`; the plate is sRGB-encoded and of its own size."""
        del params
        return torch.cat([to_planes(color.srgb_encode(plate.linear.clamp(0, 1))), to_planes(hint)], dim=1)

    def settings(self, params: Params) -> Hashable:
        """See `predictors.Predictor.settings`; there are none."""
        del params

    def predict(self, seen: Tensor, params: Params, watch: Watch | None) -> Prediction:
        """See `predictors.Predictor.predict`."""
        del params
        if watch is not None:
            watch("encode", 0.5)
        return Prediction(seen[:, 3:], seen[:, :3])
