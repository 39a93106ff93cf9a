"""Whole files or none."""

import subprocess
import sys
from pathlib import Path

import pytest

from corridorkey_models.errors import InputError, ResourceError
from corridorkey_server.footage.publish import replacing, sweep


def names(folder):
    """Everything in a folder, hidden or not."""
    return [path.name for path in folder.iterdir()]


def test_file_appears_when_the_block_ends(tmp_path):
    """The file is not there while it is written, and is whole afterwards; its folder is made."""
    path = tmp_path / "fg" / "plate.1001.exr"
    with replacing(path) as temporary:
        temporary.write_bytes(b"whole")
        assert not path.exists()
        assert temporary.parent == path.parent
        assert temporary.name.startswith(".")
    assert path.read_bytes() == b"whole"
    assert names(path.parent) == [path.name]


@pytest.mark.parametrize("error", [ValueError("a bug"), RuntimeError("no space"), KeyboardInterrupt()])
def test_failed_block_leaves_the_old_file(tmp_path, error):
    """Whatever fails, the older file stays as it was and no temporary file is left."""
    path = tmp_path / "plate.exr"
    path.write_bytes(b"older")
    with pytest.raises((ValueError, ResourceError, KeyboardInterrupt)), replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise error
    assert path.read_bytes() == b"older"
    assert names(tmp_path) == [path.name]


def test_full_disk_is_a_resource_error(tmp_path):
    """A write that the disk refuses is worth another try, and the sentence says what to do."""
    with (
        pytest.raises(ResourceError, match="no space left on device; free space"),
        replacing(tmp_path / "a.bin"),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")
    assert not names(tmp_path)


def test_folder_that_is_a_file_is_refused(tmp_path):
    """A path below a file cannot be written, and trying again does not help."""
    (tmp_path / "fg").write_bytes(b"")
    with (
        pytest.raises(InputError, match="choose a folder that you may write to"),
        replacing(tmp_path / "fg/a.exr"),
    ):
        pytest.fail("the block must not begin")


def test_folder_in_place_of_the_file_is_refused(tmp_path):
    """A folder that has the file's name stays."""
    (tmp_path / "a.exr").mkdir()
    with pytest.raises(InputError, match="cannot be written"), replacing(tmp_path / "a.exr") as temporary:
        temporary.write_bytes(b"x")
    assert names(tmp_path) == ["a.exr"]


def test_result_can_be_read_by_others(tmp_path):
    """The file has the rights that the user's mask leaves, not those of a private temporary file."""
    program = (
        "import os, sys; from pathlib import Path; from corridorkey_server.footage.publish import replacing\n"
        "os.umask(0o022)\n"
        "with replacing(Path(sys.argv[1])) as temporary: temporary.write_bytes(b'x')\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.exr")], check=True)
    assert (tmp_path / "a.exr").stat().st_mode & 0o777 == 0o644


def test_leftovers_of_the_dead_are_swept(tmp_path):
    """What a killed process left goes; what a living one or another machine writes stays."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with replacing(tmp_path / "a.exr") as ours:
        host = ours.name.split("-")[1]
        left = tmp_path / f".ckey-{host}-{gone.pid}-0a.tmp"
        elsewhere = tmp_path / f".ckey-elsewhere-{gone.pid}-0a.tmp"
        left.touch()
        elsewhere.touch()
        sweep(tmp_path)
        assert (left.exists(), elsewhere.exists(), ours.exists()) == (False, True, True)
    sweep(tmp_path / "no such folder")
