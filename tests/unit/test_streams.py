"""Messages on streams, and what of the macOS and Windows connections runs on Linux too."""

import os
import select
import socket
import sys
from array import array
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridorkey_server.system import MESSAGE_LIMIT, macos, stream, windows
from corridorkey_server.system.stream import Assembler, frame

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="stands in for other systems on Linux")

DEADLINE = 30.0
LIMIT = 100


@pytest.fixture(params=[macos, windows], ids=["macos", "windows"])
def other(request: pytest.FixtureRequest) -> ModuleType:
    """The module of another system."""
    return request.param


@pytest.fixture
def ends(other: ModuleType) -> Iterator[tuple]:
    """Both ends of a link, blocking."""
    ours, theirs = other.pair()
    yield ours, theirs
    ours.close()
    theirs.close()


def wait_readable(*descriptors: int) -> None:
    """Wait until every one of these is readable."""
    for descriptor in descriptors:
        assert select.select([descriptor], [], [], DEADLINE)[0]


class Pieces:
    """A stream that hands out at most the next size asked for, and nothing at its end."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self.data, self.sizes = data, sizes

    def read(self, size: int) -> bytes:
        """Return the next piece, or raise BlockingIOError where a size is 0."""
        most = self.sizes.pop(0) if self.sizes else size
        if most == 0:
            raise BlockingIOError
        piece, self.data = self.data[: min(most, size)], self.data[min(most, size) :]
        return piece


@given(st.lists(st.binary(min_size=1, max_size=LIMIT)), st.lists(st.integers(0, 10)))
def test_messages_come_out_of_any_pieces(messages: list[bytes], sizes: list[int]) -> None:
    """However a stream is cut and however often it has nothing, the messages are those that were framed."""
    pieces, assembler = Pieces(b"".join(map(frame, messages)), sizes), Assembler(LIMIT)
    received = []
    while len(received) < len(messages):
        try:
            received.append(assembler.receive(pieces.read))
        except BlockingIOError:
            continue
    assert received == messages
    pieces.sizes.clear()
    assert assembler.receive(pieces.read) is None


def test_nothing_of_the_next_message_is_read() -> None:
    """After a message the stream still has all of the next one, so that a poll tells of it."""
    pieces = Pieces(frame(b"one") + frame(b"two"), [])
    assert Assembler(LIMIT).receive(pieces.read) == b"one"
    assert pieces.data == frame(b"two")


@pytest.mark.parametrize("size", [0, LIMIT + 1, 2**32 - 1])
def test_length_outside_the_limits_is_refused(size: int) -> None:
    """No memory is set aside for a length that no message has."""
    with pytest.raises(ConnectionError, match=f"a message of {size} bytes, {LIMIT} are allowed"):
        Assembler(LIMIT).receive(Pieces(size.to_bytes(4, "little"), []).read)


def test_stream_that_ends_within_a_message_has_ended() -> None:
    """Half a message is no message."""
    assert Assembler(LIMIT).receive(Pieces(frame(b"whole")[:-1], []).read) is None


def test_messages_stay_whole_and_in_order(ends: tuple) -> None:
    """Each message arrives as it was sent, both ways, up to the limit."""
    messages = [b"a", b"b" * 1000, b"c" * MESSAGE_LIMIT]
    for sender, receiver in (ends, ends[::-1]):
        for message in messages:
            sender.send(message)
            assert receiver.receive() == (message, [])


def test_full_stream_stays_whole(ends: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is refused whole; a message taken in part and never read ends the connection."""
    monkeypatch.setattr(stream, "PATIENCE", 0.01)
    ends[0].setblocking(False)
    message = b"x" * (MESSAGE_LIMIT - 7)
    count = 0
    with pytest.raises((BlockingIOError, ConnectionError)):
        while True:
            ends[0].send(message)
            count += 1
    ends[0].close()
    assert count >= 1
    assert [ends[1].receive() for _ in range(count + 1)] == [*[(message, [])] * count, None]


def test_rest_of_a_message_is_sent_when_there_is_room(ends: tuple) -> None:
    """A message that the system takes in parts arrives whole if the other end reads, and the channel blocks no more."""
    ends[0].setblocking(False)
    with socket.socket(fileno=os.dup(ends[0].fileno())) as small:
        small.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    message = b"x" * MESSAGE_LIMIT
    with ThreadPoolExecutor(1) as pool:
        received = pool.submit(ends[1].receive)
        ends[0].send(message)
        assert received.result(DEADLINE) == (message, [])
    with pytest.raises(BlockingIOError):
        ends[0].receive()


