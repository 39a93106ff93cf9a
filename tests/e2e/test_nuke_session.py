"""Sessions of the package inside Nuke with the product's own daemon."""

import os
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

import nuke_package  # noqa: F401
from corridorkey_nuke.exr_header import read_attributes
from corridorkey_nuke.failure import Lost, NoDaemon, Refusal, Stopped
from corridorkey_nuke.session import Session
from corridorkey_nuke.starter import start
from daemons import PATIENCE, EchoDaemon, eventually
from nuke_sessions import ENDED, NONE, SILENT, open_session, refusal, timed


def descriptors() -> list[str]:
    """Return the descriptors of this process."""
    return sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_a_session_is_one_of_the_daemons(daemon: EchoDaemon) -> None:
    """The daemon knows who asks and what it can do for whom; when the session is closed it knows nothing of it."""
    with open_session(daemon.place.folder, name="Nuke 16.0v8, shot-42", needs=("masks",)) as session:
        assert session.welcome["pid"] == daemon.process.pid
        assert session.welcome["model"] == "echo"
        sessions = daemon.status()["sessions"]
        assert [(one["client"], one["pid"]) for one in sessions] == [("Nuke 16.0v8, shot-42", os.getpid())]
    eventually(lambda: daemon.status()["session_count"] == 0, "the session has ended")
    session.close()
    with pytest.raises(Lost, match="closed"):
        session.send("status")


def test_a_long_name_is_cut(daemon: EchoDaemon) -> None:
    """A host's name may be of any length and in any letters."""
    with open_session(daemon.place.folder, name="ä" * 500 + "\udc80"):
        assert [one["client"] for one in daemon.status()["sessions"]] == ["ä" * 32]


def test_requests_are_answered(daemon: EchoDaemon) -> None:
    """Each reply has the number of its request; those that came while another was waited for come after that."""
    with open_session(daemon.place.folder) as session:
        first, second = session.send("status"), session.send("status")
        assert session.wait(second, PATIENCE)["id"] == second
        reply = session.receive(PATIENCE)
        assert reply is not None
        assert (reply["op"], reply["id"]) == ("state", first)
        assert reply["facts"]["pid"] == daemon.process.pid
        with timed(2.0):
            assert session.receive(0.0) is None
            assert session.receive(0.05) is None


def test_progress_is_told(daemon: EchoDaemon) -> None:
    """A request that takes time is answered when it is done, and whoever waits is asked meanwhile whether to go on."""
    told: list[Any] = []
    with open_session(daemon.place.folder) as session:
        number = session.send("configure")
        configured = session.wait(number, PATIENCE, told.append)
        assert (configured["op"], configured["identity"]) == ("configured", "echo echo green")
        assert {"stage": "load", "fraction": 0.0, "op": "progress", "id": number} in told
        session.send("status")
        assert session.receive(PATIENCE) is not None


@pytest.mark.parametrize(
    ("op", "fields", "sentence"),
    [
        ("dance", {}, "the message 'dance' is not known."),
        ("configure", {"screen": "red"}, "configure: screen must be one of green, blue."),
        ("configure", {"quality": "best"}, "quality"),
    ],
)
def test_an_error_is_a_sentence(daemon: EchoDaemon, op: str, fields: dict[str, str], sentence: str) -> None:
    """What the daemon refuses is raised in its words, on one line with a period; the session goes on."""
    with open_session(daemon.place.folder) as session:
        with pytest.raises(Refusal) as caught:
            session.wait(session.send(op, **fields), PATIENCE)
        assert sentence in str(caught.value)
        assert str(caught.value).endswith(".")
        assert not isinstance(caught.value, Lost)
        assert session.wait(session.send("status"), PATIENCE)["op"] == "state"


def test_what_cannot_be_sent_is_a_sentence(daemon: EchoDaemon) -> None:
    """A file name that is no Unicode is refused before anything is sent, and the session goes on."""
    with open_session(daemon.place.folder) as session:
        with pytest.raises(Refusal, match=r"cannot be sent .*; rename files"):
            session.send("configure", model="/plates/\udc80")
        assert session.wait(session.send("status"), PATIENCE)["op"] == "state"


