"""The Keyer: one frame in, straight foreground and matte out. Predict, then finish.

Everything that keys (command line, daemon, hosts through it) calls `Keyer.key`. It takes plain arrays; it knows no
files, no sockets and no checkpoints. A change of parameters that touches only `finish` can reuse a prediction.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from . import color, filters, matte, screen
from .errors import InputError, ResourceError
from .greenformer import Prediction
from .params import Params
from .predictors import Plate, Predictor, resize
from .watch import Watch

KEYING_VERSION = 1
"""Raised by every change that gives other pixels for the same input; files remember it."""

_PREDICTED = 0.95  # part of a frame's work that is done when the prediction is there

HALF_MAX = torch.finfo(torch.float16).max
"""Largest finite half float: what an infinite plate value becomes."""

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Keyed:
    """The result for one frame.

    Attributes:
        foreground: [height, width, 3] straight, encoded as the plate or as `output_space` says.
        matte: [height, width] in [0, 1].
        hint: [height, width], the hint that was used, after its tools and masks.
        empty: the wired hint was 0 everywhere, so nothing was keyed and all is 0.
        notes: sentences for the artist, for instance that no screen was found.
        timings: seconds by stage: pre, infer, post.
    """

    foreground: Pixels
    matte: Pixels
    hint: Pixels
    empty: bool = False
    notes: tuple[str, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Frame:
    """What arrived, checked and on the device."""

    plate: Plate
    hint: Tensor
    inside: Tensor | None
    outside: Tensor | None
    empty: bool
    notes: tuple[str, ...]


class Keyer:
    """Keys frames with one predictor.

    Attributes:
        predictor: the network or the procedural keyer.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def key(
        self,
        plate: NDArray[np.floating],
        hint: NDArray[np.floating] | None,
        params: Params,
        masks: "Masks | None" = None,
        out: Pixels | None = None,
        watch: Watch | None = None,
    ) -> Keyed:
        """Return foreground and matte of one frame.

        Args:
            plate: [height, width, 3 or 4] float, rows top-down, encoded as `params.working_space`; a fourth
                channel is the source's alpha.
            hint: [height, width] or [height, width, channels] float, or None when none is wired.
            params: all parameters; `working_space` must not be auto.
            masks: inside and outside mask.
            out: [height, width, 4] float32 to write foreground and matte into; `Keyed` then views it.
            watch: called with (stage, fraction in [0, 1]) between stages and blocks; may raise Cancelled.

        Raises:
            InputError: shapes, types or parameters do not fit together.
            ResourceError: the predictor gave values that are not finite, or the device ran out of memory.
            Cancelled: `watch` asked to stop.
        """
        with torch.inference_mode(), _memory_explained(self.predictor.device, params.quality):
            timings: dict[str, float] = {}
            with _timed(timings, "pre"):
                frame = self._prepare(plate, hint, params, masks or Masks())
                _check_buffer(out, plate)
            if frame.empty:
                return _empty(frame, params, out)
            tell = watch or (lambda _stage, _fraction: None)
            predicting = None if watch is None else lambda stage, part: tell(stage, _PREDICTED * part)
            with _timed(timings, "infer"):
                prediction = self.predictor.predict(frame.plate, frame.hint, params, predicting)
            tell("finish", _PREDICTED)
            with _timed(timings, "post"):
                foreground, alpha = _finish(prediction, frame, params)
                arrays = _download(foreground, alpha, out)
            tell("finish", 1.0)
            return Keyed(*arrays, frame.hint.cpu().numpy(), False, frame.notes, timings)

    def _prepare(
        self, plate: NDArray[np.floating], hint: NDArray[np.floating] | None, params: Params, masks: "Masks"
    ) -> _Frame:
        pixels = self._upload(plate, "plate", (3, 4))
        size = pixels.shape[:2]
        rgb = finite(pixels[..., :3])
        # A log curve turns large finite code values into infinities.
        source = Plate(rgb, finite(color.decode(rgb, params.working_space)), params.working_space)
        inside, outside = (self._mask(mask, name, size) for mask, name in masks.named())
        wired = None if hint is None else self._upload(hint, "hint", (1, 2, 3, 4), size)
        chosen, notes = _choose_hint(pixels, source, wired, params)
        shaped = _shape_hint(chosen, params, _scale(size[1]))
        used = matte.apply_masks(shaped, inside, outside)
        empty = hint is not None and params.hint_source in ("auto", "input") and not bool(used.any())
        return _Frame(source, used, inside, outside, empty, notes)

    def _mask(self, mask: NDArray[np.floating] | None, name: str, size: torch.Size) -> Tensor | None:
        if mask is None:
            return None
        return _unit(_select_channel(self._upload(mask, name, (1, 2, 3, 4), size), "auto")[0])

    def _upload(
        self,
        image: NDArray[np.floating],
        name: str,
        channels: tuple[int, ...],
        size: torch.Size | None = None,
    ) -> Tensor:
        """Return `image` as float32 [height, width, channels] on the device, after checking it."""
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
        tensor = torch.from_numpy(np.require(array, np.float32, ["C", "W"]))
        return tensor.to(self.predictor.device)


