"""The import rules of the architecture: who may know whom."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MODELS, SERVER = "corridorkey_models", "corridorkey_server"
PURE = ("params.py", "errors.py", "primaries.py")
NUKE_CLIENT = "corridorkey_nuke"
NUKE_API = {"nuke", "nukescripts", "PySide2", "PySide6"}
ABSENT = {"lzma", "multiprocessing", "sqlite3", "tkinter"}
"""Of the standard library what a Nuke does not ship whole, or what would start another Nuke."""
BANNED_NAMES = {"utils", "helpers", "common", "manager", "misc"}


def sources(root: Path) -> list[Path]:
    """Every module of the three packages."""
    return sorted([*(root / "models").rglob("*.py"), *(root / "server").rglob("*.py"), *nuke_sources(root)])


def nuke_sources(root: Path) -> list[Path]:
    """Every module that runs inside Nuke, from the package."""
    return sorted((root / "nuke_gizmo" / "python").rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Top-level names of the packages a module imports; relative imports are the module's own package."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def test_models_do_not_know_the_server(root: Path) -> None:
    """What happens to a frame does not depend on how it gets there."""
    modules = sorted((root / "models").rglob("*.py"))
    assert modules
    assert [path.name for path in modules if SERVER in imported(path)] == []


def test_only_the_worker_imports_torch_in_the_server(root: Path) -> None:
    """Torch enters the server through one door."""
    found = [path.name for path in sorted((root / "server").rglob("*.py")) if "torch" in imported(path)]
    assert found == ["worker.py"]


@pytest.mark.parametrize(
    "module",
    [f"{MODELS}.{name}" for name in ("color", "hint", "keyed", "view")] + [f"{SERVER}.batch"],
)
def test_clients_of_a_daemon_load_no_torch(module: str) -> None:
    """What a range is keyed with through a daemon needs no torch, with all that it imports."""
    script = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_table_and_the_errors_import_nothing_but_python(root: Path) -> None:
    """The parameter table can be read by anything: it does no I/O and needs no package."""
    for name in PURE:
        outside = set(imported(root / "models" / MODELS / name)) - sys.stdlib_module_names
        assert outside == set(), name
        assert not {"os", "pathlib", "io", "socket"} & set(imported(root / "models" / MODELS / name))


def test_no_module_is_named_after_nothing(root: Path) -> None:
    """Every module is named for one thing."""
    assert BANNED_NAMES & {path.stem for path in sources(root)} == set()


def test_one_module_asks_nuke(root: Path) -> None:
    """What Nuke is asked stands in one place; the rest runs without it."""
    assert [path.name for path in nuke_sources(root) if NUKE_API & set(imported(path))] == ["host.py"]


def test_the_client_in_nuke_needs_nothing_but_python(root: Path) -> None:
    """Another package inside Nuke is what stops it from starting."""
    allowed = (sys.stdlib_module_names - ABSENT) | {NUKE_CLIENT}
    found = {path.name: set(imported(path)) - allowed for path in nuke_sources(root)}
    assert {name: names for name, names in found.items() if names} == {"host.py": {"nuke"}}


def test_scripts_that_nuke_runs_at_its_start_need_nothing_but_its_own(root: Path) -> None:
    """init.py and menu.py know Nuke and our client."""
    for name in ("init.py", "menu.py"):
        outside = set(imported(root / "nuke_gizmo" / name)) - sys.stdlib_module_names
        assert outside <= {"nuke", NUKE_CLIENT}, name


def test_the_client_in_nuke_loads_nothing_by_itself(root: Path) -> None:
    """Importing it does nothing and needs no Nuke: scripts name it on machines that have none of it running."""
    script = (
        f"import sys; sys.path.insert(0, sys.argv[1]); before = set(sys.modules); import {NUKE_CLIENT}\n"
        "heavy = {'nuke', 'socket', 'threading', 'subprocess', 'json', 'hashlib'} & (set(sys.modules) - before)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    command = [sys.executable, "-I", "-S", "-c", script, str(root / "nuke_gizmo" / "python")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


LIGHT = ("params", "--version", "models", "ps", "status", "stop", "unload", "start --help", "serve --help")


@pytest.mark.parametrize("command", [words.split() for words in LIGHT])
def test_light_commands_load_nothing_heavy(command: list[str], tmp_path: Path) -> None:
    """Listing parameters or weights, or asking a daemon, does not wait for torch."""
    script = (
        "import sys; from corridorkey_server.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'OpenImageIO', 'OpenEXR', 'scipy', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    environment = {"CKEY_MODELS": str(tmp_path), "CKEY_RUNTIME": os.environ["CKEY_RUNTIME"], "PATH": ""}
    ran = subprocess.run(
        [sys.executable, "-c", script, *command], capture_output=True, text=True, env=environment, check=False
    )
    assert ran.returncode == 0, ran.stderr
