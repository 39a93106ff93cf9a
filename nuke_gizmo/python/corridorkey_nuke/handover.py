"""Exported frames on their way through the daemon: sent, answered, sent again, given up. Asks Nuke for nothing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from .failure import Lost, Refusal
from .job import Order, Shot
from .outcome import Outcome
from .replies import refusal
from .session import Session

_LOAD = 600.0  # seconds that loading the model may stand still
_ANSWER = 30.0  # seconds for an answer that needs no work
_GIVE_UP = 5.0  # seconds within which frames that were stopped are answered
_AT_ONCE = 32  # frames that are with the daemon, which keys one after the other
_TURN = 0.05  # seconds between two looks
_QUESTIONS = 3  # that stay without any answer before the daemon counts as hanging
_SILENCE = 10.0  # seconds without a word, after which the daemon is asked whether an answer was lost


class _Sent(NamedTuple):
    """A frame on its way; `size` is what its exported file takes."""

    shot: Shot
    source: str
    size: int


class Handover:
    """What a session of the daemon is doing for an order. Belongs to one thread at a time, as the session does."""

    def __init__(self, session: Session, order: Order, outcome: Outcome) -> None:
        """Prepare it; `outcome` is told how frames end."""
        self._session, self._order, self._outcome = session, order, outcome
        self._waiting: dict[int, _Sent] = {}
        self._backlog: deque[_Sent] = deque()
        self._not_before = 0.0
        self._heard = time.monotonic()
        self._questions: dict[int, int] = {}
        self._unheard = 0
        self._is_over = False

    def identity(self, screen: str, watch: Callable[[object], object]) -> str:
        """Return the identity of the model that frames in front of that screen get now.

        Args:
            watch: called while the model is loaded; what it raises passes.
        """
        while True:
            reply = self._session.wait(self._session.send("configure", screen=screen), _LOAD, watch)
            if reply["op"] != "busy":
                return str(reply.get("identity", ""))
            until = time.monotonic() + reply["seconds"]
            while time.monotonic() < until:
                watch(None)
                time.sleep(_TURN)

    def declare(self, folders: list[str], watch: Callable[[object], object]) -> None:
        """Tell the daemon which folders it may read from and write to."""
        self._session.wait(self._session.send("roots", folders=folders), _ANSWER, watch)

    @property
    def is_idle(self) -> bool:
        """Whether all frames are answered."""
        return not self._waiting and not self._backlog

    @property
    def outstanding(self) -> int:
        """How many bytes of exported frames the daemon has still to read, at most."""
        return sum(sent.size for sent in (*self._waiting.values(), *self._backlog))

    def hand_over(self, shot: Shot, source: str) -> int:
        """Send an exported frame, now or when its turn comes, and return the bytes of its file, 0 if it has none."""
        try:
            size = Path(source).stat().st_size
        except OSError:
            self._outcome.fail(shot, f"Nuke wrote no {source}; see whether there is space.")
            return 0
        self._backlog.append(_Sent(shot, source, size))
        return size

    def _send(self, sent: _Sent) -> None:
        shot, order = sent.shot, self._order
        number = self._session.send(
            "key_file",
            source=sent.source,
            target=shot.target,
            params=shot.params,
            priority=order.priority,
            node=order.node.encode()[:128].decode("utf-8", "ignore"),
            frame=shot.frame,
            depth=order.depth,
            upstream=order.upstream,
        )
        self._waiting[number] = sent

    def turn(self, seconds: float) -> list[Shot]:
        """Send what there is room for, and take in what the daemon says, for which that long is waited.

        Returns:
            The frames that must be exported again: their files are gone.

        Raises:
            Lost: the daemon has ended.
        """
        gone = list(self._send_some())
        self._ask_again()
        reply = self._session.receive(seconds)
        while reply is not None:
            self._heard, self._unheard = time.monotonic(), 0
            self._answer(reply)
            reply = self._session.receive(0.0)
        return gone

    def _ask_again(self) -> None:
        """Ask how the oldest frame is, if nothing was heard for long: who does not read for long may miss an answer."""
        if self._waiting and time.monotonic() - self._heard > _SILENCE:
            self._heard, self._unheard = time.monotonic(), self._unheard + 1
            if self._unheard > _QUESTIONS:
                raise Lost("the CorridorKey daemon does not answer any more; see its log, or run `ckey stop --now`.")
            oldest = min(self._waiting)
            self._questions[self._session.send("again", target=oldest)] = oldest

    def _send_some(self) -> Iterator[Shot]:
        """Send frames, and yield those that cannot be sent any more."""
        while self._backlog and len(self._waiting) < _AT_ONCE and time.monotonic() >= self._not_before:
            sent = self._backlog.popleft()
            if Path(sent.source).exists():
                self._send(sent)
            else:
                yield sent.shot

    def _answer(self, reply: Any) -> None:
        # What is said of a question itself is that the daemon knows nothing of that frame.
        reply = dict(reply, id=self._questions.pop(reply["id"], reply["id"]))
        if reply["op"] == "progress" or reply["id"] not in self._waiting:
            return
        sent = self._waiting.pop(reply["id"])
        if reply["op"] == "filed":
            self._outcome.succeed(sent.shot, reply["skipped"], reply["empty"], reply["notes"])
        elif reply["op"] == "busy":
            self._backlog.appendleft(sent)
            self._not_before = time.monotonic() + reply["seconds"]
        elif reply["op"] == "error":
            error = refusal(reply)
            if isinstance(error, Lost):
                raise error
            self._outcome.fail(sent.shot, str(error))
        elif not self._is_over:
            self._outcome.fail(sent.shot, "the daemon has stopped it; press Key Frame Range again.")

    def give_up(self) -> None:
        """Stop all frames that wait, and hear for a moment which ones were too far for that."""
        self._backlog.clear()
        self._is_over = True
        until = time.monotonic() + _GIVE_UP
        with suppress(Refusal):
            for number in list(self._waiting):
                self._session.cancel(number)
            while self._waiting and time.monotonic() < until:
                reply = self._session.receive(_TURN)
                if reply is not None:
                    self._answer(reply)
