"""docs/protocol.md says what the code says: regions between markers are rendered; `pytest --update` rewrites them."""

import re
import struct
from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from corridorkey_server import protocol
from corridorkey_server.layout import HEADER, PAGE, Layout
from corridorkey_server.protocol import CODES, FEATURES, LEASE, PRIORITIES, REPLIES, REQUESTS, TIMINGS
from corridorkey_server.supervisor.sessions import ANSWERS_KEPT
from corridorkey_server.wire import LENGTH_LIMIT, MESSAGE_LIMIT, Message

REGION = re.compile(r"(<!-- rendered: (?P<name>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

HEADER_FIELDS = (
    ("mark", "`CKSLOT1` and a zero byte"),
    ("version", "version of the protocol"),
    ("slot", "number of the slot"),
    ("width", "pixels"),
    ("height", "pixels"),
    ("flags", "1: there is a mask plane; 2: there is a hint plane"),
    ("reserved", "0"),
    ("in_offset", "bytes from the region's start; 4 channels"),
    ("in_stride", "bytes from row to row"),
    ("out_offset", "4 channels"),
    ("out_stride", ""),
    ("mask_offset", "2 channels; 0 if there is no such plane, as all offsets and strides"),
    ("mask_stride", ""),
    ("hint_offset", "1 channel"),
    ("hint_stride", ""),
    ("size", "bytes up to the end of the last plane"),
)
"""What HEADER packs, in its order."""

ABOUT_FEATURES = {
    "masks": "slots with a mask plane, `inside` and `outside`",
    "used_hint": "slots with a hint plane",
    "detect": "the request `detect`",
    "files": "the requests `roots` and `key_file`",
}
ABOUT_PRIORITIES = {
    "interactive": "an artist waits for this frame",
    "preview": "somebody will look at it soon: a flipbook, a thumbnail",
    "batch": "nobody waits: a render, a farm",
}
ABOUT_TIMINGS = {
    "queue": "waiting for the worker",
    "read": "finding the slot and its planes",
    "load": "loading the model, if it was not loaded",
    "pre": "decoding, hint, resizing: up to the network's input",
    "infer": "the network; 0 if the prediction was kept",
    "post": "resizing back and finishing",
    "write": "encoding and writing the out plane",
    "total": "from the KEY's arrival to its answer",
}


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a table in markdown."""
    lines = [list(head), *(list(map(str, row)) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"|{'|'.join(f' {cell} ' if cell != '---' else cell for cell in line)}|\n" for line in lines)


def render_constants() -> str:
    """Return the numbers that both sides know."""
    rows = (
        ("version", protocol.VERSION, "what this page describes"),
        ("oldest", protocol.OLDEST, "the oldest version that the daemon understands"),
        ("message limit", MESSAGE_LIMIT, "bytes of the second frame"),
        ("entries", LENGTH_LIMIT, "of a list or map, at most"),
        ("token", protocol.TOKEN_SIZE, "bytes"),
        ("side", protocol.SIDE_LIMIT, "pixels, largest width or height"),
        ("slots", protocol.SLOTS, "of a session, at most"),
        ("answers", ANSWERS_KEPT, "of a session that can be asked for again"),
        ("page", PAGE, "bytes; planes begin at multiples of it"),
    )
    return table(("constant", "value", "meaning"), rows)


def render_example() -> str:
    """Return the planes of one layout in numbers."""
    layout = Layout(1023, 577, masks=True, hint=True)
    planes = (("in", 4), ("out", 4), ("mask", 2), ("hint", 1))
    rows = [
        (f"`{name}`", channels, getattr(layout, f"{name}_offset"), layout.width * channels * 4)
        for name, channels in planes
    ]
    words = f"For {layout.width} x {layout.height} pixels with masks and hint, {layout.size} bytes in all:\n\n"
    return words + table(("plane", "channels", "offset", "stride"), rows)


def header_rows() -> list[tuple[int, str, str, str]]:
    """Return offset, type, name and meaning of each value in the header."""
    codes = re.findall(r"(\d+s)|(\d*)([IQ])", HEADER.format.removeprefix("<"))
    kinds = [kind for text, count, code in codes for kind in ([text] if text else [code] * int(count or 1))]
    offsets = [struct.calcsize("<" + "".join(kinds[:index])) for index in range(len(kinds))]
    words = {"I": "u32", "Q": "u64"}
    return [
        (offset, words.get(kind, f"{kind.removesuffix('s')} bytes"), name, about)
        for offset, kind, (name, about) in zip(offsets, kinds, HEADER_FIELDS, strict=True)
    ]


def render_header() -> str:
    """Return the header's bytes."""
    rows = ((offset, kind, f"`{name}`", about) for offset, kind, name, about in header_rows())
    words = f"\n{HEADER.size} bytes, little-endian, without gaps; the rest of the page is 0.\n"
    return table(("byte", "type", "name", "meaning"), rows) + words


def render_messages(messages: dict[str, type[Message]]) -> str:
    """Return a section for each message."""
    return "\n".join(map(render_message, messages.values()))


def render_message(message: type[Message]) -> str:
    """Return one message: what it is for and its fields."""
    rows = (
        (f"`{item.name}`", item.metadata["kind"].words, describe_default(item), item.metadata["about"])
        for item in fields(message)
    )
    return f"### {message.OP}\n\n{message.__doc__}\n\n" + table(("field", "type", "default", "meaning"), rows)


def describe_default(item: "Field[Any]") -> str:
    """Return what a field is when it is left out."""
    if item.default_factory is not MISSING:
        return "empty"
    if item.default is MISSING:
        return "required"
    if isinstance(item.default, bool | int):
        return str(item.default).lower()
    return f"`{item.default}`" if item.default else "empty"


def render_words(words: dict[str, str], name: str) -> str:
    """Return a table of words and what they mean."""
    return table((name, "meaning"), ((f"`{word}`", meaning) for word, meaning in words.items()))


RENDERERS: dict[str, Callable[[], str]] = {
    "constants": render_constants,
    "example": render_example,
    "header": render_header,
    "features": lambda: render_words({name: ABOUT_FEATURES[name] for name in FEATURES}, "feature"),
    "lease": lambda: render_messages(LEASE),
    "requests": lambda: render_messages(REQUESTS),
    "replies": lambda: render_messages(REPLIES),
    "codes": lambda: render_words(CODES, "code"),
    "priorities": lambda: render_words({name: ABOUT_PRIORITIES[name] for name in PRIORITIES}, "priority"),
    "timings": lambda: render_words({name: ABOUT_TIMINGS[name] for name in TIMINGS}, "stage"),
}


def render(page: str) -> str:
    """Return the page with its marked regions as they should be."""
    return REGION.sub(lambda region: f"{region[1]}\n{RENDERERS[region['name']]()}\n{region[3]}", page)


def test_protocol_page_is_fresh(root: Path, update: bool) -> None:
    """Every rendered region of docs/protocol.md is as the code says."""
    path = root / "docs" / "protocol.md"
    if update:
        path.write_text(render(path.read_text()))
    assert path.read_text() == render(path.read_text()), "run: pytest --update tests/contract"


def test_protocol_page_has_every_region_once(root: Path) -> None:
    """No table is missing, comes twice or has lost its end marker, which would let it grow stale unseen."""
    page = (root / "docs" / "protocol.md").read_text()
    assert sorted(re.findall(r"<!-- rendered: (\w+) -->", page)) == sorted(RENDERERS)
    assert page.count("<!-- end -->") == len(RENDERERS)


def test_protocol_page_says_what_answers_what(root: Path) -> None:
    """The hand-written table of requests and answers leaves no message out."""
    page = (root / "docs" / "protocol.md").read_text()
    answers = page[page.index("| request | answered with |") : page.index("## Session and lease")]
    assert set(re.findall(r"`(\w+)`", answers)) == {*REQUESTS, *REPLIES}


def test_header_table_is_where_the_values_are() -> None:
    """Reading a header by the page's table gives the layout's numbers."""
    layout = Layout(1023, 577, masks=True, hint=True)
    data = layout.header(9)
    codes = {"u32": "<I", "u64": "<Q", "8 bytes": "<8s"}
    read = {name: struct.unpack_from(codes[kind], data, offset)[0] for offset, kind, name, _ in header_rows()}
    offsets = {f"{name}_offset": getattr(layout, f"{name}_offset") for name in ("in", "out", "mask", "hint")}
    strides = {"in_stride": 16368, "out_stride": 16368, "mask_stride": 8184, "hint_stride": 4092}
    facts = {"slot": 9, "width": 1023, "height": 577, "flags": 3, "reserved": 0, "size": layout.size}
    assert read == {"mark": b"CKSLOT1\0", "version": protocol.VERSION, **facts, **offsets, **strides}
