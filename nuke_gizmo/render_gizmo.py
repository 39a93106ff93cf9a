"""Renders CorridorKey.gizmo and live/CorridorKeyLive.gizmo: `python nuke_gizmo/render_gizmo.py`.

The knobs are those of the parameter table and what an artist needs to key frames; the graph is in gizmo_graph.py. Names
of knobs and the order of choices are permanent, as scripts hold whole nodes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from gizmo_graph import draw, expression, graph, quote, word

from corridorkey_models import __version__
from corridorkey_models.params import PARAMS, Param, Stage

HERE = Path(__file__).parent
FILES = {"CorridorKey.gizmo": False, "live/CorridorKeyLive.gizmo": True}
"""Each file, and whether it keys live."""

TYPES = {"text": 1, "file": 2, "int": 3, "choice": 4, "bool": 6, "float": 7, "tab": 20, "script": 22, "note": 26}
"""Nuke's numbers of the kinds of user knobs."""

GROUPS = (
    ("screen_group", "screen and plate", True, ("screen", "working_space", "quality", "overscan")),
    ("hint_group", "hint", True, ("hint_source", "hint_channel", "hint_invert", "hint_erode", "hint_blur")),
    ("refine_group", "refine", False, ("refiner_scale", "despeckle", "despeckle_size")),
    (
        "foreground_group",
        "foreground",
        False,
        ("despill", "foreground_source", "highlight_restore", "gamut_restore", "output_space"),
    ),
    ("matte_group", "matte", False, ("matte_black", "matte_white", "matte_gamma", "matte_grow", "matte_blur")),
)
"""Name, label, whether it is open, and rows of each group."""

BUTTONS = (
    ("key_range", "Key Frame Range", "Keys the frames of the range that are not keyed yet, and shows them.", True),
    ("key_current", "Key Current Frame", "Keys the frame that Nuke is at.", False),
    ("cancel", "Cancel", "Stops keying; frames that are done stay.", False),
    ("to_read", "To Read", "Puts a Read of the keyed frames beside this node.", True),
    ("clear_cache", "Clear Cache", "Removes the keyed files that this node shows now.", False),
)
"""Name, which is that of a function of corridorkey_nuke, label, tooltip, and whether it begins a line."""

CALLBACK = """\
try:
    import corridorkey_nuke
except ImportError: pass
else: corridorkey_nuke.{}
"""
"""Scripts are opened where nothing of ours is installed, and a callback must not show a dialog."""

PRESSED = """\
try:
    import corridorkey_nuke
except ImportError:
    nuke.message('CorridorKey is not installed on this machine; run: ckey install nuke, and start Nuke again.')
else:
    corridorkey_nuke.{}(nuke.thisNode())
"""

HELP = (
    "Keys green and blue screens with a neural network: matte and straight (unpremultiplied) foreground. Key Frame "
    "Range keys the frames and writes them beside the script; they then render anywhere, with nothing installed.\n\n"
    "Inputs: plate; hint, a rough matte; inside, what is kept; outside, what is thrown away. All but the plate are "
    "optional."
)
LINK = "The network is <a href='https://github.com/nikopueringer/CorridorKey'>CorridorKey</a> by Niko Pueringer."
NOTICE = """\
# SPDX-License-Identifier: Apache-2.0
# CorridorKey in Nuke, rendered by render_gizmo.py from the parameter table: change those, not this."""

FILE = "[file dirname [value root.name]]/corridorkey/[value name]/[value settings_hash]/[value name].%V.%04d.exr"
LABEL = (
    "if {[value this.State.state]==2} {return STALE} "
    'else {if {[value this.State.state]==1} {return "not keyed"} else {return ""}}'
)
LIVE_LABEL = f"if {{[string equal [value evaluate] Live]}} {{return Live}} else {{{LABEL}}}"
"""What is seen live is never stale."""

RED = 0xFF0000FF


def user_knob(kind: str, name: str, label: str, *rest: str, value: str | None = None) -> Iterator[str]:
    """Return the line that makes a knob, `rest` being its options, and the one that sets it."""
    options = "".join(f" {each}" for each in rest)
    yield f" addUserKnob {{{TYPES[kind]} {name} l {word(label)}{options}}}"
    if value is not None:
        yield f" {name} {value}"


def tooltip(text: str) -> str:
    """Return the option that tells what a knob does."""
    return f"t {quote(text)}"


def parameter(param: Param) -> Iterator[str]:
    """Return the lines of a parameter's knob."""
    label = param.label[0].lower() + param.label[1:]
    default = param.default
    if param.kind == "choice":
        options, value = f"M {{{' '.join(param.choices)}}}", str(default)
    elif param.kind == "bool":
        options, value = "+STARTLINE", str(default).lower()
    else:
        options, value = f"R {param.low:g} {param.high:g}", f"{default:g}"
    return user_knob(param.kind, param.name, label, tooltip(param.tooltip), options, value=value)


