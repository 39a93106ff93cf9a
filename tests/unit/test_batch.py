"""Keying a range: bounded, resumable, and never over its own inputs."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from corridorkey_models.errors import InputError, ResourceError
from corridorkey_models.greenformer import Prediction
from corridorkey_models.keyer import Keyer
from corridorkey_models.params import Params
from corridorkey_server.batch import Job, Summary, key_range
from corridorkey_server.footage.exr import write_exr
from corridorkey_server.footage.picture import Image, Window
from corridorkey_server.footage.sequence import open_sequence
from corridorkey_server.footage.stills import write_png8
from corridorkey_server.passes import Passes
from corridorkey_server.targets import Inputs
from fakes import HintAsMatte

WINDOW = Window(0, 0, 32, 18)
FRAMES = tuple(range(1, 13))
PARAMS = Params(working_space="linear_rec709", output_space="linear_rec709", output="checker")


class Log:
    """Remembers how frames ended."""

    def __init__(self) -> None:
        self.outcomes: dict[int, str] = {}

    def working(self, frame: int, stage: str, fraction: float) -> None:
        """See batch.FrameProgress."""

    def done(self, frame: int, outcome: str) -> None:
        """See batch.FrameProgress."""
        self.outcomes[frame] = outcome


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Twelve small frames with a still hint."""
    pixels = np.full((18, 32, 3), 0.3, np.float32)
    like = Image(pixels, ("R", "G", "B"), WINDOW, WINDOW)
    for frame in FRAMES:
        write_exr(tmp_path / f"plate.{frame:04d}.exr", pixels * frame / 12, like.channels, like=like)
    write_exr(tmp_path / "hint.exr", np.ones((18, 32, 1), np.float32), ("A",), like=like)
    inputs = Inputs(open_sequence(tmp_path / "plate.####.exr"), open_sequence(tmp_path / "hint.exr"))
    return Job(inputs, Passes(tmp_path / "out"), PARAMS, assumed=False)


def run(job: Job, keyer: Keyer | None = None, stop: threading.Event | None = None) -> Summary:
    """Key the job."""
    return key_range(job, keyer or Keyer(HintAsMatte()), Log(), stop or threading.Event())


def folder_of(job: Job) -> Path:
    """Return the folder that the job writes to."""
    assert isinstance(job.target, Passes)
    return job.target.folder


def comp(job: Job, frame: int) -> Path:
    """Return the preview of a frame."""
    assert isinstance(job.target, Passes)
    return job.target.path("comp", job.inputs.plate, frame)


def written(job: Job) -> list[Path]:
    """Return every file below the job's folder, hidden ones too."""
    return sorted(path for path in folder_of(job).rglob("*") if path.is_file())


def test_reading_and_writing_stay_close_to_the_keyer(job: Job) -> None:
    """However long the range, only a few frames are read ahead and only a few wait to be written."""
    plate = job.inputs.plate
    reads: list[int] = []
    spans: list[tuple[int, int]] = []

    class Counted(type(plate)):  # type: ignore[misc]
        def read(self, frame: int) -> Image:
            reads.append(frame)
            return super().read(frame)

    class Counting(HintAsMatte):
        def predict(self, *args: object) -> Prediction:
            spans.append((len(reads), len(list((folder_of(job) / "comp").glob("*.png")))))
            return super().predict(*args)  # type: ignore[arg-type]

    counted = Counted(**vars(plate))
    run(replace(job, inputs=replace(job.inputs, plate=counted)), Keyer(Counting()))
    assert len(spans) == len(FRAMES)
    for number, (read, done) in enumerate(spans):
        assert read <= number + 5
        assert done >= number - 4


def test_an_unchanged_range_is_skipped_and_a_stale_comp_is_not(job: Job) -> None:
    """A frame is current only if all four files say so: the preview is checked like the others."""
    assert run(job).keyed == list(FRAMES)
    assert run(job).skipped == list(FRAMES)
    comp(job, 3).write_bytes(b"")
    write_png8(comp(job, 5), np.zeros((18, 32, 3), np.float32), {"corridorkey/hash": "of other settings"})
    again = run(job)
    assert again.keyed == [3, 5]
    assert comp(job, 3).stat().st_size > 0


@pytest.mark.parametrize("role", ["plate", "hint", "inside", "outside"])
def test_inputs_are_never_replaced(job: Job, role: str) -> None:
    """A job whose results would land on its own plate, hint or mask is refused before anything is written."""
    run(job)
    before = {path: path.read_bytes() for path in written(job)}
    kind = "fg" if role == "plate" else "matte"
    own = open_sequence(folder_of(job) / kind / "plate.####.exr")
    with pytest.raises(InputError, match=f"is a frame of the {role} itself; choose another place"):
        run(replace(job, inputs=replace(job.inputs, **{role: own})))
    assert {path: path.read_bytes() for path in written(job)} == before


def test_a_frame_that_fails_does_not_stop_the_range(job: Job) -> None:
    """A device error on one frame is recorded with its cause, and the others are keyed."""

    class Fails(HintAsMatte):
        calls = 0

        def predict(self, *args: object) -> Prediction:
            Fails.calls += 1
            if Fails.calls == 4:
                raise ResourceError("the model gave 3 of 9 values that are not finite.")
            return super().predict(*args)  # type: ignore[arg-type]

    summary = run(job, Keyer(Fails()))
    assert list(summary.failed) == [4]
    assert summary.keyed == [frame for frame in FRAMES if frame != 4]


def test_stopping_keeps_what_is_written(job: Job) -> None:
    """After a stop every frame that counts as keyed has its files, and a second run keys the rest."""
    stop = threading.Event()

    class Stops(HintAsMatte):
        calls = 0

        def predict(self, *args: object) -> Prediction:
            Stops.calls += 1
            if Stops.calls == 5:
                stop.set()
            return super().predict(*args)  # type: ignore[arg-type]

    summary = run(job, Keyer(Stops()), stop)
    assert summary.stopped
    assert 3 <= len(summary.keyed) <= 5
    assert len(written(job)) == 4 * len(summary.keyed)
    assert run(job).skipped == summary.keyed


def test_a_write_error_is_not_lost_behind_a_stop(job: Job) -> None:
    """When the folder cannot be written and the range is stopped at once, the cause is still told."""
    folder_of(job).write_text("a file")
    with pytest.raises(InputError, match="cannot be written"):
        run(job)


def test_a_hint_of_nameless_channels_is_refused(job: Job, tmp_path: Path) -> None:
    """Two channels that are neither colour nor alpha are not taken by their position."""
    pixels = np.ones((18, 32, 2), np.float32)
    like = Image(pixels, ("head", "hand"), WINDOW, WINDOW)
    write_exr(tmp_path / "mask.exr", pixels, ("mask.head", "mask.hand"), like=like)
    hint = open_sequence(tmp_path / "mask.exr", None, "mask")
    summary = run(replace(job, inputs=replace(job.inputs, hint=hint)))
    assert len(summary.failed) == len(FRAMES)
    assert "name one of them with --hint-layer" in str(summary.failed[1])


def test_summary_reads_like_a_sentence() -> None:
    """What happened is told in the artist's words and frame numbers."""
    summary = Summary(keyed=[1, 2, 3], skipped=[4], empty=[6], failed={9: InputError("bad")})
    assert str(summary) == "3 keyed (1-3), 1 already keyed (4), 1 empty (6), 1 failed"
    assert str(Summary()) == "nothing was keyed"
