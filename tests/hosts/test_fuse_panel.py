"""The fuse's panel and its buttons: what Fusion is told of the tool, and what happens when a button is pressed."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from commands import ckey
from corridorkey_models.params import PARAMS as ROWS
from corridorkey_models.params import Param, Params
from corridorkey_server.client import Client
from corridorkey_server.layout import Layout
from corridorkey_server.protocol import Error, Key, Result
from corridorkey_server.wire import Message
from daemons import EchoDaemon, asking, eventually
from fake_daemon import FakeDaemon, give, served
from fuse_shots import (
    FUSE,
    GOOD,
    HINT,
    ODD,
    SMALL,
    TAKES_LONG,
    assert_keyed,
    check_good,
    control_of,
    opened,
    shot,
    wired,
)
from fusionhost import POINTER, Fusion, Tool
from ofx_shots import LINEAR

pytestmark = pytest.mark.usefixtures("client_library")

SHOWN = [row for row in ROWS if row.name != "overscan"]


def test_registers_once_and_does_nothing_else() -> None:
    """Fusion reads the file at its start: it says what it is, and loads nothing."""
    with Fusion(POINTER, FUSE / "Modules" / "Lua") as fusion:
        facts = fusion.register(FUSE / "CorridorKey.fuse")
    assert facts["id"] == "CorridorKey"
    assert facts["REG_OpNoMask"] is True
    assert facts["REG_SupportsDoD"] is False


def test_pins() -> None:
    """One picture is needed, three more may be wired; three come out."""
    with opened() as (_, tool):
        images = {name: attrs for name, attrs in tool.inputs.items() if attrs["LINKID_DataType"] == "Image"}
        assert list(images) == ["Input", "AlphaHint", "SolidMatte", "GarbageMatte"]
        assert [attrs["LINK_Main"] for attrs in images.values()] == [1, 2, 3, 4]
        assert [attrs["INP_Required"] for attrs in images.values()] == [True, False, False, False]
        assert [attrs["INP_AcceptsDoD"] for attrs in images.values()] == [False] * 4
        assert [attrs["INP_AcceptsMasks"] for attrs in list(images.values())[1:]] == [True] * 3
        assert list(tool.outputs) == ["Output", "Foreground", "Matte"]


@pytest.mark.usefixtures("echo")
def test_the_tools_own_output_is_set_last() -> None:
    """Fusion goes on when it has that one; the others are to be there then."""
    with opened() as (_, tool):
        result = tool.process(GOOD)
        for ids in (result.promised, result.made):
            assert ids[-1] == "Output"
            assert sorted(ids) == ["Foreground", "Matte", "Output"]


@pytest.mark.parametrize("button", ["DetectScreen", "Rekey", "StartDaemon", "CheckDaemon"])
def test_a_button_is_no_value(button: str) -> None:
    """It tells the tool that it was pressed, makes Fusion render nothing by itself, and cannot be animated."""
    with opened() as (_, tool):
        attrs = tool.inputs[button]
    assert attrs["INPID_InputControl"] == "ButtonControl"
    assert (attrs["INP_DoNotifyChanged"], attrs["INP_Passive"], attrs["INP_External"]) == (True, True, False)


def test_the_revision_is_a_value_that_nobody_sees() -> None:
    """Fusion renders again when it changes; an artist has no use for it. The status makes Fusion render nothing."""
    with opened() as (_, tool):
        revision, status = tool.inputs["Revision"], tool.inputs["StatusLine"]
    assert (revision["IC_Visible"], revision["INP_External"]) == (False, False)
    assert not revision.get("INP_Passive", False)
    assert status["INP_Passive"] is True


NESTS = {
    "Screen": "Screen DetectScreen WorkingSpace Quality",
    "Hint": "HintSource HintChannel HintInvert HintErode HintBlur",
    "Matte": "RefinerScale Despeckle DespeckleSize MatteBlack MatteWhite MatteGamma MatteGrow MatteBlur",
    "Foreground": "Despill ForegroundSource HighlightRestore GamutRestore",
    "Output": "OutputMode OutputSpace",
}


def test_nests() -> None:
    """What every shot needs is open, what few need is closed; there is nothing beyond the frame to key."""
    with opened() as (_, tool):
        assert tool.nests == {label: label not in ("Matte", "Foreground") for label in NESTS}
        for label, ids in NESTS.items():
            assert sorted(id_ for id_ in tool.inputs if tool.nest(id_) == (label,)) == sorted(ids.split())
        outside = [id_ for id_ in tool.inputs if not tool.nest(id_)]
        assert outside[4:] == ["Rekey", "StartDaemon", "CheckDaemon", "Revision", "StatusLine"]
        assert "Overscan" not in tool.inputs


@pytest.mark.parametrize("row", SHOWN, ids=lambda row: row.name)
def test_each_parameter_has_its_control(row: Param) -> None:
    """Label, range, default and choices are the table's; ids are permanent."""
    with opened() as (_, tool):
        attrs = tool.inputs[control_of(row.name)]
    labels = {"working_space": "Input is", "output": "Output Mode"}
    assert attrs["LINKS_Name"] == labels.get(row.name, row.label)
    assert attrs["INPS_StatusText"] == row.tooltip
    assert attrs["INP_External"] == (row.kind == "float")
    if row.kind == "choice":
        assert attrs["CCS_AddString"] == list(row.choice_labels)
        assert row.choices[int(attrs["INP_Default"])] == row.default
    else:
        assert attrs["INP_Default"] == row.default
    if row.kind == "float":
        assert (attrs["INP_MinAllowed"], attrs["INP_MaxAllowed"]) == (row.low, row.high)
        assert row.low <= attrs["INP_MinScale"] < attrs["INP_MaxScale"] <= row.high


