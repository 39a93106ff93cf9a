"""Sessions of the package inside Nuke with daemons that misbehave."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import nuke_package  # noqa: F401
from corridorkey_nuke.failure import Lost, Refusal
from corridorkey_nuke.packing import pack
from corridorkey_nuke.session import Session
from corridorkey_server.protocol import Busy, Configure, Done, Error, Hello, Progress, State, Status
from corridorkey_server.rendezvous import Rendezvous
from corridorkey_server.system import Channel, Listener
from corridorkey_server.wire import Message
from daemons import GREETING, PATIENCE, READY
from fake_daemon import TOKEN, FakeDaemon, served, welcome
from nuke_sessions import STRANGER, open_session, refusal, timed

Answer = Callable[[FakeDaemon, Message], list[bytes]]


@contextmanager
def faking(folder: Path, answer: Answer | None = None, **changed: Any) -> Iterator[FakeDaemon]:
    """Run a daemon that welcomes, and answers as it is told."""

    def answers(daemon: FakeDaemon, message: Message) -> list[bytes]:
        if isinstance(message, Hello):
            return [welcome(message)]
        return answer(daemon, message) if answer else []

    with served(folder) as daemon:
        daemon.answer = answers
        for name, value in changed.items():
            setattr(daemon, name, value)
        yield daemon


def test_the_token_of_the_lease_is_shown(runtime: Path) -> None:
    """HELLO brings what came over the lease, and the one version that this client speaks."""
    with faking(runtime) as daemon, open_session(runtime, name="Nuke"):
        hello = daemon.heard[0]
        assert isinstance(hello, Hello)
        assert (hello.token, hello.oldest, hello.newest, hello.client) == (TOKEN, 1, 1, "Nuke")


def test_a_daemon_of_another_version(runtime: Path) -> None:
    """A daemon that shares no version is refused in its own words, and one that claims another in ours."""
    sentence = "the daemon speaks version 2 of the protocol"
    error = Error(id=1, code="version", sentence=sentence, next="update\nthe \x1b[31mnode").encode()
    with faking(runtime, answer=None) as daemon:
        daemon.answer = lambda _daemon, message: [welcome(message, 2)] if isinstance(message, Hello) else []
        assert str(refusal(runtime)) == STRANGER
        daemon.answer = lambda _daemon, _message: [error]
        assert str(refusal(runtime)) == f"{sentence}; update the [31mnode."
        daemon.answer = lambda _daemon, _message: [Busy(id=1, seconds=2, reason="memory").encode()]
        assert str(refusal(runtime)) == "the CorridorKey daemon is busy; try again."


def test_a_daemon_without_the_feature(runtime: Path) -> None:
    """A daemon that cannot key files is told from one that can before anything is exported."""
    with faking(runtime):
        with pytest.raises(Refusal) as caught:
            Session(str(runtime), timeout=PATIENCE)
        assert str(caught.value).startswith("the CorridorKey daemon lacks files; update CorridorKey")
        open_session(runtime).close()


def test_a_daemon_that_opens_no_session(runtime: Path) -> None:
    """A lease that is closed at once is another user's daemon, or one that is full."""
    with faking(runtime, opened=None):
        assert str(refusal(runtime)).startswith("the CorridorKey daemon opens no session; see its log")


@pytest.mark.parametrize(
    "opened", [b"\xc1", pack({"op": "opened"}), pack({"op": "opened", "token": b"short"}), b"\x01"]
)
def test_a_lease_that_says_something_else(runtime: Path, opened: bytes) -> None:
    """No session comes of a lease without a token."""
    with faking(runtime, opened=opened):
        assert str(refusal(runtime)) == STRANGER


def test_what_is_not_understood_is_passed_over(runtime: Path) -> None:
    """Replies that are no msgpack, not known, of other numbers, late, twice, or hold the wrong kind, change nothing."""
    done = Done(id=2).encode()
    garbage = (
        b"",
        b"\xc1",
        pack([1]),
        pack({"op": "state"}),
        pack({"op": "from the future", "id": 2}),
        pack({"op": "error", "id": 2, "sentence": 7}),
        pack({"op": "busy", "id": 2, "seconds": "soon"}),
        pack({"op": "done", "id": True}),
        pack({"op": "done", "id": 999}),
        pack({"op": "progress", "id": 999, "stage": "x", "fraction": 0.5}),
    )

    def answer(_daemon: FakeDaemon, message: Message) -> list[bytes]:
        return [State(id=message.id, facts={"a": 1}).encode(), done] if isinstance(message, Status) else []

    with faking(runtime, answer, garbage=garbage), open_session(runtime) as session:
        number = session.send("status")
        assert session.wait(number, PATIENCE) == {"op": "state", "id": number, "facts": {"a": 1}}
        assert session.receive(0.2) is None
        assert session.others == []


def test_an_error_about_what_could_not_be_read(runtime: Path) -> None:
    """A request that the daemon could not even number is refused, whichever is waited for."""

    def answer(_daemon: FakeDaemon, _message: Message) -> list[bytes]:
        return [Error(id=0, code="malformed", sentence="the message is no map").encode()]

    with faking(runtime, answer), open_session(runtime) as session, pytest.raises(Refusal) as caught:
        session.wait(session.send("status"), PATIENCE)
    assert str(caught.value) == "the message is no map."


