"""The C client's end of a ZeroMQ connection, against libzmq's own ROUTER and against whatever else may answer."""

import ctypes
import functools
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_size_t, c_ssize_t, c_void_p
from pathlib import Path

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from corridorkey_server.wire import MESSAGE_LIMIT
from daemons import GREETING, READY
from native import library

PATIENCE = 10.0
OK, DOWN, SILENT, VERSION = 0, -2, -3, -5
GONE, NOTHING, SOME = -1, 0, 1


class Dealer(ctypes.Structure):
    """ck_dealer."""

    _fields_ = (
        ("connection", c_ssize_t),
        ("received", c_void_p),
        ("size", c_size_t),
        ("taken", c_size_t),
        ("parts", c_int),
    )


class Gone(Exception):
    """The other side is gone, or says what no daemon says."""


@functools.cache
def client() -> ctypes.CDLL:
    """The C client, with the types of what is called here."""
    code, dealer = library("client"), POINTER(Dealer)
    code.ck_now.restype = c_double
    code.ck_dial.argtypes = [c_char_p, c_double, POINTER(c_ssize_t)]
    code.ck_dealer_open.argtypes = [dealer, c_ssize_t, c_double]
    code.ck_dealer_send.argtypes = [dealer, c_char_p, c_size_t, c_double]
    code.ck_dealer_receive.argtypes = [dealer, POINTER(c_void_p), POINTER(c_size_t)]
    code.ck_dealer_close.argtypes = [dealer]
    return code


def after(seconds: float) -> float:
    """Return C's time in so many seconds."""
    return float(client().ck_now()) + seconds


def shake_hands(connection: int, seconds: float = PATIENCE) -> tuple[int, Dealer]:
    """Make a dealer of a descriptor, which is the dealer's from here on."""
    dealer = Dealer()
    return client().ck_dealer_open(byref(dealer), connection, after(seconds)), dealer


def send(dealer: Dealer, body: bytes, seconds: float = PATIENCE) -> int:
    """Send a message."""
    return int(client().ck_dealer_send(byref(dealer), body, len(body), after(seconds)))


def receive(dealer: Dealer) -> bytes | None:
    """Return the last frame of the next message, None if there is none yet."""
    body, size = c_void_p(), c_size_t()
    got = client().ck_dealer_receive(byref(dealer), byref(body), byref(size))
    if got == GONE:
        raise Gone
    return ctypes.string_at(body, size.value) if got == SOME else None


def hear(dealer: Dealer) -> bytes:
    """Wait for the next message."""
    while (message := receive(dealer)) is None:
        assert select.select([dealer.connection], [], [], PATIENCE)[0], "nothing came"
    return message


@contextmanager
def facing(words: bytes, *, stays: bool = True) -> Iterator[tuple[int, socket.socket]]:
    """Give the descriptor of our end of a connection, and the other end, which has said `words` and maybe gone."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs:
        theirs.sendall(words)
        if not stays:
            theirs.shutdown(socket.SHUT_WR)
        yield ours.detach(), theirs


@contextmanager
def talking(words: bytes = b"") -> Iterator[tuple[Dealer, socket.socket]]:
    """Give a dealer that has shaken hands with the socket beside it, which has said `words` since."""
    with facing(GREETING + READY + words) as (ours, theirs):
        status, dealer = shake_hands(ours)
        assert status == OK
        theirs.recv(65536)
        yield dealer, theirs
        client().ck_dealer_close(byref(dealer))


@pytest.fixture
def router(runtime: Path) -> Iterator["zmq.Socket[bytes]"]:
    """libzmq's ROUTER, listening where a daemon does."""
    runtime.mkdir()
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.set(zmq.LINGER, 0)
        router.set(zmq.RCVTIMEO, int(1000 * PATIENCE))
        router.set(zmq.HEARTBEAT_IVL, 50)
        router.set(zmq.HEARTBEAT_TIMEOUT, 2000)
        router.bind(f"ipc://{runtime}/control")
        yield router