@dataclass(frozen=True)
class Masks:
    """Optional masks of the plate's size, [height, width] float: `inside` is kept, `outside` is garbage."""

    inside: NDArray[np.floating] | None = None
    outside: NDArray[np.floating] | None = None

    def named(self) -> tuple[tuple[NDArray[np.floating] | None, str], ...]:
        """Return each mask with what an artist calls it."""
        return (self.inside, "inside mask"), (self.outside, "outside mask")


def finite(pixels: Tensor) -> Tensor:
    """Return `pixels` [height, width, channels] with infinities at the half range and NaN taken from neighbours.

    One NaN would spread through every normalization and attention to the whole frame. A NaN becomes the mean of
    the finite values in the 5x5 pixels around it, 0 if there are none.
    """
    bad = pixels.isnan()
    if bool(bad.any()):
        good = pixels.isfinite()
        known, weight = (filters.to_planes(part) for part in (pixels.where(good, 0.0), good.to(pixels)))
        total, count = (F.avg_pool2d(planes, 5, 1, 2) for planes in (known, weight))
        around = filters.from_planes(total / count.clamp(min=torch.finfo(count.dtype).tiny), 3)
        pixels = torch.where(bad, around, pixels)
    return pixels.clamp(-HALF_MAX, HALF_MAX)


def _choose_hint(pixels: Tensor, plate: Plate, wired: Tensor | None, params: Params) -> tuple[Tensor, tuple[str, ...]]:
    """Return the raw hint [height, width] by `hint_source`, and notes."""
    if params.hint_source == "source_alpha":
        if pixels.shape[2] != 4:
            raise InputError("the plate has no alpha to take as hint; choose hint_source chroma or wire a hint.")
        return _unit(pixels[..., 3]), ()
    if params.hint_source == "input" and wired is None:
        raise InputError("hint_source is input but no hint is wired; wire one or choose hint_source chroma.")
    if wired is not None and params.hint_source != "chroma":
        return _select_channel(wired, params.hint_channel)
    hint, note = screen.chroma_hint(plate.linear.clamp(0, 1), params.screen)
    return hint, () if note is None else (note,)


def _select_channel(image: Tensor, channel: str) -> tuple[Tensor, tuple[str, ...]]:
    """Return one channel of [height, width, 1 to 4] as [height, width], and notes; one alone is taken as it is."""
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
        weights = torch.tensor([0.2126, 0.7152, 0.0722]).to(image)
        return (image[..., 0] if count == 2 else image[..., :3] @ weights), ()
    index = -1 if channel == "alpha" else ("red", "green", "blue").index(channel)
    return image[..., index if count > 2 or index < 0 else 0], ()


def _is_opaque_matte(image: Tensor) -> bool:
    """Whether a matte was saved as a grey picture with a solid alpha, as painting programs do."""
    if image.shape[2] not in (2, 4) or bool((image[..., -1] != 1).any()):
        return False
    grey = image[..., :1]
    return bool((image[..., :-1] == grey).all()) and bool((grey != 1).any())


def _shape_hint(hint: Tensor, params: Params, scale: float) -> Tensor:
    hint = _unit(hint)
    if params.hint_invert:
        hint = 1 - hint
    if params.hint_erode:
        hint = filters.grow(hint, -params.hint_erode * scale)
    return filters.blur(hint, params.hint_blur * scale).clamp(0, 1)


def _unit(image: Tensor) -> Tensor:
    return image.nan_to_num(0.0).clamp(0, 1)


