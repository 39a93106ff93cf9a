"""Keys a range of frames from files to files: idempotent, resumable, bounded in memory.

Reading, keying and writing overlap: a few frames are read ahead and a few wait to be written. A frame is skipped
when its files say that they were keyed from the same thing. Knows files and a Keyer, but no model and no device.
"""

import hashlib
import json
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corridorkey_models import __version__
from corridorkey_models.errors import Cancelled, InputError
from corridorkey_models.keyer import KEYING_VERSION, Keyed, Keyer, Masks, Pixels
from corridorkey_models.params import Params
from corridorkey_models.view import preview

from .footage.exr import ExrOptions, read_exr_header, write_exr
from .footage.frame_range import format_frames
from .footage.picture import Image, Window, place
from .footage.publish import sweep
from .footage.sequence import Sequence
from .footage.stills import write_png8
from .footage.tags import INTEROP_IDS
from .progress import FrameProgress

PASSES = ("comp", "fg", "matte", "processed")
HASH = "corridorkey/hash"
"""EXR attribute that tells from what a frame was keyed."""

_AHEAD = 2
_WAITING = 2


@dataclass(frozen=True)
class Inputs:
    """The sequences that feed a range; all but the plate are optional."""

    plate: Sequence
    hint: Sequence | None = None
    inside: Sequence | None = None
    outside: Sequence | None = None

    def named(self) -> Iterator[tuple[str, Sequence]]:
        """Yield each sequence that is there with its name."""
        for name in ("plate", "hint", "inside", "outside"):
            sequence = getattr(self, name)
            if sequence is not None:
                yield name, sequence


@dataclass(frozen=True)
class Job:
    """What to key and where to put it.

    Attributes:
        params: with screen, working space and output space decided for the whole range.
        assumed: the working space follows from each file rather than from the artist, so all must agree.
        target: folder that gets one folder a pass.
        matte_channels: names of the matte's channels: ("A",), or ("R", "G", "B") for programs that show no lone alpha.
    """

    inputs: Inputs
    target: Path
    params: Params
    assumed: bool = True
    exr: ExrOptions = field(default_factory=ExrOptions)
    matte_channels: tuple[str, ...] = ("A",)
    overwrite: bool = False

    def path(self, kind: str, frame: int) -> Path:
        """Return the file of one pass of one frame."""
        plate = self.inputs.plate
        number = "" if plate.is_still else f".{frame:0{plate.padding}d}"
        return self.target / kind / f"{plate.name}{number}.{'png' if kind == 'comp' else 'exr'}"


@dataclass
class Summary:
    """How a range ended; frames are those of the plate."""

    keyed: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    empty: list[int] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)
    notes: dict[str, list[int]] = field(default_factory=dict)

    def __str__(self) -> str:
        counts = [
            f"{len(frames)} {word} ({format_frames(tuple(frames))})"
            for word, frames in (
                ("keyed", self.keyed),
                ("already keyed", self.skipped),
                ("empty", self.empty),
            )
            if frames
        ]
        return ", ".join([*counts, *([f"{len(self.failed)} failed"] if self.failed else [])]) or "nothing to do"


@dataclass(frozen=True)
class _Loaded:
    """One frame, read: arrays cover `window`, the part that is keyed."""

    frame: int
    digest: str
    plate: Image
    window: Window
    pixels: Pixels
    hint: Pixels | None
    masks: Masks


def key_range(job: Job, keyer: Keyer, progress: FrameProgress, stop: threading.Event) -> Summary:
    """Key every frame of the job's plate, and return how it went.

    A frame that cannot be read or keyed is recorded and the others go on.

    Args:
        stop: set it, from a signal handler for instance, and the range ends within one block of the network.

    Raises:
        Cancelled: `stop` was set; the frames written so far are whole.
        ResourceError: nothing more can be written, or the device gave up.
    """
    summary = Summary()
    for kind in PASSES:
        sweep(job.target / kind)
    with _pool(1 if job.inputs.plate.is_movie else 2) as reading, _pool(2) as writing:
        waiting: deque[Future[None]] = deque()
        for frame, future in _read_ahead(job, keyer.predictor.identity, reading):
            _check(stop, summary)
            try:
                loaded = future.result()
                outcome = "skipped"
                if loaded is not None:
                    keyed = _key(job, loaded, keyer, progress, stop)
                    waiting.append(writing.submit(_write, job, loaded, keyed))
                    outcome = _count(summary, frame, keyed)
                else:
                    summary.skipped.append(frame)
            except InputError as error:
                outcome = "failed"
                summary.failed[frame] = str(error)
            progress.done(frame, outcome)
            while len(waiting) > _WAITING:
                waiting.popleft().result()
        for write in waiting:
            write.result()
    return summary


@contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """A thread pool that, when an error passes, drops what has not begun and waits for what has."""
    pool = ThreadPoolExecutor(threads)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _read_ahead(job: Job, identity: str, pool: ThreadPoolExecutor) -> Iterator[tuple[int, "Future[_Loaded | None]"]]:
    ahead: deque[tuple[int, Future[_Loaded | None]]] = deque()
    for frame in job.inputs.plate.frames:
        ahead.append((frame, pool.submit(_load, job, identity, frame)))
        if len(ahead) > _AHEAD:
            yield ahead.popleft()
    yield from ahead


def _check(stop: threading.Event, summary: Summary) -> None:
    if stop.is_set():
        raise Cancelled(f"stopped; {summary}. Run the same command again to go on.")


