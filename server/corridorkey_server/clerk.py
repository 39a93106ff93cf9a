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
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from corridorkey_models.errors import Cancelled, CorridorKeyError, InputError
from corridorkey_models.keyed import Keyed, Masks, Pixels
from corridorkey_models.params import Params
from corridorkey_models.watch import Watch

from . import keyed_file, system
from .client import Client
from .errands import Failed, Stage, Stop, Stopped
from .exchange_file import read_exchange
from .file_errands import FILE_ERRANDS, Declare, Declared, File, Written
from .footage.publish import sweep
from .loaded import Loaded, lay_over
from .rendezvous import Rendezvous
from .roots import Roots
from .system import Channel
from .wire import Malformed, Message, decode, shorten
from .work import failure_code

log = logging.getLogger("ckey.clerk")

_AHEAD = 2  # frames that are read while another is keyed
_WRITING = 2  # frames that are written meanwhile
_TELL_EVERY = 0.05  # seconds between two reports on the same stage

T = TypeVar("T")


@dataclass(frozen=True)
class _Read:
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
        self._errands: SimpleQueue[File | None] = SimpleQueue()
        self._stopped: set[int] = set()
        self._closing = threading.Event()
        self._sending = threading.Lock()
        self._client: Client | None = None
        self._model: tuple[str, str, str] = ("", "", "")
        self._swept: set[Path] = set()

    def serve(self) -> None:
        """Serve; frames that are written by the end are whole, and no exchange file is left."""
        threading.Thread(target=self._listen, name="listener", daemon=True).start()
        ahead: deque[tuple[File, Future[_Read]]] = deque()
        with ThreadPoolExecutor(_AHEAD) as reading, ThreadPoolExecutor(_WRITING) as writing:
            room = threading.Semaphore(_WRITING + 1)
            while self._fill(ahead, reading):
                errand, future = ahead.popleft()
                room.acquire()
                write = self._attempt(errand, partial(self._key, errand, future))
                writing.submit(self._finish, errand, write, room)
        if self._client is not None:
            self._client.close()

    def _fill(self, ahead: "deque[tuple[File, Future[_Read]]]", reading: ThreadPoolExecutor) -> bool:
        """Begin to read what has come, waiting if there is nothing; return whether there is something to key."""
        while len(ahead) <= _AHEAD:
            try:
                errand = self._errands.get(block=not ahead)
            except Empty:
                break
            if errand is None:
                self._errands.put(None)
                break
            ahead.append((errand, reading.submit(self._read, errand)))
        return bool(ahead)

    def _listen(self) -> None:
        try:
            while (received := self._link.receive()) is not None:
                self._take(decode(received[0], FILE_ERRANDS))
        except (Malformed, OSError):
            log.exception("the link")
        finally:
            self._closing.set()
            self._errands.put(None)

    def _take(self, errand: Message) -> None:
        match errand:
            case Declare():
                self._report(self._declare(errand))
            case Stop(job=job):
                self._stopped.add(job)
            case File():
                self._errands.put(errand)

    def _declare(self, errand: Declare) -> Message:
        try:
            self._roots = Roots(errand.folders)
        except InputError as error:
            return Failed(job=errand.job, code="input", sentence=str(error))
        return Declared(job=errand.job)

    def _report(self, report: Message) -> None:
        # Where nobody hears a report any more, the listener ends everything.
        with suppress(ConnectionError), self._sending:
            self._link.send(report.encode())

    def _check(self, errand: File) -> None:
        if self._closing.is_set() or errand.job in self._stopped:
            raise Cancelled("stopped.")

    def _read(self, errand: File) -> _Read:
        """Read an exchange file and remove it, whatever comes of it."""
        began = time.monotonic()
        roots = self._roots
        source = roots.source(errand.source)
        try:
            self._check(errand)
            params = Params.parse(errand.params)
            keyed_file.file_space(params)
            target = roots.target(errand.target)
            content = lay_over(*read_exchange(source), params)
        finally:
            source.unlink(missing_ok=True)
        return _Read(params, target, content, time.monotonic() - began)

    def _key(self, errand: File, reading: "Future[_Read]") -> Callable[[], Message]:
        """Key a frame, and return what writes its file."""
        read, watch = reading.result(), self._watcher(errand)
        watch("queue", 0.0)
        identity = self._open(errand.model, read.params.screen, watch)
        wanted = {
            "model": identity,
            "hash": keyed_file.digest(read.content, read.params, identity, errand.depth == "half"),
            "upstream": errand.upstream,
        }
        if keyed_file.is_keyed(read.target, wanted):
            return lambda: Written(job=errand.job, skipped=True, empty=False, identity=identity)
        assert self._client is not None
        keyer = _OneFrame(self._client, identity, errand)
        keyed = keyed_file.key_for_file(read.content, keyer, read.params, watch)
        return lambda: self._write(errand, read, keyed, wanted)

    def _open(self, model: str, screen: str, watch: Watch) -> str:
        """Return the identity of a model that is loaded by then."""
        if self._client is None:
            self._client = Client(self._name, self._place)
        if self._model[:2] != (model, screen):
            self._model = (model, screen, self._client.configure(model, screen=screen, watch=watch).identity)
        return self._model[2]

    def _write(self, errand: File, read: _Read, keyed: Keyed, facts: dict[str, str]) -> Message:
        self._check(errand)
        self._sweep(read.target.parent)
        began = time.monotonic()
        keyed_file.write_keyed(read.target, read.content, keyed, read.params, errand.depth == "half", facts)
        timings = keyed.timings | {"read": read.seconds, "write": time.monotonic() - began}
        notes = tuple(shorten(note, 1024) for note in keyed.notes[:16])
        return Written(
            job=errand.job, skipped=False, empty=keyed.empty, identity=facts["model"], notes=notes, timings=timings
        )

    def _sweep(self, folder: Path) -> None:
        if folder not in self._swept:
            self._swept.add(folder)
            sweep(folder)

    def _finish(self, errand: File, write: "Callable[[], Message] | Message", room: threading.Semaphore) -> None:
        """Write a frame, if it came so far, and report how its errand ended."""
        try:
            self._report(write if isinstance(write, Message) else self._attempt(errand, write))
        finally:
            self._stopped.discard(errand.job)
            room.release()

    def _attempt(self, errand: File, do: Callable[[], T]) -> T | Message:
        """Return what `do` returns, or the report of why it could not."""
        try:
            return do()
        except Cancelled:
            return Stopped(job=errand.job)
        except CorridorKeyError as error:
            return Failed(job=errand.job, code=failure_code(error), sentence=shorten(str(error), 2048))
        # The clerk's border: whatever went wrong with one frame, the next one is keyed.
        except Exception as error:
            log.exception("frame %d of %s", errand.frame, errand.node)
            sentence = f"keying failed with {type(error).__name__}; see the daemon's log, and report this frame."
            return Failed(job=errand.job, code="internal", sentence=sentence)

    def _watcher(self, errand: File) -> Watch:
        """Return what stops the errand when it should, and reports its stages, but not each of their steps."""
        told: tuple[str, float] = ("", 0.0)

        def watch(stage: str, fraction: float) -> None:
            nonlocal told
            self._check(errand)
            now = time.monotonic()
            if stage != told[0] or now - told[1] > _TELL_EVERY:
                told = stage, now
                self._report(Stage(job=errand.job, stage=stage, fraction=fraction))

        return watch


class _OneFrame:
    """What keys the frame of one errand; see `keyed.FrameKeyer`."""

    def __init__(self, client: Client, identity: str, errand: File) -> None:
        self.identity = identity
        self._client, self._errand = client, errand

    def key(
        self,
        plate: NDArray[np.floating],
        hint: NDArray[np.floating] | None,
        params: Params,
        masks: Masks | None = None,
        out: Pixels | None = None,
        watch: Watch | None = None,
    ) -> Keyed:
        """See `keyed.FrameKeyer.key`."""
        priority, frame = self._errand.priority, self._errand.frame
        return self._client.key(
            plate, hint, params, masks, out, watch, priority=priority, frame=frame, model=self.identity
        )


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
