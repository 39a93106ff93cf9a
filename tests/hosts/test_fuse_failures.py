"""When a frame cannot be keyed: no image comes out, one sentence says why, in time, and the next frame is keyed."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from corridorkey_server.protocol import Error, Hello
from daemons import EchoDaemon, asking, eventually, stamped
from fake_daemon import FakeDaemon, served, welcome
from fuse_shots import (
    FUSE,
    GOOD,
    HINT,
    SMALL,
    TAKES_LONG,
    check_failed,
    check_good,
    check_nothing,
    is_keyed,
    opened,
    recovers,
    wired,
)
from fusionhost import POINTER, RAISES_ABORT, TABLE, Fusion, Kind, Picture, Result, Tool
from ofx_shots import grey, solid

AT_ONCE = 0.3
SLACK = 0.5
"""Seconds that a busy machine may take on top of a deadline."""

pytestmark = pytest.mark.usefixtures("client_library")

kinds = pytest.mark.parametrize("kind", [POINTER, TABLE], ids=lambda kind: kind.label)


@contextmanager
def stopped(echo: EchoDaemon) -> Iterator[None]:
    """Let the daemon hang."""
    echo.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        echo.process.send_signal(signal.SIGCONT)


def while_running(
    crew: ThreadPoolExecutor, echo: EchoDaemon, tool: Tool, seconds: float, abort: threading.Event | None = None
) -> Future[Result]:
    """Begin to process a frame that takes so long, and return when the daemon is at it."""
    job = crew.submit(tool.process, wired(asking(red=TAKES_LONG + seconds), HINT), abort=abort)
    eventually(echo.is_keying, "the frame is keyed", 10)
    return job


@kinds
def test_no_daemon(kind: Kind, nowhere: Path) -> None:
    """It is told at once; when the daemon comes frames are keyed, also by a tool that has failed before."""
    with opened(kind) as (_, tool):
        check_failed(tool, tool.process(GOOD), "no CorridorKey daemon runs; start it", 0.25 + SLACK)
        check_failed(tool, tool.process(GOOD), "no CorridorKey daemon runs; start it", AT_ONCE)
        with EchoDaemon(nowhere):
            recovers(tool)


def test_a_daemon_that_hangs_when_it_is_met(echo: EchoDaemon) -> None:
    """A daemon that says nothing costs an artist no more than the time to connect."""
    with opened() as (_, tool):
        with stopped(echo):
            check_failed(tool, tool.process(GOOD), "does not answer;", 0.25 + SLACK)
            check_failed(tool, tool.process(GOOD), "does not answer;", AT_ONCE)
        recovers(tool)


def test_a_daemon_that_hangs_under_a_frame(echo: EchoDaemon, crew: ThreadPoolExecutor) -> None:
    """A frame of which nothing is heard is given up after 5 seconds, and the next one is keyed."""
    with opened() as (_, tool):
        job = while_running(crew, echo, tool, 60)
        with stopped(echo):
            check_failed(tool, job.result(), "does not answer;", 7)
        recovers(tool)


@kinds
def test_a_daemon_that_is_killed_under_a_frame(kind: Kind, echo: EchoDaemon, crew: ThreadPoolExecutor) -> None:
    """The frame fails at once, and the next daemon is used."""
    with opened(kind) as (_, tool):
        job = while_running(crew, echo, tool, 60)
        begun = time.monotonic()
        echo.kill()
        result = job.result()
        assert time.monotonic() - begun < 1 + SLACK
        check_failed(tool, result, "start it", 10)
        echo.restart()
        recovers(tool)


def test_a_worker_that_dies(echo: EchoDaemon) -> None:
    """A frame that kills every worker of the daemon fails, and the one after it is keyed."""
    with opened() as (_, tool):
        check_failed(tool, tool.process(wired(asking(green=-667), HINT)), "", 20)
        recovers(tool)
    assert echo.status()["worker"]["restarts"] >= 1


def test_a_fault_in_the_keyer(echo: EchoDaemon) -> None:
    """What the keyer fails with is told, without a restart."""
    with opened() as (_, tool):
        check_failed(tool, tool.process(wired(asking(green=-668), HINT)), "", 5)
        check_good(tool)
    assert echo.status()["worker"]["restarts"] == 0


@pytest.mark.usefixtures("echo")
def test_parameters_that_the_daemon_refuses() -> None:
    """The daemon's sentence reaches the artist, and other values are keyed."""
    with opened(MatteBlack=0.9, MatteWhite=0.1) as (_, tool):
        check_failed(tool, tool.process(GOOD), "matte_black", 5)
        tool.set("MatteBlack", 0)
        tool.set("MatteWhite", 1)
        check_good(tool)


