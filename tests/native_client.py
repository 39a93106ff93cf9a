"""The C client library as Python sees it: what a host does through `corridorkey.h`, with numpy arrays for planes."""

import ctypes
from ctypes import POINTER, byref, c_char_p, c_double, c_float, c_int, c_void_p
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

import native

ABI = 1
OK, WAITING, CANCELLED = 0, 1, 2
REFUSED, DOWN, SILENT, UNSAFE, VERSION, MISUSED, NO_MEMORY = -1, -2, -3, -4, -5, -6, -7
IN, OUT, MASK, HINT = 0, 1, 2, 3
WITH_MASKS, WITH_HINT = 1, 2
HAS_HINT, HAS_ALPHA, HAS_INSIDE, HAS_OUTSIDE = 1, 2, 4, 8
EMPTY, KEPT, SECONDS, SCREEN, CODE = 0, 1, 2, 3, 4
CHANNELS = {IN: 4, OUT: 4, MASK: 2, HINT: 1}


def library() -> ctypes.CDLL:
    """Return the library, with the types of its calls."""
    code = native.library("client")
    arguments = {
        "ck_open": (c_int, c_char_p, c_int, POINTER(c_void_p)),
        "ck_close": (c_void_p,),
        "ck_slot": (c_void_p, c_int, c_int, c_int, POINTER(c_void_p)),
        "ck_poll": (c_void_p, c_int, POINTER(c_double)),
        "ck_plane": (c_void_p, c_int),
        "ck_flag": (c_void_p, c_char_p, c_int),
        "ck_number": (c_void_p, c_char_p, c_double),
        "ck_word": (c_void_p, c_char_p, c_char_p),
        "ck_submit": (c_void_p, c_int, c_int, c_char_p, c_int),
        "ck_detect": (c_void_p, c_char_p),
        "ck_cancel": (c_void_p,),
        "ck_release": (c_void_p,),
        "ck_fact": (c_void_p, c_int),
        "ck_notes": (c_void_p, c_char_p, c_int),
        "ck_stage": (c_void_p, c_char_p, c_int),
        "ck_describe": (c_void_p, c_char_p, c_int),
        "ck_error": (c_char_p, c_int),
        "ck_retry": (c_void_p,),
    }
    for name, types in arguments.items():
        getattr(code, name).argtypes = types
    code.ck_plane.restype = c_void_p
    code.ck_fact.restype = c_double
    code.ck_close.restype = code.ck_release.restype = code.ck_retry.restype = None
    return code


class Failed(Exception):
    """A call failed.

    Attributes:
        status: what it returned.
    """

    def __init__(self, status: int) -> None:
        super().__init__(error())
        self.status = status


def error() -> str:
    """Return why the last call of this thread failed."""
    text = ctypes.create_string_buffer(4096)
    library().ck_error(text, len(text))
    return text.value.decode()


def checked(status: int) -> int:
    """Return a status unless it is a failure."""
    if status < 0:
        raise Failed(status)
    return status


class NativeFrame:
    """A frame of a client, and its planes."""

    def __init__(self, client: c_void_p, width: int, height: int, planes: int = 0) -> None:
        self._code, self._handle = library(), c_void_p()
        self.width, self.height = width, height
        checked(self._code.ck_slot(client, width, height, planes, byref(self._handle)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()

    def poll(self, seconds: float = 0.0) -> int:
        """Return what the frame is at, waiting for it."""
        return checked(self._code.ck_poll(self._handle, int(1000 * seconds), None))

    def progress(self) -> float:
        """Return how far it is."""
        fraction = c_double()
        checked(self._code.ck_poll(self._handle, 0, byref(fraction)))
        return fraction.value

    def plane(self, plane: int) -> NDArray[np.float32]:
        """Return a plane, which is memory shared with the daemon."""
        address = self._code.ck_plane(self._handle, plane)
        assert address, "there is no such plane"
        count = self.width * self.height * CHANNELS[plane]
        floats = np.ctypeslib.as_array(ctypes.cast(address, POINTER(c_float)), (count,))
        return floats.reshape(self.height, self.width, CHANNELS[plane])

    def has(self, plane: int) -> bool:
        """Whether there is such a plane."""
        return bool(self._code.ck_plane(self._handle, plane))

    def set(self, **params: bool | float | str) -> None:
        """Set parameters."""
        for name, value in params.items():
            checked(self._set(name.encode(), value))

    def _set(self, name: bytes, value: bool | float | str) -> int:
        if isinstance(value, str):
            return int(self._code.ck_word(self._handle, name, value.encode()))
        if isinstance(value, bool):
            return int(self._code.ck_flag(self._handle, name, value))
        return int(self._code.ck_number(self._handle, name, value))

    def submit(self, contents: int = HAS_HINT, priority: int = 0, node: str = "", number: int = 0) -> None:
        """Send it."""
        self.set(working_space="linear_rec709")
        checked(self._code.ck_submit(self._handle, contents, priority, node.encode(), number))

    def detect(self, space: str) -> None:
        """Ask for its screen."""
        checked(self._code.ck_detect(self._handle, space.encode()))

    def cancel(self) -> None:
        """Stop it."""
        checked(self._code.ck_cancel(self._handle))

    def release(self) -> None:
        """Give it back; calling it again does nothing."""
        self._code.ck_release(self._handle)
        self._handle = c_void_p()

    def fact(self, fact: int) -> float:
        """Return a fact about the result."""
        return float(self._code.ck_fact(self._handle, fact))

    def notes(self) -> list[str]:
        """Return the sentences about the result."""
        text = ctypes.create_string_buffer(20000)
        self._code.ck_notes(self._handle, text, len(text))
        return text.value.decode().splitlines()

    def stage(self) -> str:
        """Return what it is at."""
        text = ctypes.create_string_buffer(100)
        self._code.ck_stage(self._handle, text, len(text))
        return text.value.decode()


class NativeClient:
    """A client of the daemon where CKEY_RUNTIME says."""

    def __init__(self, name: str = "native", connect_ms: int = 250, abi: int = ABI) -> None:
        self._code, self._handle = library(), c_void_p()
        checked(self._code.ck_open(abi, name.encode(), connect_ms, byref(self._handle)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the session."""
        self._code.ck_close(self._handle)
        self._handle = c_void_p()

    def slot(self, width: int = 64, height: int = 36, planes: int = 0) -> NativeFrame:
        """Ask for a frame."""
        return NativeFrame(self._handle, width, height, planes)

    def ready(self, width: int = 64, height: int = 36, planes: int = 0) -> NativeFrame:
        """Return a frame whose memory is there."""
        frame = self.slot(width, height, planes)
        try:
            assert frame.poll(10) == OK
        except BaseException:
            frame.release()
            raise
        return frame

    def describe(self) -> str:
        """Return a line about the daemon."""
        text = ctypes.create_string_buffer(8192)
        checked(self._code.ck_describe(self._handle, text, len(text)))
        return text.value.decode()

    def retry(self) -> None:
        """Forget that the daemon was down."""
        self._code.ck_retry(self._handle)
