"""Key Frame Range and the other buttons of the node in Nuke, with a fake Nuke, the real daemon and real files."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nuke_shots
from corridorkey_models import color
from corridorkey_models.fingerprint import settings_text
from corridorkey_models.params import Params
from corridorkey_server.footage.exr import read_exr, read_exr_header
from corridorkey_server.footage.picture import Window, place
from corridorkey_server.rendezvous import Rendezvous
from nuke_shots import FIRST, LAST, Scene, assert_same, keyed_by_command, opened

FRAMES = list(range(FIRST, LAST + 1))
LONG = 20


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """A folder with plate and hint of a small shot, for a script."""
    return nuke_shots.film(tmp_path)


@pytest.fixture(autouse=True)
def _daemon(real_daemon: Rendezvous, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CKEY_RUNTIME", str(real_daemon.folder))
    monkeypatch.delenv("CORRIDORKEY_TMP", raising=False)


@pytest.fixture
def scene(shot: Path) -> Iterator[Scene]:
    """Nuke with its GUI."""
    with opened(shot) as scene:
        yield scene


@pytest.mark.parametrize("gui", [True, False], ids=["gui", "terminal"])
def test_twenty_frames_as_ckey_key(real_daemon: Rendezvous, tmp_path: Path, gui: bool) -> None:
    """The files are those of `ckey key`, pixel for pixel; a second press exports and keys nothing."""
    last = FIRST + LONG - 1
    nuke_shots.film(tmp_path, range(FIRST, last + 1))
    (tmp_path / "out").mkdir()
    by_command = keyed_by_command(real_daemon, tmp_path, tmp_path / "out")
    with opened(tmp_path, (FIRST, last), gui=gui) as scene:
        scene.press()
        assert scene.status == "Keyed 20 frames."
        assert scene.exports() == list(range(FIRST, last + 1))
        files = scene.files()
        assert files.keys() == by_command.keys() == set(range(FIRST, last + 1))
        for frame, path in files.items():
            assert_same(path, by_command[frame])
        before = {path: path.stat().st_mtime_ns for path in files.values()}
        scene.press()
        assert scene.status == "20 were keyed already."
        assert len(scene.exports()) == LONG
        assert {path: path.stat().st_mtime_ns for path in files.values()} == before
        assert not scene.host.messages


def test_what_the_node_shows(scene: Scene) -> None:
    """It gives the keyed frames, premultiplied, with the plate's other channels."""
    scene.press()
    keyed = read_exr(scene.files()[FIRST + 2])
    shown = scene.shown(FIRST + 2)
    alpha = keyed.pixels[..., 3:]
    assert alpha.max() > 0.9 > 0.1 > alpha.min()
    assert np.allclose(shown[..., :3], keyed.pixels[..., :3] * alpha, atol=1e-6)
    assert np.array_equal(shown[..., 3:], alpha)


def test_an_animated_knob(scene: Scene, real_daemon: Rendezvous, tmp_path: Path) -> None:
    """Each frame is keyed with what the knob is there, and shows as keyed."""
    scene.host.animate(f"{scene.name}.despill", {FIRST: 0.0, LAST: 1.0})
    scene.host.animate(f"{scene.name}.foreground_source", {FIRST: "model", FIRST + 1: "plate_core"})
    scene.press()
    told = [read_exr_header(path) or {} for _, path in sorted(scene.files().items())]
    values = [dict(word.split("=") for word in str(facts["corridorkey/settings"]).split())["despill"] for facts in told]
    assert (values[0], values[-1]) == ("0", "1")
    assert len(set(values)) == len(FRAMES)
    for frame, value, source in ((FIRST, 0, "model"), (LAST, 1, "plate_core")):
        (tmp_path / source).mkdir()
        options = ("--despill", value, "--foreground-source", source)
        assert_same(scene.files()[frame], keyed_by_command(real_daemon, tmp_path, tmp_path / source, *options)[frame])
    for frame in FRAMES:
        assert scene.shown(frame)[..., 3].any()


