"""The wire takes what its fields state and nothing else, whatever bytes come."""

import struct
import time
import tracemalloc
from dataclasses import dataclass
from typing import Any, ClassVar

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridorkey_server.wire import (
    LENGTH_LIMIT,
    MESSAGE_LIMIT,
    U32,
    U64,
    Malformed,
    Message,
    choice,
    decode,
    facts,
    flag,
    integer,
    number,
    numbers,
    raw,
    register,
    shorten,
    text,
    texts,
    values,
)

TABLE: dict[str, type[Message]] = {}

INF, NAN = float("inf"), float("nan")


@register(TABLE)
@dataclass(frozen=True, kw_only=True)
class Sample(Message):
    """One field of every kind."""

    OP: ClassVar[str] = "sample"
    id: int = integer(1, U64, "A number.")
    count: int = integer(-5, 5, "A small number.", 0)
    label: str = text(8, "Text.", "")
    token: bytes = raw((0, 4), "Bytes.", b"")
    on: bool = flag("A switch.", False)
    level: float = number(-1, 1, "A level.", 0.0)
    word: str = choice(("one", "two"), "A word.", "one")
    names: tuple[str, ...] = texts(2, 4, "Some names.")
    seconds: dict[str, float] = numbers("Some numbers.")
    params: dict[str, bool | float | str] = values("Some values.")
    more: dict[str, object] = facts("Anything.")


@register(TABLE)
@dataclass(frozen=True, kw_only=True)
class Bare(Message):
    """Nothing but a number."""

    OP: ClassVar[str] = "bare"
    id: int = integer(1, U64, "A number.")


def pack(**fields: object) -> bytes:
    """Return a SAMPLE with number 5 as a careless peer would write it."""
    return bytes(msgpack.packb({"op": "sample", "id": 5, **fields}))


def read(data: bytes) -> Sample:
    """Decode a SAMPLE."""
    message = decode(data, TABLE)
    assert isinstance(message, Sample)
    return message


def refusal(data: bytes) -> Malformed:
    """Return why `data` is refused."""
    with pytest.raises(Malformed) as caught:
        decode(data, TABLE)
    return caught.value


def array(length: int, size: int = 2) -> bytes:
    """Return the header of a list, whose entries do not follow."""
    return struct.pack(">BH", 0xDC, length) if size == 2 else struct.pack(">BI", 0xDD, length)


GOOD: list[tuple[str, object, object]] = [
    ("count", -5, -5),
    ("count", 5, 5),
    ("label", "12345678", "12345678"),
    ("label", "ßßßß", "ßßßß"),
    ("label", "a\0\n", "a\0\n"),
    ("token", b"\xff\0\xff\0", b"\xff\0\xff\0"),
    ("on", True, True),
    ("level", 1, 1.0),
    ("level", -0.5, -0.5),
    ("word", "two", "two"),
    ("names", ["a", "ßß"], ("a", "ßß")),
    ("seconds", {"a": 1, "b": 1e18}, {"a": 1.0, "b": 1e18}),
    ("params", {"a": True, "b": 2, "c": "word", "d": -0.5}, {"a": True, "b": 2.0, "c": "word", "d": -0.5}),
    ("params", {"ß" * 32: "ß" * 32}, {"ß" * 32: "ß" * 32}),
    ("more", {"a": [None, {"b": b"bytes"}]}, {"a": [None, {"b": b"bytes"}]}),
]

WRONG: dict[str, tuple[Any, ...]] = {
    "count": (-6, 6, U64, -(2**63), True, 1.0, NAN, "1", b"1", None, [1], {"a": 1}),
    "label": ("123456789", "ßßßßß", b"bytes", 5, True, None, ["a"], {"a": "a"}),
    "token": (b"1", b"12345", "1234", 1234, None, [1, 2, 3, 4]),
    "on": (0, 1, "true", 1.0, None, []),
    "level": (1.0000001, -2, NAN, INF, -INF, U64, True, "0.5", None, [0.5]),
    "word": ("", "three", "One", b"one", 0, None, ["one"], {"one": 1}),
    "names": (["a"] * 3, ["12345"], [b"a"], [None], [["a"]], "ab", {"a": "b"}, None),
    "seconds": (
        *({"a": value} for value in (NAN, INF, 2e18, U64, True, "1", None)),
        *({"": 1}, {"a" * 65: 1}, {str(n): 1 for n in range(33)}, [1], None, "a"),
    ),
    "params": (
        *({"a": value} for value in (NAN, -INF, U64, None, [1], b"a", "a" * 65, "ß" * 33)),
        *({"": 1}, {"ß" * 33: 1}, {str(n): 1 for n in range(65)}, [], None, 1),
    ),
    "more": ([], None, "a", 1, b"a"),
}
BAD = [(name, value) for name, wrong in WRONG.items() for value in wrong]
LONE = "\udc80"
"""Half a character, as a file name that is not UTF-8 has it in Python."""

HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "no map": msgpack.packb(5),
    "a list": msgpack.packb(["op", "sample"]),
    "a byte that msgpack never writes": b"\xc1",
    "trailing bytes": pack() + b"\xc0",
    "two messages": pack() * 2,
    "cut": pack()[:-1],
    "a name that is a number": msgpack.packb({"op": "sample", "id": 5, 1: 2}),
    "a name that is bytes": msgpack.packb({"op": "sample", "id": 5, b"x": 2}),
    "a name that is a list": b"\x81\x91\x01\x01",
    "a name that is a map": b"\x81\x81\xa1a\x01\x01",
    "a number as a name further in": pack(more={"a": {1: 2}}),
    "a name twice": b"\x83\xa2op\xa6sample\xa2id\x05\xa2id\x06",
    "a name twice further in": b"\x83\xa2op\xa6sample\xa2id\x05\xa4more\x82\xa1a\x01\xa1a\x02",
    "text that is no UTF-8": b"\x83\xa2op\xa6sample\xa2id\x05\xa5label\xa1\xff",
    "a lone surrogate": b"\x83\xa2op\xa6sample\xa2id\x05\xa5label\xa3\xed\xa0\x80",
    "a lone surrogate where nobody looks": b"\x83\xa2op\xa6sample\xa2id\x05\xa1x\xa3\xed\xa0\x80",
    "an extension type": pack(x=msgpack.ExtType(5, b"data")),
    "an extension type further in": pack(x=[[msgpack.ExtType(5, b"data")]]),
    "only an extension type": msgpack.packb(msgpack.ExtType(5, b"data")),
    "a time": pack(x=msgpack.Timestamp(1, 2)),
    "a time in a list": pack(x=[1, msgpack.Timestamp(1, 2)]),
    "a time further in": pack(more={"a": {"b": msgpack.Timestamp(1, 2)}}),
    "only a time": msgpack.packb(msgpack.Timestamp(1, 2)),
    "a time of no time": b"\x83\xa2op\xa6sample\xa2id\x05\xa1x\xc7\x0c\xff" + b"\xff" * 12,
    "a list in a list without end": b"\x83\xa2op\xa6sample\xa2id\x05\xa1x" + b"\x91" * 60000 + b"\xc0",
    "a map in a map without end": b"\x81\xa1a" * 20000 + b"\xc0",
    "4 GiB of text": b"\xdb\xff\xff\xff\xff",
    "4 GiB of bytes": b"\x81\xa2op\xc6\xff\xff\xff\xff",
    "4 GiB of an extension type": b"\x81\xa2op\xc9\xff\xff\xff\xff\x05",
    "4 Gi entries": b"\x81\xa2op" + array(U32, 4),
    "4 Gi names": b"\xdf\xff\xff\xff\xff",
    "more entries than allowed": pack(x=[0] * (LENGTH_LIMIT + 1)),
    "more names than allowed": pack(x={str(n): 0 for n in range(LENGTH_LIMIT + 1)}),
    "more than a message": b"\xc0" * (MESSAGE_LIMIT + 1),
    "a message that is too long by a byte": pack(x=b"x" * MESSAGE_LIMIT),
}


@pytest.mark.parametrize(("name", "value", "expected"), GOOD)
def test_values_as_stated_are_taken(name: str, value: object, expected: object) -> None:
    """Each kind takes what its words say, up to its borders, and gives its own type."""
    taken = getattr(read(pack(**{name: value})), name)
    assert taken == expected
    assert type(taken) is type(expected)


