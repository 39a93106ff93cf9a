"""What tests of failures in the OFX plug-in share: frames that are keyed, and checks of those that are not."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from daemons import PATIENCE, EchoDaemon, Pixels, asking, eventually, stamped
from ofx_shots import effect_of, grey, solid
from ofxhost import NUKE, Effect, Host, Mode, Picture, Result

T = TypeVar("T")
SIZE = (64, 36)
HINT = stamped(SIZE, 5, 1)[1]
TAKES_LONG = 1000.0
"""A plate's red that lets the daemon take long: so many seconds as it is more."""


def pictures_of(plate: Pixels) -> dict[str, Picture]:
    """Return a plate and its hint as clips have them."""
    return {"Source": Picture(solid(plate)), "AlphaHint": Picture(grey(HINT))}


GOOD = pictures_of(asking(red=0.5, green=0.25) + np.float32(0.125))


@contextmanager
def opened(binary: Path, mode: Mode = NUKE, **params: object) -> Iterator[tuple[Host, Effect]]:
    """Run a host with an instance that shows what comes back from the daemon, straight."""
    with Host(binary, replace(mode, wired=None)) as host:
        try:
            yield host, effect_of(host, **({"output": "foreground"} | params))
        finally:  # no host ends an instance that renders, though a test may fail meanwhile
            eventually(lambda: host.session.stillness()[0] == 0, "all renders end", 2 * PATIENCE)


def is_keyed(result: Result, pictures: dict[str, Picture]) -> bool:
    """Whether a result is what the daemon gives for these pictures."""
    plate, hint = (pictures[name].pixels for name in ("Source", "AlphaHint"))
    return result.status == 0 and np.array_equal(result.pixels, np.dstack((plate[..., :3], hint[..., 3])))


def check_good(effect: Effect) -> None:
    """Check that a frame is keyed and nothing is said any more."""
    result = effect.render(GOOD)
    assert is_keyed(result, GOOD), result.messages
    assert result.messages == []
    assert effect.persistent is None


def check_black(result: Result, within: float) -> None:
    """Check that a frame failed in time and shows nothing."""
    assert result.status == 1
    assert (result.pixels == 0).all()
    assert result.seconds < within


def check_failed(result: Result, words: str, within: float, mode: Mode = NUKE) -> None:
    """Check that a frame failed in time, shows nothing, and that one sentence tells why and what to do."""
    check_black(result, within)
    assert len(result.messages) == 1, result.messages
    message = result.messages[0]
    assert words in message.text
    assert ";" in message.text
    assert message.text.endswith(".")
    assert message.text.isprintable()
    assert message.type == ("OfxMessageLog" if mode.background and not message.is_persistent else "OfxMessageError")


def check_silent(result: Result) -> None:
    """Check that an aborted frame shows nothing, and that nothing is said."""
    assert result.status == 1
    assert (result.pixels == 0).all()
    assert result.messages == []


def recovers(effect: Effect) -> None:
    """Wait until frames are keyed again, and check that nothing is left of the failure."""
    eventually(lambda: effect.render(GOOD).status == 0, "frames are keyed again", 10)
    check_good(effect)


def while_running(
    crew: ThreadPoolExecutor, echo: EchoDaemon, effect: Effect, seconds: float, **asked: object
) -> Future[Result]:
    """Begin to render a frame that takes so long, and return when the daemon is at it."""
    job = crew.submit(effect.render, pictures_of(asking(red=TAKES_LONG + seconds)), **asked)
    eventually(echo.is_keying, "the frame is keyed", 10)
    return job


def results_of(jobs: list[Future[T]]) -> list[T]:
    """Wait until all have ended, and return what they gave."""
    wait(jobs, PATIENCE)
    return [job.result(0) for job in jobs]
