"""A client's slots and what lies in them: frames in and out, and requests on their way. Knows no sockets."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from corridorkey_models.errors import Cancelled, CorridorKeyError
from corridorkey_models.hint import check_source_alpha, select_channel
from corridorkey_models.keyed import Keyed, Masks, Pixels
from corridorkey_models.params import Params

from .frames import Frame
from .layout import Layout
from .link import refusal
from .protocol import Cancelled as CancelledReply
from .protocol import Detect, Detected, Key, Progress, Result, Superseded
from .wire import Message

RequestMaker = Callable[[int, int], Message]
"""Makes the message for a slot, given the request's number and the slot's generation."""


class SupersededError(Cancelled):
    """A newer frame of the same node took this one's place."""


class ClientSlot:
    """A frame's place in memory that is shared with the daemon: its arrays are that memory.

    Attributes:
        layout: size and planes.
        frame: the arrays: `given` to render plate and hint into, `made` to read the result from. They stay valid as
            long as they are referred to; a forked child must not touch them.
    """

    def __init__(self, layout: Layout, number: int, gen: int, frame: Frame) -> None:
        self.layout, self.frame = layout, frame
        self.number, self._gen, self._shared = number, gen, frame

    def move(self, number: int, gen: int, shared: Frame) -> None:
        """Go on in another region after a restart of the daemon: the caller's arrays stay, and are copied."""
        self.number, self._gen, self._shared = number, gen, shared

    def hand_over(self) -> int:
        """Put the caller's planes where the daemon sees them, and return the generation for the request."""
        if self._shared is not self.frame:
            _copy(self.frame.given, self._shared.given)
            _copy(self.frame.masks, self._shared.masks)
        self._gen += 1
        return self._gen

    def take_over(self) -> None:
        """Put the result where the caller sees it."""
        if self._shared is not self.frame:
            _copy(self._shared.made, self.frame.made)
            _copy(self._shared.hint, self.frame.hint)


def _copy(source: Pixels | None, target: Pixels | None) -> None:
    if source is not None and target is not None:
        np.copyto(target, source)


@dataclass(eq=False)
class Ticket:
    """A request on its way that works in a slot.

    Attributes:
        slot: where; not the caller's until the ticket is done.
        request: makes the message, given its id and the slot's generation.
        id: of the message that was sent last.
        answer: what the daemon said; error: or why there is no result.
        stage, fraction: how far it was when the daemon said so last.
        moved: when it last got on, on `time.monotonic`; asked: when the daemon was last asked about it.
    """

    slot: ClientSlot
    request: RequestMaker
    id: int = 0
    answer: Result | Detected | None = None
    error: CorridorKeyError | None = None
    stage: str = "queue"
    fraction: float = 0.0
    moved: float = field(default_factory=time.monotonic)
    asked: float = field(default_factory=time.monotonic)

    @property
    def is_done(self) -> bool:
        """Whether it is answered."""
        return self.answer is not None or self.error is not None

    def take(self, reply: Message) -> None:
        """Take up what the daemon said about it."""
        match reply:
            case Progress():
                if reply.stage == "queue" or (reply.stage, reply.fraction) != (self.stage, self.fraction):
                    self.moved = time.monotonic()
                self.stage, self.fraction = reply.stage, reply.fraction
            case Result() | Detected():
                self.answer = reply
                self.slot.take_over()
            case Superseded():
                self.error = SupersededError(f"a newer frame of this node, request {reply.by}, took this one's place.")
            case CancelledReply():
                self.error = Cancelled("stopped.")
            case _:
                self.error = refusal(reply)


@dataclass(frozen=True)
class Wired:
    """What a frame in a slot comes with.

    Attributes:
        alpha: what channel A of the given plane holds: none, hint or source.
        inside, outside: whether the mask plane's channels hold masks.
        notes: what choosing the hint's channel had to say.
    """

    alpha: str = "none"
    inside: bool = False
    outside: bool = False
    notes: tuple[str, ...] = field(default=())


def key_request(slot: ClientSlot, params: Params, wired: Wired, rank: tuple[str, str, int]) -> RequestMaker:
    """Return what makes the KEY for a filled slot; `rank` is priority, node and frame number."""
    priority, node, frame = rank
    # All of them: a daemon of another age may have other defaults.
    values = dict(vars(params))

    def make(number: int, gen: int) -> Message:
        return Key(
            id=number,
            slot=slot.number,
            gen=gen,
            width=slot.layout.width,
            height=slot.layout.height,
            alpha=wired.alpha,
            params=values,
            priority=priority,
            node=node,
            frame=frame,
            inside=wired.inside,
            outside=wired.outside,
        )

    return make


def detect_request(slot: ClientSlot, space: str) -> RequestMaker:
    """Return what makes the DETECT for a slot with a plate encoded as `space`."""

    def make(number: int, gen: int) -> Message:
        size = slot.layout
        return Detect(id=number, slot=slot.number, gen=gen, width=size.width, height=size.height, working_space=space)

    return make


def fill(frame: Frame, arrays: tuple[Pixels, Pixels | None, Masks], params: Params) -> Wired:
    """Copy plate, hint and masks, checked already, into a slot, and return what the frame comes with."""
    plate, hint, masks = arrays
    frame.given[..., :3] = plate[..., :3]
    alpha, notes = "none", tuple[str, ...]()
    if params.hint_source == "source_alpha":
        check_source_alpha(plate.shape[2])
        alpha, frame.given[..., 3] = "source", plate[..., 3]
    elif hint is not None and params.hint_source != "chroma":
        frame.given[..., 3], notes = select_channel(hint, params.hint_channel)
        alpha = "hint"
    return Wired(alpha, _fill_mask(frame, 0, masks.inside), _fill_mask(frame, 1, masks.outside), notes)


def _fill_mask(frame: Frame, channel: int, mask: NDArray[np.floating] | None) -> bool:
    if mask is None or frame.masks is None:
        return False
    frame.masks[..., channel] = select_channel(mask, "auto")[0]
    return True


def take_out(slot: ClientSlot, result: Result, notes: tuple[str, ...], out: Pixels | None) -> Keyed:
    """Copy a result out of its slot."""
    whole = np.empty_like(slot.frame.made) if out is None else out
    np.copyto(whole, slot.frame.made)
    hint = None if slot.frame.hint is None else slot.frame.hint.copy()
    timings = dict(result.timings)
    return Keyed(whole[..., :3], whole[..., 3], hint, result.empty, notes + result.notes, timings, result.kept)