def group(name: str, label: str, is_open: bool, members: tuple[str, ...]) -> Iterator[str]:
    """Return the lines of a group and of the parameters in it, which are in the table's order."""
    yield from user_knob("tab", name, label, "n 1" if is_open else "n 2")
    yield from chain.from_iterable(parameter(param) for param in PARAMS if param.name in members)
    yield from user_knob("tab", f"{name}_end", "", "n -1")


def settings_text() -> str:
    """Return the Tcl text that gives all settings at a frame, as corridorkey_models.fingerprint writes them."""
    forms = {"choice": "[value {}]", "bool": "[expr {{[value {}]?1:0}}]", "float": "[format %.6g [value {}]]"}
    rows = (param for param in PARAMS if param.stage is not Stage.VIEW)
    return " ".join(f"{param.name}={forms[param.kind].format(param.name)}" for param in rows)


def first_tab(is_live: bool) -> Iterator[str]:
    """Return the lines of the tab that an artist works in."""
    yield from user_knob("tab", "corridorkey", "CorridorKey")
    if is_live:
        about = "Live keys the frame that is looked at. Cached shows frames that were keyed; a render always does."
        yield from user_knob("choice", "evaluate", "evaluate", tooltip(about), "M {Live Cached}", value="Live")
    yield from chain.from_iterable(parameter(param) for param in PARAMS if param.stage is Stage.VIEW)
    yield from chain.from_iterable(group(*each) for each in GROUPS)
    yield from user_knob("note", "frames", "keyed frames")
    yield from frames()
    for name, label, about, begins_line in BUTTONS:
        flag = "+STARTLINE" if begins_line else "-STARTLINE"
        yield from user_knob("script", name, label, tooltip(about), f"T {quote(PRESSED.format(name))}", flag)
    yield from user_knob("note", "status", "status", tooltip("Result of the last run."), 'T "Nothing keyed yet."')


def frames() -> Iterator[str]:
    """Return the knobs that say which frames are keyed, and to where."""
    about = "First and last frame that Key Frame Range keys and this node shows: the script's, if you leave them."
    yield from user_knob("int", "first", "frame range", tooltip(about), value=expression("root.first_frame"))
    yield from user_knob("int", "last", "", tooltip(about), "-STARTLINE", value=expression("root.last_frame"))
    about = "Where keyed frames are written and read. Each set of settings and inputs gets a subfolder of its own."
    yield from user_knob("file", "file", "file", tooltip(about), value=quote(FILE))
    about = "Bits of the keyed files: half is 16, float 32."
    yield from user_knob("choice", "depth", "depth", tooltip(about), "M {half float}", value="half")


def info_tab() -> Iterator[str]:
    """Return the lines of the last tab."""
    yield from user_knob("tab", "info", "Info")
    about = "Version of CorridorKey that this node was made with."
    yield from user_knob("text", "ck_version", "version", tooltip(about), "+DISABLED", value=quote(__version__))
    yield from user_knob("note", "about", "", f"T {quote(HELP)}", "+STARTLINE")
    yield from user_knob("note", "link", "", f"T {quote(LINK)}", "+STARTLINE")


def hidden() -> Iterator[str]:
    """Return the knobs that are no artist's business: what the graph and corridorkey_nuke keep in the node."""
    values = {"settings": settings_text(), "settings_hash": "unkeyed", "upstream": ""}
    for name, text in values.items():
        yield from user_knob("text", name, "", "+INVISIBLE", value=quote(text))
    # A script that is saved meanwhile must not export when it is opened.
    yield from user_knob("text", "exchange", "", "+INVISIBLE", "+DO_NOT_WRITE", value=quote(""))
    yield from user_knob("bool", "exporting", "", "+INVISIBLE", "+DO_NOT_WRITE", value="false")


def head(is_live: bool) -> Iterator[str]:
    """Return what every node of Nuke has: its name and how it looks in the node graph."""
    label = f"[{LIVE_LABEL if is_live else LABEL}]"
    is_stale = "this.State.state == 2" + (" && this.evaluate == 1" if is_live else "")
    yield " name CorridorKey"
    yield f" help {quote(HELP)}"
    yield f" onCreate {quote(CALLBACK.format('on_create(nuke.thisNode())'))}"
    yield f" knobChanged {quote(CALLBACK.format('knob_changed(nuke.thisNode(), nuke.thisKnob())'))}"
    yield f" tile_color {expression(f'{is_stale} ? {RED} : 0')}"
    yield f" label {quote(label)}"


def render(is_live: bool) -> str:
    """Return one of the files."""
    knobs = chain(head(is_live), first_tab(is_live), info_tab(), hidden())
    return "\n".join([NOTICE, "Group {", *knobs, "}", *draw(tuple(graph(is_live))), "end_group\n"])


def main() -> int:
    """Write the files."""
    for path, is_live in FILES.items():
        (HERE / path).write_text(render(is_live), encoding="ascii", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
