"""Keying from file to file through the daemon, as a host without pixels of its own does: roots, clerk, files."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corridorkey_models.fingerprint import settings_hash, settings_text
from corridorkey_models.params import Params
from corridorkey_server.client_slots import Wired
from corridorkey_server.footage.exr import ExrOptions, read_exr, read_exr_header, read_exr_layers, write_exr
from corridorkey_server.footage.picture import Image, Window
from corridorkey_server.link import Link
from corridorkey_server.protocol import (
    PATH_LIMIT,
    ROOTS,
    Again,
    Cancel,
    Cancelled,
    Done,
    Error,
    Filed,
    KeyFile,
    Progress,
    Roots,
    Unload,
)
from corridorkey_server.wire import Message
from daemons import PATIENCE, EchoDaemon, ask, children, eventually, is_alive

WINDOW = Window(0, 0, 64, 36)
SETTINGS = {"working_space": "acescg", "despill": 0.25}


class Session:
    """A host that has files keyed.

    Attributes:
        exchange, keyed: its roots.
    """

    def __init__(self, daemon: EchoDaemon, folder: Path) -> None:
        self.link = Link(daemon.place, "host")
        self.exchange, self.keyed = folder / "exchange", folder / "keyed"
        self.replies: dict[int, Message] = {}
        self.link.other = self._hear
        for root in (self.exchange, self.keyed):
            root.mkdir(exist_ok=True)
        assert ask(self.link, Done, Roots, folders=(str(self.exchange), str(self.keyed))).found

    def _hear(self, message: Message) -> None:
        if not isinstance(message, Progress):
            self.replies[message.id] = message  # type: ignore[attr-defined]

    def send(self, frame: int, **changed: Any) -> int:
        """Ask for a frame, and return the request's number."""
        number = self.link.next_id()
        paths = {"source": str(self.source(frame)), "target": str(self.target(frame))}
        fields = {"id": number, "frame": frame, "params": SETTINGS, **paths}
        self.link.send(KeyFile(**{**fields, **changed}))
        return number

    def answer(self, number: int) -> Message:
        """Wait for an answer."""

        def is_answered() -> bool:
            self.link.pump(0.05)
            return number in self.replies

        eventually(is_answered, f"request {number} is answered")
        return self.replies[number]

    def key(self, frame: int, **changed: Any) -> Message:
        """Have a frame keyed."""
        return self.answer(self.send(frame, **changed))

    def source(self, frame: int) -> Path:
        """Return the exchange file of a frame."""
        return self.exchange / f"f.{frame}.exr"

    def target(self, frame: int) -> Path:
        """Return the keyed file of a frame."""
        return self.keyed / f"f.{frame}.exr"

    def export(self, frame: int, **kind: Any) -> Path:
        """Write an exchange file as Nuke does; see `export`."""
        return export(self.source(frame), frame, **kind)


def export(
    path: Path, frame: int, data_window: Window = WINDOW, layers: tuple[str, ...] = ("ck_hint",), red: float = 0.5
) -> Path:
    """Write an exchange file: noise that only this frame has, `red` in the first pixel of the plate."""
    channels = ["R", "G", "B", "A"]
    channels += [f"{layer}.{channel}" for layer in layers for channel in ("red", "green", "blue", "alpha")]
    shape = (data_window.height, data_window.width, len(channels))
    pixels = np.random.default_rng(frame).random(shape, np.float32)
    pixels[0, 0, 0] = red
    like = Image(pixels, tuple(channels), data_window, WINDOW, pixel_aspect=2.0)
    write_exr(path, pixels, like.channels, like=like, options=ExrOptions("none", half=False))
    return path


@pytest.fixture
def daemon(runtime: Path) -> Iterator[EchoDaemon]:
    """A daemon whose worker gives back what it gets."""
    with EchoDaemon(runtime) as started:
        yield started


@pytest.fixture
def session(daemon: EchoDaemon, tmp_path: Path) -> Iterator[Session]:
    """A session with two roots."""
    session = Session(daemon, tmp_path)
    with session.link:
        yield session


