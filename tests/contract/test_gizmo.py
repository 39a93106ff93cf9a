"""Nuke's node files: wiring, what expressions and texts refer to, and scripts; `pytest --update` renders them anew."""

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

import gizmos
import nuke_package  # noqa: F401
from corridorkey_models.params import PARAMS
from gizmos import BASE, LIVE, OFX
from nukehost.script import KnobText, LayerText, NodeText, UserKnob, parse

import corridorkey_nuke  # isort: skip

BOTH = pytest.mark.parametrize("file", [BASE, LIVE])

WIRES = {
    "outside": [], "inside": [], "hint": [], "plate": [], "CacheRead": [],
    "OutsideOutside": ["outside"], "InsideOutside": ["inside"], "HintOutside": ["hint"], "OwnLayers": ["plate"],
    "HintLayer": ["OwnLayers", "HintOutside"],
    "InsideLayer": ["HintLayer", "InsideOutside"],
    "OutsideLayer": ["InsideLayer", "OutsideOutside"],
    "KeepExchange": ["OutsideLayer"], "EngineExport": ["KeepExchange"],
    "State": ["CacheRead"], "SettingsCheck": ["CacheRead"],
    "KeyedOnPlate": ["plate", "SettingsCheck"], "Premultiplied": ["KeyedOnPlate"],
    "KeyedOutside": ["SettingsCheck"], "FullFormat": ["KeyedOutside"],
    "MatteView": ["FullFormat"], "HintView": ["FullFormat"], "CheckerView": ["FullFormat"],
    "OutputSwitch": ["Premultiplied", "KeyedOnPlate", "MatteView", "HintView", "CheckerView", "plate"],
    "Output1": ["OutputSwitch"],
}  # fmt: skip
"""What each node is wired to, input 0 first: of a Copy that is what is kept, of a Switch the first word of its menu."""

LIVE_WIRES = {
    "Live": ["plate", "hint", "inside", "outside"],
    "LiveOutside": ["Live"], "LiveHint": ["LiveOutside", "LiveOutside"],
    "EvaluateSwitch": ["LiveHint", "SettingsCheck"],
    "KeyedOnPlate": ["plate", "EvaluateSwitch"], "KeyedOutside": ["EvaluateSwitch"],
}  # fmt: skip
SHOWN = ("Premultiplied", "KeyedOnPlate", "MatteView", "HintView", "CheckerView", "plate")

STOCK = set(
    "Input Output Copy Remove BlackOutside Write Read NoOp Assert Premult Expression Crop Switch".split()  # noqa: SIM905
)
ROOT_KNOBS = {"name", "first_frame", "last_frame"}
FUNCTIONS = {"floor", "max", "rint"}
COMMANDS = {"value", "exists", "metadata", "string", "file", "format", "expr", "if", "return"}
PIXEL_NAMES = {"r", "g", "b", "a", "x", "y", "width", "height"}
"""What an expression may name without one of our knobs being called so."""


def wires(group: NodeText) -> dict[str, list[str | None]]:
    """Return what each node is wired to."""
    return {node.name: [one.name if one else None for one in node.inputs] for node in group.children}


def scripts(group: NodeText) -> dict[str, str]:
    """Return all Python in a node by the name of its knob."""
    buttons = {name: knob.script for name, knob in group.user_knobs.items() if knob.kind == 22}
    return buttons | {name: group.text(name) for name in ("onCreate", "knobChanged")}


def raw(node: NodeText) -> list[str]:
    """Return a node's knobs as they stand in the file."""
    return [line.to_text() if isinstance(line, UserKnob) else f"{line.name} {line.word.raw}" for line in node.lines]


@BOTH
def test_file_is_fresh(file: str, update: bool) -> None:
    """What is checked in is what the renderer writes now."""
    renderer = gizmos.renderer()
    rendered = renderer.render(renderer.FILES[file])
    if update:
        (gizmos.FOLDER / file).write_text(rendered, encoding="ascii", newline="\n")
    assert gizmos.text(file) == rendered, "run: pytest --update tests/contract"


def test_every_node_is_wired_as_meant() -> None:
    """Inputs stand in the order that each class wants, in both files."""
    assert wires(gizmos.node(BASE)) == WIRES
    assert wires(gizmos.node(LIVE)) == WIRES | LIVE_WIRES


