"""What begins and ends: the plug-in in a process, instances, threads and daemons leave nothing behind, nor mix up."""

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from daemons import EchoDaemon, asking, descriptors, eventually, stamped
from ofx_failing import (
    GOOD,
    SIZE,
    TAKES_LONG,
    check_black,
    check_good,
    is_keyed,
    opened,
    pictures_of,
    recovers,
    results_of,
    while_running,
)
from ofx_shots import effect_of
from ofxhost import MLT, NUKE, RESOLVE, STRICT, Mode

few = pytest.mark.parametrize("mode", [NUKE, RESOLVE, MLT], ids=lambda mode: mode.label)


@few
def test_load_unload_and_load(mode: Mode, binary: Path, echo: EchoDaemon) -> None:
    """A process may have host after host; each has a session of its own, and leaves nothing behind."""
    before = descriptors(os.getpid())
    for _ in range(3):
        with opened(binary, mode) as (_, effect):
            check_good(effect)
            assert len(echo.status()["sessions"]) == 1
            assert any("memfd" in line for line in Path("/proc/self/maps").read_text().splitlines())
        assert descriptors(os.getpid()) == before
        assert not any("memfd" in line for line in Path("/proc/self/maps").read_text().splitlines())
        eventually(lambda: echo.status()["sessions"] == [], "the session ends", 5)


@pytest.mark.slow
def test_failures_leave_nothing_behind(binary: Path, echo: EchoDaemon) -> None:
    """Frames that fail or are aborted, and a daemon that ends, keep no descriptor and no memory."""
    before = descriptors(os.getpid())
    with opened(binary) as (_, effect):
        for after in (0, 20, 60, 80):
            effect.render(GOOD, abort_after=after)
        effect.render(pictures_of(asking(green=-668)))
        echo.kill()
        assert effect.render(GOOD).status == 1
        echo.restart()
        recovers(effect)
    assert descriptors(os.getpid()) == before
    assert not any("memfd" in line for line in Path("/proc/self/maps").read_text().splitlines())


def test_an_instance_ends_while_another_renders(binary: Path, echo: EchoDaemon, crew: ThreadPoolExecutor) -> None:
    """Its end leaves the session to the others."""
    with opened(binary) as (host, effect):
        other = effect_of(host, output="foreground")
        check_good(other)
        job = while_running(crew, echo, effect, 0.5)
        host.destroy(other)
        assert job.result().status == 0
        check_good(effect)


@pytest.mark.usefixtures("echo")
def test_a_forked_child_leaves_the_session_alone(binary: Path) -> None:
    """Hosts start programs; a child that ends takes no session with it."""
    with opened(binary) as (_, effect):
        check_good(effect)
        child = os.fork()
        if child == 0:
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        check_good(effect)


@pytest.mark.slow
def test_ten_threads_and_all_that_can_go_wrong(
    binary: Path, echo: EchoDaemon, crew: ThreadPoolExecutor, rounds: int
) -> None:
    """Whatever happens at once, each frame ends as what it is: keyed, aborted or failed."""
    chance = random.Random(7)
    plans = [(number, chance.choice(("good", "good", "abort", "fault", "slow"))) for number in range(150 * rounds)]
    ended = threading.Event()

    def work(plan: tuple[int, str]) -> str:
        number, kind = plan
        shot = pictures_of(stamped(SIZE, 5, number)[0])
        if kind in ("fault", "slow"):
            shot = pictures_of(
                asking(red=TAKES_LONG + 0.05 if kind == "slow" else number, green=-668 * (kind == "fault"))
            )
        result = effects[number % 3].render(
            shot, time=float(number), abort_after=number % 90 if kind == "abort" else None
        )
        if result.status == 0:
            assert is_keyed(result, shot)
            return "keyed"
        check_black(result, 20)
        assert kind != "good" or ended.is_set(), result.messages
        return kind

    with opened(binary, STRICT) as (host, first):
        effects = [first, effect_of(host, output="foreground"), effect_of(host, output="foreground")]
        jobs = [crew.submit(work, plan) for plan in plans]
        eventually(lambda: sum(job.done() for job in jobs) > len(jobs) // 3, "a third is done")
        ended.set()
        echo.kill()
        echo.restart()
        outcomes = results_of(jobs)
        assert {"keyed", "abort", "fault"} <= set(outcomes)
        for effect in effects:
            recovers(effect)
