"""Pulls pictures through the graph."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nukehost import files
from nukehost.errors import NukeError
from nukehost.graph import Context, Op, at_frame
from nukehost.loading import group_inputs
from nukehost.operations import MAKERS, Make, moved, which
from nukehost.pictures import Format, Picture, parse_format

_RANGES = ("Read", "Constant")
_CACHE = "files"
_UNDONE = {
    "Copy": ("mix", "maskChannelMask", "metainput"),
    "Crop": ("softness", "preset"),
    "Expression": ("mix",),
    "Premult": ("invert",),
    "Unpremult": ("invert",),
    "Read": ("auto_alpha", "premultiplied", "frame", "frame_mode", "proxy", "colorspace"),
    "Write": ("autocrop", "premultiplied", "proxy", "reading", "colorspace", "use_limit", "views"),
}
"""Knobs that the fake has and does not heed: they have to be left as they are."""


class PictureEngine:
    """Renders; `makers`: of classes that are no stock of Nuke's. A node is made once per frame and view of a render."""

    def __init__(self, makers: dict[str, Make] | None = None) -> None:
        """Begin with nothing remembered."""
        self.makers: dict[str, Make] = MAKERS | {"Read": _read} | (makers or {})
        self._made: dict[tuple[int, Context], Picture] | None = None

    def picture(self, op: Op, context: Context) -> Picture:
        """Return what a node gives; NukeError where it or a node before it fails."""
        with self._remembering() as made:
            key = (id(op), context)
            if key not in made:
                made[key] = self._make(op, context)
            return made[key]

    @contextlib.contextmanager
    def _remembering(self) -> Iterator[dict[tuple[int, Context], Picture]]:
        """Remember pictures as long as the outermost call runs."""
        outermost, made = self._made is None, self._made if self._made is not None else {}
        self._made = made
        try:
            yield made
        finally:
            if outermost:
                self._made = None

    def _make(self, op: Op, context: Context) -> Picture:
        if op.is_unknown:
            raise NukeError(f"{op.full_name}: Can't render from that Node")
        following = self.stand_in(op, context)
        if following is not op:
            return self.picture(following, context) if following else self._nothing(context)
        if op.kind not in self.makers:
            raise NukeError(f"{op.full_name}: the fake Nuke does not render {op.kind}")
        for name in _UNDONE.get(op.kind, ()):
            if name in op.controls and op.control(name).not_default():
                raise NukeError(f"{op.full_name}: the fake Nuke does not do {name} {op.control(name).to_script()}")
        return self.makers[op.kind](self, op, context)

    def _nothing(self, context: Context) -> Picture:
        return Picture.black(self._root_format(context))

    def input(self, op: Op, index: int, context: Context) -> Picture:
        """Return what an input gives: black where nothing is wired."""
        other = op.input(index)
        return self.picture(other, context) if other else self._nothing(context)

    def stand_in(self, op: Op, context: Context) -> Op | None:
        """Return the node that gives the pictures of `op`: itself, or another for a group, an Input, a disabled one."""
        if op.kind == "Input" and op.parent:
            number = next(number for number, one in group_inputs(op.parent).items() if one is op)
            return op.parent.input(number)
        if op.value("disable", context):
            return op.input(0)
        if op.is_group:
            return next(one for one in op.children if one.kind == "Output")
        return op

    def source(self, op: Op, context: Context) -> tuple[Op | None, Context]:
        """Return the node and context whose format, range and metadata a node has: itself where it has its own."""
        following = self.stand_in(op, context)
        if following is not op or op.kind in _RANGES or op.kind in self.makers.keys() - MAKERS.keys():
            return following, context
        if op.kind == "Switch":
            return op.input(which(op, context)), context
        if op.kind == "Crop" and op.value("reformat", context):
            return op, context
        return op.input(0), moved(op, context)

    def _end(self, op: Op | None, context: Context) -> tuple[Op | None, Context]:
        while op is not None:
            following, context = self.source(op, context)
            if following is op:
                break
            op = following
        return op, context

    def format(self, op: Op, context: Context) -> Format:
        """Return the format of a node's picture, without rendering more than a header."""
        end, context = self._end(op, context)
        if end is None:
            return self._root_format(context)
        if end.kind == "Crop":
            box = end.values("box", context)
            return Format(round(box[2] - box[0]), round(box[3] - box[1])).scaled(context.scale)
        if "format" not in end.controls or (end.kind == "Read" and Path(file_of(end, context)).is_file()):
            return self.picture(end, context).format
        found = parse_format(end.control("format").text)
        return found.scaled(context.scale) if found else self._root_format(context)

    def _root_format(self, context: Context) -> Format:
        found = parse_format(self.root.control("format").text)
        if found is None:
            raise NukeError(f"root.format is {self.root.control('format').text!r}")
        return found.scaled(context.scale)

    root: Op

    def range(self, op: Op, context: Context) -> tuple[int, int]:
        """Return first and last frame of a node."""
        end, _ = self._end(op, context)
        owner = end if end is not None and "last" in end.controls else None
        if owner is None:
            return int(self.root.value("first_frame", context)), int(self.root.value("last_frame", context))
        return int(owner.value("first", context)), int(owner.value("last", context))

    def metadata(self, op: Op, context: Context) -> dict[str, Any]:
        """Return what comes with a node's picture; nothing where it fails."""
        end, context = self._end(op, context)
        if end is None or end.kind != "Read":
            return {}
        try:
            return dict(self.picture(end, replace(context, scale=1.0)).metadata)
        except NukeError:
            return {}

    def fact(self, op: Op, name: str, context: Context) -> float | None:
        """Return width, height, first_frame or last_frame of a node; sizes are those of the full frame."""
        if name in ("width", "height"):
            return float(getattr(self.format(op, replace(context, scale=1.0)), name))
        if name in ("first_frame", "last_frame"):
            return float(self.range(op, context)[name == "last_frame"])
        return None


