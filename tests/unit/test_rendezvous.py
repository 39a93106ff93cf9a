"""The folder where a user's programs meet, and what makes one unfit for that."""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from corridorkey_models.errors import InputError
from corridorkey_server import rendezvous, system
from corridorkey_server.rendezvous import Rendezvous, here

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes and owners of POSIX")

LIMIT = 103 if sys.platform == "darwin" else 107
SAME = "set CKEY_RUNTIME to a folder of yours, the same for every program."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound runtime folder."""
    folder = tmp_path / "run"
    folder.mkdir(0o700)
    return folder


def refusal(folder: Path) -> str:
    """Return the sentence with which a folder is refused."""
    with pytest.raises(InputError) as caught:
        Rendezvous(folder).check()
    return str(caught.value)


def test_everything_lies_in_the_folder() -> None:
    """Each name is a file of its own in the folder."""
    place = Rendezvous(Path("/run/user/7/ckey"))
    assert place.control == "ipc:///run/user/7/ckey/control"
    assert place.lease == "/run/user/7/ckey/lease"
    files = {place.control_path, Path(place.lease), place.lock, place.starting, place.log}
    assert len(files) == 5
    assert {path.parent for path in files} == {place.folder}


def test_environment_says_where(tmp_path: Path) -> None:
    """The variable decides; without it the folder is this user's."""
    assert here({"CKEY_RUNTIME": f"{tmp_path}/"}) == Rendezvous(tmp_path)
    assert str(os.getuid()) in str(here({}).folder)


def test_sound_folder_is_there(folder: Path) -> None:
    """A folder that only its owner enters is taken as it is."""
    assert Rendezvous(folder).check()


def test_missing_folder_is_no_error(tmp_path: Path) -> None:
    """Where no daemon has run there is no folder, and asking does not make one."""
    assert not Rendezvous(tmp_path / "a" / "b").check()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_made_folder_is_the_users_alone(tmp_path: Path, umask: int) -> None:
    """Whatever the umask, nobody else enters the new folder; those above it are made as others are; again is fine."""
    place = Rendezvous(tmp_path / "above" / "run")
    place.folder.parent.mkdir()
    before = os.umask(umask)
    try:
        place.create()
        place.create()
    finally:
        os.umask(before)
    assert place.folder.stat().st_mode & 0o077 == 0
    assert place.check()


def test_folders_above_are_made(tmp_path: Path) -> None:
    """A CKEY_RUNTIME deep in folders that are not there yet works."""
    place = Rendezvous(tmp_path / "a" / "b" / "run")
    place.create()
    assert place.check()


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o704, 0o770, 0o1777])
def test_open_folder_is_refused(tmp_path: Path, mode: int) -> None:
    """Any right of others is too much, and the command in the sentence is the cure."""
    folder = tmp_path / "my run"
    folder.mkdir()
    folder.chmod(mode)
    sentence = refusal(folder)
    assert sentence.startswith(f"{folder} is open to other users; run: chmod 700 ")
    with pytest.raises(InputError, match="open to other users"):
        Rendezvous(folder).create()
    subprocess.run(shlex.split(sentence.split("run: ")[1]), check=True)
    assert Rendezvous(folder).check()


def test_link_is_refused(folder: Path, tmp_path: Path) -> None:
    """A link is refused even to a sound folder: who made it may turn it elsewhere."""
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert refusal(link) == f"{link} is a symbolic link; {SAME}"
    with pytest.raises(InputError, match="is a symbolic link"):
        Rendezvous(link).create()


def test_link_to_nothing_is_refused(tmp_path: Path) -> None:
    """A link to nothing is not taken for a missing folder, and nothing is made behind it."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nothing")
    assert "is a symbolic link" in refusal(link)
    with pytest.raises(InputError):
        Rendezvous(link).create()
    assert not (tmp_path / "nothing").exists()


def test_file_is_refused(tmp_path: Path) -> None:
    """A file in the folder's place, or above it, is told as that."""
    file = tmp_path / "file"
    file.touch(0o600)
    assert refusal(file) == f"{file} is not a folder; {SAME}"
    assert refusal(file / "run") == f"{file}/run cannot be read: not a directory; {SAME}"
    with pytest.raises(InputError, match="is not a folder"):
        Rendezvous(file).create()
    with pytest.raises(InputError, match="cannot be made: not a directory"):
        Rendezvous(file / "run").create()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_folder_of_another_user_is_refused(folder: Path) -> None:
    """Who made a folder of that name before could read along."""
    os.chown(folder, 65534, 65534)
    assert refusal(folder) == f"{folder} belongs to user 65534 and not to you (0); {SAME}"
    with pytest.raises(InputError, match="belongs to user 65534"):
        Rendezvous(folder).create()


def of_length(folder: Path, length: int) -> Rendezvous:
    """Return a rendezvous in the folder whose longest socket has a path of that many bytes."""
    missing = length - len(os.fsencode(folder / "x" / "control")) + 1
    return Rendezvous(folder / ("ä" * (missing // 2) + "x" * (missing % 2)))


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path leaves room."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def test_longest_path_works(short: Path) -> None:
    """At the limit a socket can still be made and found."""
    place = of_length(short, LIMIT)
    place.create()
    assert place.check()
    with closing(system.Listener.listen(place.control_path)), closing(system.connect(place.control_path, 10)):
        assert len(os.fsencode(place.control_path)) == LIMIT


def test_longer_path_is_refused(short: Path) -> None:
    """One byte more is refused, before anything is made, with what to do."""
    place = of_length(short, LIMIT + 1)
    assert refusal(place.folder) == (
        f"{place.folder} is too long: a socket in it would have a path of {LIMIT + 1} bytes, {LIMIT} are possible; "
        "set CKEY_RUNTIME to a shorter path, the same for every program."
    )
    with pytest.raises(InputError, match="is too long"):
        place.create()
    assert list(short.iterdir()) == []


def test_windows_folder_is_in_the_profile() -> None:
    """On Windows the folder is in the user's local application data, and without that the user is asked to choose."""
    assert rendezvous._in_profile({"LOCALAPPDATA": "C:\\Users\\ann\\AppData\\Local"}).endswith("Local\\ckey\\run")
    with pytest.raises(InputError, match="set CKEY_RUNTIME"):
        rendezvous._in_profile({})


def test_a_folder_of_others_is_not_closed_to_them(tmp_path: Path) -> None:
    """Where a shared folder is named by mistake, the advice is to name another one, not to lock everybody out."""
    (tmp_path / "somebody's").touch()
    tmp_path.chmod(0o777)
    with pytest.raises(InputError, match="holds more than a daemon's files; set CKEY_RUNTIME"):
        Rendezvous(tmp_path).check()
