"""Keys the frames of a batch through the daemon, as a Keyer in this process would."""

import numpy as np
from numpy.typing import NDArray

from corridorkey_models.keyed import Keyed, Masks, Pixels
from corridorkey_models.params import Params
from corridorkey_models.watch import Watch

from .client import Client


class DaemonKeyer:
    """See `keyed.FrameKeyer`."""

    def __init__(self, client: Client, model: str, screen: str, watch: Watch | None = None) -> None:
        """Return when the model is loaded; `watch` hears of it."""
        self._client = client
        self.identity = client.configure(model, screen=screen, watch=watch).identity

    def key(
        self,
        plate: NDArray[np.floating],
        hint: NDArray[np.floating] | None,
        params: Params,
        masks: Masks | None = None,
        out: Pixels | None = None,
        watch: Watch | None = None,
    ) -> Keyed:
        """See `keyed.FrameKeyer.key`; ResourceError if the model is not that of `identity` any more."""
        return self._client.key(plate, hint, params, masks, out, watch, priority="batch", model=self.identity)
