"""The clerk of one session: reads and writes files for a host that has no pixels to share, and has them keyed.

Towards the daemon it is an ordinary client with slots of its own, so that frames from files and from memory wait in
one queue, and a file server that hangs stops nobody else. Reading, keying and writing overlap. Loads no torch.
"""

import argparse
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

from corridorkey_models.errors import Cancelled, InputError
from corridorkey_models.keyed import Keyed
from corridorkey_models.params import Params
from corridorkey_models.watch import Watch

from . import keyed_file, system
from .client import Client, ModelReplacedError
from .daemon_keyer import DaemonKeyer
from .errands import Stop, Stopped
from .exchange_file import read_exchange
from .file_errands import FILE_ERRANDS, Declare, Declared, File, Written
from .footage.publish import sweep
from .loaded import Loaded, lay_over
from .rendezvous import Rendezvous
from .reports import attempt, watcher
from .roots import Roots
from .system import Channel
from .wire import Malformed, Message, decode, shorten

log = logging.getLogger("ckey.clerk")

_AHEAD = 2  # frames that are read while another is keyed
_WRITING = 2  # frames that are written meanwhile
_TELL_EVERY = 0.5  # seconds between two reports on the same stage


@dataclass(frozen=True, eq=False)
class _Task:
    """An errand, and the roots that its session had declared when it came."""

    errand: File
    roots: Roots

    def drop_source(self) -> None:
        """Remove the exchange file; one that is not in a root is none of ours."""
        with suppress(InputError, OSError):
            self.roots.source(self.errand.source, self.errand.target).unlink()


@dataclass(frozen=True)
class _Exported:
    """A frame whose exchange file was read, and the seconds that took."""

    params: Params
    target: Path
    content: Loaded
    seconds: float


