"""All that is asked of Nuke, and the only place that knows it.

Everything here is called on Nuke's main thread but `post`, `say` and tasks, which other threads may use. Nodes are not
kept: whoever comes back later asks for a node by its full name again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import nuke

from .failure import Refusal, Stopped

_EXPORTER = "EngineExport"
_READER = "CacheRead"
_COLOR_KNOBS = (
    "colorManagement",
    "OCIO_config",
    "customOCIOConfigPath",
    "workingSpaceLUT",
    "int8Lut",
    "int16Lut",
    "logLut",
    "floatLut",
    "format",
)
"""Knobs of the root that what Reads and sources give depends on."""

_VOLATILE = frozenset(
    ["frame", "name", "proxy", "proxy_format", "proxy_scale", "proxy_type", "selected", "xpos", "ypos"]
)
"""Knobs of the root that change while one works."""


_STRICT = {"raw": True, "before": "black", "after": "black", "on_error": "error"}
"""How a Read gives keyed files as they are, and nothing else instead."""


class NotRendered(Refusal):
    """Nuke could not render a frame; it may do so with the next one."""


def is_gui() -> bool:
    """Whether there is somebody to talk to; a terminal gets lines and exceptions."""
    return bool(nuke.GUI)


def program() -> str:
    """Return what the daemon calls this program."""
    return f"Nuke {nuke.NUKE_VERSION_STRING}"


def sees_few_nodes() -> bool:
    """Whether this edition shows Python no more than ten nodes."""
    return bool(nuke.env.get("nc") or nuke.env.get("indie"))


def tell(sentence: str) -> None:
    """Say why nothing was done, to whoever pressed a button."""
    if not is_gui():
        raise RuntimeError(sentence)
    nuke.message(sentence)


def ask(question: str) -> bool:
    """Return whether an artist agrees; a script in a terminal does."""
    return bool(nuke.ask(question)) if is_gui() else True


def say(line: str) -> None:
    """Tell a terminal how it goes."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def post(action: Callable[[], None]) -> None:
    """Let Nuke's main thread do something: soon in the GUI, now in a terminal, which has that thread only."""
    if is_gui():
        nuke.executeInMainThread(action)
    else:
        action()


class LineTask:
    """Nuke's ProgressTask in a terminal: a line for every tenth."""

    def __init__(self, title: str) -> None:
        self._title, self._tenth, self._message = title, -1, ""

    def setMessage(self, message: str) -> None:
        self._message = message

    def setProgress(self, percent: int) -> None:
        if percent // 10 != self._tenth:
            self._tenth = percent // 10
            say(f"{self._title}: {percent} %  {self._message}".rstrip())

    def isCancelled(self) -> bool:
        return False


def task(title: str) -> Any:
    """Return something that shows progress, with a ProgressTask's methods; it goes with its last user."""
    return nuke.ProgressTask(title) if is_gui() else LineTask(title)


def find(full_name: str) -> Any:
    """Return a node, None if it is not there any more."""
    return nuke.toNode(full_name)


def this_node() -> Any:
    """Return the node whose callback runs."""
    return nuke.thisNode()


def is_rendering() -> bool:
    """Whether Nuke renders something: it does one thing at a time."""
    return bool(nuke.executing())


def frame() -> int:
    """Return the frame that Nuke is at."""
    return int(nuke.frame())


def views() -> list[str]:
    """Return the views of the script."""
    return [str(view) for view in nuke.views()]


def script() -> str:
    """Return the path of the script, empty if it was never saved."""
    path = str(nuke.root().name() or "")
    return "" if path == "Root" else path


def root_color() -> tuple[str, str, str]:
    """Return the script's color management, working space and OCIO configuration."""
    management, space, config = (_root_value(knob) for knob in ("colorManagement", "workingSpaceLUT", "OCIO_config"))
    return management, space, config


def root_settings(everything: bool = False) -> str:
    """Return as text what of the root reaches pixels; everything that is set there for those whom it leads."""
    names: list[str] = list(_COLOR_KNOBS)
    if everything:
        names = sorted(name for name in nuke.root().knobs() if name not in _VOLATILE)
    return "\n".join(f"{name} {_root_value(name, as_script=True)}" for name in names)


def _root_value(knob_name: str, as_script: bool = False) -> str:
    knob = nuke.root().knob(knob_name)
    if knob is None:
        return ""
    return str(knob.toScript() if as_script else knob.value())


def inputs(node: Any) -> list[Any]:
    """Return the nodes that are wired into a node, in order, None where there is none."""
    return [node.input(index) for index in range(node.inputs())]


