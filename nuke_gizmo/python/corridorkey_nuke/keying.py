"""One press of Key Frame Range: frames are exported on Nuke's main thread and keyed by the daemon meanwhile.

In the GUI a thread of its own talks to the daemon and asks the main thread to export; in a terminal both are done by
the one thread there is, which looks at the daemon after each exported frame. What happens is the same.
"""

from __future__ import annotations

import functools
import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Union

from . import exchange, graph, host, job, starter
from .failure import Lost, Refusal, Stopped
from .handover import Handover
from .job import Order, Shot
from .outcome import Outcome
from .session import Session

_TURN = 0.05  # seconds between two looks at everything
_PATIENCE = 10.0  # seconds for a daemon that has just been started
_AGAIN = 0.5  # seconds until Nuke is asked again whether it still renders


class _Ended(NamedTuple):
    """An export has ended; `error` is why, if it did so early."""

    error: Exception | None


class _Occupied(Exception):
    """Nuke renders something else just now."""


_Event = Union[Shot, _Ended]
_runs: dict[str, Run] = {}


def running(node: str) -> Run | None:
    """Return the run of a node, None if there is none."""
    return _runs.get(node)


def is_exporting() -> bool:
    """Whether a render that goes on is an export of a run."""
    return any(run.is_exporting for run in _runs.values())


def open_session(timeout: float = 1.0) -> Session:
    """Return a session with the daemon; raises as `Session` does.

    Only a daemon that hangs takes that long, which is longer than one needs on a machine whose cores all key.
    """
    return Session(name=host.program(), timeout=timeout)