def test_where_no_daemon_runs(runtime: Path) -> None:
    """That none runs shows at once, and asking leaves nothing behind."""
    for _ in range(3):
        with timed(2.0):
            failure = refusal(runtime)
        assert (type(failure), str(failure)) == (NoDaemon, NONE)
    assert not runtime.exists()


def test_a_daemon_that_is_killed(daemon: EchoDaemon) -> None:
    """Its end shows at once to who waits; then none runs; a new one in its place is found at once."""
    session = open_session(daemon.place.folder)
    number = session.send("status")
    eventually(lambda: daemon.status()["uptime"] > 0, "it has answered")
    daemon.kill()
    with closing(session), timed(PATIENCE):
        assert session.wait(number, PATIENCE)["op"] == "state"
        with pytest.raises(Lost) as caught:
            session.receive(PATIENCE)
        with pytest.raises(Lost):
            session.send("status")
    assert str(caught.value) == ENDED
    with timed(2.0):
        assert isinstance(refusal(daemon.place.folder), NoDaemon)
    daemon.start()
    open_session(daemon.place.folder).close()


def test_a_daemon_that_stops(daemon: EchoDaemon) -> None:
    """A daemon that is asked to stop is lost as well."""
    with open_session(daemon.place.folder) as session:
        daemon.process.terminate()
        with pytest.raises(Lost):
            session.wait(session.send("configure", model="procedural"), PATIENCE)


def test_a_daemon_that_hangs(daemon: EchoDaemon) -> None:
    """It is waited for as long as was said and then not again for a while; when it is over it is asked again."""
    with daemon.stopped():
        for most in (2.0, 0.5, 0.5):
            with timed(most):
                failure = refusal(daemon.place.folder, timeout=1.0)
            assert isinstance(failure, Lost)
            assert str(failure) == SILENT
    time.sleep(2.0)
    open_session(daemon.place.folder).close()


def test_another_daemon_in_the_place_of_one_that_hung(daemon: EchoDaemon) -> None:
    """What was learned of one daemon is not held against the next."""
    with daemon.stopped():
        assert str(refusal(daemon.place.folder, timeout=0.1)) == SILENT
        daemon.kill()
        assert str(refusal(daemon.place.folder)) == NONE
    daemon.start()
    open_session(daemon.place.folder).close()


def test_a_session_with_a_daemon_that_hangs(daemon: EchoDaemon) -> None:
    """Neither sending nor receiving holds anybody up, and an answer that does not come is a loss."""
    with open_session(daemon.place.folder) as session, daemon.stopped():
        number = session.send("status")
        with timed(2.0):
            assert session.receive(0.1) is None
            with pytest.raises(Lost) as caught:
                session.wait(number, 0.2)
        assert str(caught.value) == SILENT


def test_a_wait_that_nobody_wants_any_more(daemon: EchoDaemon) -> None:
    """Whoever watches ends the waiting with what it raises, within a tenth of a second, and can go on."""

    def stop(_reply: object) -> None:
        raise Stopped

    with open_session(daemon.place.folder) as session:
        with daemon.stopped():
            number = session.send("status")
            with timed(2.0), pytest.raises(Stopped):
                session.wait(number, PATIENCE, stop)
        assert session.wait(number, PATIENCE)["op"] == "state"


def test_folders_that_are_not_ours_alone(daemon: EchoDaemon, tmp_path: Path) -> None:
    """No connection is made in a folder that others can enter, nor through a link, even to a daemon of ours."""
    link = tmp_path / "link"
    link.symlink_to(daemon.place.folder)
    assert "is a symbolic link" in str(refusal(link))
    daemon.place.folder.chmod(0o755)
    assert "is open to other users" in str(refusal(daemon.place.folder))
    daemon.place.folder.chmod(0o700)
    open_session(daemon.place.folder).close()


