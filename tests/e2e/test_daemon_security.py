"""Who gets in, what one session can do to another, and messages that mean harm."""

import json
import os
import resource
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import fields
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corridorkey_models.errors import ResourceError
from corridorkey_server import system
from corridorkey_server.client_slots import Wired
from corridorkey_server.link import Link
from corridorkey_server.protocol import (
    LEASE,
    MARK,
    PRIORITIES,
    REQUESTS,
    Again,
    Cancel,
    Detect,
    Done,
    Error,
    Hello,
    Key,
    Opened,
    Result,
    Shutdown,
    Slot,
    SlotBack,
    SlotReady,
    Status,
    Unload,
    Welcome,
)
from corridorkey_server.system import Channel, Region
from corridorkey_server.wire import MESSAGE_LIMIT, Message, decode
from daemons import (
    PARAMS,
    EchoDaemon,
    Wire,
    ask,
    asking,
    client_command,
    descriptors,
    eventually,
    fits,
    key_of,
    resident,
    slot_of,
    stamped,
    steady,
)

NOBODY = 65534
MIB = 1 << 20
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


def answers_to(daemon: EchoDaemon, message: Message, user: int = os.getuid(), identity: bytes = b"") -> dict[str, str]:
    """Return what another process gets on lease and control."""
    command = client_command("tries", user, identity.hex(), message.encode().hex())
    answer = subprocess.run(command, env=daemon.environment, capture_output=True, check=True, timeout=60)
    return dict(json.loads(answer.stdout))


def open_lease(daemon: EchoDaemon) -> tuple[Channel, bytes]:
    """Return a lease and the token that came over it."""
    lease = system.connect(daemon.place.lease, 5)
    received = lease.receive()
    assert received is not None
    opened = decode(received[0], LEASE)
    assert isinstance(opened, Opened)
    return lease, opened.token


def greet(wire: Wire, token: bytes) -> Message | None:
    """Return the answer to a HELLO."""
    wire.send(Hello(id=1, oldest=1, newest=1, token=token))
    return wire.hear()


def works(daemon: EchoDaemon) -> bool:
    """Whether a new client gets its frame."""
    plate, hint = stamped((16, 9), 1, 1)
    with daemon.client() as client:
        return fits(client.key(plate, hint, PARAMS, timeout=20), plate, hint)


@as_root
def test_another_user_does_not_get_in(daemon: EchoDaemon) -> None:
    """The folder keeps them out; where somebody opened folder and sockets, the daemon does, and says so in its log."""
    hello = Hello(id=1, oldest=1, newest=1)
    assert answers_to(daemon, hello, NOBODY) == {"lease": "forbidden", "control": "nothing"}
    folder = daemon.place.folder
    for path in (folder.parent, folder):
        path.chmod(0o755)
    for path in (daemon.place.control_path, Path(daemon.place.lease)):
        path.chmod(0o666)
    assert answers_to(daemon, hello, NOBODY) == {"lease": "nothing", "control": "nothing"}
    assert answers_to(daemon, hello) == {"lease": "token", "control": "welcome"}
    log = daemon.log()
    assert "a message from localhost:65534:65534:" in log
    assert "a connection of user 65534, process " in log
    folder.chmod(0o700)
    assert works(daemon)


def test_the_folder_and_the_sockets_are_the_users_alone(daemon: EchoDaemon) -> None:
    """Nobody else may even see what is there, and the log is nobody else's to read."""
    modes = {
        path.name: path.stat().st_mode & 0o777 for path in daemon.place.folder.iterdir() if path.name != "daemon.log"
    }
    assert daemon.place.folder.stat().st_mode & 0o777 == 0o700
    assert modes == {"control": 0o600, "lease": 0o600, "daemon.lock": 0o600}


def test_a_token_opens_its_session_to_its_process_only(daemon: EchoDaemon) -> None:
    """Another process that stole the token is refused, and so is a token that nobody was given."""
    lease, token = open_lease(daemon)
    with closing(lease), Wire(daemon.place) as wire:
        stolen = Hello(id=1, oldest=1, newest=1, token=token)
        assert answers_to(daemon, stolen)["control"] == "session"
        refused = greet(wire, bytes(16))
        assert isinstance(refused, Error)
        assert refused.code == "session"
        assert isinstance(greet(wire, token), Welcome)


def test_a_conversations_name_opens_nothing(daemon: EchoDaemon) -> None:
    """A process that takes the ZeroMQ identity of another one's conversation does not speak for its session."""
    lease, token = open_lease(daemon)
    with closing(lease):
        with Wire(daemon.place, b"known") as wire:
            assert isinstance(greet(wire, token), Welcome)
        assert answers_to(daemon, Slot(id=1, width=16, height=9), identity=b"known")["control"] == "session"
        assert daemon.status()["slots"]["count"] == 0


