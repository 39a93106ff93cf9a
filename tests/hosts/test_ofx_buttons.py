"""The buttons of the OFX plug-in: each does one thing, says so, and gives up in time."""

import os
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from commands import ckey
from daemons import EchoDaemon, Pixels, asking, eventually, is_alive, stamped
from ofx_shots import ODD, effect_of, in_every_mode, solid, wired
from ofxhost import MLT, NUKE, RESOLVE, STRICT, Host, Message, Mode, Picture, abi
from ofxhost.session import Action

PATIENT = 5.0
"""Seconds in which something that was cancelled is over, also on a busy machine."""

DOWN = "no CorridorKey daemon runs; start it with `ckey start`"
CHATTY = [STRICT, NUKE, RESOLVE]
in_chatty_modes = pytest.mark.parametrize("mode", CHATTY, ids=lambda mode: mode.label)


@dataclass(frozen=True)
class Bundle:
    """A bundle of a test's own.

    Attributes:
        binary: the plug-in in it.
        resources: its folder for everything else.
    """

    binary: Path
    resources: Path

    def tell_command(self, path: Path) -> None:
        """Write where `ckey` is, as `ckey install ofx` does."""
        (self.resources / "ckey.path").write_text(f"{path}\n")


@pytest.fixture
def bundle(plug_in: Path, tmp_path: Path) -> Bundle:
    """A bundle around the plug-in, which knows of no `ckey`."""
    contents = tmp_path / "CorridorKey.ofx.bundle" / "Contents"
    made = Bundle(contents / "Linux-x86-64" / "CorridorKey.ofx", contents / "Resources")
    made.binary.parent.mkdir(parents=True)
    made.resources.mkdir()
    shutil.copyfile(plug_in, made.binary)
    (made.resources / "CorridorKey.txt").write_text("How it works.\n")
    return made


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the first on PATH, before those of the system."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def script(path: Path, *lines: str) -> Path:
    """Write a program for the shell; the whole file appears at once."""
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return path


def plate_of(green: float, blue: float) -> Pixels:
    """Return a plate whose top left pixel has these, and whose other corners have them the other way round."""
    plate, _ = stamped(ODD, 1, 1)
    for row, column in ((0, -1), (-1, 0), (-1, -1)):
        plate[row, column] = 0.1, blue, green
    plate[0, 0] = 0.1, green, blue
    return plate


def source(plate: Pixels, at: tuple[int, int] = (0, 0)) -> dict[str, Picture]:
    """Return a plate as it is wired."""
    return {"Source": Picture(solid(plate), at=at)}


def texts(messages: list[Message]) -> list[str]:
    """Return what was said."""
    return [message.text for message in messages]


# Detect Screen


@pytest.mark.usefixtures("echo")
@in_every_mode
@pytest.mark.parametrize("screen", ["green", pytest.param("blue", marks=pytest.mark.slow)])
def test_detect_screen_sets_the_screen(screen: str, mode: Mode, plug_in: Path) -> None:
    """By the plate's own pixels, the top row first, in every kind of host, and without a dialog."""
    with Host(plug_in, mode) as host:
        effect = effect_of(host, screen="green" if screen == "blue" else "blue")
        said = effect.press("detect_screen", source(plate_of(*((0.8, 0.2) if screen == "green" else (0.2, 0.8)))))
        assert effect.value("screen") == screen.capitalize()
        assert effect.value("status_text") == f"the screen is {screen}."
        assert said == []
        assert all(bar.has_ended for bar in host.progress)
        assert len(host.progress) == (0 if mode.background else 1)


@in_chatty_modes
@pytest.mark.usefixtures("echo")
def test_no_screen_is_a_message(mode: Mode, plug_in: Path) -> None:
    """Where none was found the artist is told, and what was chosen stays."""
    with Host(plug_in, mode) as host:
        effect = effect_of(host, screen="blue")
        said = effect.press("detect_screen", source(plate_of(0.5, 0.5)))
        assert texts(said) == ["no screen was found in the plate; choose Screen by hand."]
        assert [message.type for message in said] == ["OfxMessageError"]
        assert not said[0].is_persistent
        assert effect.value("screen") == "Blue"
        assert effect.value("status_text") == said[0].text


