"""`ckey start`, `stop`, `ps`, `status`, `unload` and `serve`, as an artist types them."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from commands import ckey, loaded_by, start_ckey
from corridorkey_server import system
from corridorkey_server.client import Client
from corridorkey_server.client_slots import Ticket, Wired
from corridorkey_server.link import Link, NoDaemon
from corridorkey_server.protocol import Result
from corridorkey_server.rendezvous import Rendezvous
from daemons import PARAMS, EchoDaemon, asking, children, eventually, is_alive


def submit(client: Client, stack: ExitStack, red: float) -> Ticket:
    """Hand over a frame that keeps the worker busy as `asking` says."""
    slot = stack.enter_context(client.slot(64, 36))
    slot.frame.given[..., :3] = asking(red)
    return client.submit(slot, PARAMS, Wired())


@contextmanager
def busy(daemon: EchoDaemon, red: float) -> Iterator[tuple[Client, Ticket]]:
    """Give a client with a frame that the worker is at."""
    with daemon.client("Nuke 15.1") as client, ExitStack() as stack:
        ticket = submit(client, stack, red)
        eventually(daemon.is_keying, "the frame is begun")
        yield client, ticket


def runs(runtime: Path) -> bool:
    """Whether a daemon answers there."""
    try:
        Link(Rendezvous(runtime), visit=True).close()
    except NoDaemon:
        return False
    return True


@contextmanager
def serving(runtime: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """Run `ckey serve` until this ends."""
    with start_ckey(runtime, "serve", *options) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def stopped(runtime: Path) -> Iterator[Path]:
    """A runtime folder in which whatever was started is stopped afterwards."""
    yield runtime
    assert ckey(runtime, "stop", "--now").returncode == 0


def test_serve_answers_at_once_and_tells_what_happens(runtime: Path) -> None:
    """It is there before torch could be loaded, loads neither torch nor numpy, and Ctrl-C ends it and its worker."""
    began = time.monotonic()
    with serving(runtime, "--model", "procedural", "--keep-alive", "90s", "--slot-memory", "0.5") as process:
        eventually(lambda: runs(runtime), "it answers")
        seconds = time.monotonic() - began
        maps = Path(f"/proc/{process.pid}/maps").read_text()
        facts = json.loads(ckey(runtime, "status", "--json").stdout)
        workers = children(process.pid)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert seconds < 3
    assert [name for name in ("torch", "numpy") if name in maps] == []
    assert (facts["model"], facts["slots"]["cap"]) == ("procedural", 2**29)
    assert (process.returncode, facts["pid"]) == (0, process.pid)
    assert re.search(r"^\d{4}-\d\d-\d\d [\d:,]+ ckey\.daemon ready: process \d+, folder ", said, re.MULTILINE)
    assert said.rstrip().endswith("ckey.daemon stopped")
    assert workers
    assert not any(map(is_alive, workers))


def test_serve_refuses_what_cannot_be(runtime: Path) -> None:
    """A wrong option is one sentence and exit code 2, and nothing is made."""
    ran = ckey(runtime, "serve", "--quality", "best")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert re.fullmatch(r"ckey: there is no quality 'best'; choose one of .*\.\n", ran.stderr)
    assert not runtime.exists()


def test_a_second_daemon_goes_away_at_once(daemon: EchoDaemon) -> None:
    """Where one runs, another says so with exit code 1, and the first stays."""
    began = time.monotonic()
    ran = ckey(daemon.place.folder, "serve")
    assert (ran.returncode, ran.stderr) == (
        1,
        "ckey: a daemon of this user runs already; `ckey ps` shows it, `ckey stop` ends it.\n",
    )
    assert time.monotonic() - began < 4
    assert daemon.answers()


def test_a_new_daemon_waits_for_one_that_stops(daemon: EchoDaemon) -> None:
    """While the old one finishes a frame the new one waits, and then takes its place."""
    runtime = daemon.place.folder
    with busy(daemon, 1001.5) as (client, ticket):
        daemon.process.terminate()
        eventually(lambda: daemon.status()["draining"], "it drains")
        with serving(runtime) as process:
            assert isinstance(client.wait(ticket), Result)
            daemon.process.wait(30)
            eventually(lambda: runs(runtime), "the new one answers")
            assert json.loads(ckey(runtime, "status", "--json").stdout)["pid"] == process.pid


def test_start_and_stop(stopped: Path) -> None:
    """Started in the background it stays, is not started twice, and is gone with its worker when it was stopped."""
    ran = ckey(stopped, "start", "--model", "procedural")
    found = re.fullmatch(r"the daemon runs: process (\d+), device being prepared, folder (.+)\n", ran.stdout)
    assert found is not None, ran
    assert (ran.returncode, ran.stderr, found[2]) == (0, "", str(stopped))
    again = ckey(stopped, "start")
    assert again.returncode == 0
    assert re.fullmatch(rf"a daemon runs already: process {found[1]}, device .+, folder {stopped}\n", again.stdout)
    other = ckey(stopped, "start", "--quality", "draft")
    assert "the options given were not applied; run `ckey stop` first." in other.stdout
    processes = [int(found[1]), *children(int(found[1]))]
    assert len(processes) == 2
    end = ckey(stopped, "stop")
    assert (end.returncode, end.stdout) == (0, f"the daemon has stopped (process {found[1]}).\n")
    eventually(lambda: not any(map(is_alive, processes)), "both processes are gone", 5)
    assert ckey(stopped, "stop").stdout == "no daemon runs.\n"


@pytest.fixture
def locked(runtime: Path) -> Iterator[Rendezvous]:
    """A place whose lock somebody holds who never answers."""
    place = Rendezvous(runtime)
    place.create()
    lock = system.lock(place.lock)
    assert lock is not None
    yield place
    os.close(lock)


def test_start_says_why_it_does_not_start(locked: Rendezvous) -> None:
    """When the daemon ends at once, its own last words are the cause."""
    ran = ckey(locked.folder, "start")
    assert ran.returncode == 1
    assert "ckey: the daemon did not start: a daemon of this user runs already" in ran.stderr
    assert "waiting for the daemon (1 s)" in ran.stderr


def test_ctrl_c_ends_the_waiting_for_a_start(locked: Rendezvous) -> None:
    """While the daemon does not come up, Ctrl-C ends the command at once; the daemon goes on by itself."""
    start = start_ckey(locked.folder, "start")
    eventually(lambda: children(start.pid), "the daemon is being started")
    start.send_signal(signal.SIGINT)
    _, told = start.communicate(timeout=5)
    assert start.returncode == 1
    assert told.endswith("ckey: stopped.\n")
    assert "Traceback" not in told
    eventually(lambda: "runs already" in locked.log.read_text(), "the daemon that it started goes away too")


def test_ps_shows_who_uses_the_daemon(daemon: EchoDaemon) -> None:
    """Device, worker and memory in one table, every client in another, and what is done and waits, within a second."""
    with busy(daemon, 1020) as (client, _), ExitStack() as stack:
        submit(client, stack, 1020)
        seconds = list[float]()
        for _ in range(3):
            began = time.monotonic()
            ran = ckey(daemon.place.folder, "ps")
            seconds.append(time.monotonic() - began)
        pid = client.status()["pid"]
    assert min(seconds) < 1
    lines = ran.stdout.splitlines()
    assert ran.returncode == 0, ran.stderr
    assert re.sub(" +", " ", lines[0]) == "VERSION PROCESS UPTIME DEVICE MODEL QUALITY WORKER MEMORY UNTIL"
    assert re.search(rf"\b{pid} +\d+ s +echo +echo +full +keying +\d+ MB of [\d.]+ GB RAM +-$", lines[1])
    assert re.sub(" +", " ", lines[3]) == "SESSION CLIENT PROCESS SLOTS MIB WAITING"
    assert re.fullmatch(r"\d+ +Nuke 15\.1 +\d+ +2 +\d+ +2", lines[4])
    assert re.match(r"1 frame waiting, a frame of session \d+ is being keyed, 0 of \d+ MiB for frames", lines[6])
    assert lines[7] == "since its start: 0 keyed, 0 kept, 0 empty, 0 failed, 0 cancelled, 0 superseded"


def test_ps_shows_what_the_idle_worker_holds(daemon: EchoDaemon) -> None:
    """After a frame it says how much memory the worker has, and until when."""
    with daemon.client() as client:
        client.key(asking(), None, PARAMS)
    row = ckey(daemon.place.folder, "ps").stdout.splitlines()[1]
    assert re.search(r" idle +[\d.]+ [MG]B of [\d.]+ GB RAM +in 4 min$", row)


@pytest.mark.parametrize("command", ["ps", "status", "unload", "start"])
def test_what_only_watches_loads_nothing_heavy(daemon: EchoDaemon, command: str) -> None:
    """With a daemon that answers too: neither torch nor numpy nor rich are loaded."""
    assert loaded_by(daemon.place.folder, command) == (0, set())


def test_status_is_for_people_and_for_scripts(daemon: EchoDaemon) -> None:
    """A few lines without, all facts with --json; the frames that were keyed are counted in both."""
    with daemon.client() as client:
        client.key(asking(), None, PARAMS)
    short = ckey(daemon.place.folder, "status").stdout
    assert f"process {daemon.process.pid}, up " in short
    assert "device echo, model echo, quality full, worker idle" in short
    assert "1 keyed, 0 failed" in short
    assert f"folder {daemon.place.folder}" in short
    facts = json.loads(ckey(daemon.place.folder, "status", "--json").stdout)
    assert facts.keys() == daemon.status().keys()
    assert facts["frames"]["keyed"] == 1


@pytest.mark.parametrize("command", [("ps",), ("status",), ("status", "--json"), ("unload",)])
def test_without_a_daemon_there_is_nothing_to_show(runtime: Path, command: tuple[str, ...]) -> None:
    """Exit code 1, one sentence on standard error and nothing on standard output; no folder is made."""
    ran = ckey(runtime, *command)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "ckey: no daemon runs; start it with `ckey start`.\n"
    assert not runtime.exists()


def test_unload_gives_the_memory_back(daemon: EchoDaemon) -> None:
    """The worker is gone when it returns, it says what that freed, and a second time there is nothing to free."""
    with daemon.client() as client:
        client.key(asking(), None, PARAMS)
        worker = daemon.worker()
        ran = ckey(daemon.place.folder, "unload")
        assert ran.returncode == 0
        assert re.fullmatch(rf"freed \d+ MB of RAM: the worker, process {worker}, has ended\.\n", ran.stdout)
        assert not is_alive(worker)
        assert ckey(daemon.place.folder, "unload").stdout.startswith("there was nothing to free")
        client.key(asking(), None, PARAMS)


def test_stop_lets_the_frame_be_finished_and_says_so(daemon: EchoDaemon) -> None:
    """The frame that is being keyed reaches its client, and who stops is told what is waited for."""
    with busy(daemon, 1003) as (client, ticket):
        stop = start_ckey(daemon.place.folder, "stop")
        assert isinstance(client.wait(ticket), Result)
        said, told = stop.communicate(timeout=30)
    assert (stop.returncode, said) == (0, f"the daemon has stopped (process {daemon.process.pid}).\n")
    assert re.match(r"waiting for the frame that is being keyed for Nuke 15\.1, session \d+ \(1 s\)\n", told)
    assert daemon.process.wait(5) == 0


def test_stop_now_does_not_wait_for_the_frame(daemon: EchoDaemon) -> None:
    """A frame that takes a minute is given up, and the worker with it."""
    with busy(daemon, 1060):
        worker, began = daemon.worker(), time.monotonic()
        assert ckey(daemon.place.folder, "stop", "--now").returncode == 0
        assert time.monotonic() - began < 20
        assert not is_alive(worker)
    assert daemon.process.wait(5) == 1


def test_ctrl_c_ends_the_waiting_and_not_the_stopping(daemon: EchoDaemon) -> None:
    """Interrupted, `ckey stop` says that the daemon goes on to its end, and how to hurry it."""
    with busy(daemon, 1060):
        stop = start_ckey(daemon.place.folder, "stop")
        eventually(lambda: daemon.status()["draining"], "it drains")
        stop.send_signal(signal.SIGINT)
        _, told = stop.communicate(timeout=20)
        assert stop.returncode == 1
        assert f"no longer waiting; process {daemon.process.pid} ends after its frame" in told
        assert "Traceback" not in told
        assert daemon.status()["draining"]
        assert ckey(daemon.place.folder, "stop", "--now").returncode == 0
    daemon.process.wait(5)


def test_start_waits_for_a_daemon_that_stops(daemon: EchoDaemon) -> None:
    """A daemon that still finishes a frame is not taken for one that runs."""
    runtime = daemon.place.folder
    with busy(daemon, 1002):
        daemon.process.terminate()
        eventually(lambda: daemon.status()["draining"], "it drains")
        ran = ckey(runtime, "start")
    assert daemon.process.wait(5) == 0
    assert ran.stdout.startswith("the daemon runs: process"), ran
    assert "waiting for the daemon that is stopping (1 s)" in ran.stderr
    assert ckey(runtime, "stop").returncode == 0


def test_a_daemon_that_hangs_is_ended_only_when_asked(daemon: EchoDaemon) -> None:
    """`ckey stop` does not say that none runs, and `ckey stop --now` gets rid of it."""
    os.kill(daemon.process.pid, signal.SIGSTOP)
    asked = ckey(daemon.place.folder, "stop")
    assert asked.returncode == 1
    assert f"process {daemon.process.pid}, does not answer; end it with `ckey stop --now`" in asked.stderr
    # Its parent, this test, takes note of its end.
    threading.Thread(target=daemon.process.wait).start()
    ended = ckey(daemon.place.folder, "stop", "--now")
    assert ended.returncode == 0, ended.stderr
    assert f"was killed (process {daemon.process.pid})" in ended.stdout


def test_a_name_cannot_forge_what_others_read(daemon: EchoDaemon) -> None:
    """Whatever a client calls itself, it is one line of at most 64 bytes, without control characters."""
    with daemon.client("Nuke\x1b[31m\nckey.daemon stopped " + "é" * 60):
        name = daemon.status()["sessions"][0]["client"]
    assert name.startswith("Nuke?[31m?ckey.daemon stopped é")
    assert "\x1b" not in daemon.log()
    assert len(name.encode()) <= 64
