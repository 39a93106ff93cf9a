"""What it costs to bring a frame to the daemon and back, beside a plain memory copy and beside pixels in messages."""

import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
import zmq
from figures import figure, interleaved

from corridorkey_models.errors import Cancelled
from corridorkey_models.keyed import Pixels
from corridorkey_models.params import Params
from corridorkey_server.client import Client
from corridorkey_server.client_slots import ClientSlot, Ticket, Wired
from corridorkey_server.errands import Finished, Map, Ready, Run
from corridorkey_server.layout import Layout
from corridorkey_server.link import Link
from corridorkey_server.protocol import Slot
from corridorkey_server.supervisor.worker_process import WorkerProcess
from corridorkey_server.system import Region
from corridorkey_server.wire import Message
from daemons import EchoDaemon, eventually
from echo_daemon import WORKER

UHD, HD = (3840, 2160), (1920, 1080)
REPEATS = 21
PARAMS = Params(working_space="linear_rec709")

IN_MESSAGES = """
import sys, zmq
socket = zmq.Context().socket(zmq.ROUTER)
socket.bind(sys.argv[1])
copy = sys.argv[2] == "copied"
while True:
    socket.send_multipart(socket.recv_multipart(copy=copy), copy=copy)
"""
"""A server that gets pixels inside messages and sends them back: what the slots are there to avoid."""

HOLDER = """
import sys, time, numpy as np
from pathlib import Path
from corridorkey_models.params import Params
from corridorkey_server.client import Client
from corridorkey_server.client_slots import Wired
from corridorkey_server.rendezvous import Rendezvous
client = Client("killed", Rendezvous(Path(sys.argv[1])))
width, height = int(sys.argv[2]), int(sys.argv[3])
with client.slot(width, height) as queued, client.slot(width, height) as idle:
    queued.frame.given[0, 0] = 0
    client.submit(queued, Params(working_space="srgb"), Wired())
    print("ready", flush=True)
    time.sleep(600)
"""
"""A client that holds an idle slot and a queued one, and is killed."""


def main() -> None:
    """Measure on one daemon; everything that is compared takes turns."""
    with tempfile.TemporaryDirectory(prefix="ckey-") as name, EchoDaemon(Path(name) / "run") as daemon:
        for size, label in ((UHD, "uhd"), (HD, "hd")):
            measure_round_trips(daemon, size, label)
        measure_hop(daemon)
        measure_cancel(daemon)
        for size, label in ((HD, ""), (UHD, "uhd_")):
            measure_reclaim(daemon, size, f"{label}client_kill_reclaim_ms")
        measure_scrubs(daemon)
        measure_load(daemon)
        measure_start(Path(name))


def measure_round_trips(daemon: EchoDaemon, size: tuple[int, int], label: str) -> None:
    """Compare a frame's way with a copy, and with pixels in ZeroMQ messages."""
    width, height = size
    host = np.random.default_rng(1).random((height, width, 4), np.float32)
    back = np.zeros_like(host)
    with daemon.client() as client, client.slot(width, height) as slot, in_messages(host, back) as messages:

        def in_slot() -> None:
            send(client, slot)

        def copied() -> None:
            np.copyto(slot.frame.given, host)
            send(client, slot)
            np.copyto(back, slot.frame.made)

        runs: dict[str, Callable[[], object]] = {
            "memcpy": lambda: np.copyto(slot.frame.made, slot.frame.given),
            "in_slot": in_slot,
            "copied": copied,
        }
        interleaved(runs, 2)
        seconds = interleaved(runs, REPEATS)
        slow = interleaved({"memcpy": runs["memcpy"], **messages}, 5)
    assert np.array_equal(back, host)
    figure(f"{label}_memcpy_ms", 1000 * seconds["memcpy"], "ms")
    targets = {"in_slot": "<= 1.15", "copied": "<= 3.1"} if label == "uhd" else {}
    for run in ("in_slot", "copied"):
        figure(f"{label}_{run}_over_memcpy", seconds[run] / seconds["memcpy"], "x", targets.get(run, ""))
    for run in messages:
        figure(f"{label}_{run}_over_memcpy", slow[run] / slow["memcpy"], "x")


def send(client: Client, slot: ClientSlot) -> None:
    """Bring the frame in the slot there and back."""
    client.wait(client.submit(slot, PARAMS, Wired("hint")))


