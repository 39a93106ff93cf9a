"""Windows: the memory, connections and processes that a daemon, its workers and its clients share. Not tested.

No Windows has run this. The connections are plain TCP on 127.0.0.1 and are tested on Linux; regions, locks and
inherited handles are written from the manuals. Open until a Windows machine was asked:

- that only the user's own processes can open a named mapping of the "Local" namespace made with default rights;
- how the daemon is to know who sent a message: ZeroMQ tells no user over TCP, so it refuses them all for now;
- that a socket's handle, inherited by number, works in a child that Python started with a list of handles.

Known to be less than on Linux: what proves who is at the other end is a secret in a file of the user's own profile,
and only the client proves itself; the system vouches for nobody. A program that connects and says nothing holds up
`Listener.accept` for a quarter of a second. A region cannot give memory back while it is open, and an unknown name is
not told from a new one. A worker ends with its channel, not by the system's hand.
"""

import ctypes
import hmac
import os
import secrets
import socket
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .contract import MESSAGE_LIMIT, REGION_LIMIT, Peer, check_message
from .stream import Assembler, finish, frame

if sys.platform == "win32" or not TYPE_CHECKING:
    from .named_memory import Region

if sys.platform == "win32":
    import msvcrt
    from ctypes import wintypes

# Checked for the system that it runs on; the module itself can be read anywhere.
assert sys.platform == "win32" or not TYPE_CHECKING

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

_HERE = "127.0.0.1"
_BACKLOG = 128
_SECRET_SIZE = 32
_PATIENCE = 0.25  # seconds that a client may take to send its secret

_NAMED = struct.Struct("<Q16s")  # a region in a message: its size and its name


class Channel:
    """See `linux.Channel`; a stream on which each message begins with the sizes and names of its regions."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._assembler = Assembler(MESSAGE_LIMIT + 1 + REGION_LIMIT * _NAMED.size)

    def send(self, data: bytes, regions: Sequence[Region] = ()) -> None:
        """See `linux.Channel.send`; waits up to a second for the rest of a message that was taken in part."""
        check_message(data, regions)
        named = b"".join(_NAMED.pack(region.size, region.name) for region in regions)
        framed = frame(bytes([len(regions)]) + named + data)
        sent = self._connection.send(framed)
        if sent < len(framed):
            finish(self._connection, framed[sent:])

    def receive(self) -> tuple[bytes, list[Region]] | None:
        """See `linux.Channel.receive`."""
        try:
            body = self._assembler.receive(self._connection.recv)
        except (ConnectionResetError, ConnectionAbortedError):
            return None
        return None if body is None else _open(body)

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
        self._connection.close()


def _open(body: bytes) -> tuple[bytes, list[Region]]:
    """Return a message and its regions, opened."""
    start = 1 + body[0] * _NAMED.size
    if body[0] > REGION_LIMIT or not 0 < len(body) - start <= MESSAGE_LIMIT:
        raise ConnectionError("the other end sent a message that is too long, empty or has too many regions")
    regions: list[Region] = []
    try:
        for size, name in _NAMED.iter_unpack(body[1:start]):
            regions.append(Region(name, size))
    except (OSError, ValueError, OverflowError) as error:
        for region in regions:
            region.close()
        raise ConnectionError("the other end sent a region that cannot be opened") from error
    return body[start:], regions


class Listener:
    """See `linux.Listener`; the file at its path tells the port and the secret."""

    def __init__(self, waiting: socket.socket, secret: bytes) -> None:
        self._waiting, self._secret = waiting, secret

    @classmethod
    def listen(cls, path: str | os.PathLike[str]) -> "Listener":
        """See `linux.Listener.listen`; the file lies in the user's own profile, whose rights it takes over."""
        waiting = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        secret = secrets.token_bytes(_SECRET_SIZE)
        try:
            if sys.platform == "win32":
                waiting.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            waiting.bind((_HERE, 0))
            waiting.listen(_BACKLOG)
            waiting.setblocking(False)
            _publish(Path(path), f"{waiting.getsockname()[1]} {secret.hex()}")
        except OSError:
            waiting.close()
            raise
        return cls(waiting, secret)

    def accept(self) -> Channel | None:
        """See `linux.Listener.accept`; None also for who did not know the secret."""
        try:
            connection, _ = self._waiting.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return None
        if not _knows(connection, self._secret):
            connection.close()
            return None
        connection.setblocking(False)
        return Channel(connection)

    def fileno(self) -> int:
        """See `linux.Listener.fileno`."""
        return self._waiting.fileno()

    def close(self) -> None:
        """See `linux.Listener.close`."""
        self._waiting.close()


