"""The OFX bundle in the folders of hosts: copied whole, replaced whole, removed whole, and nothing else touched."""

import errno
import os
import plistlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import CKEY, ckey
from corridorkey_models import __version__
from corridorkey_models.errors import InputError, ResourceError
from corridorkey_server import install_files, install_ofx
from corridorkey_server.host_files import BUNDLE
from corridorkey_server.install_files import IDENTIFIER
from corridorkey_server.install_ofx import explain, find_installed, install, system_folder, uninstall, user_folder

COMMAND = Path("/opt/ckey/bin/ckey")
BINARY = "Contents/Linux-x86-64/CorridorKey.ofx"


def make_bundle(folder: Path, version: str, identifier: str = IDENTIFIER) -> Path:
    """Make a small bundle."""
    bundle = folder / BUNDLE
    (bundle / BINARY).parent.mkdir(parents=True)
    (bundle / BINARY).write_bytes(version.encode() * 100_000)
    (bundle / "Contents" / "Resources").mkdir()
    (bundle / "Contents" / "Resources" / "CorridorKey.txt").write_text("page")
    facts = {"CFBundleIdentifier": identifier, "CFBundleVersion": version}
    (bundle / "Contents" / "Info.plist").write_bytes(plistlib.dumps(facts))
    return bundle


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A bundle of version 1."""
    return make_bundle(tmp_path / "first", "1.0")


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """A bundle of version 2."""
    return make_bundle(tmp_path / "second", "2.0")


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """A folder of hosts that is not there yet."""
    return tmp_path / "OFX" / "Plugins"


@pytest.fixture
def umask() -> Iterator[None]:
    """A process whose files nobody else may read."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def contents(bundle: Path) -> dict[str, bytes]:
    """Return every file of a bundle."""
    return {path.relative_to(bundle).as_posix(): path.read_bytes() for path in bundle.rglob("*") if path.is_file()}


def names(folder: Path) -> list[str]:
    """Return what lies in a folder."""
    return [path.name for path in folder.iterdir()]


def test_a_bundle_is_copied_whole(first: Path, plugins: Path) -> None:
    """Every file arrives, and one more: where the `ckey` is that installed it."""
    placed, before = install(first, plugins, COMMAND)
    assert before is None
    assert (placed.path, placed.version) == (plugins / BUNDLE, "1.0")
    mark = {"Contents/Resources/ckey.path": f"{COMMAND}\n".encode()}
    assert contents(plugins / BUNDLE) == contents(first) | mark
    assert names(plugins) == [BUNDLE]


