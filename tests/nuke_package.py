"""Lets tests import the package that runs inside Nuke: `import nuke_package  # noqa: F401` before anything of it."""

import sys
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "nuke_gizmo" / "python"
"""The folder that Nuke has on its path."""

if str(FOLDER) not in sys.path:
    sys.path.insert(0, str(FOLDER))
