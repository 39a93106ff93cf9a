"""The C client's messages and its msgpack, against the golden bytes, the Python twins and the msgpack package."""

import ctypes
import functools
import json
import random
from collections.abc import Callable
from ctypes import (
    POINTER,
    byref,
    c_char,
    c_char_p,
    c_double,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
)
from itertools import chain
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridorkey_server import protocol
from corridorkey_server.protocol import CODES, LEASE, PRIORITIES, REPLIES, SLOTS
from corridorkey_server.wire import MESSAGE_LIMIT, U32, U64, Malformed, Message, decode
from native import library

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent.parent / "golden" / "messages.json").read_text())
NOT_ASKED = ("hello", "again", "configure", "unload", "shutdown", "roots", "key_file")
"""Requests that C does not make: its hosts share memory, and have no files to key."""

ENTRIES = [entry for entry in GOLDEN["messages"] + GOLDEN["read_only"] if entry["op"] != "filed"]
UNKNOWN = 0
OPS = ["welcome", "slot_ready", "progress", "result", "detected", "cancelled", "superseded", "busy", "state", "done"]
OPS += ["error"]  # enum ck_op, from 1
LEASE_OPS = ["opened", "region"]
NOT_KEPT = {"features", "facts", "found", "by", "limits", "timings"}
SIDES = st.integers(1, protocol.SIDE_LIMIT)
NUMBERS = st.floats(-1e18, 1e18)


class Writer(ctypes.Structure):
    """ck_writer."""

    _fields_ = (("data", c_void_p), ("size", c_size_t), ("room", c_size_t), ("full", c_int))


class Reader(ctypes.Structure):
    """ck_reader."""

    _fields_ = (("at", c_void_p), ("end", c_void_p))


class Value(ctypes.Structure):
    """ck_value."""

    _fields_ = (
        ("type", c_int),
        ("integer", c_uint64),
        ("negative", c_int64),
        ("number", c_double),
        ("bytes", c_void_p),
        ("size", c_uint32),
    )


class Layout(ctypes.Structure):
    """ck_layout."""

    _fields_ = (("width", c_uint32), ("height", c_uint32), ("masks", c_int), ("hint", c_int))


class Offsets(ctypes.Structure):
    """ck_offsets."""

    _fields_ = (("plane", c_uint64 * 4), ("size", c_uint64))


class Key(ctypes.Structure):
    """ck_key."""

    _fields_ = (
        ("id", c_uint64),
        ("slot", c_uint32),
        ("gen", c_uint32),
        ("width", c_uint32),
        ("height", c_uint32),
        ("alpha", c_char_p),
        ("params", c_char_p),
        ("params_size", c_size_t),
        ("param_count", c_uint32),
        ("priority", c_int),
        ("node", c_char_p),
        ("frame", c_int32),
        ("inside", c_int),
        ("outside", c_int),
    )


class Said(ctypes.Structure):
    """ck_lease_said."""

    _fields_ = (
        ("op", c_int),
        ("token", c_uint8 * 16),
        ("session", c_uint64),
        ("slot", c_uint32),
        ("size", c_uint64),
    )


class Reply(ctypes.Structure):
    """ck_reply."""

    _fields_ = (
        ("op", c_int),
        ("id", c_uint64),
        ("version", c_uint32),
        ("session", c_uint64),
        ("pid", c_uint64),
        ("boot", c_char * 33),
        ("device", c_char * 129),
        ("model", c_char * 4097),
        ("quality", c_char * 65),
        ("slot_limit", c_double),
        ("slot", c_uint32),
        ("gen", c_uint32),
        ("layout", Layout),
        ("size", c_uint64),
        ("fresh", c_int),
        ("gone", c_uint32),
        ("stage", c_char * 65),
        ("fraction", c_double),
        ("empty", c_int),
        ("kept", c_int),
        ("total", c_double),
        ("notes", c_char * 16400),
        ("screen", c_int),
        ("seconds", c_double),
        ("reason", c_char * 257),
        ("code", c_int),
        ("sentence", c_char * 2049),
        ("next", c_char * 1025),
    )


