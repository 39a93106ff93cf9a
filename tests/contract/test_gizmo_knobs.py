"""The knobs of Nuke's node files: the parameter table, the panel, the settings text, and what tells a stale frame."""

import importlib
import json
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gizmos
from corridorkey_models import __version__
from corridorkey_models.fingerprint import settings_text
from corridorkey_models.params import PARAMS, Param, Params, Stage
from gizmos import BASE, LIVE
from nukehost import tcl
from nukehost.expression import ExpressionError, evaluate
from nukehost.script import UserKnob
from nukehost.words import split

BOTH = pytest.mark.parametrize("file", [BASE, LIVE])
ENUMS = "tests/golden/gizmo_enums.json"
KINDS = {"choice": 4, "bool": 6, "float": 7}
TAB, SCRIPT, NOTE = 20, 22, 26
HIDDEN = {"settings": 1, "settings_hash": 1, "upstream": 1, "exchange": 1, "exporting": 6}
PANEL = """
corridorkey: output
screen_group: screen working_space quality overscan
hint_group: hint_source hint_channel hint_invert hint_erode hint_blur
refine_group: refiner_scale despeckle despeckle_size
foreground_group: despill foreground_source highlight_restore gamut_restore output_space
matte_group: matte_black matte_white matte_gamma matte_grow matte_blur
corridorkey: frames first last file depth key_range key_current cancel to_read clear_cache status
info: ck_version about link settings settings_hash upstream exchange exporting
"""
"""What an artist sees from top to bottom, and what is hidden at the end."""


class Knobs:
    """What names stand for while a text is evaluated: values of knobs, as Nuke gives them to Tcl."""

    def __init__(self, values: dict[str, Any], *, gui: bool = True) -> None:
        self.values, self.gui = values, gui

    def text(self, path: str) -> str:
        """Return a knob's value as text."""
        value = self.values[path]
        return str(value).lower() if isinstance(value, bool) else str(value)

    raw = text

    def exists(self, path: str) -> bool:
        """Whether there is such a knob."""
        return path in self.values

    def metadata(self, node: str, key: str) -> str:
        """Return what a file says, as another knob would."""
        return self.text(f"{node} {key}")

    def number(self, path: str) -> float:
        """Return a knob's value in an expression."""
        if path not in self.values:
            raise ExpressionError(path)
        return float(self.values[path])

    def command(self, text: str) -> str:
        """Run a command in an expression."""
        return tcl.run(text, self)

    def variable(self, name: str) -> str:
        """Return $gui."""
        assert name == "gui"
        return str(int(self.gui))


def start(knob: UserKnob, said: str) -> object:
    """Return what a knob says first, as the parameter table writes it."""
    if knob.kind == KINDS["bool"]:
        return {"true": True, "false": False}[said]
    return float(said) if knob.kind == KINDS["float"] else said


def strategy(param: Param) -> st.SearchStrategy[Any]:
    """Return values that a parameter takes."""
    if param.kind == "choice":
        return st.sampled_from(param.choices)
    assert param.kind == "bool" or (param.low is not None and param.high is not None)
    return st.booleans() if param.kind == "bool" else st.floats(param.low, param.high)


settings = st.fixed_dictionaries({param.name: strategy(param) for param in PARAMS}).filter(
    lambda values: values["matte_white"] > values["matte_black"]
)


@BOTH
@pytest.mark.parametrize("param", PARAMS, ids=lambda param: param.name)
def test_knobs_are_the_parameter_table(file: str, param: Param) -> None:
    """Each parameter is a knob of its name, kind, range, choices, label, tooltip and default."""
    group = gizmos.node(file)
    knob = group.user_knobs[param.name]
    assert (knob.kind, knob.tooltip) == (KINDS[param.kind], param.tooltip)
    assert knob.label == param.label[0].lower() + param.label[1:]
    assert (knob.low, knob.high, tuple(knob.menu)) == (param.low, param.high, param.choices)
    assert start(knob, group.text(param.name)) == param.default


