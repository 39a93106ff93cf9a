"""`ckey key --keyed`: the files that the node in Nuke reads, without Nuke."""

from pathlib import Path

import numpy as np
import pytest

from corridorkey_models.fingerprint import settings_text
from corridorkey_models.params import Params
from corridorkey_server.cli import main
from corridorkey_server.footage.exr import read_exr, read_exr_header, read_exr_layers, write_exr
from corridorkey_server.footage.picture import Image, Window

WINDOW = Window(0, 0, 48, 27)
OPTIONS = ("--model", "procedural", "--no-daemon", "--screen", "green")


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """Three frames of a grey square on green, in linear Rec.709, with hints."""
    square = np.zeros((27, 48, 1), np.float32)
    square[8:20, 15:33] = 1
    for frame in (1, 2, 3):
        plate = np.where(square > 0, np.float32(0.3 + frame / 20), np.array([0.05, 0.4, 0.08], np.float32))
        for name, pixels, channels in (("plate", plate, ("R", "G", "B")), ("hint", square, ("A",))):
            like = Image(pixels, channels, WINDOW, WINDOW)
            write_exr(tmp_path / f"{name}.{frame:04d}.exr", pixels.astype(np.float32), channels, like=like)
    return tmp_path


def key(shot: Path, *options: str) -> int:
    """Key the shot as the command does."""
    words = ["key", str(shot / "plate.####.exr"), "--hint", str(shot / "hint.####.exr"), *OPTIONS, *options]
    return main(words)


def test_files_for_nuke_hold_what_the_passes_hold(shot: Path) -> None:
    """Straight foreground, matte and used hint in one file are those of the passes, bit for bit."""
    assert key(shot, "--depth", "float", "-o", str(shot / "out")) == 0
    assert key(shot, "--depth", "float", "--keyed", str(shot / "ck" / "a.main.%04d.exr")) == 0
    for frame in ("0001", "0002", "0003"):
        keyed, layers = read_exr_layers(shot / "ck" / f"a.main.{frame}.exr", ("ck_hint",))
        foreground = read_exr(shot / "out" / "fg" / f"plate.{frame}.exr")
        matte = read_exr(shot / "out" / "matte" / f"plate.{frame}.exr")
        assert keyed.channels == ("R", "G", "B", "A")
        assert np.array_equal(keyed.pixels[..., :3], foreground.pixels)
        assert np.array_equal(keyed.pixels[..., 3], matte.pixels[..., 0])
        assert layers["ck_hint"].channel("A")[10, 20] == 1
    assert sorted(path.name for path in (shot / "ck").iterdir()) == [f"a.main.000{n}.exr" for n in (1, 2, 3)]


def test_settings_are_those_of_the_node(shot: Path) -> None:
    """The node compares its knobs with this line, where output_space stays what was asked for."""
    assert key(shot, "--keyed", str(shot / "ck" / "a.####.exr"), "--despill", "0.25") == 0
    header = read_exr_header(shot / "ck" / "a.0002.exr") or {}
    assert header["corridorkey/settings"] == settings_text(Params(working_space="linear_rec709", despill=0.25))
    assert header["colorInteropID"] == "lin_rec709_scene"


def test_what_is_there_is_not_keyed_again(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run skips; another setting, or a changed frame, keys."""
    place = ("--keyed", str(shot / "ck" / "a.%04d.exr"))
    assert key(shot, *place) == 0
    assert key(shot, *place) == 0
    assert "3 already keyed" in capsys.readouterr().err
    (shot / "plate.0002.exr").write_bytes((shot / "plate.0001.exr").read_bytes())
    assert key(shot, *place) == 0
    assert "1 keyed (2), 2 already keyed" in capsys.readouterr().err
    assert key(shot, *place, "--despill", "1") == 0
    assert "3 keyed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--keyed", "ck/a.exr"), "give a pattern of OpenEXR files"),
        (("--keyed", "ck/a.%04d.png"), "give a pattern of OpenEXR files"),
        (("--keyed", "ck/a.%04d.exr", "--compression", "zip"), "--compression does not go with --keyed"),
        (("--keyed", "ck/a.%04d.exr", "--matte-channels", "RGB"), "--matte-channels does not go with --keyed"),
        (("--keyed", "ck/a.%04d.exr", "--working-space", "srgb"), "not linear"),
    ],
)
def test_what_cannot_be_is_refused(
    shot: Path, options: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, and nothing is written."""
    assert key(shot, *options) == 2
    assert words in capsys.readouterr().err
    assert not (shot / "ck").exists()