@pytest.fixture
def dealer(router: "zmq.Socket[bytes]", runtime: Path) -> Iterator[Dealer]:
    """A dealer that is connected to `router`."""
    assert router is not None
    connection = c_ssize_t()
    assert client().ck_dial(bytes(runtime / "control"), after(PATIENCE), byref(connection)) == OK
    status, dealer = shake_hands(connection.value)
    assert status == OK
    yield dealer
    client().ck_dealer_close(byref(dealer))


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65535, MESSAGE_LIMIT])
def test_messages_go_there_and_back(router: "zmq.Socket[bytes]", dealer: Dealer, size: int) -> None:
    """libzmq and C understand each other on both sides of every border that a length has."""
    assert send(dealer, bytes(size)) == OK
    identity, *frames = router.recv_multipart()
    assert frames == [b"CKP1", bytes(size)]
    router.send_multipart([identity, b"CKP1", b"x" * size])
    router.send_multipart([identity, b"next"])
    assert hear(dealer) == b"x" * size
    assert hear(dealer) == b"next"
    assert receive(dealer) is None


def test_a_heartbeat_is_answered(router: "zmq.Socket[bytes]", dealer: Dealer) -> None:
    """A ROUTER that asks whether we are there keeps the connection, as long as we are asked to receive."""
    router.set(zmq.HEARTBEAT_TIMEOUT, 200)
    assert send(dealer, b"who") == OK
    identity, *_ = router.recv_multipart()
    end = time.monotonic() + 1
    while time.monotonic() < end:
        select.select([dealer.connection], [], [], 0.1)
        assert receive(dealer) is None
    router.send_multipart([identity, b"still there"])
    assert hear(dealer) == b"still there"


def test_the_daemons_end_is_told(router: "zmq.Socket[bytes]", dealer: Dealer) -> None:
    """A ROUTER that closes leaves a dealer that knows it, after what was said before."""
    assert send(dealer, b"who") == OK
    identity, *_ = router.recv_multipart()
    router.send_multipart([identity, b"bye"])
    assert hear(dealer) == b"bye"
    router.close()
    with pytest.raises(Gone):
        hear(dealer)


STREAM = b"\x01\x04CKP1\x02" + (256).to_bytes(8, "big") + b"l" * 256 + b"\x04\x07\x04PINGxx" + b"\x01\x01a\x00\x01!"
STREAM += b"\x04\x03\x02no\x00\x00"
MESSAGES = [b"l" * 256, b"!", b""]


@pytest.mark.parametrize("at", range(len(STREAM)))
def test_messages_may_be_cut_anywhere(at: int) -> None:
    """Wherever the stream is cut, the messages are the same."""
    with talking(STREAM[:at]) as (dealer, theirs):
        heard = []
        while (message := receive(dealer)) is not None:
            heard.append(message)
        theirs.sendall(STREAM[at:])
        while (message := receive(dealer)) is not None:
            heard.append(message)
        assert heard == MESSAGES


def test_words_in_single_bytes_are_put_together() -> None:
    """A handshake and messages that come byte by byte are understood."""
    with facing(b"") as (ours, theirs):
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        speaker = threading.Thread(target=lambda: [theirs.send(bytes((byte,))) for byte in GREETING + READY + STREAM])
        speaker.start()
        status, dealer = shake_hands(ours)
        assert status == OK
        assert [hear(dealer) for _ in MESSAGES] == MESSAGES
        speaker.join()
        client().ck_dealer_close(byref(dealer))


def frame(flags: int, body: bytes) -> bytes:
    """Return a frame with a long head."""
    return bytes((flags | 2,)) + len(body).to_bytes(8, "big") + body


@given(st.lists(st.integers(0, 20000), max_size=12), st.integers(1, 40000))
def test_messages_of_any_sizes_in_any_pieces(sizes: list[int], piece: int) -> None:
    """What comes in any pieces, longer in all than what is kept at once, is told in full and in order."""
    bodies = [bytes((number,)) * size for number, size in enumerate(sizes)]
    stream = b"".join(frame(1, b"CKP1") + frame(0, body) for body in bodies)
    with talking() as (dealer, theirs):
        heard = []
        for start in range(0, len(stream), piece):
            theirs.sendall(stream[start : start + piece])
            while (message := receive(dealer)) is not None:
                heard.append(message)
        assert heard == bodies


