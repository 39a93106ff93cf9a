"""Draws CorridorKey.png, the icon in Nuke's menus: that of the OFX plug-in, in 24 pixels."""

import runpy
import struct
import sys
import zlib
from collections.abc import Iterator
from itertools import product
from pathlib import Path

HERE = Path(__file__).parent
BIG = runpy.run_path(str(HERE.parents[1] / "ofx_bridge" / "resources" / "draw_icon.py"))
SIZE, SAMPLES = 24, 8


def pixel(x: int, y: int) -> bytes:
    """Return R, G, B and A of a pixel: the mean of what lies under it in the big icon."""
    scale = BIG["SIZE"] / SIZE
    parts = [(number + 0.5) / SAMPLES for number in range(SAMPLES)]
    under = [BIG["pixel"]((x + across) * scale, (y + down) * scale) for down, across in product(parts, parts)]
    weight = sum(sample[3] for sample in under)
    color = [sum(sample[channel] * sample[3] for sample in under) / max(weight, 1) for channel in range(3)]
    return bytes(round(value) for value in (*color, weight / len(under)))


def rows() -> Iterator[bytes]:
    """Return the rows of the picture, each with PNG's 0 for "not filtered" before it."""
    for y in range(SIZE):
        yield b"\0" + b"".join(pixel(x, y) for x in range(SIZE))


def main() -> int:
    """Write the file."""
    head = BIG["chunk"](b"IHDR", struct.pack(">IIBBBBB", SIZE, SIZE, 8, 6, 0, 0, 0))
    body = BIG["chunk"](b"IDAT", zlib.compress(b"".join(rows()), 9))
    (HERE / "CorridorKey.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + body + BIG["chunk"](b"IEND", b""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