def test_closed_end_shows(ends: tuple) -> None:
    """Receiving from who has closed gives None, and sending fails as a lost connection does."""
    ends[1].close()
    assert ends[0].receive() is None
    with pytest.raises(ConnectionError):
        ends[0].send(b"x")


def test_waiting_ends(ends: tuple) -> None:
    """Receiving waits no longer than was said, and not at all on a non-blocking channel."""
    ends[0].settimeout(0.01)
    with pytest.raises(TimeoutError):
        ends[0].receive()
    ends[0].setblocking(False)
    with pytest.raises(BlockingIOError):
        ends[0].receive()


def test_client_and_daemon_meet(other: ModuleType, tmp_path: Path) -> None:
    """A listener has nobody, then a client, whose message and whose end it sees; a second daemon takes its place."""
    path = tmp_path / "lease"
    other.Listener.listen(path).close()
    with closing(other.Listener.listen(path)) as listener:
        assert listener.accept() is None
        assert path.stat().st_mode & 0o777 == 0o600
        client = other.connect(path, DEADLINE)
        wait_readable(listener.fileno())
        with closing(listener.accept()) as accepted:
            with pytest.raises(BlockingIOError):
                accepted.receive()
            client.send(b"hello")
            wait_readable(accepted.fileno())
            assert accepted.receive() == (b"hello", [])
            client.close()
            wait_readable(accepted.fileno())
            assert accepted.receive() is None


@pytest.mark.parametrize("said", [b"", b"x" * 32])
def test_windows_client_without_the_secret_is_turned_away(tmp_path: Path, said: bytes) -> None:
    """The port alone lets nobody in: neither a wrong secret nor silence."""
    path = tmp_path / "lease"
    with closing(windows.Listener.listen(path)) as listener:
        port = int(path.read_text().split()[0])
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as stranger:
            stranger.sendall(said)
            wait_readable(listener.fileno())
            assert listener.accept() is None
            assert stranger.recv(1) == b""


@pytest.mark.parametrize(
    "body", [bytes([5]) + bytes(200), b"\0", bytes([1]) + bytes(24), b"\0" + bytes(MESSAGE_LIMIT + 1)]
)
def test_windows_message_that_breaks_the_rules_is_refused(body: bytes) -> None:
    """Too many regions, no data and too much data are no messages."""
    ours, theirs = socket.socketpair()
    with closing(windows.Channel(ours)) as channel, theirs:
        theirs.sendall(frame(body))
        with pytest.raises(ConnectionError, match="too long, empty or has too many regions"):
            channel.receive()


def test_macos_regions_stay_with_their_messages() -> None:
    """Of messages that wait together each has the regions that were sent with it."""
    ours, theirs = macos.pair()
    with closing(ours), closing(theirs):
        for number in range(3):
            regions = [macos.Region.create(4096) for _ in range(number)]
            for region in regions:
                region.write(bytes([number]))
            ours.send(bytes([number]) * 5, regions)
            for region in regions:
                region.close()
        for number in range(3):
            data, regions = theirs.receive()
            assert data == bytes([number]) * 5
            assert [region.read(1) for region in regions] == [bytes([number])] * number
            for region in regions:
                assert not os.get_inheritable(region.fileno())
                region.close()


def test_macos_closes_what_came_with_half_a_message() -> None:
    """Descriptors of a message that is never whole do not stay open."""
    ours, theirs = socket.socketpair()
    with closing(macos.Channel(ours)) as channel, closing(macos.Region.create(4096)) as region:
        before = sorted(Path("/proc/self/fd").iterdir())
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [region.fileno()]))
        theirs.sendmsg([frame(b"whole")[:-1]], [rights])
        channel.setblocking(False)
        with pytest.raises(BlockingIOError):
            channel.receive()
        theirs.close()
        assert channel.receive() is None
        assert len(list(Path("/proc/self/fd").iterdir())) == len(before) - 1


def test_macos_region_is_shared_memory() -> None:
    """What is written without a mapping is seen in one and the other way round, no name of it stays to be opened."""
    with closing(macos.Region.create(8192)) as region:
        assert list(Path("/dev/shm").glob("ckey-*")) == []
        mapping = region.map()
        region.write(b"header", 10)
        mapping[4096:4101] = b"pixel"
        assert mapping[10:16] == b"header"
        assert region.read(5, 4096) == b"pixel"
        with pytest.raises(ValueError, match="are not in a region"):
            region.write(b"xx", 8191)
        mapping.close()
    region.close()
    assert region.fileno() == -1
