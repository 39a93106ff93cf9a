"""The C client's end of the lease, against the daemon's own code and against whatever else may answer.

Both of its forms are tested: messages that the system keeps whole, as on Linux, and a stream, as on macOS.
"""

import ctypes
import os
import socket
import struct
import sys
import tempfile
from array import array
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from native_system import GONE, LATE, NOBODY, NOTHING, PATIENCE, SOME, build, load

if sys.platform == "linux":
    from corridorkey_server.system import Region, linux, macos

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="compiles the files of Linux")

LIMIT = 1024
MOST_RIGHTS = 253  # that Linux passes with one message
SIZE = 1 << 20


class Handle(ctypes.Structure):
    """`ck_region`."""

    _fields_ = (("handle", ctypes.c_ssize_t),)


class Form(NamedTuple):
    """A form of the lease."""

    code: ctypes.CDLL
    is_stream: bool

    def lead(self, size: int) -> bytes:
        """Return what goes before a message of `size` bytes."""
        return struct.pack("<I", size) if self.is_stream else b""

    def kind(self) -> socket.SocketKind:
        """Return the type of its socket."""
        return socket.SOCK_STREAM if self.is_stream else socket.SOCK_SEQPACKET

    def listen(self, path: Path) -> "linux.Listener | macos.Listener":
        """Return the daemon's own listener."""
        return macos.Listener.listen(path) if self.is_stream else linux.Listener.listen(path)


class Lease:
    """The client's end."""

    def __init__(self, form: Form, path: Path) -> None:
        self._code = form.code
        self._lease = ctypes.c_void_p()
        until = self._code.ck_now() + PATIENCE
        assert self._code.ck_lease_open(os.fsencode(path), until, ctypes.byref(self._lease)) == 0

    def receive(self) -> tuple[int, bytes, int]:
        """Return what ck_lease_receive says, the message, and the descriptor."""
        data, size, region = ctypes.create_string_buffer(LIMIT), ctypes.c_size_t(7), Handle(7)
        said = self._code.ck_lease_receive(self._lease, data, ctypes.byref(size), ctypes.byref(region))
        return said, data.raw[: size.value], region.handle

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        number: int = self._code.ck_lease_socket(self._lease)
        return number

    def wait(self) -> None:
        """Wait until there is something to receive."""
        assert self._code.ck_wait_readable(self.fileno(), -1, self._code.ck_now() + PATIENCE) == 1

    def close(self) -> None:
        """Close it; calling it again does nothing."""
        self._code.ck_lease_close(self._lease)
        self._lease.value = None


@pytest.fixture(scope="module")
def packets(tmp_path_factory: pytest.TempPathFactory) -> Form:
    """The form in which the system keeps messages whole."""
    return Form(load(build(tmp_path_factory.mktemp("packets"))), False)


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Form:
    """The form in which it does not."""
    return Form(load(build(tmp_path_factory.mktemp("stream"), "-DLEASE_TYPE=SOCK_STREAM")), True)


@pytest.fixture(params=["packets", "stream"])
def form(request: pytest.FixtureRequest) -> Form:
    """Each form of the lease."""
    form: Form = request.getfixturevalue(request.param)
    return form


@pytest.fixture
def path() -> Iterator[Path]:
    """Where to listen, short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="ckey-") as folder:
        yield Path(folder) / "lease"


@pytest.fixture
def daemon(form: Form, path: Path) -> Iterator["tuple[Lease, linux.Channel | macos.Channel]"]:
    """A lease, and the daemon's own code at its other end."""
    with closing(form.listen(path)) as listener, closing(Lease(form, path)) as lease:
        channel = listener.accept()
        assert channel is not None
        with closing(channel):
            yield lease, channel


@contextmanager
def unruly(form: Form, path: Path) -> Iterator[tuple[Lease, socket.socket]]:
    """Give a lease, and a socket at its other end that need not follow the rules."""
    with socket.socket(socket.AF_UNIX, form.kind()) as listener:
        listener.bind(str(path))
        listener.listen(1)
        with closing(Lease(form, path)) as lease, listener.accept()[0] as other:
            yield lease, other


@pytest.fixture
def raw(form: Form, path: Path) -> Iterator[tuple[Lease, socket.socket]]:
    """A lease of each form, and a socket at its other end."""
    with unruly(form, path) as ends:
        yield ends


@pytest.fixture
def pieces(stream: Form, path: Path) -> Iterator[tuple[Lease, socket.socket]]:
    """A lease whose messages may come in pieces, and a socket at its other end."""
    with unruly(stream, path) as ends:
        yield ends


@pytest.fixture
def region() -> "Iterator[Region]":
    """Memory of the daemon."""
    with closing(Region.create(SIZE)) as region:
        yield region


def rights(*descriptors: int) -> list[tuple[int, int, array]]:
    """Return what a message carries that passes these descriptors."""
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))]


