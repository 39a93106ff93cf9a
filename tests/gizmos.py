"""The node files for Nuke that are checked in, read with Nuke's stack semantics, and the module that renders them."""

import functools
import importlib
import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from nukehost.script import NodeText, parse

FOLDER = Path(__file__).parent.parent / "nuke_gizmo"
BASE, LIVE = "CorridorKey.gizmo", "live/CorridorKeyLive.gizmo"
OFX = "OFXcorridorkey.comp_v1"


def text(file: str) -> str:
    """Return a file's text."""
    return (FOLDER / file).read_text(encoding="ascii")


@functools.cache
def node(file: str) -> NodeText:
    """Return the one node of a file, which is a group."""
    (group,) = parse(text(file)).nodes
    return group


def renderer() -> ModuleType:
    """Return render_gizmo."""
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    return importlib.import_module("render_gizmo")


def icon() -> dict[str, Any]:
    """Return what draws the icon."""
    return runpy.run_path(str(FOLDER / "icons" / "draw_icon.py"))
