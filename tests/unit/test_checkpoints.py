"""The models folder: where it is, what is listed, what is found damaged, and what is remembered."""

import errno
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from corridorkey_models import checkpoints
from corridorkey_models.checkpoints import CHECKPOINTS, read_installed, verify
from corridorkey_models.errors import CheckpointError, CorridorKeyError, InputError, ResourceError

GREEN = CHECKPOINTS["green"]
VALUES: dict[str, NDArray[Any]] = {
    "b": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a": np.zeros((), dtype=np.int64),
}
ROWS = [("b", "F32", (2, 3), VALUES["b"].tobytes()), ("a", "I64", (), VALUES["a"].tobytes())]


@pytest.fixture
def green(tmp_path: Path) -> Path:
    """A tiny green.safetensors with the records of a pull."""
    metadata = {
        "source": "repo/file.pth",
        "sha256": 64 * "1",
        "tensors_sha256": checkpoints.hash_tensors(ROWS),
        "licence": GREEN.licence,
        "date": checkpoints.now(),
        "converter": "0",
    }
    save_file(VALUES, tmp_path / "green.safetensors", metadata)
    return tmp_path / "green.safetensors"


@pytest.mark.parametrize(
    "environment,expected",
    [
        ({"CKEY_MODELS": "/site/models", "XDG_DATA_HOME": "/data"}, "/site/models"),
        ({"XDG_DATA_HOME": "/data"}, "/data/ckey/models"),
        ({"CKEY_MODELS": ""}, str(Path.home() / ".local/share/ckey/models")),
    ],
)
def test_models_folder(environment: dict[str, str], expected: str) -> None:
    """A studio's own folder comes first, then the XDG data folder, then the home folder."""
    assert str(checkpoints.models_folder(environment)) == expected


def test_home_of_nobody() -> None:
    """A models folder in the home of a user there is not is refused, and the setting named."""
    with pytest.raises(InputError, match="~nosuch has no home folder; set CKEY_MODELS"):
        checkpoints.models_folder({"CKEY_MODELS": "~nosuch/models"})


def test_name_too_long_for_a_folder(tmp_path: Path) -> None:
    """A folder that cannot exist is refused by whatever looks into it, and the setting named."""
    folder = tmp_path / (300 * "a")
    for look in (
        lambda: checkpoints.list_installed(folder),
        lambda: checkpoints.is_accepted(GREEN, folder),
    ):
        with pytest.raises(InputError, match=r"too long.*CKEY_MODELS"):
            look()


def test_unknown_checkpoint_lists_the_known() -> None:
    """A screen without a checkpoint is refused with the names there are."""
    with pytest.raises(InputError, match=r"'red'.*green, blue"):
        checkpoints.find_checkpoint("red")


@pytest.mark.parametrize("checkpoint", CHECKPOINTS.values(), ids=CHECKPOINTS)
def test_terms_name_what_matters(checkpoint: checkpoints.Checkpoint) -> None:
    """Before a download a user reads of resale, paid services, the name and the licence it rests on."""
    for words in ("resell", "paid API", "keeps the name CorridorKey", "BY-NC-SA 4.0", "CORRIDOR KEY LICENCE"):
        assert words in checkpoint.terms


def test_listing_tells_where_a_checkpoint_came_from(green: Path) -> None:
    """Source, hash, licence, size and date are read back from the file itself."""
    found = read_installed(green)
    assert (found.name, found.source, found.sha256) == ("green", "repo/file.pth", 64 * "1")
    assert found.licence == "CORRIDOR KEY LICENCE v1.0"
    assert found.size == green.stat().st_size
    assert checkpoints.list_installed(green.parent) == [green]
    assert checkpoints.find_installed("green", green.parent) == found
    assert checkpoints.find_installed("blue", green.parent) is None


def test_listing_an_absent_folder_is_empty(tmp_path: Path) -> None:
    """On a fresh machine nothing is installed, and nothing is made."""
    assert checkpoints.list_installed(tmp_path / "none") == []
    assert not (tmp_path / "none").exists()


def test_whole_checkpoint_passes(green: Path) -> None:
    """An untouched file verifies, and progress ends at 1."""
    seen: list[float] = []
    verify(read_installed(green), lambda _, fraction: seen.append(fraction))
    assert max(seen) == 1


def test_one_flipped_bit_is_found(green: Path) -> None:
    """A value that a disk has changed is found by verify, and the way out is named."""
    content = bytearray(green.read_bytes())
    content[-5] ^= 1
    green.write_bytes(content)
    with pytest.raises(CheckpointError, match="ckey pull green --overwrite"):
        verify(read_installed(green))


def test_swapped_names_are_found() -> None:
    """Equal values under other names or shapes are another checkpoint."""
    first = checkpoints.hash_tensors(ROWS)
    assert checkpoints.hash_tensors(reversed(ROWS)) == first
    assert checkpoints.hash_tensors([("c", *ROWS[0][1:]), ROWS[1]]) != first
    assert checkpoints.hash_tensors([("b", "F32", (3, 2), ROWS[0][3]), ROWS[1]]) != first


