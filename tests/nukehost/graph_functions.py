"""nuke's functions about nodes and the script."""

# ruff: noqa: ARG002 (signatures are Nuke's, of which the fake does not use all)

from pathlib import Path
from typing import Any

from nukehost import tcl
from nukehost.errors import NukeError
from nukehost.expression import evaluate
from nukehost.files import name_of
from nukehost.frames import NukeFormat
from nukehost.graph import NodeScope, Op
from nukehost.nodes import Node
from nukehost.pictures import parse_format
from nukehost.session_part import Part

REPLACE = 1


class GraphFunctions(Part):
    """Nodes and the script."""

    def root(self) -> Node:
        """Return the script."""
        return self._host.wrap(self._host.project.root)

    def toNode(self, s: str) -> Node | None:
        """Return a node by its name, seen from the group that is entered; None if there is none."""
        op = self._host.project.root if s == "root" else self._host.group.find(s)
        return self._host.wrap(op) if op else None

    def exists(self, s: str) -> bool:
        """Whether there is a node or a knob."""
        host = self._host
        return host.group.find(s) is not None or NodeScope(host.project.root, host.context).exists(s)

    def allNodes(self, filter: str = "", group: Node | None = None, recurseGroups: bool = False) -> list[Node]:
        """Return the nodes of a group, of a class if one is named."""
        inside = group._op if group else self._host.group
        found = inside.walk() if recurseGroups else inside.children
        return [self._host.wrap(one) for one in found if not filter or one.kind == filter]

    def selectedNodes(self, filter: str = "") -> list[Node]:
        """Return the nodes that are selected."""
        return [one for one in self.allNodes(filter) if one.isSelected()]

    def selectedNode(self) -> Node:
        """Return a node that is selected."""
        found = self.selectedNodes()
        if not found:
            raise ValueError("no node selected")
        return found[0]

    def thisNode(self) -> Node:
        """Return the node whose callback runs; elsewhere the group that is entered."""
        running = self._host.callbacks.running
        return self._host.wrap(running[-1].op if running else self._host.group)

    def thisGroup(self) -> Node:
        """Return the group whose callback runs."""
        op: Op | None = self.thisNode()._op
        while op and not op.is_group:
            op = op.parent
        return self._host.wrap(op or self._host.project.root)

    def thisParent(self) -> Node | None:
        """Return the group of the node whose callback runs."""
        return self.thisNode().parent()

    def thisKnob(self) -> Any:
        """Return the knob whose callback runs."""
        running = self._host.callbacks.running
        control = running[-1].control if running else None
        return self._host.knob_of(running[-1].op, control) if control else None

    def thisClass(self) -> str:
        """Return the class of the node whose callback runs."""
        return self.thisNode().Class()

    def thisView(self) -> str:
        """Return the view that holds."""
        return self._host.context.view

    def views(self) -> list[str]:
        """Return all views."""
        return list(self._host.project.views)

    def frame(self, f: float | None = None) -> int:
        """Return the frame, or go to another."""
        if f is not None:
            self._host.go_to(int(f))
        return int(self._host.context.frame)

    def filename(self, node: Node, i: int | None = None) -> str | None:
        """Return the files of a node, with the number and the view filled in if `i` is REPLACE."""
        if "file" not in node._op.controls:
            return None
        text = node._op.evaluated("file", self._host.context)
        context = self._host.context
        return (name_of(text, context.frame, context.view) if i == REPLACE else text) or None

    def createNode(self, typ: str, knobs: str = "", inpanel: bool = True) -> Node:
        """Make a node after the selected one, as a user does."""
        selected = [one for one in self._host.group.children if one.value("selected", self._host.context)]
        (op, *_) = self._host.add(typ, self._host.group, by_user=True)
        made = self._host.wrap(op)
        if selected and op.inputs:
            op.connect(0, selected[0])
        made.readKnobs(knobs)
        return made

    def delete(self, n: Node) -> None:
        """Delete a node."""
        self._host.delete(n._op)

    def nodePaste(self, s: str) -> Node | None:
        """Paste a file of a script."""
        self._host.check_still("nodes are pasted")
        made = self._host.loader.read(Path(s).read_text(), self._host.group)
        self._host.begin(made)
        return self._host.wrap(made[-1]) if made else None

    def scriptReadText(self, s: str) -> None:
        """Paste the text of a script."""
        self._host.check_still("nodes are pasted")
        self._host.begin(self._host.loader.read(s, self._host.group))

    def scriptName(self) -> str:
        """Return the script's path; RuntimeError if it has none."""
        name = self._host.project.root.controls["name"].text
        if not name:
            raise NukeError("no script name")
        return name

    def scriptSave(self, filename: str | None = None) -> bool:
        """Save the script."""
        self._host.save(Path(filename or self.scriptName()))
        return True

    def scriptSaveAs(self, filename: str | None = None, overwrite: int = -1) -> None:
        """Save the script under another name."""
        if not filename:
            raise self._host.fault("scriptSaveAs without a name asks for one")
        self._host.save(Path(filename))

    def modified(self, state: bool | None = None) -> bool:
        """Whether there is something to save, or say so."""
        if state is not None:
            self._host.modified = bool(state)
        return self._host.modified

    def channels(self, node: Node | None = None) -> list[str]:
        """Return the channels of a node, or of the script."""
        if node:
            return node.channels()
        return [f"{layer}.{name}" for layer, names in self._host.project.layers.items() for name in names]

    def layers(self, node: Node | None = None) -> list[str]:
        """Return the layers of a node, or of the script."""
        return list(dict.fromkeys(name.partition(".")[0] for name in self.channels(node)))

    def addFormat(self, s: str) -> NukeFormat:
        """Add a format: "1920 1080 1 NAME"."""
        words = s.split()
        long = len(words) > 6
        text = s if long else f"{words[0]} {words[1]} 0 0 {words[0]} {words[1]} {' '.join(words[2:])}"
        found = parse_format(text)
        if found is None:
            raise ValueError(f"{s!r} is no format")
        self._host.formats[found.name] = found
        return NukeFormat(found)

    def formats(self) -> list[NukeFormat]:
        """Return all formats."""
        return [NukeFormat(one) for one in self._host.formats.values()]

    def value(self, knob: str, default: str | None = None) -> str:
        """Return a knob's value as text."""
        scope = NodeScope(self._host.project.root, self._host.context)
        if default is not None and not scope.exists(knob):
            return default
        return self._host.get(knob) if isinstance(self._host.get(knob), str) else scope.text(knob)

    def expression(self, s: str) -> float:
        """Return what an expression gives."""
        return float(evaluate(s, NodeScope(self._host.project.root, self._host.context)))

    def tcl(self, cmd: str, *args: str) -> str:
        """Run a Tcl command."""
        return tcl.run(" ".join((cmd, *args)), NodeScope(self.thisNode()._op, self._host.context))

    def dependencies(self, nodes: Any, what: int = 13) -> list[Node]:
        """Return what nodes need."""
        return list(dict.fromkeys(one for node in nodes for one in node.dependencies(what)))