def test_a_conversation_speaks_for_the_session_that_it_named_last(daemon: EchoDaemon) -> None:
    """A HELLO with another token changes whom it speaks for, and the end of the former session changes nothing."""
    (first, token), (second, other) = open_lease(daemon), open_lease(daemon)
    with closing(first), closing(second), Wire(daemon.place) as wire:
        assert isinstance(greet(wire, token), Welcome)
        welcome = greet(wire, other)
        assert isinstance(welcome, Welcome)
        first.close()
        eventually(lambda: daemon.status()["session_count"] == 1, "the first session has ended")
        wire.send(Slot(id=2, width=16, height=9))
        assert isinstance(wire.hear(), SlotReady)
        assert daemon.status()["sessions"][0]["session"] == welcome.session


def test_a_session_finds_nothing_of_another(daemon: EchoDaemon) -> None:
    """Numbers of slots and requests mean something in their own session only."""
    with Link(daemon.place, "owner") as owner, Link(daemon.place, "other") as other:
        slot = slot_of(owner)
        region = owner.region(slot.slot, time.monotonic() + 5)
        region.write(asking(1000.4).tobytes()[:8], 4096)
        request = key_of(owner, slot)
        owner.send(request)
        eventually(daemon.is_keying, "the frame is begun")
        assert isinstance(other.ask(key_of(other, slot), (Error,)), Error)
        assert ask(other, Error, SlotBack, slot=slot.slot).sentence == "this session has no slot 1"
        look = {"gen": 9, "width": slot.width, "height": slot.height, "working_space": "srgb"}
        assert ask(other, Error, Detect, slot=slot.slot, **look).sentence == "this session has no slot 1"
        assert not ask(other, Done, Cancel, target=request.id).found
        assert ask(other, Error, Again, target=request.id).sentence == f"request {request.id} is not known here"
        replies: list[Message] = []
        owner.other = replies.append
        eventually(lambda: owner.pump(0.1) or (replies[-1:] and isinstance(replies[-1], Result)), "it is keyed")
        assert other.regions == {}
        region.close()
    assert daemon.status()["frames"]["cancelled"] == 0


@pytest.mark.parametrize("garbage", ["words", "regions", "a long message", "other descriptors"])
def test_a_client_that_talks_over_its_lease_is_dropped(daemon: EchoDaemon, garbage: str) -> None:
    """The lease is the daemon's to speak; what comes over it is not read, and no descriptor stays."""
    before = steady(daemon.process.pid)
    region = Region.create(4096)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as lease:
        lease.settimeout(5)
        lease.connect(daemon.place.lease)
        assert lease.recv(4096)
        if garbage == "words":
            lease.send(b"let me in")
        elif garbage == "regions":
            socket.send_fds(lease, [b"x"], [region.fileno()] * 3)
        elif garbage == "other descriptors":
            socket.send_fds(lease, [b"x"], [0, 1, 2])
        else:
            lease.send(bytes(2 * MESSAGE_LIMIT))
        assert lease.recv(4096) == b""
    assert steady(daemon.process.pid) == before
    assert works(daemon)
    region.close()


def test_a_flood_of_connections_ends_at_a_limit(daemon: EchoDaemon) -> None:
    """The daemon refuses what is too much, serves those it has, and all is as before when the flood has gone."""
    before = steady(daemon.process.pid)
    with daemon.client() as client, ExitStack() as stack:
        answers = [stack.enter_context(closing(system.connect(daemon.place.lease, 5))).receive() for _ in range(300)]
        assert answers.count(None) == 300 - 255
        assert client.key(asking(), None, PARAMS).matte.shape == (36, 64)
    assert steady(daemon.process.pid) == before
    assert works(daemon)


def test_the_flood_ends_before_the_descriptors_do(runtime: Path) -> None:
    """Where the system allows few, the daemon keeps what those it has, and its next worker, need."""
    with EchoDaemon(runtime, descriptors=128) as daemon, daemon.client() as client, ExitStack() as stack:
        answers = [stack.enter_context(closing(system.connect(daemon.place.lease, 5))).receive() for _ in range(150)]
        assert 5 < 150 - answers.count(None) < 30
        slots = [stack.enter_context(client.slot(16, 9)) for _ in range(3)]
        worker = client.status()["worker"]
        assert isinstance(worker, dict)
        os.kill(worker["pid"], signal.SIGKILL)
        assert isinstance(client.wait(client.submit(slots[0], PARAMS, Wired())), Result)


def test_a_worker_that_cannot_be_started_is_a_sentence(daemon: EchoDaemon) -> None:
    """Where the system refuses another process, those that wait are told why, and the next frame tries again."""
    pid = daemon.process.pid
    with daemon.client() as client:
        client.key(asking(), None, PARAMS)
        os.kill(daemon.worker(), signal.SIGKILL)
        eventually(lambda: daemon.worker() == 0, "its end is noticed")
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(descriptors(pid)), limits[1]))
        with pytest.raises(ResourceError, match="the worker cannot be started: too many open files; close other"):
            client.key(asking(), None, PARAMS)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        assert client.key(asking(), None, PARAMS).matte.shape == (36, 64)


