"""What the fuse declares of the client library is what the header says, and it looks for it where it is installed."""

import re
from pathlib import Path
from typing import Any

import pytest
from lupa import luajit21

from corridorkey_server import host_files
from corridorkey_server.install_fuse import Account, known_places

HEADER = "ofx_bridge/include/corridorkey.h"
MODULES = "resolve_fuse/Modules/Lua"

PLATFORMS = {"Linux": "linux", "OSX": "darwin", "Windows": "win32"}  # by LuaJIT's names of systems
MACHINES = {"x64": ("x86_64", "AMD64"), "arm64": ("aarch64", "arm64")}  # by LuaJIT's names of processors


@pytest.fixture
def library(root: Path) -> Any:
    """The module of the fuse that finds the client library."""
    lua = luajit21.LuaRuntime()
    lua.execute(f'package.path = "{root / MODULES}/?.lua"')
    return lua.eval('require("corridorkey_library")')


def squeezed(text: str) -> str:
    """Return a declaration with single spaces."""
    return " ".join(text.split())


def header_functions(root: Path) -> set[str]:
    """Return the declarations of all functions in the header."""
    return {squeezed(found) for found in re.findall(r"CK_API ([^;]+);", (root / HEADER).read_text())}


def header_constants(root: Path) -> dict[str, int]:
    """Return all constants of the header and of the rendered one that name a number."""
    text = (root / HEADER).read_text()
    constants = {name: int(value) for name, value in re.findall(r"\b(CK_[A-Z_]+) = (-?\d+)", text)}
    constants |= {name: int(value) for name, value in re.findall(r"#define (CK_[A-Z_]+) (\d+)", text)}
    rendered = (root / HEADER.replace(".h", "_params.h")).read_text()
    (priorities,) = re.findall(r"enum ck_priority \{([^}]+)\}", rendered)
    return constants | {name.strip(): index for index, name in enumerate(priorities.split(","))}


def test_declarations_are_the_headers(root: Path, library: Any) -> None:
    """Every function that the fuse declares stands in the header, to the letter, and so does every constant."""
    declared = {squeezed(line) for line in library.DECLARATIONS.split(";") if "(" in line}
    assert len(declared) >= 15
    assert declared <= header_functions(root)
    constants = header_constants(root)
    assert {name: constants[name] for name in library.CONSTANTS} == dict(library.CONSTANTS)
    assert constants["CK_ABI"] == library.ABI


@pytest.mark.parametrize("system", PLATFORMS)
def test_the_fuse_looks_where_it_is_installed(
    system: str, root: Path, library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folders are all those of `ckey install fuse`, of the user and of the system, and the one beside it."""
    environ = {"HOME": "/home/me", "APPDATA": "/home/me/Roaming", "PROGRAMDATA": "/ProgramData"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    account = Account(environ, Path("/home/me"), PLATFORMS[system])
    places = [place for is_system in (False, True) for place in known_places(account, None, is_system)]
    beside, *found = library.folders(system, None).values()
    assert sorted(found) == sorted(str(place.folder / "Fuses" / "CorridorKey") for place in places)
    assert Path(beside).resolve() == root / "resolve_fuse" / "Fuses" / "CorridorKey"


def test_the_fuse_knows_every_library(library: Any) -> None:
    """Each system has the folder and the file that the package has for it."""
    assert dict(library.FILES) == host_files._LIBRARIES
    assert set(library.SYSTEMS.values()) == host_files._LIBRARIES.keys()


def test_systems_have_one_name(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What LuaJIT tells of a machine leads to the name that Python gives it."""
    for told, name in dict(library.SYSTEMS).items():
        system, processor = told.split()
        for machine in MACHINES[processor]:
            with monkeypatch.context() as patch:
                patch.setattr("sys.platform", PLATFORMS[system])
                patch.setattr("platform.machine", lambda machine=machine: machine)
                found = host_files.system_name()
            assert found == name, (told, machine)
