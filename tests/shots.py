"""Small frames on disk, for tests of what reads them."""

from pathlib import Path

from corridorkey_models.keyed import Pixels
from corridorkey_server.footage.exr import write_exr
from corridorkey_server.footage.picture import Image, Window

SIZE = Window(0, 0, 192, 108)
RGB = ("R", "G", "B")


def write_plate(path: Path, pixels: Pixels, window: Window = SIZE, metadata: dict[str, object] | None = None) -> None:
    """Write a float plate over `window` of the SIZE frame."""
    like = Image(pixels, RGB, window, SIZE, metadata=metadata or {})
    write_exr(path, pixels, RGB, like=like)


def write_hint(path: Path, hint: Pixels, channels: tuple[str, ...] = ("A",)) -> None:
    """Write a hint [height, width] or [height, width, channels]."""
    pixels = hint.reshape(*hint.shape[:2], -1)
    window = Window(0, 0, hint.shape[1], hint.shape[0])
    write_exr(path, pixels, channels, like=Image(pixels, channels, window, window))
