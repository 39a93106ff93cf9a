"""One frame between its files and what keys it: plate, hint and masks laid over one window. Touches no file."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from corridorkey_models.errors import InputError
from corridorkey_models.hint import select_channel
from corridorkey_models.keyed import FrameKeyer, Keyed, Masks, Pixels
from corridorkey_models.params import Params
from corridorkey_models.watch import Watch

from .footage.picture import Image, Window, place


@dataclass(frozen=True)
class Loaded:
    """A frame ready to be keyed; arrays cover `window`, the part that is keyed.

    Attributes:
        hint: the one channel that is used, [height, width]; None where keying does not look at a hint.
        notes: what choosing it had to say.
    """

    plate: Image
    window: Window
    pixels: Pixels
    hint: Pixels | None
    masks: Masks
    notes: tuple[str, ...] = ()


def lay_over(plate: Image, others: Mapping[str, Image], params: Params) -> Loaded:
    """Return a frame over the plate's display window, or its data window too if `params.overscan` says so.

    Args:
        others: hint, inside and outside, those of them that there are; their display windows are laid on the plate's.

    Raises:
        InputError: the plate is no colour picture, or another picture does not go with it.
    """
    require_color(plate)
    window = plate.display_window
    if params.overscan:
        window = window.union(plate.data_window)
    is_hinted = params.hint_source in ("auto", "input")
    channels = {"inside": "auto", "outside": "auto"} | ({"hint": params.hint_channel} if is_hinted else {})
    laid = {
        name: _lay(image, name, channels[name], plate, window) for name, image in others.items() if name in channels
    }
    nothing: tuple[Pixels | None, tuple[str, ...]] = (None, ())
    (hint, notes), (inside, _), (outside, _) = (laid.get(name, nothing) for name in ("hint", "inside", "outside"))
    return Loaded(plate, window, plate.framed(window), hint, Masks(inside, outside), notes)


def _lay(image: Image, name: str, channel: str, plate: Image, window: Window) -> tuple[Pixels, tuple[str, ...]]:
    """Return the channel of a hint or mask that is used over `window`, 0 beside the plate, and notes."""
    there = plate.data_window.intersection(window)
    pixels = _matching(image, name, plate, there)
    if not there.width:
        return np.zeros((window.height, window.width), np.float32), ()
    chosen, notes = select_channel(pixels, channel)
    return place(chosen, there, window), notes


def require_color(plate: Image) -> None:
    """Refuse a plate that is no colour picture."""
    if plate.channels[:3] != ("R", "G", "B"):
        names = ", ".join(plate.channels)
        raise InputError(
            f"the plate has channels {names}; a colour picture is needed, of several layers choose one with --layer."
        )


def key_loaded(loaded: Loaded, keyer: FrameKeyer, params: Params, watch: Watch) -> Keyed:
    """Return what `keyer` makes of a frame, over its window; 0 where the plate has no data."""
    keyed = keyer.key(loaded.pixels, loaded.hint, params, loaded.masks, watch=watch)
    foreground, matte = (_photographed(loaded, part) for part in (keyed.foreground, keyed.matte))
    hint = None if keyed.hint is None else _photographed(loaded, keyed.hint)
    return replace(keyed, foreground=foreground, matte=matte, hint=hint, notes=loaded.notes + keyed.notes)


def _photographed(loaded: Loaded, pixels: NDArray[np.float32]) -> Pixels:
    """Return pixels over the frame's window, 0 beside the plate, whatever the model makes of the black there."""
    there = loaded.plate.data_window.intersection(loaded.window)
    return place(place(pixels, loaded.window, there), there, loaded.window)


def _matching(image: Image, name: str, plate: Image, window: Window) -> Pixels:
    """Return `image` over `window`, a part of the plate, its display window laid on the plate's."""
    theirs, ours = image.display_window, plate.display_window
    if (theirs.width, theirs.height) != (ours.width, ours.height):
        raise InputError(
            f"the {name} is {theirs.width}x{theirs.height}, the plate {ours.width}x{ours.height}; "
            f"render the {name} at the plate's size."
        )
    if len(image.channels) > 1 and not image.has("R", "G", "B") and image.channels != ("Y", "A"):
        names = ", ".join(image.channels)
        remedy = "name one of them with --hint-layer" if name == "hint" else "give a mask of one channel"
        raise InputError(f"the {name} has channels {names}; {remedy}.")
    moved = replace(window, x=window.x - ours.x + theirs.x, y=window.y - ours.y + theirs.y)
    return image.framed(moved)
