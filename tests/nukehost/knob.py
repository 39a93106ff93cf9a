"""What all knobs have in Python."""

# ruff: noqa: ARG002 (signatures are Nuke's, of which the fake does not use all)

from typing import TYPE_CHECKING, Any

from nukehost.controls import Control, word_of
from nukehost.graph import Op

if TYPE_CHECKING:
    from nukehost.host import NukeHost
    from nukehost.nodes import Node

FLAGS = {"INVISIBLE": 0x400, "DISABLED": 0x80, "STARTLINE": 0x1000, "DO_NOT_WRITE": 0x200}


class Knob:
    """A knob of a node."""

    def __init__(self, host: "NukeHost", op: Op, control: Control) -> None:
        """Belong to a node."""
        self._host, self._owner, self._knob = host, op, control

    @property
    def _op(self) -> Op:
        return self._host.living(self._owner)

    @property
    def _control(self) -> Control:
        self._host.living(self._owner)
        return self._knob

    def Class(self) -> str:
        """Return its kind."""
        return self._control.kind

    def name(self) -> str:
        """Return its name."""
        return self._control.name

    def fullyQualifiedName(self, channel: int = -1) -> str:
        """Return the names of the node and of the knob."""
        return f"{self._op.full_name}.{self._control.name}"

    def node(self) -> "Node":
        """Return its node."""
        return self._host.wrap(self._op)

    def label(self) -> str:
        """Return what the panel writes beside it."""
        return self._control.label

    def setLabel(self, label: str) -> None:
        """Write something beside it."""
        self._control.label = checked(label)

    def tooltip(self) -> str:
        """Return its tooltip."""
        return self._control.tooltip

    def setTooltip(self, tooltip: str) -> None:
        """Set its tooltip."""
        self._control.tooltip = checked(tooltip)

    def visible(self) -> bool:
        """Whether the panel shows it."""
        return self._control.visible

    def setVisible(self, visible: bool) -> None:
        """Show or hide it."""
        self._flag("+INVISIBLE", not visible)

    def enabled(self) -> bool:
        """Whether it can be edited."""
        return self._control.enabled

    def setEnabled(self, enabled: bool) -> None:
        """Let it be edited or not."""
        self._control.enabled = bool(enabled)

    def setFlag(self, flag: int) -> None:
        """Set a flag."""
        self._flag(_flag_name(flag), True)

    def clearFlag(self, flag: int) -> None:
        """Clear a flag."""
        self._flag(_flag_name(flag), False)

    def getFlag(self, flag: int) -> bool:
        """Whether a flag is set."""
        return _flag_name(flag) in self._control.flags

    def _flag(self, name: str, on: bool) -> None:
        flags = self._control.flags
        flags.add(name) if on else flags.discard(name)

    def toScript(self, quote: bool = True, context: object = None) -> str:
        """Return its value as a script has it."""
        control = self._control
        return control.to_script() if quote or control.is_number else control.text

    def fromScript(self, script: str) -> None:
        """Take a value as a script has it."""
        self._host.edit(self._op, self._control, lambda: self._control.set_word(word_of(checked(script))))

    def value(self) -> Any:
        """Return its value."""
        return self._control.text

    def getValue(self) -> Any:
        """Return its value as Nuke keeps it."""
        return self.value()

    def setValue(self, val: Any) -> Any:
        """Set its value."""
        self._host.edit(self._op, self._control, lambda: self._set_text(checked(val)))
        return True

    def _set_text(self, text: str) -> None:
        self._control.text = text

    def hasExpression(self, index: int = -1) -> bool:
        """Whether an expression drives it."""
        return any(part.expression is not None for part in self._control.parts)

    def isAnimated(self, channel: int = -1) -> bool:
        """Whether it has keys or an expression."""
        return any(part.keys is not None or part.expression is not None for part in self._control.parts)


def checked(value: Any) -> str:
    """Return a text; TypeError for anything else."""
    if not isinstance(value, str):
        raise TypeError(f"a text is wanted, not {value!r}")
    return value


def _flag_name(flag: int) -> str:
    name = next((name for name, value in FLAGS.items() if value == flag), None)
    if name is None:
        raise ValueError(f"the fake Nuke does not know the flag {flag:#x}")
    return f"+{name}"
