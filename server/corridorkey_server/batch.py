"""Keys a range of frames from files to files: idempotent, resumable, bounded in memory.

Reading, keying and writing overlap: a few frames are read ahead and a few wait to be written. A frame is skipped
when its files say that they were keyed from the same thing. Knows files and what keys them, but no model and no device.
"""

import hashlib
import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corridorkey_models import __version__
from corridorkey_models.errors import Cancelled, CorridorKeyError, InputError
from corridorkey_models.keyed import KEYING_VERSION, FrameKeyer, Keyed, Masks, Pixels
from corridorkey_models.params import Params
from corridorkey_models.view import preview

from .footage.exr import ExrOptions, read_exr_header, write_exr
from .footage.frame_range import format_frames
from .footage.paths import unreadable
from .footage.picture import Image, Window, place
from .footage.publish import sweep
from .footage.sequence import Sequence
from .footage.stills import read_png_text, write_png8
from .footage.tags import INTEROP_IDS
from .link import DaemonLost
from .progress import FrameProgress

PASSES = ("fg", "matte", "processed", "comp")
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
    """How a range ended; frames are those of the plate.

    Attributes:
        keyed, empty: frames whose files are in place.
        skipped: frames that were keyed from the same thing before.
        failed: why a frame could not be keyed.
        notes: what an artist should know, with the frames that it holds for.
        stopped: the range ended early: it was asked to, or what keys is gone.
    """

    keyed: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    empty: list[int] = field(default_factory=list)
    failed: dict[int, CorridorKeyError] = field(default_factory=dict)
    notes: dict[str, list[int]] = field(default_factory=dict)
    stopped: bool = False

    def __str__(self) -> str:
        counts = [
            f"{len(frames)} {word} ({format_frames(tuple(frames))})"
            for word, frames in (("keyed", self.keyed), ("already keyed", self.skipped), ("empty", self.empty))
            if frames
        ]
        return ", ".join([*counts, *([f"{len(self.failed)} failed"] if self.failed else [])]) or "nothing was keyed"


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


def key_range(job: Job, keyer: FrameKeyer, progress: FrameProgress, stop: threading.Event) -> Summary:
    """Key every frame of the job's plate, and return how it went.

    A frame that cannot be read or keyed is recorded and the others go on, unless what keys is gone.

    Args:
        stop: set it, from a signal handler for instance, and the range ends within one block of the network; the
            frames that are written by then are whole.

    Raises:
        InputError: a result would replace one of the job's own inputs, or cannot be written.
        ResourceError: nothing more can be written.
    """
    _refuse_own_inputs(job)
    for kind in PASSES:
        sweep(job.target / kind)
    summary = Summary()
    # A movie is decoded in order: two readers would make it seek for every frame.
    readers = 1 if any(sequence.is_movie for _, sequence in job.inputs.named()) else 2
    with _pool(readers) as reading, _pool(2) as writing:
        writes = _Writes(job, summary, progress, writing)
        try:
            for frame, future in _read_ahead(job, keyer.identity, reading):
                if summary.stopped:
                    break
                _key_frame(job, keyer, (frame, future), writes, stop)
                writes.settle(_WAITING)
        finally:
            writes.settle()
    return summary


def _key_frame(
    job: Job, keyer: FrameKeyer, ahead: "tuple[int, Future[_Loaded | None]]", writes: "_Writes", stop: threading.Event
) -> None:
    frame, future = ahead
    try:
        _check(stop)
        loaded = future.result()
        if loaded is None:
            writes.record(frame, "skipped")
        else:
            writes.add(loaded, _key(job, loaded, keyer, writes.progress, stop))
    except Cancelled:
        writes.summary.stopped = True
    except CorridorKeyError as error:
        writes.summary.failed[frame] = error
        writes.record(frame, "failed")
        # The others would fail for the same reason, each only after a wait.
        writes.summary.stopped |= isinstance(error, DaemonLost)


def _check(stop: threading.Event) -> None:
    if stop.is_set():
        raise Cancelled("stopped; run the same command again to go on.")


