"""The parameter table: the one place that knows each parameter's name, kind, default, range, label and tooltip.

Every host builds its controls from `PARAMS`, the command line its options, and `Params` carries checked values
to the Keyer. Names and the order of choices are permanent: saved scripts hold them. Knows no maths and no I/O.
"""

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import Enum
from numbers import Real
from typing import Any

from .errors import InputError

Value = bool | float | str
"""What a parameter can hold."""


class Stage(Enum):
    """The earliest stage of a frame that a parameter touches: what has to be computed again when it changes."""

    PREDICT = "predict"
    FINISH = "finish"
    VIEW = "view"


@dataclass(frozen=True)
class Param:
    """One row of the table.

    Attributes:
        name: identifier on the wire, in files and in hosts.
        kind: "choice", "float" or "bool".
        default: value when nothing is given.
        label: what an artist reads beside the control.
        tooltip: one or two sentences; units are named.
        stage: what a change makes necessary.
        low, high: inclusive range of a float, else None.
        choices: the words of a choice, in their permanent order.
    """

    name: str
    kind: str
    default: Value
    label: str
    tooltip: str
    stage: Stage
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def choice_labels(self) -> tuple[str, ...]:
        """What an artist reads for each of `choices`.

        >>> Param("space", "choice", "srgb", "", "", Stage.VIEW, choices=("srgb", "source_alpha")).choice_labels
        ('sRGB', 'Source alpha')
        """
        return tuple(_CHOICE_LABELS.get(word, word.replace("_", " ").capitalize()) for word in self.choices)

    def parse(self, value: object) -> Value:
        """Return `value` as this parameter's type; text is accepted for each kind.

        Raises:
            InputError: the value is of another kind, outside the range, or not among the choices.
        """
        if self.kind == "choice":
            return self._parse_choice(value)
        if self.kind == "bool":
            return self._parse_bool(value)
        return self._parse_float(value)

    def _parse_choice(self, value: object) -> str:
        if isinstance(value, str) and value in self.choices:
            return value
        raise InputError(f"{self.name} is {value!r}; choose one of {', '.join(self.choices)}.")

    def _parse_bool(self, value: object) -> bool:
        words = {
            "on": True,
            "true": True,
            "yes": True,
            "1": True,
            "off": False,
            "false": False,
            "no": False,
            "0": False,
        }
        parsed = value if isinstance(value, bool) else words.get(str(value).lower())
        if parsed is None:
            raise InputError(f"{self.name} is {value!r}; give on or off.")
        return parsed

    def _parse_float(self, value: object) -> float:
        try:
            number = float(value) if isinstance(value, Real | str) and not isinstance(value, bool) else math.nan
        except (ValueError, OverflowError):
            number = math.nan
        low, high = self.low or 0.0, self.high or 0.0
        if not low <= number <= high:
            raise InputError(f"{self.name} is {value!r}; give a number from {low:g} to {high:g}.")
        return number


WORKING_SPACES = (
    "auto",
    "linear_rec709",
    "srgb",
    "rec709_g24",
    "acescg",
    "aces2065_1",
    "linear_rec2020",
    "linear_p3d65",
    "davinci_intermediate",
    "davinci_wide_gamut_linear",
    "arri_logc3",
    "arri_logc4",
    "sony_slog3",
)
"""How a plate can be encoded; `auto` is resolved by the client before it asks."""

OUTPUT_SPACES = (
    "same",
    "linear_rec709",
    "acescg",
    "aces2065_1",
    "linear_rec2020",
    "linear_p3d65",
    "davinci_wide_gamut_linear",
)
"""How a foreground can be asked for: as its plate, or in one of the linear spaces."""

QUALITIES = {"full": 2048, "high": 1536, "half": 1024, "draft": 512}
"""Side of the square the network works on, in pixels."""

