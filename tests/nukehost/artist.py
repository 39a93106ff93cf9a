"""What an artist does with a Nuke, and sees of it: what tests say to NukeHost."""

import runpy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from nukehost import knobs
from nukehost.controls import Control, Part
from nukehost.errors import NukeError
from nukehost.graph import Op
from nukehost.loading import to_text
from nukehost.nodes import Node
from nukehost.operations import Make
from nukehost.pictures import Box, Format, Picture, Plane
from nukehost.progress import Bar
from nukehost.stock import Stock

if TYPE_CHECKING:
    from nukehost.host import NukeHost

Planes = Mapping[str, Plane] | Plane


class Artist:
    """What is said and seen. Knobs are named "Node.knob", "Group.Node.knob" or "root.knob".

    messages: what dialogs and loading said. answers: what the artist answers to coming questions. asked: the questions.
    log: warnings and errors in the console. progress: bars. cancels_progress_at: after how many polls each new bar is
    cancelled. view: which one the viewer shows.
    """

    def __init__(self) -> None:
        """Begin with nothing said."""
        self.messages, self.problems, self.asked, self.log = list[str](), list[str](), list[str](), list[str]()
        self.answers, self.progress = list[bool](), list[Bar]()
        self.faults, self.plugin_path = list[str](), list[str]()
        self.cancels_progress_at: int | None = None
        self.view = ""

    @property
    def _host(self) -> "NukeHost":
        return cast("NukeHost", self)

    def take_faults(self) -> list[str]:
        """Return the faults so far and forget them."""
        taken = list(self.faults)
        self.faults.clear()
        return taken

    def take_messages(self) -> list[str]:
        """Return what dialogs said so far and forget it."""
        taken = list(self.messages)
        self.messages.clear()
        return taken

    def load(self, source: str | Path) -> list[Any]:
        """Open a script, a file or its text; returns its nodes."""
        host, path = self._host, _path_of(source)
        for op in list(host.project.root.walk()):
            op.alive = False
        host.project.root.children.clear()
        host.project.layers.clear()
        for control in host.project.root.controls.values():
            control.reset()
        if path:
            host.project.root.controls["name"].text = str(path)
        made = self._read(path.read_text() if path else str(source))
        host.callbacks.fire_safely("onScriptLoad", host.project.root)
        host.modified = False
        return made

    def paste(self, source: str | Path) -> list[Node]:
        """Paste a script into the one that is open; returns the new nodes."""
        path = _path_of(source)
        return self._read(path.read_text() if path else str(source))

    def _read(self, text: str) -> list[Node]:
        host, before = self._host, len(self.problems)
        made = host.loader.read(text, host.project.root)
        host.begin(made)
        (self.messages if host.gui else self.log).extend(self.problems[before:])
        return [host.wrap(op, counts=False) for op in made]

    def save(self, path: Path | None = None) -> str:
        """Save the script, to a file if one is named; returns its text."""
        host = self._host
        if path:
            host.project.root.controls["name"].text = str(path)
        text = to_text(host.project, f"{host.version[0]}.{host.version[1]} v1")
        host.modified = False
        if path:
            path.write_text(text)
        return text

    def create(self, kind: str | Path, *inputs: "Node | Op | None", name: str = "", **values: Any) -> Any:
        """Make a node as an artist does: of a class, of a gizmo on the plug-in path, or of a gizmo's file."""
        host, path = self._host, Path(kind)
        if path.suffix == ".gizmo":
            host.plugin_path.insert(0, str(path.parent))
        try:
            (op,) = host.add(path.stem if path.suffix == ".gizmo" else str(kind), host.project.root, by_user=True)
        finally:
            if path.suffix == ".gizmo":
                host.plugin_path.pop(0)
        if name:
            host.rename(op, name)
        for index, other in enumerate(inputs):
            host.wire(op, index, _op_of(other))
        for knob, value in values.items():
            self.set(f"{op.full_name}.{knob}", value)
        return host.wrap(op, counts=False)

    def source(
        self, name: str, make: Callable[[int, str], Planes], size: tuple[int, int], at: tuple[int, int] | None = None
    ) -> Any:
        """Make a node of which a function of frame and view gives pixels.

        They are a mapping of channels, or an array [height, width, channels] of R, G, B, A with the top row first;
        `at`: their lower left corner if they are not as large as the format, which is `size`.
        """
        host, kind, frame = self._host, f"Test{name}", Format(*size)

        def picture(_engine: Any, _op: Op, context: Any) -> Picture:
            planes = _planes(make(int(context.frame), context.view))
            height, width = next(iter(planes.values())).shape
            box: Box = (0, 0, width, height) if at is None else (at[0], at[1], at[0] + width, at[1] + height)
            return Picture(frame, box, planes).scaled(context.scale)

        host.makers[kind] = host.engine.makers[kind] = cast(Make, picture)
        host.classes[kind] = Stock({}, 0, 0)
        return self.create(kind, name=name)

    def op(self, name: str) -> Op:
        """Return a node as the fake keeps it."""
        found = self._host.project.root if name == "root" else self._host.project.root.find(name)
        assert found is not None, f"there is no node {name}"
        return found

    def node(self, name: str) -> Any:
        """Return a node as Python has it; it is none of the ten that some editions allow."""
        return self._host.wrap(self.op(name), counts=False)

    def _knob(self, path: str) -> tuple[Op, Control]:
        name, _, knob = path.rpartition(".")
        op = self.op(name)
        return op.owner(knob), op.control(knob)

    def get(self, path: str) -> Any:
        """Return a knob's value at this frame, with its Tcl evaluated."""
        op, control = self._knob(path)
        if control.is_number:
            return knobs.make(self._host, op, control).value()
        return op.evaluated(control.name, self._host.context)

    def set(self, path: str, value: Any) -> None:
        """Set a knob as an artist does."""
        op, control = self._knob(path)
        knobs.make(self._host, op, control).setValue(value)

    def animate(self, path: str, keys: Mapping[int, float | str]) -> None:
        """Give a knob keys."""
        op, control = self._knob(path)
        part = Part(keys={float(frame): control.parse(value) for frame, value in keys.items()})
        self._host.edit(op, control, lambda: control.parts.__setitem__(slice(None), [replace(part)]))

    def press(self, path: str) -> None:
        """Press a button; what its script raises comes out."""
        self._host.execute_button(*self._knob(path))

    def connect(self, node: str, index: int, other: str | None) -> None:
        """Wire an input."""
        self._host.wire(self.op(node), index, self.op(other) if other else None)

    def go_to(self, frame: int) -> None:
        """Look at a frame."""
        self.set("root.frame", frame)

    def set_root(self, **values: Any) -> None:
        """Set knobs of the root."""
        for name, value in values.items():
            self.set(f"root.{name}", value)

    def pixels(self, node: "str | Node", frame: int | None = None, view: str = "") -> Picture:
        """Return what a viewer shows of a node; NukeError where it shows an error."""
        host, context = self._host, self._host.context
        context = replace(context, frame=context.frame if frame is None else frame, view=view or context.view)
        op = self.op(node) if isinstance(node, str) else _op_of(node)
        assert op is not None
        return host.engine.picture(op, context)

    def error(self, node: str, frame: int | None = None) -> str:
        """Return the error that a viewer shows of a node, "" if there is none."""
        try:
            self.pixels(node, frame)
        except NukeError as error:
            return str(error)
        return ""

    def render(self, node: str, first: int, last: int, views: Sequence[str] | None = None) -> None:
        """Render a Write as an artist does, or the farm."""
        host = self._host
        host.execution.run(self.op(node), range(first, last + 1), views or host.project.views)

    def cancel_render_after(self, frames: int) -> None:
        """Press Cancel in the next render, after so many frames."""
        self._host.execution.cancel_after = frames

    def start_up(self, folder: Path) -> None:
        """Start with a folder on NUKE_PATH: its init.py, what that adds, and in the GUI each menu.py."""
        host = self._host
        host.nuke.pluginAddPath(str(folder))
        for one in reversed(host.plugin_path) if host.gui else ():
            if (Path(one) / "menu.py").is_file():
                runpy.run_path(str(Path(one) / "menu.py"))


def _path_of(source: str | Path) -> Path | None:
    """Return the file that is meant, None if it is the text of a script."""
    path = Path(source) if isinstance(source, Path) or "\n" not in source else None
    return path if path and (isinstance(source, Path) or path.is_file()) else None


def _op_of(node: Any) -> Op | None:
    return node._op if isinstance(node, Node) else node


def _planes(made: Planes) -> dict[str, Plane]:
    if isinstance(made, Mapping):
        return {name: np.asarray(plane, np.float32) for name, plane in made.items()}
    names = [f"rgba.{name}" for name in ("red", "green", "blue", "alpha")]
    return {name: np.asarray(made[..., index], np.float32) for index, name in enumerate(names[: made.shape[2]])}
