"""The worker's loop: takes errands one at a time, keys in the slot, reports. Loads no torch; what keys is given to it.

A reader thread listens while a frame is being keyed, so that it can be stopped, and ends the process at once when the
supervisor is gone: a killed daemon must not leave memory on the device.
"""

import logging
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from mmap import mmap
from queue import SimpleQueue
from typing import Protocol

from numpy import floating
from numpy.typing import NDArray

from corridorkey_models.errors import Cancelled, CorridorKeyError
from corridorkey_models.keyed import FrameKeyer, Keyed, Masks
from corridorkey_models.params import Params
from corridorkey_models.watch import Watch

from .errands import (
    ERRANDS,
    Finished,
    Load,
    Loaded,
    Look,
    Map,
    Memory,
    Ready,
    Run,
    Seen,
    Stop,
    Unmap,
)
from .frames import Frame, view
from .layout import Layout
from .reports import attempt, watcher
from .system import Channel, Region
from .wire import Malformed, Message, decode, shorten

log = logging.getLogger("ckey.worker")

_TELL_EVERY = 0.05  # seconds between two reports on the same stage
_MEMORY_EVERY = 1.0


class Backend(Protocol):
    """What a worker needs from whatever keys.

    Attributes:
        device: its name.
    """

    device: str

    def open(self, model: str, screen: str, watch: Watch) -> FrameKeyer:
        """Return what keys with `model`, loaded by now; may raise CorridorKeyError. `watch` hears of a load."""

    def detect_screen(self, plate: NDArray[floating], space: str) -> str | None:
        """Return the colour of the plate's screen, None if there is none."""

    def memory(self) -> Memory:
        """Return what is held."""


class Worker:
    """Serves one supervisor with one backend."""

    def __init__(self, link: Channel, backend: Backend) -> None:
        self._link, self._backend = link, backend
        self._slots: dict[int, mmap] = {}
        self._errands: SimpleQueue[Message] = SimpleQueue()
        self._stopped: set[int] = set()

    def serve(self) -> None:
        """Serve until the supervisor is gone, which ends the process."""
        threading.Thread(target=self._listen, name="listener", daemon=True).start()
        # Where nobody hears a report any more, the listener ends the process.
        with suppress(ConnectionError):
            self._serve()

    def _serve(self) -> None:
        self._report(Ready(device=self._backend.device))
        self._report(self._backend.memory())
        told = time.monotonic()
        while True:
            self._report(self._run(self._errands.get()))
            if time.monotonic() - told > _MEMORY_EVERY:
                self._report(self._backend.memory())
                told = time.monotonic()

    def _report(self, report: Message) -> None:
        self._link.send(report.encode())

    def _listen(self) -> None:
        try:
            while (received := self._link.receive()) is not None:
                self._take(decode(received[0], ERRANDS), received[1])
        except (CorridorKeyError, Malformed, OSError):
            log.exception("the link")
        finally:
            # The thread that keys may be deep inside a driver: only this ends it for certain.
            os._exit(0)

    def _take(self, errand: Message, regions: list[Region]) -> None:
        match errand:
            case Map(slot=slot):
                self._slots[slot] = regions[0].map()
                regions[0].close()
            case Unmap(slot=slot):
                self._slots.pop(slot, None)
            case Stop(job=job):
                self._stopped.add(job)
            case _:
                self._errands.put(errand)

    def _run(self, errand: Message) -> Message:
        assert isinstance(errand, Load | Run | Look)
        try:
            return attempt(errand.job, lambda: self._do(errand))
        finally:
            self._stopped.discard(errand.job)

    def _do(self, errand: Load | Run | Look) -> Message:
        watch = self._watcher(errand.job)
        match errand:
            case Load():
                return Loaded(job=errand.job, identity=self._backend.open(errand.model, errand.screen, watch).identity)
            case Look():
                plate = self._frame(errand.slot, Layout(errand.width, errand.height)).given
                return Seen(job=errand.job, screen=self._backend.detect_screen(plate, errand.working_space) or "none")
            case Run():
                return self._key(errand, watch)

    def _key(self, errand: Run, watch: Watch) -> Finished:
        clock = _Clock()
        params = Params.parse(errand.params)
        frame = self._frame(errand.slot, Layout(errand.width, errand.height, errand.masks, errand.hint))
        clock.lap("read")
        keyer = self._backend.open(errand.model, params.screen, watch)
        clock.lap("load")
        keyed = _key_frame(keyer, frame, errand, params, watch)
        clock.lap("key")
        if frame.hint is not None:
            frame.hint[...] = keyed.hint
        clock.lap("write")
        return _finished(errand.job, keyer.identity, keyed, clock.seconds)

    def _frame(self, slot: int, layout: Layout) -> Frame:
        return view(self._slots[slot], layout)

    def _watcher(self, job: int) -> Watch:
        def check() -> None:
            if job in self._stopped:
                raise Cancelled("stopped.")

        return watcher(job, check, self._report, _TELL_EVERY)


class _Clock:
    """Seconds between laps, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name], self._last = now - self._last, now


def _key_frame(keyer: FrameKeyer, frame: Frame, errand: Run, params: Params, watch: Watch) -> Keyed:
    channels = 4 if errand.alpha == "source" else 3
    hint = frame.given[..., 3] if errand.alpha == "hint" else None
    masks = Masks()
    if frame.masks is not None:
        wired = (frame.masks[..., 0] if errand.inside else None, frame.masks[..., 1] if errand.outside else None)
        masks = Masks(*wired)
    return keyer.key(frame.given[..., :channels], hint, params, masks, frame.made, watch)


def _finished(job: int, identity: str, keyed: Keyed, seconds: Mapping[str, float]) -> Finished:
    timings = {name: keyed.timings.get(name, 0.0) for name in ("pre", "infer", "post", "write")}
    timings |= {"read": seconds["read"], "load": seconds["load"], "write": timings["write"] + seconds["write"]}
    notes = tuple(shorten(note, 1024) for note in keyed.notes[:16])
    return Finished(job=job, empty=keyed.empty, kept=keyed.kept, identity=identity, notes=notes, timings=timings)
