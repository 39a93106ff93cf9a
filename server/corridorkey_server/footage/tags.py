"""What a file says about its colours: names, flags and primaries to working spaces.

The order is that of the Color Interop Forum's "Identifying the Color Space of OpenEXR Files" 1.0: container
flag, interop id, chromaticities. Knows no files and no colour maths.
"""

from collections.abc import Mapping, Sequence
from itertools import chain

from corridorkey_models.primaries import AP0, AP1, DAVINCI_WIDE_GAMUT, P3_D65, REC709, REC2020

INTEROP_IDS = {
    "linear_rec709": "lin_rec709_scene",
    "srgb": "srgb_rec709_scene",
    "rec709_g24": "ocio:g24_rec709_scene",
    "acescg": "lin_ap1_scene",
    "aces2065_1": "lin_ap0_scene",
    "linear_rec2020": "lin_rec2020_scene",
    "linear_p3d65": "lin_p3d65_scene",
    "davinci_intermediate": "ocio:davinci_dwg_scene",
    "davinci_wide_gamut_linear": "ocio:lin_dwg_scene",
    "arri_logc3": "ocio:arrilogc3_awg3_scene",
    "arri_logc4": "ocio:arrilogc4_awg4_scene",
    "sony_slog3": "ocio:slog3_sgamut3cine_scene",
}
"""Color interop id of each working space, as colorInteropID is written."""

_SPACES = {name: space for space, name in INTEROP_IDS.items()} | {
    "srgb_rec709_display": "srgb",
    "g24_rec709_display": "rec709_g24",
    "g24_rec709_scene": "rec709_g24",
    "lin_rec709": "linear_rec709",
    "lin_srgb": "linear_rec709",
    "linear": "linear_rec709",
    "srgb": "srgb",
    "lin_ap1": "acescg",
    "acescg": "acescg",
    "lin_ap0": "aces2065_1",
    "aces2065-1": "aces2065_1",
}

_PRIMARIES = {
    ("linear_rec709", "Rec.709"): REC709,
    ("acescg", "AP1"): AP1,
    ("aces2065_1", "AP0"): AP0,
    ("linear_rec2020", "Rec.2020"): REC2020,
    ("linear_p3d65", "P3-D65"): P3_D65,
    ("davinci_wide_gamut_linear", "DaVinci Wide Gamut"): DAVINCI_WIDE_GAMUT,
}
_TOLERANCE = 2e-3  # files hold these rounded to 3 or 4 digits

Verdict = tuple[str | None, str]
"""A working space, or None, and why."""


def space_of_name(name: str, source: str) -> Verdict:
    """Return the working space that a tag names; `source` is what the tag is called."""
    if name == "data":
        return None, f"{source} says data, not colour"
    space = _SPACES.get(name.lower())
    return space, f"{source} {name}" + ("" if space else ", which is not a working space here")


def space_of_exr(attributes: Mapping[str, object]) -> Verdict:
    """Return the working space of an OpenEXR header; a file without any tag is taken as linear Rec.709."""
    if attributes.get("acesImageContainerFlag") == 1:
        return "aces2065_1", "ACES container"
    name = attributes.get("colorInteropID")
    if isinstance(name, str) and name:
        return space_of_name(name, "colorInteropID")
    primaries = attributes.get("chromaticities")
    if isinstance(primaries, Sequence):
        return _space_of_primaries([float(number) for number in primaries])
    return "linear_rec709", "EXR without a tag, assumed"


def _space_of_primaries(primaries: Sequence[float]) -> Verdict:
    for (space, name), known in _PRIMARIES.items():
        if max(abs(a - b) for a, b in zip(primaries, chain.from_iterable(known), strict=True)) < _TOLERANCE:
            return space, f"chromaticities of {name}"
    red = ", ".join(f"{number:.4g}" for number in primaries[:2])
    return None, f"chromaticities of no known space (red {red})"
