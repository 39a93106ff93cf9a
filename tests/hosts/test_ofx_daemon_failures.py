"""When the daemon fails: the frame is transparent black, the artist reads one sentence, in time; the next is keyed."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from corridorkey_server.protocol import Error, Hello
from daemons import EchoDaemon, asking, eventually, stamped
from fake_daemon import FakeDaemon, served, welcome
from ofx_failing import (
    GOOD,
    SIZE,
    check_black,
    check_failed,
    check_good,
    is_keyed,
    opened,
    pictures_of,
    recovers,
    while_running,
)
from ofxhost import FUSION, MLT, NUKE, RESOLVE, STRICT, Mode, Picture

LARGE = np.ones((500, 500, 4), np.float32)

kinds = pytest.mark.parametrize("mode", [STRICT, NUKE, RESOLVE, MLT, FUSION], ids=lambda mode: mode.label)
artists = pytest.mark.parametrize("mode", [NUKE, FUSION], ids=lambda mode: mode.label)
few = pytest.mark.parametrize("mode", [NUKE, RESOLVE, MLT], ids=lambda mode: mode.label)


@pytest.mark.slow
@kinds
def test_no_daemon(mode: Mode, binary: Path, nowhere: Path) -> None:
    """It is told at once; for two seconds frames fail without a try; when the daemon comes they are keyed."""
    with opened(binary, mode) as (host, effect):
        check_failed(effect.render(GOOD), "no CorridorKey daemon runs; start it", 0.5, mode)
        until, seconds = time.monotonic() + 1.5, []
        while time.monotonic() < until:
            result = effect.render(GOOD)
            check_black(result, 0.5)
            seconds.append(result.seconds)
        assert np.median(seconds) < 0.15
        assert len(host.messages) == 1
        with EchoDaemon(nowhere):
            recovers(effect)


@pytest.mark.slow
@artists
def test_a_daemon_that_hangs_when_it_is_met(mode: Mode, binary: Path, echo: EchoDaemon) -> None:
    """A daemon that says nothing costs an artist no more than the time to connect."""
    with opened(binary, mode) as (_, effect):
        with echo.stopped():
            check_failed(effect.render(GOOD), "does not answer;", 0.75, mode)
            check_black(effect.render(GOOD), 0.15)
        recovers(effect)


@pytest.mark.slow
def test_a_farm_waits_longer(binary: Path, echo: EchoDaemon, crew: ThreadPoolExecutor) -> None:
    """Without an artist a daemon that is slow to answer is no failure."""
    with opened(binary, MLT) as (_, effect):
        with echo.stopped():
            job = crew.submit(effect.render, GOOD)
            time.sleep(1)
        assert is_keyed(job.result(), GOOD)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [NUKE], ids=lambda mode: mode.label)
def test_a_daemon_that_hangs_under_a_frame(
    mode: Mode, binary: Path, echo: EchoDaemon, crew: ThreadPoolExecutor
) -> None:
    """A frame of which nothing is heard is given up, and when the daemon goes on the next one is keyed."""
    with opened(binary, mode) as (_, effect):
        job = while_running(crew, echo, effect, 60)
        with echo.stopped():
            check_failed(job.result(), "does not answer;", 7, mode)
        recovers(effect)


@pytest.mark.slow
@few
def test_a_daemon_that_is_killed_under_a_frame(
    mode: Mode, binary: Path, echo: EchoDaemon, crew: ThreadPoolExecutor
) -> None:
    """The frame fails at once, and the next daemon is used."""
    with opened(binary, mode) as (_, effect):
        job = while_running(crew, echo, effect, 60)
        begun = time.monotonic()
        echo.kill()
        result = job.result()
        assert time.monotonic() - begun < 1.5
        check_failed(result, "start it", 10, mode)
        echo.restart()
        recovers(effect)


@pytest.mark.slow
@few
def test_a_daemon_that_is_stopped(mode: Mode, binary: Path, echo: EchoDaemon, crew: ThreadPoolExecutor) -> None:
    """The frame that it is at comes, the one behind fails with its words."""
    with opened(binary, mode) as (_, effect):
        running = while_running(crew, echo, effect, 0.7)
        queued = crew.submit(effect.render, GOOD)
        eventually(lambda: echo.status()["queue"] == 1, "the other frame waits", 10)
        echo.process.terminate()
        check_failed(queued.result(), "start it", 2, mode)
        assert running.result().status == 0
        echo.restart()
        recovers(effect)


@pytest.mark.slow
@few
def test_a_worker_that_dies(mode: Mode, binary: Path, echo: EchoDaemon) -> None:
    """Once is made good by the daemon; a frame that kills every worker fails, and the one after it is keyed."""
    with opened(binary, mode) as (_, effect):
        once = pictures_of(asking(red=7, green=-666))
        assert is_keyed(effect.render(once), once)
        check_failed(effect.render(pictures_of(asking(green=-667))), "", 20, mode)
        recovers(effect)
    assert echo.status()["worker"]["restarts"] >= 2


@pytest.mark.slow
@kinds
def test_a_fault_in_the_keyer(mode: Mode, binary: Path, echo: EchoDaemon) -> None:
    """What the keyer fails with is told, without a restart."""
    with opened(binary, mode) as (_, effect):
        check_failed(effect.render(pictures_of(asking(green=-668))), "", 5, mode)
        check_good(effect)
    assert echo.status()["worker"]["restarts"] == 0


@pytest.mark.slow
@kinds
@pytest.mark.usefixtures("echo")
def test_parameters_that_the_daemon_refuses(mode: Mode, binary: Path) -> None:
    """The daemon's sentence reaches the artist, and other values are keyed."""
    with opened(binary, mode, matte_black=0.9, matte_white=0.1) as (_, effect):
        check_failed(effect.render(GOOD), "matte_black", 5, mode)
        effect.set("matte_black", 0.0)
        effect.set("matte_white", 1.0)
        check_good(effect)


