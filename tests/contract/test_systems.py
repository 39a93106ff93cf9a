"""The modules of the three operating systems offer the same names with the same signatures."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from corridorkey_server import system

MODULES = ("linux", "macos", "windows")


@pytest.fixture
def folder(root: Path) -> Path:
    """Where the modules are."""
    return root / "server" / "corridorkey_server" / "system"


def surface(folder: Path, module: str) -> dict[str, object]:
    """Return the public names of a module with what a caller has to know of each."""
    names = ast.literal_eval(find(folder, module, "__all__").value)
    return {name: describe(find(folder, module, name)) for name in names}


def find(folder: Path, module: str, name: str) -> ast.stmt:
    """Return where a name is defined, in the module or where the module has it from."""
    for node in ast.walk(ast.parse((folder / f"{module}.py").read_text())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return node
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return node
        if isinstance(node, ast.ImportFrom) and node.level == 1 and name in {alias.name for alias in node.names}:
            return find(folder, node.module or "", name)
    raise AssertionError(f"{module} has no {name}")


def describe(node: ast.stmt) -> object:
    """Return the signature of a function, the methods of a class, the value of a constant."""
    if isinstance(node, ast.FunctionDef):
        returns = ast.unparse(node.returns) if node.returns else ""
        return [*map(ast.unparse, node.decorator_list)], ast.unparse(node.args), returns
    if isinstance(node, ast.ClassDef):
        methods = [method for method in node.body if isinstance(method, ast.FunctionDef)]
        return {method.name: describe(method) for method in methods if not method.name.startswith("_")}
    return ast.unparse(node)


@pytest.mark.parametrize("module", MODULES[1:])
def test_systems_offer_the_same(folder: Path, module: str) -> None:
    """Whoever is written against one system finds every name, method and argument on the others."""
    assert surface(folder, module) == surface(folder, "linux")


def test_what_is_offered_is_what_is_chosen_from(folder: Path) -> None:
    """The package takes every name from whichever module it chooses, and none beside."""
    tree = ast.parse((folder / "__init__.py").read_text())
    taken = {
        node.module: sorted(alias.name for alias in node.names)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    assert taken == dict.fromkeys(MODULES, sorted(system.__all__))
    assert sorted(surface(folder, "linux")) == sorted(system.__all__)


def test_channels_are_made_of_a_socket_everywhere(folder: Path) -> None:
    """A channel can be put on a connection that came from elsewhere."""
    made = set()
    for module in MODULES:
        channel = find(folder, module, "Channel")
        (init,) = (node for node in ast.walk(channel) if getattr(node, "name", "") == "__init__")
        made.add(ast.unparse(init.args))
    assert made == {"self, connection: socket.socket"}


def test_supervisor_side_needs_only_python() -> None:
    """Neither the system layer nor the rendezvous waits for a package to load."""
    program = (
        "import sys\n"
        "import corridorkey_server.rendezvous\n"
        "known = sys.stdlib_module_names | {'corridorkey_server', 'corridorkey_models', '__main__'}\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} - known))\n"
    )
    bare = [sys.executable, "-S", "-c", program]
    folders = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    ran = subprocess.run(bare, capture_output=True, text=True, env=folders, check=True)
    assert ran.stdout == "[]\n"
