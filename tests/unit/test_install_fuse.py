"""The fuse in the folders of Fusion: installed whole, replaced whole, removed whole, and nothing else touched."""

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
from typing import NamedTuple

import pytest

from corridorkey_models.errors import InputError, ResourceError
from corridorkey_server.install_fuse import find_installed, install, uninstall

COMMAND = Path("/opt/ckey/bin/ckey")
PLACE = "Fuses/CorridorKey"
LUA = "Modules/Lua"


class Version(NamedTuple):
    """A small fuse as it comes with the package."""

    name: str
    fuse: Path
    libraries: Path

    def install(self, folder: Path) -> "tuple[str, str | None]":
        """Install it, and return the version that is there and that which was."""
        placed, before = install(self.fuse, self.libraries, folder, COMMAND, self.name)
        assert placed.path == folder / PLACE
        return placed.version, before.version if before else None


def make_version(folder: Path, name: str, *modules: str) -> Version:
    """Make a fuse with these modules; every file tells the version."""
    text = f"-- {name}\n" * 3000
    files = {"fuse/CorridorKey.fuse", "fuse/CorridorKeyProbe.fuse", "fuse/README.md", "lib/linux-x86_64/lib.so"}
    files |= {"lib/windows-x86_64/lib.dll", *(f"fuse/{LUA}/{module}" for module in modules)}
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)
    return Version(name, folder / "fuse", folder / "lib")


@pytest.fixture
def first(tmp_path: Path) -> Version:
    """Version 1.0, with a module that the next one has no more."""
    return make_version(tmp_path / "first", "1.0", "corridorkey.lua", "corridorkey_former.lua")


@pytest.fixture
def second(tmp_path: Path) -> Version:
    """Version 2.0, with a module that is new."""
    return make_version(tmp_path / "second", "2.0", "corridorkey.lua", "corridorkey_new.lua")


@pytest.fixture
def fusion(tmp_path: Path) -> Path:
    """A Fusion folder that is not there yet."""
    return tmp_path / "DaVinci Resolve" / "Fusion"


@pytest.fixture
def umask() -> Iterator[None]:
    """A process whose files nobody else may read."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def contents(folder: Path) -> dict[str, str]:
    """Return every file of a folder."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def versions(fusion: Path) -> set[str]:
    """Return which versions the files come from that a host would run."""
    files = {name: text for name, text in contents(fusion).items() if not name.startswith("@")}
    return {text.split()[1] for name, text in files.items() if name.endswith((".fuse", ".lua", ".so"))}


def test_all_of_it_is_installed(first: Version, fusion: Path) -> None:
    """Fuses and libraries lie together with what they need to know, modules where Fusion looks for them."""
    assert first.install(fusion) == ("1.0", None)
    found = contents(fusion)
    assert json.loads(found.pop(f"{PLACE}/manifest.json")) == {"identifier": "corridorkey.comp", "version": "1.0"}
    assert found.pop(f"{PLACE}/ckey.path") == f"{COMMAND}\n"
    text = (first.fuse / "CorridorKey.fuse").read_text()
    for module in ("corridorkey.lua", "corridorkey_former.lua"):
        mark = f"-- Installed by ckey: corridorkey.comp {module} 1.0\n"
        assert found.pop(f"{LUA}/{module}") == text + mark
    files = ("CorridorKey.fuse", "CorridorKeyProbe.fuse", "linux-x86_64/lib.so", "windows-x86_64/lib.dll")
    assert found == {f"{PLACE}/{file}": text for file in files}
    assert {path.name for path in fusion.iterdir()} == {"Fuses", "Modules"}


