"""Download CorridorKey's weights, or take them from a file.

The file is checked, converted to safetensors and put into the models folder: $CKEY_MODELS, else ckey/models
in $XDG_DATA_HOME or ~/.local/share. The terms of the weights are shown and have to be accepted once.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from corridorkey_models.checkpoints import (
    CHECKPOINTS,
    Checkpoint,
    accept,
    find_checkpoint,
    find_installed,
    is_accepted,
)
from corridorkey_models.download import pull
from corridorkey_models.errors import Cancelled, InputError
from corridorkey_models.watch import Watch

from ..terminal import say

_LINE_EVERY = 5  # per cent between plain lines


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `ckey pull`."""
    parser.add_argument("checkpoint", choices=CHECKPOINTS, help="the screen that the weights are for")
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help="a .pth or .safetensors")
    parser.add_argument("--accept-license", action="store_true", help="accept the terms without being asked")
    parser.add_argument("--overwrite", action="store_true", help="replace what is installed")


def run(args: argparse.Namespace) -> int:
    """Pull one checkpoint and return the exit code.

    Raises:
        Cancelled: the terms were declined.
        InputError, CheckpointError, ResourceError: as `download.pull`.
    """
    checkpoint = find_checkpoint(args.checkpoint)
    _agree(checkpoint, args.accept_license)
    before = find_installed(checkpoint.name)
    with _show_stages() as watch:
        installed = pull(checkpoint, source=args.source, overwrite=args.overwrite, watch=watch)
    state = "was installed already" if installed == before else "is installed"
    sys.stdout.write(f"{checkpoint.name} {state}: {installed.path}\nsource sha256 {installed.sha256}\n")
    return 0


def _agree(checkpoint: Checkpoint, accepted: bool) -> None:
    if is_accepted(checkpoint):
        return
    sys.stderr.write(f"{checkpoint.terms}\n")
    if not accepted and not sys.stdin.isatty():
        raise InputError("nobody is here to accept these terms; read them, and add --accept-license.")
    if not accepted and not _ask():
        raise Cancelled("the terms were not accepted, so nothing was downloaded.")
    accept(checkpoint)


def _ask() -> bool:
    sys.stderr.write("Do you accept? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


@contextmanager
def _show_stages() -> Iterator[Watch]:
    """Give what shows a stage and its fraction: a bar on a terminal, plain lines elsewhere."""
    if not sys.stderr.isatty():
        yield _Lines().watch
        return
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks = {}

        def watch(stage: str, fraction: float) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=1.0)
            bar.update(tasks[stage], completed=fraction)

        yield watch


class _Lines:
    """A line for each twentieth of a stage: for logs and farms."""

    def __init__(self) -> None:
        self._said = ("", -_LINE_EVERY)

    def watch(self, stage: str, fraction: float) -> None:
        percent = int(100 * fraction) // _LINE_EVERY * _LINE_EVERY
        if self._said != (stage, percent):
            self._said = (stage, percent)
            say(f"Progress: {percent}% {stage}")