def test_a_frame_goes_from_file_to_file(session: Session) -> None:
    """The keyed file holds straight foreground, matte and used hint; the exchange file is gone."""
    given = read_exr_layers(session.export(7), ("ck_hint",))
    answer = session.key(7, depth="float", upstream="a1b2", node="CorridorKey1")
    assert isinstance(answer, Filed)
    assert (answer.skipped, answer.empty, answer.quality, answer.device) == (False, False, "full", "echo")
    assert not session.source(7).exists()
    made, layers = read_exr_layers(session.target(7), ("ck_hint",))
    assert np.array_equal(made.pixels[..., :3], given[0].pixels[..., :3])
    assert np.array_equal(made.pixels[..., 3], given[1]["ck_hint"].channel("A"))
    assert np.array_equal(layers["ck_hint"].channel("A"), given[1]["ck_hint"].channel("A"))
    assert (made.data_window, made.display_window, made.pixel_aspect) == (WINDOW, WINDOW, 2.0)
    assert made.working_space == "acescg"


def test_a_keyed_file_says_what_it_was_keyed_with(session: Session) -> None:
    """Settings as one line, their hash, model, space, and what the host said of what feeds it."""
    session.export(1)
    answer = session.key(1, upstream="feed")
    assert isinstance(answer, Filed)
    header = read_exr_header(session.target(1)) or {}
    own = {name.partition("/")[2]: value for name, value in header.items() if name.startswith("corridorkey/")}
    text = settings_text(Params.parse(SETTINGS))
    assert (
        own.items()
        >= {
            "settings": text,
            "params_hash": settings_hash(text),
            "model": "echo echo green",
            "working_space": "acescg",
            "upstream": "feed",
            "pass": "keyed",
        }.items()
    )
    assert answer.model == own["model"]
    assert header["compression"].name == "ZIPS_COMPRESSION"  # type: ignore[attr-defined]


def test_the_same_frame_is_not_keyed_again(session: Session) -> None:
    """Equal pixels, model, parameters and upstream skip; another of each keys."""
    for keyed, changed in (
        (True, {}),
        (False, {}),
        (True, {"params": {**SETTINGS, "despill": 0.5}}),
        (False, {"params": {**SETTINGS, "despill": 0.5, "output": "matte"}}),
        (True, {"upstream": "other"}),
        (True, {"depth": "float"}),
    ):
        session.export(3)
        answer = session.key(3, **changed)
        assert isinstance(answer, Filed), answer
        assert answer.skipped is not keyed, changed
    session.export(3, red=0.25)
    other = session.key(3, depth="float")
    assert isinstance(other, Filed)
    assert not other.skipped


def test_outside_the_plates_data_window_all_is_0(session: Session) -> None:
    """A bounding box smaller or larger than the format comes back as it was, and only its pixels are keyed."""
    for frame, window in ((1, Window(10, 5, 20, 10)), (2, Window(-8, -4, 90, 50))):
        given = read_exr(session.export(frame, data_window=window))
        assert isinstance(session.key(frame, depth="float"), Filed)
        made = read_exr(session.target(frame))
        assert (made.data_window, made.display_window) == (window, WINDOW)
        keyed = made.data_window.intersection(WINDOW)
        assert np.array_equal(made.framed(keyed)[..., :3], given.framed(keyed)[..., :3])
        assert made.framed(WINDOW)[..., 3].any()
        assert np.count_nonzero(made.pixels[..., 3]) <= keyed.width * keyed.height


