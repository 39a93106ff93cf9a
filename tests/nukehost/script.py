r"""The text of .nk and .gizmo files: read with the semantics of Nuke's stack into a tree, and written again.

>>> tree = parse('Constant {\n inputs 0\n name C\n}\nset N1 [stack 0]\nDot {\n name D\n}\n')
>>> [node.name for node in tree.nodes], tree.nodes[1].inputs[0].name
(['C', 'D'], 'C')
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from nukehost.words import Reader, ScriptError, Word, quoted, split

GROUPS = ("Group", "Gizmo")
_TEXTS = {"l": "label", "t": "tooltip", "T": "script", "n": "opening"}


@dataclass(frozen=True)
class KnobText:
    """A knob's value; text: what is between quotes, unescaped, or between braces, as it is."""

    name: str
    word: Word
    line: int

    @property
    def text(self) -> str:
        """The value."""
        return self.word.text

    @property
    def expressions(self) -> list[str | None]:
        """For each element of an array its expression, None for a plain value; [] where there is no array."""
        if self.word.form != "braced":
            return []
        return [_expression(word) for word in split(self.word.text, self.line)]


def _expression(word: Word) -> str | None:
    if word.form != "braced":
        return None
    inner = split(word.text, word.line) if word.text.lstrip().startswith('"') else []
    return inner[0].text if inner else word.text.removesuffix(" i")


@dataclass
class UserKnob:
    """What addUserKnob says: kind is its number, script its T, low and high its R, opening its n (of a tab: 1 begins an
    open group, 2 a closed one, -1 ends one)."""

    kind: int
    name: str
    line: int = 0
    label: str = ""
    tooltip: str = ""
    script: str = ""
    menu: list[str] = field(default_factory=list)
    low: float | None = None
    high: float | None = None
    opening: str = ""
    flags: list[str] = field(default_factory=list)

    def to_text(self) -> str:
        """Return the line that makes it."""
        words = [str(self.kind), quoted(self.name)]
        texts = {letter: getattr(self, name) for letter, name in _TEXTS.items()}
        words += [f"{letter} {quoted(text)}" for letter, text in texts.items() if text]
        if self.menu:
            words.append("M {" + " ".join(quoted(entry) for entry in self.menu) + "}")
        if self.low is not None and self.high is not None:
            words.append(f"R {self.low:g} {self.high:g}")
        return "addUserKnob {" + " ".join(words + self.flags) + "}"


@dataclass(eq=False)
class LayerText:
    """An add_layer: the layer and its channels."""

    name: str
    channels: list[str]
    line: int = 0


@dataclass(eq=False)
class NodeText:
    """A node: its class, its knobs as they stand there, what is wired to its inputs, and a group's commands."""

    kind: str
    line: int = 0
    lines: list[KnobText | UserKnob] = field(default_factory=list)
    inputs: list["NodeText | None"] = field(default_factory=list)
    commands: list["NodeText | LayerText"] = field(default_factory=list)

    @property
    def knobs(self) -> dict[str, KnobText]:
        """Values by the name of their knob."""
        return {one.name: one for one in self.lines if isinstance(one, KnobText)}

    @property
    def user_knobs(self) -> dict[str, UserKnob]:
        """Knobs that addUserKnob made, by name."""
        return {one.name: one for one in self.lines if isinstance(one, UserKnob)}

    @property
    def name(self) -> str:
        """The node's name, "" if it says none."""
        return self.text("name")

    @property
    def children(self) -> list["NodeText"]:
        """A group's nodes, in their order."""
        return [one for one in self.commands if isinstance(one, NodeText)]

    @property
    def layers(self) -> list[LayerText]:
        """The layers that are added in a group."""
        return [one for one in self.commands if isinstance(one, LayerText)]

    def text(self, knob: str, default: str = "") -> str:
        """Return what a knob says, `default` if it says nothing."""
        found = self.knobs.get(knob)
        return found.text if found else default

    def child(self, name: str) -> "NodeText":
        """Return a node of a group by its name."""
        found = [one for one in self.children if one.name == name]
        if len(found) != 1:
            raise KeyError(f"{self.name} has {len(found)} nodes {name}")
        return found[0]

    def walk(self) -> Iterator["NodeText"]:
        """Give this node and all inside it."""
        yield self
        for one in self.children:
            yield from one.walk()


