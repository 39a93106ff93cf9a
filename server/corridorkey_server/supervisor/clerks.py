"""Frames from file to file: each session that has some gets a clerk, a process that reads, has them keyed and writes.

Passes requests on and answers back; knows no files, since a file server may hang and the supervisor must not.
"""

import itertools
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..errands import Failed, Stage, Stop, Stopped
from ..file_errands import FILE_REPORTS, Declare, Declared, File, Written
from ..protocol import Cancelled, Done, Filed, KeyFile, Progress, Roots
from ..wire import Message
from .child_process import ChildProcess
from .orders import QUEUE_LIMIT, Orders, check_params, error
from .sessions import Refused, Session
from .slots import Shortage

log = logging.getLogger("ckey.daemon")

_LOOK_EVERY = 0.05  # seconds between two looks at a clerk that is ending


class ClerkProcess(ChildProcess):
    """One clerk; see ChildProcess."""

    GRACE = 5.0
    """It finishes writing a frame first, and a large one takes seconds."""


@dataclass(eq=False)
class _Request:
    """A request that a clerk is at."""

    number: int
    request: Roots | KeyFile
    quality: str
    arrived: float
    stage: str = "queue"
    fraction: float = 0.0
    is_stopping: bool = False


class Clerks:
    """The clerks of all sessions.

    Attributes:
        changes: how often one began or ended, for whoever polls them.
    """

    def __init__(self, command: Sequence[str], orders: Orders, device: Callable[[], str]) -> None:
        """Start none yet.

        Args:
            command: starts a clerk; the session's name is added.
            orders: tells sessions their answers, and whether anything new is taken.
            device: returns where frames are keyed.
        """
        self.changes = 0
        self._command, self._orders, self._device = command, orders, device
        self._numbers = itertools.count(1)
        self._clerks: dict[Session, ClerkProcess] = {}
        self._underway: dict[Session, dict[int, _Request]] = {}
        self._ending: list[ClerkProcess] = []

    def __iter__(self) -> Iterator[tuple[Session, ClerkProcess]]:
        """Yield those that live now."""
        return iter(tuple(self._clerks.items()))

    def declare(self, session: Session, request: Roots) -> None:
        """Let a session have files keyed; its clerk is started."""
        if self._orders.is_known(session, request.id):
            return
        self._orders.check_draining()
        self._check_room(session)
        clerk = self._clerks.get(session) or self._start(session)
        under = self._begin(session, request)
        clerk.send(Declare(job=under.number, folders=request.folders))

    def _start(self, session: Session) -> ClerkProcess:
        name = f"{session.client or 'unnamed'}, files"
        try:
            clerk = ClerkProcess([*self._command, f"--name={name[:64]}"], FILE_REPORTS)
        except OSError as problem:
            reason = (problem.strerror or str(problem)).lower()
            words = f"files cannot be keyed now: {reason}; close other programs and try again."
            raise Refused("resource", words) from problem
        self.changes += 1
        self._clerks[session] = clerk
        self._underway[session] = {}
        return clerk

    def _check_room(self, session: Session) -> None:
        if len(self._underway.get(session, ())) >= QUEUE_LIMIT:
            raise Shortage(f"{QUEUE_LIMIT} files of this session are waiting already", 1.0)

    def _begin(self, session: Session, request: Roots | KeyFile, quality: str = "") -> _Request:
        under = _Request(next(self._numbers), request, quality, time.monotonic())
        self._underway[session][under.number] = under
        session.waiting[request.id] = under
        return under

    def key(self, session: Session, request: KeyFile) -> None:
        """Queue a frame from file to file."""
        if self._orders.is_known(session, request.id):
            return
        self._orders.check_draining()
        clerk = self._clerks.get(session)
        if clerk is None:
            raise Refused("input", "this session has declared no folders; send ROOTS first.")
        self._check_room(session)
        params = check_params(session, request.params)
        under = self._begin(session, request, str(params["quality"]))
        clerk.send(
            File(
                job=under.number,
                source=request.source,
                target=request.target,
                params=params,
                priority=request.priority,
                node=request.node,
                frame=request.frame,
                depth=request.depth,
                upstream=request.upstream,
                model=session.model,
            )
        )

    def cancel(self, session: Session, target: int) -> bool:
        """Stop a request; return whether there was one."""
        under = session.waiting.get(target)
        if not isinstance(under, _Request):
            return False
        self._stop(session, under)
        return True

    def _stop(self, session: Session, under: _Request) -> None:
        if not under.is_stopping:
            under.is_stopping = True
            self._clerks[session].send(Stop(job=under.number))

    def drain(self) -> None:
        """Answer all that is under way: their frames would not be keyed any more."""
        words = "the daemon is about to stop; start it again and repeat the request."
        for session, underway in self._underway.items():
            for under in tuple(underway.values()):
                self._stop(session, under)
                del underway[under.number]
                self._conclude(session, under, error(under.request.id, "draining", words))

    def __len__(self) -> int:
        """Return how many requests are under way."""
        return sum(map(len, self._underway.values()))

    def drop(self, session: Session) -> None:
        """End the clerk of a session that has ended; a frame that it writes is written whole first."""
        clerk = self._clerks.pop(session, None)
        if clerk is not None:
            self.changes += 1
            self._underway.pop(session)
            clerk.close(time.monotonic())
            self._ending.append(clerk)

    def take_reports(self, session: Session) -> None:
        """Take up what a clerk said, or its end."""
        clerk = self._clerks.get(session)
        try:
            while clerk is not None and clerk is self._clerks.get(session):
                self._take(session, clerk.receive())
        except BlockingIOError:
            return
        except EOFError:
            self._died(session)

    def _take(self, session: Session, report: Message) -> None:
        assert isinstance(report, Stage | Declared | Written | Stopped | Failed)
        under = self._underway[session].get(report.job)
        if under is None:
            return
        if isinstance(report, Stage):
            under.stage, under.fraction = report.stage, report.fraction
            self._orders.tell(session, Progress(id=under.request.id, stage=report.stage, fraction=report.fraction))
            return
        del self._underway[session][under.number]
        self._conclude(session, under, self._answer(under, report))

    def _conclude(self, session: Session, under: _Request, answer: Message) -> None:
        session.answer(under.request.id, answer)
        self._orders.tell(session, answer)

    def _answer(self, under: _Request, report: Declared | Written | Stopped | Failed) -> Message:
        number = under.request.id
        match report:
            case Written():
                total = time.monotonic() - under.arrived
                return Filed(
                    id=number,
                    skipped=report.skipped,
                    empty=report.empty,
                    model=report.identity,
                    quality=under.quality,
                    device=self._device(),
                    notes=report.notes,
                    timings={**report.timings, "total": total},
                )
            case Failed():
                return error(number, report.code, report.sentence)
            case Stopped():
                return Cancelled(id=number)
            case Declared():
                return Done(id=number)

    def _died(self, session: Session) -> None:
        """Answer all that a clerk was at; the session may declare its folders anew."""
        underway = tuple(self._underway[session].values())
        log.error("the clerk of session %d has ended with %d files under way", session.number, len(underway))
        self.drop(session)
        for under in underway:
            words = "the process that reads and writes files has ended; see the daemon's log, and try again."
            self._conclude(session, under, error(under.request.id, "resource", words))

    def tick(self, now: float) -> None:
        """Notice clerks that have ended."""
        for clerk in tuple(self._ending):
            words = clerk.ended(now)
            if words is not None:
                log.info("clerk %d %s", clerk.pid, words)
                self._ending.remove(clerk)

    def due(self) -> float:
        """Return in how many seconds `tick` has something to do."""
        return _LOOK_EVERY if self._ending else math.inf

    def stop(self) -> None:
        """Let all clerks end; those that write a frame finish it."""
        for session, _ in self:
            self.drop(session)

    def wait(self) -> None:
        """Return when all clerks that were stopped have ended; one that hangs is killed, and left if that is no use."""
        until = time.monotonic() + 2 * ClerkProcess.GRACE
        while self._ending and time.monotonic() < until:
            self.tick(time.monotonic())
            time.sleep(_LOOK_EVERY)
