"""The fake Nuke is strict: what code must not do in Nuke is a fault, what Nuke refuses is Nuke's exception."""

import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from nukehost import Fault, NukeError, NukeHost

BUTTON = r"""
Group {{
 inputs 0
 name G
 {callback} "{script}"
 addUserKnob {{22 go T "{script}"}}
 addUserKnob {{7 amount}}
}}
 Input {{
  inputs 0
  name plate
 }}
 Output {{
  name Output1
 }}
end_group
"""


@pytest.fixture
def host() -> Iterator[NukeHost]:
    """A Nuke with an artist; what a test does wrong on purpose it takes."""
    with NukeHost() as running:
        yield running


def scripted(host: NukeHost, script: str, callback: str = "help") -> None:
    """Load a group with a button, and perhaps a callback, that runs Python."""
    escaped = "".join("\\" + letter if letter in '"[]${}\\' and letter != "]" else letter for letter in script)
    host.load(BUTTON.format(callback=callback, script=escaped.replace("\n", "\\n")))


def assert_fault(host: NukeHost, part: str) -> None:
    """Check that just this fault was noted, and take it."""
    (fault,) = host.take_faults()
    assert part in fault


def in_thread(function: Callable[[], Any]) -> Any:
    """Return what a function gives on another thread."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(function).result()


def writer(host: NukeHost, folder: Path, **knobs: Any) -> Any:
    """Make a Write of a gray plate, two columns wide."""
    host.source("Plate", lambda frame, _: np.full((3, 2, 4), frame, np.float32), (2, 3))
    given: dict[str, Any] = {"file": f"{folder}/w.%V.%04d.exr", "file_type": "exr", **knobs}
    return host.create("Write", host.node("Plate"), **given)


def test_a_nuke_is_there_as_long_as_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its module can be imported meanwhile; our package is imported afresh in each."""
    (tmp_path / "corridorkey_nuke.py").write_text("import nuke\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "nuke" not in sys.modules
    with NukeHost() as one:
        assert importlib.import_module("corridorkey_nuke").nuke is one.nuke
    with NukeHost() as other:
        assert importlib.import_module("corridorkey_nuke").nuke is other.nuke is not one.nuke
    assert not {"nuke", "corridorkey_nuke"} & sys.modules.keys()


def test_a_fault_that_nobody_took_ends_in_an_assertion() -> None:
    """Code that swallows every exception does not hide what it did."""
    with pytest.raises(AssertionError, match="off the main thread"), NukeHost() as host, pytest.raises(Fault):
        in_thread(host.nuke.root)


def test_what_the_module_does_not_have(host: NukeHost) -> None:
    """It is an AttributeError that names it."""
    with pytest.raises(AttributeError, match="the fake has to learn it"):
        _ = host.nuke.pixels
    with pytest.raises(AttributeError, match="Unknown node class"):
        _ = host.nuke.nodes.CorridorKey
    assert not hasattr(host.nuke.root(), "pixels")


CALLS: list[Callable[[ModuleType, Any], Any]] = [
    lambda nuke, _: nuke.root(),
    lambda nuke, _: nuke.toNode("Plate"),
    lambda nuke, _: nuke.execute("Write1", 1, 1),
    lambda nuke, _: nuke.message("x"),
    lambda nuke, _: nuke.addBeforeRender(print),
    lambda nuke, _: nuke.nodes.Dot(),
    lambda nuke, _: nuke.frame(),
    lambda _, node: node.name(),
    lambda _, node: node["label"],
    lambda _, node: node.setInput(0, None),
    lambda _, node: node.input(0),
]


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_calls_off_the_main_thread(number: int, host: NukeHost) -> None:
    """Every function and every node belongs to the main thread."""
    node = host.create("Dot")
    with pytest.raises(Fault):
        in_thread(lambda: CALLS[number](host.nuke, node))
    assert_fault(host, "off the main thread")


def test_a_knob_off_the_main_thread(host: NukeHost) -> None:
    """A knob that was got on the main thread is of no use on another."""
    knob = host.create("Dot")["label"]
    for call in (knob.value, knob.name, lambda: knob.setValue("x"), knob.toScript):
        with pytest.raises(Fault):
            in_thread(call)
    assert len(host.take_faults()) == 4
    assert host.get("Dot1.label") == ""


def test_the_main_thread_works_for_others(host: NukeHost) -> None:
    """What other threads post runs in the event loop and nowhere else, in order, and gives its result."""
    done = list[int]()

    def work() -> Any:
        for number in (1, 2):
            host.nuke.executeInMainThread(done.append, (number,))
        host.nuke.executeInMainThread(done.append, 3)
        return host.nuke.executeInMainThreadWithResult(lambda: host.nuke.root().firstFrame())

    with ThreadPoolExecutor(1) as threads:
        result = threads.submit(work)
        assert not done
        host.run_until(result.done)
        assert (done, result.result()) == ([1, 2, 3], 1)


def test_the_event_loop_does_not_wait_for_ever(host: NukeHost) -> None:
    """What never comes to hold is an AssertionError."""
    with pytest.raises(AssertionError, match="still does not hold"):
        host.run_until(lambda: False, 0.02)


def test_what_the_main_thread_does_for_others_may_not_raise(host: NukeHost) -> None:
    """Nuke prints a traceback and goes on: a fault; who waits gets None."""
    with ThreadPoolExecutor(1) as threads:
        result = threads.submit(lambda: host.nuke.executeInMainThreadWithResult(lambda: 1 / 0))
        host.run_until(result.done)
        assert result.result() is None
    assert_fault(host, "ZeroDivisionError")


@pytest.mark.parametrize("name", ["executeInMainThread", "executeInMainThreadWithResult"])
def test_the_main_thread_may_not_wait_for_itself(name: str, host: NukeHost) -> None:
    """It hangs Nuke."""
    with pytest.raises(Fault):
        getattr(host.nuke, name)(print)
    assert_fault(host, "hangs Nuke")


def test_a_terminal_has_no_event_loop() -> None:
    """Nothing would ever run what is posted there."""
    with NukeHost(gui=False) as host:
        with pytest.raises(Fault):
            in_thread(lambda: host.nuke.executeInMainThread(print))
        assert_fault(host, "in a terminal")


@pytest.mark.parametrize(
    "script", ["nuke.message('x')", "nuke.ask('x')", "nuke.ProgressTask('x')", "nuke.menu('Nodes')"]
)
def test_a_terminal_has_no_dialogs(script: str) -> None:
    """Nobody sees them."""
    with NukeHost(gui=False) as host:
        with pytest.raises(Fault):
            exec(script, {"nuke": host.nuke})
        assert_fault(host, "in a terminal")
        assert not host.nuke.GUI


DIALOGS = ["nuke.message('x')", "nuke.ask('x')", "nuke.ProgressTask('x')"]


@pytest.mark.parametrize("script", DIALOGS)
def test_a_button_may_open_dialogs(script: str, host: NukeHost) -> None:
    """An artist pressed it."""
    host.answers.append(True)
    scripted(host, script)
    host.press("G.go")
    assert host.messages + host.asked + [bar.title for bar in host.progress] == ["x"]


@pytest.mark.parametrize("script", DIALOGS)
@pytest.mark.parametrize("callback", ["onCreate", "knobChanged"])
def test_callbacks_may_not_open_dialogs(script: str, callback: str, host: NukeHost) -> None:
    """Nobody asked for them."""
    scripted(host, script, callback)
    if callback == "knobChanged":
        host.set("G.amount", 1)
    faults = host.take_faults()
    assert f"in {callback}" in faults[0]
    assert f"{callback} of G raised Fault" in faults[1]


@pytest.mark.parametrize("name", ["BeforeRender", "AfterFrameRender"])
def test_renders_may_not_open_dialogs(name: str, host: NukeHost, tmp_path: Path) -> None:
    """They would stand in the way of a render."""
    writer(host, tmp_path)
    getattr(host.nuke, f"add{name}")(host.nuke.message, ("x",))
    with pytest.raises(NukeError):
        host.render("Write1", 1, 1)
    assert_fault(host, f"in {name[0].lower()}{name[1:]}")


@pytest.mark.parametrize("script", ["nuke.nodes.Dot()", "nuke.createNode('Dot')", "nuke.delete(nuke.toNode('D'))"])
@pytest.mark.parametrize("callback", ["onCreate", "knobChanged"])
def test_callbacks_may_not_make_or_delete_nodes(script: str, callback: str, host: NukeHost) -> None:
    """It would spoil undo, and loading."""
    scripted(host, f"if nuke.toNode('D'):\n    {script}", callback)
    host.create("Dot", name="D")
    host.node("G").showControlPanel()
    host.begin([host.op("G")])
    faults = host.take_faults()
    assert faults[0].endswith(f"in {callback}")
    assert [one.name for one in host.project.root.children] == ["G", "D"]


def test_a_question_without_an_answer(host: NukeHost) -> None:
    """A test says what the artist answers."""
    host.answers += [True, False]
    assert [host.nuke.ask("a"), host.nuke.ask("b")] == [True, False]
    with pytest.raises(Fault):
        host.nuke.ask("c")
    assert_fault(host, "no answer")


@pytest.mark.parametrize(
    "script",
    ["t.setProgress(0.5)", "t.setProgress(True)", "t.setProgress(101)", "t.setMessage(1)", "nuke.ProgressTask(1)"],
)
def test_progress_is_whole_numbers_and_text(script: str, host: NukeHost) -> None:
    """Nuke 17 refuses anything else."""
    with pytest.raises(Fault):
        exec(script, {"nuke": host.nuke, "t": host.nuke.ProgressTask("t")})
    assert len(host.take_faults()) == 1


def test_progress_from_another_thread(host: NukeHost) -> None:
    """A worker shows how far it is, hears of Cancel, and the bar goes with the last who refers to it."""
    seen, on = list[bool](), threading.Event()

    def work() -> None:
        task = host.nuke.ProgressTask("keying")
        task.setMessage("frame 1")
        task.setProgress(50)
        seen.append(task.isCancelled())
        on.wait(10)
        seen.append(task.isCancelled())

    with ThreadPoolExecutor(1) as threads:
        result = threads.submit(work)
        host.run_until(lambda: seen)
        (bar,) = host.progress
        assert (bar.title, bar.message, bar.value, bar.is_open) == ("keying", "frame 1", 50, True)
        bar.cancel()
        on.set()
        host.run_until(result.done)
    assert seen == [False, True]
    assert not bar.is_open


def test_bars_that_are_cancelled_by_themselves(host: NukeHost) -> None:
    """A test can press Cancel after so many polls."""
    host.cancels_progress_at = 2
    task = host.nuke.ProgressTask("t")
    assert [task.isCancelled() for _ in range(4)] == [False, False, True, True]


def test_nodes_that_are_gone(host: NukeHost) -> None:
    """A node that was kept, and its knobs, are attached to nothing; opening another script takes all."""
    node = host.create("Dot")
    knob = node["label"]
    host.nuke.delete(node)
    other = host.create("Dot")
    host.load("Dot {\n inputs 0\n}\n")
    for call in (node.name, knob.value, other.fullName):
        with pytest.raises(ValueError, match="not attached to a node"):
            call()


def test_knobs_that_are_not_there(host: NukeHost) -> None:
    """It is a NameError, or None."""
    node = host.create("Dot")
    with pytest.raises(NameError, match="knob size does not exist"):
        _ = node["size"]
    assert node.knob("size") is None


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("on_error", "ignore"),
        ("before", "error"),
        ("first", "many"),
        ("file", 5),
        ("on_error", 7),
        ("raw", "perhaps"),
        ("label", None),
    ],
)
def test_values_that_knobs_do_not_take(knob: str, value: Any, host: NukeHost) -> None:
    """It is a TypeError, and nothing changes."""
    node = host.create("Read")
    before = node[knob].toScript()
    with pytest.raises(TypeError):
        node[knob].setValue(value)
    assert node[knob].toScript() == before


