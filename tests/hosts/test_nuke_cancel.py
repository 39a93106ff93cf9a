"""Keying from Nuke that is stopped, or loses its daemon, at every stage: whole frames, a script as before, no rest."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

import nuke_shots
from commands import ckey
from corridorkey_server.footage.exr import read_exr, read_exr_header
from corridorkey_server.rendezvous import Rendezvous
from daemons import PATIENCE, eventually, is_alive
from nuke_shots import FIRST, Scene, opened

FRAMES = range(FIRST, FIRST + 12)


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """A folder with plate and hint of a small shot, for a script."""
    return nuke_shots.film(tmp_path, FRAMES)


@pytest.fixture
def scene(shot: Path, real_daemon: Rendezvous, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Nuke with its GUI, and a daemon."""
    monkeypatch.setenv("CKEY_RUNTIME", str(real_daemon.folder))
    with opened(shot, (FRAMES[0], FRAMES[-1])) as scene:
        yield scene


def assert_clean(scene: Scene, finished: bool = False) -> int:
    """What is there is whole, and how much is returned; the script is as before; the next press keys the rest."""
    files = scene.files()
    for path in files.values():
        assert read_exr_header(path), f"{path} is not whole"
        assert read_exr(path).pixels.shape == (36, 64, 4)
    assert not scene.node["exporting"].value()
    assert scene.node["exchange"].value() == ""
    assert all(not bar.is_open for bar in scene.host.progress)
    assert not [thread for thread in threading.enumerate() if thread.name == "CorridorKey"]
    assert finished or len(files) < len(FRAMES)
    scene.press()
    assert sorted(scene.files()) == list(FRAMES)
    left = len(FRAMES) - len(files)
    assert scene.status.startswith(f"Keyed {left} frame") if left else "were keyed already" in scene.status
    return len(files)


@pytest.mark.parametrize("gui", [True, False], ids=["gui", "terminal"])
@pytest.mark.parametrize("frames", [0, 1, 5])
def test_cancel_in_nukes_own_progress(
    shot: Path, real_daemon: Rendezvous, monkeypatch: pytest.MonkeyPatch, gui: bool, frames: int
) -> None:
    """Nuke's Cancel during the export stops all; frames that were too far for that are whole."""
    monkeypatch.setenv("CKEY_RUNTIME", str(real_daemon.folder))
    with opened(shot, (FRAMES[0], FRAMES[-1]), gui=gui) as scene:
        scene.host.cancel_render_after(frames)
        # A script that waits for the frames must not go on without them.
        with nullcontext() if gui else pytest.raises(RuntimeError, match="are missing"):
            scene.press()
        assert scene.status.startswith("Stopped: keyed")
        assert not scene.host.messages
        assert len(scene.exports()) == frames
        assert assert_clean(scene) <= frames


@pytest.mark.parametrize("where", ["button", "bar"])
@pytest.mark.parametrize("stage", ["at once", "first file", "all exported"])
def test_cancel_while_keying(scene: Scene, where: str, stage: str) -> None:
    """The Cancel button and the bar's Cancel stop frames that wait and the one that is keyed."""
    scene.begin()
    if stage == "first file":
        scene.host.run_until(lambda: bool(scene.files()), 30)
    elif stage == "all exported":
        scene.host.run_until(lambda: len(scene.exports()) == len(FRAMES), 30)
    if where == "button":
        scene.begin("cancel")
    else:
        scene.host.run_until(lambda: bool(scene.host.progress), 30)
        scene.host.progress[0].cancel()
    scene.settle()
    count = len(scene.files())
    assert scene.status.startswith(f"Stopped: keyed {count} frame")
    assert not scene.host.messages
    if (stage, where) == ("at once", "button"):
        assert not scene.exports()
    assert assert_clean(scene, finished=stage == "all exported") == count


def test_cancel_before_nuke_comes_to_export(scene: Scene) -> None:
    """An export that waits for Nuke's main thread does not begin any more."""
    scene.begin()
    run = nuke_shots.module("keying").running(scene.name)
    eventually(lambda: run.is_exporting, "the main thread is asked to export")
    scene.begin("cancel")
    scene.settle()
    assert not scene.exports()
    assert_clean(scene)


def test_cancel_while_nuke_exports(scene: Scene) -> None:
    """The bar's Cancel ends Nuke's render with the frame that it is at."""

    def press() -> None:
        if len(scene.exports()) == 3:
            run = nuke_shots.module("keying").running(scene.name)
            scene.host.progress[0].cancel()
            eventually(lambda: run._stop.is_set(), "the bar is looked at")

    scene.host.nuke.addAfterFrameRender(press)
    scene.press()
    assert len(scene.exports()) == 3
    scene.host.nuke.removeAfterFrameRender(press)
    assert_clean(scene)