def test_a_message_is_valid_until_the_next_call() -> None:
    """The largest message, with half of another behind it, is where it was said to be."""
    with talking(frame(1, b"CKP1")) as (dealer, theirs):
        speaker = threading.Thread(target=theirs.sendall, args=(frame(0, b"m" * MESSAGE_LIMIT) * 2,))
        speaker.start()
        assert hear(dealer) == b"m" * MESSAGE_LIMIT
        assert hear(dealer) == b"m" * MESSAGE_LIMIT
        speaker.join()


WRONG = {
    "another protocol": b"HTTP/1.1 400 Bad Request".ljust(64),
    "no signature's end": GREETING.replace(b"\x7f\x03", b"\x7e\x03") + READY,
    "ZMTP 1": GREETING.replace(b"\x7f\x03", b"\x7f\x01") + READY,
    "another mechanism": GREETING.replace(b"NULL\0", b"CURVE") + READY,
    "a longer mechanism": GREETING.replace(b"NULL\0", b"NULL2") + READY,
    "an error": GREETING + b"\x04\x06\x05ERROR",
    "a short command": GREETING + b"\x04\x05\x05READ",
    "a message": GREETING + b"\x00\x06\x05READY",
    "a frame too large": GREETING + b"\x06" + (MESSAGE_LIMIT + 1).to_bytes(8, "big"),
    "a huge frame": GREETING + b"\x06" + b"\xff" * 8,
}


@pytest.mark.parametrize("words", [pytest.param(words, id=name) for name, words in WRONG.items()])
def test_who_speaks_something_else_is_refused(words: bytes) -> None:
    """No connection comes of a peer that is no ROUTER without a mechanism, and what there was is closed."""
    with facing(words) as (ours, _):
        status, dealer = shake_hands(ours)
        assert status == VERSION
        assert dealer.connection == -1
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(ours)


@pytest.mark.parametrize("words", [b"", GREETING[:1], GREETING[:63], GREETING, GREETING + READY[:-1]])
def test_silence_has_a_deadline(words: bytes) -> None:
    """A peer that accepts and says nothing, or not all, holds nobody up."""
    begun = time.monotonic()
    with facing(words) as (ours, _):
        status, _ = shake_hands(ours, 0.1)
        assert status == SILENT
    assert 0.1 <= time.monotonic() - begun < PATIENCE / 2


def test_a_trickle_has_a_deadline() -> None:
    """A peer that says a byte now and then, and never all, holds nobody up either."""
    over = threading.Event()

    def trickle() -> None:
        with suppress(BrokenPipeError):
            while not over.wait(0.01):
                theirs.send(b"x")

    begun = time.monotonic()
    with facing(GREETING + b"\x06" + MESSAGE_LIMIT.to_bytes(8, "big")) as (ours, theirs):
        speaker = threading.Thread(target=trickle)
        speaker.start()
        status, _ = shake_hands(ours, 0.3)
        over.set()
        speaker.join()
    assert status == SILENT
    assert time.monotonic() - begun < PATIENCE / 2


@pytest.mark.parametrize("words", [b"", GREETING[:20], GREETING, GREETING + READY[:5]])
def test_who_goes_during_the_handshake_is_down(words: bytes) -> None:
    """A peer that is gone before it was ready is told from one that says nothing."""
    with facing(words, stays=False) as (ours, _):
        assert shake_hands(ours)[0] == DOWN


@pytest.mark.parametrize("half", [b"", b"\x01", b"\x01\x04CK", b"\x01\x04CKP1", b"\x01\x04CKP1\x02\x00\x00"])
def test_last_words_come_before_the_end(half: bytes) -> None:
    """What a peer said before it went is returned; half a message is not, and then its end is told, again and again."""
    with talking(b"\x00\x03bye" + half) as (dealer, theirs):
        theirs.shutdown(socket.SHUT_WR)
        assert hear(dealer) == b"bye"
        for _ in range(3):
            with pytest.raises(Gone):
                hear(dealer)


