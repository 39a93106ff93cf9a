"""What a frame costs in the OFX plug-in when its keying costs nothing: its Render action, beside a plain memory copy.

The binary is the bundle's own, the daemon the product's, its worker leaves the out plane as it is (`echo_worker`). All
that the action does is inside, the test host's answers in Python too: `callback_us` and `abort_calls` say how much of
it they are.
"""

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from figures import figure, interleaved

from daemons import EchoDaemon
from ofxhost import GENERAL, NATRON, Effect, Host, Picture, Result

ROOT = Path(__file__).parent.parent.parent
SIZES = {"uhd": (3840, 2160), "hd": (1920, 1080)}
REPEATS = 21
TARGETS = {"hd_overhead_ms": "<= 25", "uhd_overhead_ms": "<= 100", "uhd_over_memcpy": "<= 3.5"}
IDLE = -669.0  # what tells the worker to leave the out plane as it is


class Clock(threading.Event):
    """An abort button that nobody presses; it notes when the plug-in looks at it, which is before each row."""

    def __init__(self) -> None:
        """Begin with no looks."""
        super().__init__()
        self.looks: list[float] = []

    def is_set(self) -> bool:
        """Say no."""
        self.looks.append(time.perf_counter())
        return False


def main() -> None:
    """Measure on one daemon and one host."""
    with tempfile.TemporaryDirectory(prefix="ckey-") as name, EchoDaemon(Path(name) / "run") as daemon:
        os.environ["CKEY_RUNTIME"] = str(daemon.place.folder)
        with Host(binary(), NATRON) as host:
            effect = host.create(GENERAL)
            measure_callbacks(effect)
            for label, size in SIZES.items():
                measure(daemon, effect, label, size)


def binary() -> Path:
    """Return the bundle's plug-in for this machine, built if it is not current."""
    subprocess.run([sys.executable, str(ROOT / "ofx_bridge" / "build.py")], stdout=subprocess.DEVNULL, check=True)
    folder = "Linux-aarch64" if platform.machine() == "aarch64" else "Linux-x86-64"
    return ROOT / "build" / "native" / "CorridorKey.ofx.bundle" / "Contents" / folder / "CorridorKey.ofx"


def pictures(size: tuple[int, int], channels: int, *, idle: bool = True) -> dict[str, Picture]:
    """Return plate and hint; the hint is of one channel, or a grey RGBA whose solid alpha means that color is meant."""
    width, height = size
    plate = np.random.default_rng(1).random((height, width, 4), np.float32)
    plate[0, 0, :3] = 0, IDLE if idle else 0, 0
    hint = np.repeat(plate[::-1, ::-1, :1], channels, axis=2)
    if channels == 4:
        hint[..., 3] = 1
    return {"Source": Picture(plate), "AlphaHint": Picture(hint)}


def measure(daemon: EchoDaemon, effect: Effect, label: str, size: tuple[int, int]) -> None:
    """Time the action with both kinds of hint, and a copy, in turns; then see where the time of the first goes."""
    clock = Clock()
    with ExitStack() as held:
        client = held.enter_context(daemon.client())
        planes = held.enter_context(client.slot(*size)).frame
        planes.given[...] = pictures(size, 1)["Source"].pixels

        def render(channels: int, *, idle: bool = True, abort: Clock | None = None) -> Callable[[], Result]:
            given = pictures(size, channels, idle=idle)
            return checked(held.enter_context(effect.rendering(given, abort=abort)))

        # The worker that copies comes first: it leaves in the out plane what the others then read.
        runs: dict[str, Callable[[], object]] = {
            "memcpy": lambda: np.copyto(planes.made, planes.given),
            "overhead_with_worker_copy": render(1, idle=False),
            "overhead": render(1),
            "rgba_hint_overhead": render(4),
        }
        interleaved(runs, 3)
        seconds = interleaved(runs, REPEATS)
        phases = breakdown(render(1, abort=clock), clock, size[1])
    report(label, seconds, phases)


def report(label: str, seconds: dict[str, float], phases: dict[str, float]) -> None:
    """Print the figures of a size."""
    figure(f"{label}_memcpy_ms", 1000 * seconds["memcpy"], "ms")
    for run in ("overhead", "rgba_hint_overhead", "overhead_with_worker_copy"):
        name, ratio = f"{label}_{run}_ms", f"{label}_{run.removesuffix('overhead')}over_memcpy"
        figure(name, 1000 * seconds[run], "ms", TARGETS.get(name, ""))
        if "worker" not in run:
            figure(ratio, seconds[run] / seconds["memcpy"], "x", TARGETS.get(ratio, ""))
    for phase, length in phases.items():
        figure(f"{label}_{phase}", length, "calls" if phase == "abort_calls" else "ms")


def breakdown(render: Callable[[], Result], clock: Clock, height: int) -> dict[str, float]:
    """Return the median ms of each part of the action, told by its looks at the clock: one a row, both ways."""
    parts: dict[str, list[float]] = {"open_ms": [], "fill_ms": [], "wait_ms": [], "compose_ms": [], "abort_calls": []}
    for _ in range(REPEATS):
        clock.looks.clear()
        began = time.perf_counter()
        ended = began + render().seconds
        looks = clock.looks
        fill, filled, compose = looks[0], looks[height - 1], looks[-height]
        for part, length in zip(parts, (fill - began, filled - fill, compose - filled, ended - compose), strict=False):
            parts[part].append(1000 * length)
        parts["abort_calls"].append(len(looks))
    return {part: statistics.median(lengths) for part, lengths in parts.items()}


def measure_callbacks(effect: Effect) -> None:
    """Time what the test host takes to say no to an abort: rows of one pixel are next to nothing else."""
    height, clock = SIZES["uhd"][1], Clock()
    with effect.rendering(pictures((1, height), 1), abort=clock) as render:
        phases = breakdown(checked(render), clock, height)
    figure("callback_us", 1000 * (phases["fill_ms"] + phases["compose_ms"]) / (2 * height), "us")


def checked(render: Callable[[], Result]) -> Callable[[], Result]:
    """Return a render that has to succeed."""

    def run() -> Result:
        result = render()
        assert result.status == 0, result.messages
        return result

    return run


if __name__ == "__main__":
    main()
