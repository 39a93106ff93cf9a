"""What tests of the fuse share: the tool in a stand-in for Fusion, pictures as comps wire them, what comes back."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from corridorkey_models.keyed import Keyed
from corridorkey_models.params import Params
from corridorkey_models.synthetic import ShotSpec, render
from daemons import PATIENCE, EchoDaemon, Pixels, asking, eventually, stamped
from fusionhost import POINTER, TABLE, Fusion, Kind, Picture, Result, Tool
from ofx_shots import LINEAR, grey, solid

FUSE = Path(__file__).parent.parent / "resolve_fuse"
ODD, SMALL = (161, 91), (64, 36)
PARAMS = Params(working_space=LINEAR)
OUTPUTS = ("Output", "Foreground", "Matte")
HINT = stamped(SMALL, 5, 1)[1]
TAKES_LONG = 1000.0
"""A plate's red that lets the daemon take long: so many seconds as it is more."""

AT_ONCE = 0.3
SLACK = 0.5
"""Seconds that a busy machine may take on top of a deadline."""

kinds = pytest.mark.parametrize("kind", [POINTER, TABLE], ids=lambda kind: kind.label)


def control_of(name: str) -> str:
    """Return the id of a parameter's control."""
    return "OutputMode" if name == "output" else "".join(word.capitalize() for word in name.split("_"))


@contextmanager
def opened(kind: Kind = POINTER, **values: object) -> Iterator[tuple[Fusion, Tool]]:
    """Run a Fusion with the tool in a comp; `values` are those of its controls."""
    with Fusion(kind, FUSE / "Modules" / "Lua") as fusion:
        tool = fusion.create(FUSE / "CorridorKey.fuse")
        for name, value in values.items():
            tool.set(name, value)
        yield fusion, tool


def shot(size: tuple[int, int], grain: int = 1) -> tuple[Pixels, Pixels]:
    """Return plate and hint of a synthetic frame, which no mirror or turn leaves as it is.

    A frame that is rendered at a fraction of its size, 1 / `grain`, is there sooner.
    """
    truth = render(ShotSpec(width=size[0] // grain, height=size[1] // grain), 0)
    plate, hint = (each.astype(np.float32).repeat(grain, 0).repeat(grain, 1) for each in (truth.plate, truth.hint))
    plate[: size[1] // 4, : size[0] // 5] *= 1.7
    return plate * np.linspace(0.9, 1, size[0], dtype=np.float32)[:, None], hint


def wired(plate: Pixels, hint: Pixels | None = None) -> dict[str, Picture | None]:
    """Return a plate, and a hint as a grey picture with itself in alpha."""
    pictures: dict[str, Picture | None] = {"Input": Picture(solid(plate))}
    return pictures if hint is None else pictures | {"AlphaHint": Picture(grey(hint))}


def inside(pixels: Pixels, window: tuple[int, int, int, int]) -> Pixels:
    """Return a picture that is 0 outside a window, which counts rows from below."""
    left, bottom, right, top = window
    rows, columns = np.indices(pixels.shape[:2])
    up = pixels.shape[0] - 1 - rows
    there = (columns >= left) & (columns < right) & (up >= bottom) & (up < top)
    return np.where(there if pixels.ndim == 2 else there[..., None], pixels, np.float32(0))


def expected(keyed: Keyed) -> dict[str, Pixels]:
    """Return what the three outputs are."""
    return {
        "Output": np.dstack((keyed.foreground * keyed.matte[..., None], keyed.matte)),
        "Foreground": np.dstack((keyed.foreground, keyed.matte)),
        "Matte": grey(keyed.matte),
    }


def assert_keyed(result: Result, keyed: Keyed) -> None:
    """Check that all outputs are, bit for bit, what the Python client got."""
    assert result.error is None
    assert result.lines == []
    for name, pixels in expected(keyed).items():
        assert result.outputs[name] is not None, name
        assert np.array_equal(result.outputs[name], pixels), name


GOOD = wired(asking(red=0.5, green=0.25) + np.float32(0.125), HINT)


def is_keyed(result: Result, pictures: dict[str, Picture | None]) -> bool:
    """Whether a result is what the echoing daemon gives for these pictures."""
    plate, hint, made = pictures["Input"], pictures["AlphaHint"], result.outputs["Foreground"]
    assert plate is not None
    assert hint is not None
    given = np.dstack((plate.pixels[..., :3], hint.pixels[..., 3]))
    return made is not None and np.array_equal(made, given)


def check_good(tool: Tool) -> None:
    """Check that a frame is keyed and nothing is said to the console."""
    result = tool.process(GOOD)
    assert is_keyed(result, GOOD), (result.lines, result.error)
    assert result.lines == []


def check_failed(tool: Tool, result: Result, words: str, within: float) -> None:
    """Check that a frame failed in time and has no image at all, and that one sentence tells why and what to do."""
    check_nothing(result, within)
    assert len(result.lines) == 1, result.lines
    sentence = result.lines[0].partition(": ")[2]
    assert words in sentence
    assert ";" in sentence
    assert sentence.endswith(".")
    assert sentence.isprintable()
    assert tool.status == sentence


def check_nothing(result: Result, within: float) -> None:
    """Check that a frame ended in time without an image."""
    assert result.error is None
    assert [name for name in OUTPUTS if result.outputs[name] is not None] == []
    assert result.seconds < within


def recovers(tool: Tool) -> None:
    """Wait until frames are keyed again."""
    eventually(lambda: is_keyed(tool.process(GOOD), GOOD), "frames are keyed again", PATIENCE)
    check_good(tool)


def while_running(
    crew: ThreadPoolExecutor, echo: EchoDaemon, tool: Tool, seconds: float, abort: threading.Event | None = None
) -> Future[Result]:
    """Begin to process a frame that takes so long, and return when the daemon is at it."""
    job = crew.submit(tool.process, wired(asking(red=TAKES_LONG + seconds), HINT), abort=abort)
    eventually(echo.is_keying, "the frame is keyed", 10)
    return job
