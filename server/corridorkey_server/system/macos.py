"""macOS: the memory, connections and processes that a daemon, its workers and its clients share. Not tested.

No Mac has run this. Written from the manuals, and of the sockets and the framing as much as Linux shares with macOS
is tested there. Open until a Mac was asked:

- that descriptors of `shm_open` pass through a socket, and arrive with the first byte that they were sent with;
- that such memory cannot be resized after the first `ftruncate`, which is what stands for the seal here;
- how many of its bytes `fstat` tells: whole pages, so that a region may read larger than it was created.

Known to be less than on Linux: memory is had when it is first touched and not before, and cannot be given back while
it is mapped; a forked child keeps mappings; the end of a process shows only at its channel.
"""

import mmap
import os
import secrets
import signal
import socket
import struct
import sys
import threading
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import posix
from .contract import MESSAGE_LIMIT, REGION_LIMIT, Peer, check_message, check_span, no_memory
from .stream import Assembler, finish, frame

if sys.platform != "win32" or not TYPE_CHECKING:
    import _posixshmem  # type: ignore[import-not-found]
    import resource

    from .posix import control_endpoint, dial, lock, memory_bytes, more_descriptors, user

# Checked for the systems that it runs on; the module itself can be read anywhere.
assert sys.platform != "win32" or not TYPE_CHECKING

__all__ = [
    "MESSAGE_LIMIT",
    "REGION_LIMIT",
    "Channel",
    "Listener",
    "Peer",
    "Region",
    "connect",
    "control_endpoint",
    "dial",
    "end_with_parent",
    "inherited",
    "lock",
    "memory_bytes",
    "more_descriptors",
    "pair",
    "peer",
    "resident_bytes",
    "user",
    "watch_process",
]

# From <sys/socket.h>, <sys/un.h> and <sys/ucred.h>; Python names only some.
_SO_NOSIGPIPE = 0x1022
_SOL_LOCAL, _LOCAL_PEERCRED, _LOCAL_PEERPID = 0, 1, 2
_XUCRED = struct.Struct("=IIh2x16I")  # version, uid, number of groups, groups

_LINK_BUFFER = 1 << 20
_LOOK = 1.0  # seconds between two looks at whether the parent lives


class Region:
    """See `memfd.Region`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    @classmethod
    def create(cls, size: int) -> "Region":
        """See `memfd.Region.create`; the memory is not backed yet."""
        # Names have at most 31 characters; this one is gone before anybody could guess it.
        name = f"/ckey-{secrets.token_hex(8)}"
        try:
            descriptor = _posixshmem.shm_open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode=0o600)
        except OSError as error:
            raise no_memory(size, error) from error
        try:
            _posixshmem.shm_unlink(name)
            os.ftruncate(descriptor, size)
        except OSError as error:
            os.close(descriptor)
            raise no_memory(size, error) from error
        return cls(descriptor)

    def fileno(self) -> int:
        """See `memfd.Region.fileno`."""
        return self._descriptor

    def map(self) -> mmap.mmap:
        """See `memfd.Region.map`; the first touch of each page takes its time."""
        return mmap.mmap(self._descriptor, self.size)

    def write(self, data: bytes, offset: int = 0) -> None:
        """See `memfd.Region.write`; maps what is before and in it, as such memory is no file to be written."""
        check_span(offset, len(data), self.size)
        with mmap.mmap(self._descriptor, offset + len(data)) as mapping:
            mapping[offset:] = data

    def read(self, size: int, offset: int = 0) -> bytes:
        """See `memfd.Region.read` and `write`."""
        check_span(offset, size, self.size)
        with mmap.mmap(self._descriptor, offset + size) as mapping:
            return mapping[offset:]

    def empty(self, offset: int) -> None:
        """Do nothing: macOS takes such memory back only as a whole."""
        check_span(offset, 0, self.size)

    def fill(self) -> None:
        """Do nothing: nothing was given back."""

    def close(self) -> None:
        """See `memfd.Region.close`."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


