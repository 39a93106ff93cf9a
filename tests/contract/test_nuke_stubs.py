"""The fake Nuke offers what types-nuke, written down from a real one, says that there is: names and signatures.

The stubs are of Nuke 13.2 and made by a program: what is open in them (*args, **kwargs) agrees with anything, and where
they are wrong or silent EXCEPTIONS says why the fake has it. A method of the fake may lack arguments that can be left
out: a call with one then fails in a test that would have passed in Nuke, which is the right way round.
"""

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from nukehost import NukeHost, menus

SETS = "the stubs name the value after the kind of knob, and forget the channel and the view that Knob's own has"
MASK = "Nuke's own help has the mask as one that can be left out: dependencies([what])"
EXCEPTIONS = {
    **{
        f"{kind}_Knob.setValue": SETS
        for kind in ("Boolean", "Channel", "ChannelMask", "Disable", "Int", "PyScript", "Script", "Unsigned")
    },
    **{f"{kind}.{name}": MASK for kind in ("Node", "Group", "Root") for name in ("dependencies", "dependent")},
    "Link_Knob.setValue": "the stubs forget the value",
    "XY_Knob.value": "all numbers come at once where none is named, as of every knob with several",
    "execute": "one function for both overloads; in Nuke's own help the frames may be left out",
    "Menu.walk": "for tests, which look at what stands in the menus",
}
"""What the fake has and the stubs have not, or in another way: why."""


@dataclass(frozen=True)
class Signature:
    """Arguments of a function, without the one that is its object: in order, and how many cannot be left out."""

    names: tuple[str, ...]
    required: int
    is_open: bool = False

    @classmethod
    def of(cls, function: Callable[..., Any], is_method: bool) -> "Signature":
        """Read the signature of a function of the fake."""
        given = list(inspect.signature(function).parameters.values())[int(is_method) :]
        named = [one for one in given if one.kind is not one.VAR_POSITIONAL and one.kind is not one.VAR_KEYWORD]
        required = [one for one in named if one.default is one.empty]
        return cls(tuple(one.name for one in named), len(required), len(named) < len(given))

    @classmethod
    def stubbed(cls, node: ast.FunctionDef, is_method: bool) -> "Signature":
        """Read the signature of a function of the stubs."""
        is_open = bool(node.args.vararg or node.args.kwarg)
        names = [one.arg for one in node.args.posonlyargs + node.args.args][int(is_method) :]
        names += [one.arg for one in node.args.kwonlyargs]
        optional = len(node.args.defaults) + sum(one is not None for one in node.args.kw_defaults)
        return cls(tuple(names), len(names) - optional, is_open)

    def fits(self, real: "list[Signature]") -> bool:
        """Whether each call that this one takes is one that one of the real one's overloads takes, too."""
        counts = range(self.required, len(self.names) + 1)
        calls_fit = all(any(one.takes(self.names[:count]) for one in real) for count in counts)
        return any(one.is_open for one in real) or (calls_fit and not self.is_open)

    def takes(self, given: tuple[str, ...]) -> bool:
        """Whether a call with these arguments is one of its own."""
        return given == self.names[: len(given)] and self.required <= len(given)


