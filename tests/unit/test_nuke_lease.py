"""The connection that holds a session, read by the package inside Nuke: whole messages, and a stream as on macOS."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import nuke_package  # noqa: F401
from corridorkey_nuke.lease import Lease, connect
from corridorkey_server.system.contract import MESSAGE_LIMIT
from corridorkey_server.system.stream import frame


@pytest.fixture(params=[False, True], ids=["whole messages", "stream"])
def is_stream(request: pytest.FixtureRequest) -> bool:
    """Whether the lease is a stream."""
    return bool(request.param)


@pytest.fixture
def ends(is_stream: bool) -> Iterator[tuple[Lease, socket.socket]]:
    """A lease and the daemon's end of it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM if is_stream else socket.SOCK_SEQPACKET)
    lease = Lease(ours, is_stream)
    with theirs:
        yield lease, theirs
    lease.close()


def test_messages_come_whole_and_in_order(ends: tuple[Lease, socket.socket], is_stream: bool) -> None:
    """Each message is returned once, whatever its length; then there is none, which is not waited for."""
    lease, theirs = ends
    said = [b"a", b"b" * 1000, b"c" * MESSAGE_LIMIT]
    for message in said:
        theirs.sendall(frame(message) if is_stream else message)
        assert lease.wait(time.monotonic() + 5) == message
    assert lease.receive() is None


def test_a_stream_in_pieces() -> None:
    """However a stream is cut, the messages are the same."""
    ours, theirs = socket.socketpair()
    lease, heard = Lease(ours, is_stream=True), []
    with theirs:
        for byte in frame(b"one") + frame(b"two"):
            theirs.sendall(bytes((byte,)))
            message = lease.receive()
            heard += [message] if message else []
    lease.close()
    assert heard == [b"one", b"two"]


def test_waiting_has_a_limit(ends: tuple[Lease, socket.socket]) -> None:
    """A daemon that says nothing is waited for as long as was said."""
    began = time.monotonic()
    assert ends[0].wait(began + 0.1) is None
    assert 0.09 < time.monotonic() - began < 2


def test_the_end_shows(ends: tuple[Lease, socket.socket]) -> None:
    """The daemon's end is an error, at once and again."""
    lease, theirs = ends
    theirs.close()
    for _ in range(2):
        with pytest.raises(ConnectionError):
            lease.wait(time.monotonic() + 5)


@pytest.mark.parametrize("size", [0, MESSAGE_LIMIT + 1, 2**32 - 1])
def test_a_message_of_a_size_that_cannot_be(size: int) -> None:
    """No room is made for what a stream says that it will bring."""
    ours, theirs = socket.socketpair()
    lease = Lease(ours, is_stream=True)
    with theirs:
        theirs.sendall(size.to_bytes(4, "little") + b"x")
        with pytest.raises(ConnectionError, match="bytes"):
            lease.receive()
    lease.close()


def test_descriptors_that_come_are_dropped(ends: tuple[Lease, socket.socket], is_stream: bool) -> None:
    """What a daemon sends beside a message is not kept open by a client that has no use for it."""
    lease, theirs = ends
    reader, writer = socket.socketpair()
    with reader:
        socket.send_fds(theirs, [frame(b"slot") if is_stream else b"slot"], [writer.fileno()])
        writer.close()
        assert lease.wait(time.monotonic() + 5) == b"slot"
        reader.settimeout(5)
        assert reader.recv(1) == b""


def test_a_crowded_door_is_waited_for(tmp_path: Path) -> None:
    """Where too many wait to be let in, a connection is tried until its time is over, and never beyond."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(path)
        listener.listen(0)
        first.connect(path)
        began = time.monotonic()
        with pytest.raises(BlockingIOError):
            connect(path, socket.SOCK_STREAM, began + 0.1)
        assert 0.09 < time.monotonic() - began < 2
        listener.accept()[0].close()
        connect(path, socket.SOCK_STREAM, time.monotonic() + 5).close()


def test_nobody_is_there(tmp_path: Path) -> None:
    """No socket, and one that nobody listens at any more, are told apart from silence, at once."""
    path = str(tmp_path / "s")
    with pytest.raises(FileNotFoundError):
        connect(path, socket.SOCK_STREAM, time.monotonic() + 5)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
    with pytest.raises(ConnectionRefusedError):
        connect(path, socket.SOCK_STREAM, time.monotonic() + 5)
