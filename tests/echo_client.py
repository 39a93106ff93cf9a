"""Clients of an echo daemon as a process of their own, for tests that need many of them or kill them.

What such a process does:

    python echo_client.py keys <first> <clients> <frames>    keys frames in threads; fails if one is not as it should be
    python echo_client.py holds <alone|forks|spawns>         says what it holds, and never ends
    python echo_client.py tries <user> <identity> <message>  says what the daemon answers to that user and message
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from corridorkey_server import system
from corridorkey_server.client import Client
from corridorkey_server.client_slots import Wired
from corridorkey_server.protocol import MARK, PRIORITIES, Error
from corridorkey_server.rendezvous import here
from daemons import PARAMS, SIZES, Wire, asking, fits, stamped

STUBBORN = 1.2
"""Seconds for which the frame of a client that holds cannot be stopped."""


def key_frames(client: int, frames: int) -> None:
    """Key frames of mixed sizes, each with its own content."""
    with Client(f"client {client}") as daemon:
        for frame in range(frames):
            plate, hint = stamped(SIZES[(client + frame) % len(SIZES)], client, frame)
            keyed = daemon.key(plate, hint, PARAMS, frame=frame, priority=PRIORITIES[client % len(PRIORITIES)])
            assert fits(keyed, plate, hint), f"frame {frame} of client {client} is another one"


def keys(first: str, clients: str, frames: str) -> None:
    """Run clients, each in a thread."""
    with ThreadPoolExecutor(int(clients)) as threads:
        numbers = range(int(first), int(first) + int(clients))
        list(threads.map(lambda client: key_frames(client, int(frames)), numbers))


def holds(company: str) -> None:
    """Hold one slot with a frame that is being keyed, one with a frame that waits, one that is empty; and wait."""
    with Client(f"holds {company}") as client, ExitStack() as stack:
        slots = [stack.enter_context(client.slot(64, 36)) for _ in range(3)]
        for slot, red in zip(slots, (2000 + STUBBORN, 1.0), strict=False):
            slot.frame.given[..., :3] = asking(red)
            client.submit(slot, PARAMS, Wired())
        _tell(client, company)
        while True:
            time.sleep(1)


def _tell(client: Client, company: str) -> None:
    lease = client._link._lease.fileno()
    inode = str(Path(f"/proc/self/fd/{lease}").readlink())
    child = _fork() if company == "forks" else _spawn(lease) if company == "spawns" else 0
    facts: dict[str, Any] = {"lease": inode, "child": child}
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _fork() -> int:
    """Return a child that lives on with all that Python's fork leaves it."""
    child = os.fork()
    if child == 0:
        sys.stdout.close()
        time.sleep(60)
        os._exit(0)
    return child


def _spawn(lease: int) -> int:
    """Return a child that inherited the lease, as one that C forks does; no hook of Python runs in it."""
    return subprocess.Popen(["sleep", "60"], pass_fds=[lease], stdout=subprocess.DEVNULL).pid


def tries(user: str, identity: str, message: str) -> None:
    """Try lease and control as another user; identity and message are hexadecimal."""
    if int(user) != os.getuid():
        os.setgroups([])
        os.setgid(int(user))
        os.setuid(int(user))
    place = here()
    with Wire(place, bytes.fromhex(identity)) as wire:
        wire.say(MARK, bytes.fromhex(message))
        answer = wire.hear(0.5)
        words = "nothing" if answer is None else answer.code if isinstance(answer, Error) else answer.OP
    sys.stdout.write(json.dumps({"lease": _try_lease(place.lease), "control": words}))


def _try_lease(path: str) -> str:
    try:
        return "nothing" if system.connect(path, 5).receive() is None else "token"
    except PermissionError:
        return "forbidden"


ACTS: dict[str, Callable[..., None]] = {"keys": keys, "holds": holds, "tries": tries}

if __name__ == "__main__":
    ACTS[sys.argv[1]](*sys.argv[2:])
