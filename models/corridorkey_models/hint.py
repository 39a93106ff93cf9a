"""Which channel of a hint image or of a mask holds the matte. Knows arrays only, no colour spaces and no hint tools.

A Keyer chooses before it uploads, a client may choose before it sends: what follows sees one channel either way.
"""

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .keyed import Pixels, check_image

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


def select_channel(image: NDArray[np.floating], channel: str) -> tuple[Pixels, tuple[str, ...]]:
    """Return one channel of a hint as [height, width] float32, and notes; one that is alone is taken as it is.

    Args:
        image: [height, width] or [height, width, 1 to 4]: grey, grey and alpha, RGB or RGBA.
        channel: as the parameter `hint_channel`; auto takes alpha if there is one, else luminance.

    Raises:
        InputError: the image is no such array, or alpha is asked of one that has none.
    """
    image = check_image(image, "hint", (1, 2, 3, 4))
    count = image.shape[2]
    if count == 1:
        return image[..., 0], ()
    if channel == "auto" and _is_opaque_matte(image):
        return image[..., 0], ("the hint's alpha is 1 everywhere: its colour was taken instead",)
    if channel == "auto":
        channel = "alpha" if count in (2, 4) else "luminance"
    if channel == "alpha" and count == 3:
        raise InputError("the hint has no alpha; choose hint_channel red or luminance.")
    if channel == "luminance":
        return image[..., 0] if count == 2 else _luminance(image), ()
    index = -1 if channel == "alpha" else ("red", "green", "blue").index(channel)
    return image[..., index if count > 2 or index < 0 else 0], ()


def check_source_alpha(channels: int) -> None:
    """Raise InputError unless a plate of so many channels has an alpha to take as hint."""
    if channels != 4:
        raise InputError("the plate has no alpha to take as hint; choose hint_source chroma or wire a hint.")


def _is_opaque_matte(image: Pixels) -> bool:
    """Whether a matte was saved as a grey picture with a solid alpha, as painting programs do."""
    if image.shape[2] not in (2, 4) or bool((image[..., -1] != 1).any()):
        return False
    grey = image[..., :1]
    return bool((image[..., :-1] == grey).all()) and bool((grey != 1).any())


def _luminance(image: Pixels) -> Pixels:
    """Return [height, width]; summed in a fixed order, so that equal pixels give equal bits."""
    red, green, blue = (image[..., index] * _LUMINANCE[index] for index in range(3))
    # Infinities of both signs give a NaN, which the hint's tools replace.
    with np.errstate(invalid="ignore"):
        total: Pixels = red + green + blue
    return total
