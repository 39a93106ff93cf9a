"""The node in Nuke's folders: installed whole, replaced whole, removed whole, and nothing else touched."""

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from corridorkey_models.errors import InputError, ResourceError
from corridorkey_server.install_nuke import find_installed, uninstall
from small_gizmo import BLOCK, COMMAND, NODE, Version, contents, loads, make_version, script


@pytest.fixture
def first(tmp_path: Path) -> Version:
    """Version 1.0, with a module that the next one has no more."""
    return make_version(tmp_path / "first", "1.0", "python/corridorkey_nuke/former.py")


@pytest.fixture
def second(tmp_path: Path) -> Version:
    """Version 2.0."""
    return make_version(tmp_path / "second", "2.0")


@pytest.fixture
def nuke(tmp_path: Path) -> Path:
    """A folder of Nuke that is not there yet."""
    return tmp_path / "home" / ".nuke"


@pytest.fixture
def umask() -> Iterator[None]:
    """A process whose files nobody else may read."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_all_of_it_is_installed(first: Version, nuke: Path) -> None:
    """The node with what it needs lies there, not how it is made, and init.py tells Nuke of it."""
    assert first.install(nuke) == ("1.0", None)
    found = contents(nuke)
    assert found.pop("init.py").decode() == BLOCK + "\n"
    assert json.loads(found.pop("CorridorKey/manifest.json"))["version"] == "1.0"
    assert found.pop("CorridorKey/ckey.path").decode() == f"{COMMAND}\n"
    assert found.keys() == {f"CorridorKey/{name}" for name in (*NODE, "python/corridorkey_nuke/former.py")}
    assert {path.name for path in nuke.iterdir()} == {"CorridorKey", "init.py"}


@pytest.mark.usefixtures("umask")
def test_everybody_may_read_it(first: Version, nuke: Path) -> None:
    """What an administrator with a narrow umask installs, artists can load."""
    first.install(nuke)
    for path in (nuke, *nuke.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


def test_a_new_version_takes_the_place_of_the_old(first: Version, second: Version, nuke: Path) -> None:
    """Nothing of the old one stays; other tools stay, and init.py is not even written."""
    first.install(nuke)
    (nuke / "other.gizmo").write_text("mine")
    (nuke / "CorridorKey" / "old").touch()
    before = (nuke / "init.py").stat()
    assert second.install(nuke) == ("2.0", "1.0")
    after = (nuke / "init.py").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert not {"former.py", "old"} & {path.name for path in nuke.rglob("*")}
    assert {path.name for path in nuke.iterdir()} == {"CorridorKey", "init.py", "other.gizmo"}
    assert (nuke / "CorridorKey" / "CorridorKey.gizmo").read_text().startswith("2.0")


@pytest.mark.parametrize("name", ["Cattery", "cattery"])
def test_a_cattery_needs_no_lines(name: str, first: Version, second: Version, nuke: Path) -> None:
    """Nuke looks there by itself: an init.py of the folder stays as it is."""
    path = script(nuke / name)
    assert first.install(nuke / name) == ("1.0", None)
    assert second.install(nuke / name) == ("2.0", "1.0")
    assert path.read_text() == "print('mine')\n"
    assert {one.name for one in path.parent.iterdir()} == {"CorridorKey", "init.py"}
    uninstall(nuke / name)
    assert [one.name for one in path.parent.iterdir()] == ["init.py"]


def test_the_folder_of_the_node_is_told_from_the_one_that_holds_it(first: Version, nuke: Path) -> None:
    """Naming the node's own folder is refused instead of putting one into the other."""
    first.install(nuke)
    before = contents(nuke)
    for act in (lambda: first.install(nuke / "CorridorKey"), lambda: uninstall(nuke / "CorridorKey")):
        with pytest.raises(InputError, match=rf"is CorridorKey itself; name the folder that holds it, {nuke}\.$"):
            act()
    assert contents(nuke) == before


def test_a_full_disk_leaves_what_was_there(first: Version, second: Version, nuke: Path) -> None:
    """The sentence says so, the old version still works, and nothing is left of the new one."""
    script(nuke)
    first.install(nuke)
    before = contents(nuke)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(ResourceError, match=r"could not be written: file too large; free space and try again\.$"):
            second.install(nuke)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert contents(nuke) == before
    assert {path.name for path in nuke.iterdir()} == {"CorridorKey", "init.py"}