@BOTH
def test_arrows_are_numbered(file: str) -> None:
    """The arrows are plate, hint, inside, outside; the first says no number, as Nuke writes it."""
    arrows = {node.name: node for node in gizmos.node(file).children if node.kind == "Input"}
    numbers = {name: node.text("number") for name, node in arrows.items()}
    assert numbers == {"plate": "", "hint": "1", "inside": "2", "outside": "3"}
    assert {node.text("inputs") for node in arrows.values()} == {"0"}


@BOTH
def test_switches_follow_their_menus(file: str) -> None:
    """Each word of a menu shows the input of its number, and there is no input more."""
    group = gizmos.node(file)
    assert group.user_knobs["output"].menu == [param for row in PARAMS if row.name == "output" for param in row.choices]
    assert len(group.user_knobs["output"].menu) == len(group.child("OutputSwitch").inputs) == len(SHOWN)
    assert group.child("OutputSwitch").knobs["which"].expressions == ["parent.output"]


def test_live_is_seen_in_the_gui_alone() -> None:
    """Live is the first word and the first input, and without a GUI the other input is taken whatever the knob says."""
    group = gizmos.node(LIVE)
    assert group.user_knobs["evaluate"].menu == ["Live", "Cached"]
    assert group.text("evaluate") == "Live"
    switch = group.child("EvaluateSwitch")
    assert switch.knobs["which"].expressions == ["$gui && parent.evaluate==0 ? 0 : 1"]
    assert len(switch.inputs) == len(group.user_knobs["evaluate"].menu)


@BOTH
def test_the_root_is_a_group_with_one_output(file: str) -> None:
    """A script holds the whole group, so that it opens where nothing of ours is; a node of Nuke has one output."""
    group = gizmos.node(file)
    assert group.kind == "Group"
    assert [node.kind for node in group.children].count("Output") == 1
    assert group.children[-1].kind == "Output"


def test_the_base_file_knows_stock_classes_only() -> None:
    """Nothing in it can be missing on a farm; the live file has one class more."""
    assert {node.kind for node in gizmos.node(BASE).children} == STOCK
    assert {node.kind for node in gizmos.node(LIVE).children} == STOCK | {OFX}
    assert "OFX" not in gizmos.text(BASE)


def test_the_live_file_is_the_base_file_and_little_more() -> None:
    """It differs by the nodes that key live, the knob that their switch follows, and a label that says so."""
    base, live = gizmos.node(BASE), gizmos.node(LIVE)
    ours = {node.name: raw(node) for node in base.children}
    theirs = {node.name: raw(node) for node in live.children}
    assert {name: theirs.pop(name) for name in ("Live", "LiveOutside", "LiveHint", "EvaluateSwitch")}
    assert theirs == ours
    more = [line for line in raw(live) if line not in raw(base)]
    assert [line.split()[0] for line in more] == ["tile_color", "label", "addUserKnob", "evaluate"]
    assert base.text("label").strip("[]") in live.text("label")
    less = [line for line in raw(base) if line not in raw(live)]
    assert [line.split()[0] for line in less] == ["tile_color", "label"]


@BOTH
def test_a_class_that_is_missing_shifts_nothing(file: str) -> None:
    """Where Nuke makes nothing of the OFX node, not even a placeholder, all other nodes are wired as before."""
    without = re.sub(rf"^ {OFX} {{.*?^ }}\n", "", gizmos.text(file), flags=re.S | re.M)
    (group,) = parse(without).nodes
    expected = wires(gizmos.node(file))
    if file == LIVE:
        expected |= {"LiveOutside": ["plate"]}
        del expected["Live"]
    assert wires(group) == expected


def test_the_ofx_node_follows_the_group() -> None:
    """Every parameter is led by the group's knob; a hint that is not wired is no black hint."""
    live = gizmos.node(LIVE).child("Live")
    led = {
        name: knob.expressions for name, knob in live.knobs.items() if name not in ("inputs", "name", "xpos", "ypos")
    }
    apart = {name: led.pop(name) for name in ("hint_source", "output")}
    assert led == {param.name: [f"parent.{param.name}"] for param in PARAMS if param.name not in apart}
    choices = {param.name: param.choices for param in PARAMS}
    auto, hint, chroma = (choices["hint_source"].index(word) for word in ("auto", "input", "chroma"))
    used, foreground = (choices["output"].index(word) for word in ("hint", "foreground"))
    assert apart["output"] == [f"parent.output=={used} ? {used} : {foreground}"]
    wired = f"[exists parent.input1] ? {hint} : {chroma}"
    assert apart["hint_source"] == [f"parent.hint_source=={auto} ? ({wired}) : parent.hint_source"]