def _refuse_own_inputs(job: Job) -> None:
    """Refuse a job whose results would replace what it reads."""
    sources = {
        _identity(sequence.path(frame)): name for name, sequence in job.inputs.named() for frame in sequence.frames
    }
    for kind, frame in product(PASSES, job.inputs.plate.frames):
        path = job.path(kind, frame)
        name = sources.get(_identity(path))
        if name is not None and path.exists():
            raise InputError(f"{path} is a frame of the {name} itself; choose another folder with --out.")


def _identity(path: Path) -> tuple[int, int]:
    """Return what tells a file from every other, however it is reached; zeros if there is none."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return 0, 0
    except OSError as error:
        raise unreadable(path, error) from error
    return status.st_dev, status.st_ino


class _Writes:
    """Writes frames behind the keyer; a frame counts when its files are in place."""

    def __init__(self, job: Job, summary: Summary, progress: FrameProgress, pool: ThreadPoolExecutor) -> None:
        self.summary, self.progress = summary, progress
        self._job, self._pool = job, pool
        self._waiting: deque[tuple[_Loaded, Keyed, Future[None]]] = deque()

    def add(self, loaded: "_Loaded", keyed: Keyed) -> None:
        """Begin to write a frame."""
        self._waiting.append((loaded, keyed, self._pool.submit(_write, self._job, loaded, keyed)))

    def settle(self, most: int = 0) -> None:
        """Wait until at most `most` frames are still being written; raises what writing raised."""
        while len(self._waiting) > most:
            loaded, keyed, future = self._waiting.popleft()
            future.result()
            for note in keyed.notes:
                self.summary.notes.setdefault(note, []).append(loaded.frame)
            self.record(loaded.frame, "empty" if keyed.empty else "keyed")

    def record(self, frame: int, outcome: str) -> None:
        """Count a frame that has ended."""
        if outcome != "failed":
            getattr(self.summary, outcome).append(frame)
        self.progress.done(frame, outcome)


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
    texts = (_text(job.path(kind, frame)) for kind in PASSES)
    return all(text.get(HASH) == digest for text in texts)


def _text(path: Path) -> Mapping[str, object]:
    """Return the attributes of a result, none if it is not there or not whole."""
    return read_png_text(path) if path.suffix == ".png" else read_exr_header(path) or {}


def _check_space(job: Job, plate: Image) -> None:
    if job.assumed and plate.working_space != job.params.working_space:
        raise InputError(
            f"this frame is {plate.working_space or 'of an unknown space'} ({plate.space_reason}), the range "
            f"{job.params.working_space}; give --working-space, or key the frames apart."
        )


def _plate_pixels(plate: Image, window: Window) -> Pixels:
    require_color(plate)
    return plate.framed(window)


def require_color(plate: Image) -> None:
    """Refuse a plate that is no colour picture."""
    if plate.channels[:3] != ("R", "G", "B"):
        names = ", ".join(plate.channels)
        raise InputError(
            f"the plate has channels {names}; a colour picture is needed, of several layers choose one with --layer."
        )


def _matching(image: Image, name: str, plate: Image, window: Window) -> Pixels:
    """Return `image` over `window` of the plate, its display window laid on the plate's."""
    theirs, ours = image.display_window, plate.display_window
    if (theirs.width, theirs.height) != (ours.width, ours.height):
        raise InputError(
            f"the {name} is {theirs.width}x{theirs.height}, the plate {ours.width}x{ours.height}; "
            f"render the {name} at the plate's size."
        )
    if len(image.channels) > 1 and not image.has("R", "G", "B") and image.channels != ("Y", "A"):
        names = ", ".join(image.channels)
        remedy = "name one of them with --hint-layer" if name == "hint" else "give a mask of one channel"
        raise InputError(f"the {name} has channels {names}; {remedy}.")
    return image.framed(replace(window, x=window.x - ours.x + theirs.x, y=window.y - ours.y + theirs.y))


def _key(job: Job, loaded: _Loaded, keyer: FrameKeyer, progress: FrameProgress, stop: threading.Event) -> Keyed:
    def watch(stage: str, fraction: float) -> None:
        _check(stop)
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
    comp = place(preview(keyed, loaded.pixels, job.params), loaded.window, loaded.plate.display_window)
    write_png8(job.path("comp", loaded.frame), comp, {HASH: loaded.digest})


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
