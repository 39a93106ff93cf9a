"""Draws corridorkey.comp.png, the icon that hosts show: a white key on a green screen. Run it in this folder."""

import struct
import sys
import zlib
from collections.abc import Iterator
from math import hypot, sqrt
from pathlib import Path

SIZE = 256
TARGET = "corridorkey.comp.png"

TOP, BOTTOM = (94, 214, 106), (18, 128, 72)
WHITE = (255, 255, 255)
CORNER = 52.0


def box(x: float, y: float, middle: tuple[float, float], half: tuple[float, float], corner: float) -> float:
    """Return the distance from a point to a box with round corners, below 0 inside."""
    across = abs(x - middle[0]) - half[0] + corner
    down = abs(y - middle[1]) - half[1] + corner
    return hypot(max(across, 0), max(down, 0)) + min(max(across, down), 0) - corner


def key(x: float, y: float) -> float:
    """Return the distance to the key, which lies from the upper right to the lower left."""
    # In the key's own frame u runs from its ring to its tip, v across.
    u, v = (y - x) / sqrt(2), (x + y - SIZE) / sqrt(2)
    ring = abs(hypot(u + 48, v) - 35) - 13
    shaft = box(u, v, (40, 0), (58, 12), 6)
    teeth = min(box(u, v, (85, 17), (13, 29), 6), box(u, v, (48, 14), (11, 22), 6))
    return min(ring, shaft, teeth)


def blend(under: float, over: float, amount: float) -> float:
    """Return a value between two."""
    return under + (over - under) * amount


def cover(distance: float) -> float:
    """Return how much of a pixel lies inside of an edge at that distance."""
    return min(max(0.5 - distance, 0.0), 1.0)


def pixel(x: float, y: float) -> bytes:
    """Return R, G, B and A of the pixel at that place."""
    shade = [blend(top, bottom, y / SIZE) for top, bottom in zip(TOP, BOTTOM, strict=True)]
    shadow = 0.28 * min(max(0.5 - (key(x, y - 5) - 3) / 10, 0.0), 1.0)
    inside = cover(key(x, y))
    color = [blend(value * (1 - shadow), white, inside) for value, white in zip(shade, WHITE, strict=True)]
    alpha = cover(box(x, y, (SIZE / 2, SIZE / 2), (SIZE / 2 - 4, SIZE / 2 - 4), CORNER))
    return bytes(round(value) for value in (*color, 255 * alpha))


def rows() -> Iterator[bytes]:
    """Return the rows of the picture, each with PNG's 0 for "not filtered" before it."""
    for y in range(SIZE):
        yield b"\0" + b"".join(pixel(x + 0.5, y + 0.5) for x in range(SIZE))


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a part of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def main() -> int:
    """Write the file."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", SIZE, SIZE, 8, 6, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"".join(rows()), 9))
    Path(TARGET).write_bytes(b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
