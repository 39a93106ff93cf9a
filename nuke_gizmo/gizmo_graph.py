"""The graph inside a CorridorKey group, and the words that Nuke's script language is written in.

Nodes are named with what they are wired to; `draw` writes them as a script, in which each node takes its inputs from a
stack. Where one thing is said of many nodes, it is in a function.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from corridorkey_models.params import PARAMS

STALE = (
    "This frame of [value parent.name] is not keyed with these settings and inputs; press Key Frame Range, or set the "
    "knobs back."
)
SQUARE = "max(4,rint(width/30))"
CHECKER = f"(floor(x/{SQUARE})+floor((height-y-0.5)/{SQUARE}))%2?0.26327342:0.01960665"
"""The plug-in's checkerboard (pixels.c), in linear light, from the upper left corner."""


def quote(text: str) -> str:
    """Return `text` as one quoted word of a script, which Nuke does not evaluate when it loads it."""
    return '"' + re.sub(r'([\\"\[${}])', r"\\\1", text).replace("\n", r"\n") + '"'


def word(text: str) -> str:
    """Return `text` as a word of a script, quoted where it has to be."""
    return text if re.fullmatch(r"\w+", text) else quote(text)


def expression(text: str) -> str:
    """Return an expression as a knob's value."""
    body = text if re.fullmatch(r"[\w.]+", text) else quote(text)
    return "{{" + body + "}}"


def live_knobs() -> str:
    """Return the knobs of the OFX node, all led by those of the group."""
    # An Input that is not wired is a black picture there, which the plug-in would take for a hint.
    wired = "parent.hint_source==0 ? ([exists parent.input1] ? 1 : 3) : parent.hint_source"
    words = {param.name: param.choices.index for param in PARAMS if param.choices}["output"]
    # It gives what a keyed file has: the foreground, or the hint that was used where that is looked at.
    shown = f"parent.output=={words('hint')} ? {words('hint')} : {words('foreground')}"
    sources = {param.name: f"parent.{param.name}" for param in PARAMS} | {"hint_source": wired, "output": shown}
    return "\n".join(f"{name} {expression(source)}" for name, source in sources.items())


def copy_knobs(layer: str, bbox: str) -> str:
    """Return the knobs of a Copy of all four channels into a layer."""
    colors = enumerate(("red", "green", "blue", "alpha"))
    return "\n".join([*(f"from{n} rgba.{color}\nto{n} {layer}.{color}" for n, color in colors), f"bbox {bbox}"])


def layer_knobs(number: int, layer: str) -> str:
    """Return the knobs of a Copy of one of the group's inputs, if that is wired, into a layer."""
    wired = expression(f"![exists parent.input{number}]")
    return f"{copy_knobs(layer, 'B')}\ndisable {wired}"


def grey_knobs(channel: str) -> str:
    """Return the knobs of an Expression that shows a channel."""
    return f"expr0 {channel}\nexpr1 {channel}\nexpr2 {channel}\nchannel3 alpha\nexpr3 1"


def checker_knobs() -> str:
    """Return the knobs of an Expression that lays the foreground over the checkerboard."""
    rows = (f'expr{n} "{color}*a+(1-a)*({CHECKER})"' for n, color in enumerate("rgb"))
    return "\n".join([*rows, "channel3 alpha", "expr3 1"])


class Node(NamedTuple):
    """A node of the graph: what it is wired to, input 0 first, and its knobs as a script has them."""

    kind: str
    name: str
    x: int
    y: int
    inputs: tuple[str, ...] = ()
    knobs: str = ""


def draw(nodes: Sequence[Node]) -> Iterator[str]:
    """Return the lines that make the nodes: each takes its inputs from the stack, input 0 from the top."""
    follows = {node.name for before, node in pairwise(nodes) if node.inputs == (before.name,)}
    pushed = {name for node in nodes if node.name not in follows for name in node.inputs}
    for node in nodes:
        if node.name not in follows:
            yield from (f"push $N{name}" for name in reversed(node.inputs))
        if node.name == "OwnLayers":
            yield from layers()
        yield from body(node)
        if node.name in pushed:
            yield f"set N{node.name} [stack 0]"


def body(node: Node) -> Iterator[str]:
    """Return the lines of one node."""
    yield f" {node.kind} {{"
    if len(node.inputs) != 1:
        yield f"  inputs {len(node.inputs)}"
    yield from (f"  {line}" for line in node.knobs.splitlines())
    yield from (f"  name {node.name}", f"  xpos {node.x}", f"  ypos {node.y}", " }")


def layers() -> Iterator[str]:
    """Return the lines that make the layers of an exchange file."""
    for layer in LAYERS:
        yield f"add_layer {{{layer} {layer}.red {layer}.green {layer}.blue {layer}.alpha}}"


def graph(is_live: bool) -> Iterator[Node]:
    """Return the nodes in the group."""
    yield from INPUTS
    yield from EXPORT
    yield from CACHE
    if is_live:
        yield from live()
    yield from views("EvaluateSwitch" if is_live else "SettingsCheck")
    outputs = tuple(SHOWN[word] for param in PARAMS if param.name == "output" for word in param.choices)
    yield Node("Switch", "OutputSwitch", 0, 600, outputs, f"which {expression('parent.output')}")
    yield Node("Output", "Output1", 0, 800, ("OutputSwitch",))


