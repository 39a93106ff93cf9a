"""A worker whose keyer gives back what it got: foreground is the plate, matte is the hint. Loads no torch.

It is the product's own worker loop around a stand-in for the network, so transport, queue and failures can be tested
in milliseconds. What the plate's first pixel asks for makes it slow or kills it:

    red >= 1000      sleeps (red - 1000) seconds, in blocks between which it can be stopped
    red >= 2000      sleeps (red - 2000) seconds in one block
    green == -666    kills its own process, the first time that it sees this red
    green == -667    kills its own process
    green == -668    fails with an exception
    green == -669    leaves the out plane as it is, and so costs no time that grows with the frame
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
from numpy import floating
from numpy.typing import NDArray

from corridorkey_models.errors import CheckpointError
from corridorkey_models.keyed import Keyed, Masks, Pixels
from corridorkey_models.params import Params
from corridorkey_models.watch import Watch
from corridorkey_server import system
from corridorkey_server.errands import Memory
from corridorkey_server.work import Worker

BLOCK = 0.005  # seconds between two moments at which a slow frame can be stopped


class Echo:
    """Gives the plate as foreground and the hint as matte, and counts as a model by its name."""

    def __init__(self, model: str, screen: str) -> None:
        self.identity = f"echo {model} {screen}"
        self._seen: set[bytes] = set()

    def key(
        self,
        plate: NDArray[floating],
        hint: NDArray[floating] | None,
        params: Params,
        masks: Masks | None = None,
        out: Pixels | None = None,
        watch: Watch | None = None,
    ) -> Keyed:
        """See `keyed.FrameKeyer.key`; a frame seen before counts as kept."""
        assert out is not None
        assert masks is not None
        _obey(plate, watch)
        if float(plate[0, 0, 1]) != -669:
            _give_back(plate, hint, out)
        used = np.zeros_like(out[..., 3]) if hint is None else hint
        name = plate[0, 0].tobytes()
        kept, _ = name in self._seen, self._seen.add(name)
        return Keyed(out[..., :3], out[..., 3], used, kept=kept, notes=(f"screen {params.screen}",))


def _give_back(plate: NDArray[floating], hint: NDArray[floating] | None, out: Pixels) -> None:
    given = plate.base if isinstance(plate.base, np.ndarray) and plate.base.shape == out.shape else None
    if given is not None:
        np.copyto(out, given)
    else:
        out[..., :3], out[..., 3] = plate[..., :3], 0 if hint is None else hint


def _obey(plate: NDArray[floating], watch: Watch | None) -> None:
    red, green = float(plate[0, 0, 0]), float(plate[0, 0, 1])
    if red >= 2000:
        time.sleep(red - 2000)
    until = time.monotonic() + (red - 1000 if 1000 <= red < 2000 else 0)
    while time.monotonic() < until:
        if watch is not None:
            watch("infer", 0.5)
        time.sleep(BLOCK)
    if green == -666 and _is_first(red):
        os.kill(os.getpid(), signal.SIGKILL)
    if green == -667:
        os.kill(os.getpid(), signal.SIGKILL)
    if green == -668:
        raise RuntimeError("a fault in the keyer")


def _is_first(red: float) -> bool:
    """Whether no worker of this daemon has died on that red before."""
    mark = Path(os.environ["CKEY_RUNTIME"]) / f"died-{red}"
    if mark.exists():
        return False
    mark.touch()
    return True


class Backend:
    """See `work.Backend`."""

    device = "echo"

    def __init__(self) -> None:
        self._keyers: dict[tuple[str, str], Echo] = {}

    def open(self, model: str, screen: str, watch: Watch) -> Echo:
        """See `work.Backend.open`; one model is missing, one is slow."""
        if model == "missing":
            raise CheckpointError("there is no checkpoint for a missing screen; run `ckey pull missing`.")
        if (model, screen) not in self._keyers:
            watch("load", 0.0)
            time.sleep(0.5 if model == "slow" else 0.0)
            self._keyers[model, screen] = Echo(model, screen)
        return self._keyers[model, screen]

    def detect_screen(self, plate: NDArray[floating], space: str) -> str | None:
        """See `work.Backend.detect_screen`: the larger of green and blue in the first pixel."""
        del space
        green, blue = float(plate[0, 0, 1]), float(plate[0, 0, 2])
        return None if green == blue else "green" if green > blue else "blue"

    def memory(self) -> Memory:
        """See `work.Backend.memory`."""
        return Memory(kind="ram", used=system.resident_bytes(), total=system.memory_bytes())


def main() -> int:
    """Serve as `corridorkey_server.worker` does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--link", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    system.end_with_parent(args.parent)
    Worker(system.inherited(args.link), Backend()).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