@dataclass(eq=False)
class ScriptText:
    """A script: its commands, what Root says, its version, the top of the stack at its end, and the classes that were
    left out as unknown."""

    commands: list[NodeText | LayerText] = field(default_factory=list)
    root: NodeText | None = None
    version: str = ""
    top: NodeText | None = None
    unknown: list[str] = field(default_factory=list)

    @property
    def nodes(self) -> list[NodeText]:
        """The nodes, in their order."""
        return [one for one in self.commands if isinstance(one, NodeText)]

    def walk(self) -> Iterator[NodeText]:
        """Give all nodes."""
        for one in self.nodes:
            yield from one.walk()


@dataclass
class _Level:
    """A group that is being read: its stack, what `set` named, and where its commands go."""

    node: NodeText | None
    commands: list[NodeText | LayerText]
    stack: list[NodeText | None] = field(default_factory=list)
    names: dict[str, NodeText | None] = field(default_factory=dict)


def parse(text: str, knows: Callable[[str], bool] | None = None) -> ScriptText:
    """Return the tree of a script; ScriptError where Nuke would stop or wire something else.

    knows: which classes there are; a node of another one touches the stack in no way, and is left out.
    """
    return _Parser(text, knows).run()


class _Parser:
    def __init__(self, text: str, knows: Callable[[str], bool] | None) -> None:
        self.reader, self.knows = Reader(text), knows
        self.script = ScriptText()
        self.levels = [_Level(None, self.script.commands)]

    @property
    def level(self) -> _Level:
        return self.levels[-1]

    def run(self) -> ScriptText:
        while words := self._command():
            self._run(words)
        if self.level.node:
            raise ScriptError(self.level.node.line, f"{self.level.node.kind} {self.level.node.name} has no end_group")
        self.script.top = self.level.stack[-1] if self.level.stack else None
        return self.script

    def _command(self) -> list[Word]:
        """Return the words of the next command, [] at the end."""
        reader = self.reader
        reader.skip(" \t\r\n;")
        while reader.peek() == "#":
            reader.skip_line()
            reader.skip(" \t\r\n;")
        words = list[Word]()
        while reader.peek() not in ("", "\n", ";"):
            words.append(reader.word())
            reader.skip(" \t\r")
        return words

    def _run(self, words: list[Word]) -> None:
        name, rest, line = words[0].text, words[1:], words[0].line
        if name in ("version", "define_window_layout_xml"):
            self.script.version = " ".join(word.text for word in rest) if name == "version" else self.script.version
        elif name in ("set", "push", "end_group", "add_layer"):
            {"set": self._set, "push": self._push, "end_group": self._end, "add_layer": self._layer}[name](rest, line)
        elif name == "clone" or not name[:1].isalpha() or words[0].form != "bare":
            raise ScriptError(line, f"the fake Nuke does not know the command {words[0].raw}")
        elif len(rest) != 1 or rest[0].form != "braced":
            raise ScriptError(line, f"{name} is not followed by one body in braces")
        else:
            self._node(name, rest[0], line)

    def _set(self, words: list[Word], line: int) -> None:
        if len(words) != 2 or words[1].form != "bracket" or words[1].text.split() != ["stack", "0"]:
            raise ScriptError(line, "only `set NAME [stack 0]` is known")
        name = words[0].text
        if not self.level.stack and name != "cut_paste_input":
            raise ScriptError(line, f"nothing is on the stack to be called {name}")
        self.level.names[name] = self.level.stack[-1] if self.level.stack else None

    def _push(self, words: list[Word], line: int) -> None:
        if len(words) != 1:
            raise ScriptError(line, "push takes one word")
        word = words[0].text
        if word == "0":
            self.level.stack.append(None)
        elif not word.startswith("$") or word[1:] not in self.level.names:
            raise ScriptError(line, f"push of {word}, which is not set; Nuke reads nothing from here on")
        else:
            self.level.stack.append(self.level.names[word[1:]])

    def _end(self, words: list[Word], line: int) -> None:
        if words or not self.level.node:
            raise ScriptError(line, "end_group without a group")
        self.levels.pop()

    def _layer(self, words: list[Word], line: int) -> None:
        names = [word.text for word in split(words[0].text, line)] if len(words) == 1 else []
        layer = names[0] if names else ""
        if len(names) < 2 or any(not one.startswith(f"{layer}.") for one in names[1:]):
            raise ScriptError(line, "add_layer takes {layer layer.channel ...}")
        self.level.commands.append(LayerText(layer, names[1:], line))

    def _node(self, kind: str, body: Word, line: int) -> None:
        node = NodeText(kind, line, _lines(body))
        if kind == "Root":
            self.script.root = node
            return
        if self.knows and not self.knows(kind):
            self.script.unknown.append(kind)
            return
        self._wire(node)
        if node.name and any(isinstance(one, NodeText) and one.name == node.name for one in self.level.commands):
            raise ScriptError(line, f"there are two nodes {node.name}")
        self.level.commands.append(node)
        self.level.stack.append(node)
        if kind in GROUPS:
            self.levels.append(_Level(node, node.commands))

    def _wire(self, node: NodeText) -> None:
        """Pop a node's inputs: the top of the stack is input 0."""
        counts = node.text("inputs", "1").split("+")
        if not all(count.isdigit() for count in counts) or len(counts) > 2:
            raise ScriptError(node.line, f"inputs is {node.text('inputs')!r}")
        for _ in range(sum(map(int, counts))):
            if not self.level.stack and self.level.node:
                raise ScriptError(node.line, f"{node.kind} {node.name} wants an input, and the stack is empty")
            node.inputs.append(self.level.stack.pop() if self.level.stack else None)


