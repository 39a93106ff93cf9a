"""Knobs as Nuke keeps them: kinds, plain values, expressions, animation, texts, and how each is written in a script."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

from nukehost.errors import NukeError
from nukehost.words import ScriptError, Word, quoted, split

SIZES = {
    "Int_Knob": 1, "Double_Knob": 1, "Boolean_Knob": 1, "Disable_Knob": 1, "Enumeration_Knob": 1, "XY_Knob": 2,
    "WH_Knob": 2, "UV_Knob": 2, "BBox_Knob": 4, "Color_Knob": 3, "AColor_Knob": 4, "Unsigned_Knob": 1,
}  # fmt: skip
"""Kinds that are numbers, and how many."""

BOOLEANS = ("Boolean_Knob", "Disable_Knob")
EVALUATED = ("EvalString_Knob", "Multiline_Eval_String_Knob", "File_Knob")
"""Kinds of text in which Tcl is evaluated."""

SCRIPTS = ("PyScript_Knob", "Script_Knob")
VALUELESS = ("Tab_Knob", "BeginTabGroup_Knob", "EndTabGroup_Knob", "Link_Knob")
USER_KINDS = {
    1: "EvalString_Knob", 2: "File_Knob", 3: "Int_Knob", 4: "Enumeration_Knob", 6: "Boolean_Knob", 7: "Double_Knob",
    10: "ChannelMask_Knob", 11: "Channel_Knob", 12: "XY_Knob", 14: "WH_Knob", 15: "BBox_Knob", 17: "Format_Knob",
    18: "Color_Knob", 19: "AColor_Knob", 20: "Tab_Knob", 22: "PyScript_Knob", 26: "Text_Knob", 30: "UV_Knob",
    32: "Script_Knob", 41: "Link_Knob", 43: "Multiline_Eval_String_Knob",
}  # fmt: skip
_TRUTH = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "yes": 1.0, "no": 0.0}
_KEY = re.compile(r"x(-?[\d.]+)")


class KnobError(NukeError):
    """A value that a knob does not take."""


@dataclass
class Part:
    """One number of a knob: plain, by expression, or by keys."""

    value: float = 0.0
    expression: str | None = None
    keys: dict[float, float] | None = None
    steps: bool = False  # whether keys hold until the next

    def at(self, frame: float) -> float:
        """Return the value at a frame, without an expression; between keys it is linear."""
        if not self.keys:
            return self.value
        frames = sorted(self.keys)
        before = [one for one in frames if one <= frame]
        after = [one for one in frames if one >= frame]
        if not before or not after or before[-1] == after[0] or self.steps:
            return self.keys[before[-1] if before else after[0]]
        low, high = before[-1], after[0]
        share = (frame - low) / (high - low)
        return self.keys[low] * (1 - share) + self.keys[high] * share


@dataclass(frozen=True)
class Spec:
    """What a knob is: its kind, its default as script text, an enumeration's words, and what its panel shows."""

    kind: str
    default: str = ""
    menu: tuple[str, ...] = ()
    label: str = ""
    tooltip: str = ""
    low: float | None = None
    high: float | None = None
    flags: tuple[str, ...] = ()
    size: int | None = None
    opening: str = ""