@pytest.mark.usefixtures("echo")
def test_detect_screen_in_the_background_is_silent(plug_in: Path) -> None:
    """Where nobody looks there is no dialog; the line still tells."""
    with Host(plug_in, MLT) as host:
        effect = effect_of(host, screen="blue")
        assert effect.press("detect_screen", source(plate_of(0.5, 0.5))) == []
        assert effect.value("screen") == "Blue"
        assert "no screen was found" in effect.value("status_text")


@pytest.mark.usefixtures("echo")
def test_detect_screen_without_a_plate(plug_in: Path) -> None:
    """Nothing wired, nothing set."""
    with Host(plug_in, STRICT) as host:
        effect = effect_of(host)
        assert texts(effect.press("detect_screen")) == [
            "there is no plate at this frame; wire Source or go to a frame that has one."
        ]
        assert effect.value("screen") == "Green"


@in_chatty_modes
def test_detect_screen_without_a_daemon(mode: Mode, plug_in: Path) -> None:
    """The next step is told, each time that the button is pressed."""
    with Host(plug_in, mode) as host:
        effect = effect_of(host)
        for _ in range(2):
            (said,) = texts(effect.press("detect_screen", source(plate_of(0.2, 0.8))))
            assert DOWN in said
            assert effect.value("status_text") == said
        assert effect.value("screen") == "Green"


@pytest.mark.usefixtures("echo")
def test_detect_screen_asks_for_the_working_space(plug_in: Path) -> None:
    """An unknown host's pictures are not guessed at."""
    with Host(plug_in, STRICT) as host:
        effect = effect_of(host, working_space="auto")
        (said,) = texts(effect.press("detect_screen", source(plate_of(0.2, 0.8))))
        assert "choose the Working Space" in said
        assert effect.value("screen") == "Green"


def test_detect_screen_can_be_cancelled(plug_in: Path, echo: EchoDaemon) -> None:
    """While another node's frame is keyed the button waits, and ends in silence when the artist says so."""
    slow, enough = asking(1030.0), threading.Event()
    with Host(plug_in, STRICT) as host, ThreadPoolExecutor(1) as thread:
        effect = effect_of(host)
        rendering = thread.submit(effect_of(host).render, wired(STRICT, slow, slow[..., 0]), abort=enough)
        eventually(echo.is_keying, "the other frame is keyed")
        host.session.cancels_progress = True
        begun = time.monotonic()
        assert effect.press("detect_screen", source(plate_of(0.2, 0.8))) == []
        assert time.monotonic() - begun < PATIENT
        enough.set()
        assert rendering.result().status == 1
        assert [bar.has_ended for bar in host.progress] == [True]
        assert (effect.value("screen"), effect.value("status_text")) == ("Green", "")


# Status


