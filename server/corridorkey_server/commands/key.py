"""Key a frame, a sequence or a movie.

PLATE and the other inputs are a pattern (plate.%04d.exr, plate.####.exr, plate.@@@@.exr), a folder, one file or a
movie. OUT gets fg/ (straight, linear), matte/, processed/ (premultiplied, linear) as OpenEXR and comp/ as PNG;
--keyed writes instead what the node in Nuke reads.
Frames that are already keyed from the same thing are skipped. If a daemon runs, it keys: the model is loaded once for
all programs. Exit code 0: done, 1: try again, 2: wrong input.
"""

import argparse
import threading
import time
from pathlib import Path
from typing import Any

from corridorkey_models.errors import InputError
from corridorkey_models.params import PARAMS, Param, Params

from ..batch import Job, Summary, key_range
from ..footage.exr import COMPRESSIONS, ExrOptions
from ..footage.frame_range import format_frames, parse_frames
from ..footage.paths import given_path
from ..footage.patterns import parse_pattern
from ..footage.picture import Image
from ..footage.sequence import Sequence, check_covers, open_sequence
from ..keyed_file import KeyedFiles
from ..loaded import require_color
from ..model_names import CORRIDORKEY, full_name
from ..passes import Passes
from ..progress import show_frames
from ..targets import Inputs, Target
from ..terminal import say, stop_on_interrupt
from ..workplace import TimedKeyer, Workplace, find_workplace
from .params import describe_range, describe_value

USAGE = "ckey key PLATE [--hint HINT|auto] (-o OUT | --keyed FILES) [options]"