def test_what_is_wired_is_in_the_file(session: Session) -> None:
    """Without a hint layer the chroma hint is made, whose echo is no matte; masks come as layers."""
    session.export(1, layers=())
    assert isinstance(session.key(1), Filed)
    assert not read_exr(session.target(1)).channel("A").any()
    session.export(2, layers=("ck_hint", "ck_inside", "ck_outside"))
    assert isinstance(session.key(2), Filed)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"target": "/tmp/elsewhere.exr"}, "no folder that was declared"),
        ({"source": "/etc/hostname.exr"}, "no folder that was declared"),
        ({"target": "relative.exr"}, "no full path"),
        ({"params": {}}, "working_space is auto"),
        ({"params": {"working_space": "arri_logc3"}}, "not linear"),
        ({"params": {"working_space": "acescg", "despill": 7}}, "despill is 7"),
        ({"params": {"working_space": "acescg", "unheard": 7}}, "unknown parameter"),
    ],
)
def test_what_cannot_be_keyed_is_refused(session: Session, changed: dict[str, Any], words: str) -> None:
    """One sentence; the target stays as it was, and the next frame is keyed."""
    session.export(1)
    answer = session.key(1, **changed)
    assert isinstance(answer, Error), answer
    assert answer.code == "input"
    assert words in answer.sentence
    assert list(session.keyed.iterdir()) == []
    session.export(2)
    assert isinstance(session.key(2), Filed)


def test_files_are_touched_in_roots_only(session: Session, tmp_path: Path) -> None:
    """Neither dots nor links lead out of a root, and a link in place of a file is neither read nor replaced."""
    outside = export(tmp_path / "secret.exr", 1)
    (session.exchange / "link.exr").symlink_to(outside)
    (session.exchange / "way").symlink_to(tmp_path)
    (session.keyed / "link.exr").symlink_to(outside)
    before = outside.read_bytes()
    for source in ("link.exr", "way/secret.exr", "../secret.exr"):
        assert isinstance(session.key(1, source=f"{session.exchange}/{source}"), Error)
    for target in ("link.exr", "../secret.exr"):
        session.export(2)
        assert isinstance(session.key(2, target=f"{session.keyed}/{target}"), Error)
    assert outside.read_bytes() == before


def test_roots_have_to_be_folders_of_the_user(session: Session, tmp_path: Path) -> None:
    """What is missing, a file, a link, relative or another user's is no root; those declared before still hold."""
    file, link = tmp_path / "file", tmp_path / "link"
    file.touch()
    link.symlink_to(session.keyed)
    for folder in ("/nowhere", str(file), str(link), "relative", *(["/root"] if os.getuid() else [])):
        answer = session.link.ask(Roots(id=session.link.next_id(), folders=(folder,)), (Message,))
        assert isinstance(answer, Error), folder
    session.export(1)
    assert isinstance(session.key(1), Filed)


def test_another_users_folder_is_no_root(session: Session, tmp_path: Path) -> None:
    """A folder that somebody else owns is refused, however open it is."""
    if os.getuid():
        pytest.skip("only root can give a folder away")
    other = tmp_path / "other"
    other.mkdir(mode=0o777)
    os.chown(other, 65534, 65534)
    answer = session.link.ask(Roots(id=session.link.next_id(), folders=(str(other),)), (Message,))
    assert isinstance(answer, Error)
    assert "another user" in answer.sentence


def test_without_roots_nothing_is_keyed(daemon: EchoDaemon, tmp_path: Path) -> None:
    """A session that declared nothing is told to."""
    with Link(daemon.place) as link:
        request = KeyFile(
            id=link.next_id(),
            source=str(export(tmp_path / "a.exr", 1)),
            target=str(tmp_path / "b.exr"),
            params=SETTINGS,
        )
        answer = link.ask(request, (Message,))
        assert isinstance(answer, Error)
        assert "ROOTS" in answer.next


