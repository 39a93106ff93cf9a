"""The command `ckey`: finds the subcommand and turns errors into one sentence and an exit code.

0: done. 1: not this time (disk full, stopped, frames not there yet), try again. 2: the request is wrong.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from corridorkey_models import __version__
from corridorkey_models.errors import CorridorKeyError, InputError

COMMANDS = {
    "key": "key a frame, a sequence or a movie",
    "demo": "render a synthetic shot, key it, and print the error against the truth",
    "pull": "download CorridorKey's weights, or take them from a file",
    "models": "list the weights that are installed",
    "params": "print the parameter table",
}
"""Every subcommand and what it does; its module is loaded only when it is called."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ckey` with `argv`, the process's own arguments if None, and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if not arguments or arguments[0] not in COMMANDS:
            return _run_top(arguments)
        module = _load(arguments[0])
        args = _parser(arguments[0], module).parse_args(arguments[1:])
        return int(module.run(args))
    except CorridorKeyError as error:
        print(f"ckey: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        print("ckey: stopped.", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of our output went away (`ckey params | head`); Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _load(command: str) -> ModuleType:
    return importlib.import_module(f".commands.{command}", __package__)


def _parser(command: str, module: ModuleType) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"ckey {command}",
        usage=getattr(module, "USAGE", None),
        description=module.__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    return parser


def _run_top(arguments: Sequence[str]) -> int:
    lines = "\n".join(f"  {name:8} {summary}" for name, summary in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="ckey",
        description="CorridorKey for compositors.",
        epilog=f"commands:\n{lines}\n\n`ckey COMMAND --help` lists a command's options.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ckey {__version__}")
    parser.add_argument("command", nargs="?", choices=COMMANDS, metavar="COMMAND", help="what to do")
    parser.parse_args(arguments)
    parser.print_help()
    return 2


if __name__ == "__main__":
    sys.exit(main())
