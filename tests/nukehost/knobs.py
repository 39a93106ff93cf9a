"""Knobs of texts and the like, as Python has them, and the kinds of all."""

# ruff: noqa: ARG002 (signatures are Nuke's, of which the fake does not use all)

from typing import TYPE_CHECKING, Any

from nukehost.arrays import Array_Knob, Boolean_Knob, Enumeration_Knob, Int_Knob, Unsigned_Knob
from nukehost.controls import Control
from nukehost.files import name_of
from nukehost.frames import NukeFormat
from nukehost.graph import Op
from nukehost.knob import Knob, checked
from nukehost.pictures import parse_format

if TYPE_CHECKING:
    from nukehost.host import NukeHost


class String_Knob(Knob):
    """Text."""

    def getText(self) -> str:
        """Return what stands there."""
        return self._control.text

    def setText(self, text: str) -> None:
        """Write something."""
        self.setValue(text)

    def setValue(self, val: str, view: str = "") -> None:
        """Write something."""
        super().setValue(val)

    def _set_text(self, text: str) -> None:
        if self._control.name == "name":
            self._host.rename(self._op, text)
        else:
            super()._set_text(text)


class EvalString_Knob(String_Knob):
    """Text in which Tcl is evaluated."""

    def evaluate(self) -> str:
        """Return the text with its Tcl evaluated."""
        return self._op.evaluated(self._control.name, self._host.context)


class File_Knob(EvalString_Knob):
    """The name of files."""

    def evaluate(self) -> str:
        """Return the file of this frame and view."""
        return name_of(super().evaluate(), self._host.context.frame, self._host.context.view)

    def getEvaluatedValue(self) -> str:
        """Return the name with its Tcl evaluated, number and view left open."""
        return super().evaluate()

    def fromUserText(self, text: str) -> None:
        """Take a name as a user types it."""
        self.setValue(text)


class Script_Knob(String_Knob):
    """A button."""

    def command(self) -> str:
        """Return what it runs."""
        return self._control.text

    def setCommand(self, cmd: str) -> None:
        """Let it run something else."""
        self._control.text = checked(cmd)

    def execute(self) -> None:
        """Press it."""
        self._host.execute_button(self._op, self._control)


class PyScript_Knob(Script_Knob):
    """A button that runs Python."""


class Channel_Knob(Knob):
    """A channel."""


class Text_Knob(Knob):
    """A line of text."""


class Tab_Knob(Knob):
    """A tab."""

    def value(self) -> Any:
        """Return nothing that counts."""
        return False


class Link_Knob(Knob):
    """A knob of another node."""

    def getLink(self) -> str:
        """Return what it links to."""
        return self._control.spec.default

    def getLinkedKnob(self) -> Knob:
        """Return the knob."""
        owner, name = self._op.link(self._control)
        return make(self._host, owner, owner.control(name))

    def value(self) -> Any:
        """Return the linked knob's value."""
        return self.getLinkedKnob().value()

    def setValue(self, val: Any = None) -> Any:
        """Set the linked knob."""
        return self.getLinkedKnob().setValue(val)


class Format_Knob(Knob):
    """A format."""

    def value(self) -> NukeFormat | None:
        """Return it, None if there is none."""
        found = self._host.formats.get(self._control.text) or parse_format(self._control.text)
        return NukeFormat(found) if found else None

    def _set_text(self, text: str) -> None:
        found = self._host.formats.get(text) or parse_format(text)
        if found is None:
            raise TypeError(f"there is no format {text!r}")
        self._control.text = (
            f"{found.width} {found.height} 0 0 {found.width} {found.height} {found.aspect:g} {found.name}"
        )


def _subclass(name: str, base: type[Knob]) -> type[Knob]:
    return type(name, (base,), {"__doc__": base.__doc__})


KINDS: dict[str, type[Knob]] = {
    one.__name__: one
    for one in (Array_Knob, Unsigned_Knob, Int_Knob, Boolean_Knob, Enumeration_Knob, String_Knob, EvalString_Knob,
                File_Knob, Script_Knob, PyScript_Knob, Channel_Knob, Text_Knob, Tab_Knob, Link_Knob, Format_Knob)
}  # fmt: skip
for _base, _names in {
    Array_Knob: ("Double_Knob", "XY_Knob", "WH_Knob", "UV_Knob", "BBox_Knob", "Color_Knob", "AColor_Knob"),
    Boolean_Knob: ("Disable_Knob",),
    EvalString_Knob: ("Multiline_Eval_String_Knob",),
    String_Knob: ("PythonKnob",),
    Channel_Knob: ("ChannelMask_Knob",),
    Tab_Knob: ("BeginTabGroup_Knob", "EndTabGroup_Knob"),
}.items():
    KINDS |= {name: _subclass(name, _base) for name in _names}


def make(host: "NukeHost", op: Op, control: Control) -> Knob:
    """Return a knob as Python has it."""
    return KINDS[control.kind](host, op, control)
