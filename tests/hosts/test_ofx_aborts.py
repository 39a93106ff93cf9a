"""A frame that a host wants no more: it ends at once, wherever it is, in silence, and the next one is keyed."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from daemons import EchoDaemon, eventually
from ofx_failing import GOOD, SIZE, check_good, check_silent, opened, while_running
from ofxhost import MLT, NUKE, RESOLVE, Mode, Result

AT_ONCE = 0.3

few = pytest.mark.parametrize("mode", [NUKE, RESOLVE, MLT], ids=lambda mode: mode.label)


def check_aborted(job: Future[Result], abort: threading.Event) -> None:
    """Abort a render, and check that it ends at once, in silence."""
    begun = time.monotonic()
    abort.set()
    result = job.result(10)
    assert time.monotonic() - begun < AT_ONCE
    check_silent(result)


@few
def test_abort_while_the_frame_runs(mode: Mode, binary: Path, echo: EchoDaemon, crew: ThreadPoolExecutor) -> None:
    """The daemon stops it, too, and the next frame is keyed."""
    abort = threading.Event()
    with opened(binary, mode) as (_, effect):
        check_aborted(while_running(crew, echo, effect, 60, abort=abort), abort)
        eventually(lambda: not echo.is_keying(), "the daemon stops it", 2)
        check_good(effect)
    assert echo.status()["frames"]["cancelled"] == 1


def test_abort_while_the_frame_waits_its_turn(binary: Path, echo: EchoDaemon, crew: ThreadPoolExecutor) -> None:
    """A frame that is queued leaves the queue, and the one that runs goes on."""
    abort = threading.Event()
    with opened(binary) as (_, effect):
        running = while_running(crew, echo, effect, 1)
        queued = crew.submit(effect.render, GOOD, abort=abort)
        eventually(lambda: echo.status()["queue"] == 1, "the other frame waits", 10)
        check_aborted(queued, abort)
        eventually(lambda: echo.status()["queue"] == 0, "it waits no more", 2)
        assert running.result().status == 0
        check_good(effect)
    assert echo.status()["frames"] | {"cancelled": 1, "keyed": 2} == echo.status()["frames"]


def test_abort_while_the_frame_waits_for_memory(binary: Path, echo: EchoDaemon, crew: ThreadPoolExecutor) -> None:
    """A fourth frame has no slot yet; it goes without having had one."""
    aborts = [threading.Event() for _ in range(4)]
    with opened(binary) as (_, effect):
        jobs = [while_running(crew, echo, effect, 60, abort=aborts[0])]
        jobs += [crew.submit(effect.render, GOOD, abort=abort) for abort in aborts[1:3]]
        eventually(lambda: echo.status()["queue"] == 2, "two frames wait", 10)
        jobs.append(crew.submit(effect.render, GOOD, abort=aborts[3]))
        eventually(lambda: effect.session.running(effect) is not None, "the fourth begins", 10)
        time.sleep(0.1)
        assert not jobs[3].done()
        for job, abort in zip(reversed(jobs), reversed(aborts), strict=True):
            check_aborted(job, abort)
        eventually(lambda: not echo.is_keying(), "the daemon stops them", 2)
        check_good(effect)
        assert echo.status()["slots"]["count"] <= 3


@few
def test_abort_at_every_step(mode: Mode, binary: Path, echo: EchoDaemon) -> None:
    """Whenever a host says so, in copying in or out or between, a frame ends at once and the next one is right."""
    with opened(binary, mode) as (_, effect):
        polls = effect.render(GOOD).abort_calls
        assert polls > 2 * SIZE[1]
        sent = []
        for after in (*range(0, polls, 5), *range(polls - 4, polls)):
            before = echo.status()["frames"]
            result = effect.render(GOOD, abort_after=after)
            if result.status == 0:  # a busy machine waits, and asks more often
                continue
            check_silent(result)
            assert result.abort_calls < after + 5  # some steps end before the next one notices
            assert result.seconds < AT_ONCE
            sent.append(echo.status()["frames"] != before)
            check_good(effect)
    assert False in sent[:3]
    assert True in sent[-3:]
