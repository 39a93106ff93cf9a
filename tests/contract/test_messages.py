"""Golden bytes of every message and of slot headers, for decoders in any language; `pytest --update` writes them."""

import json
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import msgpack
import pytest

from corridorkey_server.layout import Layout
from corridorkey_server.protocol import (
    LEASE,
    MARK,
    REPLIES,
    REQUESTS,
    VERSION,
    Again,
    Busy,
    Cancel,
    Cancelled,
    Configure,
    Configured,
    Detect,
    Detected,
    Done,
    Error,
    Filed,
    Hello,
    Key,
    KeyFile,
    Opened,
    Progress,
    Region,
    Result,
    Roots,
    Shutdown,
    Slot,
    SlotBack,
    SlotReady,
    State,
    Status,
    Superseded,
    Unload,
    Welcome,
)
from corridorkey_server.wire import U32, U64, Message, decode

NOTES = ("The hint was soft.", "Très large — 16 Ki pixels wide.")
TIMINGS = {"queue": 0.0, "read": 0.0078125, "infer": 0.25, "total": 0.5}

TABLES = {"requests": REQUESTS, "replies": REPLIES, "lease": LEASE}

FULL: tuple[Message, ...] = (
    Opened(token=bytes(range(16)), session=9, boot="0123456789abcdef"),
    Region(slot=2, size=2**33 + 4096),
    Hello(id=1, oldest=1, newest=3, token=bytes(range(240, 256)), client="shot-42, Nuke 16.0", features=("a", "b")),
    Slot(id=2, width=3840, height=2160, masks=True, hint=True),
    SlotBack(id=3, slot=2),
    Key(
        id=4,
        slot=1,
        gen=7,
        width=1920,
        height=1080,
        alpha="hint",
        params={"working_space": "acescg", "despill": 0.75, "despeckle": True, "matte_grow": -3.0},
        priority="batch",
        node="Köln.CorridorKey1",
        frame=-1001,
        inside=True,
        outside=True,
    ),
    Detect(id=5, slot=1, gen=8, width=1920, height=1080, working_space="srgb"),
    Roots(id=12, folders=("/dev/shm/ckey-1000-nuke/4321-a1b2", "/shots/Köln/corridorkey")),
    KeyFile(
        id=13,
        source="/dev/shm/ckey-1000-nuke/4321-a1b2/main.1001.exr",
        target="/shots/Köln/corridorkey/CorridorKey1.main.1001.exr",
        params={"working_space": "acescg", "despill": 0.75},
        priority="interactive",
        node="Köln.CorridorKey1",
        frame=1001,
        depth="float",
        upstream="0123456789abcdef",
    ),
    Cancel(id=6, target=4),
    Again(id=7, target=4),
    Configure(id=8, scope="daemon", model="/models/green.safetensors", quality="half", screen="blue"),
    Status(id=9),
    Unload(id=10),
    Shutdown(id=11),
    Welcome(
        id=1,
        version=1,
        session=12,
        boot="c0ffee00c0ffee00",
        pid=4321,
        features=("masks", "used_hint"),
        limits={"side": 32768.0, "slots": 3.0, "bytes": 8589934592.0, "message": 65536.0},
        device="NVIDIA RTX 6000",
        model="corridorkey",
        quality="full",
    ),
    SlotReady(id=2, slot=1, gen=6, width=3840, height=2160, masks=True, hint=False, size=265424896, fresh=True, gone=3),
    Progress(id=4, stage="infer", fraction=0.375),
    Result(
        id=4,
        slot=1,
        gen=7,
        empty=False,
        kept=True,
        model="corridorkey:0123456789abcdef",
        quality="full",
        device="NVIDIA RTX 6000",
        notes=NOTES,
        timings=TIMINGS,
    ),
    Detected(id=5, slot=1, gen=8, screen="blue"),
    Filed(
        id=13,
        skipped=True,
        empty=False,
        model="corridorkey:0123456789abcdef",
        quality="full",
        device="NVIDIA RTX 6000",
        notes=NOTES,
        timings=TIMINGS,
    ),
    Cancelled(id=4),
    Superseded(id=4, by=13),
    Busy(id=2, seconds=0.5, reason="all 3 slots of this session are in use"),
    Configured(id=8, model="corridorkey", quality="half", identity="corridorkey:0123", device="cpu"),
    State(id=9, facts={"pid": 4321, "queue": [1, 2, {"frame": -7}], "worker": None, "ratio": 0.5, "ok": True}),
    Done(id=3, found=False),
    Error(id=4, code="slot", sentence="generation 7 of slot 1 is over", next="give one above 7."),
)
"""Every message once, each field with a value that is not its default."""