def _lines(body: Word) -> list[KnobText | UserKnob]:
    words = split(body.text, body.line)
    if len(words) % 2:
        raise ScriptError(words[-1].line, f"{words[-1].raw} stands where a knob and its value belong")
    pairs = zip(words[::2], words[1::2], strict=True)
    return [_user_knob(value) if name.text == "addUserKnob" else _knob(name, value) for name, value in pairs]


def _knob(name: Word, value: Word) -> KnobText:
    if name.form != "bare" or value.form == "bracket":
        raise ScriptError(name.line, f"{name.raw} {value.raw} is no knob with a value")
    if value.form == "bare" and value.text.startswith("$"):
        raise ScriptError(value.line, "'$' in a bare word is not escaped")
    return KnobText(name.text, value, name.line)


def _user_knob(value: Word) -> UserKnob:
    words = split(value.text, value.line) if value.form == "braced" else []
    if len(words) < 2 or not words[0].text.isdigit():
        raise ScriptError(value.line, "addUserKnob takes {type name ...}")
    knob, rest = UserKnob(int(words[0].text), words[1].text, value.line), words[2:]
    while rest:
        rest = rest[_take_option(knob, rest) :]
    return knob


def _take_option(knob: UserKnob, words: list[Word]) -> int:
    """Take the first of `words` into `knob` and return how many belonged to it."""
    name, following = words[0].text, words[1:]
    if name[:1] in "+-" and name[1:].replace("_", "").isalpha():
        knob.flags.append(name)
        return 1
    if name in _TEXTS and following:
        setattr(knob, _TEXTS[name], following[0].text)
        return 2
    if name == "M" and following and following[0].form == "braced":
        knob.menu = [word.text for word in split(following[0].text, following[0].line)]
        return 2
    if name == "R" and len(following) > 1:
        knob.low, knob.high = float(following[0].text), float(following[1].text)
        return 3
    raise ScriptError(words[0].line, f"addUserKnob of {knob.name} does not know {words[0].raw}")


def write(script: ScriptText) -> str:
    """Return the text of a script; read again it gives the same tree."""
    head = [f"version {script.version}"] if script.version else []
    if script.root:
        head += _body(script.root)
    return "\n".join([*head, *_Writer().commands(script.commands, 0)]) + "\n"


class _Writer:
    """Writes nodes; each gets a name of its own to be pushed by."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}

    def commands(self, commands: list[NodeText | LayerText], depth: int) -> list[str]:
        lines = list[str]()
        for one in commands:
            lines += self._node(one, depth) if isinstance(one, NodeText) else [_layer_line(one)]
        return [" " + line for line in lines] if depth else lines

    def _node(self, node: NodeText, depth: int) -> list[str]:
        lines = [f"push ${self.names[id(one)]}" if one else "push 0" for one in reversed(node.inputs)]
        lines += _body(node)
        if node.kind in GROUPS:
            lines += [*self.commands(node.commands, depth + 1), "end_group"]
        self.names[id(node)] = f"N{len(self.names) + 1:x}"
        return [*lines, f"set {self.names[id(node)]} [stack 0]"]


def _layer_line(layer: LayerText) -> str:
    return f"add_layer {{{layer.name} {' '.join(layer.channels)}}}"


def _body(node: NodeText) -> list[str]:
    lines = [f"{node.kind} {{"]
    if "inputs" not in node.knobs and len(node.inputs) != 1 and node.kind != "Root":
        lines.append(f" inputs {len(node.inputs)}")
    says = (one.to_text() if isinstance(one, UserKnob) else f"{one.name} {one.word.raw}" for one in node.lines)
    return [*lines, *(f" {line}" for line in says), "}"]
