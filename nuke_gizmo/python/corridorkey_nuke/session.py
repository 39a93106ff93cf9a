"""A session with the daemon: requests out, replies in. Starts no thread and waits no longer than it is told."""

from __future__ import annotations

import itertools
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping

from . import rendezvous
from .failure import Lost, NoDaemon, Refusal
from .lease import IS_STREAM, Lease, connect
from .packing import pack
from .replies import MARK, Reply, read_opened, read_reply, refusal
from .zmtp import Dealer, NoPeer, wait_readable

_VERSION = 1
_SLICE = 0.1  # seconds between two looks at whether an answer is still wanted
_DOWN = 2.0  # seconds for which a daemon that did not answer is not asked again
_MOST = 64  # messages that are looked at before the clock is

_ENDED = "the CorridorKey daemon has ended; start it with `ckey start` and try again."
_SILENT = "the CorridorKey daemon does not answer; see its log, or run `ckey stop --now` and start it again."
_NONE = "no CorridorKey daemon runs; start it with `ckey start`."
_STRANGER = "what answers is no CorridorKey daemon of this version; install the same version on both sides."
_TURNED_AWAY = (
    "the CorridorKey daemon opens no session; see its log: it belongs to somebody else, or has as many as it can."
)

_silent: dict[str, tuple[float, object]] = {}  # by folder: until when nobody asks again, and which socket


class _Silent(Lost):
    """A daemon lets us in and says nothing."""