def test_cancel_between_exports(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where frames are exported a few at a time, no more are after Cancel."""
    monkeypatch.setattr(nuke_shots.module("exchange"), "budget", lambda _: 1)
    scene.begin()
    scene.host.run_until(lambda: len(scene.exports()) >= 4, 30)
    scene.begin("cancel")
    scene.settle()
    assert len(scene.exports()) < len(FRAMES)
    assert scene.status.startswith("Stopped: keyed")
    assert_clean(scene)


def test_cancel_when_there_is_nothing(scene: Scene) -> None:
    """A Cancel that comes too late says so, and does nothing."""
    scene.press()
    scene.press("cancel")
    assert scene.status == "Nothing is being keyed."


def test_cancel_while_the_daemon_starts(shot: Path, nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program that starts it is stopped, and nothing was exported."""
    waits = f"trap 'touch {shot}/stopped; exit 1' TERM; touch {shot}/begun; while true; do sleep 0.1; done"
    nuke_shots.write_command(shot / "bin", waits, monkeypatch)
    with opened(shot, (FRAMES[0], FRAMES[-1])) as scene:
        scene.host.answers.append(True)
        scene.begin()
        scene.host.run_until(lambda: (shot / "begun").exists(), 30)
        scene.begin("cancel")
        scene.settle()
        assert scene.status == "Stopped: keyed 0 frames, 12 are missing."
        assert (shot / "stopped").exists()
        assert not scene.exports()
        assert not nowhere.exists()


@pytest.mark.parametrize("gui", [True, False], ids=["gui", "terminal"])
def test_a_daemon_that_is_started(
    shot: Path, nowhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gui: bool
) -> None:
    """One press starts the daemon and keys; a terminal says so, and asks nobody."""
    start = f"exec {sys.executable} -m corridorkey_server.cli start --device cpu --model procedural"
    nuke_shots.write_command(shot / "bin", start, monkeypatch)
    try:
        with opened(shot, (FRAMES[0], FRAMES[-1]), gui=gui) as scene:
            scene.host.answers += [True] if gui else []
            scene.press()
            assert scene.status == "Keyed 12 frames."
            assert ("no CorridorKey daemon runs; starting it" in capsys.readouterr().out) == (not gui)
            assert sorted(scene.files()) == list(FRAMES)
    finally:
        ckey(nowhere, "stop", "--now")


def start_daemon(runtime: Path) -> int:
    """Start a daemon of its own for a test that ends it; return its process id."""
    assert ckey(runtime, "start", "--device", "cpu", "--model", "procedural").returncode == 0
    return int(json.loads(ckey(runtime, "status", "--json").stdout)["pid"])


@pytest.mark.parametrize("gui", [True, False], ids=["gui", "terminal"])
def test_a_daemon_that_is_killed(runtime: Path, shot: Path, monkeypatch: pytest.MonkeyPatch, gui: bool) -> None:
    """Frames without an answer are told as missing with what to do; the next press keys them."""
    monkeypatch.setenv("CKEY_RUNTIME", str(runtime))
    pid = start_daemon(runtime)
    try:
        with opened(shot, (FRAMES[0], FRAMES[-1]), gui=gui) as scene:
            killer = threading.Thread(target=kill_after, args=(pid, scene.folder / "corridorkey"))
            killer.start()
            if gui:
                scene.press()
                assert scene.host.messages == [f"{scene.name}: {scene.status}"]
            else:
                with pytest.raises(RuntimeError, match="daemon has ended"):
                    scene.press()
            killer.join()
            assert "missing" in scene.status
            assert "CorridorKey daemon has ended" in scene.status
            start_daemon(runtime)
            assert_clean(scene)
    finally:
        ckey(runtime, "stop", "--now")


def test_a_daemon_that_is_killed_while_a_terminal_exports(
    runtime: Path, shot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing more is rendered for a daemon that is gone."""
    monkeypatch.setenv("CKEY_RUNTIME", str(runtime))
    pid = start_daemon(runtime)
    with opened(shot, (FRAMES[0], FRAMES[-1]), gui=False) as scene:

        def kill() -> None:
            if len(scene.exports()) == 3:
                os.kill(pid, signal.SIGKILL)
                eventually(lambda: not is_alive(pid), "the daemon has ended")

        scene.host.nuke.addAfterFrameRender(kill)
        with pytest.raises(RuntimeError, match="CorridorKey daemon has ended"):
            scene.press()
        assert len(scene.exports()) < len(FRAMES)
        assert not scene.node["exporting"].value()


def kill_after(pid: int, folder: Path) -> None:
    """End a daemon when the first keyed file is there."""
    until = time.monotonic() + PATIENCE
    while not list(folder.rglob("*.exr")) and time.monotonic() < until:
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
