"""Where the node for Nuke goes, and what `ckey install nuke` says of it."""

import os
import subprocess
from pathlib import Path

import pytest

from commands import CKEY, ckey
from corridorkey_models import __version__
from corridorkey_server.install_nuke import explain, user_folder
from small_gizmo import BLOCK, loads


@pytest.mark.parametrize(
    ("platform", "environ", "folder"),
    [
        ("linux", {"HOME": "/elsewhere"}, "/home/me/.nuke"),
        ("darwin", {}, "/home/me/.nuke"),
        ("win32", {}, "/home/me/.nuke"),
        ("win32", {"HOME": "/profile"}, "/profile/.nuke"),
    ],
)
def test_a_user_has_a_folder(platform: str, environ: dict[str, str], folder: str) -> None:
    """It is where Nuke looks on each system."""
    assert user_folder(environ, Path("/home/me"), platform) == Path(folder)


@pytest.mark.parametrize(
    ("folder", "environ", "platform", "said"),
    [
        ("/home/me/.nuke", {}, "linux", "Nuke reads /home/me/.nuke; "),
        ("/farm/nuke", {"NUKE_PATH": "/other:/farm/nuke/"}, "linux", "Nuke reads /farm/nuke; "),
        ("/farm/nuke", {"NUKE_PATH": "/other;/farm/nuke"}, "win32", "Nuke reads /farm/nuke; "),
        ("/farm/nuke", {"NUKE_PATH": "/farm/nuke/deeper"}, "linux", "Nuke reads /farm/nuke once NUKE_PATH names it; "),
        ("/home/me/.nuke/Cattery", {}, "linux", "Nuke 14 and newer find it there "),
    ],
)
def test_it_is_told_who_reads_a_folder(folder: str, environ: dict[str, str], platform: str, said: str) -> None:
    """No Nuke is promised that does not know the folder."""
    (line,) = explain(Path(folder), environ, Path("/home/me"), platform)
    assert line.startswith(said)


def test_the_commands_install_and_remove(runtime: Path, root: Path, tmp_path: Path) -> None:
    """`ckey install nuke` says what is where, `ckey uninstall nuke` takes it away; both say so where none is."""
    folder = tmp_path / "farm"
    ran = ckey(runtime, "install", "nuke", "--to", folder)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        f"CorridorKey {__version__} is installed: {folder / 'CorridorKey'}",
        f"Nuke reads {folder} once NUKE_PATH names it; its init.py names the node.",
        "It keys frame ranges. To key live as well, install the OFX plug-in: `ckey install ofx`.",
        "Restart Nuke to see the node CorridorKey.",
    ]
    source, placed = root / "nuke_gizmo", folder / "CorridorKey"
    assert (placed / "CorridorKey.gizmo").read_bytes() == (source / "CorridorKey.gizmo").read_bytes()
    modules = {path.name for path in (source / "python" / "corridorkey_nuke").glob("*.py")}
    assert {path.name for path in (placed / "python" / "corridorkey_nuke").iterdir()} == modules
    assert f"in place of {__version__}: " in ckey(runtime, "install", "nuke", "--to", folder).stdout
    removed = ckey(runtime, "uninstall", "nuke", "--to", folder)
    assert removed.stdout == f"CorridorKey {__version__} is removed: {placed}\nRestart the host.\n"
    assert not list(folder.iterdir())
    none = ckey(runtime, "uninstall", "nuke", "--to", folder)
    assert (none.returncode, none.stdout) == (0, f"there is no CorridorKey in {folder}.\n")
    (folder / "init.py").write_text(f"{BLOCK}\n")
    assert ckey(runtime, "uninstall", "nuke", "--to", folder).stdout.startswith("CorridorKey's lines are removed: ")


def test_the_users_folder_is_what_is_meant(tmp_path: Path) -> None:
    """Without --to it is .nuke in the home."""
    home = os.environ | {"HOME": str(tmp_path)}
    subprocess.run([*CKEY, "install", "nuke"], env=home, capture_output=True, check=True)
    assert loads(tmp_path / ".nuke")
    subprocess.run([*CKEY, "uninstall", "nuke"], env=home, capture_output=True, check=True)
    assert not list((tmp_path / ".nuke").iterdir())


def test_wrong_options_are_a_sentence(runtime: Path) -> None:
    """There is no folder for all users, and no host but Nuke."""
    for command in ("install", "uninstall"):
        ran = ckey(runtime, command, "nuke", "--system")
        said = "ckey: Nuke has no folder for all users; name one with --to and put it into everybody's NUKE_PATH.\n"
        assert (ran.returncode, ran.stderr) == (2, said)
        ran = ckey(runtime, command, "nuke", "--host", "fusion")
        said = "ckey: --host is an option of fuse alone; leave it out, every Nuke reads the same folder.\n"
        assert (ran.returncode, ran.stderr) == (2, said)