EDGES: tuple[Message, ...] = (
    Hello(id=U64, oldest=0, newest=U32, token=b"", client="", features=()),
    Key(id=2**53, slot=U32, gen=U32, width=32768, height=1, alpha="none", params={}, frame=-(2**31), node="\U0001f3ac"),
    Key(id=256, slot=128, gen=65536, width=1, height=32768, alpha="source", params={"x": ""}, frame=2**31 - 1),
    State(id=0, facts={"long": "=" * 300, "many": list(range(40)), "deep": {"a": {"b": [[], {}]}}}),
    Error(id=0, code="malformed", sentence="the message has no name"),
)
"""The borders of numbers, empty text and lists, and each length of msgpack's headers."""

_STATUS, _BUSY = "a26f70a6737461747573", "a26f70a462757379a2696402a6726561736f6ea178a77365636f6e6473"

BY_HAND: tuple[tuple[str, str, Message], ...] = (
    ("an unknown name", f"83{_STATUS}a2696409a46d6f7265a3796573", Status(id=9)),
    ("an unknown map and list", f"83{_STATUS}a2696409a46d6f726582a161c0a1629301c2cb3fe0000000000000", Status(id=9)),
    ("another order", f"82a2696409{_STATUS}", Status(id=9)),
    ("wider numbers", f"82{_STATUS}a26964cf0000000000000009", Status(id=9)),
    ("wider headers", "df00000002d9026f70da0006737461747573db000000026964cc09", Status(id=9)),
    ("a float of 32 bits", f"84{_BUSY}ca3f000000", Busy(id=2, seconds=0.5, reason="x")),
    ("a whole number for a float", f"84{_BUSY}01", Busy(id=2, seconds=1.0, reason="x")),
)
"""Bytes that this encoder does not write, but every decoder has to understand."""

LAYOUTS = {
    "odd size": (Layout(1023, 577), 1),
    "masks": (Layout(1920, 1080, masks=True), 2),
    "hint": (Layout(3840, 2160, hint=True), 3),
    "masks and hint": (Layout(32768, 32768, masks=True, hint=True), U32),
}

ABOUT = (
    "Golden bytes of the protocol, as hex. `messages`: an encoder gives these bytes and a decoder these values; "
    "`read_only`: a decoder gives these values. Values of `token` are hex. `headers`: how a slot of this layout begins."
)


def bare(message: Message) -> Message:
    """Return the same message with only what has no default."""
    return type(message)(**{name: getattr(message, name) for name in _needed(message)})


def _needed(message: Message) -> list[str]:
    return [item.name for item in fields(message) if item.default is MISSING and item.default_factory is MISSING]


def named_messages() -> Iterator[tuple[str, Message]]:
    """Yield every message to encode, with a name that is unique in the file."""
    for message in FULL:
        yield f"{message.OP}, all fields", message
        yield f"{message.OP}, only required fields", bare(message)
    for number, message in enumerate(EDGES, 1):
        yield f"{message.OP}, edge {number}", message


def named_bytes() -> Iterator[tuple[str, str, Message]]:
    """Yield name, hex and meaning of what is only read: what others may write."""
    yield from BY_HAND
    for message in map(bare, FULL):
        needed = {name: getattr(message, name) for name in _needed(message)}
        if len(needed) < len(fields(message)):
            yield f"{message.OP}, defaults left out", msgpack.packb({"op": message.OP, **needed}).hex(), message


