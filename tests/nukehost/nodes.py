"""Nodes as Python has them."""

# ruff: noqa: ARG002 (signatures are Nuke's, of which the fake does not use all)

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

from nukehost import knobs
from nukehost.controls import EVALUATED
from nukehost.expression import ExpressionError
from nukehost.frames import FrameRange, Info, NukeFormat
from nukehost.graph import NodeScope, Op
from nukehost.loading import group_inputs, saves
from nukehost.stock import CLASSES, Stock
from nukehost.words import split

if TYPE_CHECKING:
    from nukehost.host import NukeHost

INPUTS, HIDDEN_INPUTS, EXPRESSIONS = 1, 4, 8
WRITE_USER_KNOB_DEFS, WRITE_NON_DEFAULT_ONLY, TO_SCRIPT, TO_VALUE, WRITE_ALL = 1, 2, 4, 8, 16
_PATH = re.compile(r"[A-Za-z_]\w*(?:\.\w+)+")


class Node:
    """A node. It must not be kept: when its node is deleted it is attached to nothing."""

    def __init__(self, host: "NukeHost", op: Op) -> None:
        """Stand for a node."""
        self._host, self._node = host, op

    @property
    def _op(self) -> Op:
        return self._host.living(self._node)

    def __eq__(self, other: object) -> bool:
        """Whether both are the same node."""
        return isinstance(other, Node) and other._node is self._node

    def __hash__(self) -> int:
        """Go with equality."""
        return hash(id(self._node))

    def __repr__(self) -> str:
        """Return what a person sees."""
        return f"<Node {self._node.full_name}>"

    def Class(self) -> str:
        """Return its class."""
        return self._op.kind

    def name(self) -> str:
        """Return its name."""
        return self._op.name

    def fullName(self) -> str:
        """Return its name with those of its groups."""
        return self._op.full_name

    def setName(self, name: str, uncollide: bool = True, updateExpressions: bool = False) -> None:
        """Rename it."""
        self._host.rename(self._op, name)

    def __getitem__(self, name: str) -> Any:
        """Return a knob; NameError if there is none."""
        found = self.knob(name)
        if found is None:
            raise NameError(f"knob {name} does not exist")
        return found

    def knob(self, p: str, follow_link: bool = False) -> Any:
        """Return a knob, None if there is none."""
        control = self._op.controls.get(p)
        return knobs.make(self._host, self._op, control) if control else None

    def knobs(self) -> dict[str, Any]:
        """Return all knobs by name."""
        return {name: knobs.make(self._host, self._op, control) for name, control in self._op.controls.items()}

    def allKnobs(self) -> list[Any]:
        """Return all knobs."""
        return list(self.knobs().values())

    def numKnobs(self) -> int:
        """Return how many knobs there are."""
        return len(self._op.controls)

    def input(self, index: int) -> "Node | None":
        """Return what is wired to an input."""
        return self._wrapped(self._op.input(index))

    def _wrapped(self, op: Op | None) -> "Node | None":
        return self._host.wrap(op) if op else None

    def inputs(self) -> int:
        """Return the number of the highest input that is wired, plus 1."""
        wired = [index for index, one in enumerate(self._op.inputs) if one]
        return wired[-1] + 1 if wired else 0

    def maxInputs(self) -> int:
        """Return how many inputs it may have."""
        if self._op.is_group:
            return len(group_inputs(self._op))
        return (self._host.loader.stock(self._op.kind) or Stock()).most

    def minInputs(self) -> int:
        """Return how many inputs it shows at least."""
        return self.maxInputs() if self._op.is_group else CLASSES.get(self._op.kind, Stock()).least

    def maximumInputs(self) -> int:
        """Return how many inputs it may have."""
        return self.maxInputs()

    def minimumInputs(self) -> int:
        """Return how many inputs it shows at least."""
        return self.minInputs()

    def canSetInput(self, i: int, node: "Node") -> bool:
        """Whether a node can be wired there."""
        return 0 <= i < self.maxInputs() and node._op.parent is self._op.parent

    def setInput(self, i: int, node: "Node | None") -> bool:
        """Wire an input."""
        if node is not None and not self.canSetInput(i, node):
            return False
        self._host.wire(self._op, i, node._op if node else None)
        return True

    def connectInput(self, i: int, node: "Node | None") -> bool:
        """Wire an input."""
        return self.setInput(i, node)

    def dependencies(self, what: int = INPUTS | HIDDEN_INPUTS | EXPRESSIONS) -> list["Node"]:
        """Return the nodes that this one needs."""
        found = list[Op]()
        if what & INPUTS:
            found += [one for one in self._op.inputs if one]
        if what & EXPRESSIONS:
            found += [one for one in mentioned(self._op, self._host) if one not in found]
        return [self._host.wrap(one) for one in found]

    def dependent(self, what: int = INPUTS | HIDDEN_INPUTS | EXPRESSIONS, forceEvaluate: bool = True) -> list["Node"]:
        """Return the nodes that need this one."""
        others = self._host.project.root.walk()
        return [self._host.wrap(one) for one in others if self._op in self._needs(one, what)]

    def _needs(self, op: Op, what: int) -> list[Op | None]:
        found = list(op.inputs) if what & INPUTS else []
        return found + (mentioned(op, self._host) if what & EXPRESSIONS else [])

    def parent(self) -> "Node | None":
        """Return its group, the root for a node in none."""
        return self._wrapped(self._op.parent)

    def format(self) -> NukeFormat:
        """Return its format."""
        return NukeFormat(self._host.engine.format(self._op, self._host.context))

    def width(self) -> int:
        """Return the width of its format."""
        return self.format().width()

    def height(self) -> int:
        """Return the height of its format."""
        return self.format().height()

    def pixelAspect(self) -> float:
        """Return how wide its pixels are."""
        return self.format().pixelAspect()

    def bbox(self) -> Info:
        """Return its bounding box."""
        return Info(self._host.engine.picture(self._op, self._host.context).box)

    def firstFrame(self) -> int:
        """Return its first frame."""
        return self._host.engine.range(self._op, self._host.context)[0]

    def lastFrame(self) -> int:
        """Return its last frame."""
        return self._host.engine.range(self._op, self._host.context)[1]

    def frameRange(self) -> FrameRange:
        """Return its frames."""
        return FrameRange(self.firstFrame(), self.lastFrame())

    def channels(self) -> list[str]:
        """Return its channels."""
        return list(self._host.engine.picture(self._op, self._host.context).planes)

    @overload
    def metadata(self) -> dict[str, Any]: ...

    @overload
    def metadata(self, key: str, time: float = ..., view: str = ...) -> Any: ...

    def metadata(self, key: str | None = None, time: float | None = None, view: str | None = None) -> Any:
        """Return what comes with its picture."""
        context = self._host.context
        context = replace(context, frame=context.frame if time is None else time, view=view or context.view)
        found = self._host.engine.metadata(self._op, context)
        return found if key is None else found.get(key)

    def hasError(self) -> bool:
        """Whether it cannot be rendered."""
        return self._host.error_of(self._op) is not None

    def error(self) -> bool:
        """Whether it cannot be rendered."""
        return self.hasError()

    def treeHasError(self) -> bool:
        """Whether it or a node before it cannot be rendered."""
        return self.hasError()

    def xpos(self) -> int:
        """Return where it is."""
        return int(self._op.value("xpos", self._host.context))

    def ypos(self) -> int:
        """Return where it is."""
        return int(self._op.value("ypos", self._host.context))

    def setXYpos(self, x: int, y: int) -> None:
        """Move it."""
        self["xpos"].setValue(x)
        self["ypos"].setValue(y)

    def screenWidth(self) -> int:
        """Return how wide it is drawn."""
        self._host.living(self._node)
        return 80

    def screenHeight(self) -> int:
        """Return how high it is drawn."""
        self._host.living(self._node)
        return 20

    def isSelected(self) -> bool:
        """Whether it is selected."""
        return bool(self._op.value("selected", self._host.context))

    def setSelected(self, selected: bool) -> None:
        """Select it or not."""
        self["selected"].setValue(bool(selected))

    def readKnobs(self, s: str) -> None:
        """Set knobs from a script's text."""
        words = split(s)
        for name, value in zip(words[::2], words[1::2], strict=True):
            self._host.loader.set(self._op, name.text, value)

    def writeKnobs(self, flags: int = WRITE_NON_DEFAULT_ONLY | TO_SCRIPT) -> str:
        """Return its knobs as a script has them; names alone without TO_SCRIPT."""
        chosen = [one for one in self._op.controls.values() if one.snapshot() is not None]
        if flags & WRITE_NON_DEFAULT_ONLY:
            chosen = [one for one in chosen if saves(one)]
        if not flags & (TO_SCRIPT | TO_VALUE):
            return " ".join(one.name for one in chosen)
        return "\n".join(f"{one.name} {one.to_script()}" for one in chosen)

    def showControlPanel(self, forceFloat: bool = False) -> None:
        """Open its panel."""
        self._host.show_panel(self._op)

    def hideControlPanel(self) -> None:
        """Close its panel."""
        self._host.living(self._node)

    def redraw(self) -> None:
        """Draw it again."""
        self._host.living(self._node)

    def forceValidate(self) -> None:
        """Look at it again."""
        self._host.living(self._node)