@pytest.mark.usefixtures("keying")
def test_an_input_that_is_asked_for_and_missing() -> None:
    """Whoever insists on a hint and wires none is told so."""
    with opened(HintSource="Input") as (_, tool):
        check_failed(tool, tool.process({"Input": GOOD["Input"]}), "no hint is wired; wire one", 5)


@pytest.mark.parametrize("version", [0, 2])
def test_another_protocol(version: int, nowhere: Path) -> None:
    """A daemon of an older or a newer version is not talked to."""
    with served(nowhere) as fake, opened() as (_, tool):
        fake.answer = lambda _daemon, message: [welcome(message, version)] if isinstance(message, Hello) else []
        check_failed(tool, tool.process(GOOD), "install the same version", 0.25 + SLACK)
    assert [type(message) for message in fake.heard] == [Hello]


def too_old(_daemon: FakeDaemon, _message: object) -> list[bytes]:
    """Refuse whoever comes."""
    return [Error(id=1, code="version", sentence="this fuse is too old", next="update it.").encode()]


def test_a_daemon_that_refuses_is_quoted(nowhere: Path) -> None:
    """The daemon's own words tell what to do."""
    with served(nowhere) as fake, opened() as (_, tool):
        fake.answer = too_old
        check_failed(tool, tool.process(GOOD), "this fuse is too old; update it.", 0.25 + SLACK)


def test_a_runtime_folder_that_is_open(echo: EchoDaemon) -> None:
    """Nothing is sent where somebody else could listen."""
    before = echo.status()["frames"]
    with opened() as (_, tool):
        echo.place.folder.chmod(0o755)
        try:
            check_failed(tool, tool.process(GOOD), "is open to other users", SLACK)
        finally:
            echo.place.folder.chmod(0o700)
        assert echo.status()["frames"] == before
        recovers(tool)


def test_no_memory_for_a_frame(nowhere: Path) -> None:
    """A frame that the daemon can never hold fails at once, a smaller one does not."""
    large = np.ones((500, 500, 4), np.float32)
    with EchoDaemon(nowhere, slot_memory=1 << 20) as echo, opened() as (_, tool):
        with echo.client() as client:
            client.status()
        check_failed(tool, tool.process({"Input": Picture(large)}), "", 2)
        check_good(tool)


@pytest.mark.parametrize("name", ["AlphaHint", "SolidMatte", "GarbageMatte"])
def test_a_matte_of_another_size(name: str, echo: EchoDaemon) -> None:
    """It is not stretched: the sentence has both sizes, and the daemon is not asked."""
    picture = Picture(grey(stamped((32, 18), 5, 1)[1]))
    with opened() as (_, tool):
        result = tool.process(GOOD | {name: picture})
        check_failed(tool, result, f"{name} is 32 x 18 pixels and the plate 64 x 36; bring it", AT_ONCE)
        check_good(tool)
    assert echo.status()["frames"]["keyed"] == 1


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("name", ["Input", "AlphaHint", "GarbageMatte"])
def test_a_field(name: str) -> None:
    """Half a frame is not keyed."""
    with opened() as (_, tool):
        result = tool.process(GOOD | {name: Picture(solid(stamped(SMALL, 5, 1)[0]), field=0)})
        check_failed(tool, result, "is a field; deinterlace it.", AT_ONCE)
        check_good(tool)


@pytest.mark.parametrize("name", ["AlphaHint", "SolidMatte", "GarbageMatte"])
def test_a_wired_matte_without_an_image(name: str, echo: EchoDaemon) -> None:
    """A clip that is over is not the same as none: the frame is not keyed without what was meant for it."""
    with opened() as (_, tool):
        check_failed(tool, tool.process(GOOD | {name: None}), f"{name} is wired and has no image at this frame", 1)
        check_good(tool)
    assert echo.status()["frames"]["keyed"] == 1


