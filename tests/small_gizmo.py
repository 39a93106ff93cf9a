"""A small node for Nuke as it comes with the package, and a folder of Nuke to install it into."""

from pathlib import Path
from typing import NamedTuple

from corridorkey_server.install_nuke import install

COMMAND = Path("/opt/ckey/bin/ckey")
LINE = "nuke.pluginAddPath('./CorridorKey')"
BLOCK = f"""# >>> CorridorKey >>> `ckey install nuke` wrote these lines, `ckey uninstall nuke` removes them.
import nuke
{LINE}
# <<< CorridorKey <<<"""
NODE = {"CorridorKey.gizmo", "live/CorridorKeyLive.gizmo", "init.py", "menu.py", "cat.json", "icons/CorridorKey.png"}
NODE |= {"python/corridorkey_nuke/__init__.py"}
NOT_NUKES = {"render_gizmo.py", "README.md", "ruff.toml", "python/corridorkey_nuke/__pycache__/a.pyc"}


class Version(NamedTuple):
    """A small node as it comes with the package."""

    name: str
    gizmo: Path

    def install(self, folder: Path) -> "tuple[str, str | None]":
        """Install it, and return the version that is there and that which was."""
        placed, before = install(self.gizmo, folder, COMMAND, self.name)
        assert placed.path == folder / "CorridorKey"
        return placed.version, before.version if before else None


def make_version(folder: Path, name: str, *more: str) -> Version:
    """Make a node with these files beyond the usual; every file tells the version."""
    for file in (*NODE, *NOT_NUKES, *more):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(f"{name}\n" * 3000)
    return Version(name, folder)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def script(nuke: Path, text: bytes = b"print('mine')\n") -> Path:
    """Write an artist's init.py."""
    nuke.mkdir(parents=True, exist_ok=True)
    (nuke / "init.py").write_bytes(text)
    return nuke / "init.py"


def loads(nuke: Path) -> bool:
    """Return whether Nuke would load the node there."""
    return (nuke / "CorridorKey" / "init.py").exists() and LINE in (nuke / "init.py").read_text()
