"""The connection that holds a session: while it is open the session lives. It is only read from.

Linux keeps its messages whole; on macOS it is a stream, and each message is led by its length.
"""

from __future__ import annotations

import socket
import sys
import time

from .zmtp import wait_readable

_LIMIT = 65536  # bytes of a message
_LEAD = 4  # bytes that say how long a message is, little-endian
_AGAIN = 0.01  # seconds until a daemon whose door is crowded is tried again

IS_STREAM = sys.platform == "darwin"
"""Whether this system's leases are streams."""


def connect(path: str, kind: int, until: float) -> socket.socket:
    """Return a socket that is connected to who listens at `path`.

    Args:
        kind: SOCK_SEQPACKET or SOCK_STREAM.
        until: time.monotonic() at which waiting ends.

    Raises:
        OSError: nobody listens there, or has not let us in by then.
    """
    connection = socket.socket(socket.AF_UNIX, kind)
    try:
        connection.setblocking(False)
        while True:
            error = connection.connect_ex(path)
            if error == 0:
                return connection
            # Linux says so at once when too many wait already.
            if not isinstance(OSError(error, ""), BlockingIOError) or time.monotonic() > until:
                raise OSError(error, "nobody answers", path)
            time.sleep(_AGAIN)
    except BaseException:
        connection.close()
        raise


class Lease:
    """One session's connection."""

    def __init__(self, connection: socket.socket, is_stream: bool = IS_STREAM) -> None:
        """Take a connected socket, which is the lease's from here on."""
        connection.setblocking(False)
        self._connection, self._is_stream = connection, is_stream
        self._got = bytearray()

    def fileno(self) -> int:
        """Return what turns readable when something has come or the daemon is gone."""
        return self._connection.fileno()

    def close(self) -> None:
        """End the session; calling it again does nothing."""
        self._connection.close()

    def receive(self) -> bytes | None:
        """Return the next message, None if there is none yet; never waits. What is sent beside it is dropped.

        Raises:
            ConnectionError: the daemon has closed it, or sends what is no message.
        """
        try:
            return self._receive_from_stream() if self._is_stream else self._read(_LIMIT)
        except BlockingIOError:
            return None

    def wait(self, until: float) -> bytes | None:
        """Return the next message, None if none has come by then (time.monotonic()); raises as `receive` does."""
        message = self.receive()
        while message is None and time.monotonic() < until:
            wait_readable([self.fileno()], until - time.monotonic())
            message = self.receive()
        return message

    def _receive_from_stream(self) -> bytes:
        # Never a byte beyond the message at hand: a poll then tells of every one that waits.
        missing = self._whole() - len(self._got)
        while missing > 0:
            self._got += self._read(missing)
            missing = self._whole() - len(self._got)
        message, self._got = bytes(self._got[_LEAD:]), bytearray()
        return message

    def _whole(self) -> int:
        """Return how long the message is with its lead, as far as is known."""
        if len(self._got) < _LEAD:
            return _LEAD
        size = int.from_bytes(self._got[:_LEAD], "little")
        if not 0 < size <= _LIMIT:
            raise ConnectionError(f"the lease brings a message of {size} bytes")
        return _LEAD + size

    def _read(self, size: int) -> bytes:
        data = self._connection.recv(size)
        if not data:
            raise ConnectionError("the daemon has closed the lease")
        return data