@functools.cache
def client() -> ctypes.CDLL:
    """The C client, with the types of what is called here."""
    code = library("client")
    writer, layout = POINTER(Writer), POINTER(Layout)
    code.ck_writer_init.argtypes = [writer, c_void_p, c_size_t]
    code.ck_write_map.argtypes = code.ck_write_list.argtypes = [writer, c_uint32]
    code.ck_write_text.argtypes = [writer, c_char_p]
    code.ck_write_bytes.argtypes = [writer, c_char_p, c_uint32]
    code.ck_write_uint.argtypes = [writer, c_uint64]
    code.ck_write_int.argtypes = [writer, c_int64]
    code.ck_write_float.argtypes = [writer, c_double]
    code.ck_write_flag.argtypes = [writer, c_int]
    code.ck_reader_init.argtypes = [POINTER(Reader), c_char_p, c_size_t]
    code.ck_encode_hello.argtypes = [writer, c_uint64, c_char_p, c_char_p]
    code.ck_encode_slot.argtypes = [writer, c_uint64, layout]
    code.ck_encode_slot_back.argtypes = [writer, c_uint64, c_uint32]
    code.ck_encode_key.argtypes = [writer, POINTER(Key)]
    code.ck_encode_detect.argtypes = [writer, c_uint64, c_uint32, c_uint32, layout, c_char_p]
    code.ck_encode_cancel.argtypes = [writer, c_uint64, c_uint64]
    code.ck_encode_status.argtypes = [writer, c_uint64]
    code.ck_decode_reply.argtypes = [c_char_p, c_size_t, POINTER(Reply)]
    code.ck_decode_lease.argtypes = [c_char_p, c_size_t, POINTER(Said)]
    code.ck_copy_text.argtypes = [c_char_p, c_char_p, c_size_t]
    code.ck_last_sentence.restype = c_char_p
    return code


def written(write: Callable[[Any], object], room: int = 2 * MESSAGE_LIMIT) -> bytes:
    """Return what `write` wrote with a writer that it is given."""
    memory, writer = ctypes.create_string_buffer(room), Writer()
    client().ck_writer_init(byref(writer), memory, room)
    write(byref(writer))
    assert not writer.full
    return memory.raw[: writer.size]


def put(writer: Any, value: object) -> None:
    """Write a value with C's functions."""
    code = client()
    if isinstance(value, list):
        code.ck_write_list(writer, len(value))
        for item in value:
            put(writer, item)
    elif isinstance(value, dict):
        code.ck_write_map(writer, len(value))
        for item in chain.from_iterable(value.items()):
            put(writer, item)
    elif isinstance(value, bytes):
        code.ck_write_bytes(writer, value, len(value))
    else:
        put_simple(writer, value)


def put_simple(writer: Any, value: object) -> None:
    """Write a value that is no row of others."""
    code = client()
    if isinstance(value, bool):
        code.ck_write_flag(writer, value)
    elif isinstance(value, str):
        code.ck_write_text(writer, value.encode())
    elif isinstance(value, float):
        code.ck_write_float(writer, value)
    elif isinstance(value, int):
        (code.ck_write_uint if value >= 2**63 else code.ck_write_int)(writer, value)


class Refused(Exception):
    """C reads no value there."""


def get(data: bytes) -> Any:
    """Return the one value in `data`, read with C's functions."""
    reader, memory = Reader(), ctypes.create_string_buffer(data, len(data))
    client().ck_reader_init(byref(reader), ctypes.cast(memory, c_char_p), len(data))
    value = get_next(reader)
    assert reader.at == reader.end
    return value


def get_next(reader: Reader) -> Any:
    """Return the next value."""
    value = Value()
    if client().ck_read(byref(reader), byref(value)):
        raise Refused
    simple = (None, bool(value.integer), value.integer, value.negative, value.number)
    if value.type < len(simple):
        return simple[value.type]
    if value.type == 7:
        return [get_next(reader) for _ in range(value.size)]
    if value.type == 8:
        return {get_next(reader): get_next(reader) for _ in range(value.size)}
    data = ctypes.string_at(value.bytes, value.size)
    return data.decode() if value.type == 5 else data


def skip(data: bytes) -> int | None:
    """Return how many bytes of `data` C reads over as one value; None if it refuses."""
    reader, value, memory = Reader(), Value(), ctypes.create_string_buffer(data, len(data))
    client().ck_reader_init(byref(reader), ctypes.cast(memory, c_char_p), len(data))
    if client().ck_read(byref(reader), byref(value)) or client().ck_skip(byref(reader), byref(value)):
        return None
    return reader.at - ctypes.addressof(memory)


def read_reply(data: bytes) -> Reply | None:
    """Decode a reply; None if it is refused."""
    reply = Reply()
    return None if client().ck_decode_reply(data, len(data), byref(reply)) else reply


def read_lease(data: bytes) -> Said | None:
    """Decode what comes over the lease; None if it is refused."""
    said = Said()
    return None if client().ck_decode_lease(data, len(data), byref(said)) else said