@BOTH
def test_layers_are_there_before_they_are_used(file: str) -> None:
    """The layers of an exchange file are made in the group, before the first node that names them."""
    commands = gizmos.node(file).commands
    made = {one.name: one.channels for one in commands if isinstance(one, LayerText)}
    colors = ("red", "green", "blue", "alpha")
    layers = ("ck_hint", "ck_inside", "ck_outside")
    assert made == {layer: [f"{layer}.{color}" for color in colors] for layer in layers}
    last = max(at for at, one in enumerate(commands) if isinstance(one, LayerText))
    first = min(at for at, one in enumerate(commands) if isinstance(one, NodeText) and "ck_" in " ".join(raw(one)))
    assert last < first


def expressions(group: NodeText) -> Iterator[tuple[NodeText, str]]:
    """Give every expression, and the formulas of Expression nodes, with the node it stands in."""
    for node in group.walk():
        for knob in node.knobs.values():
            if node.kind == "Expression" and knob.name.startswith("expr"):
                yield node, knob.text
            yield from ((node, one) for one in knob.expressions if one is not None)


def commands(group: NodeText) -> Iterator[tuple[NodeText, list[str]]]:
    """Give every Tcl command in texts and expressions as its words, inner ones too, with the node it stands in."""
    texts = [(node, knob.text) for node in group.walk() for knob in node.knobs.values() if is_text(knob)]
    for node, text in [*texts, *expressions(group)]:
        for found in re.finditer(r"\[(\w+)([^\[\]]*)", text):
            yield node, [found[1], *found[2].split()]


def is_text(knob: KnobText) -> bool:
    """Whether Nuke evaluates Tcl in a knob."""
    return knob.word.form == "quoted" and knob.name not in ("onCreate", "knobChanged")


def names(formula: str) -> Iterator[str]:
    """Give what a formula refers to, without Tcl, variables, numbers and functions."""
    plain = re.sub(r"\[(?:[^\[\]]|\[[^\]]*\])*\]|\$\w+", "1", formula)
    for name, bracket in re.findall(r"(?<![\w.])([A-Za-z_][\w.]*)\s*(\()?", plain):
        if bracket:
            assert name in FUNCTIONS
        else:
            yield name


def is_there(path: str, node: NodeText, group: NodeText) -> bool:
    """Whether a name leads to a knob that exists, from a node on."""
    first, *rest = path.split(".")
    if first == "this":
        return is_there(".".join(rest), node, group)
    if first == "input":
        return len(node.inputs) > 0 and rest in (["width"], ["height"])
    if not rest:
        return first in knobs(node) or path == "frame"
    return len(rest) == 1 and rest[0] in knobs_of(first, node, group)


def knobs_of(name: str, node: NodeText, group: NodeText) -> set[str]:
    """Return the knobs of what `name` stands for in a node, none if it stands for nothing."""
    if name == "root":
        return ROOT_KNOBS
    if name == "parent":
        return set() if node is group else knobs(group)
    return knobs(group.child(name)) if name in wires(group) else set()


def knobs(node: NodeText) -> set[str]:
    """Return what a node can be asked for; a group also whether an input is wired."""
    arrows = {f"input{one.text('number')}" for one in node.children if one.kind == "Input" and one.text("number")}
    return {*node.user_knobs, *node.knobs, *arrows}


def is_channel(name: str, node: NodeText, group: NodeText) -> bool:
    """Whether a name in an Expression stands for pixels."""
    channels = {channel for layer in group.layers for channel in layer.channels}
    return node.kind == "Expression" and name in PIXEL_NAMES | channels


@BOTH
def test_every_expression_leads_to_something(file: str) -> None:
    """Nodes and knobs that expressions name are there."""
    group = gizmos.node(file)
    named = [(node, name) for node, formula in expressions(group) for name in names(formula)]
    lost = [f"{node.name}: {name}" for node, name in named if not is_there(name, node, group)]
    assert [one for one in lost if not is_channel(one.split()[1], group.child(one.split(":")[0]), group)] == []
    assert len(named) > 30


@BOTH
def test_every_tcl_command_leads_to_something(file: str) -> None:
    """Texts use known commands, and what they ask for is there."""
    group = gizmos.node(file)
    found = list(commands(group))
    assert {words[0] for _, words in found} <= COMMANDS
    for node, (command, *words) in found:
        if command in ("value", "exists"):
            assert is_there(words[0].rstrip("}"), node, group), (node.name, command, words)
        if command == "metadata":
            assert words[:2] == ["-n", "CacheRead"]
            assert words[2] in ("exr/corridorkey/settings", "exr/corridorkey/upstream")
            assert words[1] in wires(group)
    assert len(found) > 40