def test_a_damaged_exchange_file_is_told(session: Session) -> None:
    """Half a file fails that frame alone, and is removed."""
    whole = session.export(1).read_bytes()
    session.source(1).write_bytes(whole[: len(whole) // 2])
    answer = session.key(1)
    assert isinstance(answer, Error)
    assert "not a whole OpenEXR file" in answer.sentence
    assert list(session.exchange.iterdir()) == []


def test_many_frames_overlap_and_all_come(session: Session) -> None:
    """Forty frames sent at once are all keyed right, and nothing is left of the exchange."""
    expected = {frame: read_exr(session.export(frame)).pixels[..., :3] for frame in range(40)}
    numbers = [session.send(frame, depth="float") for frame in expected]
    assert all(isinstance(session.answer(number), Filed) for number in numbers)
    for frame, pixels in expected.items():
        assert np.array_equal(read_exr(session.target(frame)).pixels[..., :3], pixels)
    assert list(session.exchange.iterdir()) == []
    assert len(list(session.keyed.iterdir())) == 40


def test_cancelling_leaves_whole_frames_only(session: Session) -> None:
    """Frames that wait and the one that runs stop; none is half there, and their exchange files are gone."""
    for frame in range(6):
        session.export(frame, red=1010.0)
    numbers = [session.send(frame) for frame in range(6)]
    for number in numbers:
        assert ask_found(session, number)
    assert {type(session.answer(number)) for number in numbers} == {Cancelled}
    assert list(session.keyed.iterdir()) == []
    assert list(session.exchange.iterdir()) == []
    assert not ask_found(session, 999)


def ask_found(session: Session, target: int) -> bool:
    """Cancel a request, and return whether there was one."""
    return session.link.request(Cancel(id=session.link.next_id(), target=target), Done).found


def test_a_request_sent_twice_is_keyed_once(session: Session) -> None:
    """The same number gets the same answer; AGAIN repeats it."""
    session.export(1)
    number = session.send(1)
    first = session.answer(number)
    session.replies.clear()
    session.link.send(KeyFile(id=number, source=str(session.source(1)), target=str(session.target(1)), params=SETTINGS))
    assert session.answer(number) == first
    session.replies.clear()
    session.link.send(Again(id=session.link.next_id(), target=number))
    assert session.answer(number) == first


def test_the_end_of_a_session_ends_its_clerk(daemon: EchoDaemon, tmp_path: Path) -> None:
    """A host that dies leaves no process and no exchange file that it had handed over."""
    before = set(children(daemon.process.pid))
    session = Session(daemon, tmp_path)
    session.export(1, red=1001.0)
    session.export(2)
    session.send(1)
    session.send(2)
    clerks = set(children(daemon.process.pid)) - before
    eventually(daemon.is_keying, "the first frame is keyed")
    session.link.close()
    eventually(lambda: not any(is_alive(clerk) for clerk in clerks if clerk != daemon.worker()), "the clerk ends")
    assert list(session.exchange.iterdir()) == []
    assert list(session.keyed.iterdir()) == []


def test_a_waiting_file_is_cancelled_at_once(session: Session) -> None:
    """It is answered while another one is keyed, and its exchange file is gone; the other goes on."""
    session.export(1, red=1001.0)
    session.export(2)
    first, second = session.send(1), session.send(2)
    session.link.pump(0.3)
    assert ask_found(session, second)
    assert isinstance(session.answer(second), Cancelled)
    assert first not in session.replies
    assert not session.source(2).exists()
    assert isinstance(session.answer(first), Filed)


def test_cancelling_while_a_model_waits(daemon: EchoDaemon, session: Session) -> None:
    """A file whose model cannot be loaded before somebody else's frame is done is stopped all the same."""
    with daemon.client() as other, other.slot(64, 36) as slot:
        slot.frame.given[...] = 0
        slot.frame.given[0, 0, 0] = 1005.0
        ticket = other.submit(slot, Params(working_space="linear_rec709"), Wired("hint"))
        eventually(daemon.is_keying, "somebody else's frame is keyed")
        session.export(1)
        number = session.send(1)
        session.link.pump(0.3)
        assert ask_found(session, number)
        assert isinstance(session.answer(number), Cancelled)
        assert not other.poll(ticket)
        other.cancel(ticket)


def test_a_keyed_file_is_no_exchange_file(session: Session) -> None:
    """A request that names what lies beside its target is refused, and removes nothing."""
    session.export(1)
    assert isinstance(session.key(1), Filed)
    answer = session.key(1, source=str(session.target(1)), target=str(session.target(2)))
    assert isinstance(answer, Error)
    assert "export to another folder" in answer.next
    assert session.target(1).exists()


def test_roots_hold_for_what_was_asked_under_them(session: Session, tmp_path: Path) -> None:
    """New folders do not take the old ones from files that are on their way."""
    numbers = []
    for frame in range(4):
        session.export(frame, red=1000.1)
        numbers.append(session.send(frame))
    other = tmp_path / "other"
    other.mkdir()
    assert ask(session.link, Done, Roots, folders=(str(other),)).found
    assert all(isinstance(session.answer(number), Filed) for number in numbers)


def test_as_many_and_long_roots_as_there_may_be(session: Session) -> None:
    """The longest message that is one is answered, and the daemon lives."""
    folders = tuple("/" + "x" * (PATH_LIMIT - 1) for _ in range(ROOTS))
    answer = session.link.ask(Roots(id=session.link.next_id(), folders=folders), (Message,))
    assert isinstance(answer, Error)
    session.export(1)
    assert isinstance(session.key(1), Filed)


def test_a_stopping_daemon_says_so(daemon: EchoDaemon, session: Session) -> None:
    """While somebody's frame is finished, files are answered with DRAINING, and their exchange files are gone."""
    with daemon.client() as other, other.slot(64, 36) as slot:
        slot.frame.given[...] = 0
        slot.frame.given[0, 0, 0] = 1002.0
        other.submit(slot, Params(working_space="linear_rec709"), Wired("hint"))
        eventually(daemon.is_keying, "somebody else's frame is keyed")
        numbers = []
        for frame in range(5):
            session.export(frame)
            numbers.append(session.send(frame))
        session.link.pump(0.3)
        daemon.process.terminate()
        answers = [session.answer(number) for number in numbers]
        assert {answer.code for answer in answers if isinstance(answer, Error)} == {"draining"}
        eventually(lambda: not list(session.exchange.iterdir()), "the exchange is empty")
    daemon.process.wait(PATIENCE)


def test_a_frame_larger_than_can_be_is_told(session: Session) -> None:
    """A display window that no memory could hold is a sentence, not a process that takes all memory."""
    pixels = np.zeros((4, 8, 4), np.float32)
    box = Image(pixels, ("R", "G", "B", "A"), Window(0, 0, 8, 4), Window(0, 0, 200_000, 9))
    write_exr(session.source(1), pixels, box.channels, like=box)
    answer = session.key(1)
    assert isinstance(answer, Error)
    assert "200000x9" in answer.sentence


def clerk_of(daemon: EchoDaemon) -> int:
    """Return the only clerk."""
    found = [child for child in children(daemon.process.pid) if child != daemon.worker()]
    assert len(found) == 1
    return found[0]


def test_a_clerk_that_dies_is_told_and_replaced(daemon: EchoDaemon, session: Session) -> None:
    """Its frames fail with a sentence; after ROOTS the next ones are keyed."""
    session.export(1, red=1010.0)
    number = session.send(1)
    eventually(daemon.is_keying, "the frame is keyed")
    os.kill(clerk_of(daemon), signal.SIGKILL)
    answer = session.answer(number)
    assert isinstance(answer, Error)
    assert answer.code == "resource"
    assert ask(session.link, Done, Roots, folders=(str(session.exchange), str(session.keyed))).found
    session.export(2)
    assert isinstance(session.key(2), Filed)


def test_the_daemons_end_leaves_whole_files(daemon: EchoDaemon, session: Session) -> None:
    """Stopped in the middle of forty frames, the daemon leaves no clerk, no half file and nothing in the exchange."""
    for frame in range(40):
        session.export(frame)
        session.send(frame)
    clerk = clerk_of(daemon)
    eventually(lambda: any(session.keyed.iterdir()), "a frame is there")
    daemon.process.terminate()
    daemon.process.wait(PATIENCE)
    eventually(lambda: not is_alive(clerk), "the clerk ends")
    assert all(read_exr_header(path) for path in session.keyed.iterdir())
    assert not [path for path in session.keyed.iterdir() if path.name.startswith(".")]
    eventually(lambda: not list(session.exchange.iterdir()), "the exchange is empty")


def test_unloading_meanwhile_only_delays(session: Session) -> None:
    """The worker's end in the middle of a range is none of the files' business."""
    for frame in range(8):
        session.export(frame)
    numbers = [session.send(frame) for frame in range(8)]
    threading.Event().wait(0.05)
    session.link.request(Unload(id=session.link.next_id()), Done)
    assert all(isinstance(session.answer(number), Filed) for number in numbers)
