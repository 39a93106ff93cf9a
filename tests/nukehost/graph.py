"""The graph: nodes in groups, what names in expressions and texts stand for, and the project around it."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from nukehost import tcl
from nukehost.controls import EVALUATED, Control, Part, Spec
from nukehost.errors import NukeError
from nukehost.expression import ExpressionError, evaluate
from nukehost.tcl import TclError

_DEEPEST = 24


@dataclass(frozen=True)
class Context:
    """What is asked for: a frame of a view, in full size or in a proxy's."""

    frame: float = 1.0
    view: str = "main"
    scale: float = 1.0


class Engine(Protocol):
    """What knows pictures."""

    def fact(self, op: "Op", name: str, context: Context) -> float | None:
        """Return width, height, first_frame or last_frame of a node's picture; None for other names."""

    def metadata(self, op: "Op", context: Context) -> dict[str, Any]:
        """Return what comes with a node's picture."""


@dataclass(eq=False)
class Op:
    """A node."""

    kind: str
    name: str
    project: "Project"
    parent: "Op | None" = None
    children: list["Op"] = field(default_factory=list)
    inputs: list["Op | None"] = field(default_factory=list)
    controls: dict[str, Control] = field(default_factory=dict)
    alive: bool = True
    is_group: bool = False
    is_unknown: bool = False
    memory: dict[str, Any] = field(default_factory=dict)  # what a class keeps of its own

    @property
    def full_name(self) -> str:
        """The names from the top group to it, with dots between."""
        if self.parent is None or self.parent.parent is None:
            return self.name
        return f"{self.parent.full_name}.{self.name}"

    def child(self, name: str) -> "Op | None":
        """Return a node inside it."""
        return next((one for one in self.children if one.name == name), None)

    def find(self, path: str) -> "Op | None":
        """Return a node by its path from here."""
        found: Op | None = self
        for name in path.split("."):
            found = found.child(name) if found else None
        return found

    def walk(self) -> Iterator["Op"]:
        """Give all nodes inside it."""
        for one in self.children:
            yield one
            yield from one.walk()

    def input(self, index: int) -> "Op | None":
        """Return what is wired to an input."""
        return self.inputs[index] if index < len(self.inputs) else None

    def connect(self, index: int, other: "Op | None") -> None:
        """Wire an input."""
        self.inputs += [None] * (index + 1 - len(self.inputs))
        self.inputs[index] = other

    def add(self, name: str, spec: Spec, *, is_user: bool = False) -> Control:
        """Add a knob."""
        if name in self.controls:
            raise NukeError(f"{self.name} has a knob {name} already")
        self.controls[name] = Control(name, spec, is_user)
        return self.controls[name]

    def control(self, name: str) -> Control:
        """Return a knob, followed where it is a link."""
        control = self.controls.get(name)
        if control is None:
            raise NukeError(f"{self.name} has no knob {name}")
        if control.kind == "Link_Knob":
            owner, target = self.link(control)
            return owner.control(target)
        return control

    def link(self, control: Control) -> tuple["Op", str]:
        """Return the node and the knob that a link leads to."""
        path, _, knob = control.spec.default.rpartition(".")
        owner = self.find(path) or (self.parent.find(path) if self.parent else None)
        if owner is None or knob not in owner.controls:
            raise NukeError(f"{self.name}.{control.name} links to {control.spec.default}, which is not there")
        return owner, knob

    def value(self, name: str, context: Context, index: int = 0) -> float:
        """Return a number."""
        control = self.control(name)
        return self.project.number(self.owner(name), control, context, index)

    def values(self, name: str, context: Context) -> list[float]:
        """Return all numbers of a knob."""
        return [self.value(name, context, index) for index in range(len(self.control(name).parts))]

    def choice(self, name: str, context: Context) -> str:
        """Return the word of an enumeration."""
        return self.control(name).shown(self.value(name, context))

    def evaluated(self, name: str, context: Context) -> str:
        """Return a knob as text; Tcl in it is evaluated."""
        control = self.control(name)
        if control.is_number:
            return " ".join(control.shown(value) for value in self.values(name, context))
        if control.kind not in EVALUATED:
            return control.text
        with self.project.deeper(f"{self.full_name}.{name}"):
            try:
                return tcl.substitute(control.text, NodeScope(self.owner(name), context))
            except TclError as error:
                raise NukeError(f"{self.full_name}.{name}: {error}") from error

    def owner(self, name: str) -> "Op":
        """Return the node that has a knob: another one for a link."""
        control = self.controls[name]
        return self.link(control)[0] if control.kind == "Link_Knob" else self


class Depth:
    """Notices values that refer to each other in a circle."""

    def __init__(self) -> None:
        """Begin outside."""
        self.names = list[str]()

    def __enter__(self) -> None:
        """Go one deeper."""

    def __exit__(self, *_: object) -> None:
        """Come back."""
        self.names.pop()


