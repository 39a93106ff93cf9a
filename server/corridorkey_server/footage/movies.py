"""Movie frames by number, at full bit depth and with the right matrix. Needs PyAV, the extra `movies`.

Knows no stills and no colour maths beyond Y'CbCr to R'G'B'.
"""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from corridorkey_models.errors import InputError

from .exr import time_code
from .paths import check_name
from .picture import Image, Pixels, Window
from .tags import Verdict
from .timecode import time_code_after

try:
    import av
except ImportError:
    av = None

_WALK = 8
"""A frame up to this far ahead is reached by decoding on, which is cheaper than to begin at a key frame."""

_UNSPECIFIED, _LIMITED, _FULL = 2, 1, 2
_BT709, _BT601 = 1, 5
_MATRICES = {1: _BT709, 4: 4, 5: _BT601, 6: _BT601, 7: 7, 9: 9, 10: 9}
"""libswscale's matrix for the matrix tags of ITU-T H.273."""

_REC709_PRIMARIES = (1, 5, 6, _UNSPECIFIED)  # those of SD differ from Rec.709's by less than a display does
_PRIMARIES = {9: "BT.2020", 11: "P3-DCI", 12: "P3-D65"}
_TRANSFERS = {
    1: ("rec709_g24", "transfer tag BT.709"),
    6: ("rec709_g24", "transfer tag SMPTE 170M"),
    8: ("linear_rec709", "transfer tag linear"),
    13: ("srgb", "transfer tag sRGB"),
    _UNSPECIFIED: ("rec709_g24", "movie without a transfer tag, assumed"),
}
_OTHER_TRANSFERS = {4: "gamma 2.2", 5: "gamma 2.8", 14: "BT.2020", 15: "BT.2020", 16: "PQ", 18: "HLG"}


class Movie:
    """The frames of one movie, numbered from 1. Threads may share it; one decodes at a time.

    Attributes:
        path: the file.
        length: number of frames.
    """

    def __init__(self, path: Path) -> None:
        """Open a movie; InputError if it is damaged or has no picture, or if PyAV is not installed."""
        if av is None:
            raise InputError(f"{path} is a movie; install corridorkey-comp[movies] to read it.")
        check_name(path)
        self.path = path
        self._lock = threading.Lock()
        try:
            self._container = av.open(str(path))
            self._stream = self._video()
            self._times = _times(self._container, self._stream)
        except (av.FFmpegError, OSError) as error:
            raise self._damaged(error) from error
        self._stream.thread_type = "AUTO"
        self.length = len(self._times)
        self._frames: Iterator[Any] = iter(())
        self._next = 0
        self._last: tuple[int, Image] | None = None

    def read(self, number: int) -> Image:
        """Return a frame; InputError if there is no such frame or it cannot be decoded."""
        if not 1 <= number <= self.length:
            raise InputError(f"{self.path} has no frame {number}; it has 1-{self.length}.")
        with self._lock:
            if self._last is None or self._last[0] != number:
                self._last = number, self._to_image(self._decode(number), number)
            return self._last[1]

    def fingerprint(self, number: int) -> bytes:
        """Return 16 bytes that name the pixels of a frame."""
        pixels = np.ascontiguousarray(self.read(number).pixels)
        return hashlib.blake2b(pixels.data, digest_size=16).digest()

    def _video(self) -> Any:
        if not self._container.streams.video:
            raise InputError(f"{self.path} has no picture; choose another file.")
        return self._container.streams.video[0]

    def _damaged(self, error: Exception | str) -> InputError:
        return InputError(f"{self.path} cannot be read as a movie: {error}; export or copy it again.")

    def _decode(self, number: int) -> Any:
        wanted = self._times[number - 1]
        ahead = self._next <= number < self._next + _WALK
        try:
            frame = self._walk(wanted) if ahead else None
            # A seek follows decoding order, and so may land behind a frame that is shown before its key frame.
            for seconds in (0, 1, 8, None):
                if frame is None:
                    self._seek(wanted, seconds)
                    frame = self._walk(wanted)
        except (av.FFmpegError, OSError) as error:
            self._next = 0
            raise self._damaged(error) from error
        self._next = 0 if frame is None else number + 1
        if frame is None:
            raise self._damaged(f"frame {number} is missing or damaged")
        return frame

    def _seek(self, wanted: int, seconds: int | None) -> None:
        """Go to the key frame before a time, counted so many seconds back, or to the first frame."""
        time = self._times[0] if seconds is None else wanted - int(seconds / self._stream.time_base)
        self._container.seek(max(time, self._times[0]), stream=self._stream)
        self._frames = self._container.decode(self._stream)

    def _walk(self, wanted: int) -> Any:
        for frame in self._frames:
            time = frame.dts if frame.pts is None else frame.pts
            if time >= wanted:
                return frame if time == wanted and not frame.is_corrupt else None
        return None

    def _to_image(self, frame: Any, number: int) -> Image:
        pixels, note = _to_rgb(self.path, frame)
        space, reason = _space(self._tag(frame, "color_trc"), self._tag(frame, "color_primaries"))
        pixels = np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))
        window = Window(0, 0, pixels.shape[1], pixels.shape[0])
        channels = ("R", "G", "B", "A")[: pixels.shape[2]]
        aspect = float(self._stream.sample_aspect_ratio or 1)
        return Image(pixels, channels, window, window, aspect, space, reason + note, self._metadata(number))

    def _tag(self, frame: Any, name: str) -> int:
        """Return a colour tag: that of the frame, else that of the file."""
        value = int(getattr(frame, name))
        return int(getattr(self._stream.codec_context, name)) if value == _UNSPECIFIED else value

    def _metadata(self, number: int) -> dict[str, object]:
        rate = self._stream.average_rate
        if not rate:
            return {}
        holders = (self._container, *self._container.streams)
        text = next((holder.metadata["timecode"] for holder in holders if "timecode" in holder.metadata), "")
        code = time_code_after(text, number - 1, rate)
        found = {} if code is None else {"timeCode": time_code(*vars(code).values())}
        return found | {"framesPerSecond": Fraction(rate)}


