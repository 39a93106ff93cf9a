"""What the knobs of a CorridorKey node call in Nuke: standard library only, Python 3.7 to 3.11.

Importing it loads nothing and asks Nuke for nothing: scripts are opened on machines where that must not fail, and each
function loads what it needs when an artist presses its button.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

VERSION = "0.1.0"

__all__ = [
    "VERSION",
    "cancel",
    "check_before_render",
    "clear_cache",
    "key_current",
    "key_range",
    "knob_changed",
    "on_create",
    "to_read",
]


def _button(name: str, *arguments: Any) -> None:
    getattr(import_module(".buttons", __name__), name)(*arguments)


def key_range(node: Any) -> None:
    """Key the frames of the node's frame range that are not keyed yet."""
    _button("key_range", node)


def key_current(node: Any) -> None:
    """Key the frame that Nuke is at."""
    _button("key_current", node)


def cancel(node: Any) -> None:
    """Stop keying; frames that are done stay."""
    _button("cancel", node)


def clear_cache(node: Any) -> None:
    """Remove the keyed frames that the node shows."""
    _button("clear_cache", node)


def to_read(node: Any) -> None:
    """Put a Read of the keyed frames beside the node."""
    _button("to_read", node)


def on_create(node: Any) -> None:
    """Fill in what a node that an artist just made can know."""
    _button("on_create", node)


def knob_changed(node: Any, knob: Any) -> None:
    """Look at what changed in the node."""
    _button("knob_changed", node, knob)


def check_before_render() -> None:
    """Stop a render whose CorridorKey frames belong to something else than what feeds them now."""
    _button("check_before_render")
