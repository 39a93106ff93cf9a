"""Slots: handed out, reused, emptied and refused as the protocol says, and shared without a copy."""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corridorkey_server.client_slots import Wired
from corridorkey_server.layout import HEADER, SLOT_MARK, Layout
from corridorkey_server.link import Link
from corridorkey_server.protocol import (
    Again,
    Busy,
    Cancel,
    Configure,
    Detect,
    Done,
    Error,
    Key,
    Result,
    Slot,
    SlotBack,
    SlotReady,
)
from corridorkey_server.system import Region
from corridorkey_server.wire import Message
from daemons import PARAMS, EchoDaemon, Wire, ask, asking, descriptors, eventually, key_of, slot_of, stamped

MIB = 1 << 20
FRAME = (160, 90)
CAP = 2 * Layout(*FRAME).size + MIB // 4
"""Bytes in which two slots for such a frame have room, but not three."""


@pytest.fixture
def link(daemon: EchoDaemon) -> Iterator[Link]:
    """A session, message by message."""
    with Link(daemon.place, "link") as session:
        yield session


@pytest.fixture
def small(runtime: Path) -> Iterator[EchoDaemon]:
    """A daemon with little memory for slots."""
    with EchoDaemon(runtime, slot_memory=CAP) as running:
        yield running


def region_of(link: Link, slot: SlotReady) -> Region:
    """Return the region that came for a slot."""
    return link.region(slot.slot, time.monotonic() + 5)


def test_a_session_has_three_slots(link: Link) -> None:
    """The fourth is not to be had until one is given back."""
    slots = [slot_of(link) for _ in range(3)]
    assert [slot.fresh for slot in slots] == [True] * 3
    assert len({slot.slot for slot in slots}) == 3
    busy = ask(link, Busy, Slot, width=64, height=36)
    assert "3 slots of this session" in busy.reason
    ask(link, Done, SlotBack, slot=slots[1].slot)
    assert slot_of(link).slot == slots[1].slot


def test_a_slot_that_was_given_back_is_reused(daemon: EchoDaemon, link: Link) -> None:
    """It comes again with its mapping, its generation, and the header of the new, smaller frame."""
    large = slot_of(link, FRAME)
    region = region_of(link, large)
    link.request(key_of(link, large), Result)
    ask(link, Done, SlotBack, slot=large.slot)
    opened = descriptors(daemon.process.pid)
    small = slot_of(link, (16, 9))
    assert (small.slot, small.fresh, small.gen, small.size) == (large.slot, False, 1, large.size)
    assert descriptors(daemon.process.pid) == opened
    mark, _, number, width, height, *_ = HEADER.unpack(region.read(HEADER.size))
    assert (mark, number, width, height) == (SLOT_MARK, small.slot, 16, 9)
    link.request(key_of(link, small, gen=2), Result)
    region.close()


def test_a_slot_is_given_back_with_a_frame_on_its_way(daemon: EchoDaemon, link: Link) -> None:
    """It is nobody's once the frame is answered, and until then nobody else's: not even its session's."""
    slot = slot_of(link)
    region = region_of(link, slot)
    region.write(asking(1000.5).tobytes()[:8], 4096)
    region.close()
    link.send(key_of(link, slot))
    eventually(daemon.is_keying, "the frame is begun")
    ask(link, Done, SlotBack, slot=slot.slot)
    assert ask(link, Error, SlotBack, slot=slot.slot).sentence == "this session has no slot 1"
    assert isinstance(link.ask(key_of(link, slot, gen=2), (Error,)), Error)
    assert slot_of(link).slot != slot.slot
    eventually(lambda: not daemon.is_keying(), "the frame is answered")
    again = slot_of(link)
    assert (again.slot, again.fresh) == (slot.slot, False)


def test_a_larger_frame_takes_the_place_of_the_smallest_slot(daemon: EchoDaemon, link: Link) -> None:
    """Where all three are there already, the one that goes is named, and its memory is given back."""
    slots = [slot_of(link, size) for size in (FRAME, (16, 9), (64, 36))]
    for slot in slots:
        ask(link, Done, SlotBack, slot=slot.slot)
    larger = slot_of(link, (320, 180))
    assert (larger.fresh, larger.gone) == (True, slots[1].slot)
    assert ask(link, Error, SlotBack, slot=slots[1].slot).code == "slot"
    wanted = larger.size + slots[0].size + slots[2].size
    eventually(lambda: daemon.status()["slots"]["bytes"] == wanted, "the memory is back")