def live() -> Iterator[Node]:
    """Return the nodes that key live, and those that make of it what a Read of a keyed file gives."""
    # It fits even where nothing is made of a class that is missing: a node takes only what is pushed for it.
    yield Node("OFXcorridorkey.comp_v1", "Live", 200, 0, ("plate", "hint", "inside", "outside"), live_knobs())
    yield Node("BlackOutside", "LiveOutside", 200, 100, ("Live",))
    hint = "from0 rgba.red\nto0 ck_hint.alpha"
    yield Node("Copy", "LiveHint", 200, 200, ("LiveOutside", "LiveOutside"), hint)
    which = expression("$gui && parent.evaluate==0 ? 0 : 1")
    yield Node("Switch", "EvaluateSwitch", -200, 200, ("LiveHint", "SettingsCheck"), f"which {which}")


def views(keyed: str) -> Iterator[Node]:
    """Return the nodes that show `keyed`; pictures of one part cover the frame, black where nothing is keyed."""
    yield Node("Copy", "KeyedOnPlate", -200, 400, ("plate", keyed), copy_knobs("rgba", "A"))
    yield Node("Premult", "Premultiplied", -200, 500, ("KeyedOnPlate",))
    yield Node("BlackOutside", "KeyedOutside", -400, 300, (keyed,))
    covering = "box {0 0 {input.width} {input.height}}\ncrop false"
    yield Node("Crop", "FullFormat", -400, 400, ("KeyedOutside",), covering)
    yield Node("Expression", "MatteView", -600, 500, ("FullFormat",), grey_knobs("a"))
    yield Node("Expression", "HintView", -500, 500, ("FullFormat",), grey_knobs("ck_hint.alpha"))
    yield Node("Expression", "CheckerView", -400, 500, ("FullFormat",), checker_knobs())


LAYERS = ("ck_hint", "ck_inside", "ck_outside")

INPUTS = (
    Node("Input", "outside", 600, -300, knobs="number 3"),
    Node("BlackOutside", "OutsideOutside", 600, -200, ("outside",)),
    Node("Input", "inside", 400, -300, knobs="number 2"),
    Node("BlackOutside", "InsideOutside", 400, -200, ("inside",)),
    Node("Input", "hint", 200, -300, knobs="number 1"),
    Node("BlackOutside", "HintOutside", 200, -200, ("hint",)),
    Node("Input", "plate", 0, -300),
)
"""Outside of its bounding box a picture repeats its edge, which in a mask is no black."""

EXPORT = (
    Node(
        "Remove",
        "OwnLayers",
        0,
        -200,
        ("plate",),
        "operation remove\nchannels ck_hint\nchannels2 ck_inside\nchannels3 ck_outside",
    ),
    Node("Copy", "HintLayer", 0, -100, ("OwnLayers", "HintOutside"), layer_knobs(1, "ck_hint")),
    Node("Copy", "InsideLayer", 0, 0, ("HintLayer", "InsideOutside"), layer_knobs(2, "ck_inside")),
    Node("Copy", "OutsideLayer", 0, 100, ("InsideLayer", "OutsideOutside"), layer_knobs(3, "ck_outside")),
    Node(
        "Remove",
        "KeepExchange",
        0,
        200,
        ("OutsideLayer",),
        "operation keep\nchannels rgba\nchannels2 ck_hint\nchannels3 ck_inside\nchannels4 ck_outside",
    ),
    Node(
        "Write",
        "EngineExport",
        0,
        300,
        ("KeepExchange",),
        f"""channels all
file {quote("[value parent.exchange]")}
raw true
file_type exr
datatype "32 bit float"
compression none
disable {expression("!parent.exporting")}""",
    ),
)
"""What goes to the daemon; a CorridorKey before this one may have left layers of the same names."""

KEYED = "frame >= parent.first && frame <= parent.last"
SAME_SETTINGS = "[string equal [value keyed_with] [value parent.settings]]"
SAME_INPUTS = (
    "([string equal [value keyed_from] [value parent.upstream]] || [string length [value keyed_from]]==0 || "
    "[string length [value parent.upstream]]==0)"
)
"""Files that were keyed without Nuke do not say from what, and a node that keyed nothing does not know."""

CACHE = (
    Node(
        "Read",
        "CacheRead",
        -200,
        0,
        knobs=f"""file {quote("[value parent.file]")}
raw true
file_type exr
first {{{{parent.first}}}}
before black
last {{{{parent.last}}}}
after black
on_error error""",
    ),
    Node(
        "NoOp",
        "State",
        -400,
        100,
        ("CacheRead",),
        f"""addUserKnob {{20 User}}
addUserKnob {{1 keyed_with l "keyed with"}}
keyed_with {quote("[metadata -n CacheRead exr/corridorkey/settings]")}
addUserKnob {{1 keyed_from l "keyed from"}}
keyed_from {quote("[metadata -n CacheRead exr/corridorkey/upstream]")}
addUserKnob {{3 stale}}
stale {expression(f"{SAME_SETTINGS} && {SAME_INPUTS} && {KEYED} ? 0 : 1")}
addUserKnob {{3 state}}
state {expression(f"!stale ? 0 : [string length [value keyed_with]] && {KEYED} ? 2 : 1")}""",
    ),
    Node(
        "Assert",
        "SettingsCheck",
        -200,
        100,
        ("CacheRead",),
        f"expression {expression('!State.stale')}\nmessage {quote(STALE)}",
    ),
)
"""Keyed frames, and whether the one at hand is keyed with the settings of now: `state` is 0 if so, 1 if it is not
keyed, 2 if it is stale. Read has no error before its first frame, so the range is looked at here."""

SHOWN = {
    "premultiplied": "Premultiplied",
    "foreground": "KeyedOnPlate",
    "matte": "MatteView",
    "hint": "HintView",
    "checker": "CheckerView",
    "plate": "plate",
}
"""The node that each word of `output` shows."""
