"""Keys frames through the daemon: find it or start it, get a slot, hand the frame over, wait, cancel.

    with Client() as client:
        keyed = client.key(plate, hint, Params(working_space="linear_rec709"), frame=1001)

Needs numpy and msgpack; what keys is in the daemon. A Client is used by one thread at a time; every wait has a
deadline. When the daemon was restarted, it connects again and hands over again what was not answered.
"""

import os
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from mmap import mmap
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypedDict, TypeVar, Unpack

import numpy as np
from numpy.typing import NDArray

from corridorkey_models.errors import Cancelled, ResourceError
from corridorkey_models.keyed import Keyed, Masks, Pixels, check_frame, check_image
from corridorkey_models.params import Params
from corridorkey_models.watch import Watch

from .client_slots import (
    ClientSlot,
    RequestMaker,
    Ticket,
    Wired,
    detect_request,
    fill,
    key_request,
    take_out,
)
from .frames import Frame, view
from .launch import Waiting, start
from .layout import Layout
from .link import ANSWER, DaemonLost, Link, NoDaemon, number_of
from .protocol import (
    Again,
    Busy,
    Cancel,
    Configure,
    Configured,
    Detected,
    Error,
    Progress,
    Result,
    Slot,
    SlotBack,
    SlotReady,
    Welcome,
)
from .rendezvous import Rendezvous, here
from .wire import Message

FRAME = 600.0
"""Seconds that a frame, or the loading of a model, may stand still if the caller says nothing else."""

RECONNECT = 3.0
"""Seconds within which a daemon that ended has to be back."""

_SLOT = 30.0  # seconds within which a slot must be had while others hold the memory
_ASK_AGAIN = 5.0  # seconds between two questions whether a frame still waits
_PAUSE = 0.05  # seconds between two looks at whether to stop

T = TypeVar("T")


class Asked(TypedDict, total=False):
    """How a frame is asked for.

    Attributes:
        frame: its number, for status and logs.
        node: what asks; a newer interactive frame of it takes the place of one that waits.
        priority: interactive, which is the default, preview or batch.
        timeout: seconds without progress until it is given up, `FRAME` if not said.
        model: identity that the result must be of, any if not said.
    """

    frame: int
    node: str
    priority: str
    timeout: float
    model: str


class ModelReplacedError(ResourceError):
    """A result is of another model than the one that was asked for."""


_clients: "weakref.WeakSet[Client]" = weakref.WeakSet()