@pytest.mark.usefixtures("echo")
def test_a_hint_that_does_not_count_may_be_missing() -> None:
    """With the hint from the screen's color nobody asks what is wired."""
    with opened(HintSource="Chroma") as (_, tool):
        result = tool.process(GOOD | {"AlphaHint": None})
        assert result.lines == []
        assert result.outputs["Output"] is not None


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize(("control", "title"), [("WorkingSpace", "Input is"), ("OutputMode", "Output Mode")])
def test_a_choice_of_a_newer_version(control: str, title: str) -> None:
    """It is told by the name that the artist reads, and not taken for another one."""
    with opened() as (fusion, tool):
        tool.force(control, 99)
        check_failed(tool, tool.process(GOOD), f"{title} has a value that this version does not know; choose", 1)
        assert fusion.faults == []


@pytest.mark.usefixtures("echo")
def test_a_plate_without_color() -> None:
    """A mask that is wired into the plate is a mistake, and is told."""
    with opened() as (_, tool):
        check_failed(tool, tool.process({"Input": Picture(HINT)}), "a mask without color; wire", AT_ONCE)


def check_aborted(job: Future[Result], abort: threading.Event, tool: Tool) -> None:
    """Abort a frame, and check that it ends at once, in silence."""
    status, begun = tool.status, time.monotonic()
    abort.set()
    result = job.result(10)
    assert time.monotonic() - begun < AT_ONCE
    check_nothing(result, 60)
    assert result.lines == []
    assert tool.status == status


@kinds
def test_abort_while_the_frame_runs(kind: Kind, echo: EchoDaemon, crew: ThreadPoolExecutor) -> None:
    """The daemon stops it, too, and the next frame is keyed."""
    abort = threading.Event()
    with opened(kind) as (_, tool):
        check_aborted(while_running(crew, echo, tool, 60, abort), abort, tool)
        eventually(lambda: not echo.is_keying(), "the daemon stops it", 2)
        check_good(tool)
    assert echo.status()["frames"]["cancelled"] == 1


def test_abort_while_the_frame_waits_its_turn(echo: EchoDaemon, crew: ThreadPoolExecutor) -> None:
    """A frame that is queued behind another comp's leaves the queue."""
    abort = threading.Event()
    with opened() as (_, one), opened() as (_, other):
        running = while_running(crew, echo, one, 1)
        queued = crew.submit(other.process, GOOD, abort=abort)
        eventually(lambda: echo.status()["queue"] == 1, "the other frame waits", 10)
        check_aborted(queued, abort, other)
        assert running.result().lines == []
        check_good(other)


def test_abort_before_the_frame_begins(echo: EchoDaemon) -> None:
    """A frame that nobody wants when it comes is not asked for."""
    abort = threading.Event()
    abort.set()
    with opened() as (_, tool):
        result = tool.process(GOOD, abort=abort)
        check_nothing(result, AT_ONCE)
        assert result.lines == []
        check_good(tool)
    assert echo.status()["frames"]["keyed"] == 1


class After(threading.Event):
    """An abort button that is pressed when it is looked at for the n-th time, and counts the looks."""

    def __init__(self, press: float) -> None:
        super().__init__()
        self.press, self.looks = press, 0

    def is_set(self) -> bool:
        """Count the look."""
        self.looks += 1
        return self.looks >= self.press


@pytest.mark.usefixtures("echo")
def test_abort_at_any_moment() -> None:
    """Wherever the tool looks for an abort, it ends there without an image, and leaks no slot."""
    with opened() as (_, tool):
        patient = After(float("inf"))
        assert is_keyed(tool.process(GOOD, abort=patient), GOOD)
        assert patient.looks >= 6  # two waits, and two bands of two passes
        for press in range(1, 7):
            abort = After(press)
            result = tool.process(GOOD, abort=abort)
            check_nothing(result, 1)
            assert (result.lines, abort.looks) == ([], press)
        check_good(tool)


@pytest.mark.usefixtures("echo")
def test_aborts_are_no_reason_to_give_workers_up() -> None:
    """A host that aborts lets its workers do nothing; that says nothing about them."""
    with opened() as (_, tool):
        for press in (3, 4, 5, 6) * 3:
            tool.process(GOOD, abort=After(press))
        check_good(tool)
        assert "one thread" not in tool.status


@pytest.mark.usefixtures("echo")
def test_an_abort_that_comes_as_an_error() -> None:
    """Where the host stops a tool by an error in what it calls, nothing is said, either."""
    with opened(RAISES_ABORT) as (_, tool):
        for press in range(1, 8):
            result = tool.process(GOOD, abort=After(press))
            check_nothing(result, 1)
            assert result.lines == []
        check_good(tool)


