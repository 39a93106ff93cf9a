"""Opens sessions of the package inside Nuke, for tests, and tells why none can be had."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import nuke_package  # noqa: F401
from corridorkey_nuke.failure import Refusal
from corridorkey_nuke.session import Session
from daemons import PATIENCE

SILENT = "the CorridorKey daemon does not answer; see its log, or run `ckey stop --now` and start it again."
ENDED = "the CorridorKey daemon has ended; start it with `ckey start` and try again."
NONE = "no CorridorKey daemon runs; start it with `ckey start`."
STRANGER = "what answers is no CorridorKey daemon of this version; install the same version on both sides."


def open_session(folder: Path, **changed: Any) -> Session:
    """Open a session with a daemon that may be busy with other tests."""
    return Session(str(folder), **{"timeout": PATIENCE, "needs": (), **changed})


def refusal(folder: Path, **changed: Any) -> Refusal:
    """Return why no session can be opened."""
    with pytest.raises(Refusal) as caught:
        open_session(folder, **changed)
    return caught.value


@contextmanager
def timed(most: float) -> Iterator[None]:
    """Fail if what is done meanwhile takes longer."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < most