def _times(container: Any, stream: Any) -> Sequence[int]:
    """Return when each frame is shown, in the stream's time base and in order.

    A regular movie says it in its index; any other is read once through, without decoding.
    """
    shown = [entry.timestamp for entry in stream.index_entries if not entry.is_discard]
    steps = {late - early for early, late in pairwise(shown)}
    if len(shown) == stream.frames and len(steps) == 1 and stream.start_time is not None:
        step = steps.pop()
        return range(stream.start_time, stream.start_time + step * len(shown), step)
    packets = [packet for packet in container.demux(stream) if packet.size and not packet.is_discard]
    times = sorted(packet.dts if packet.pts is None else packet.pts for packet in packets)
    if not times:
        raise OSError("it has no frames")
    return times


def _to_rgb(path: Path, frame: Any) -> tuple[Pixels, str]:
    """Return [height, width, 3 or 4] from 0 to 1, and what had to be assumed."""
    has_alpha = any(component.is_alpha for component in frame.format.components)
    if frame.format.is_rgb:
        pixels = frame.reformat(format="rgba64le" if has_alpha else "rgb48le").to_ndarray()
        return pixels.astype(np.float32) / np.float32(65535), ""
    matrix, matrix_note = _matrix(path, int(frame.colorspace), frame.height)
    range_, range_note = _range(frame)
    planes = frame.reformat(
        format="gbrapf32le" if has_alpha else "gbrpf32le",
        src_colorspace=matrix,
        src_color_range=range_,
        dst_color_range=_FULL,
    )
    return planes.to_ndarray(), matrix_note + range_note


def _matrix(path: Path, tag: int, height: int) -> tuple[int, str]:
    if tag in _MATRICES:
        return _MATRICES[tag], ""
    if tag not in (0, _UNSPECIFIED, 3):
        raise InputError(f"{path} has colour matrix {tag} (ITU-T H.273), which is not known; export it as BT.709.")
    matrix, name = (_BT709, "BT.709") if height >= 720 else (_BT601, "BT.601")
    return matrix, f"; matrix {name} assumed from {height} lines"


def _range(frame: Any) -> tuple[int, str]:
    if int(frame.color_range) in (_LIMITED, _FULL):
        return int(frame.color_range), ""
    if frame.format.name.startswith("yuvj"):
        return _FULL, ""
    return _LIMITED, "; limited range assumed"


def _space(transfer: int, primaries: int) -> Verdict:
    if transfer not in _TRANSFERS:
        name = _OTHER_TRANSFERS.get(transfer, f"number {transfer} of ITU-T H.273")
        return None, f"transfer tag {name}, which is not a working space here"
    if primaries not in _REC709_PRIMARIES:
        name = _PRIMARIES.get(primaries, f"number {primaries} of ITU-T H.273")
        return None, f"primaries tag {name}, which no working space here has with that transfer"
    return _TRANSFERS[transfer]
