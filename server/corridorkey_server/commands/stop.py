"""Stop the daemon after the frame that it keys, and wait until it is gone with all its memory.

Frames that wait are given back to their clients. Ctrl-C ends the waiting, not the stopping.
"""

import argparse
import os
import signal
import sys
import time
from contextlib import suppress
from typing import Any

from corridorkey_models.errors import ResourceError

from ..launch import stop
from ..link import DaemonLost, Link, NoDaemon
from ..rendezvous import Rendezvous, here
from ..terminal import LongWait, say

_GONE = 15.0  # seconds that a daemon's process may take to end after its last word
_PAUSE = 0.02
_WAITING = "waiting for the daemon to end"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `ckey stop`."""
    parser.add_argument("--now", action="store_true", help="do not let it finish the frame that it keys")


def run(args: argparse.Namespace) -> int:
    """Stop it, and return the exit code; it is no failure if none runs.

    Raises:
        ResourceError: it does not answer.
        InputError: the runtime folder is not safe to use.
    """
    place = here()
    try:
        link = Link(place, visit=True)
    except (NoDaemon, DaemonLost):
        return _stop_unheard(place, args.now)
    with link:
        return _stop(link, place, args.now)


def _stop_unheard(place: Rendezvous, now: bool) -> int:
    """End a daemon that hangs, if that was asked for; say so if there is none."""
    pid = place.holder()
    if pid is None:
        sys.stdout.write("no daemon runs.\n")
        return 0
    if not now or not pid:
        raise ResourceError(f"the daemon, process {pid}, does not answer; end it with `ckey stop --now`.")
    os.kill(pid, signal.SIGKILL)
    _wait_until_gone(place)
    sys.stdout.write(f"the daemon did not answer and was killed (process {pid}).\n")
    return 0


def _wait_until_gone(place: Rendezvous) -> None:
    until = time.monotonic() + _GONE
    while (pid := place.holder()) is not None:
        if time.monotonic() > until:
            raise ResourceError(f"the daemon, process {pid}, is still there; end it with `ckey stop --now`.")
        time.sleep(_PAUSE)


def _stop(link: Link, place: Rendezvous, now: bool) -> int:
    pid = link.welcome.pid
    try:
        with LongWait(_WAITING) as wait:
            # It may end at any of these: that it is gone, its lock tells.
            with suppress(DaemonLost):
                wait.text = _reason(link.status())
                if now:
                    _end_at_once(link, pid)
                stop(link)
            _wait_until_gone(place)
    except KeyboardInterrupt:
        say(f"no longer waiting; process {pid} ends after its frame, or at once with `ckey stop --now`.")
        return 1
    sys.stdout.write(f"the daemon has stopped (process {pid}).\n")
    return 0


def _reason(facts: dict[str, Any]) -> str:
    running = facts["running"]
    if running is None:
        return _WAITING
    clients = {session["session"]: session["client"] for session in facts["sessions"]}
    client = clients.get(running["session"]) or "a client"
    return f"waiting for the frame that is being keyed for {client}, session {running['session']}"


def _end_at_once(link: Link, pid: int) -> None:
    """Do as a terminal does where somebody is in a hurry: ask twice."""
    os.kill(pid, signal.SIGTERM)
    # Its answer tells that it has seen the first signal, which the second must not come before.
    link.status()
    os.kill(pid, signal.SIGINT)