def test_channels_that_are_not_there(host: NukeHost) -> None:
    """A layer has to be added first."""
    with pytest.raises(ValueError, match="ck_hint is no layer"):
        host.create("Remove")["channels"].setValue("ck_hint")


def test_what_an_expression_drives_stays(host: NukeHost) -> None:
    """setValue does not break an expression; keys get one more."""
    knob = host.create("Grade")["white"]
    knob.setExpression("frame * 2")
    assert not knob.setValue(7.0)
    assert knob.value() == 2
    knob.clearAnimated()
    knob.setAnimated()
    host.go_to(5)
    knob.setValue(6.0)
    assert (knob.getKeyList(), knob.getValueAt(3), knob.toScript()) == ([1, 5], 4, "{{curve x1 2.0 x5 6.0}}")


def test_knobs_have_their_kinds(host: NukeHost) -> None:
    """Classes and values are Nuke's: words for an enumeration, bool, int and float."""
    host.load(BUTTON.format(callback="help", script="pass"))
    read, nuke = host.create("Read"), host.nuke
    assert isinstance(read["on_error"], nuke.Enumeration_Knob)
    assert (read["on_error"].value(), read["on_error"].getValue()) == ("error", 0.0)
    assert read["on_error"].values() == ["error", "black", "checkerboard", "nearest frame"]
    assert [read["raw"].value(), read["first"].value(), read["raw"].Class()] == [False, 1, "Boolean_Knob"]
    assert isinstance(read["file"], nuke.File_Knob)
    assert isinstance(host.node("G")["go"], nuke.PyScript_Knob)
    assert host.create("Constant")["color"].value() == [0, 0, 0, 0]
    assert (nuke.root()["format"].value().width(), nuke.root()["format"].name()) == (1920, "format")