@in_chatty_modes
def test_status_describes_the_daemon(
    mode: Mode, plug_in: Path, daemon: EchoDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Process, device and model, and with what this node's last frame was keyed."""
    monkeypatch.setenv("CKEY_RUNTIME", str(daemon.place.folder))
    plate, hint = stamped(ODD, 1, 1)
    with Host(plug_in, mode) as host:
        effect = effect_of(host)
        (before,) = effect.press("status")
        process = f"CorridorKey daemon {daemon.process.pid}: "
        about = ", model echo, quality full, protocol 1"
        devices = ("its worker starts with the first frame", "echo")  # a daemon prepares its worker meanwhile
        assert before.text in [f"{process}{device}{about}" for device in devices]
        assert (before.type, before.is_persistent) == ("OfxMessageMessage", False)
        assert effect.value("status_text") == before.text
        assert effect.render(wired(mode, plate, hint), time=7.0).status == 0
        (after,) = texts(effect.press("status"))
        assert after.startswith(f"{process}echo{about}; frame 7: plate linear_rec709, hint the input, 0.")
        assert "screen green" in after


@in_chatty_modes
def test_status_without_a_daemon(mode: Mode, plug_in: Path) -> None:
    """The same sentence as in a render, as an error."""
    with Host(plug_in, mode) as host:
        effect = effect_of(host)
        (said,) = effect.press("status")
        assert DOWN in said.text
        assert said.type == "OfxMessageError"
        assert effect.value("status_text") == said.text


# Start Daemon


@pytest.mark.parametrize("place", ["bundle", "path", "both"])
def test_start_daemon_runs_ckey(place: str, bundle: Bundle, programs: Path, tmp_path: Path, echo: EchoDaemon) -> None:
    """The one that the bundle names, else the one on PATH; told once to start, and then the daemon is described."""
    named, found = tmp_path / "named", tmp_path / "found"
    if place != "path":
        bundle.tell_command(script(tmp_path / "my ckey", f'echo "$@" >> {named}'))
    if place != "bundle":
        script(programs / "ckey", f'echo "$@" >> {found}')
    with Host(bundle.binary, STRICT) as host:
        effect = effect_of(host)
        (said,) = texts(effect.press("start_daemon"))
    assert said.startswith(f"CorridorKey daemon {echo.process.pid}: ")
    right, wrong = (found, named) if place == "path" else (named, found)
    assert right.read_text() == "start\n"
    assert not wrong.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("echo", "programs")
def test_start_daemon_hands_on_nothing_of_the_host(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What hosts set for their own libraries would break Python: it is taken out; the rest stays."""
    for name in ("LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "QT_PLUGIN_PATH", "CKEY_MODELS"):
        monkeypatch.setenv(name, "/opt/host")
    bundle.tell_command(script(tmp_path / "ckey", f"env > {tmp_path}/env", f"ls /proc/self/fd > {tmp_path}/open"))
    with Host(bundle.binary, STRICT) as host, (tmp_path / "secret").open("w") as secret:
        os.set_inheritable(secret.fileno(), True)
        effect_of(host).press("start_daemon")
    told = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines() if "=" in line)
    assert {name for name, value in told.items() if value == "/opt/host"} == {"CKEY_MODELS"}
    assert len((tmp_path / "open").read_text().split()) <= 5


@in_chatty_modes
def test_start_daemon_without_ckey(mode: Mode, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what is not executable counts, nor what lies in the host's working folder; the artist gets a way."""
    (tmp_path / "ckey").write_text("no program")
    bundle.tell_command(tmp_path / "ckey")
    here = tmp_path / "here"
    here.mkdir()
    script(here / "ckey", f"touch {tmp_path}/ran")
    monkeypatch.chdir(here)
    monkeypatch.setenv("PATH", f":.:{tmp_path}/nowhere")
    with Host(bundle.binary, mode) as host:
        effect = effect_of(host)
        assert texts(effect.press("start_daemon")) == ["ckey was not found; run `ckey start` in a terminal."]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["echo loading", "echo 'ckey: the disk is full; free some.' >&2", "exit 1"], "the disk is full; free some."),
        (["exit 3"], "`ckey start` failed and said nothing; run it in a terminal."),
        (["kill -9 $$"], "`ckey start` failed and said nothing; run it in a terminal."),
    ],
    ids=["sentence", "silent", "killed"],
)
def test_start_daemon_tells_why_it_failed(lines: list[str], expected: str, bundle: Bundle, tmp_path: Path) -> None:
    """The last line of `ckey start` is what the artist reads."""
    bundle.tell_command(script(tmp_path / "ckey", *lines))
    with Host(bundle.binary, STRICT) as host:
        effect = effect_of(host)
        (said,) = effect.press("start_daemon")
        assert (said.text, said.type) == (expected, "OfxMessageError")
        assert effect.value("status_text") == expected
        assert [bar.has_ended for bar in host.progress] == [True]


def test_start_daemon_can_be_cancelled(bundle: Bundle, tmp_path: Path) -> None:
    """A `ckey start` that hangs is stopped with what it started, as soon as the artist has enough."""
    told = tmp_path / "pids"
    bundle.tell_command(script(tmp_path / "ckey", "sleep 600 &", f"echo $$ $! > {told}", "wait"))
    with Host(bundle.binary, STRICT) as host, ThreadPoolExecutor(1) as thread:
        effect = effect_of(host)
        pressing = thread.submit(effect.press, "start_daemon")
        eventually(lambda: told.exists() and len(told.read_text().split()) == 2, "it runs")
        host.session.cancels_progress = True
        assert eventually(pressing.done, "the button is done") < PATIENT
        assert pressing.result() == []
        assert [bar.has_ended for bar in host.progress] == [True]
        assert all(0 <= value <= 1 for value in host.progress[0].values)
    for pid in map(int, told.read_text().split()):
        eventually(lambda pid=pid: not is_alive(pid), "it is gone")


