"""Who is next: classes, aging, turns, superseding, and the laws that hold whatever happens."""

from collections.abc import Iterable, Sized
from copy import deepcopy
from itertools import count, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from corridorkey_server.supervisor.scheduler import AGING, Job, Priority, Scheduler

INTERACTIVE, PREVIEW, BATCH = Priority
ANNA, BEN, CLEO = 1, 2, 3
STRANGERS = range(1000, 3000)
SESSIONS, NODES = st.integers(ANNA, CLEO), st.sampled_from(["", "Key1", "Key2"])
_ids = count(1)


def job(session: int = ANNA, priority: Priority = BATCH, arrived: float = 0.0, node: str = "") -> Job:
    """A job of its own id."""
    number = next(_ids)
    return Job(session, number, node, priority, arrived, work=f"frame {number}")


def queued(*jobs: Job) -> Scheduler:
    """A scheduler to which the jobs came in that order."""
    scheduler = Scheduler()
    for each in jobs:
        assert scheduler.add(each) is None
    return scheduler


def run_all(scheduler: Scheduler, now: float = 0.0) -> list[Job]:
    """Take jobs until none is left, all at the same time."""
    return list(iter(lambda: scheduler.next(now), None))


def test_classes_are_strict() -> None:
    """Of jobs that came together the interactive ones run first and the batch last, whatever their order was."""
    batch, preview, live = (job(priority=priority) for priority in (BATCH, PREVIEW, INTERACTIVE))
    assert run_all(queued(batch, preview, live)) == [live, preview, batch]


@pytest.mark.parametrize(
    ("waited", "fresh", "first"),
    [
        (0.9 * AGING, PREVIEW, "fresh"),
        (1.0 * AGING, PREVIEW, "old"),
        (1.9 * AGING, INTERACTIVE, "fresh"),
        (2.0 * AGING, INTERACTIVE, "old"),
    ],
)
def test_waiting_lifts_a_batch_job_class_by_class(waited: float, fresh: Priority, first: str) -> None:
    """After each 10 s a job stands one class higher, where it is before what came later, and not a moment sooner."""
    old, new = job(), job(priority=fresh, arrived=waited)
    scheduler = queued(old, new)
    assert scheduler.next(waited) is {"old": old, "fresh": new}[first]


def test_sessions_take_turns() -> None:
    """A session with many frames does not keep another from its few, and each session's own stay in order."""
    a, b = [job(ANNA) for _ in range(4)], [job(BEN) for _ in range(2)]
    assert run_all(queued(*a, *b)) == [a[0], b[0], a[1], b[1], a[2], a[3]]


def test_one_frame_at_a_time_gets_every_second_turn() -> None:
    """A client that asks for its next frame only when it has the last is not pushed back for having nothing queued."""
    scheduler = queued(*(job(ANNA) for _ in range(6)), job(BEN))
    served = []
    for _ in range(8):
        taken = scheduler.next(0.0)
        assert taken is not None
        served.append(taken.session)
        if served[-2:] == [BEN, ANNA]:
            scheduler.add(job(BEN))
    assert served == [ANNA, BEN, ANNA, BEN, ANNA, BEN, ANNA, BEN]


def test_a_newcomer_is_before_who_was_just_served_and_behind_who_waits() -> None:
    """A new session waits for no second frame of the one that is served, but passes none that waits for its turn."""
    a, b = [job(ANNA) for _ in range(3)], [job(BEN) for _ in range(2)]
    scheduler = queued(*a, *b)
    assert scheduler.next(0.0) is a[0]
    newcomer = job(CLEO)
    scheduler.add(newcomer)
    assert run_all(scheduler) == [b[0], newcomer, a[1], b[1], a[2]]