_CHOICE_LABELS = {
    "linear_rec709": "Linear Rec.709",
    "srgb": "sRGB",
    "rec709_g24": "Rec.709 gamma 2.4",
    "acescg": "ACEScg",
    "aces2065_1": "ACES2065-1",
    "linear_rec2020": "Linear Rec.2020",
    "linear_p3d65": "Linear P3-D65",
    "davinci_intermediate": "DaVinci Intermediate",
    "davinci_wide_gamut_linear": "DaVinci Wide Gamut Linear",
    "arri_logc3": "ARRI LogC3",
    "arri_logc4": "ARRI LogC4",
    "sony_slog3": "Sony S-Log3",
    **{word: f"{word.capitalize()} ({side})" for word, side in QUALITIES.items()},
}
"""Labels of choices whose words do not read well."""


def _choice(default: str, choices: tuple[str, ...], label: str, tooltip: str, stage: Stage) -> Any:
    row = {"kind": "choice", "choices": choices, "label": label, "tooltip": tooltip, "stage": stage}
    return field(default=default, metadata=row)


def _number(default: float, bounds: tuple[float, float], label: str, tooltip: str, stage: Stage) -> Any:
    row = {
        "kind": "float",
        "low": bounds[0],
        "high": bounds[1],
        "label": label,
        "tooltip": tooltip,
        "stage": stage,
    }
    return field(default=default, metadata=row)


def _switch(default: bool, label: str, tooltip: str, stage: Stage) -> Any:
    return field(default=default, metadata={"kind": "bool", "label": label, "tooltip": tooltip, "stage": stage})


