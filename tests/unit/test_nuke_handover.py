"""Exported frames on their way through the daemon, with a session whose answers the test gives."""

import itertools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import nuke_package  # noqa: F401
from corridorkey_nuke.failure import Lost, Stopped
from corridorkey_nuke.handover import Handover
from corridorkey_nuke.job import Order, Shot
from corridorkey_nuke.outcome import Outcome

FILED = {"op": "filed", "skipped": False, "empty": False, "notes": []}
ERROR = {"op": "error", "code": "input", "sentence": "the hint is odd", "next": "draw another one"}


class Answers:
    """A session that hears all and says what it is told to."""

    def __init__(self) -> None:
        self.sent: dict[int, tuple[str, dict[str, Any]]] = {}
        self.cancelled: list[int] = []
        self.replies: list[Mapping[str, Any]] = []
        self._numbers = itertools.count(1)

    def send(self, op: str, **fields: Any) -> int:
        """Hear a request."""
        number = next(self._numbers)
        self.sent[number] = (op, fields)
        return number

    def cancel(self, number: int) -> None:
        """Stop a request at once."""
        self.cancelled.append(number)
        self.replies.append({"op": "cancelled", "id": number})

    def receive(self, seconds: float) -> Mapping[str, Any] | None:
        """Say the next thing."""
        time.sleep(0 if self.replies else min(seconds, 0.01))
        return self.replies.pop(0) if self.replies else None

    def wait(self, number: int, seconds: float, watch: Callable[[object], object]) -> Mapping[str, Any]:
        """Say the next thing, which is the answer."""
        assert seconds > 0
        watch(None)
        return dict(self.replies.pop(0), id=number)


class Desk:
    """A handover with its session, and frames to hand over."""

    def __init__(self, folder: Path) -> None:
        self.session, self.outcome = Answers(), Outcome(3)
        shots = [Shot(frame, "main", f"/keyed/{frame}.exr", "screen=green despill=0.5") for frame in (1, 2, 3)]
        self.order = Order("CorridorKey1" + "é" * 100, shots, "half", "", "abc-half", 1, "batch", "shot.nk")
        self.handover = Handover(self.session, self.order, self.outcome)  # type: ignore[arg-type]
        self.sources = [folder / f"{shot.frame}.exr" for shot in shots]

    def hand_over(self, count: int = 1) -> list[int]:
        """Hand frames over, and return the numbers of their requests."""
        for shot, source in list(zip(self.order.shots, self.sources, strict=True))[:count]:
            source.write_bytes(bytes(100))
            assert self.handover.hand_over(shot, str(source)) == 100
        assert self.handover.turn(0.0) == []
        return list(self.session.sent)

    def answer(self, number: int, reply: Mapping[str, Any], **more: Any) -> list[Shot]:
        """Let the daemon answer, and return what is to be exported again."""
        self.session.replies.append({**reply, "id": number, **more})
        return self.handover.turn(0.0)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Nothing on its way."""
    return Desk(tmp_path)


def test_what_is_sent(desk: Desk) -> None:
    """The request names files, settings and node as the protocol has them."""
    (number,) = desk.hand_over()
    op, fields = desk.session.sent[number]
    assert op == "key_file"
    assert fields.pop("node").encode() == desk.order.node.encode()[:128]
    assert fields == {
        "source": str(desk.sources[0]),
        "target": "/keyed/1.exr",
        "params": {"screen": "green", "despill": "0.5"},
        "priority": "batch",
        "frame": 1,
        "depth": "half",
        "upstream": "abc-half",
    }


def test_a_frame_there_and_back(desk: Desk) -> None:
    """A frame takes its bytes until it is answered, and is counted then; progress is no answer."""
    (number,) = desk.hand_over()
    assert desk.answer(number, {"op": "progress", "stage": "infer", "fraction": 0.5}) == []
    assert (desk.handover.outstanding, desk.handover.is_idle) == (100, False)
    assert desk.answer(number, FILED) == []
    assert (desk.handover.outstanding, desk.handover.is_idle, desk.outcome.keyed) == (0, True, 1)
    desk.answer(number, FILED)
    assert desk.outcome.keyed == 1


def test_a_frame_that_was_there(desk: Desk) -> None:
    """What the daemon found keyed already is told as such."""
    (number,) = desk.hand_over()
    desk.answer(number, FILED, skipped=True)
    assert (desk.outcome.keyed, desk.outcome.kept) == (0, 1)


def test_a_frame_that_fails(desk: Desk) -> None:
    """The daemon's sentence is told with the frame."""
    (number,) = desk.hand_over()
    desk.answer(number, ERROR)
    assert "Frame 1: the hint is odd; draw another one." in desk.outcome.text()