@pytest.mark.parametrize(("name", "value"), BAD)
def test_values_not_as_stated_are_refused(name: str, value: Any) -> None:
    """Each kind refuses everything else with a sentence that names the field, under the message's number."""
    refused = refusal(pack(**{name: value}))
    assert (refused.code, refused.id) == ("malformed", 5)
    assert f"sample: {name} must be " in str(refused)


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bytes_are_malformed_at_once(data: bytes) -> None:
    """Bytes that are no message of the protocol are refused, soon and in one way."""
    began = time.process_time()
    refused = refusal(data)
    assert (refused.code, refused.id) == ("malformed", 0)
    assert time.process_time() - began < 1.0


def test_headers_that_lie_get_no_memory() -> None:
    """Lists in lists that say to be long do not make the decoder take memory for what never comes."""
    bomb = b"\x81\xa1x" + array(LENGTH_LIMIT) * 1000
    tracemalloc.start()
    try:
        refusal(bomb + b"\xc0" * (MESSAGE_LIMIT - len(bomb)))
        assert tracemalloc.get_traced_memory()[1] < 32 * 2**20
    finally:
        tracemalloc.stop()


def test_an_empty_field_is_its_default() -> None:
    """What has a default may be left out."""
    assert read(pack()) == Sample(id=5)


def test_a_field_without_default_is_required() -> None:
    """What has no default may not be left out."""
    assert str(refusal(msgpack.packb({"op": "sample"}))) == "sample: id is missing"


@pytest.mark.parametrize("extra", [1, None, "x", b"x", [[], {}], {"a": {"b": [1.5]}}, "y" * 60000])
def test_unknown_names_are_ignored(extra: object) -> None:
    """A newer peer may say more, whatever it is."""
    assert read(pack(from_the_future=extra)) == Sample(id=5)


def test_unknown_messages_are_unsupported() -> None:
    """A message that is whole but not known is refused as such, under its number, with its name cut short."""
    refused = refusal(msgpack.packb({"op": "\x1b" + "x" * 1000, "id": 7}))
    assert (refused.code, refused.id) == ("unsupported", 7)
    assert len(str(refused)) < 100
    assert "\x1b" not in str(refused)


@pytest.mark.parametrize("op", [None, 5, b"sample", ["sample"], {"sample": 1}])
def test_a_message_needs_a_name(op: object) -> None:
    """A name that is no text is no name."""
    refused = refusal(msgpack.packb({"op": op, "id": 7}))
    assert (refused.code, refused.id) == ("malformed", 7)


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "1", None, [1], {}])
def test_a_wrong_number_of_a_message_is_0(value: object) -> None:
    """A refusal carries the number that the message gave itself, and 0 where that is none."""
    assert refusal(pack(id=value)).id == 0


@pytest.mark.parametrize("value", [1, 5, U32, U64])
def test_the_number_of_a_message_is_told(value: int) -> None:
    """A refusal carries the number that the message gave itself, however large."""
    assert refusal(pack(id=value, count="x")).id == value


def test_views_decode_like_bytes() -> None:
    """A frame of ZeroMQ needs no copy to be read."""
    assert decode(memoryview(pack(count=3)), TABLE) == Sample(id=5, count=3)


@pytest.mark.parametrize(("name", "value"), [*BAD, ("label", LONE), ("names", (LONE,)), ("params", {LONE: 1})])
def test_nothing_leaves_that_would_be_refused(name: str, value: Any) -> None:
    """The sender finds its mistake, not the other side, and reads what was expected."""
    with pytest.raises(ValueError, match=f"^{name} must be (a |one of |text |0 or 4 bytes|true or false)"):
        Sample(id=5, **{name: value}).encode()


def test_no_message_leaves_that_is_too_long() -> None:
    """A message that the other side would hang up on is not sent."""
    assert len(Sample(id=5, more={"x": "y" * 65000}).encode()) <= MESSAGE_LIMIT
    with pytest.raises(ValueError, match=r"sample is 65\d+ bytes, more than 65536"):
        Sample(id=5, more={"x": "y" * 65500}).encode()


def test_whole_numbers_leave_as_floats() -> None:
    """A float is a float on the wire, whatever the sender had at hand."""
    sent = msgpack.unpackb(Sample(id=5, level=1, params={"a": 2}).encode())
    assert [type(value) for value in (sent["level"], sent["params"]["a"])] == [float, float]


