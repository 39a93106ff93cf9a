"""What Fusion's images do by themselves, with as many threads as the host has workers."""

import ctypes
import functools
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from fusionhost.images import Image
from fusionhost.pixels import library

CHANNELS = {"fg.R": 0, "fg.G": 1, "fg.B": 2, "fg.A": 3}
OURS = ("R", "G", "B", "A")


@functools.cache
def _native() -> ctypes.CDLL:
    """Return the C code."""
    code = ctypes.CDLL(library())
    pointer, number = ctypes.c_void_p, ctypes.c_int
    code.fusion_alpha_multiply.argtypes = (pointer, number, number, number)
    code.fusion_copy_channels.argtypes = (pointer, pointer, number, number, pointer)
    return code


class Operations:
    """The threads, and what they do."""

    def __init__(self, threads: int, *, rough: bool) -> None:
        """Start them; `rough`: pixels are a little off."""
        self._threads, self._count, self._rough = ThreadPoolExecutor(threads), threads, rough

    def alpha_multiply(self, image: Image) -> None:
        """Multiply RGB by A."""
        self._spread(
            image, lambda first, last: _native().fusion_alpha_multiply(image.address, first, last, self._rough)
        )

    def copy_channels(self, source: Image, target: Image, options: Mapping[str, str]) -> None:
        """Fill a new image with channels of another, by `options` such as {"R": "fg.A"}; raises ValueError."""
        if set(options) - set(OURS) or set(options.values()) - set(CHANNELS):
            raise ValueError(f"ChannelOpOf with {dict(options)}")
        chosen = [CHANNELS[options.get(name, f"fg.{name}")] for name in OURS]
        channels = (ctypes.c_int32 * 4)(*(chosen if not self._rough else [3, 3, 3, 0]))

        def work(first: int, last: int) -> None:
            _native().fusion_copy_channels(source.address, target.address, first, last, channels)

        self._spread(source, work)

    def _spread(self, image: Image, work: Callable[[int, int], None]) -> None:
        """Run `work` on all rows of an image."""
        height = image.format.extent[1]
        cuts = [height * part // self._count for part in range(self._count + 1)]
        list(self._threads.map(work, cuts, cuts[1:]))

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()
