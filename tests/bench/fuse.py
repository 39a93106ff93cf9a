"""What a frame costs in the fuse when its keying costs nothing: its Process, beside a plain memory copy.

The fuse and the client library are the product's, the daemon is, its worker leaves the out plane as it is
(`echo_worker`). Fusion is the test suite's, with warm images. How Fusion binds pixels to Lua nobody knows: `pointer`
binds them as C functions called by FFI, `table` as plain Lua; both have two workers.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from figures import figure, interleaved

from corridorkey_server.host_files import find_library
from daemons import EchoDaemon
from fuse_shots import opened
from fusionhost import NO_JIT, POINTER, TABLE, Kind, Picture

ROOT = Path(__file__).parent.parent.parent
SIZES = {"uhd": (3840, 2160), "hd": (1920, 1080)}
IDLE = -669.0  # what tells the worker to leave the out plane as it is
TARGETS = {"uhd_jit_over_memcpy": "<= 8"}
KINDS = {
    "jit": POINTER,
    "jit_one_worker": replace(POINTER, workers=1),
    "jit_fast": replace(POINTER, scan_lines="bottom_up"),
    "jit_table": TABLE,
}
SLOW = {"no_jit": NO_JIT}


def main() -> None:
    """Measure on one daemon, with a Fusion of each kind."""
    subprocess.run([sys.executable, str(ROOT / "ofx_bridge" / "build.py")], stdout=subprocess.DEVNULL, check=True)
    os.environ["CKEY_LIBRARY"] = str(find_library())
    with tempfile.TemporaryDirectory(prefix="ckey-") as name, EchoDaemon(Path(name) / "run") as daemon:
        os.environ["CKEY_RUNTIME"] = str(daemon.place.folder)
        for label, size in SIZES.items():
            measure(daemon, label, size)


def pictures(size: tuple[int, int]) -> dict[str, Picture]:
    """Return plate and hint, both RGBA float32."""
    width, height = size
    plate = np.random.default_rng(1).random((height, width, 4), np.float32)
    plate[0, 0, :3] = 0, IDLE, 0
    return {"Input": Picture(plate), "AlphaHint": Picture(plate[::-1, ::-1].copy())}


def measure(daemon: EchoDaemon, label: str, size: tuple[int, int]) -> None:
    """Time Process in each kind of Fusion, and a copy, in turns; what runs without JIT comes alone, as it is slow."""
    given = pictures(size)
    with ExitStack() as held:
        client = held.enter_context(daemon.client())
        planes = held.enter_context(client.slot(*size)).frame
        planes.given[...] = given["Input"].pixels
        copy = {"memcpy": lambda: np.copyto(planes.made, planes.given)}
        spent: dict[str, list[float]] = {}
        fast = {name: process(held, kind, given, spent.setdefault(name, [])) for name, kind in KINDS.items()}
        slow = {name: process(held, kind, given, spent.setdefault(name, [])) for name, kind in SLOW.items()}
        interleaved(copy | fast, 3)
        for times in spent.values():
            times.clear()
        seconds = interleaved(copy | fast, 15)
        beside = interleaved(copy | slow, 3)
    figure(f"{label}_memcpy_ms", 1000 * seconds["memcpy"], "ms")
    for name in (*fast, *slow):
        took = float(np.median(spent[name]))
        unit = seconds["memcpy"] if name in fast else beside["memcpy"]
        ratio = f"{label}_{name}_over_memcpy"
        figure(f"{label}_{name}_ms", 1000 * took, "ms")
        figure(ratio, took / unit, "x", TARGETS.get(ratio, ""))


def process(held: ExitStack, kind: Kind, given: dict[str, Picture], spent: list[float]) -> Callable[[], None]:
    """Return a run of Process in a Fusion of this kind, which notes how long the tool itself took."""
    _, tool = held.enter_context(opened(kind))

    def run() -> None:
        if kind.scan_lines == "none":
            os.environ.pop("CKEY_FUSE_FAST", None)
        else:
            os.environ["CKEY_FUSE_FAST"] = "1"
        result = tool.process(given)
        assert result.outputs["Output"] is not None, result.lines
        spent.append(result.seconds)

    return run


if __name__ == "__main__":
    main()
