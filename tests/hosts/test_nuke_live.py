"""Live and Cached in Nuke: the plug-in inside the node and the files that it keys give the same picture."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import gizmos
import nuke_shots
from corridorkey_models.params import PARAMS
from corridorkey_server.footage.picture import Window
from corridorkey_server.rendezvous import Rendezvous
from nuke_shots import FIRST, SIZE, Scene, opened
from nukehost import NukeHost
from ofx_shots import OTHER_VALUES

OUTPUTS = ("premultiplied", "foreground", "matte", "hint", "checker", "plate")
BOXES = {
    "whole": SIZE,
    "cropped": Window(10, 5, 40, 20),
    "overscan": Window(-6, -4, 80, 48),
    "beside": Window(-9, 8, 40, 40),
}
CLOSE = 1e-5
"""What the order of a multiplication may change."""


@pytest.fixture(autouse=True)
def _daemon(real_daemon: Rendezvous, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CKEY_RUNTIME", str(real_daemon.folder))


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """Two frames of a small shot."""
    nuke_shots.film(tmp_path, range(FIRST, FIRST + 2))
    return tmp_path


@pytest.fixture
def scene(shot: Path, plug_in: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Nuke with the plug-in, and the live variant behind the shot."""
    monkeypatch.setattr(nuke_shots, "GIZMO", gizmos.FOLDER / gizmos.LIVE)
    with opened(shot, (FIRST, FIRST + 1), has_ofx=plug_in) as scene:
        scene.set(depth="float")
        yield scene


def both(scene: Scene) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what the node shows live and cached."""
    shown = []
    for way in ("Live", "Cached"):
        scene.set(evaluate=way)
        shown.append(scene.shown(FIRST))
    return shown[0], shown[1]


def reframe(scene: Scene, window: Window) -> None:
    """Give the plate another data window, its pixels where there were none."""
    for frame in (FIRST, FIRST + 1):
        path = scene.folder / f"plate.{frame}.exr"
        whole = nuke_shots.read_exr(path)
        noise = np.random.default_rng(frame).random((window.height, window.width, 3), np.float32)
        inside = window.intersection(SIZE)
        rows = slice(inside.y - window.y, inside.bottom - window.y)
        columns = slice(inside.x - window.x, inside.right - window.x)
        noise[rows, columns] = whole.pixels[inside.y : inside.bottom, inside.x : inside.right]
        nuke_shots.write_picture(path, noise, "RGB", window)


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("overscan", [False, True])
def test_live_is_cached(scene: Scene, box: str, overscan: bool) -> None:
    """Every output of the plug-in is that of the keyed files, whatever part of the frame the plate covers."""
    reframe(scene, BOXES[box])
    scene.node.input(0)["reload"].execute()
    scene.set(overscan=overscan)
    scene.press()
    assert scene.status == "Keyed 2 frames."
    for output in OUTPUTS:
        scene.set(output=output)
        live, cached = both(scene)
        assert np.abs(live - cached).max() < CLOSE, output
        assert live.any(), output


OTHERS = [{name: value} for name, value in OTHER_VALUES.items()] + [
    {"hint_source": "chroma"},
    {"hint_source": "input", "hint_channel": "luminance"},
    {"working_space": "acescg", "output_space": "linear_rec709"},
    {"working_space": "arri_logc3", "output_space": "acescg"},
]


@pytest.mark.parametrize("knobs", OTHERS, ids=lambda knobs: "-".join(knobs))
def test_every_knob_reaches_both(scene: Scene, knobs: dict[str, Any]) -> None:
    """Whatever is set, the plug-in inside gets it by its expression and the daemon by its message."""
    assert OTHER_VALUES.keys() <= {param.name for param in PARAMS}
    scene.set(**{"quality": "draft", "output": "foreground", **knobs})
    scene.press("key_current")
    assert scene.status.startswith("Keyed 1 frame"), scene.status
    live, cached = both(scene)
    assert np.abs(live - cached).max() < CLOSE


def test_masks_and_no_hint_reach_both(scene: Scene) -> None:
    """An unwired hint is the chroma hint in both, not a black picture; masks hold in both."""
    for index in (2, 3):
        mask = scene.host.source(
            f"Mask{index}", lambda _frame, _view: np.ones((9, 16, 4), np.float32), (64, 36), (20, 10)
        )
        scene.node.setInput(index, mask)
        scene.node.setInput(1, None)
        scene.press("key_current")
        live, cached = both(scene)
        assert np.abs(live - cached).max() < CLOSE
        scene.node.setInput(index, None)


def test_a_terminal_is_always_cached(shot: Path, plug_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the knob says, a render without a GUI reads the keyed files, and fails where there are none."""
    monkeypatch.setattr(nuke_shots, "GIZMO", gizmos.FOLDER / gizmos.LIVE)
    with opened(shot, (FIRST, FIRST + 1), gui=False, has_ofx=plug_in) as scene:
        scene.set(evaluate="Live")
        assert scene.host.error(scene.node, FIRST)
        scene.press()
        scene.files()[FIRST].write_bytes(scene.files()[FIRST + 1].read_bytes())
        scene.node.node("CacheRead")["reload"].execute()
        assert np.array_equal(scene.shown(FIRST), scene.shown(FIRST + 1))


@pytest.mark.parametrize("placeholder", [True, False])
def test_a_farm_needs_nothing_of_ours(
    shot: Path, plug_in: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch, placeholder: bool
) -> None:
    """A keyed script with the live variant loads without plug-in, package and daemon, and renders what was keyed."""
    monkeypatch.setattr(nuke_shots, "GIZMO", gizmos.FOLDER / gizmos.LIVE)
    with opened(shot, (FIRST, FIRST + 1), has_ofx=plug_in) as scene:
        scene.press()
        scene.host.create("Write", scene.node, name="Final", file=f"{shot}/final.%04d.exr", channels="rgba")
        scene.set(evaluate="Cached")
        name, shown = scene.name, scene.shown(FIRST)
        scene.set(evaluate="Live")
        text = scene.host.save()
    monkeypatch.setenv("CKEY_RUNTIME", str(runtime))
    with NukeHost(gui=False, placeholder=placeholder) as farm:
        monkeypatch.setitem(sys.modules, "corridorkey_nuke", None)
        farm.load(text)
        assert np.array_equal(farm.pixels(name, FIRST).rgba(), shown)
        farm.render("Final", FIRST, FIRST + 1)
        assert not farm.take_faults()
        farm.set(f"{name}.despill", 1.0)
        assert "is not keyed with these settings and inputs" in farm.error(name, FIRST)
