"""The ZeroMQ connection of the package that runs inside Nuke, against libzmq's own and whatever else may answer."""

import fcntl
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

import nuke_package  # noqa: F401
from corridorkey_nuke.packing import LIMIT
from corridorkey_nuke.zmtp import Dealer, NoPeer, wait_readable
from daemons import GREETING, READY

PATIENCE = 10.0
PING = b"\x04\x0b\x04PING\x00\x0actx!"


@pytest.fixture
def router() -> Iterator["zmq.Socket[bytes]"]:
    """libzmq's ROUTER, listening on 127.0.0.1."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.set(zmq.LINGER, 0)
        router.set(zmq.RCVTIMEO, int(1000 * PATIENCE))
        router.bind("tcp://127.0.0.1:*")
        yield router


@contextmanager
def dial(router: "zmq.Socket[bytes]") -> Iterator[Dealer]:
    """Give a Dealer that is connected to `router`."""
    port = int(router.get(zmq.LAST_ENDPOINT).rstrip(b"\0").rsplit(b":", 1)[1])
    dealer = Dealer(socket.create_connection(("127.0.0.1", port)), PATIENCE)
    yield dealer
    dealer.close()


@contextmanager
def facing(words: bytes, *, stays: bool = True) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give both ends of a connection on which the other side has said `words`, and stays or has gone."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(PATIENCE)
        theirs.sendall(words)
        if not stays:
            theirs.shutdown(socket.SHUT_WR)
        yield ours, theirs


def hear(dealer: Dealer) -> list[bytes]:
    """Return the next message."""
    until = time.monotonic() + PATIENCE
    message = dealer.receive()
    while message is None:
        assert time.monotonic() < until, "nothing came"
        wait_readable([dealer.fileno()], 1.0)
        message = dealer.receive()
    return message


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65535, LIMIT])
def test_messages_go_there_and_back(router: "zmq.Socket[bytes]", size: int) -> None:
    """libzmq and we understand each other on both sides of every border that a length has."""
    with dial(router) as dealer:
        dealer.send(b"CKP1", bytes(size))
        identity, *frames = router.recv_multipart()
        assert frames == [b"CKP1", bytes(size)]
        router.send_multipart([identity, b"CKP1", b"x" * size, b""])
        router.send_multipart([identity, b"next"])
        assert hear(dealer) == [b"CKP1", b"x" * size, b""]
        assert hear(dealer) == [b"next"]
        assert dealer.receive() is None


def test_many_messages_keep_their_order(router: "zmq.Socket[bytes]") -> None:
    """What is sent and received in a burst arrives once each and in order."""
    said = [str(number).encode() * 200 for number in range(500)]
    with dial(router) as dealer:
        for words in said:
            dealer.send(words)
        received = [router.recv_multipart() for _ in said]
        for identity, words in received:
            router.send_multipart([identity, words])
        assert [hear(dealer) for _ in said] == [[words] for words in said]


def test_a_heartbeat_is_answered(router: "zmq.Socket[bytes]") -> None:
    """A ROUTER that asks whether we are there keeps the connection, as long as we are asked to receive."""
    router.set(zmq.HEARTBEAT_IVL, 50)
    router.set(zmq.HEARTBEAT_TIMEOUT, 2000)
    router.bind("tcp://127.0.0.1:*")
    with dial(router) as dealer:
        dealer.send(b"who")
        identity, _ = router.recv_multipart()
        for _ in range(10):
            wait_readable([dealer.fileno()], 0.1)
            assert dealer.receive() is None
        router.send_multipart([identity, b"still there"])
        assert hear(dealer) == [b"still there"]


def test_the_answer_to_a_ping_repeats_its_context() -> None:
    """A PING is answered with PONG and what it brought; other commands are passed over."""
    with facing(GREETING + READY + PING + b"\x04\x04\x03WHO" + b"\x00\x01!") as (ours, theirs):
        dealer = Dealer(ours, PATIENCE)
        assert hear(dealer) == [b"!"]
        assert theirs.recv(65536).endswith(b"\x04\x09\x04PONGctx!")


def test_words_in_pieces_are_put_together() -> None:
    """However the stream is cut, the messages are the same."""
    with facing(GREETING + READY) as (ours, theirs):
        dealer = Dealer(ours, PATIENCE)
        heard = []
        for byte in b"\x01\x04CKP1\x02\x00\x00\x00\x00\x00\x00\x01\x00" + bytes(256) + b"\x00\x01!":
            theirs.sendall(bytes((byte,)))
            message = dealer.receive()
            heard += [message] if message else []
        assert heard == [[b"CKP1", bytes(256)], [b"!"]]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (b"HTTP/1.1 400 Bad Request".ljust(64), "speaks no ZMTP 3"),
        (GREETING.replace(b"\x7f\x03", b"\x7f\x01") + READY, "speaks no ZMTP 3"),
        (GREETING.replace(b"NULL\0", b"CURVE") + READY, "speaks no ZMTP 3"),
        (GREETING + b"\x04\x06\x05ERROR", "not ready"),
        (GREETING + b"\x00\x01!", "not ready"),
    ],
)
def test_who_speaks_something_else_is_refused(words: bytes, sentence: str) -> None:
    """No connection comes of a peer that is no ROUTER without a mechanism, and the error says what it is."""
    with facing(words) as (ours, _), pytest.raises(NoPeer, match=sentence):
        Dealer(ours, PATIENCE)


@pytest.mark.parametrize("words", [b"", GREETING[:20], GREETING, GREETING + READY[:5]])
def test_silence_has_a_deadline(words: bytes) -> None:
    """A peer that accepts and says nothing, or half of it, holds nobody up; the connection is closed then."""
    began = time.monotonic()
    with facing(words) as (ours, _), pytest.raises(ConnectionError, match="says nothing"):
        Dealer(ours, 0.05)
    assert 0.04 < time.monotonic() - began < 2
    assert ours.fileno() == -1


def test_a_trickle_has_the_same_deadline() -> None:
    """A peer that says one byte after the other gets no more time than one that says nothing."""
    with facing(b"") as (ours, theirs):
        over = threading.Event()

        def trickle() -> None:
            for byte in GREETING:
                if not over.wait(0.02):
                    theirs.sendall(bytes((byte,)))

        talker = threading.Thread(target=trickle)
        talker.start()
        began = time.monotonic()
        with pytest.raises(ConnectionError, match="says nothing"):
            Dealer(ours, 0.2)
        assert time.monotonic() - began < 1
        over.set()
        talker.join()


def test_last_words_come_before_the_end() -> None:
    """What a peer said before it went is returned, then its end is an error."""
    with facing(GREETING + READY + b"\x00\x03bye", stays=False) as (ours, _):
        dealer = Dealer(ours, PATIENCE)
        assert hear(dealer) == [b"bye"]
        with pytest.raises(ConnectionError, match="gone"):
            hear(dealer)


@pytest.mark.parametrize("words", [b"\x02" + (1 << 32).to_bytes(8, "big"), b"\x02" + b"\xff" * 8, b"\x01\x00" * 20])
def test_a_message_without_end_is_refused(words: bytes) -> None:
    """Neither a frame nor a message grows beyond what was agreed, and no room is made for what a header says."""
    with facing(GREETING + READY) as (ours, theirs):
        dealer = Dealer(ours, PATIENCE)
        theirs.sendall(words)
        with pytest.raises(ConnectionError, match=r"more than|too many"):
            hear(dealer)


def test_who_takes_nothing_holds_nobody_up() -> None:
    """Sending to a peer that does not read ends after two seconds, and nothing can be sent into half a frame."""
    with facing(GREETING + READY) as (ours, _):
        dealer = Dealer(ours, PATIENCE)
        began = time.monotonic()
        with pytest.raises(ConnectionError, match="takes nothing"):
            for _ in range(100):
                dealer.send(bytes(LIMIT))
        assert 1.9 < time.monotonic() - began < 6
        with pytest.raises(ConnectionError):
            dealer.send(b"more")


def test_pings_of_who_takes_nothing_hold_nobody_up() -> None:
    """A peer that asks without end and reads no answer is broken off, and receiving never waits for it."""
    with facing(GREETING + READY) as (ours, theirs):
        dealer = Dealer(ours, PATIENCE)
        theirs.setblocking(False)
        longest = 0.0
        with pytest.raises(ConnectionError, match="takes nothing"):
            while True:
                with suppress(BlockingIOError):
                    theirs.send(PING * 100)
                began = time.monotonic()
                try:
                    assert dealer.receive() is None
                finally:
                    longest = max(longest, time.monotonic() - began)
        assert longest < 1


def test_a_connection_may_have_any_number() -> None:
    """A host that has more than a thousand files open can connect, send and wait."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, before[1]), before[1]))
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        ours, theirs = stack.enter_context(facing(b""))
        high = stack.enter_context(socket.socket(fileno=fcntl.fcntl(ours, fcntl.F_DUPFD_CLOEXEC, 1500)))
        answer = threading.Timer(0.1, theirs.sendall, [GREETING + READY])
        answer.start()
        Dealer(high, PATIENCE).send(b"who")
        answer.join()
        assert high.fileno() >= 1500
        assert theirs.recv(65536).endswith(b"\x00\x03who")


@given(st.binary(max_size=200))
def test_any_words_are_frames_or_an_error(words: bytes) -> None:
    """Whatever a peer says after the handshake, nothing but ConnectionError comes of it."""
    with facing(GREETING + READY) as (ours, theirs):
        dealer = Dealer(ours, PATIENCE)
        theirs.sendall(words)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionError):
            while True:
                assert all(isinstance(frame, bytes) for frame in hear(dealer))