_OWN_DEFAULTS = {"screen": "auto", "output": "checker"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `ckey key`, one for every parameter among them."""
    parser.add_argument("plate", metavar="PLATE", help="the green or blue screen frames")
    parser.add_argument("--hint", default="auto", help="rough matte frames, or auto: make a chroma hint")
    parser.add_argument("--inside", help="mask frames of what to keep")
    parser.add_argument("--outside", help="mask frames of what to drop")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("-o", "--out", type=_folder, metavar="OUT", help="folder for the results")
    target.add_argument(
        "--keyed",
        type=_folder,
        metavar="FILES",
        help="files for the node in Nuke, a pattern: straight foreground and alpha, for example ck/shot.%%04d.exr",
    )
    parser.add_argument("--frames", help="frames, for example 1001-1100x2,1200, or --frames=-5--1; all if not given")
    parser.add_argument("--layer", help="layer or part of a multi-layer EXR plate")
    parser.add_argument("--hint-layer", help="layer, part or channel of the hint, for example matte.A")
    parser.add_argument("--model", default=CORRIDORKEY, help="corridorkey, procedural or a checkpoint file")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps; a daemon keys only if it is on it")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--start", action="store_true", help="start the daemon if none runs")
    where.add_argument("--no-daemon", action="store_true", help="key in this process, whatever runs")
    parser.add_argument("--compression", choices=COMPRESSIONS, help="of the EXR files; zip if not given")
    parser.add_argument("--depth", default="half", choices=("half", "float"), help="of the EXR files")
    parser.add_argument("--matte-channels", choices=("A", "RGB", "RGBA"), help="of the matte files; A if not given")
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
        return option | {"metavar": "on|off"}
    return option | {"metavar": "NUMBER" if param.kind == "float" else "NAME"}


def run(args: argparse.Namespace) -> int:
    """Key the range and return the exit code."""
    began = time.monotonic()
    given = {p.name: value for p in PARAMS if (value := getattr(args, f"param_{p.name}")) is not None}
    values = _OWN_DEFAULTS | given
    _check_request(args, values)
    model, target, inputs = full_name(args.model), _target(args), _open(args)
    with find_workplace(args.device, args.no_daemon, args.start) as workplace:
        job, explained = _decide(inputs, values, target, workplace, args.overwrite)
        keyer = TimedKeyer(workplace.open(model, job.params.screen), began)
        say(f"{inputs.plate.describe()}: {explained}, model {args.model}, {workplace.describe()}")
        stop = threading.Event()
        with stop_on_interrupt(stop), show_frames(len(inputs.plate.frames)) as progress:
            summary = key_range(job, keyer, progress, stop)
    if keyer.first is not None:
        loading = workplace.loading + keyer.loading
        say(f"first frame after {keyer.first:.1f} s, {loading:.1f} s of them to load the model")
    return _conclude(summary, inputs.plate)


def _check_request(args: argparse.Namespace, values: dict[str, str]) -> None:
    """Refuse what cannot work on any frame, before a frame is read."""
    screen = "green" if values["screen"] == "auto" else values["screen"]
    params = Params.parse(values | {"screen": screen})
    wired = args.hint != "auto"
    if params.hint_source == "input" and not wired:
        raise InputError("--hint-source is input, but there is no --hint; give one, or leave --hint-source out.")
    if params.hint_source in ("source_alpha", "chroma") and wired:
        raise InputError(f"--hint is given, but --hint-source is {params.hint_source}; leave one of them out.")
    if args.hint_layer is not None and not wired:
        raise InputError("--hint-layer is given without --hint; name the hint's files with --hint.")


def _folder(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("give a folder")
    return given_path(text)


def _target(args: argparse.Namespace) -> Target:
    half = args.depth == "half"
    if args.out is not None:
        return Passes(args.out, ExrOptions(args.compression or "zip", half), tuple(args.matte_channels or "A"))
    for option in ("compression", "matte_channels"):
        if getattr(args, option) is not None:
            name = option.replace("_", "-")
            raise InputError(f"--{name} does not go with --keyed, whose files are always alike; leave it out.")
    pattern = parse_pattern(args.keyed)
    if pattern is None or args.keyed.suffix.lower() != ".exr":
        raise InputError(f"--keyed is {args.keyed}; give a pattern of OpenEXR files, for example ck/shot.%04d.exr.")
    return KeyedFiles(pattern, half)


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
    """Open what goes with the plate; one file that is none of the plate's frames serves them all, as a still."""
    other = open_sequence(text, None, layer)
    if len(other.frames) == 1 and not other.is_movie and not set(other.frames) & set(plate.frames):
        other = open_sequence(text, None, layer, still=True)
    check_covers(plate, other)
    return other


def _decide(
    inputs: Inputs, values: dict[str, str], target: Target, workplace: Workplace, overwrite: bool
) -> tuple[Job, str]:
    """Settle working space, output space and screen for the whole range."""
    assumed = values.get("working_space", "auto") == "auto"
    screen, space, reason = values["screen"], values.get("working_space", "auto"), "given"
    if assumed or screen == "auto":
        frame, first = _first_readable(inputs.plate)
        require_color(first)
        space, reason = (_working_space(first), first.space_reason) if assumed else (space, reason)
        screen = _detect(first, space, frame, workplace) if screen == "auto" else screen
    params = target.settle(Params.parse(values | {"working_space": space, "screen": screen}))
    files = space if params.output_space == "same" else params.output_space
    job = Job(inputs, target, params, assumed, overwrite)
    return job, f"{params.screen} screen, plate {space} ({reason}), files {files}"


def _first_readable(plate: Sequence) -> tuple[int, Image]:
    """Return the first frame that can be read: a damaged one must not keep the others from being keyed."""
    errors = []
    for frame in plate.frames:
        try:
            return frame, plate.read(frame)
        except InputError as error:
            errors.append(error)
    raise errors[0]


def _working_space(image: Image) -> str:
    if image.working_space is None:
        raise InputError(f"the plate's encoding is not known ({image.space_reason}); name it with --working-space.")
    return image.working_space


def _detect(image: Image, space: str, frame: int, workplace: Workplace) -> str:
    found = workplace.detect_screen(image.framed(image.display_window), space)
    if found is None:
        raise InputError(f"no green or blue screen was found in frame {frame}; name it with --screen.")
    return found


def _conclude(summary: Summary, plate: Sequence) -> int:
    say(str(summary))
    for note, frames in summary.notes.items():
        say(f"{format_frames(tuple(frames))}: {note}")
    for sentence, frames in _by_sentence(summary).items():
        say(f"frame{'s' if len(frames) > 1 else ''} {format_frames(frames)} failed: {sentence}")
    if summary.stopped:
        say("stopped; run the same command again to go on.")
    if plate.missing:
        say(f"the plate has no frame {format_frames(plate.missing)}; run again when they are there.")
    if any(isinstance(error, InputError) for error in summary.failed.values()):
        return 2
    return 1 if summary.failed or summary.stopped or plate.missing else 0


def _by_sentence(summary: Summary) -> dict[str, list[int]]:
    """Return the frames that failed for one and the same reason: a mistake on all of them is told once."""
    frames: dict[str, list[int]] = {}
    for frame, error in summary.failed.items():
        frames.setdefault(str(error), []).append(frame)
    return frames
