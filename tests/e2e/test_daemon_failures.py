"""What clients notice when clients, workers and daemons are killed in the middle of frames, and what is left of it."""

import gc
import os
import select
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

from corridorkey_models.errors import ResourceError
from corridorkey_models.keyed import Keyed
from corridorkey_server.client import RECONNECT, Client
from corridorkey_server.client_slots import Wired
from corridorkey_server.errands import Map, Unmap
from corridorkey_server.protocol import Result
from corridorkey_server.supervisor.worker_process import WorkerProcess
from corridorkey_server.system import Region
from daemons import (
    PARAMS,
    PATIENCE,
    EchoDaemon,
    asking,
    children,
    descriptors,
    eventually,
    fits,
    held,
    is_alive,
    stamped,
    steady,
)
from echo_client import STUBBORN

SOON = 0.5
"""Seconds that "at once" may take here; the bench has the figures."""


@contextmanager
def keying(client: Client, red: float, green: float = 0.0) -> Iterator["Future[Keyed]"]:
    """Key a frame in a thread that nobody else uses the client in; its result is waited for."""
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(client.key, asking(red, green), None, PARAMS)


def regions(pid: int) -> int:
    """Return how many slots a process has open or mapped."""
    maps = Path(f"/proc/{pid}/maps").read_text().count("memfd:corridorkey")
    return maps + sum("memfd:corridorkey" in target for target in descriptors(pid))


def leftovers(daemon: EchoDaemon) -> tuple[list[str], list[str]]:
    """Return what lies in the runtime folder and in /dev/shm."""
    names = [path.name for path in daemon.place.folder.iterdir() if not path.name.startswith("died-")]
    return sorted(names), sorted(path.name for path in Path("/dev/shm").iterdir())


def settled(daemon: EchoDaemon, sessions: int = 0) -> bool:
    """Whether nothing is left of clients but these sessions, whose slots are idle."""
    facts = daemon.status()
    slots = sum(len(session["slots"]) for session in facts["sessions"])
    waits = facts["running"] or facts["queue"]
    return not waits and facts["session_count"] == sessions and facts["slots"]["count"] == slots


def kill_worker(daemon: EchoDaemon) -> None:
    """Kill the worker, as soon as there is one."""
    eventually(daemon.worker, "there is a worker")
    os.kill(daemon.worker(), signal.SIGKILL)


@pytest.mark.parametrize("company", ["alone", "forks", "spawns"])
def test_a_killed_client_leaves_nothing(daemon: EchoDaemon, company: str) -> None:
    """Idle and queued slots come back at once, the running one when the device is done, whoever inherited the lease."""
    before = steady(daemon.process.pid)
    with held(daemon, company) as (client, facts):
        eventually(daemon.is_keying, "the frame is begun")
        assert daemon.status()["slots"]["count"] == 3
        if company == "forks":
            assert regions(facts["child"]) == 0
            eventually(lambda: facts["lease"] not in descriptors(facts["child"]), "the child lets the lease go")
        os.kill(client, signal.SIGKILL)
        assert eventually(lambda: daemon.status()["slots"]["count"] == 1, "two slots are back") < SOON
        assert daemon.status()["session_count"] == 0
        assert daemon.is_keying()
        assert eventually(lambda: daemon.status()["slots"]["bytes"] == 0, "all are back") < STUBBORN + SOON
        assert company == "alone" or is_alive(facts["child"])
    assert daemon.status()["frames"]["keyed"] == 0
    assert regions(daemon.process.pid) == 0
    eventually(lambda: regions(daemon.worker()) == 0, "the worker let go of them")
    assert steady(daemon.process.pid) == before


def test_a_killed_worker_costs_no_frame(daemon: EchoDaemon) -> None:
    """The frame that a worker died on is keyed by the next one, and so is what waited behind it."""
    worker = daemon.worker()
    plate, hint = stamped((64, 36), 1, 1)
    plate[0, 0, 1] = -666
    with daemon.client() as client, daemon.client("other") as other, keying(other, 1.0) as waiting:
        assert fits(client.key(plate, hint, PARAMS), plate, hint)
        assert waiting.result().matte.shape == (36, 64)
    assert not is_alive(worker)
    assert daemon.status()["worker"]["restarts"] == 1


