"""Parameters: as they are described, and with values in an instance."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ofxhost import abi, names
from ofxhost.properties import PropertySet
from ofxhost.session import Refusal, Session

# Type and number of the values.
SHAPES = {
    "OfxParamTypeInteger": ("I", 1),
    "OfxParamTypeDouble": ("D", 1),
    "OfxParamTypeBoolean": ("I", 1),
    "OfxParamTypeChoice": ("I", 1),
    "OfxParamTypeStrChoice": ("S", 1),
    "OfxParamTypeString": ("S", 1),
    "OfxParamTypeCustom": ("S", 1),
    "OfxParamTypeRGB": ("D", 3),
    "OfxParamTypeRGBA": ("D", 4),
    "OfxParamTypeDouble2D": ("D", 2),
    "OfxParamTypeDouble3D": ("D", 3),
    "OfxParamTypePushButton": ("", 0),
    "OfxParamTypeGroup": ("", 0),
    "OfxParamTypePage": ("", 0),
}
CRASHING = frozenset({"OfxParamTypeInteger2D", "OfxParamTypeInteger3D"})
RANGED = frozenset({"OfxParamTypeInteger", "OfxParamTypeDouble"})
_LIMITS = ("OfxParamPropMin", "OfxParamPropMax", "OfxParamPropDisplayMin", "OfxParamPropDisplayMax")
_NOTHING = {"I": 0, "D": 0.0, "S": ""}

Value = tuple[Any, ...]


@dataclass(eq=False)
class ParamDescriptor:
    """A parameter as a plug-in described it."""

    name: str
    type: str
    properties: PropertySet
    handle: int = 0

    @property
    def shape(self) -> tuple[str, int]:
        """Type and number of its values."""
        return SHAPES[self.type]

    @property
    def default(self) -> Value:
        """Its value in a fresh instance."""
        letter, size = self.shape
        return tuple(self.properties.all("OfxParamPropDefault")) or (_NOTHING.get(letter),) * size


class ParamSet:
    """The parameters of a descriptor or of an instance."""

    def __init__(self, session: Session, owner: Any) -> None:
        """Begin without parameters."""
        self.session, self.owner = session, owner
        self.properties = PropertySet(session, names.PARAM_SET, {"OfxPropType": "OfxTypeParameter"})
        self.params: dict[str, Any] = {}
        self.handle = 0
        session.admit(self)

    def define(self, type_: str, name: str) -> ParamDescriptor:
        """Add a parameter."""
        if type_ in CRASHING:
            raise Refusal(abi.UNSUPPORTED, f"parameter {name} is an {type_}, which makes hosts crash")
        if type_ not in SHAPES:
            raise Refusal(abi.UNSUPPORTED, f"parameter {name} has the unknown type {type_}")
        if name in self.params:
            raise Refusal(abi.EXISTS, f"parameter {name} is defined twice")
        letter, size = SHAPES[type_]
        kind = names.param(type_, f"{letter}{size}" if size else "", described=True)
        told = {"OfxPropType": "OfxTypeParameter", "OfxPropName": name, "OfxParamPropType": type_}
        properties = PropertySet(self.session, kind, {**told, "OfxPropLabel": name, "OfxParamPropEnabled": 1})
        param = self.params[name] = ParamDescriptor(name, type_, properties)
        self.session.admit(param)
        return param

    def close(self) -> None:
        """Let all handles be dead."""
        for param in self.params.values():
            self.session.dismiss(param)
            self.session.dismiss(param.properties)
        self.session.dismiss(self.properties)
        self.session.dismiss(self)


class Param:
    """A parameter of an instance: one value, or several that begin at keys and stay until the next."""

    def __init__(self, session: Session, owner: Any, descriptor: ParamDescriptor) -> None:
        """Begin with the default."""
        self.session, self.owner, self.descriptor = session, owner, descriptor
        self.name, self.type = descriptor.name, descriptor.type
        letter, size = descriptor.shape
        kind = names.param(self.type, f"{letter}{size}" if size else "", described=False)
        self.properties = PropertySet(
            session,
            kind,
            descriptor.properties.copied(),
            {"OfxParamPropIsAnimating": lambda: int(bool(self.keys)), "OfxParamPropIsAutoKeying": lambda: 0},
        )
        self.properties.watch = self._watch
        self.keys: dict[float, Value] = {}
        self._value = descriptor.default
        self.handle = 0
        session.admit(self)

    def at(self, time: float) -> Value:
        """Return the value at `time`."""
        passed = [key for key in self.keys if key <= time]
        if passed:
            return self.keys[max(passed)]
        return self.keys[min(self.keys)] if self.keys else self._value

    def set(self, value: Value, time: float | None = None) -> None:
        """Give it a value, from a key at `time` on if there is one."""
        if time is None:
            self.keys.clear()
            self._value = value
        else:
            self.keys[time] = value

    def limits(self) -> tuple[float, float] | None:
        """Return the range of a number, None if it has none."""
        low, high = (self.properties.get(name) for name in _LIMITS[:2])
        return (low, high) if low is not None and high is not None else None

    def clamp(self, value: Value) -> Value:
        """Return the nearest value that is in range."""
        limits = self.limits() if self.type in RANGED else None
        return tuple(type(one)(min(max(one, limits[0]), limits[1])) for one in value) if limits else value

    def options(self) -> list[str]:
        """Return the entries of a choice."""
        return [str(option) for option in self.properties.all("OfxParamPropChoiceOption")]

    def native(self, value: Any) -> Value:
        """Return what a test gives as OFX has it: a choice by its number or by its entry in any case."""
        if self.type == "OfxParamTypeChoice" and isinstance(value, str):
            entries = [option.lower() for option in self.options()]
            assert value.lower() in entries, f"{self.name} has no entry {value}: it has {entries}"
            return (entries.index(value.lower()),)
        letter, size = self.descriptor.shape
        given = tuple(value) if isinstance(value, (list, tuple)) else (value,)
        assert len(given) == size, f"{self.name} takes {size} values"
        result = tuple({"I": int, "D": float, "S": str}[letter](one) for one in given)
        assert self.clamp(result) == result, f"{value} is outside the range of {self.name}, {self.limits()}"
        return result

    def readable(self, time: float) -> Any:
        """Return its value as a test reads it: a choice as its entry."""
        value = self.at(time)
        if self.type == "OfxParamTypeChoice":
            return self.options()[value[0]]
        if self.type == "OfxParamTypeBoolean":
            return bool(value[0])
        return value[0] if len(value) == 1 else value

    def _watch(self, name: str, value: Any) -> None:
        shown = {"OfxParamPropSecret": 0, "OfxParamPropEnabled": 1}.get(name)
        described = self.descriptor.properties.get(name, shown)
        if self.session.mode.hidden_stay and value == shown and described != shown:
            self.session.fault(f"{self.name} was described with {name} {described} and stays so in this host")


def faults(params: dict[str, ParamDescriptor]) -> Iterator[str]:
    """Say what is wrong with parameters as they are described."""
    for param in params.values():
        yield from _faults_of(param)
        parent = params.get(param.properties.get("OfxParamPropParent", ""))
        if param.properties.get("OfxParamPropParent") and (parent is None or parent.type != "OfxParamTypeGroup"):
            yield f"the parent of parameter {param.name} is no group"
        for child in param.properties.all("OfxParamPropPageChild"):
            if child not in params and not child.startswith("OfxParamPageSkip"):
                yield f"page {param.name} has the child {child}, which is not defined"


def _faults_of(param: ParamDescriptor) -> Iterator[str]:
    if param.type in RANGED:
        yield from _faults_of_number(param)
    if param.type == "OfxParamTypeBoolean" and "OfxParamPropAnimates" not in param.properties.was_set:
        yield f"boolean {param.name} does not say whether it animates"
    if param.type == "OfxParamTypeBoolean" and param.default[0] not in (0, 1):
        yield f"the default of boolean {param.name} is neither 0 nor 1"
    if param.type == "OfxParamTypeChoice":
        count = len(param.properties.all("OfxParamPropChoiceOption"))
        if not 0 <= param.default[0] < count:
            yield f"the default of choice {param.name}, {param.default[0]}, is none of its {count} entries"


def _faults_of_number(param: ParamDescriptor) -> Iterator[str]:
    missing = [name for name in _LIMITS if name not in param.properties.was_set]
    if missing:
        yield f"parameter {param.name} has no {', '.join(name.removeprefix('OfxParamProp') for name in missing)}"
        return
    low, high, display_low, display_high = (param.properties.get(name) for name in _LIMITS)
    if not low <= param.default[0] <= high:
        yield f"the default of parameter {param.name}, {param.default[0]}, is outside {low} to {high}"
    if not low <= display_low < display_high <= high:
        yield f"parameter {param.name} shows {display_low} to {display_high}, of {low} to {high}"
