"""Which frames the node in Nuke keys again, which files it keeps, and what its other buttons make of them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

import nuke_shots
from corridorkey_server.footage.exr import read_exr, read_exr_header
from corridorkey_server.rendezvous import Rendezvous
from nuke_shots import FIRST, LAST, Scene, opened, pixels_of

FRAMES = list(range(FIRST, LAST + 1))


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


def test_another_knob(scene: Scene) -> None:
    """A changed setting makes the node stale until it is keyed, which overwrites nothing, or set back."""
    scene.press()
    first = scene.files()
    before = {path: path.read_bytes() for path in first.values()}
    scene.set(despill=1.0)
    assert "STALE" in scene.label
    with pytest.raises(Exception, match="is not keyed with these settings and inputs"):
        scene.shown(FIRST)
    scene.press()
    assert scene.status == "Keyed 6 frames."
    second = scene.files()
    assert not set(second.values()) & set(first.values())
    assert {path: path.read_bytes() for path in first.values()} == before
    assert "STALE" not in scene.label
    one, other = (read_exr(files[FIRST]).pixels for files in (first, second))
    assert not np.array_equal(one, other)
    scene.set(despill=0.5)
    assert "STALE" in scene.label
    scene.press()
    assert (scene.status, scene.files()) == ("6 were keyed already.", first)
    assert "STALE" not in scene.label
    assert scene.shown(FIRST)[..., 3].any()
    assert len(scene.exports()) == 12


def test_setting_a_knob_back(scene: Scene) -> None:
    """What was keyed shows again without any work, and renders."""
    scene.press()
    scene.set(despill=1.0)
    scene.set(despill=0.5)
    assert "STALE" not in scene.label
    assert scene.shown(LAST)[..., 3].any()


@pytest.mark.parametrize("how", ["wired", "drawn", "adjusted"])
def test_another_hint(scene: Scene, how: str) -> None:
    """Another hint, other pixels in its files, and another knob above it key anew, and not over the old frames."""
    scene.press()
    first = scene.files()
    hint = scene.node.input(1)
    empty = np.zeros((36, 64), np.float32)
    empty[10:20, 20:40] = 1
    if how == "wired":
        for frame in FRAMES:
            nuke_shots.write_hint(scene.folder, frame, empty, "other")
        scene.node.setInput(1, scene.read("other"))
    elif how == "drawn":
        for frame in FRAMES:
            nuke_shots.write_hint(scene.folder, frame, empty)
    else:
        hint["last"].setValue(LAST + 1)
    scene.press()
    assert scene.status == "Keyed 6 frames."
    assert not set(scene.files().values()) & set(first.values())
    assert all(path.exists() for path in first.values())
    is_same = np.array_equal(read_exr(first[FIRST]).pixels, read_exr(scene.files()[FIRST]).pixels)
    assert is_same == (how == "adjusted")


def test_what_touches_no_pixel(scene: Scene) -> None:
    """Moving, naming and coloring nodes, a Dot, and the node's own view key nothing."""
    scene.press()
    plate = scene.node.input(0)
    plate.setXYpos(500, 500)
    plate["label"].setValue("hero plate")
    plate["tile_color"].setValue(255)
    plate["name"].setValue("Hero")
    dot = scene.host.create("Dot")
    dot.setInput(0, plate)
    scene.node.setInput(0, dot)
    scene.set(output="matte")
    scene.press()
    assert scene.status == "6 were keyed already."
    assert scene.exports() == FRAMES


def test_a_longer_range(scene: Scene) -> None:
    """Only what is not there yet is exported; Key Current Frame does one frame of the same version."""
    scene.host.go_to(LAST)
    scene.press("key_current")
    assert scene.status == "Keyed 1 frame."
    scene.set_range(FIRST, FIRST + 1)
    scene.press()
    assert scene.files().keys() == {FIRST, FIRST + 1, LAST}
    scene.set_range(FIRST, LAST)
    scene.press()
    assert scene.status == "Keyed 3 frames, 3 were keyed already."
    assert scene.exports() == [LAST, FIRST, FIRST + 1, FIRST + 2, FIRST + 3, FIRST + 4]