@pytest.mark.slow
def test_start_daemon_for_real(bundle: Bundle, programs: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From no daemon to a keyed frame with nothing but the button."""
    monkeypatch.setenv("CKEY_RUNTIME", str(runtime))
    command = Path(sys.executable).with_name("ckey")
    bundle.tell_command(script(programs / "ckey", f'exec {command} "$@" --model procedural --device cpu'))
    plate, hint = stamped(ODD, 1, 1)
    with Host(bundle.binary, NUKE) as host:
        effect = effect_of(host, quality="draft")
        assert effect.render(wired(NUKE, plate, hint)).status == 1
        try:
            (said,) = texts(effect.press("start_daemon"))
            assert "CorridorKey daemon " in said
            assert "model procedural" in said
            result = effect.render(wired(NUKE, plate, hint))
        finally:
            assert ckey(runtime, "stop", "--now").returncode == 0
        assert result.status == 0
        assert np.isfinite(result.pixels).all()
        assert effect.persistent is None


# Open Docs


@in_chatty_modes
def test_open_docs_shows_the_page(mode: Mode, bundle: Bundle, programs: Path, tmp_path: Path) -> None:
    """The page of this bundle goes to the desktop's program, and nothing is said; nobody waits for it."""
    told = tmp_path / "told"
    script(programs / "xdg-open", f'printf "%s\\n" "$@" > {told}.part', f"mv {told}.part {told}", "sleep 5")
    with Host(bundle.binary, mode) as host:
        effect = effect_of(host)
        begun = time.monotonic()
        assert effect.press("open_docs") == []
        assert time.monotonic() - begun < PATIENT
        eventually(told.exists, "the page is shown")
    assert told.read_text() == f"{bundle.resources}/CorridorKey.txt\n"


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("missing", ["page", "program"])
def test_open_docs_says_what_is_missing(
    missing: str, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No page, or no program for it: where it is, or how to get it."""
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    page = bundle.resources / "CorridorKey.txt"
    if missing == "page":
        page.unlink()
    with Host(bundle.binary, STRICT) as host:
        (said,) = texts(effect_of(host).press("open_docs"))
    program = f"this desktop has no xdg-open; open {page} yourself."
    assert said == (program if missing == "program" else f"{page} is missing; install the plug-in again.")


# Everything else that changes


def change(host: Host, name: str, reason: str, type_: str = "OfxTypeParameter") -> int:
    """Tell the plug-in of a change; return what it answers."""
    effect = host.create()
    told = {
        "OfxPropType": type_,
        "OfxPropName": name,
        "OfxPropChangeReason": reason,
        "OfxPropTime": 1.0,
        "OfxImageEffectPropRenderScale": (1.0, 1.0),
    }
    action = Action(abi.CHANGED, effect)
    status, _ = host.plugin.act(action, effect.handle, told)
    assert action.edited == []
    assert action.messages == []
    return status


@pytest.mark.slow
@in_chatty_modes
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ResolveUseAlphaForTrackCompositing", "OfxChangeUserEdited"),
        ("Source", "OfxChangeUserEdited"),
        ("screen", "OfxChangeUserEdited"),
        ("", "OfxChangeUserEdited"),
        ("status" * 100, "OfxChangeUserEdited"),
        *((name, reason) for name in ("status", "detect_screen", "start_daemon", "open_docs")
          for reason in ("OfxChangePluginEdited", "OfxChangeTime")),
    ],
)  # fmt: skip
def test_other_changes_are_ignored(name: str, reason: str, mode: Mode, plug_in: Path) -> None:
    """Only a press of a button by a user does something; what hosts add of their own does not."""
    with Host(plug_in, mode) as host:
        assert change(host, name, reason) == abi.REPLY_DEFAULT
        assert host.progress == []