class Group(Node):
    """A node with nodes inside."""

    def nodes(self) -> list[Node]:
        """Return the nodes inside."""
        return [self._host.wrap(one) for one in self._op.children]

    def numNodes(self) -> int:
        """Return how many nodes are inside."""
        return len(self._op.children)

    def node(self, s: str) -> Node | None:
        """Return a node inside."""
        return self._wrapped(self._op.find(s))

    def output(self) -> Node | None:
        """Return its Output."""
        return self._wrapped(next((one for one in self._op.children if one.kind == "Output"), None))

    def begin(self) -> "Group":
        """Let what follows happen inside."""
        self._host.groups.append(self._op)
        return self

    def end(self) -> None:
        """End what `begin` began."""
        self._host.groups.pop()

    def __enter__(self) -> "Group":
        """Let what follows happen inside."""
        return self.begin()

    def __exit__(self, type: object, value: object, traceback: object) -> None:
        """End what `with` began."""
        self.end()


class Root(Group):
    """The script."""

    def name(self) -> str:
        """Return the script's path, `Root` if it has none."""
        return self._op.controls["name"].text or "Root"

    def firstFrame(self) -> int:
        """Return the first frame of the script."""
        return int(self._op.value("first_frame", self._host.context))

    def lastFrame(self) -> int:
        """Return the last frame of the script."""
        return int(self._op.value("last_frame", self._host.context))

    def fps(self) -> int:
        """Return frames per second."""
        return int(self._op.value("fps", self._host.context))

    def proxy(self) -> bool:
        """Whether proxies are rendered."""
        return bool(self._op.value("proxy", self._host.context))

    def setProxy(self, on: bool) -> None:
        """Render proxies or not."""
        self["proxy"].setValue(bool(on))

    def modified(self) -> bool:
        """Whether there is something to save."""
        return self._host.modified

    def setModified(self, modified: bool) -> None:
        """Say whether there is something to save."""
        self._host.living(self._node)
        self._host.modified = bool(modified)

    def setFrame(self, frame: float) -> None:
        """Go to a frame."""
        self["frame"].setValue(frame)


def mentioned(op: Op, host: "NukeHost") -> list[Op]:
    """Return the nodes that a node's expressions and texts name; not the root."""
    found, scope = list[Op](), NodeScope(op, host.context)
    for control in op.controls.values():
        texts = [part.expression for part in control.parts if part.expression]
        texts += [control.text] if control.kind in EVALUATED else []
        for path in (path for text in texts for path in _PATH.findall(text)):
            try:
                other = scope.find(path)
            except ExpressionError:
                continue
            if other not in (op, host.project.root, *found):
                found.append(other)
    return found
