"""Print the parameter table: name, default, range or choices, and what each parameter does."""

import argparse
import json
import sys

from corridorkey_models.params import PARAMS, Param


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `ckey params`."""
    parser.add_argument("--json", action="store_true", help="as JSON, for scripts")


def run(args: argparse.Namespace) -> int:
    """Write the table to standard output."""
    sys.stdout.write(_json() if args.json else "\n".join(map(_entry, PARAMS)) + "\n")
    return 0


def _json() -> str:
    rows = [
        {
            "name": param.name,
            "kind": param.kind,
            "default": param.default,
            "low": param.low,
            "high": param.high,
            "choices": list(param.choices),
            "label": param.label,
            "tooltip": param.tooltip,
            "stage": param.stage.value,
        }
        for param in PARAMS
    ]
    return json.dumps(rows, indent=2) + "\n"


def _entry(param: Param) -> str:
    return f"{param.name} = {describe_value(param.default)}    ({describe_range(param)})\n    {param.tooltip}"


def describe_value(value: object) -> str:
    """Return a value as it is written on the command line."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def describe_range(param: Param) -> str:
    """Return what a parameter accepts."""
    if param.kind == "bool":
        return "on, off"
    return ", ".join(param.choices) if param.choices else f"{param.low:g} to {param.high:g}"
