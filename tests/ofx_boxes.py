"""What tests of boxes and images in the OFX plug-in share: pictures anywhere, and what an echo of them looks like."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from daemons import Pixels, stamped
from ofx_shots import effect_of, grey, solid
from ofxhost import STRICT, Effect, Host, Mode, Picture, Result

Box = tuple[int, int, int, int]
Corner = tuple[int, int]
Size = tuple[int, int]

SIZE = (64, 36)
WINDOW = (0, 0, *SIZE)
PLATE, HINT = stamped(SIZE, 3, 5)


def named(mode: Mode) -> str:
    """Return what a mode is called in a test's name."""
    return mode.label


def laid(pixels: Pixels, at: Corner, box: Box) -> Pixels:
    """Return what `box` shows of a picture whose lower left corner is `at`; 0 where there is none."""
    rows = at[1] + pixels.shape[0] - box[3] + np.arange(box[3] - box[1])
    columns = box[0] - at[0] + np.arange(box[2] - box[0])
    down, along = (rows >= 0) & (rows < pixels.shape[0]), (columns >= 0) & (columns < pixels.shape[1])
    shown = np.zeros((len(rows), len(columns), *pixels.shape[2:]), np.float32)
    shown[np.ix_(down, along)] = pixels[np.ix_(rows[down], columns[along])]
    return shown


def echoed(pictures: dict[str, Picture], window: Box, box: Box) -> Pixels:
    """Return the output over `box` of a daemon that gives back the plate as foreground and the hint as matte.

    The daemon sees `window`; outside of it, and outside of the plate, the output is 0.
    """
    plate, hint = pictures["Source"], pictures["AlphaHint"]
    matte = hint.pixels if hint.pixels.ndim == 2 else hint.pixels[..., -1]
    keyed = np.dstack((laid(plate.pixels[..., :3], plate.at, box), laid(matte, hint.at, box)))
    ones = np.ones((window[3] - window[1], window[2] - window[0], 1), np.float32)
    return keyed * laid(ones, window[:2], box) * laid(np.ones_like(plate.pixels[..., :1]), plate.at, box)


def pictures_of(plate: Pixels = PLATE, at: Corner = (0, 0), hint: Pixels = HINT, hint_at: Corner = (0, 0),
                **told: object) -> dict[str, Picture]:  # fmt: skip
    """Return a plate and a hint as clips have them; told: of the plate's Picture."""
    return {"Source": Picture(solid(plate), at, **told), "AlphaHint": Picture(grey(hint), hint_at)}  # type: ignore[arg-type]


@contextmanager
def echoing(binary: Path, mode: Mode = STRICT, **params: object) -> Iterator[Effect]:
    """Run a host with an instance that shows what comes back from the daemon, straight."""
    # A host in the background waits longer for the daemon: a busy machine is no failure.
    with Host(binary, replace(mode, background=True, wired=None)) as host:
        yield effect_of(host, **({"output": "foreground"} | params))


def check(result: Result, pictures: dict[str, Picture], window: Box = WINDOW) -> None:
    """Check that a result is what was seen through `window`."""
    assert result.status == 0, result.messages
    assert np.array_equal(result.pixels, echoed(pictures, window, result.box))
