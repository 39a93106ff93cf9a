"""What a daemon is started with, as options of a command and as the words that pass them on. Starts nothing."""

import argparse
import re
import sys
from dataclasses import dataclass

from corridorkey_models.errors import InputError
from corridorkey_models.params import QUALITIES

from .model_names import CORRIDORKEY, full_name
from .wire import NUMBER_LIMIT

WORKER = (sys.executable, "-m", "corridorkey_server.worker")
"""How a worker is started."""

CLERK = (sys.executable, "-m", "corridorkey_server.clerk")
"""How a clerk is started."""

GIB = 2**30

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smh]?)")
_LONGEST = 999_999_999.0  # seconds, thirty years
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


@dataclass(frozen=True)
class Settings:
    """What a daemon is started with.

    Attributes:
        device: as `backend.pick_device` takes it.
        model, quality: what clients get that choose nothing.
        keep_alive: seconds without work after which the worker is ended and its memory is free; below 0: never.
        slot_memory: most bytes of all slots, a quarter of the machine's memory if 0.
        worker, clerk: commands that start them.

    Raises:
        InputError: there is no such device or quality.
    """

    device: str = "auto"
    model: str = CORRIDORKEY
    quality: str = "full"
    keep_alive: float = 300.0
    slot_memory: int = 0
    worker: tuple[str, ...] = WORKER
    clerk: tuple[str, ...] = CLERK

    def __post_init__(self) -> None:
        if not _DEVICE.fullmatch(self.device):
            raise InputError(f"there is no device {self.device!r}; give auto, cpu, cuda, cuda:N or mps.")
        if self.quality not in QUALITIES:
            raise InputError(f"there is no quality {self.quality!r}; choose one of {', '.join(QUALITIES)}.")

    def options(self) -> list[str]:
        """Return the options that give a daemon these settings, but for the commands.

        >>> Settings(keep_alive=-1).options()[6:]
        ['--keep-alive', 'never']
        """
        keep_alive = "never" if self.keep_alive < 0 else f"{self.keep_alive:.3f}"
        words = ["--device", self.device, "--model", self.model, "--quality", self.quality, "--keep-alive", keep_alive]
        return words + (["--slot-memory", repr(self.slot_memory / GIB)] if self.slot_memory else [])


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that `read_options` reads."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--model", default=CORRIDORKEY, help="corridorkey, procedural or a checkpoint file")
    parser.add_argument("--quality", default="full", help=f"of frames that name none: {', '.join(QUALITIES)}")
    parser.add_argument(
        "--keep-alive",
        default="5m",
        metavar="TIME",
        help="time without work after which the memory is given back: 300, 90s, 5m, 1h, 0 after each frame, never",
    )
    parser.add_argument("--slot-memory", metavar="GIB", help="most memory for frames; a quarter of the machine's")


def read_options(args: argparse.Namespace) -> Settings:
    """Return the settings that were asked for.

    Raises:
        InputError: one of them cannot be.
    """
    slot_memory = 0 if args.slot_memory is None else _bytes(args.slot_memory)
    return Settings(args.device, full_name(args.model), args.quality, _seconds(args.keep_alive), slot_memory)


def _seconds(text: str) -> float:
    if text in ("never", "-1"):
        return -1.0
    found = _DURATION.fullmatch(text)
    if found is None:
        raise InputError(f"--keep-alive is {text!r}; give seconds, a time as 90s, 5m or 1h, or never.")
    return min(float(found[1]) * _SECONDS[found[2]], _LONGEST)


def _bytes(text: str) -> int:
    try:
        size = float(text) * GIB
    except ValueError:
        size = 0.0
    if not 1 <= size <= NUMBER_LIMIT:
        raise InputError(f"--slot-memory is {text!r}; give a number of GiB above 0, for example 8 or 0.5.")
    return int(size)
