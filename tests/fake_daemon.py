"""A daemon that says whatever a test tells it, for clients that have to bear it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import zmq

from corridorkey_server.protocol import (
    MARK,
    REQUESTS,
    Hello,
    Opened,
    Slot,
    SlotReady,
    State,
    Status,
    Welcome,
)
from corridorkey_server.protocol import Region as RegionMessage
from corridorkey_server.rendezvous import Rendezvous
from corridorkey_server.system import Channel, Listener, Region
from corridorkey_server.wire import Message, decode

TOKEN = bytes(range(16))


@dataclass
class FakeDaemon:
    """A daemon that a test tells what to say.

    Attributes:
        place: where it listens.
        opened: what a lease is sent first; nothing, and the lease is closed, if None.
        answer: makes the answers to a request.
        garbage: sent before every answer.
    """

    place: Rendezvous
    opened: bytes | None = field(default_factory=lambda: Opened(token=TOKEN, session=1, boot="b").encode())
    answer: Callable[["FakeDaemon", Message], list[bytes]] = lambda _daemon, _message: []
    garbage: tuple[bytes, ...] = ()
    leases: list[Channel] = field(default_factory=list)
    heard: list[Message] = field(default_factory=list)
    listening: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)

    def serve(self) -> None:
        """Answer until stopped."""
        with zmq.Context() as context, context.socket(zmq.ROUTER) as control:
            control.setsockopt(zmq.LINGER, 0)
            control.bind(self.place.control)
            listener = Listener.listen(self.place.lease)
            self.listening.set()
            while not self.stopped.is_set():
                self._welcome(listener)
                if control.poll(5):
                    peer, *frames = control.recv_multipart()
                    self._speak(control, peer, decode(frames[-1], REQUESTS))
            listener.close()
            for lease in self.leases:
                lease.close()

    def _welcome(self, listener: Listener) -> None:
        lease = listener.accept()
        if lease is None:
            return
        if self.opened is None:
            lease.close()
            return
        lease.send(self.opened)
        self.leases.append(lease)

    def _speak(self, control: "zmq.Socket[bytes]", peer: bytes, message: Message) -> None:
        self.heard.append(message)
        for words in (*self.garbage, *self.answer(self, message)):
            control.send_multipart([peer, MARK, words])


@contextmanager
def served(folder: Path) -> Iterator[FakeDaemon]:
    """Run a daemon of this process in a new folder."""
    place = Rendezvous(folder)
    place.create()
    daemon = FakeDaemon(place)
    thread = threading.Thread(target=daemon.serve)
    thread.start()
    assert daemon.listening.wait(10)
    try:
        yield daemon
    finally:
        daemon.stopped.set()
        thread.join()


def welcome(hello: Hello, version: int = 1) -> bytes:
    """Return the answer to a HELLO."""
    words = Welcome(id=hello.id, version=version, session=1, boot="b", pid=1, device="", model="m", quality="full")
    return words.encode()


def granted(slot: Slot, size: int, **changed: int) -> bytes:
    """Return the answer to a SLOT."""
    fields = {"slot": 1, "gen": 0, "width": slot.width, "height": slot.height, "size": size, "fresh": True} | changed
    return SlotReady(id=slot.id, masks=False, hint=False, **fields).encode()


def give(region_size: int, said_size: int | None = None, descriptors: int = 1) -> Callable[..., list[bytes]]:
    """Return a daemon's answers: HELLO and SLOT as they should be, but for the memory that comes."""

    def answer(daemon: FakeDaemon, message: Message) -> list[bytes]:
        if isinstance(message, Hello):
            return [welcome(message)]
        if isinstance(message, Slot):
            said = said_size or region_size
            regions = [Region.create(region_size) for _ in range(descriptors)]
            if regions:
                daemon.leases[-1].send(RegionMessage(slot=1, size=said).encode(), regions)
            for region in regions:
                region.close()
            return [granted(message, said)]
        return [State(id=message.id, facts={}).encode()] if isinstance(message, Status) else []

    return answer