class Session:
    """A session of its own with the daemon. Belongs to one thread at a time.

    Attributes:
        welcome: what the daemon said of itself: features, model, quality, device, boot, pid.
        others: replies that came while something else was waited for; `receive` gives them first.
    """

    def __init__(
        self,
        folder: str | None = None,
        name: str = "Nuke",
        timeout: float = 0.3,
        needs: tuple[str, ...] = ("files",),
    ) -> None:
        """Open it.

        That none runs shows at once, and one that did not answer is not asked again for 2 s unless another one has come
        in its place: this may be called as often as one likes.

        Args:
            folder: the runtime folder; this user's if None.
            name: who asks, for `ckey ps`.
            timeout: seconds for all of it.
            needs: features that the daemon must have.

        Raises:
            NoDaemon: none runs.
            Lost: it does not answer in time.
            Refusal: it is of another version or lacks a feature, or the folder is not safe to use.
        """
        if sys.platform == "win32":
            raise Refusal("CorridorKey cannot key from Nuke on Windows yet; key on Linux, and read the frames here.")
        until = time.monotonic() + timeout
        self.others: list[Reply] = []
        self._numbers = itertools.count(1)
        self._asked: set[int] = set()
        self._lease: Lease | None = None
        self._dealer: Dealer | None = None
        folder = rendezvous.here() if folder is None else folder
        try:
            self._connect(folder, until)
            self.welcome = self._say_hello(name, needs, until)
        except BaseException as error:
            self.close()
            if isinstance(error, _Silent):
                _silent[folder] = (time.monotonic() + _DOWN, _socket_of(folder))
            raise

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the session; all that was asked and not answered is void. Calling it again does nothing."""
        for end in (self._dealer, self._lease):
            if end is not None:
                end.close()
        self._dealer = self._lease = None
        self._asked.clear()

    def send(self, op: str, **fields: object) -> int:
        """Send a request and return its number, which the reply has as `id`; does not wait for that.

        Raises:
            Lost: the daemon has ended, or takes nothing any more.
            Refusal: a field cannot be sent.
        """
        number = self._post(op, fields)
        self._asked.add(number)
        return number

    def cancel(self, number: int) -> None:
        """Ask the daemon to stop a request, which is answered all the same; raises as `send` does."""
        self._post("cancel", {"target": number})

    def receive(self, seconds: float) -> Reply | None:
        """Return the next reply to something that was asked, None if none comes within `seconds`.

        Raises:
            Lost: the daemon has ended; what it said before was returned.
        """
        return self.others.pop(0) if self.others else self._hear(time.monotonic() + seconds)

    def wait(self, number: int, seconds: float, watch: Callable[[Reply | None], object] | None = None) -> Reply:
        """Return what a request is answered with; PROGRESS is no answer. Other answers go to `others`.

        Args:
            seconds: that may pass without a word about it.
            watch: called with each PROGRESS, and ten times a second with None; what it raises ends the waiting.

        Raises:
            Refusal: it was answered with an error.
            Lost: the daemon has ended, or said nothing in time.
        """
        until = time.monotonic() + seconds
        while True:
            reply = self._answer_to(number, min(until, time.monotonic() + _SLICE))
            if reply is not None and reply["op"] == "error":
                raise refusal(reply)
            if reply is not None and reply["op"] != "progress":
                return reply
            if watch is not None:
                watch(reply)
            if reply is not None:
                until = time.monotonic() + seconds
            elif time.monotonic() > until:
                raise Lost(_SILENT)

    def _answer_to(self, number: int, until: float) -> Reply | None:
        """Return the next reply to that request; others that come meanwhile are kept, but for their progress."""
        for index, kept in enumerate(self.others):
            if kept["id"] == number:
                return self.others.pop(index)
        while True:
            reply = self._hear(until)
            if reply is None or reply["id"] in (number, 0):
                return reply
            if reply["op"] != "progress":
                self.others.append(reply)
            if time.monotonic() > until:
                return None

    def _hear(self, until: float) -> Reply | None:
        """Return the next reply to an open request, None if there is none by then."""
        while True:
            for _ in range(_MOST):
                frames = self._receive_frames()
                if frames is None:
                    break
                reply = self._known(frames)
                if reply is not None:
                    return reply
            left = until - time.monotonic()
            if left <= 0:
                return None
            if frames is None:
                self._wait(left)

    def _known(self, frames: list[bytes]) -> Reply | None:
        """Return a reply that somebody waits for; what is late, comes twice or is not understood is dropped."""
        reply = read_reply(frames)
        if reply is None:
            return None
        # An error without a number is about a request that could not be read.
        is_awaited = reply["id"] in self._asked or (reply["op"], reply["id"]) == ("error", 0)
        if reply["op"] != "progress":
            self._asked.discard(reply["id"])
        return reply if is_awaited else None

    def _receive_frames(self) -> list[bytes] | None:
        dealer, lease = self._opened()
        try:
            frames = dealer.receive()
            if frames is None and _is_over(lease):
                frames = dealer.receive()  # what it said last may have come in between
                if frames is None:
                    raise Lost(_ENDED)
        except ConnectionError as error:
            raise Lost(_ENDED) from error
        return frames

    def _wait(self, seconds: float) -> None:
        dealer, lease = self._opened()
        wait_readable([dealer.fileno(), lease.fileno()], seconds)

    def _opened(self) -> tuple[Dealer, Lease]:
        if self._dealer is None or self._lease is None:
            raise Lost("the connection to the CorridorKey daemon is closed; try again.")
        return self._dealer, self._lease

    def _post(self, op: str, fields: Mapping[str, object]) -> int:
        number = next(self._numbers)
        dealer, _ = self._opened()
        try:
            message = pack(dict(fields, op=op, id=number))
        except ValueError as error:
            raise Refusal(f"{op} cannot be sent to the daemon ({error}); rename files whose names are odd.") from error
        try:
            dealer.send(MARK, message)
        except ConnectionError as error:
            raise Lost(_ENDED) from error
        return number

    def _connect(self, folder: str, until: float) -> None:
        """Connect lease and control."""
        if not rendezvous.check(folder):
            raise NoDaemon(_NONE)
        was_silent = _silent.get(folder, (0.0, None))
        is_silent = time.monotonic() < was_silent[0] and was_silent[1] == _socket_of(folder)
        # Whether it lives shows at once, even if it does not answer.
        self._lease = _open_lease(folder, 0.0 if is_silent else until)
        if is_silent:
            raise Lost(_SILENT)
        self._dealer = _dial(folder, until)

    def _say_hello(self, name: str, needs: tuple[str, ...], until: float) -> Reply:
        token = self._token(until)
        client = name.encode("utf-8", "replace")[:64].decode("utf-8", "ignore")
        number = self.send("hello", oldest=_VERSION, newest=_VERSION, token=token, client=client)
        welcome = self._answer_to(number, until)
        if welcome is None:
            raise _Silent(_SILENT)
        _check_welcome(welcome, needs)
        return welcome

    def _token(self, until: float) -> bytes:
        _, lease = self._opened()
        try:
            message = lease.wait(until)
        except ConnectionError as error:
            raise Refusal(_TURNED_AWAY) from error
        if message is None:
            raise _Silent(_SILENT)
        token = read_opened(message)
        if token is None:
            raise Refusal(_STRANGER)
        return token


def _check_welcome(welcome: Reply, needs: tuple[str, ...]) -> None:
    if welcome["op"] == "error":
        raise refusal(welcome)
    if welcome["op"] == "busy":
        raise Refusal("the CorridorKey daemon is busy; try again.")
    if welcome["op"] != "welcome" or welcome["version"] != _VERSION:
        raise Refusal(_STRANGER)
    missing = [feature for feature in needs if feature not in welcome["features"]]
    if missing:
        raise Refusal(
            f"the CorridorKey daemon lacks {missing[0]}; update CorridorKey, then run `ckey stop` and `ckey start`."
        )


def _is_over(lease: Lease) -> bool:
    """Whether the daemon has closed the lease; what it says over it is for clients with slots."""
    try:
        lease.receive()
    except ConnectionError:
        return True
    return False


def _open_lease(folder: str, until: float) -> Lease:
    kind = socket.SOCK_STREAM if IS_STREAM else socket.SOCK_SEQPACKET
    try:
        return Lease(connect(folder + "/lease", kind, until))
    except (ConnectionError, FileNotFoundError) as error:
        raise NoDaemon(_NONE) from error
    except BlockingIOError as error:
        raise _Silent(_SILENT) from error
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise Refusal(f"{folder}/lease cannot be used: {reason}; see `ckey ps`, or the daemon's log.") from error


def _dial(folder: str, until: float) -> Dealer:
    try:
        connection = connect(folder + "/control", socket.SOCK_STREAM, until)
        return Dealer(connection, max(0.0, until - time.monotonic()))
    except NoPeer as error:
        raise Refusal(_STRANGER) from error
    except OSError as error:
        # Its lease is there, so it is no answer that none runs.
        raise _Silent(_SILENT) from error


def _socket_of(folder: str) -> object:
    """Return what tells one daemon's lease from the next one's."""
    try:
        status = os.lstat(folder + "/lease")
    except OSError:
        return None
    return status.st_ino, status.st_ctime_ns
