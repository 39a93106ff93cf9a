"""The daemon at work, as clients see it: real processes, sockets and memory around an echo instead of the network."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from corridorkey_models.errors import Cancelled, CheckpointError, ResourceError
from corridorkey_models.keyed import Masks
from corridorkey_models.params import Params
from corridorkey_server.client import Client
from corridorkey_server.client_slots import ClientSlot, SupersededError, Ticket, Wired
from corridorkey_server.link import Link
from corridorkey_server.protocol import (
    Again,
    Cancel,
    Configure,
    Configured,
    Done,
    Error,
    Progress,
    Result,
    Slot,
    SlotBack,
    SlotReady,
    Unload,
)
from corridorkey_server.protocol import Cancelled as CancelledReply
from corridorkey_server.wire import Message
from daemons import (
    HERE,
    PARAMS,
    EchoDaemon,
    ask,
    asking,
    children,
    client_command,
    eventually,
    fits,
    is_alive,
    key_of,
    resident,
    slot_of,
    stamped,
    steady,
)

MIB = 1 << 20


@pytest.fixture
def client(daemon: EchoDaemon) -> Iterator[Client]:
    """A session."""
    with daemon.client() as session:
        yield session


@pytest.fixture
def link(daemon: EchoDaemon) -> Iterator[Link]:
    """A session, message by message."""
    with Link(daemon.place, "link") as session:
        yield session


def submit(client: Client, slot: ClientSlot, red: float = 0.0, node: str = "") -> Ticket:
    """Hand over a frame that keeps the worker busy as `asking` says."""
    slot.frame.given[..., :3] = asking(red)
    return client.submit(slot, PARAMS, Wired(), node=node)


def keep_busy(daemon: EchoDaemon, client: Client, stack: ExitStack, red: float) -> Ticket:
    """Return the ticket of a frame that the worker is at."""
    ticket = submit(client, stack.enter_context(client.slot(64, 36)), red)
    eventually(daemon.is_keying, "the frame is begun")
    return ticket


def test_the_supervisor_is_light_and_answers_at_once(daemon: EchoDaemon, client: Client) -> None:
    """It answers before any worker could have loaded a network, and maps neither torch nor numpy nor pixels."""
    client.key(asking(), None, PARAMS)
    maps = Path(f"/proc/{daemon.process.pid}/maps").read_text()
    assert daemon.seconds < 2
    assert "libzmq" in maps
    assert [name for name in ("torch", "numpy", "memfd:corridorkey") if name in maps] == []


def test_there_is_one_daemon(daemon: EchoDaemon, client: Client) -> None:
    """Another one in the same folder says so and ends, and the first goes on as if nothing had been."""
    before = daemon.status()["boot"], sorted(path.name for path in daemon.place.folder.iterdir())
    command = [sys.executable, str(HERE / "echo_daemon.py")]
    second = subprocess.run(command, env=daemon.environment, capture_output=True, text=True, timeout=30)
    assert second.returncode == 1
    assert "a daemon of this user runs already; `ckey ps` shows it, `ckey stop` ends it." in second.stderr
    assert (daemon.status()["boot"], sorted(path.name for path in daemon.place.folder.iterdir())) == before
    assert client.key(asking(), None, PARAMS).matte.shape == (36, 64)


@pytest.mark.soak
def test_many_clients_get_their_own_frames(daemon: EchoDaemon, rounds: int) -> None:
    """Of 2000 frames of 20 clients none is lost or another's, and nothing of them stays in the daemon."""

    def key(frames: int) -> tuple[int, int, int]:
        commands = [client_command("keys", first, 4, frames) for first in range(0, 20, 4)]
        processes = [subprocess.Popen(command, env=daemon.environment) for command in commands]
        assert [process.wait(300) for process in processes] == [0] * len(processes)
        eventually(
            lambda: daemon.status()["slots"] | {"cap": 0} == {"count": 0, "bytes": 0, "cap": 0}, "no slot is left"
        )
        pid = daemon.process.pid
        return steady(pid), len(children(pid)), resident(pid)

    warm = key(20)
    for _ in range(rounds):
        after = key(100)
    assert after[:2] == warm[:2]
    assert after[2] < warm[2] + 4 * MIB
    assert daemon.status()["frames"]["keyed"] == 20 * 20 + 2000 * rounds
    assert daemon.status()["session_count"] == 0


