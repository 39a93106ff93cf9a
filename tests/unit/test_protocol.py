"""Every message of the contract goes there and back, and planes of a slot never touch."""

import dataclasses
import inspect
import subprocess
import sys
from dataclasses import fields
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridorkey_models.errors import CheckpointError, CorridorKeyError, InputError, ResourceError
from corridorkey_models.params import PARAMS
from corridorkey_server import protocol
from corridorkey_server.layout import HEADER, PAGE, SLOT_MARK, Layout
from corridorkey_server.protocol import (
    CODES,
    FEATURES,
    LEASE,
    MARK,
    OLDEST,
    PRIORITIES,
    REPLIES,
    REQUESTS,
    ROOTS,
    SIDE_LIMIT,
    TIMINGS,
    TOKEN_SIZE,
    VERSION,
    Error,
    Hello,
    Key,
    Superseded,
)
from corridorkey_server.supervisor.scheduler import Priority
from corridorkey_server.wire import U32, U64, Kind, Malformed, Message, decode

ALL = {**REQUESTS, **REPLIES, **LEASE}


def words(limit: int) -> st.SearchStrategy[str]:
    """Return text of at most `limit` bytes; a character takes up to 4."""
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=min(limit // 4, 12))


def maps(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return maps of names."""
    return st.dictionaries(words(64).filter(bool), inner, max_size=5)


NUMBERS = st.floats(-1e18, 1e18)
ID, SIDE, SLOT = st.integers(1, U64), st.integers(1, SIDE_LIMIT), st.integers(1, U32)
ANSWERED, GEN, SWITCH, LISTED = (
    st.integers(0, U64),
    st.integers(0, U32),
    st.booleans(),
    st.lists(words(32), max_size=16),
)

BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("id", "target", "by", "size"), ID),
    **dict.fromkeys(("width", "height"), SIDE),
    **dict.fromkeys(("slot", "gen"), SLOT),
    **dict.fromkeys(("masks", "hint", "inside", "outside", "fresh", "empty", "kept", "found", "skipped"), SWITCH),
    **dict.fromkeys(("oldest", "newest", "version", "gone"), GEN),
    **dict.fromkeys(("session", "pid"), ANSWERED),
    **dict.fromkeys(("client", "device", "working_space", "node", "stage", "reason"), words(64)),
    **dict.fromkeys(("model", "quality", "boot", "identity", "sentence", "next"), words(32)),
    **dict.fromkeys(("features", "notes"), LISTED.map(tuple)),
    "folders": st.lists(words(64), max_size=ROOTS).map(tuple),
    **dict.fromkeys(("limits", "timings"), maps(NUMBERS)),
    "token": st.just(b"") | st.binary(min_size=TOKEN_SIZE, max_size=TOKEN_SIZE),
    **dict.fromkeys(("source", "upstream"), words(64)),
    "alpha": st.sampled_from(["none", "hint", "source"]),
    "depth": st.sampled_from(["half", "float"]),
    "params": maps(st.booleans() | NUMBERS | words(64)),
    "priority": st.sampled_from(PRIORITIES),
    "frame": st.integers(-(2**31), 2**31 - 1),
    "fraction": st.floats(0, 1),
    "seconds": st.floats(0, 3600),
    "scope": st.sampled_from(["session", "daemon"]),
    "screen": st.sampled_from(["green", "blue"]),
    "code": st.sampled_from(sorted(CODES)),
    "facts": maps(st.none() | NUMBERS | words(64) | st.lists(st.integers(-(2**63), U64)) | maps(SWITCH)),
}

BY_MESSAGE = {
    ("opened", "token"): st.binary(min_size=TOKEN_SIZE, max_size=TOKEN_SIZE),
    ("opened", "session"): ID,
    ("key_file", "target"): words(64),
}
"""Fields that are something else in these messages."""


def instances(message: type[Message]) -> st.SearchStrategy[Message]:
    """Return valid instances of one message."""
    return st.builds(message, **{item.name: _strategy(message.OP, item.name) for item in fields(message)})


def _strategy(op: str, name: str) -> st.SearchStrategy[Any]:
    return BY_MESSAGE[op, name] if (op, name) in BY_MESSAGE else BY_NAME[name]


@pytest.mark.parametrize("op", ALL)
def test_messages_go_there_and_back(op: str) -> None:
    """Whatever valid values a message has, it is the same after the wire."""
    table = next(table for table in (REQUESTS, REPLIES, LEASE) if op in table)

    @given(instances(ALL[op]))
    def check(message: Message) -> None:
        assert decode(message.encode(), table) == message

    check()


@given(st.sampled_from(sorted(REQUESTS)), st.dictionaries(st.sampled_from(sorted(BY_NAME)), st.none() | words(8)), ID)
def test_wrong_requests_are_refused_under_their_number(op: str, wrong: dict[str, object], number: int) -> None:
    """A request with wrong fields is never anything but a request or a refusal that its sender can match."""
    try:
        message = decode(msgpack.packb({"op": op, **wrong, "id": number}), REQUESTS)
    except Malformed as refused:
        assert (refused.code, refused.id) == ("malformed", number)
        assert str(refused).startswith(f"{op}: ")
    else:
        assert (message.OP, getattr(message, "id", 0)) == (op, number)


def test_every_message_is_in_a_table_under_its_name() -> None:
    """No message is forgotten, none is in both tables, and each is called on the wire as it is here."""
    classes = [item for _, item in inspect.getmembers(protocol, inspect.isclass)]
    messages = {item for item in classes if issubclass(item, Message) and item is not Message}
    assert messages == set(ALL.values())
    assert not REQUESTS.keys() & REPLIES.keys()
    for op, message in ALL.items():
        assert op == message.OP
        assert op.replace("_", "") == message.__name__.lower()


@pytest.mark.parametrize("message", ALL.values(), ids=ALL)
def test_every_message_is_described(message: type[Message]) -> None:
    """The page for other languages finds a sentence for each message and field, and what the field accepts."""
    assert dataclasses.is_dataclass(message)
    assert message.__doc__
    assert message.__doc__.endswith(".")
    for item in fields(message):
        assert item.metadata["about"].endswith(".")
        assert isinstance(item.metadata["kind"], Kind)


@pytest.mark.parametrize("message", [*REQUESTS.values(), *REPLIES.values()], ids=[*REQUESTS, *REPLIES])
def test_every_message_has_its_number_first(message: type[Message]) -> None:
    """Requests choose a number from 1 on; answers may say 0 for a request whose number could not be read."""
    assert fields(message)[0].name == "id"
    check = fields(message)[0].metadata["kind"].check
    assert check(U64) == U64
    if message.OP in REPLIES:
        assert check(0) == 0
    else:
        with pytest.raises(ValueError, match="from 1 to"):
            check(0)


def test_defaults_are_values_that_the_field_takes() -> None:
    """A field that is left out is as one that says its default."""
    for message in ALL.values():
        for item in fields(message):
            if item.default is not dataclasses.MISSING:
                assert item.metadata["kind"].check(item.default) == item.default, (message.OP, item.name)


def test_all_parameters_fit_into_a_key() -> None:
    """Each parameter of the table, at its default, goes through a KEY as it is; each word of a choice too."""
    for row in [{param.name: param.default for param in PARAMS}, *_choices()]:
        key = Key(id=1, slot=1, gen=1, width=1, height=1, alpha="none", params=row)
        assert decode(key.encode(), REQUESTS) == key


def _choices() -> list[dict[str, bool | float | str]]:
    return [{param.name: word} for param in PARAMS for word in param.choices]


def test_versions_are_a_range() -> None:
    """The daemon understands itself."""
    assert 0 < OLDEST <= VERSION <= U32


def test_words_fit_into_their_fields() -> None:
    """What the daemon says of itself is what its own messages take."""
    assert len(MARK) == 4
    assert max(map(len, FEATURES)) <= 32
    assert max(map(len, TIMINGS)) <= 64


def test_priorities_are_the_schedulers() -> None:
    """A KEY's words stand in the order that the scheduler compares."""
    assert [priority.name.lower() for priority in sorted(Priority)] == list(PRIORITIES)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("input", InputError),
        ("checkpoint", CheckpointError),
        ("slot", InputError),
        ("limit", InputError),
        ("malformed", InputError),
        ("unsupported", InputError),
        ("version", InputError),
        ("resource", ResourceError),
        ("internal", ResourceError),
        ("worker", ResourceError),
        ("draining", ResourceError),
        ("session", ResourceError),
    ],
)
def test_errors_become_the_keyers_own(code: str, kind: type[CorridorKeyError]) -> None:
    """A client raises what the Keyer would have raised: ResourceError if, and only if, a retry can help."""
    error = Error(id=1, code=code, sentence="the plate is empty", next="wire one.").exception()
    assert type(error) is kind
    assert str(error) == "the plate is empty; wire one."