def test_a_frame_that_was_lost(scene: Scene) -> None:
    """A file that is missing or has no whole header is keyed again, and no other."""
    scene.press()
    files = scene.files()
    files[FIRST].unlink()
    os.truncate(files[LAST], 100)
    before = files[FIRST + 1].stat().st_mtime_ns
    scene.press()
    assert scene.status == "Keyed 2 frames, 4 were keyed already."
    assert scene.exports() == [*FRAMES, FIRST, LAST]
    assert files[FIRST + 1].stat().st_mtime_ns == before


def test_another_model(scene: Scene) -> None:
    """A frame that another model keyed is keyed again, and no other."""
    scene.press()
    path = scene.files()[FIRST]
    file = OpenEXR.File(str(path))
    file.header()["corridorkey/model"] = "another"
    file.write(str(path))
    scene.press()
    assert scene.status == "Keyed 1 frame, 5 were keyed already."
    facts = [read_exr_header(scene.files()[frame]) or {} for frame in (FIRST, LAST)]
    assert facts[0]["corridorkey/model"] == facts[1]["corridorkey/model"]


def test_float_files(scene: Scene) -> None:
    """`depth` chooses how files store pixels, and is a version of its own."""
    scene.press()
    half = scene.files()
    scene.set(depth="float")
    scene.press()
    one, other = (pixels_of(files[FIRST])[""].pixels for files in (half, scene.files()))
    assert half[FIRST] != scene.files()[FIRST]
    assert not np.array_equal(one, other)
    assert np.array_equal(one, other.astype(np.float16).astype(np.float32))


def test_an_edition_that_shows_few_nodes(shot: Path) -> None:
    """Ten nodes are enough with all inputs wired; frames are exported again, and the daemon keys none twice."""
    with opened(shot, edition="nc") as scene:
        for index in (2, 3):
            scene.host.create("Dot", scene.host.node("Read_hint"), name=f"Dot{index}")
            scene.host.connect(scene.name, index, f"Dot{index}")
        scene.press()
        assert scene.status.startswith("Keyed 6 frames.")
        before = {path: path.stat().st_mtime_ns for path in scene.files().values()}
        scene.press()
        assert scene.status.startswith("6 were keyed already.")
        assert scene.exports() == FRAMES + FRAMES
        assert {path: path.stat().st_mtime_ns for path in scene.files().values()} == before
        scene.press("to_read")
        scene.set(depth="float")
        scene.press()
        assert not before.keys() & set(scene.files().values())


def test_a_path_of_the_artist(scene: Scene) -> None:
    """A file that names no version is used as it is, keyed over where it is stale, and never where it is the plate."""
    scene.set(file=f"{scene.folder}/mine/%V/k.####.exr")
    scene.press()
    path = scene.folder / "mine" / "main" / f"k.{FIRST}.exr"
    before, shown = path.read_bytes(), scene.shown(FIRST)
    scene.set(despill=1.0)
    scene.press()
    assert scene.status == "Keyed 6 frames."
    assert path.read_bytes() != before
    assert not np.array_equal(scene.shown(FIRST), shown)
    scene.set(file=f"{scene.folder}/plate.%04d.exr")
    plate = (scene.folder / f"plate.{FIRST}.exr").read_bytes()
    scene.press()
    assert "no keyed frame" in scene.status
    assert (scene.folder / f"plate.{FIRST}.exr").read_bytes() == plate