def test_a_frame_comes_back_with_all_that_was_asked_for(client: Client) -> None:
    """Masks and used hint have their planes, notes and timings come along, and a given buffer gets the result."""
    plate, hint = stamped((31, 17), 1, 2)
    out = np.empty((17, 31, 4), np.float32)
    masks = Masks(inside=hint, outside=1 - hint)
    keyed = client.key(plate, hint, Params(working_space="srgb", output="hint", screen="blue"), masks, out)
    assert fits(keyed, plate, hint)
    assert keyed.hint is not None
    assert np.array_equal(keyed.hint, hint)
    assert np.shares_memory(keyed.foreground, out)
    assert keyed.notes == ("screen blue",)
    assert keyed.timings["total"] >= keyed.timings["queue"] >= 0


def test_equal_content_is_kept_and_other_is_not(client: Client) -> None:
    """A frame whose prediction the worker kept says so, whoever asks for it."""
    (plate, hint), (other, _) = stamped((16, 9), 1, 1), stamped((16, 9), 1, 2)
    assert [client.key(pixels, hint, PARAMS).kept for pixels in (plate, plate, other)] == [False, True, False]


def test_detect_names_the_screen(client: Client) -> None:
    """A plate's screen is green, blue or none, and its slot is free again."""
    found = [client.detect_screen(asking(green=green), "srgb") for green in (1.0, -1.0, 0.0)]
    assert found == ["green", "blue", None]


def test_a_model_is_chosen_for_the_session_only(daemon: EchoDaemon, client: Client, link: Link) -> None:
    """CONFIGURE answers when the model is loaded; other sessions keep theirs."""
    told: list[str] = []
    configured = client.configure("other", "half", "blue", lambda stage, _: told.append(stage))
    assert (configured.model, configured.quality, configured.identity) == ("other", "half", "echo other blue")
    assert list(dict.fromkeys(told)) == ["queue", "load"]
    slot = slot_of(link)
    result = link.request(key_of(link, slot), Result)
    assert (result.model, result.quality) == ("echo echo green", "full")
    assert daemon.status()["model"] == "echo"


def test_new_sessions_get_what_was_chosen_for_the_daemon(daemon: EchoDaemon, link: Link) -> None:
    """CONFIGURE with scope daemon changes what WELCOME says from then on, but never to what cannot work."""
    for wrong, code in (({"quality": "best"}, "input"), ({"model": "missing"}, "checkpoint")):
        assert ask(link, Error, Configure, scope="daemon", **wrong).code == code
    with daemon.client() as client:
        assert (client.welcome.model, client.welcome.quality) == ("echo", "full")
    ask(link, Configured, Configure, scope="daemon", model="other", quality="draft")
    with daemon.client() as client:
        assert (client.welcome.model, client.welcome.quality) == ("other", "draft")


def test_a_model_that_is_missing_fails_with_its_sentence(client: Client) -> None:
    """The worker's reason arrives as the same exception that a Keyer would raise, and another model works."""
    with pytest.raises(CheckpointError, match="missing screen; run `ckey pull missing`"):
        client.configure("missing")
    with pytest.raises(CheckpointError, match="missing screen"):
        client.key(asking(), None, PARAMS)
    client.configure("echo")
    assert client.key(asking(), None, PARAMS).matte.shape == (36, 64)


def test_a_fault_of_the_keyer_is_one_frames_error(client: Client) -> None:
    """An exception in the worker is a sentence, and the next frame is keyed by the same process."""
    with pytest.raises(Exception, match="keying failed with RuntimeError; see the daemon's log"):
        client.key(asking(green=-668), None, PARAMS)
    assert client.key(asking(), None, PARAMS).matte.shape == (36, 64)


