"""How long work is shown: a bar on a terminal, plain lines elsewhere so that farm logs stay readable."""

import sys
import time
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .terminal import say

_LINE_EVERY = 5.0  # seconds between plain lines


class FrameProgress(Protocol):
    """Shows how far a range of frames is."""

    def working(self, frame: int, stage: str, fraction: float) -> None:
        """Show that `frame` is in `stage`, `fraction` of it done."""

    def done(self, frame: int, outcome: str) -> None:
        """Show that `frame` has ended as `outcome`: keyed, skipped, empty or failed."""


class Bar:
    """A bar on a terminal: frames done, frames per second, time left."""

    def __init__(self, total: int, stream: TextIO) -> None:
        self._rate = _Rate()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(file=stream),
        )
        self._task = self._bar.add_task("keying", total=total, rate="")
        self._finished, self._reached = 0, 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def working(self, frame: int, stage: str, fraction: float) -> None:
        """See FrameProgress; the bar moves within the frame too, since one can take a minute."""
        self._show(f"{frame} {stage}", self._finished + 0.99 * fraction)

    def done(self, frame: int, outcome: str) -> None:
        """See FrameProgress."""
        self._finished += 1
        self._rate.count(outcome)
        self._show(f"{frame} {outcome}", self._finished)

    def _show(self, text: str, finished: float) -> None:
        # A frame ends when it is written, while the next is keyed already: the bar waits and never goes back.
        self._reached = max(self._reached, finished)
        self._bar.update(self._task, description=text, completed=self._reached, rate=self._rate.text())


class Lines:
    """A line every few seconds, and one at the end: for logs and farms."""

    def __init__(self, total: int, stream: TextIO) -> None:
        self._total, self._stream = total, stream
        self._rate, self._finished, self._said = _Rate(), 0, time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing is open."""

    def working(self, frame: int, stage: str, fraction: float) -> None:
        """See FrameProgress."""
        self._say(f"frame {frame} {stage} {fraction:.0%}", self._finished + fraction)

    def done(self, frame: int, outcome: str) -> None:
        """See FrameProgress."""
        self._finished += 1
        self._rate.count(outcome)
        last = self._finished == self._total
        self._say(f"frame {frame} {outcome} {self._rate.text()}", self._finished, force=last)

    def _say(self, text: str, finished: float, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self._said < _LINE_EVERY:
            return
        self._said = now
        left = self._rate.time_left(self._total - finished)
        say(f"Progress: {finished / max(1, self._total):.0%} {text}{left}", self._stream)


class _Rate:
    """Frames per second since the first frame, skipped ones not counted."""

    def __init__(self) -> None:
        self._start, self._frames = time.monotonic(), 0

    def count(self, outcome: str) -> None:
        if outcome != "skipped":
            self._frames += 1
        elif not self._frames:
            self._start = time.monotonic()

    def text(self) -> str:
        return f"{self._per_second():.2f} fps" if self._frames else ""

    def time_left(self, frames: float) -> str:
        if not self._frames:
            return ""
        minutes, seconds = divmod(round(frames / self._per_second()), 60)
        return f", {minutes}:{seconds:02d} left"

    def _per_second(self) -> float:
        return self._frames / max(1e-9, time.monotonic() - self._start)


def show_frames(total: int) -> Bar | Lines:
    """Return what shows `total` frames on standard error."""
    return Bar(total, sys.stderr) if sys.stderr.isatty() else Lines(total, sys.stderr)