def kept(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a reply as C keeps them."""
    told = {name: _cut(value) for name, value in values.items() if name not in NOT_KEPT}
    if "limits" in values:
        told["slot_limit"] = values["limits"].get("slots", SLOTS)
    if "timings" in values:
        told["total"] = values["timings"].get("total", 0)
    if "notes" in values:
        told["notes"] = "\n".join(map(_cut, values["notes"]))
    if "screen" in values:
        told["screen"] = ("none", "green", "blue").index(values["screen"]) - 1
    if "code" in values:
        told["code"] = list(CODES).index(values["code"])
    return told


def _cut(value: Any) -> Any:
    # A C string ends at its first zero.
    return value.split("\0")[0] if isinstance(value, str) else value


def told_by(reply: Reply, names: dict[str, Any]) -> dict[str, Any]:
    """Return what C knows under these names."""
    found = {name: getattr(reply.layout if hasattr(reply.layout, name) else reply, name) for name in names}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}


def check_reply(data: bytes, op: str, values: dict[str, Any]) -> None:
    """Check that C reads these values out of `data`."""
    reply = read_reply(data)
    assert reply is not None
    if op == "configured":  # nothing that C asks for
        assert reply.op == UNKNOWN
        return
    assert reply.op == OPS.index(op) + 1
    assert told_by(reply, kept(values)) == kept(values)


def encode(op: str, values: dict[str, Any]) -> bytes:
    """Return a request as C writes it."""
    code, number = client(), values["id"]
    layout = Layout(*(values.get(name, 0) for name in ("width", "height", "masks", "hint")))
    calls: dict[str, Callable[[Any], object]] = {
        "hello": lambda to: code.ck_encode_hello(to, number, values["token"] or None, values["client"].encode()),
        "slot": lambda to: code.ck_encode_slot(to, number, byref(layout)),
        "slot_back": lambda to: code.ck_encode_slot_back(to, number, values["slot"]),
        "key": lambda to: code.ck_encode_key(to, byref(key_of(values))),
        "detect": lambda to: code.ck_encode_detect(
            to, number, values["slot"], values["gen"], byref(layout), values["working_space"].encode()
        ),
        "cancel": lambda to: code.ck_encode_cancel(to, number, values["target"]),
        "status": lambda to: code.ck_encode_status(to, number),
    }
    return written(calls[op])


def key_of(values: dict[str, Any]) -> Key:
    """Return a KEY's values as C takes them."""
    params = b"".join(written(functools.partial(put, value=item)) for pair in values["params"].items() for item in pair)
    given = {
        **values,
        "alpha": values["alpha"].encode(),
        "node": values["node"].encode(),
        "priority": PRIORITIES.index(values["priority"]),
        "params": params or None,
        "params_size": len(params),
        "param_count": len(values["params"]),
    }
    return Key(**given)


def called(entries: list[dict[str, Any]], table: str) -> list[Any]:
    """Return the golden entries of a table as parameters of a test."""
    return [pytest.param(entry, id=entry["name"]) for entry in entries if entry["table"] == table]


SENT = [entry for entry in GOLDEN["messages"] if entry["op"] not in NOT_ASKED]


@pytest.mark.parametrize("entry", called(SENT, "requests"))
def test_requests_are_the_golden_bytes(entry: dict[str, Any]) -> None:
    """What C sends is byte for byte what every other encoder sends."""
    assert encode(entry["op"], entry["values"]).hex() == entry["bytes"]


@pytest.mark.parametrize("token", [b"", bytes(range(16))])
def test_hello_says_what_this_side_is(token: bytes) -> None:
    """A HELLO, with a token or as a visit, is what the Python client would send in its place."""
    values = {"id": U64, "token": token, "client": "Natron 2.5 — Köln"}
    assert encode("hello", values) == protocol.Hello(oldest=protocol.OLDEST, newest=protocol.VERSION, **values).encode()


@pytest.mark.parametrize("entry", called(ENTRIES, "replies"))
def test_golden_replies_are_understood(entry: dict[str, Any]) -> None:
    """C reads the values that stand beside the bytes, defaults for what was left out included."""
    check_reply(bytes.fromhex(entry["bytes"]), entry["op"], entry["values"])


@pytest.mark.parametrize("entry", called(ENTRIES, "lease"))
def test_golden_words_over_the_lease_are_understood(entry: dict[str, Any]) -> None:
    """C reads tokens and regions as they stand in the golden file."""
    check_lease(bytes.fromhex(entry["bytes"]), entry["op"], entry["values"])


def check_lease(data: bytes, op: str, values: dict[str, Any]) -> None:
    """Check that C reads these values out of what came over a lease."""
    said = read_lease(data)
    assert said is not None
    assert said.op == LEASE_OPS.index(op) + 1
    found = {name: getattr(said, name) for name in values if name != "boot"}
    found |= {"token": bytes(said.token).hex()} if "token" in values else {}
    assert found == {name: value for name, value in values.items() if name != "boot"}


@pytest.mark.parametrize("entry", GOLDEN["headers"], ids=lambda entry: entry["name"])
def test_planes_lie_where_the_daemon_puts_them(entry: dict[str, Any]) -> None:
    """The offsets that C computes are those of the golden headers, for planes of more than 4 GiB too."""
    layout, offsets = Layout(*(entry[name] for name in ("width", "height", "masks", "hint"))), Offsets()
    client().ck_layout_offsets(byref(layout), byref(offsets))
    assert list(offsets.plane) == [entry[f"{plane}_offset"] for plane in ("in", "out", "mask", "hint")]
    assert offsets.size == entry["size"]


def words(limit: int, **alphabet: Any) -> st.SearchStrategy[str]:
    """Text of at most `limit` bytes, often of just as many."""
    letters = st.text(st.characters(codec="utf-8", **alphabet), max_size=limit)
    return st.one_of(letters.map(lambda text: text.encode()[:limit].decode(errors="ignore")), st.just("=" * limit))


IDS, U32S = st.integers(0, U64), st.integers(1, U32)
PARAMS = st.one_of(st.booleans(), NUMBERS, words(64, exclude_characters="\0"))
NAMED_NUMBERS = st.dictionaries(
    st.one_of(st.sampled_from(["slots", "total"]), words(64).filter(bool)), NUMBERS, max_size=32
)

REPLY = st.one_of(
    st.builds(
        protocol.Welcome,
        id=IDS,
        version=st.integers(0, U32),
        session=IDS,
        boot=words(32),
        pid=IDS,
        features=st.lists(words(32), max_size=16).map(tuple),
        limits=NAMED_NUMBERS,
        device=words(128),
        model=words(4096),
        quality=words(32),
    ),
    st.builds(
        protocol.SlotReady,
        id=IDS,
        slot=U32S,
        gen=st.integers(0, U32),
        width=SIDES,
        height=SIDES,
        masks=st.booleans(),
        hint=st.booleans(),
        size=st.integers(1, U64),
        fresh=st.booleans(),
        gone=st.integers(0, U32),
    ),
    st.builds(protocol.Progress, id=IDS, stage=words(64), fraction=st.floats(0, 1)),
    st.builds(
        protocol.Result,
        id=IDS,
        slot=U32S,
        gen=U32S,
        empty=st.booleans(),
        kept=st.booleans(),
        model=words(256),
        quality=words(32),
        device=words(128),
        notes=st.lists(words(1024, exclude_characters="\0"), max_size=16).map(tuple),
        timings=NAMED_NUMBERS,
    ),
    st.builds(protocol.Detected, id=IDS, slot=U32S, gen=U32S, screen=st.sampled_from(["green", "blue", "none"])),
    st.builds(protocol.Cancelled, id=IDS),
    st.builds(protocol.Superseded, id=IDS, by=st.integers(1, U64)),
    st.builds(protocol.Busy, id=IDS, seconds=st.floats(0, 3600), reason=words(256)),
    st.builds(protocol.Configured, id=IDS, model=words(64), quality=words(32), identity=words(64), device=words(64)),
    st.builds(protocol.Done, id=IDS, found=st.booleans()),
    st.builds(protocol.Error, id=IDS, code=st.sampled_from(list(CODES)), sentence=words(2048), next=words(1024)),
)
REQUEST = st.one_of(
    st.builds(
        protocol.Slot, id=st.integers(1, U64), width=SIDES, height=SIDES, masks=st.booleans(), hint=st.booleans()
    ),
    st.builds(
        protocol.Key,
        id=st.integers(1, U64),
        slot=U32S,
        gen=U32S,
        width=SIDES,
        height=SIDES,
        alpha=st.sampled_from(["none", "hint", "source"]),
        params=st.dictionaries(words(64, exclude_characters="\0").filter(bool), PARAMS, max_size=64),
        priority=st.sampled_from(PRIORITIES),
        node=words(128, exclude_characters="\0"),
        frame=st.integers(-(2**31), 2**31 - 1),
        inside=st.booleans(),
        outside=st.booleans(),
    ),
)


@given(REPLY)
def test_every_reply_means_the_same_in_c(reply: Message) -> None:
    """Whatever a daemon may say, C understands as it was meant."""
    check_reply(reply.encode(), reply.OP, vars(reply))


@given(REQUEST)
def test_every_request_is_the_same_bytes_in_c(request: Message) -> None:
    """C and Python write the same request as the same bytes."""
    assert encode(request.OP, vars(request)) == request.encode()


def test_the_longest_texts_have_room() -> None:
    """Each text of a reply as long as it may be ends within its own room."""
    notes = tuple(chr(65 + number) * 1024 for number in range(16))
    check_reply(result(notes=notes), "result", {"id": 4, "notes": notes, "device": "cpu", "empty": 0, "kept": 1})
    texts = {"boot": "b" * 32, "device": "d" * 128, "model": "m" * 4096, "quality": "q" * 32}
    welcome = protocol.Welcome(id=1, version=1, session=U64, pid=U64, **texts)
    check_reply(welcome.encode(), "welcome", vars(welcome))
    error = protocol.Error(id=1, code="limit", sentence="s" * 2048, next="n" * 1024)
    check_reply(error.encode(), "error", vars(error))


def pack(op: str, **values: object) -> bytes:
    """Return a message as a careless daemon would write it."""
    return bytes(msgpack.packb({"op": op, **values}))


def result(**values: object) -> bytes:
    """Return a RESULT with some fields replaced."""
    texts = {"model": "corridorkey:0", "quality": "full", "device": "cpu"}
    return pack("result", **{"id": 4, "slot": 1, "gen": 7, "empty": False, "kept": True, **texts, **values})


def slot_ready(**values: object) -> bytes:
    """Return a SLOT_READY with some fields replaced."""
    layout = {"width": 1920, "height": 1080, "masks": False, "hint": False}
    return pack("slot_ready", **{"id": 2, "slot": 1, "gen": 0, **layout, "size": 4096, "fresh": True, **values})


def busy(**values: object) -> bytes:
    """Return a BUSY with some fields replaced."""
    return pack("busy", **{"id": 2, "seconds": 0.5, "reason": "x", **values})


def error(**values: object) -> bytes:
    """Return an ERROR with some fields replaced."""
    return pack("error", **{"id": 2, "code": "slot", "sentence": "x", **values})


def detected(**values: object) -> bytes:
    """Return a DETECTED with some fields replaced."""
    return pack("detected", **{"id": 5, "slot": 1, "gen": 8, "screen": "blue", **values})


def welcome(**values: object) -> bytes:
    """Return a WELCOME with some fields replaced."""
    texts = {"boot": "b", "device": "cpu", "model": "m", "quality": "full"}
    return pack("welcome", **{"id": 1, "version": 1, "session": 1, "pid": 1, **texts, **values})


def extension(code: int, data: bytes) -> msgpack.ExtType:
    """Return a value of an extension type."""
    return msgpack.ExtType(code, data)


def nested(levels: int) -> Any:
    """Return a list that has `levels` levels."""
    return [nested(levels - 1)] if levels > 1 else []


DONE = "a26f70a4646f6e65a2696405"  # "op": "done", "id": 5

GOOD: list[tuple[str, bytes]] = [
    ("a text of as many bytes as it may have", busy(reason="ß" * 128)),
    ("the largest number", pack("cancelled", id=U64)),
    ("a float of 32 bits", bytes.fromhex("84a26f70a462757379a2696402a6726561736f6ea178a77365636f6e6473ca3f000000")),
    ("a signed number that is positive", bytes.fromhex("82a26f70a963616e63656c6c6564a26964d305ffffffffffffff")),
    ("a whole number for a float", busy(seconds=3600)),
    ("a negative whole number in a map of numbers", result(timings={"total": -(2**40)})),
    ("negative zero", busy(seconds=-0.0)),
    ("a text with a zero", busy(reason="a\0b")),
    ("the longest name in a map", result(timings={"n" * 64: 1.0})),
    ("32 numbers in a map", result(timings={str(number): 1.0 for number in range(32)})),
    ("an unknown field of any type", busy(more=[None, True, -1, 0.5, b"\xff", {"a": {"b": [2**63]}}])),
    ("1024 entries of an unknown list", busy(more=list(range(1024)))),
    ("1024 fields", busy(**{str(number): number for number in range(1020)})),
    ("an unknown field of 16 levels", busy(more=nested(16))),
    ("no name of a field twice", bytes.fromhex(f"84{DONE}a161c0a162c0")),
]

BAD: list[tuple[str, bytes]] = [
    ("nothing", b""),
    ("no map", msgpack.packb(["op", "done"])),
    ("an empty map", msgpack.packb({})),
    ("no name", msgpack.packb({"id": 5})),
    ("a name that is no text", msgpack.packb({"op": 5, "id": 5})),
    ("a name in bytes", msgpack.packb({"op": b"done", "id": 5})),
    ("a known field missing", pack("done")),
    ("the last field missing", pack("busy", id=2, seconds=0.5)),
    ("bytes after the end", pack("done", id=5) + b"\0"),
    ("cut short", result()[:-1]),
    ("a field twice", bytes.fromhex(f"83{DONE}a2696405")),
    ("the name twice", bytes.fromhex(f"83{DONE}a26f70a4646f6e65")),
    ("a field twice, with another head", bytes.fromhex(f"83{DONE}d902696405")),
    ("an unknown field twice", bytes.fromhex(f"84{DONE}a161c0a161c0")),
    ("a field that is no text", bytes.fromhex(f"83{DONE}0506")),
    ("a field's name in bytes", bytes.fromhex(f"83{DONE}c4016106")),
    ("an unknown map whose name is no text", bytes.fromhex(f"83{DONE}a161810506")),
    ("a bool for a number", pack("done", id=True)),
    ("a float for a whole number", pack("done", id=5.0)),
    ("text for a number", pack("done", id="5")),
    ("a negative number", pack("done", id=-1)),
    ("nil for a number", pack("done", id=None)),
    ("0 where 1 is the least", result(slot=0)),
    ("a generation of 0", result(gen=0)),
    ("2^32 in 32 bits", result(slot=2**32)),
    ("0 for who supersedes", pack("superseded", id=4, by=0)),
    ("no pixels", slot_ready(width=0)),
    ("too many pixels", slot_ready(height=32769)),
    ("no bytes", slot_ready(size=0)),
    ("a gone slot of more than 32 bits", slot_ready(gone=2**32)),
    ("a version of more than 32 bits", welcome(version=2**32)),
    ("a number for a bool", result(empty=0)),
    ("nil for a bool", result(kept=None)),
    ("a number for a field that is not kept", pack("done", id=5, found=1)),
    ("NaN", busy(seconds=float("nan"))),
    ("infinity", busy(seconds=float("inf"))),
    ("less than the least", busy(seconds=-0.001)),
    ("more than the most", busy(seconds=3601)),
    ("a bool for a float", busy(seconds=True)),
    ("text for a float", busy(seconds="1")),
    ("a fraction above 1", pack("progress", id=4, stage="infer", fraction=1.0000001)),
    ("text in bytes", busy(reason=b"x")),
    ("text that is too long", busy(reason="x" * 257)),
    ("text that is too long in bytes only", busy(reason="ß" * 129)),
    ("a model's identity that is too long", result(model="x" * 257)),
    ("text that is no UTF-8", busy(reason="@@").replace(b"@@", b"\xc3\x28")),
    ("half a pair of UTF-16", busy(reason="@@@").replace(b"@@@", b"\xed\xa0\x80")),
    ("a zero in two bytes", busy(reason="@@").replace(b"@@", b"\xc0\x80")),
    ("a character beyond Unicode", busy(reason="@@@@").replace(b"@@@@", b"\xf4\x90\x80\x80")),
    ("a character cut short", busy(reason="@@").replace(b"@@", b"\xe2\x82")),
    ("an unknown text that is no UTF-8", busy(more="@").replace(b"@", b"\xff")),
    ("a word that is none of its words", error(code="slots")),
    ("the beginning of a word", error(code="slo")),
    ("a word in bytes", error(code=b"slot")),
    ("a colour that is none", detected(screen="red")),
    ("a number for a colour", detected(screen=1)),
    ("a text for a list", result(notes="soft")),
    ("too many texts", result(notes=["x"] * 17)),
    ("a text of a list that is too long", result(notes=["x" * 1025])),
    ("a number in a list of texts", result(notes=["x", 1])),
    ("too many features", welcome(features=["x"] * 17)),
    ("a feature that is too long", welcome(features=["x" * 33])),
    ("a list for a map", result(timings=[1.0])),
    ("a text in a map of numbers", result(timings={"total": "1"})),
    ("a bool in a map of numbers", result(timings={"total": True})),
    ("infinity in a map of numbers", result(timings={"x": float("inf")})),
    ("a huge number in a map", result(timings={"x": 2**63})),
    ("an empty name in a map", result(timings={"": 1.0})),
    ("a name in a map that is too long", result(timings={"n" * 65: 1.0})),
    ("too many numbers in a map", result(timings={str(number): 1.0 for number in range(33)})),
    ("a name twice in a map of numbers", result(timings={"a": 1, "b": 2}).replace(b"\xa1b", b"\xa1a")),
    ("facts that are no map", pack("state", id=9, facts=[1])),
    ("an extension type", busy(more=extension(5, b"1234"))),
    ("a long extension type", busy(more=extension(5, bytes(300)))),
    ("a time", busy(more=msgpack.Timestamp(1))),
    ("the code that nobody uses", bytes.fromhex(f"83{DONE}a161c1")),
    ("too many entries", busy(more=list(range(1025)))),
    ("a list that has less than it says", bytes.fromhex(f"83{DONE}a161dd00000400")),
    ("a list that says too much", bytes.fromhex(f"83{DONE}a161ddffffffff")),
    ("text that says too much", bytes.fromhex(f"83{DONE}a161dbffffffff61")),
    ("a map that says too much", b"\xdf\xff\xff\xff\xff"),
    ("too many fields", busy(**{str(number): number for number in range(1021)})),
    ("more than a message may have", busy(more=bytes(MESSAGE_LIMIT))),
]


def is_refused_in_python(data: bytes) -> bool:
    """Whether the Python twin takes no reply out of `data`."""
    try:
        decode(data, REPLIES)
    except Malformed as malformed:
        return malformed.code == "malformed"
    return False


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in GOOD])
def test_what_the_tables_allow_is_taken(data: bytes) -> None:
    """C takes what stands at the borders of the tables, as Python does."""
    assert read_reply(data) is not None
    assert not is_refused_in_python(data)


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in BAD])
def test_what_the_tables_do_not_allow_is_refused(data: bytes) -> None:
    """C refuses, as Python does, whatever is not as its table says."""
    assert read_reply(data) is None
    assert is_refused_in_python(data)


