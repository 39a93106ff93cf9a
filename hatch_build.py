"""Puts the fuse, the node for Nuke, the OFX bundle and the client library for every system into the wheel.

What is built is built anew where it is not current.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLACE = "corridorkey_server/hosts"

# Sources that hosts load: the folder that they lie in, what it is called in the wheel, and which of its files they are.
SOURCES = {
    "resolve_fuse": ("fuse", ("*.fuse", "Modules/Lua/*.lua")),
    "nuke_gizmo": ("nuke", ("*.gizmo", "*/*.gizmo", "init.py", "menu.py", "cat.json", "icons/*.png", "python/*/*.py")),
}


class NativeHook(BuildHookInterface):
    """Called by hatchling for each wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, unless the wheel is an editable one, which finds the files in the checkout."""
        if version == "editable":
            return
        root = Path(self.root)
        subprocess.run([sys.executable, str(root / "ofx_bridge" / "build.py")], check=True)
        native = root / "build" / "native"
        for name in ("CorridorKey.ofx.bundle", "lib"):
            build_data["force_include"][str(native / name)] = f"{PLACE}/{name}"
        for source, (host, patterns) in SOURCES.items():
            folder = root / source
            for path in (path for pattern in patterns for path in folder.glob(pattern)):
                build_data["force_include"][str(path)] = f"{PLACE}/{host}/{path.relative_to(folder).as_posix()}"