def describe(name: str, message: Message, data: str) -> dict[str, Any]:
    """Return one entry of the file."""
    values = {item.name: getattr(message, item.name) for item in fields(message)}
    plain = {key: value.hex() if isinstance(value, bytes) else value for key, value in values.items()}
    table = next(name for name, messages in TABLES.items() if type(message) in messages.values())
    return {"name": name, "table": table, "op": message.OP, "bytes": data, "values": plain}


def describe_header(name: str, layout: Layout, slot: int) -> dict[str, Any]:
    """Return one header as an entry of the file."""
    offsets = {f"{plane}_offset": getattr(layout, f"{plane}_offset") for plane in ("in", "out", "mask", "hint")}
    size = {"size": layout.size, "bytes": layout.header(slot).hex()}
    return {"name": name, "slot": slot, **vars(layout), **offsets, **size}


def render() -> str:
    """Return tests/golden/messages.json: an entry a line."""
    sections = {
        "messages": [describe(name, message, message.encode().hex()) for name, message in named_messages()],
        "read_only": [describe(name, message, data) for name, data, message in named_bytes()],
        "headers": [describe_header(name, *layout) for name, layout in LAYOUTS.items()],
    }
    head = {"about": ABOUT, "version": VERSION, "mark": MARK.hex()}
    parts = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    parts += [f"{json.dumps(key)}: [\n{_lines(entries)}\n]" for key, entries in sections.items()]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _lines(entries: list[dict[str, Any]]) -> str:
    return ",\n".join(json.dumps(entry) for entry in entries)


@pytest.fixture(scope="module")
def golden(root: Path) -> dict[str, Any]:
    """The file as another language's test reads it."""
    return json.loads((root / "tests" / "golden" / "messages.json").read_text())  # type: ignore[no-any-return]


def read(entry: dict[str, Any]) -> Message:
    """Decode an entry's bytes."""
    return decode(bytes.fromhex(entry["bytes"]), TABLES[entry["table"]])


def test_golden_file_is_fresh(root: Path, update: bool) -> None:
    """tests/golden/messages.json is what the encoder gives: no byte on the wire changes unseen."""
    path = root / "tests" / "golden" / "messages.json"
    if update:
        path.write_text(render())
    assert path.read_text() == render(), "run: pytest --update tests/contract"


def test_every_message_has_golden_bytes() -> None:
    """Each message of all tables is there with all fields and with only the required ones."""
    assert sorted(message.OP for message in FULL) == sorted(op for table in TABLES.values() for op in table)


@pytest.mark.parametrize("message", FULL, ids=lambda message: message.OP)
def test_full_messages_leave_no_default(message: Message) -> None:
    """Golden bytes show a value of every optional field that a decoder could not have made up."""
    optional = {item.name for item in fields(message)} - set(_needed(message))
    assert [name for name in optional if getattr(message, name) == getattr(bare(message), name)] == []


def test_golden_bytes_decode_to_their_messages(golden: dict[str, Any]) -> None:
    """What is on the wire becomes the message again, with the values that stand beside the bytes."""
    messages = dict(named_messages())
    assert [entry["name"] for entry in golden["messages"]] == list(messages)
    for entry in golden["messages"]:
        assert read(entry) == messages[entry["name"]], entry["name"]
        assert describe(entry["name"], read(entry), entry["bytes"])["values"] == _tuples(entry["values"]), entry["name"]


def test_other_bytes_of_the_same_message_are_understood(golden: dict[str, Any]) -> None:
    """Unknown names are ignored, defaults may be left out, numbers and headers be wider than they need to be."""
    for entry, (name, _, message) in zip(golden["read_only"], named_bytes(), strict=True):
        assert read(entry) == message, name
        assert bytes.fromhex(entry["bytes"]) != message.encode(), name


def test_an_unknown_name_changes_nothing_in_any_message() -> None:
    """A newer peer can say more in every message."""
    for _, message in named_messages():
        values = msgpack.unpackb(message.encode())
        table = next(table for table in TABLES.values() if message.OP in table)
        assert decode(msgpack.packb(values | {"from_the_future": {"a": [1]}}), table) == message


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    """Return values read from JSON as the message holds them: lists of text are tuples there."""
    lists = {"features", "folders", "notes"}
    return {name: tuple(value) if name in lists else value for name, value in values.items()}