def test_a_worker_that_is_killed_from_outside_costs_no_frame(daemon: EchoDaemon) -> None:
    """What the kernel's memory killer does to a worker in the middle of a frame, the client does not see."""
    with daemon.client() as client, keying(client, 1000.3) as frame:
        eventually(daemon.is_keying, "the frame is begun")
        os.kill(daemon.worker(), signal.SIGKILL)
        assert frame.result().matte.shape == (36, 64)


def test_a_frame_that_kills_every_worker_fails_alone(daemon: EchoDaemon) -> None:
    """After two tries it is one sentence, and the next frame of the same client is keyed."""
    with daemon.client() as client:
        with pytest.raises(ResourceError, match="the worker ended twice on this frame; see the daemon's log"):
            client.key(asking(green=-667), None, PARAMS)
        assert client.key(asking(), None, PARAMS).matte.shape == (36, 64)
    assert daemon.log().count("was killed by SIGKILL") == 2


def test_a_killed_daemon_takes_its_worker_along(daemon: EchoDaemon) -> None:
    """The worker ends in the middle of a frame that cannot be stopped: nothing keeps the device's memory."""
    worker = daemon.worker()
    with daemon.client() as client, ExitStack() as stack:
        slot = stack.enter_context(client.slot(64, 36))
        slot.frame.given[..., :3] = asking(2030)
        client.submit(slot, PARAMS, Wired())
        eventually(daemon.is_keying, "the frame is begun")
        daemon.kill()
        assert eventually(lambda: not is_alive(worker), "the worker is gone") < 2
        daemon.restart()


def test_a_client_goes_on_with_a_daemon_that_came_back(daemon: EchoDaemon) -> None:
    """A frame on its way is handed over again, and the arrays that the caller holds stay its own."""
    plate, hint = stamped((64, 36), 1, 1)
    plate[0, 0, 0] = 1000.5
    with daemon.client() as client, client.slot(64, 36) as slot:
        slot.frame.given[..., :3], slot.frame.given[..., 3] = plate, hint
        arrays = slot.frame.given, slot.frame.made
        ticket = client.submit(slot, PARAMS, Wired("hint"))
        eventually(daemon.is_keying, "the frame is begun")
        daemon.kill()
        daemon.start()
        assert isinstance(client.wait(ticket), Result)
        assert (slot.frame.given is arrays[0], slot.frame.made is arrays[1]) == (True, True)
        assert np.array_equal(arrays[1], np.dstack([plate, hint]))
        slot.frame.given[0, 0] = 7
        client.wait(client.submit(slot, PARAMS, Wired("hint")))
        assert np.array_equal(arrays[1][0, 0], [7, 7, 7, 7])
        assert daemon.status()["frames"]["keyed"] == 2


def test_a_daemon_that_dies_again_while_a_client_comes_back(daemon: EchoDaemon) -> None:
    """What the client was about to hand over to the second daemon gets the third one."""
    with daemon.client() as client:
        client.configure("slow")
        with keying(client, 1000.2) as frame:
            eventually(daemon.is_keying, "the frame is begun")
            for _ in range(2):
                daemon.kill()
                daemon.start()
                eventually(daemon.is_keying, "the model is being loaded")
            assert frame.result().matte.shape == (36, 64)
    assert daemon.status()["frames"]["keyed"] == 1


def test_a_choice_of_model_outlives_the_daemon(daemon: EchoDaemon) -> None:
    """A client that reconnects asks for its model again before it hands over frames."""
    with daemon.client() as client:
        client.configure("other")
        client.configure(quality="draft")
        daemon.kill()
        daemon.start()
        with client.slot(64, 36) as slot:
            result = client.wait(client.submit(slot, PARAMS, Wired()))
        assert isinstance(result, Result)
        assert result.model == "echo other green"
        assert client.welcome.boot == daemon.status()["boot"]


def test_a_daemon_that_stays_away_is_a_sentence(daemon: EchoDaemon) -> None:
    """The client gives up after some seconds and says what to do; when the daemon is back, it works again."""
    with daemon.client() as client:
        with keying(client, 1030) as frame:
            eventually(daemon.is_keying, "the frame is begun")
            daemon.kill()
            began = time.monotonic()
            with pytest.raises(ResourceError, match=r"was not back within 3 s; start it with `ckey start`"):
                frame.result()
            assert time.monotonic() - began < RECONNECT + 2
        began = time.monotonic()
        with pytest.raises(ResourceError, match=r"was not back within 3 s; start it with `ckey start`"):
            client.key(asking(), None, PARAMS)
        assert time.monotonic() - began < RECONNECT + 2
        daemon.start()
        assert client.key(asking(), None, PARAMS).matte.shape == (36, 64)


