"""The supervisor: startup, main loop, shutdown. It holds the sockets and never waits for anything but all of them.

It loads neither torch nor numpy and maps no pixels: frames are keyed in the worker, memory is had by the allocator.
"""

import gc
import logging
import math
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import zmq

from corridorkey_models.errors import ResourceError

from . import system
from .link import DaemonLost, Link, NoDaemon
from .protocol import MARK, SLOTS
from .rendezvous import Rendezvous
from .settings import Settings
from .supervisor.allocator import Allocator
from .supervisor.child_process import ChildProcess
from .supervisor.crew import Crew
from .supervisor.service import Caller, Service
from .supervisor.sessions import Defaults, Session, Sessions
from .supervisor.slots import Slots
from .wire import MESSAGE_LIMIT, Message

log = logging.getLogger("ckey.daemon")

IDLE_SLOT = 60.0
"""Seconds after which a slot that was given back loses its memory."""

STOPPING = 5.0
"""Seconds that a daemon which is about to stop gets to make room."""

_LOOK_EVERY = 0.05  # seconds between two tries to get the lock
_BURST = 64  # messages that are answered before the other descriptors are looked at
_SESSIONS = 256
_OWN = 64  # descriptors of the daemon itself and of a worker that is started
_PER_SESSION = 3 + SLOTS  # its lease, its watch, its conversation, its slots
_DEAF = 0.2  # seconds without new connections after one for which there was no descriptor
_FOLDER_EVERY = 5.0  # seconds between two looks at whether the runtime folder is still there
_WRITABLE = int(zmq.POLLOUT)


