"""Messages on the wire: a dataclass whose fields state what they accept, to and from msgpack.

A field that is not as it states is refused with a sentence; a field that is not known is ignored, so that a newer
peer can say more. Knows no sockets and no particular message.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, ClassVar, Self, TypeGuard, TypeVar

import msgpack

MESSAGE_LIMIT = 65536
"""Largest message in bytes."""

LENGTH_LIMIT = 1024
"""Most entries of a list or map: the decoder makes room for what a header says before it reads it."""

NAME_LIMIT = 64
"""Longest name or word in a map, in bytes of UTF-8."""

NUMBER_LIMIT = 1e18
"""Largest number in a map."""

U32, U64 = 2**32 - 1, 2**64 - 1


class Malformed(Exception):
    """A message that cannot be understood.

    Attributes:
        code: "malformed", or "unsupported" for a message that is whole but unknown.
        id: the number the message gave itself, 0 if it has none.
    """

    def __init__(self, sentence: str, code: str = "malformed", number: int = 0) -> None:
        super().__init__(sentence)
        self.code, self.id = code, number


@dataclass(frozen=True)
class Kind:
    """What a field accepts.

    Attributes:
        check: takes a decoded value, returns it or raises ValueError with what was expected.
        words: the same for a reader of the protocol's page.
    """

    check: Callable[[object], Any]
    words: str


@dataclass(frozen=True)
class Message:
    """Root of all messages.

    Attributes:
        OP: the name on the wire.
    """

    OP: ClassVar[str] = ""

    def encode(self) -> bytes:
        """Return the message as a msgpack map, so that the other side's `decode` takes it.

        Raises:
            ValueError: a field is not as it states, or the message is larger than MESSAGE_LIMIT.
        """
        values: dict[str, object] = {"op": self.OP}
        for item in _declared(type(self)):
            values[item.name] = item.check(getattr(self, item.name))
        data = bytes(msgpack.packb(values))
        if len(data) > MESSAGE_LIMIT:
            raise ValueError(f"{self.OP} is {len(data)} bytes, more than {MESSAGE_LIMIT}")
        return data

    @classmethod
    def read(cls, values: Mapping[str, object]) -> Self:
        """Return the message from a decoded map.

        Raises:
            ValueError: a field is missing or not as it states.
        """
        # A field that is missing keeps its default; one that has none makes the constructor complain.
        given = {item.name: item.check(values[item.name]) for item in _declared(cls) if item.name in values}
        try:
            return cls(**given)
        except TypeError as error:
            missing = next(item.name for item in fields(cls) if item.name not in values and _is_required(item))
            raise ValueError(f"{missing} is missing") from error


def _is_required(item: "Field[Any]") -> bool:
    return item.default is MISSING and item.default_factory is MISSING


@dataclass(frozen=True)
class _Declared:
    """A field of a message, looked up once for all messages of its kind."""

    name: str
    kind: Kind

    def check(self, value: object) -> Any:
        try:
            return self.kind.check(value)
        except ValueError as error:
            raise ValueError(f"{self.name} must be {error}") from error


_DECLARED: dict[type[Message], tuple[_Declared, ...]] = {}


def _declared(message: type[Message]) -> tuple[_Declared, ...]:
    if message not in _DECLARED:
        _DECLARED[message] = tuple(_Declared(item.name, item.metadata["kind"]) for item in fields(message))
    return _DECLARED[message]


M = TypeVar("M", bound=type[Message])


def register(table: dict[str, type[Message]]) -> Callable[[M], M]:
    """Return a class decorator that enters a message in `table` under its OP."""

    def enter(message: M) -> M:
        table[message.OP] = message
        return message

    return enter


def decode(data: bytes | memoryview, table: Mapping[str, type[Message]]) -> Message:
    """Return the message in `data`, checked.

    Raises:
        Malformed: the bytes are no msgpack map, the message is not in `table`, or a field is wrong.
    """
    values = _unpack(data)
    number = _number(values.get("id"))
    op = values.get("op")
    if not isinstance(op, str):
        raise Malformed("the message has no name", number=number)
    if op not in table:
        raise Malformed(f"the message {op[:32]!r} is not known", "unsupported", number)
    try:
        return table[op].read(values)
    except ValueError as error:
        raise Malformed(f"{op}: {error}", number=number) from error


def _unpack(data: bytes | memoryview) -> dict[str, Any]:
    if len(data) > MESSAGE_LIMIT:
        raise Malformed(f"the message is {len(data)} bytes, more than {MESSAGE_LIMIT}")
    try:
        values = msgpack.unpackb(data, object_pairs_hook=_read_map, list_hook=_read_list, **_STRICT)
    except ValueError as error:
        raise Malformed("the message is no msgpack map of names") from error
    if not isinstance(values, dict):
        raise Malformed("the message is no msgpack map of names")
    return values


def _read_map(pairs: list[tuple[object, object]]) -> dict[str, object]:
    # Of a name that comes twice, every decoder picks its own.
    read = {key: _no_time(value) for key, value in pairs if isinstance(key, str)}
    if len(read) < len(pairs):
        raise ValueError("a name is no text, or comes twice")
    return read


def _read_list(items: Iterable[object]) -> list[object]:
    return [_no_time(item) for item in items]


def _no_time(value: object) -> object:
    # The decoder knows this one extension type and does not ask about it.
    if isinstance(value, msgpack.Timestamp):
        raise ValueError("extension types are not allowed")
    return value


def _refuse_extension(_code: int, _data: bytes) -> None:
    raise ValueError("extension types are not allowed")


_STRICT = {"ext_hook": _refuse_extension, "max_array_len": LENGTH_LIMIT, "max_map_len": LENGTH_LIMIT}


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= U64 else 0


def integer(low: int, high: int, about: str, default: Any = MISSING) -> Any:
    """Declare a whole number from `low` to `high`, inclusive."""

    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return _declare(Kind(check, f"int, {_bounds(low, high)}"), about, default)


def _bounds(low: int, high: int) -> str:
    names = {U32: "2^32-1", U64: "2^64-1", 2**31 - 1: "2^31-1", -(2**31): "-2^31"}
    return f"{names.get(low, low)} to {names.get(high, high)}"


def text(limit: int, about: str, default: Any = MISSING) -> Any:
    """Declare text of at most `limit` bytes in UTF-8."""

    def check(value: object) -> str:
        if not _is_text(value, limit):
            raise ValueError(f"text of at most {limit} bytes")
        return value

    return _declare(Kind(check, f"str, at most {limit} bytes"), about, default)


def _is_text(value: object, limit: int) -> TypeGuard[str]:
    try:
        return isinstance(value, str) and len(value.encode()) <= limit
    except UnicodeEncodeError:  # a lone surrogate, from a file name that is not UTF-8
        return False


def shorten(words: str, limit: int) -> str:
    """Return `words` as `text` of `limit` bytes takes them: cut, and without what UTF-8 cannot carry.

    >>> shorten("über", 5), shorten("übermorgen", 8)
    ('über', 'über…')
    """
    data = words.encode(errors="replace")
    if len(data) <= limit:
        return data.decode()
    return data[: limit - len("…".encode())].decode(errors="ignore") + "…"


def raw(lengths: tuple[int, ...], about: str, default: Any = MISSING) -> Any:
    """Declare bytes of one of `lengths`."""

    def check(value: object) -> bytes:
        if not isinstance(value, bytes) or len(value) not in lengths:
            raise ValueError(f"{' or '.join(map(str, lengths))} bytes")
        return value

    return _declare(Kind(check, f"bin, {' or '.join(map(str, lengths))} bytes"), about, default)


def flag(about: str, default: Any = MISSING) -> Any:
    """Declare true or false."""

    def check(value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError("true or false")
        return value

    return _declare(Kind(check, "bool"), about, default)


def number(low: float, high: float, about: str, default: Any = MISSING) -> Any:
    """Declare a finite number from `low` to `high`."""

    def check(value: object) -> float:
        return _check_number(value, low, high)

    return _declare(Kind(check, f"float, {low:g} to {high:g}"), about, default)


def _check_number(value: object, low: float, high: float) -> float:
    # A huge whole number cannot become a float, and NaN fails the comparison.
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"a finite number from {low:g} to {high:g}")
    return float(value)


def choice(words: tuple[str, ...], about: str, default: Any = MISSING) -> Any:
    """Declare one of `words`."""

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return value

    return _declare(Kind(check, f"one of {', '.join(words)}"), about, default)


def texts(most: int, limit: int, about: str) -> Any:
    """Declare a list of at most `most` texts of at most `limit` bytes each; empty by default."""

    def check(value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or len(value) > most:
            raise ValueError(f"a list of at most {most} texts")
        if not all(_is_text(item, limit) for item in value):
            raise ValueError(f"a list of texts of at most {limit} bytes")
        return tuple(value)

    return _declare(Kind(check, f"list of at most {most} str of {limit} bytes"), about, ())


def numbers(about: str) -> Any:
    """Declare a map of at most 32 names to finite numbers; empty by default."""

    def check(value: object) -> dict[str, float]:
        if not isinstance(value, dict) or len(value) > 32:
            raise ValueError("a map of at most 32 names to numbers")
        return {_name(key): _check_number(item, -NUMBER_LIMIT, NUMBER_LIMIT) for key, item in value.items()}

    return _declare(Kind(check, "map of at most 32 names to float"), about, factory=dict)


def values(about: str) -> Any:
    """Declare a map of at most 64 names to text, finite numbers and switches; empty by default."""

    def check(value: object) -> dict[str, bool | float | str]:
        if not isinstance(value, dict) or len(value) > 64:
            raise ValueError("a map of at most 64 names to values")
        return {_name(key): _check_value(item) for key, item in value.items()}

    return _declare(Kind(check, "map of at most 64 names to bool, float or str of 64 bytes"), about, factory=dict)


def _check_value(value: object) -> bool | float | str:
    if isinstance(value, bool) or _is_text(value, NAME_LIMIT):
        return value
    if isinstance(value, int | float):
        return _check_number(value, -NUMBER_LIMIT, NUMBER_LIMIT)
    raise ValueError(f"a map of names to switches, finite numbers and words of at most {NAME_LIMIT} bytes")


def _name(key: object) -> str:
    if not key or not _is_text(key, NAME_LIMIT):
        raise ValueError(f"a map with names of 1 to {NAME_LIMIT} bytes")
    return key


def facts(about: str) -> Any:
    """Declare a map that only people and `--json` read: any msgpack value under names."""

    def check(value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError("a map")
        return value

    return _declare(Kind(check, "map"), about, factory=dict)


def _declare(kind: Kind, about: str, default: Any = MISSING, factory: Any = MISSING) -> Any:
    metadata = {"kind": kind, "about": about}
    if factory is not MISSING:
        return field(default_factory=factory, metadata=metadata)
    if default is not MISSING:
        return field(default=default, metadata=metadata)
    return field(metadata=metadata)
