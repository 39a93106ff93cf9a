"""Keys a range of frames from files to files: idempotent, resumable, bounded in memory.

Reading, keying and writing overlap: a few frames are read ahead and a few wait to be written. A frame is skipped
when its files say that they were keyed from the same thing. Knows files and what keys them, but no model and no device.
"""

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from corridorkey_models.errors import Cancelled, CorridorKeyError, InputError
from corridorkey_models.keyed import FrameKeyer, Keyed
from corridorkey_models.params import Params

from .footage.frame_range import format_frames
from .footage.paths import unreadable
from .footage.picture import Image
from .footage.publish import sweep
from .link import DaemonLost
from .loaded import Loaded, lay_over
from .progress import FrameProgress
from .targets import Inputs, Read, Source, Target

_AHEAD = 2
_WAITING = 2


@dataclass(frozen=True)
class Job:
    """What to key and what it becomes.

    Attributes:
        params: with screen, working space and output space decided for the whole range.
        assumed: the working space follows from each file rather than from the artist, so all must agree.
    """

    inputs: Inputs
    target: Target
    params: Params
    assumed: bool = True
    overwrite: bool = False


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
    for folder in job.target.folders:
        sweep(folder)
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
    job: Job, keyer: FrameKeyer, ahead: "tuple[int, Future[Read | None]]", writes: "_Writes", stop: threading.Event
) -> None:
    frame, future = ahead
    try:
        _check(stop)
        read = future.result()
        if read is None:
            writes.record(frame, "skipped")
        else:
            writes.add(read, _key(job, read, keyer, writes.progress, stop))
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
    plate = job.inputs.plate
    for path in (path for frame in plate.frames for path in job.target.paths(plate, frame)):
        name = sources.get(_identity(path))
        if name is not None and path.exists():
            raise InputError(f"{path} is a frame of the {name} itself; choose another place with --out or --keyed.")


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
        self._waiting: deque[tuple[Read, Keyed, Future[None]]] = deque()

    def add(self, read: Read, keyed: Keyed) -> None:
        """Begin to write a frame."""
        self._waiting.append((read, keyed, self._pool.submit(self._job.target.write, read, keyed)))

    def settle(self, most: int = 0) -> None:
        """Wait until at most `most` frames are still being written; raises what writing raised."""
        while len(self._waiting) > most:
            read, keyed, future = self._waiting.popleft()
            future.result()
            frame = read.source.frame
            for note in keyed.notes:
                self.summary.notes.setdefault(note, []).append(frame)
            self.record(frame, "empty" if keyed.empty else "keyed")

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


def _read_ahead(job: Job, identity: str, pool: ThreadPoolExecutor) -> Iterator[tuple[int, "Future[Read | None]"]]:
    ahead: deque[tuple[int, Future[Read | None]]] = deque()
    for frame in job.inputs.plate.frames:
        ahead.append((frame, pool.submit(_load, job, identity, frame)))
        if len(ahead) > _AHEAD:
            yield ahead.popleft()
    yield from ahead


def _load(job: Job, identity: str, frame: int) -> Read | None:
    """Read one frame, or return None if its files were keyed from the same thing."""

    def read() -> Loaded:
        plate = job.inputs.plate.read(frame)
        _check_space(job, plate)
        others = {name: sequence.read(frame) for name, sequence in job.inputs.named() if name != "plate"}
        return lay_over(plate, others, job.params)

    return job.target.read(Source(frame, job.inputs, job.params, identity, job.overwrite, read))


def _check_space(job: Job, plate: Image) -> None:
    if job.assumed and plate.working_space != job.params.working_space:
        raise InputError(
            f"this frame is {plate.working_space or 'of an unknown space'} ({plate.space_reason}), the range "
            f"{job.params.working_space}; give --working-space, or key the frames apart."
        )


def _key(job: Job, read: Read, keyer: FrameKeyer, progress: FrameProgress, stop: threading.Event) -> Keyed:
    def watch(stage: str, fraction: float) -> None:
        _check(stop)
        progress.working(read.source.frame, stage, fraction)

    return job.target.key(read.content, keyer, job.params, watch)
