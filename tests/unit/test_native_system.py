"""The system layer of the C client: time, threads, sockets."""

import ctypes
import math
import os
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from native_system import GONE, LATE, NO_ROOM, NOBODY, NOTHING, PATIENCE, SOME, build, dial, load

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="compiles the files of Linux")

NO_SOCKET = -1
SHORT = 0.1


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The layer."""
    return load(build(tmp_path_factory.mktemp("system")))


@pytest.fixture
def path() -> Iterator[Path]:
    """Where to listen, short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="ckey-") as folder:
        yield Path(folder) / "socket"


@pytest.fixture
def ends(code: ctypes.CDLL, path: Path) -> Iterator[tuple[int, socket.socket]]:
    """A connection that was dialled, and its other end, which blocks."""
    with listening(path) as listener:
        said, ours = dial(code, path)
        theirs, _ = listener.accept()
        with theirs:
            assert said == 0
            yield ours, theirs
        code.ck_socket_close(ours)


@contextmanager
def listening(path: Path, backlog: int = 8) -> Iterator[socket.socket]:
    """Give a socket that listens at `path`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(backlog)
        listener.settimeout(PATIENCE)
        yield listener


@contextmanager
def crowded(path: Path) -> Iterator[socket.socket]:
    """Give a listener with whom as many wait as can."""
    with listening(path, 0) as listener, ExitStack() as stack:
        while True:
            client = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            client.setblocking(False)
            if client.connect_ex(str(path)) != 0:
                break
        yield listener


@contextmanager
def handling(number: signal.Signals, hits: list[int]) -> Iterator[None]:
    """Count a signal instead of doing what the system does."""
    before = signal.signal(number, lambda *_: hits.append(1))
    try:
        yield
    finally:
        signal.signal(number, before)


@contextmanager
def descriptors_up_to(most: int) -> Iterator[None]:
    """Let this process have so many descriptors."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, before[1]), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def receive(code: ctypes.CDLL, connection: int, room: int = 4096) -> tuple[int, bytes]:
    """Return what ck_socket_receive says, and the bytes."""
    data, size = ctypes.create_string_buffer(4096), ctypes.c_size_t(7)
    said = code.ck_socket_receive(connection, data, room, ctypes.byref(size))
    return said, data.raw[: size.value]


def send(code: ctypes.CDLL, connection: int, data: bytes, seconds: float = PATIENCE) -> int:
    """Return what ck_socket_send says."""
    said: int = code.ck_socket_send(connection, data, len(data), code.ck_now() + seconds)
    return said


def wait(code: ctypes.CDLL, one: int, other: int = NO_SOCKET, seconds: float = PATIENCE) -> int:
    """Return what ck_wait_readable says."""
    said: int = code.ck_wait_readable(one, other, code.ck_now() + seconds)
    return said


def new_threads(code: ctypes.CDLL) -> tuple[ctypes.Array, ctypes.Array]:
    """Return a mutex and a condition."""
    mutex, condition = (ctypes.c_uint64 * 16)(), (ctypes.c_uint64 * 16)()
    code.ck_mutex_init(mutex)
    assert code.ck_condition_init(condition) == 0
    return mutex, condition


def test_clock_is_the_one_that_nobody_sets(code: ctypes.CDLL) -> None:
    """Its time is that of Python's monotonic clock."""
    before = time.monotonic()
    now = code.ck_now()
    assert before <= now <= time.monotonic()


def test_user_and_process_are_the_systems(code: ctypes.CDLL) -> None:
    """Their numbers are what the system says."""
    assert (code.ck_user(), code.ck_process()) == (os.getuid(), os.getpid())


@pytest.mark.parametrize("seconds", [SHORT, 0.0, -1.0, -math.inf])
def test_condition_wait_ends_at_its_deadline(code: ctypes.CDLL, seconds: float) -> None:
    """It sleeps until then and does not spin, and returns at once when the time is over."""
    mutex, condition = new_threads(code)
    begin, returns = code.ck_now(), 0
    code.ck_mutex_lock(mutex)
    while returns == 0 or code.ck_now() < begin + seconds:
        code.ck_condition_wait(condition, mutex, begin + seconds)
        returns += 1
    code.ck_mutex_unlock(mutex)
    assert returns < 20
    assert code.ck_now() < begin + PATIENCE
    code.ck_condition_end(condition)
    code.ck_mutex_end(mutex)


