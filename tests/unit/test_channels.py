"""Connections that keep messages whole, carry regions and say who is at the other end."""

import fcntl
import os
import select
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from array import array
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from corridorkey_server import system
from corridorkey_server.system import MESSAGE_LIMIT, REGION_LIMIT, Channel, Listener, Region

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sockets of Linux")

NOBODY = 65534
DEADLINE = 30.0
AS_NOBODY = (
    "import os, sys\n"
    "from corridorkey_server import system\n"
    f"os.setgid({NOBODY}); os.setuid({NOBODY})\n"
    "channel = system.connect(sys.argv[1], 5)\n"
    "channel.send(b'in')\n"
    "channel.receive()\n"
)


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    """Both ends of a link, blocking."""
    ours, theirs = system.pair()
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.fixture
def raw() -> Iterator[tuple[Channel, socket.socket]]:
    """A channel and a socket at its other end that need not follow the rules."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with closing(Channel(ours)) as channel, theirs:
        yield channel, theirs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where to listen."""
    return tmp_path / "lease"


def rights(*descriptors: int) -> list[tuple[int, int, array]]:
    """Return what a message carries that passes these descriptors."""
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))]


def open_descriptors() -> list[Path]:
    """Return this process's open descriptors."""
    return sorted(Path("/proc/self/fd").iterdir())


def wait_readable(*descriptors: int) -> None:
    """Wait until every one of these is readable."""
    for descriptor in descriptors:
        assert select.select([descriptor], [], [], DEADLINE)[0]


@pytest.mark.parametrize("size", [1, 1000, MESSAGE_LIMIT])
def test_messages_stay_whole_and_in_order(ends: tuple[Channel, Channel], size: int) -> None:
    """Each message arrives as it was sent, up to the limit, both ways."""
    messages = [bytes([number]) * size for number in (1, 2)]
    for sender, receiver in (ends, ends[::-1]):
        for message in messages:
            sender.send(message)
        assert [receiver.receive(), receiver.receive()] == [(message, []) for message in messages]


def test_regions_arrive_with_their_message(ends: tuple[Channel, Channel]) -> None:
    """The same memory comes out, in order, in descriptors that no child inherits; the sender may close its own."""
    sizes = [4096 * (1 + number) for number in range(REGION_LIMIT)]
    sent = [Region.create(size) for size in sizes]
    for number, region in enumerate(sent):
        region.write(bytes([number]))
    ends[0].send(b"none")
    ends[0].send(b"four", sent)
    for region in sent:
        region.close()
    assert ends[1].receive() == (b"none", [])
    data, received = ends[1].receive() or (b"", [])
    assert data == b"four"
    assert [region.size for region in received] == sizes
    assert [region.read(1) for region in received] == [b"\0", b"\1", b"\2", b"\3"]
    for region in received:
        assert not os.get_inheritable(region.fileno())
        region.close()


def test_another_process_shares_a_passed_region(ends: tuple[Channel, Channel]) -> None:
    """A child finds the link by its number, gets a region, writes to it and cannot shrink it."""
    program = (
        "import os, sys\n"
        "from corridorkey_server import system\n"
        "link = system.inherited(int(sys.argv[1]))\n"
        "data, (region,) = link.receive()\n"
        "region.map()[:2] = b'ok'\n"
        "try: os.ftruncate(region.fileno(), 0)\n"
        "except PermissionError as error: words = error.strerror\n"
        "link.send(f'{data} {words} {os.get_inheritable(link.fileno())}'.encode())\n"
        "sys.exit(link.receive() is not None)\n"
    )
    number = ends[1].fileno()
    child = subprocess.Popen([sys.executable, "-c", program, str(number)], pass_fds=[number])
    ends[1].close()
    with closing(Region.create(4096)) as region:
        ends[0].send(b"take", [region])
        assert ends[0].receive() == (b"b'take' Operation not permitted False", [])
        assert region.read(2) == b"ok"
    ends[0].close()
    assert child.wait(DEADLINE) == 0


@pytest.mark.parametrize("data", [b"", b"x" * (MESSAGE_LIMIT + 1)])
def test_wrong_sizes_are_not_sent(ends: tuple[Channel, Channel], data: bytes) -> None:
    """An empty message would read as the end, a longer one would arrive cut."""
    with pytest.raises(ValueError, match="a message has 1 to 65536 bytes"):
        ends[0].send(data)


def test_too_many_regions_are_not_sent(ends: tuple[Channel, Channel]) -> None:
    """More regions than the other end takes are an error here, not there."""
    with closing(Region.create(4096)) as region, pytest.raises(ValueError, match="at most 4 regions, not 5"):
        ends[0].send(b"x", [region] * 5)


def test_too_long_a_message_is_no_message(raw: tuple[Channel, socket.socket]) -> None:
    """A message that would arrive cut ends the connection, and what it carried is closed."""
    with closing(Region.create(4096)) as region:
        before = open_descriptors()
        raw[1].sendmsg([b"x" * (MESSAGE_LIMIT + 1)], rights(region.fileno()))
        with pytest.raises(ConnectionError, match="too long"):
            raw[0].receive()
        assert open_descriptors() == before


