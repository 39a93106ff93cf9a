"""Where a command's frames are keyed: by the daemon of this user, or in this process. Chooses, and says which it is.

Knows no files. torch is loaded only where frames are keyed in this process.
"""

import importlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from corridorkey_models.keyed import FrameKeyer, Keyed, Masks, Pixels
from corridorkey_models.params import Params
from corridorkey_models.watch import Watch

from .client import Client
from .daemon_keyer import DaemonKeyer
from .launch import SERVE, start
from .link import NoDaemon
from .model_names import full_name
from .rendezvous import here
from .settings import Settings
from .terminal import LongWait, say

_WORKER = 60.0  # seconds that the daemon's worker gets to find its device
_PAUSE = 0.05


class Workplace(Protocol):
    """What a range of frames needs from where it is keyed.

    Attributes:
        loading: seconds that went into starting whatever keys and loading the model, so far.
    """

    loading: float

    def detect_screen(self, plate: NDArray[np.floating], space: str) -> str | None:
        """Return "green", "blue" or, where no screen is found, None; `plate` as of `Client.detect_screen`."""

    def open(self, model: str, screen: str) -> FrameKeyer:
        """Return what keys, with the model loaded; raises as `worker.open_keyer` does."""

    def describe(self) -> str:
        """Say where it is, once something is open."""


class InThisProcess:
    """Keys here; see Workplace."""

    def __init__(self, device: str) -> None:
        """Load torch, which takes seconds."""
        began = time.monotonic()
        # The one place where torch comes into a command's own process. It takes seconds to load and needs hundreds of
        # megabytes, and nothing of it is wanted where the daemon keys.
        with LongWait("loading torch"):
            self._worker: Any = importlib.import_module(".worker", __package__)
        self.loading = time.monotonic() - began
        self._device = device

    def detect_screen(self, plate: NDArray[np.floating], space: str) -> str | None:
        """See Workplace."""
        found: str | None = self._worker.detect_screen(plate, space)
        return found

    def open(self, model: str, screen: str) -> FrameKeyer:
        """See Workplace."""
        began = time.monotonic()
        with LongWait("loading the model"):
            keyer = self._worker.open_keyer(model, screen, self._device)
        self._device = str(keyer.predictor.device)
        self.loading += time.monotonic() - began
        opened: FrameKeyer = keyer
        return opened

    def describe(self) -> str:
        """See Workplace."""
        return f"in this process ({self._device})"


class ThroughDaemon:
    """Has the daemon key; see Workplace."""

    def __init__(self, client: Client) -> None:
        self.loading = 0.0
        self._client = client

    def detect_screen(self, plate: NDArray[np.floating], space: str) -> str | None:
        """See Workplace."""
        began = time.monotonic()
        is_cold = _state(self._client) not in ("idle", "keying")
        with LongWait("waiting for the daemon's worker"):
            found = self._client.detect_screen(plate, space)
        if is_cold:
            self.loading += time.monotonic() - began
        return found

    def open(self, model: str, screen: str) -> FrameKeyer:
        """See Workplace."""
        began = time.monotonic()
        with LongWait("waiting for the daemon's worker") as wait:

            def watch(stage: str, _fraction: float) -> None:
                if stage == "load":
                    wait.text = "loading the model"

            keyer = DaemonKeyer.load(self._client, full_name(model), screen, watch)
        self.loading += time.monotonic() - began
        return keyer

    def describe(self) -> str:
        """See Workplace."""
        return f"through the daemon (process {self._client.welcome.pid}, {self._client.status()['device']})"


@contextmanager
def find_workplace(device: str, is_own: bool = False, is_started: bool = False) -> Iterator[Workplace]:
    """Give the place where frames are to be keyed: at the daemon if one runs, unless that is not what was asked for.

    Args:
        device: auto, or the one that it has to be.
        is_own: whatever runs, key in this process.
        is_started: start a daemon, with that device, if none runs.

    Raises:
        CorridorKeyError: a daemon runs, but fails: frames are not quietly keyed elsewhere then.
    """
    if is_started:
        with LongWait("waiting for the daemon"):
            start(here(), [*SERVE, *Settings(device=device).options()])
    client = None if is_own else find_daemon("ckey key", device)
    if client is None:
        yield InThisProcess(device)
        return
    with client:
        yield ThroughDaemon(client)


def find_daemon(name: str, device: str) -> Client | None:
    """Return a client of the daemon that runs; None if none does, or if it is on another device, which is said.

    Raises:
        ResourceError: it does not answer, or takes no more clients.
        InputError: the runtime folder is not safe to use.
    """
    try:
        client = Client(name)
    except NoDaemon:
        return None
    actual = device if device == "auto" else _device(client)
    if _is_on(actual, device):
        return client
    client.close()
    say(f"the daemon is on {actual or 'no device'} and not on {device}, so it is left alone.")
    return None


def _is_on(actual: str, device: str) -> bool:
    """Whether a daemon's device is the one that was named.

    >>> [_is_on("cuda:1", name) for name in ("cuda", "cuda:1", "cuda:0")], _is_on("cuda", "cuda:0"), _is_on("", "cpu")
    ([True, True, False], True, False)
    """
    return device in (actual, actual.partition(":")[0]) or (actual, device) == ("cuda", "cuda:0")


def _device(client: Client) -> str:
    """Return the device of the daemon, empty if its worker finds none; a worker that starts is waited for."""
    until = time.monotonic() + _WORKER
    with LongWait("waiting for the daemon's worker"):
        while _state(client) == "starting" and time.monotonic() < until:
            time.sleep(_PAUSE)
    return str(client.status()["device"])


def _state(client: Client) -> str:
    return str(client.status()["worker"]["state"])


class TimedKeyer:
    """Keys as another does, and notes when the first frame was there.

    Attributes:
        identity: of what keys.
        first: seconds from `began` to the first frame, None before.
        loading: seconds of the model's loading within the first frame.
    """

    def __init__(self, keyer: FrameKeyer, began: float) -> None:
        self.identity = keyer.identity
        self.first: float | None = None
        self.loading = 0.0
        self._keyer, self._began = keyer, began

    def key(
        self,
        plate: NDArray[np.floating],
        hint: NDArray[np.floating] | None,
        params: Params,
        masks: Masks | None = None,
        out: Pixels | None = None,
        watch: Watch | None = None,
    ) -> Keyed:
        """See `keyed.FrameKeyer.key`."""
        keyed = self._keyer.key(plate, hint, params, masks, out, watch)
        if self.first is None:
            self.first = time.monotonic() - self._began
            self.loading = keyed.timings.get("load", 0.0)
        return keyed