def any_value() -> st.SearchStrategy[object]:
    """Return whatever msgpack can say, and nearly what the fields want."""
    leaves = (
        st.none()
        | st.booleans()
        | st.integers(-(2**63), U64)
        | st.floats()
        | st.text(st.characters(exclude_categories=["Cs"]))
        | st.binary()
        | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary())
        | st.builds(msgpack.Timestamp, st.integers(-(2**63), 2**63 - 1), st.integers(0, 10**9 - 1))
        | st.sampled_from(["sample", "bare", "one"])
    )
    keys = st.text(st.characters(exclude_categories=["Cs"])) | st.integers(0, U64) | st.binary()
    return st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=12)


FIELDS = ("count", "label", "token", "on", "level", "word", "names", "seconds", "params", "more", "other")


def outcome(data: bytes) -> Message | Malformed:
    """Return what becomes of `data`; anything but a message or Malformed is raised."""
    try:
        return decode(data, TABLE)
    except Malformed as refused:
        return refused


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    """No bytes raise anything but Malformed."""
    assert isinstance(outcome(data), Message | Malformed)


@given(st.data())
def test_damaged_messages_are_messages_or_malformed(data: st.DataObject) -> None:
    """A message with some bytes changed, which often is still msgpack, raises nothing but Malformed."""
    sound = bytearray(Sample(id=5, label="text", names=("a", "b"), params={"a": 1.5, "b": "c"}).encode())
    for index, byte in data.draw(st.lists(st.tuples(st.integers(0, len(sound) - 1), st.integers(0, 255)), max_size=4)):
        sound[index] = byte
    assert isinstance(outcome(bytes(sound)), Message | Malformed)


@given(any_value())
def test_any_value_is_a_message_or_malformed(value: object) -> None:
    """No msgpack value raises anything but Malformed."""
    assert isinstance(outcome(msgpack.packb(value)), Message | Malformed)


@given(st.dictionaries(st.sampled_from(FIELDS), any_value()), st.integers(1, U64))
def test_any_value_of_any_field_is_a_message_or_malformed(given_values: dict[str, object], number: int) -> None:
    """Whatever stands in a field, the message is taken as it came, or refused under its number or 0."""
    came = outcome(msgpack.packb({"op": "sample", "id": number, **given_values}))
    if isinstance(came, Malformed):
        assert (came.code, came.id in {0, number}) == ("malformed", True)
    else:
        # Not the messages themselves: NaN, which a map of anything may hold, equals nothing.
        assert decode(came.encode(), TABLE).encode() == came.encode()


def samples() -> st.SearchStrategy[Sample]:
    """Return valid messages."""
    words = st.text(st.characters(exclude_categories=["Cs"]), max_size=2)
    named = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=16)
    within = st.floats(-1e18, 1e18)
    return st.builds(
        Sample,
        id=st.integers(1, U64),
        count=st.integers(-5, 5),
        label=words,
        token=st.just(b"") | st.binary(min_size=4, max_size=4),
        on=st.booleans(),
        level=st.floats(-1, 1),
        word=st.sampled_from(["one", "two"]),
        names=st.lists(words.filter(lambda word: len(word.encode()) <= 4), max_size=2).map(tuple),
        seconds=st.dictionaries(named, within, max_size=32),
        params=st.dictionaries(named, st.booleans() | within | named, max_size=64),
        more=st.dictionaries(named, st.none() | within | st.lists(st.integers(-(2**63), U64)), max_size=4),
    )


@given(samples())
def test_messages_come_back_as_they_were(message: Sample) -> None:
    """Encoded and decoded, a valid message is the same."""
    assert decode(message.encode(), TABLE) == message


@given(st.text(st.characters()), st.integers(3, 40))
def test_shortened_text_fits(words: str, limit: int) -> None:
    """Shortened text is text that fits; what did fit is unchanged."""
    short = shorten(words, limit)
    assert len(short.encode()) <= limit
    whole = words.encode(errors="replace").decode()
    if len(whole.encode()) <= limit:
        assert short == whole
    else:
        assert short.endswith("…")
        assert whole.startswith(short[:-1])
