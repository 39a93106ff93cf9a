"""A thread that does what takes long with memory, one thing after the other, so that the main loop never waits.

Backing, emptying and freeing a slot takes tenths of a second; the calls release the interpreter's lock meanwhile.
"""

import logging
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

from corridorkey_models.errors import CorridorKeyError, ResourceError

log = logging.getLogger("ckey.daemon")

T = TypeVar("T")


class Allocator:
    """Runs tasks in the order they are given; their results are taken up by whoever polls `fileno`."""

    def __init__(self) -> None:
        self._tasks: SimpleQueue[Callable[[], Callable[[], None]] | None] = SimpleQueue()
        self._results: deque[Callable[[], None]] = deque()
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="allocator", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """Return what turns readable when `settle` has something to do."""
        return self._woken.fileno()

    def submit(
        self, work: Callable[[], T], then: Callable[[T], None], failed: Callable[[CorridorKeyError], None] | None = None
    ) -> None:
        """Run `work` in the thread, then, within `settle`, `then` with its result or `failed` with its error."""

        def task() -> Callable[[], None]:
            try:
                result = work()
            except (CorridorKeyError, OSError) as error:
                return partial(failed or _note, _explained(error))
            return partial(then, result)

        self._tasks.put(task)

    def settle(self) -> None:
        """Take up every result that is there."""
        try:
            self._woken.recv(4096)
        except BlockingIOError:
            return
        while self._results:
            self._results.popleft()()

    def close(self) -> None:
        """Finish what was given, and end the thread."""
        self._tasks.put(None)
        self._thread.join()
        self.settle()
        self._woken.close()
        self._wake.close()

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            self._results.append(task())
            # Where there is no room, enough is there to wake the other side.
            with suppress(BlockingIOError):
                self._wake.send(b"\0")


def _explained(error: CorridorKeyError | OSError) -> CorridorKeyError:
    if isinstance(error, CorridorKeyError):
        return error
    return ResourceError(f"memory for a frame could not be had ({error.strerror}); close other programs and try again.")


def _note(error: CorridorKeyError) -> None:
    log.warning("%s", error)
