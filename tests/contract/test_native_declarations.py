"""What the fuse declares of the client library is what the header says."""

import re
from pathlib import Path

from lupa import luajit21

HEADER = "ofx_bridge/include/corridorkey.h"
MODULES = "resolve_fuse/Modules/Lua"


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


def test_declarations_are_the_headers(root: Path) -> None:
    """Every function that the fuse declares stands in the header, to the letter, and so does every constant."""
    lua = luajit21.LuaRuntime()
    lua.execute(f'package.path = "{root / MODULES}/?.lua"')
    library = lua.eval('require("corridorkey_library")')
    declared = {squeezed(line) for line in library.DECLARATIONS.split(";") if "(" in line}
    assert len(declared) >= 15
    assert declared <= header_functions(root)
    constants = header_constants(root)
    assert {name: constants[name] for name in library.CONSTANTS} == dict(library.CONSTANTS)
    assert constants["CK_ABI"] == library.ABI
