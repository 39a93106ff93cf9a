"""Named memory of Windows: regions that processes find by a name of 128 random bits. Not tested; see `windows`."""

import mmap
import secrets
import sys
from typing import TYPE_CHECKING

from .contract import check_span, no_memory

# Checked for the system that it runs on; the module itself can be read anywhere.
assert sys.platform == "win32" or not TYPE_CHECKING


class Region:
    """See `memfd.Region`; Windows lets nobody resize it.

    Whoever sends one keeps it open until the other end has received it.
    """

    def __init__(self, name: bytes, size: int) -> None:
        self.name, self.size = name, size
        self._memory = self.map()

    @classmethod
    def create(cls, size: int) -> "Region":
        """See `memfd.Region.create`."""
        try:
            return cls(secrets.token_bytes(16), size)
        except OSError as error:
            raise no_memory(size, error) from error

    def fileno(self) -> int:
        """Return -1: it has no descriptor."""
        return -1

    def map(self) -> mmap.mmap:
        """See `memfd.Region.map`."""
        return mmap.mmap(-1, self.size, tagname=f"Local\\ckey-{self.name.hex()}")

    def write(self, data: bytes, offset: int = 0) -> None:
        """See `memfd.Region.write`."""
        check_span(offset, len(data), self.size)
        self._memory[offset : offset + len(data)] = data

    def read(self, size: int, offset: int = 0) -> bytes:
        """See `memfd.Region.read`."""
        check_span(offset, size, self.size)
        return self._memory[offset : offset + size]

    def empty(self, offset: int) -> None:
        """Do nothing: Windows takes such memory back only as a whole."""
        check_span(offset, 0, self.size)

    def fill(self) -> None:
        """Do nothing: nothing was given back."""

    def close(self) -> None:
        """See `memfd.Region.close`."""
        self._memory.close()
