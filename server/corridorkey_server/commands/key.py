"""Key a frame, a sequence or a movie.

PLATE and the other inputs are a pattern (plate.%04d.exr, plate.####.exr, plate.@@@@.exr), a folder, one file or a
movie. OUT gets fg/ (straight, linear), matte/, processed/ (premultiplied, linear) as OpenEXR and comp/ as PNG.
Frames that are already keyed from the same thing are skipped. Exit code 0: done, 1: try again, 2: wrong input.
"""

import argparse
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from corridorkey_models import color
from corridorkey_models.errors import InputError
from corridorkey_models.params import PARAMS, Param, Params

from .. import worker
from ..batch import Inputs, Job, Summary, key_range
from ..footage.exr import COMPRESSIONS, ExrOptions
from ..footage.frame_range import format_frames, parse_frames
from ..footage.picture import Image
from ..footage.sequence import Sequence, open_sequence, pair
from ..progress import show_frames
from .params import describe_range, describe_value

USAGE = "ckey key PLATE [--hint HINT|auto] -o OUT [options]"

_OWN_DEFAULTS = {"screen": "auto", "output": "checker"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `ckey key`, one for every parameter among them."""
    parser.add_argument("plate", metavar="PLATE", help="the green or blue screen frames")
    parser.add_argument("--hint", default="auto", help="rough matte frames, or auto: make a chroma hint")
    parser.add_argument("--inside", help="mask frames of what to keep")
    parser.add_argument("--outside", help="mask frames of what to drop")
    parser.add_argument("-o", "--out", required=True, type=Path, help="folder for the results")
    parser.add_argument("--frames", help="frames to key, for example 1001-1100x2,1200; all if not given")
    parser.add_argument("--layer", help="layer or part of a multi-layer EXR plate")
    parser.add_argument("--hint-layer", help="layer, part or channel of the hint, for example matte.A")
    parser.add_argument("--model", default=worker.CORRIDORKEY, help="corridorkey, procedural or a checkpoint file")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--compression", default="zip", choices=COMPRESSIONS, help="of the EXR files")
    parser.add_argument("--depth", default="half", choices=("half", "float"), help="of the EXR files")
    parser.add_argument("--matte-channels", default="A", choices=("A", "RGB", "RGBA"), help="of the matte files")
    parser.add_argument("--overwrite", action="store_true", help="key frames again that are already keyed")
    group = parser.add_argument_group("parameters")
    for param in PARAMS:
        group.add_argument(f"--{param.name.replace('_', '-')}", dest=f"param_{param.name}", **_option(param))


def _option(param: Param) -> dict[str, Any]:
    """Return how argparse declares a parameter; the table itself checks the value."""
    default = _OWN_DEFAULTS.get(param.name, describe_value(param.default))
    accepted = describe_range(param) + (", auto: the first frame decides" if param.name == "screen" else "")
    subject = "What comp/ shows." if param.name == "output" else param.tooltip
    option: dict[str, Any] = {"help": f"{subject} [{accepted}; {default}]"}
    if param.kind == "bool":
        return option | {"metavar": "on|off", "nargs": "?", "const": "on"}
    return option | {"metavar": "NUMBER" if param.kind == "float" else "NAME"}


def run(args: argparse.Namespace) -> int:
    """Key the range and return the exit code."""
    inputs = _open(args)
    given = {p.name: value for p in PARAMS if (value := getattr(args, f"param_{p.name}")) is not None}
    values = _OWN_DEFAULTS | given
    job, explained = _decide(inputs, values, args)
    keyer = worker.open_keyer(args.model, job.params.screen, args.device)
    _say(f"{inputs.plate.describe()}: {explained}, model {args.model}")
    stop = threading.Event()
    with _stop_on_interrupt(stop), show_frames(len(inputs.plate.frames)) as progress:
        summary = key_range(job, keyer, progress, stop)
    return _conclude(summary, inputs.plate)


def _open(args: argparse.Namespace) -> Inputs:
    frames = None if args.frames is None else parse_frames(args.frames)
    plate = open_sequence(args.plate, frames, args.layer)
    others = {
        name: _open_other(plate, text, layer)
        for name, text, layer in (
            ("hint", None if args.hint == "auto" else args.hint, args.hint_layer),
            ("inside", args.inside, None),
            ("outside", args.outside, None),
        )
        if text is not None
    }
    return Inputs(plate, **others)


def _open_other(plate: Sequence, text: str, layer: str | None) -> Sequence:
    other = open_sequence(text, None, layer)
    pair(plate, other)
    return other


def _decide(inputs: Inputs, values: dict[str, object], args: argparse.Namespace) -> tuple[Job, str]:
    """Settle working space, output space and screen for the whole range from its first frame."""
    Params.parse(values | {"screen": "green"} if values["screen"] == "auto" else values)
    first = inputs.plate.read(inputs.plate.frames[0])
    assumed = values.get("working_space", "auto") == "auto"
    space = _working_space(first) if assumed else str(values["working_space"])
    output = values.get("output_space", "same")
    decided = {
        "working_space": space,
        "output_space": color.linear_space(space) if output == "same" else output,
        "screen": _detect(first, space, inputs.plate) if values["screen"] == "auto" else values["screen"],
    }
    params = Params.parse(values | decided)
    exr = ExrOptions(args.compression, args.depth == "half")
    job = Job(inputs, args.out, params, assumed, exr, tuple(args.matte_channels), args.overwrite)
    reason = first.space_reason if assumed else "given"
    return job, f"{params.screen} screen, plate {space} ({reason}), files {params.output_space}"


def _working_space(image: Image) -> str:
    if image.working_space is None:
        raise InputError(f"the plate's encoding is not known ({image.space_reason}); name it with --working-space.")
    return image.working_space


def _detect(image: Image, space: str, plate: Sequence) -> str:
    found = worker.detect_screen(image.pixels, space) if len(image.channels) >= 3 else None
    if found is None:
        raise InputError(f"no green or blue screen was found in frame {plate.frames[0]}; name it with --screen.")
    return found


@contextmanager
def _stop_on_interrupt(stop: threading.Event) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM end the range cleanly, a second one at once."""

    def ask(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _conclude(summary: Summary, plate: Sequence) -> int:
    _say(str(summary))
    for note, frames in summary.notes.items():
        _say(f"{format_frames(tuple(frames))}: {note}")
    for frame, sentence in summary.failed.items():
        _say(f"frame {frame} failed: {sentence}")
    if plate.missing:
        _say(f"the plate has no frame {format_frames(plate.missing)}; run again when they are there.")
    if summary.failed:
        return 2
    return 1 if plate.missing else 0


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
