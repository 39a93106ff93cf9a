"""The C client against daemons that do not keep to the protocol: each ends in a sentence and in time."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import zmq

from corridorkey_server.layout import Layout
from corridorkey_server.protocol import (
    MARK,
    REQUESTS,
    Busy,
    Error,
    Hello,
    Key,
    Opened,
    Result,
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
from native_client import DOWN, NO_MEMORY, OK, REFUSED, SILENT, VERSION, WAITING, Failed, NativeClient

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


@pytest.fixture
def fake(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    """A daemon to be told what to say before the first client comes."""
    place = Rendezvous(runtime)
    place.create()
    monkeypatch.setenv("CKEY_RUNTIME", str(runtime))
    daemon = FakeDaemon(place)
    thread = threading.Thread(target=daemon.serve)
    thread.start()
    assert daemon.listening.wait(10)
    yield daemon
    daemon.stopped.set()
    thread.join()


def welcome(hello: Hello, version: int = 1) -> bytes:
    """Return the answer to a HELLO."""
    words = Welcome(id=hello.id, version=version, session=1, boot="b", pid=1, device="", model="m", quality="full")
    return words.encode()


def granted(slot: Slot, size: int, **changed: int) -> bytes:
    """Return the answer to a SLOT."""
    fields = {"slot": 1, "gen": 0, "width": slot.width, "height": slot.height, "size": size} | changed
    return SlotReady(id=slot.id, masks=False, hint=False, fresh=True, **fields).encode()


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


def expect(status: int, work: Callable[[], object], words: str, within: float = 1.0) -> None:
    """Check that `work` fails with `status` and a sentence with `words`, in time."""
    start = time.monotonic()
    with pytest.raises(Failed, match=words) as failed:
        work()
    assert failed.value.status == status
    assert time.monotonic() - start < within


@pytest.mark.parametrize("version", [0, 2, 2**32 - 1])
def test_another_version_is_refused(fake: FakeDaemon, version: int) -> None:
    """A daemon that welcomes with a version that this library does not speak is not talked to."""
    fake.answer = lambda _daemon, message: [welcome(message, version)] if isinstance(message, Hello) else []
    with NativeClient() as client:
        expect(VERSION, client.slot, f"speaks version {version} of the protocol.*install the same version")
    assert [type(message) for message in fake.heard] == [Hello]


def test_a_daemon_that_refuses_the_version_is_quoted(fake: FakeDaemon) -> None:
    """The daemon's own words tell what to update."""
    words = {"code": "version", "sentence": "this plug-in is too old", "next": "update it."}
    fake.answer = lambda _daemon, _message: [Error(id=1, **words).encode()]
    with NativeClient() as client:
        expect(VERSION, client.slot, "this plug-in is too old; update it.")


def test_a_lease_that_is_closed_is_a_refusal(fake: FakeDaemon) -> None:
    """Too many sessions, or another user's daemon: the lease ends before it said anything."""
    fake.opened = None
    with NativeClient() as client:
        expect(REFUSED, client.slot, "closed the connection")


@pytest.mark.parametrize("words", [b"\x00", b"\xc1" * 40, RegionMessage(slot=1, size=1).encode(), b"\x81\xa2op\xa1x"])
def test_a_lease_that_says_something_else_is_refused(fake: FakeDaemon, words: bytes) -> None:
    """What does not begin with a token is no daemon of ours."""
    fake.opened = words
    with NativeClient() as client:
        expect(VERSION, client.slot, "is no CorridorKey daemon")


def test_silence_after_the_token_has_a_deadline(fake: FakeDaemon) -> None:
    """A daemon that never welcomes costs no more than connecting may."""
    assert fake.answer(fake, Status(id=1)) == []
    with NativeClient() as client:
        expect(SILENT, client.slot, "does not answer", 0.6)


def test_what_is_not_understood_is_passed_over(fake: FakeDaemon) -> None:
    """Newer messages, wrong ones and answers to nobody do not disturb."""
    strange = Result(id=77, slot=1, gen=1, empty=False, kept=False, model="m", quality="q", device="d").encode()
    nobody = Busy(id=0, seconds=0.1, reason="r").encode()
    fake.garbage = (b"", b"\xc1", b"\x81\xa2op\xa5later", strange, nobody, b"\x93\x01\x02\x03", strange[:-3])
    fake.answer = give(Layout(64, 36).size)
    with NativeClient() as client, client.ready() as frame:
        assert frame.poll(0) == OK


@pytest.mark.parametrize("descriptors", [1, 2])
def test_memory_that_is_too_small_is_not_used(fake: FakeDaemon, descriptors: int) -> None:
    """A region that is smaller than said would end the host with a signal; two at once are no region."""
    fake.answer = give(4096, Layout(64, 36).size, descriptors)
    with NativeClient() as client, client.slot() as frame:
        status, words = (NO_MEMORY, "cannot be mapped") if descriptors == 1 else (DOWN, "has ended")
        expect(status, lambda: frame.poll(5), words)


def test_memory_that_says_it_is_too_small_is_not_used(fake: FakeDaemon) -> None:
    """A slot that could not hold the frame is not written into."""
    fake.answer = give(8192)
    with NativeClient() as client, client.slot() as frame:
        expect(NO_MEMORY, lambda: frame.poll(5), "cannot be mapped")


def test_memory_that_does_not_come_is_waited_for(fake: FakeDaemon) -> None:
    """A slot without its descriptor is not there yet, however often the daemon says so, and can be given up."""
    fake.answer = give(Layout(64, 36).size, descriptors=0)
    with NativeClient() as client, client.slot() as frame:
        assert frame.poll(0.5) == WAITING
        frame.cancel()
        assert frame.poll(0) != WAITING


def test_an_answer_for_another_slot_is_not_taken(fake: FakeDaemon) -> None:
    """A RESULT under the number of an earlier request leaves a frame on its way where it is."""
    memory = give(Layout(64, 36).size)

    def answer(daemon: FakeDaemon, message: Message) -> list[bytes]:
        if not isinstance(message, Key):
            return memory(daemon, message)
        fields = {"slot": 1, "gen": 1, "empty": False, "kept": False, "model": "m", "quality": "q", "device": "d"}
        return [Result(id=message.id - 1, **fields).encode()]

    fake.answer = answer
    with NativeClient() as client, client.ready() as frame:
        frame.submit()
        assert frame.poll(0.5) == WAITING


def test_a_busy_daemon_is_asked_again(fake: FakeDaemon) -> None:
    """BUSY is no answer: slot and frame are asked for again after the time that it names."""
    memory = give(Layout(64, 36).size)

    def answer(daemon: FakeDaemon, message: Message) -> list[bytes]:
        if isinstance(message, Slot | Key) and sum(isinstance(heard, type(message)) for heard in daemon.heard) < 3:
            return [Busy(id=message.id, seconds=0.05, reason="memory").encode()]
        if isinstance(message, Key):
            fields = {"empty": False, "kept": False, "model": "m", "quality": "q", "device": "d"}
            return [Result(id=message.id, slot=1, gen=message.gen, **fields).encode()]
        return memory(daemon, message)

    fake.answer = answer
    with NativeClient() as client, client.ready() as frame:
        frame.submit()
        assert frame.poll(5) == OK
    keys = [message for message in fake.heard if isinstance(message, Key)]
    assert len(keys) == 3
    assert keys[0] == keys[2]