def test_a_name_that_is_not_there_is_noticed() -> None:
    """The checks above tell a name that leads nowhere from one that leads somewhere."""
    group = gizmos.node(LIVE)
    live = group.child("Live")
    lost = [
        "parent.nothing",
        "parent.input4",
        "Stat.stale",
        "State.old",
        "root.nothing",
        "this.Live.nothing",
        "nothing",
    ]
    assert [name for name in lost if is_there(name, live, group)] == []
    there = ("parent.despill", "parent.input3", "State.stale", "root.name", "this.despill", "frame")
    assert all(is_there(name, live, group) for name in there)
    assert not is_there("input.width", group.child("plate"), group)
    assert list(names("!a.b ? [value no] : floor(c*2) % 1e3 + $gui")) == ["a.b", "c"]


@BOTH
@pytest.mark.parametrize("knob", ["onCreate", "knobChanged", *(row[0] for row in gizmos.renderer().BUTTONS)])
def test_scripts_are_python_and_call_what_there_is(file: str, knob: str) -> None:
    """Each compiles as Python 3.7 and calls one function of the package with arguments that it takes."""
    script = scripts(gizmos.node(file))[knob]
    tree = ast.parse(script, feature_version=(3, 7))
    calls = [call for call in ast.walk(tree) if isinstance(call, ast.Call) and is_ours(call)]
    (call,) = calls
    assert isinstance(call.func, ast.Attribute)
    function = getattr(corridorkey_nuke, call.func.attr)
    inspect.signature(function).bind(*call.args)
    expected = {"onCreate": "on_create", "knobChanged": "knob_changed"}.get(knob, knob)
    assert call.func.attr == expected
    assert expected in corridorkey_nuke.__all__


def is_ours(call: ast.Call) -> bool:
    """Whether a call goes to the package."""
    return ast.unparse(call.func).startswith("corridorkey_nuke.")


@BOTH
def test_there_is_a_button_for_each_function(file: str) -> None:
    """No script is left untested, and no function of the package is out of reach but the one that menu.py uses."""
    found = set(scripts(gizmos.node(file))) - {"onCreate", "knobChanged"}
    functions = {name for name in corridorkey_nuke.__all__ if callable(getattr(corridorkey_nuke, name))}
    assert found == functions - {"on_create", "knob_changed", "check_before_render"}


class FakeNuke:
    """What scripts in knobs ask of Nuke."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        """Take a sentence for people."""
        self.messages.append(text)

    def thisNode(self) -> str:
        """Return the node that the script stands in."""
        return "node"

    def thisKnob(self) -> str:
        """Return the knob that changed."""
        return "knob"


@BOTH
def test_scripts_bear_a_machine_without_the_package(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callbacks are silent there, as no dialog may come up in them; a button says what is missing in one sentence."""
    monkeypatch.setitem(sys.modules, "corridorkey_nuke", None)
    for knob, script in scripts(gizmos.node(file)).items():
        nuke = FakeNuke()
        exec(script, {"nuke": nuke})
        assert len(nuke.messages) == (knob not in ("onCreate", "knobChanged"))
        assert all(re.fullmatch(r"[^.\n]+; [^.\n]+\.", sentence) for sentence in nuke.messages)


@BOTH
def test_scripts_call_with_the_node_at_hand(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the package there each script hands over the node, and knobChanged the knob, and says nothing itself."""
    called: list[tuple[Any, ...]] = []

    def note(name: str) -> Callable[..., None]:
        return lambda *given: called.append((name, *given))

    package = ModuleType("corridorkey_nuke")
    vars(package).update({name: note(name) for name in corridorkey_nuke.__all__})
    monkeypatch.setitem(sys.modules, "corridorkey_nuke", package)
    for knob, script in scripts(gizmos.node(file)).items():
        nuke = FakeNuke()
        exec(script, {"nuke": nuke})
        more = ("knob",) if knob == "knobChanged" else ()
        expected = {"onCreate": "on_create", "knobChanged": "knob_changed"}.get(knob, knob)
        assert (called.pop(), nuke.messages) == ((expected, "node", *more), [])


@BOTH
def test_callbacks_are_short(file: str) -> None:
    """Scripts carry them for good: five lines at most, the rest in the package."""
    found = scripts(gizmos.node(file))
    assert all(found[name].count("\n") <= 5 for name in ("onCreate", "knobChanged"))
