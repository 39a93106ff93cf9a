"""The C client against a real daemon, over real sockets and shared memory: frames, threads, failures, deadlines."""

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from corridorkey_server.protocol import CODES
from daemons import SIZES, EchoDaemon, Pixels, asking, descriptors, eventually, resident, stamped
from native_client import (
    CANCELLED,
    CODE,
    DOWN,
    HAS_ALPHA,
    HAS_HINT,
    HAS_INSIDE,
    HAS_OUTSIDE,
    HINT,
    IN,
    KEPT,
    MASK,
    MISUSED,
    NO_MEMORY,
    OK,
    OUT,
    REFUSED,
    SCREEN,
    SECONDS,
    SILENT,
    UNSAFE,
    VERSION,
    WAITING,
    WITH_HINT,
    WITH_MASKS,
    Failed,
    NativeClient,
    NativeFrame,
)

SLOW = 1000.0


@pytest.fixture
def client(daemon: EchoDaemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[NativeClient]:
    """A client of a daemon that gives back what it gets."""
    monkeypatch.setenv("CKEY_RUNTIME", str(daemon.place.folder))
    # A machine that compiles beside the tests answers late.
    with NativeClient(connect_ms=5000) as opened:
        yield opened


def fill(frame: NativeFrame, plate: Pixels, hint: Pixels | float = 0.0) -> None:
    """Put a plate and a hint into a frame."""
    frame.plane(IN)[..., :3], frame.plane(IN)[..., 3] = plate, hint


def key(frame: NativeFrame, plate: Pixels, hint: Pixels | float = 0.0, patience: float = 10) -> int:
    """Key a frame, and return what was said of it."""
    fill(frame, plate, hint)
    frame.submit()
    return frame.poll(patience)


def expect(status: int, work: Callable[[], object], words: str, within: float) -> float:
    """Check that `work` fails with `status` and a sentence with `words`, in so many seconds; returns the seconds."""
    start = time.monotonic()
    with pytest.raises(Failed, match=words) as failed:
        work()
    seconds = time.monotonic() - start
    assert failed.value.status == status
    assert seconds < within
    return seconds


def test_a_frame_comes_back(client: NativeClient) -> None:
    """What the daemon made of plate and hint lies in the out plane, with its notes and times."""
    plate, hint = stamped((320, 180), 1, 1)
    with client.ready(320, 180) as frame:
        assert key(frame, plate, hint) == OK
        assert np.array_equal(frame.plane(OUT), np.dstack((plate, hint)))
        assert np.array_equal(frame.plane(IN), np.dstack((plate, hint)))
        assert frame.notes() == ["screen green"]
        assert frame.fact(KEPT) == 0
        assert 0 < frame.fact(SECONDS) < 10
        assert key(frame, plate, hint) == OK
        assert frame.fact(KEPT) == 1


def test_parameters_reach_the_daemon(client: NativeClient) -> None:
    """A word, a number and a switch are taken as they are, and stay until they are set again."""
    with client.ready() as frame:
        frame.set(screen="blue", despill=0.25, despeckle=True)
        for _ in range(2):
            assert key(frame, asking()) == OK
            assert frame.notes() == ["screen blue"]
        frame.set(screen="green")
        assert key(frame, asking()) == OK
        assert frame.notes() == ["screen green"]


@pytest.mark.parametrize(("name", "value"), [("despil", 1.0), ("despill", 7.0), ("screen", "red"), ("despeckle", "x")])
def test_a_wrong_parameter_is_refused(client: NativeClient, name: str, value: float | str) -> None:
    """The daemon's sentence is told, and the frame can be sent again when the parameter is right."""
    with client.ready() as frame:
        frame.set(**{name: value})
        expect(REFUSED, lambda: key(frame, asking()), name, 5)
        assert list(CODES)[int(frame.fact(CODE))] == "input"


def test_masks_and_the_used_hint_have_planes(client: NativeClient) -> None:
    """Planes that were asked for are there, and others are not."""
    with client.ready(31, 17, WITH_MASKS | WITH_HINT) as frame, client.ready(31, 17) as plain:
        frame.plane(MASK)[...] = (0, 1)
        fill(frame, asking(size=(31, 17)), 0.5)
        frame.submit(HAS_HINT | HAS_INSIDE | HAS_OUTSIDE)
        assert frame.poll(10) == OK
        assert (frame.plane(HINT) == 0.5).all()
        assert not plain.has(MASK)
        assert not plain.has(HINT)
        expect(MISUSED, lambda: plain.submit(HAS_INSIDE), "go together", 1)
        expect(MISUSED, lambda: plain.submit(HAS_HINT | HAS_ALPHA), "go together", 1)


def test_a_screen_is_detected(client: NativeClient) -> None:
    """The index of the screen's word comes back, or -1 where there is none."""
    with client.ready() as frame:
        for color, wanted in (((0, 1, 0), 0), ((0, 0, 1), 1), ((0, 0, 0), -1)):
            fill(frame, np.full((36, 64, 3), color, np.float32))
            frame.detect("srgb")
            assert frame.poll(10) == OK
            assert frame.fact(SCREEN) == wanted
        frame.detect("nonsense")
        expect(REFUSED, lambda: frame.poll(10), "nonsense", 5)


def test_the_daemon_is_described(client: NativeClient, daemon: EchoDaemon) -> None:
    """One line tells device, model and process."""
    with client.ready() as frame:
        key(frame, asking())
        line = client.describe()
    assert str(daemon.process.pid) in line
    assert "echo" in line


@pytest.mark.slow
def test_frames_of_many_threads_do_not_mix(client: NativeClient, rounds: int) -> None:
    """Eight threads key frames of several sizes through one client: each gets its own, though there are three slots."""

    def work(thread: int) -> int:
        for number in range(25 * rounds):
            size = SIZES[(thread + number) % len(SIZES)]
            plate, hint = stamped(size, thread, number)
            with client.ready(*size) as frame:
                assert key(frame, plate, hint, 30) == OK
                assert np.array_equal(frame.plane(OUT), np.dstack((plate, hint)))
        return 25 * rounds

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(work, range(8))) == 200 * rounds