def _publish(path: Path, text: str) -> None:
    """Put a file in place, whole and for its owner only as far as a mode can say so."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)


def _knows(connection: socket.socket, secret: bytes) -> bool:
    connection.settimeout(_PATIENCE)
    try:
        said = connection.recv(_SECRET_SIZE, socket.MSG_WAITALL)
    except OSError:
        return False
    return hmac.compare_digest(said, secret)


def connect(path: str | os.PathLike[str], timeout: float) -> Channel:
    """See `linux.connect`."""
    port, secret = Path(path).read_text().split()
    connection = socket.create_connection((_HERE, int(port)), timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        connection.sendall(bytes.fromhex(secret))
    except OSError:
        connection.close()
        raise
    return Channel(connection)


def control_endpoint(path: str | os.PathLike[str]) -> str:
    """See `posix.control_endpoint`; the file at `path` tells the port. libzmq has no other local sockets here."""
    with socket.create_server((_HERE, 0)) as free:
        port = free.getsockname()[1]
    _publish(Path(path), str(port))
    return f"tcp://{_HERE}:{port}"


def dial(path: str | os.PathLike[str], timeout: float) -> socket.socket:
    """See `posix.dial`."""
    return socket.create_connection((_HERE, int(Path(path).read_text())), timeout)


def peer(channel: Channel) -> Peer:
    """Return this user: who is at the other end knew the secret. Its process is not known."""
    del channel
    return Peer(user(), 0)


def watch_process(pid: int) -> int | None:
    """Return None: see `linux.watch_process`. The channel to the process tells its end."""
    del pid
    return None


def pair() -> tuple[Channel, Channel]:
    """See `linux.pair`."""
    ours, theirs = socket.socketpair()
    return Channel(ours), Channel(theirs)


def inherited(number: int) -> Channel:
    """See `linux.inherited`."""
    return Channel(socket.socket(fileno=number))


def end_with_parent(parent: int) -> None:
    """Do nothing: the channel to the parent tells its end."""
    del parent


def lock(path: str | os.PathLike[str]) -> int | None:
    """See `posix.lock`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except PermissionError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def user() -> int:
    """Return 0: Windows has no numbers for its users, and the runtime folder lies in the user's own profile."""
    return 0


def memory_bytes() -> int:
    """See `posix.memory_bytes`."""
    # MEMORYSTATUSEX: two 32-bit numbers, then seven 64-bit ones of which the first is the whole memory.
    status = ctypes.create_string_buffer(struct.pack("<II7Q", 64, *[0] * 8), 64)
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(status):
        raise ctypes.WinError()
    return int(struct.unpack_from("<Q", status, 8)[0])


def more_descriptors() -> int:
    """See `posix.more_descriptors`; handles of Windows have no limit that a process would meet."""
    return 1 << 24


def resident_bytes() -> int:
    """See `linux.resident_bytes`."""
    # PROCESS_MEMORY_COUNTERS: two 32-bit numbers, then eight of the size of a pointer; the second is what is held.
    status = ctypes.create_string_buffer(struct.pack("<II8Q", 72, *[0] * 9), 72)
    kernel32 = ctypes.windll.kernel32
    kernel32.GetCurrentProcess.restype = wintypes.HANDLE
    if not kernel32.K32GetProcessMemoryInfo(wintypes.HANDLE(kernel32.GetCurrentProcess()), status, len(status)):
        raise ctypes.WinError()
    return int(struct.unpack_from("<Q", status, 16)[0])
