"""`ckey key` from files to files, as an artist and a farm use it."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from corridorkey_models.params import PARAMS, Params
from corridorkey_models.synthetic import ShotSpec, Truth, render
from corridorkey_server import worker
from corridorkey_server.cli import main
from corridorkey_server.footage.exr import read_exr, read_exr_header, time_code, write_exr
from corridorkey_server.footage.picture import Image, Window
from corridorkey_server.footage.stills import write_png8
from made_up_weights import made_up_state_dict
from shots import RGB, SIZE, write_hint, write_plate
from small_checkpoint import save_published

FRAMES = (1001, 1002, 1003, 1004)
Shot = tuple[Path, Truth]


@pytest.fixture(scope="session")
def truth() -> Truth:
    """One small frame of the synthetic shot."""
    return render(ShotSpec(width=SIZE.width, height=SIZE.height), 0)


@pytest.fixture
def shot(tmp_path: Path, truth: Truth) -> Path:
    """A folder with plate/plate.#### and hint/hint.#### of four frames."""
    for frame in FRAMES:
        write_plate(tmp_path / "plate" / f"plate.{frame}.exr", truth.plate * (1 + frame % 10 / 100))
        write_hint(tmp_path / "hint" / f"hint.{frame}.exr", truth.hint)
    return tmp_path


def key(shot: Path, *options: str, hint: bool = True) -> int:
    """Run `ckey key` on the shot with the procedural keyer, and return the exit code."""
    arguments = [str(shot / "plate" / "plate.####.exr"), "-o", str(shot / "out"), "--model", "procedural"]
    wired = ["--hint", str(shot / "hint" / "hint.####.exr")] if hint else []
    return main(["key", *arguments, *wired, *options])


def result(shot: Path, kind: str, frame: int = 1001) -> Path:
    """Return the file of one pass."""
    return shot / "out" / kind / f"plate.{frame}.{'png' if kind == 'comp' else 'exr'}"


def everything(shot: Path) -> dict[Path, int]:
    """Return every file below out with the time it was written, in ns."""
    return {path: path.stat().st_mtime_ns for path in sorted((shot / "out").rglob("*")) if path.is_file()}


def test_a_range_is_keyed(shot: Path, truth: Truth, capsys: pytest.CaptureFixture[str]) -> None:
    """Every frame gets four files that belong together, close to the truth, and what was assumed is said."""
    assert key(shot) == 0
    assert len(everything(shot)) == 16
    fg, matte, processed = (read_exr(result(shot, kind)) for kind in ("fg", "matte", "processed"))
    assert (fg.channels, matte.channels, processed.channels) == (RGB, ("A",), (*RGB, "A"))
    assert np.abs(matte.pixels[..., 0] - truth.alpha).mean() < 0.05
    np.testing.assert_allclose(processed.pixels[..., :3], fg.pixels * matte.pixels, atol=2e-3)
    assert fg.metadata["colorInteropID"] == "lin_rec709_scene"
    assert matte.metadata["colorInteropID"] == "data"
    said = capsys.readouterr().err
    assert "green screen, plate linear_rec709" in said
    assert "assumed" in said
    assert "4 keyed (1001-1004)" in said


def test_an_unchanged_range_is_not_keyed_again(shot: Path) -> None:
    """The second run touches nothing; --overwrite keys it all."""
    key(shot)
    before = everything(shot)
    assert key(shot) == 0
    assert everything(shot) == before
    assert key(shot, "--overwrite") == 0
    assert all(everything(shot)[path] > before[path] for path in before)


def test_only_what_changed_is_keyed_again(shot: Path, truth: Truth) -> None:
    """A re-rendered hint, a removed result and a damaged result are keyed again, their neighbours are not."""
    key(shot)
    before = everything(shot)
    write_hint(shot / "hint" / "hint.1002.exr", truth.hint * 0.9)
    result(shot, "comp", 1003).unlink()
    result(shot, "fg", 1004).write_bytes(result(shot, "fg", 1004).read_bytes()[:-100])
    assert key(shot) == 0
    after = everything(shot)
    assert after.keys() == before.keys()
    changed = {path.stem.split(".")[1] for path in before if after[path] != before[path]}
    assert changed == {"1002", "1003", "1004"}


