"""Where the package that runs inside Nuke looks for the daemon, and what makes a folder unfit for that."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

import nuke_package  # noqa: F401
from corridorkey_nuke.failure import Refusal
from corridorkey_nuke.rendezvous import PATH_LIMIT, check, find_folder, here
from corridorkey_server.rendezvous import Rendezvous

CASES = json.loads((Path(__file__).parent.parent / "contract" / "runtime_folder.json").read_text("utf-8"))["cases"]
SAME = "set CKEY_RUNTIME to a folder of yours, the same for every program."


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_folder_is_as_the_table_says(case: dict[str, Any]) -> None:
    """Each case gives its folder, or is refused with its words."""
    asked = case["environ"], case["uid"], case["existing"].__contains__
    if "error" in case:
        with pytest.raises(Refusal, match=case["error"]):
            find_folder(*asked)
    else:
        assert find_folder(*asked) == case["folder"]


def test_this_users_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is the one that the daemon makes, with the variable and without it."""
    monkeypatch.setenv("CKEY_RUNTIME", "/srv/ckey/")
    assert here() == "/srv/ckey"
    monkeypatch.delenv("CKEY_RUNTIME")
    assert here() in {f"/run/user/{os.getuid()}/ckey", f"/tmp/ckey-{os.getuid()}"}


def test_what_the_daemon_makes_is_taken(tmp_path: Path) -> None:
    """A folder as the daemon makes it is sound; where there is none, none is made."""
    folder = tmp_path / "run"
    assert check(str(folder)) is False
    assert not folder.exists()
    Rendezvous(folder).create()
    assert check(str(folder)) is True


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o704, 0o770, 0o1777])
def test_open_folder_is_refused(tmp_path: Path, mode: int) -> None:
    """Any right of others is too much."""
    folder = tmp_path / "run"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(Refusal) as caught:
        check(str(folder))
    assert str(caught.value) == f"{folder} is open to other users; {SAME}"


def test_what_is_no_folder_of_ours_is_refused(tmp_path: Path) -> None:
    """Links, even to a sound folder, files, and what cannot be looked at."""
    folder, link, file = (tmp_path / name for name in ("run", "link", "file"))
    folder.mkdir(0o700)
    link.symlink_to(folder)
    file.touch(0o600)
    reasons = {link: "is a symbolic link", file: "is not a folder", file / "in": "cannot be read"}
    for path, reason in reasons.items():
        with pytest.raises(Refusal) as caught:
            check(str(path))
        assert str(caught.value) == f"{path} {reason}; {SAME}"


@pytest.mark.skipif(os.getuid() == 0, reason="root owns what there is; the next test looks at another owner as root")
def test_folder_of_root_is_refused() -> None:
    """What belongs to somebody else is not entered, whoever that is."""
    with pytest.raises(Refusal, match=r"/root belongs to another user|/root cannot be read"):
        check("/root")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    """What belongs to somebody else is not entered, even by root."""
    folder = tmp_path / "run"
    folder.mkdir(0o700)
    os.chown(folder, 12345, 12345)
    with pytest.raises(Refusal) as caught:
        check(str(folder))
    assert str(caught.value) == f"{folder} belongs to another user; {SAME}"


def test_path_that_no_socket_can_have(tmp_path: Path) -> None:
    """A path is as long as a socket's may be, or refused before anything is asked; bytes count."""
    for letter in ("x", "ä"):
        size = len(letter.encode())
        room = PATH_LIMIT - len(b"/control") - len(os.fsencode(tmp_path)) - 1
        assert check(f"{tmp_path}/{letter * (room // size)}") is False
        with pytest.raises(Refusal, match="is too long for the path of a socket; set CKEY_RUNTIME to a shorter path"):
            check(f"{tmp_path}/{letter * (room // size + 1)}")
