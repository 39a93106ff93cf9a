"""Messages on a connection that is only a stream of bytes: each is led by its length, 4 bytes, little-endian.

Used where the system has no connections that keep messages whole. Knows no regions.
"""

import socket
from collections.abc import Callable

PATIENCE = 1.0
"""Seconds that the rest of a message may take once the system took its beginning."""

_LEAD = 4


class Assembler:
    """Puts one message together from what comes in pieces.

    It never asks for a byte beyond the message that it is at: a poll on the connection therefore tells of every
    message that waits, and what comes beside the bytes belongs to that message.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._got = bytearray()

    def receive(self, read: Callable[[int], bytes]) -> bytes | None:
        """Return the next message, or None if the stream has ended.

        Args:
            read: returns at most as many bytes as asked for, none at the end. What it raises passes, and the call
                after that goes on where this one was.

        Raises:
            ConnectionError: the message is empty or longer than the limit.
        """
        while (missing := self._size() - len(self._got)) > 0:
            piece = read(missing)
            if not piece:
                return None
            self._got += piece
        message, self._got = bytes(self._got[_LEAD:]), bytearray()
        return message

    def _size(self) -> int:
        """Return how long the message is with its lead, as far as is known."""
        if len(self._got) < _LEAD:
            return _LEAD
        size = int.from_bytes(self._got[:_LEAD], "little")
        if not 0 < size <= self._limit:
            raise ConnectionError(f"the other end sent a message of {size} bytes, {self._limit} are allowed")
        return _LEAD + size


def frame(message: bytes) -> bytes:
    """Return the message with its length before it."""
    return len(message).to_bytes(_LEAD, "little") + message


def finish(connection: socket.socket, rest: bytes) -> None:
    """Send the rest of a message that the system took a part of; half a message cannot be taken back.

    Raises:
        ConnectionError: the other end is gone, or read nothing for `PATIENCE` or the connection's own timeout.
    """
    before = connection.gettimeout()
    connection.settimeout(PATIENCE if before == 0 else before)
    try:
        connection.sendall(rest)
    except TimeoutError as error:
        raise ConnectionError("the other end stopped reading in the middle of a message") from error
    finally:
        connection.settimeout(before)
