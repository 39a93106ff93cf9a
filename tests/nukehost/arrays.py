"""Knobs of numbers, as Python has them."""

# ruff: noqa: ARG002 (signatures are Nuke's, of which the fake does not use all)

from typing import Any

from nukehost.controls import Control, Part
from nukehost.errors import NukeError
from nukehost.graph import at_frame
from nukehost.knob import Knob, checked


class Array_Knob(Knob):
    """Numbers."""

    def _at(self, index: int, frame: float | None = None) -> float:
        context = self._host.context
        context = context if frame is None else at_frame(context, float(frame))
        return self._op.project.number(self._op, self._control, context, index)

    def value(self, index: int = -1) -> Any:
        """Return its number, or all of them."""
        return self._each(index, None)

    def getValue(self, index: int = -1) -> Any:
        """Return its number as a float, or all of them."""
        return self._each(index, None)

    def getValueAt(self, frame: float, index: int = -1, view: str | None = None) -> Any:
        """Return what it is at a frame."""
        return self._each(index, frame)

    def valueAt(self, frame: float, index: int = -1, view: str | None = None) -> Any:
        """Return what it is at a frame."""
        return self._each(index, frame)

    def _each(self, index: int, frame: float | None) -> Any:
        if index >= 0 or len(self._control.parts) == 1:
            return self._at(max(index, 0), frame)
        return [self._at(one, frame) for one in range(len(self._control.parts))]

    def defaultValue(self) -> float:
        """Return its default."""
        return Control(self._control.name, self._control.spec).parts[0].value

    def notDefault(self) -> bool:
        """Whether it is another than its default."""
        return self._control.not_default()

    def arraySize(self) -> int:
        """Return how many numbers it has."""
        return len(self._control.parts)

    def setValue(self, val: Any, chan: int = -1, *_: Any) -> bool:
        """Set its number, or all of them; what an expression drives stays as it is, and keys get one more."""
        number = self._number(val)
        done = list[bool]()

        def change() -> None:
            for part in self._parts(chan):
                done.append(part.expression is None)
                if part.keys is not None:
                    part.keys[self._host.context.frame] = number
                elif part.expression is None:
                    part.value = number

        self._host.edit(self._op, self._control, change)
        return any(done)

    def _number(self, value: Any) -> float:
        if isinstance(value, str) and self._control.kind != "Enumeration_Knob":
            raise TypeError(f"{self._control.name}: a number is wanted, not {value!r}")
        try:
            return self._control.parse(float(value) if isinstance(value, bool | int | float) else value)
        except NukeError as error:
            raise TypeError(str(error)) from error

    def setValueAt(self, val: Any, time: float, index: int = -1, view: str | None = None) -> bool:
        """Set a key; without setAnimated before, Nuke sets the value at all frames."""
        number = self._number(val)

        def change() -> None:
            for part in self._parts(index):
                if part.keys is None:
                    part.value = number
                else:
                    part.keys[float(time)] = number

        self._host.edit(self._op, self._control, change)
        return True

    def setAnimated(self, channel: int = -1) -> bool:
        """Let it have keys: one, here, of its value."""
        for index, part in enumerate(self._control.parts):
            if part in self._parts(channel) and part.keys is None:
                part.keys = {self._host.context.frame: self._at(index)}
        return True

    def clearAnimated(self, channel: int = -1) -> bool:
        """Take keys and expressions from it."""

        def change() -> None:
            for index, part in enumerate(self._control.parts):
                value = self._at(index)
                part.expression = part.keys = None
                part.value = value

        self._host.edit(self._op, self._control, change)
        return True

    def setExpression(self, expression: str, channel: int = -1, view: str | None = None) -> bool:
        """Let an expression drive it."""

        def change() -> None:
            for part in self._parts(channel):
                part.expression = checked(expression)

        self._host.edit(self._op, self._control, change)
        return True

    def getKeyList(self) -> list[float]:
        """Return the frames of its keys."""
        return sorted({frame for part in self._control.parts for frame in part.keys or ()})

    def _parts(self, index: int) -> list[Part]:
        return self._control.parts if index < 0 else [self._control.parts[index]]


class Unsigned_Knob(Array_Knob):
    """A whole number that is not negative."""

    def value(self) -> int:  # type: ignore[override]
        """Return it."""
        return int(self._at(0))


class Int_Knob(Array_Knob):
    """A whole number."""

    def value(self) -> int:  # type: ignore[override]
        """Return it."""
        return int(self._at(0))


class Boolean_Knob(Array_Knob):
    """Something that is on or off."""

    def value(self) -> bool:  # type: ignore[override]
        """Whether it is on."""
        return bool(self._at(0))


class Enumeration_Knob(Unsigned_Knob):
    """One of some words."""

    def value(self) -> str:  # type: ignore[override]
        """Return the word."""
        return self._control.shown(self._at(0))

    def values(self) -> list[str]:
        """Return all words."""
        return list(self._control.menu)

    def numValues(self) -> int:
        """Return how many words there are."""
        return len(self._control.menu)

    def enumName(self, n: int) -> str:
        """Return a word."""
        return self._control.menu[n]