class Daemon:
    """One daemon, from startup to shutdown."""

    def __init__(self, settings: Settings, place: Rendezvous) -> None:
        """Take the place of this user's daemon.

        Raises:
            InputError: the runtime folder is not safe to use.
            ResourceError: another daemon runs here, and is not about to stop.
        """
        place.create()
        self._place = place
        self._lock = _lock(place)
        # libzmq ends the process when no descriptor is left for a connection: it must not come to that.
        self._most_sessions = min(_SESSIONS, (system.more_descriptors() - _OWN) // _PER_SESSION)
        self._context = zmq.Context()
        self._control = _bind(self._context, place)
        self._listener = system.Listener.listen(place.lease)
        self._allocator = Allocator()
        self._sessions = Sessions()
        self._crew = Crew(settings.worker, settings.device, settings.keep_alive, lambda: self._slots.live())
        cap = settings.slot_memory or system.memory_bytes() // 4
        self._slots = Slots(cap, self._allocator, self._crew.map, self._crew.unmap)
        defaults = Defaults(settings.model, settings.quality)
        clerk = (*settings.clerk, "--folder", str(place.folder))
        self._service = Service(self._crew, self._slots, self._sessions, defaults, self._send, clerk)
        self._signals = _Signals()
        self._poller = zmq.Poller()
        self._sources: dict[object, Callable[[], object]] = {}
        self._watched: object = None
        self._deaf_until = 0.0
        self._look_at_lock = 0.0

    def run(self) -> int:
        """Serve until asked to stop; return the exit code."""
        log.info("ready: process %d, folder %s", os.getpid(), self._place.folder)
        self._crew.start(time.monotonic())
        # What startup made stays as long as the process: collecting garbage need not walk through it again.
        gc.freeze()
        try:
            with self._signals.caught():
                self._main_loop()
        finally:
            self._shutdown()
        log.info("stopped")
        return 1 if self._signals.is_hard else 0

    def _main_loop(self) -> None:
        draining = False
        while not self._signals.is_hard and not (draining and self._crew.running is None):
            self._turn()
            if not draining and (self._signals.count or self._service.stopping or self._is_displaced()):
                draining = True
                log.info("draining")
                self._service.drain()

    def _is_displaced(self) -> bool:
        """Whether nobody can reach this daemon any more: its folder was cleaned away, or made anew."""
        now = time.monotonic()
        if now < self._look_at_lock:
            return False
        self._look_at_lock = now + _FOLDER_EVERY
        is_ours = self._has_folder()
        if not is_ours:
            log.warning("the folder %s is not this daemon's any more", self._place.folder)
        return not is_ours

    def _has_folder(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._lock), self._place.lock.stat())
        except OSError:
            return False

    def _turn(self) -> None:
        """Wait for whatever comes first, and deal with all that has come."""
        deaf = time.monotonic() < self._deaf_until
        mailing = tuple(child for child in self._children() if child.has_mail)
        watched = (self._crew.worker, mailing, self._service.clerks.changes, self._sessions.changes, deaf)
        if watched != self._watched:
            self._watch()
            self._watched = watched
        for source, events in self._poller.poll(self._patience()):
            if events & _WRITABLE:
                for child in mailing:
                    child.flush()
            if events & ~_WRITABLE:
                self._sources[source]()
        now = time.monotonic()
        self._crew.tick(now)
        self._service.clerks.tick(now)
        self._slots.empty_idle(now - IDLE_SLOT)

    def _children(self) -> list[ChildProcess]:
        """Return the processes that work for this daemon."""
        worker = [] if self._crew.worker is None else [self._crew.worker]
        return [*worker, *(clerk for _, clerk in self._service.clerks)]

    def _watch(self) -> None:
        """Poll what there is now."""
        self._sources, self._poller = self._list_sources(), zmq.Poller()
        for source in self._sources:
            self._poller.register(source, zmq.POLLIN)
        for child in self._children():
            if child.has_mail:
                self._poller.register(child.fileno(), zmq.POLLIN | zmq.POLLOUT)

    def _list_sources(self) -> dict[object, Callable[[], object]]:
        """Return what is waited for, and what is done about it."""
        sources: dict[object, Callable[[], object]] = {
            self._control: self._take_messages,
            self._allocator.fileno(): self._allocator.settle,
            self._signals.fileno(): self._signals.take,
        }
        if time.monotonic() >= self._deaf_until:
            sources[self._listener.fileno()] = self._accept
        if self._crew.worker is not None:
            sources[self._crew.worker.fileno()] = lambda: self._crew.take_reports(time.monotonic())
        for session, clerk in self._service.clerks:
            sources[clerk.fileno()] = lambda session=session: self._service.clerks.take_reports(session)  # type: ignore[misc]
        for session in self._sessions:
            sources[session.lease.fileno()] = lambda session=session: self._look_at(session)  # type: ignore[misc]
            if session.watch is not None:
                sources[session.watch] = lambda session=session: self._service.end(session)  # type: ignore[misc]
        return sources

    def _patience(self) -> int:
        """Return how many milliseconds nothing is due."""
        now = time.monotonic()
        idle = self._slots.oldest_idle()
        emptying = math.inf if idle is None else max(0.0, idle + IDLE_SLOT - now)
        hearing = self._deaf_until - now if now < self._deaf_until else math.inf
        return math.ceil(1000 * min(self._crew.due(now), self._service.clerks.due(), emptying, hearing, _FOLDER_EVERY))

    def _take_messages(self) -> None:
        for _ in range(_BURST):
            try:
                frames = self._control.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            caller = _caller(frames)
            if caller is not None:
                body = frames[2].buffer if len(frames) == 3 and frames[1].bytes == MARK else b""
                self._service.handle(caller, body)

    def _send(self, identity: bytes, message: Message) -> None:
        try:
            self._control.send_multipart([identity, MARK, message.encode()], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            # Gone, or not reading: its lease tells which, and it can ask for the answer AGAIN.
            log.debug("%s for %s was not sent: %s", message.OP, identity.hex(), error)

    def _accept(self) -> None:
        try:
            lease = self._listener.accept()
        except OSError as error:
            # Who waits goes on waiting, and would keep this loop awake.
            log.warning("a connection has to wait: %s", error)
            self._deaf_until = time.monotonic() + _DEAF
            return
        if lease is None:
            return
        peer = system.peer(lease)
        if peer.uid != system.user() or len(self._sessions) >= self._most_sessions:
            log.warning("a connection of user %d, process %d was refused", peer.uid, peer.pid)
            lease.close()
            return
        lease.setblocking(False)
        self._service.open(lease, peer.pid)

    def _look_at(self, session: Session) -> None:
        """End a session whose lease is closed, or whose client says anything over it."""
        if session.ended:
            return
        try:
            received = session.lease.receive()
        except BlockingIOError:
            return
        except ConnectionError:
            received = None
        for region in received[1] if received else ():
            region.close()
        self._service.end(session)

    def _shutdown(self) -> None:
        self._service.clerks.stop()
        # First the worker: when its clients see the daemon's end, the device's memory is free.
        self._crew.close()
        for session in self._sessions:
            # Its slots are not emptied: the client may be reading a result, or wait to hand over a frame again.
            self._sessions.end(session)
        self._allocator.close()
        self._listener.close()
        self._control.close(linger=500)
        self._context.term()
        if self._has_folder():
            for path in (self._place.control_path, Path(self._place.lease)):
                path.unlink(missing_ok=True)
        self._service.clerks.wait()


def _lock(place: Rendezvous) -> int:
    """Return the descriptor that holds the lock, once a daemon that is about to stop has let it go."""
    until = time.monotonic() + STOPPING
    while True:
        lock = system.lock(place.lock)
        if lock is not None:
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
            return lock
        if time.monotonic() > until or not _is_stopping(place):
            raise ResourceError("a daemon of this user runs already; `ckey ps` shows it, `ckey stop` ends it.")
        time.sleep(_LOOK_EVERY)


def _is_stopping(place: Rendezvous) -> bool:
    """Whether whoever holds the lock is on its way out, or not there yet."""
    try:
        with Link(place, visit=True) as link:
            return bool(link.status()["draining"])
    except (NoDaemon, DaemonLost):
        return True
    except ResourceError:
        return False


def _bind(context: "zmq.Context[zmq.Socket[bytes]]", place: Rendezvous) -> "zmq.Socket[bytes]":
    """Return the control socket; another daemon's is not stolen, the lock was asked before."""
    control = context.socket(zmq.ROUTER)
    control.set(zmq.ROUTER_MANDATORY, 1)
    control.set(zmq.RCVHWM, 64)
    control.set(zmq.MAXMSGSIZE, MESSAGE_LIMIT)
    before = os.umask(0o177)
    try:
        control.bind(place.control)
    finally:
        os.umask(before)
    return control


def _caller(frames: "list[zmq.Frame]") -> Caller | None:
    """Return who sent a message, None if it is another user's, which is logged."""
    address = str(frames[-1].get("Peer-Address"))
    # libzmq fills this in from the kernel's credentials: "localhost:uid:gid:pid", on macOS without the pid.
    parts = address.split(":")
    if len(parts) < 3 or parts[1] != str(system.user()):
        log.warning("a message from %s was refused", address)
        return None
    return Caller(frames[0].bytes, int(parts[3]) if len(parts) > 3 else None)


class _Signals:
    """SIGTERM and SIGINT as something to poll.

    Attributes:
        count: how many have come.
        is_hard: a second SIGINT asks to end at once.
    """

    def __init__(self) -> None:
        self.count, self.is_hard = 0, False
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)

    def fileno(self) -> int:
        return self._woken.fileno()

    def take(self) -> None:
        """Count the signals that have come."""
        for number in self._woken.recv(64):
            self.is_hard |= number == signal.SIGINT and self.count > 0
            self.count += 1

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Catch them for as long as this lasts; needs the main thread."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, lambda *_: None) for number in numbers}
        wake = signal.set_wakeup_fd(self._wake.fileno())
        try:
            yield
        finally:
            signal.set_wakeup_fd(wake)
            for number, handler in before.items():
                signal.signal(number, handler)
