"""Menus and toolbars."""

# ruff: noqa: ARG002 (signatures are Nuke's, of which the fake does not use all)

from collections.abc import Iterator
from typing import Any


class MenuItem:
    """An entry."""

    def __init__(self, name: str, command: Any = None, icon: str = "", shortcut: str = "") -> None:
        """Take what it is."""
        self._name, self._command, self._icon, self._shortcut = name, command, icon, shortcut

    def name(self) -> str:
        """Return its name."""
        return self._name

    def script(self) -> str:
        """Return what it runs, if that is text."""
        return self._command if isinstance(self._command, str) else ""

    def icon(self) -> str:
        """Return its icon."""
        return self._icon

    def invoke(self) -> Any:
        """Choose it; what is text has to be run by the host."""
        return self._command() if callable(self._command) else self._command


class Menu(MenuItem):
    """A menu with entries and menus."""

    def __init__(self, name: str, icon: str = "") -> None:
        """Begin empty."""
        super().__init__(name, None, icon)
        self._items: dict[str, MenuItem] = {}

    def items(self) -> list[MenuItem]:
        """Return what is in it."""
        return list(self._items.values())

    def findItem(self, name: str) -> Any:
        """Return an entry by its path, None if there is none."""
        first, _, rest = name.partition("/")
        found = self._items.get(first)
        return found.findItem(rest) if rest and isinstance(found, Menu) else None if rest else found

    def menu(self, name: str) -> Any:
        """Return a menu in it, None if there is none."""
        found = self.findItem(name)
        return found if isinstance(found, Menu) else None

    def addMenu(self, name: str, icon: str = "", tooltip: str = "", index: int = -1) -> "Menu":
        """Add a menu, or return the one that is there."""
        found = self._items.setdefault(name, Menu(name, icon))
        assert isinstance(found, Menu), f"{name} is an entry"
        return found

    def addCommand(
        self, name: str, command: Any = None, shortcut: str = "", icon: str = "", tooltip: str = "", index: int = -1
    ) -> MenuItem:
        """Add an entry."""
        first, _, rest = name.partition("/")
        if rest:
            return self.addMenu(first).addCommand(rest, command, shortcut, icon)
        self._items[name] = MenuItem(name, command, icon, shortcut)
        return self._items[name]

    def addSeparator(self, index: int = -1) -> None:
        """Add a line."""

    def removeItem(self, name: str) -> None:
        """Take an entry away."""
        del self._items[name]

    def walk(self) -> Iterator[MenuItem]:
        """Give all entries."""
        for one in self._items.values():
            yield one
            if isinstance(one, Menu):
                yield from one.walk()