@contextmanager
def all_closed() -> Iterator[None]:
    """Hold that as many descriptors are open behind as before."""
    folder = Path("/proc/self/fd")
    before = sorted(path.name for path in folder.iterdir())
    yield
    assert sorted(path.name for path in folder.iterdir()) == before


def map_region(code: ctypes.CDLL, descriptor: int, size: int) -> int | None:
    """Return the address of a mapping, None if it was refused."""
    address: int | None = code.ck_region_map(ctypes.byref(Handle(descriptor)), size)
    return address


def test_messages_and_regions_arrive_in_order(
    daemon: "tuple[Lease, linux.Channel | macos.Channel]", region: "Region"
) -> None:
    """Each message comes whole with the region that was sent with it, and nothing is there before and after."""
    lease, channel = daemon
    assert lease.receive() == (NOTHING, b"", -1)
    for data, regions in ((b"token", []), (b"one", [region]), (b"x" * LIMIT, []), (b"two", [region])):
        channel.send(data, regions)
    for data, has_region in ((b"token", False), (b"one", True), (b"x" * LIMIT, False), (b"two", True)):
        lease.wait()
        said, got, descriptor = lease.receive()
        assert (said, got, descriptor >= 0) == (SOME, data, has_region)
        if has_region:
            assert os.fstat(descriptor).st_ino == os.fstat(region.fileno()).st_ino
            assert not os.get_inheritable(descriptor)
            os.close(descriptor)
    assert lease.receive() == (NOTHING, b"", -1)


def test_lease_is_not_inherited_and_never_blocks(daemon: "tuple[Lease, linux.Channel | macos.Channel]") -> None:
    """A program that the host starts does not keep the session alive."""
    assert not os.get_inheritable(daemon[0].fileno())
    assert not os.get_blocking(daemon[0].fileno())


def test_daemon_sees_the_lease_end(daemon: "tuple[Lease, linux.Channel | macos.Channel]") -> None:
    """Closing is all that it takes to end a session."""
    lease, channel = daemon
    with pytest.raises(BlockingIOError):
        channel.receive()
    lease.close()
    assert channel.receive() is None


def test_end_of_the_daemon_is_told_after_its_last_words(raw: tuple[Lease, socket.socket], form: Form) -> None:
    """What was sent before still arrives."""
    lease, other = raw
    other.send(form.lead(3) + b"bye")
    other.close()
    assert lease.receive() == (SOME, b"bye", -1)
    assert lease.receive() == (GONE, b"", -1)
    assert lease.receive() == (GONE, b"", -1)


def test_lease_without_a_daemon(form: Form, path: Path) -> None:
    """Nobody at the socket and a full queue are told apart, and leave nothing open."""
    lease = ctypes.c_void_p(7)
    with all_closed():
        until = form.code.ck_now() + PATIENCE
        assert form.code.ck_lease_open(os.fsencode(path), until, ctypes.byref(lease)) == NOBODY
        assert lease.value is None
    with socket.socket(socket.AF_UNIX, form.kind()) as listener:
        listener.bind(str(path))
        listener.listen(0)
        with closing(Lease(form, path)), all_closed():
            until = form.code.ck_now() + 0.05
            assert form.code.ck_lease_open(os.fsencode(path), until, ctypes.byref(lease)) == LATE


@pytest.mark.parametrize("count", [2, 3, MOST_RIGHTS])
def test_several_descriptors_end_the_lease(
    raw: tuple[Lease, socket.socket], form: Form, region: "Region", count: int
) -> None:
    """Who sends more than one does not speak the protocol, and none of them stays open."""
    lease, other = raw
    with all_closed():
        other.sendmsg([form.lead(3) + b"two"], rights(*[region.fileno()] * count))
        lease.wait()
        assert lease.receive() == (GONE, b"", -1)


@pytest.mark.parametrize("size", [LIMIT + 1, 1 << 16])
def test_long_message_ends_the_lease(raw: tuple[Lease, socket.socket], form: Form, region: "Region", size: int) -> None:
    """It is not cut, and the descriptor that came with it is closed."""
    lease, other = raw
    with all_closed():
        other.sendmsg([form.lead(size) + bytes(size)], rights(region.fileno()))
        assert lease.receive() == (GONE, b"", -1)


def test_closed_lease_keeps_nothing_open(form: Form, path: Path, region: "Region") -> None:
    """A descriptor that came and was not fetched goes with the lease, also that of half a message."""
    with socket.socket(socket.AF_UNIX, form.kind()) as listener:
        listener.bind(str(path))
        listener.listen(1)
        with all_closed(), closing(Lease(form, path)) as lease, listener.accept()[0] as other:
            other.sendmsg([form.lead(LIMIT) + b"half"], rights(region.fileno()))
            if form.is_stream:
                assert lease.receive() == (NOTHING, b"", -1)


def test_null_lease_is_closed_without_harm(form: Form) -> None:
    """Nothing was opened, nothing is closed."""
    form.code.ck_lease_close(None)


