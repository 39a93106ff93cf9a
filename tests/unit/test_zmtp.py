"""The client's end of a ZeroMQ connection, against libzmq's own and against whatever else may answer."""

import fcntl
import resource
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from corridorkey_server.wire import MESSAGE_LIMIT
from corridorkey_server.zmtp import Dealer
from daemons import GREETING, READY

PATIENCE = 10.0


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
        theirs.sendall(words)
        if not stays:
            theirs.shutdown(socket.SHUT_WR)
        yield ours, theirs


def hear(dealer: Dealer) -> list[bytes]:
    """Return the next message."""
    while (message := dealer.receive()) is None:
        assert select.select([dealer], [], [], PATIENCE)[0], "nothing came"
    return message


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65535, MESSAGE_LIMIT])
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


def test_a_heartbeat_is_answered(router: "zmq.Socket[bytes]") -> None:
    """A ROUTER that asks whether we are there keeps the connection, as long as we are asked to receive."""
    router.set(zmq.HEARTBEAT_IVL, 50)
    router.set(zmq.HEARTBEAT_TIMEOUT, 2000)
    router.bind("tcp://127.0.0.1:*")
    with dial(router) as dealer:
        dealer.send(b"who")
        identity, _ = router.recv_multipart()
        for _ in range(10):
            select.select([dealer], [], [], 0.1)
            assert dealer.receive() is None
        router.send_multipart([identity, b"still there"])
        assert hear(dealer) == [b"still there"]


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
        (GREETING + b"\x02" + (1 << 40).to_bytes(8, "big"), "more than"),
    ],
)
def test_who_speaks_something_else_is_refused(words: bytes, sentence: str) -> None:
    """No connection comes of a peer that is no ROUTER without a mechanism, and the sentence says what it is."""
    with facing(words) as (ours, _), pytest.raises(ConnectionError, match=sentence):
        Dealer(ours, PATIENCE)


def test_silence_has_a_deadline() -> None:
    """A peer that accepts and says nothing holds nobody up."""
    with facing(GREETING[:20]) as (ours, _), pytest.raises(TimeoutError):
        Dealer(ours, 0.05)
    assert ours.fileno() == -1


def test_last_words_come_before_the_end() -> None:
    """What a peer said before it went is returned, then its end is an error."""
    with facing(GREETING + READY + b"\x00\x03bye", stays=False) as (ours, _):
        dealer = Dealer(ours, PATIENCE)
        assert hear(dealer) == [b"bye"]
        with pytest.raises(ConnectionError, match="gone"):
            hear(dealer)


@pytest.mark.parametrize("words", [b"\x02" + (1 << 32).to_bytes(8, "big"), b"\x01\x00" * 20])
def test_a_message_without_end_is_refused(words: bytes) -> None:
    """Neither a frame nor a message grows beyond what was agreed."""
    with facing(GREETING + READY) as (ours, theirs):
        dealer = Dealer(ours, PATIENCE)
        theirs.sendall(words)
        with pytest.raises(ConnectionError, match=r"more than|too many"):
            hear(dealer)


def test_who_takes_nothing_holds_nobody_up() -> None:
    """Sending to a peer that does not read ends after two seconds."""
    with facing(GREETING + READY) as (ours, _):
        dealer = Dealer(ours, PATIENCE)
        with pytest.raises(ConnectionError, match="takes nothing"):
            for _ in range(100):
                dealer.send(bytes(MESSAGE_LIMIT))


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
