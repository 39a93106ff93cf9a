"""Finds what is made for hosts: in an installed package beside this module, in a checkout where `make ofx` put it."""

import platform
import sys
from pathlib import Path

from corridorkey_models.errors import InputError

BUNDLE = "CorridorKey.ofx.bundle"

_PACKAGE = Path(__file__).parent
_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
_LIBRARIES = {
    "linux-x86_64": "libcorridorkey.so",
    "linux-aarch64": "libcorridorkey.so",
    "macos": "libcorridorkey.dylib",
    "windows-x86_64": "corridorkey.dll",
}


def find_bundle(package: Path = _PACKAGE) -> Path:
    """Return the folder CorridorKey.ofx.bundle, which holds the OFX plug-in for every system.

    Args:
        package: folder of corridorkey_server.

    Raises:
        InputError: it is not there.
    """
    return _find(package, BUNDLE)


def find_library(package: Path = _PACKAGE, system: str | None = None) -> Path:
    """Return the client library.

    Args:
        package: folder of corridorkey_server.
        system: what it is for, as `system_name` says; this one if None.

    Raises:
        InputError: it is not there, or there is none for such a system.
    """
    system = system or system_name()
    if system not in _LIBRARIES:
        raise InputError(f"there is no CorridorKey library for {system}; use one of: {', '.join(_LIBRARIES)}.")
    return _find(package, f"lib/{system}/{_LIBRARIES[system]}")


def system_name() -> str:
    """Return what native files for this system are called: its name and, but for macOS, the processor's."""
    if sys.platform == "darwin":
        return "macos"
    machine = platform.machine().lower()
    return f"{'windows' if sys.platform == 'win32' else sys.platform}-{_MACHINES.get(machine, machine)}"


def _find(package: Path, name: str) -> Path:
    checkout = package.parent.parent
    if (checkout / "ofx_bridge").is_dir():
        folder, reason = checkout / "build" / "native", "this checkout has no built plug-in; run `make ofx`."
    else:
        folder, reason = package / "hosts", "this installation lacks its plug-ins; install corridorkey-comp again."
    found = folder / name
    if not found.exists():
        raise InputError(reason)
    return found