def test_a_fourth_frame_waits_for_a_slot(client: NativeClient) -> None:
    """A session has three slots: the next frame gets one as soon as another is released."""
    with ExitStack() as held:
        first, *_ = (held.enter_context(client.ready()) for _ in range(3))
        with client.slot() as fourth:
            assert fourth.poll(0.3) == WAITING
            first.release()
            assert fourth.poll(5) == OK


def test_a_waiting_thread_is_woken_by_a_release(client: NativeClient) -> None:
    """A thread that waits for a slot has it milliseconds after another thread lets go."""
    with ExitStack() as held, ThreadPoolExecutor(1) as other:
        frames = [held.enter_context(client.ready()) for _ in range(3)]
        fourth = held.enter_context(client.slot())
        waiting = other.submit(lambda: (fourth.poll(20), time.monotonic()))
        time.sleep(0.3)
        start = time.monotonic()
        frames[0].release()
        status, end = waiting.result()
        assert status == OK
        assert end - start < 0.2


def test_progress_is_told(client: NativeClient) -> None:
    """While a frame is keyed its stage and fraction can be read."""
    with client.ready() as frame:
        fill(frame, asking(red=SLOW + 1))
        frame.submit()
        eventually(lambda: frame.progress() == 0.5, "the worker's progress arrives")
        assert frame.stage() == "infer"
        assert frame.poll(10) == OK


def test_a_frame_is_cancelled(client: NativeClient) -> None:
    """A frame that runs and one that waits behind it are stopped, and their memory is used again."""
    with client.ready() as running, client.ready() as queued:
        for frame in (running, queued):
            fill(frame, asking(red=SLOW + 60))
            frame.submit()
        assert queued.poll(0.1) == WAITING
        start = time.monotonic()
        queued.cancel()
        assert queued.poll(5) == CANCELLED
        running.cancel()
        assert running.poll(5) == CANCELLED
        assert time.monotonic() - start < 3
        assert key(running, asking()) == OK