def test_rekey_is_another_revision(echo: EchoDaemon) -> None:
    """Fusion keeps what it rendered until a value changes: the button changes one, and nothing else."""
    with opened() as (_, tool):
        check_good(tool)
        before = {name: tool.get(name) for name in tool.inputs if name != "Revision"}
        revisions = {tool.get("Revision")}
        for _ in range(3):
            tool.press("Rekey")
            revisions.add(tool.get("Revision"))
        assert len(revisions) == 4
        assert {name: tool.get(name) for name in before} == before
        check_good(tool)
    assert echo.status()["frames"]["keyed"] == 2


def test_check_daemon(echo: EchoDaemon) -> None:
    """The button tells what the daemon is, or why there is none."""
    with opened() as (_, tool):
        tool.press("CheckDaemon")
        assert tool.status.startswith("CorridorKey daemon ")
        echo.process.terminate()
        echo.process.wait()
        tool.press("CheckDaemon")
        assert "no CorridorKey daemon runs; start it" in tool.status


def test_check_daemon_looks_anew(echo: EchoDaemon) -> None:
    """A failed frame lets the tool not try for a while; whoever presses the button wants to know it now."""
    folder, away = echo.place.folder, echo.place.folder.with_name("away")
    with opened() as (_, tool):
        folder.rename(away)
        try:
            assert "no CorridorKey daemon runs" in tool.process(GOOD).lines[0]
        finally:
            away.rename(folder)
        assert "no CorridorKey daemon runs" in tool.process(GOOD).lines[0]
        tool.press("CheckDaemon")
        assert tool.status.startswith("CorridorKey daemon ")
        check_good(tool)


def test_the_daemon_knows_whose_session_it_is(echo: EchoDaemon) -> None:
    """`ckey ps` names the host."""
    with opened() as (_, tool):
        check_good(tool)
        assert [session["client"] for session in echo.status()["sessions"]] == ["Fusion"]


@contextmanager
def installed(folder: Path, command: str) -> Iterator[Tool]:
    """Run the tool where an installation says which ckey there is."""
    (folder / "CorridorKey").mkdir(parents=True)
    (folder / "CorridorKey" / "ckey.path").write_text(f"{command}\n")
    with Fusion(POINTER, FUSE / "Modules" / "Lua", folder) as fusion:
        yield fusion.create(FUSE / "CorridorKey.fuse")


