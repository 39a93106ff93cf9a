"""What Linux and macOS share: sockets that are files, locks, and the machine. Knows no channels and no regions."""

import fcntl
import os
import resource
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

# Checked for the systems that it runs on; the module itself can be read anywhere.
assert sys.platform != "win32" or not TYPE_CHECKING

_BACKLOG = 128
_MOST_DESCRIPTORS = 10240  # macOS refuses more where it says that there is no limit
_AGAIN = 0.01


def bind(waiting: socket.socket, path: str | os.PathLike[str]) -> None:
    """Put a socket at `path` in place of what a daemon before left there, and let connections wait on it.

    Whether that daemon still lives is not asked here: the caller holds the lock.
    """
    Path(path).unlink(missing_ok=True)
    waiting.bind(os.fspath(path))
    waiting.listen(_BACKLOG)
    waiting.setblocking(False)


def accept(waiting: socket.socket) -> socket.socket | None:
    """Return the next connection, non-blocking, or None if there is none; OSError if no descriptor is left."""
    try:
        connection, _ = waiting.accept()
    except (BlockingIOError, ConnectionAbortedError):
        return None
    connection.setblocking(False)
    return connection


def connect(connection: socket.socket, path: str | os.PathLike[str], timeout: float) -> None:
    """Connect within `timeout` seconds; the connection keeps that as its timeout. Closed if anything is raised."""
    try:
        connection.settimeout(timeout)
        _connect(connection, os.fspath(path), time.monotonic() + timeout)
    except OSError:
        connection.close()
        raise


def _connect(connection: socket.socket, path: str, deadline: float) -> None:
    while True:
        try:
            connection.connect(path)
        except BlockingIOError:
            # Too many wait already: Linux does not let a socket with a timeout queue for that.
            if time.monotonic() > deadline:
                raise TimeoutError(f"nobody answers at {path}") from None
            time.sleep(_AGAIN)
        else:
            return


def control_endpoint(path: str | os.PathLike[str]) -> str:
    """Return where ZeroMQ is to listen, so that `dial` with the same path reaches it."""
    return f"ipc://{os.fspath(path)}"


def dial(path: str | os.PathLike[str], timeout: float) -> socket.socket:
    """Return a stream socket connected to who listens at `control_endpoint(path)`; raises as `connect` does."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connect(connection, path, timeout)
    return connection


def lock(path: str | os.PathLike[str]) -> int | None:
    """Lock a file, made if it is not there, and return its descriptor, or None if another holds the lock.

    The lock is held until the descriptor is closed or the process ends, however it ends. Never remove the file: two
    could then hold locks on two files of one name.

    Raises:
        OSError: the file cannot be opened; a symbolic link is not followed.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def user() -> int:
    """Return who runs this process."""
    return os.getuid()


def memory_bytes() -> int:
    """Return how much memory the machine has, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def more_descriptors() -> int:
    """Let this process, and those that it starts, open as many files as it may without asking; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
