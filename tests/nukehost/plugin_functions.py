"""nuke's functions about menus, plug-ins and where they lie."""

# ruff: noqa: ARG002 (signatures are Nuke's, of which the fake does not use all)

import inspect
import runpy
import sys
from pathlib import Path
from typing import Any

from nukehost.session_part import Part


class PluginFunctions(Part):
    """Menus and plug-ins."""

    def menu(self, name: str) -> Any:
        """Return a menu, None if there is none."""
        if not self._host.gui:
            raise self._host.fault(f"menu({name!r}) in a terminal")
        return self._host.menus.get(name)

    def toolbar(self, name: str, create: bool = True) -> Any:
        """Return a toolbar."""
        return self.menu("Nodes" if name == "Nodes" else name)

    def pluginPath(self) -> list[str]:
        """Return the folders where plug-ins are looked for."""
        return list(self._host.plugin_path)

    def pluginAddPath(self, args: Any, addToSysPath: bool = True) -> None:
        """Put folders first; an init.py in one runs at once."""
        for one in [args] if isinstance(args, str) else args:
            self._add_path(one, addToSysPath, 0)

    def pluginAppendPath(self, args: Any, addToSysPath: bool = True) -> None:
        """Put folders last; an init.py in one runs at once."""
        for one in [args] if isinstance(args, str) else args:
            self._add_path(one, addToSysPath, len(self._host.plugin_path))

    def _add_path(self, path: str, importable: bool, where: int) -> None:
        folder = Path(path)
        if not folder.is_absolute():
            folder = _caller_folder() / path
        name = folder.resolve().as_posix()
        if name in self._host.plugin_path or not folder.is_dir():
            return
        self._host.plugin_path.insert(where, name)
        if importable:
            sys.path.insert(0, name)
        if (folder / "init.py").is_file():
            runpy.run_path(str(folder / "init.py"))

    def pluginExists(self, name: str) -> bool:
        """Whether a plug-in's file is found; an OFX class has none."""
        return any(
            (Path(folder) / f"{name}{ending}").is_file()
            for folder in self._host.plugin_path
            for ending in (".gizmo", ".so", ".py", "")
        )

    def canCreateNode(self, name: str) -> bool:
        """Whether there is such a class."""
        return self._host.loader.stock(name) is not None or self._host.find_gizmo(name) is not None


def _caller_folder() -> Path:
    """Return the folder of the script that called into this module."""
    frame = inspect.currentframe()
    while frame and frame.f_globals.get("__name__", "").startswith("nukehost"):
        frame = frame.f_back
    name = frame.f_globals.get("__file__") if frame else None
    return Path(name).parent if name else Path.cwd()
