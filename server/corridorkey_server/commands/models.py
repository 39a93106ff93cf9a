"""List the weights that are installed, and with --verify read them again in full."""

import argparse
import sys
from pathlib import Path

from corridorkey_models.checkpoints import (
    CHECKPOINTS,
    list_installed,
    models_folder,
    read_installed,
    verify,
)
from corridorkey_models.errors import CheckpointError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `ckey models`."""
    parser.add_argument("--verify", action="store_true", help="compare every value with what was installed")


def run(args: argparse.Namespace) -> int:
    """Print what is installed, one paragraph each, and return the exit code.

    Raises:
        CheckpointError: one or more are damaged; the others are listed all the same.
        InputError: the models folder cannot be read.
    """
    sys.stdout.write(f"models folder: {models_folder()}\n")
    paths = list_installed()
    damaged = [error for path in paths if (error := _show(path, args.verify))]
    for name in CHECKPOINTS:
        if name not in {path.stem for path in paths}:
            sys.stdout.write(f"{name}: not installed; run `ckey pull {name}`\n")
    if damaged:
        raise CheckpointError(" ".join(map(str, damaged)))
    return 0


def _show(path: Path, verified: bool) -> CheckpointError | None:
    try:
        found = read_installed(path)
        if verified:
            verify(found)
    except CheckpointError as error:
        sys.stdout.write(f"{path.stem}: damaged\n")
        return error
    state = "whole" if verified else "installed"
    sys.stdout.write(
        f"{found.name}: {state}, {found.size / 1e6:.1f} MB, {found.date}\n"
        f"  source   {found.source}\n"
        f"  sha256   {found.sha256}\n"
        f"  tensors  {found.tensors_sha256}\n"
        f"  licence  {found.licence}\n"
    )
    return None
