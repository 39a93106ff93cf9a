"""A client's conversation with the daemon: requests and answers, the lease, regions that come over it.

Every wait has a deadline, and the daemon's end shows at once as the lease's. Loads no numpy: `ckey ps` is quick.
"""

import itertools
import os
import selectors
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from corridorkey_models.errors import CorridorKeyError, ResourceError

from . import protocol, system
from .protocol import LEASE, MARK, OLDEST, REPLIES, VERSION, Busy, Error, Hello, Progress, State, Status, Welcome
from .rendezvous import Rendezvous
from .system import Region
from .wire import Malformed, Message, decode, shorten
from .zmtp import Dealer

ANSWER = 5.0
"""Seconds within which the daemon answers what needs no frame to be keyed."""

_ENDED = "the daemon has ended; start it with `ckey start` and try again."
_SILENT = "the daemon does not answer; see its log, or run `ckey stop --now` and start it again."
_LOOK_EVERY = 0.05  # seconds between two looks at whether an answer is still wanted
_LONGEST = 3600.0  # seconds that are waited in one go: the system counts milliseconds in 31 bits

R = TypeVar("R", bound=Message)


class NoDaemon(ResourceError):
    """No daemon runs."""


class DaemonLost(ResourceError):
    """The daemon ended while something was wanted of it."""


