"""What the node in Nuke refuses, in which words, and what it leaves alone then."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import nuke_shots
from corridorkey_server.footage.exr import read_exr_header
from corridorkey_server.footage.picture import Window
from corridorkey_server.rendezvous import Rendezvous
from daemons import PATIENCE, EchoDaemon
from nuke_shots import FIRST, LAST, Scene, opened


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """A folder with plate and hint of a small shot, for a script."""
    return nuke_shots.film(tmp_path)


@pytest.fixture
def _keying(real_daemon: Rendezvous, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CKEY_RUNTIME", str(real_daemon.folder))


@pytest.fixture
def scene(shot: Path, _keying: None) -> Iterator[Scene]:
    """Nuke with its GUI, and a daemon."""
    with opened(shot) as scene:
        yield scene


def assert_refused(scene: Scene, words: str, button: str = "key_range") -> None:
    """The button says one sentence that names the node, and nothing is exported or written."""
    before = list(scene.host.messages)
    exports = scene.exports()
    scene.press(button)
    (said,) = scene.host.messages[len(before) :]
    assert words in said
    assert said.startswith(f"{scene.name}: ")
    assert re.fullmatch(r"[^;\n]+; [^\n]+[.?]", said)
    assert "Traceback" not in said
    assert said.partition(": ")[2].lower() == scene.status.lower()
    assert scene.exports() == exports


def knobs_of(scene: Scene) -> dict[str, str]:
    """Return all that the node holds but for what it says."""
    return {name: knob.toScript() for name, knob in scene.node.knobs().items() if name != "status"}


def wire_other_size(scene: Scene) -> None:
    """Wire a hint of half the size."""
    for frame in range(FIRST, LAST + 1):
        small = Window(0, 0, 32, 18)
        nuke_shots.write_picture(
            scene.folder / f"small.{frame}.exr", np.ones((18, 32, 4), np.float32), window=small, format_=small
        )
    scene.node.setInput(1, scene.read("small"))


CASES: dict[str, tuple[Callable[[Scene], object], str]] = {
    "no plate": (lambda scene: scene.node.setInput(0, None), "there is no plate; wire"),
    "unsaved": (lambda scene: scene.host.set_root(name=""), "the script was never saved"),
    "no frames": (lambda scene: scene.set_range(LAST, FIRST), f"the frame range {LAST}-{FIRST} ends before it begins"),
    "size": (wire_other_size, "the hint is 32x18, the plate 64x36; reformat the hint."),
    "encoded": (lambda scene: scene.set(working_space="srgb"), "working_space is srgb"),
    "relative": (lambda scene: scene.set(file="k.%04d.exr"), "no full path"),
    "no number": (lambda scene: scene.set(file=f"{scene.folder}/k.exr"), "%04d"),
    "no exr": (lambda scene: scene.set(file=f"{scene.folder}/k.%04d.png"), "no OpenEXR file"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_keyed(scene: Scene, case: str) -> None:
    """Each says what is wrong and what to do, and no file or folder is made."""
    prepare, words = CASES[case]
    prepare(scene)
    before = sorted(scene.folder.rglob("*")), knobs_of(scene)
    assert_refused(scene, words)
    assert (sorted(scene.folder.rglob("*")), knobs_of(scene)) == before


@pytest.mark.usefixtures("_keying")
def test_a_terminal_raises(shot: Path) -> None:
    """Without a GUI a refusal is an exception, so that a script stops; there is no dialog."""
    with opened(shot, gui=False) as scene:
        scene.node.setInput(0, None)
        with pytest.raises(RuntimeError, match="there is no plate"):
            scene.begin()
        assert not scene.host.messages


def test_an_unknown_working_space(scene: Scene) -> None:
    """A space that is not known is never guessed; the artist is asked to choose."""
    scene.host.set_root(colorManagement="OCIO", OCIO_config="custom", workingSpaceLUT="show_linear_v3")
    scene.set(working_space="auto")
    assert_refused(scene, "'show_linear_v3'")
    assert scene.node["working_space"].value() == "auto"


def test_a_script_that_was_not_saved_with_a_path_of_its_own(scene: Scene) -> None:
    """A file that does not depend on the script needs no saved script."""
    scene.host.set_root(name="")
    scene.set(file=f"{scene.folder}/mine/k.%04d.exr")
    scene.press()
    assert scene.status == "Keyed 6 frames."


def test_two_views_in_one_file(shot: Path, _keying: None) -> None:
    """A path that does not name the view is refused where there are two."""
    with opened(shot, views=("left", "right")) as scene:
        scene.set(file=f"{scene.folder}/k.%04d.exr")
        assert_refused(scene, "%V")


def test_pressed_twice(scene: Scene) -> None:
    """While the node is keyed, none of its buttons begins anything else."""
    scene.begin()
    for button in ("key_range", "key_current", "clear_cache", "to_read"):
        scene.begin(button)
        assert "is being keyed; wait for it, or press Cancel." in scene.host.messages[-1]
    scene.settle()
    assert scene.status == "Keyed 6 frames."


def test_a_frame_outside_the_range(scene: Scene) -> None:
    """Key Current Frame at a frame that the node would not show says so."""
    scene.host.go_to(LAST + 1)
    assert_refused(scene, f"frame {LAST + 1} is not in the node's frame range {FIRST}-{LAST}; make", "key_current")


def test_while_nuke_renders(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing begins while Nuke renders; a render that begins meanwhile is waited for, not disturbed."""
    with monkeypatch.context() as patch:
        patch.setattr(scene.host.nuke, "executing", lambda: True)
        assert_refused(scene, "Nuke is rendering; wait until that is done.")
    looks = list[float]()

    def is_rendering() -> bool:
        looks.append(time.monotonic())
        return len(looks) in (2, 3)

    monkeypatch.setattr(nuke_shots.module("host"), "is_rendering", is_rendering)
    scene.press()
    assert scene.status == "Keyed 6 frames."
    assert len(looks) == 4
    assert min(looks[3] - looks[2], looks[2] - looks[1]) > 0.4