def test_a_file_knob_tells_its_file(host: NukeHost) -> None:
    """As it stands there, with its Tcl evaluated, and of this frame and view."""
    knob = host.create("Read", name="R")["file"]
    knob.setValue("/a/[value name].%V.####.exr")
    assert knob.value() == "/a/[value name].%V.####.exr"
    assert knob.getEvaluatedValue() == "/a/R.%V.####.exr"
    assert knob.evaluate() == "/a/R.main.0001.exr"
    assert host.nuke.filename(host.node("R")) == "/a/R.%V.####.exr"
    assert host.nuke.filename(host.node("R"), host.nuke.REPLACE) == "/a/R.main.0001.exr"


@pytest.mark.parametrize("edition", ["nc", "indie", "full"])
def test_some_editions_show_python_ten_nodes(edition: str) -> None:
    """The eleventh is an error; what the artist does is not Python's."""
    with NukeHost(edition=edition) as host:
        for number in range(1, 12):
            host.create("Dot", name=f"D{number}")
        for number in (*range(1, 11), 3):
            host.nuke.toNode(f"D{number}").name()
        host.nuke.root().name()
        assert host.nuke.env["nc"] is (edition == "nc")
        if edition == "full":
            host.nuke.toNode("D11")
            return
        with pytest.raises(NukeError, match="10 nodes"):
            host.nuke.toNode("D11")