def _count(summary: Summary, frame: int, keyed: Keyed) -> str:
    for note in keyed.notes:
        summary.notes.setdefault(note, []).append(frame)
    (summary.empty if keyed.empty else summary.keyed).append(frame)
    return "empty" if keyed.empty else "keyed"


def _load(job: Job, identity: str, frame: int) -> _Loaded | None:
    """Read one frame, or return None if its files were keyed from the same thing."""
    digest = _digest(job, identity, frame)
    if not job.overwrite and _is_keyed(job, frame, digest):
        return None
    plate = job.inputs.plate.read(frame)
    _check_space(job, plate)
    window = plate.display_window
    if job.params.overscan:
        window = window.union(plate.data_window)
    pixels = _plate_pixels(plate, window)
    others = {
        name: _matching(sequence.read(frame), name, plate, window)
        for name, sequence in job.inputs.named()
        if name != "plate"
    }
    masks = Masks(others.get("inside"), others.get("outside"))
    return _Loaded(frame, digest, plate, window, pixels, others.get("hint"), masks)


def _digest(job: Job, identity: str, frame: int) -> str:
    """Name everything that a frame's files follow from."""
    facts = {
        "keying": KEYING_VERSION,
        "model": identity,
        "params": asdict(job.params),
        "files": [asdict(job.exr), job.matte_channels],
        "sources": {name: sequence.fingerprint(frame).hex() for name, sequence in job.inputs.named()},
    }
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()


def _is_keyed(job: Job, frame: int, digest: str) -> bool:
    if not all(job.path(kind, frame).is_file() for kind in PASSES):
        return False
    headers = (read_exr_header(job.path(kind, frame)) for kind in PASSES if kind != "comp")
    return all(header is not None and header.get(HASH) == digest for header in headers)


def _check_space(job: Job, plate: Image) -> None:
    if job.assumed and plate.working_space != job.params.working_space:
        raise InputError(
            f"this frame is {plate.working_space or 'of an unknown space'} ({plate.space_reason}), the range "
            f"{job.params.working_space}; give --working-space, or key the frames apart."
        )


def _plate_pixels(plate: Image, window: Window) -> Pixels:
    if plate.channels[:3] != ("R", "G", "B"):
        raise InputError(f"the plate has channels {', '.join(plate.channels)}; choose a colour layer with --layer.")
    return plate.framed(window)


def _matching(image: Image, name: str, plate: Image, window: Window) -> Pixels:
    """Return `image` over `window` of the plate, its display window laid on the plate's."""
    theirs, ours = image.display_window, plate.display_window
    if (theirs.width, theirs.height) != (ours.width, ours.height):
        raise InputError(
            f"the {name} is {theirs.width}x{theirs.height}, the plate {ours.width}x{ours.height}; "
            f"render the {name} at the plate's size."
        )
    return image.framed(replace(window, x=window.x - ours.x + theirs.x, y=window.y - ours.y + theirs.y))


def _key(job: Job, loaded: _Loaded, keyer: Keyer, progress: FrameProgress, stop: threading.Event) -> Keyed:
    def watch(stage: str, fraction: float) -> None:
        if stop.is_set():
            raise Cancelled("stopped; run the same command again to go on.")
        progress.working(loaded.frame, stage, fraction)

    keyed = keyer.key(loaded.pixels, loaded.hint, job.params, loaded.masks, watch=watch)
    if loaded.plate.data_window.contains(loaded.window):
        return keyed
    # Nothing was photographed outside the data window, whatever the network makes of the black there.
    there = loaded.plate.data_window.intersection(loaded.window)
    foreground, matte = (
        place(place(part, loaded.window, there), there, loaded.window) for part in (keyed.foreground, keyed.matte)
    )
    return replace(keyed, foreground=foreground, matte=matte)


def _write(job: Job, loaded: _Loaded, keyed: Keyed) -> None:
    """Write all passes of a frame, each under a temporary name until it is whole."""
    comp = preview(keyed, loaded.pixels, job.params)
    display = loaded.plate.display_window
    write_png8(job.path("comp", loaded.frame), place(comp, loaded.window, display))
    foreground, matte = (
        place(part, loaded.window, loaded.plate.data_window) for part in (keyed.foreground, keyed.matte)
    )
    alpha = matte[..., None]
    interop = INTEROP_IDS.get(job.params.output_space)
    _write_exr(job, loaded, "fg", (foreground, ("R", "G", "B")), interop)
    mattes = np.repeat(alpha, len(job.matte_channels), axis=2)
    _write_exr(job, loaded, "matte", (mattes, job.matte_channels), "data")
    processed = np.concatenate([foreground * alpha, alpha], axis=2)
    _write_exr(job, loaded, "processed", (processed, ("R", "G", "B", "A")), interop)


def _write_exr(
    job: Job,
    loaded: _Loaded,
    kind: str,
    picture: tuple[NDArray[np.float32], tuple[str, ...]],
    interop: str | None,
) -> None:
    metadata = {
        HASH: loaded.digest,
        "corridorkey/version": __version__,
        "corridorkey/pass": kind,
        "corridorkey/params": json.dumps(asdict(job.params)),
        "corridorkey/working_space": job.params.output_space,
    }
    pixels, channels = picture
    path = job.path(kind, loaded.frame)
    write_exr(path, pixels, channels, like=loaded.plate, options=job.exr, metadata=metadata, interop_id=interop)