@pytest.mark.timeout(60)
def test_start_daemon(nowhere: Path, tmp_path: Path) -> None:
    """The button starts the daemon of whoever installed, and the next frame is keyed."""
    with installed(tmp_path / "Fuses", str(Path(sys.executable).with_name("ckey"))) as tool:
        try:
            tool.press("StartDaemon")
            assert tool.status.startswith("The daemon is starting.")
            eventually(lambda: is_up(tool), "the daemon answers")
        finally:
            assert ckey(nowhere, "stop", "--now").returncode == 0


def is_up(tool: Tool) -> bool:
    """Whether Check Daemon finds one."""
    tool.press("CheckDaemon")
    return tool.status.startswith("CorridorKey daemon ")


def test_start_daemon_leaves_out_what_is_the_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its path is called, ckey is run as from a terminal, and the host does not wait for it."""
    program, said = tmp_path / 'it\'s "ckey" $HOME' / "ckey", tmp_path / "said"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n{{ echo "$@"; env; }} > "{said}.part"; mv "{said}.part" "{said}"; exec sleep 5\n')
    program.chmod(0o755)
    for name in ("LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH"):
        monkeypatch.setenv(name, "/of/the/host")
    with installed(tmp_path / "Fuses", str(program)) as tool:
        begun = time.monotonic()
        tool.press("StartDaemon")
        assert time.monotonic() - begun < 1
    eventually(said.exists, "the program runs")
    words, *environment = said.read_text().splitlines()
    assert words == "start"
    assert not [line for line in environment if "/of/the/host" in line]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("ckey: no room; free some.", "no room; free some."),
        ("one\nbad interpreter", "bad interpreter"),
        ("", "`ckey start` failed and said nothing; run it in a terminal."),
    ],
)
def test_start_daemon_that_fails(said: str, told: str, nowhere: Path, tmp_path: Path) -> None:
    """Check Daemon then tells what ckey said, until there is a daemon; after that the reason is another one."""
    program = tmp_path / "ckey"
    program.write_text(f"#!/bin/sh\nprintf '%s' '{said}'\n{'echo' if said else ':'}\nexit 1\n")
    program.chmod(0o755)
    with installed(tmp_path / "Fuses", str(program)) as tool:
        tool.press("StartDaemon")
        eventually(lambda: (tool.press("CheckDaemon"), tool.status == told)[1], "ckey has said it")
        with EchoDaemon(nowhere):
            assert is_up(tool)
        tool.press("CheckDaemon")
        assert "no CorridorKey daemon runs" in tool.status


def test_start_daemon_where_one_runs(echo: EchoDaemon, tmp_path: Path) -> None:
    """It is described, and none is started."""
    with installed(tmp_path / "Fuses", "/nowhere/ckey") as tool:
        tool.press("StartDaemon")
        assert tool.status.startswith(f"CorridorKey daemon {echo.process.pid}")


@pytest.mark.parametrize("command", ["/nowhere/ckey", ""])
def test_start_daemon_without_ckey(command: str, tmp_path: Path) -> None:
    """A ckey that is gone is told."""
    with installed(tmp_path / "Fuses", command) as tool:
        tool.press("StartDaemon")
        assert "ckey was not found" in tool.status


@pytest.mark.parametrize("screen", ["green", "blue"])
def test_detect_screen(screen: str, keying: Client) -> None:
    """The next frame finds out the screen, is keyed with it, and leaves it in the control."""
    plate, hint = shot(ODD)
    if screen == "blue":
        plate = np.ascontiguousarray(plate[..., (0, 2, 1)])
    with opened(Screen="Green" if screen == "blue" else "Blue") as (_, tool):
        tool.press("DetectScreen")
        result = tool.process(wired(plate, hint))
        assert tool.get("Screen") == ("green", "blue").index(screen)
        again = tool.process(wired(plate, hint))
    keyed = keying.key(plate, hint, Params(working_space=LINEAR, screen=screen))
    assert_keyed(result, keyed)
    assert_keyed(again, keyed)


def test_a_detected_screen_leaves_no_wrong_frame_behind(keying: Client) -> None:
    """What Fusion keeps of the frame under the old screen is not found again when the artist goes back to that."""
    plate, hint = shot(ODD)
    with opened(Screen="Blue") as (_, tool):
        tool.press("DetectScreen")
        pressed = tool.get("Revision")
        assert_keyed(tool.process(wired(plate, hint)), keying.key(plate, hint, Params(working_space=LINEAR)))
        assert tool.get("Revision") != pressed


@pytest.mark.usefixtures("keying")
def test_detect_screen_outlives_a_frame_that_was_stopped() -> None:
    """Fusion stops a frame to begin it anew: the press counts until a frame has looked, and never for a render."""
    abort, pictures = threading.Event(), wired(*shot(ODD))
    abort.set()
    with opened(Screen="Blue") as (_, tool):
        tool.press("DetectScreen")
        tool.process(pictures, abort=abort)
        tool.process(pictures, rendering=True)
        assert tool.get("Screen") == 1
        tool.process(pictures)
        assert tool.get("Screen") == 0
        tool.set("Screen", 1)
        tool.process(pictures)
        assert tool.get("Screen") == 1


@pytest.mark.usefixtures("keying")
def test_detect_without_a_screen() -> None:
    """A plate with no screen is told, once, and Screen stays as it is."""
    plate = np.full((36, 64, 3), 0.2, np.float32)
    with opened(Screen="Blue") as (_, tool):
        tool.press("DetectScreen")
        result = tool.process(wired(plate))
        assert "set Screen by hand." in result.lines[0]
        assert tool.get("Screen") == 1
        assert tool.process(wired(plate)).lines == []


@pytest.mark.usefixtures("echo")
def test_reload_keeps_working() -> None:
    """The Reload button runs the file again in the same Lua state: what is declared stays declared."""
    with opened(Despill=0.25) as (_, tool):
        check_good(tool)
        for _ in range(3):
            tool.reload()
            check_good(tool)
        assert tool.get("Despill") == 0.25


def answer_with_no(_daemon: FakeDaemon, message: Message) -> list[bytes]:
    """Grant memory for a frame, and refuse to key it."""
    if isinstance(message, Key):
        return [Error(id=message.id, code="input", sentence="no", next="yes.").encode()]
    return give(Layout(*SMALL).size)(_daemon, message)


@pytest.mark.parametrize("rendering", [True, False])
def test_only_a_render_is_batch_work(rendering: bool, nowhere: Path) -> None:
    """Frames of a final render do not push in front of those that an artist waits for."""
    with served(nowhere) as fake, opened() as (_, tool):
        fake.answer = answer_with_no
        tool.process(GOOD, rendering=rendering)
    (request,) = (message for message in fake.heard if isinstance(message, Key))
    assert request.priority == ("batch" if rendering else "interactive")


def answer_with_notes(daemon: FakeDaemon, message: Message) -> list[bytes]:
    """Say that a frame is keyed, with two notes."""
    if not isinstance(message, Key):
        return give(Layout(*SMALL).size)(daemon, message)
    words = {"model": "m", "quality": "full", "device": "d", "notes": ("one note", "another.")}
    flags, timings = {"empty": False, "kept": False}, {"total": 1.25}
    return [Result(id=message.id, slot=1, gen=message.gen, timings=timings, **flags, **words).encode()]  # type: ignore[arg-type]


def test_notes_are_part_of_the_status(nowhere: Path) -> None:
    """The panel has one line: what the daemon remarks stands behind what the frame was keyed with."""
    with served(nowhere) as fake, opened() as (_, tool):
        fake.answer = answer_with_notes
        assert tool.process(GOOD, time=7.0).made
        first, *notes = tool.status.split("; ")
    assert first.startswith("frame 7: ")
    assert first.endswith("1.25 s")
    assert notes == ["one note", "another."]


@pytest.mark.usefixtures("echo")
def test_progress_goes_on_to_the_end() -> None:
    """A bar that goes back or stops short misleads."""
    with opened() as (_, tool):
        progress = tool.process(wired(asking(red=TAKES_LONG + 0.1), HINT)).progress
    assert progress == sorted(progress)
    assert progress[-1] == 1
    assert any(0.1 < part < 0.9 for part in progress)
