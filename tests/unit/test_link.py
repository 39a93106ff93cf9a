"""A client's conversation with the daemon, against a daemon that says what the test wants, in the order it wants."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from corridorkey_models.errors import ResourceError
from corridorkey_server import protocol
from corridorkey_server.link import DaemonLost, Link
from corridorkey_server.protocol import MARK, Done, Opened, Progress, Slot, SlotReady, Welcome
from corridorkey_server.rendezvous import Rendezvous
from corridorkey_server.system import Channel, Listener, Region
from corridorkey_server.wire import Message
from daemons import GREETING, READY

PATIENCE = 10.0
WELCOME = Welcome(id=1, version=1, session=1, boot="b", pid=1, device="", model="", quality="full")
PROGRESS = Progress(id=7, stage="infer", fraction=0.5)


class Puppet:
    """A daemon for one client that speaks only when told to; SOCK_SEQPACKET and ZMTP as of the real one."""

    def __init__(self, folder: Path) -> None:
        self.place = Rendezvous(folder)
        self.place.create()
        self._leases = Listener.listen(self.place.lease)
        self._controls = socket.socket(socket.AF_UNIX)
        self._controls.bind(str(self.place.control_path))
        self._controls.listen()
        self._controls.settimeout(PATIENCE)

    def meet(self) -> None:
        """Take one client up to its WELCOME."""
        self.control, _ = self._controls.accept()
        self.control.sendall(GREETING + READY)
        # The client connects its lease first, so it waits by now.
        lease = self._leases.accept()
        assert lease is not None
        self.lease: Channel = lease
        self.lease.send(Opened(token=bytes(16), session=1, boot="b").encode())
        self.control.settimeout(PATIENCE)
        heard = b""
        while b"hello" not in heard:
            heard += self.control.recv(65536)
        self.say(WELCOME)

    def say(self, *messages: Message) -> None:
        """Send messages so that they arrive in one piece."""
        words = b""
        for message in messages:
            data = message.encode()
            words += b"\x01\x04" + MARK + b"\x02" + len(data).to_bytes(8, "big") + data
        self.control.sendall(words)

    def close(self) -> None:
        """Be gone."""
        for end in (self._leases, self._controls, self.lease, self.control):
            end.close()


@pytest.fixture
def puppet(runtime: Path) -> Iterator[Puppet]:
    """A daemon that waits for a client."""
    puppet = Puppet(runtime)
    yield puppet
    puppet.close()


@pytest.fixture
def link(puppet: Puppet) -> Iterator[Link]:
    """A session with it."""
    meeting = threading.Thread(target=puppet.meet)
    meeting.start()
    with Link(puppet.place) as link:
        meeting.join()
        yield link


def ready(slot: int) -> SlotReady:
    """Return the answer to the link's first request after HELLO."""
    return SlotReady(id=2, slot=slot, gen=0, width=16, height=9, masks=False, hint=False, size=4096, fresh=True)


def test_a_region_is_had_while_other_messages_wait(puppet: Puppet, link: Link) -> None:
    """Word of another frame that arrives together with a slot does not keep the slot's memory from being taken."""
    heard: list[Message] = []
    link.other = heard.append
    region = Region.create(4096)
    puppet.say(ready(3), PROGRESS)
    puppet.lease.send(protocol.Region(slot=3, size=4096).encode(), [region])
    link.request(Slot(id=link.next_id(), width=16, height=9), SlotReady)
    taken = link.region(3, time.monotonic() + PATIENCE)
    assert taken.size == 4096
    link.pump(0.0)
    assert heard == [PROGRESS]
    for end in (region, taken):
        end.close()


def test_what_has_come_is_not_waited_for(puppet: Puppet, link: Link) -> None:
    """A message that came together with the answer to something else is given at once, not when the next one comes."""
    heard: list[Message] = []
    link.other = heard.append
    puppet.say(Done(id=2), PROGRESS)
    link.request(Slot(id=link.next_id(), width=16, height=9), Done)
    began = time.monotonic()
    link.pump(PATIENCE)
    assert heard == [PROGRESS]
    assert time.monotonic() - began < PATIENCE / 2


def test_a_region_that_does_not_come_is_a_sentence(link: Link) -> None:
    """It is waited for as long as was said."""
    with pytest.raises(ResourceError, match="handed out no memory"):
        link.region(3, time.monotonic() + 0.05)


def test_a_daemon_that_goes_while_a_region_is_awaited_is_noticed_at_once(puppet: Puppet, link: Link) -> None:
    """Its end is told as such, even if words of it wait to be taken up."""
    puppet.say(ready(3), PROGRESS)
    link.request(Slot(id=link.next_id(), width=16, height=9), SlotReady)
    puppet.close()
    with pytest.raises(DaemonLost):
        link.region(3, time.monotonic() + PATIENCE)