def test_a_fast_scrub_keys_few_frames_and_the_last(daemon: EchoDaemon, client: Client) -> None:
    """Of 100 frames of one node, the queued ones give way to the newest, which is keyed."""
    tickets: list[Ticket] = []
    with ExitStack() as stack:
        latest: dict[ClientSlot, Ticket | None] = {stack.enter_context(client.slot(64, 36)): None for _ in range(3)}
        began = time.monotonic()
        while len(tickets) < 100:
            for slot in [slot for slot, ticket in latest.items() if ticket is None or client.poll(ticket)]:
                latest[slot] = submit(client, slot, 1000.05, node="node")
                tickets.append(latest[slot])
        seconds = time.monotonic() - began
        eventually(lambda: all(client.poll(ticket) for ticket in tickets), "all are answered")
    assert isinstance(tickets[-1].answer, Result)
    keyed = [ticket for ticket in tickets if ticket.answer is not None]
    assert all(isinstance(ticket.error, SupersededError) for ticket in tickets if ticket not in keyed)
    # On a machine so slow that the worker ends frames meanwhile, each of them lets one more begin.
    assert len(keyed) <= max(3, 2 + seconds / 0.05)
    assert daemon.status()["frames"]["superseded"] == len(tickets) - len(keyed) >= 50


def test_batch_load_costs_an_artist_at_most_one_frame(daemon: EchoDaemon, client: Client) -> None:
    """The median wait for an interactive frame grows by at most the frame that runs already, and a bit."""
    busy, stop = 0.03, threading.Event()

    def wait() -> float:
        began = time.monotonic()
        client.key(asking(1000 + busy), None, PARAMS)
        return time.monotonic() - began

    def render() -> None:
        with daemon.client("batch") as batch:
            while not stop.is_set():
                batch.key(asking(1000 + busy), None, PARAMS, priority="batch")

    idle = median(wait() for _ in range(15))
    with ThreadPoolExecutor(3) as threads:
        renders = [threads.submit(render) for _ in range(3)]
        eventually(lambda: daemon.status()["queue"] >= 1, "batch frames wait")
        loaded = median(wait() for _ in range(15))
        stop.set()
        for done in renders:
            done.result()
    assert loaded <= 1.3 * idle + busy


def test_a_waiting_frame_is_cancelled_at_once(daemon: EchoDaemon, client: Client, link: Link) -> None:
    """CANCEL of a queued frame is answered while the worker keys, and while memory for another client is had."""
    slot, waits, overlaps = slot_of(link), list[float](), 0
    told, made = list[Message](), list[Message]()
    link.other = told.append
    with ExitStack() as stack, Link(daemon.place, "large") as large:
        large.other = made.append
        keep_busy(daemon, client, stack, 1005)
        for turn in range(5):
            request = key_of(link, slot, gen=turn + 1)
            link.send(request)
            large.send(Slot(id=large.next_id(), width=3840, height=2160 + turn))
            began = time.monotonic()
            assert ask(link, Done, Cancel, target=request.id).found
            waits.append(time.monotonic() - began)
            assert told.pop() == CancelledReply(id=request.id)
            large.pump(0)
            overlaps += not made
            eventually(lambda: large.pump(0.1) or made, "the memory is had")
            ready = made.pop()
            assert isinstance(ready, SlotReady)
            ask(large, Done, SlotBack, slot=ready.slot)
    assert median(waits) < 0.05
    assert overlaps


def test_a_running_frame_stops_within_a_block(daemon: EchoDaemon, client: Client) -> None:
    """CANCEL ends a frame of five seconds at once; its slot is the client's again, and no other worker is needed."""
    worker = daemon.worker()
    with ExitStack() as stack:
        ticket = keep_busy(daemon, client, stack, 1005)
        client.cancel(ticket)
        assert eventually(lambda: client.poll(ticket), "the frame is stopped") < 1
        assert isinstance(ticket.error, Cancelled)
        assert isinstance(client.wait(submit(client, ticket.slot)), Result)
    assert daemon.worker() == worker