@pytest.mark.slow
@pytest.mark.parametrize("version", [0, 2])
@few
def test_another_version(mode: Mode, version: int, binary: Path, nowhere: Path) -> None:
    """A daemon of another age is not talked to."""
    with served(nowhere) as fake, opened(binary, mode) as (_, effect):
        fake.answer = lambda _daemon, message: [welcome(message, version)] if isinstance(message, Hello) else []
        check_failed(effect.render(GOOD), "install the same version", 0.5, mode)
    assert [type(message) for message in fake.heard] == [Hello]


def too_old(_daemon: FakeDaemon, _message: object) -> list[bytes]:
    """Refuse whoever comes."""
    return [Error(id=1, code="version", sentence="this plug-in is too old", next="update it.").encode()]


@pytest.mark.slow
def test_a_daemon_that_refuses_is_quoted(binary: Path, nowhere: Path) -> None:
    """The daemon's own words tell what to do."""
    with served(nowhere) as fake, opened(binary) as (_, effect):
        fake.answer = too_old
        check_failed(effect.render(GOOD), "this plug-in is too old; update it.", 0.5)


@pytest.mark.slow
def test_a_daemon_that_closes_the_door(binary: Path, nowhere: Path) -> None:
    """More sessions than it has, or another user's daemon."""
    with served(nowhere) as fake, opened(binary) as (_, effect):
        fake.opened = None
        check_failed(effect.render(GOOD), "closed the connection", 0.5)


@pytest.mark.slow
@pytest.mark.parametrize(("owner", "rights", "words"), [(-1, 0o755, "is open to other users"),
                                                        (65534, 0o700, "belongs to another user")])  # fmt: skip
def test_a_runtime_folder_that_is_not_safe(owner: int, rights: int, words: str, binary: Path, echo: EchoDaemon) -> None:
    """Nothing is sent where somebody else could listen; -1: the folder stays its owner's."""
    if owner >= 0 and os.getuid() != 0:
        pytest.skip("only root gives folders away")
    folder, before = echo.place.folder, echo.status()["frames"]
    with opened(binary) as (_, effect):
        os.chown(folder, owner, -1)
        folder.chmod(rights)
        try:
            check_failed(effect.render(GOOD), words, 0.5)
        finally:
            os.chown(folder, os.getuid(), -1)
            folder.chmod(0o700)
        assert echo.status()["frames"] == before
        recovers(effect)


@few
def test_no_memory_for_a_frame(mode: Mode, binary: Path, nowhere: Path) -> None:
    """A frame that the daemon can never hold fails at once, a smaller one does not."""
    with EchoDaemon(nowhere, slot_memory=1 << 20) as echo, opened(binary, mode) as (_, effect):
        with echo.client() as client:
            client.status()
        large = {"Source": Picture(LARGE), "AlphaHint": Picture(LARGE)}
        check_failed(effect.render(large), "", 2, mode)
        check_good(effect)


def test_more_frames_than_slots(binary: Path, echo: EchoDaemon, crew: ThreadPoolExecutor) -> None:
    """A session has three slots: other frames wait for one, and each is what it is."""
    shots = [pictures_of(stamped(SIZE, 5, number)[0]) for number in range(12)]
    with opened(binary) as (_, effect):
        slow = while_running(crew, echo, effect, 0.5)
        results = list(crew.map(effect.render, shots))
        assert all(is_keyed(result, shot) for result, shot in zip(results, shots, strict=True))
        assert slow.result().status == 0
        assert echo.status()["slots"]["count"] <= 3
