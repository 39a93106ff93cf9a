"""Where an artist finds the node, and which of its two files that gives."""

from __future__ import annotations

from typing import Any

import corridorkey_nuke

NAME = "CorridorKey"
LIVE_CLASS = "OFXcorridorkey.comp_v1"

_NO_CLASS = "OFXcorridorkey.none_v1"  # no Nuke has it
_GROUP = "Keyer"


def add(nuke: Any) -> None:
    """Put the node into the toolbar's group of keyers and into one of its own, and look at renders before they start.

    Args:
        nuke: Nuke's module.
    """
    nodes = nuke.menu("Nodes")
    command = f"nuke.createNode('{NAME}{'Live' if has_live(nuke) else ''}')"
    menus = [nodes.findItem(_GROUP), nodes.addMenu(NAME, icon=f"{NAME}.png")]
    for menu in menus:
        if menu is not None:
            menu.addCommand(NAME, command, icon=f"{NAME}.png")
    nuke.addBeforeRender(corridorkey_nuke.check_before_render)


def has_live(nuke: Any) -> bool:
    """Return whether this Nuke can make our OFX node; asks its table of classes and makes none.

    Should a Nuke say of every class that it has it, the menu tells: Nuke's own menu.py, which comes before any other,
    has put every OFX node into it.

    Args:
        nuke: Nuke's module.
    """
    if hasattr(nuke.nodes, LIVE_CLASS) and not hasattr(nuke.nodes, _NO_CLASS):
        return True
    item = nuke.menu("Nodes").findItem(f"{_GROUP}/{NAME}")
    return item is not None and LIVE_CLASS in (item.script() or "")
