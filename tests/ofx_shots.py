"""What tests of the OFX plug-in render: pictures as hosts wire them, and instances to render them with."""

import numpy as np
import pytest

from corridorkey_models.params import PARAMS
from daemons import Pixels
from ofxhost import FILTER, FUSION, GENERAL, MODES, NATRON, RESOLVE_BLACK, VEGAS, Effect, Host, Mode, Picture

LINEAR = "linear_rec709"
ODD = (161, 91)

# Some hosts are in memory as others are: where C code watches its memory they are left out.
ALIKE = (RESOLVE_BLACK, FUSION, NATRON, VEGAS)
in_every_mode = pytest.mark.parametrize(
    "mode", [pytest.param(mode, id=mode.label, marks=[pytest.mark.slow] * (mode in ALIKE)) for mode in MODES]
)


def solid(plate: Pixels) -> Pixels:
    """Return a plate with an alpha of 1."""
    return np.dstack((plate, np.ones_like(plate[..., :1])))


def grey(matte: Pixels) -> Pixels:
    """Return a matte as RGBA: the same in every channel."""
    return np.repeat(matte[..., None], 4, axis=2)


def effect_of(host: Host, **params: object) -> Effect:
    """Return an instance with parameters; the working space is told, as not every host is known."""
    effect = host.create(GENERAL if GENERAL in host.contexts else FILTER)
    for name, value in ({"working_space": LINEAR} | params).items():
        effect.set(name, shown(value))
    return effect


LABELS = {word: label for row in PARAMS for word, label in zip(row.choices, row.choice_labels, strict=True)}


def shown(value: object) -> object:
    """Return a value as the panel shows it."""
    return LABELS[value] if isinstance(value, str) else value


def wired(mode: Mode, plate: Pixels, hint: Pixels) -> dict[str, Picture]:
    """Return what a host of this kind wires."""
    pictures = {"Source": Picture(solid(plate)), "AlphaHint": Picture(grey(hint))}
    return {name: picture for name, picture in pictures.items() if mode.wired is None or name in mode.wired}


OTHER_VALUES: dict[str, float | str | bool] = {
    "screen": "blue",
    "quality": "half",
    "hint_invert": True,
    "hint_erode": -2.5,
    "hint_blur": 1.5,
    "refiner_scale": 0.5,
    "despill": 0.9,
    "despeckle": True,
    "despeckle_size": 900.0,
    "foreground_source": "plate_despilled",
    "highlight_restore": 0.25,
    "gamut_restore": 0.75,
    "matte_black": 0.1,
    "matte_white": 0.8,
    "matte_gamma": 1.25,
    "matte_grow": 3.0,
    "matte_blur": 2.0,
    "output_space": "acescg",
}
"""Every parameter that reaches the daemon, at another value than its default; the working space is apart."""