@contextmanager
def in_messages(host: Pixels, back: Pixels) -> Iterator[dict[str, Callable[[], object]]]:
    """Yield round trips of the same pixels inside messages, to another process."""
    with tempfile.TemporaryDirectory(prefix="ckey-") as folder, zmq.Context() as context:
        trips: dict[str, Callable[[], object]] = {}
        servers, sockets = [], []
        for way in ("copied", "uncopied"):
            endpoint = f"ipc://{folder}/{way}"
            servers.append(subprocess.Popen([sys.executable, "-c", IN_MESSAGES, endpoint, way]))
            sockets.append(context.socket(zmq.DEALER))
            sockets[-1].connect(endpoint)
            trips[f"messages_{way}"] = round_trip(sockets[-1], way == "copied", host, back)
        try:
            yield trips
        finally:
            for server, socket in zip(servers, sockets, strict=True):
                server.kill()
                server.wait()
                socket.close(0)


def round_trip(socket: "zmq.Socket[bytes]", copy: bool, host: Pixels, back: Pixels) -> Callable[[], None]:
    """Return what sends `host` and receives it into `back`."""

    def run() -> None:
        socket.send(host, copy=copy)
        reply = socket.recv(copy=False)
        np.copyto(back, np.frombuffer(reply.buffer, np.float32).reshape(back.shape))

    return run


def measure_hop(daemon: EchoDaemon) -> None:
    """Time a frame too small to have pixels: through the daemon, and when its kind of worker is asked directly."""
    with daemon.client() as client, client.slot(16, 16) as slot, direct_worker() as ask:
        runs = {"through": lambda: send(client, slot), "direct": ask, "status": client.status}
        interleaved(runs, 50)
        seconds = interleaved(runs, 1000)
    figure("hop_median_ms", 1000 * (seconds["through"] - seconds["direct"]), "ms", "<= 0.5")
    figure("small_frame_median_ms", 1000 * seconds["through"], "ms")
    figure("status_median_ms", 1000 * seconds["status"], "ms")


@contextmanager
def direct_worker() -> Iterator[Callable[[], object]]:
    """Yield what keys a frame of 16x16 on a worker of its own, without a supervisor."""
    worker = WorkerProcess(WORKER, "auto")
    region = Region.create(Layout(16, 16).size)
    errand = Run(
        job=1,
        slot=1,
        width=16,
        height=16,
        masks=False,
        hint=False,
        alpha="hint",
        inside=False,
        outside=False,
        params=dict(vars(PARAMS)),
        model="echo",
    )

    def until(kind: type[Message]) -> None:
        while True:
            select.select([worker], [], [])
            with suppress(BlockingIOError):
                if isinstance(worker.receive(), kind):
                    return

    def ask() -> None:
        worker.send(errand)
        until(Finished)

    try:
        until(Ready)
        worker.send(Map(slot=1), region)
        yield ask
    finally:
        worker.kill()
        worker.close(time.monotonic())


def measure_cancel(daemon: EchoDaemon) -> None:
    """Time the cancelling of a queued frame while the allocator backs a UHD slot for somebody else."""
    waits = [time_cancel(daemon) for _ in range(11)]
    figure("cancel_while_allocating_ms", 1000 * statistics.median(waits), "ms", "<= 5")
    figure("cancel_while_allocating_worst_ms", 1000 * max(waits), "ms")


def time_cancel(daemon: EchoDaemon) -> float:
    """Return the seconds from asking for the cancelling to the word that it was done."""
    with ExitStack() as held:
        client, other = held.enter_context(daemon.client()), held.enter_context(Link(daemon.place))
        busy, slot = (held.enter_context(client.slot(16, 16)) for _ in range(2))
        busy.frame.given[0, 0, 0] = 1000.3
        running, waiting = (client.submit(each, PARAMS, Wired()) for each in (busy, slot))
        other.send(Slot(id=other.next_id(), width=UHD[0], height=UHD[1]))
        start = time.perf_counter()
        client.cancel(waiting)
        expect_cancelled(client, waiting)
        seconds = time.perf_counter() - start
        client.cancel(running)
        expect_cancelled(client, running)
        return seconds


def expect_cancelled(client: Client, ticket: Ticket) -> None:
    """Wait for the word that a frame was stopped."""
    try:
        client.wait(ticket)
    except Cancelled:
        return
    raise AssertionError("the frame was not stopped")


def measure_reclaim(daemon: EchoDaemon, size: tuple[int, int], name: str) -> None:
    """Time from the kill of a client with an idle and a queued slot until their memory is back."""
    waits = [time_reclaim(daemon, size) for _ in range(7)]
    figure(name, 1000 * statistics.median(waits), "ms", "" if name.startswith("uhd") else "<= 50")


