"""Scripts and graphs: text becomes nodes, nodes become text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

from nukehost import channels, script
from nukehost.controls import USER_KINDS, Control, Spec
from nukehost.errors import NukeError
from nukehost.graph import Op, Project
from nukehost.script import GROUPS, KnobText, LayerText, NodeText, ScriptText, UserKnob
from nukehost.stock import CLASSES, NODE_KNOBS, ROOT, Stock
from nukehost.words import Word, quoted

_TABS = {"1": "BeginTabGroup_Knob", "2": "BeginTabGroup_Knob", "-1": "EndTabGroup_Knob"}
_WITH_RANGE = ("Int_Knob", "Double_Knob")


class LoadError(NukeError):
    """A script that Nuke would not load as it is meant."""


@dataclass
class Loader:
    """Makes nodes in a project. classes: those that are no stock of Nuke's; placeholder: whether a node of an unknown
    class is there at all; problems: what Nuke says of a script."""

    project: Project
    classes: Mapping[str, Stock] = field(default_factory=dict)
    placeholder: bool = True
    problems: list[str] = field(default_factory=list)

    def read(self, text: str, group: Op) -> list[Op]:
        """Add the nodes of a script to a group, and what it says of the root; returns the nodes."""
        tree = script.parse(text, None if self.placeholder else lambda kind: self.stock(kind) is not None)
        self.problems += [unknown(kind) for kind in tree.unknown]
        if tree.root:
            self._fill(self.project.root, tree.root)
        return self._commands(tree.commands, group)

    def make(self, kind: str, group: Op, name: str = "") -> Op:
        """Add a node with defaults; its name is made unique."""
        stock = self.stock(kind)
        if stock is None:
            raise NukeError(f"{kind}: Unknown node class")
        op = Op(kind, free_name(group, name or f"{stock.title or kind}1"), self.project, group, is_group=kind in GROUPS)
        for knob, spec in (*NODE_KNOBS.items(), *stock.knobs.items()):
            op.add(knob, spec)
        op.controls["name"].text = op.name
        op.inputs = [None] * stock.least
        group.children.append(op)
        return op

    def stock(self, kind: str) -> Stock | None:
        """Return what a class is."""
        return CLASSES.get(kind) or self.classes.get(kind)

    def set(self, op: Op, name: str, word: Word) -> None:
        """Set a knob from a script's word."""
        if op.is_unknown and name not in op.controls:
            op.add(name, Spec("String_Knob"))
        if name not in op.controls:
            late = name in (self.stock(op.kind) or Stock()).late
            hint = " before file_type is exr" if late else ""
            raise LoadError(f"{op.kind} {op.name} has no knob {name}{hint}")
        control = op.control(name) if op.controls[name].kind == "Link_Knob" else op.controls[name]
        control.set_word(word)
        self.check(op, control)
        self.grow(op, name)

    def check(self, op: Op, control: Control) -> None:
        """Raise an error if a knob names channels that are not there."""
        try:
            channels.check(control.text, control.kind, self.project.layers)
        except channels.UnknownChannel as error:
            raise LoadError(f"{op.full_name}.{control.name}: {error}") from error

    def grow(self, op: Op, name: str) -> None:
        """Add the knobs that come with a type of file."""
        late = (self.stock(op.kind) or Stock()).late
        if name not in ("file_type", "file") or not late or next(iter(late)) in op.controls:
            return
        if op.control("file_type").to_script() == "exr" or op.control("file").text.endswith(".exr"):
            for knob, spec in late.items():
                op.add(knob, spec)

    def _commands(self, commands: list[NodeText | LayerText], group: Op) -> list[Op]:
        made = dict[int, Op]()
        for one in commands:
            if isinstance(one, LayerText):
                self._add_layer(one)
                continue
            made[id(one)] = self._node(one, group)
        for one in commands:
            if isinstance(one, NodeText):
                made[id(one)].inputs = [made.get(id(other)) if other else None for other in one.inputs]
        return list(made.values())

    def _add_layer(self, layer: LayerText) -> None:
        known = self.project.layers.setdefault(layer.name, [])
        known += [name.partition(".")[2] for name in layer.channels if name.partition(".")[2] not in known]

    def _node(self, text: NodeText, group: Op) -> Op:
        stock = self.stock(text.kind)
        if stock is None:
            self.problems.append(unknown(text.kind))
            stock = Stock()
        elif text.kind not in GROUPS and len(text.inputs) > max(stock.most, stock.least):
            raise LoadError(f"line {text.line}: {text.kind} {text.name} has {len(text.inputs)} inputs")
        op = self._made(text, group, stock)
        op.is_unknown = self.stock(text.kind) is None
        return self._filled(op, text)

    def _made(self, text: NodeText, group: Op, stock: Stock) -> Op:
        op = Op(text.kind, free_name(group, text.name or f"{text.kind}1"), self.project, group)
        op.is_group = text.kind in GROUPS
        for knob, spec in (*NODE_KNOBS.items(), *stock.knobs.items()):
            op.add(knob, spec)
        group.children.append(op)
        return op

    def _filled(self, op: Op, text: NodeText) -> Op:
        name = op.name
        self._fill(op, text)
        op.name = op.controls["name"].text = name
        if op.is_group:
            self._commands(text.commands, op)
            self._check_group(op, text)
        return op

    def _fill(self, op: Op, text: NodeText) -> None:
        for one in text.lines:
            try:
                if isinstance(one, UserKnob):
                    op.add(one.name, user_spec(one), is_user=True)
                elif one.name != "inputs" and not (op.kind == "Root" and one.name not in op.controls):
                    self.set(op, one.name, one.word)
            except NukeError as error:
                raise LoadError(f"line {one.line}: {error}") from error

    def _check_group(self, op: Op, text: NodeText) -> None:
        outputs = sum(one.kind == "Output" for one in op.children)
        if outputs != 1:
            raise LoadError(f"line {text.line}: {op.kind} {op.name} has {outputs} Output nodes")
        numbers = sorted(group_inputs(op))
        if numbers != list(range(len(numbers))) or len(numbers) != sum(one.kind == "Input" for one in op.children):
            raise LoadError(f"line {text.line}: the Input nodes of {op.name} are numbered {numbers}")
        for control in op.controls.values():
            if control.kind == "Link_Knob":
                _check_link(op, control, text.line)