def test_every_code_has_an_exception() -> None:
    """An error without a next step is its sentence alone, whatever its code."""
    for code in CODES:
        error = Error(id=1, code=code, sentence="it failed.").exception()
        assert isinstance(error, CorridorKeyError)
        assert str(error) == "it failed."


@given(st.text(st.characters(), max_size=5000), st.text(st.characters(), max_size=3000))
def test_errors_reach_the_client_whatever_they_say(sentence: str, step: str) -> None:
    """The words of an error are cut rather than lost, and what UTF-8 cannot carry is replaced."""
    error = Error(id=1, code="internal", sentence=sentence, next=step)
    assert decode(error.encode(), REPLIES) == error


def test_long_errors_are_cut() -> None:
    """A sentence that is longer than a client takes ends in three dots."""
    error = Error(id=1, code="internal", sentence="ä" * 5000)
    assert error.sentence == "ä" * 1022 + "…"


def test_requests_are_no_replies() -> None:
    """A daemon does not take a client's answer for a request, nor the other way round."""
    with pytest.raises(Malformed) as refused:
        decode(Superseded(id=3, by=4).encode(), REQUESTS)
    assert (refused.value.code, refused.value.id) == ("unsupported", 3)
    with pytest.raises(Malformed, match="not known"):
        decode(Hello(id=1, oldest=1, newest=1).encode(), REPLIES)


