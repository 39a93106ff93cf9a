"""Requests that take a worker: key a frame, look for its screen, load a model; and their cancelling.

Checks each against what the daemon itself knows of the slot, and turns the worker's outcome into the answer.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping

from corridorkey_models.errors import InputError
from corridorkey_models.params import QUALITIES, WORKING_SPACES, Params, Value

from ..errands import Failed, Finished, Load, Loaded, Look, Run, Seen, Stage, Stopped
from ..protocol import (
    PRIORITIES,
    Again,
    Cancelled,
    Configure,
    Configured,
    Detect,
    Detected,
    Error,
    Key,
    Progress,
    Result,
    Superseded,
)
from ..wire import Message
from .crew import Crew, Errand, Outcome, errand_of
from .scheduler import Job, Priority
from .sessions import Defaults, Owner, Refused, Session, SlotState
from .slots import Shortage, Slots

QUEUE_LIMIT = 512
"""Most errands that wait."""

COUNTED = ("keyed", "kept", "empty", "failed", "cancelled", "superseded")
"""How frames can end; kept ones are keyed too."""

Order = Key | Detect | Configure


class Orders:
    """All errands on their way.

    Attributes:
        draining: nothing new is taken.
        counts: how frames ended, since the daemon's start.
    """

    def __init__(self, crew: Crew, slots: Slots, defaults: Defaults, send: Callable[[bytes, Message], None]) -> None:
        self.draining = False
        self.counts: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
        self._crew, self._slots, self._defaults, self._send = crew, slots, defaults, send

    def key(self, session: Session, request: Key) -> None:
        """Queue a frame."""
        if self.is_known(session, request.id):
            return
        self._check_room()
        slot = self._slot(session, request)
        if (request.inside or request.outside) and not slot.layout.masks:
            raise Refused("slot", f"slot {request.slot} has no mask plane; ask for a slot with masks.")
        params = check_params(session, request.params)
        _check_source_alpha(params, request.alpha)
        model, priority = session.model, Priority(PRIORITIES.index(request.priority))
        slot.owner, slot.gen = Owner.DAEMON, request.gen
        errand = self._errand(session, request, lambda number: _run(number, request, slot, params, model), slot)
        self._queue(session, request, errand, (request.node, priority))

    def detect(self, session: Session, request: Detect) -> None:
        """Queue a look for the screen."""
        if self.is_known(session, request.id):
            return
        self._check_room()
        if request.working_space not in WORKING_SPACES[1:]:
            raise InputError(f"working_space is {request.working_space!r}; `ckey params` lists those there are.")
        slot = self._slot(session, request)
        slot.owner, slot.gen = Owner.DAEMON, request.gen
        errand = self._errand(session, request, lambda number: _look(number, request, slot), slot)
        self._queue(session, request, errand)

    def configure(self, session: Session, request: Configure) -> None:
        """Queue the loading of the session's model."""
        if self.is_known(session, request.id):
            return
        self._check_room()
        if request.quality and request.quality not in QUALITIES:
            raise InputError(f"there is no quality {request.quality!r}; choose one of {', '.join(QUALITIES)}.")
        session.model, session.quality = request.model or session.model, request.quality or session.quality
        model = session.model
        errand = self._errand(session, request, lambda number: Load(job=number, model=model, screen=request.screen))
        self._queue(session, request, errand)

    def again(self, session: Session, request: Again) -> None:
        """Repeat an answer."""
        if not self.is_known(session, request.target):
            raise Refused("input", f"request {request.target} is not known here; send it again.")

    def drop(self, session: Session) -> None:
        """Stop all errands of a session that has ended, and free its slots; the running one frees its own."""
        self._crew.scheduler.drop_session(session.number)
        running = self._crew.running
        busy = None
        if running is not None and running.session == session.number:
            busy = errand_of(running).slot
            self._crew.cancel(session.number, running.id, time.monotonic())
        for slot in tuple(session.slots.values()):
            if slot is not busy:
                self._slots.free(session, slot)

    def is_known(self, session: Session, number: int) -> bool:
        """Answer a request that was sent before, as far as it is answered."""
        if number in session.waiting:
            errand = session.waiting[number]
            self.tell(session, Progress(id=number, stage=errand.stage, fraction=errand.fraction))
        elif number in session.answers:
            self.tell(session, session.answers[number])
        else:
            return False
        return True

    def _slot(self, session: Session, request: Key | Detect) -> SlotState:
        slot = session.own_slot(request.slot)
        if request.gen <= slot.gen:
            raise Refused("slot", f"generation {request.gen} of slot {slot.number} is over; give one above {slot.gen}.")
        if (request.width, request.height) != (slot.layout.width, slot.layout.height):
            size = f"{slot.layout.width}x{slot.layout.height}"
            raise Refused("slot", f"slot {slot.number} is laid out for {size}; ask for one of the frame's size.")
        return slot

    def _queue(
        self, session: Session, request: Order, errand: Errand, rank: tuple[str, Priority] = ("", Priority.INTERACTIVE)
    ) -> None:
        session.waiting[request.id] = errand
        now = time.monotonic()
        self._crew.add(Job(session.number, request.id, *rank, now, errand), now)

    def check_draining(self) -> None:
        """Raise Refused if nothing new is taken."""
        if self.draining:
            raise Refused("draining", "the daemon is about to stop; start it again and repeat the request.")

    def _check_room(self) -> None:
        self.check_draining()
        if len(self._crew.scheduler) >= QUEUE_LIMIT:
            raise Shortage(f"{QUEUE_LIMIT} frames are waiting already", 1.0)

    def _errand(
        self, session: Session, request: Order, message: Callable[[int], Message], slot: SlotState | None = None
    ) -> Errand:
        """Return an errand whose outcome answers the client."""
        arrived = time.monotonic()

        def done(outcome: Outcome) -> None:
            self._return(session, slot)
            if session.ended:
                return
            moments = (arrived, errand.started or time.monotonic(), time.monotonic())
            answer = self._answer(session, request, outcome, moments)
            session.answer(request.id, answer)
            self.tell(session, answer)

        def tell(stage: Stage) -> None:
            self.tell(session, Progress(id=request.id, stage=stage.stage, fraction=stage.fraction))

        errand = Errand(message, done, tell, slot)
        return errand

    def _answer(
        self, session: Session, request: Order, outcome: Outcome, moments: tuple[float, float, float]
    ) -> Message:
        """Return what the client is told; `moments` are those of arrival, start and end."""
        match outcome, request:
            case Finished(), Key():
                answer: Message = self._result(session, request, outcome, moments)
            case Seen(), Detect():
                answer = Detected(id=request.id, slot=request.slot, gen=request.gen, screen=outcome.screen)
            case Loaded(), Configure():
                answer = self._configured(session, request, outcome)
            case Failed(), _:
                answer = error(request.id, outcome.code, outcome.sentence)
            case Superseded(), _:
                answer = outcome
            case _:
                answer = Cancelled(id=request.id)
        self._count(outcome)
        return answer

    def _count(self, outcome: Outcome) -> None:
        match outcome:
            case Finished():
                self.counts["empty" if outcome.empty else "keyed"] += 1
                self.counts["kept"] += outcome.kept
            case Failed():
                self.counts["failed"] += 1
            case Stopped():
                self.counts["cancelled"] += 1
            case Superseded():
                self.counts["superseded"] += 1

    def _configured(self, session: Session, request: Configure, outcome: Loaded) -> Configured:
        if request.scope == "daemon":
            # Not before: new sessions shall not get what cannot be loaded.
            self._defaults.model = request.model or self._defaults.model
            self._defaults.quality = request.quality or self._defaults.quality
        return Configured(
            id=request.id,
            model=session.model,
            quality=session.quality,
            identity=outcome.identity,
            device=self._crew.device,
        )

    def _result(self, session: Session, request: Key, outcome: Finished, moments: tuple[float, float, float]) -> Result:
        arrived, started, ended = moments
        return Result(
            id=request.id,
            slot=request.slot,
            gen=request.gen,
            empty=outcome.empty,
            kept=outcome.kept,
            model=outcome.identity,
            quality=str(request.params.get("quality", session.quality)),
            device=self._crew.device,
            notes=outcome.notes,
            timings={**outcome.timings, "queue": started - arrived, "total": ended - arrived},
        )

    def _return(self, session: Session, slot: SlotState | None) -> None:
        """Give a slot back to its client, unless that has given it back already; free it where the client is gone."""
        if slot is None:
            return
        slot.owner, leaving, slot.leaving = Owner.CLIENT, slot.leaving, False
        if session.ended:
            self._slots.free(session, slot)
        elif leaving:
            self._slots.give_back(slot, time.monotonic())

    def tell(self, session: Session, message: Message) -> None:
        """Send to a session, if it is there and has spoken."""
        if session.identity is not None and not session.ended:
            self._send(session.identity, message)