def test_a_frame_can_be_cancelled_before_it_has_memory(client: NativeClient) -> None:
    """Whoever stops waiting for a slot is told so, and the slot goes to the next."""
    with ExitStack() as held:
        frames = [held.enter_context(client.ready()) for _ in range(3)]
        with client.slot() as waiting:
            waiting.cancel()
            assert waiting.poll(1) == CANCELLED
            expect(MISUSED, lambda: waiting.submit(), "not the plug-in's", 1)
        with client.slot() as asked:
            frames[0].release()
            asked.cancel()
            assert asked.poll(1) == CANCELLED
        assert held.enter_context(client.ready(16, 9)).poll(0) == OK


def test_a_frame_on_its_way_can_be_released(client: NativeClient, daemon: EchoDaemon) -> None:
    """Its frame is stopped, and the slot comes back when the daemon is done with it."""
    for _ in range(6):
        with client.ready() as frame:
            fill(frame, asking(red=SLOW + 30))
            frame.submit()
    with client.ready() as frame:
        assert key(frame, asking()) == OK
    assert daemon.status()["slots"]["count"] <= 3


def test_a_frame_waits_behind_released_ones(client: NativeClient) -> None:
    """Whoever asks while released frames are still being stopped gets a slot as soon as they are."""
    for _ in range(3):
        with client.ready() as frame:
            fill(frame, asking(red=SLOW + 30))
            frame.submit()
    with client.slot() as waiting:
        assert waiting.poll(5) == OK


def test_an_idle_client_holds_no_slot(client: NativeClient, daemon: EchoDaemon) -> None:
    """A frame that is released on its way leaves its slot to the daemon, also if nothing is asked for afterwards."""
    with client.ready() as frame:
        fill(frame, asking(red=SLOW + 30))
        frame.submit()
        eventually(daemon.is_keying, "the frame is keyed")
    eventually(lambda: daemon.status()["sessions"][0]["slots"] == {"1": "idle"}, "the slot is nobody's")


@pytest.mark.slow
def test_memory_that_cannot_be_mapped_is_no_end(client: NativeClient) -> None:
    """A host that is short of memory is told so, and keys when it has some again."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    with client.slot(1920, 1080) as frame:
        time.sleep(0.5)
        resource.setrlimit(resource.RLIMIT_AS, (used + (16 << 20), limits[1]))
        try:
            expect(NO_MEMORY, lambda: frame.poll(5), "cannot be mapped; close something", 5)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, limits)
    with client.ready(1920, 1080) as frame:
        assert key(frame, asking(size=(1920, 1080))) == OK


def test_a_host_without_descriptors_is_told_so(client: NativeClient) -> None:
    """That the daemon runs is not doubted, and the next frame comes as soon as there is room."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    client.ready().release()
    with client.slot(320, 180) as frame:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
        try:
            expect(NO_MEMORY, lambda: frame.poll(5), "too many files open", 5)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    with client.ready(320, 180) as frame:
        assert key(frame, asking(size=(320, 180))) == OK


def test_a_newer_frame_takes_the_place_of_a_waiting_one(client: NativeClient, daemon: EchoDaemon) -> None:
    """Only of the same node, and only while it waits."""
    with client.ready() as running, client.ready() as old, client.ready() as new:
        for frame in (running, old, new):
            fill(frame, asking(red=SLOW + (1 if frame is running else 0)))
            frame.submit(node="viewer")
            eventually(daemon.is_keying, "the first frame is keyed")
        assert old.poll(10) == CANCELLED
        assert new.poll(10) == OK
        assert running.poll(10) == OK


def test_a_dead_worker_is_no_failure(client: NativeClient) -> None:
    """The daemon starts another one, and the frame comes back as if nothing had been."""
    with client.ready() as frame:
        plate = asking(green=-666)
        assert key(frame, plate, 0.25, 30) == OK
        assert np.array_equal(frame.plane(OUT)[..., :3], plate)


