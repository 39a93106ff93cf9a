"""The fingerprint of what feeds a CorridorKey node in Nuke: what changes it, and what does not."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nuke_shots
from nuke_shots import FIRST, LAST, Scene, opened

Change = Callable[[Scene], object]


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """Files that nobody looks into."""
    for name in ("plate", "hint"):
        for frame in range(FIRST, LAST + 1):
            (tmp_path / f"{name}.{frame}.exr").write_bytes(b"x")
    return tmp_path


@pytest.fixture
def scene(shot: Path) -> Iterator[Scene]:
    """A plate that goes through a group, a Dot and a grade, and a hint."""
    with opened(shot) as scene:
        host = scene.host
        host.paste("Group {\n name Prep\n}\n Input {\n  inputs 0\n  name Input1\n }\n"
                   " Grade {\n  name Inner\n }\n Output {\n  name Output1\n }\nend_group\n")  # fmt: skip
        host.connect("Prep", 0, "Read_plate")
        host.create("Dot", host.node("Prep"), name="Dot1")
        host.create("Grade", host.node("Dot1"), name="Grade1")
        host.connect(scene.name, 0, "Grade1")
        host.create("NoOp", name="Control")
        yield scene


def read(scene: Scene) -> Any:
    """Return what feeds the node."""
    return nuke_shots.module("graph").read(scene.node)


def add_file(scene: Scene) -> None:
    """Let the plate have one more frame."""
    (scene.folder / f"plate.{LAST + 1}.exr").touch()


def wire_over_a_grade(scene: Scene) -> None:
    """Put a node with default knobs between plate and node."""
    scene.host.create("Grade", scene.host.node("Grade1"), name="Another")
    scene.host.connect(scene.name, 0, "Another")


def swap(scene: Scene) -> None:
    """Let plate and hint be the other way round."""
    scene.host.connect(scene.name, 0, "Read_hint")
    scene.host.connect(scene.name, 1, "Grade1")


def set_(knob: str, value: object) -> Change:
    """Set a knob of a node."""
    return lambda scene: scene.host.set(knob, value)


SCRIPT: dict[str, Change] = {
    "knob": set_("Grade1.white", 2.0),
    "knob in a group": set_("Prep.Inner.white", 2.0),
    "keys": lambda scene: scene.host.animate("Grade1.white", {1: 1.0, 5: 2.0}),
    "disabled": set_("Grade1.disable", True),
    "another node": wire_over_a_grade,
    "swapped": swap,
    "unwired": lambda scene: scene.host.connect(scene.name, 1, None),
    "mask": lambda scene: scene.host.connect(scene.name, 2, "Read_hint"),
    "color": lambda scene: scene.host.set_root(colorManagement="OCIO"),
    "working space": lambda scene: scene.host.set_root(workingSpaceLUT="scene_linear"),
    "format": lambda scene: scene.host.set_root(format="640 360 0 0 640 360 1 small"),
    "frames of the read": set_("Read_plate.last", LAST + 5),
}
FILES: dict[str, Change] = {
    "touched": lambda scene: os.utime(scene.folder / f"hint.{FIRST}.exr", (1, 1)),
    "larger": lambda scene: (scene.folder / f"hint.{FIRST}.exr").write_bytes(b"xy"),
    "added": add_file,
    "removed": lambda scene: (scene.folder / f"plate.{LAST}.exr").unlink(),
}
NOTHING: dict[str, Change] = {
    "nothing": lambda _: None,
    "position": set_("Grade1.xpos", 500),
    "label": set_("Grade1.label", "bright"),
    "color of a node": set_("Grade1.tile_color", 255),
    "name": lambda scene: scene.host.node("Grade1").setName("Zebra"),
    "no dot": lambda scene: scene.host.connect("Grade1", 0, "Prep"),
    "range": lambda scene: scene.host.set_root(first_frame=5, last_frame=7),
    "frame": lambda scene: scene.host.go_to(LAST),
    "proxy": lambda scene: scene.host.set_root(proxy=True),
    "view of the node": lambda scene: scene.set(output="matte", status="hello", depth="float"),
    "an unrelated node": set_("Control.disable", True),
    "an unrelated file": lambda scene: (scene.folder / "plate.txt").touch(),
    "below": lambda scene: scene.host.create("Grade", scene.node, name="Below"),
}


@pytest.mark.parametrize("change", SCRIPT)
def test_what_changes_pixels(scene: Scene, change: str) -> None:
    """Another node, knob, wire, or project setting upstream is seen, without a look at files."""
    graph, before = nuke_shots.module("graph"), read(scene)
    SCRIPT[change](scene)
    after = read(scene)
    assert after.script != before.script
    assert (after.files == before.files) == (change != "unwired")
    assert graph.read_script(scene.node) == after.script


@pytest.mark.parametrize("change", FILES)
def test_files_that_change(scene: Scene, change: str) -> None:
    """Files that are written anew, come or go are seen, and nodes are as they were."""
    before = read(scene)
    FILES[change](scene)
    after = read(scene)
    assert after.files != before.files
    assert after.script == before.script


@pytest.mark.parametrize("change", NOTHING)
def test_what_touches_no_pixel(scene: Scene, change: str) -> None:
    """Looks, places, names, and what is set for looking at the script make no difference."""
    before = read(scene)
    NOTHING[change](scene)
    assert read(scene) == before


def test_back_again(scene: Scene) -> None:
    """What is set back is as it was, so that frames that were keyed are found again."""
    before = read(scene)
    scene.host.set("Grade1.white", 2.0)
    scene.host.set("Grade1.white", 1.0)
    assert read(scene) == before


@pytest.mark.parametrize("where", ["Grade1", "node"])
def test_expressions(scene: Scene, where: str) -> None:
    """What an expression looks at feeds the node, too, be it in a node above or in the node's own knobs."""
    if where == "node":
        scene.node["despill"].setExpression("Grade9.white")
    else:
        scene.host.node("Grade1")["white"].setExpression("Grade9.white")
    scene.host.create("Grade", name="Grade9")
    before = read(scene)
    scene.host.set("Grade9.white", 0.5)
    assert read(scene).script != before.script