def test_pieces_are_put_together(pieces: tuple[Lease, socket.socket], region: "Region") -> None:
    """A message that trickles in is given out when it is whole, with the descriptor of its first byte."""
    lease, other = pieces
    message = struct.pack("<I", 300) + bytes(299) + b"!"
    other.sendmsg([message[:1]], rights(region.fileno()))
    for index in range(1, len(message)):
        assert lease.receive() == (NOTHING, b"", -1)
        other.send(message[index : index + 1])
    said, data, descriptor = lease.receive()
    assert (said, data) == (SOME, message[4:])
    os.close(descriptor)


def test_message_behind_is_left_to_the_socket(pieces: tuple[Lease, socket.socket]) -> None:
    """Two messages that came at once are both told of by a wait, and nothing of the second is read with the first."""
    lease, other = pieces
    other.send(struct.pack("<I", 3) + b"one" + struct.pack("<I", 3) + b"two")
    for data in (b"one", b"two"):
        lease.wait()
        assert lease.receive() == (SOME, data, -1)
    assert lease.receive() == (NOTHING, b"", -1)


@pytest.mark.parametrize("lead", [0, LIMIT + 1, 1 << 31, 0xFFFFFFFF])
def test_length_that_cannot_be_ends_the_lease(pieces: tuple[Lease, socket.socket], region: "Region", lead: int) -> None:
    """No message is empty, and none has more than the limit."""
    lease, other = pieces
    with all_closed():
        other.sendmsg([struct.pack("<I", lead) + b"x"], rights(region.fileno()))
        assert lease.receive() == (GONE, b"", -1)
        assert lease.receive() == (GONE, b"", -1)


def test_second_descriptor_in_the_middle_ends_the_lease(pieces: tuple[Lease, socket.socket], region: "Region") -> None:
    """One descriptor per message is the rule also where a message comes in pieces."""
    lease, other = pieces
    with all_closed():
        other.sendmsg([struct.pack("<I", 3) + b"o"], rights(region.fileno()))
        assert lease.receive()[0] == NOTHING
        other.sendmsg([b"ne"], rights(region.fileno()))
        assert lease.receive() == (GONE, b"", -1)


def test_half_a_message_is_none(pieces: tuple[Lease, socket.socket], region: "Region") -> None:
    """A daemon that ends in the middle of a message has ended, and what came with it is closed."""
    lease, other = pieces
    with all_closed():
        other.sendmsg([struct.pack("<I", 3) + b"o"], rights(region.fileno()))
        assert lease.receive()[0] == NOTHING
        other.shutdown(socket.SHUT_WR)
        assert lease.receive() == (GONE, b"", -1)


def test_mapping_is_shared(form: Form, region: "Region") -> None:
    """What either side writes the other reads, also when the descriptor is closed."""
    descriptor = os.dup(region.fileno())
    address = map_region(form.code, descriptor, SIZE)
    os.close(descriptor)
    assert address is not None
    ours = (ctypes.c_char * SIZE).from_address(address)
    theirs = region.map()
    ours[SIZE - 5 : SIZE] = b"plate"
    theirs[:5] = b"matte"
    assert theirs[-5:] == b"plate"
    assert ours[:5] == b"matte"
    theirs.close()
    form.code.ck_region_unmap(address, SIZE)


def test_mapping_is_backed_at_once(form: Form, region: "Region") -> None:
    """No page is left to the first touch, which costs far more than copying it."""
    address = map_region(form.code, region.fileno(), SIZE)
    assert address is not None
    text = Path("/proc/self/smaps").read_text()
    about = text[text.index(f"{address:08x}-") :]
    resident = next(line.split()[1] for line in about.splitlines() if line.startswith("Rss:"))
    assert int(resident) * 1024 == SIZE
    form.code.ck_region_unmap(address, SIZE)


def test_short_region_is_not_mapped(form: Form, region: "Region") -> None:
    """A region that is smaller than was said is refused, as touching what it lacks would kill the host."""
    for size in (SIZE + 1, SIZE + 4096, 1 << 62, 2**64 - 1, 0):
        assert map_region(form.code, region.fileno(), size) is None
    assert map_region(form.code, -1, SIZE) is None


def test_memory_that_can_shrink_is_not_mapped(form: Form) -> None:
    """What its maker can make smaller later is no slot: only sealed memory is."""
    descriptor = os.memfd_create("open", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, SIZE)
        assert map_region(form.code, descriptor, SIZE) is None
        with tempfile.TemporaryFile() as file:
            file.truncate(SIZE)
            assert map_region(form.code, file.fileno(), SIZE) is None
    finally:
        os.close(descriptor)


def test_closed_region_has_no_descriptor(form: Form, region: "Region") -> None:
    """It is closed once, however often that is asked."""
    with all_closed():
        handle = Handle(os.dup(region.fileno()))
        form.code.ck_region_close(ctypes.byref(handle))
        assert handle.handle == -1
        form.code.ck_region_close(ctypes.byref(handle))
