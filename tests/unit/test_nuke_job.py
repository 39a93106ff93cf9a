"""What a CorridorKey node in Nuke is to key: paths, frames, settings, colour, which files are there, how it went."""

import doctest
import os
import re
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nuke_package
from corridorkey_models.color import linear_space
from corridorkey_models.fingerprint import settings_hash, settings_text
from corridorkey_models.params import WORKING_SPACES, Params
from corridorkey_nuke import VERSION, exchange, job
from corridorkey_nuke.failure import Refusal
from corridorkey_nuke.outcome import Outcome
from corridorkey_server.footage.exr import write_exr
from corridorkey_server.footage.picture import Image, Window

TEXT = settings_text(Params(working_space="acescg"))


def write_keyed(path: Path, **facts: str) -> None:
    """Write a picture that says those things of itself."""
    window = Window(0, 0, 4, 3)
    pixels = np.zeros((3, 4, 4), np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {f"corridorkey/{name}": fact for name, fact in facts.items()}
    write_exr(path, pixels, tuple("RGBA"), like=Image(pixels, tuple("RGBA"), window, window), metadata=metadata)


def shots_of(pattern: str, frames: range = range(1001, 1004), views: tuple[str, ...] = ("main",)) -> list[job.Shot]:
    """Return the shots of a node whose settings are TEXT."""
    return job.shots(pattern, frames, views, lambda _frame, _view: TEXT)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/a/k.%04d.exr", "/a/k.0007.exr"),
        ("/a/k.%d.exr", "/a/k.7.exr"),
        ("/a/k.######.exr", "/a/k.000007.exr"),
        ("/a/%V/k_%v.%04d.exr", "/a/left/k_l.0007.exr"),
        ("/a/still.exr", "/a/still.exr"),
    ],
)
def test_the_file_of_a_frame(pattern: str, path: str) -> None:
    """Number and view stand where Nuke puts them."""
    assert job.path_of(pattern, 7, "left") == path


@given(st.integers(-20000, 200000))
def test_numbers_as_nuke_writes_them(frame: int) -> None:
    """Frames are numbered as printf does it, which Nuke uses, also before 0 and beyond four digits."""
    assert job.path_of("%04d", frame, "main") == "%04d" % frame  # noqa: UP031


