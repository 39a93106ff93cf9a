"""Runs queued errands on the worker: starts it when there is work, brings it back when it dies, ends it when idle.

Knows neither clients nor frames: what an errand says and what its outcome means is its owner's.
"""

import itertools
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errands import Failed, Finished, Loaded, Map, Memory, Ready, Seen, Stage, Stop, Stopped, Unfit, Unmap
from ..protocol import Superseded
from ..wire import Message
from .scheduler import Job, Scheduler
from .sessions import SlotState
from .worker_process import WorkerProcess

log = logging.getLogger("ckey.daemon")

ATTEMPTS = 2
"""How often a frame is begun when workers die on it."""

STARTS = 2
"""How often in a row a worker may end before it was ready, until those that wait are told."""

START_LIMIT = 180.0
"""Seconds within which a worker must have its device: torch from a slow share, a device that wakes up."""

STOP_GRACE = 30.0
"""Seconds after which a worker that does not stop a cancelled frame is killed."""

_LAST_GRACE = 10.0  # seconds that a daemon which ends waits for its worker's end
_LOOK_EVERY = 0.02  # seconds between two looks at a worker that is ending

Report = Finished | Loaded | Seen | Stopped | Failed
"""How an errand can end that a worker began."""

Outcome = Report | Superseded
"""How an errand can end; where no worker began it, the errand's number in it means nothing."""


@dataclass(eq=False)
class Errand:
    """What a job of the scheduler holds as its work.

    Attributes:
        message: makes the message for the worker, given the errand's number there.
        done: called with the outcome, once.
        tell: called with each stage.
        slot: what it works in, if anything.
        stage, fraction: how far it is, as the worker said last.
        started: when the worker got it, on the daemon's clock; None before.
        stop_by: when a worker that is still at it gets killed; infinite while nobody cancelled it.
    """

    message: Callable[[int], Message]
    done: Callable[[Outcome], None]
    tell: Callable[[Stage], None]
    slot: SlotState | None = None
    stage: str = "queue"
    fraction: float = 0.0
    started: float | None = None
    stop_by: float = math.inf


@dataclass(frozen=True)
class _Running:
    number: int
    job: Job
    errand: Errand


