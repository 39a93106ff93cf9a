"""The system layer of the C client, compiled and ready to be called from tests."""

import ctypes
import os
from pathlib import Path

import native

GONE, NOTHING, SOME = -1, 0, 1
"""What a socket or a lease had to give."""

NOBODY, LATE, NO_ROOM = -1, -2, -3
"""Why a connection was not made."""

PATIENCE = 30.0
"""Seconds that pass only if something is wrong."""

FILES = [
    native.BRIDGE / "client" / f"{name}.c"
    for name in ("system_posix", "sockets_posix", "lease_posix", "stream", "deadline")
]

_SIGNATURES = (
    ("ck_now", ctypes.c_double),
    ("ck_user", ctypes.c_uint32),
    ("ck_process", ctypes.c_int64),
    ("ck_condition_wait", None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_double),
    ("ck_dial", ctypes.c_int, ctypes.c_char_p, ctypes.c_double, ctypes.c_void_p),
    ("ck_socket_receive", ctypes.c_int, ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p),
    ("ck_socket_send", ctypes.c_int, ctypes.c_ssize_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_double),
    ("ck_socket_close", None, ctypes.c_ssize_t),
    ("ck_wait_readable", ctypes.c_int, ctypes.c_ssize_t, ctypes.c_ssize_t, ctypes.c_double),
    ("ck_region_map", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t),
    ("ck_region_unmap", None, ctypes.c_void_p, ctypes.c_size_t),
    ("ck_region_close", None, ctypes.c_void_p),
    ("ck_lease_open", ctypes.c_int, ctypes.c_char_p, ctypes.c_double, ctypes.c_void_p),
    ("ck_lease_receive", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p),
    ("ck_lease_socket", ctypes.c_ssize_t, ctypes.c_void_p),
    ("ck_lease_close", None, ctypes.c_void_p),
)


def build(folder: Path, *flags: str) -> Path:
    """Compile the layer into a library in `folder`; returns its path."""
    return native.compile_c(FILES, folder / "system.so", "-shared", "-fPIC", *flags)


def load(path: Path) -> ctypes.CDLL:
    """Return a library that `build` made, its functions told what they take and give."""
    code = ctypes.CDLL(str(path))
    for name, gives, *takes in _SIGNATURES:
        function = getattr(code, name)
        function.restype, function.argtypes = gives, takes
    return code


def dial(code: ctypes.CDLL, path: Path | str, seconds: float = PATIENCE) -> tuple[int, int]:
    """Return what ck_dial says, and the connection."""
    connection = ctypes.c_ssize_t(7)
    said = code.ck_dial(os.fsencode(path), code.ck_now() + seconds, ctypes.byref(connection))
    return said, connection.value
