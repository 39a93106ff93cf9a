"""Paths as people give them: names that the image libraries cannot take, and what is there. Reads no file."""

import os
from pathlib import Path

from corridorkey_models.errors import InputError


def given_path(source: str | os.PathLike[str]) -> Path:
    """Return what was typed as a path, ~ resolved; InputError as of `check_name`, or if nobody has that home."""
    path = Path(source)
    check_name(path)
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise InputError(f"{path} names the home of nobody here; write the path in full.") from error


def check_name(path: Path) -> None:
    """Raise InputError for a path that is not UTF-8, which the image libraries cannot take, or that holds a NUL."""
    text = str(path)
    if "\0" in text:
        raise InputError(f"{printable(text)} has a NUL character in its name; check the path.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{printable(text)} cannot be used: its name is not UTF-8; rename it.") from error


def printable(text: str) -> str:
    r"""Return a name with its bytes that are not UTF-8 as \udc80 to \udcff, so that it can be printed."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\0")


def mode(path: Path) -> int:
    """Return the type and rights of what is at a path as `os.stat` gives them, 0 if there is nothing.

    Raises:
        InputError: it cannot be told: a missing right, too long a name, a file server that does not answer.
    """
    # Not Path.is_file: which errors it raises and which it takes for "no" depends on the version of Python.
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> InputError:
    """Return what to raise for a file or folder that cannot be looked at."""
    return InputError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}; check the path.")
