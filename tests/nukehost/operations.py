"""What each class of nodes makes of its inputs."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nukehost import channels
from nukehost.errors import NukeError
from nukehost.expression import ExpressionError, evaluate
from nukehost.graph import Context, NodeScope, Op, at_frame
from nukehost.pictures import Box, Picture, intersection, union
from nukehost.tcl import TclError

if TYPE_CHECKING:
    from nukehost.engine import PictureEngine

Make = Callable[["PictureEngine", Op, Context], Picture]


def _pass(engine: "PictureEngine", op: Op, context: Context) -> Picture:
    return engine.input(op, 0, context)


def _assert(engine: "PictureEngine", op: Op, context: Context) -> Picture:
    if not op.value("expression", context):
        raise NukeError(f"{op.full_name}: {op.evaluated('message', context)}")
    return engine.input(op, 0, context)


def _black_outside(engine: "PictureEngine", op: Op, context: Context) -> Picture:
    return engine.input(op, 0, context).padded()


def _remove(engine: "PictureEngine", op: Op, context: Context) -> Picture:
    picture, keeps = engine.input(op, 0, context), op.choice("operation", context) == "keep"
    masks = " ".join(op.evaluated(name, context) for name in ("channels", "channels2", "channels3", "channels4"))
    named = set(channels.chosen(masks, picture.planes, op.project.layers))
    planes = {name: plane for name, plane in picture.planes.items() if (name in named) == keeps}
    return replace(picture, planes=planes)


def _copy(engine: "PictureEngine", op: Op, context: Context) -> Picture:
    behind, front = engine.input(op, 0, context), engine.input(op, 1, context)
    box = _common_box(op, context, behind, front)
    planes = dict(behind.over(box).planes)
    for name in channels.chosen(op.evaluated("channels", context), front.planes, op.project.layers):
        planes[name] = front.read(name, box)
    for number in range(4):
        pair = [channels.single(op.evaluated(f"{end}{number}", context), op.project.layers) for end in ("from", "to")]
        if pair[0] and pair[1]:
            planes[pair[1]] = front.read(pair[0], box)
    return replace(behind, box=box, planes=planes)


def _common_box(op: Op, context: Context, behind: Picture, front: Picture) -> Box:
    word = op.choice("bbox", context)
    if word in ("A", "B"):
        return front.box if word == "A" else behind.box
    return (union if word == "union" else intersection)(behind.box, front.box)


def _merge(engine: "PictureEngine", op: Op, context: Context) -> Picture:
    behind, front = engine.input(op, 0, context), engine.input(op, 1, context)
    box = _common_box(op, context, behind, front)
    planes = dict(behind.over(box).planes)
    left = 1 - front.read("rgba.alpha", box) if op.choice("operation", context) == "over" else 1.0
    for name in {*behind.planes, *front.planes} & set(channels.RGBA):
        planes[name] = front.read(name, box) + behind.read(name, box) * left
    return replace(behind, box=box, planes=planes)


def _premult(engine: "PictureEngine", op: Op, context: Context) -> Picture:
    picture = engine.input(op, 0, context)
    name = channels.single(op.evaluated("alpha", context), op.project.layers) or "rgba.alpha"
    alpha = picture.read(name, picture.box)
    if op.kind == "Unpremult":
        alpha = np.divide(1, alpha, out=np.ones_like(alpha), where=alpha != 0)
    chosen = channels.chosen(op.evaluated("channels", context), picture.planes, op.project.layers)
    return replace(picture, planes=picture.planes | {one: picture.planes[one] * alpha for one in chosen})


def _crop(engine: "PictureEngine", op: Op, context: Context) -> Picture:
    picture = engine.input(op, 0, context)
    x, y, r, t = (round(value * context.scale) for value in op.values("box", context))
    whole = box = (x, y, max(r, x + 1), max(t, y + 1))
    if op.value("intersect", context):
        box = intersection(box, picture.box)
    cropped = picture.over(box)
    if op.value("crop", context):
        cropped = cropped.padded()
    if not op.value("reformat", context):
        return cropped
    frame = replace(picture.format, width=whole[2] - x, height=whole[3] - y, name="")
    left, low, right, top = cropped.box
    return replace(cropped, format=frame, box=(left - x, low - y, right - x, top - y))


def _switch(engine: "PictureEngine", op: Op, context: Context) -> Picture:
    return engine.input(op, which(op, context), context)


def which(op: Op, context: Context) -> int:
    """Return the input that a Switch takes: what is too large is the last."""
    return min(max(int(op.value("which", context)), 0), max(len(op.inputs) - 1, 0))


def _constant(engine: "PictureEngine", op: Op, context: Context) -> Picture:
    frame = engine.format(op, context)
    colors = dict(zip(("red", "green", "blue", "alpha"), op.values("color", context), strict=True))
    planes = {}
    for word in op.evaluated("channels", context).split():
        for name in channels.members(word, op.project.layers):
            value = colors.get(name.rpartition(".")[2], 0.0)
            planes[name] = np.full((frame.height, frame.width), value, np.float32)
    return Picture(frame, frame.box, planes)


def _grade(engine: "PictureEngine", op: Op, context: Context) -> Picture:
    picture = engine.input(op, 0, context)
    gain = np.float32(op.value("white", context) * op.value("multiply", context))
    lift = np.float32(op.value("add", context))
    chosen = channels.chosen(op.evaluated("channels", context), picture.planes, op.project.layers)
    return replace(picture, planes=picture.planes | {name: picture.planes[name] * gain + lift for name in chosen})


def _shifted(engine: "PictureEngine", op: Op, context: Context) -> Picture:
    return engine.input(op, 0, moved(op, context))


def moved(op: Op, context: Context) -> Context:
    """Return the context in which a node of time looks at its input."""
    if op.kind == "TimeOffset":
        return at_frame(context, context.frame - op.value("time_offset", context))
    return at_frame(context, op.value("first_frame", context)) if op.kind == "FrameHold" else context


class _Pixels(NodeScope):
    """What names mean in an Expression: pixels, before anything else."""

    def __init__(self, op: Op, context: Context, picture: Picture) -> None:
        super().__init__(op, context)
        self.picture = picture
        x, y, r, t = picture.box
        columns, rows = np.meshgrid(np.arange(x, r, dtype=np.float64), np.arange(t - 1, y - 1, -1, dtype=np.float64))
        self.names: dict[str, Any] = {"x": columns, "y": rows}
        self.names |= {"width": float(picture.format.width), "height": float(picture.format.height)}

    def number(self, path: str) -> Any:
        if path in self.names:
            return self.names[path]
        try:
            name = channels.single(path, self.op.project.layers)
        except channels.UnknownChannel:
            return super().number(path)
        return self.picture.read(name, self.picture.box).astype(np.float64) if name else 0.0


def _expression(engine: "PictureEngine", op: Op, context: Context) -> Picture:
    picture = engine.input(op, 0, context)
    pixels, planes = _Pixels(op, context, picture), dict(picture.planes)
    shape = pixels.names["x"].shape
    for number in range(4):
        name, text = op.controls[f"temp_name{number}"].text, op.controls[f"temp_expr{number}"].text
        if name and text:
            pixels.names[name] = _calculated(op, text, pixels)
    for number in range(4):
        text = op.controls[f"expr{number}"].text
        if text:
            plane = np.broadcast_to(np.asarray(_calculated(op, text, pixels), np.float32), shape)
            masks = op.evaluated(f"channel{number}", context).split()
            names = [name for word in masks for name in channels.members(word, op.project.layers)]
            planes |= dict.fromkeys(names, plane)
    return replace(picture, planes=planes)


def _calculated(op: Op, text: str, pixels: _Pixels) -> Any:
    try:
        return evaluate(text, pixels)
    except (ExpressionError, TclError) as error:
        raise NukeError(f"{op.full_name}: {error}") from error


MAKERS: dict[str, Make] = {
    **dict.fromkeys(("NoOp", "Dot", "Output", "Write", "Viewer"), _pass),
    "Assert": _assert,
    "BlackOutside": _black_outside,
    "Constant": _constant,
    "Copy": _copy,
    "Crop": _crop,
    "Expression": _expression,
    "Grade": _grade,
    "Merge2": _merge,
    "Premult": _premult,
    "Unpremult": _premult,
    "Remove": _remove,
    "Switch": _switch,
    "TimeOffset": _shifted,
    "FrameHold": _shifted,
}