def time_reclaim(daemon: EchoDaemon, size: tuple[int, int]) -> float:
    """Return the seconds from the kill until the daemon holds as much as before."""
    command = [sys.executable, "-c", HOLDER, str(daemon.place.folder), *map(str, size)]
    with ExitStack() as held:
        blocker, visit = held.enter_context(daemon.client()), held.enter_context(Link(daemon.place, visit=True))
        slot = held.enter_context(blocker.slot(16, 16))
        slot.frame.given[0, 0, 0] = 1010.0
        running = blocker.submit(slot, PARAMS, Wired())
        before = Layout(16, 16).size
        eventually(lambda: slot_bytes(visit) == before, "what other clients had is freed")
        holder = held.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
        held.callback(holder.kill)
        assert holder.stdout is not None
        holder.stdout.readline()
        assert slot_bytes(visit) > before
        os.kill(holder.pid, signal.SIGKILL)
        seconds = eventually(lambda: slot_bytes(visit) == before, "memory is back")
        blocker.cancel(running)
        expect_cancelled(blocker, running)
        return seconds


def slot_bytes(visit: Link) -> int:
    """Return what all slots of the daemon take."""
    return int(visit.status()["slots"]["bytes"])


def measure_scrubs(daemon: EchoDaemon) -> None:
    """Count what is keyed of a hundred frames that one node asks for faster than they are keyed."""
    before = daemon.status()["frames"]["keyed"]
    with ExitStack() as held:
        client = held.enter_context(daemon.client())
        free = [held.enter_context(client.slot(16, 16)) for _ in range(3)]
        waiting: list[Ticket] = []
        for frame in range(100):
            slot = free.pop()
            slot.frame.given[0, 0, 0] = 1000.2
            waiting.append(client.submit(slot, PARAMS, Wired(), node="viewer", frame=frame))
            while not free:
                client.poll(waiting[0])
                free = [ticket.slot for ticket in waiting if ticket.is_done]
                waiting = [ticket for ticket in waiting if not ticket.is_done]
        client.wait(waiting[-1])
    figure("scrubs_keyed_of_100", daemon.status()["frames"]["keyed"] - before, "frames", "<= 3")


def measure_load(daemon: EchoDaemon) -> None:
    """Compare an interactive frame on a quiet daemon with one beside a batch of frames of the same length."""
    length = 0.1
    with daemon.client() as client, client.slot(16, 16) as slot:
        slot.frame.given[0, 0, 0] = 1000 + length
        idle = statistics.median(timed(lambda: send(client, slot)) for _ in range(9))
        with batch(daemon, length):
            loaded = statistics.median(timed(lambda: send(client, slot)) for _ in range(15))
    figure("interactive_idle_ms", 1000 * idle, "ms")
    figure("interactive_under_batch_ms", 1000 * loaded, "ms", f"<= {1000 * (1.3 * idle + length):.4g}")


@contextmanager
def batch(daemon: EchoDaemon, length: float) -> Iterator[None]:
    """Keep two batch frames of `length` seconds queued for as long as this lasts."""
    code = f"""
import sys
from pathlib import Path
from corridorkey_models.params import Params
from corridorkey_server.client import Client
from corridorkey_server.client_slots import Wired
from corridorkey_server.rendezvous import Rendezvous
client, params = Client("batch", Rendezvous(Path(sys.argv[1]))), Params(working_space="srgb")
with client.slot(16, 16) as one, client.slot(16, 16) as two:
    one.frame.given[0, 0, 0] = two.frame.given[0, 0, 0] = {1000 + length}
    tickets = [client.submit(slot, params, Wired(), priority="batch") for slot in (one, two)]
    print("ready", flush=True)
    while True:
        client.wait(tickets[0])
        tickets = [tickets[1], client.submit(tickets[0].slot, params, Wired(), priority="batch")]
"""
    with subprocess.Popen([sys.executable, "-c", code, str(daemon.place.folder)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def measure_start(folder: Path) -> None:
    """Time from starting a supervisor to its first answer, and `ckey ps` as a process."""
    starts = []
    for index in range(5):
        start = time.perf_counter()
        with EchoDaemon(folder / f"start{index}"):
            starts.append(time.perf_counter() - start)
    figure("supervisor_start_ms", 1000 * statistics.median(starts), "ms", "<= 500")
    with EchoDaemon(folder / "ps") as daemon:
        environment = os.environ | {"CKEY_RUNTIME": str(daemon.place.folder)}
        command = [str(Path(sys.executable).with_name("ckey")), "ps"]
        runs = [
            timed(lambda: subprocess.run(command, env=environment, capture_output=True, check=True)) for _ in range(9)
        ]
    figure("ps_ms", 1000 * statistics.median(runs), "ms", "<= 150")


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