def test_a_newer_interactive_job_takes_the_place_of_its_nodes_older() -> None:
    """While an artist scrubs, only the last frame asked for is keyed, and it runs when the first would have run."""
    first, other, second = (job(node=node, priority=INTERACTIVE) for node in ("Key1", "Key2", "Key1"))
    scheduler = queued(first, other)
    assert scheduler.add(second) is first
    assert run_all(scheduler) == [second, other]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ((ANNA, PREVIEW, "Key1"), (ANNA, PREVIEW, "Key1")),
        ((ANNA, BATCH, "Key1"), (ANNA, BATCH, "Key1")),
        ((ANNA, BATCH, "Key1"), (ANNA, INTERACTIVE, "Key1")),
        ((ANNA, INTERACTIVE, "Key1"), (ANNA, PREVIEW, "Key1")),
        ((ANNA, INTERACTIVE, "Key1"), (ANNA, INTERACTIVE, "Key2")),
        ((ANNA, INTERACTIVE, "Key1"), (BEN, INTERACTIVE, "Key1")),
        ((ANNA, INTERACTIVE, ""), (ANNA, INTERACTIVE, "")),
    ],
)
def test_nothing_else_is_superseded(older: tuple[int, Priority, str], newer: tuple[int, Priority, str]) -> None:
    """Renders, other nodes, other sessions' nodes of the same name and jobs of no node leave each other alone."""
    jobs = [job(session, priority, node=node) for session, priority, node in (older, newer)]
    assert len(run_all(queued(*jobs))) == 2


def test_a_job_that_was_put_back_runs_before_all_others() -> None:
    """After a worker died its frame is first, before interactive ones, and before other lost frames that came later."""
    early, late, live = job(), job(arrived=1.0), job(BEN, INTERACTIVE, arrived=2.0)
    scheduler = queued(early, late)
    assert run_all(scheduler, 1.0) == [early, late]
    scheduler.add(live)
    scheduler.put_back(early)
    scheduler.put_back(late)
    assert run_all(scheduler, 2.0) == [early, late, live]
    assert (early.attempts, late.attempts, live.attempts) == (2, 2, 1)


def test_a_newer_frame_supersedes_one_that_was_put_back_but_is_not_first() -> None:
    """The lost frame is no longer wanted; a node whose frames kill workers waits for its turn like any other."""
    lost, newer = (job(node="Key1", priority=INTERACTIVE) for _ in range(2))
    waiting = job(BEN, INTERACTIVE)
    scheduler = queued(lost, waiting)
    scheduler.next(0.0)
    scheduler.put_back(lost)
    assert scheduler.add(newer) is lost
    assert run_all(scheduler) == [waiting, newer]


def test_what_was_queued_while_a_frame_ran_stays_beside_it() -> None:
    """A running frame is not superseded, nor when it is put back beside a newer; the newest supersedes that newer."""
    lost, newer, newest = (job(node="Key1", priority=INTERACTIVE) for _ in range(3))
    scheduler = queued(lost)
    scheduler.next(0.0)
    assert scheduler.add(newer) is None
    scheduler.put_back(lost)
    assert scheduler.add(newest) is newer
    assert run_all(scheduler) == [lost, newest]


def test_mistakes_of_the_caller_are_refused() -> None:
    """One id twice, adding what was begun and putting back what was not are errors that change nothing."""
    begun, waiting = job(), job()
    scheduler = queued(begun, waiting)
    scheduler.next(0.0)
    twin = Job(waiting.session, waiting.id, "", INTERACTIVE, 0.0, None)
    with pytest.raises(ValueError, match="queued already"):
        scheduler.add(twin)
    with pytest.raises(ValueError, match="put it back"):
        scheduler.add(begun)
    with pytest.raises(ValueError, match="add it"):
        scheduler.put_back(job())
    scheduler.put_back(begun)
    with pytest.raises(ValueError, match="queued already"):
        scheduler.put_back(begun)
    assert run_all(scheduler) == [begun, waiting]


def test_the_same_id_may_come_again_and_from_elsewhere() -> None:
    """Ids belong to their session, and one that has left the queue is free."""
    one, other = (Job(session, 7, "", BATCH, 0.0, None) for session in (ANNA, BEN))
    scheduler = queued(one, other)
    assert scheduler.cancel(ANNA, 7) is one
    assert scheduler.add(Job(ANNA, 7, "", BATCH, 0.0, None)) is None
    assert len(scheduler) == 2


def test_draining_takes_all_but_the_memory_of_turns() -> None:
    """Jobs are drained in the order of coming, and sessions are served in the same turn as without it."""
    scheduler = queued(*(job(session) for session in (ANNA, BEN, CLEO)))
    run_all(scheduler)
    batch, preview, a, b = job(BEN), job(ANNA, PREVIEW), job(ANNA), job(BEN)
    scheduler.add(batch)
    scheduler.add(preview)
    assert scheduler.drain() == [batch, preview]
    scheduler.add(b)
    scheduler.add(a)
    assert run_all(scheduler) == [a, b]


