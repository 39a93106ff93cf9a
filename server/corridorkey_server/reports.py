"""What a child process says of an errand: how far it is, and why it failed. Knows neither frames nor files."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from corridorkey_models.errors import Cancelled, CheckpointError, CorridorKeyError, InputError
from corridorkey_models.watch import Watch

from .errands import Failed, Stage, Stopped
from .wire import Message, shorten

log = logging.getLogger("ckey.errands")

_SENTENCE = 2048  # bytes

T = TypeVar("T")


def attempt(job: int, do: Callable[[], T]) -> T | Stopped | Failed:
    """Return what `do` returns, or the report of why it could not."""
    try:
        return do()
    except Cancelled:
        return Stopped(job=job)
    except CorridorKeyError as error:
        return Failed(job=job, code=_code(error), sentence=shorten(str(error), _SENTENCE))
    # The border of a child: whatever went wrong with one frame, the next one is keyed.
    except Exception as error:
        log.exception("errand %d", job)
        sentence = f"keying failed with {type(error).__name__}; see the daemon's log, and report this frame."
        return Failed(job=job, code="internal", sentence=sentence)


def _code(error: CorridorKeyError) -> str:
    if isinstance(error, CheckpointError):
        return "checkpoint"
    return "input" if isinstance(error, InputError) else "resource"


def watcher(job: int, check: Callable[[], None], report: Callable[[Message], None], every: float) -> Watch:
    """Return what reports the stages of an errand, but not each of their hundred steps.

    Args:
        check: raises Cancelled when the errand is to stop.
        every: seconds between two reports on the same stage.
    """
    told: tuple[str, float] = ("", 0.0)

    def watch(stage: str, fraction: float) -> None:
        nonlocal told
        check()
        now = time.monotonic()
        if stage != told[0] or now - told[1] > every:
            told = stage, now
            report(Stage(job=job, stage=stage, fraction=fraction))

    return watch
