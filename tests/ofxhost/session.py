"""What all parts of one host share: its mode, what went wrong, what was said, who is alive, which action runs where."""

import itertools
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import Array, addressof, c_char, c_void_p, create_string_buffer, memset
from dataclasses import dataclass, field
from typing import Any, Protocol

from ofxhost import abi
from ofxhost.images import Job, Shade
from ofxhost.modes import Mode

# Far from any memory, and never given twice, by no other host either: a plug-in that follows a handle as if it were a
# pointer crashes at once, and one that keeps a handle for too long is known by it.
FIRST_HANDLE = 0x0DEA_0000_0000_0010
_handles = itertools.count(FIRST_HANDLE, 16)


class Refusal(Exception):
    """A suite's answer other than OK; with a sentence if the plug-in was wrong to ask."""

    def __init__(self, status: int, sentence: str = "") -> None:
        """Keep both."""
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class Handled(Protocol):
    """Whatever a plug-in holds a handle of."""

    handle: int


@dataclass(frozen=True)
class Message:
    """What a plug-in said: type, id and text; persistent: on the node until it is cleared."""

    type: str
    id: str
    text: str
    is_persistent: bool


@dataclass
class Progress:
    """One bar of progress."""

    label: str
    values: list[float] = field(default_factory=list)
    has_ended: bool = False


@dataclass
class Action:
    """One call of a plug-in that runs."""

    name: str
    owner: Any = None
    job: Job = field(default_factory=Job)
    images: list[Any] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)
    abort_calls: int = 0
    was_aborted: bool = False


class Session:
    """The state that the suites work on; `lock` is held during each suite call."""

    def __init__(self, mode: Mode) -> None:
        """Begin with nothing."""
        self.mode = mode
        self.lock = threading.RLock()
        self.faults: list[str] = []
        self.messages: list[Message] = []
        self.progress: list[Progress] = []
        self.cancels_progress = False
        self.shade = Shade()
        self._raised = 0
        self._alive: dict[int, Any] = {}
        self._actions: dict[int, Action] = {}
        self._begun = 0
        self._lent: dict[int, list[Array[c_char]]] = {}
        self._withered: deque[Array[c_char]] = deque(maxlen=256)

    def fault(self, sentence: str) -> None:
        """Record that the plug-in broke a rule."""
        action = self.action()
        self.faults.append(f"{action.name}: {sentence}" if action else sentence)

    def check(self) -> None:
        """Raise AssertionError with the faults that were not raised before."""
        with self.lock:
            fresh, self._raised = self.faults[self._raised :], len(self.faults)
        assert not fresh, "the plug-in broke rules of OFX:\n" + "\n".join(fresh)

    def admit(self, thing: Handled) -> None:
        """Give `thing` its handle."""
        with self.lock:
            thing.handle = next(_handles)
            self._alive[thing.handle] = thing

    def dismiss(self, thing: Handled) -> None:
        """Let the handle of `thing` be dead from here on."""
        with self.lock:
            self._alive.pop(thing.handle, None)

    def resolve(self, handle: int | None, *wanted: type[Any]) -> Any:
        """Return what `handle` stands for, which must be one of `wanted`."""
        found = self._alive.get(handle or 0)
        if isinstance(found, wanted):
            return found
        what = " or ".join(one.__name__ for one in wanted)
        if found is not None:
            raise Refusal(abi.BAD_HANDLE, f"the handle is a {type(found).__name__}'s where a {what}'s belongs")
        was_alive = (handle or 0) >= FIRST_HANDLE
        raise Refusal(abi.BAD_HANDLE, f"the handle of a {what} is {'dead' if was_alive else 'none of this host'}")

    def action(self) -> Action | None:
        """Return the action that runs on this thread; None on a thread that the plug-in made."""
        return self._actions.get(threading.get_ident())

    @contextmanager
    def acting(self, action: Action) -> Iterator[None]:
        """Let `action` run on this thread."""
        with self.lock:
            assert self.action() is None, "an action runs on this thread"
            self._begun += 1
            self._actions[threading.get_ident()] = action
        try:
            yield
        finally:
            with self.lock:
                del self._actions[threading.get_ident()]
                self.wither()

    def running(self, owner: Any) -> Action | None:
        """Return the action of this thread, or any that runs for `owner`."""
        return self.action() or next((one for one in self._actions.values() if one.owner is owner), None)

    def stillness(self) -> tuple[int, int]:
        """Return a value that is the same later if no other action has run meanwhile, provided that its first is 1."""
        return len(self._actions), self._begun

    def lend(self, text: str, address: int | None) -> None:
        """Write a pointer to `text` to `address`; it is good until this thread's next suite call."""
        buffer = create_string_buffer(text.encode())
        self._lent.setdefault(threading.get_ident(), []).append(buffer)
        put(c_void_p, address, addressof(buffer))

    def wither(self) -> None:
        """Spoil the strings that were lent to this thread."""
        for buffer in self._lent.pop(threading.get_ident(), []):
            memset(buffer, ord("?"), len(buffer) - 1)
            self._withered.append(buffer)


def put(kind: Any, address: int | None, value: Any) -> None:
    """Write `value` as a C `kind` to `address`."""
    if not address:
        raise Refusal(abi.VALUE, "a null pointer stands where the answer goes")
    kind.from_address(address).value = value


def word(raw: bytes | None) -> str:
    """Return a C string that a plug-in gave."""
    if raw is None:
        raise Refusal(abi.VALUE, "a null pointer stands where a string belongs")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Refusal(abi.VALUE, f"{raw!r} is not UTF-8") from None