def test_settings_are_those_of_the_table(scene: Scene) -> None:
    """What a file says is what the parameter table writes for the node's knobs."""
    scene.set(despeckle=True, matte_gamma=1 / 3, hint_erode=-1.5, quality="draft", output="matte")
    scene.press()
    params = Params(working_space="linear_rec709", despeckle=True, matte_gamma=1 / 3, hint_erode=-1.5, quality="draft")
    facts = read_exr_header(scene.files()[FIRST]) or {}
    assert facts["corridorkey/settings"] == settings_text(params)


def test_masks_and_boxes(scene: Scene, real_daemon: Rendezvous) -> None:
    """Masks are wired by the inputs; a plate whose box is smaller and larger than the format keeps it.

    Nuke itself adds a black pixel around such a picture when it reads it.
    """
    folder = scene.folder
    box, read = Window(-4, 3, 60, 40), Window(-5, 2, 62, 42)
    generator = np.random.default_rng(7)
    (folder / "read").mkdir()
    for frame in FRAMES:
        pixels = (generator.random((box.height, box.width, 3)) * (0.1, 0.6, 0.1)).astype(np.float32)
        nuke_shots.write_picture(folder / f"plate.{frame}.exr", pixels, "RGB", box)
        nuke_shots.write_picture(folder / "read" / f"plate.{frame}.exr", place(pixels, box, read), "RGB", read)
        for name in ("inside", "outside"):
            mask = np.zeros((36, 64, 4), np.float32)
            mask[4:12, 8:20] = 1.0 if name == "inside" else 0.5
            nuke_shots.write_picture(folder / f"{name}.{frame}.exr", mask)
    for index, name in ((2, "inside"), (3, "outside")):
        scene.node.setInput(index, scene.read(name))
    scene.press()
    (folder / "out").mkdir()
    others = {f"--{name}": folder / f"{name}.%04d.exr" for name in ("hint", "inside", "outside")}
    words = [word for pair in others.items() for word in pair]
    keyed = keyed_by_command(real_daemon, folder / "read", folder / "out", *words)
    for frame, path in scene.files().items():
        assert_same(path, keyed[frame])
    assert read_exr(scene.files()[FIRST]).data_window == read


def test_without_a_hint(scene: Scene, real_daemon: Rendezvous) -> None:
    """A node whose hint is not wired keys with a chroma hint, as `ckey key` does."""
    scene.node.setInput(1, None)
    scene.press()
    (scene.folder / "out").mkdir()
    keyed = keyed_by_command(real_daemon, scene.folder, scene.folder / "out", "--hint", "auto")
    for frame, path in scene.files().items():
        assert_same(path, keyed[frame])


def test_views(shot: Path) -> None:
    """Each view is keyed from its own pictures into its own files."""
    for frame in FRAMES:
        for view, name in (("left", "plate"), ("right", "hint")):
            shutil.copy(shot / f"plate.{frame if view == 'left' else LAST}.exr", shot / f"{view}.{frame}.exr")
            assert (shot / f"{name}.{frame}.exr").exists()
    with opened(shot, views=("left", "right")) as scene:
        scene.node.setInput(0, scene.read("%V"))
        scene.press()
        assert scene.status == "Keyed 12 frames."
        names = sorted(Path(scene.pattern).parent.glob("*.exr"))
        assert [path.name for path in names] == [
            f"CorridorKey1.{view}.{frame}.exr" for view in ("left", "right") for frame in FRAMES
        ]
        left, right = (read_exr(names[index]).pixels for index in (0, len(FRAMES)))
        assert not np.array_equal(left, right)
        scene.press()
        assert scene.status == "12 were keyed already."


@pytest.mark.parametrize(("ends", "gui"), [("well", True), ("cancelled", True), ("cancelled", False)])
def test_proxies(shot: Path, ends: str, gui: bool) -> None:
    """Frames are exported at full size whatever the viewer shows, and the viewer shows it again afterwards."""
    with opened(shot, gui=gui) as scene:
        scene.host.set_root(proxy=True)
        if ends == "cancelled":
            scene.host.cancel_render_after(2)
        with pytest.raises(RuntimeError) if not gui else nullcontext():
            scene.press()
        assert scene.host.get("root.proxy") is True
        assert {entry.scale for entry in scene.host.renders} == {1.0}
        assert all(read_exr(path).display_window == nuke_shots.SIZE for path in scene.files().values())
        assert bool(scene.files()) or ends == "cancelled"
        assert not scene.node["exporting"].value()


