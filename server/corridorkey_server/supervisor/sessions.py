"""Who is connected: sessions by token, by conversation, by lease. Knows no frames' contents and no worker."""

import os
import secrets
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from ..layout import Layout
from ..protocol import TOKEN_SIZE
from ..system import Channel, Region
from ..wire import Message

ANSWERS_KEPT = 32
"""How many answers of a session can be asked for again."""


class Refused(Exception):
    """A request that is answered with an ERROR.

    Attributes:
        code: one of `protocol.CODES`; the text is cause and next step.
    """

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


class Owner(Enum):
    """Whose a slot is at the moment."""

    CLIENT = "client"
    IDLE = "idle"
    DAEMON = "daemon"


@dataclass
class Defaults:
    """What a new session gets.

    Attributes:
        model: as `worker.open_keyer` takes it.
        quality: of frames that name none.
    """

    model: str
    quality: str


@dataclass(eq=False)
class SlotState:
    """One slot as the daemon sees it; clients say what they like, this holds.

    Attributes:
        serial: unique in the daemon; number: within its session.
        gen: of the last frame.
        leaving: given back while a frame is on its way in it; nobody's as soon as that is answered.
        emptied: its pages were given back; they are filled again before it is handed out.
        idle_since: when it was given back.
        replaces: number of the slot that was freed for it, 0 if none was.
    """

    serial: int
    number: int
    region: Region
    layout: Layout
    owner: Owner = Owner.CLIENT
    gen: int = 0
    leaving: bool = False
    emptied: bool = False
    idle_since: float = 0.0
    replaces: int = 0


class Underway(Protocol):
    """What is being done about a request: how far it is."""

    stage: str
    fraction: float


@dataclass(eq=False)
class Session:
    """One lease and what belongs to it.

    Attributes:
        identity: the conversation that presented the token, None before.
        pid: of the client; watch: descriptor that turns readable when it ends, None where there is none.
        coming: slots that are being allocated.
        waiting: what is being done about requests that are not answered yet, by their number.
        answers: the last answers by the number of their request.
    """

    number: int
    token: bytes
    lease: Channel
    pid: int
    watch: int | None
    model: str
    quality: str
    identity: bytes | None = None
    client: str = ""
    slots: dict[int, SlotState] = field(default_factory=dict)
    slot_numbers: int = 0
    coming: int = 0
    waiting: dict[int, Underway] = field(default_factory=dict)
    answers: "OrderedDict[int, Message]" = field(default_factory=OrderedDict)
    ended: bool = False

    def is_of(self, pid: int | None) -> bool:
        """Whether a process opened it, as far as the system tells."""
        return pid is None or pid == self.pid

    def own_slot(self, number: int) -> SlotState:
        """Return a slot that is the client's at the moment.

        Raises:
            Refused: there is none of that number, or it is not the client's.
        """
        slot = self.held_slot(number)
        if slot.owner is Owner.DAEMON:
            raise Refused("slot", f"a frame is on its way in slot {number}; wait for its answer.")
        return slot

    def held_slot(self, number: int) -> SlotState:
        """Return a slot that was handed out and not given back, also with a frame on its way in it.

        Raises:
            Refused: there is none of that number.
        """
        slot = self.slots.get(number)
        if slot is None or slot.owner is Owner.IDLE or slot.leaving:
            raise Refused("slot", f"this session has no slot {number}; ask for one.")
        return slot

    def answer(self, number: int, message: Message) -> None:
        """Remember how request `number` was answered."""
        self.waiting.pop(number, None)
        self.answers[number] = message
        while len(self.answers) > ANSWERS_KEPT:
            self.answers.popitem(last=False)


class Sessions:
    """All sessions, found by whatever identifies them.

    Attributes:
        changes: how often one began or ended, for whoever polls them.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._count = 0
        self._by_token: dict[bytes, Session] = {}
        self._by_identity: dict[bytes, Session] = {}

    def __iter__(self) -> Iterator[Session]:
        """Yield those that are open now; they may end meanwhile."""
        return iter(tuple(self._by_token.values()))

    def __len__(self) -> int:
        return len(self._by_token)

    def open(self, lease: Channel, pid: int, watch: int | None, model: str, quality: str) -> Session:
        """Return a new session with a token that nobody can guess."""
        self._count += 1
        self.changes += 1
        session = Session(self._count, secrets.token_bytes(TOKEN_SIZE), lease, pid, watch, model, quality)
        self._by_token[session.token] = session
        return session

    def present(self, token: bytes, identity: bytes, pid: int | None) -> Session | None:
        """Return the session that `token` opens for the process `pid`, now speaking as `identity`; None if none."""
        session = self._by_token.get(token)
        if session is None or not session.is_of(pid):
            return None
        former = self._by_identity.pop(identity, None)
        if former is not None:
            former.identity = None
        if session.identity is not None:
            self._by_identity.pop(session.identity, None)
        session.identity = identity
        self._by_identity[identity] = session
        return session

    def speaking(self, identity: bytes, pid: int | None) -> Session | None:
        """Return the session of a conversation of the process `pid`; its identity alone is not secret."""
        session = self._by_identity.get(identity)
        return session if session is not None and session.is_of(pid) else None

    def end(self, session: Session) -> None:
        """Forget a session and close its lease; its slots are the caller's to free."""
        self.changes += 1
        session.ended = True
        session.lease.close()
        if session.watch is not None:
            os.close(session.watch)
        self._by_token.pop(session.token, None)
        if session.identity is not None:
            self._by_identity.pop(session.identity, None)
