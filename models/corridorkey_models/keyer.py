"""The Keyer: one frame in, straight foreground and matte out. Predict, then finish.

Everything that keys (command line, daemon, hosts through it) calls `Keyer.key`. It takes plain arrays; it knows no
files, no sockets and no checkpoints. A change of parameters that touches only `finish` reuses a kept prediction.
"""

import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from . import color, filters, matte, screen
from .errors import InputError, ResourceError
from .greenformer import Prediction
from .hint import check_source_alpha, select_channel
from .kept import KeptPredictions, fingerprint
from .keyed import STAGES, Keyed, Masks, Pixels, check_frame
from .params import Params
from .predictors import Plate, Predictor, resize
from .watch import Watch

_PREDICTED = 0.95  # part of a frame's work that is done when the prediction is there

HALF_MAX = torch.finfo(torch.float16).max
"""Largest finite half float: what an infinite plate value becomes."""


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
        kept: its predictions from before; None keeps none.
    """

    def __init__(self, predictor: Predictor, kept: KeptPredictions | None = None) -> None:
        self.predictor = predictor
        self.kept = kept

    @property
    def identity(self) -> str:
        """See `keyed.FrameKeyer.identity`."""
        return self.predictor.identity

    def key(
        self,
        plate: NDArray[np.floating],
        hint: NDArray[np.floating] | None,
        params: Params,
        masks: Masks | None = None,
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
            timings = dict.fromkeys(STAGES, 0.0)
            with _timed(timings, "pre"):
                frame = self._prepare(*check_frame(plate, hint, masks or Masks(), out), params)
            if frame.empty:
                return _empty(frame, params, out, timings)
            prediction, kept = self._predict(frame, params, watch, timings)
            tell = watch or (lambda _stage, _fraction: None)
            tell("finish", _PREDICTED)
            with _timed(timings, "post"):
                foreground, alpha = _finish(prediction, frame, params)
            with _timed(timings, "write"):
                arrays = _download(foreground, alpha, frame.hint, out)
            tell("finish", 1.0)
            return Keyed(*arrays, False, frame.notes, timings, kept)

    def _prepare(self, plate: Pixels, hint: Pixels | None, masks: Masks, params: Params) -> _Frame:
        pixels = self._upload(plate)
        rgb = finite(pixels[..., :3])
        # A log curve turns large finite code values into infinities.
        source = Plate(rgb, finite(color.decode(rgb, params.working_space)), params.working_space)
        inside, outside = (self._mask(mask) for mask, _ in masks.named())
        chosen, notes = self._choose_hint(pixels, source, hint, params)
        shaped = _shape_hint(chosen, params, _scale(plate.shape[1]))
        used = matte.apply_masks(shaped, inside, outside)
        empty = hint is not None and params.hint_source in ("auto", "input") and not bool(used.any())
        return _Frame(source, used, inside, outside, empty, notes)

    def _choose_hint(
        self, pixels: Tensor, plate: Plate, wired: Pixels | None, params: Params
    ) -> tuple[Tensor, tuple[str, ...]]:
        """Return the raw hint [height, width] by `hint_source`, and notes."""
        if params.hint_source == "source_alpha":
            check_source_alpha(pixels.shape[2])
            return _unit(pixels[..., 3]), ()
        if params.hint_source == "input" and wired is None:
            raise InputError("hint_source is input but no hint is wired; wire one or choose hint_source chroma.")
        if wired is not None and params.hint_source != "chroma":
            chosen, notes = select_channel(wired, params.hint_channel)
            return self._upload(chosen), notes
        hint, note = screen.chroma_hint(plate.linear.clamp(0, 1), params.screen)
        return hint, () if note is None else (note,)

    def _predict(
        self, frame: _Frame, params: Params, watch: Watch | None, timings: dict[str, float]
    ) -> tuple[Prediction, bool]:
        """Return the prediction, and whether it was kept from before."""
        with _timed(timings, "pre"):
            seen = self.predictor.look(frame.plate, frame.hint, params)
            key = None if self.kept is None else self._name(seen, params)
        known = None if self.kept is None else self.kept.get(key)
        if known is not None:
            return known, True
        predicting = None if watch is None else lambda stage, part: watch(stage, _PREDICTED * part)
        with _timed(timings, "infer"):
            prediction = self.predictor.predict(seen, params, predicting)
            _check_finite(prediction, "the model")
        if self.kept is not None:
            self.kept.keep(key, prediction)
        return prediction, False

    def _name(self, seen: Tensor, params: Params) -> Hashable:
        """Return all that a prediction follows from."""
        by = self.predictor
        return by.identity, by.device, by.settings(params), fingerprint(seen)

    def _mask(self, mask: NDArray[np.floating] | None) -> Tensor | None:
        return None if mask is None else _unit(self._upload(select_channel(mask, "auto")[0]))

    def _upload(self, image: Pixels) -> Tensor:
        return torch.from_numpy(np.require(image, np.float32, ["C", "W"])).to(self.predictor.device)


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
    """Return foreground [height, width, 3] encoded for output, and matte [height, width]; leaves `prediction` alone."""
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


def _download(foreground: Tensor, alpha: Tensor, hint: Tensor, out: Pixels | None) -> tuple[Pixels, Pixels, Pixels]:
    colors, coverage, used = (part.cpu().numpy() for part in (foreground, alpha, hint))
    if out is None:
        return colors, coverage, used
    out[..., :3], out[..., 3] = colors, coverage
    return out[..., :3], out[..., 3], used


def _empty(frame: _Frame, params: Params, out: Pixels | None, timings: dict[str, float]) -> Keyed:
    black = torch.zeros_like(frame.plate.linear)
    with _timed(timings, "write"):
        arrays = _download(color.encode(black, _output_space(params)), black[..., 0], frame.hint, out)
    return Keyed(*arrays, empty=True, notes=frame.notes, timings=timings)


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
    """Add to `stage` the seconds that the block takes."""
    start = time.perf_counter()
    yield
    timings[stage] += time.perf_counter() - start