def test_slots_come_back(echo: EchoDaemon) -> None:
    """Fifty frames, some of which fail, need no more than a session's slots, and none is left in use."""
    with opened() as (_, tool):
        for number in range(50):
            pictures = wired(*stamped(SMALL, 9, number))
            if number % 5 == 0:
                tool.process(wired(asking(green=-668), HINT))
            assert is_keyed(tool.process(pictures), pictures)
        assert echo.status()["slots"]["count"] <= 3
    eventually(lambda: not echo.status()["sessions"], "the session ends with its Lua state", 10)


def library_sentence(monkeypatch: pytest.MonkeyPatch, path: str, kind: Kind = POINTER) -> str:
    """Return what the tool says with this library."""
    monkeypatch.setenv("CKEY_LIBRARY", path)
    with opened(kind) as (_, tool):
        check_failed(tool, tool.process(GOOD), "", AT_ONCE)
        return tool.status


def test_a_library_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """What CKEY_LIBRARY names is used or told, and nothing else is looked for."""
    assert "names /nowhere/lib.so, which is not there" in library_sentence(monkeypatch, "/nowhere/lib.so")


def test_a_library_that_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The system's own words say what is wrong with the file."""
    broken = tmp_path / "libcorridorkey.so"
    broken.write_text("no library")
    assert f"{broken} cannot be loaded (" in library_sentence(monkeypatch, str(broken))


def test_another_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that is not ours is told apart."""
    assert "is not of this fuse's version" in library_sentence(monkeypatch, "/lib/x86_64-linux-gnu/libm.so.6")


def test_nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without CKEY_LIBRARY the installed places are looked at, and the sentence names the first."""
    monkeypatch.delenv("CKEY_LIBRARY")
    monkeypatch.setenv("HOME", str(tmp_path))
    with opened() as (_, tool):
        check_failed(tool, tool.process(GOOD), "the CorridorKey library was not found", AT_ONCE)
        assert "run `ckey install fuse`, then restart the host." in tool.status


def test_the_library_beside_the_fuse(monkeypatch: pytest.MonkeyPatch, client_library: Path, tmp_path: Path) -> None:
    """What lies in the host's folder for fuses is found."""
    monkeypatch.delenv("CKEY_LIBRARY")
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "Fuses" / "CorridorKey" / client_library.parent.name
    folder.mkdir(parents=True)
    (folder / client_library.name).symlink_to(client_library)
    with Fusion(POINTER, FUSE / "Modules" / "Lua", tmp_path / "Fuses") as fusion:
        tool = fusion.create(FUSE / "CorridorKey.fuse")
        os.environ["CKEY_RUNTIME"] = str(tmp_path / "none")
        check_failed(tool, tool.process(GOOD), "no CorridorKey daemon runs", SLACK)


def test_a_host_without_ffi() -> None:
    """Such a host is told what works instead."""
    with opened(Kind(label="no ffi", main_ffi=False)) as (_, tool):
        check_failed(tool, tool.process(GOOD), "has no FFI", AT_ONCE)


def test_the_app_store_edition() -> None:
    """A sandboxed host is told which one works."""
    with opened(Kind(label="app store", app_store=True)) as (_, tool):
        check_failed(tool, tool.process(GOOD), "App Store's", AT_ONCE)


def test_modules_of_another_version(tmp_path: Path) -> None:
    """A fuse that finds older modules, such as those of another folder, does not use them."""
    for module in (FUSE / "Modules" / "Lua").glob("*.lua"):
        text = module.read_text().replace("INTERFACE = 1", "INTERFACE = 0")
        (tmp_path / module.name).write_text(text)
    with Fusion(POINTER, tmp_path) as fusion:
        tool = fusion.create(FUSE / "CorridorKey.fuse")
        assert "not of this fuse's version; run `ckey install fuse`" in tool.status
        check_nothing(tool.process(GOOD), AT_ONCE)


def test_missing_modules(tmp_path: Path) -> None:
    """A fuse without its modules says so in its panel and in the console, and makes no image."""
    with Fusion(POINTER, tmp_path) as fusion:
        tool = fusion.create(FUSE / "CorridorKey.fuse")
        assert "modules are not in Modules/Lua" in tool.status
        result = tool.process(GOOD)
        check_nothing(result, AT_ONCE)
        assert "run `ckey install fuse`" in result.lines[0]