def test_to_read(scene: Scene) -> None:
    """A stock Read beside the node gives the keyed frames, and fails where there is none."""
    scene.press()
    before = {node.name() for node in scene.host.nuke.allNodes()}
    scene.press("to_read")
    (made,) = (node for node in scene.host.nuke.allNodes() if node.name() not in before)
    assert made.Class() == "Read"
    assert (made["first"].value(), made["last"].value(), made["raw"].value()) == (FIRST, LAST, True)
    assert {made[name].value() for name in ("before", "after", "on_error")} <= {"error", "black", "hold"}
    keyed = read_exr(scene.files()[FIRST])
    assert np.array_equal(scene.host.pixels(made, FIRST).rgba(), keyed.pixels[..., :4])
    scene.files()[LAST].unlink()
    with pytest.raises(Exception, match=str(LAST)):
        scene.host.pixels(made, LAST)


def test_clear_cache(scene: Scene) -> None:
    """The keyed files that the node shows go, if the artist agrees, and nothing else does."""
    scene.press()
    files = scene.files()
    folder = files[FIRST].parent
    scene.host.answers.append(False)
    scene.press("clear_cache")
    assert all(path.exists() for path in files.values())
    shutil.copy(scene.folder / f"plate.{FIRST}.exr", folder / f"CorridorKey1.main.{LAST + 7}.exr")
    (folder / "notes.txt").touch()
    scene.host.answers.append(True)
    scene.press("clear_cache")
    assert scene.status == "Removed 6 keyed frames."
    assert sorted(path.name for path in folder.iterdir()) == [f"CorridorKey1.main.{LAST + 7}.exr", "notes.txt"]
    scene.press("clear_cache")
    assert scene.status == "There are no keyed frames."
    shutil.rmtree(folder)
    scene.press()
    assert scene.status == "Keyed 6 frames."


def test_a_new_node(shot: Path) -> None:
    """It takes its working space from the script, and frames from a plate that is there; scripts are left alone."""
    with opened(shot) as scene:
        host = scene.host
        host.set_root(colorManagement="OCIO", OCIO_config="aces_1.2", workingSpaceLUT="ACES - ACEScg")
        node = host.create(nuke_shots.GIZMO)
        assert node["working_space"].value() == "acescg"
        assert node["settings_hash"].value() == "unkeyed"
        assert not host.messages
        assert not host.renders


def test_a_node_behind_a_plate(scene: Scene) -> None:
    """A node that is made behind a plate takes its frames, once: what an artist sets afterwards stays."""
    plate = scene.node.input(0)
    scene.host.set_root(
        first_frame=1, last_frame=5, colorManagement="OCIO", OCIO_config="custom", workingSpaceLUT="show_linear_v3"
    )
    node = scene.host.create(nuke_shots.GIZMO)
    assert (node["first"].value(), node["last"].value(), node["working_space"].value()) == (1, 5, "auto")
    node.setInput(0, plate)
    assert (node["first"].value(), node["last"].value()) == (FIRST, LAST)
    node["last"].setValue(LAST - 1)
    node.setInput(0, None)
    node.setInput(0, plate)
    assert node["last"].value() == LAST - 1


def test_a_script_that_was_saved_while_exporting(scene: Scene) -> None:
    """A node that comes back with its exporter on, from an autosave, switches it off."""
    scene.set(exporting=True)
    text = scene.host.save()
    (node,) = (node for node in scene.host.load(text) if node.name() == scene.name)
    assert not node["exporting"].value()


def test_frames_of_another_upstream_in_one_folder(scene: Scene) -> None:
    """In a folder of the artist's own, frames that were keyed before something upstream changed are not shown."""
    scene.set(file=f"{scene.folder}/mine/k.%04d.exr")
    scene.press()
    scene.node.input(1)["last"].setValue(LAST + 1)
    scene.host.go_to(FIRST)
    scene.press("key_current")
    assert scene.status == "Keyed 1 frame."
    assert scene.shown(FIRST)[..., 3].any()
    with pytest.raises(Exception, match="is not keyed with these settings and inputs"):
        scene.shown(FIRST + 1)
    scene.press()
    assert scene.status == "Keyed 5 frames, 1 was keyed already."
    assert scene.shown(FIRST + 1)[..., 3].any()