def error(number: int, code: str, words: str) -> Error:
    """Return the ERROR that says `words`, which are cause and next step as everywhere in this project."""
    cause, _, remedy = words.rpartition("; ")
    return Error(id=number, code=code, sentence=cause or remedy, next=remedy if cause else "")


def check_params(session: Session, given: Mapping[str, Value]) -> dict[str, Value]:
    """Return the parameters that differ from their defaults, quality always among them, checked.

    Raises:
        InputError: one of them cannot be, or the working space is not decided.
    """
    values = {"quality": session.quality, **given}
    if Params.parse(values).working_space == "auto":
        raise InputError("working_space is auto; the client must say how the plate is encoded.")
    return values


def _check_source_alpha(params: Mapping[str, Value], alpha: str) -> None:
    if params.get("hint_source") == "source_alpha" and alpha != "source":
        raise InputError("hint_source is source_alpha; the client must put the source's alpha into channel A.")


def _run(number: int, request: Key, slot: SlotState, params: dict[str, Value], model: str) -> Run:
    return Run(
        job=number,
        slot=slot.serial,
        width=slot.layout.width,
        height=slot.layout.height,
        masks=slot.layout.masks,
        hint=slot.layout.hint,
        alpha=request.alpha,
        inside=request.inside,
        outside=request.outside,
        params=params,
        model=model,
    )


def _look(number: int, request: Detect, slot: SlotState) -> Look:
    return Look(
        job=number,
        slot=slot.serial,
        width=slot.layout.width,
        height=slot.layout.height,
        working_space=request.working_space,
    )
