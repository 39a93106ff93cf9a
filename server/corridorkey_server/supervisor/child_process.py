"""The supervisor's end of a child process and its link: start it, talk to it, notice its end. Knows no errand."""

import errno
import logging
import math
import signal
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence

from .. import system
from ..system import Region
from ..wire import Malformed, Message, decode

log = logging.getLogger("ckey.daemon")


class ChildProcess:
    """One child, from its start to its end; a new one is a new object."""

    GRACE = 2.0
    """Seconds that it gets to end by itself when its link is closed."""

    def __init__(self, command: Sequence[str], reports: Mapping[str, type[Message]]) -> None:
        """Start `command` with the number of the link's descriptor as its option --link.

        Args:
            reports: what it may say.

        Raises:
            OSError: the system refuses.
        """
        self._reports = reports
        self._kill_at = math.inf
        self._outbox: deque[tuple[bytes, tuple[Region, ...]]] = deque()
        self._link, theirs = system.pair()
        self._link.setblocking(False)
        # An own process group: Ctrl-C in the terminal of `ckey serve` is the supervisor's to handle.
        try:
            self._process = subprocess.Popen(
                [*command, "--link", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                process_group=0,
            )
        except OSError:
            self._link.close()
            raise
        finally:
            theirs.close()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def fileno(self) -> int:
        """Return what turns readable when there is a report or the child has ended."""
        return self._link.fileno()

    @property
    def has_mail(self) -> bool:
        """Whether something waits to be sent: poll for writing too, then call `flush`."""
        return bool(self._outbox)

    def send(self, errand: Message, *regions: Region) -> None:
        """Send as soon as the child takes it; never waits."""
        self._outbox.append((errand.encode(), regions))
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as it goes."""
        try:
            while self._outbox:
                self._link.send(*self._outbox[0])
                self._outbox.popleft()
        except BlockingIOError:
            return
        except ConnectionError:
            # Its end shows as end of file where reports are read.
            self._outbox.clear()
        except OSError as error:
            # This user's programs have too many descriptors under way; they arrive, and then there is room.
            if error.errno != errno.ETOOMANYREFS:
                raise

    def receive(self) -> Message:
        """Return the next report.

        Raises:
            BlockingIOError: there is none at the moment.
            EOFError: the child has ended, or is of another version: the package was replaced since the daemon began.
        """
        try:
            received = self._link.receive()
            if received is None:
                raise EOFError
            return decode(received[0], self._reports)
        except ConnectionError as error:
            raise EOFError from error
        except Malformed as error:
            log.error("process %d is not understood, stop the daemon and start it again: %s", self.pid, error)
            raise EOFError from error

    def forget(self, region: Region) -> None:
        """Do not send a region that waits to be sent: it is about to be closed."""
        self._outbox = deque(mail for mail in self._outbox if region not in mail[1])

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def close(self, now: float) -> None:
        """Close the link, which ends the child; it is killed when it has not ended by itself a little later."""
        self._link.close()
        self._outbox.clear()
        self._kill_at = now + self.GRACE

    def ended(self, now: float) -> str | None:
        """Return in words how it ended, None while it has not."""
        code = self._process.poll()
        if code is None:
            if now > self._kill_at:
                self._process.kill()
            return None
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