def _finish(prediction: Prediction, frame: _Frame, params: Params) -> tuple[Tensor, Tensor]:
    """Return foreground [height, width, 3] encoded for output, and matte [height, width]."""
    _check_finite(prediction, "the model")
    size = (frame.hint.shape[0], frame.hint.shape[1])
    scale = _scale(size[1])
    predicted = resize(prediction.alpha, size)[0, 0]
    alpha = matte.apply_masks(predicted, frame.inside, frame.outside)
    if params.despeckle:
        alpha = matte.despeckle(alpha, params.despeckle_size * scale**2)
    encoded = filters.from_planes(resize(prediction.foreground, size), 3)
    linear = _foreground(encoded, frame.plate, (predicted, alpha), params)
    alpha = matte.levels(alpha, params.matte_black, params.matte_white, params.matte_gamma)
    alpha = filters.blur(filters.grow(alpha, params.matte_grow * scale), params.matte_blur * scale).clamp(0, 1)
    foreground = color.encode(linear, _output_space(params))
    _check_finite((foreground,), "finishing")
    return foreground, matte.hold_masks(alpha, frame.inside, frame.outside)


def _foreground(encoded: Tensor, plate: Plate, mattes: tuple[Tensor, Tensor], params: Params) -> Tensor:
    """Return the straight foreground in linear Rec.709 by `foreground_source`.

    Args:
        encoded: the model's, sRGB-encoded.
        mattes: as predicted, and with masks and despeckle applied.
    """
    predicted, alpha = mattes
    spill = (params.screen, params.despill)
    seen = color.srgb_decode(matte.despill(color.srgb_encode(plate.linear.clamp(0, 1)), *spill))
    if params.foreground_source == "plate_despilled":
        return matte.with_unseen(seen, plate.linear, *spill)
    model = color.srgb_decode(matte.despill(encoded, *spill))
    # Where a mask holds what the model took for screen, the model has no colour to offer: the plate has.
    model = torch.lerp(model, seen, (alpha - predicted).clamp(min=0).unsqueeze(-1))
    amounts = (params.highlight_restore, params.gamut_restore)
    restored = matte.restore(model, plate.linear, alpha, params.screen, amounts)
    if params.foreground_source == "model":
        return restored
    core = matte.plate_core(seen, model, alpha, _scale(alpha.shape[1]))
    return replace(core, pixels=matte.with_unseen(core.pixels, plate.linear, *spill)).over(restored)


def _scale(width: int) -> float:
    """Return pixels of this picture for one pixel of a picture 1920 wide."""
    return width / 1920


def _output_space(params: Params) -> str:
    return params.working_space if params.output_space == "same" else params.output_space


def _check_finite(parts: tuple[Tensor, ...], who: str) -> None:
    bad = sum(int((~part.isfinite()).sum()) for part in parts)
    if bad:
        total = sum(part.numel() for part in parts)
        raise ResourceError(
            f"{who} gave {bad} of {total} values that are not finite; key again on another device, "
            "or report this frame."
        )


def _check_buffer(out: Pixels | None, plate: NDArray[np.floating]) -> None:
    wanted = (*plate.shape[:2], 4)
    if out is not None and (out.shape != wanted or out.dtype != np.float32 or not out.flags.writeable):
        kind = f"{out.dtype}{'' if out.flags.writeable else ', read-only'}"
        raise InputError(f"the output buffer has shape {out.shape} {kind}; give {wanted} float32, writable.")


def _download(foreground: Tensor, alpha: Tensor, out: Pixels | None) -> tuple[Pixels, Pixels]:
    if out is None:
        return foreground.cpu().numpy(), alpha.cpu().numpy()
    out[..., :3], out[..., 3] = foreground.cpu().numpy(), alpha.cpu().numpy()
    return out[..., :3], out[..., 3]


def _empty(frame: _Frame, params: Params, out: Pixels | None) -> Keyed:
    black = torch.zeros_like(frame.plate.linear)
    foreground, alpha = _download(color.encode(black, _output_space(params)), black[..., 0], out)
    return Keyed(foreground, alpha, frame.hint.cpu().numpy(), empty=True, notes=frame.notes)


@contextmanager
def _memory_explained(device: torch.device, quality: str) -> Iterator[None]:
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ResourceError(
            f"{device} ran out of memory at quality {quality}; close other programs, or choose a lower quality."
        ) from error


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[stage] = time.perf_counter() - start