def test_no_daemon(shot: Path, nowhere: Path) -> None:
    """It is offered to be started; who does not want that has pressed for nothing."""
    with opened(shot) as scene:
        scene.host.answers.append(False)
        before = knobs_of(scene)
        scene.press()
        assert scene.host.asked[-1] == f"{scene.name}: no CorridorKey daemon runs on this machine. Start it?"
        assert knobs_of(scene) == before
        assert not scene.files()
        assert not nowhere.exists()


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("gui", [True, False], ids=["gui", "terminal"])
def test_a_daemon_that_cannot_be_started(shot: Path, monkeypatch: pytest.MonkeyPatch, gui: bool) -> None:
    """What `ckey start` says is what the artist reads."""
    nuke_shots.write_command(shot / "bin", "echo 'ckey: the disk is full; free some space.' >&2; exit 1", monkeypatch)
    with opened(shot, gui=gui) as scene:
        if gui:
            scene.host.answers.append(True)
            scene.press()
            assert scene.host.messages == [
                f"{scene.name}: Keyed 0 frames, 6 are missing. The disk is full; free some space."
            ]
        else:
            with pytest.raises(RuntimeError, match="The disk is full; free some space"):
                scene.press()
        assert not scene.exports()


def test_hung_daemon(shot: Path, daemon: EchoDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that does not answer is told as such within a moment; it is not offered to be started."""
    monkeypatch.setenv("CKEY_RUNTIME", str(daemon.place.folder))
    with opened(shot) as scene, daemon.stopped():
        assert_refused(scene, "does not answer")
        assert not scene.host.asked


def test_what_the_daemon_refuses(scene: Scene) -> None:
    """Parameters that do not fit together are told in the daemon's words, with the frames."""
    scene.set(matte_black=0.9, matte_white=0.1)
    scene.press()
    assert "matte_white is 0.1, not above matte_black 0.9" in scene.status
    assert f"Frames {FIRST}-" in scene.status
    assert "No more were tried" in scene.status or f"{LAST}: matte_white" in scene.status
    assert scene.host.messages == [f"{scene.name}: {scene.status}"]
    assert not scene.files()


def test_a_frame_that_nuke_cannot_render(scene: Scene) -> None:
    """The frames before and after it are keyed; the sentence says what Nuke said."""
    (scene.folder / f"plate.{FIRST + 2}.exr").unlink()
    scene.press()
    assert scene.files().keys() == set(range(FIRST, LAST + 1)) - {FIRST + 2}
    assert scene.status.startswith(f"Keyed 5 frames, 1 is missing. Frame {FIRST + 2}: Nuke could not render")
    assert f"plate.{FIRST + 2}.exr" in scene.status


def test_a_plate_that_is_not_there(scene: Scene) -> None:
    """After a few frames in a row that cannot be rendered no more are tried."""
    scene.set_range(FIRST, LAST + 20)
    scene.node.input(0)["last"].setValue(LAST + 20)
    for path in scene.folder.glob("plate.*.exr"):
        if path.name != f"plate.{FIRST}.exr":
            path.unlink()
    scene.press()
    assert scene.status.startswith(f"Keyed 1 frame, 25 are missing. Frame {FIRST + 1}: Nuke could not render")
    assert scene.files().keys() == {FIRST}
    assert scene.status.endswith("No more were tried; press Key Frame Range again when that is fixed.")
    assert len(scene.host.renders) < 15


def test_a_folder_that_cannot_be_made(scene: Scene) -> None:
    """A file in the folder's place is named."""
    (scene.folder / "corridorkey").touch()
    scene.press()
    assert f"{scene.folder}/corridorkey" in scene.status
    assert scene.host.messages == [f"{scene.name}: {scene.status}"]


def test_to_read_before_keying(scene: Scene) -> None:
    """Frames that are missing, or stale, or belong to another graph, make no Read."""
    nodes = len(scene.host.nuke.allNodes())
    assert_refused(
        scene, f"frames {FIRST}-{LAST}: not keyed with these settings; press Key Frame Range first.", "to_read"
    )
    scene.press()
    scene.files()[LAST].unlink()
    assert_refused(scene, f"frame {LAST}: not keyed", "to_read")
    scene.set(despill=1.0)
    assert_refused(scene, f"frames {FIRST}-{LAST}: not keyed", "to_read")
    scene.set(despill=0.5)
    scene.node.input(1)["last"].setValue(LAST + 1)
    assert_refused(scene, "what feeds the node has changed since it was keyed", "to_read")
    assert len(scene.host.nuke.allNodes()) == nodes


def test_a_graph_that_changes_meanwhile(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """No frame is exported from another graph than the one that was looked at; the frames that are there are whole."""
    monkeypatch.setattr(nuke_shots.module("exchange"), "budget", lambda _: 1)
    scene.begin()
    scene.host.run_until(lambda: len(scene.exports()) == 2, 30)
    scene.node.input(1)["last"].setValue(LAST + 1)
    scene.settle()
    assert scene.status.count("What feeds the node has changed meanwhile; press Key Frame Range again.") == 1
    assert scene.exports() == [FIRST, FIRST + 1]
    scene.press()
    assert scene.status == "Keyed 6 frames."


def test_a_graph_that_changed_at_the_end(scene: Scene) -> None:
    """Frames of the old graph are keyed, and the node says that they are."""
    scene.begin()
    scene.host.run_until(lambda: len(scene.exports()) == 6, 30)
    known = scene.node["upstream"].value()
    scene.node.input(1)["last"].setValue(LAST + 1)
    scene.settle()
    assert scene.status == "Keyed 6 frames. What feeds the node has changed meanwhile; press Key Frame Range again."
    assert scene.node["upstream"].value() == known


def test_a_node_that_is_deleted_meanwhile(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keying ends, and nothing is looked for in a node that is not there."""
    monkeypatch.setattr(nuke_shots.module("exchange"), "budget", lambda _: 1)
    scene.begin()
    scene.host.run_until(lambda: len(scene.exports()) == 2, 30)
    scene.host.nuke.delete(scene.node)
    scene.settle()
    assert scene.exports() == [FIRST, FIRST + 1]


def test_renders_of_an_old_graph(scene: Scene) -> None:
    """A render through frames of another graph stops before it begins; past the node, and after keying, it runs."""
    scene.host.nuke.addBeforeRender(nuke_shots.module("buttons").check_before_render)
    write = scene.host.create("Write")
    write.setInput(0, scene.node)
    write["file"].setValue(f"{scene.folder}/comp.%04d.exr")
    write["channels"].setValue("rgba")
    scene.press()
    scene.host.nuke.execute(write, FIRST, LAST, 1)
    scene.node.input(1)["last"].setValue(LAST + 1)
    with pytest.raises(RuntimeError, match="what feeds the node has changed since it was keyed; press Key Frame Range"):
        scene.host.nuke.execute(write, FIRST, LAST, 1)
    scene.set(disable=True)
    scene.host.nuke.execute(write, FIRST, LAST, 1)
    scene.set(disable=False)
    scene.press()
    scene.host.nuke.execute(write, FIRST, LAST, 1)


def test_an_input_that_changes(scene: Scene) -> None:
    """The node says at once that its frames belong to other inputs, and stops saying so when they are wired again."""
    scene.press()
    hint = scene.node.input(1)
    other = scene.read("other")
    scene.node.setInput(1, other)
    assert scene.status == "What feeds the node has changed since it was keyed; press Key Frame Range."
    scene.node.setInput(1, hint)
    assert scene.status == ""
    assert not scene.host.messages


def test_a_stale_frame_on_a_farm(shot: Path, _keying: None) -> None:
    """A render in a terminal of a node whose settings have changed fails; the files say with what they were keyed."""
    with opened(shot, gui=False) as scene:
        scene.press()
        write = scene.host.create("Write")
        write.setInput(0, scene.node)
        write["file"].setValue(f"{scene.folder}/comp.%04d.exr")
        scene.host.nuke.execute(write, FIRST, LAST, 1)
        scene.set(screen="blue")
        with pytest.raises(RuntimeError, match="is not keyed with these settings and inputs"):
            scene.host.nuke.execute(write, FIRST, LAST, 1)
        told = read_exr_header(scene.files()[FIRST]) or {}
        assert "screen=green" in str(told["corridorkey/settings"])


def test_another_script_that_is_opened_meanwhile(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of the range is not exported from it, and nothing is said on its nodes."""
    monkeypatch.setattr(nuke_shots.module("exchange"), "budget", lambda _: 1)
    scene.begin()
    scene.host.run_until(lambda: bool(scene.exports()), PATIENCE)
    scene.host.set_root(name=f"{scene.folder}/another.nk")
    scene.node["status"].setValue("of the other script")
    exports = scene.exports()
    scene.settle()
    assert scene.exports() == exports
    assert scene.status == "of the other script"
    (said,) = scene.host.messages
    assert "which is not there any more" in said


def test_a_script_that_was_saved_while_keying(scene: Scene) -> None:
    """A node that comes back from such a script does not say that it is being keyed."""
    scene.set(status="Keying.")
    nuke_shots.module("buttons").on_create(scene.node)
    assert scene.status == "Keying was interrupted; press Key Frame Range to go on."


def test_what_the_system_refuses(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be removed is a sentence, not a traceback."""
    scene.press()

    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied", "/a/file")

    monkeypatch.setattr(Path, "unlink", refuse)
    scene.host.answers.append(True)
    scene.press("clear_cache")
    assert scene.status == "/a/file: Permission denied; see whether it can be written."
