"""Sealed memory of Linux: regions that no process can make smaller under the others. Knows no connections."""

import ctypes
import errno
import fcntl
import mmap
import os
import sys
from typing import TYPE_CHECKING

from .contract import check_span, no_memory

# Checked for the system that it runs on; the module itself can be read anywhere.
assert sys.platform == "linux" or not TYPE_CHECKING

# The kernel's numbers: Pythons built for old systems, conda's and uv's among them, do not name these.
_MFD_CLOEXEC_ALLOW_SEALING, _MFD_NOEXEC_SEAL = 1 | 2, 8
_F_ADD_SEALS, _F_GET_SEALS = 1033, 1034
_SEALS = 1 | 2 | 4  # SEAL, SHRINK, GROW
_PUNCH_HOLE = 1 | 2  # which has to go with KEEP_SIZE
_MAP_FIXED = 16
_MAP_FAILED = ctypes.c_void_p(-1).value

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_int64)


class Region:
    """Memory that several processes map and that none of them can make smaller under the others.

    It lives until every descriptor and mapping of it is gone, in this process and in those that it was sent to.

    Attributes:
        size: bytes.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    @classmethod
    def create(cls, size: int) -> "Region":
        """Return a new region of `size` bytes, all of them 0 and backed by memory; other threads run meanwhile.

        Raises:
            ResourceError: the system has not that much memory, or no descriptor is left. Only a limit set by an
                administrator makes it refuse: far beyond the memory there is, it ends processes instead.
        """
        try:
            descriptor = _memory(size)
        except OSError as error:
            raise no_memory(size, error) from error
        return cls(descriptor)

    def fileno(self) -> int:
        """Return the descriptor, which stays the region's; -1 when closed."""
        return self._descriptor

    def map(self) -> mmap.mmap:
        """Return the region's bytes, ready to be read and written at full speed; children of this process lack them.

        The mapping stays valid when the region is closed. Other threads run meanwhile.

        Raises:
            ResourceError: the process may not map that much.
        """
        try:
            return _mapping(self._descriptor, self.size)
        except OSError as error:
            raise no_memory(self.size, error) from error

    def write(self, data: bytes, offset: int = 0) -> None:
        """Put bytes in place without mapping anything; ValueError if they would not fit."""
        check_span(offset, len(data), self.size)
        while data:
            written = os.pwrite(self._descriptor, data, offset)
            data, offset = data[written:], offset + written

    def read(self, size: int, offset: int = 0) -> bytes:
        """Return bytes without mapping anything; ValueError if the region has not that many."""
        check_span(offset, size, self.size)
        return os.pread(self._descriptor, size, offset)

    def empty(self, offset: int) -> None:
        """Give the memory from `offset` on back to the system; it reads as 0 from then on, in every mapping.

        Memory that a device driver pinned is no longer the region's then: unpin it before.
        """
        check_span(offset, 0, self.size)
        if offset == self.size:
            return
        if _libc.fallocate(self._descriptor, _PUNCH_HOLE, offset, self.size - offset) != 0:
            _raise_but(errno.EOPNOTSUPP, errno.ENOSYS)

    def fill(self) -> None:
        """Back all of the region by memory again, what was given back reading 0; raises as `create` does."""
        try:
            os.posix_fallocate(self._descriptor, 0, self.size)
        except OSError as error:
            raise no_memory(self.size, error) from error

    def close(self) -> None:
        """Let go of the region; calling it again does nothing."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


def _memory(size: int) -> int:
    """Return the descriptor of new sealed memory."""
    descriptor = _libc.memfd_create(b"corridorkey", _MFD_CLOEXEC_ALLOW_SEALING | _MFD_NOEXEC_SEAL)
    if descriptor < 0 and ctypes.get_errno() == errno.EINVAL:
        # Kernels before 6.3 know no memory that is not executable; hardened ones since then have no other.
        descriptor = _libc.memfd_create(b"corridorkey", _MFD_CLOEXEC_ALLOW_SEALING)
    if descriptor < 0:
        _raise_but()
    try:
        os.ftruncate(descriptor, size)
        os.posix_fallocate(descriptor, 0, size)
        fcntl.fcntl(descriptor, _F_ADD_SEALS, _SEALS)
    except OSError:
        os.close(descriptor)
        raise
    return int(descriptor)


def _mapping(descriptor: int, size: int) -> mmap.mmap:
    """Return the mapping of a descriptor, which it does not keep: Python's own holds a copy that children inherit."""
    mapping = mmap.mmap(-1, size)
    address = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
    kind = mmap.MAP_SHARED | mmap.MAP_POPULATE | _MAP_FIXED
    if _libc.mmap(address, size, mmap.PROT_READ | mmap.PROT_WRITE, kind, descriptor, 0) == _MAP_FAILED:
        _raise_but()
    mapping.madvise(mmap.MADV_DONTFORK)
    return mapping


def _raise_but(*numbers: int) -> None:
    """Raise what went wrong in libc, unless it is one of these."""
    number = ctypes.get_errno()
    if number not in numbers:
        raise OSError(number, os.strerror(number))


def is_sealed(descriptor: int) -> bool:
    """Return whether a descriptor is memory that cannot change its size."""
    try:
        return fcntl.fcntl(descriptor, _F_GET_SEALS) & _SEALS == _SEALS
    except OSError:
        return False