def test_a_client_that_never_reads_costs_little(daemon: EchoDaemon) -> None:
    """Answers that it does not take are dropped at a limit, and others are answered meanwhile."""
    with Wire(daemon.place) as wire, daemon.client() as client:
        before = resident(daemon.process.pid)
        for number in range(1, 10001):
            wire.send(Status(id=number))
            if number % 500 == 0:
                assert client.key(asking(), None, PARAMS, timeout=5).matte.shape == (36, 64)
        assert resident(daemon.process.pid) < before + 16 * MIB


JUNK: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**64 - 1,
    1e300,
    float("nan"),
    "",
    "/etc/passwd",
    b"",
    b"\xff" * 16,
    [[]],
    {},
)
LIKELY: dict[str, tuple[Any, ...]] = {
    "slot": (1, 1, 2, 3, 4),
    "width": (16, 16, 16, 64),
    "height": (9,),
    "masks": (False, True),
    "inside": (False, False, True),
    "alpha": ("none", "hint", "source"),
    "working_space": ("srgb", "srgb", "auto"),
    "params": (
        {"working_space": "srgb"},
        {"working_space": "acescg"},
        {"working_space": "srgb", "despill": 0.25},
        {"screen": 7},
        {"new": 1},
    ),
    "priority": PRIORITIES,
    "node": ("", "a", "b"),
    "model": ("", "", "other", "missing"),
    "scope": ("session", "daemon"),
    "oldest": (1,),
    "newest": (1,),
}
NAMES = (*sorted(set(REQUESTS) - {Shutdown.OP, Unload.OP}), Slot.OP, *3 * [Key.OP])


def babble(chance: Random, number: int) -> list[bytes]:
    """Return a request that is right more often than not; id and generation grow with `number`."""
    op = chance.choice(NAMES)
    values = {name: chance.choice(LIKELY[name]) for item in fields(REQUESTS[op]) if (name := item.name) in LIKELY}
    values |= {"op": op, "id": number, "gen": number, "target": max(1, number - chance.randrange(9))}
    if chance.random() < 0.2:
        values[chance.choice([*values, "token", "new"])] = chance.choice(JUNK)
    if chance.random() < 0.1:
        del values[chance.choice(list(values))]
    body = bytes(msgpack.packb(values))
    broken = ([MARK, body[:-1]], [body], [MARK, body, body])
    return chance.choice(broken) if chance.random() < 0.1 else [MARK, body]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(0, 9), inner),
    max_leaves=8,
)
FRAMES = st.one_of(
    st.lists(st.binary(max_size=20), min_size=1, max_size=5),
    ANYTHING.map(lambda value: [MARK, bytes(msgpack.packb(value))]),
    st.sampled_from([[MARK, bytes(MESSAGE_LIMIT)], [MARK, b"\x81" * MESSAGE_LIMIT], [MARK], [b""], [MARK, b"", b""]]),
)


@pytest.fixture(scope="module")
def arena() -> Iterator[EchoDaemon]:
    """One daemon for all that means harm."""
    with TemporaryDirectory(prefix="ckey-") as folder, EchoDaemon(Path(folder) / "run") as daemon:
        yield daemon


def said(wire: Wire) -> Counter[str]:
    """Return how often each kind of answer came, and check that errors tell nothing but what is wrong."""
    kinds = Counter[str]()
    while (answer := wire.hear(0)) is not None:
        kinds[answer.OP] += 1
        if isinstance(answer, Error):
            assert answer.sentence
            assert answer.code != "internal"
            assert "/tmp" not in answer.sentence + answer.next
    return kinds


@settings(max_examples=40)
@given(batch=st.lists(FRAMES, min_size=1), last=st.sampled_from(([MARK, bytes(MESSAGE_LIMIT + 1)], [bytes(10 * MIB)])))
def test_no_message_ends_the_daemon(arena: EchoDaemon, batch: list[list[bytes]], last: list[bytes]) -> None:
    """Whatever comes that is no request, it is answered with words, or closes the conversation; others are served."""
    with Wire(arena.place) as wire:
        for frames in batch:
            wire.say(*frames)
        assert works(arena)
        assert set(said(wire)) <= {"error"}
        wire.say(*last)
        assert works(arena)


@pytest.mark.soak
def test_no_conversation_ends_the_daemon(arena: EchoDaemon, rounds: int) -> None:
    """Requests in any order, some of them wrong, are answered one by one, and leave no slot and no session."""
    worker, boot, kinds = arena.worker(), arena.status()["boot"], Counter[str]()
    for seed in range(40 * rounds):
        chance = Random(seed)
        lease, token = open_lease(arena)
        with closing(lease), Wire(arena.place) as wire:
            if seed % 5:
                assert isinstance(greet(wire, token), Welcome)
                wire.send(Slot(id=2, width=16, height=9))
                assert isinstance(wire.hear(), SlotReady)
            for number in range(3, 103):
                wire.say(*babble(chance, number))
            assert works(arena)
            kinds += said(wire)
        eventually(lambda: arena.status()["slots"]["count"] == 0, "no slot stays")
    assert (arena.worker(), arena.status()["boot"]) == (worker, boot)
    assert set(kinds) >= {"state", "slot_ready", "result", "detected", "configured", "done", "error"}