def test_a_busy_daemon(desk: Desk) -> None:
    """A frame that the daemon had no room for is sent again when it said so, and takes its bytes meanwhile."""
    (number,) = desk.hand_over()
    start = time.monotonic()
    assert desk.answer(number, {"op": "busy", "seconds": 0.2}) == []
    assert (desk.handover.outstanding, desk.handover.is_idle) == (100, False)
    while len(desk.session.sent) == 1:
        assert desk.handover.turn(0.01) == []
        assert time.monotonic() - start < 30
    assert time.monotonic() - start >= 0.2
    assert desk.session.sent[2] == desk.session.sent[1]


def test_many_frames(desk: Desk) -> None:
    """The daemon gets a few frames at a time, in their order, and the next one with each answer."""
    shot, source = desk.order.shots[0], desk.sources[0]
    source.write_bytes(bytes(100))
    for frame in range(100):
        desk.handover.hand_over(shot._replace(frame=frame), str(source))
    desk.handover.turn(0.0)
    assert [fields["frame"] for _, fields in desk.session.sent.values()] == list(range(32))
    assert desk.handover.outstanding == 10000
    desk.answer(1, FILED)
    desk.handover.turn(0.0)
    assert desk.session.sent[33][1]["frame"] == 32
    assert len(desk.session.sent) == 33
    desk.handover.give_up()
    assert len(desk.session.cancelled) == 32
    assert desk.handover.is_idle


def test_a_busy_daemon_that_removed_the_file(desk: Desk) -> None:
    """A frame whose file is gone is exported once more."""
    (number,) = desk.hand_over()
    desk.sources[0].unlink()
    assert desk.answer(number, {"op": "busy", "seconds": 0.0}) == []
    assert desk.handover.turn(0.0) == [desk.order.shots[0]]
    assert (len(desk.session.sent), desk.handover.is_idle) == (1, True)


def test_a_daemon_that_stops(desk: Desk) -> None:
    """A daemon that takes no more frames ends the run: the next one will not do better."""
    (number,) = desk.hand_over()
    with pytest.raises(Lost, match="stopping"):
        desk.answer(number, ERROR, code="draining")


def test_a_file_that_nuke_did_not_write(desk: Desk) -> None:
    """Nothing is sent, and the frame is told as failed."""
    assert desk.handover.hand_over(desk.order.shots[0], str(desk.sources[0])) == 0
    assert not desk.session.sent
    assert "Frame 1: Nuke wrote no" in desk.outcome.text()


def test_giving_up(desk: Desk) -> None:
    """Frames that wait are stopped, those that were done in time count, and none is left."""
    first, second, third = desk.hand_over(3)
    desk.session.replies += [{**FILED, "id": first}, {"op": "busy", "id": second, "seconds": 60.0}]
    desk.handover.turn(0.0)
    desk.handover.give_up()
    assert desk.session.cancelled == [third]
    assert (desk.handover.is_idle, desk.outcome.keyed) == (True, 1)


def test_the_model(desk: Desk) -> None:
    """The identity is asked for until the daemon has room to say it."""
    desk.session.replies += [{"op": "busy", "seconds": 0.1}, {"op": "configured", "identity": "procedural 3"}]
    looks: list[object] = []
    assert desk.handover.identity("blue", looks.append) == "procedural 3"
    assert [fields["screen"] for _, fields in desk.session.sent.values()] == ["blue", "blue"]
    assert len(looks) > 2


def test_a_model_that_is_not_wanted_any_more(desk: Desk) -> None:
    """Somebody who presses Cancel need not wait for the daemon."""
    desk.session.replies.append({"op": "busy", "seconds": 3600.0})
    looks = itertools.count()

    def watch(_: object) -> None:
        if next(looks) > 2:
            raise Stopped

    with pytest.raises(Stopped):
        desk.handover.identity("green", watch)


def test_an_answer_that_was_lost(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a long silence the oldest frame is asked for again: its answer comes, or word that nobody knows it."""
    first, second = desk.hand_over(2)
    monkeypatch.setitem(Handover.turn.__globals__, "_SILENCE", 0.05)
    desk.handover.turn(0.0)
    assert [op for op, _ in desk.session.sent.values()] == ["key_file", "key_file"]
    time.sleep(0.06)
    desk.handover.turn(0.0)
    question = max(desk.session.sent)
    assert desk.session.sent[question] == ("again", {"target": first})
    desk.answer(first, FILED)
    time.sleep(0.06)
    desk.handover.turn(0.0)
    question = max(desk.session.sent)
    assert desk.session.sent[question] == ("again", {"target": second})
    desk.answer(question, ERROR, sentence="request 2 is not known here")
    assert desk.handover.is_idle
    assert (desk.outcome.keyed, "not known here" in desk.outcome.text()) == (1, True)