def _frame_of(op: Op, frame: float) -> float | None:
    """Return the frame that a Read takes for another; None for black."""
    context = Context(frame)
    first, last = op.value("first", context), op.value("last", context)
    if first <= frame <= last:
        return frame
    word, length = op.choice("before" if frame < first else "after", context), last - first + 1
    if word == "black":
        return None
    if word == "hold":
        return min(max(frame, first), last)
    offset = (frame - first) % (length if word == "loop" else max(2 * (length - 1), 1))
    return first + (offset if offset < length else 2 * (length - 1) - offset)


def file_of(op: Op, context: Context) -> str:
    """Return the file that a node reads or writes at a frame."""
    return files.name_of(op.evaluated("file", context), context.frame, context.view)


def _read(engine: PictureEngine, op: Op, context: Context) -> Picture:
    frame = _frame_of(op, context.frame)
    if frame is None:
        return Picture.black(engine.format(op, at_frame(context, op.value("first", context))))
    path = file_of(op, at_frame(context, frame))
    cache: dict[str, Picture | NukeError] = op.memory.setdefault(_CACHE, {})
    if path not in cache:
        try:
            cache[path] = files.read(Path(path)) if path else Picture.black(engine.format(op, context))
            _learn_layers(op, cache[path])
        except NukeError as error:
            cache[path] = NukeError(f"{op.full_name}: {error}")
    found = cache[path]
    if isinstance(found, Picture):
        return found.scaled(context.scale)
    return _missing(engine, op, context, found)


def _learn_layers(op: Op, picture: Picture | NukeError) -> None:
    for name in picture.planes if isinstance(picture, Picture) else ():
        layer, _, channel = name.partition(".")
        known = op.project.layers.setdefault(layer, []) if layer != "rgba" else [channel]
        if channel not in known:
            known.append(channel)


def _missing(engine: PictureEngine, op: Op, context: Context, error: NukeError) -> Picture:
    word = op.choice("on_error", context)
    if word == "error":
        raise NukeError(str(error))
    frame = engine.format(op, context)
    if word != "black":
        raise NukeError(f"{op.full_name}: the fake Nuke does not have on_error {word}")
    return Picture(frame, frame.box, {"rgba.red": np.zeros((frame.height, frame.width), np.float32)})


def reload(op: Op) -> None:
    """Forget what a Read has read."""
    op.memory.pop(_CACHE, None)