@dataclass(eq=False)
class Control:
    """A knob of a node."""

    name: str
    spec: Spec
    is_user: bool = False
    parts: list[Part] = field(default_factory=list)
    text: str = ""
    menu: list[str] = field(default_factory=list)
    label: str = ""
    tooltip: str = ""
    flags: set[str] = field(default_factory=set)
    enabled: bool = True

    def __post_init__(self) -> None:
        """Begin with the default."""
        self.menu, self.label, self.tooltip = list(self.spec.menu), self.spec.label, self.spec.tooltip
        self.flags = {flag for flag in self.spec.flags if flag.startswith("+")}
        self.reset()

    @property
    def kind(self) -> str:
        """The name of its class in Python."""
        return self.spec.kind

    @property
    def is_number(self) -> bool:
        """Whether it is numbers, and not text."""
        return self.kind in SIZES

    @property
    def visible(self) -> bool:
        """Whether the panel shows it."""
        return not {"+INVISIBLE", "+HIDDEN"} & self.flags

    def reset(self) -> None:
        """Take the default."""
        self.parts = [Part() for _ in range(self.spec.size or SIZES.get(self.kind, 0))]
        if self.is_number and self.spec.default:
            self.set_word(_bare(self.spec.default))
        elif not self.is_number:
            self.text = self.spec.default

    def set_word(self, word: Word) -> None:
        """Take what a script says."""
        if self.kind in VALUELESS:
            raise KnobError(f"{self.name} is a {self.kind}, which has no value of its own")
        if not self.is_number:
            self.text = word.text
        elif word.form == "braced" and (self.kind != "Enumeration_Knob" or word.text.lstrip().startswith("{")):
            self._set_array(split(word.text, word.line))
        else:
            self.parts = [Part(self.parse(word.text)) for _ in self.parts]

    def _set_array(self, words: list[Word]) -> None:
        if len(words) == 1:
            words = words * len(self.parts)
        if len(words) != len(self.parts):
            raise KnobError(f"{self.name} has {len(self.parts)} values, not {len(words)}")
        self.parts = [self._part(word) for word in words]

    def _part(self, word: Word) -> Part:
        if word.form != "braced":
            return Part(self.parse(word.text))
        if word.text.split()[:1] == ["curve"]:
            return self._curve(word)
        inner = split(word.text, word.line) if word.text.lstrip().startswith('"') else []
        return Part(expression=inner[0].text if inner else word.text.removesuffix(" i"))

    def _curve(self, word: Word) -> Part:
        part, frame = Part(keys={}), 1.0
        for one in word.text.split()[1:]:
            if key := _KEY.fullmatch(one):
                frame = float(key[1])
            elif one in ("i", "L", "C", "K"):
                part.steps = one == "K" or part.steps
            else:
                assert part.keys is not None
                part.keys[frame] = self.parse(one)
                frame += 1
        return part

    def parse(self, text: object) -> float:
        """Return a value that a script or a person gave as a number."""
        if self.kind == "Enumeration_Knob" and text in self.menu:
            return float(self.menu.index(str(text)))
        if self.kind in BOOLEANS and str(text).lower() in _TRUTH:
            return _TRUTH[str(text).lower()]
        try:
            value = float(int(str(text), 16)) if str(text)[:2] == "0x" else float(str(text))
        except ValueError:
            raise KnobError(self._refusal(text)) from None
        if self.kind == "Enumeration_Knob" and not (value.is_integer() and 0 <= value < len(self.menu)):
            raise KnobError(self._refusal(text))
        return float(int(value)) if self.kind in ("Int_Knob", "Unsigned_Knob") else value

    def _refusal(self, text: object) -> str:
        choices = f"; it has {', '.join(self.menu)}" if self.menu else ""
        return f"{self.name} is a {self.kind} and cannot be {text!r}{choices}"

    def to_script(self) -> str:
        """Return its value as a script has it."""
        if not self.is_number:
            return quoted(self.text)
        if all(part.expression is None and part.keys is None for part in self.parts):
            if len({part.value for part in self.parts}) == 1:
                return self.words(self.parts[0].value)
            return "{" + " ".join(self.words(part.value) for part in self.parts) + "}"
        return "{" + " ".join(self._element(part) for part in self.parts) + "}"

    def _element(self, part: Part) -> str:
        if part.expression is not None:
            plain = re.fullmatch(r"[\w.]+", part.expression)
            return "{" + (part.expression if plain else _always_quoted(part.expression)) + "}"
        if part.keys is not None:
            keys = (f"x{frame:g} {value!r}" for frame, value in sorted(part.keys.items()))
            return "{curve " + ("K " if part.steps else "") + " ".join(keys) + "}"
        return repr(part.value)

    def words(self, value: float) -> str:
        """Return a value as a script has it."""
        if self.kind == "Enumeration_Knob":
            return quoted(self.menu[round(value)]) if self.menu else "0"
        return self.shown(value)

    def shown(self, value: float) -> str:
        """Return a value as Tcl has it."""
        if self.kind == "Enumeration_Knob":
            return self.menu[min(max(round(value), 0), len(self.menu) - 1)] if self.menu else ""
        if self.kind in BOOLEANS:
            return "true" if value else "false"
        return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))

    def not_default(self) -> bool:
        """Whether it is to be written."""
        return self.to_script() != Control(self.name, replace(self.spec, menu=tuple(self.menu))).to_script()

    def snapshot(self) -> Any:
        """Return what tells whether it was changed."""
        return self.to_script() if self.kind not in VALUELESS else None


def _bare(text: str) -> Word:
    try:
        (word,) = split(text)
    except (ValueError, ScriptError):
        return Word(text, text, "quoted", 0)
    return word


def word_of(text: str) -> Word:
    """Return script text as a word; what is no single word is a text."""
    return _bare(text)


def _always_quoted(text: str) -> str:
    made = quoted(text)
    return made if made.startswith('"') else f'"{made}"'
