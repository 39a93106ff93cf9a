"""Stand-ins with behaviour, for tests that need no network."""

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

    def predict(self, plate: Plate, hint: Tensor, params: Params, watch: Watch | None) -> Prediction:
        """See `predictors.Predictor.predict`."""
        del params
        if watch is not None:
            watch("encode", 0.5)
        return Prediction(to_planes(hint), to_planes(color.srgb_encode(plate.linear.clamp(0, 1))))