@pytest.mark.usefixtures("umask")
def test_everybody_may_read_it(first: Version, fusion: Path) -> None:
    """What an administrator with a narrow umask installs, artists can load."""
    first.install(fusion)
    for path in (fusion, *fusion.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


def test_a_new_version_takes_the_place_of_the_old(first: Version, second: Version, fusion: Path) -> None:
    """Nothing of the old one stays, a module that is no more least of all; what is not ours stays."""
    first.install(fusion)
    for name in (f"{LUA}/dkjson.lua", f"{LUA}/corridorkey_mine.lua", "Fuses/Other.fuse"):
        (fusion / name).write_text("-- mine")
    shutil.copy(fusion / LUA / "corridorkey.lua", fusion / LUA / "corridorkey_copy.lua")
    (fusion / PLACE / "old").touch()
    assert second.install(fusion) == ("2.0", "1.0")
    assert {path.name for path in (fusion / LUA).iterdir()} == {
        *("corridorkey.lua", "corridorkey_new.lua"),
        *("dkjson.lua", "corridorkey_mine.lua", "corridorkey_copy.lua"),
    }
    assert {path.name for path in (fusion / "Fuses").iterdir()} == {"CorridorKey", "Other.fuse"}
    assert not (fusion / PLACE / "old").exists()
    assert "2.0" in (fusion / LUA / "corridorkey.lua").read_text().splitlines()[-1]


def test_a_module_that_was_edited_is_still_ours(first: Version, second: Version, fusion: Path) -> None:
    """Whatever an editor does to the end of a file, the next version takes its place."""
    first.install(fusion)
    module = fusion / LUA / "corridorkey.lua"
    module.write_bytes(b"-- edited\r\n" + module.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\r\n")
    second.install(fusion)
    assert versions(fusion) == {"2.0"}


def test_a_full_disk_leaves_what_was_there(first: Version, second: Version, fusion: Path) -> None:
    """The sentence says so, the old version still works, and nothing is left of the new one."""
    first.install(fusion)
    before = contents(fusion)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(ResourceError, match=r"could not be written: file too large; free space and try again\.$"):
            second.install(fusion)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert contents(fusion) == before
    assert {path.name for path in fusion.iterdir()} == {"Fuses", "Modules"}


def renames(monkeypatch: pytest.MonkeyPatch, last: int) -> list[Path]:
    """Let only so many renames succeed, those that take them back not counted, and return what was renamed."""
    rename, done = Path.rename, list[Path]()

    def refuse(path: Path, target: Path) -> Path:
        if path in taken:
            return rename(path, target)
        if len(done) == last:
            raise OSError(errno.EIO, "Input/output error")
        done.append(path)
        taken.add(target)
        return rename(path, target)

    taken = set[Path]()
    monkeypatch.setattr(Path, "rename", refuse)
    return done


@pytest.mark.parametrize("last", range(6))
def test_a_failed_rename_puts_everything_back(
    last: int, first: Version, second: Version, fusion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever rename fails, every file of the old version is in its place again."""
    first.install(fusion)
    before = contents(fusion)
    with monkeypatch.context() as patch:
        done = renames(patch, last)
        with pytest.raises(ResourceError, match=r"input/output error; free space and try again\.$"):
            second.install(fusion)
    assert len(done) == last
    assert contents(fusion) == before
    assert {path.name for path in fusion.iterdir()} == {"Fuses", "Modules"}


KILLED = """
import os, signal, sys
from pathlib import Path
from corridorkey_server import install_fuse
fuse, libraries, folder = map(Path, sys.argv[1:4])
rename, left = Path.rename, int(sys.argv[4])

def count(path, target):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(path, target)

Path.rename = count
if fuse.name == "fuse":
    install_fuse.install(fuse, libraries, folder, Path("/opt/ckey/bin/ckey"), "2.0")
else:
    install_fuse.uninstall(folder)
"""


def killed(renames: int, fuse: Path, libraries: Path, fusion: Path) -> None:
    """Install, or uninstall where `fuse` is no folder of one, and die after so many renames."""
    command = [sys.executable, "-c", KILLED, *map(str, (fuse, libraries, fusion, renames))]
    assert subprocess.run(command, check=False).returncode == -9


@pytest.mark.parametrize("renames", range(6))
def test_killed_between_renames_it_leaves_no_mix(
    renames: int, first: Version, second: Version, fusion: Path, tmp_path: Path
) -> None:
    """A fuse and modules of different versions never lie there together; the same command completes it."""
    first.install(fusion)
    killed(renames, second.fuse, second.libraries, fusion)
    (left,) = (path for path in fusion.iterdir() if path.name.startswith("@"))
    assert len(versions(fusion)) <= 1
    is_whole = (fusion / PLACE).exists() and len(list((fusion / LUA).iterdir())) == 2
    assert is_whole == (renames == 0)
    assert second.install(fusion)[0] == "2.0"
    shutil.rmtree(left)
    second.install(tmp_path / "fresh")
    assert contents(fusion) == contents(tmp_path / "fresh")


@pytest.mark.parametrize("renames", range(3))
def test_a_killed_removal_is_completed_by_the_next(renames: int, first: Version, fusion: Path) -> None:
    """Whatever it left, doing it again leaves nothing of ours."""
    first.install(fusion)
    killed(renames, Path("none"), Path("none"), fusion)
    assert uninstall(fusion) is not None
    assert versions(fusion) == set()
    assert uninstall(fusion) is None


def test_killed_at_any_time_it_leaves_no_mix(first: Version, second: Version, fusion: Path) -> None:
    """Whenever the process dies, what a host would run is of one version, and doing it again completes it."""
    first.install(fusion)
    script = "import sys; from pathlib import Path; from corridorkey_server.install_fuse import install\n"
    script += "sys.stdout.write('.'); sys.stdout.flush(); install(*map(Path, sys.argv[1:5]), '2.0')"
    for wait in range(8):
        command = [sys.executable, "-c", script, *map(str, (second.fuse, second.libraries, fusion, COMMAND))]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
            assert running.stdout is not None
            running.stdout.read(1)
            time.sleep(wait * 0.002)
            running.kill()
        assert len(versions(fusion)) <= 1
    second.install(fusion)
    assert versions(fusion) == {"2.0"}


def test_uninstalling_removes_ours_and_nothing_else(first: Version, fusion: Path) -> None:
    """Other fuses and modules stay, and so do their folders; a second time there is nothing to do."""
    first.install(fusion)
    for name in (f"{LUA}/corridorkey_mine.lua", "Fuses/Other.fuse"):
        (fusion / name).write_text("-- mine")
    removed = uninstall(fusion, fusion.parent)
    assert removed is not None
    assert (removed.path, removed.version) == (fusion / PLACE, "1.0")
    assert contents(fusion).keys() == {f"{LUA}/corridorkey_mine.lua", "Fuses/Other.fuse"}
    assert {path.name for path in fusion.iterdir()} == {"Fuses", "Modules"}
    assert uninstall(fusion) is None
    assert uninstall(fusion / "nowhere") is None


def test_modules_without_a_fuse_are_removed(first: Version, fusion: Path) -> None:
    """Where somebody took the fuse away by hand, the modules still go, and are named."""
    first.install(fusion)
    shutil.rmtree(fusion / PLACE)
    removed = uninstall(fusion)
    assert removed is not None
    assert (removed.path, removed.version) == (fusion / LUA, "1.0")
    assert not contents(fusion)


@pytest.mark.parametrize("manifest", [None, "", "{", "[]", '{"identifier": "other", "version": "1.0"}'])
def test_a_fuse_that_is_not_ours_is_not_touched(manifest: str | None, first: Version, fusion: Path) -> None:
    """A folder without our manifest is refused, and still there."""
    (fusion / PLACE).mkdir(parents=True)
    (fusion / PLACE / "CorridorKey.fuse").write_text("-- mine")
    if manifest is not None:
        (fusion / PLACE / "manifest.json").write_text(manifest)
    before = contents(fusion)
    for act in (lambda: first.install(fusion), lambda: uninstall(fusion)):
        with pytest.raises(InputError, match=r"CorridorKey is not CorridorKey's; move it away and try again\.$"):
            act()
    assert contents(fusion) == before


def test_a_file_in_the_place_of_the_fuse_is_not_touched(first: Version, fusion: Path) -> None:
    """It is refused, and still there."""
    (fusion / "Fuses").mkdir(parents=True)
    (fusion / PLACE).write_text("a file")
    with pytest.raises(InputError, match=r"is not CorridorKey's; move it away and try again\.$"):
        first.install(fusion)
    assert contents(fusion) == {PLACE: "a file"}


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_module_that_is_not_ours_is_not_touched(kind: str, first: Version, fusion: Path) -> None:
    """A module of somebody else under a name that is needed is refused before anything is changed."""
    theirs = fusion / LUA / "corridorkey.lua"
    (theirs if kind == "folder" else theirs.parent).mkdir(parents=True)
    if kind == "file":
        theirs.write_text("-- SPDX-License-Identifier: Apache-2.0\n-- CorridorKey, theirs\n")
    before = contents(fusion)
    with pytest.raises(InputError, match=r"corridorkey\.lua is not what ckey installed; move it away and try again\.$"):
        first.install(fusion)
    assert contents(fusion) == before
    assert not (fusion / "Fuses").exists()


@pytest.mark.parametrize("name", [PLACE, f"{LUA}/corridorkey.lua"])
def test_a_link_is_not_followed(name: str, first: Version, fusion: Path, tmp_path: Path) -> None:
    """A link in the place of something of ours, to ours or to nothing, is refused, and what it leads to stays."""
    elsewhere = tmp_path / "elsewhere"
    first.install(elsewhere)
    before = contents(elsewhere)
    (fusion / name).parent.mkdir(parents=True)
    for target in (elsewhere / name, tmp_path / "nothing"):
        (fusion / name).symlink_to(target)
        with pytest.raises(InputError, match=rf"is a link to {target}; remove the link and try again\.$"):
            first.install(fusion)
        (fusion / name).unlink()
    assert contents(elsewhere) == before


def test_a_linked_folder_of_fuses_is_used(first: Version, fusion: Path, tmp_path: Path) -> None:
    """Who keeps all fuses elsewhere on the disk finds this one there."""
    (tmp_path / "kept").mkdir()
    fusion.mkdir(parents=True)
    (fusion / "Fuses").symlink_to(tmp_path / "kept")
    first.install(fusion)
    assert (tmp_path / "kept" / "CorridorKey" / "CorridorKey.fuse").is_file()
    assert uninstall(fusion) is not None
    assert (fusion / "Fuses").is_symlink()


def test_a_file_in_the_way_is_a_sentence(first: Version, fusion: Path) -> None:
    """Where a folder cannot be made, the reason and the way out are told."""
    fusion.mkdir(parents=True)
    (fusion / "Modules").write_text("a file")
    with pytest.raises(InputError, match=r"cannot be used: .*; choose another folder with --to\.$"):
        first.install(fusion)


SOMEBODY = """
import os, sys
from pathlib import Path
from corridorkey_models.errors import InputError
from corridorkey_server.install_fuse import find_installed, install, uninstall
fuse, libraries, folder = map(Path, sys.argv[1:])
os.setuid(65534)
for act in (lambda: install(fuse, libraries, folder, Path("/opt/ckey")), lambda: uninstall(folder)):
    try:
        act()
    except InputError as error:
        print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to become somebody else")
def test_without_rights_the_way_in_is_told(first: Version, fusion: Path) -> None:
    """Somebody who may not write or remove there gets one sentence, and everything stays as it was."""
    first.install(fusion)
    with tempfile.TemporaryDirectory() as open_to_all:
        folder = Path(open_to_all)
        folder.chmod(0o755)
        for name, source in (("fuse", first.fuse), ("lib", first.libraries), ("Fusion", fusion)):
            shutil.copytree(source, folder / name)
        command = [sys.executable, "-c", SOMEBODY, *(str(folder / name) for name in ("fuse", "lib", "Fusion"))]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        way = "run `sudo $(command -v ckey)` with the same words, or choose a folder of yours with --to."
        assert ran.stdout == f"{folder / 'Fusion'} cannot be changed: permission denied; {way}\n" * 2
        assert contents(folder / "Fusion") == contents(fusion)


def test_what_is_there_is_told(first: Version, fusion: Path) -> None:
    """A version that was installed is found again, and none where there is none."""
    assert find_installed(fusion) is None
    first.install(fusion)
    found = find_installed(fusion)
    assert found is not None
    assert (found.path, found.version) == (fusion / PLACE, "1.0")