@dataclass
class Stubs:
    """The stubs: functions with their overloads, classes, and other names."""

    functions: dict[str, list[ast.FunctionDef]]
    classes: dict[str, ast.ClassDef]
    values: set[str]

    @classmethod
    def read(cls, folder: Path) -> "Stubs":
        """Read what `import nuke` offers."""
        found = cls({}, {}, set())
        for module in exported(folder):
            for node in ast.parse((folder / f"{module}.pyi").read_text()).body:
                found.take(node)
        return found

    def take(self, node: ast.stmt) -> None:
        """Take a definition."""
        if isinstance(node, ast.FunctionDef):
            self.functions.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.ClassDef):
            self.classes[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            self.values.add(node.target.id)

    def names(self) -> set[str]:
        """Return all names of the module."""
        return {*self.functions, *self.classes, *self.values}

    def methods(self, name: str) -> dict[str, list[ast.FunctionDef]]:
        """Return the methods of a class with those of its bases; what a class says itself counts."""
        node, found = self.classes[name], dict[str, list[ast.FunctionDef]]()
        for base in node.bases:
            if isinstance(base, ast.Name) and base.id in self.classes:
                found |= self.methods(base.id)
        own = [one for one in node.body if isinstance(one, ast.FunctionDef)]
        return found | {one.name: [other for other in own if other.name == one.name] for one in own}


def exported(folder: Path) -> Iterator[str]:
    """Return the modules of which the package offers everything."""
    for node in ast.parse((folder / "__init__.pyi").read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
            yield node.module


@pytest.fixture(scope="module")
def stubs() -> Stubs:
    """What types-nuke says."""
    files = distribution("types-nuke").files or []
    (package,) = [Path(str(one.locate())).parent for one in files if one.name == "__init__.pyi"]
    return Stubs.read(package)


def public(owner: object) -> list[str]:
    """Return the names that are for everybody."""
    return [name for name in dir(owner) if not name.startswith("_")]


def fake_classes(nuke: ModuleType) -> dict[str, type]:
    """Return the classes of the fake by the name that Nuke has for them."""
    found = {name: value for name, value in vars(nuke).items() if isinstance(value, type)}
    return found | {one.__name__: one for one in (menus.Menu, menus.MenuItem)}


def disagreements(nuke: ModuleType, stubs: Stubs) -> set[str]:
    """Return each name of the fake that the stubs do not have, or have in another way."""
    found = {name for name in public(nuke) if name not in stubs.names()}
    for name in set(public(nuke)) - found:
        function = getattr(nuke, name)
        if inspect.isroutine(function) and not fits(function, stubs.functions.get(name, []), is_method=False):
            found.add(name)
    for name, one in fake_classes(nuke).items():
        found |= class_disagreements(name, one, stubs) if name in stubs.classes else set()
    return found


def class_disagreements(name: str, fake: type, stubs: Stubs) -> set[str]:
    """Return each method of a class of the fake that does not agree."""
    real, found = stubs.methods(name), set[str]()
    for method in public(fake):
        function = getattr(fake, method)
        if not inspect.isfunction(function) and not inspect.ismethod(function):
            continue
        if not fits(function, real.get(method, []), is_method=inspect.isfunction(function)):
            found.add(f"{name}.{method}")
    return found


def fits(function: Callable[..., Any], real: list[ast.FunctionDef], is_method: bool) -> bool:
    """Whether a function of the fake agrees with one of the stubs; is_method: whether it takes its object."""
    is_of_class = bool(real and real[0].args.args and real[0].args.args[0].arg in {"self", "cls"})
    return Signature.of(function, is_method).fits([Signature.stubbed(one, is_of_class) for one in real])


def test_the_fake_has_nothing_else(stubs: Stubs) -> None:
    """Each public name, function, class and method of the fake is one of the stubs', or has its reason."""
    with NukeHost() as host:
        found = disagreements(host.nuke, stubs)
    assert found - set(EXCEPTIONS) == set()


def test_each_exception_is_one(stubs: Stubs) -> None:
    """What agrees needs no reason."""
    with NukeHost() as host:
        found = disagreements(host.nuke, stubs)
    assert set(EXCEPTIONS) - found == set()


def test_all_of_the_fake_is_looked_at(stubs: Stubs) -> None:
    """The comparison sees functions, values, nodes, knobs and menus, so that it cannot agree by being empty."""
    with NukeHost() as host:
        names, classes = set(public(host.nuke)), fake_classes(host.nuke)
    assert {"execute", "toNode", "addAfterFrameRender", "GUI", "ProgressTask"} <= names & stubs.names()
    assert {"Node", "Group", "Root", "File_Knob", "Format", "Menu"} <= set(classes) & set(stubs.classes)
    assert {"knob", "setInput", "dependencies"} <= set(stubs.methods("Root"))


REAL = """
def plain(one: str, two: int = ...) -> None: ...
def loose(*args, **kwargs) -> None: ...
def either() -> None: ...
def either(key: str, time: float = ...) -> None: ...
"""


@pytest.mark.parametrize(
    ("name", "fake", "agrees"),
    [
        ("plain", "one, two=0", True),
        ("plain", "one, two", True),
        ("plain", "one", True),
        ("plain", "one=''", False),
        ("plain", "one, two=0, three=0", False),
        ("plain", "two, one=0", False),
        ("plain", "other", False),
        ("plain", "one, *rest", False),
        ("plain", "one, **rest", False),
        ("loose", "one, two=0", True),
        ("either", "key=None, time=None", True),
        ("either", "key", True),
        ("either", "time=None", False),
        ("missing", "", False),
    ],
)
def test_what_differs_is_seen(name: str, fake: str, agrees: bool) -> None:
    """The fake may take less than the real one, and nothing else."""
    stubs = Stubs({}, {}, set())
    for node in ast.parse(REAL).body:
        stubs.take(node)
    assert fits(eval(f"lambda {fake}: None"), stubs.functions.get(name, []), is_method=False) == agrees