LIMITS = [
    (welcome, {"boot": 32, "device": 128, "model": 4096, "quality": 32}),
    (result, {"model": 256, "quality": 32, "device": 128}),
    (busy, {"reason": 256}),
    (error, {"sentence": 2048, "next": 1024}),
    (functools.partial(pack, "progress", id=4, fraction=0), {"stage": 64}),
]


@pytest.mark.parametrize(("make", "name", "limit"), [(make, *item) for make, texts in LIMITS for item in texts.items()])
def test_every_text_has_its_limit(make: Callable[..., bytes], name: str, limit: int) -> None:
    """A text may have as many bytes as its table says, and not one more."""
    assert read_reply(make(**{name: "x" * limit})) is not None
    assert read_reply(make(**{name: "x" * (limit + 1)})) is None


def test_nesting_has_an_end() -> None:
    """A value of more levels than anybody needs is refused before it can use up the stack."""
    assert read_reply(busy(more=nested(17))) is None
    assert read_reply(bytes.fromhex(f"83{DONE}a161") + b"\x91" * 60000 + b"\xc0") is None


def test_unknown_messages_are_no_error() -> None:
    """A reply that a newer daemon may send is whole, and unknown."""
    for reply in (read_reply(pack("tomorrow", id=4, x=[1])), read_lease(pack("tomorrow"))):
        assert reply is not None
        assert reply.op == UNKNOWN


