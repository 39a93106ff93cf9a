"""Whoever started us: lines on standard error, and the wish to stop. Loads nothing but Python itself."""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self, TextIO

_LONG, _AGAIN = 1.0, 5.0  # seconds until a wait is told, and between two lines on it


def say(text: str, stream: TextIO | None = None) -> None:
    """Write a line to `stream`, standard error if None; work goes on when nobody can read it any more."""
    with suppress(OSError):
        target = stream or sys.stderr
        target.write(text + "\n")
        target.flush()


@contextmanager
def stop_on_interrupt(stop: threading.Event) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM end the range cleanly, a second one at once."""

    def ask(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class LongWait:
    """Says what is waited for once it takes more than a second, and then every few seconds.

    Attributes:
        text: what is waited for; may be changed meanwhile.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="long wait", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _tell(self) -> None:
        began = time.monotonic()
        pause = _LONG
        while not self._over.wait(pause):
            say(f"{self.text} ({time.monotonic() - began:.0f} s)")
            pause = _AGAIN