@pytest.mark.parametrize(
    "words",
    [
        b"\x02" + (MESSAGE_LIMIT + 1).to_bytes(8, "big"),
        b"\x02" + b"\xff" * 8,
        b"\x06" + (1 << 32).to_bytes(8, "big"),
        b"\x01\x00" * 8 + b"\x00\x00",
        b"\x01\x00" * 1000,
    ],
)
def test_a_message_without_end_is_refused(words: bytes) -> None:
    """Neither a frame nor a message grows beyond what was agreed; what was said before counts."""
    with talking(b"\x00\x02ok" + words + b"\x00\x03no!") as (dealer, _):
        assert hear(dealer) == b"ok"
        for _ in range(3):
            with pytest.raises(Gone):
                hear(dealer)


def test_eight_frames_are_a_message() -> None:
    """The last of as many frames as there may be is the message, and the next one starts to count anew."""
    with talking((b"\x01\x00" * 7 + b"\x00\x01!") * 2) as (dealer, _):
        assert [hear(dealer), hear(dealer)] == [b"!", b"!"]


@pytest.mark.parametrize("context", [b"", b"c", b"0123456789abcdef"])
def test_a_ping_is_answered_with_its_context(context: bytes) -> None:
    """PONG repeats what PING said, between the frames of a message too."""
    ping = b"\x04PING\x00\x0a" + context
    with talking(b"\x01\x04CKP1\x04" + bytes((len(ping),)) + ping + b"\x00\x02ok") as (dealer, theirs):
        assert hear(dealer) == b"ok"
        assert theirs.recv(100) == b"\x04" + bytes((5 + len(context),)) + b"\x04PONG" + context


@pytest.mark.parametrize(
    "command", [b"", b"\x04PING", b"\x04PING\x00", b"\x04PING\x00\x00" + bytes(17), b"\x04PONG1234"]
)
def test_other_commands_are_skipped(command: bytes) -> None:
    """What is no PING as ZMTP has it is answered with nothing, however long it is."""
    with talking(frame(4, command) + frame(4, bytes(MESSAGE_LIMIT // 2)) + b"\x00\x02ok") as (dealer, theirs):
        assert hear(dealer) == b"ok"
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(100)


def test_who_takes_nothing_holds_nobody_up() -> None:
    """Sending to a peer that does not read ends in time, and so does answering its PINGs."""
    with talking() as (dealer, theirs):
        begun = time.monotonic()
        assert any(send(dealer, bytes(MESSAGE_LIMIT), 0.1) == -1 for _ in range(100))
        assert time.monotonic() - begun < PATIENCE / 2
        theirs.sendall(b"\x04\x07\x04PING\x00\x00")
        with pytest.raises(Gone):
            receive(dealer)
        assert time.monotonic() - begun < PATIENCE / 2


def test_sending_to_who_is_gone_fails() -> None:
    """No signal, and no success, comes of a peer that is gone."""
    with talking() as (dealer, theirs):
        theirs.close()
        assert send(dealer, b"x") == -1


def test_closing_twice_closes_once() -> None:
    """A dealer that is closed again leaves alone who has its descriptor's number since, and gives nothing."""
    with talking() as (dealer, _):
        number = dealer.connection
        client().ck_dealer_close(byref(dealer))
        with socket.socket() as another:
            assert another.fileno() == number
            client().ck_dealer_close(byref(dealer))
            os.fstat(number)
        with pytest.raises(Gone):
            receive(dealer)
        assert send(dealer, b"x") == -1


@given(st.binary(max_size=200))
def test_any_words_are_messages_or_the_end(words: bytes) -> None:
    """Whatever a peer says after the handshake, it is messages and then the end."""
    with talking(words) as (dealer, theirs):
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(Gone):
            while True:
                hear(dealer)