@BOTH
def test_nothing_else_is_a_parameter(file: str) -> None:
    """No knob but those of the table and `depth` holds a number or a choice for the daemon."""
    kinds = {name: knob.kind for name, knob in gizmos.node(file).user_knobs.items() if knob.kind in KINDS.values()}
    assert set(kinds) == {param.name for param in PARAMS} | {"depth", "exporting"} | ({"evaluate"} & set(kinds))
    assert ("evaluate" in kinds) == (file == LIVE)


@BOTH
def test_panel_reads_from_top_to_bottom(file: str) -> None:
    """What is used most stands first and open, buttons below what they act on, and nothing stands twice."""
    expected = [(tab, name) for tab, names in re.findall(r"(\w+): (.+)", PANEL) for name in names.split()]
    if file == LIVE:
        expected.insert(0, ("corridorkey", "evaluate"))
    found, tabs = [], [""]
    for knob in gizmos.node(file).user_knobs.values():
        if knob.kind != TAB:
            found.append((tabs[-1], knob.name))
        elif knob.opening == "-1":
            tabs.pop()
        else:
            tabs = [*tabs, knob.name] if knob.opening else [knob.name]
    assert found == expected


@BOTH
def test_groups_that_are_rarely_used_are_closed(file: str) -> None:
    """A new node's panel fits a screen."""
    knobs = gizmos.node(file).user_knobs.values()
    opening = {knob.name: knob.opening for knob in knobs if knob.kind == TAB and knob.opening in ("1", "2")}
    closed = ("refine_group", "foreground_group", "matte_group")
    assert opening == {"screen_group": "1", "hint_group": "1"} | dict.fromkeys(closed, "2")


@BOTH
def test_buttons_stand_in_two_lines(file: str) -> None:
    """Keying in the first line, what is done with keyed frames in the second."""
    buttons = {name: knob.flags for name, knob in gizmos.node(file).user_knobs.items() if knob.kind == SCRIPT}
    assert [name for name, flags in buttons.items() if flags == ["+STARTLINE"]] == ["key_range", "to_read"]
    assert [name for name, flags in buttons.items() if flags == ["-STARTLINE"]] == [
        "key_current",
        "cancel",
        "clear_cache",
    ]


@BOTH
def test_every_knob_that_is_seen_explains_itself(file: str) -> None:
    """Each has a tooltip that ends as a sentence; labels are lower-case but for buttons and tabs."""
    seen = [
        knob for knob in gizmos.node(file).user_knobs.values() if knob.kind != TAB and "+INVISIBLE" not in knob.flags
    ]
    explained = [knob for knob in seen if knob.kind != NOTE or knob.name == "status"]
    assert [knob.name for knob in explained if not knob.tooltip.endswith(".")] == []
    assert [knob.name for knob in explained if knob.kind != SCRIPT and knob.label != knob.label.lower()] == []
    assert [knob.name for knob in explained if knob.kind == SCRIPT and knob.label != knob.label.title()] == []


@BOTH
def test_what_the_package_keeps_is_hidden(file: str) -> None:
    """Knobs of no use to an artist are invisible, and say at first that nothing is keyed or going on."""
    group = gizmos.node(file)
    hidden = {knob.name: knob.kind for knob in group.user_knobs.values() if "+INVISIBLE" in knob.flags}
    assert hidden == HIDDEN
    assert {name: group.text(name) for name in HIDDEN if name != "settings"} == {
        "settings_hash": "unkeyed",
        "upstream": "",
        "exchange": "",
        "exporting": "false",
    }
    assert group.text("ck_version") == __version__
    assert group.user_knobs["ck_version"].flags == ["+DISABLED"]


def test_choices_are_only_ever_appended(root: Path, update: bool) -> None:
    """Scripts hold choices by their word: the ones that were, are, in their order; `--update` notes new ones."""
    group, file = gizmos.node(LIVE), root / ENUMS
    menus = {name: knob.menu for name, knob in group.user_knobs.items() if knob.menu}
    frozen = json.loads(file.read_text()) if file.exists() else {}
    assert {name: menus[name][: len(words)] for name, words in frozen.items()} == frozen
    if update:
        file.write_text(json.dumps(menus, indent=1) + "\n")
    assert json.loads(file.read_text()) == menus, "run: pytest --update tests/contract"


