"""Keys frames through the daemon, as a Keyer in this process would."""

from typing import Self, Unpack

import numpy as np
from numpy.typing import NDArray

from corridorkey_models.keyed import Keyed, Masks, Pixels
from corridorkey_models.params import Params
from corridorkey_models.watch import Watch

from .client import Asked, Client


class DaemonKeyer:
    """See `keyed.FrameKeyer`."""

    def __init__(self, client: Client, identity: str, **asked: Unpack[Asked]) -> None:
        """Key with the model of that identity, which is loaded; `asked` as of `Client.key`."""
        self.identity = identity
        self._client, self._asked = client, asked

    @classmethod
    def load(cls, client: Client, model: str, screen: str, watch: Watch | None = None) -> Self:
        """Return what keys a batch, when the model is loaded; `watch` hears of it."""
        return cls(client, client.configure(model, screen=screen, watch=watch).identity, priority="batch")

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
        asked: Asked = {**self._asked, "model": self.identity}
        return self._client.key(plate, hint, params, masks, out, watch, **asked)