def test_expressions_in_a_circle(scene: Scene) -> None:
    """Nodes that look at each other end the walk, which sees both."""
    scene.host.create("Grade", name="Grade9")
    scene.host.node("Grade1")["white"].setExpression("Grade9.white")
    scene.host.node("Grade9")["add"].setExpression("Grade1.add")
    before = read(scene)
    scene.host.set("Grade9.multiply", 3.0)
    assert read(scene).script != before.script


def test_a_long_graph(scene: Scene) -> None:
    """A thousand nodes in a row are no depth, and the first one counts."""
    name = "Grade1"
    for index in range(1000):
        name = scene.host.create("NoOp", scene.host.node(name), name=f"Step{index}").name()
    scene.host.connect(scene.name, 0, name)
    before = read(scene)
    scene.host.set("Grade1.white", 2.0)
    assert read(scene).script != before.script


def test_another_keyer_above(scene: Scene) -> None:
    """What a CorridorKey node upstream says while it works is nothing; how it keys is something."""
    other = scene.host.create(nuke_shots.GIZMO, scene.host.node("Grade1"), name="Upstream")
    scene.host.connect(scene.name, 0, "Upstream")
    before = read(scene)
    for knob, value in (("status", "keying"), ("exporting", True), ("exchange", "/dev/shm/x"), ("upstream", "abc")):
        other[knob].setValue(value)
    assert read(scene) == before
    other["despill"].setValue(1.0)
    assert read(scene).script != before.script
    graph = nuke_shots.module("graph")
    write = scene.host.create("Write", scene.node, name="Write1")
    assert sorted(keyer.name() for keyer in graph.keyers_above(write)) == [scene.name, "Upstream"]


def test_files_that_are_written(scene: Scene) -> None:
    """What a Write above renders is no file that feeds the node."""
    write = scene.host.create("Write", scene.host.node("Grade1"), name="Write1", file=f"{scene.folder}/out.%04d.exr")
    scene.host.connect(scene.name, 0, write.name())
    before = read(scene)
    (scene.folder / f"out.{FIRST}.exr").touch()
    assert read(scene) == before


@pytest.mark.parametrize("edition", ["nc", "indie"])
def test_editions_that_show_few_nodes(shot: Path, edition: str) -> None:
    """Nothing is known there, which is said, and no node is touched for it."""
    with opened(shot, edition=edition) as scene:
        graph = nuke_shots.module("graph")
        for index in range(30):
            scene.host.create("NoOp", scene.host.node("Read_plate"), name=f"Step{index}")
        assert graph.read(scene.node) is None
        assert graph.read_script(scene.node) == ""
        assert graph.keyers_above(scene.node) == []
        graph.reload_changed(scene.node)