def test_too_many_descriptors_are_no_message(raw: tuple[Channel, socket.socket]) -> None:
    """Of more descriptors than are taken none stays open."""
    with closing(Region.create(4096)) as region:
        before = open_descriptors()
        raw[1].sendmsg([b"x"], rights(*[region.fileno()] * 5))
        with pytest.raises(ConnectionError):
            raw[0].receive()
        assert open_descriptors() == before


@pytest.mark.parametrize("kind", ["pipe", "device", "file", "unsealed memory", "half sealed memory"])
def test_only_sealed_memory_is_taken(raw: tuple[Channel, socket.socket], tmp_path: Path, kind: str) -> None:
    """A descriptor that could hang or kill its reader is refused and closed, with the sound one beside it."""
    wrong = open_wrong(kind, tmp_path)
    with closing(Region.create(4096)) as region:
        before = open_descriptors()
        raw[1].sendmsg([b"x"], rights(region.fileno(), wrong))
        with pytest.raises(ConnectionError, match="no sealed regions"):
            raw[0].receive()
        assert open_descriptors() == before
    os.close(wrong)


def open_wrong(kind: str, folder: Path) -> int:
    """Return a descriptor that is no sealed memory."""
    if kind == "pipe":
        reading, writing = os.pipe()
        os.close(writing)
        return reading
    if kind == "device":
        return os.open("/dev/zero", os.O_RDWR)
    if kind == "file":
        return os.open(folder / "file", os.O_RDWR | os.O_CREAT)
    descriptor = os.memfd_create("wrong", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    if kind == "half sealed memory":
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return descriptor


def test_empty_message_reads_as_the_end(raw: tuple[Channel, socket.socket]) -> None:
    """Who sends nothing at all is treated as gone, and what came with it is closed."""
    with closing(Region.create(4096)) as region:
        before = open_descriptors()
        raw[1].sendmsg([b""], rights(region.fileno()))
        assert raw[0].receive() is None
        assert open_descriptors() == before


def test_closed_end_shows(ends: tuple[Channel, Channel]) -> None:
    """Receiving from who has closed gives None, again and again, and sending fails as a lost connection does."""
    ends[1].close()
    assert ends[0].receive() is None
    assert ends[0].receive() is None
    with pytest.raises(ConnectionError):
        ends[0].send(b"x")


def test_last_words_are_heard(ends: tuple[Channel, Channel]) -> None:
    """What was sent before closing arrives, even if the sender closed with messages of ours unread."""
    ends[0].send(b"never read")
    ends[1].send(b"refused")
    ends[1].send(b"goodbye")
    ends[1].close()
    assert [ends[0].receive(), ends[0].receive(), ends[0].receive()] == [(b"refused", []), (b"goodbye", []), None]


def test_closing_twice_is_harmless(ends: tuple[Channel, Channel]) -> None:
    """A closed channel has no descriptor and can be closed again."""
    ends[0].close()
    ends[0].close()
    assert ends[0].fileno() == -1


def test_full_channel_does_not_block(ends: tuple[Channel, Channel]) -> None:
    """When the other end does not read, sending says so at once, and what was taken before is whole."""
    ends[0].setblocking(False)
    message = b"x" * MESSAGE_LIMIT
    count = 0
    with pytest.raises(BlockingIOError):
        while True:
            ends[0].send(message)
            count += 1
    ends[0].close()
    assert count >= 2
    assert [ends[1].receive() for _ in range(count + 1)] == [*[(message, [])] * count, None]


def test_link_takes_more_than_a_plain_connection(ends: tuple[Channel, Channel]) -> None:
    """The link to a worker holds as much as the system allows, so that messages rarely wait."""
    plain, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with plain, other, socket.socket(fileno=os.dup(ends[0].fileno())) as link:
        sizes = [end.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) for end in (link, plain)]
    assert sizes[0] > sizes[1]


def test_waiting_ends(ends: tuple[Channel, Channel]) -> None:
    """Receiving waits no longer than was said, and not at all on a non-blocking channel."""
    ends[0].settimeout(0.01)
    with pytest.raises(TimeoutError):
        ends[0].receive()
    ends[0].setblocking(False)
    with pytest.raises(BlockingIOError):
        ends[0].receive()


def test_killed_process_shows_on_its_channel_and_its_watch(ends: tuple[Channel, Channel]) -> None:
    """After kill -9 both become readable, and the channel says that it is closed."""
    program = (
        "import sys\n"
        "from corridorkey_server import system\n"
        "link = system.inherited(int(sys.argv[1]))\n"
        "link.send(b'here')\n"
        "link.receive()\n"
    )
    number = ends[1].fileno()
    child = subprocess.Popen([sys.executable, "-c", program, str(number)], pass_fds=[number])
    ends[1].close()
    ends[0].settimeout(DEADLINE)
    assert ends[0].receive() == (b"here", [])
    watch = system.watch_process(child.pid)
    assert watch is not None
    assert not os.get_inheritable(watch)
    assert select.select([watch, ends[0]], [], [], 0)[0] == []
    child.kill()
    wait_readable(watch, ends[0].fileno())
    assert ends[0].receive() is None
    os.close(watch)
    child.wait()