BAD_LEASE: list[tuple[str, bytes]] = [
    ("no token", pack("opened", session=9, boot="b")),
    ("a short token", pack("opened", token=bytes(15), session=9, boot="b")),
    ("a long token", pack("opened", token=bytes(17), session=9, boot="b")),
    ("an empty token", pack("opened", token=b"", session=9, boot="b")),
    ("a token in text", pack("opened", token="0" * 16, session=9, boot="b")),
    ("no session", pack("opened", token=bytes(16), session=0, boot="b")),
    ("a long boot", pack("opened", token=bytes(16), session=9, boot="b" * 33)),
    ("boot in bytes", pack("opened", token=bytes(16), session=9, boot=b"b")),
    ("no boot", pack("opened", token=bytes(16), session=9)),
    ("no slot", pack("region", slot=0, size=4096)),
    ("no bytes", pack("region", slot=1, size=0)),
    ("no size", pack("region", slot=1)),
]


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in BAD_LEASE])
def test_wrong_words_over_the_lease_are_refused(data: bytes) -> None:
    """C is as strict over the lease as Python is."""
    assert read_lease(data) is None
    with pytest.raises(Malformed):
        decode(data, LEASE)


def mutate(dice: random.Random, data: bytes) -> bytes:
    """Return `data` with a few of its bytes changed, taken out or put in."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(changed) + 1)
        changed[at : at + dice.randint(0, 2)] = dice.choice([b"", b"\0", b"\xc0", dice.randbytes(1), dice.randbytes(2)])
    return bytes(changed)


def test_broken_bytes_are_judged_alike() -> None:
    """Of ten thousand broken replies C and Python take the same ones, with the same values."""
    dice, taken = random.Random(4), 0
    replies = [bytes.fromhex(entry["bytes"]) for entry in ENTRIES if entry["table"] == "replies"]
    for _ in range(10000):
        data = mutate(dice, dice.choice(replies))
        reply = read_reply(data)
        if reply is not None and reply.op != UNKNOWN:
            message = decode(data, REPLIES)
            check_reply(data, message.OP, vars(message))
            taken += 1
        elif reply is None:
            assert is_refused_in_python(data), data.hex()
    assert taken > 100


LEAF = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), U64),
    st.floats(allow_nan=False),
    words(300, exclude_characters="\0"),
    st.binary(max_size=300),
)


def trees(leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Lists and maps of leaves."""
    name = words(40, exclude_characters="\0")
    return st.recursive(
        leaf, lambda inner: st.lists(inner, max_size=20) | st.dictionaries(name, inner, max_size=20), max_leaves=30
    )


