"""What keying takes and gives: checked images, masks, a keyed frame, and what keys one.

Arrays only: knows no device, no network and no files, so that a client of a daemon needs nothing more.
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .params import Params
from .watch import Watch

KEYING_VERSION = 1
"""Raised by every change that gives other pixels for the same input; files remember it."""

STAGES = ("pre", "infer", "post", "write")
"""Of a frame, in their order: all up to the network, the network, finishing, copying to where the result goes."""

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Keyed:
    """The result for one frame.

    Attributes:
        foreground: [height, width, 3] straight, encoded as the plate or as `output_space` says.
        matte: [height, width] in [0, 1].
        hint: [height, width], the hint that was used, after its tools and masks; None where nobody asked for it.
        empty: the wired hint was 0 everywhere, so nothing was keyed and all is 0.
        notes: sentences for the artist, for instance that no screen was found.
        timings: seconds by stage, one for each of `STAGES`; 0 for a stage that was not needed.
        kept: the prediction was kept from before: the model did not run.
    """

    foreground: Pixels
    matte: Pixels
    hint: Pixels | None
    empty: bool = False
    notes: tuple[str, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)
    kept: bool = False


@dataclass(frozen=True)
class Masks:
    """Optional masks of the plate's size, [height, width] float: `inside` is kept, `outside` is garbage."""

    inside: NDArray[np.floating] | None = None
    outside: NDArray[np.floating] | None = None

    def named(self) -> tuple[tuple[NDArray[np.floating] | None, str], ...]:
        """Return each mask with what an artist calls it."""
        return (self.inside, "inside mask"), (self.outside, "outside mask")


class FrameKeyer(Protocol):
    """What keys frames one by one: a Keyer in this process, or whatever reaches one elsewhere."""

    @property
    def identity(self) -> str:
        """What predicts, down to the last weight; equal identities key equal pixels."""

    def key(
        self,
        plate: NDArray[np.floating],
        hint: NDArray[np.floating] | None,
        params: Params,
        masks: Masks | None = None,
        out: Pixels | None = None,
        watch: Watch | None = None,
    ) -> Keyed:
        """Return foreground and matte of one frame; see `keyer.Keyer.key`."""


def check_image(
    image: NDArray[np.floating], name: str, channels: tuple[int, ...], size: tuple[int, ...] | None = None
) -> Pixels:
    """Return `image` [height, width] or [height, width, channels] as [height, width, channels] float32.

    Args:
        name: what an artist calls it.
        channels: the counts of channels that will do.
        size: height and width of the plate, where they must agree.

    Raises:
        InputError: it is no array of floats, or its shape does not fit.
    """
    if not isinstance(image, np.ndarray):
        raise InputError(f"the {name} is a {type(image).__name__}; give a numpy array.")
    if not np.issubdtype(image.dtype, np.floating):
        raise InputError(f"the {name} holds {image.dtype} values; give floats, 8 or 16 bit scaled to 0 to 1.")
    array = image[..., None] if image.ndim == 2 else image
    if array.ndim != 3 or array.shape[2] not in channels or 0 in array.shape:
        wanted = " or ".join(str(count) for count in channels)
        raise InputError(f"the {name} has shape {image.shape}; give height, width and {wanted} channels.")
    if size is not None and array.shape[:2] != tuple(size):
        raise InputError(
            f"the {name} is {array.shape[1]}x{array.shape[0]}, the plate {size[1]}x{size[0]}; "
            f"give a {name} of the plate's size."
        )
    return np.asarray(array, np.float32)


def check_buffer(out: Pixels | None, size: tuple[int, ...]) -> None:
    """Check that a result of `size`, height and width, can be written into `out`.

    Raises:
        InputError: it is no writable [height, width, 4] float32.
    """
    wanted = (*size, 4)
    if out is not None and (out.shape != wanted or out.dtype != np.float32 or not out.flags.writeable):
        kind = f"{out.dtype}{'' if out.flags.writeable else ', read-only'}"
        raise InputError(f"the output buffer has shape {out.shape} {kind}; give {wanted} float32, writable.")


def check_frame(
    plate: NDArray[np.floating], hint: NDArray[np.floating] | None, masks: Masks, out: Pixels | None
) -> tuple[Pixels, Pixels | None, Masks]:
    """Return plate, hint and masks of one frame, checked together; arguments as of `keyer.Keyer.key`.

    Raises:
        InputError: shapes or types do not fit together.
    """
    pixels = check_image(plate, "plate", (3, 4))
    size = pixels.shape[:2]
    check_buffer(out, size)
    wired = None if hint is None else check_image(hint, "hint", (1, 2, 3, 4), size)
    for mask, name in masks.named():
        if mask is not None:
            check_image(mask, name, (1, 2, 3, 4), size)
    return pixels, wired, masks