LAYOUTS = st.builds(Layout, SIDE, SIDE, SWITCH, SWITCH)


def planes(layout: Layout) -> list[tuple[int, int]]:
    """Return offset and bytes of the planes that a layout has, in their order."""
    pixels = layout.width * layout.height * 4
    there = [(layout.in_offset, 4), (layout.out_offset, 4)]
    there += [(layout.mask_offset, 2)] if layout.masks else []
    there += [(layout.hint_offset, 1)] if layout.hint else []
    return [(offset, pixels * channels) for offset, channels in there]


@given(LAYOUTS)
def test_planes_lie_apart_and_inside(layout: Layout) -> None:
    """Planes come one after the other behind the header, each at a page, and the region holds them all, just."""
    end = HEADER.size
    for offset, size in planes(layout):
        assert offset >= end
        assert offset % PAGE == 0
        end = offset + size
    assert end <= layout.size < end + PAGE
    assert layout.size % PAGE == 0


@given(LAYOUTS)
def test_planes_that_are_not_asked_for_take_no_room(layout: Layout) -> None:
    """A plane that is not there has offset 0 and the others lie as if it had never been thought of."""
    plain = Layout(layout.width, layout.height)
    assert (layout.in_offset, layout.out_offset) == (plain.in_offset, plain.out_offset)
    assert (layout.mask_offset > 0, layout.hint_offset > 0) == (layout.masks, layout.hint)
    assert layout.size - plain.size <= (layout.masks * 2 + layout.hint) * (layout.width * layout.height * 4 + PAGE)


@given(LAYOUTS, SLOT)
def test_header_says_what_the_layout_says(layout: Layout, slot: int) -> None:
    """A client that reads the header finds the planes where the layout has them."""
    mark, version, number, width, height, flags, reserved, *numbers, size = HEADER.unpack(layout.header(slot))
    assert (mark, version, number, reserved) == (SLOT_MARK, VERSION, slot, 0)
    assert Layout(width, height, bool(flags & 1), bool(flags & 2)) == layout
    assert flags >> 2 == 0
    assert size == layout.size
    found = [(offset, stride * height) for offset, stride in zip(numbers[::2], numbers[1::2], strict=True) if offset]
    assert found == planes(layout)
    assert not any(stride for offset, stride in zip(numbers[::2], numbers[1::2], strict=True) if not offset)


def test_header_fits_into_its_page() -> None:
    """No plane begins inside the header."""
    assert len(SLOT_MARK) == 8
    assert HEADER.size <= PAGE


def test_protocol_is_light() -> None:
    """The contract can be imported by anything at once: of what is no part of Python it loads msgpack only."""
    script = (
        "import sys, time; before = time.process_time(); known = set(sys.modules)\n"
        "import corridorkey_server.protocol\n"
        "print(time.process_time() - before, *{name.split('.')[0] for name in set(sys.modules) - known})"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    seconds, *loaded = ran.stdout.split()
    # msgpack is compiled; its compiler's own modules come with it.
    foreign = {name for name in loaded if "cython" not in name} - sys.stdlib_module_names
    assert foreign == {"corridorkey_server", "corridorkey_models", "msgpack"}
    assert float(seconds) < 1.0