def test_many_exports(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is little room, two frames at a time are exported, once those before them are keyed."""
    monkeypatch.setattr(nuke_shots.module("exchange"), "budget", lambda _: 1)
    waiting = list[int]()
    scene.host.nuke.addBeforeRender(lambda: waiting.append(len(list((scene.folder / "exchange").rglob("*.exr")))))
    scene.press()
    assert waiting == [0, 0, 0]
    assert scene.status == "Keyed 6 frames."
    assert [len(entry.frames) for entry in scene.host.renders] == [2, 2, 2]
    assert sorted(scene.files()) == FRAMES


def test_nuke_stays_usable(scene: Scene) -> None:
    """The button returns at once; the daemon is talked to by another thread, and Nuke's main thread only exports."""
    threads: set[str] = set()
    session = nuke_shots.module("session").Session
    receive = session.receive

    def noted(self: Any, seconds: float) -> Any:
        threads.add(threading.current_thread().name)
        return receive(self, seconds)

    session.receive = noted
    try:
        scene.begin()
        assert scene.is_keying
        assert not scene.files()
        scene.settle()
    finally:
        session.receive = receive
    assert threads == {"CorridorKey"}
    (bar,) = scene.host.progress
    assert not bar.is_open
    assert bar.title == f"CorridorKey: {scene.name}"
    assert bar.values[-1] == 100
    assert bar.values == sorted(bar.values)


def test_a_terminal_tells_how_far_it_is(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Percents are printed, and how it went; there is no bar and no dialog."""
    with opened(shot, gui=False) as scene:
        scene.press()
        said = capsys.readouterr().out
        assert f"CorridorKey: {scene.name}: 0 %" in said
        assert f"CorridorKey: {scene.name}: 100 %" in said
        assert said.splitlines()[-1] == f"{scene.name}: Keyed 6 frames."
        assert not scene.host.progress


def test_aces(scene: Scene) -> None:
    """A script that works in ACEScg is keyed as such: the knob says so, and equals the converted plate's key."""
    scene.set(depth="float")
    scene.press()
    plain = read_exr(scene.files()[FIRST])
    for frame in FRAMES:
        plate = read_exr(scene.folder / f"plate.{frame}.exr").pixels
        converted = np.asarray(color.encode(plate, "acescg"), np.float32)
        nuke_shots.write_picture(scene.folder / f"plate.{frame}.exr", converted, "RGB")
    scene.host.set_root(colorManagement="OCIO", OCIO_config="aces_1.2", workingSpaceLUT="ACES - ACEScg")
    scene.set(working_space="auto")
    scene.press()
    assert scene.node["working_space"].value() == "acescg"
    aces = read_exr(scene.files()[FIRST])
    back = np.asarray(color.decode(aces.pixels[..., :3], "acescg"))
    assert np.abs(back - plain.pixels[..., :3]).max() < 1e-4
    assert np.abs(aces.pixels[..., 3] - plain.pixels[..., 3]).max() < 1e-4


def test_an_empty_hint(scene: Scene) -> None:
    """Frames of which nothing is left are keyed, counted and told."""
    nuke_shots.write_hint(scene.folder, FIRST, np.zeros((36, 64), np.float32))
    scene.press()
    assert scene.status == (f"Keyed 6 frames. Frame {FIRST}: nothing is left of the hint, so the matte is empty.")
    assert not read_exr(scene.files()[FIRST]).pixels[..., 3].any()


def test_undo_is_not_told(scene: Scene) -> None:
    """What keying sets for itself is nothing that an artist's Undo brings back, and Undo works afterwards."""
    undo, seen = scene.host.nuke.Undo, list[bool]()
    scene.host.nuke.addBeforeRender(lambda: seen.append(undo.disabled()))
    scene.press()
    assert seen == [True]
    assert not undo.disabled()
