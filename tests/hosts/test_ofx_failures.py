"""When something fails: the frame is transparent black, the artist reads one sentence, in time, and the next works."""

import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from corridorkey_server.protocol import Error, Hello
from daemons import PATIENCE, EchoDaemon, Pixels, asking, descriptors, eventually, stamped
from fake_daemon import FakeDaemon, served, welcome
from ofx_shots import LINEAR, effect_of, grey, shown, solid
from ofxhost import FUSION, MLT, NUKE, RESOLVE, STRICT, Effect, Host, Mode, Picture, Result

T = TypeVar("T")
SIZE = (64, 36)
HINT = stamped(SIZE, 5, 1)[1]
SLOW = 1000.0
AT_ONCE = 0.3
LARGE = np.ones((500, 500, 4), np.float32)
KINDS = [STRICT, NUKE, RESOLVE, MLT, FUSION]

kinds = pytest.mark.parametrize("mode", KINDS, ids=lambda mode: mode.label)
artists = pytest.mark.parametrize("mode", [NUKE, FUSION], ids=lambda mode: mode.label)
few = pytest.mark.parametrize("mode", [NUKE, RESOLVE, MLT], ids=lambda mode: mode.label)


@pytest.fixture
def binary(plug_in: Path, tmp_path: Path) -> Path:
    """The plug-in as a process has it that has not loaded it before: what was said in another test is not known."""
    return Path(shutil.copy(plug_in, tmp_path / "CorridorKey.ofx"))