@pytest.mark.usefixtures("umask")
def test_everybody_may_read_it(first: Path, plugins: Path) -> None:
    """What an administrator with a narrow umask installs, artists can load."""
    install(first, plugins, COMMAND)
    for path in (plugins, *plugins.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


def test_a_new_version_takes_the_place_of_the_old(first: Path, second: Path, plugins: Path) -> None:
    """Nothing of the old one stays, and what a host has open of it stays whole."""
    install(first, plugins, COMMAND)
    (plugins / BUNDLE / "Contents" / "old").touch()
    with (plugins / BUNDLE / BINARY).open("rb") as loaded:
        placed, before = install(second, plugins, COMMAND)
        assert loaded.read() == b"1.0" * 100_000
    assert before is not None
    assert (before.version, placed.version) == ("1.0", "2.0")
    assert "Contents/old" not in contents(plugins / BUNDLE)
    assert names(plugins) == [BUNDLE]


def test_a_full_disk_leaves_what_was_there(first: Path, second: Path, plugins: Path) -> None:
    """The sentence says so, the old version still works, and nothing is left of the new one."""
    install(first, plugins, COMMAND)
    before = contents(plugins / BUNDLE)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises((InputError, ResourceError), match=r"could not be written: file too large; free space"):
            install(second, plugins, COMMAND)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert contents(plugins / BUNDLE) == before
    assert names(plugins) == [BUNDLE]


def test_two_renames_do_where_names_cannot_be_exchanged(
    first: Path, second: Path, plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a system or disk without that, the new version takes the place of the old all the same."""
    install(first, plugins, COMMAND)
    monkeypatch.setattr(install_ofx, "_exchange", lambda *_: False)
    assert install(second, plugins, COMMAND)[0].version == "2.0"
    assert names(plugins) == [BUNDLE]


def test_a_failed_rename_puts_the_old_one_back(
    first: Path, second: Path, plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the new one cannot be put in, the old one is there again."""
    install(first, plugins, COMMAND)
    before = contents(plugins / BUNDLE)
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if b"<string>2.0</string>" in (path / "Contents" / "Info.plist").read_bytes():
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(install_ofx, "_exchange", lambda *_: False)
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(ResourceError, match="input/output error; free space and try again"):
        install(second, plugins, COMMAND)
    assert contents(plugins / BUNDLE) == before
    assert names(plugins) == [BUNDLE]


def test_killed_at_any_time_it_leaves_one_version(first: Path, second: Path, plugins: Path) -> None:
    """Whenever the process dies while it copies, there is the old version or the new one, whole."""
    install(first, plugins, COMMAND)
    script = "import sys; from pathlib import Path; from corridorkey_server.install_ofx import install\n"
    script += "sys.stdout.write('.'); sys.stdout.flush(); install(*map(Path, sys.argv[1:]))"
    whole = [contents(bundle).keys() | {"Contents/Resources/ckey.path"} for bundle in (first, second)]
    for wait in range(12):
        command = [sys.executable, "-c", script, str(second), str(plugins), str(COMMAND)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
            assert running.stdout is not None
            running.stdout.read(1)
            time.sleep(wait * 0.001)
            running.kill()
        found = find_installed(plugins)
        assert found is not None
        assert contents(found.path).keys() in whole
        assert contents(found.path)[BINARY] == found.version.encode() * 100_000


def test_what_a_killed_process_left_is_swept(first: Path, plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A leftover goes at the next installation, once it is old enough that nobody can still be writing it."""
    left = plugins / "@ckey-0123456789ab"
    left.mkdir(parents=True)
    (left / "file").touch()
    install(first, plugins, COMMAND)
    assert left.is_dir()
    monkeypatch.setattr(install_files, "_STALE", -1.0)
    install(first, plugins, COMMAND)
    assert names(plugins) == [BUNDLE]


def test_uninstalling_removes_ours_and_nothing_else(first: Path, plugins: Path) -> None:
    """Another plug-in in the same folder stays; a second time there is nothing to do."""
    install(first, plugins, COMMAND)
    (plugins / "Other.ofx.bundle").mkdir()
    removed = uninstall(plugins)
    assert removed is not None
    assert removed.version == "1.0"
    assert names(plugins) == ["Other.ofx.bundle"]
    assert uninstall(plugins) is None


@pytest.mark.parametrize("kind", ["identifier", "folder", "file", "damaged", "binary"])
def test_what_is_not_ours_is_not_touched(kind: str, first: Path, plugins: Path) -> None:
    """A bundle of another maker, an empty folder, a file, a list that is none: refused, and still there."""
    plugins.mkdir(parents=True)
    theirs = plugins / BUNDLE
    if kind == "file":
        theirs.write_text("a file")
    elif kind == "folder":
        theirs.mkdir()
    else:
        make_bundle(plugins, "1.0", "com.example.keyer")
    damage = {"damaged": b"<plist><dict>", "binary": b"\0\1\2"}
    if kind in damage:
        (theirs / "Contents" / "Info.plist").write_bytes(damage[kind])
    before = contents(plugins)
    for act in (lambda: install(first, plugins, COMMAND), lambda: uninstall(plugins)):
        with pytest.raises(InputError, match=r"is not CorridorKey's bundle; move it away and try again\.$"):
            act()
    assert contents(plugins) == before
    assert theirs.exists()


def test_a_link_is_not_followed(first: Path, plugins: Path, tmp_path: Path) -> None:
    """A link in the bundle's place, to a bundle or to nothing, is refused, and what it leads to stays."""
    plugins.mkdir(parents=True)
    for target in (first, tmp_path / "nothing"):
        (plugins / BUNDLE).symlink_to(target)
        for act in (lambda: install(first, plugins, COMMAND), lambda: uninstall(plugins)):
            with pytest.raises(InputError, match=rf"is a link to {target}; remove the link and try again\.$"):
                act()
        (plugins / BUNDLE).unlink()
    assert (first / BINARY).exists()


def test_a_file_in_the_way_is_a_sentence(first: Path, tmp_path: Path) -> None:
    """Where a folder cannot be made, the reason and the way out are told."""
    (tmp_path / "OFX").write_text("a file")
    with pytest.raises(InputError, match=r"cannot be used: .*; choose another folder with --to\.$"):
        install(first, tmp_path / "OFX" / "Plugins", COMMAND)


SOMEBODY = """
import os, sys
from pathlib import Path
from corridorkey_models.errors import InputError
from corridorkey_server.install_ofx import install, uninstall
bundle, folder = map(Path, sys.argv[1:])
os.setuid(65534)
for act in (lambda: install(bundle, folder, Path("/opt/ckey")), lambda: uninstall(folder)):
    try:
        act()
    except InputError as error:
        print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to become somebody else")
def test_without_rights_the_way_in_is_told(first: Path, plugins: Path) -> None:
    """Somebody who may not write or remove there gets one sentence, and everything stays as it was."""
    install(first, plugins, COMMAND)
    with tempfile.TemporaryDirectory() as open_to_all:
        folder = Path(open_to_all)
        folder.chmod(0o755)
        shutil.copytree(plugins, folder / "Plugins")
        command = [sys.executable, "-c", SOMEBODY, str(folder / "Plugins" / BUNDLE), str(folder / "Plugins")]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        way = "run `sudo $(command -v ckey)` with the same words, or choose a folder of yours with --to."
        assert ran.stdout == f"{folder / 'Plugins'} cannot be changed: permission denied; {way}\n" * 2
        assert contents(folder / "Plugins") == contents(plugins)


def test_each_system_has_its_folders() -> None:
    """Folders are those of the OFX standard, and a user's own beside them."""
    home = Path("/home/me")
    assert user_folder({}, home, "linux") == home / "OFX" / "Plugins"
    assert user_folder({}, home, "darwin") == home / "Library" / "OFX" / "Plugins"
    assert user_folder({"LOCALAPPDATA": "/local"}, home, "win32") == Path("/local/OFX/Plugins")
    with pytest.raises(InputError, match=r"^LOCALAPPDATA is not set; name a folder with --to\.$"):
        user_folder({}, home, "win32")
    assert system_folder("linux") == Path("/usr/OFX/Plugins")
    assert system_folder("darwin") == Path("/Library/OFX/Plugins")
    assert str(system_folder("win32")) == r"C:\Program Files\Common Files\OFX\Plugins"


def test_the_line_to_add_is_printed_where_it_is_needed() -> None:
    """It is exact for a shell, a folder with a blank included; who has it already is not asked again."""
    folder = Path("/home/me/my OFX")

    def said(environ: dict[str, str]) -> list[str]:
        return "\n".join(explain(folder, environ, "linux")).splitlines()

    line = "    export OFX_PLUGIN_PATH='/home/me/my OFX'${OFX_PLUGIN_PATH:+:$OFX_PLUGIN_PATH}"
    assert line in said({})
    assert line in said({"OFX_PLUGIN_PATH": "/home/me"})
    has = {"OFX_PLUGIN_PATH": "/a:/home/me/my OFX:/b"}
    assert not any("export" in text for text in said(has))
    assert not any("OFX_PLUGIN_PATH" in text for text in explain(system_folder(), {}, "linux"))


@pytest.mark.parametrize(
    ("platform", "before", "line"),
    [
        ("darwin", "", "launchctl setenv OFX_PLUGIN_PATH '/my OFX'"),
        ("darwin", "/a:/b", "launchctl setenv OFX_PLUGIN_PATH '/my OFX;/a:/b'"),
        ("win32", "", 'setx OFX_PLUGIN_PATH "/my OFX"'),
        ("win32", "C:\\a;D:\\b", 'setx OFX_PLUGIN_PATH "/my OFX;C:\\a;D:\\b"'),
    ],
)
def test_where_no_shell_reads_the_line_it_holds_all_folders(platform: str, before: str, line: str) -> None:
    """What OFX_PLUGIN_PATH holds already stays in it; where it holds nothing the folder stands alone."""
    environ = {"OFX_PLUGIN_PATH": before} if before else {}
    assert f"    {line}" in "\n".join(explain(Path("/my OFX"), environ, platform)).splitlines()


@pytest.mark.parametrize(
    ("platform", "named", "is_there"),
    [
        ("linux", "/home/me/OFX/", True),
        ("linux", "/a;/home/me/OFX;/b", True),
        ("linux", "/a:/home/me/../me//OFX", True),
        ("linux", "/home/me/OFX/Plugins:/home/me", False),
        ("linux", "::", False),
        ("darwin", "/a:/home/me/OFX/", True),
        ("darwin", "/a;/home/me/OFX", True),
        ("win32", "C:\\a;\\HOME\\me\\OFX\\", True),
        ("win32", "C:\\a", False),
    ],
)
def test_a_folder_that_hosts_read_already_is_recognised(platform: str, named: str, is_there: bool) -> None:
    """Hosts do not mind a slash at the end, nor which of the separators stands between folders."""
    said = " ".join(explain(Path("/home/me/OFX"), {"OFX_PLUGIN_PATH": named}, platform))
    assert ("OFX_PLUGIN_PATH names it." in said and "once" not in said) == is_there


@pytest.mark.parametrize("before", ["", "/a:/b"])
def test_the_line_does_what_it_says(before: str) -> None:
    """A shell that runs it has the folder first, and what was there after it."""
    said = "\n".join(explain(Path("/my OFX"), {}, "linux"))
    (line,) = [text.strip() for text in said.splitlines() if "export" in text]
    environ = {"PATH": os.environ["PATH"]} | ({"OFX_PLUGIN_PATH": before} if before else {})
    script = f'{line}\nprintf %s "$OFX_PLUGIN_PATH"'
    ran = subprocess.run(["sh", "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert ran.stdout == ("/my OFX:" + before if before else "/my OFX")


def test_no_host_is_promised_too_much(plugins: Path) -> None:
    """Where the bundle is not seen, that is told: two editions load none, one host reads the system folder only."""
    for folder in (plugins, system_folder()):
        text = " ".join(explain(folder, {}))
        assert "Nuke (not Non-commercial)" in text
        assert "DaVinci Resolve (on Linux only Studio)" in text
    assert "reads the system folder: `ckey install ofx --system`." in explain(plugins, {})[-1]


def test_the_commands_install_and_remove(natives: Path, runtime: Path, plugins: Path) -> None:
    """`ckey install ofx` copies what was built and says where and for whom, `ckey uninstall ofx` takes it away."""
    ran = ckey(runtime, "install", "ofx", "--to", plugins)
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert lines[0] == f"CorridorKey {__version__} is installed: {plugins / BUNDLE}"
    assert lines[-1].startswith("Restart the host")
    assert contents(natives / BUNDLE).items() <= contents(plugins / BUNDLE).items()
    command = Path((plugins / BUNDLE / "Contents/Resources/ckey.path").read_text().strip())
    assert subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout.startswith("ckey ")
    again = ckey(runtime, "install", "ofx", "--to", plugins)
    assert f"is installed, in place of {__version__}: " in again.stdout
    removed = ckey(runtime, "uninstall", "ofx", "--to", plugins)
    assert removed.stdout.startswith(f"CorridorKey {__version__} is removed: {plugins / BUNDLE}\n")
    nothing = ckey(runtime, "uninstall", "ofx", "--to", plugins)
    assert (nothing.returncode, nothing.stdout) == (0, f"there is no CorridorKey in {plugins}.\n")


def test_no_folder_is_no_answer(runtime: Path, tmp_path: Path) -> None:
    """An empty --to, as of a variable that is not set, is refused, and nothing is put into the current folder."""
    for command in ("install", "uninstall"):
        ran = ckey(runtime, command, "ofx", "--to", "", cwd=tmp_path)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert ran.stderr == "ckey: --to is empty; name a folder, or leave --to out.\n"
    assert not list(tmp_path.iterdir())


def test_a_roundabout_folder_is_made_straight(natives: Path, runtime: Path, tmp_path: Path) -> None:
    """Where the way leads back out of a folder that is not there, that one is not made."""
    assert natives.is_dir()
    ran = ckey(runtime, "install", "ofx", "--to", "aside/../Plugins", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert names(tmp_path) == ["Plugins"]
    assert str(tmp_path / "Plugins" / BUNDLE) in ran.stdout


def test_the_users_folder_is_what_is_meant(natives: Path, tmp_path: Path) -> None:
    """Without an option it is the folder of the user who asks."""
    assert natives.is_dir()
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    ran = subprocess.run([*CKEY, "install", "ofx"], env=environ, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "OFX" / "Plugins" / BUNDLE / BINARY).is_file()
    assert "export OFX_PLUGIN_PATH=" in ran.stdout
