"""Real daemon processes for tests: started in a folder of their own, watched, and gone afterwards."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import zmq
from numpy import float32
from numpy.typing import NDArray

from corridorkey_models.keyed import Keyed
from corridorkey_models.params import Params
from corridorkey_server.client import Client
from corridorkey_server.link import Link, NoDaemon
from corridorkey_server.protocol import MARK, REPLIES, Key, Slot, SlotReady
from corridorkey_server.rendezvous import Rendezvous
from corridorkey_server.wire import Message, decode

HERE = Path(__file__).parent
PATIENCE = 30.0
"""Seconds after which something that should have happened will not happen any more."""

PARAMS = Params(working_space="linear_rec709")
SIZES = ((64, 36), (16, 9), (160, 90), (31, 17), (320, 180))
"""Width and height of frames that are mixed."""

GREETING = b"\xff" + bytes(7) + b"\x01\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06ROUTER"
"""How a ROUTER shakes hands: ZMTP 3.0 without a mechanism."""

Pixels = NDArray[float32]
M = TypeVar("M", bound=Message)


def stamped(size: tuple[int, int], client: int, frame: int) -> tuple[Pixels, Pixels]:
    """Return a plate and a hint that no other frame of any client has; the numbers stand in the first pixel."""
    pixels = np.random.default_rng((client, frame)).random((size[1], size[0], 4), float32)
    pixels[0, 0, :2] = client, frame
    return pixels[..., :3], pixels[..., 3]


def fits(keyed: Keyed, plate: Pixels, hint: Pixels) -> bool:
    """Whether that is what an echo gives for the frame."""
    return np.array_equal(keyed.foreground, plate) and np.array_equal(keyed.matte, hint)


def asking(red: float = 0.0, green: float = 0.0, size: tuple[int, int] = (64, 36)) -> Pixels:
    """Return a plate that asks the worker for something; see `echo_worker`."""
    plate = np.zeros((size[1], size[0], 3), float32)
    plate[0, 0, :2] = red, green
    return plate


def eventually(holds: Callable[[], Any], what: str, patience: float = PATIENCE) -> float:
    """Wait until `holds()` is true, and return the seconds that it took; fail when patience is at its end."""
    start = time.monotonic()
    while not holds():
        waited = time.monotonic() - start
        assert waited < patience, f"not within {patience} s: {what}"
        time.sleep(0.001)
    return time.monotonic() - start


class EchoDaemon:
    """The product's daemon around `echo_worker`, as a process.

    Attributes:
        place: where it is reached.
        process: the supervisor.
        environment: in which programs find it.
        seconds: from its last start to its first answer.
    """

    def __init__(self, folder: Path, keep_alive: float = 300.0, slot_memory: int = 0, descriptors: int = 0) -> None:
        """Start it in the new folder `folder` (give it a short path) and wait until it answers.

        Args:
            descriptors: how many it may have at most, as many as this process if 0.
        """
        self._descriptors = descriptors or resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.place = Rendezvous(folder)
        self.environment = os.environ | {"CKEY_RUNTIME": str(folder), "PYTHONPATH": str(HERE)}
        self._arguments = [str(keep_alive), str(slot_memory)]
        self.start()

    def start(self) -> None:
        """Start it, or start it again."""
        self.place.create()
        with self.place.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(HERE / "echo_daemon.py"), *self._arguments],
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (self._descriptors, self._descriptors))
        self.seconds = eventually(self.answers, "the daemon answers")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()

    def answers(self) -> bool:
        """Whether it speaks."""
        assert self.process.poll() is None, self.log()
        try:
            Link(self.place, visit=True).close()
        except NoDaemon:
            return False
        return True

    def client(self, name: str = "test") -> Client:
        """Return a client in this process."""
        return Client(name, self.place)

    def status(self) -> dict[str, Any]:
        """Return how it is."""
        with Link(self.place, visit=True) as link:
            return link.status()

    def restart(self) -> None:
        """Start it again after its end."""
        self.process.wait(PATIENCE)
        self.start()

    def kill(self) -> None:
        """End it as the kernel ends what takes too much memory."""
        self.process.kill()
        self.process.wait(PATIENCE)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let it hang meanwhile."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def worker(self) -> int:
        """Return the process id of its worker, 0 if there is none."""
        return int(self.status()["worker"]["pid"])

    def is_keying(self) -> bool:
        """Whether the worker is at a frame."""
        return self.status()["running"] is not None

    def log(self) -> str:
        """Return what it said."""
        return self.place.log.read_text()


class Wire:
    """A control connection that says whatever it is told."""

    def __init__(self, place: Rendezvous, identity: bytes = b"") -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.set(zmq.SNDTIMEO, int(1000 * PATIENCE))
        if identity:
            self._socket.set(zmq.ROUTING_ID, identity)
        self._socket.connect(place.control)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._context.destroy(linger=0)

    def say(self, *frames: bytes) -> None:
        """Send frames as they are."""
        self._socket.send_multipart(frames)

    def send(self, message: Message) -> None:
        """Send a message as it should be."""
        self.say(MARK, message.encode())

    def hear(self, patience: float = PATIENCE) -> Message | None:
        """Return the next message, None if none comes."""
        if not self._socket.poll(int(1000 * patience)):
            return None
        return decode(self._socket.recv_multipart()[-1], REPLIES)


def ask(link: Link, answer: type[M], request: type[Message], **fields: Any) -> M:
    """Send a request with these fields, and return its answer, which has to be of that kind."""
    reply = link.ask(request(id=link.next_id(), **fields), (Message,))
    assert isinstance(reply, answer), reply
    return reply


def slot_of(link: Link, size: tuple[int, int] = (64, 36)) -> SlotReady:
    """Return a slot of a session."""
    return ask(link, SlotReady, Slot, width=size[0], height=size[1])


def key_of(link: Link, slot: SlotReady, /, **changed: Any) -> Key:
    """Return the KEY for the first frame in a slot, or for another one."""
    fields = {"slot": slot.slot, "gen": slot.gen + 1, "width": slot.width, "height": slot.height}
    right = {"alpha": "hint", "params": {"working_space": "linear_rec709"}}
    return Key(**{"id": link.next_id(), **fields, **right, **changed})


@contextmanager
def held(daemon: EchoDaemon, company: str = "alone") -> Iterator[tuple[int, dict[str, Any]]]:
    """Run a client that holds three slots (`echo_client.py holds`); yields its process id and what it said."""
    with subprocess.Popen(client_command("holds", company), env=daemon.environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        try:
            yield process.pid, facts
        finally:
            process.kill()
            if facts["child"]:
                os.kill(facts["child"], signal.SIGKILL)


def client_command(*words: object) -> list[str]:
    """Return how `echo_client.py` is run."""
    return [sys.executable, str(HERE / "echo_client.py"), *map(str, words)]


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def children(pid: int) -> list[int]:
    """Return the processes that a process started and that are there, even if only to be waited for."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def descriptors(pid: int) -> list[str]:
    """Return what a process has open."""
    folder = Path(f"/proc/{pid}/fd")
    return sorted(target for entry in folder.iterdir() if (target := _target(entry)))


def _target(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except FileNotFoundError:
        return ""


def steady(pid: int) -> int:
    """Return how many descriptors a process has open, once connections that have ended are gone."""
    count = -1
    while count != (count := len(descriptors(pid))):
        time.sleep(0.1)
    return count


def resident(pid: int) -> int:
    """Return how many bytes of memory a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