@pytest.fixture
def nowhere(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place where no daemon is, which the plug-in looks at."""
    monkeypatch.setenv("CKEY_RUNTIME", str(runtime))
    return runtime


@pytest.fixture
def crew() -> Iterator[ThreadPoolExecutor]:
    """Threads of a host."""
    with ThreadPoolExecutor(10) as threads:
        yield threads


def pictures_of(plate: Pixels) -> dict[str, Picture]:
    """Return a plate and its hint as clips have them."""
    return {"Source": Picture(solid(plate)), "AlphaHint": Picture(grey(HINT))}


GOOD = pictures_of(asking(red=0.5, green=0.25) + np.float32(0.125))


@contextmanager
def opened(binary: Path, mode: Mode = NUKE, **params: object) -> Iterator[tuple[Host, Effect]]:
    """Run a host with an instance that shows what comes back from the daemon, straight."""
    with Host(binary, replace(mode, wired=None)) as host:
        try:
            yield host, effect_of(host, **({"output": "foreground"} | params))
        finally:  # no host ends an instance that renders, though a test may fail meanwhile
            eventually(lambda: host.session.stillness()[0] == 0, "all renders end", 2 * PATIENCE)


def is_keyed(result: Result, pictures: dict[str, Picture]) -> bool:
    """Whether a result is what the daemon gives for these pictures."""
    plate, hint = (pictures[name].pixels for name in ("Source", "AlphaHint"))
    return result.status == 0 and np.array_equal(result.pixels, np.dstack((plate[..., :3], hint[..., 3])))


def check_good(effect: Effect) -> None:
    """Check that a frame is keyed and nothing is said any more."""
    result = effect.render(GOOD)
    assert is_keyed(result, GOOD), result.messages
    assert result.messages == []
    assert effect.persistent is None


def check_black(result: Result, within: float) -> None:
    """Check that a frame failed in time and shows nothing."""
    assert result.status == 1
    assert (result.pixels == 0).all()
    assert result.seconds < within


def check_failed(result: Result, words: str, within: float, mode: Mode = NUKE) -> None:
    """Check that a frame failed in time, shows nothing, and that one sentence tells why and what to do."""
    check_black(result, within)
    assert len(result.messages) == 1, result.messages
    message = result.messages[0]
    assert words in message.text
    assert ";" in message.text
    assert message.text.endswith(".")
    assert message.text.isprintable()
    assert message.type == ("OfxMessageLog" if mode.background and not message.is_persistent else "OfxMessageError")


def results_of(jobs: list[Future[T]]) -> list[T]:
    """Wait until all have ended, and return what they gave."""
    wait(jobs, PATIENCE)
    return [job.result(0) for job in jobs]


def has_nodes(mode: Mode) -> bool:
    """Whether a host shows messages on nodes, not as dialogs."""
    return ("OfxMessageSuite", 2) in mode.suites and not mode.broken_persistent


def recovers(effect: Effect) -> None:
    """Wait until frames are keyed again, and check that nothing is left of the failure."""
    eventually(lambda: effect.render(GOOD).status == 0, "frames are keyed again", 10)
    check_good(effect)


def while_running(
    crew: ThreadPoolExecutor, echo: EchoDaemon, effect: Effect, seconds: float, **asked: object
) -> Future[Result]:
    """Begin to render a frame that takes so long, and return when the daemon is at it."""
    job = crew.submit(effect.render, pictures_of(asking(red=SLOW + seconds)), **asked)
    eventually(echo.is_keying, "the frame is keyed", 10)
    return job


@contextmanager
def stopped(echo: EchoDaemon) -> Iterator[None]:
    """Let the daemon hang."""
    echo.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        echo.process.send_signal(signal.SIGCONT)


@kinds
def test_no_daemon(mode: Mode, binary: Path, nowhere: Path) -> None:
    """It is told at once; for two seconds frames fail without a try; when the daemon comes they are keyed."""
    with opened(binary, mode) as (host, effect):
        check_failed(effect.render(GOOD), "no CorridorKey daemon runs; start it", 0.5, mode)
        until, seconds = time.monotonic() + 1.5, []
        while time.monotonic() < until:
            result = effect.render(GOOD)
            check_black(result, 0.5)
            seconds.append(result.seconds)
        assert np.median(seconds) < 0.05
        assert len(host.messages) == 1
        with EchoDaemon(nowhere):
            recovers(effect)


@artists
def test_a_daemon_that_hangs_when_it_is_met(mode: Mode, binary: Path, echo: EchoDaemon) -> None:
    """A daemon that says nothing costs an artist no more than the time to connect."""
    with opened(binary, mode) as (_, effect):
        with stopped(echo):
            check_failed(effect.render(GOOD), "does not answer;", 0.75, mode)
            check_black(effect.render(GOOD), 0.05)
        recovers(effect)


def test_a_farm_waits_longer(binary: Path, echo: EchoDaemon, crew: ThreadPoolExecutor) -> None:
    """Without an artist a daemon that is slow to answer is no failure."""
    with opened(binary, MLT) as (_, effect):
        with stopped(echo):
            job = crew.submit(effect.render, GOOD)
            time.sleep(1)
        assert is_keyed(job.result(), GOOD)


@pytest.mark.parametrize("mode", [NUKE, MLT], ids=lambda mode: mode.label)
def test_a_daemon_that_hangs_under_a_frame(
    mode: Mode, binary: Path, echo: EchoDaemon, crew: ThreadPoolExecutor
) -> None:
    """A frame of which nothing is heard is given up, and when the daemon goes on the next one is keyed."""
    with opened(binary, mode) as (_, effect):
        job = while_running(crew, echo, effect, 60)
        with stopped(echo):
            check_failed(job.result(), "does not answer;", 7, mode)
        recovers(effect)


@few
def test_a_daemon_that_is_killed_under_a_frame(
    mode: Mode, binary: Path, echo: EchoDaemon, crew: ThreadPoolExecutor
) -> None:
    """The frame fails at once, and the next daemon is used."""
    with opened(binary, mode) as (_, effect):
        job = while_running(crew, echo, effect, 60)
        begun = time.monotonic()
        echo.kill()
        result = job.result()
        assert time.monotonic() - begun < 1.5
        check_failed(result, "start it", 10, mode)
        echo.restart()
        recovers(effect)


@few
def test_a_daemon_that_is_stopped(mode: Mode, binary: Path, echo: EchoDaemon, crew: ThreadPoolExecutor) -> None:
    """The frame that it is at comes, the one behind fails with its words."""
    with opened(binary, mode) as (_, effect):
        running = while_running(crew, echo, effect, 0.7)
        queued = crew.submit(effect.render, GOOD)
        eventually(lambda: echo.status()["queue"] == 1, "the other frame waits", 10)
        echo.process.terminate()
        check_failed(queued.result(), "start it", 2, mode)
        assert running.result().status == 0
        echo.restart()
        recovers(effect)


@few
def test_a_worker_that_dies(mode: Mode, binary: Path, echo: EchoDaemon) -> None:
    """Once is made good by the daemon; a frame that kills every worker fails, and the one after it is keyed."""
    with opened(binary, mode) as (_, effect):
        once = pictures_of(asking(red=7, green=-666))
        assert is_keyed(effect.render(once), once)
        check_failed(effect.render(pictures_of(asking(green=-667))), "", 20, mode)
        recovers(effect)
    assert echo.status()["worker"]["restarts"] >= 2


@kinds
def test_a_fault_in_the_keyer(mode: Mode, binary: Path, echo: EchoDaemon) -> None:
    """What the keyer fails with is told, without a restart."""
    with opened(binary, mode) as (_, effect):
        check_failed(effect.render(pictures_of(asking(green=-668))), "", 5, mode)
        check_good(effect)
    assert echo.status()["worker"]["restarts"] == 0


@kinds
@pytest.mark.usefixtures("echo")
def test_parameters_that_the_daemon_refuses(mode: Mode, binary: Path) -> None:
    """The daemon's sentence reaches the artist, and other values are keyed."""
    with opened(binary, mode, matte_black=0.9, matte_white=0.1) as (_, effect):
        check_failed(effect.render(GOOD), "matte_black", 5, mode)
        effect.set("matte_black", 0.0)
        effect.set("matte_white", 1.0)
        check_good(effect)


@pytest.mark.parametrize("version", [0, 2])
@few
def test_another_version(mode: Mode, version: int, binary: Path, nowhere: Path) -> None:
    """A daemon of another age is not talked to."""
    with served(nowhere) as fake, opened(binary, mode) as (_, effect):
        fake.answer = lambda _daemon, message: [welcome(message, version)] if isinstance(message, Hello) else []
        check_failed(effect.render(GOOD), "install the same version", 0.5, mode)
    assert [type(message) for message in fake.heard] == [Hello]


def too_old(_daemon: FakeDaemon, _message: object) -> list[bytes]:
    """Refuse whoever comes."""
    return [Error(id=1, code="version", sentence="this plug-in is too old", next="update it.").encode()]


def test_a_daemon_that_refuses_is_quoted(binary: Path, nowhere: Path) -> None:
    """The daemon's own words tell what to do."""
    with served(nowhere) as fake, opened(binary) as (_, effect):
        fake.answer = too_old
        check_failed(effect.render(GOOD), "this plug-in is too old; update it.", 0.5)


def test_a_daemon_that_closes_the_door(binary: Path, nowhere: Path) -> None:
    """More sessions than it has, or another user's daemon."""
    with served(nowhere) as fake, opened(binary) as (_, effect):
        fake.opened = None
        check_failed(effect.render(GOOD), "closed the connection", 0.5)


@pytest.mark.parametrize(("owner", "rights", "words"), [(0, 0o755, "is open to other users"),
                                                        (65534, 0o700, "belongs to another user")])  # fmt: skip
def test_a_runtime_folder_that_is_not_safe(owner: int, rights: int, words: str, binary: Path, echo: EchoDaemon) -> None:
    """Nothing is sent where somebody else could listen."""
    if os.getuid() != 0:
        pytest.skip("only root gives folders away")
    folder, before = echo.place.folder, echo.status()["frames"]
    with opened(binary) as (_, effect):
        os.chown(folder, owner, -1)
        folder.chmod(rights)
        try:
            check_failed(effect.render(GOOD), words, 0.5)
        finally:
            os.chown(folder, os.getuid(), -1)
            folder.chmod(0o700)
        assert echo.status()["frames"] == before
        recovers(effect)


@few
def test_no_memory_for_a_frame(mode: Mode, binary: Path, nowhere: Path) -> None:
    """A frame that the daemon can never hold fails at once, a smaller one does not."""
    with EchoDaemon(nowhere, slot_memory=1 << 20) as echo, opened(binary, mode) as (_, effect):
        with echo.client() as client:
            client.status()
        large = {"Source": Picture(LARGE), "AlphaHint": Picture(LARGE)}
        check_failed(effect.render(large), "", 2, mode)
        check_good(effect)


def test_more_frames_than_slots(binary: Path, echo: EchoDaemon, crew: ThreadPoolExecutor) -> None:
    """A session has three slots: other frames wait for one, and each is what it is."""
    shots = [pictures_of(stamped(SIZE, 5, number)[0]) for number in range(12)]
    with opened(binary) as (_, effect):
        slow = while_running(crew, echo, effect, 0.5)
        results = list(crew.map(effect.render, shots))
        assert all(is_keyed(result, shot) for result, shot in zip(results, shots, strict=True))
        assert slow.result().status == 0
        assert echo.status()["slots"]["count"] <= 3


UNKNOWN = [replace(mode, name="corridorkey.test.other") for mode in (STRICT, FUSION, MLT)]


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("mode", UNKNOWN, ids=lambda mode: mode.label)
def test_a_failure_is_said_once(mode: Mode, binary: Path) -> None:
    """As long as it stays the same; another one is said, and the first one again when it comes back."""
    with opened(binary, mode) as (host, effect):
        for _ in range(10):
            check_black(effect.render(GOOD), 1)
        effect.set("working_space", "auto")
        for _ in range(10):
            check_black(effect.render(GOOD), 1)
        effect.set("working_space", shown(LINEAR))
        for _ in range(10):
            check_black(effect.render(GOOD), 1)
    texts = [message.text for message in host.messages]
    assert ["no CorridorKey daemon" in text for text in texts] == [True, False, True]
    assert "choose the Working Space" in texts[1]
    assert {message.is_persistent for message in host.messages} == {has_nodes(mode)}


@pytest.mark.usefixtures("nowhere")
@kinds
def test_nodes_that_fail_together(mode: Mode, binary: Path) -> None:
    """Each node shows why it failed; where a message is a dialog there is one for all of them."""
    with opened(binary, mode) as (host, first):
        effects = [first, effect_of(host), effect_of(host)]
        for _ in range(5):
            for effect in effects:
                check_black(effect.render(GOOD), 1)
        assert len(host.messages) == (3 if has_nodes(mode) else 1)
        assert all((effect.persistent is not None) == has_nodes(mode) for effect in effects)


@kinds
@pytest.mark.usefixtures("echo")
def test_a_failure_that_comes_back_is_said_again(mode: Mode, binary: Path) -> None:
    """After frames that were keyed the artist hears of the same fault anew."""
    bad = pictures_of(asking(green=-668))
    with opened(binary, mode) as (host, effect):
        for _ in range(2):
            check_failed(effect.render(bad), "", 5, mode)
            check_black(effect.render(bad), 5)
            check_good(effect)
        assert len(host.messages) == 2


def test_threads_that_fail_and_threads_that_do_not(binary: Path, crew: ThreadPoolExecutor) -> None:
    """Of one node: what it shows follows what happened, is never set twice, and is gone after the last good frame."""
    bad = {"Source": Picture(LARGE[:9, :9]), "AlphaHint": Picture(LARGE[:9, :9, :3])}  # has no alpha
    good = {"Source": Picture(LARGE[:9, :9], at=(500, 500)), "AlphaHint": Picture(LARGE[:9, :9, :3])}  # is not seen
    with opened(binary, STRICT, hint_channel="alpha") as (_, effect):

        def work(thread: int) -> None:
            for turn in range(200):
                is_good = (turn + thread) % 2 == 0
                result = effect.render(good if is_good else bad, extent=SIZE)
                assert result.status == (0 if is_good else 1)

        results_of([crew.submit(work, thread) for thread in range(8)])
        effect.render(good, extent=SIZE)
        assert effect.persistent is None


def check_aborted(job: Future[Result], abort: threading.Event) -> None:
    """Abort a render, and check that it ends at once, in silence."""
    begun = time.monotonic()
    abort.set()
    result = job.result(10)
    assert time.monotonic() - begun < AT_ONCE
    check_silent(result)


def check_silent(result: Result) -> None:
    """Check that an aborted frame shows nothing, and that nothing is said."""
    assert result.status == 1
    assert (result.pixels == 0).all()
    assert result.messages == []


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


@kinds
@pytest.mark.usefixtures("echo")
def test_an_abort_says_nothing_new_and_takes_nothing_back(mode: Mode, binary: Path) -> None:
    """A failure that is shown stays so while frames are aborted."""
    bad = pictures_of(asking(green=-668))
    with opened(binary, mode) as (host, effect):
        check_failed(effect.render(bad), "", 5, mode)
        shown = effect.persistent
        check_silent(effect.render(GOOD, abort_after=0))
        assert effect.persistent == shown
        check_black(effect.render(bad), 5)
        assert len(host.messages) == 1


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
            shot = pictures_of(asking(red=SLOW + 0.05 if kind == "slow" else number, green=-668 * (kind == "fault")))
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
