"""Whoever started us: lines on standard error, and the wish to stop. Loads nothing but Python itself."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO


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
