"""Answers clients: reads each request, and does what it asks or says why not. Knows no sockets but the lease.

Nothing here waits: memory is the allocator's, frames are the crew's, and their answers come as calls.
"""

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from corridorkey_models import __version__
from corridorkey_models.errors import CorridorKeyError, InputError

from ..layout import Layout
from ..protocol import (
    FEATURES,
    OLDEST,
    REQUESTS,
    SIDE_LIMIT,
    SLOTS,
    VERSION,
    Again,
    Busy,
    Cancel,
    Configure,
    Detect,
    Done,
    Error,
    Hello,
    Key,
    KeyFile,
    Opened,
    Region,
    Roots,
    Shutdown,
    Slot,
    SlotBack,
    SlotReady,
    State,
    Status,
    Unload,
    Welcome,
)
from ..system import Channel, watch_process
from ..wire import MESSAGE_LIMIT, Malformed, Message, decode
from .clerks import Clerks
from .crew import Crew
from .orders import Orders, error
from .sessions import Defaults, Owner, Refused, Session, Sessions, SlotState
from .slots import Shortage, Slots

log = logging.getLogger("ckey.daemon")

_LISTED = 64  # clients and waiting frames in a status, which has to fit into one message


@dataclass(frozen=True)
class Caller:
    """Who sent a message.

    Attributes:
        identity: of the conversation.
        pid: of the process as the kernel says, None where it says nothing.
    """

    identity: bytes
    pid: int | None