@BOTH
def test_paths_are_relative_to_the_script(file: str) -> None:
    """Nothing leads to a place on somebody's disk; keyed frames lie beside the script, by node and settings."""
    text = gizmos.text(file).replace("https://github.com/", "")
    assert re.findall(r"""(?:^|[\s"'=({])(?:/|~|[A-Za-z]:[\\/])[\w.-]*""", re.sub(r" [-/+*] ", " ", text)) == []
    names = {"root.name": "/shots/a/comp v2.nk", "name": "CorridorKey3", "settings_hash": "0a1b"}
    path = tcl.substitute(gizmos.node(file).text("file"), Knobs(names))
    assert path == "/shots/a/corridorkey/CorridorKey3/0a1b/CorridorKey3.%V.%04d.exr"


@BOTH
def test_files_are_plain(file: str) -> None:
    """They are ASCII with Unix line ends, and begin with their licence and a word on how they come about."""
    data = (gizmos.FOLDER / file).read_bytes()
    assert data.isascii()
    assert b"\r" not in data
    first, second, *_ = data.decode().splitlines()
    assert first == "# SPDX-License-Identifier: Apache-2.0"
    assert "render_gizmo.py" in second


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]) | st.just("\n")))
def test_quoting_keeps_every_text(text: str) -> None:
    """Whatever stands in quotes is read as it was meant, and nothing of it is evaluated by loading."""
    gizmos.renderer()
    quote = importlib.import_module("gizmo_graph").quote
    assert [one.text for one in split(f"{quote(text)} {quote('[x] {$y}')}")] == [text, "[x] {$y}"]


@BOTH
def test_settings_name_every_parameter_in_order(file: str) -> None:
    """The text names what a keyed frame follows from, in the table's order: all but how it is shown."""
    text = gizmos.node(file).text("settings")
    expected = [param.name for param in PARAMS if param.stage is not Stage.VIEW]
    assert re.findall(r"(?:^| )(\w+)=", text) == expected
    assert re.findall(r"\[value (\w+)\]", text) == expected


@given(settings)
def test_settings_are_what_the_daemon_writes(values: dict[str, Any]) -> None:
    """For any values the node's text is the one that comes with a frame keyed with them."""
    text = tcl.substitute(gizmos.node(BASE).text("settings"), Knobs(values))
    assert text == settings_text(Params.parse(values))


@pytest.fixture(scope="module")
def real_tcl() -> Callable[[str, Knobs], str]:
    """What evaluates a text with Tcl itself, of which Nuke's is one."""
    interpreter = pytest.importorskip("tkinter").Tcl()

    def substitute(text: str, knobs: Knobs) -> str:
        interpreter.createcommand("value", knobs.text)
        return str(interpreter.call("subst", "-novariables", text))

    return substitute


@given(values=settings)
def test_settings_are_the_same_in_tcl_itself(values: dict[str, Any], real_tcl: Callable[[str, Knobs], str]) -> None:
    """Tcl reads the text as our own evaluation does."""
    assert real_tcl(gizmos.node(BASE).text("settings"), Knobs(values)) == settings_text(Params.parse(values))


def state(keyed_with: str, frame: int, keyed_from: str = "", upstream: str = "") -> tuple[float, float]:
    """Return what State says of a frame that was keyed with some settings, "" if it was not."""
    node = gizmos.node(BASE).child("State")
    values = {"keyed_with": keyed_with, "parent.settings": "screen=green despill=0.5", "frame": frame}
    values |= {"keyed_from": keyed_from, "parent.upstream": upstream}
    values |= {"parent.first": 1001, "parent.last": 1010}
    told = []
    for knob in ("stale", "state"):
        (formula,) = node.knobs[knob].expressions
        assert formula is not None
        told.append(evaluate(formula, Knobs(values)))
        values[knob] = told[-1]
    return told[0], told[1]


def test_state_tells_keyed_from_stale_and_from_not_keyed() -> None:
    """A frame is fine only if it is keyed with the settings of now and inside of the range, whose ends belong to it."""
    same = "screen=green despill=0.5"
    assert {state(same, frame) for frame in (1001, 1005, 1010)} == {(0, 0)}
    assert {state("screen=green despill=0.4", 1005), state(f"{same} x=1", 1005)} == {(1, 2)}
    assert {state("", 1005), state(same, 1000), state(same, 1011), state("", 2000)} == {(1, 1)}