def test_memory_that_others_leave_idle_is_taken(small: EchoDaemon) -> None:
    """At the cap, idle slots are emptied for whoever asks; slots in use are not, and a frame too large never fits."""
    with Link(small.place) as first, Link(small.place) as second:
        mine = [slot_of(first, FRAME) for _ in range(2)]
        busy = ask(second, Busy, Slot, width=FRAME[0], height=FRAME[1])
        assert "MiB" in busy.reason
        assert busy.seconds > 0
        ask(first, Done, SlotBack, slot=mine[0].slot)
        theirs = slot_of(second, FRAME)
        assert ask(first, Busy, Slot, width=FRAME[0], height=FRAME[1]).reason == busy.reason
        eventually(lambda: small.status()["slots"]["bytes"] == 2 * theirs.size, "the cap is kept")
        refused = ask(first, Error, Slot, width=4 * FRAME[0], height=FRAME[1])
        assert (refused.code, refused.next) == ("limit", "start the daemon with a larger --slot-memory.")
        first.request(key_of(first, mine[1]), Result)
        second.request(key_of(second, theirs), Result)


def test_an_emptied_slot_works_again_and_is_blank(small: EchoDaemon) -> None:
    """It needs no new mapping, reads 0, and nobody ever sees what another session had in memory."""
    with Link(small.place) as first, Link(small.place) as second:
        slot = slot_of(first, FRAME)
        region = region_of(first, slot)
        mapping = region.map()
        mapping[4096:] = b"secret!!" * ((slot.size - 4096) // 8)
        ask(first, Done, SlotBack, slot=slot.slot)
        theirs = [slot_of(second, FRAME) for _ in range(2)]
        for other in theirs:
            assert not any(region_of(second, other).map()[4096:])
            ask(second, Done, SlotBack, slot=other.slot)
        again = slot_of(first, FRAME)
        assert (again.slot, again.fresh) == (slot.slot, False)
        assert mapping[:8] == SLOT_MARK
        assert not any(mapping[4096:])
        mapping[4096:4104] = asking(1.0).tobytes()[:8]
        first.request(key_of(first, again), Result)
        out = Layout(*FRAME).out_offset
        assert mapping[out : out + 8] == mapping[4096:4104]
        region.close()


def test_nobody_can_cut_a_slot(link: Link) -> None:
    """A client cannot shrink, grow, unseal or close to writing what the worker has mapped."""
    slot = slot_of(link)
    region = region_of(link, slot)
    for size in (0, slot.size - 4096, slot.size + 4096):
        with pytest.raises(PermissionError):
            os.ftruncate(region.fileno(), size)
    for seal in (0x0008, 0x0010):
        with pytest.raises(PermissionError):
            fcntl.fcntl(region.fileno(), 1033, seal)
    link.request(key_of(link, slot), Result)
    region.close()


def test_a_client_renders_into_its_slot(daemon: EchoDaemon) -> None:
    """The arrays of a slot are the shared memory; frames overlap in two of them, and each gets its own result."""
    with daemon.client() as client, ExitStack() as stack:
        slots = [stack.enter_context(client.slot(*FRAME)) for _ in range(2)]
        frames = [stamped(FRAME, 1, number) for number in range(10)]
        tickets = []
        for number, (plate, hint) in enumerate(frames):
            slot = slots[number % 2]
            if number >= 2:
                client.wait(tickets[number - 2])
                assert np.array_equal(slot.frame.made, np.dstack(frames[number - 2]))
            slot.frame.given[..., :3], slot.frame.given[..., 3] = plate, hint
            tickets.append(client.submit(slot, PARAMS, Wired("hint")))
        eventually(lambda: all(client.poll(ticket) for ticket in tickets), "all are keyed")
        assert not np.shares_memory(slots[0].frame.given, slots[1].frame.given)
        assert not np.shares_memory(slots[0].frame.given, slots[0].frame.made)


def test_a_client_waits_for_memory(small: EchoDaemon) -> None:
    """Where others hold all of it, `slot` waits until they give some back."""
    with Link(small.place) as link, small.client() as client:
        slots = [slot_of(link, FRAME) for _ in range(2)]
        link.other = lambda _: None
        began = time.monotonic()
        link.send(SlotBack(id=link.next_id(), slot=slots[0].slot))
        with client.slot(*FRAME) as slot:
            assert slot.frame.given.shape == (FRAME[1], FRAME[0], 4)
        assert time.monotonic() - began < 5


KEYS: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"slot": 9}, "slot", "no slot 9"),
    ({"width": 63}, "slot", "laid out for 64x36"),
    ({"height": 37}, "slot", "laid out for 64x36"),
    ({"gen": 1}, "slot", "generation 1 of slot"),
    ({"inside": True}, "slot", "no mask plane"),
    ({"params": {}}, "input", "working_space is auto"),
    ({"params": {"working_space": "rec2100"}}, "input", "working_space is 'rec2100'"),
    ({"params": {"working_space": "srgb", "despill": 1.5}}, "input", "despill is 1.5"),
    ({"params": {"working_space": "srgb", "despill": "much"}}, "input", "despill is 'much'"),
    ({"params": {"working_space": "srgb", "quality": "best"}}, "input", "quality is 'best'"),
    ({"params": {"working_space": "srgb", "sharpness": 1.0}}, "input", "sharpness"),
    ({"params": {"working_space": "srgb", "hint_source": "source_alpha"}}, "input", "hint_source is source_alpha"),
)