@pytest.mark.parametrize("seconds", [1000.0, 1e300, math.inf])
def test_condition_wakes_all_who_wait(code: ctypes.CDLL, seconds: float) -> None:
    """Everybody goes on when woken, however far the deadline."""
    mutex, condition = new_threads(code)
    waiting: list[int] = []

    def sleeper() -> None:
        code.ck_mutex_lock(mutex)
        waiting.append(1)
        code.ck_condition_wait(condition, mutex, code.ck_now() + seconds)
        code.ck_mutex_unlock(mutex)

    threads = [threading.Thread(target=sleeper, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    woken = False
    while not woken:
        code.ck_mutex_lock(mutex)
        # Who has said so holds the mutex until it sleeps.
        woken = len(waiting) == len(threads)
        if woken:
            code.ck_condition_wake_all(condition)
        code.ck_mutex_unlock(mutex)
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_connection_carries_bytes_both_ways(code: ctypes.CDLL, ends: tuple[int, socket.socket]) -> None:
    """What one end sends the other receives, in pieces as large as there is room; then there is nothing."""
    ours, theirs = ends
    assert send(code, ours, b"plate") == 0
    assert theirs.recv(100) == b"plate"
    theirs.sendall(b"matte")
    assert receive(code, ours, 3) == (SOME, b"mat")
    assert receive(code, ours, 0) == (NOTHING, b"")
    assert receive(code, ours) == (SOME, b"te")
    assert receive(code, ours) == (NOTHING, b"")


def test_connection_is_not_inherited_and_never_blocks(ends: tuple[int, socket.socket]) -> None:
    """A program that the host starts does not hold it, and the host's thread does not hang on it."""
    ours, _ = ends
    assert not os.get_inheritable(ours)
    assert not os.get_blocking(ours)


def test_end_of_the_other_is_told_after_its_last_words(code: ctypes.CDLL, ends: tuple[int, socket.socket]) -> None:
    """What was sent before the end still arrives, also where the other left something unread."""
    ours, theirs = ends
    assert send(code, ours, b"unread") == 0
    theirs.sendall(b"bye")
    theirs.close()
    assert wait(code, ours) == 1
    assert receive(code, ours) == (SOME, b"bye")
    assert receive(code, ours) == (GONE, b"")
    assert receive(code, ours) == (GONE, b"")


def test_dial_where_nobody_listens(code: ctypes.CDLL, path: Path) -> None:
    """No file, a file of something else, a dead daemon's socket and what is no path are all found so at once."""
    with listening(path):
        pass
    plain = path.with_name("plain")
    plain.touch()
    longest = path.parent / ("x" * 200)
    for wrong in (path, plain, longest, path.with_name("none"), ""):
        assert dial(code, wrong) == (NOBODY, NO_SOCKET)


def test_dial_waits_for_a_full_queue_until_its_deadline(code: ctypes.CDLL, path: Path) -> None:
    """Where too many wait already the daemon is late, which is something else than not there."""
    with crowded(path):
        begin = code.ck_now()
        assert dial(code, path, SHORT) == (LATE, NO_SOCKET)
        assert SHORT <= code.ck_now() - begin < PATIENCE


def test_dial_goes_through_when_the_queue_moves(code: ctypes.CDLL, path: Path) -> None:
    """Who waits for a place in the queue gets it."""
    with crowded(path) as listener:
        accept = threading.Timer(SHORT, lambda: listener.accept()[0].close())
        accept.start()
        said, connection = dial(code, path)
        accept.join()
        assert said == 0
        code.ck_socket_close(connection)


def test_dial_without_a_descriptor_left(code: ctypes.CDLL, path: Path) -> None:
    """A process that has too many files open is not told that no daemon runs."""
    with listening(path), descriptors_up_to(0):
        assert dial(code, path) == (NO_ROOM, NO_SOCKET)


def test_daemon_that_accepts_nobody_holds_nobody_up(code: ctypes.CDLL, path: Path) -> None:
    """The connection is there, has nothing, and the wait for it ends at its deadline."""
    with listening(path):
        said, connection = dial(code, path)
        assert said == 0
        begin = code.ck_now()
        assert wait(code, connection, connection, SHORT) == 0
        assert SHORT <= code.ck_now() - begin < PATIENCE
        assert receive(code, connection) == (NOTHING, b"")
        code.ck_socket_close(connection)


def test_wait_watches_both(code: ctypes.CDLL) -> None:
    """Either socket ends the wait, in either place; one alone will do, and without any the time passes."""
    (quiet, silent), (loud, other) = socket.socketpair(), socket.socketpair()
    with quiet, silent, loud, other:
        other.send(b"x")
        assert wait(code, quiet.fileno(), loud.fileno()) == 1
        assert wait(code, loud.fileno(), quiet.fileno()) == 1
        assert wait(code, NO_SOCKET, loud.fileno()) == 1
        assert wait(code, loud.fileno(), seconds=-1) == 1
        assert wait(code, quiet.fileno(), seconds=0) == 0
        assert wait(code, NO_SOCKET, seconds=SHORT) == 0


def test_wait_goes_on_after_a_signal(code: ctypes.CDLL, ends: tuple[int, socket.socket]) -> None:
    """A host's timer that goes off does not end the wait before its deadline."""
    hits: list[int] = []
    with handling(signal.SIGALRM, hits):
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        begin = code.ck_now()
        said = wait(code, ends[0], seconds=10 * SHORT)
        took = code.ck_now() - begin
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert hits
    assert said == 0
    assert 10 * SHORT <= took < PATIENCE


def test_much_is_sent_whole(code: ctypes.CDLL, ends: tuple[int, socket.socket]) -> None:
    """What does not fit into the socket goes out as the other reads."""
    ours, theirs = ends
    data = os.urandom(3 << 20)
    got = bytearray()

    def read() -> None:
        while len(got) < len(data):
            got.extend(theirs.recv(50000))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    assert send(code, ours, data) == 0
    reader.join(PATIENCE)
    assert got == data


def test_send_to_who_does_not_read_ends_at_its_deadline(code: ctypes.CDLL, ends: tuple[int, socket.socket]) -> None:
    """A daemon that hangs cannot make the host hang."""
    begin = code.ck_now()
    assert send(code, ends[0], bytes(3 << 20), SHORT) == -1
    assert SHORT <= code.ck_now() - begin < PATIENCE


def test_send_to_who_is_gone_raises_no_signal(code: ctypes.CDLL, ends: tuple[int, socket.socket]) -> None:
    """The host, which may not ignore SIGPIPE, lives on."""
    ours, theirs = ends
    theirs.close()
    hits: list[int] = []
    with handling(signal.SIGPIPE, hits):
        assert send(code, ours, b"x") == -1
    assert not hits


def test_descriptors_above_1024_work(code: ctypes.CDLL, path: Path) -> None:
    """A host with thousands of files open can use the daemon: nothing counts on small numbers."""
    with descriptors_up_to(4096), ExitStack() as stack:
        reserve = stack.enter_context(path.with_name("file").open("w")).fileno()
        for _ in range(1100):
            stack.callback(os.close, os.dup(reserve))
        listener = stack.enter_context(listening(path))
        said, ours = dial(code, path)
        theirs = stack.enter_context(listener.accept()[0])
        assert said == 0
        assert ours > 1024
        assert send(code, ours, b"plate") == 0
        assert theirs.recv(100) == b"plate"
        theirs.send(b"matte")
        assert wait(code, ours) == 1
        assert receive(code, ours) == (SOME, b"matte")
        code.ck_socket_close(ours)