class Clerk:
    """Serves one session until its link is closed."""

    def __init__(self, link: Channel, place: Rendezvous, name: str) -> None:
        """Take errands from `link`, and have frames keyed by the daemon at `place` as client `name`."""
        self._link, self._place, self._name = link, place, name
        self._roots = Roots()
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._waiting: dict[int, _Task] = {}
        self._active: set[int] = set()
        self._stopped: set[int] = set()
        self._closing = threading.Event()
        self._sending, self._taking = threading.Lock(), threading.Lock()
        self._client: Client | None = None
        self._model: tuple[str, str, str] = ("", "", "")
        self._swept: set[Path] = set()

    def serve(self) -> None:
        """Serve; frames that are written by the end are whole, and no exchange file that was announced is left."""
        threading.Thread(target=self._listen, name="listener", daemon=True).start()
        ahead: deque[tuple[_Task, Future[_Exported]]] = deque()
        with ThreadPoolExecutor(_AHEAD) as reading, ThreadPoolExecutor(_WRITING) as writing:
            room = threading.Semaphore(_WRITING + 1)
            while self._fill(ahead, reading):
                task, exported = ahead.popleft()
                if not self._begin(task.errand.job):
                    continue
                room.acquire()
                write = attempt(task.errand.job, partial(self._key, task.errand, exported))
                writing.submit(self._finish, task.errand, write, room)
        if self._client is not None:
            self._client.close()

    def _fill(self, ahead: "deque[tuple[_Task, Future[_Exported]]]", reading: ThreadPoolExecutor) -> bool:
        """Begin to read what has come, waiting if there is nothing; return whether there is something to key."""
        while len(ahead) <= _AHEAD:
            try:
                task = self._tasks.get(block=not ahead)
            except Empty:
                break
            if task is None:
                self._tasks.put(None)
                break
            ahead.append((task, reading.submit(self._read, task)))
        return bool(ahead)

    def _listen(self) -> None:
        try:
            while (received := self._link.receive()) is not None:
                self._take(decode(received[0], FILE_ERRANDS))
        except (Malformed, OSError):
            log.exception("the link")
        finally:
            self._closing.set()
            self._tasks.put(None)

    def _take(self, errand: Message) -> None:
        match errand:
            case Declare():
                self._report(attempt(errand.job, partial(self._declare, errand)))
            case Stop(job=job):
                self._stop(job)
            case File():
                task = _Task(errand, self._roots)
                self._waiting[errand.job] = task
                self._tasks.put(task)

    def _declare(self, errand: Declare) -> Message:
        self._roots = Roots(errand.folders)
        return Declared(job=errand.job)

    def _stop(self, job: int) -> None:
        """Answer for a file that still waits; one that is being keyed or written stops by itself."""
        with self._taking:
            task = self._waiting.pop(job, None)
            self._stopped |= {job} & self._active
        if task is not None:
            task.drop_source()
            self._report(Stopped(job=job))

    def _begin(self, job: int) -> bool:
        """Return whether a file still waits to be keyed, which begins now."""
        with self._taking:
            if self._waiting.pop(job, None) is None:
                return False
            self._active.add(job)
        return True

    def _end(self, job: int) -> None:
        with self._taking:
            self._active.discard(job)
            self._stopped.discard(job)

    def _report(self, report: Message) -> None:
        # Where nobody hears a report any more, the listener ends everything.
        with suppress(ConnectionError), self._sending:
            self._link.send(report.encode())

    def _check(self, job: int) -> None:
        with self._taking:
            is_wanted = job in self._waiting or (job in self._active and job not in self._stopped)
        if self._closing.is_set() or not is_wanted:
            raise Cancelled("stopped.")

    def _read(self, task: _Task) -> _Exported:
        """Read an exchange file and remove it, whatever comes of it."""
        began, errand = time.monotonic(), task.errand
        source = task.roots.source(errand.source, errand.target)
        try:
            self._check(errand.job)
            params = Params.parse(errand.params)
            keyed_file.file_space(params)
            target = task.roots.target(errand.target)
            content = lay_over(*read_exchange(source), params)
        finally:
            task.drop_source()
        return _Exported(params, target, content, time.monotonic() - began)

    def _key(self, errand: File, exported: "Future[_Exported]") -> Callable[[], Message]:
        """Key a frame, and return what writes its file."""
        frame = exported.result()
        watch = watcher(errand.job, lambda: self._check(errand.job), self._report, _TELL_EVERY)
        watch("queue", 0.0)
        try:
            return self._key_with(self._open(errand.model, frame.params.screen, watch), errand, frame, watch)
        except ModelReplacedError:
            self._model = ("", "", "")
            return self._key_with(self._open(errand.model, frame.params.screen, watch), errand, frame, watch)

    def _key_with(self, identity: str, errand: File, frame: _Exported, watch: Watch) -> Callable[[], Message]:
        facts = {
            "model": identity,
            "hash": keyed_file.digest(frame.content, frame.params, identity, errand.depth == "half"),
            "upstream": errand.upstream,
        }
        if keyed_file.is_keyed(frame.target, facts):
            return lambda: Written(job=errand.job, skipped=True, empty=False, identity=identity)
        assert self._client is not None
        keyer = DaemonKeyer(self._client, identity, priority=errand.priority, frame=errand.frame)
        keyed = keyed_file.key_for_file(frame.content, keyer, frame.params, watch)
        return lambda: self._write(errand, frame, keyed, facts)

    def _open(self, model: str, screen: str, watch: Watch) -> str:
        """Return the identity of a model that is loaded by then."""
        if self._client is None:
            # The session is this daemon's: another one in its place knows nothing of it.
            self._client = Client(self._name, self._place, patience=0.0)
        if self._model[:2] != (model, screen):
            self._model = (model, screen, self._client.configure(model, screen=screen, watch=watch).identity)
        return self._model[2]

    def _write(self, errand: File, frame: _Exported, keyed: Keyed, facts: dict[str, str]) -> Message:
        self._check(errand.job)
        if frame.target.parent not in self._swept:
            self._swept.add(frame.target.parent)
            sweep(frame.target.parent)
        began = time.monotonic()
        keyed_file.write_keyed(frame.target, frame.content, keyed, frame.params, errand.depth == "half", facts)
        seconds = {"read": frame.seconds, "write": time.monotonic() - began}
        timings = keyed.timings | {name: keyed.timings.get(name, 0.0) + more for name, more in seconds.items()}
        notes = tuple(shorten(note, 1024) for note in keyed.notes[:16])
        return Written(
            job=errand.job, skipped=False, empty=keyed.empty, identity=facts["model"], notes=notes, timings=timings
        )

    def _finish(self, errand: File, write: "Callable[[], Message] | Message", room: threading.Semaphore) -> None:
        """Write a frame, if it came so far, and report how its errand ended."""
        report = write if isinstance(write, Message) else attempt(errand.job, write)
        self._end(errand.job)
        room.release()
        self._report(report)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the supervisor that started this process."""
    parser = argparse.ArgumentParser(prog="ckey clerk", description="Started by `ckey serve`, not by hand.")
    parser.add_argument("--link", type=int, required=True, help="number of the inherited descriptor")
    parser.add_argument("--folder", type=Path, required=True, help="runtime folder of the daemon")
    parser.add_argument("--name", default="", help="of the session")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    Clerk(system.inherited(args.link), Rendezvous(args.folder), args.name).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
