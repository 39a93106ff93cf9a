"""The slots of all sessions: handed out, given back, emptied when memory is short, freed; under one cap.

Knows neither messages nor the contents of frames, and maps nothing: the allocator's thread does what takes long.
"""

from collections.abc import Callable

from corridorkey_models.errors import CorridorKeyError, InputError

from ..layout import Layout
from ..protocol import SLOTS
from ..system import Region
from .allocator import Allocator
from .sessions import Owner, Session, SlotState

Ready = Callable[[SlotState, bool], None]
"""Called with a slot that may be used now, and whether its region is new."""


class Shortage(Exception):
    """No slot at the moment.

    Attributes:
        seconds: when it is worth asking again.
    """

    def __init__(self, reason: str, seconds: float) -> None:
        super().__init__(reason)
        self.seconds = seconds


class Slots:
    """Every slot of the daemon.

    Attributes:
        cap: most bytes that all slots together may take.
        held: bytes that they take now; what is being freed counts until it is.
    """

    def __init__(
        self,
        cap: int,
        allocator: Allocator,
        on_new: Callable[[SlotState], None],
        on_gone: Callable[[SlotState], None],
    ) -> None:
        """Call `on_new` and `on_gone` with each slot that comes and goes, for whoever maps it."""
        self.cap, self.held = cap, 0
        self._promised = 0  # bytes that will be taken once the allocator has done what it was given
        self._allocator = allocator
        self._on_new, self._on_gone = on_new, on_gone
        self._live: dict[int, SlotState] = {}
        self._serials = 0

    def __len__(self) -> int:
        return len(self._live)

    def live(self) -> tuple[SlotState, ...]:
        """Return every slot there is."""
        return tuple(self._live.values())

    def ask(self, session: Session, wanted: Layout, ready: Ready, failed: Callable[[CorridorKeyError], None]) -> None:
        """Find or make a slot, then call `ready` or `failed`, perhaps within this call.

        Raises:
            Shortage: none can be had now.
            InputError: none can ever be had: the frame is larger than all slots may be together.
        """
        idle = sorted(
            (slot for slot in session.slots.values() if slot.owner is Owner.IDLE), key=lambda slot: slot.region.size
        )
        fitting = [slot for slot in idle if slot.region.size >= wanted.size]
        if fitting:
            self._reuse(fitting[0], wanted, ready, failed)
        else:
            self._make(session, wanted, idle, (ready, failed))

    def _reuse(self, slot: SlotState, wanted: Layout, ready: Ready, failed: Callable[[CorridorKeyError], None]) -> None:
        if slot.emptied:
            self._make_room(slot.region.size, but=slot)
            self._promised += slot.region.size
            self.held += slot.region.size
        slot.layout = wanted
        if not slot.emptied:
            slot.region.write(wanted.header(slot.number))
            slot.owner = Owner.CLIENT
            ready(slot, False)
            return
        slot.owner, slot.emptied = Owner.DAEMON, False

        def fill() -> None:
            slot.region.fill()
            slot.region.write(wanted.header(slot.number))

        def filled(_: None) -> None:
            slot.owner, slot.leaving = Owner.CLIENT, False
            ready(slot, False)

        def back(error: CorridorKeyError) -> None:
            self._give_up(slot)
            failed(error)

        self._allocator.submit(fill, filled, back)

    def _make(
        self,
        session: Session,
        wanted: Layout,
        idle: list[SlotState],
        answer: tuple[Ready, Callable[[CorridorKeyError], None]],
    ) -> None:
        if wanted.size > self.cap:
            raise InputError(
                f"a frame of {wanted.width}x{wanted.height} needs {wanted.size >> 20} MiB, all slots together may take "
                f"{self.cap >> 20} MiB; start the daemon with a larger --slot-memory."
            )
        full = len(session.slots) + session.coming >= SLOTS
        if full and not idle:
            raise Shortage(f"all {SLOTS} slots of this session are in use", 0.05)
        self._make_room(wanted.size)
        replaced = idle[0].number if full else 0
        if full:
            self.free(session, idle[0])
        self._allocate(session, wanted, replaced, answer)

    def _allocate(
        self, session: Session, wanted: Layout, replaced: int, answer: tuple[Ready, Callable[[CorridorKeyError], None]]
    ) -> None:
        ready, failed = answer
        session.coming += 1
        session.slot_numbers += 1
        self._serials += 1
        serial, number, size = self._serials, session.slot_numbers, wanted.size
        self._promised += size
        self.held += size

        def make() -> Region:
            region = Region.create(size)
            region.write(wanted.header(number))
            return region

        def made(region: Region) -> None:
            session.coming -= 1
            slot = SlotState(serial, number, region, wanted, replaces=replaced)
            self._live[serial] = slot
            session.slots[number] = slot
            if session.ended:
                self.free(session, slot)
                return
            self._on_new(slot)
            ready(slot, True)

        def refused(error: CorridorKeyError) -> None:
            session.coming -= 1
            self._promised -= size
            self.held -= size
            failed(error)

        self._allocator.submit(make, made, refused)

    def give_back(self, slot: SlotState, now: float) -> None:
        """Take a slot back until its session asks again."""
        slot.owner, slot.idle_since = Owner.IDLE, now

    def empty_idle(self, before: float) -> None:
        """Free the memory of slots that were given back before the time `before`."""
        for slot in self._idle():
            if slot.idle_since < before:
                self._empty(slot)

    def oldest_idle(self) -> float | None:
        """Return when the slot was given back that holds memory for nobody the longest, None if there is none."""
        return min((slot.idle_since for slot in self._idle()), default=None)

    def free(self, session: Session, slot: SlotState) -> None:
        """Free a slot for good."""
        session.slots.pop(slot.number, None)
        self._live.pop(slot.serial, None)
        self._on_gone(slot)
        size = 0 if slot.emptied else slot.region.size
        # Pages of a slot that its client holds stay while somebody maps them: a client may live on and hand its frame
        # over again. The worker was told to let go.
        is_idle = slot.owner is Owner.IDLE and not slot.emptied
        slot.emptied = True
        self._promised -= size

        def close() -> None:
            if is_idle:
                slot.region.empty(0)
            slot.region.close()

        self._allocator.submit(close, lambda _: self._freed(size))

    def _freed(self, size: int) -> None:
        self.held -= size

    def _give_up(self, slot: SlotState) -> None:
        """Note that a slot could not be filled: it is as empty and idle as before, if it was not freed meanwhile."""
        if slot.emptied:
            return
        slot.owner, slot.emptied = Owner.IDLE, True
        self._promised -= slot.region.size
        self.held -= slot.region.size

    def _idle(self) -> list[SlotState]:
        """Return the slots that take memory but serve nobody, the one given back first first."""
        idle = [slot for slot in self._live.values() if slot.owner is Owner.IDLE and not slot.emptied]
        return sorted(idle, key=lambda slot: slot.idle_since)

    def _make_room(self, size: int, but: SlotState | None = None) -> None:
        idle = [slot for slot in self._idle() if slot is not but]
        over = self._promised + size - self.cap
        if over > sum(slot.region.size for slot in idle):
            raise Shortage(f"the slots of all clients take {self._promised >> 20} of {self.cap >> 20} MiB", 0.5)
        for slot in idle:
            if self._promised + size <= self.cap:
                break
            self._empty(slot)

    def _empty(self, slot: SlotState) -> None:
        slot.emptied = True
        size = slot.region.size
        self._promised -= size
        self._allocator.submit(lambda: slot.region.empty(0), lambda _: self._freed(size))
