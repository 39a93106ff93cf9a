"""Which channels of a file are meant: by name, never by position. Knows no files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from corridorkey_models.errors import InputError

_WORDS = {
    "r": "R",
    "red": "R",
    "g": "G",
    "green": "G",
    "b": "B",
    "blue": "B",
    "a": "A",
    "alpha": "A",
    "y": "Y",
}
_DEFAULT_LAYERS = ("rgb", "rgba")


@dataclass(frozen=True)
class Part:
    """The channels of one part of a file; a file without parts is one part without a name."""

    name: str
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """What to read: `channels` maps a short name ("R", "A", ...) to the name in the file, in order of use."""

    part: int
    channels: dict[str, str]


def choose(parts: Sequence[Part], layer: str | None) -> Choice:
    """Return the channels that `layer` means: a part, the prefix of "fg.R", or one channel such as "matte.A".

    Without a layer it is the first part that has R, G, B or Y; else A; else the only layer there is.

    Raises:
        InputError: there is no such layer, or none was named and there are several; the sentence lists them.
    """
    chosen = _default(parts) if layer is None else _named(parts, layer)
    if chosen is None and layer is not None and layer.lower() in _DEFAULT_LAYERS:
        chosen = _default(parts)
    if chosen is None:
        problem = "there is no R, G, B or Y" if layer is None else f"there is no layer {layer!r}"
        raise InputError(f"{problem}; choose one of {', '.join(_names(parts))}.")
    return chosen


def _default(parts: Sequence[Part]) -> Choice | None:
    for index, part in enumerate(parts):
        if channels := _picture(_inside(part, "")):
            return Choice(index, channels)
    for index, part in enumerate(parts):
        if "A" in part.channels:
            return Choice(index, {"A": "A"})
    layers = [(index, prefix) for index, part in enumerate(parts) for prefix in _prefixes(part)]
    if len(layers) == 1:
        index, prefix = layers[0]
        return Choice(index, _anything(_inside(parts[index], prefix)))
    return None


def _named(parts: Sequence[Part], layer: str) -> Choice | None:
    for index, part in enumerate(parts):
        if part.name == layer:
            return Choice(index, _of_part(part))
    for index, part in enumerate(parts):
        if inside := _inside(part, layer + "."):
            return Choice(index, _anything(inside))
    for index, part in enumerate(parts):
        for name in (layer, layer.removeprefix(part.name + ".")):
            if name in part.channels:
                return Choice(index, {_short(name): name})
    return None


def _of_part(part: Part) -> dict[str, str]:
    insides = [_inside(part, prefix) for prefix in (f"{part.name}.", *_prefixes(part))]
    pictures = (_picture(inside) for inside in insides)
    return next(filter(None, pictures), None) or _anything(next(filter(None, insides)))


def _inside(part: Part, prefix: str) -> dict[str, str]:
    """Channels directly in a layer: the rest of each name to its whole name."""
    rests = {name[len(prefix) :]: name for name in part.channels if name.startswith(prefix)}
    return {rest: name for rest, name in rests.items() if "." not in rest}


def _picture(inside: dict[str, str]) -> dict[str, str]:
    """The colour among a layer's channels, or nothing; the Y beside an X is a vector's."""
    known = {_short(rest): name for rest, name in inside.items()}
    if {"R", "G", "B"} <= set(known):
        return {short: known[short] for short in "RGBA" if short in known}
    if "Y" in known and "X" not in {rest.upper() for rest in inside}:
        return {short: known[short] for short in "YA" if short in known}
    return {}


def _anything(inside: dict[str, str]) -> dict[str, str]:
    return _picture(inside) or {_short(rest): name for rest, name in inside.items()}


def _short(name: str) -> str:
    rest = name.rpartition(".")[2]
    return _WORDS.get(rest.lower(), rest)


def _prefixes(part: Part) -> list[str]:
    return _unique(name[: name.rfind(".") + 1] for name in part.channels)


def _names(parts: Sequence[Part]) -> list[str]:
    per_part = ([part.name, *(prefix.rstrip(".") for prefix in _prefixes(part)), *_inside(part, "")] for part in parts)
    return [name for name in _unique(name for names in per_part for name in names) if name]


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
