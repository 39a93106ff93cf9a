"""What all installers do with files: names that change together or not at all; the command that plug-ins start."""

from pathlib import Path

import pytest

from corridorkey_models.errors import InputError
from corridorkey_server.install_files import find_command, move_all, workspace


def test_names_change_together_or_not_at_all(tmp_path: Path) -> None:
    """Where one rename fails, those before it are taken back, the last one first."""
    for name in ("old", "new"):
        (tmp_path / name).write_text(name)
    old, new, aside = (tmp_path / name for name in ("old", "new", "aside"))
    with pytest.raises(FileNotFoundError):
        move_all([(old, aside), (new, old), (tmp_path / "missing", new)])
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"old": "old", "new": "new"}
    move_all([(old, aside), (new, old)])
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"old": "new", "aside": "old"}


def test_nothing_stays_of_a_workspace(tmp_path: Path) -> None:
    """It goes with all that is in it, also when the work fails; OFX hosts pass over its name."""
    with pytest.raises(OSError, match="on purpose"), workspace(tmp_path / "new" / "folder") as work:
        assert work.parent == tmp_path / "new" / "folder"
        assert work.name.startswith("@")
        (work / "deep").mkdir(parents=True)
        raise OSError("on purpose")
    assert not list((tmp_path / "new" / "folder").iterdir())


def test_the_command_is_found(tmp_path: Path) -> None:
    """What was called, if that is `ckey`, else the one beside Python; a file that cannot be run is none."""
    for folder in ("user", "python"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "ckey").touch(mode=0o755)
    called, beside = tmp_path / "user" / "ckey", tmp_path / "python" / "ckey"
    interpreter = str(tmp_path / "python" / "python3")
    assert find_command(str(called), interpreter) == called
    assert find_command("/somewhere/cli.py", interpreter) == beside
    assert find_command("-c", interpreter) == beside
    beside.chmod(0o644)
    with pytest.raises(InputError, match=r"^there is no ckey beside .*python3; install corridorkey-comp with pip\.$"):
        find_command("-c", interpreter)


def test_a_command_called_by_a_relative_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written down is a full path."""
    (tmp_path / "ckey").touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    assert find_command("./ckey", "/nowhere/python3") == tmp_path / "ckey"
