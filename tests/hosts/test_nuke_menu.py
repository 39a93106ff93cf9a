"""What CorridorKey does while Nuke starts: nodes in the menus, no work, and nothing that stops Nuke."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from corridorkey_server.host_files import find_gizmo
from corridorkey_server.install_nuke import install
from nukehost import NukeHost

OFX_CLASS = "OFXcorridorkey.comp_v1"
PLACES = ("Keyer/CorridorKey", "CorridorKey/CorridorKey")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of Nuke with the node installed, as `ckey install nuke` does it; no other package is found."""
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "nuke_gizmo" not in path])
    install(find_gizmo(), tmp_path / "nuke", tmp_path / "ckey")
    return tmp_path / "nuke"


def item(host: NukeHost, place: str) -> Any:
    """Return an entry of the toolbar, None if there is none."""
    return host.menus["Nodes"].findItem(place)


def chosen(host: NukeHost, place: str = PLACES[0]) -> str:
    """Choose an entry, and return the name of the node that this makes."""
    host.run_python(item(host, place).script())
    (made,) = host.nuke.allNodes("Group")
    name = str(made.name())
    assert ("evaluate" in made.knobs()) == ("Live" in item(host, place).script())
    host.nuke.delete(made)
    return name


def ours() -> set[str]:
    """Return which modules of the package are loaded."""
    return {name for name in sys.modules if name.split(".")[0] == "corridorkey_nuke"}


def test_the_node_is_where_an_artist_looks(folder: Path) -> None:
    """Both entries make the node that renders anywhere, with its icon, and its buttons find their package."""
    with NukeHost() as host:
        host.start_up(folder)
        for place in PLACES:
            assert chosen(host, place) == "CorridorKey1"
            assert item(host, place).icon() == "CorridorKey.png"
        assert any((Path(path) / "CorridorKey.png").is_file() for path in host.plugin_path)
        assert not host.log + host.messages


@pytest.mark.parametrize("gui", [True, False])
def test_starting_is_next_to_nothing(gui: bool, folder: Path) -> None:
    """In a GUI two small modules are loaded, in a terminal none; the package can be imported in both."""
    with NukeHost(gui=gui) as host:
        host.start_up(folder)
        assert ours() == ({"corridorkey_nuke", "corridorkey_nuke.menu_entries"} if gui else set())
        host.run_python("import corridorkey_nuke; corridorkey_nuke.VERSION")
        assert not host.log + host.messages + host.renders


WATCHED = """
import os, sys
from pathlib import Path
from nukehost import NukeHost

def watch(event, arguments):
    is_work = event.split(".")[0] in ("socket", "subprocess", "shutil", "tempfile", "ctypes")
    is_work |= event in ("_thread.start_new_thread", "os.mkdir", "os.rename", "os.remove", "os.fork", "os.posix_spawn")
    is_work |= event == "open" and isinstance(arguments[2], int) and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
    if is_work and watched:
        work.append((event, arguments))

work, watched = [], []
sys.addaudithook(watch)
with NukeHost() as host:
    watched.append(True)
    host.start_up(Path(sys.argv[1]))
    watched.clear()
    assert host.menus["Nodes"].findItem("Keyer/CorridorKey")
    watched.append(True)
    Path(sys.argv[1], "seen").touch()
    watched.clear()
assert work and work.pop()[0] == "open", "the watch sees nothing"
print(work)
"""


def test_starting_does_no_work(folder: Path, root: Path) -> None:
    """No socket, no thread, no program, and no file is written."""
    path = f"import sys; sys.path.insert(0, {str(root / 'tests')!r})\n"
    command = [sys.executable, "-B", "-c", path + WATCHED, str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "[]\n"), ran.stderr


def test_without_a_group_of_keyers_it_has_its_own(folder: Path) -> None:
    """A studio that has taken Keyer away does not get it back."""
    with NukeHost() as host:
        host.menus["Nodes"].removeItem("Keyer")
        host.start_up(folder)
        assert item(host, "Keyer") is None
        assert chosen(host, PLACES[1]) == "CorridorKey1"
        assert not host.log


