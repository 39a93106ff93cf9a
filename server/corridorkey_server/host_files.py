"""Finds what is made for hosts: in an installed package beside this module, in a checkout where it lies.

There the fuse and the node for Nuke are sources, and the rest is where `make ofx` put it.
"""

import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from corridorkey_models.errors import InputError

BUNDLE = "CorridorKey.ofx.bundle"
FUSE = "CorridorKey.fuse"
GIZMO = "CorridorKey.gizmo"

_PACKAGE = Path(__file__).parent
_HOSTS = "hosts"
_DAMAGED = "this installation lacks its plug-ins; install corridorkey-comp again."
_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
_GIZMO_FILES = ("*.gizmo", "*/*.gizmo", "init.py", "menu.py", "cat.json", "icons/*.png", "python/*/*.py")
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


def find_libraries(package: Path = _PACKAGE) -> Path:
    """Return the folder with the client library for every system, each in a folder of the system's name.

    Args:
        package: folder of corridorkey_server.

    Raises:
        InputError: it is not there.
    """
    return _find(package, "lib")


def find_fuse(package: Path = _PACKAGE) -> Path:
    """Return the folder with the fuse and its Modules.

    Args:
        package: folder of corridorkey_server.

    Raises:
        InputError: it is not there.
    """
    return _find_source(package, "resolve_fuse", "fuse", FUSE)


def find_gizmo(package: Path = _PACKAGE) -> Path:
    """Return the folder with the node for Nuke, its menus and its Python package.

    Args:
        package: folder of corridorkey_server.

    Raises:
        InputError: it is not there.
    """
    return _find_source(package, "nuke_gizmo", "nuke", GIZMO)


def gizmo_files(folder: Path) -> Sequence[Path]:
    """Return what Nuke needs of the folder that `find_gizmo` gives; in a checkout there is more in it."""
    return sorted(path for pattern in _GIZMO_FILES for path in folder.glob(pattern))


def system_name() -> str:
    """Return what native files for this system are called: its name and, but for macOS, the processor's."""
    if sys.platform == "darwin":
        return "macos"
    machine = platform.machine().lower()
    return f"{'windows' if sys.platform == 'win32' else sys.platform}-{_MACHINES.get(machine, machine)}"


def _find_source(package: Path, source: str, host: str, name: str) -> Path:
    checkout = _checkout(package)
    folder = checkout / source if checkout else package / _HOSTS / host
    if not (folder / name).is_file():
        raise InputError(f"this checkout lacks {source}/{name}; restore it." if checkout else _DAMAGED)
    return folder


def _find(package: Path, name: str) -> Path:
    checkout = _checkout(package)
    found = (checkout / "build" / "native" if checkout else package / _HOSTS) / name
    if not found.exists():
        raise InputError("this checkout has no built plug-in; run `make ofx`." if checkout else _DAMAGED)
    return found


def _checkout(package: Path) -> Path | None:
    """Return the checkout that the package lies in, None if it is installed."""
    checkout = package.parent.parent
    return checkout if (checkout / "ofx_bridge").is_dir() else None
