"""What a result looks like on a display: the views of the parameter `output` as sRGB pictures.

For previews and contact sheets; nothing here goes back into a comp.
"""

import numpy as np
from numpy.typing import NDArray

from . import color
from .keyed import Keyed, Pixels
from .params import Params

_CHECKER = (0.15, 0.55)  # sRGB-encoded greys, as CorridorKey's own comps have them
_SQUARE_AT_1920 = 64


def preview(keyed: Keyed, plate: NDArray[np.floating], params: Params) -> Pixels:
    """Return what `params.output` names as [height, width, 3], sRGB-encoded and clipped to [0, 1].

    Args:
        keyed: a result made with `params`.
        plate: [height, width, 3 or more] encoded as `params.working_space`.
    """
    if params.output == "plate":
        return _display(color.decode(plate[..., :3], params.working_space))
    if params.output in ("matte", "hint"):
        grey = keyed.matte if params.output == "matte" else keyed.hint
        assert grey is not None, "a result for this view was asked for with its hint"
        return np.repeat(grey[..., None], 3, axis=2)
    space = params.working_space if params.output_space == "same" else params.output_space
    foreground = color.decode(keyed.foreground, space)
    if params.output == "foreground":
        return _display(foreground)
    matte = keyed.matte[..., None]
    shown = foreground * matte
    return _display(shown + _checker(*matte.shape[:2]) * (1 - matte) if params.output == "checker" else shown)


def _display(linear: Pixels) -> Pixels:
    return color.srgb_encode(linear).clip(0, 1)


def _checker(height: int, width: int) -> Pixels:
    """A checkerboard in linear Rec.709, [height, width, 1]."""
    square = max(4, round(_SQUARE_AT_1920 * width / 1920))
    odd = (np.arange(height)[:, None] // square + np.arange(width) // square) % 2
    greys: Pixels = color.srgb_decode(np.array(_CHECKER, np.float32))
    return np.take(greys, odd)[..., None]
