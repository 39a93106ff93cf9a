"""The C client against daemons that do not keep to the protocol: each ends in a sentence and in time."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from corridorkey_server.layout import Layout
from corridorkey_server.protocol import Busy, Error, Hello, Key, Result, Slot, SlotBack, Status, Welcome
from corridorkey_server.protocol import Region as RegionMessage
from corridorkey_server.wire import Message
from daemons import eventually
from fake_daemon import FakeDaemon, give, granted, served, welcome
from native_client import CANCELLED, DOWN, IN, NO_MEMORY, OK, REFUSED, SILENT, VERSION, WAITING, Failed, NativeClient


@pytest.fixture
def fake(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    """A daemon to be told what to say before the first client comes."""
    monkeypatch.setenv("CKEY_RUNTIME", str(runtime))
    with served(runtime) as daemon:
        yield daemon


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


@pytest.mark.slow
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


def test_a_slot_that_says_it_is_too_small_is_not_used(fake: FakeDaemon) -> None:
    """A slot that could not hold the frame is not written into."""
    fake.answer = give(8192)
    with NativeClient() as client, client.slot() as frame:
        expect(VERSION, lambda: frame.poll(5), "is no CorridorKey daemon")


def test_a_known_slot_that_is_too_small_is_not_used(fake: FakeDaemon) -> None:
    """Nor is one that was mapped for a smaller frame and is handed out for a larger one."""
    small = give(Layout(64, 36).size)

    def answer(daemon: FakeDaemon, message: Message) -> list[bytes]:
        if isinstance(message, Slot) and message.width == 1920:
            return [granted(message, Layout(1920, 1080).size, fresh=False)]
        return small(daemon, message)

    fake.answer = answer
    with NativeClient() as client:
        client.ready().release()
        with client.slot(1920, 1080) as frame:
            expect(VERSION, lambda: frame.poll(5), "is no CorridorKey daemon")


def test_a_slot_for_another_frame_is_not_used(fake: FakeDaemon) -> None:
    """A daemon that grants something else than was asked for is not understood."""
    memory = give(Layout(64, 36).size)

    def answer(daemon: FakeDaemon, message: Message) -> list[bytes]:
        if isinstance(message, Slot):
            return [granted(message, Layout(64, 36).size, width=36, height=64)]
        return memory(daemon, message)

    fake.answer = answer
    with NativeClient() as client, client.slot() as frame:
        expect(VERSION, lambda: frame.poll(5), "is no CorridorKey daemon")


@pytest.mark.parametrize("slots", [0.0, 0.5, -3.0])
def test_a_session_without_slots_is_refused(fake: FakeDaemon, slots: float) -> None:
    """A frame would wait for ever."""
    fields = {"version": 1, "session": 1, "boot": "b", "pid": 1, "device": "", "model": "m", "quality": "full"}
    fake.answer = lambda _daemon, message: [Welcome(id=message.id, limits={"slots": slots}, **fields).encode()]
    with NativeClient() as client:
        expect(VERSION, client.slot, "is no CorridorKey daemon")


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


def always_busy(daemon: FakeDaemon, message: Message) -> list[bytes]:
    """Give memory, and have no time for any frame."""
    if isinstance(message, Key):
        return [Busy(id=message.id, seconds=3600.0, reason="queue").encode()]
    return give(Layout(64, 36).size)(daemon, message)


def test_a_frame_that_was_put_off_can_be_cancelled(fake: FakeDaemon) -> None:
    """What a busy daemon has given back is the caller's at once, and is not sent again."""
    fake.answer = always_busy
    with NativeClient() as client, client.ready() as frame:
        frame.submit()
        assert frame.poll(0.3) == WAITING
        frame.cancel()
        assert frame.poll(0) == CANCELLED
        assert frame.has(IN)
    assert sum(isinstance(message, Key) for message in fake.heard) == 1


def test_a_frame_that_is_put_off_after_its_release_goes_back(fake: FakeDaemon) -> None:
    """A slot that nobody waits for is the daemon's again, however the daemon answers."""
    fake.answer = always_busy
    with NativeClient() as client, client.ready() as other:
        with client.ready() as frame:
            frame.submit()
        other.poll(0)
        eventually(lambda: other.poll(0) == OK and gave_back(fake), "the slot is given back")


def gave_back(fake: FakeDaemon) -> bool:
    """Whether a slot was given back."""
    return any(isinstance(message, SlotBack) for message in fake.heard)
