"""Compiles C sources of the project for tests, with the machine's own compiler; warnings are errors.

With CKEY_SANITIZE set the code watches its own memory (ASan, UBSan); Python then has to run with libasan preloaded.
"""

import ctypes
import functools
import os
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

BRIDGE = Path(__file__).parent.parent / "ofx_bridge"
FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror", "-pthread")
SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")


def sources(*folders: str) -> list[Path]:
    """Return the C files of folders of ofx_bridge that this system needs."""
    found = [path for folder in folders for path in sorted((BRIDGE / folder).glob("*.c"))]
    return [path for path in found if not path.stem.endswith("_windows")]


def is_sanitized() -> bool:
    """Whether what is compiled watches its own memory."""
    return bool(os.environ.get("CKEY_SANITIZE"))


def compile_c(files: Iterable[Path], target: Path, *flags: str) -> Path:
    """Compile and link `files` into `target`: a program, or a library with the flag -shared; returns `target`."""
    watching = SANITIZED if is_sanitized() else ()
    command = ["gcc", *FLAGS, *watching, *flags, *map(str, files), "-o", str(target), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@functools.cache
def library(*folders: str) -> ctypes.CDLL:
    """Return the code of folders of ofx_bridge with all that it has inside open to be called."""
    folder = Path(tempfile.mkdtemp(prefix="ckey-c-"))
    return ctypes.CDLL(str(compile_c(sources(*folders), folder / "code.so", "-shared", "-fPIC")))
