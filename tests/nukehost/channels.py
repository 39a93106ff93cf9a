"""Channels by name: which a knob means, and whether the script knows them."""

from collections.abc import Iterable

from nukehost.errors import NukeError
from nukehost.stock import LAYERS

RGBA = ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha")
_SHORT = {"red": RGBA[0], "green": RGBA[1], "blue": RGBA[2], "alpha": RGBA[3]}
_SHORT |= {name[0]: full for name, full in _SHORT.items()}
_SETS = {"rgba": RGBA, "rgb": RGBA[:3], "alpha": RGBA[3:]}


class UnknownChannel(NukeError):
    """A name that is no channel and no layer of the script."""


def single(text: str, layers: dict[str, list[str]]) -> str | None:
    """Return the full name of one channel, None for `none`."""
    if text in ("none", ""):
        return None
    name = _SHORT.get(text, text)
    layer, _, channel = name.partition(".")
    if channel not in layers.get(layer, []) and channel not in LAYERS.get(layer, []):
        raise UnknownChannel(f"{text} is no channel of this script; add_layer makes some")
    return name


def chosen(text: str, present: Iterable[str], layers: dict[str, list[str]]) -> list[str]:
    """Return which of the channels that are present a mask means."""
    names = list(present)
    wanted = set[str]()
    for word in text.split():
        if word == "all":
            wanted.update(names)
        elif not word.startswith("-"):
            wanted.update(members(word, layers))
    return [name for name in names if name in wanted]


def members(word: str, layers: dict[str, list[str]]) -> list[str]:
    """Return all channels that a word of a mask means."""
    if word in ("none", "all"):
        return []
    if word in _SETS:
        return list(_SETS[word])
    if "." not in word and word not in _SHORT:
        if word not in layers and word not in LAYERS:
            raise UnknownChannel(f"{word} is no layer of this script; add_layer makes some")
        return [f"{word}.{channel}" for channel in layers.get(word) or LAYERS[word]]
    name = single(word, layers)
    return [name] if name else []


def check(text: str, kind: str, layers: dict[str, list[str]]) -> None:
    """Raise UnknownChannel if a knob's text names a channel that the script does not have."""
    if kind == "Channel_Knob":
        single(text, layers)
    elif kind == "ChannelMask_Knob":
        for word in text.split():
            members(word.lstrip("-"), layers)
