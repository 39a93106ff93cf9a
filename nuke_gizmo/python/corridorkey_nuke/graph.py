"""What feeds a node: a fingerprint of all nodes and files upstream, and where CorridorKey nodes are among them.

Nuke's own hashes of nodes hold for one frame, so this one is made from what is set in the nodes.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from . import host
from .job import files_of

_COSMETIC = frozenset(
    [
        "autolabel",
        "bookmark",
        "colorOverlay",
        "cached",
        "dope_sheet",
        "gl_color",
        "help",
        "hide_input",
        "icon",
        "indicators",
        "knobChanged",
        "label",
        "localizationPolicy",
        "name",
        "note_font",
        "note_font_color",
        "note_font_size",
        "onCreate",
        "onDestroy",
        "panel",
        "panelDropped",
        "postage_stamp",
        "postage_stamp_frame",
        "selected",
        "tile_color",
        "toolbox",
        "updateUI",
        "window",
        "xpos",
        "ypos",
    ]
)
"""Knobs that touch no pixel."""

_OWN = frozenset(["exchange", "exporting", "settings", "settings_hash", "status", "upstream"])
"""Knobs of a CorridorKey node that change while it works and touch no pixel."""

_COUNTERS = frozenset(["version"])
"""Knobs that tell how often a Read was reloaded: its files tell whether they have changed."""

_EVALUATED = ("[python", "[getenv", "[value root", "[date", "[clock")
"""Tcl that gives something else when nothing in the script has changed."""

_SILENT = frozenset(["BeginTabGroup_Knob", "EndTabGroup_Knob", "PyScript_Knob", "Script_Knob", "Tab_Knob", "Text_Knob"])
"""Classes of knobs that hold nothing."""


_seen: dict[tuple[str, str], str] = {}
"""How files were, by the Read's name and theirs, when it was told to read them again."""


class Upstream(NamedTuple):
    """What feeds a node: 16 hexadecimal digits for its nodes and their knobs, and as many for its files."""

    script: str
    files: str


def read(node: Any) -> Upstream | None:
    """Return what feeds a node, None if that cannot be known: some editions of Nuke show Python a few nodes only."""
    walk = _walk(node)
    if walk is None:
        return None
    return Upstream(_digest(walk.records), _digest(map(_stamp, sorted(walk.patterns))))


def read_script(node: Any) -> str:
    """Return `Upstream.script` alone, which looks at no file; empty if it cannot be known."""
    walk = _walk(node)
    return _digest(walk.records) if walk else ""


def reload_changed(node: Any) -> None:
    """Let Reads upstream read again whose files have changed: Nuke would give what it has kept of the old ones.

    Each is reloaded once at first, as nobody knows what Nuke has kept of it.
    """
    walk = _walk(node)
    for reader, pattern in walk.readers if walk else ():
        files, stamp = (reader.fullName(), pattern), _stamp(pattern)
        if _seen.get(files) != stamp:
            _seen[files] = stamp
            reader["reload"].execute()


def keyers_above(node: Any) -> list[Any]:
    """Return the CorridorKey nodes that a node is rendered through, none where that cannot be known."""
    walk = _walk(node)
    return walk.keyers if walk else []


def _walk(node: Any) -> _Walk | None:
    if host.sees_few_nodes():
        return None
    try:
        return _Walk(node)
    except (AttributeError, KeyError, NameError, RuntimeError, TypeError, ValueError):
        return None  # a node that cannot be asked; every frame is exported then, which is slow and never wrong


