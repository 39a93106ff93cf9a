"""When a frame cannot be keyed: no image comes out, one sentence says why, in time, and the next frame is keyed."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from corridorkey_server.protocol import Error, Hello
from daemons import EchoDaemon, asking, eventually, stamped
from fake_daemon import FakeDaemon, served, welcome
from fuse_shots import (
    AT_ONCE,
    GOOD,
    HINT,
    SLACK,
    SMALL,
    check_failed,
    check_good,
    is_keyed,
    kinds,
    opened,
    recovers,
    while_running,
    wired,
)
from fusionhost import Kind, Picture
from ofx_shots import grey, solid

pytestmark = pytest.mark.usefixtures("client_library")


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
        with echo.stopped():
            check_failed(tool, tool.process(GOOD), "does not answer;", 0.25 + SLACK)
            check_failed(tool, tool.process(GOOD), "does not answer;", AT_ONCE)
        recovers(tool)


def test_a_daemon_that_hangs_under_a_frame(echo: EchoDaemon, crew: ThreadPoolExecutor) -> None:
    """A frame of which nothing is heard is given up after 5 seconds, and the next one is keyed."""
    with opened() as (_, tool):
        job = while_running(crew, echo, tool, 60)
        with echo.stopped():
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
        result = tool.process(wired(asking(green=-667), HINT))
        check_failed(tool, result, "the worker ended twice on this frame; see", 20)
        recovers(tool)
    assert echo.status()["worker"]["restarts"] >= 1


def test_a_fault_in_the_keyer(echo: EchoDaemon) -> None:
    """What the keyer fails with is told, without a restart."""
    with opened() as (_, tool):
        check_failed(tool, tool.process(wired(asking(green=-668), HINT)), "keying failed with RuntimeError; see", 5)
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
        check_failed(tool, tool.process({"Input": Picture(large)}), "a frame of 500x500 needs 7 MiB", 2)
        assert "start the daemon with a larger --slot-memory." in tool.status
        check_good(tool)


@pytest.mark.parametrize("name", ["AlphaHint", "SolidMatte", "GarbageMatte"])
def test_a_matte_of_another_size(name: str, echo: EchoDaemon) -> None:
    """It is not stretched: the sentence has both sizes, and the daemon is not asked."""
    with opened() as (_, tool):
        for width, height in ((32, 18), (64, 18), (32, 36)):
            picture = Picture(grey(stamped((width, height), 5, 1)[1]))
            words = f"{name} is {width} x {height} pixels and the plate 64 x 36; bring it"
            check_failed(tool, tool.process(GOOD | {name: picture}), words, AT_ONCE)
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


@pytest.mark.parametrize("size", [(32769, 1), (1, 32769)])
def test_a_plate_that_is_too_large(size: tuple[int, int], nowhere: Path) -> None:
    """What no slot can hold is told without a daemon."""
    assert not nowhere.exists()
    with opened() as (_, tool):
        result = tool.process({"Input": Picture(np.zeros((size[1], size[0], 4), np.float32))})
        words = f"the plate is {size[0]} x {size[1]} pixels, more than 32768 on a side; crop it, or use a proxy."
        check_failed(tool, result, words, AT_ONCE)


def test_a_plate_without_an_image(nowhere: Path) -> None:
    """A clip that is over as the plate: before the frame nothing is promised, and in it there is one sentence."""
    assert not nowhere.exists()
    with opened() as (_, tool):
        assert tool.process({"Input": None}, precalc=True).promised == ()
        result = tool.process({"Input": None})
        words = "Input has no image at this frame; wire a plate, or look at the tool before it."
        check_failed(tool, result, words, AT_ONCE)
        assert (result.promised, result.made) == ((), ())


@pytest.mark.usefixtures("echo")
def test_a_plate_without_color() -> None:
    """A mask that is wired into the plate is a mistake, and is told."""
    with opened() as (_, tool):
        check_failed(tool, tool.process({"Input": Picture(HINT)}), "a mask without color; wire", AT_ONCE)


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
