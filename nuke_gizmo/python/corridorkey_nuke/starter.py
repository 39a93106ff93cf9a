"""Starts the daemon, as `ckey start` in a terminal would. Knows no Nuke and no protocol: only what the program says."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from .failure import Refusal

_FILE = "ckey.path"  # written by `ckey install nuke`: one line, the full path of the ckey that installed
_SPEAKER = "ckey: "  # with which a sentence about a failure begins
_LINE = 4096  # bytes of a line, and of that file, that are read
_SLICE = 0.1  # seconds between two looks
_STOP = 1.0  # seconds for a program to follow a signal

HOSTS_OWN = (
    "DYLD_",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "QT_PLUGIN_PATH",
)
"""Variables that Nuke sets for its own libraries and that would lead others astray; one that ends with _ is all so."""


def find_command() -> str:
    """Return the full path of `ckey`: the one that installed this package, else the one on PATH.

    Raises:
        Refusal: there is none.
    """
    return find_command_in(Path(__file__).absolute().parents[2], os.environ)


def find_command_in(installed: Path, environ: Mapping[str, str]) -> str:
    """Return the full path of `ckey`; see `find_command`.

    Args:
        installed: the folder that has init.py, menu.py and python.
        environ: for PATH, of which what is relative does not count: Nuke's working folder may be anything.

    Raises:
        Refusal: there is none.
    """
    folders = [Path(folder) for folder in environ.get("PATH", "").split(os.pathsep)]
    for path in (_written(installed), *[folder / "ckey" for folder in folders]):
        if path.is_absolute() and path.is_file() and os.access(str(path), os.X_OK):
            return str(path)
    raise Refusal("ckey was not found; run `ckey start` in a terminal, or `ckey install nuke` again.")


def _written(installed: Path) -> Path:
    """Return the path in the first line of ckey.path, no full one if there is none or it is endless."""
    try:
        with (installed / _FILE).open("rb") as file:
            data = file.read(_LINE)
    except OSError:
        return Path()
    line = os.fsdecode(data.split(b"\n")[0].rstrip(b"\r"))
    return Path() if len(data) == _LINE or "\0" in line else Path(line)


def start(watch: Callable[[float], object], command: str | None = None, seconds: float = 120.0) -> None:
    """Run `ckey start`, and return when the daemon answers.

    Args:
        watch: called at least ten times a second with the seconds waited so far; what it raises stops the program.
        command: full path of `ckey`; what `find_command` finds if None.
        seconds: after which it is stopped.

    Raises:
        Refusal: there is no `ckey`, or it failed; the sentence is what it said last.
    """
    if sys.platform == "win32":
        raise Refusal("CorridorKey cannot start its daemon from Nuke on Windows yet; run `ckey start` in a terminal.")
    program = _run(command or find_command())
    last = _LastLine()
    began = time.monotonic()
    try:
        while program.poll() is None:
            waited = time.monotonic() - began
            watch(waited)
            if waited > seconds:
                raise Refusal(f"`ckey start` did not end within {seconds:.0f} s; run it in a terminal.")
            _listen(program, last, _SLICE)
        _listen(program, last, 0.0)
    finally:
        _end(program)
    _judge(program.returncode, last.text())


def _run(command: str) -> subprocess.Popen[bytes]:
    try:
        program = subprocess.Popen(
            [command, "start"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=clean_environment(os.environ),
            start_new_session=True,
        )
    except OSError as error:
        raise Refusal(f"{command} cannot be run; install CorridorKey again.") from error
    os.set_blocking(_pipe(program), False)
    return program


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what is there for Nuke's own libraries."""
    prefixes = tuple(name for name in HOSTS_OWN if name.endswith("_"))
    return {name: value for name, value in environ.items() if name not in HOSTS_OWN and not name.startswith(prefixes)}


class _LastLine:
    """What a program says, of which the last line is kept."""

    def __init__(self) -> None:
        self._last = self._begun = b""

    def add(self, data: bytes) -> None:
        """Hear more of it."""
        *whole, rest = data.replace(b"\r", b"\n").split(b"\n")
        for line in whole:
            self._last = (self._begun + line)[:_LINE] or self._last
            self._begun = b""
        self._begun = (self._begun + rest)[:_LINE]

    def text(self) -> str:
        """Return the last line that is not empty, whether it was ended or not."""
        return (self._begun or self._last).decode("utf-8", "replace").strip()


def _pipe(program: subprocess.Popen[bytes]) -> int:
    assert program.stdout is not None
    return program.stdout.fileno()


def _listen(program: subprocess.Popen[bytes], last: _LastLine, seconds: float) -> None:
    """Wait at most that long for it to say something, and hear what it has said."""
    until = time.monotonic() + seconds
    poll = select.poll()
    poll.register(_pipe(program), select.POLLIN)
    poll.poll(1000 * seconds)
    with suppress(BlockingIOError):
        data = os.read(_pipe(program), 65536)
        while data:
            last.add(data)
            if time.monotonic() > until + _SLICE:
                return
            data = os.read(_pipe(program), 65536)
        # It has closed its end and may live on: there is nothing to be polled any more.
        time.sleep(max(0.0, min(0.01, until - time.monotonic())))


def _judge(code: int, said: str) -> None:
    # A host that takes in every child itself lets nobody learn the code; then what was said last tells.
    is_complaint = said.startswith(_SPEAKER)
    if code == 0 and not is_complaint:
        return
    said = said[len(_SPEAKER) :] if is_complaint else said
    raise Refusal(said or "`ckey start` failed and said nothing; run it in a terminal.")


def _end(program: subprocess.Popen[bytes]) -> None:
    """Stop it, if it still runs, with what it started itself, but for what left its session, as the daemon does."""
    for way in (signal.SIGTERM, signal.SIGKILL):
        if program.poll() is None:
            with suppress(OSError):
                os.killpg(program.pid, way)
            with suppress(subprocess.TimeoutExpired):
                program.wait(_STOP)
    if program.stdout is not None:
        program.stdout.close()
