"""Transfer functions, primaries and working spaces: any plate encoding to and from linear Rec.709.

Matrices are derived from published primaries with Bradford adaptation, curves from their makers' papers, so that no
OpenColorIO config is needed at run time. Functions take float arrays whose last axis is R, G, B, and never clip: values
outside [0, 1] survive the round trip. Torch tensors stay on their device and keep their type; numpy arrays come back as
float32, and torch is not needed for them. Knows no files and no hosts.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from .errors import InputError
from .params import OUTPUT_SPACES
from .primaries import (
    AP0,
    AP1,
    ARRI_WIDE_GAMUT_3,
    ARRI_WIDE_GAMUT_4,
    DAVINCI_WIDE_GAMUT,
    P3_D65,
    REC709,
    REC2020,
    S_GAMUT3_CINE,
    Chromaticities,
)

if TYPE_CHECKING:
    from torch import Tensor

Array = TypeVar("Array", NDArray[Any], "Tensor")
Curve = Callable[[Any], Any]
"""Takes and returns an `Array`."""


def srgb_decode(encoded: Array) -> Array:
    """Return linear light of sRGB-encoded values of any shape; the linear part extends below 0."""
    return decode(encoded, "srgb")


def srgb_encode(linear: Array) -> Array:
    """Return sRGB-encoded values of linear light of any shape; the linear part extends below 0."""
    return encode(linear, "srgb")


def _where(condition: Array, below: Array, above: Array) -> Array:
    chosen: Array = array_namespace(condition).where(condition, below, above)
    return chosen


def _exp2(values: Array) -> Array:
    powers: Array = array_namespace(values).exp2(values)
    return powers


def _log2(values: Array) -> Array:
    logarithms: Array = array_namespace(values).log2(values)
    return logarithms


def _log10(values: Array) -> Array:
    logarithms: Array = array_namespace(values).log10(values)
    return logarithms


def _identity(values: Array) -> Array:
    return values


def _srgb_decode(encoded: Array) -> Array:
    """IEC 61966-2-1."""
    curve = ((encoded.clip(min=0.04045) + 0.055) / 1.055) ** 2.4
    return _where(encoded <= 0.04045, encoded / 12.92, curve)


def _srgb_encode(linear: Array) -> Array:
    curve = 1.055 * linear.clip(min=0.0031308) ** (1 / 2.4) - 0.055
    return _where(linear <= 0.0031308, linear * 12.92, curve)


def _gamma24_decode(encoded: Array) -> Array:
    return _mirrored(encoded, 2.4)


def _gamma24_encode(linear: Array) -> Array:
    return _mirrored(linear, 1 / 2.4)


def _mirrored(values: Array, gamma: float) -> Array:
    curve = abs(values) ** gamma
    return _where(values < 0, -curve, curve)


def _davinci_decode(encoded: Array) -> Array:
    """DaVinci Intermediate, Blackmagic Design "DaVinci Resolve 17 Wide Gamut Intermediate" (2021)."""
    curve = _exp2(encoded / 0.07329248 - 7.0) - 0.0075
    return _where(encoded <= 0.02740668, encoded / 10.44426855, curve)


def _davinci_encode(linear: Array) -> Array:
    curve = (_log2(linear.clip(min=0.00262409) + 0.0075) + 7.0) * 0.07329248
    return _where(linear <= 0.00262409, linear * 10.44426855, curve)


def _logc3_decode(encoded: Array) -> Array:
    """ARRI LogC3 at EI 800, "ALEXA Log C Curve, Usage in VFX" (2017)."""
    a, b, c, d, e, f, cut = 5.555556, 0.052272, 0.247190, 0.385537, 5.367655, 0.092809, 0.010591
    curve = (10 ** ((encoded - d) / c) - b) / a
    return _where(encoded <= e * cut + f, (encoded - f) / e, curve)


def _logc3_encode(linear: Array) -> Array:
    a, b, c, d, e, f, cut = 5.555556, 0.052272, 0.247190, 0.385537, 5.367655, 0.092809, 0.010591
    curve = c * _log10(a * linear.clip(min=cut) + b) + d
    return _where(linear <= cut, e * linear + f, curve)


_LOGC4_A = (2**18 - 16) / 117.45
_LOGC4_B = (1023 - 95) / 1023
_LOGC4_C = 95 / 1023
_LOGC4_S = 7 * math.log(2) * 2 ** (7 - 14 * _LOGC4_C / _LOGC4_B) / (_LOGC4_A * _LOGC4_B)
_LOGC4_T = (2 ** (14 * (-_LOGC4_C / _LOGC4_B) + 6) - 64) / _LOGC4_A


def _logc4_decode(encoded: Array) -> Array:
    """ARRI LogC4, "ARRI LogC4 Logarithmic Color Space Specification" (2022)."""
    curve = (_exp2(14 * (encoded - _LOGC4_C) / _LOGC4_B + 6) - 64) / _LOGC4_A
    return _where(encoded < 0, encoded * _LOGC4_S + _LOGC4_T, curve)


def _logc4_encode(linear: Array) -> Array:
    curve = (_log2(_LOGC4_A * linear.clip(min=_LOGC4_T) + 64) - 6) / 14 * _LOGC4_B + _LOGC4_C
    return _where(linear < _LOGC4_T, (linear - _LOGC4_T) / _LOGC4_S, curve)


def _slog3_decode(encoded: Array) -> Array:
    """Sony S-Log3, "Technical Summary for S-Gamut3.Cine/S-Log3 and S-Gamut3/S-Log3" (2014)."""
    curve = 10 ** ((encoded * 1023 - 420) / 261.5) * 0.19 - 0.01
    line = (encoded * 1023 - 95) * 0.01125 / (171.2102946929 - 95)
    return _where(encoded < 171.2102946929 / 1023, line, curve)


def _slog3_encode(linear: Array) -> Array:
    curve = (420 + _log10((linear.clip(min=0.01125) + 0.01) / 0.19) * 261.5) / 1023
    line = (linear * (171.2102946929 - 95) / 0.01125 + 95) / 1023
    return _where(linear < 0.01125, line, curve)


@dataclass(frozen=True)
class WorkingSpace:
    """Primaries and transfer function of one encoding."""

    primaries: Chromaticities
    decode: Curve = _identity
    encode: Curve = _identity


SPACES: dict[str, WorkingSpace] = {
    "linear_rec709": WorkingSpace(REC709),
    "srgb": WorkingSpace(REC709, _srgb_decode, _srgb_encode),
    "rec709_g24": WorkingSpace(REC709, _gamma24_decode, _gamma24_encode),
    "acescg": WorkingSpace(AP1),
    "aces2065_1": WorkingSpace(AP0),
    "linear_rec2020": WorkingSpace(REC2020),
    "linear_p3d65": WorkingSpace(P3_D65),
    "davinci_intermediate": WorkingSpace(DAVINCI_WIDE_GAMUT, _davinci_decode, _davinci_encode),
    "davinci_wide_gamut_linear": WorkingSpace(DAVINCI_WIDE_GAMUT),
    "arri_logc3": WorkingSpace(ARRI_WIDE_GAMUT_3, _logc3_decode, _logc3_encode),
    "arri_logc4": WorkingSpace(ARRI_WIDE_GAMUT_4, _logc4_decode, _logc4_encode),
    "sony_slog3": WorkingSpace(S_GAMUT3_CINE, _slog3_decode, _slog3_encode),
}


def decode(pixels: Array, space: str) -> Array:
    """Return `pixels` [..., 3] encoded as `space`, as linear Rec.709 of the same shape.

    Raises:
        InputError: the space is unknown, or `auto`, which only a client can resolve.
    """
    found = _find(space)
    with _quiet():
        linear: Array = found.decode(_single(pixels))
        return _convert(linear, found.primaries, REC709)


def encode(linear: Array, space: str) -> Array:
    """Return linear Rec.709 values [..., 3] encoded as `space`; the inverse of `decode`, with its errors."""
    found = _find(space)
    with _quiet():
        values: Array = _single(linear)
        encoded: Array = found.encode(_convert(values, REC709, found.primaries))
        return encoded


def _single(values: Any) -> Any:
    return values.astype(np.float32, copy=False) if isinstance(values, np.ndarray) else values


def _quiet() -> np.errstate:
    """Numpy would warn of what torch does silently: a hot code value of a log curve is infinite light."""
    return np.errstate(over="ignore", invalid="ignore")


def linear_space(space: str) -> str:
    """Return the linear space that files made from a plate in `space` are written in.

    It has the plate's primaries where the table names such a space, else those of Rec.709: camera gamuts have no
    linear space that other programs know by name, and linear Rec.709 holds every colour, if need be below 0.
    """
    primaries = _find(space).primaries
    twins = [name for name in OUTPUT_SPACES if name != "same" and SPACES[name].primaries is primaries]
    return twins[0] if twins else "linear_rec709"


def _find(space: str) -> WorkingSpace:
    if space == "auto":
        raise InputError("the working space is still auto; name the encoding of the plate, for example linear_rec709.")
    if space not in SPACES:
        raise InputError(f"working space {space!r} is unknown; choose one of {', '.join(SPACES)}.")
    return SPACES[space]


def _convert(linear: Array, source: Chromaticities, target: Chromaticities) -> Array:
    if source is target:
        return linear
    xp = array_namespace(linear)
    matrix = xp.asarray(conversion_matrix(source, target), dtype=linear.dtype, device=device(linear))
    converted: Array = linear @ matrix.T
    return converted


@cache
def conversion_matrix(source: Chromaticities, target: Chromaticities) -> NDArray[np.float64]:
    """Return the 3x3 matrix from linear `source` RGB to linear `target` RGB, Bradford-adapted between whites."""
    to_xyz, from_xyz = _rgb_to_xyz(source), np.linalg.inv(_rgb_to_xyz(target))
    product: NDArray[np.float64] = from_xyz @ _bradford(source[3], target[3]) @ to_xyz
    return product


def _xyz(x: float, y: float) -> NDArray[np.float64]:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _rgb_to_xyz(chromaticities: Chromaticities) -> NDArray[np.float64]:
    """SMPTE RP 177: scale the primaries so that RGB (1, 1, 1) is the white of luminance 1."""
    primaries = np.stack([_xyz(x, y) for x, y in chromaticities[:3]], axis=1)
    scale = np.linalg.solve(primaries, _xyz(*chromaticities[3]))
    product: NDArray[np.float64] = primaries * scale
    return product


def _bradford(source: tuple[float, float], target: tuple[float, float]) -> NDArray[np.float64]:
    """Linear Bradford adaptation (Lam 1985, as in ICC.1)."""
    cone = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    gains = (cone @ _xyz(*target)) / (cone @ _xyz(*source))
    product: NDArray[np.float64] = np.linalg.inv(cone) @ np.diag(gains) @ cone
    return product