@given(trees(LEAF))
def test_msgpack_is_read(value: object) -> None:
    """C reads what the msgpack package writes, and reads over it to its very end."""
    data = msgpack.packb(value)
    assert get(data) == value
    assert skip(data + b"rest") == len(data)


@given(trees(LEAF.filter(lambda value: value is not None)))
def test_msgpack_is_written(value: object) -> None:
    """C writes, in the same shortest form, what the msgpack package writes."""
    assert written(lambda to: put(to, value)) == msgpack.packb(value)


@pytest.mark.parametrize(
    "value", [sign * 2**bit + more for bit in range(64) for more in (-1, 0, 1) for sign in (1, -1)]
)
def test_numbers_at_every_border(value: int) -> None:
    """Around each power of two a number is as short as it can be, and comes back."""
    if value < -(2**63):
        return
    data = msgpack.packb(value)
    assert written(lambda to: put(to, value)) == data
    assert get(data) == value


@pytest.mark.parametrize("size", [0, 1, 15, 16, 31, 32, 255, 256, 1024, 65535, 65536])
def test_sizes_at_every_border(size: int) -> None:
    """Text, bytes, lists and maps of every length of head are the msgpack package's, and come back."""
    values: list[object] = ["x" * size, b"x" * size]
    values += [[7] * size, {str(number): 7 for number in range(size)}] if size <= 1024 else []
    for value in values:
        data = written(functools.partial(put, value=value))
        assert data == msgpack.packb(value)
        assert get(data) == value
    assert written(lambda to: client().ck_write_list(to, size)) == msgpack.Packer().pack_array_header(size)
    assert written(lambda to: client().ck_write_map(to, size)) == msgpack.Packer().pack_map_header(size)


