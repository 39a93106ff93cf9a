"""Property sets, and the suite that reads and writes them."""

import ctypes
from collections.abc import Callable, Mapping
from typing import Any

from ofxhost import abi
from ofxhost.names import Kind, Spec
from ofxhost.session import Refusal, Session, put, word

Values = list[Any]
_C = {"P": ctypes.c_void_p, "S": ctypes.c_char_p, "D": ctypes.c_double, "I": ctypes.c_int}
_EMPTY = {"P": None, "S": "", "D": 0.0, "I": 0}
_WORDS = {"P": "pointer", "S": "string", "D": "double", "I": "int"}


class PropertySet:
    """Properties of one kind of thing; `live` ones are asked anew each time, and None means that there is no value."""

    def __init__(
        self,
        session: Session,
        kind: Kind,
        values: Mapping[str, Any] | None = None,
        live: Mapping[str, Callable[[], Any]] | None = None,
    ) -> None:
        """Take the values that the host tells: one, or a list or tuple of several."""
        self.kind = kind
        self._values = {name: as_list(value) for name, value in (values or {}).items() if value is not None}
        self._live = dict(live or {})
        self._unknown = session.mode.unknown
        self.was_set: set[str] = set()
        self.watch: Callable[[str, Any], None] | None = None
        self.loan: Any = None  # of which image they tell
        self.handle = 0
        session.admit(self)

    def spec(self, name: str, type_: str = "") -> Spec:
        """Return what is known of a property; refuse one that OFX does not have here, or not of this type."""
        spec = self.kind.specs.get(name)
        if spec is None:
            raise Refusal(abi.UNKNOWN, f"{name} is no property of a set of kind {self.kind.label}")
        if type_ not in ("", spec.type):
            raise Refusal(abi.VALUE, f"{name} is a {_WORDS[spec.type]}, not a {_WORDS[type_]}")
        return spec

    def values(self, name: str) -> Values:
        """Return the values of a property that OFX knows; refuse politely if this host does not have it."""
        if name in self._unknown:
            raise Refusal(abi.UNKNOWN)
        spec = self.kind.specs[name]
        told = self._live[name]() if name in self._live else self._values.get(name)
        found = None if told is None else as_list(told)
        if found is None and spec.is_settable:
            found = [_EMPTY[spec.type]] * spec.size
        if found is None:
            raise Refusal(abi.UNKNOWN)
        return found

    def get(self, name: str, default: Any = None) -> Any:
        """Return one value as the host sees it."""
        found = self._values.get(name)
        return found[0] if found else default

    def all(self, name: str) -> Values:
        """Return all values as the host sees them."""
        return list(self._values.get(name, []))

    def copied(self) -> dict[str, Values]:
        """Return all that was told or set."""
        return {name: list(values) for name, values in self._values.items()}

    def store(self, name: str, index: int, value: Any) -> None:
        """Set one value for the plug-in."""
        spec = self._settable(name)
        values = self._values.get(name) or [_EMPTY[spec.type]] * spec.size
        if not 0 <= index < (spec.size or len(values) + 1):
            raise Refusal(abi.BAD_INDEX, f"{name} has no index {index}")
        if self.watch:
            self.watch(name, value)
        values[index : index + 1] = [value]
        self._values[name] = values
        self.was_set.add(name)

    def store_all(self, name: str, values: Values) -> None:
        """Set all values for the plug-in."""
        spec = self._settable(name)
        if spec.size and len(values) != spec.size:
            raise Refusal(abi.BAD_INDEX, f"{name} takes {spec.size} values, not {len(values)}")
        if self.watch:
            for value in values:
                self.watch(name, value)
        self._values[name] = values
        self.was_set.add(name)

    def forget(self, name: str) -> None:
        """Make a property what it is when nobody has set it."""
        self._settable(name)
        self._values.pop(name, None)

    def _settable(self, name: str) -> Spec:
        spec = self.kind.specs[name]
        if not spec.is_settable:
            raise Refusal(abi.VALUE, f"{name} of a set of kind {self.kind.label} is not the plug-in's to set")
        return spec


def as_list(value: Any) -> Values:
    """Return one value or several as a list."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


class PropertySuite:
    """OfxPropertySuite 1."""

    def __init__(self, session: Session) -> None:
        """Work on the sets of `session`."""
        self._session = session
        for type_, name in _WORDS.items():
            setattr(self, f"set_{name}", self._bind(self._set, type_))
            setattr(self, f"set_{name}_n", self._bind(self._set_n, type_))
            setattr(self, f"get_{name}", self._bind(self._get, type_))
            setattr(self, f"get_{name}_n", self._bind(self._get_n, type_))

    def reset(self, handle: int, name: bytes) -> None:
        """Forget what was set."""
        properties, known = self._find(handle, name)
        properties.forget(known)

    def get_dimension(self, handle: int, name: bytes, answer: int) -> None:
        """Tell the number of values."""
        properties, known = self._find(handle, name)
        put(ctypes.c_int, answer, len(properties.values(known)))

    @staticmethod
    def _bind(function: Callable[..., None], type_: str) -> Callable[..., None]:
        return lambda *arguments: function(type_, *arguments)

    def _find(self, handle: int, raw: bytes, type_: str = "") -> tuple[PropertySet, str]:
        properties, name = self._session.resolve(handle, PropertySet), word(raw)
        properties.spec(name, type_)
        return properties, name

    def _set(self, type_: str, handle: int, raw: bytes, index: int, value: Any) -> None:
        properties, name = self._find(handle, raw, type_)
        properties.store(name, index, word(value) if type_ == "S" else value)

    def _set_n(self, type_: str, handle: int, raw: bytes, count: int, values: int) -> None:
        properties, name = self._find(handle, raw, type_)
        if count < 0 or (count and not values):
            raise Refusal(abi.VALUE, f"{count} values of {name} come from a null pointer, or their number is negative")
        found = list((_C[type_] * count).from_address(values)) if count else []
        properties.store_all(name, [word(one) for one in found] if type_ == "S" else found)

    def _get(self, type_: str, handle: int, raw: bytes, index: int, answer: int) -> None:
        properties, name = self._find(handle, raw, type_)
        values = properties.values(name)
        if not 0 <= index < len(values):
            raise Refusal(abi.BAD_INDEX, f"{name} has no index {index}: it has {len(values)} values")
        self._answer(type_, values[index], answer)

    def _get_n(self, type_: str, handle: int, raw: bytes, count: int, answer: int) -> None:
        properties, name = self._find(handle, raw, type_)
        values = properties.values(name)
        if not 0 <= count <= len(values):
            raise Refusal(abi.BAD_INDEX, f"{count} values of {name} were asked for, which has {len(values)}")
        for index in range(count):
            self._answer(type_, values[index], answer and answer + index * ctypes.sizeof(_C[type_]))

    def _answer(self, type_: str, value: Any, answer: int) -> None:
        if type_ == "S":
            self._session.lend(value, answer)
        else:
            put(_C[type_], answer, value)