class Project:
    """A script that is open: its root, layers and views."""

    def __init__(self, gui: bool, views: tuple[str, ...]) -> None:
        """Begin empty; the engine comes later."""
        self.gui, self.views = gui, list(views)
        self.root = Op("Root", "root", self, is_group=True)
        self.layers: dict[str, list[str]] = {}
        self.engine: Engine
        self.depth = Depth()
        self.context = Context(view=views[0])

    def deeper(self, name: str) -> Depth:
        """Return what is entered to evaluate a knob; NukeError if values go round in a circle."""
        if len(self.depth.names) >= _DEEPEST:
            raise NukeError(f"{name}: expressions refer to each other in a circle")
        self.depth.names.append(name)
        return self.depth

    def number(self, op: Op, control: Control, context: Context, index: int = 0) -> float:
        """Return a number of a knob at a frame."""
        if not control.is_number:
            raise NukeError(f"{op.full_name}.{control.name} is a {control.kind}, and no number")
        part: Part = control.parts[index]
        if part.expression is None:
            return part.at(context.frame)
        with self.deeper(f"{op.full_name}.{control.name}"):
            try:
                return float(evaluate(part.expression, NodeScope(op, context)))
            except (ExpressionError, TclError) as error:
                raise NukeError(f"{op.full_name}.{control.name}: {error}") from error


class NodeScope:
    """What names mean in the knobs of a node: `this`, `parent`, `root`, `input`, nodes beside it, its own knobs.

    In a group's own knobs a node inside it is `this.NAME`, as a bare name is a node beside the group.
    """

    def __init__(self, op: Op, context: Context) -> None:
        """Look from `op`."""
        self.op, self.context = op, context

    def text(self, path: str) -> str:
        """Return the value of a knob as text."""
        op, rest = self._resolve(path)
        if not rest:
            return op.name
        if rest[0] in op.controls and len(rest) == 1:
            return op.evaluated(rest[0], self.context)
        value = self._number(op, rest, path)
        return f"{value:.12g}"

    def raw(self, path: str) -> str:
        """Return what stands in a knob."""
        op, rest = self._resolve(path)
        if len(rest) != 1 or rest[0] not in op.controls:
            raise self._unknown(path)
        control = op.control(rest[0])
        return control.text if not control.is_number else control.to_script()

    def number(self, path: str) -> float:
        """Return a number."""
        if path == "frame":
            return self.context.frame
        op, rest = self._resolve(path)
        return self._number(op, rest, path)

    def _number(self, op: Op, rest: list[str], path: str) -> float:
        name = rest[0] if rest else ""
        if name in op.controls and len(rest) < 3:
            index = _component(rest[1]) if len(rest) == 2 else 0
            if not op.control(name).is_number:
                raise ExpressionError(f"{path} is a {op.control(name).kind}, and no number")
            return op.value(name, self.context, index)
        fact = op.project.engine.fact(op, name, self.context) if len(rest) == 1 else None
        if fact is None:
            raise self._unknown(path)
        return fact

    def exists(self, path: str) -> bool:
        """Whether there is such a node or knob."""
        try:
            op, rest = self._resolve(path)
        except ExpressionError:
            return False
        return not rest or (len(rest) == 1 and rest[0] in op.controls)

    def metadata(self, node: str, key: str) -> str:
        """Return what comes with a node's picture, "" if there is nothing."""
        op, rest = self._resolve(node) if node else (self.op.input(0), [])
        if op is None or rest:
            raise TclError(f"[metadata -n {node}]: there is no such node")
        return str(op.project.engine.metadata(op, self.context).get(key, ""))

    def command(self, text: str) -> str:
        """Run a command in brackets."""
        return tcl.run(text, self)

    def variable(self, name: str) -> str:
        """Return what $name stands for."""
        if name == "gui":
            return str(int(self.op.project.gui))
        raise TclError(f"the fake Nuke does not know ${name}")

    def find(self, path: str) -> Op:
        """Return the node that a path leads to."""
        return self._resolve(path)[0]

    def _resolve(self, path: str) -> tuple[Op, list[str]]:
        """Return the node that a path leads to, and what of it is left."""
        names = path.split(".")
        op = self._first(names[0])
        if op is None:
            if names[0] in self.op.controls or len(names) == 1:
                return self.op, names
            raise self._unknown(path)
        names.pop(0)
        while names and names[0] not in op.controls:
            following = self._step(op, names[0])
            if following is None:
                break
            op = following
            names.pop(0)
        return op, names

    def _first(self, name: str) -> Op | None:
        if name == "this":
            return self.op
        if name == "root":
            return self.op.project.root
        beside = self.op.parent.child(name) if self.op.parent and name not in self.op.controls else None
        return beside or (None if name in self.op.controls else self._step(self.op, name, inside=False))

    @staticmethod
    def _step(op: Op, name: str, *, inside: bool = True) -> Op | None:
        if name == "parent":
            return op.parent
        if name == "input" or (name.startswith("input") and name[5:].isdigit()):
            return op.input(int(name[5:] or 0))
        return op.child(name) if inside else None

    def _unknown(self, path: str) -> ExpressionError:
        hint = f"; inside it there is one: this.{path}" if self.op.child(path.split(".")[0]) else ""
        return ExpressionError(f"nothing that {self.op.full_name} sees is called {path}{hint}")


def _component(name: str) -> int:
    for names in ("xyrt", "rgba", "wh", "uv"):
        if name in names:
            return names.index(name)
    return int(name) if name.isdigit() else 0


def at_frame(context: Context, frame: float) -> Context:
    """Return a context at another frame."""
    return replace(context, frame=frame)