def test_one_render_at_a_time(host: NukeHost, tmp_path: Path) -> None:
    """A render in a render is refused; `executing` tells of it."""
    writer(host, tmp_path)
    seen = list[Any]()

    def again() -> None:
        seen.append(host.nuke.executing())
        with pytest.raises(RuntimeError, match="already executing something else"):
            host.nuke.execute("Write1", 1, 1)

    host.nuke.addAfterFrameRender(again)
    host.nuke.execute("Write1", 1, 1)
    assert seen == [True]
    assert not host.nuke.executing()


@pytest.mark.parametrize("what", ["list", "views", "none", "class", "disabled", "frames", "view", "folder"])
def test_renders_that_nuke_refuses(what: str, host: NukeHost, tmp_path: Path) -> None:
    """Lists, what is no Write, disabled ones, views and folders that are not there."""
    node = writer(host, tmp_path, disable=what == "disabled")
    if what == "folder":
        node["file"].setValue(f"{tmp_path}/none/w.%04d.exr")
    calls: dict[str, tuple[Any, ...]] = {
        "list": ([node], 1, 1), "views": (node, 1, 1, 1, "main"), "none": ("Nothing", 1, 1), "class": ("Plate", 1, 1),
        "frames": (node, 3, 1), "view": (node, 1, 1, 1, ["left"]),
    }  # fmt: skip
    errors = {"list": TypeError, "views": Fault, "none": ValueError}
    with pytest.raises(errors.get(what, NukeError)):
        host.nuke.execute(*calls.get(what, (node, 1, 1)))
    assert len(host.take_faults()) == (what in ("list", "views"))
    assert not list(tmp_path.glob("*"))