def _check_link(op: Op, control: Control, line: int) -> None:
    try:
        op.link(control)
    except NukeError as error:
        raise LoadError(f"line {line}: {error}") from error


def unknown(kind: str) -> str:
    """Return what Nuke says of a class that it does not have."""
    return (
        f"'{kind}': unknown command. This is most likely from a corrupt .nk file, or from a missing or unlicensed "
        "plug-in. Can't render from that Node."
    )


def group_inputs(op: Op) -> dict[int, Op]:
    """Return the Input nodes of a group by number."""
    return {int(one.controls["number"].parts[0].value): one for one in op.children if one.kind == "Input"}


def user_spec(knob: UserKnob) -> Spec:
    """Return what addUserKnob makes."""
    kind = _TABS.get(knob.opening, USER_KINDS.get(knob.kind, ""))
    if not kind:
        raise NukeError(f"the fake Nuke does not know user knobs of type {knob.kind} ({knob.name})")
    if kind == "Enumeration_Knob" and not knob.menu:
        raise NukeError(f"{knob.name} is an enumeration without a menu")
    shown = knob.label, knob.tooltip, knob.low, knob.high, tuple(knob.flags)
    return Spec(kind, knob.script, tuple(knob.menu), *shown, opening=knob.opening)


def free_name(group: Op, wanted: str) -> str:
    """Return a name that no node of the group has."""
    if group.child(wanted) is None:
        return wanted
    stem = re.sub(r"\d+$", "", wanted)
    return next(name for number in count(1) if group.child(name := f"{stem}{number}") is None)


def to_text(project: Project, version: str) -> str:
    """Return the project as a script."""
    root = NodeText("Root", 0, _lines(project.root))
    layers: list[NodeText | LayerText] = [
        LayerText(name, [f"{name}.{one}" for one in members]) for name, members in project.layers.items()
    ]
    return script.write(ScriptText([*layers, *_nodes(project.root)], root, version))


def _nodes(group: Op) -> list[NodeText]:
    """Return a group's nodes, each after those that feed it."""
    made, order = dict[int, NodeText](), list[NodeText]()

    def add(op: Op) -> None:
        if id(op) in made:
            return
        text = made[id(op)] = NodeText(op.kind, 0, _lines(op))
        for one in op.inputs:
            if one:
                add(one)
        text.inputs = [made[id(one)] if one else None for one in op.inputs]
        text.commands = list(_nodes(op)) if op.is_group else []
        order.append(text)

    for op in group.children:
        add(op)
    return order


def _lines(op: Op) -> list[KnobText | UserKnob]:
    lines: list[KnobText | UserKnob] = []
    if len(op.inputs) != 1 and op.kind != "Root":
        lines.append(_line("inputs", str(len(op.inputs))))
    for control in op.controls.values():
        if control.is_user:
            lines.append(_user_line(control))
        if control.name != "name" and saves(control):
            lines.append(_line(control.name, control.to_script()))
    lines.append(_line("name", quoted(op.controls["name"].text if op.kind == "Root" else op.name)))
    return lines


def saves(control: Control) -> bool:
    """Whether a knob's value is written."""
    no_value = control.snapshot() is None or control.kind in ("Script_Knob", "PyScript_Knob", "Text_Knob")
    return not no_value and "+DO_NOT_WRITE" not in control.flags and control.not_default()


def _line(name: str, raw: str) -> KnobText:
    return KnobText(name, Word(raw, raw, "bare", 0), 0)


def _user_line(control: Control) -> UserKnob:
    numbers = {kind: number for number, kind in USER_KINDS.items()} | dict.fromkeys(_TABS.values(), 20)
    spec = control.spec
    knob = UserKnob(numbers[control.kind], control.name, 0, control.label, control.tooltip, menu=control.menu)
    knob.script = control.text if control.kind in ("PyScript_Knob", "Script_Knob", "Text_Knob") else spec.default
    knob.low, knob.high, knob.opening = spec.low, spec.high, spec.opening
    knob.flags = sorted({flag for flag in spec.flags if flag.startswith("-")} | control.flags)
    return knob


def root_of(project: Project) -> None:
    """Give the root its knobs."""
    for name, spec in (*NODE_KNOBS.items(), *ROOT.items()):
        project.root.add(name, spec)