def test_files_of_a_pattern(tmp_path: Path) -> None:
    """All frames and views are found, in folders of views too, and nothing else."""
    wanted = [tmp_path / f"{view}.x" / f"k.{frame:04d}.exr" for view in ("left", "right") for frame in (-3, 7, 12345)]
    others = [tmp_path / "left.x" / name for name in ("k.0007.exr.tmp", "k.exr", "kk.0007.exr", "k.a7.exr")]
    for path in (*wanted, *others, tmp_path / "left" / "k.0007.exr"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert job.files_of(f"{tmp_path}/%V.x/k.%04d.exr") == sorted(map(str, wanted))
    assert job.files_of(f"{tmp_path}/nothing/k.%04d.exr") == []


def test_letters_that_mean_something_in_patterns_of_python(tmp_path: Path) -> None:
    """Names are taken as they are written."""
    (tmp_path / "k+(1).0001.exr").touch()
    (tmp_path / "kk1.0001.exr").touch()
    assert job.files_of(f"{tmp_path}/k+(1).%04d.exr") == [f"{tmp_path}/k+(1).0001.exr"]


def test_all_frames_of_all_views() -> None:
    """Each has a file of its own, view by view."""
    found = shots_of("/a/%V/k.%04d.exr", range(1, 3), ("left", "right"))
    assert [(shot.view, shot.frame) for shot in found] == [("left", 1), ("left", 2), ("right", 1), ("right", 2)]
    assert found[3].target == "/a/right/k.0002.exr"


@pytest.mark.parametrize(
    ("pattern", "views", "words"),
    [
        ("./corridorkey/k.%04d.exr", ("main",), "full path"),
        ("", ("main",), "full path"),
        ("/a/k.%04d.png", ("main",), "OpenEXR"),
        ("/a/k.exr", ("main",), "%04d"),
        ("/a/k.%04d.exr", ("left", "right"), "%V"),
        ("/a/k.%v.%04d.exr", ("left", "lower"), "%V"),
    ],
)
def test_files_that_cannot_be(pattern: str, views: tuple[str, ...], words: str) -> None:
    """A path that gives two frames one file, or none, is refused with what it lacks."""
    with pytest.raises(Refusal, match=words) as refused:
        shots_of(pattern, views=views)
    assert re.fullmatch(r".+; .+\.", str(refused.value))


def test_one_frame_needs_no_number() -> None:
    """A still may be keyed into a file without a number."""
    assert [shot.target for shot in shots_of("/a/k.exr", range(5, 6))] == ["/a/k.exr"]


def test_settings_become_parameters() -> None:
    """What is sent is what the line says, and the daemon reads it as the same parameters."""
    shot = job.Shot(1, "main", "/a", TEXT)
    assert settings_text(Params.parse(shot.params)) == TEXT
    assert shot.screen == "green"


def test_hash_of_settings() -> None:
    """It is the one that stands in keyed files."""
    assert job.text_hash(TEXT) == settings_hash(TEXT)


def test_folder_of_a_version() -> None:
    """Other parts, or parts cut in another place, give another folder."""
    assert re.fullmatch("[0-9a-f]{12}", job.folder_hash(["a", "b"]))
    assert len({job.folder_hash(parts) for parts in (["a", "b"], ["ab"], ["b", "a"], ["a", "b", ""])}) == 4


@pytest.mark.parametrize("lacks", ["settings", "upstream", "model", "all", "whole"])
def test_which_files_are_there(tmp_path: Path, lacks: str) -> None:
    """A frame is there if it was keyed with these settings from the same thing, and says by which model."""
    shot = shots_of(f"{tmp_path}/k.%04d.exr")[0]
    facts = {"params_hash": settings_hash(TEXT), "upstream": "abc-half", "model": "made up"}
    write_keyed(Path(shot.target), **facts)
    assert job.keyed_by(shot, "abc-half") == "made up"
    if lacks == "all":
        Path(shot.target).unlink()
    elif lacks == "whole":
        os.truncate(shot.target, 100)
    else:
        name = "params_hash" if lacks == "settings" else lacks
        write_keyed(Path(shot.target), **(facts | {name: "" if lacks == "model" else "other"}))
    assert job.keyed_by(shot, "abc-half") == ""


@pytest.mark.parametrize("what", ["picture", "link", "folder"])
def test_other_things_are_left_alone(tmp_path: Path, what: str) -> None:
    """What is no keyed frame, such as the plate, is never written over."""
    first, second, _ = shots_of(f"{tmp_path}/k.%04d.exr")
    write_keyed(Path(first.target), **{"pass": "keyed"})
    job.check_targets([first, second])
    if what == "picture":
        write_keyed(Path(second.target), **{"pass": "fg"})
    elif what == "link":
        Path(second.target).symlink_to(first.target)
    else:
        Path(second.target).mkdir()
    with pytest.raises(Refusal, match=re.escape(second.target)):
        job.check_targets([first, second])


def test_damaged_files_are_replaced(tmp_path: Path) -> None:
    """A file whose header is not whole is nobody's picture."""
    first, second, third = shots_of(f"{tmp_path}/k.%04d.exr")
    write_keyed(Path(first.target), **{"pass": "keyed"})
    os.truncate(first.target, 100)
    Path(second.target).touch()
    job.check_targets([first, second, third])


def test_folders() -> None:
    """Each folder is named once; a folder for every frame is refused, as a session has a few only."""
    assert job.folders(shots_of("/a/%V/k.%04d.exr", views=("l", "r"))) == ["/a/l", "/a/r"]
    with pytest.raises(Refusal, match="folders"):
        job.folders(shots_of("/a/%04d/k.exr", range(16)))


def test_stretches() -> None:
    """Frames that follow each other in a view are rendered in one go."""
    wanted = [job.Shot(frame, view, "", "") for view, frame in [("l", 1), ("l", 2), ("l", 4), ("r", 5), ("r", 6)]]
    found = [[(shot.view, shot.frame) for shot in stretch] for stretch in job.stretches(wanted)]
    assert found == [[("l", 1), ("l", 2)], [("l", 4)], [("r", 5), ("r", 6)]]
    assert list(job.stretches([])) == []


@pytest.mark.parametrize(
    ("management", "space", "config", "found"),
    [
        ("Nuke", "scene_linear", "aces_1.2", "linear_rec709"),
        ("OCIO", "ACES - ACEScg", "aces_1.2", "acescg"),
        ("OCIO", "scene_linear (ACES - ACEScg)", "aces_1.2", "acescg"),
        ("OCIO", "ACEScg", "fn-nuke_cg-config-v1.0.0_aces-v1.3_ocio-v2.1", "acescg"),
        ("OCIO", "scene_linear", "fn-nuke_studio-config-v1.0.0_aces-v1.3_ocio-v2.1", "acescg"),
        ("OCIO", "scene_linear", "nuke-default", "linear_rec709"),
        ("OCIO", "linear", "nuke-default", "linear_rec709"),
        ("OCIO", "scene_linear", "custom", ""),
        ("OCIO", "ACES - ACES2065-1", "aces_1.2", "aces2065_1"),
        ("OCIO", "Linear Rec.709 (sRGB)", "custom", "linear_rec709"),
        ("OCIO", "Utility - Linear - sRGB", "aces_1.2", "linear_rec709"),
        ("OCIO", "lin_rec709", "custom", "linear_rec709"),
        ("OCIO", "Linear Rec.2020", "custom", "linear_rec2020"),
        ("OCIO", "Utility - Linear - P3-D65", "aces_1.2", "linear_p3d65"),
        ("OCIO", "DaVinci Intermediate WideGamut", "custom", ""),
        ("OCIO", "Linear DaVinci WideGamut", "custom", "davinci_wide_gamut_linear"),
        ("OCIO", "Output - sRGB", "aces_1.2", ""),
        ("OCIO", "Input - ARRI - Linear - ALEXA Wide Gamut", "aces_1.2", ""),
        ("OCIO", "ACES - ACEScc", "aces_1.2", ""),
        ("OCIO", "ACES - ACEScct", "aces_1.2", ""),
    ],
)
def test_working_space(management: str, space: str, config: str, found: str) -> None:
    """The working space is told from the root's settings, or left open: it is never guessed."""
    assert job.working_space(management, space, config) == found
    assert found in ("", *job.LINEAR_SPACES)


def test_examples() -> None:
    """The examples in the module hold."""
    assert doctest.testmod(job).failed == 0


def test_version() -> None:
    """The package is of the version of the whole."""
    assert re.search(
        rf'__version__ = "{VERSION}"', (Path(__file__).parents[2] / "models/corridorkey_models/__init__.py").read_text()
    )


def test_loading_the_package_does_nothing() -> None:
    """A script that is opened loads the package alone: no part of it, no socket, no Nuke."""
    script = "import sys, corridorkey_nuke; print(*sorted(name for name in sys.modules if 'nuke' in name), end='')"
    command = [sys.executable, "-c", script + "; assert 'socket' not in sys.modules"]
    environment = os.environ | {"PYTHONPATH": str(nuke_package.FOLDER)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout == "corridorkey_nuke"


def shot(frame: int) -> job.Shot:
    """Return the shot of a frame."""
    return job.Shot(frame, "main", "", "")


def test_how_it_went() -> None:
    """Counts, empty frames, notes and failures are told with the frames they are about."""
    outcome = Outcome(7)
    outcome.kept = 1
    outcome.succeed(shot(1), False, False, [])
    outcome.succeed(shot(2), False, True, ["the hint is odd."])
    outcome.succeed(shot(3), True, False, ["the hint is odd."])
    outcome.fail(shot(5), "the weights are missing; run `ckey pull green`.")
    outcome.fail(shot(6), "the weights are missing; run `ckey pull green`.")
    assert outcome.text() == (
        "Keyed 2 frames, 2 were keyed already, 3 are missing. "
        "Frame 2: nothing is left of the hint, so the matte is empty. "
        "Frames 5-6: the weights are missing; run `ckey pull green`. Frames 2-3: the hint is odd."
    )
    assert outcome.has_failed
    assert outcome.answered == 6


@pytest.mark.parametrize(
    ("kept", "keyed", "stopped", "text"),
    [
        (0, 1, False, "Keyed 1 frame."),
        (2, 0, False, "2 were keyed already."),
        (1, 1, False, "Keyed 1 frame, 1 was keyed already."),
        (0, 0, True, "Stopped: keyed 0 frames, 2 are missing."),
        (0, 1, True, "Stopped: keyed 1 frame, 1 is missing."),
    ],
)
def test_counts(kept: int, keyed: int, stopped: bool, text: str) -> None:
    """What is told fits what was done."""
    outcome = Outcome(2 if stopped else kept + keyed)
    outcome.kept, outcome.is_stopped = kept, stopped
    for frame in range(keyed):
        outcome.succeed(shot(frame), False, False, [])
    assert outcome.text() == text
    assert not outcome.has_failed


def test_no_hope() -> None:
    """After five failures in a row no more is tried; one success in between is hope."""
    outcome = Outcome(20)
    for frame in range(4):
        outcome.fail(shot(frame), "no.")
    outcome.succeed(shot(4), False, False, [])
    for frame in range(5, 9):
        outcome.fail(shot(frame), "no.")
    assert not outcome.is_hopeless
    outcome.fail(shot(9), "no.")
    assert outcome.is_hopeless
    assert "No more were tried" in outcome.text()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the exchange folders are."""
    monkeypatch.setenv("CORRIDORKEY_TMP", str(tmp_path))
    base = tmp_path / f"ckey-{os.getuid()}-nuke"
    yield base
    assert not list(base.glob("*")), "an exchange folder is left"


def test_exchange_folder(place: Path) -> None:
    """It is the user's alone, and gone with all that is in it."""
    with exchange.folder() as folder:
        assert Path(folder).parent == place
        assert not stat.S_IMODE(Path(folder).stat().st_mode) & 0o077
        assert not stat.S_IMODE(place.stat().st_mode) & 0o077
        (Path(folder) / "main.0001.exr").touch()
        assert exchange.budget(folder) > 0


def test_folders_of_the_dead(place: Path) -> None:
    """What a process that ended left there is removed; what others have, on this machine or another, stays."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    machine = "".join(letter if letter.isalnum() else "_" for letter in socket.gethostname())
    place.mkdir(0o700)
    gone = place / f"{machine}-{dead.pid}-abc"
    kept = [place / f"{machine}-{os.getpid()}-abc", place / f"another-{dead.pid}-abc", place / "notes"]
    for path in (gone, *kept):
        path.mkdir()
        (path / "x").touch()
    with exchange.folder():
        assert not gone.exists()
        assert all((path / "x").exists() for path in kept)
    for path in kept:
        (path / "x").unlink()
        path.rmdir()


@pytest.mark.parametrize("flaw", ["open", "link"])
def test_an_exchange_folder_that_is_not_safe(place: Path, tmp_path: Path, flaw: str) -> None:
    """A folder that others may write to, or that leads elsewhere, is refused."""
    if flaw == "open":
        place.mkdir()
        place.chmod(0o777)
    else:
        (tmp_path / "elsewhere").mkdir(0o700)
        place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refusal, match="CORRIDORKEY_TMP"), exchange.folder():
        pass


def test_no_place_for_the_exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place that cannot be is named, with what to do."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("CORRIDORKEY_TMP", str(tmp_path / "file"))
    with pytest.raises(Refusal, match="CORRIDORKEY_TMP"), exchange.folder():
        pass


def test_frames_within_a_budget() -> None:
    """As many as fit are exported, and two however large they are."""
    assert exchange.frames_within(100, 10) == 10
    assert exchange.frames_within(100, 99) == 2
    assert exchange.frames_within(-5, 0) == 2


def test_linear_spaces_are_those_of_the_table() -> None:
    """The package has no table of its own to ask, so its list is held to it."""
    assert sorted(job.LINEAR_SPACES) == sorted(space for space in WORKING_SPACES[1:] if linear_space(space) == space)


def test_an_exchange_folder_that_is_no_full_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is made in whatever folder Nuke was started in."""
    monkeypatch.setenv("CORRIDORKEY_TMP", "frames/here")
    with pytest.raises(Refusal, match="not a full path"), exchange.folder():
        pass
    assert not Path("frames").exists()


def test_memory_that_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container the memory's file system may hold less than a frame: the temporary folder is taken then."""
    monkeypatch.delenv("CORRIDORKEY_TMP", raising=False)
    monkeypatch.setattr(exchange, "_ENOUGH", 1 << 62)
    with exchange.folder() as place:
        assert place.startswith(tempfile.gettempdir())
