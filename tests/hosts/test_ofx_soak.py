"""Ten thousand frames of a host through the plug-in leave nothing behind, in the host or in the daemon."""

import os
from pathlib import Path

import numpy as np
import pytest

from daemons import SIZES, EchoDaemon, children, descriptors, resident, stamped, steady
from native import is_sanitized
from ofxhost import GENERAL, NATRON, Effect, Host, Picture
from ofxhost.footprint import allocated

FRAMES = 200  # a round
GROWTH = 1 << 16, 1 << 22, 1 << 22
"""Bytes in host, daemon and worker; a round of frames that are not freed has 6 MB."""


def render(effect: Effect, number: int) -> None:
    """Render a frame that no other is like; it comes back as it was."""
    plate, hint = stamped(SIZES[number % len(SIZES)], 1, number)
    pictures = {"Source": Picture(np.dstack((plate, np.ones_like(hint)))), "AlphaHint": Picture(hint)}
    result = effect.render(pictures, time=float(number))
    assert result.status == 0, result.messages
    assert np.array_equal(result.pixels, np.dstack((plate, hint)))


def footprint(daemon: EchoDaemon) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return what is open or mapped, and what memory is held, in host, daemon and worker.

    Of the host it is what malloc gave: its pages come and go with Python's heap.
    """
    pids = daemon.process.pid, daemon.worker()
    slots = Path("/proc/self/maps").read_text().count("memfd")
    opened = len(descriptors(os.getpid())), slots, *map(steady, pids), len(children(pids[0]))
    return opened, (allocated(), *map(resident, pids))


@pytest.mark.slow
@pytest.mark.soak
def test_frames_leave_nothing_behind(plug_in: Path, echo: EchoDaemon, rounds: int) -> None:
    """After any number of frames host and daemon have as much open as before, and no more memory."""
    with Host(plug_in, NATRON) as host:

        def work(first: int, count: int) -> None:
            effect = host.create(GENERAL)
            effect.set("output", "foreground")
            for number in range(first, first + count):
                render(effect, number)
            host.destroy(effect)

        work(0, FRAMES)
        opened, held = footprint(echo)
        for turn in range(rounds):
            work(FRAMES * (1 + turn), FRAMES)
        opened_after, held_after = footprint(echo)
    assert opened_after == opened
    if not is_sanitized():  # where what was freed is kept for a while
        assert all(after - before < most for before, after, most in zip(held, held_after, GROWTH, strict=True))
    assert echo.status()["frames"]["keyed"] + echo.status()["frames"]["kept"] == FRAMES * (1 + rounds)