def test_nobody_waits(path: Path) -> None:
    """Asking a listener that nobody connects to returns at once."""
    with closing(Listener.listen(path)) as listener:
        assert listener.accept() is None
        assert not os.get_inheritable(listener.fileno())


def test_client_and_daemon_meet(path: Path) -> None:
    """A client that connects makes the listener readable; the daemon's end never blocks, the client's waits."""
    with (
        closing(Listener.listen(path)) as listener,
        closing(system.connect(path, DEADLINE)) as client,
    ):
        wait_readable(listener.fileno())
        accepted = listener.accept()
        assert accepted is not None
        with closing(accepted), pytest.raises(BlockingIOError):
            accepted.receive()
        assert client.receive() is None


def test_both_ends_know_each_other(path: Path) -> None:
    """The kernel names user and process of the other end to each."""
    program = (
        "import sys\n"
        "from corridorkey_server import system\n"
        "channel = system.connect(sys.argv[1], 5)\n"
        "channel.send(str(tuple(system.peer(channel))).encode())\n"
        "channel.receive()\n"
    )
    with closing(Listener.listen(path)) as listener:
        child = subprocess.Popen([sys.executable, "-c", program, str(path)])
        wait_readable(listener.fileno())
        accepted = listener.accept()
        assert accepted is not None
        with closing(accepted):
            assert system.peer(accepted) == (os.getuid(), child.pid)
            wait_readable(accepted.fileno())
            assert accepted.receive() == (str((os.getuid(), os.getpid())).encode(), [])
        assert child.wait(DEADLINE) == 0


def test_socket_is_the_users_alone_from_the_start(path: Path) -> None:
    """Whatever the umask, the file has mode 0600."""
    before = os.umask(0)
    try:
        Listener.listen(path).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_socket_of_a_dead_daemon_is_replaced(path: Path) -> None:
    """What a daemon left behind refuses clients, and the next daemon listens in its place."""
    Listener.listen(path).close()
    with pytest.raises(ConnectionRefusedError):
        system.connect(path, 1)
    with closing(Listener.listen(path)) as listener, closing(system.connect(path, DEADLINE)):
        wait_readable(listener.fileno())
        accepted = listener.accept()
        assert accepted is not None
        accepted.close()


def test_failed_listening_and_connecting_leave_nothing(tmp_path: Path) -> None:
    """Where nothing can listen and nobody listens that is an error, and no descriptor stays open."""
    before = open_descriptors()
    with pytest.raises(FileNotFoundError):
        system.connect(tmp_path / "no socket", 1)
    with pytest.raises(FileNotFoundError):
        Listener.listen(tmp_path / "no folder" / "lease")
    assert open_descriptors() == before


def test_daemon_that_accepts_nobody_is_a_timeout(path: Path) -> None:
    """When too many wait already, connecting gives up after its time; it gets in when one is let in meanwhile."""
    with closing(Listener.listen(path)) as listener:
        waiting = []
        with pytest.raises(TimeoutError, match="nobody answers"):
            while len(waiting) < 1000:
                waiting.append(system.connect(path, 0.05))
        late = threading.Timer(0.05, lambda: waiting.append(listener.accept()))
        late.start()
        waiting.append(system.connect(path, DEADLINE))
        late.join()
        for channel in waiting:
            channel.close()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize(("folder_mode", "socket_mode"), [(0o700, 0o600), (0o755, 0o600), (0o700, 0o666)])
def test_other_users_do_not_connect(folder_mode: int, socket_mode: int) -> None:
    """The mode of the folder and that of the socket each keep another user out."""
    with tempfile.TemporaryDirectory() as folder, closing(Listener.listen(f"{folder}/lease")) as listener:
        Path(folder).chmod(folder_mode)
        Path(folder, "lease").chmod(socket_mode)
        ran = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, f"{folder}/lease"], check=False, capture_output=True, text=True
        )
        assert "PermissionError" in ran.stderr
        assert listener.accept() is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_other_users_are_recognized() -> None:
    """If somebody opens the modes, the daemon still sees whose process is at the other end."""
    with tempfile.TemporaryDirectory() as folder, closing(Listener.listen(f"{folder}/lease")) as listener:
        Path(folder).chmod(0o755)
        Path(folder, "lease").chmod(0o666)
        child = subprocess.Popen([sys.executable, "-c", AS_NOBODY, f"{folder}/lease"])
        wait_readable(listener.fileno())
        accepted = listener.accept()
        assert accepted is not None
        assert system.peer(accepted) == (NOBODY, child.pid)
        accepted.close()
        child.wait(DEADLINE)
