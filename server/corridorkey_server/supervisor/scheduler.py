"""Decides which queued frame a worker takes next: strict classes with aging, within a class sessions in turn.

Pure: it does no I/O and has no clock, the time is told. Knows neither pixels nor sockets nor how many workers there
are; what a job's work is, only its owner knows.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from math import inf

AGING = 10.0
"""Seconds of waiting for which a job rises one class: after 20 a batch job is as urgent as an interactive one."""


class Priority(IntEnum):
    """Classes of urgency; the lowest number is served first."""

    INTERACTIVE = 0
    PREVIEW = 1
    BATCH = 2


@dataclass(eq=False)
class Job:
    """One frame to key; two jobs are the same only if they are one object.

    Attributes:
        session, id: who asks, and a number that is unique among the jobs of that session.
        node: what in the host asks, unique within the session; empty if it does not say.
        arrived: seconds on the caller's monotonic clock.
        work: whatever the caller needs to run it; given back untouched.
        attempts: how often a worker has begun it; counted by `Scheduler.next`.
    """

    session: int
    id: int
    node: str
    priority: Priority
    arrived: float
    work: object
    attempts: int = 0


class Scheduler:
    """The jobs that wait for a worker.

    Nothing starves. Let one worker take at most d seconds a frame and never die, let m sessions at most be known at
    once, and let k jobs of its own session wait when a job arrives. After AGING * priority seconds the job, like the
    k before it, is in the first class and has one frame running ahead of it. Its session then needs at most k + 1
    turns, and every other session has at most one turn before each of them, so the job (or what superseded it)
    starts at the latest AGING * priority + (k + 1) * m * d seconds after it arrived.
    """

    def __init__(self) -> None:
        self._queue: list[Job] = []  # in the order of coming, but a job that supersedes stands where the other stood
        self._turns: list[int] = []  # sessions, the one that was served longest ago first
        self._served_last: int | None = None
        self._now = -inf

    def __len__(self) -> int:
        return len(self._queue)

    def __iter__(self) -> Iterator[Job]:
        """Yield the queued jobs in the order of their coming, which is not the order in which they will run."""
        return iter(tuple(self._queue))

    def add(self, job: Job) -> Job | None:
        """Queue a job; return the queued one that it superseded, if any.

        An interactive job supersedes the interactive one of the same session and node, whatever frame that is of, and
        takes its place: an artist who scrubs faster than frames are keyed would otherwise always stand at the end. It
        does not inherit that the other was put back, so that a node whose frames kill workers does not stay first.

        Raises:
            ValueError: a job of that session and id is queued, or this one was begun before.
        """
        if job.attempts:
            raise ValueError(f"job {job.id} of session {job.session} was begun before; put it back instead")
        self._refuse_twin(job)
        self._now = max(self._now, job.arrived)
        self._join(job.session)
        older = self._superseded_by(job)
        if older is None:
            self._queue.append(job)
        else:
            self._queue[self._queue.index(older)] = job
        return older

    def next(self, now: float) -> Job | None:
        """Take the job to run at `now` (seconds) out of the queue and count the attempt; None if nothing waits."""
        self._now = max(self._now, now)
        job = next(self._order(), None)
        if job is None:
            return None
        self._queue.remove(job)
        # A second attempt is no second turn: the death of a worker is not its session's fault.
        if not job.attempts:
            _serve(self._turns, job.session)
            self._served_last = job.session
        job.attempts += 1
        return job

    def put_back(self, job: Job) -> None:
        """Queue a job again whose worker died: it runs before all that were never begun.

        A newer job of its node that is queued already stays, and both will run; one that is added later supersedes
        the newest of them. A job whose session was dropped need not be put back: nobody waits for it.

        Raises:
            ValueError: a job of that session and id is queued, or this one was never taken by `next`.
        """
        if not job.attempts:
            raise ValueError(f"job {job.id} of session {job.session} was never begun; add it instead")
        self._refuse_twin(job)
        self._queue.insert(0, job)

    def cancel(self, session: int, id: int) -> Job | None:
        """Take one job out; None if it is not queued."""
        job = self._find(session, id)
        if job is not None:
            self._queue.remove(job)
        return job

    def drop_session(self, session: int) -> list[Job]:
        """Forget a session; return its queued jobs, in the order of their coming."""
        dropped = [job for job in self._queue if job.session == session]
        self._queue = [job for job in self._queue if job.session != session]
        self._turns = [other for other in self._turns if other != session]
        return dropped

    def drain(self) -> list[Job]:
        """Take all jobs, in the order of their coming; whose turn it is stays known."""
        drained, self._queue = self._queue, []
        return drained

    def place(self, session: int, id: int) -> int | None:
        """Return how many queued jobs would run before this one; None if it is not queued.

        It is an estimate: it holds at the latest time that `add` or `next` was told, if no other job comes.
        """
        places = (number for number, job in enumerate(self._order()) if (job.session, job.id) == (session, id))
        return next(places, None)

    def _order(self) -> Iterator[Job]:
        """Yield the queued jobs in the order in which they would run if the time stood still and no other came."""
        yield from sorted((job for job in self._queue if job.attempts), key=lambda job: job.arrived)
        fresh = [job for job in self._queue if not job.attempts]
        turns = self._turns.copy()
        for priority in Priority:
            jobs = _in_turn([job for job in fresh if _urgency(job, self._now) == priority], turns)
            yield from jobs
            for job in jobs:
                _serve(turns, job.session)

    def _join(self, session: int) -> None:
        if session in self._turns:
            return
        # Not at the front, or short sessions in a row would starve those that wait; yet before the one that was served
        # last, or a newcomer would wait for two frames of a client that has many.
        at = self._turns.index(self._served_last) if self._served_last in self._turns else len(self._turns)
        self._turns.insert(at, session)

    def _superseded_by(self, job: Job) -> Job | None:
        if not job.node or job.priority != Priority.INTERACTIVE:
            return None
        whose = (job.session, job.node, job.priority)
        same = [other for other in self._queue if (other.session, other.node, other.priority) == whose]
        return same[-1] if same else None

    def _refuse_twin(self, job: Job) -> None:
        if self._find(job.session, job.id) is not None:
            raise ValueError(f"job {job.id} of session {job.session} is queued already")

    def _find(self, session: int, id: int) -> Job | None:
        return next((job for job in self._queue if (job.session, job.id) == (session, id)), None)


def _urgency(job: Job, now: float) -> int:
    """Return the class that a job has risen to."""
    risen = int(max(now - job.arrived, 0.0) / AGING)
    return max(job.priority - risen, Priority.INTERACTIVE)


def _in_turn(jobs: list[Job], turns: list[int]) -> list[Job]:
    """Order jobs so that every session has its first before any has its second, sessions as in `turns`."""
    seats = {session: seat for seat, session in enumerate(turns)}
    rounds: Counter[int] = Counter()
    ranked: list[tuple[int, int, Job]] = []
    for job in jobs:
        ranked.append((rounds[job.session], seats[job.session], job))
        rounds[job.session] += 1
    return [job for *_, job in sorted(ranked, key=lambda entry: entry[:2])]


def _serve(turns: list[int], session: int) -> None:
    """Move a session behind all others."""
    turns.remove(session)
    turns.append(session)
