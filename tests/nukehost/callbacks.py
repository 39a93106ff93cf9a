"""Callbacks: what Python registered, what nodes have in their own knobs, and which one just runs."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nukehost.controls import Control
from nukehost.graph import Op

if TYPE_CHECKING:
    from nukehost.host import NukeHost

NAMES = {
    "onUserCreate": "*", "onCreate": "*", "onDestroy": "*", "knobChanged": "*", "updateUI": "*", "autolabel": "*",
    "onScriptLoad": "Root", "onScriptSave": "Root", "onScriptClose": "Root", "beforeRender": "Write",
    "beforeFrameRender": "Write", "afterFrameRender": "Write", "afterRender": "Write", "renderProgress": "Write",
}  # fmt: skip
"""The callbacks, and the class that each is for if none is told."""

BUTTON = "button"
STILL = ("onCreate", "onUserCreate", "knobChanged", "updateUI", "autolabel")
"""Callbacks in which no node may be made or deleted."""


@dataclass(frozen=True)
class Running:
    """A callback or a button that runs."""

    name: str
    op: Op
    control: Control | None = None


@dataclass(frozen=True)
class _Registered:
    call: Callable[..., Any]
    args: Any
    kwargs: Any
    node_class: str


class Callbacks:
    """All callbacks of a Nuke."""

    def __init__(self, host: "NukeHost") -> None:
        """Begin with none."""
        self.host = host
        self.running: list[Running] = []
        self.registered: dict[str, list[_Registered]] = {name: [] for name in NAMES}

    def add(self, name: str, call: Callable[..., Any], args: Any, kwargs: Any, node_class: str | None) -> None:
        """Register one."""
        if not callable(call):
            raise ValueError("call must be a callable")
        one = _Registered(call, args, kwargs, node_class or NAMES[name])
        if one not in self.registered[name]:
            self.registered[name].append(one)

    def remove(self, name: str, call: Callable[..., Any], args: Any, kwargs: Any, node_class: str | None) -> None:
        """Forget one that was registered in just this way."""
        one = _Registered(call, args, kwargs, node_class or NAMES[name])
        if one in self.registered[name]:
            self.registered[name].remove(one)

    def fire(self, name: str, op: Op, control: Control | None = None) -> None:
        """Run all callbacks of a node; what one raises comes out."""
        if any(one.name == name and one.op is op and one.control is control for one in self.running):
            return
        with self.acting(Running(name, op, control)):
            for one in list(self.registered[name]):
                if one.node_class in ("*", op.kind):
                    one.call(*one.args, **one.kwargs)
            script = op.controls.get(name)
            if script and script.text:
                self.host.run_python(script.text)

    def fire_safely(self, name: str, op: Op, control: Control | None = None) -> None:
        """Run all callbacks of a node as Nuke does when nobody waits for them: what one raises is a fault."""
        try:
            self.fire(name, op, control)
        except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever a callback raises, Nuke goes on)
            self.host.fault(f"{name} of {op.full_name} raised {type(error).__name__}: {error}")

    @contextlib.contextmanager
    def acting(self, running: Running) -> Iterator[None]:
        """Let `thisNode` be a node's."""
        self.running.append(running)
        try:
            yield
        finally:
            self.running.pop()

    def inner(self) -> str:
        """Return the name of a callback that runs, "" if there is none; a button is none."""
        return next((one.name for one in self.running if one.name != BUTTON), "")
