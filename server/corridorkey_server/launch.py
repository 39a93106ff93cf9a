"""Starts the daemon for whoever needs it, detached and once, and stops it; waits for either. Loads no numpy."""

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from corridorkey_models.errors import ResourceError

from . import system
from .link import DaemonLost, Link, NoDaemon
from .protocol import Done, Shutdown
from .rendezvous import Rendezvous

SERVE = (sys.executable, "-m", "corridorkey_server.cli", "serve")
"""How the daemon is started."""

START = 20.0
"""Seconds within which it has to answer."""

_LOG_LIMIT = 2**20  # bytes after which a start begins the log anew
_PAUSE = 0.02

Waiting = Callable[[float], None]
"""Called with the seconds waited so far; may raise Cancelled."""


def start(
    place: Rendezvous, command: Sequence[str] = SERVE, waiting: Waiting = lambda _: None, timeout: float = START
) -> None:
    """Start the daemon unless it runs, and return when it answers.

    Several programs may do this at once: one starts it, the others wait for it.

    Raises:
        ResourceError: it ended, or did not answer in time; the sentence holds what it said last.
        InputError: the runtime folder is not safe to use.
    """
    place.create()
    began = time.monotonic()
    daemon: subprocess.Popen[bytes] | None = None
    starting = None
    try:
        while not _answers(place):
            starting = starting or system.lock(place.starting)
            if starting is not None and daemon is None:
                daemon = _spawn(command, place)
            waited = time.monotonic() - began
            waiting(waited)
            if waited > timeout:
                raise ResourceError(f"the daemon did not answer within {timeout:.0f} s; see {place.log}.")
            if daemon is not None and daemon.poll() is not None and not _answers(place):
                raise ResourceError(f"the daemon did not start: {_last_line(place.log)}")
            time.sleep(_PAUSE)
    finally:
        if starting is not None:
            os.close(starting)


def _answers(place: Rendezvous) -> bool:
    try:
        Link(place, visit=True).close()
    except (NoDaemon, DaemonLost):
        return False
    return True


def _spawn(command: Sequence[str], place: Rendezvous) -> "subprocess.Popen[bytes]":
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(place.log, flags, 0o600)
    try:
        if os.fstat(descriptor).st_size > _LOG_LIMIT:
            os.ftruncate(descriptor, 0)
        # A session of its own: the daemon outlives the terminal and the host that asked for it.
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            cwd="/",
            env=os.environ | {"CKEY_RUNTIME": str(place.folder)},
        )
    finally:
        os.close(descriptor)


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("ckey: ") if lines else "it said nothing; run `ckey serve` in a terminal."


def stop(link: Link, timeout: float = math.inf) -> bool:
    """Ask the daemon that `link` speaks to to stop, and return whether it was gone within `timeout` seconds.

    It finishes the frame that it is at first.
    """
    until = time.monotonic() + timeout
    try:
        link.request(Shutdown(id=link.next_id()), Done)
        while (left := until - time.monotonic()) > 0:
            link.pump(min(1.0, left))
    except DaemonLost:
        return True
    return False


@contextmanager
def private(options: Sequence[str] = ()) -> Iterator[Rendezvous]:
    """Start a daemon that nobody else finds, and stop it when this ends, or whenever this process does.

    Args:
        options: of `ckey serve`.
    """
    with tempfile.TemporaryDirectory(prefix="ckey-", ignore_cleanup_errors=True) as folder:
        place = Rendezvous(Path(folder) / "run")
        start(place, [*SERVE, *options, "--parent", str(os.getpid())])
        try:
            yield place
        finally:
            # If it does not stop when asked, it ends with this process.
            with suppress(ResourceError), Link(place, visit=True) as link:
                stop(link, START)