class _Walk:
    """All nodes that feed one node, numbered in the order in which they are met: names make no difference.

    Attributes:
        records: each node as text: its class, the numbers of what feeds it, its knobs.
        patterns: the files that nodes read.
        readers: the Reads that can be told to read again, and their files.
        keyers: the CorridorKey nodes.
    """

    def __init__(self, node: Any) -> None:
        self.records = [host.root_settings()]
        self.patterns: set[str] = set()
        self.readers: list[tuple[Any, str]] = []
        self.keyers: list[Any] = []
        self._own = node.fullName()
        self._numbers: dict[str, int] = {}
        self._waiting: deque[Any] = deque()
        self.records.append(self._links(node))
        while self._waiting:
            self._look_at(self._waiting.popleft())

    def _look_at(self, node: Any) -> None:
        knobs = node.knobs()
        is_keyer = "settings_hash" in knobs
        if is_keyer:
            self.keyers.append(node)
        inner = sorted(host.children(node), key=_name)
        links = f"{self._links(node)} [{self._list(inner)}]"
        if node.Class() == "Write" and not _is_set(knobs, "reading"):
            # What it writes, and to where, is nothing to whoever comes after it.
            knobs = {"disable": knobs["disable"]}
        silent = _COSMETIC | _OWN if is_keyer else _COSMETIC | _COUNTERS if "reload" in knobs else _COSMETIC
        shown = [name for name in sorted(knobs) if name not in silent and not name.startswith("toolbar_")]
        told = [_told(name, knobs[name]) for name in shown]
        # Nuke names the root among a node's dependencies as little as it is a node of the graph.
        is_led = any("root." in text for name, text in zip(shown, told) if knobs[name].Class() != "File_Knob")
        root = host.root_settings(everything=True) if is_led else ""
        self.records.append("\n".join([node.Class(), links, *filter(None, told), root]))
        patterns = list(filter(None, (_pattern(node, knob) for knob in knobs.values())))
        self.patterns.update(patterns)
        if "reload" in knobs:
            self.readers.extend((node, pattern) for pattern in patterns)

    def _links(self, node: Any) -> str:
        others = sorted(host.expression_links(node), key=_name)
        wires = [*host.inputs(node), *host.outer_inputs(node)]
        return f"({self._list(wires)}) ({self._list(others)})"

    def _list(self, nodes: Iterable[Any]) -> str:
        return " ".join(map(self._number, nodes))

    def _number(self, node: Any) -> str:
        """Return a node's number; one that is met for the first time will be looked at."""
        while node is not None and node.Class() == "Dot":
            node = node.input(0)
        if node is None or node.Class() in ("Root", "Viewer"):
            return "-"
        if host.has_clones(node):
            raise ValueError("clones share a name, so that they cannot be told apart")
        name = node.fullName()
        if name == self._own or name.startswith(self._own + "."):
            return "own"
        if name not in self._numbers:
            self._numbers[name] = len(self._numbers)
            self._waiting.append(node)
        return str(self._numbers[name])


def _name(node: Any) -> str:
    return str(node.fullName())


def _told(name: str, knob: Any) -> str:
    """Return a knob as a script has it, empty if it is as it always is."""
    if knob.Class() in _SILENT:
        return ""
    is_changed = getattr(knob, "notDefault", None)
    if is_changed is not None and not (is_changed() or knob.hasExpression() or knob.isAnimated()):
        return ""
    script = str(knob.toScript())
    if knob.Class() != "File_Knob" and any(word in script for word in _EVALUATED):
        raise ValueError(f"what {name} gives is not known before it is asked")
    return f"{name} {script}"


def _is_set(knobs: dict[str, Any], name: str) -> bool:
    return name in knobs and bool(knobs[name].value())


def _pattern(node: Any, knob: Any) -> str:
    """Return the files that a knob names, with number and view left open in a Read."""
    # Frames are exported at full size, for which no proxy is read.
    if knob.Class() != "File_Knob" or knob.name() == "proxy":
        return ""
    return host.filename(node) if knob.name() == "file" else str(knob.getEvaluatedValue() or "")


def _stamp(pattern: str) -> str:
    """Return as text which files are there, how large they are, and when they were written."""
    return "\n".join([pattern, *map(_stamp_file, files_of(pattern))])


def _stamp_file(path: str) -> str:
    try:
        status = Path(path).stat()
    except OSError:
        return ""
    # A copy may keep the time of writing, but not that of its coming here.
    return f"{path} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _digest(texts: Iterable[str]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for text in texts:
        digest.update(text.encode("utf-8", "replace") + b"\0")
    return digest.hexdigest()
