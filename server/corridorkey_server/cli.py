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

from .terminal import say

COMMANDS = {
    "key": "key a frame, a sequence or a movie",
    "demo": "render a synthetic shot, key it, and print the error against the truth",
    "start": "start the daemon, which holds the model for all programs",
    "stop": "stop the daemon",
    "ps": "show what the daemon does, and for whom",
    "status": "say how the daemon is, also as JSON",
    "unload": "give the daemon's memory back until the next frame",
    "serve": "run the daemon in this terminal",
    "pull": "download CorridorKey's weights, or take them from a file",
    "models": "list the weights that are installed",
    "install": "put a plug-in where its hosts find it",
    "uninstall": "take a plug-in away again",
    "params": "print the parameter table",
}
"""Every subcommand and what it does; its module is loaded only when it is called."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ckey` with `argv`, the process's own arguments if None, and return the exit code."""
    _open_closed_streams()
    try:
        code = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except CorridorKeyError as error:
        say(f"ckey: {error}")
        code = 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        say("ckey: stopped.")
        code = 1
    except OSError as error:
        code = _run_out_of_output(error)
    return code


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in COMMANDS:
        return _run_top(arguments)
    module = _load(arguments[0])
    return int(module.run(_parser(arguments[0], module).parse_args(arguments[1:])))


def _run_out_of_output(error: OSError) -> int:
    """Say what went wrong, unless it is only that the reader of our output went away (`ckey params | head`)."""
    if not isinstance(error, BrokenPipeError):
        say(f"ckey: {error}; check that place and try again.")
    # Python would try to write the rest again at exit, and complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _open_closed_streams() -> None:
    """Give a process that was started without output (`2>&-`, some daemons) somewhere to write."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


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
    lines = "\n".join(f"  {name:9} {summary}" for name, summary in COMMANDS.items())
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