class Channel:
    """See `linux.Channel`; a stream, as macOS has no connections that keep messages whole."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._assembler = Assembler(MESSAGE_LIMIT)
        self._descriptors: list[int] = []
        if sys.platform == "darwin":
            connection.setsockopt(socket.SOL_SOCKET, _SO_NOSIGPIPE, 1)

    def send(self, data: bytes, regions: Sequence[Region] = ()) -> None:
        """See `linux.Channel.send`; waits up to a second for the rest of a message that was taken in part."""
        check_message(data, regions)
        descriptors = array("i", [region.fileno() for region in regions])
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)] if regions else []
        framed = frame(data)
        sent = self._connection.sendmsg([framed], rights)
        if sent < len(framed):
            finish(self._connection, framed[sent:])

    def receive(self) -> tuple[bytes, list[Region]] | None:
        """See `linux.Channel.receive`; that a descriptor is a region cannot be checked here."""
        try:
            data = self._assembler.receive(self._read)
        except ConnectionResetError:
            data = None
        except ConnectionError:
            self._drop()
            raise
        if data is None:
            self._drop()
            return None
        descriptors, self._descriptors = self._descriptors, []
        return data, [Region(descriptor) for descriptor in descriptors]

    def _read(self, size: int) -> bytes:
        """Return at most `size` bytes and keep the descriptors that came with them."""
        data, descriptors, flags, _ = socket.recv_fds(self._connection, size, REGION_LIMIT)
        self._descriptors += descriptors
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        if flags & socket.MSG_CTRUNC or len(self._descriptors) > REGION_LIMIT:
            raise ConnectionError("the other end sent a message with too many regions")
        return data

    def _drop(self) -> None:
        """Close what came with a message that will not be whole."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def fileno(self) -> int:
        """See `linux.Channel.fileno`."""
        return self._connection.fileno()

    def setblocking(self, blocking: bool) -> None:
        """See `socket.setblocking`."""
        self._connection.setblocking(blocking)

    def settimeout(self, seconds: float | None) -> None:
        """See `linux.Channel.settimeout`."""
        self._connection.settimeout(seconds)

    def close(self) -> None:
        """See `linux.Channel.close`."""
        self._drop()
        self._connection.close()


class Listener:
    """See `linux.Listener`."""

    def __init__(self, waiting: socket.socket) -> None:
        self._waiting = waiting

    @classmethod
    def listen(cls, path: str | os.PathLike[str]) -> "Listener":
        """See `linux.Listener.listen`."""
        waiting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            posix.bind(waiting, path)
            # What the umask left open for a moment, the folder keeps shut: only its owner can enter it.
            Path(path).chmod(0o600)
        except OSError:
            waiting.close()
            raise
        return cls(waiting)

    def accept(self) -> Channel | None:
        """See `linux.Listener.accept`."""
        connection = posix.accept(self._waiting)
        return None if connection is None else Channel(connection)

    def fileno(self) -> int:
        """See `linux.Listener.fileno`."""
        return self._waiting.fileno()

    def close(self) -> None:
        """See `linux.Listener.close`."""
        self._waiting.close()


def connect(path: str | os.PathLike[str], timeout: float) -> Channel:
    """See `linux.connect`."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    posix.connect(connection, path, timeout)
    return Channel(connection)


def peer(channel: Channel) -> Peer:
    """See `linux.peer`."""
    connection = channel._connection
    credentials = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size)
    _, uid, *_ = _XUCRED.unpack(credentials)
    return Peer(uid, connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID))


def watch_process(pid: int) -> int | None:
    """Return None: see `linux.watch_process`. The channel to the process tells its end."""
    del pid
    return None


def pair() -> tuple[Channel, Channel]:
    """See `linux.pair`."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LINK_BUFFER)
    return Channel(ends[0]), Channel(ends[1])


def inherited(number: int) -> Channel:
    """See `linux.inherited`."""
    os.set_inheritable(number, False)
    return Channel(socket.socket(fileno=number))


def end_with_parent(parent: int) -> None:
    """Have a thread look once a second whether the parent lives, and kill this process when it does not."""
    if os.getppid() != parent:
        sys.exit("the process that started this one is gone.")
    threading.Thread(target=_follow, args=(parent,), name="parent", daemon=True).start()


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os.kill(os.getpid(), signal.SIGKILL)


def resident_bytes() -> int:
    """Return the most memory that this process ever held, in bytes; what it holds now takes more than Python."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