class Client:
    """One session with the daemon of this user."""

    def __init__(
        self,
        name: str = "",
        place: Rendezvous | None = None,
        starting: Waiting | None = None,
        patience: float = RECONNECT,
    ) -> None:
        """Connect.

        Args:
            name: shown by `ckey ps`; the program's own name if empty.
            place: where the daemon is; this user's if None.
            starting: start the daemon if none runs, and call this with the seconds waited for it.
            patience: seconds within which a daemon that ended has to be back; 0: never connect again.

        Raises:
            NoDaemon: none runs and none is to be started.
            ResourceError: it cannot be started, or does not answer.
        """
        self._name = name or Path(sys.argv[0] or "python").name
        self._place, self._starting, self._patience = place or here(), starting, patience
        self._mappings: dict[int, mmap] = {}
        self._held: list[ClientSlot] = []
        self._tickets: dict[int, Ticket] = {}
        self._configured: Configure | None = None
        self._is_child = False
        self._link = self._connect()
        _clients.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the session; what is on its way is stopped. Arrays of slots stay valid."""
        self._link.close()
        self._mappings.clear()

    @property
    def welcome(self) -> Welcome:
        """What the daemon said of itself."""
        return self._link.welcome

    def key(
        self,
        plate: NDArray[np.floating],
        hint: NDArray[np.floating] | None,
        params: Params,
        masks: Masks | None = None,
        out: Pixels | None = None,
        watch: Watch | None = None,
        **asked: Unpack[Asked],
    ) -> Keyed:
        """Return foreground and matte of one frame; the first six arguments and the result as of `Keyer.key`.

        Args:
            asked: frame, node, priority and timeout as of `Asked`.

        Raises:
            InputError, ResourceError, Cancelled: as of `Keyer.key`; ResourceError also when the daemon ended and is
                not back, or when time is up.
        """
        arrays = check_frame(plate, hint, masks or Masks(), out)
        height, width = arrays[0].shape[:2]
        masked = any(mask is not None for mask, _ in arrays[2].named())
        with self.slot(width, height, masked, params.output == "hint", watch) as slot:
            wired = fill(slot.frame, arrays, params)
            result = self.wait(self.submit(slot, params, wired, **asked), asked.get("timeout", FRAME), watch)
            assert isinstance(result, Result)
            if asked.get("model", result.model) != result.model:
                raise ModelReplacedError("the daemon's model was replaced meanwhile; run the same command again.")
            return take_out(slot, result, wired.notes, out)

    def detect_screen(self, plate: NDArray[np.floating], space: str) -> str | None:
        """Return "green", "blue" or, where no screen is found, None.

        Args:
            plate: [height, width, 3 or 4] encoded as `space`.
        """
        pixels = check_image(plate, "plate", (3, 4))
        with self.slot(pixels.shape[1], pixels.shape[0]) as slot:
            slot.frame.given[..., :3] = pixels[..., :3]
            seen = self.wait(self._send(slot, detect_request(slot, space)), FRAME)
            assert isinstance(seen, Detected)
            return None if seen.screen == "none" else seen.screen

    def configure(
        self,
        model: str = "",
        quality: str = "",
        screen: str = "green",
        watch: Watch | None = None,
    ) -> Configured:
        """Choose model and quality for this session, and return when the model of that screen is loaded.

        Args:
            model: as `worker.open_keyer` takes it; empty leaves what is set. quality: likewise.
            watch: called while it is loaded; may raise Cancelled.
        """
        before = self._configured or Configure(id=1)
        self._configured = replace(
            before, model=model or before.model, quality=quality or before.quality, screen=screen
        )
        return self._again(lambda: self._configure(watch))

    def _configure(self, watch: Watch | None) -> Configured:
        assert self._configured is not None
        stage, fraction = "queue", 0.0

        def tell(progress: Progress) -> None:
            nonlocal stage, fraction
            stage, fraction = progress.stage, progress.fraction
            waiting()

        def waiting() -> None:
            if watch is not None:
                watch(stage, fraction)

        number = self._link.next_id()
        try:
            reply = self._link.ask(replace(self._configured, id=number), (Configured,), FRAME, tell, waiting)
        except Cancelled:
            self._stop(number)
            raise
        assert isinstance(reply, Configured)
        return reply

    def status(self) -> dict[str, Any]:
        """Return how the daemon is."""
        return self._link.status()

    @contextmanager
    def slot(
        self, width: int, height: int, masks: bool = False, hint: bool = False, watch: Watch | None = None
    ) -> Iterator[ClientSlot]:
        """Hold a slot, for callers that render straight into it; at most three at a time.

        Args:
            masks: with planes for inside and outside mask.
            hint: with a plane that gets the hint as it was used.
            watch: called while memory is waited for; may raise Cancelled.

        Raises:
            ResourceError: no memory can be had.
            InputError: the frame is larger than the daemon allows.
        """
        layout = Layout(width, height, masks, hint)
        slot = self._again(lambda: ClientSlot(layout, *self._ask(layout, watch)))
        self._held.append(slot)
        try:
            yield slot
        finally:
            self._release(slot)

    def submit(self, slot: ClientSlot, params: Params, wired: Wired, **asked: Unpack[Asked]) -> Ticket:
        """Hand over the frame in a slot, which is the daemon's until the ticket is done; `asked` as of `key`."""
        rank = (asked.get("priority", "interactive"), asked.get("node", ""), asked.get("frame", 0))
        return self._send(slot, key_request(slot, params, wired, rank))

    def poll(self, ticket: Ticket) -> bool:
        """Return whether a ticket is done, without waiting."""
        self._pump(0.0)
        return ticket.is_done

    def wait(self, ticket: Ticket, timeout: float = FRAME, watch: Watch | None = None) -> Result | Detected:
        """Return the answer to a ticket.

        Args:
            timeout: seconds without any progress until it is given up; waiting in the queue is progress as long as
                the daemon says so.

        Raises:
            Cancelled: `watch` said so, or a newer frame took its place (SupersededError).
            CorridorKeyError: why there is no result; ResourceError when time is up.
        """
        ticket.moved = time.monotonic()
        try:
            while not ticket.is_done:
                if watch is not None:
                    watch(ticket.stage, ticket.fraction)
                left = ticket.moved + timeout - time.monotonic()
                if left <= 0:
                    raise ResourceError(f"the frame did not get on for {timeout:g} s; see `ckey ps`.")
                self._ask_again(ticket)
                self._pump(min(left, _ASK_AGAIN if watch is None else _PAUSE))
        except BaseException:
            self.cancel(ticket)
            raise
        if ticket.error is not None:
            raise ticket.error
        assert ticket.answer is not None
        return ticket.answer

    def _ask_again(self, ticket: Ticket) -> None:
        """Ask how a frame is that nothing was heard of for a while: it may wait, and its answer may be lost."""
        now = time.monotonic()
        if now - max(ticket.asked, ticket.moved) > _ASK_AGAIN:
            ticket.asked = now
            with suppress(DaemonLost):
                self._link.send(Again(id=self._link.next_id(), target=ticket.id))

    def cancel(self, ticket: Ticket) -> None:
        """Stop a frame: at once where it waits, at the next block where it runs; the ticket tells when it has."""
        if not ticket.is_done and ticket.id in self._tickets:
            self._stop(ticket.id)

    def _stop(self, number: int) -> None:
        # If the daemon is gone the request is, too; whoever waits for anything else finds out.
        with suppress(DaemonLost):
            self._link.send(Cancel(id=self._link.next_id(), target=number))

    def _send(self, slot: ClientSlot, request: RequestMaker) -> Ticket:
        self._check_process()
        ticket = Ticket(slot, request)
        try:
            self._hand_over(ticket, self._link.next_id())
        except DaemonLost:
            self._reconnect()
        return ticket

    def _hand_over(self, ticket: Ticket, number: int) -> None:
        ticket.id, ticket.stage, ticket.fraction, ticket.moved = number, "queue", 0.0, time.monotonic()
        self._tickets[number] = ticket
        self._link.send(ticket.request(number, ticket.slot.hand_over()))

    def _release(self, slot: ClientSlot) -> None:
        """Give a slot back; a frame on its way in it goes on, and nobody hears of it."""
        self._tickets = {number: ticket for number, ticket in self._tickets.items() if ticket.slot is not slot}
        self._held.remove(slot)
        self._send_back(slot.number)

    def _send_back(self, number: int) -> None:
        # Not answered to anybody: if the daemon is gone, so is the slot, and the next call finds out.
        with suppress(DaemonLost):
            self._link.send(SlotBack(id=self._link.next_id(), slot=number))

    def _take(self, message: Message) -> None:
        """Take up a message that nobody is waiting for."""
        if isinstance(message, SlotReady):
            # Whoever asked for it gave up; it is mapped when it is handed out again.
            self._mappings.pop(message.gone, None)
            self._send_back(message.slot)
            return
        ticket = self._tickets.get(number_of(message))
        # What a stopping daemon did not take is handed over again as soon as its end shows.
        if ticket is None or (isinstance(message, Error) and message.code == "draining"):
            return
        ticket.take(message)
        if ticket.is_done:
            del self._tickets[ticket.id]

    def _pump(self, timeout: float) -> None:
        self._check_process()
        try:
            self._link.pump(timeout)
        except DaemonLost:
            self._reconnect()

    def _ask(self, layout: Layout, watch: Watch | None = None) -> tuple[int, int, Frame]:
        """Return number, generation and arrays of a slot, waiting while memory is short."""
        until = time.monotonic() + _SLOT
        while True:
            request = Slot(
                id=self._link.next_id(), width=layout.width, height=layout.height, masks=layout.masks, hint=layout.hint
            )
            reply = self._link.ask(request, (SlotReady, Busy))
            if isinstance(reply, SlotReady):
                return reply.slot, reply.gen, self._view(reply, layout)
            assert isinstance(reply, Busy)
            if time.monotonic() > until:
                raise ResourceError(f"no memory for a frame: {reply.reason}; try again when other work is done.")
            if watch is not None:
                watch("memory", 0.0)
            self._link.pump(min(reply.seconds, 0.5))

    def _view(self, reply: SlotReady, layout: Layout) -> Frame:
        self._mappings.pop(reply.gone, None)
        if reply.slot not in self._mappings:
            region = self._link.region(reply.slot, time.monotonic() + ANSWER)
            try:
                self._mappings[reply.slot] = region.map()
            finally:
                region.close()
        return view(self._mappings[reply.slot], layout)

    def _connect(self) -> Link:
        if self._starting is not None:
            start(self._place, waiting=self._starting)
        link = Link(self._place, self._name)
        link.other = self._take
        return link

    def _again(self, work: Callable[[], T]) -> T:
        """Do `work`, again on a new connection if the daemon was lost."""
        self._check_process()
        until = time.monotonic() + self._patience
        while True:
            try:
                return work()
            except DaemonLost:
                if time.monotonic() > until:
                    raise
                self._reconnect()

    def _reconnect(self) -> None:
        """Connect to the daemon that came back, and hand over again what the one before did not answer."""
        until = time.monotonic() + self._patience
        if not self._patience:
            raise DaemonLost("the daemon has ended; start it with `ckey start`.")
        while True:
            self._link.close()
            self._mappings.clear()
            time.sleep(_PAUSE)
            try:
                self._link = self._connect()
                self._restore()
                return
            except (NoDaemon, DaemonLost) as error:
                if time.monotonic() > until:
                    raise DaemonLost(
                        f"the daemon ended and was not back within {self._patience:.0f} s; start it with `ckey start`."
                    ) from error
            except BaseException:
                # What waits is known to that daemon in part: whoever goes on begins with it anew.
                self._link.close()
                raise

    def _restore(self) -> None:
        """Bring a new daemon to where the last one was; if it ends meanwhile, the next one can be brought there."""
        if self._configured is not None:
            self._configure(None)
        waiting = tuple(self._tickets.values())
        for slot in self._held:
            slot.move(*self._ask(slot.layout))
        self._tickets = {self._link.next_id(): ticket for ticket in waiting}
        for number, ticket in self._tickets.items():
            self._hand_over(ticket, number)

    def _check_process(self) -> None:
        if self._is_child:
            raise ResourceError("this client belongs to the process that was forked; make a new one here.")

    def _leave_to_parent(self) -> None:
        self._is_child = True
        self._link.close()


def _leave_clients_to_parent() -> None:
    # A child that kept the lease would keep the session alive after its parent's death.
    for client in _clients:
        client._leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_clients_to_parent)