def test_the_variable_says_where(daemon: EchoDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a folder the session is with the daemon that the environment names."""
    monkeypatch.setenv("CKEY_RUNTIME", f"{daemon.place.folder}/")
    with Session(timeout=PATIENCE, needs=()) as session:
        assert session.welcome["pid"] == daemon.process.pid


def test_nothing_stays_open(daemon: EchoDaemon, runtime: Path) -> None:
    """Sessions that were closed, or could not be opened at any step, leave no descriptor and no thread."""
    before = descriptors()
    for _ in range(3):
        open_session(daemon.place.folder).close()
        refusal(runtime.with_name("none"))
        refusal(daemon.place.folder, needs=("flight",))
    with daemon.stopped():
        refusal(daemon.place.folder, timeout=0.05)
        refusal(daemon.place.folder, timeout=0.05)
    assert descriptors() == before
    assert threading.active_count() == 1


def test_a_daemon_that_is_started(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none ran a session can be had as soon as the starter returns, with none of the host's own paths."""
    monkeypatch.setenv("CKEY_RUNTIME", str(runtime))
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    assert isinstance(refusal(runtime), NoDaemon)
    start(lambda _waited: None, str(Path(sys.executable).with_name("ckey")))
    with open_session(runtime, needs=("files",)) as session:
        session.wait(session.send("shutdown"), PATIENCE)
        with pytest.raises(Lost):
            session.receive(PATIENCE)


def test_the_daemon_of_this_checkout_can_key_files(daemon: EchoDaemon) -> None:
    """What a session needs unless it is told otherwise is there."""
    with Session(str(daemon.place.folder), timeout=PATIENCE) as session:
        assert "files" in session.welcome["features"]


def test_a_machine_that_has_no_daemon_to_offer(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows the answer is one sentence."""
    monkeypatch.setattr("sys.platform", "win32")
    with pytest.raises(Refusal) as caught:
        Session("/none")
    monkeypatch.undo()
    assert str(caught.value).endswith("on Windows yet; key on Linux, and read the frames here.")


def exchange(path: Path) -> str:
    """Write a frame as Nuke exports it, with a hint; returns its path."""
    layers = ("R", "G", "B", "A", *(f"ck_hint.{name}" for name in ("red", "green", "blue", "alpha")))
    planes = {name: np.full((9, 16), 0.5, np.float32) for name in layers}
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.NO_COMPRESSION}
    OpenEXR.File(header, planes).write(str(path))
    return str(path)


def test_files_are_keyed(daemon: EchoDaemon, tmp_path: Path) -> None:
    """What was sent is answered with FILED each, and the keyed files say what they were keyed with."""
    params = {"working_space": "linear_rec709"}
    with open_session(daemon.place.folder, needs=("files",)) as session:
        (tmp_path / "keyed").mkdir()
        session.wait(session.send("roots", folders=[str(tmp_path), str(tmp_path / "keyed")]), PATIENCE)
        numbers = []
        for frame in (1001, 1002):
            source, target = exchange(tmp_path / f"{frame}.exr"), str(tmp_path / "keyed" / f"{frame}.exr")
            sent = {"source": source, "target": target, "frame": frame, "params": params, "upstream": "abc"}
            numbers.append(session.send("key_file", **sent))
        replies = [session.wait(number, PATIENCE) for number in numbers]
        assert [(reply["op"], reply["skipped"], reply["device"]) for reply in replies] == [("filed", False, "echo")] * 2
        with pytest.raises(Refusal, match=r"\.$"):
            session.wait(session.send("key_file", source="/etc/a.exr", target="/etc/b.exr", params=params), PATIENCE)
    assert [path.name for path in tmp_path.iterdir()] == ["keyed"]
    assert sorted(path.name for path in (tmp_path / "keyed").iterdir()) == ["1001.exr", "1002.exr"]
    attributes = read_attributes(str(tmp_path / "keyed" / "1001.exr"))
    assert attributes["corridorkey/upstream"] == "abc"
    assert attributes["corridorkey/model"] == replies[0]["model"]
    assert "working_space=linear_rec709" in str(attributes["corridorkey/settings"])
    assert attributes["dataWindow"] == (0, 0, 15, 8)
