"""Render a short synthetic green-screen shot, key it through the daemon, and print the error against the truth.

The shot has hair, motion blur, soft focus, glass, highlights above 1, an uneven screen with markers, spill and noise.
OUT gets the shot (plate/, hint/), the results as `ckey key` writes them, and contact_sheet.png. Where no daemon runs,
the demo starts one of its own and stops it at the end.
"""

import argparse
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from corridorkey_models import metrics
from corridorkey_models.errors import Cancelled, ResourceError
from corridorkey_models.params import Params
from corridorkey_models.synthetic import ShotSpec, Truth, encode_srgb, render

from ..batch import Job, key_range
from ..client import Client
from ..daemon_keyer import DaemonKeyer
from ..footage.exr import read_exr, write_exr
from ..footage.picture import Image, Window
from ..footage.sequence import open_sequence
from ..footage.stills import write_png8
from ..launch import private
from ..model_names import PROCEDURAL, full_name
from ..passes import Passes
from ..progress import show_frames
from ..rendezvous import Rendezvous, here
from ..settings import Settings
from ..targets import Inputs
from ..terminal import LongWait, stop_on_interrupt
from ..workplace import ThroughDaemon, TimedKeyer, find_daemon

FIRST_FRAME = 1001
_TILE = (640, 360)

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Errors:
    """How far one frame is from the truth; each figure as its function in `metrics` defines it, x 1e3."""

    alpha_mad: float
    foreground: float
    core: float
    edge: float
    edge_stops: float