def renames(monkeypatch: pytest.MonkeyPatch, last: int) -> list[Path]:
    """Let only so many renames succeed, those that take them back not counted, and return what was renamed."""
    done, taken = list[Path](), set[Path]()

    def counted(act: str) -> None:
        real = getattr(Path, act)

        def refuse(path: Path, target: Path) -> Path:
            if path not in taken and len(done) == last:
                raise OSError(errno.EIO, "Input/output error")
            if path not in taken:
                done.append(path)
                taken.add(target)
            return real(path, target)  # type: ignore[no-any-return]

        monkeypatch.setattr(Path, act, refuse)

    counted("rename")
    counted("replace")
    return done


@pytest.mark.parametrize("last", range(5))
def test_a_failed_rename_puts_everything_back(
    last: int, first: Version, second: Version, nuke: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever fails, that of init.py too, every file of the old version is in its place again."""
    first.install(nuke)
    script(nuke, b"# >>> CorridorKey >>> of old\nold()\n# <<< CorridorKey <<<\n")
    before = contents(nuke)
    with monkeypatch.context() as patch:
        done = renames(patch, last)
        with pytest.raises(ResourceError, match=r"input/output error; free space and try again\.$"):
            second.install(nuke)
    assert len(done) == last
    assert contents(nuke) == before
    assert {path.name for path in nuke.iterdir()} == {"CorridorKey", "init.py"}


KILLED = """
import os, signal, sys
from pathlib import Path
from corridorkey_server import install_nuke
gizmo, folder, left = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

def counted(act):
    real = getattr(Path, act)
    def count(path, *target):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(path, *target)
    setattr(Path, act, count)

counted("rename"), counted("replace")
if gizmo.is_dir():
    install_nuke.install(gizmo, folder, Path("/opt/ckey/bin/ckey"), "2.0")
else:
    install_nuke.uninstall(folder)
"""


def killed(renames: int, gizmo: Path, nuke: Path) -> None:
    """Install, or uninstall where `gizmo` is no folder of one, and die after so many renames."""
    command = [sys.executable, "-c", KILLED, *map(str, (gizmo, nuke, renames))]
    assert subprocess.run(command, check=False).returncode == -9


@pytest.mark.parametrize("inner", ["", "Cattery"])
@pytest.mark.parametrize("is_update", [True, False])
def test_killed_between_renames_it_leaves_one_version_or_none(
    inner: str, is_update: bool, first: Version, second: Version, nuke: Path
) -> None:
    """The same command completes it, an artist's init.py is never missing, and a Cattery shows no second node."""
    for count in range(4 if is_update else 2):
        folder = nuke / str(count) / inner
        path = script(folder)
        if is_update:
            first.install(folder)
        told = path.read_bytes()
        killed(count, second.gizmo, folder)
        assert path.read_bytes() == told
        (left,) = (one for one in folder.iterdir() if one.name.startswith("@"))
        assert not list(left.rglob("cat.json"))
        found = {one.read_text().split()[0] for one in (folder / "CorridorKey").rglob("*.gizmo")}
        assert found <= ({"1.0"} if count < 2 and is_update else {"2.0"})
        assert inner or is_update or not loads(folder)
        assert second.install(folder)[0] == "2.0"
        assert inner or loads(folder)
        shutil.rmtree(left)
        assert {one.name for one in folder.iterdir()} == {"CorridorKey", "init.py"}


@pytest.mark.parametrize("count", range(3))
def test_a_killed_removal_is_completed_by_the_next(count: int, first: Version, nuke: Path) -> None:
    """Whatever it left, doing it again leaves what the artist had."""
    path = script(nuke)
    first.install(nuke)
    killed(count, Path("none"), nuke)
    assert uninstall(nuke) is not None
    assert path.read_text() == "print('mine')\n"
    assert not (nuke / "CorridorKey").exists()
    assert uninstall(nuke) is None


def test_killed_at_any_time_it_leaves_one_version(first: Version, second: Version, nuke: Path) -> None:
    """Whenever the process dies, files of one version at most are there, and init.py as it was."""
    path = script(nuke)
    first.install(nuke)
    told = path.read_bytes()
    program = "import sys; from pathlib import Path; from corridorkey_server.install_nuke import install\n"
    program += "sys.stdout.write('.'); sys.stdout.flush(); install(*map(Path, sys.argv[1:4]), '2.0')"
    for wait in range(8):
        command = [sys.executable, "-c", program, *map(str, (second.gizmo, nuke, COMMAND))]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
            assert running.stdout is not None
            running.stdout.read(1)
            time.sleep(wait * 0.002)
            running.kill()
        assert len({one.read_text().split()[0] for one in (nuke / "CorridorKey").rglob("*.gizmo")}) <= 1
        assert path.read_bytes() == told
    second.install(nuke)
    assert loads(nuke)


@pytest.mark.parametrize("manifest", [None, "", "{", "[]", '{"identifier": "corridorkey.comp", "version": "1.0"}'])
def test_a_node_that_is_not_ours_is_not_touched(manifest: str | None, first: Version, nuke: Path) -> None:
    """A folder without our manifest is refused, and still there."""
    (nuke / "CorridorKey").mkdir(parents=True)
    (nuke / "CorridorKey" / "CorridorKey.gizmo").write_text("mine")
    if manifest is not None:
        (nuke / "CorridorKey" / "manifest.json").write_text(manifest)
    before = contents(nuke)
    for act in (lambda: first.install(nuke), lambda: uninstall(nuke)):
        with pytest.raises(InputError, match=r"CorridorKey is not what ckey installed; move it away and try again\.$"):
            act()
    assert contents(nuke) == before


def test_a_link_is_not_followed(first: Version, nuke: Path, tmp_path: Path) -> None:
    """A link in the place of the node, to one or to nothing, is refused, and what it leads to stays."""
    elsewhere = tmp_path / "elsewhere"
    first.install(elsewhere)
    before = contents(elsewhere)
    nuke.mkdir(parents=True)
    for target in (elsewhere / "CorridorKey", tmp_path / "nothing"):
        (nuke / "CorridorKey").symlink_to(target)
        for act in (lambda: first.install(nuke), lambda: uninstall(nuke)):
            with pytest.raises(InputError, match=rf"is a link to {target}; remove the link and try again\.$"):
                act()
        (nuke / "CorridorKey").unlink()
    assert contents(elsewhere) == before


def test_a_linked_folder_is_used(first: Version, nuke: Path, tmp_path: Path) -> None:
    """Who keeps the whole folder elsewhere on the disk finds the node there."""
    (tmp_path / "kept").mkdir()
    nuke.parent.mkdir()
    nuke.symlink_to(tmp_path / "kept")
    first.install(nuke)
    assert loads(tmp_path / "kept")
    assert uninstall(nuke) is not None
    assert nuke.is_symlink()


@pytest.mark.parametrize("name", ["", "init.py"])
def test_something_else_in_the_way_is_a_sentence(name: str, first: Version, nuke: Path) -> None:
    """A file for the folder, or a folder for init.py, is told with the way out."""
    nuke.parent.mkdir(parents=True)
    if name:
        (nuke / name).mkdir(parents=True)
    else:
        nuke.write_text("a file")
    with pytest.raises(InputError, match=r"cannot be used: .*; choose another folder with --to\.$"):
        first.install(nuke)


SOMEBODY = """
import os, sys
from pathlib import Path
from corridorkey_models.errors import InputError
from corridorkey_server.install_nuke import install, uninstall
gizmo, folder = map(Path, sys.argv[1:])
os.setuid(65534)
for act in (lambda: install(gizmo, folder, Path("/opt/ckey")), lambda: uninstall(folder)):
    try:
        act()
    except InputError as error:
        print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to become somebody else")
def test_without_rights_the_way_in_is_told(first: Version, nuke: Path) -> None:
    """Somebody who may not write or remove there gets one sentence, and everything stays as it was."""
    first.install(nuke)
    with tempfile.TemporaryDirectory() as open_to_all:
        folder = Path(open_to_all)
        folder.chmod(0o755)
        shutil.copytree(first.gizmo, folder / "gizmo")
        shutil.copytree(nuke, folder / "nuke")
        command = [sys.executable, "-c", SOMEBODY, str(folder / "gizmo"), str(folder / "nuke")]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        way = "run `sudo $(command -v ckey)` with the same words, or choose a folder of yours with --to."
        assert ran.stdout == f"{folder / 'nuke'} cannot be changed: permission denied; {way}\n" * 2
        assert contents(folder / "nuke") == contents(nuke)


def test_what_is_there_is_told(first: Version, nuke: Path) -> None:
    """A version that was installed is found again, and none where there is none."""
    assert find_installed(nuke) is None
    first.install(nuke)
    found = find_installed(nuke)
    assert found is not None
    assert (found.path, found.version) == (nuke / "CorridorKey", "1.0")