@pytest.mark.parametrize(("wrong", "code", "words"), KEYS, ids=[str(wrong) for wrong, *_ in KEYS])
def test_a_wrong_key_is_a_sentence(shared: Link, wrong: dict[str, Any], code: str, words: str) -> None:
    """It names what is wrong and what to do, and the slot stays the client's and works."""
    slot = slot_of(shared)
    shared.request(key_of(shared, slot, gen=slot.gen + 1), Result)
    answer = shared.ask(key_of(shared, slot, **({"gen": slot.gen + 2} | wrong)), (Error,))
    assert isinstance(answer, Error)
    assert (answer.code, words in answer.sentence, answer.next[-1:]) == (code, True, ".")
    assert isinstance(shared.request(key_of(shared, slot, gen=slot.gen + 2), Result), Result)
    ask(shared, Done, SlotBack, slot=slot.slot)


@pytest.fixture(scope="module")
def shared() -> Iterator[Link]:
    """A session for tests that leave it as it was."""
    with (
        tempfile.TemporaryDirectory(prefix="ckey-") as folder,
        EchoDaemon(Path(folder) / "run") as daemon,
        Link(daemon.place, "shared") as link,
    ):
        yield link


def test_a_slot_on_its_way_is_not_the_clients(daemon: EchoDaemon, link: Link) -> None:
    """Neither another KEY nor DETECT touches the frame in it, which is keyed as it was asked for."""
    slot = slot_of(link)
    region = region_of(link, slot)
    region.write(asking(1000.3).tobytes()[:8], 4096)
    told: list[Message] = []
    link.other = told.append
    request = key_of(link, slot)
    link.send(request)
    eventually(daemon.is_keying, "the frame is begun")
    wrong = (
        key_of(link, slot, gen=9),
        Detect(id=link.next_id(), slot=slot.slot, gen=9, width=64, height=36, working_space="srgb"),
    )
    for message in wrong:
        answer = link.ask(message, (Error,))
        assert isinstance(answer, Error)
        assert (answer.code, answer.sentence) == ("slot", "a frame is on its way in slot 1")
    eventually(lambda: link.pump(0.1) or any(isinstance(message, Result) for message in told), "it is keyed")
    ask(link, Done, SlotBack, slot=slot.slot)
    assert ask(link, Error, SlotBack, slot=slot.slot).sentence == "this session has no slot 1"
    region.close()


def test_without_a_session_there_are_no_slots(daemon: EchoDaemon) -> None:
    """Before HELLO with a token, all that needs a session is refused."""
    requests = (
        Slot(id=1, width=64, height=36),
        SlotBack(id=2, slot=1),
        Key(id=3, slot=1, gen=1, width=64, height=36, alpha="none", params={}),
        Detect(id=4, slot=1, gen=1, width=64, height=36, working_space="srgb"),
        Cancel(id=5, target=3),
        Again(id=6, target=3),
        Configure(id=7, model="other"),
    )
    with Wire(daemon.place) as wire:
        for request in requests:
            wire.send(request)
            answer = wire.hear()
            assert isinstance(answer, Error)
            assert (answer.id, answer.code) == (request.id, "session")
            assert "HELLO" in answer.next
    assert daemon.status()["slots"]["count"] == 0