def test_callbacks_of_a_render(host: NukeHost, tmp_path: Path) -> None:
    """They run in order, with the Write as thisNode and the frame as frame; also those in its own knobs."""
    nuke, heard = host.nuke, list[Any]()
    node = writer(host, tmp_path, create_directories=True)
    for name in ("BeforeRender", "BeforeFrameRender", "AfterFrameRender", "AfterRender"):
        getattr(nuke, f"add{name}")(lambda name=name: heard.append((name, nuke.thisNode().name(), nuke.frame())))
    nuke.addAfterFrameRender(heard.append, ("no Write",), nodeClass="Read")
    sys.modules["nuke"].heard = heard  # type: ignore[attr-defined]
    node["afterRender"].setValue("nuke.heard.append(nuke.thisClass())")
    nuke.execute(node, 3, 4)
    frames = [(name, "Write1", frame) for frame in (3, 4) for name in ("BeforeFrameRender", "AfterFrameRender")]
    assert heard == [("BeforeRender", "Write1", 1), *frames, ("AfterRender", "Write1", 4), "Write"]
    assert nuke.frame() == 1


def test_a_callback_is_removed_as_it_was_added(host: NukeHost, tmp_path: Path) -> None:
    """With the same arguments and class; a lambda of the same text is another."""
    nuke, heard = host.nuke, list[int]()
    writer(host, tmp_path)
    nuke.addAfterFrameRender(heard.append, (1,))
    nuke.removeAfterFrameRender(heard.append, (2,))
    nuke.removeAfterFrameRender(heard.append, (1,), nodeClass="*")
    host.render("Write1", 1, 1)
    nuke.removeAfterFrameRender(heard.append, (1,))
    host.render("Write1", 1, 1)
    assert heard == [1]


@pytest.mark.parametrize(("name", "files"), [("BeforeRender", 0), ("BeforeFrameRender", 0), ("AfterFrameRender", 1)])
def test_a_callback_that_raises_ends_the_render(name: str, files: int, host: NukeHost, tmp_path: Path) -> None:
    """With its sentence, and no more frames."""

    def refuse() -> None:
        raise ValueError("not this one")

    node = writer(host, tmp_path)
    getattr(host.nuke, f"add{name}")(refuse)
    with pytest.raises(RuntimeError, match="not this one"):
        host.nuke.execute(node, 1, 5)
    assert len(list(tmp_path.glob("*"))) == files
    assert host.renders[0].error == "not this one"


@pytest.mark.parametrize("frames", [0, 2, 3])
def test_cancel_in_a_render(frames: int, host: NukeHost, tmp_path: Path) -> None:
    """What is written stays, the rest is not, and the next render is none the wiser."""
    node = writer(host, tmp_path)
    host.cancel_render_after(frames)
    with pytest.raises(RuntimeError, match="Cancelled"):
        host.nuke.execute(node, 1, 3)
    assert len(host.renders[0].written) == len(list(tmp_path.glob("*"))) == frames
    host.nuke.execute(node, 1, 3)
    assert len(host.renders[1].written) == 3


def test_ranges_and_steps(host: NukeHost, tmp_path: Path) -> None:
    """Frames are given by first, last and step, by ranges, or are the script's."""
    node, nuke = writer(host, tmp_path), host.nuke
    host.set_root(first_frame=8, last_frame=9)
    nuke.execute(node, 1, 5, 2)
    nuke.execute(node, nuke.FrameRanges([nuke.FrameRange(2, 3), nuke.FrameRange(7, 7)]))
    nuke.execute("Write1")
    assert [one.frames for one in host.renders] == [[1, 3, 5], [2, 3, 7], [8, 9]]


def test_callbacks_of_nodes(host: NukeHost) -> None:
    """onCreate runs after loading, knobChanged with thisKnob, also for wires and panels, and not within itself."""
    scripted(
        host,
        "n = nuke.thisNode()\nn['label'].setValue(n['label'].value() + nuke.thisKnob().name() + ' ')",
        "knobChanged",
    )
    host.create("Dot", name="D")
    host.connect("G", 0, "D")
    host.node("G").showControlPanel()
    host.set("G.amount", 1.0)
    host.set("G.amount", 1.0)
    assert host.get("G.label") == "inputChange label showPanel label amount label "


def test_what_a_callback_raises(host: NukeHost) -> None:
    """Nuke prints it and goes on; here it is a fault. A button's reaches whoever pressed it."""
    scripted(host, "raise KeyError('x')", "onCreate")
    assert_fault(host, "onCreate of G raised KeyError")
    with pytest.raises(KeyError):
        host.press("G.go")
    scripted(host, "raise SystemExit")
    with pytest.raises(Fault):
        host.press("G.go")
    assert_fault(host, "ends Nuke")


