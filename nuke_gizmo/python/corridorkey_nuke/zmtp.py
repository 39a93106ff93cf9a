"""The client's end of a ZeroMQ connection, spoken on the wire: ZMTP 3.0 without a mechanism, a DEALER over a socket.

Nuke has no libzmq for its Python, and a foreign one is what stops it from starting. Nothing is read without a limit,
and nothing waits longer than it is told.

    greeting   FF 8x00 7F | 03 00 | "NULL" and 16x00 | 00 | 31x00
    command    flags 04, size, body; the first is READY with the socket's type
    frame      flags, size, body; flags: 1 more frames follow, 2 the size is 8 bytes, big-endian, instead of 1
"""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from contextlib import suppress

from .packing import LIMIT

_MORE, _LONG, _COMMAND = 1, 2, 4
_GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
_READY = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
_FRAMES = 8  # of one message, at most
_SEND = 2.0  # seconds within which the other side has to take what is sent
_CHUNK = 65536
_NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)  # Nuke may not ignore SIGPIPE


def wait_readable(descriptors: list[int], seconds: float) -> None:
    """Wait until there is something to be read from one of these, or one has ended; `seconds` at most."""
    _wait(descriptors, select.POLLIN, seconds)


def _wait(descriptors: list[int], events: int, seconds: float) -> None:
    # Not select.select: Nuke may have more descriptors open than that can count.
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, events)
    poll.poll(1000 * min(max(0.001, seconds), 3600.0))


class NoPeer(ConnectionError):
    """The other side is no ROUTER, or none that lets everybody in."""


class Dealer:
    """One connection to a ROUTER. Not for use by several threads at once."""

    def __init__(self, connection: socket.socket, timeout: float) -> None:
        """Shake hands over a connected socket, which is the Dealer's from here on, and closed if that fails.

        Raises:
            NoPeer: the other side speaks something else.
            ConnectionError: it is gone, or has said too little for `timeout` seconds.
        """
        self._connection = connection
        self._received = bytearray()
        self._parts: list[bytes] = []
        self._messages: deque[list[bytes]] = deque()
        try:
            connection.setblocking(False)
            self._shake_hands(time.monotonic() + timeout)
        except BaseException:
            connection.close()
            raise

    def fileno(self) -> int:
        """Return what turns readable when something has come or the other side is gone."""
        return self._connection.fileno()

    def close(self) -> None:
        """Close the connection; calling it again does nothing."""
        self._connection.close()

    def send(self, *frames: bytes) -> None:
        """Send one message.

        Raises:
            ConnectionError: the other side is gone, or takes nothing any more.
        """
        last = len(frames) - 1
        framed = [_frame(_MORE if index < last else 0, frame) for index, frame in enumerate(frames)]
        self._send(b"".join(framed), time.monotonic() + _SEND)

    def receive(self) -> list[bytes] | None:
        """Return the frames of the next message that has come whole, None if there is none yet; never waits.

        Raises:
            ConnectionError: the other side is gone, or speaks something else; what it said before was returned.
        """
        self._sort_frames()
        if not self._messages:
            self._read()
            self._sort_frames()
        return self._messages.popleft() if self._messages else None

    def _shake_hands(self, until: float) -> None:
        self._send(_GREETING + _frame(_COMMAND, _READY), until)
        while len(self._received) < len(_GREETING):
            self._read_until(until)
        greeting = bytes(self._received[: len(_GREETING)])
        if (greeting[0], greeting[9], greeting[10] >= 3, greeting[12:32]) != (0xFF, 0x7F, True, _GREETING[12:32]):
            raise NoPeer("the other side speaks no ZMTP 3 without a mechanism")
        del self._received[: len(_GREETING)]
        command = self._take_frame()
        while command is None:
            self._read_until(until)
            command = self._take_frame()
        if not command[0] & _COMMAND or not command[1].startswith(b"\x05READY"):
            raise NoPeer("the other side is not ready")

    def _read_until(self, until: float) -> None:
        left = until - time.monotonic()
        if left <= 0:
            raise ConnectionError("the other side says nothing")
        _wait([self.fileno()], select.POLLIN, left)
        self._read()

    def _read(self) -> None:
        try:
            data = self._connection.recv(_CHUNK)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionError("the other side is gone")
        self._received += data

    def _sort_frames(self) -> None:
        """Sort what has come into messages; commands are answered, not returned."""
        taken = self._take_frame()
        while taken is not None:
            flags, body = taken
            if flags & _COMMAND:
                self._answer(body)
            else:
                self._add_part(body, bool(flags & _MORE))
            taken = self._take_frame()

    def _add_part(self, body: bytes, more: bool) -> None:
        self._parts.append(body)
        if len(self._parts) > _FRAMES:
            raise ConnectionError("a message has too many frames")
        if not more:
            self._messages.append(self._parts)
            self._parts = []

    def _take_frame(self) -> tuple[int, bytes] | None:
        """Return flags and body of the first frame that has come whole, None if there is none."""
        if not self._received:
            return None
        flags = self._received[0]
        head = 9 if flags & _LONG else 2
        if len(self._received) < head:
            return None
        size = int.from_bytes(self._received[1:head], "big")
        if size > LIMIT:
            raise ConnectionError(f"a frame of {size} bytes is more than {LIMIT}")
        if len(self._received) < head + size:
            return None
        body = bytes(self._received[head : head + size])
        del self._received[: head + size]
        return flags, body

    def _answer(self, command: bytes) -> None:
        # PING: two bytes of time to live, then what the PONG has to repeat. Who reads no PONG is not waited for.
        if command.startswith(b"\x04PING"):
            self._send(_frame(_COMMAND, b"\x04PONG" + command[7:23]), time.monotonic())

    def _send(self, data: bytes, until: float) -> None:
        rest = memoryview(data)
        while rest:
            sent = self._send_some(rest)
            rest = rest[sent:]
            left = until - time.monotonic()
            if rest and left <= 0:
                self._break_off()
            if not sent:
                _wait([self.fileno()], select.POLLOUT, left)

    def _send_some(self, data: memoryview) -> int:
        try:
            return self._connection.send(data, _NO_SIGNAL)
        except BlockingIOError:
            return 0

    def _break_off(self) -> None:
        # What followed half a frame would be taken for its rest.
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
        raise ConnectionError("the other side takes nothing any more")


def _frame(flags: int, body: bytes) -> bytes:
    """Return a frame.

    >>> _frame(_MORE, b"CKP1").hex(), _frame(0, bytes(300))[:9].hex()
    ('0104434b5031', '02000000000000012c')
    """
    if len(body) < 256:
        return bytes((flags, len(body))) + body
    return bytes((flags | _LONG,)) + len(body).to_bytes(8, "big") + body
