"""Puts the fuse, the OFX bundle and the client library for every system into the wheel.

What is built is built anew where it is not current.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLACE = "corridorkey_server/hosts"


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
        fuse = root / "resolve_fuse"
        for path in (*fuse.glob("*.fuse"), *fuse.glob("Modules/Lua/*.lua")):
            build_data["force_include"][str(path)] = f"{PLACE}/fuse/{path.relative_to(fuse).as_posix()}"