def test_state_tells_what_fed_the_frame() -> None:
    """Another upstream than when the node was keyed last is stale; files of `ckey key` do not say, and are taken."""
    same = "screen=green despill=0.5"
    assert {state(same, 1005, "abc", "abc"), state(same, 1005, "", "abc"), state(same, 1005, "abc")} == {(0, 0)}
    assert state(same, 1005, "abc", "abd") == (1, 2)


@BOTH
@pytest.mark.parametrize(("number", "said"), [(0, ""), (1, "not keyed"), (2, "STALE")])
def test_label_tells_the_state(file: str, number: int, said: str) -> None:
    """The node graph says so where an artist looks."""
    label, expected = gizmos.node(file).text("label"), said
    knobs = Knobs({"this.State.state": number, "evaluate": "Cached"})
    assert tcl.substitute(label, knobs) == expected
    live = Knobs({"this.State.state": number, "evaluate": "Live"})
    assert tcl.substitute(label, live) == ("Live" if file == LIVE else said)


@BOTH
def test_label_is_the_same_in_tcl_itself(file: str, real_tcl: Callable[[str, Knobs], str]) -> None:
    """Tcl reads it as our own evaluation does."""
    label = gizmos.node(file).text("label")
    for number in range(3):
        knobs = Knobs({"this.State.state": number, "evaluate": "Live"})
        assert real_tcl(label, knobs) == tcl.substitute(label, knobs)


@BOTH
def test_a_stale_node_is_red(file: str) -> None:
    """Red if it is stale; else the color that Nuke gives to groups, which is 0."""
    (formula,) = gizmos.node(file).knobs["tile_color"].expressions
    assert formula is not None
    cached = [evaluate(formula, Knobs({"this.State.state": number, "this.evaluate": 1})) for number in range(3)]
    assert cached == [0, 0, 0xFF0000FF]
    live = evaluate(formula, Knobs({"this.State.state": 2, "this.evaluate": 0}))
    assert live == (0 if file == LIVE else 0xFF0000FF)


@BOTH
def test_a_stale_frame_cannot_be_rendered(file: str) -> None:
    """What is read passes a check that fails with a sentence; old frames never go on."""
    check = gizmos.node(file).child("SettingsCheck")
    (formula,) = check.knobs["expression"].expressions
    assert formula is not None
    assert [evaluate(formula, Knobs({"State.stale": number})) for number in (0, 1)] == [1, 0]
    message = tcl.substitute(check.text("message"), Knobs({"parent.name": "CorridorKey2"}))
    assert re.fullmatch(r"This frame of CorridorKey2 [^.\n]+; [^.\n]+\.", message)
    readers = {node.name: [one.name for one in node.inputs if one] for node in gizmos.node(file).children}
    assert [name for name, inputs in readers.items() if "CacheRead" in inputs] == ["State", "SettingsCheck"]
    assert [name for name, inputs in readers.items() if "State" in inputs] == []


@pytest.mark.parametrize(("gui", "evaluated", "shown"), [(True, 0, 0), (True, 1, 1), (False, 0, 1), (False, 1, 1)])
def test_renders_are_cached(gui: bool, evaluated: int, shown: int) -> None:
    """Live is for looking at: without a GUI the keyed frames are taken."""
    (formula,) = gizmos.node(LIVE).child("EvaluateSwitch").knobs["which"].expressions
    assert formula is not None
    assert evaluate(formula, Knobs({"parent.evaluate": evaluated}, gui=gui)) == shown


def test_the_icon_is_that_of_the_plug_in(root: Path) -> None:
    """It is drawn in the size that Nuke's menus have, and what is checked in is what the drawing gives."""
    drawing = gizmos.icon()
    data = (root / "nuke_gizmo" / "icons" / "CorridorKey.png").read_bytes()
    assert struct.unpack(">II", data[16:24]) == (24, 24)
    begin = data.index(b"IDAT")
    size = int.from_bytes(data[begin - 4 : begin], "big")
    assert zlib.decompress(data[begin + 4 : begin + 4 + size]) == b"".join(drawing["rows"]())
