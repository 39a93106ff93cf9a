"""An artist who wants a frame no more: it ends soon, in silence, without an image, and the next one is keyed."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from daemons import EchoDaemon, asking, eventually
from fuse_shots import AT_ONCE, GOOD, check_good, check_nothing, is_keyed, kinds, opened, while_running
from fusionhost import NO_JIT, RAISES_ABORT, Kind, Picture, Result, Tool
from ofx_shots import solid

pytestmark = pytest.mark.usefixtures("client_library")


def check_aborted(job: Future[Result], abort: threading.Event, tool: Tool) -> None:
    """Abort a frame, and check that it ends at once, in silence."""
    status, begun = tool.status, time.monotonic()
    abort.set()
    result = job.result(10)
    assert time.monotonic() - begun < AT_ONCE
    check_nothing(result, 60)
    assert result.lines == []
    assert tool.status == status


@kinds
def test_abort_while_the_frame_runs(kind: Kind, echo: EchoDaemon, crew: ThreadPoolExecutor) -> None:
    """The daemon stops it, too, and the next frame is keyed."""
    abort = threading.Event()
    with opened(kind) as (_, tool):
        check_aborted(while_running(crew, echo, tool, 60, abort), abort, tool)
        eventually(lambda: not echo.is_keying(), "the daemon stops it", 2)
        check_good(tool)
    assert echo.status()["frames"]["cancelled"] == 1


def test_abort_while_the_frame_waits_its_turn(echo: EchoDaemon, crew: ThreadPoolExecutor) -> None:
    """A frame that is queued behind another comp's leaves the queue."""
    abort = threading.Event()
    with opened() as (_, one), opened() as (_, other):
        running = while_running(crew, echo, one, 1)
        queued = crew.submit(other.process, GOOD, abort=abort)
        eventually(lambda: echo.status()["queue"] == 1, "the other frame waits", 10)
        check_aborted(queued, abort, other)
        assert running.result().lines == []
        check_good(other)


def test_abort_before_the_frame_begins(echo: EchoDaemon) -> None:
    """A frame that nobody wants when it comes is not asked for."""
    abort = threading.Event()
    abort.set()
    with opened() as (_, tool):
        result = tool.process(GOOD, abort=abort)
        check_nothing(result, AT_ONCE)
        assert result.lines == []
        check_good(tool)
    assert echo.status()["frames"]["keyed"] == 1


class After(threading.Event):
    """An abort button that is pressed when it is looked at for the n-th time, and counts the looks."""

    def __init__(self, press: float) -> None:
        super().__init__()
        self.press, self.looks = press, 0

    def is_set(self) -> bool:
        """Count the look."""
        self.looks += 1
        return self.looks >= self.press


LOOKS = 2 + 2 * 2 * 3
"""For a small frame at least: two waits, and two bands of two passes: the tool's before and after, and the host's."""


def test_abort_at_any_moment(echo: EchoDaemon) -> None:
    """Wherever the tool looks for an abort, it ends there without an image, and leaks no slot."""
    with opened() as (_, tool):
        patient = After(float("inf"))
        assert is_keyed(tool.process(GOOD, abort=patient), GOOD)
        assert patient.looks >= LOOKS
        for press in range(1, LOOKS + 1):
            result = tool.process(GOOD, abort=After(press))
            check_nothing(result, 1)
            assert result.lines == []
        check_good(tool)
    assert echo.status()["slots"]["count"] <= 3


@pytest.mark.usefixtures("echo")
def test_aborts_are_no_reason_to_give_workers_up() -> None:
    """A host that aborts lets its workers do nothing; that says nothing about them."""
    with opened() as (_, tool):
        for press in range(3, LOOKS + 1):
            tool.process(GOOD, abort=After(press))
        check_good(tool)
        assert "one thread" not in tool.status


@pytest.mark.usefixtures("echo")
def test_an_abort_that_comes_as_an_error() -> None:
    """Where the host stops a tool by an error in what it calls, nothing is said, either."""
    with opened(RAISES_ABORT) as (_, tool):
        for press in range(1, LOOKS + 1):
            result = tool.process(GOOD, abort=After(press))
            check_nothing(result, 1)
            assert result.lines == []
        check_good(tool)


@pytest.mark.usefixtures("echo")
def test_a_large_frame_is_looked_at_more_often() -> None:
    """Where a pass takes seconds, as without a compiler, it goes on in bands: Escape does not wait for its end."""
    jobs = []
    for size in ((64, 36), (1920, 1080)):
        with opened(NO_JIT) as (_, tool):
            patient = After(float("inf"))
            plate = solid(asking(green=-669, size=size))
            result = tool.process({"Input": Picture(plate), "AlphaHint": Picture(plate)}, abort=patient)
            assert result.made
            assert patient.looks >= 3 * result.jobs
            jobs.append(result.jobs)
    assert jobs[1] > jobs[0]