def test_onusercreate_is_of_the_user(host: NukeHost) -> None:
    """It runs for what a user makes, and not for what is loaded."""
    made = list[str]()
    host.nuke.addOnUserCreate(lambda: made.append(host.nuke.thisNode().name()))
    host.load("Dot {\n inputs 0\n name Loaded\n}\n")
    host.create("Dot", name="Mine")
    host.nuke.nodes.Dot(name="Ours")
    host.nuke.createNode("Dot")
    assert made == ["Dot1", "Dot1"]


def test_a_gizmo_is_found_and_named(host: NukeHost, tmp_path: Path) -> None:
    """By its class on the plug-in path, or by its file; each gets a number."""
    text = BUTTON.format(callback="help", script="pass").replace("name G", "name Keyed")
    (tmp_path / "Keyed.gizmo").write_text(text)
    assert host.create(tmp_path / "Keyed.gizmo").name() == "Keyed1"
    assert not host.nuke.canCreateNode("Keyed")
    host.nuke.pluginAddPath(str(tmp_path))
    assert host.nuke.canCreateNode("Keyed")
    assert host.nuke.pluginExists("Keyed")
    assert host.nuke.createNode("Keyed").name() == "Keyed2"
    assert host.nuke.nodes.Keyed(name="Mine").name() == "Mine"
    with pytest.raises(RuntimeError, match="Unknown node class"):
        host.nuke.createNode("Nothing")


def test_start_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """init.py runs everywhere, menu.py in the GUI; relative folders are those of the file that names them."""
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "started_up.py").write_text("")
    (tmp_path / "init.py").write_text("import nuke\nnuke.pluginAddPath('./python')\n")
    (tmp_path / "menu.py").write_text("import nuke\nimport started_up\nnuke.menu('Nodes').addCommand('A/B', 'x')\n")
    monkeypatch.delitem(sys.modules, "started_up", raising=False)
    before = list(sys.path)
    for gui in (True, False):
        with NukeHost(gui=gui) as host:
            host.start_up(tmp_path)
            assert [Path(one).name for one in host.nuke.pluginPath()] == ["python", tmp_path.name]
            assert (host.menus["Nodes"].findItem("A/B") is not None) is gui
    assert sys.path == before


def test_dependencies(host: NukeHost) -> None:
    """A node needs what is wired into it and what its expressions and texts name."""
    for name in ("Wired", "Named", "Told", "Other"):
        host.create("Constant", name=name)
    node = host.create("Grade", host.node("Wired"), label="[value Told.color] [value root.name]")
    node["white"].setExpression("Named.color + parent.frame + this.add")
    nuke = host.nuke
    assert [one.name() for one in node.dependencies(nuke.INPUTS)] == ["Wired"]
    assert {one.name() for one in node.dependencies(nuke.EXPRESSIONS)} == {"Named", "Told"}
    assert [one.name() for one in host.node("Named").dependent()] == ["Grade1"]


def test_groups_are_entered(host: NukeHost) -> None:
    """Nodes are looked up and made in the group that is entered."""
    host.load(BUTTON.format(callback="help", script="pass"))
    assert host.nuke.toNode("plate") is None
    with host.node("G"):
        assert host.nuke.toNode("plate").fullName() == "G.plate"
        host.nuke.nodes.Dot()
    assert host.nuke.toNode("G.Dot1").parent().name() == "G"
    assert [one.name() for one in host.nuke.allNodes()] == ["G"]
    assert len(host.nuke.allNodes(recurseGroups=True)) == 4


def test_the_script_is_saved(host: NukeHost, tmp_path: Path) -> None:
    """A script that was never saved has no name; saving gives it one, and says that nothing is modified."""
    nuke = host.nuke
    assert (nuke.root().name(), nuke.root()["name"].value()) == ("Root", "")
    with pytest.raises(RuntimeError, match="no script name"):
        nuke.scriptName()
    host.create("Dot")
    assert nuke.modified()
    nuke.scriptSaveAs(f"{tmp_path}/a.nk")
    assert not nuke.modified()
    assert nuke.root().name() == nuke.scriptName() == f"{tmp_path}/a.nk"
    host.load(tmp_path / "a.nk")
    assert host.node("Dot1").Class() == "Dot"
