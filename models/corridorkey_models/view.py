"""What a result looks like on a display: the views of the parameter `output` as sRGB pictures.

For previews and contact sheets; nothing here goes back into a comp.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import color
from .keyer import Keyed, Pixels
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
        return _display(color.decode(torch.from_numpy(np.float32(plate[..., :3])), params.working_space))
    if params.output in ("matte", "hint"):
        grey = keyed.matte if params.output == "matte" else keyed.hint
        return np.repeat(grey[..., None], 3, axis=2)
    space = params.working_space if params.output_space == "same" else params.output_space
    foreground = color.decode(torch.from_numpy(keyed.foreground), space)
    if params.output == "foreground":
        return _display(foreground)
    matte = torch.from_numpy(keyed.matte).unsqueeze(-1)
    behind = _checker(matte) if params.output == "checker" else torch.zeros_like(foreground)
    return _display(torch.lerp(behind, foreground, matte))


def _display(linear: Tensor) -> Pixels:
    pixels: Pixels = color.srgb_encode(linear).clamp(0, 1).numpy()
    return pixels


def _checker(matte: Tensor) -> Tensor:
    """A checkerboard in linear Rec.709, [height, width, 3]."""
    height, width = matte.shape[:2]
    square = max(4, round(_SQUARE_AT_1920 * width / 1920))
    odd = (torch.arange(height)[:, None] // square + torch.arange(width)[None, :] // square) % 2
    greys = color.srgb_decode(torch.tensor(_CHECKER))
    return greys[odd].unsqueeze(-1).expand(-1, -1, 3)
