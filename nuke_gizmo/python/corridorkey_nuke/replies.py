"""What a daemon says, read into plain dicts that hold what docs/protocol.md promises. Knows no sockets.

Fields that are missing get what stands for nothing (False, 0, "", [], {}), fields that are not known are left out, and
a reply in which one is of another kind is no reply. So whoever reads one need not look at what it holds.
"""

from __future__ import annotations

import math
from typing import Any, Dict

from .failure import Lost, Refusal
from .packing import unpack

MARK = b"CKP1"
"""First frame of every message."""

Reply = Dict[str, Any]
"""`op`, `id` and all fields of that op."""

_LONGEST = 3600.0  # seconds that a daemon may ask for

FIELDS: dict[str, dict[str, type]] = {
    "welcome": {
        "version": int,
        "session": int,
        "boot": str,
        "pid": int,
        "features": list,
        "device": str,
        "model": str,
        "quality": str,
    },
    "progress": {"stage": str, "fraction": float},
    "filed": {
        "skipped": bool,
        "empty": bool,
        "model": str,
        "quality": str,
        "device": str,
        "notes": list,
        "timings": dict,
    },
    "configured": {"model": str, "quality": str, "identity": str, "device": str},
    "state": {"facts": dict},
    "done": {"found": bool},
    "cancelled": {},
    "superseded": {},
    "busy": {"seconds": float, "reason": str},
    "error": {"code": str, "sentence": str, "next": str},
}
"""The replies that a client without slots gets, and their fields; each has an `id` besides."""

_ABSENT = {"found": True}  # what stands for nothing elsewhere


def read_reply(frames: list[bytes]) -> Reply | None:
    """Return the reply that a message is, None if it is none of those above."""
    try:
        said = unpack(frames[-1]) if len(frames) == 2 and frames[0] == MARK else None
        return _checked(said) if isinstance(said, dict) else None
    except ValueError:
        return None


def read_opened(message: bytes) -> bytes | None:
    """Return the token that a lease's first message brings, None if it is no such message."""
    try:
        said = unpack(message)
    except ValueError:
        return None
    token = said.get("token") if isinstance(said, dict) and said.get("op") == "opened" else None
    return token if isinstance(token, bytes) and len(token) == 16 else None


def refusal(reply: Reply) -> Refusal:
    """Return as a sentence what stands in an `error`."""
    if reply["code"] == "draining":
        return Lost("the CorridorKey daemon is stopping; start it again with `ckey start`.")
    words = [_line(reply[name]) for name in ("sentence", "next")]
    sentence = "; ".join(word for word in words if word)
    sentence = sentence or "the CorridorKey daemon failed and did not say why; see its log"
    return Refusal(sentence if sentence.endswith((".", "!", "?")) else sentence + ".")


def _line(words: object) -> str:
    """Return words on one line, without what a terminal would obey."""
    shown = "".join(letter if letter.isprintable() else " " for letter in str(words))
    return " ".join(shown.split())


def _checked(said: dict[str, object]) -> Reply | None:
    op = said.get("op")
    number = said.get("id")
    if not isinstance(op, str) or op not in FIELDS or isinstance(number, bool) or not isinstance(number, int):
        return None
    reply: Reply = {"op": op, "id": number}
    for name, kind in FIELDS[op].items():
        reply[name] = _field(said[name], kind) if name in said else _ABSENT.get(name, kind())
    return reply


def _field(value: object, kind: type) -> object:
    """Return a field's value; ValueError if it is of another kind."""
    if kind is float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError("no number")
        return _number(float(value))
    if type(value) is not kind:
        raise ValueError("of another kind")
    if isinstance(value, list) and not all(isinstance(entry, str) for entry in value):
        raise ValueError("a list of something else than text")
    return value


def _number(value: float) -> float:
    if math.isnan(value):
        raise ValueError("no number")
    return min(max(0.0, value), _LONGEST)
