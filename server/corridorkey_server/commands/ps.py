"""Show what the daemon does: its device and memory, who uses it, what waits.

UNTIL is when the worker's memory is given back if no work comes. `ckey status --json` is for scripts.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from ..link import Link
from ..rendezvous import here

_MIB, _GB = 2**20, 1e9
_UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has no options."""
    del parser


def run(args: argparse.Namespace) -> int:
    """Print the tables, and return the exit code.

    Raises:
        NoDaemon: none runs.
        ResourceError: it does not answer.
    """
    del args
    with Link(here(), visit=True) as link:
        facts = link.status()
    sys.stdout.write("\n".join([_daemon(facts), "", *_clients(facts), _work(facts), _frames(facts), ""]))
    return 0


def _daemon(facts: dict[str, Any]) -> str:
    worker = facts["worker"]
    row = {
        "VERSION": facts["version"],
        "PROCESS": facts["pid"],
        "UPTIME": describe_seconds(facts["uptime"]),
        "DEVICE": describe_device(facts),
        "MODEL": describe_model(facts["model"]),
        "QUALITY": facts["quality"],
        "WORKER": "stopping" if facts["draining"] else worker["state"],
        "MEMORY": _memory(worker["memory"]),
        "UNTIL": _until(worker),
    }
    return table([list(row), list(row.values())])


def _memory(memory: dict[str, Any]) -> str:
    if not memory:
        return "-"
    return f"{describe_bytes(memory['used'])} of {describe_bytes(memory['total'])} {memory['kind'].upper()}"


def _until(worker: dict[str, Any]) -> str:
    if worker["until"] is not None:
        return f"in {describe_seconds(worker['until'])}"
    return "never" if worker["state"] == "idle" else "-"


def _clients(facts: dict[str, Any]) -> list[str]:
    """Return the table of clients with an empty line after it, nothing if there are none."""
    if not facts["sessions"]:
        return []
    rows = [
        (row["session"], row["client"] or "-", row["pid"], len(row["slots"]), row["bytes"] // _MIB, row["waiting"])
        for row in facts["sessions"]
    ]
    more = facts["session_count"] - len(rows)
    shown = table([("SESSION", "CLIENT", "PROCESS", "SLOTS", "MIB", "WAITING"), *rows])
    return [shown, *([f"and {more} more"] if more else []), ""]


def _work(facts: dict[str, Any]) -> str:
    running, slots = facts["running"], facts["slots"]
    at = "nothing is being keyed" if running is None else f"a frame of session {running['session']} is being keyed"
    held = f"{slots['bytes'] // _MIB} of {slots['cap'] // _MIB} MiB for frames"
    files = f", {count(facts['files'], 'file')} on the way" if facts["files"] else ""
    return f"{count(facts['queue'], 'frame')} waiting, {at}{files}, {held}"


def _frames(facts: dict[str, Any]) -> str:
    return "since its start: " + ", ".join(f"{number} {outcome}" for outcome, number in facts["frames"].items())


def table(rows: Sequence[Sequence[object]]) -> str:
    """Return rows as lines with their columns aligned; the first row is the heading.

    >>> print(table([("A", "B"), (1, "long word"), (222, "x")]))
    A    B
    1    long word
    222  x
    """
    cells = [["".join(c if c.isprintable() else "?" for c in str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)
    return "\n".join(lines)


def describe_device(facts: dict[str, Any]) -> str:
    """Return where frames are keyed, as far as it is known; a worker that did not start leaves it open."""
    starts = facts["worker"]["state"] == "starting"
    return facts["device"] or ("being prepared" if starts else "unknown")


def describe_seconds(seconds: float) -> str:
    """Return a time in its largest whole unit.

    >>> describe_seconds(59.9), describe_seconds(4000)
    ('59 s', '1 h')
    """
    for unit, length in _UNITS:
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"


def describe_bytes(size: float) -> str:
    """Return an amount of memory.

    >>> describe_bytes(2.34e9), describe_bytes(12e6)
    ('2.3 GB', '12 MB')
    """
    return f"{size / _GB:.1f} GB" if size >= _GB else f"{size / 1e6:.0f} MB"


def describe_model(model: str) -> str:
    """Return a model's name, of a path its last part."""
    return PurePath(model).name


def count(number: int, noun: str) -> str:
    """Return how many there are.

    >>> count(1, "frame"), count(2, "frame")
    ('1 frame', '2 frames')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"