def test_place_counts_what_would_run_before() -> None:
    """The place follows class and turn, and moves when time is told: batch frames that waited stand among the rest."""
    a, b = [job(ANNA) for _ in range(3)], job(BEN)
    live, late = job(CLEO, INTERACTIVE, arrived=AGING), job(CLEO, INTERACTIVE, arrived=2 * AGING)
    scheduler = queued(*a, b, live)
    assert [scheduler.place(each.session, each.id) for each in (live, a[0], b, a[1], a[2])] == [0, 1, 2, 3, 4]
    scheduler.add(late)
    assert [scheduler.place(each.session, each.id) for each in (a[0], b, live, a[1], late, a[2])] == [0, 1, 2, 3, 4, 5]


def elements(scheduler: Scheduler) -> int:
    """How many elements all containers of a scheduler hold together."""
    return sum(len(value) for value in vars(scheduler).values() if isinstance(value, Sized))


def test_sessions_that_are_dropped_are_forgotten() -> None:
    """A daemon that runs for weeks remembers nothing of the sessions that left, however they left."""
    scheduler = Scheduler()
    for session in range(100):
        one = job(session)
        scheduler.add(one)
        scheduler.add(job(session))
        assert scheduler.next(0.0) is one
        assert elements(scheduler) > 0
        scheduler.drop_session(session)
        if session % 2:
            scheduler.put_back(one)
            assert scheduler.next(0.0) is one
    assert elements(scheduler) == 0


def seconds_until_run(scheduler: Scheduler, wanted: Job, frame: float, asking: Iterable[list[int]]) -> float:
    """Key frame after frame until `wanted` runs; for each, all who ask have an interactive job queued."""
    for number, sessions in enumerate(asking, 1):
        waiting = {each.session for each in scheduler if each.priority == INTERACTIVE}
        for session in set(sessions) - waiting:
            scheduler.add(job(session, INTERACTIVE, arrived=number * frame))
        if scheduler.next(number * frame) is wanted:
            return number * frame
        for session in set(sessions).intersection(STRANGERS):
            scheduler.drop_session(session)
    raise AssertionError("it starved")


@given(
    steady=st.sets(st.sampled_from([ANNA, BEN, CLEO, 4, 5])),
    strangers=st.booleans(),
    older=st.integers(0, 3),
    frame=st.floats(0.1, 15.0),
    priority=st.sampled_from(Priority),
)
def test_nothing_starves(steady: set[int], strangers: bool, older: int, frame: float, priority: Priority) -> None:
    """Under a stream of interactive jobs, own ones too, any job runs by Scheduler's bound and not before its class."""
    wanted = job(priority=priority)
    scheduler = queued(*(job() for _ in range(older)), wanted)
    asking = [[*steady, *([stranger] if strangers else [])] for stranger in STRANGERS]
    waited = seconds_until_run(scheduler, wanted, frame, asking)
    most = AGING * priority + (older + 1) * (len(steady | {ANNA}) + strangers) * frame
    assert waited <= most + 1e-6
    if asking[0]:
        assert waited >= AGING * priority


def test_the_bound_is_met_and_no_smaller_one_holds() -> None:
    """The worst case happens: three batch frames become urgent just after their session had its turn among three."""
    jobs = [job(ANNA) for _ in range(3)]
    frame = 0.49 * AGING
    waited = seconds_until_run(queued(*jobs), jobs[-1], frame, [[ANNA, BEN, CLEO]] * 100)
    assert 2 * AGING + 8.9 * frame <= waited <= 2 * AGING + 9 * frame


@given(st.lists(st.sampled_from([ANNA, BEN]), max_size=30), st.sampled_from(Priority))
def test_two_sessions_of_one_class_alternate(sessions: list[int], priority: Priority) -> None:
    """As long as both have jobs queued, neither is served twice in a row."""
    served = [each.session for each in run_all(queued(*(job(session, priority) for session in sessions)))]
    both = 2 * min(sessions.count(ANNA), sessions.count(BEN))
    assert {tuple(sorted(pair)) for pair in pairwise(served[:both])} <= {(ANNA, BEN)}