class Run:
    """Keys the frames of an order.

    Attributes:
        order: what is keyed.
        outcome: how it goes.
        is_exporting: whether Nuke renders for it, or is about to.
    """

    def __init__(self, order: Order, session: Session | None) -> None:
        """Prepare it.

        Args:
            session: an open one, which is its own from now on; None if it is to start the daemon.
        """
        self.order, self.outcome, self.is_exporting = order, Outcome(len(order.shots)), False
        self._session, self._folder, self._room = session, "", 0
        self._frame_bytes = order.frame_bytes
        self._task: Any = None
        self._handover: Any = None
        self._pending: deque[Shot] = deque()
        self._exported: list[Shot] = []  # of what Nuke renders now, those that are not written yet
        self._not_before = 0.0
        self._events: queue.Queue[_Event] = queue.Queue()
        self._stop = threading.Event()
        self._broken: Exception | None = None  # what went wrong within a render, which must not pass through it

    def start(self) -> None:
        """Begin, in the GUI; in a terminal do all of it.

        Raises:
            RuntimeError: frames failed, in a terminal.
        """
        _runs[self.order.node] = self
        if host.is_gui():
            threading.Thread(target=self._work, name="CorridorKey", daemon=True).start()
            return
        self._work()
        (host.say if self.outcome.is_whole else host.tell)(f"{self.order.node}: {self.outcome.text()}")

    def stop(self) -> None:
        """Let it end as soon as it can; may be called from any thread."""
        self._stop.set()

    def _work(self) -> None:
        self.outcome.failure = "CorridorKey failed and does not know why; see Nuke's terminal."
        try:
            self._task = host.task(f"CorridorKey: {self.order.node}")
            self._run()
            self.outcome.failure = ""
        except Stopped:
            self.outcome.failure, self.outcome.is_stopped = "", True
        except Refusal as error:
            self.outcome.failure = str(error)
        except OSError as error:
            self.outcome.failure = f"{error.filename or 'a folder'}: {error.strerror}; see whether it can be written."
        finally:
            self._task = None  # Nuke takes its window away with it
            host.post(self._finish)

    def _run(self) -> None:
        with self._connected() as session, exchange.folder() as self._folder:
            self._handover = Handover(session, self.order, self.outcome)
            missing = self._missing()
            if missing:
                self._prepare(missing)
                self._key(missing)

    @contextmanager
    def _connected(self) -> Iterator[Session]:
        session = self._session or self._start_daemon()
        try:
            yield session
        finally:
            session.close()

    def _start_daemon(self) -> Session:
        if not host.is_gui():
            host.say("no CorridorKey daemon runs; starting it")
        starter.start(functools.partial(self._show, "starting the daemon"))
        return open_session(_PATIENCE)

    def _missing(self) -> list[Shot]:
        """Return the frames whose files are not there, or were keyed from something else."""
        shots, upstream = self.order.shots, self.order.upstream
        models = {shot: job.keyed_by(shot, upstream) for shot in shots} if upstream else {}
        screens = {shot.screen for shot, model in models.items() if model}
        watch = functools.partial(self._show, "loading the model")
        now = {screen: self._handover.identity(screen, watch) for screen in sorted(screens)}
        missing = [shot for shot in shots if not models.get(shot) or models[shot] != now[shot.screen]]
        self.outcome.kept = len(shots) - len(missing)
        return missing

    def _prepare(self, missing: list[Shot]) -> None:
        """Make the folders of keyed files, and tell the daemon which ones it may use."""
        job.check_targets(missing)
        folders = job.folders(missing)
        for folder in folders:
            Path(folder).mkdir(parents=True, exist_ok=True)
        self._handover.declare([self._folder, *folders], functools.partial(self._show, "asking the daemon"))

    def _key(self, missing: list[Shot]) -> None:
        self._pending.extend(missing)
        self._room = exchange.budget(self._folder)
        try:
            while self._pending or self.is_exporting or not self._handover.is_idle:
                self._check()
                if self._may_export():
                    self._export()
                self._turn(_TURN)
        except Exception as error:
            self._wind_down(isinstance(error, Lost))
            raise

    def _may_export(self) -> bool:
        if self.outcome.is_hopeless:
            self._pending.clear()
        if not self._pending or self.is_exporting or time.monotonic() < self._not_before:
            return False
        return bool(2 * self._handover.outstanding <= self._room)

    def _export(self) -> None:
        """Let Nuke render the next frames, as many as there is room for."""
        count = exchange.frames_within(self._room - self._handover.outstanding, self._frame_bytes)
        batch = next(job.stretches(list(itertools.islice(self._pending, count))))
        for _ in batch:
            self._pending.popleft()
        self._exported, self.is_exporting = list(batch), True
        host.post(functools.partial(self._export_now, batch))

    def _export_now(self, batch: list[Shot]) -> None:
        """On the main thread: render, and say how that ended whatever happens."""
        error: Exception | None = Refusal("the frames could not be exported; see Nuke's terminal for the reason.")
        try:
            error = self._render(batch)
        finally:
            self._events.put(_Ended(error))

    def _render(self, batch: list[Shot]) -> Exception | None:
        """Return why the frames, or some of them, were not exported; None if all were."""
        by_frame = {shot.frame: shot for shot in batch}
        first, last = batch[0], batch[-1]
        try:
            host.export(
                self._node(),
                (first.frame, last.frame),
                first.view,
                self._source(first.view),
                lambda frame: frame not in by_frame or self._is_welcome(by_frame[frame]),
            )
        except (_Occupied, Refusal, Stopped) as error:
            return error
        return None

    def _node(self) -> Any:
        """Return the node, if it may be rendered now and is what was looked at when the button was pressed."""
        if self._stop.is_set():
            raise Stopped
        if host.is_rendering():
            raise _Occupied
        if host.script() != self.order.document:
            raise Refusal("the script was closed or saved under another name meanwhile; press Key Frame Range again.")
        node = host.find(self.order.node)
        if node is None:
            raise Refusal(f"{self.order.node} was deleted or renamed meanwhile; press Key Frame Range again.")
        if self.order.script and graph.read_script(node) != self.order.script:
            raise Refusal("what feeds the node has changed meanwhile; press Key Frame Range again.")
        return node

    def _source(self, view: str) -> str:
        return f"{self._folder}/{view}.%04d.exr"

    def _is_welcome(self, shot: Shot) -> bool:
        """On the main thread: take in a frame that Nuke has written, and say whether more are wanted."""
        self._events.put(shot)
        if not host.is_gui():
            try:
                self._turn(0.0)
            except (Stopped, Refusal) as error:
                self._broken = error
        return self._broken is None and not self._stop.is_set()

    def _turn(self, seconds: float) -> None:
        """Take in what has happened; wait for it if nothing has."""
        with suppress(queue.Empty):
            while True:
                self._take(self._events.get_nowait())
        self._pending.extend(self._handover.turn(seconds))
        self._show(f"{self.outcome.answered} of {self.outcome.wanted} frames")

    def _take(self, event: _Event) -> None:
        if isinstance(event, Shot):
            self._exported.remove(event)
            source = job.path_of(self._source(event.view), event.frame, event.view)
            self._frame_bytes = max(self._frame_bytes, self._handover.hand_over(event, source))
            return
        rest, self._exported, self.is_exporting = self._exported, [], False
        if event.error is None or isinstance(event.error, host.NotRendered):
            for shot in rest[:1]:
                self.outcome.fail(shot, str(event.error or "Nuke rendered nothing; look at the node in the viewer."))
            rest = rest[1:]
        elif isinstance(event.error, _Occupied):
            self._not_before = time.monotonic() + _AGAIN
        else:
            raise self._broken or event.error
        self._pending.extendleft(reversed(rest))

    def _show(self, message: str, *_: object) -> None:
        """Show how it goes, and end the run if somebody wants that."""
        self._task.setMessage(message)
        self._task.setProgress(100 * self.outcome.answered // max(1, self.outcome.wanted))
        self._check()

    def _check(self) -> None:
        """End the run if somebody wants that."""
        if self._task.isCancelled():
            self.stop()
        if self._broken is not None:
            raise self._broken
        if self._stop.is_set():
            raise Stopped

    def _wind_down(self, is_lost: bool) -> None:
        """End the export, and wait a moment for what the daemon makes of the frames that it has."""
        self._stop.set()
        while self.is_exporting:
            event = self._events.get()
            self.is_exporting = isinstance(event, Shot)
        if not is_lost:
            self._handover.give_up()

    def _finish(self) -> None:
        """On the main thread: show what there is now."""
        _runs.pop(self.order.node, None)
        node = host.find(self.order.node) if host.script() == self.order.document else None
        text = self.outcome.text()
        if node is None:
            if host.is_gui() and not host.is_rendering():
                host.tell(f"{self.order.node}, which is not there any more: {text}")
            return
        if self.order.upstream and stamp(graph.read(node), self.order.depth) != self.order.upstream:
            more = "What feeds the node has changed meanwhile; press Key Frame Range again."
            text = text if more in text else f"{text} {more}"
        with host.unrecorded():
            host.reload(node)
            node["status"].setValue(text)
        if self.outcome.has_failed and host.is_gui() and not host.is_rendering():
            host.tell(f"{self.order.node}: {text}")


def stamp(upstream: graph.Upstream | None, depth: str) -> str:
    """Return what keyed files are told about what feeds the node and how they are written, empty if not known."""
    return f"{upstream.script}{upstream.files}-{depth}" if upstream else ""