class Odd:
    """A node that cannot be asked."""

    def fullName(self) -> str:
        """Return its name."""
        return "Odd"

    def inputs(self) -> int:
        """Fail as a node that is gone."""
        raise ValueError("A PythonObject is not attached to a node")


def test_a_node_that_cannot_be_asked(scene: Scene) -> None:
    """Nothing is known then, and every frame is exported."""
    graph = nuke_shots.module("graph")
    assert scene.host.faults == []
    assert graph.read(Odd()) is None
    assert graph.read_script(Odd()) == ""


def test_reads_are_reloaded_when_their_files_changed(scene: Scene) -> None:
    """Nuke shows what it has kept of a file, so a Read whose files changed is told to look, and no other one is."""
    graph, pressed = nuke_shots.module("graph"), list[str]()
    for name in ("Read_plate", "Read_hint"):
        knob = scene.host.op(name).controls["reload"]
        scene.host.execute_button = _noted(scene, knob, name, pressed)  # type: ignore[method-assign]
    graph.reload_changed(scene.node)
    assert sorted(pressed) == ["Read_hint", "Read_plate"]
    graph.reload_changed(scene.node)
    assert len(pressed) == 2
    FILES["touched"](scene)
    graph.reload_changed(scene.node)
    assert pressed[2:] == ["Read_hint"]


def _noted(scene: Scene, knob: object, name: str, pressed: list[str]) -> Callable[..., None]:
    press = scene.host.execute_button

    def noted(op: Any, control: Any) -> None:
        if control is knob:
            pressed.append(name)
        press(op, control)

    return noted


def test_a_node_inside_a_group(shot: Path) -> None:
    """What feeds the group from outside feeds the node inside of it."""
    with opened(shot) as scene:
        host = scene.host
        gizmo = "\n".join(line for line in nuke_shots.GIZMO.read_text().splitlines() if not line.startswith("#"))
        host.paste(f"Group {{\n name Template\n}}\n Input {{\n  inputs 0\n  name Input1\n }}\n{gizmo}\n"
                   " Output {\n  name Output1\n }\nend_group\n")  # fmt: skip
        host.connect("Template", 0, "Read_plate")
        inside = next(name for name in ("Template.CorridorKey", "Template.CorridorKey1") if host.nuke.toNode(name))
        graph = nuke_shots.module("graph")
        before = graph.read(host.node(inside))
        (shot / f"plate.{FIRST}.exr").write_bytes(b"another")
        after = graph.read(host.node(inside))
        assert (before.script, before.files) != (after.script, after.files)
        host.set("Read_plate.last", LAST + 5)
        assert graph.read(host.node(inside)).script != after.script


def test_expressions_on_the_script(scene: Scene) -> None:
    """A node that is led by the script's own settings follows them; others do not mind."""
    before = read(scene)
    scene.host.set_root(last_frame=LAST + 7)
    assert read(scene) == before
    scene.host.node("Grade1")["white"].setExpression("root.last_frame")
    led = read(scene)
    scene.host.set_root(last_frame=LAST + 8)
    assert read(scene) != led


@pytest.mark.parametrize("words", ["[python nuke.frame()]", "[getenv USER]", "[value root.name]"])
def test_words_that_nobody_can_foresee(scene: Scene, words: str) -> None:
    """Where something may change unseen nothing is known, and every frame is compared by its pixels."""
    scene.host.create("Grade", scene.host.node("Grade1"), name="Slate")
    scene.host.connect(scene.name, 0, "Slate")
    assert read(scene) is not None
    scene.host.paste(
        "Text2 {\n name Words\n}\n"
        if "Text2" in scene.host.classes
        else "NoOp {\n addUserKnob {1 words}\n words " + '"' + words.replace("[", "\\[") + '"' + "\n name Words\n}\n"
    )
    scene.host.connect("Words", 0, "Slate")
    scene.host.connect(scene.name, 0, "Words")
    assert read(scene) is None


def test_a_copy_that_keeps_its_time(scene: Scene) -> None:
    """Another file of the same size and the same time of writing is another file."""
    before = read(scene)
    path = scene.folder / f"plate.{FIRST}.exr"
    status = path.stat()
    path.write_bytes(b"y")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert read(scene) != before