def test_a_killed_daemon_leaves_nothing_behind(daemon: EchoDaemon) -> None:
    """The next one replaces its sockets, and the memory of its slots is free once its clients let go."""
    gc.collect()
    mine, before = regions(os.getpid()), leftovers(daemon)
    with daemon.client() as client:
        for _ in range(2):
            client.key(asking(), None, PARAMS)
            daemon.kill()
            daemon.start()
        assert leftovers(daemon) == before
        client.key(asking(), None, PARAMS)
        assert regions(os.getpid()) - mine == regions(daemon.process.pid) == 1
    eventually(lambda: regions(daemon.process.pid) == 0, "the slot is free")
    assert regions(os.getpid()) == mine


def test_sigterm_lets_the_running_frame_end(daemon: EchoDaemon) -> None:
    """Its client gets the result from the daemon that is about to stop; the one that waits gets it from the next."""
    with daemon.client() as client, daemon.client("other") as other:
        boot = other.welcome.boot
        with keying(client, 1000.5) as frame:
            eventually(daemon.is_keying, "the frame is begun")
            with keying(other, 0) as waiting:
                eventually(lambda: daemon.status()["queue"] == 1, "the other waits")
                daemon.process.terminate()
                assert frame.result().matte.shape == (36, 64)
                daemon.restart()
                assert waiting.result().matte.shape == (36, 64)
        assert daemon.process.returncode is None
        assert daemon.status()["frames"]["keyed"] == 1
        assert client.welcome.boot == boot != other.welcome.boot


def test_a_daemon_that_stops_leaves_its_clients_their_pixels(daemon: EchoDaemon) -> None:
    """A result can be read after its end, and a plate that waited is handed to the next daemon as it was."""
    with daemon.client() as client, daemon.client("other") as other, ExitStack() as stack:
        first, second = (stack.enter_context(each.slot(64, 36)) for each in (client, other))
        for slot, red in ((first, 1000.3), (second, 0.0)):
            slot.frame.given[...] = 5
            slot.frame.given[0, 0, 0] = red
        running = client.submit(first, PARAMS, Wired("hint"))
        eventually(daemon.is_keying, "the frame is begun")
        waiting = other.submit(second, PARAMS, Wired("hint"))
        eventually(lambda: daemon.status()["queue"] == 1, "the other waits")
        daemon.process.terminate()
        client.wait(running)
        daemon.restart()
        other.wait(waiting)
        for slot in (first, second):
            assert np.array_equal(slot.frame.made, slot.frame.given)
            assert slot.frame.made[1].min() == 5


def test_a_client_that_gives_up_on_a_slot_does_not_lose_it(daemon: EchoDaemon) -> None:
    """A slot that is handed out after its client stopped waiting for it can be had again."""

    def give_up(*_: object) -> None:
        raise TimeoutError("given up")

    before = signal.signal(signal.SIGALRM, give_up)
    with daemon.client() as client, ExitStack() as stack:
        stack.callback(signal.signal, signal.SIGALRM, before)
        for _ in range(2):
            daemon.process.send_signal(signal.SIGSTOP)
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(TimeoutError, match="given up"), client.slot(64, 36):
                pass
            daemon.process.send_signal(signal.SIGCONT)
        for _ in range(3):
            slot = stack.enter_context(client.slot(64, 36))
            slot.frame.given[...] = 5
            client.wait(client.submit(slot, PARAMS, Wired("hint")))
            assert slot.frame.made.min() == 5


def test_a_daemon_that_ends_cleans_up(daemon: EchoDaemon) -> None:
    """Its sockets are gone, its worker too, and its exit code is 0."""
    worker = daemon.worker()
    daemon.process.terminate()
    assert daemon.process.wait(10) == 0
    assert not is_alive(worker)
    assert {"control", "lease"}.isdisjoint(path.name for path in daemon.place.folder.iterdir())
    daemon.start()


def test_a_second_interrupt_does_not_wait(daemon: EchoDaemon) -> None:
    """The first one lets the running frame end, the second ends the daemon within it."""
    worker = daemon.worker()
    with daemon.client() as client, client.slot(64, 36) as slot:
        slot.frame.given[..., :3] = asking(2030)
        client.submit(slot, PARAMS, Wired())
        eventually(daemon.is_keying, "the frame is begun")
        daemon.process.send_signal(signal.SIGINT)
        eventually(lambda: daemon.status()["draining"], "it drains")
        assert daemon.process.poll() is None
        daemon.process.send_signal(signal.SIGINT)
        assert daemon.process.wait(5) == 1
        assert not is_alive(worker)
        daemon.start()