def outer_inputs(node: Any) -> list[Any]:
    """Return what feeds an Input from outside of its group, nothing for another node."""
    group = node.parent() if node.Class() == "Input" else None
    if group is None or group.Class() == "Root":
        return []
    return [group.input(int(node["number"].value()))]


def has_clones(node: Any) -> bool:
    """Whether other nodes share a node's knobs, and its name."""
    count = getattr(node, "clones", None)
    return bool(count and count())


def expression_links(node: Any) -> list[Any]:
    """Return the nodes that a node's expressions look at."""
    return list(node.dependencies(nuke.EXPRESSIONS))


def children(node: Any) -> list[Any]:
    """Return the nodes in a group, none of another node."""
    return list(node.nodes()) if hasattr(node, "nodes") else []


def filename(node: Any) -> str:
    """Return the files that a Read or Write names, expressions done, number and view left open."""
    return str(nuke.filename(node) or "")


def keyed_pattern(node: Any) -> str:
    """Return the keyed files of a CorridorKey node."""
    return filename(node.node(_READER)).replace(os.sep, "/")


def reload(node: Any) -> None:
    """Let a CorridorKey node look at its files again."""
    node.node(_READER)["reload"].execute()


def setting_at(knob: Any, frame_number: int) -> str:
    """Return a setting at a frame, written as `settings` of a keyed file has it."""
    value = knob.getValueAt(frame_number)
    if knob.Class() == "Enumeration_Knob":
        return str(knob.values()[int(value)]).split("\t")[0]
    return str(int(bool(value))) if knob.Class() == "Boolean_Knob" else f"{value:.6g}"


def stock_read(node: Any, path: str, first: int, last: int) -> None:
    """Put a Read beside a node that reads keyed files: it fails where one is missing, and is black beyond the range."""
    frames = {"first": first, "last": last, "origfirst": first, "origlast": last}
    with _inside(node.parent()):
        made = nuke.nodes.Read()
        for name, value in {"file": path, **frames, **_STRICT}.items():
            made[name].setValue(value)
        made.setXYpos(node.xpos() + 110, node.ypos())


@contextmanager
def _inside(group: Any | None) -> Iterator[None]:
    """Let nodes be made where a node is."""
    if group is None:
        yield
        return
    group.begin()
    try:
        yield
    finally:
        group.end()


def export(node: Any, frames: tuple[int, int], view: str, pattern: str, written: Callable[[int], bool]) -> None:
    """Render what feeds a CorridorKey node at full size into files, with Nuke's own progress and Cancel.

    Args:
        frames: the first and the last.
        pattern: the files, with %04d.
        written: called with each frame whose file is whole; says whether to go on.

    Raises:
        Stopped: somebody pressed Cancel, or `written` said so.
        NotRendered: a frame could not be rendered: the first one that was not written.
    """
    stopped: list[int] = []

    def goes_on(frame_number: int) -> bool:
        if not written(frame_number):
            stopped.append(frame_number)
        return not stopped

    with _exporting(node, pattern), _each_frame(goes_on):
        try:
            nuke.execute(node.node(_EXPORTER), frames[0], frames[1], 1, [view])
        except Exception as error:
            raise Stopped() if stopped else _reason(error) from error


@contextmanager
def unrecorded() -> Iterator[None]:
    """Change knobs that an artist has not touched, so that Undo does not bring them back."""
    nuke.Undo.disable()
    try:
        yield
    finally:
        nuke.Undo.enable()


@contextmanager
def _exporting(node: Any, pattern: str) -> Iterator[None]:
    """Let a node's exporter work meanwhile, at full size whatever the viewer shows."""
    proxy = nuke.root()["proxy"]
    before = proxy.value()
    with unrecorded():
        try:
            proxy.setValue(False)
            node["exchange"].setValue(pattern)
            node["exporting"].setValue(True)
            yield
        finally:
            node["exporting"].setValue(False)
            node["exchange"].setValue("")
            proxy.setValue(before)


@contextmanager
def _each_frame(written: Callable[[int], bool]) -> Iterator[None]:
    """Let `written` be called after each frame of the one Write that is rendered, and end that where it says no."""

    def after() -> None:
        if not written(int(nuke.frame())):
            raise RuntimeError("cancelled")

    nuke.addAfterFrameRender(after, nodeClass="Write")
    try:
        yield
    finally:
        nuke.removeAfterFrameRender(after, nodeClass="Write")


def _reason(error: Exception) -> Exception:
    """Return why a render ended."""
    words = " ".join(str(error).split())
    if type(error).__name__ == "CancelledError" or words.lower().startswith("cancel"):
        return Stopped()
    return NotRendered(f"Nuke could not render what feeds the node ({words.rstrip('.')}); look at it in the viewer.")
