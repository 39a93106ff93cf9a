"""Say how the daemon is, in a few lines or as JSON for scripts. Exit code 1: none runs."""

import argparse
import json
import sys
from typing import Any

from ..link import Link
from ..rendezvous import here
from .ps import count, describe_device, describe_model, describe_seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `ckey status`."""
    parser.add_argument("--json", action="store_true", help="all that is known, as JSON")


def run(args: argparse.Namespace) -> int:
    """Print it, and return the exit code.

    Raises:
        NoDaemon: none runs.
        ResourceError: it does not answer.
    """
    place = here()
    with Link(place, visit=True) as link:
        facts = link.status()
    text = json.dumps(facts, indent=2) if args.json else f"{_describe(facts)}\nfolder {place.folder}"
    sys.stdout.write(text + "\n")
    return 0


def _describe(facts: dict[str, Any]) -> str:
    state = "stopping" if facts["draining"] else f"up {describe_seconds(facts['uptime'])}"
    model, frames, worker = describe_model(facts["model"]), facts["frames"], facts["worker"]["state"]
    lines = (
        f"daemon {facts['version']}, process {facts['pid']}, {state}",
        f"device {describe_device(facts)}, model {model}, quality {facts['quality']}, worker {worker}",
        f"{count(facts['session_count'], 'client')}, {count(facts['queue'], 'frame')} waiting, "
        f"{frames['keyed']} keyed, {frames['failed']} failed",
    )
    return "\n".join(lines)