@pytest.mark.parametrize("keep", [0, 4, 8, 100, -1])
def test_cut_file_is_damaged(green: Path, keep: int) -> None:
    """A file cut short anywhere is an error in words, and counts as not installed."""
    green.write_bytes(green.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="damaged"):
        read_installed(green)
    assert checkpoints.find_installed("green", green.parent) is None


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"{",
        b'{"a": 1}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}',
        b'"text"',
        9999 * b"[",
    ],
)
def test_odd_headers_are_damaged(tmp_path: Path, header: bytes) -> None:
    """Whatever a header holds, the answer is one error in words."""
    path = tmp_path / "green.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(CheckpointError, match="damaged"):
        read_installed(path)


def test_shape_without_end_is_damaged(tmp_path: Path) -> None:
    """A shape of infinity is no shape."""
    header = b'{"a": {"dtype": "F32", "shape": [1e999], "data_offsets": [0, 8]}}'
    path = tmp_path / "green.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(CheckpointError, match="damaged"):
        read_installed(path)


def test_header_of_megabytes_is_not_read(tmp_path: Path) -> None:
    """A header twenty times the size of ours is refused before it is parsed."""
    path = tmp_path / "green.safetensors"
    save_file(VALUES, path, {"source": (2 << 20) * "a"})
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoints.read_metadata(path)


def test_random_bytes_are_damaged(tmp_path: Path) -> None:
    """A file of noise is no checkpoint, also where it states a header of exabytes."""
    path = tmp_path / "green.safetensors"
    path.write_bytes(np.random.default_rng(3).bytes(1 << 16))
    with pytest.raises(CheckpointError, match="damaged"):
        read_installed(path)


def test_missing_checkpoint_says_how_to_get_it(tmp_path: Path) -> None:
    """The error is the command to run."""
    with pytest.raises(CheckpointError, match="run `ckey pull blue`"):
        read_installed(tmp_path / "blue.safetensors")


def test_foreign_safetensors_is_told_apart(tmp_path: Path) -> None:
    """A file without our records is named as such."""
    save_file(VALUES, tmp_path / "green.safetensors")
    with pytest.raises(CheckpointError, match="not written by `ckey pull`"):
        read_installed(tmp_path / "green.safetensors")


def test_terms_are_accepted_once_until_they_change(tmp_path: Path) -> None:
    """Acceptance holds for both checkpoints of one licence, and ends when its terms read differently."""
    assert not checkpoints.is_accepted(GREEN, tmp_path)
    checkpoints.accept(GREEN, tmp_path)
    assert checkpoints.is_accepted(GREEN, tmp_path)
    assert checkpoints.is_accepted(CHECKPOINTS["blue"], tmp_path)
    assert not checkpoints.is_accepted(replace(GREEN, terms="others"), tmp_path)


def test_hash_of_a_source_is_remembered(tmp_path: Path) -> None:
    """Each checkpoint has its own hash on record, and a later one replaces it."""
    checkpoints.record_sha256(GREEN, "1", tmp_path)
    checkpoints.record_sha256(CHECKPOINTS["blue"], "2", tmp_path)
    checkpoints.record_sha256(GREEN, "3", tmp_path)
    assert checkpoints.known_sha256(GREEN, tmp_path) == "3"
    assert checkpoints.known_sha256(CHECKPOINTS["blue"], tmp_path) == "2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sources.json"]


@pytest.mark.parametrize("content", ["{", "[]", "\x00", 9999 * "["])
def test_broken_record_is_named(tmp_path: Path, content: str) -> None:
    """A record that somebody has edited wrongly is an error that names the file."""
    (tmp_path / "licences.json").write_text(content)
    with pytest.raises(InputError, match=r"licences\.json"):
        checkpoints.is_accepted(GREEN, tmp_path)


@pytest.mark.parametrize(
    "number,kind,words",
    [
        (errno.ENOSPC, ResourceError, "full"),
        (errno.EDQUOT, ResourceError, "full"),
        (errno.EACCES, InputError, "CKEY_MODELS"),
        (errno.EROFS, InputError, "CKEY_MODELS"),
        (errno.ENAMETOOLONG, InputError, "CKEY_MODELS"),
        (errno.EIO, ResourceError, "try again"),
    ],
)
def test_failed_write_names_the_way_out(number: int, kind: type[CorridorKeyError], words: str) -> None:
    """A full disk is worth another try, a folder without permission is the user's to change."""
    error = checkpoints.storage_error(OSError(number, "why"), Path("/models"))
    assert type(error) is kind
    assert words in str(error)


def test_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    """Where the models folder's path is a file, the error says what to set."""
    (tmp_path / "models").write_text("")
    with pytest.raises(InputError, match="CKEY_MODELS"):
        checkpoints.record_sha256(GREEN, "1", tmp_path / "models")


def test_hash_file_is_sha256(tmp_path: Path) -> None:
    """The hash of a file is what sha256sum prints."""
    (tmp_path / "file").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert checkpoints.hash_file(tmp_path / "file") == known


@pytest.mark.parametrize("module", ["corridorkey_models.checkpoints", "corridorkey_server.commands.models"])
def test_listing_needs_no_torch(module: str) -> None:
    """`ckey models` starts in an instant: neither torch nor the hub is loaded for it."""
    program = f"import sys, {module}; sys.exit(bool({{'torch', 'numpy', 'huggingface_hub'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