@dataclass(frozen=True, kw_only=True)
class Params:
    """Checked values for one frame; lengths in pixels are those of a picture 1920 pixels wide, and are scaled."""

    screen: str = _choice(
        "green",
        ("green", "blue"),
        "Screen",
        "Colour of the screen. Chooses the checkpoint, the despill channel and the chroma hint.",
        Stage.PREDICT,
    )
    working_space: str = _choice(
        "auto",
        WORKING_SPACES,
        "Working space",
        "How the plate is encoded. The foreground comes back in the same encoding.",
        Stage.PREDICT,
    )
    quality: str = _choice(
        "full",
        tuple(QUALITIES),
        "Quality",
        "Size the network works at: full 2048, high 1536, half 1024, draft 512.",
        Stage.PREDICT,
    )
    hint_source: str = _choice(
        "auto",
        ("auto", "input", "source_alpha", "chroma"),
        "Hint source",
        "Where the rough matte comes from: auto takes the hint input if one is wired, else a chroma hint.",
        Stage.PREDICT,
    )
    hint_channel: str = _choice(
        "auto",
        ("auto", "alpha", "red", "green", "blue", "luminance"),
        "Hint channel",
        "Channel of the hint image that holds the rough matte: auto takes alpha if there is one, or the colour of a "
        "grey picture whose alpha is 1 everywhere, else luminance.",
        Stage.PREDICT,
    )
    hint_invert: bool = _switch(
        False, "Invert hint", "Use one minus the hint, for a hint that is white on the screen.", Stage.PREDICT
    )
    hint_erode: float = _number(
        0.0,
        (-50.0, 50.0),
        "Hint erode",
        "Shrinks the hint, in pixels at 1920 wide; negative grows it. The network fills in better than it removes.",
        Stage.PREDICT,
    )
    hint_blur: float = _number(
        0.0,
        (0.0, 50.0),
        "Hint blur",
        "Softens the hint: sigma of a Gaussian, in pixels at 1920 wide.",
        Stage.PREDICT,
    )
    refiner_scale: float = _number(
        1.0,
        (0.0, 2.0),
        "Refiner",
        "Strength of the network's edge refiner: 1 as trained, 0 leaves the coarse prediction.",
        Stage.PREDICT,
    )
    despill: float = _number(
        0.5,
        (0.0, 1.0),
        "Despill",
        "How much of the screen colour's excess over the mean of the other channels is taken from the foreground.",
        Stage.FINISH,
    )
    despeckle: bool = _switch(
        False,
        "Despeckle",
        "Removes islands of matte smaller than the despeckle size. Fly-away hair is islands too.",
        Stage.FINISH,
    )
    despeckle_size: float = _number(
        400.0,
        (1.0, 100000.0),
        "Despeckle size",
        "Area below which an island is removed, in pixels at 1920 wide; scaled by the square of the width.",
        Stage.FINISH,
    )
    foreground_source: str = _choice(
        "plate_core",
        ("plate_core", "model", "plate_despilled"),
        "Foreground source",
        "plate_core: the despilled plate where the matte is solid, the model at edges. model: the model's colour "
        "alone. plate_despilled: the despilled plate everywhere.",
        Stage.FINISH,
    )
    highlight_restore: float = _number(
        1.0,
        (0.0, 1.0),
        "Highlight restore",
        "Gives back plate values above 1, which the network cannot see.",
        Stage.FINISH,
    )
    gamut_restore: float = _number(
        1.0,
        (0.0, 1.0),
        "Gamut restore",
        "Gives back colours outside Rec.709 in the solid part of the matte.",
        Stage.FINISH,
    )
    matte_black: float = _number(0.0, (0.0, 1.0), "Matte black", "Matte values up to this become 0.", Stage.FINISH)
    matte_white: float = _number(1.0, (0.0, 1.0), "Matte white", "Matte values from this on become 1.", Stage.FINISH)
    matte_gamma: float = _number(
        1.0,
        (0.1, 10.0),
        "Matte gamma",
        "Gamma of the matte between black and white; above 1 lifts it.",
        Stage.FINISH,
    )
    matte_grow: float = _number(
        0.0,
        (-50.0, 50.0),
        "Matte grow",
        "Grows the matte, in pixels at 1920 wide; negative shrinks it.",
        Stage.FINISH,
    )
    matte_blur: float = _number(
        0.0,
        (0.0, 50.0),
        "Matte blur",
        "Softens the matte's edge: sigma of a Gaussian, in pixels at 1920 wide.",
        Stage.FINISH,
    )
    overscan: bool = _switch(
        False, "Overscan", "Keys the whole data window instead of the display window.", Stage.PREDICT
    )
    output: str = _choice(
        "premultiplied",
        ("premultiplied", "foreground", "matte", "hint", "checker", "plate"),
        "Output",
        "What a host shows: the premultiplied foreground, or one part of the result.",
        Stage.VIEW,
    )
    output_space: str = _choice(
        "same",
        OUTPUT_SPACES,
        "Output space",
        "Encoding of the foreground: the plate's own, or a linear space.",
        Stage.FINISH,
    )

    def __post_init__(self) -> None:
        for param in PARAMS:
            value = getattr(self, param.name)
            if value is not param.default:
                object.__setattr__(self, param.name, param.parse(value))
        if self.matte_white <= self.matte_black:
            raise InputError(
                f"matte_white is {self.matte_white:g}, not above matte_black {self.matte_black:g}; "
                "raise matte_white or lower matte_black."
            )

    @classmethod
    def parse(cls, values: Mapping[str, object]) -> "Params":
        """Return checked parameters from a mapping of names to values or text.

        Raises:
            InputError: a name is unknown or a value is refused by its parameter.
        """
        if unknown := sorted(set(values) - {param.name for param in PARAMS}, key=str):
            raise InputError(f"unknown parameter {unknown[0]!r}; `ckey params` lists them all.")
        return cls(**values)  # type: ignore[arg-type]


def _row(item: Any) -> Param:
    if item.default is MISSING:
        raise TypeError(f"parameter {item.name} has no default")
    return Param(name=item.name, default=item.default, **item.metadata)


PARAMS: tuple[Param, ...] = tuple(_row(item) for item in fields(Params))
_BY_NAME = {param.name: param for param in PARAMS}