@given(st.lists(st.binary(max_size=3), max_size=30).map(b"".join))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Whatever C reads over as one value is one to the msgpack package too."""
    size = skip(data)
    if size is not None:
        msgpack.unpackb(data[:size], object_pairs_hook=list)


@given(st.binary(max_size=8))
def test_text_is_utf8_or_refused(data: bytes) -> None:
    """C takes for text what Python takes for UTF-8."""
    try:
        data.decode()
        expected: int | None = 1 + len(data)
    except UnicodeDecodeError:
        expected = None
    assert skip(bytes((0xA0 + len(data),)) + data) == expected


def test_every_character_is_text() -> None:
    """Each character of Unicode is read, and each half of a pair refused."""
    for point in range(0, 0x110000, 7):
        data = chr(point).encode(errors="surrogatepass")
        size = skip(bytes((0xA0 + len(data),)) + data)
        assert size == (None if 0xD800 <= point <= 0xDFFF else 1 + len(data))


@pytest.mark.parametrize("room", range(30))
def test_a_writer_that_is_full_stays_so(room: int) -> None:
    """What does not fit is not written, nor is anything after it, and the memory behind stays as it was."""
    memory, writer = ctypes.create_string_buffer(b"\xee" * 64, 64), Writer()
    client().ck_writer_init(byref(writer), memory, room)
    put(byref(writer), "x" * 20)
    put(byref(writer), 0.5)
    assert bool(writer.full) == (room < 30)
    before = writer.size
    put(byref(writer), True)
    assert memory.raw[room:] == b"\xee" * (64 - room)
    assert writer.size == before <= room


@given(words(12, exclude_characters="\0"), st.integers(0, 16))
def test_copied_text_is_cut_between_characters(text: str, room: int) -> None:
    """What is cut to fit is still UTF-8, ended within its room, and its whole length is told."""
    memory = ctypes.create_string_buffer(b"\xee" * 32, 32)
    assert client().ck_copy_text(text.encode(), memory, room) == len(text.encode())
    whole = text.encode()[: max(room - 1, 0)].decode(errors="ignore").encode()
    assert memory.raw[: len(whole) + 1] == (whole + b"\0" if room else b"\xee")
    assert memory.raw[room:] == b"\xee" * (32 - room)


@pytest.mark.parametrize("before", range(4))
def test_a_sentence_is_kept_as_whole_characters(before: int) -> None:
    """A sentence that is too long ends between two characters; a shorter one takes its place; it may quote itself."""
    code = client()
    assert code.ck_fail(-3, b"%s", b"x" * before + "🎬".encode() * 1000) == -3
    cut = code.ck_last_sentence().decode()
    assert cut == "x" * before + "🎬" * ((3199 - before) // 4)
    code.ck_fail(-2, b"no daemon runs; start it %d times", 2)
    code.ck_fail(-2, b"quoted: %s", code.ck_last_sentence())
    assert code.ck_last_sentence() == b"quoted: no daemon runs; start it 2 times"