@pytest.mark.parametrize("option", [("--despill", "0.9"), ("--depth", "float"), ("--matte-channels", "RGB")])
def test_other_settings_key_everything_again(shot: Path, option: tuple[str, str]) -> None:
    """A frame made with other settings is stale, whatever its name."""
    key(shot)
    before = everything(shot)
    assert key(shot, *option) == 0
    assert all(everything(shot)[path] > before[path] for path in before)


def test_a_chroma_hint_is_made_when_none_is_wired(shot: Path, truth: Truth) -> None:
    """Without a hint the screen gives one."""
    assert key(shot, hint=False) == 0
    assert np.abs(read_exr(result(shot, "matte")).pixels[..., 0] - truth.alpha).mean() < 0.05


def test_the_plates_header_survives(shot: Path, truth: Truth) -> None:
    """Windows, timecode, frame rate and a studio's own attributes come through; the results lie where the plate did."""
    window = Window(10, 6, 100, 80)
    metadata = {"timeCode": time_code(10, 2, 3, 4, False), "studio/shot": "ab_010", "reelName": "A003"}
    part = truth.plate[6:86, 10:110]
    for frame in FRAMES:
        write_plate(shot / "plate" / f"plate.{frame}.exr", part, window, metadata)
    assert key(shot) == 0
    fg = read_exr(result(shot, "fg"))
    assert (fg.data_window, fg.display_window) == (window, SIZE)
    assert fg.metadata["studio/shot"] == "ab_010"
    assert str(fg.metadata["timeCode"]) == str(metadata["timeCode"])


def test_overscan_is_keyed_on_request_only(shot: Path, truth: Truth) -> None:
    """Outside the display window the matte is 0, and with --overscan it is keyed."""
    window = Window(-20, -10, SIZE.width + 40, SIZE.height + 20)
    wide = np.pad(truth.plate, ((10, 10), (20, 20), (0, 0)), mode="edge")
    for frame in FRAMES:
        write_plate(shot / "plate" / f"plate.{frame}.exr", wide, window)
    assert key(shot, "--frames", "1001", hint=False) == 0
    clipped = read_exr(result(shot, "matte"))
    assert clipped.data_window == window
    assert clipped.pixels[-10:].max() == 0
    assert key(shot, "--frames", "1001", "--overscan", "on", hint=False) == 0
    assert read_exr(result(shot, "matte")).pixels[-10:].max() > 0.9


def test_a_tagged_plate_keeps_its_space(shot: Path, truth: Truth, capsys: pytest.CaptureFixture[str]) -> None:
    """An ACEScg plate gives ACEScg files, tagged as such, and a range that mixes spaces says which frame does."""
    like = Image(truth.plate, RGB, SIZE, SIZE)
    for frame in FRAMES[:3]:
        path = shot / "plate" / f"plate.{frame}.exr"
        write_exr(path, truth.plate, RGB, like=like, interop_id="lin_ap1_scene")
    assert key(shot) == 2
    assert read_exr(result(shot, "fg")).metadata["colorInteropID"] == "lin_ap1_scene"
    said = capsys.readouterr().err
    assert "plate acescg (" in said
    assert "frame 1004 failed: this frame is linear_rec709" in said


def test_masks_are_sequences_too(shot: Path) -> None:
    """An inside mask is kept and an outside mask dropped, from stills or sequences."""
    inside, outside = np.zeros((108, 192), np.float32), np.zeros((108, 192), np.float32)
    inside[:8], outside[-8:] = 1, 1
    write_hint(shot / "inside.exr", inside)
    write_hint(shot / "outside.exr", outside)
    assert key(shot, "--inside", str(shot / "inside.exr"), "--outside", str(shot / "outside.exr")) == 0
    matte = read_exr(result(shot, "matte")).pixels
    assert matte[:8].min() == 1
    assert matte[-8:].max() == 0


