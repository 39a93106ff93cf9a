"""`ckey key` and `ckey demo` through the daemon: the same pixels as in their own process, and nothing hidden."""

import json
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from commands import ckey, loaded_by, start_ckey
from corridorkey_models.synthetic import ShotSpec, Truth, render
from corridorkey_server.footage.exr import read_exr, read_exr_header
from corridorkey_server.footage.stills import read_png_text
from corridorkey_server.passes import HASH, PASSES
from daemons import EchoDaemon, eventually, is_alive
from shots import SIZE, write_hint, write_plate

FRAMES = (1001, 1002)
DIRECT = "plate linear_rec709"


@pytest.fixture(scope="module")
def running() -> Iterator[Path]:
    """The runtime folder of the real daemon with the procedural keyer, on the processor."""
    with tempfile.TemporaryDirectory(prefix="ckey-") as folder:
        runtime = Path(folder) / "run"
        assert ckey(runtime, "start", "--device", "cpu", "--model", "procedural").returncode == 0
        yield runtime
        assert ckey(runtime, "stop", "--now").returncode == 0


@pytest.fixture(scope="module")
def truth() -> Truth:
    """One small frame of the synthetic shot."""
    return render(ShotSpec(width=SIZE.width, height=SIZE.height), 0)


@pytest.fixture
def shot(tmp_path: Path, truth: Truth) -> Path:
    """A folder with plates, hints that are hidden in one channel of a picture, and masks."""
    rows = np.arange(SIZE.height)[:, None] * np.ones(SIZE.width, np.float32)
    for frame in FRAMES:
        write_plate(tmp_path / "plate" / f"plate.{frame}.exr", truth.plate * (1 + frame % 10 / 100))
        picture = np.stack([truth.alpha * 0, truth.hint, truth.hint * 0.5, truth.alpha * 0 + 0.3], axis=2)
        write_hint(tmp_path / "hint" / f"hint.{frame}.exr", picture, ("R", "G", "B", "A"))
    write_hint(tmp_path / "inside.exr", np.asarray(rows < 8, np.float32))
    write_hint(tmp_path / "outside.exr", np.asarray(rows > 99, np.float32))
    return tmp_path