class Crew:
    """The worker of one device, as long as the daemon lives.

    Attributes:
        scheduler: what waits.
        worker: the process, None while there is none.
        device: where frames are keyed, as the last worker said; empty before the first was ready.
        restarts: how often a worker died and was brought back.
    """

    def __init__(
        self, command: Sequence[str], device: str, keep_alive: float, slots: Callable[[], Sequence[SlotState]]
    ) -> None:
        """Start no worker yet.

        Args:
            command: starts a worker.
            device: which one it shall take.
            keep_alive: seconds without work after which the worker is ended; below 0: never.
            slots: returns the slots that a new worker has to map.
        """
        self.scheduler = Scheduler()
        self.worker: WorkerProcess | None = None
        self.device = ""
        self.restarts = 0
        self._command, self._wanted, self._keep_alive, self._slots = command, device, keep_alive, slots
        self._numbers = itertools.count(1)
        self._running: _Running | None = None
        self._failed_starts = 0
        self._idle_since, self._ready_by = 0.0, math.inf
        self._unload = False
        self._ending: list[WorkerProcess] = []
        self._when_ended: list[Callable[[], None]] = []

    @property
    def running(self) -> Job | None:
        """The job that the worker is at."""
        return None if self._running is None else self._running.job

    def until(self) -> float | None:
        """Return when the worker will be ended if nothing comes, None if it will not."""
        if self.worker is None or not self.worker.is_ready:
            return None
        if self._running or self.scheduler or self._keep_alive < 0:
            return None
        return self._idle_since + self._keep_alive

    def start(self, now: float) -> None:
        """Start the worker if there is none; where the system refuses, those that wait are told."""
        if self.worker is not None:
            return
        try:
            self.worker = WorkerProcess(self._command, self._wanted)
        except OSError as error:
            log.error("no worker: %s", error)
            reason = (error.strerror or str(error)).lower()
            self.fail_waiting("worker", f"the worker cannot be started: {reason}; close other programs and try again.")
            return
        self._idle_since, self._ready_by = now, now + START_LIMIT
        for slot in self._slots():
            self.map(slot)

    def map(self, slot: SlotState) -> None:
        """Let the worker, if there is one, map a slot."""
        if self.worker is not None:
            self.worker.send(Map(slot=slot.serial), slot.region)

    def unmap(self, slot: SlotState) -> None:
        """Let the worker, if there is one, let a slot go."""
        if self.worker is not None:
            self.worker.forget(slot.region)
            self.worker.send(Unmap(slot=slot.serial))

    def add(self, job: Job, now: float) -> None:
        """Queue a job whose work is an Errand."""
        older = self.scheduler.add(job)
        if older is not None:
            errand_of(older).done(Superseded(id=older.id, by=job.id))
        self.step(now)

    def cancel(self, session: int, id: int, now: float) -> bool:
        """Stop a job: at once where it waits, at the next block where it runs; return whether there was one."""
        waiting = self.scheduler.cancel(session, id)
        if waiting is not None:
            errand_of(waiting).done(Stopped(job=1))
            return True
        running = self._running
        if running is None or (running.job.session, running.job.id) != (session, id):
            return False
        if self.worker is not None and running.errand.stop_by == math.inf:
            running.errand.stop_by = now + STOP_GRACE
            self.worker.send(Stop(job=running.number))
        return True

    def step(self, now: float) -> None:
        """Give the worker the next job if it is free; start it if there is none."""
        if self._running is not None or not self.scheduler or self._unload:
            return
        self.start(now)
        if self.worker is None or not self.worker.is_ready:
            return
        job = self.scheduler.next(now)
        assert job is not None
        errand = errand_of(job)
        self._running = _Running(next(self._numbers), job, errand)
        errand.started, errand.stage, errand.fraction = now, "begin", 0.0
        self.worker.send(errand.message(self._running.number))

    def take_reports(self, now: float) -> None:
        """Take up what the worker said, or its end."""
        worker = self.worker
        try:
            while worker is not None and worker is self.worker:
                self._take(worker, worker.receive(), now)
        except BlockingIOError:
            return
        except EOFError:
            self._died(now)

    def _take(self, worker: WorkerProcess, report: Message, now: float) -> None:
        match report:
            case Ready(device=device):
                worker.device = self.device = device
                self._failed_starts, self._idle_since = 0, now
                self.step(now)
            case Memory(kind=kind, used=used, total=total):
                worker.memory = {"kind": kind, "used": int(used), "total": int(total)}
            case Unfit(sentence=sentence):
                self.fail_waiting("worker", sentence)
            case Stage():
                if self._running is not None and self._running.number == report.job:
                    self._running.errand.stage, self._running.errand.fraction = report.stage, report.fraction
                    self._running.errand.tell(report)
            case Finished() | Loaded() | Seen() | Stopped() | Failed():
                self._finish(report, now)

    def _finish(self, outcome: Report, now: float) -> None:
        running = self._running
        if running is None or running.number != outcome.job:
            return
        self._running, self._idle_since = None, now
        running.errand.done(outcome)
        if self._unload:
            self._end_worker(now)
        self.step(now)

    def _died(self, now: float) -> None:
        """Bring the worker back if there is work; the frame that it was at is tried once more."""
        running, self._running = self._running, None
        was_ready = self.worker is not None and self.worker.is_ready
        self._end_worker(now)
        self._failed_starts = 0 if was_ready else self._failed_starts + 1
        if running is not None:
            self._retry(running)
        if self._failed_starts >= STARTS:
            self._failed_starts = 0
            self.fail_waiting("worker", "the worker does not start; run `ckey serve` in a terminal to see why.")
        if self.scheduler:
            self.restarts += 1
            self.step(now)

    def _retry(self, running: _Running) -> None:
        if running.errand.stop_by < math.inf:
            running.errand.done(Stopped(job=running.number))
        elif running.job.attempts < ATTEMPTS:
            running.errand.stage = "queue"
            self.scheduler.put_back(running.job)
        else:
            sentence = "the worker ended twice on this frame; see the daemon's log, or choose a lower quality."
            running.errand.done(Failed(job=running.number, code="worker", sentence=sentence))

    def fail_waiting(self, code: str, sentence: str) -> None:
        """Answer all that wait with a failure."""
        for job in self.scheduler.drain():
            errand_of(job).done(Failed(job=1, code=code, sentence=sentence))

    def unload(self, now: float, then: Callable[[], None]) -> None:
        """End the worker, after the frame that it is at, and call `then` once its memory is free."""
        self._when_ended.append(then)
        self._unload = self._running is not None
        if not self._unload:
            self._end_worker(now)
            # Errands that waited for a worker to start get another one.
            self.step(now)
        self._reap(now)

    def _end_worker(self, now: float) -> None:
        self._unload = False
        if self.worker is not None:
            self.worker.close(now)
            self._ending.append(self.worker)
            self.worker = None

    def tick(self, now: float) -> None:
        """Do what is due: end an idle worker, kill one that does not stop, notice those that have ended."""
        until = self.until()
        if until is not None and now >= until:
            log.info("the worker is ended: no work for %.0f s", self._keep_alive)
            self._end_worker(now)
        if self._running is not None and now >= self._running.errand.stop_by and self.worker is not None:
            log.warning("the worker does not stop a cancelled frame and is killed")
            self.worker.kill()
            # One that hangs in a driver ends when that lets it go.
            self._running.errand.stop_by = now + STOP_GRACE
        if self.worker is not None and not self.worker.is_ready and now >= self._ready_by:
            log.warning("the worker does not get ready and is killed")
            self.worker.kill()
            self._ready_by = now + START_LIMIT
        self._reap(now)

    def _reap(self, now: float) -> None:
        for worker in tuple(self._ending):
            words = worker.ended(now)
            if words is not None:
                log.info("worker %d %s", worker.pid, words)
                self._ending.remove(worker)
        if not self._ending and not self._unload:
            waiting, self._when_ended = self._when_ended, []
            for then in waiting:
                then()

    def due(self, now: float) -> float:
        """Return in how many seconds `tick` has something to do."""
        moments = [math.inf if self._running is None else self._running.errand.stop_by, self.until() or math.inf]
        if self.worker is not None and not self.worker.is_ready:
            moments.append(self._ready_by)
        return min(_LOOK_EVERY if self._ending else math.inf, *(max(0.0, moment - now) for moment in moments))

    def close(self) -> None:
        """End the worker for good, and wait for its end: what it holds shall be free when the daemon is gone."""
        now = time.monotonic()
        self._end_worker(now)
        while self._ending and time.monotonic() < now + _LAST_GRACE:
            time.sleep(_LOOK_EVERY)
            self._reap(time.monotonic())
        for worker in self._ending:
            log.warning("worker %d hangs in its driver; the device's memory is free when that lets it go", worker.pid)


def errand_of(job: Job) -> Errand:
    """Return what a job of this scheduler holds."""
    assert isinstance(job.work, Errand)
    return job.work