def test_an_empty_hint_is_counted(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A hint that is 0 on one frame gives an empty frame and no error."""
    write_hint(shot / "hint" / "hint.1002.exr", np.zeros((108, 192), np.float32))
    assert key(shot) == 0
    assert "1 empty (1002)" in capsys.readouterr().err
    assert read_exr(result(shot, "matte", 1002)).pixels.max() == 0


def test_stills_and_png(shot: Path, truth: Truth) -> None:
    """One PNG plate is keyed as sRGB into files without a number."""
    write_png8(shot / "still.png", np.clip(truth.plate, 0, 1) ** (1 / 2.2))
    assert main(["key", str(shot / "still.png"), "-o", str(shot / "out"), "--model", "procedural"]) == 0
    assert read_exr(shot / "out" / "fg" / "still.exr").pixels.shape == (108, 192, 3)


def test_every_parameter_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    """Each row of the parameter table can be given on the command line."""
    with pytest.raises(SystemExit):
        main(["key", "--help"])
    text = capsys.readouterr().out
    assert [p.name for p in PARAMS if f"\n  --{p.name.replace('_', '-')} " not in text] == []


def test_the_network_keys_from_pulled_weights(
    shot: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights from a file are converted, found by the screen's colour, and key exactly what the Keyer keys."""
    monkeypatch.setenv("CKEY_MODELS", str(shot / "models"))
    state = {name: t.half() if t.is_floating_point() else t for name, t in made_up_state_dict(32).items()}
    published = save_published(shot / "CorridorKey_v1.0.pth", state)
    assert main(["pull", "green", "--from", str(published), "--accept-license"]) == 0
    options = ["--quality", "draft", "--frames", "1001", "--depth", "float", "--despeckle", "on"]
    assert key(shot, "--model", "corridorkey", *options) == 0
    assert "1 keyed (1001)" in capsys.readouterr().err
    params = Params(working_space="linear_rec709", quality="draft", despeckle=True)
    plate, hint = (read_exr(shot / name / f"{name}.1001.exr").pixels for name in ("plate", "hint"))
    keyed = worker.open_keyer("corridorkey", "green", "cpu").key(plate, hint, params)
    assert np.array_equal(read_exr(result(shot, "matte")).pixels[..., 0], keyed.matte)
    assert np.array_equal(read_exr(result(shot, "fg")).pixels, keyed.foreground)


def damage(name: str) -> Callable[[Path], None]:
    """Return what spoils a shot in one way."""

    def zero_bytes(shot: Path) -> None:
        (shot / "plate" / "plate.1002.exr").write_bytes(b"")

    def random_bytes(shot: Path) -> None:
        (shot / "plate" / "plate.1002.exr").write_bytes(os.urandom(5000))

    def random_hint(shot: Path) -> None:
        (shot / "hint" / "hint.1002.exr").write_bytes(os.urandom(5000))

    def truncated(shot: Path) -> None:
        path = shot / "plate" / "plate.1002.exr"
        path.write_bytes(path.read_bytes()[:-1000])

    def small_hint(shot: Path) -> None:
        write_hint(shot / "hint" / "hint.1002.exr", np.ones((54, 96), np.float32))

    def grey_plate(shot: Path) -> None:
        window = SIZE
        like = Image(np.zeros((108, 192, 1), np.float32), ("Y",), window, window)
        write_exr(shot / "plate" / "plate.1002.exr", like.pixels, ("Y",), like=like)

    return locals()[name]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("zero_bytes", "plate.1002.exr"),
        ("random_bytes", "plate.1002.exr"),
        ("random_hint", "hint.1002.exr"),
        ("truncated", "not a whole OpenEXR file"),
        ("small_hint", "the hint is 96x54, the plate 192x108"),
        ("grey_plate", "the plate has channels Y"),
    ],
)
def test_a_bad_frame_does_not_stop_the_others(
    shot: Path, name: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One frame that cannot be used is named with its cause, the others are keyed, the exit code is 2."""
    damage(name)(shot)
    assert key(shot) == 2
    said = capsys.readouterr().err
    assert "frame 1002 failed" in said
    assert sentence in said
    assert "Traceback" not in said
    assert not result(shot, "fg", 1002).exists()
    assert all(result(shot, "fg", frame).exists() for frame in (1001, 1003, 1004))


def test_a_mistake_on_every_frame_is_told_once(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Four frames that fail for one reason make one line."""
    assert key(shot, "--hint-source", "source_alpha", hint=False) == 2
    said = capsys.readouterr().err
    assert "frames 1001-1004 failed: the plate has no alpha to take as hint" in said
    assert said.count("failed:") == 1


def test_a_damaged_first_frame_does_not_stop_the_others(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the range needs to know is taken from the first frame that can be read."""
    (shot / "plate" / "plate.1001.exr").write_bytes(b"")
    assert key(shot) == 2
    assert "frame 1001 failed" in capsys.readouterr().err
    assert all(result(shot, "fg", frame).exists() for frame in FRAMES[1:])


def test_results_never_replace_the_plate(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Keying fg/ into its own parent is refused, and the plate stays as it was."""
    plate = shot / "out" / "fg" / "plate.1001.exr"
    plate.parent.mkdir(parents=True)
    plate.write_bytes((shot / "plate" / "plate.1001.exr").read_bytes())
    before = plate.read_bytes()
    assert main(["key", str(plate), "-o", str(shot / "out"), "--model", "procedural"]) == 2
    assert "is a frame of the plate itself" in capsys.readouterr().err
    assert plate.read_bytes() == before


def test_nobody_has_to_read_the_progress(shot: Path) -> None:
    """With standard error closed, or its reader gone, the range is keyed all the same."""
    command = f"{sys.executable} -m corridorkey_server.cli key {shot}/plate -o {shot}/out --model procedural"
    assert subprocess.run(f"{command} 2>&-", shell=True, check=False).returncode == 0
    assert len(everything(shot)) == 16
    piped = f"set -o pipefail; {command} --overwrite 2>&1 | true"
    assert subprocess.run(["bash", "-c", piped], check=False).returncode == 0


def test_holes_in_the_plate_are_listed(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Frames that are not there yet are named, the others are keyed, and the exit code says try again."""
    (shot / "plate" / "plate.1003.exr").unlink()
    assert key(shot) == 1
    assert "the plate has no frame 1003" in capsys.readouterr().err
    assert result(shot, "fg", 1004).exists()


def test_holes_in_the_hint_are_listed_before_anything_is_keyed(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A hint that lacks frames is refused at once with their numbers."""
    (shot / "hint" / "hint.1002.exr").unlink()
    (shot / "hint" / "hint.1003.exr").unlink()
    assert key(shot) == 2
    assert "1002-1003" in capsys.readouterr().err
    assert not (shot / "out").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--frames", "2001-2010"), "1001-1004"),
        (("--frames", "10-"), "not a frame range"),
        (("--despill", "7"), "despill is '7'; give a number from 0 to 1"),
        (("--working-space", "rec601"), "working_space is 'rec601'"),
        (("--model", "corridorkey"), "ckey pull green"),
        (("--model", "/no/such/file"), "there is no model"),
        (("--device", "abacus"), "abacus"),
        (("--layer", "diffuse"), "diffuse"),
        (("--hint-source", "chroma"), "leave one of them out"),
        (("--screen", "red"), "choose one of green, blue"),
    ],
)
def test_a_wrong_request_is_one_sentence(
    shot: Path,
    options: tuple[str, str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What cannot work is refused with exit code 2, the cause and no traceback, before anything is written."""
    monkeypatch.setenv("CKEY_MODELS", str(shot / "models"))
    assert key(shot, *options) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said
    assert not (shot / "out").exists()


def test_no_screen_is_a_sentence(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A plate without a green or blue screen is not keyed on a guess."""
    for frame in FRAMES:
        write_plate(shot / "plate" / f"plate.{frame}.exr", np.full((108, 192, 3), 0.2, np.float32))
    assert key(shot) == 2
    assert "no green or blue screen was found in frame 1001; name it with --screen" in capsys.readouterr().err


def test_an_unwritable_folder_is_a_sentence(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A result that cannot be put where it was asked for ends the range with the path and the cause."""
    (shot / "out").write_text("a file, not a folder")
    assert key(shot) == 2
    said = capsys.readouterr().err
    assert "cannot be written" in said
    assert "Traceback" not in said


def run_ckey(shot: Path, *options: str, file_limit: int | None = None) -> "subprocess.Popen[str]":
    """Start `ckey key` on the shot as a process of its own; no file may pass `file_limit` bytes."""

    def limit() -> None:
        if file_limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

    command = [sys.executable, "-m", "corridorkey_server.cli", "key", str(shot / "plate" / "plate.####.exr")]
    rest = ["--model", "procedural", "-o", str(shot / "out"), *options]
    return subprocess.Popen([*command, *rest], stderr=subprocess.PIPE, text=True, preexec_fn=limit)


def assert_only_whole_files(shot: Path) -> None:
    """Every file below out has its final name and can be read to its end."""
    for path in everything(shot):
        assert path.suffix in (".exr", ".png"), path
        assert path.suffix == ".png" or read_exr_header(path) is not None, path


def test_a_full_disk_ends_the_range(shot: Path) -> None:
    """When nothing more fits the exit code says try again, and nothing half is left."""
    process = run_ckey(shot, file_limit=40_000)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert "could not be written" in said
    assert "Traceback" not in said
    assert_only_whole_files(shot)


def many_frames(shot: Path) -> None:
    """Make the shot long enough to be stopped in the middle."""
    source = shot / "plate" / "plate.1001.exr"
    for frame in range(1005, 1201):
        (shot / "plate" / f"plate.{frame}.exr").hardlink_to(source)


def wait_for(path: Path) -> None:
    """Wait until a result appears."""
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)


def test_ctrl_c_leaves_only_whole_frames(shot: Path) -> None:
    """Interrupted, the range ends soon with exit code 1; each frame has all its files or none; a rerun goes on."""
    many_frames(shot)
    process = run_ckey(shot)
    wait_for(result(shot, "processed", 1003))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 1, said
    assert "Run the same command again" in said or "run the same command again" in said
    assert_only_whole_files(shot)
    done = {kind: {p.stem for p in (shot / "out" / kind).iterdir()} for kind in ("comp", "fg", "matte", "processed")}
    assert done["comp"] == done["fg"] == done["matte"] == done["processed"]
    assert 3 <= len(done["fg"]) < 200


@pytest.mark.soak
def test_killed_at_any_moment_nothing_is_half_there(shot: Path, rounds: int) -> None:
    """Killed without warning again and again, what lies under a final name is whole, and the next run goes on."""
    many_frames(shot)
    for attempt in range(2 * rounds):
        process = run_ckey(shot, "--despill", str(attempt % 7 / 10))
        wait_for(result(shot, "processed", 1001 + attempt % 20))
        time.sleep(0.05 * (attempt % 5))
        process.kill()
        process.communicate()
        leftovers = [path for path in everything(shot) if path.suffix not in (".exr", ".png")]
        assert all(path.name.startswith(".") for path in leftovers), leftovers
    assert key(shot, "--frames", "1001", hint=False) == 0
    assert_only_whole_files(shot)