@pytest.mark.slow
def test_no_daemon_is_told_at_once_and_remembered(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a daemon a frame fails within 250 ms, the next ones without a try, and after two seconds it is tried."""
    monkeypatch.setenv("CKEY_RUNTIME", str(runtime))
    with NativeClient() as client:
        expect(DOWN, client.slot, "no CorridorKey daemon runs; start it", 0.25)
        with EchoDaemon(runtime):
            expect(DOWN, client.slot, "no CorridorKey daemon runs; start it", 0.05)
            eventually(lambda: is_up(client), "the daemon is tried again", 10)


def is_up(client: NativeClient) -> bool:
    """Whether a frame can be had."""
    try:
        client.slot().release()
    except Failed as failed:
        assert failed.status in (DOWN, SILENT)
        return False
    return True


def test_a_retry_is_not_kept_waiting(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever knows that the daemon was started need not wait until it is tried again."""
    monkeypatch.setenv("CKEY_RUNTIME", str(runtime))
    with NativeClient(connect_ms=5000) as client:
        expect(DOWN, client.slot, "no CorridorKey daemon runs", 1)
        with EchoDaemon(runtime):
            client.retry()
            client.ready().release()


@pytest.mark.slow
def test_a_daemon_that_hangs_is_given_up(daemon: EchoDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that takes connections and says nothing costs 250 ms, then nothing for two seconds."""
    monkeypatch.setenv("CKEY_RUNTIME", str(daemon.place.folder))
    with NativeClient() as client:
        daemon.process.send_signal(signal.SIGSTOP)
        try:
            seconds = expect(SILENT, client.slot, "does not answer", 0.6)
            assert seconds > 0.2
            expect(SILENT, client.slot, "does not answer", 0.05)
        finally:
            daemon.process.send_signal(signal.SIGCONT)
        client.retry()
        eventually(lambda: is_up(client), "the daemon is tried again", 10)


@pytest.mark.slow
def test_a_daemon_that_hangs_under_a_frame_is_given_up(client: NativeClient, daemon: EchoDaemon) -> None:
    """A frame that nothing is heard of ends within its deadline; when the daemon goes on, so does the client."""
    with client.ready() as frame:
        fill(frame, asking(red=SLOW + 60))
        frame.submit()
        assert frame.poll(0.2) == WAITING
        daemon.process.send_signal(signal.SIGSTOP)
        try:
            expect(SILENT, lambda: frame.poll(30), "does not answer", 7)
        finally:
            daemon.process.send_signal(signal.SIGCONT)
    client.retry()
    with client.ready() as frame:
        assert key(frame, asking()) == OK


@pytest.mark.slow
def test_a_daemon_that_hangs_is_given_up_by_who_waits_for_a_slot(client: NativeClient, daemon: EchoDaemon) -> None:
    """Also where all that was asked of it has been released."""
    with ExitStack() as held:
        for frame in [held.enter_context(client.ready()) for _ in range(3)]:
            fill(frame, asking(red=SLOW + 30))
            frame.submit()
        daemon.process.send_signal(signal.SIGSTOP)
    try:
        with client.slot() as waiting:
            expect(SILENT, lambda: waiting.poll(30), "does not answer", 7)
    finally:
        daemon.process.send_signal(signal.SIGCONT)


@pytest.mark.slow
def test_silence_is_no_fault_of_a_slow_frame(client: NativeClient) -> None:
    """A frame that takes longer than the daemon may be silent comes back all the same."""
    with client.ready() as frame:
        assert key(frame, asking(red=2 * SLOW + 7), patience=30) == OK


def test_a_killed_daemon_is_told_at_once(client: NativeClient, daemon: EchoDaemon) -> None:
    """The frame on its way ends with a sentence, results that came stay, and the next daemon is used at once."""
    with client.ready() as done, client.ready() as running:
        fill(done, asking(), 0.5)
        done.submit()
        fill(running, asking(red=SLOW + 60))
        running.submit()
        eventually(lambda: daemon.status()["frames"]["keyed"] == 1, "the first frame is done")
        daemon.kill()
        expect(DOWN, lambda: running.poll(30), "has ended; start it", 1)
        assert done.poll(0) == OK
        assert (done.plane(OUT)[..., 3] == 0.5).all()
        expect(DOWN, lambda: done.submit(), "has ended; start it", 1)
        daemon.restart()
    with client.ready() as frame:
        assert key(frame, asking()) == OK


def test_a_daemon_that_came_back_unseen_is_used(client: NativeClient, daemon: EchoDaemon) -> None:
    """Between two frames the daemon may be another one."""
    for _ in range(3):
        with client.ready() as frame:
            assert key(frame, asking()) == OK
        daemon.kill()
        daemon.restart()


def test_a_stopped_daemon_refuses_with_a_sentence(client: NativeClient, daemon: EchoDaemon) -> None:
    """A daemon that is about to end finishes the frame that it is at, and says so to the one behind."""
    with client.ready() as running, client.ready() as queued:
        for frame in (running, queued):
            fill(frame, asking(red=SLOW + 0.5))
            frame.submit()
        eventually(daemon.is_keying, "the first frame is keyed")
        daemon.process.terminate()
        with pytest.raises(Failed) as failed:
            queued.poll(10)
        assert failed.value.status in (REFUSED, DOWN)
        assert running.poll(10) == OK


def test_a_folder_that_others_may_enter_is_not_used(client: NativeClient, daemon: EchoDaemon) -> None:
    """Nothing is sent where somebody else could listen."""
    daemon.place.folder.chmod(0o755)
    try:
        expect(UNSAFE, client.slot, "open to other users", 1)
    finally:
        daemon.place.folder.chmod(0o700)


def test_another_abi_is_refused() -> None:
    """A caller that was made for another library is told so."""
    expect(VERSION, lambda: NativeClient(abi=99), "install the same version", 1)


@pytest.mark.parametrize(("width", "height"), [(0, 9), (9, -1), (32769, 9)])
def test_an_impossible_size_is_refused(client: NativeClient, width: int, height: int) -> None:
    """Sizes that no frame can have do not reach the daemon."""
    expect(MISUSED, lambda: client.slot(width, height), "cannot be keyed", 1)


def test_a_forked_child_leaves_the_session_alone(client: NativeClient) -> None:
    """In a child every call fails, the child's end does not end the session, and a child does not keep it alive."""
    with client.ready() as frame:
        connections = sockets()
        child = os.fork()
        if child == 0:
            ends = [misused_in_child(work) for work in (frame.poll, frame.cancel, client.slot, client.describe)]
            client.retry()
            frame.stage()
            os._exit(0 if all(ends) and sockets() == connections - 2 and not has_slots() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert key(frame, asking()) == OK


def misused_in_child(work: Callable[[], object]) -> bool:
    """Whether a call fails as it has to in a forked process."""
    try:
        work()
    except Failed as failed:
        return failed.status == MISUSED
    return False


def sockets() -> int:
    """Return how many connections this process has open."""
    return sum(target.startswith("socket:") for target in descriptors(os.getpid()))


def has_slots() -> bool:
    """Whether this process has memory of a daemon mapped."""
    return any("memfd" in line for line in Path("/proc/self/maps").read_text().splitlines())


@pytest.mark.slow
def test_memory_and_descriptors_stay_flat(client: NativeClient, daemon: EchoDaemon, rounds: int) -> None:
    """Frames, sizes that change, and clients that come and go leave nothing behind, here or in the daemon."""

    def work(count: int) -> None:
        for number in range(count):
            with client.ready(*SIZES[number % len(SIZES)]) as frame:
                assert key(frame, np.zeros((frame.height, frame.width, 3), np.float32)) == OK
        for _ in range(5):
            with NativeClient(connect_ms=5000) as other:
                other.ready().release()

    work(50)
    before = len(descriptors(os.getpid())), resident(os.getpid()), resident(daemon.process.pid)
    work(200 * rounds)
    assert len(descriptors(os.getpid())) == before[0]
    assert resident(os.getpid()) - before[1] < 4 << 20
    assert resident(daemon.process.pid) - before[2] < 8 << 20