class Service:
    """All that a daemon does for its clients.

    Attributes:
        boot: names this start of the daemon.
        stopping: somebody asked the daemon to end.
        clerks: of the sessions that have files keyed.
    """

    def __init__(
        self,
        crew: Crew,
        slots: Slots,
        sessions: Sessions,
        defaults: Defaults,
        send: Callable[[bytes, Message], None],
        clerk: Sequence[str],
    ) -> None:
        """Answer through `send(identity, message)`, which must not wait; `clerk` is the command that starts one."""
        self.boot = os.urandom(8).hex()
        self.stopping = False
        self._crew, self._slots, self._sessions, self._defaults = crew, slots, sessions, defaults
        self._send = send
        self._orders = Orders(crew, slots, defaults, send)
        self.clerks = Clerks(clerk, self._orders, lambda: crew.device)
        self._started = time.monotonic()
        self._visits: dict[type[Message], Callable[[Any, Caller], None]] = {
            Hello: self._hello,
            Status: self._status,
            Unload: self._unload,
            Shutdown: self._shutdown,
        }
        self._requests: dict[type[Message], Callable[[Session, Any], None]] = {
            Slot: self._slot,
            SlotBack: self._slot_back,
            Key: self._orders.key,
            Roots: self.clerks.declare,
            KeyFile: self.clerks.key,
            Detect: self._orders.detect,
            Cancel: self._cancel,
            Again: self._orders.again,
            Configure: self._orders.configure,
        }

    def handle(self, caller: Caller, data: bytes | memoryview) -> None:
        """Answer one message, whatever it is."""
        try:
            request: Any = decode(data, REQUESTS)
        except Malformed as problem:
            self._send(caller.identity, Error(id=problem.id, code=problem.code, sentence=str(problem)))
            return
        try:
            self._answer(caller, request)
        except Shortage as shortage:
            self._send(caller.identity, Busy(id=request.id, seconds=shortage.seconds, reason=str(shortage)))
        except Refused as refusal:
            self._send(caller.identity, error(request.id, refusal.code, str(refusal)))
        except InputError as refusal:
            self._send(caller.identity, error(request.id, "input", str(refusal)))

    def _answer(self, caller: Caller, request: Any) -> None:
        if type(request) in self._visits:
            self._visits[type(request)](request, caller)
            return
        session = self._sessions.speaking(caller.identity, caller.pid)
        if session is None:
            raise Refused("session", "this needs a session; open a lease and send HELLO with its token.")
        self._requests[type(request)](session, request)

    def open(self, lease: Channel, pid: int) -> Session:
        """Return a new session, and send its token over the lease."""
        defaults = self._defaults
        session = self._sessions.open(lease, pid, watch_process(pid), defaults.model, defaults.quality)
        self._over_lease(session, Opened(token=session.token, session=session.number, boot=self.boot))
        return session

    def end(self, session: Session) -> None:
        """Forget a session whose lease has ended, and take back what it had."""
        if session.ended:
            return
        if session.identity is not None:
            log.info("session %d ended", session.number)
        self._sessions.end(session)
        self._orders.drop(session)
        self.clerks.drop(session)

    def drain(self) -> None:
        """Begin nothing new, and answer those that wait."""
        self._orders.draining = True
        self.clerks.drain()
        self._crew.fail_waiting("draining", "the daemon is about to stop; start it again and repeat the request.")

    def _over_lease(self, session: Session, message: Message, *slots: SlotState) -> None:
        try:
            session.lease.send(message.encode(), [slot.region for slot in slots])
        except OSError:
            # It does not read its lease, or is gone: either way nothing more can be handed to it.
            self.end(session)

    def _hello(self, request: Hello, caller: Caller) -> None:
        version = min(request.newest, VERSION)
        if version < max(request.oldest, OLDEST):
            raise Refused(
                "version",
                f"the daemon speaks protocol {OLDEST} to {VERSION}, this client {request.oldest} to {request.newest}; "
                f"update the {'daemon' if request.oldest > VERSION else 'plug-in or program'} and start it again.",
            )
        session = None
        if request.token:
            session = self._sessions.present(request.token, caller.identity, caller.pid)
            if session is None:
                raise Refused("session", "the token opens no session; open a new lease.")
            # It goes to terminals and into the log.
            session.client = "".join(letter if letter.isprintable() else "?" for letter in request.client)
            log.info("session %d is %s, process %d", session.number, session.client or "unnamed", session.pid)
        self._send(caller.identity, self._welcome(request.id, version, session))

    def _welcome(self, number: int, version: int, session: Session | None) -> Welcome:
        chosen = session or self._defaults
        return Welcome(
            id=number,
            version=version,
            session=session.number if session else 0,
            boot=self.boot,
            pid=os.getpid(),
            features=FEATURES,
            limits={"side": SIDE_LIMIT, "slots": SLOTS, "bytes": self._slots.cap, "message": MESSAGE_LIMIT},
            device=self._crew.device,
            model=chosen.model,
            quality=chosen.quality,
        )

    def _slot(self, session: Session, request: Slot) -> None:
        wanted = Layout(request.width, request.height, request.masks, request.hint)

        def ready(slot: SlotState, fresh: bool) -> None:
            if fresh:
                self._over_lease(session, Region(slot=slot.number, size=slot.region.size), slot)
            self._orders.tell(session, _slot_ready(request.id, slot, fresh))

        def failed(problem: CorridorKeyError) -> None:
            self._orders.tell(session, error(request.id, "resource", str(problem)))

        try:
            self._slots.ask(session, wanted, ready, failed)
        except InputError as problem:
            raise Refused("limit", str(problem)) from problem

    def _slot_back(self, session: Session, request: SlotBack) -> None:
        slot = session.held_slot(request.slot)
        if slot.owner is Owner.DAEMON:
            slot.leaving = True
        else:
            self._slots.give_back(slot, time.monotonic())
        self._orders.tell(session, Done(id=request.id))

    def _cancel(self, session: Session, request: Cancel) -> None:
        found = self.clerks.cancel(session, request.target)
        found = found or self._crew.cancel(session.number, request.target, time.monotonic())
        self._orders.tell(session, Done(id=request.id, found=found))

    def _unload(self, request: Unload, caller: Caller) -> None:
        found = self._crew.worker is not None
        self._crew.unload(time.monotonic(), lambda: self._send(caller.identity, Done(id=request.id, found=found)))

    def _shutdown(self, request: Shutdown, caller: Caller) -> None:
        log.info("asked to stop")
        self.stopping = True
        self._send(caller.identity, Done(id=request.id))

    def _status(self, request: Status, caller: Caller) -> None:
        self._send(caller.identity, State(id=request.id, facts=self._facts(time.monotonic())))

    def _facts(self, now: float) -> dict[str, object]:
        worker, until, running = self._crew.worker, self._crew.until(), self._crew.running
        # Who only visits has a lease, but never presented its token.
        known = [session for session in self._sessions if session.identity is not None]
        return {
            "version": __version__,
            "protocol": VERSION,
            "boot": self.boot,
            "pid": os.getpid(),
            "uptime": round(now - self._started, 1),
            "draining": self._orders.draining,
            "device": self._crew.device,
            "model": self._defaults.model,
            "quality": self._defaults.quality,
            "worker": {
                "pid": worker.pid if worker else 0,
                "state": _worker_state(self._crew),
                "memory": worker.memory if worker else {},
                "until": None if until is None else round(max(0.0, until - now), 1),
                "restarts": self._crew.restarts,
            },
            "sessions": [_session_facts(session) for session in known[:_LISTED]],
            "session_count": len(known),
            "slots": {"count": len(self._slots), "bytes": self._slots.held, "cap": self._slots.cap},
            "running": None if running is None else {"session": running.session, "id": running.id},
            "queue": len(self._crew.scheduler),
            "files": len(self.clerks),
            "frames": dict(self._orders.counts),
        }


def _worker_state(crew: Crew) -> str:
    if crew.worker is None:
        return "unloaded"
    if not crew.worker.is_ready:
        return "starting"
    return "keying" if crew.running is not None else "idle"


def _session_facts(session: Session) -> dict[str, object]:
    return {
        "session": session.number,
        "client": session.client,
        "pid": session.pid,
        "model": session.model[-64:],
        "slots": {str(slot.number): slot.owner.value for slot in session.slots.values()},
        "bytes": sum(slot.region.size for slot in session.slots.values() if not slot.emptied),
        "waiting": len(session.waiting),
    }


def _slot_ready(number: int, slot: SlotState, fresh: bool) -> SlotReady:
    layout = slot.layout
    return SlotReady(
        id=number,
        slot=slot.number,
        gen=slot.gen,
        width=layout.width,
        height=layout.height,
        masks=layout.masks,
        hint=layout.hint,
        size=slot.region.size,
        fresh=fresh,
        gone=slot.replaces if fresh else 0,
    )