def test_a_daemon_that_drains(runtime: Path) -> None:
    """A daemon that is about to stop is lost: what is wanted of it has to be asked of the next."""

    def answer(_daemon: FakeDaemon, message: Message) -> list[bytes]:
        assert isinstance(message, Status)
        return [Error(id=message.id, code="draining", sentence="the daemon is stopping").encode()]

    with faking(runtime, answer), open_session(runtime) as session, pytest.raises(Lost) as caught:
        session.wait(session.send("status"), PATIENCE)
    assert str(caught.value) == "the CorridorKey daemon is stopping; start it again with `ckey start`."


def test_progress_gives_more_time(runtime: Path) -> None:
    """A daemon that keeps telling how far it is, is waited for; each word is told."""

    def answer(daemon: FakeDaemon, message: Message) -> list[bytes]:
        if isinstance(message, Configure):
            return [Progress(id=message.id, stage="load", fraction=0.5).encode()]
        assert isinstance(message, Status)
        return [Progress(id=2, stage="load", fraction=0.75).encode()] if len(daemon.heard) < 6 else []

    fractions: list[float] = []
    with faking(runtime, answer), open_session(runtime) as session:
        number = session.send("configure")

        def ask_again(reply: Any) -> None:
            if reply is not None:
                fractions.append(reply["fraction"])
                time.sleep(0.2)
                session.send("status")

        began = time.monotonic()
        with pytest.raises(Lost):
            session.wait(number, 0.5, ask_again)
        assert time.monotonic() - began > 1.2
    assert fractions == [0.5, 0.75, 0.75, 0.75]


def test_a_request_is_cancelled(runtime: Path) -> None:
    """CANCEL names the request; that it was heard is nobody's business, only what the request is answered with."""

    def answer(_daemon: FakeDaemon, message: Message) -> list[bytes]:
        if message.OP == "cancel":
            assert getattr(message, "target", 0) == 2
            return [Done(id=getattr(message, "id", 0)).encode(), pack({"op": "cancelled", "id": 2})]
        return []

    with faking(runtime, answer), open_session(runtime) as session:
        number = session.send("status")
        session.cancel(number)
        assert session.wait(number, PATIENCE) == {"op": "cancelled", "id": number}
        assert session.receive(0.2) is None


class Raw:
    """A daemon of bare sockets, for one client."""

    def __init__(self, folder: Path, first: bytes) -> None:
        """Listen in a new folder, and say `first` to who comes."""
        place = Rendezvous(folder)
        place.create()
        self._leases = Listener.listen(place.lease)
        self._controls = socket.socket(socket.AF_UNIX)
        self._controls.bind(str(place.control_path))
        self._controls.listen()
        self._first = first
        self.over = threading.Event()

    def serve(self, rest: Callable[[Channel, socket.socket], None]) -> None:
        """Take a client in, and say the rest as long as it stays."""
        control, _ = self._controls.accept()
        control.settimeout(0.05)
        lease = self._leases.accept()
        assert lease is not None
        with closing(lease), control, suppress(ConnectionError):  # the client may go at any moment
            control.sendall(self._first)
            lease.send(pack({"op": "opened", "token": TOKEN, "session": 1, "boot": "b"}))
            while not self.over.is_set():
                try:
                    rest(lease, control)
                except (TimeoutError, BlockingIOError):
                    continue

    def close(self) -> None:
        """Be gone."""
        self._leases.close()
        self._controls.close()


@contextmanager
def bare(folder: Path, first: bytes, rest: Callable[[Channel, socket.socket], None]) -> Iterator[None]:
    """Run such a daemon."""
    raw = Raw(folder, first)
    with ExitStack() as stack:
        thread = threading.Thread(target=raw.serve, args=(rest,))
        thread.start()
        stack.callback(raw.close)
        stack.callback(thread.join)
        stack.callback(raw.over.set)
        yield


def framed(message: dict[str, Any]) -> bytes:
    """Return a message as it is on the wire."""
    body = pack(message)
    return b"\x01\x04CKP1\x00" + bytes((len(body),)) + body


WELCOMED = framed({"op": "welcome", "id": 1, "version": 1, "session": 1, "boot": "b"})


def test_what_speaks_something_else(runtime: Path) -> None:
    """Whatever else may listen there, it is told from a daemon."""
    with bare(runtime, b"HTTP/1.1 400 Bad Request\r\n".ljust(64), lambda _lease, _control: time.sleep(0.01)):
        assert str(refusal(runtime)) == STRANGER


@pytest.mark.parametrize("way", ["control", "lease", "pings", "progress"])
def test_a_daemon_that_never_stops_talking(runtime: Path, way: str) -> None:
    """However much comes that nobody asked for, over whichever connection, no wait takes longer than it was told."""
    floods = {
        "control": framed({"op": "done", "id": 77}) * 500,
        "pings": b"\x04\x0b\x04PING\x00\x0actx!" * 500,
        "progress": framed({"op": "progress", "id": 2, "stage": "x", "fraction": 0.5}) * 500,
    }

    opened = threading.Event()

    def flood(lease: Channel, control: socket.socket) -> None:
        if not opened.wait(0.05):
            return
        if way == "lease":
            lease.send(b"x" * 1000)
        else:
            control.send(floods[way])

    with bare(runtime, GREETING + READY + WELCOMED, flood), open_session(runtime) as session:
        first, second = session.send("status"), session.send("status")
        assert (first, second) == (2, 3)
        opened.set()
        with timed(2.0), suppress(Lost):  # a daemon that hears no answer to its pings is broken off
            session.wait(second, 0.3)
        with timed(2.0), suppress(Lost):
            reply = session.receive(0.3)
            assert reply is None or reply["op"] == "progress"
        assert session.others == []