class Link:
    """One conversation, with a session of its own or as a visit. Not for use by several threads at once.

    Attributes:
        welcome: what the daemon said of itself.
        regions: those that have come, by the number of their slot; whoever maps one takes it out.
        other: called with each message that nobody is waiting for.
    """

    def __init__(self, place: Rendezvous, client: str = "", visit: bool = False, timeout: float = ANSWER) -> None:
        """Connect.

        Args:
            client: who asks, at most 64 bytes.
            visit: ask for no session; there are no slots and no frames then.

        Raises:
            NoDaemon: none runs.
            ResourceError: it did not answer in time, or speaks another version.
            InputError: the runtime folder is not safe to use.
        """
        self.regions: dict[int, Region] = {}
        self._ids = itertools.count(1)
        self.other: Callable[[Message], object] = lambda _message: None
        self._inbox: deque[Message] = deque()
        self._lease = _connect(place, timeout)
        self._selector = selectors.DefaultSelector()
        self._control: Dealer | None = None
        try:
            self._control = _dial(place, timeout)
            self._selector.register(self._control, selectors.EVENT_READ, self._take_messages)
            self._selector.register(self._lease, selectors.EVENT_READ, self._take_region)
            token = b"" if visit else self._token(timeout)
            hello = Hello(id=self.next_id(), oldest=OLDEST, newest=VERSION, token=token, client=shorten(client, 64))
            self.welcome = self.request(hello, Welcome, timeout)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the conversation and the session; calling it again does nothing."""
        self._selector.close()
        if self._control is not None:
            self._control.close()
            self._control = None
        self._lease.close()
        self._drop_regions()

    def _drop_regions(self) -> None:
        while self.regions:
            self.regions.popitem()[1].close()

    def next_id(self) -> int:
        """Return a number for a request."""
        return next(self._ids)

    def send(self, message: Message) -> None:
        """Send without waiting.

        Raises:
            DaemonLost: the conversation is closed, or too much waits to be sent.
        """
        try:
            self._opened().send(MARK, message.encode())
        except ConnectionError as error:
            raise DaemonLost(_ENDED) from error

    def _opened(self) -> Dealer:
        if self._control is None:
            raise DaemonLost("the connection to the daemon is closed; connect again.")
        return self._control

    def request(
        self, message: Message, answer: type[R], timeout: float = ANSWER, tell: Callable[[Progress], None] | None = None
    ) -> R:
        """Send, and return the answer, which must be of that kind; see `ask`."""
        reply = self.ask(message, (answer,), timeout, tell)
        assert isinstance(reply, answer)
        return reply

    def ask(
        self,
        message: Message,
        answers: tuple[type[Message], ...],
        timeout: float = ANSWER,
        tell: Callable[[Progress], None] | None = None,
        waiting: Callable[[], object] | None = None,
    ) -> Message:
        """Send, and return the answer; messages that answer something else go to `other`.

        Args:
            timeout: seconds; a progress message starts it anew.
            waiting: called again and again meanwhile; what it raises ends the waiting.

        Raises:
            CorridorKeyError: what the daemon says instead of the answer, or that it does not answer.
        """
        self.send(message)
        number = number_of(message)
        until = time.monotonic() + timeout
        while True:
            reply = self._next(number, until, waiting)
            if isinstance(reply, Progress):
                until = time.monotonic() + timeout
                if tell is not None:
                    tell(reply)
            elif isinstance(reply, answers):
                return reply
            else:
                raise refusal(reply)

    def status(self) -> dict[str, Any]:
        """Return how the daemon is, as `Service` tells it."""
        return self.request(Status(id=self.next_id()), State).facts

    def _next(self, number: int, until: float, waiting: Callable[[], object] | None) -> Message:
        """Return the next message that answers request `number`."""
        while True:
            while self._inbox:
                reply = self._inbox.popleft()
                if number_of(reply) == number:
                    return reply
                self.other(reply)
            if waiting is not None:
                waiting()
            left = until - time.monotonic()
            slice_ = left if waiting is None else min(left, _LOOK_EVERY)
            if not self._receive(max(0.0, slice_)) and left <= 0:
                raise ResourceError("the daemon did not answer in time; see `ckey ps`, or its log.")

    def pump(self, timeout: float) -> None:
        """Wait at most `timeout` seconds for something, and give all that has come to `other`.

        Raises:
            DaemonLost: the daemon has ended; what it said before was given.
        """
        self._receive(0.0 if self._inbox else timeout)
        while self._inbox:
            self.other(self._inbox.popleft())

    def _receive(self, timeout: float) -> bool:
        """Take in what has come, waiting at most `timeout` seconds for something; return whether something has.

        Raises:
            DaemonLost: the daemon has ended, or the conversation is closed.
        """
        self._opened()
        ready = self._selector.select(min(timeout, _LONGEST))
        # The daemon's last words come before word of its end.
        for key, _ in sorted(ready, key=lambda found: found[0].data != self._take_messages):
            if not self._inbox:
                key.data()
        return bool(ready)

    def _take_messages(self) -> None:
        try:
            while (frames := self._opened().receive()) is not None:
                # A newer daemon may tell more than this client understands.
                with suppress(Malformed):
                    self._inbox.append(decode(frames[-1], REPLIES))
        except ConnectionError as error:
            if not self._inbox:
                raise DaemonLost(_ENDED) from error

    def _take_region(self) -> None:
        try:
            received = self._lease.receive()
        except BlockingIOError:
            return
        except ConnectionError as error:
            raise DaemonLost(_ENDED) from error
        if received is None:
            raise DaemonLost(_ENDED)
        message = _lease_message(received[0])
        if isinstance(message, protocol.Region) and received[1]:
            self.regions[message.slot] = received[1][0]

    def region(self, slot: int, until: float) -> Region:
        """Return the region of a slot, which comes before the SLOT_READY that names it."""
        self._opened()
        # Only the lease is looked at: messages that have come for others wait.
        self._lease.settimeout(max(0.001, until - time.monotonic()))
        try:
            while slot not in self.regions:
                self._take_region()
        except TimeoutError as error:
            raise ResourceError("the daemon handed out no memory for the frame; see its log.") from error
        finally:
            self._lease.setblocking(False)
        return self.regions.pop(slot)

    def _token(self, timeout: float) -> bytes:
        self._lease.settimeout(timeout)
        try:
            received = self._lease.receive()
        except (TimeoutError, ConnectionError) as error:
            raise DaemonLost("the daemon does not open a session; see `ckey ps`, or its log.") from error
        if received is None:
            raise DaemonLost("the daemon refused a session; see its log.")
        self._lease.setblocking(False)
        opened = _lease_message(received[0])
        if not isinstance(opened, protocol.Opened):
            raise ResourceError("the daemon opens sessions in another way; update the daemon or this program.")
        return opened.token


def _connect(place: Rendezvous, timeout: float) -> system.Channel:
    missing = NoDaemon("no daemon runs; start it with `ckey start`.")
    if not place.check():
        raise missing
    try:
        lease = system.connect(place.lease, timeout)
    except (ConnectionError, FileNotFoundError) as error:
        raise missing from error
    except TimeoutError as error:
        raise DaemonLost(_SILENT) from error
    except PermissionError as error:
        raise ResourceError(f"user {os.getuid()} may not use the daemon in {place.folder}; start your own.") from error
    lease.setblocking(False)
    return lease


def _dial(place: Rendezvous, timeout: float) -> Dealer:
    try:
        return Dealer(system.dial(place.control_path, timeout), timeout)
    except OSError as error:
        # Its lease is there, so it is no answer that none runs.
        raise DaemonLost(_SILENT) from error


def _lease_message(data: bytes) -> Message | None:
    """Return what came over the lease, None if this client does not understand it."""
    try:
        return decode(data, LEASE)
    except Malformed:
        return None


def number_of(message: Message) -> int:
    """Return the number of the request that a message is, or answers; 0 if it has none."""
    return int(getattr(message, "id", 0))


def refusal(reply: Message) -> CorridorKeyError:
    """Return as an exception what the daemon said instead of what was wanted."""
    if isinstance(reply, Error) and reply.code == "draining":
        return DaemonLost("the daemon is stopping; start it again with `ckey start`.")
    if isinstance(reply, Error):
        return reply.exception()
    if isinstance(reply, Busy):
        return ResourceError(f"{reply.reason}; try again in {reply.seconds:g} s.")
    return ResourceError(f"the daemon answered with {reply.OP}; update the daemon or this program.")
