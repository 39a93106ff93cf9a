"""What a daemon says, as the package inside Nuke reads it: the protocol's fields, each there and of its kind."""

import dataclasses
import math
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nuke_package  # noqa: F401
from corridorkey_nuke.failure import Lost, Refusal
from corridorkey_nuke.packing import pack
from corridorkey_nuke.replies import FIELDS, MARK, read_opened, read_reply, refusal
from corridorkey_server import protocol

NEEDS_A_SLOT = {"slot_ready", "result", "detected"}
LEFT_OUT = {"welcome": {"limits"}, "superseded": {"by"}}
KINDS = {tuple: list}


def declared(op: str) -> dict[str, type]:
    """Return the fields that the protocol gives a reply, and what they are read as."""
    message = protocol.REPLIES[op]
    hints = typing.get_type_hints(message)
    fields = {field.name: hints[field.name] for field in dataclasses.fields(message) if field.name != "id"}
    kinds = {name: typing.get_origin(hint) or hint for name, hint in fields.items()}
    return {name: KINDS.get(kind, kind) for name, kind in kinds.items() if name not in LEFT_OUT.get(op, set())}


def read(**said: Any) -> dict[str, Any] | None:
    """Return the reply that a map is."""
    return read_reply([MARK, pack(said)])


def test_the_table_is_the_protocols() -> None:
    """All replies that are not about slots are known with all their fields, each of the protocol's kind."""
    assert MARK == protocol.MARK
    assert FIELDS.keys() == protocol.REPLIES.keys() - NEEDS_A_SLOT
    for op, fields in FIELDS.items():
        assert fields == declared(op), op


def test_what_is_missing_stands_for_nothing() -> None:
    """A field that a daemon leaves out is there all the same, as the protocol's default where there is one."""
    assert read(op="done", id=3) == {"op": "done", "id": 3, "found": True}
    assert read(op="error", id=0) == {"op": "error", "id": 0, "code": "", "sentence": "", "next": ""}
    for op in FIELDS:
        reply = read(op=op, id=1)
        assert reply is not None
        assert reply.keys() == {"op", "id", *FIELDS[op]}
        for field in dataclasses.fields(protocol.REPLIES[op]):
            if field.default is not dataclasses.MISSING and field.name in FIELDS[op]:
                default = list(field.default) if isinstance(field.default, tuple) else field.default
                assert reply[field.name] == default, (op, field.name)


def test_what_is_not_known_is_left_out() -> None:
    """A newer daemon can say more."""
    assert read(op="done", id=3, found=False, mood="good") == {"op": "done", "id": 3, "found": False}


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"op": "done"},
        {"op": "done", "id": "1"},
        {"op": "done", "id": True},
        {"op": 7, "id": 1},
        {"op": "dance", "id": 1},
        {"op": "done", "id": 1, "found": 1},
        {"op": "error", "id": 1, "sentence": None},
        {"op": "filed", "id": 1, "notes": ["a", 1]},
        {"op": "filed", "id": 1, "timings": []},
        {"op": "busy", "id": 1, "seconds": "2"},
        {"op": "busy", "id": 1, "seconds": True},
        {"op": "busy", "id": 1, "seconds": math.nan},
        {"op": "welcome", "id": 1, "version": 1.0},
    ],
)
def test_what_is_no_reply(said: dict[str, Any]) -> None:
    """A reply in which something is of another kind is none."""
    assert read(**said) is None


def test_frames_that_are_no_message() -> None:
    """A message is two frames, and the first is the mark."""
    body = pack({"op": "done", "id": 1})
    for frames in ([], [MARK], [body], [b"CKP2", body], [MARK, body, b""], [MARK, b"\xc1"], [MARK, pack([1])]):
        assert read_reply(frames) is None


@pytest.mark.parametrize(("said", "read_as"), [(2, 2.0), (0.5, 0.5), (-1, 0.0), (math.inf, 3600.0), (1e300, 3600.0)])
def test_seconds_can_be_waited(said: float, read_as: float) -> None:
    """What is to be waited for BUSY is a number that can be, and no whole day."""
    reply = read(op="busy", id=1, seconds=said)
    assert reply is not None
    assert reply["seconds"] == read_as
    assert isinstance(reply["seconds"], float)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_reply_or_none(data: bytes) -> None:
    """Nothing is raised, whatever comes."""
    reply = read_reply([MARK, data])
    assert reply is None or reply["op"] in FIELDS
    assert read_opened(data) is None or isinstance(read_opened(data), bytes)


@pytest.mark.parametrize(
    ("sentence", "next_step", "words"),
    [
        ("the disk is full", "free space and try again", "the disk is full; free space and try again."),
        ("the disk is full", "", "the disk is full."),
        ("the disk is full.", "", "the disk is full."),
        ("two\nlines\t of it ", "go\r\n on", "two lines of it; go on."),
        ("\x1b[2Jover", "", "[2Jover."),
        ("", "", "the CorridorKey daemon failed and did not say why; see its log."),
    ],
)
def test_an_error_as_a_sentence(sentence: str, next_step: str, words: str) -> None:
    """Cause and next step are one line that ends with a period and obeys nothing."""
    reply = read(op="error", id=1, code="input", sentence=sentence, next=next_step)
    assert reply is not None
    assert (type(refusal(reply)), str(refusal(reply))) == (Refusal, words)


def test_draining_is_a_loss() -> None:
    """A daemon that stops answers nothing any more: what is wanted has to be asked of the next."""
    reply = read(op="error", id=1, code="draining", sentence="the daemon is about to stop")
    assert reply is not None
    assert isinstance(refusal(reply), Lost)
