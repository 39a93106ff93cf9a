"""Frames through the fuse, keyed, aborted and failed, leave nothing behind in the host or in the daemon."""

import os
import threading
from pathlib import Path

import pytest

from daemons import SIZES, EchoDaemon, asking, children, descriptors, resident, stamped, steady
from fuse_shots import HINT, is_keyed, opened, wired
from fusionhost import POINTER, Fusion, Tool

FRAMES = 100  # a round
GROWTH = 1 << 17, 1 << 22, 1 << 22
"""Bytes in the tool's Lua state, daemon and worker; marks and texts of a round of frames have more."""

ABORTED = threading.Event()
ABORTED.set()


def process(tool: Tool, number: int) -> None:
    """Process a frame that no other is like; every tenth is aborted, every tenth fails."""
    if number % 10 == 3:
        tool.process(wired(asking(red=1001), HINT), abort=ABORTED)
    elif number % 10 == 7:
        assert len(tool.process(wired(asking(red=number, green=-668), HINT)).lines) == 1
    else:
        pictures = wired(*stamped(SIZES[number % len(SIZES)], 1, number))
        assert is_keyed(tool.process(pictures, time=float(number)), pictures)


def footprint(daemon: EchoDaemon, fusion: Fusion) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return what is open or mapped, and what memory is held, in host, daemon and worker."""
    pids = daemon.process.pid, daemon.worker()
    slots = Path("/proc/self/maps").read_text().count("memfd")
    open_now = len(descriptors(os.getpid())), slots, *map(steady, pids), len(children(pids[0]))
    return open_now, (fusion.state.memory(), *map(resident, pids))


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.usefixtures("client_library")
def test_frames_leave_nothing_behind(echo: EchoDaemon, rounds: int) -> None:
    """Host and daemon have as much open as before, and no more memory."""
    with opened(POINTER, OutputMode="Foreground") as (fusion, tool):

        def work(turn: int) -> None:
            for number in range(FRAMES * turn, FRAMES * (turn + 1)):
                process(tool, number)

        work(0)
        opened_before, held_before = footprint(echo, fusion)
        for turn in range(rounds):
            work(1 + turn)
        opened_after, held_after = footprint(echo, fusion)
    assert opened_after == opened_before
    growth = [after - before for before, after in zip(held_before, held_after, strict=True)]
    assert all(more < most for more, most in zip(growth, GROWTH, strict=True)), growth
