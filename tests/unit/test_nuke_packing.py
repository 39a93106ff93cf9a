"""Values to and from msgpack in the package that runs inside Nuke, against the msgpack module and the golden bytes."""

import json
import math
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nuke_package  # noqa: F401
from corridorkey_nuke.packing import LIMIT, pack, unpack
from corridorkey_server.wire import LENGTH_LIMIT, MESSAGE_LIMIT

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "messages.json").read_text(encoding="utf-8"))
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=300),
    st.binary(max_size=300),
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=40), inner, max_size=20),
    max_leaves=30,
)


def values_of(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what a golden message says, by name."""
    token = {"token": bytes.fromhex(entry["values"]["token"])} if "token" in entry["values"] else {}
    return {"op": entry["op"], **entry["values"], **token}


def depth_of(value: object) -> int:
    """Return how deep lists and maps lie in each other."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(map(depth_of, inner), default=0)
    return 0


@pytest.mark.parametrize("entry", GOLDEN["messages"], ids=[entry["name"] for entry in GOLDEN["messages"]])
def test_golden_bytes(entry: dict[str, Any]) -> None:
    """Each message of the protocol has exactly its bytes, and is read from them."""
    values = values_of(entry)
    assert unpack(bytes.fromhex(entry["bytes"])) == values
    packed = bytes.fromhex(entry["bytes"])
    assert pack({name: values[name] for name in msgpack.unpackb(packed)}) == packed


def test_golden_bytes_that_are_only_read() -> None:
    """Every message that another encoder may write in its own way is understood."""
    for entry in GOLDEN["read_only"]:
        read = unpack(bytes.fromhex(entry["bytes"]))
        expected = msgpack.unpackb(bytes.fromhex(entry["bytes"]))
        assert read == expected, entry["name"]


@given(VALUES)
def test_values_go_there_and_back(value: object) -> None:
    """What we pack is what the msgpack module packs, and each reads the other's; what is too deep is refused."""
    if depth_of(value) > 8:
        with pytest.raises(ValueError, match="too deep"):
            pack(value)
        return
    assert pack(value) == msgpack.packb(value)
    assert unpack(msgpack.packb(value)) == value


@pytest.mark.parametrize(
    "number", [sign * (2**bits + step) for bits in range(64) for step in (-1, 0, 1) for sign in (1, -1)]
)
def test_every_border_between_widths(number: int) -> None:
    """Whole numbers around every power of two are packed as narrow as they go."""
    if -(2**63) <= number < 2**64:
        assert pack(number) == msgpack.packb(number)
        assert unpack(pack(number)) == number
    else:
        with pytest.raises(ValueError, match="64 bits"):
            pack(number)


@pytest.mark.parametrize("size", [0, 31, 32, 255, 256, 60000])
def test_every_border_between_lengths(size: int) -> None:
    """Text and bytes of any length have the head that fits."""
    for value in ("x" * size, b"x" * size):
        assert pack(value) == msgpack.packb(value)
        assert unpack(pack(value)) == value


@pytest.mark.parametrize("size", [0, 15, 16, LENGTH_LIMIT])
def test_entries_up_to_the_limit(size: int) -> None:
    """Lists and maps hold as many entries as the daemon takes; floats stay floats; a tuple is a list."""
    assert LIMIT == MESSAGE_LIMIT
    for value in ([1.0] * size, {str(number): None for number in range(size)}):
        assert unpack(pack(value)) == msgpack.unpackb(pack(value)) == value
    assert unpack(pack((1, (2,)))) == [1, [2]]
    assert isinstance(unpack(pack(1.0)), float)


def test_not_a_number_comes_through() -> None:
    """What floats have besides numbers is for whoever reads it to refuse."""
    read = unpack(pack([math.nan, math.inf]))
    assert isinstance(read, list)
    assert math.isnan(read[0])
    assert read[1] == math.inf


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (object(), "nothing for a object"),
        ({1: 2}, "no text"),
        ("\udc80", "surrogates not allowed"),
        (2**64, "64 bits"),
        ([0] * (LENGTH_LIMIT + 1), "more than"),
        ("x" * LIMIT, "more than"),
        (b"x" * LIMIT, "more than"),
        ([[[[[[[[[]]]]]]]]], "too deep"),
    ],
)
def test_what_cannot_be_sent(value: object, reason: str) -> None:
    """What a message cannot hold is an error here and not at the daemon's."""
    with pytest.raises(ValueError, match=reason):
        pack(value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x92\x01",
        b"\xa5abc",
        b"\xd9",
        b"\xcb\0\0",
        b"\x01\x02",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xffx",
        b"\xdd\xff\xff\xff\xff\xc0",
        b"\xdf\xff\xff\xff\xff\xc0",
        b"\xdc\x04\x01" + bytes(1025),
        b"\x91" * 9 + b"\xc0",
        b"\x81\x01\x02",
        b"\x82\xa1a\x01\xa1a\x02",
        b"\xa2\xff\xfe",
        b"\xd6\xff\0\0\0\0",
        b"\xc7\x01\x05x",
        b"\xc0" * (LIMIT + 1),
    ],
)
def test_what_is_no_message(data: bytes) -> None:
    """Cut, too deep, too long, with names that come twice, not UTF-8, an extension: each is refused, and at once."""
    with pytest.raises(ValueError, match=r"\w"):
        unpack(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_value_or_an_error(data: bytes) -> None:
    """Whatever comes, it is read as the msgpack module reads it, or ValueError and nothing else is raised."""
    try:
        value = unpack(data)
    except ValueError:
        return
    assert repr(value) == repr(msgpack.unpackb(data, strict_map_key=False))
