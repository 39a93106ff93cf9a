"""What runs inside Nuke runs in Python 3.7, which Nuke 13 has: its syntax, its standard library, its builtins."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FLOOR = (3, 7)
PLAIN = {"bool", "bytes", "dict", "float", "frozenset", "int", "list", "set", "str", "tuple", "type"}
GENERIC = PLAIN | {"Match", "OrderedDict", "Pattern", "Popen", "Queue", "defaultdict", "deque"}
"""Types that take no [...] yet, as those of collections.abc."""

LATER_METHODS = {"removeprefix", "removesuffix", "bit_count", "is_relative_to", "with_stem", "hardlink_to", "add_note"}
"""Of the standard library since 3.8, by names that nothing else has; vermin knows them where it sees the type."""

EARLY = "from __future__ import annotations\n"
SYNTAX = {
    "a walrus": "if (one := 1): print(one)",
    "an argument by position only": "def one(a, /): return a",
    "a match": "match 1:\n    case 1: pass",
    "parentheses around managers": "with (open('a') as a, open('b') as b): pass",
    "an f-string with =": "one = 1; print(f'{one=}')",
    "an unpacked return": "def one(a):\n    return *a, 1",
}
LIBRARY = {
    "functools.cache": "from functools import cache",
    "a union of dicts": "one = {} | {}",
    "an argument": "import pathlib\npathlib.Path('a').unlink(missing_ok=True)",
    "a module": "import tomllib",
    "shared memory": "from multiprocessing import shared_memory",
}
BUILTINS = {
    "removeprefix": "def one(a):\n    return a.removeprefix('b')",
    "an alias": EARLY + "Pair = tuple[int, int]",
    "an alias with |": EARLY + "Number = int | None",
    "an abstract alias": EARLY + "from collections.abc import Callable\nCallback = Callable[..., None]",
    "a queue": "import queue\none = queue.Queue[int]()",
    "an annotation": "def one(a: list[int]): pass",
    "an annotated name": "one: int | None = None",
    "a base": EARLY + "class One(dict[str, int]): pass",
    "a cast": EARLY + "from typing import cast\none = cast(list[int], [])",
}


def sources(root: Path) -> list[Path]:
    """Every module that Nuke runs."""
    gizmo = root / "nuke_gizmo"
    scripts = [gizmo / "init.py", gizmo / "menu.py", root / "tests" / "hosts" / "nuke_smoke.py"]
    return [*sorted((gizmo / "python").rglob("*.py")), *(path for path in scripts if path.exists())]


def syntax_faults(text: str) -> list[str]:
    """Say what in a module the parser of Python 3.7 does not know."""
    try:
        tree = ast.parse(text, feature_version=FLOOR)
    except SyntaxError as error:
        return [f"line {error.lineno}: {error.msg}"]
    return [
        f"line {node.lineno}: a tuple with * and no parentheses"
        for node in ast.walk(tree)
        if isinstance(node, ast.Return) and has_bare_star(node, text)
    ]


def has_bare_star(node: ast.Return, text: str) -> bool:
    """Whether a tuple is returned without parentheses and with something unpacked in it."""
    value = node.value
    if not isinstance(value, ast.Tuple) or not any(isinstance(item, ast.Starred) for item in value.elts):
        return False
    return not (ast.get_source_segment(text, value) or "").startswith("(")


def builtin_faults(text: str) -> list[str]:
    """Say what in a module builtins of Python 3.7 cannot do, by its look."""
    tree = ast.parse(text)
    faults = [
        f"line {node.lineno}: {node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in LATER_METHODS
    ]
    generic = GENERIC | set(abstract_names(tree))
    return faults + [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in evaluated(tree)
        if is_later_generic(node, generic) or is_later_union(node)
    ]


def abstract_names(tree: ast.Module) -> Iterator[str]:
    """Names that a module has from collections.abc."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "collections.abc":
            yield from (alias.asname or alias.name for alias in node.names)


def is_later_generic(node: ast.expr, names: set[str]) -> bool:
    """Whether an expression is one of `names` with [...]."""
    return isinstance(node, ast.Subscript) and ast.unparse(node.value).rpartition(".")[2] in names


def is_later_union(node: ast.expr) -> bool:
    """Whether an expression is a union with None, or of builtin types."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.BitOr):
        return False
    return any(ast.unparse(side) in PLAIN | {"None"} for side in (node.left, node.right))


def evaluated(tree: ast.Module) -> Iterator[ast.expr]:
    """Walk through the expressions that are evaluated: annotations are only without the import from __future__."""
    later = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
    hidden: set[int] = set()
    for node in ast.walk(tree):
        for field, value in ast.iter_fields(node):
            if later and field in {"annotation", "returns"} and isinstance(value, ast.AST):
                hidden |= {id(part) for part in ast.walk(value)}
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.expr) and id(node) not in hidden)


def run_vermin(*paths: Path) -> subprocess.CompletedProcess[str]:
    """Run vermin as `make lint` does."""
    vermin = Path(sys.executable).parent / "vermin"
    command = [str(vermin), "--quiet", "--no-tips", "--violations", "--target=3.7-"]
    return subprocess.run([*command, *map(str, paths)], capture_output=True, text=True, check=False)


def test_every_module_is_python_of_the_floor(root: Path) -> None:
    """No module has syntax, types or methods that came after it."""
    modules = sources(root)
    assert modules
    found = {path.name: syntax_faults(text) + builtin_faults(text) for path in modules for text in [path.read_text()]}
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_vermin_agrees(root: Path) -> None:
    """Of the standard library nothing is used that came later."""
    ran = run_vermin(*sources(root))
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("text", SYNTAX.values(), ids=SYNTAX)
def test_later_syntax_is_seen(text: str) -> None:
    """Each kind of syntax that came later is told."""
    ast.parse(text)
    assert len(syntax_faults(text)) == 1


@pytest.mark.parametrize("text", LIBRARY.values(), ids=LIBRARY)
def test_a_later_library_is_seen(text: str, tmp_path: Path) -> None:
    """Vermin, as it is called here, refuses what came later."""
    module = tmp_path / "later.py"
    module.write_text(text)
    ran = run_vermin(module)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "require" in ran.stdout


@pytest.mark.parametrize("text", BUILTINS.values(), ids=BUILTINS)
def test_later_builtins_are_seen(text: str) -> None:
    """Each thing that vermin overlooks is told."""
    assert len(builtin_faults(text)) == 1


def test_what_the_floor_has_is_left_alone() -> None:
    """Annotations that nobody evaluates, sets with |, and lookups in names that merely look alike are no faults."""
    text = (
        EARLY + "def one(a: list[int] | None) -> dict[str, int]:\n    flags = a | 1\n    return lists[0], {1} | flags"
    )
    assert syntax_faults(text) == builtin_faults(text) == []


def test_make_lint_asks_vermin_the_same(root: Path) -> None:
    """The Makefile's call has the options that are tried here, over all that is in the package."""
    text = (root / "Makefile").read_text()
    assert "vermin --quiet --no-tips --violations --target=3.7- $(NUKE)" in text
    assert "NUKE := nuke_gizmo/python nuke_gizmo/init.py nuke_gizmo/menu.py tests/hosts/nuke_smoke.py" in text