def test_a_watch_stops_the_wait_for_a_frame(daemon: EchoDaemon, client: Client) -> None:
    """What the watch raises comes out of `key` at once, and the frame is stopped."""
    stages = []

    def watch(stage: str, fraction: float) -> None:
        stages.append((stage, fraction))
        if stage == "infer":
            raise Cancelled("enough.")

    began = time.monotonic()
    with pytest.raises(Cancelled, match="enough"):
        client.key(asking(1005), None, PARAMS, watch=watch)
    assert time.monotonic() - began < 2
    assert stages[0] == ("queue", 0.0)
    assert client.key(asking(), None, PARAMS).matte.shape == (36, 64)
    assert daemon.status()["frames"]["cancelled"] == 1


def test_a_frame_that_takes_too_long_is_given_up(client: Client) -> None:
    """Every wait has its deadline, whose end says what to look at, and the next frame is keyed."""
    with pytest.raises(ResourceError, match=r"did not get on for [0-9.]+ s; see `ckey ps`"):
        client.key(asking(1005), None, PARAMS, timeout=0.2)
    assert client.key(asking(), None, PARAMS, timeout=5).matte.shape == (36, 64)


def test_a_request_that_comes_twice_is_done_once(daemon: EchoDaemon, link: Link, client: Client) -> None:
    """The same KEY again is answered with PROGRESS while it waits and with its RESULT afterwards, as AGAIN is."""
    told = list[Message]()
    link.other = told.append
    slot = slot_of(link)
    link.region(slot.slot, time.monotonic() + 5).write(asking().tobytes()[:8], 4096)
    request = key_of(link, slot)
    with ExitStack() as stack:
        keep_busy(daemon, client, stack, 1000.3)
        link.send(request)
        link.send(request)
        link.send(Again(id=link.next_id(), target=request.id))
        eventually(lambda: link.pump(0.1) or any(isinstance(message, Result) for message in told), "it is keyed")
    result = told.pop()
    assert told.count(Progress(id=request.id, stage="queue", fraction=0.0)) == 2
    told.clear()
    link.send(request)
    link.send(Again(id=link.next_id(), target=request.id))
    eventually(lambda: link.pump(0.1) or len(told) == 2, "both are answered")
    assert told == [result, result]
    assert daemon.status()["frames"]["keyed"] == 2


def test_unload_ends_the_worker_and_the_next_frame_brings_it_back(daemon: EchoDaemon, client: Client) -> None:
    """UNLOAD is answered when the process is gone, after the frame that it was at; slots and session stay."""
    with Link(daemon.place, visit=True) as visit, ExitStack() as stack:
        worker = daemon.worker()
        ticket = keep_busy(daemon, client, stack, 1000.2)
        assert ask(visit, Done, Unload).found
        assert not is_alive(worker)
        assert client.poll(ticket)
        assert isinstance(ticket.answer, Result)
        assert daemon.status()["worker"]["state"] == "unloaded"
        assert not ask(visit, Done, Unload).found
        assert isinstance(client.wait(submit(client, ticket.slot)), Result)
        assert daemon.worker() not in (0, worker)


def test_unload_while_a_worker_starts_forgets_no_frame(daemon: EchoDaemon, client: Client) -> None:
    """What waits for the worker that is ended before it was ready gets the next one."""
    with Link(daemon.place, visit=True) as visit, client.slot(64, 36) as slot:
        ask(visit, Done, Unload)
        ticket = submit(client, slot)
        eventually(daemon.worker, "a worker is started for it")
        assert ask(visit, Done, Unload).found
        eventually(lambda: client.poll(ticket), "the frame is keyed")
        assert isinstance(ticket.answer, Result)


def test_an_idle_worker_is_ended(runtime: Path) -> None:
    """After the keep-alive without work the worker's memory is free; status says when, and a frame brings it back."""
    with EchoDaemon(runtime, keep_alive=0.5) as daemon, daemon.client() as client:
        for _ in range(2):
            client.key(asking(), None, PARAMS)
            facts = daemon.status()["worker"]
            assert 0 <= facts["until"] <= 0.5
            eventually(lambda: daemon.status()["worker"]["pid"] == 0, "the worker is ended")
            eventually(lambda: children(daemon.process.pid) == [], "its process is gone")