READS_LATER = """
import socket, sys, time
link = socket.socket(fileno=int(sys.argv[2]))
time.sleep(0.3)
while link.recv(65536):
    pass
"""


SPEAKS_ANOTHER = """
import socket, sys
link = socket.socket(fileno=int(sys.argv[2]))
link.send(b"what a later version says")
link.recv(65536)
"""


def test_a_region_that_is_gone_is_not_sent() -> None:
    """What waits for a worker that does not read may be freed before: the rest of its mail arrives all the same."""
    worker = WorkerProcess([sys.executable, "-c", READS_LATER], "auto")
    region, gone = Region.create(4096), Region.create(4096)
    while not worker.has_mail:
        worker.send(Map(slot=1), region)
    worker.send(Map(slot=2), gone)
    worker.forget(gone)
    gone.close()
    worker.send(Unmap(slot=2))
    eventually(lambda: worker.flush() or not worker.has_mail, "all is sent")
    region.close()
    worker.close(time.monotonic())
    assert eventually(lambda: worker.ended(time.monotonic()), "it has ended") < 1


def test_a_worker_of_another_version_counts_as_one_that_ended() -> None:
    """Words that are not understood do not end the daemon."""
    worker = WorkerProcess([sys.executable, "-c", SPEAKS_ANOTHER], "auto")
    eventually(lambda: select.select([worker], [], [], 0.1)[0], "it says something")
    with pytest.raises(EOFError):
        worker.receive()
    worker.close(time.monotonic())
    assert eventually(lambda: worker.ended(time.monotonic()), "it has ended") < 3


@pytest.mark.soak
def test_kills_in_a_row_lose_and_leak_nothing(daemon: EchoDaemon, rounds: int) -> None:
    """While clients, workers and daemons are killed in turn, frames arrive right and nothing stays behind."""
    stop, frames = threading.Event(), [0]

    def work() -> None:
        with daemon.client("works") as client:
            while not stop.is_set():
                plate, hint = stamped((64, 36), 1, frames[0])
                assert fits(client.key(plate, hint, PARAMS), plate, hint)
                frames[0] += 1

    def kill(turn: int) -> None:
        with held(daemon, ("alone", "forks", "spawns")[turn % 3]) as (client, _):
            os.kill(client, signal.SIGKILL)
        kill_worker(daemon)
        if turn % 2:
            daemon.kill()
            daemon.start()

    with daemon.client() as client:
        client.key(asking(), None, PARAMS)
    eventually(lambda: settled(daemon), "nothing is on its way")
    fresh = steady(daemon.process.pid), leftovers(daemon)
    with ThreadPoolExecutor(1) as thread:
        worker = thread.submit(work)
        for turn in range(2 + 2 * rounds):
            kill(turn)
            seen = frames[0]
            eventually(lambda seen=seen: frames[0] > seen + 1 or worker.done(), "frames are keyed")
        stop.set()
        worker.result()
    eventually(lambda: settled(daemon), "nothing is on its way")
    with daemon.client() as client:
        client.key(asking(), None, PARAMS)
    eventually(lambda: settled(daemon), "nothing is on its way")
    assert (steady(daemon.process.pid), leftovers(daemon)) == fresh
    assert len(children(daemon.process.pid)) == 1
    assert regions(daemon.process.pid) == 0


def test_a_daemon_that_nobody_can_reach_ends(runtime: Path) -> None:
    """When its folder was cleaned away the daemon does not stay for ever with the device's memory."""
    with EchoDaemon(runtime) as daemon:
        shutil.rmtree(runtime)
        assert daemon.process.wait(PATIENCE) == 0


def test_a_daemon_that_was_replaced_leaves_the_other_alone(runtime: Path) -> None:
    """When its folder was made anew and another daemon lives there, that one can be reached as before."""
    with EchoDaemon(runtime) as old:
        shutil.rmtree(runtime)
        with EchoDaemon(runtime) as new:
            assert old.process.wait(PATIENCE) == 0
            with new.client() as client:
                assert client.key(asking(), None, PARAMS).matte.shape == (36, 64)