def test_with_the_plug_in_the_node_is_live(folder: Path, binary: Path) -> None:
    """Where Nuke has the OFX class, both entries make the live node, also in the place of Nuke's own entry."""
    with NukeHost(has_ofx=binary) as host:
        host.menus["Nodes"].addCommand(PLACES[0], f"nuke.createNode('{OFX_CLASS}')")
        host.start_up(folder)
        for place in PLACES:
            assert "CorridorKeyLive" in item(host, place).script()
            assert chosen(host, place) == "CorridorKey1"
        assert not host.log


class Agreeable:
    """A Nuke's table of classes that has every name."""

    def __getattr__(self, name: str) -> object:
        """Say yes."""
        return object()


@pytest.mark.parametrize("is_offered", [True, False])
def test_a_nuke_that_says_yes_to_everything_is_asked_otherwise(is_offered: bool, folder: Path) -> None:
    """Then the entry tells that Nuke made for the OFX node, if there is one."""
    with NukeHost() as host:
        host.nuke.nodes = Agreeable()  # type: ignore[attr-defined]
        if is_offered:
            host.menus["Nodes"].addCommand(PLACES[0], f"nuke.createNode('{OFX_CLASS}')")
        host.start_up(folder)
        assert ("Live" in item(host, PLACES[0]).script()) == is_offered


def test_a_nuke_that_says_no_to_everything_is_asked_otherwise(folder: Path) -> None:
    """The entry that Nuke made for the OFX node is enough."""
    with NukeHost() as host:
        host.nuke.nodes = SimpleNamespace()  # type: ignore[attr-defined]
        host.menus["Nodes"].addCommand(PLACES[0], f"nuke.createNode('{OFX_CLASS}')")
        host.start_up(folder)
        assert "Live" in item(host, PLACES[0]).script()


def test_asking_leaves_the_script_alone(folder: Path) -> None:
    """No node is made and deleted, so nothing is to be saved or undone."""
    with NukeHost() as host:
        host.start_up(folder)
        assert not host.modified
        assert not host.nuke.allNodes()


def test_renders_are_looked_at_once(folder: Path) -> None:
    """However often Nuke reads menu.py, one check is made before a Write renders."""
    with NukeHost() as host:
        host.start_up(folder)
        host.start_up(folder)
        (check,) = host.callbacks.registered["beforeRender"]
        assert (check.call.__name__, check.node_class) == ("check_before_render", "Write")
    with NukeHost(gui=False) as host:
        host.start_up(folder)
        assert not host.callbacks.registered["beforeRender"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("__init__.py", None),
        ("__init__.py", "def broken(:\n"),
        ("__init__.py", "raise SystemExit(3)\n"),
        ("__init__.py", "raise RuntimeError('no\\nluck')\n"),
        ("menu_entries.py", None),
        ("menu_entries.py", "def add():\n    pass\n"),
    ],
)
def test_a_broken_package_does_not_stop_nuke(file: str, text: str | None, folder: Path) -> None:
    """Nuke starts, and one line of its console says what is missing and what to do."""
    path = folder / "CorridorKey" / "python" / "corridorkey_nuke" / file
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    with NukeHost() as host:
        host.start_up(folder)
        (line,) = host.log
        assert line.startswith("CorridorKey is not in the menus: ")
        assert line.endswith("; run `ckey install nuke` again.")
        assert "\n" not in line


def test_a_node_that_is_gone_does_not_stop_nuke(folder: Path) -> None:
    """Lines in init.py that lead nowhere are passed over."""
    (folder / "CorridorKey").rename(folder.parent / "moved")
    with NukeHost() as host:
        host.start_up(folder)
        assert item(host, PLACES[0]) is None
        assert not host.log + host.messages