LABELS = {
    "alpha_mad": "alpha, mean absolute difference",
    "foreground": "straight foreground where alpha > 0.01",
    "core": "recomposite over 5 backgrounds, core",
    "edge": "recomposite over 5 backgrounds, edge",
    "edge_stops": "recomposite over 5 backgrounds, edge, in stops",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `ckey demo`."""
    parser.add_argument("-o", "--out", type=Path, default=Path("demo"), help="folder for the shot and the results")
    parser.add_argument("--frames", type=_count, default=6, help="how many frames, 1 to 1000")
    parser.add_argument("--screen", choices=("green", "blue"), default="green", help="colour of the screen")
    parser.add_argument("--model", default=PROCEDURAL, help="procedural, corridorkey or a checkpoint file")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError("give 1 to 1000 frames")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Render, key, compare, and return the exit code."""
    spec = ShotSpec(screen=args.screen, noise=True)
    frames = range(FIRST_FRAME, FIRST_FRAME + args.frames)
    with _daemon(args.device) as daemon:
        job, times = _key(daemon, args, spec, frames)
    _print_errors([_compare(job, frame, _render(spec, frame)) for frame in frames], args.model)
    middle = frames[len(frames) // 2]
    sheet = args.out / "contact_sheet.png"
    _write_sheet(sheet, _tiles(job, middle, _render(spec, middle)))
    sys.stdout.write(f"{times}\nLook at {sheet}; the results are in {args.out}/fg, matte, processed and comp.\n")
    return 0


@dataclass(frozen=True)
class _Daemon:
    """The daemon that keys: `is_own` if it was started at `began`, for this demo alone."""

    place: Rendezvous
    is_own: bool
    began: float


@contextmanager
def _daemon(device: str) -> Iterator[_Daemon]:
    began = time.monotonic()
    client = find_daemon("ckey demo", device)
    if client is not None:
        client.close()
        yield _Daemon(here(), False, began)
        return
    # However long the rendering takes, the model stays.
    with private(Settings(device=device, keep_alive=-1).options()) as place:
        yield _Daemon(place, True, began)


def _key(daemon: _Daemon, args: argparse.Namespace, spec: ShotSpec, frames: range) -> tuple[Job, str]:
    """Render the shot and key it; return what was keyed, and the times to the first frame in words."""
    with Client("ckey demo", daemon.place) as client:
        model = full_name(args.model)
        keyer = ThroughDaemon(client).open(model, args.screen)
        opening = time.monotonic() - daemon.began
        _shoot_all(spec, frames, args.out)
        job, stop = _job(args), threading.Event()
        timed = TimedKeyer(keyer, time.monotonic() - opening)
        with stop_on_interrupt(stop), show_frames(len(frames)) as progress:
            summary = key_range(job, timed, progress, stop)
    if summary.failed or summary.stopped:
        raise next(iter(summary.failed.values()), Cancelled("stopped."))
    how = "cold (daemon, worker and model started)" if daemon.is_own else "through the daemon that ran already"
    again = _key_again(daemon.place, model, job)
    return job, f"time to first frame: {timed.first:.1f} s {how}, {again:.1f} s with the daemon warm"


def _key_again(place: Rendezvous, model: str, job: Job) -> float:
    """Key the first frame in a session of its own, and return the seconds it took from before the session on."""
    began = time.monotonic()
    with Client("ckey demo, again", place) as client, LongWait("keying the first frame again"):
        keyer = DaemonKeyer.load(client, model, job.params.screen)
        # Mirrored, as the daemon would answer with the prediction that it kept otherwise.
        plate, hint = (sequence.read(FIRST_FRAME).pixels[:, ::-1] for _, sequence in job.inputs.named())
        keyer.key(plate, hint, job.params)
    return time.monotonic() - began


def _shoot_all(spec: ShotSpec, frames: range, out: Path) -> None:
    with show_frames(len(frames)) as progress:
        for frame in frames:
            progress.working(frame, "rendering", 0.0)
            _shoot(_render(spec, frame), frame, out)
            progress.done(frame, "rendered")


@lru_cache(maxsize=8)
def _render(spec: ShotSpec, frame: int) -> Truth:
    """The same frame gives the same bits: a long shot is rendered again rather than kept."""
    return render(spec, frame - FIRST_FRAME)


def _shoot(truth: Truth, frame: int, out: Path) -> None:
    """Write what a camera and a roto artist would hand over."""
    height, width = truth.alpha.shape
    window = Window(0, 0, width, height)
    rgb = ("R", "G", "B")
    plate = Image(truth.plate, rgb, window, window, working_space="linear_rec709")
    interop = "lin_rec709_scene"
    write_exr(out / "plate" / f"plate.{frame}.exr", truth.plate, rgb, like=plate, interop_id=interop)
    write_exr(out / "hint" / f"hint.{frame}.exr", truth.hint[..., None], ("A",), like=plate, interop_id="data")


def _job(args: argparse.Namespace) -> Job:
    frames = tuple(range(FIRST_FRAME, FIRST_FRAME + args.frames))
    inputs = Inputs(
        open_sequence(args.out / "plate" / "plate.####.exr", frames),
        open_sequence(args.out / "hint" / "hint.####.exr", frames),
    )
    space = "linear_rec709"
    params = Params(screen=args.screen, working_space=space, output_space=space, output="checker")
    return Job(inputs, Passes(args.out), params, overwrite=True)


def _results(job: Job, frame: int) -> tuple[Pixels, Pixels]:
    """Return matte and foreground as they were written."""
    foreground, matte, *_ = job.target.paths(job.inputs.plate, frame)
    return read_exr(matte).pixels[..., 0], read_exr(foreground).pixels


def _compare(job: Job, frame: int, truth: Truth) -> Errors:
    matte, foreground = _results(job, frame)
    comp = metrics.recomposite(foreground, matte, truth.foreground, truth.alpha, truth.foreground_noisy)
    return Errors(
        alpha_mad=metrics.alpha_mad(matte, truth.alpha),
        foreground=metrics.foreground_mad(foreground, truth.foreground, truth.alpha),
        core=comp.core,
        edge=comp.edge,
        edge_stops=comp.edge_stops,
    )


def _print_errors(errors: Sequence[Errors], model: str) -> None:
    table = Table(title=f"Error against the truth, x 1000, {len(errors)} frames, model {model}")
    for heading in ("figure", "mean", "worst frame"):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
    for name, label in LABELS.items():
        values = [getattr(error, name) for error in errors]
        table.add_row(label, f"{np.mean(values):.2f}", f"{np.max(values):.2f}")
    Console(file=sys.stdout).print(table)


def _tiles(job: Job, frame: int, truth: Truth) -> dict[str, Pixels]:
    """Return labelled sRGB pictures [height, width, 3]."""
    matte, foreground = _results(job, frame)
    grey = metrics.composite(foreground, matte, np.full_like(foreground, 0.18))
    difference = np.abs(matte - truth.alpha) * 4
    return {
        "plate": _display(truth.plate),
        "hint": _grey(truth.hint),
        "matte": _grey(matte),
        "foreground": _display(foreground),
        "comp over grey": _display(grey),
        "matte error x 4": _grey(difference),
    }


def _display(linear: Pixels) -> Pixels:
    return np.clip(encode_srgb(np.maximum(linear, 0)), 0, 1).astype(np.float32)


def _grey(values: Pixels) -> Pixels:
    return np.repeat(np.clip(values, 0, 1)[..., None], 3, axis=2).astype(np.float32)


def _write_sheet(path: Path, tiles: dict[str, Pixels]) -> None:
    """Write the tiles in rows of three."""
    pictures = [_labelled(picture, label) for label, picture in tiles.items()]
    rows = [np.concatenate(pictures[start : start + 3], axis=1) for start in range(0, len(pictures), 3)]
    write_png8(path, np.concatenate(rows, axis=0))


def _labelled(picture: Pixels, label: str) -> Pixels:
    width, height = _TILE
    source = oiio.ImageBuf(np.ascontiguousarray(picture))
    tile = oiio.ImageBufAlgo.resize(source, roi=oiio.ROI(0, width, 0, height, 0, 1, 0, 3))
    ok = oiio.ImageBufAlgo.render_text(tile, 12, 28, label, 20, textcolor=(1.0, 1.0, 1.0), shadow=2)
    if not ok:
        raise ResourceError(f"the label {label!r} could not be drawn: {tile.geterror()}.")
    return np.asarray(tile.get_pixels(oiio.FLOAT), dtype=np.float32)