def urgency(each: Job, now: float) -> float:
    """The class that the rules give to a job, put back ones before all."""
    return -1 if each.attempts else max(0, each.priority - (now - each.arrived) // AGING)


class Life(RuleBasedStateMachine):
    """Whatever sessions and workers do, every job comes out exactly once, and next is who the rules say.

    `inside` are the jobs that were added and did not come out, as they came; a superseding job stands where the other
    stood. `served` tells of the sessions that are known and were served, at which step that was.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = Scheduler()
        self.inside: list[Job] = []
        self.running: list[Job] = []
        self.served: dict[int, int] = {}
        self.now, self.told, self.steps = 0.0, 0.0, count()

    def leave(self, gone: list[Job]) -> None:
        """Jobs came out: each was inside, and none came twice."""
        assert len(set(gone)) == len(gone)
        assert set(gone) <= set(self.inside)
        self.inside = [each for each in self.inside if each not in gone]

    @rule(asked=st.lists(st.tuples(SESSIONS, st.sampled_from(Priority), NODES), min_size=1, max_size=4))
    def ask(self, asked: list[tuple[int, Priority, str]]) -> None:
        """Some jobs come; only an interactive one of the same node is superseded."""
        for each in asked:
            self.add(*each)

    def add(self, session: int, priority: Priority, node: str) -> None:
        asked = job(session, priority, self.now, node)
        older = self.scheduler.add(asked)
        self.told = self.now
        if older is None:
            self.inside.append(asked)
        else:
            assert node
            assert priority == older.priority == INTERACTIVE
            assert (older.session, older.node) == (session, node)
            self.inside[self.inside.index(older)] = asked

    @rule(seconds=st.sampled_from([0.0, 0.0, 4.0, AGING, 25.0]))
    def take(self, seconds: float) -> None:
        """Time passes and a worker asks: there is a job as long as one is inside."""
        self.now += seconds
        taken = self.scheduler.next(self.now)
        self.told = self.now
        assert (taken is None) == (not self.inside)
        if taken is not None:
            taken.attempts -= 1
            self.check_is_first(taken)
            taken.attempts += 1
            self.leave([taken])
            self.running.append(taken)

    def check_is_first(self, taken: Job) -> None:
        """None is more urgent, came before in its session or waits for its turn longer; a second attempt is no turn."""
        best = urgency(taken, self.now)
        equals = [each for each in self.inside if urgency(each, self.now) == best]
        assert best == min(urgency(each, self.now) for each in self.inside)
        if taken.attempts:
            assert taken.arrived == min(each.arrived for each in equals)
            return
        assert taken is next(each for each in equals if each.session == taken.session)
        if taken.session in self.served:
            since = [self.served[each.session] for each in equals if each.session in self.served]
            assert self.served[taken.session] == min(since)
        self.served[taken.session] = next(self.steps)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), dies=st.booleans())
    def end(self, data: st.DataObject, dies: bool) -> None:
        """A worker ends its job, or dies and the job is put back."""
        ended = data.draw(st.sampled_from(self.running))
        self.running.remove(ended)
        if dies:
            self.scheduler.put_back(ended)
            self.inside.insert(0, ended)

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """A queued job can be taken out, once."""
        wanted = data.draw(st.sampled_from(self.inside))
        assert self.scheduler.cancel(wanted.session, wanted.id) is wanted
        assert self.scheduler.cancel(wanted.session, wanted.id) is None
        assert self.scheduler.place(wanted.session, wanted.id) is None
        self.leave([wanted])

    @rule(session=SESSIONS)
    def hang_up(self, session: int) -> None:
        """A session leaves with all its queued jobs and no other."""
        gone = self.scheduler.drop_session(session)
        assert gone == [each for each in self.inside if each.session == session]
        self.leave(gone)
        self.served.pop(session, None)

    @precondition(lambda self: len(self.inside) > 6)
    @rule()
    def drain(self) -> None:
        """All come out, in the order of coming."""
        gone = self.scheduler.drain()
        assert gone == self.inside
        self.leave(gone)

    @invariant()
    def holds_what_did_not_come_out(self) -> None:
        """Nothing is lost and nothing is there twice."""
        assert list(self.scheduler) == self.inside
        assert len(self.scheduler) == len(self.inside)

    @rule()
    def places_are_the_order_in_which_jobs_would_run(self) -> None:
        """Places count up in the order in which `next` would hand the jobs out."""
        order = [(each.session, each.id) for each in run_all(deepcopy(self.scheduler), self.told)]
        assert [self.scheduler.place(*each) for each in order] == list(range(len(self.inside)))

    def teardown(self) -> None:
        """Once the queue is drained and the sessions are gone nothing is kept."""
        self.drain()
        for session in range(ANNA, CLEO + 1):
            self.scheduler.drop_session(session)
        assert elements(self.scheduler) == 0


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=30)
