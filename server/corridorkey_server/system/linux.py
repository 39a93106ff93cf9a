"""Linux: the memory, connections and processes that a daemon, its workers and its clients share.

A region is a sealed memfd, a channel a SEQPACKET socket of the Unix family. Knows no messages, slots or frames.
"""

import ctypes
import os
import signal
import socket
import struct
import sys
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import posix
from .contract import MESSAGE_LIMIT, REGION_LIMIT, Peer, check_message

if sys.platform == "linux" or not TYPE_CHECKING:
    from .memfd import Region, is_sealed
    from .posix import control_endpoint, dial, lock, memory_bytes, more_descriptors, user

# Checked for the system that it runs on; the module itself can be read anywhere.
assert sys.platform == "linux" or not TYPE_CHECKING

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

_PR_SET_PDEATHSIG = 1
_SYS_PIDFD_OPEN = 434
_LINK_BUFFER = 1 << 20
_RIGHTS_SPACE = socket.CMSG_LEN(REGION_LIMIT * array("i").itemsize)

_libc = ctypes.CDLL(None, use_errno=True)


class Channel:
    """A connection that keeps messages whole and can carry regions. It owns the socket.

    One thread may send while another receives.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, data: bytes, regions: Sequence[Region] = ()) -> None:
        """Send one message, whole or not at all; the regions stay the caller's, who may close them at once.

        Raises:
            BlockingIOError: the channel is non-blocking and the other end has not read enough.
            TimeoutError: the channel has a timeout, and it passed.
            ConnectionError: the other end is gone.
            ValueError: more than `MESSAGE_LIMIT` bytes or `REGION_LIMIT` regions, or no byte.
        """
        check_message(data, regions)
        descriptors = array("i", [region.fileno() for region in regions])
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)] if regions else []
        # A host that this client is loaded into may not ignore SIGPIPE.
        self._connection.sendmsg([data], rights, socket.MSG_NOSIGNAL)

    def receive(self) -> tuple[bytes, list[Region]] | None:
        """Return the next message and its regions, which are the caller's to close; None if the other end is closed.

        Raises:
            BlockingIOError: the channel is non-blocking and nothing is there.
            TimeoutError: the channel has a timeout, and it passed.
            ConnectionError: the other end broke the rules: too long a message, too many regions, or a descriptor of
                something else than a sealed region. Whatever came is closed.
        """
        try:
            return self._receive()
        except ConnectionResetError:
            # It closed with messages of ours unread. The kernel tells that once, ahead of what it sent before.
            return self._receive()

    def _receive(self) -> tuple[bytes, list[Region]] | None:
        # Not socket.recv_fds: it drops its flags, and the descriptors would be inherited.
        data, ancillary, flags, _ = self._connection.recvmsg(MESSAGE_LIMIT, _RIGHTS_SPACE, socket.MSG_CMSG_CLOEXEC)
        descriptors = _descriptors(ancillary)
        cut = flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC)
        if data and not cut and all(is_sealed(descriptor) for descriptor in descriptors):
            return data, [Region(descriptor) for descriptor in descriptors]
        for descriptor in descriptors:
            os.close(descriptor)
        if data:
            raise ConnectionError("the other end sent a message that is too long or carries no sealed regions")
        return None

    def fileno(self) -> int:
        """Return the socket's descriptor, to be polled; -1 when closed."""
        return self._connection.fileno()

    def setblocking(self, blocking: bool) -> None:
        """See `socket.setblocking`."""
        self._connection.setblocking(blocking)

    def settimeout(self, seconds: float | None) -> None:
        """Let sending and receiving take at most this long each, None without end."""
        self._connection.settimeout(seconds)

    def close(self) -> None:
        """Let go of the connection; calling it again does nothing. A forked child's copy has to be closed too."""
        self._connection.close()


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> "array[int]":
    """Return the descriptors that came beside a message."""
    found = array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return found


class Listener:
    """Where channels come in."""

    def __init__(self, waiting: socket.socket) -> None:
        self._waiting = waiting

    @classmethod
    def listen(cls, path: str | os.PathLike[str]) -> "Listener":
        """Listen at `path`, for this user only, in place of a socket that a dead daemon left; OSError if it cannot.

        The caller holds the lock that says that no daemon lives.
        """
        waiting = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            # Linux gives the file the mode that the socket has before: at no moment can others connect.
            os.fchmod(waiting.fileno(), 0o600)
            posix.bind(waiting, path)
        except OSError:
            waiting.close()
            raise
        return cls(waiting)

    def accept(self) -> Channel | None:
        """Return the next channel, non-blocking, or None if nobody waits.

        Raises:
            OSError: no descriptor is left. Whoever waits goes on waiting and the listener stays readable.
        """
        connection = posix.accept(self._waiting)
        return None if connection is None else Channel(connection)

    def fileno(self) -> int:
        """Return the socket's descriptor, to be polled; -1 when closed."""
        return self._waiting.fileno()

    def close(self) -> None:
        """Listen no more; calling it again does nothing. The file stays: the next daemon replaces it."""
        self._waiting.close()


def connect(path: str | os.PathLike[str], timeout: float) -> Channel:
    """Return a channel to who listens at `path`; it keeps `timeout`, in seconds, until told otherwise.

    Raises:
        FileNotFoundError, ConnectionRefusedError: nobody listens.
        PermissionError: it is another user's.
        TimeoutError: nobody answers.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    posix.connect(connection, path, timeout)
    return Channel(connection)


def peer(channel: Channel) -> Peer:
    """Return who was at the other end when it connected or listened; the kernel vouches for it."""
    credentials = channel._connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
    pid, uid, _ = struct.unpack("iII", credentials)
    return Peer(uid, pid)


def watch_process(pid: int) -> int | None:
    """Return a descriptor that turns readable when the process ends, to be closed by the caller.

    None if the kernel has none (before 5.3, or in a sandbox) or the process is gone already. Who also polls the
    channel to that process need not tell these apart: of a process that is gone it is readable, and `receive` says so.
    """
    # Not os.pidfd_open: Pythons built for old systems, conda's and uv's among them, lack it.
    descriptor = _libc.syscall(_SYS_PIDFD_OPEN, ctypes.c_int(pid), ctypes.c_uint(0))
    return None if descriptor < 0 else int(descriptor)


def pair() -> tuple[Channel, Channel]:
    """Return the two ends of a link to a child process, which inherits one of them by number (`pass_fds`)."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LINK_BUFFER)
    return Channel(ends[0]), Channel(ends[1])


def inherited(number: int) -> Channel:
    """Return the channel whose descriptor the parent passed; this process's own children do not get it."""
    os.set_inheritable(number, False)
    return Channel(socket.socket(fileno=number))


def end_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it ends; SystemExit if that has happened.

    The parent therefore starts its children from a thread that lives as long as it does.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), *[ctypes.c_ulong(0)] * 3)
    if os.getppid() != parent:
        sys.exit("the process that started this one is gone.")


def resident_bytes() -> int:
    """Return how much memory this process holds, in bytes; shared memory that it touched counts."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