def key(runtime: Path, shot: Path, out: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """Key the shot with the procedural keyer."""
    return ckey(runtime, *request(shot, out), *options)


def request(shot: Path, out: str, model: str = "procedural") -> list[str]:
    """Return the words of `ckey key` for the shot."""
    return ["key", f"{shot}/plate/plate.####.exr", "-o", f"{shot}/{out}", "--model", model]


def hashes(folder: Path) -> dict[str, object]:
    """Return from what each file says that it was keyed, by its path."""
    exr = {path: (read_exr_header(path) or {})[HASH] for path in folder.rglob("*.exr")}
    png = {path: read_png_text(path)[HASH] for path in folder.rglob("*.png")}
    return {str(path.relative_to(folder)): digest for path, digest in (exr | png).items()}


HINT = ("--hint", "hint/hint.####.exr", "--hint-channel", "green")
MASKS = ("--inside", "inside.exr", "--outside", "outside.exr", "--output", "hint")


@pytest.mark.parametrize(
    "options",
    [
        (),
        (*HINT, "--despill", "0.7"),
        MASKS,
        (*HINT, *MASKS, "--hint-blur", "3", "--depth", "float", "--output-space", "acescg"),
    ],
    ids=["chroma", "hint", "masks", "all"],
)
def test_the_daemon_keys_what_this_process_keys(
    running: Path, shot: Path, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pixel of every file is the same bit for bit, and so is the hash: each goes on where the other stopped."""
    monkeypatch.chdir(shot)
    through = key(running, shot, "through", *options)
    assert through.returncode == 0, through.stderr
    assert re.search(rf"{DIRECT} .*, model procedural, through the daemon \(process \d+, cpu\)\n", through.stderr)
    own = key(running, shot, "own", "--no-daemon", "--device", "cpu", *options)
    assert own.returncode == 0, own.stderr
    assert re.search(rf"{DIRECT} .*, model procedural, in this process \(cpu\)\n", own.stderr)
    assert hashes(shot / "through") == hashes(shot / "own")
    assert len(hashes(shot / "own")) == len(FRAMES) * len(PASSES)
    for path in (shot / "own").rglob("*.exr"):
        ours, theirs = read_exr(path), read_exr(shot / "through" / path.relative_to(shot / "own"))
        assert ours.pixels.tobytes() == theirs.pixels.tobytes(), path
        assert np.ptp(ours.pixels) > 0, path
    for path in (shot / "own").rglob("*.png"):
        assert path.read_bytes() == (shot / "through" / path.relative_to(shot / "own")).read_bytes(), path
    assert "2 already keyed (1001-1002)" in key(running, shot, "own", *options).stderr


def test_torch_is_loaded_only_where_frames_are_keyed(running: Path, shot: Path) -> None:
    """While the daemon keys, the command's own process loads no torch; without a daemon it has to."""
    code, loaded = loaded_by(running, *request(shot, "through"))
    assert code == 0
    assert "torch" not in loaded
    code, loaded = loaded_by(running, *request(shot, "own"), "--no-daemon")
    assert code == 0
    assert "torch" in loaded


def test_the_first_frame_is_timed(running: Path, shot: Path) -> None:
    """How long an artist waits for the first frame, and how much of it went into loading, is the last but one line."""
    for options in ((), ("--overwrite", "--no-daemon")):
        lines = key(running, shot, "out", *options).stderr.splitlines()
        said = re.fullmatch(r"first frame after (\d+\.\d) s, (\d+\.\d) s of them to load the model", lines[-2])
        assert said is not None, lines
        assert 0 <= float(said[2]) <= float(said[1])
        assert lines[-1] == "2 keyed (1001-1002)"
    assert "first frame" not in key(running, shot, "out").stderr


def test_a_device_that_is_named_has_to_be_the_daemons(running: Path, shot: Path) -> None:
    """The daemon keys if it is on that device; if not, that is said, and this process has to have it."""
    same = key(running, shot, "out", "--device", "cpu")
    assert "through the daemon" in same.stderr
    other = key(running, shot, "out", "--device", "cuda:77")
    assert "the daemon is on cpu and not on cuda:77, so it is left alone.\n" in other.stderr
    assert other.returncode == 2
    assert "there is no device 'cuda:77' here" in other.stderr


def test_a_models_path_is_the_callers(running: Path, shot: Path) -> None:
    """A path is looked for where the command was typed, whoever keys; a damaged file is refused in the same words."""
    (shot / "mine.safetensors").write_bytes(b"no weights")
    refused = [
        ckey(running, *request(shot, "out", "mine.safetensors"), *options, cwd=shot)
        for options in ((), ("--no-daemon",))
    ]
    assert [ran.returncode for ran in refused] == [2, 2]
    sentences = {ran.stderr.splitlines()[-1] for ran in refused}
    assert len(sentences) == 1
    assert str(shot / "mine.safetensors") in sentences.pop()


def test_without_a_daemon_it_is_this_process(runtime: Path, shot: Path) -> None:
    """Where none runs, nothing is started and frames are keyed here."""
    ran = key(runtime, shot, "out")
    assert ran.returncode == 0
    assert "in this process (" in ran.stderr
    assert not runtime.exists()


def test_start_brings_the_daemon_up(runtime: Path, shot: Path) -> None:
    """With --start the daemon is started where none runs, keys, and stays for the next."""
    ran = key(runtime, shot, "out", "--start", "--device", "cpu")
    try:
        assert ran.returncode == 0, ran.stderr
        found = re.search(r"through the daemon \(process (\d+), cpu\)", ran.stderr)
        assert found is not None
        facts = json.loads(ckey(runtime, "status", "--json").stdout)
        assert (facts["pid"], facts["frames"]["keyed"]) == (int(found[1]), 2)
    finally:
        assert ckey(runtime, "stop").returncode == 0


def test_two_wishes_that_exclude_each_other_are_refused(runtime: Path, shot: Path) -> None:
    """--start and --no-daemon together are no request."""
    ran = key(runtime, shot, "out", "--start", "--no-daemon")
    assert ran.returncode == 2
    assert "not allowed with argument" in ran.stderr


def test_a_daemon_that_does_not_answer_is_an_error(daemon: EchoDaemon, shot: Path) -> None:
    """Frames are not quietly keyed elsewhere when the daemon that runs fails."""
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        ran = key(daemon.place.folder, shot, "out")
    finally:
        daemon.process.send_signal(signal.SIGCONT)
    assert ran.returncode == 1
    assert re.fullmatch(r"ckey: the daemon does not answer; see .*\n", ran.stderr)
    assert not (shot / "out").exists()


def slow_plates(shot: Path, seconds: float) -> None:
    """Have an echo daemon spend that long on each frame."""
    for frame in FRAMES:
        plate = np.zeros((SIZE.height, SIZE.width, 3), np.float32)
        plate[0, 0, 0] = 1000 + seconds
        write_plate(shot / "plate" / f"plate.{frame}.exr", plate)


def is_busy(daemon: EchoDaemon) -> bool:
    """Whether a frame lies in the daemon's hands."""
    return any("daemon" in session["slots"].values() for session in daemon.status()["sessions"])


def test_ctrl_c_cancels_the_frame_in_the_daemon(daemon: EchoDaemon, shot: Path) -> None:
    """Interrupted in the middle of a frame, the command ends soon, and the worker is free and the same as before."""
    slow_plates(shot, 60)
    process = start_ckey(daemon.place.folder, *request(shot, "out"), "--screen", "green")
    eventually(lambda: is_busy(daemon), "a frame is keyed")
    worker = daemon.worker()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 1, told
    assert "run the same command again to go on" in told
    assert "Traceback" not in told
    eventually(lambda: not daemon.is_keying(), "the worker is free", 5)
    assert daemon.worker() == worker
    assert daemon.status()["session_count"] == 0


def test_a_range_ends_when_the_daemon_is_gone(daemon: EchoDaemon, shot: Path) -> None:
    """When the daemon is killed and does not come back, the range ends after one frame's failure, not one each."""
    slow_plates(shot, 60)
    process = start_ckey(daemon.place.folder, *request(shot, "out"), "--screen", "green")
    eventually(lambda: is_busy(daemon), "a frame is keyed")
    daemon.process.kill()
    _, told = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "frame 1001 failed: the daemon ended and was not back within 3 s; start it with `ckey start`." in told
    assert "1002" not in told.partition("failed")[2]
    assert "stopped; run the same command again to go on." in told


def test_a_range_goes_on_when_the_daemon_is_back(daemon: EchoDaemon, shot: Path) -> None:
    """A daemon that comes back in time is handed the frame again, and the range is keyed to its end."""
    slow_plates(shot, 1)
    process = start_ckey(daemon.place.folder, *request(shot, "out"), "--screen", "green")
    eventually(lambda: is_busy(daemon), "a frame is keyed")
    daemon.kill()
    daemon.restart()
    _, told = process.communicate(timeout=30)
    assert process.returncode == 0, told
    assert "2 keyed (1001-1002)" in told


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files whose path is short."""
    with tempfile.TemporaryDirectory(prefix="ckey-") as folder:
        yield Path(folder)


def demo_daemon(temporary: Path) -> int:
    """Return the process id of the demo's own daemon, 0 while there is none."""
    logs = [path.read_text() for path in temporary.glob("ckey-*/run/daemon.log")]
    found = re.search(r"ready: process (\d+)", logs[0]) if logs else None
    return 0 if found is None else int(found[1])


def test_the_demo_has_a_daemon_of_its_own(runtime: Path, temporary: Path, tmp_path: Path) -> None:
    """Without a daemon it starts one that nobody else finds, tells both times, and leaves nothing running."""
    demo = start_ckey(runtime, "demo", "--frames", "1", "-o", tmp_path / "demo", TMPDIR=str(temporary))
    eventually(lambda: demo_daemon(temporary), "its daemon runs")
    pid = demo_daemon(temporary)
    assert ckey(runtime, "ps").returncode == 1
    said, told = demo.communicate(timeout=120)
    assert demo.returncode == 0, told
    times = re.search(r"time to first frame: ([\d.]+) s cold \(daemon, .*\), ([\d.]+) s with the daemon warm", said)
    assert times is not None, said
    assert min(float(times[1]), float(times[2])) > 0
    assert not is_alive(pid)
    assert list(temporary.iterdir()) == []
    assert (tmp_path / "demo" / "contact_sheet.png").exists()


def test_the_demo_uses_the_daemon_that_runs(running: Path, tmp_path: Path) -> None:
    """A daemon that runs keys the demo, and stays."""
    before = json.loads(ckey(running, "status", "--json").stdout)
    demo = ckey(running, "demo", "--frames", "1", "-o", tmp_path / "demo")
    assert demo.returncode == 0, demo.stderr
    assert "s through the daemon that ran already" in demo.stdout
    after = json.loads(ckey(running, "status", "--json").stdout)
    assert after["pid"] == before["pid"]
    assert after["frames"]["keyed"] == before["frames"]["keyed"] + 2


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_the_demos_daemon_ends_with_it(runtime: Path, temporary: Path, tmp_path: Path, sent: signal.Signals) -> None:
    """However the demo is ended, its daemon and the worker are gone soon after."""
    demo = start_ckey(runtime, "demo", "-o", tmp_path / "demo", TMPDIR=str(temporary))
    eventually(lambda: demo_daemon(temporary), "its daemon runs")
    pid = demo_daemon(temporary)
    workers = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    demo.send_signal(sent)
    _, told = demo.communicate(timeout=30)
    assert demo.returncode == (1 if sent == signal.SIGINT else -sent), told
    assert "Traceback" not in told
    eventually(lambda: not any(map(is_alive, [pid, *workers])), "both are gone", 10)
