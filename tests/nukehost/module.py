"""The module `nuke`: what it has is called as in a real one; what it does not have says so."""

import functools
import inspect
import re
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nukehost import callbacks, frames, knob, knobs, nodes, progress
from nukehost.controls import word_of
from nukehost.graph_functions import REPLACE, GraphFunctions
from nukehost.nodes import Node
from nukehost.plugin_functions import PluginFunctions
from nukehost.run_functions import RunFunctions
from nukehost.words import split

if TYPE_CHECKING:
    from nukehost.host import NukeHost

ANY_THREAD = ("executeInMainThread", "executeInMainThreadWithResult")
"""Functions that other threads than the main one may call, and that it may not."""

NODIR, ALL = 2, 1


class Functions(GraphFunctions, RunFunctions, PluginFunctions):
    """The functions of the module."""


class NodeMaker:
    """nuke.nodes: makes nodes that are wired to nothing."""

    def __init__(self, host: "NukeHost") -> None:
        """Make them in a session."""
        self._host = host

    def __getattr__(self, item: str) -> Callable[..., Node]:
        """Return what makes a node of a class; AttributeError if there is none."""
        host = self._host
        host.check_thread(f"nuke.nodes.{item}")
        if host.loader.stock(item) is None and host.find_gizmo(item) is None:
            raise AttributeError(f"{item}: Unknown node class")
        return functools.partial(self._make, item)

    def _make(self, kind: str, **values: Any) -> Node:
        (op, *_) = self._host.add(kind, self._host.group, by_user=False)
        made = self._host.wrap(op)
        inputs = {name: values.pop(name) for name in list(values) if re.fullmatch(r"input\d+", name)}
        for name, value in values.items():
            made.setName(value) if name == "name" else _set(made, name, value)
        for name, other in inputs.items():
            made.setInput(int(name[5:]), other)
        return made


def _set(node: Node, name: str, value: Any) -> None:
    if isinstance(value, str):
        node._host.loader.set(node._op, name, _script_word(value))
    else:
        node[name].setValue(value)


def _script_word(text: str) -> Any:
    return word_of(text) if not text.startswith("{") else split(text)[0]


class Undo:
    """Undo, which the fake does not have: it may be switched off and on."""

    _off = 0

    @classmethod
    def disable(cls) -> None:
        """Note nothing from here on."""
        cls._off += 1

    @classmethod
    def enable(cls) -> None:
        """Note again."""
        cls._off -= 1

    @classmethod
    def disabled(cls) -> bool:
        """Whether nothing is noted."""
        return cls._off > 0

    def __enter__(self) -> None:
        """Note what follows as one step."""

    def __exit__(self, type: object, value: object, traceback: object) -> None:
        """End the step."""


class CancelledError(Exception):
    """Something was cancelled."""


class Module(ModuleType):
    """The module: what is asked for in vain is named."""

    def __getattr__(self, name: str) -> Any:
        """Say that there is nothing of that name."""
        raise AttributeError(
            f"module 'nuke' has no attribute '{name}'; if a real Nuke has it, the fake has to learn it"
        )


def _checked(host: "NukeHost", name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        host.check_thread(f"nuke.{name}")
        return function(*args, **kwargs)

    return call


def _registrar(host: "NukeHost", what: str, name: str) -> Callable[..., None]:
    def register(call: Callable[..., Any], args: Any = (), kwargs: Any = None, nodeClass: str | None = None) -> None:
        getattr(host.callbacks, what)(name, call, args, kwargs or {}, nodeClass)

    register.__name__ = what + name[0].upper() + name[1:]
    return _checked(host, register.__name__, register)


def build(host: "NukeHost") -> ModuleType:
    """Return the module of a session."""
    made, functions = Module("nuke"), Functions(host)
    for name, function in inspect.getmembers(functions, inspect.ismethod):
        if not name.startswith("_"):
            setattr(made, name, function if name in ANY_THREAD else _checked(host, name, function))
    for name in callbacks.NAMES:
        for what in ("add", "remove"):
            setattr(made, what + name[0].upper() + name[1:], _registrar(host, what, name))
    made.__dict__.update(_constants(host))
    return made


def _constants(host: "NukeHost") -> dict[str, Any]:
    major, minor = host.version
    classes = (
        nodes.Node,
        nodes.Group,
        nodes.Root,
        frames.FrameRange,
        frames.FrameRanges,
        frames.Info,
        Undo,
        CancelledError,
    )
    return {
        **{one.__name__: one for one in (*classes, knob.Knob, *knobs.KINDS.values())},
        **knob.FLAGS, "INPUTS": nodes.INPUTS, "HIDDEN_INPUTS": nodes.HIDDEN_INPUTS, "EXPRESSIONS": nodes.EXPRESSIONS,
        "WRITE_ALL": nodes.WRITE_ALL, "WRITE_NON_DEFAULT_ONLY": nodes.WRITE_NON_DEFAULT_ONLY,
        "WRITE_USER_KNOB_DEFS": nodes.WRITE_USER_KNOB_DEFS, "TO_SCRIPT": nodes.TO_SCRIPT, "TO_VALUE": nodes.TO_VALUE,
        "REPLACE": REPLACE, "NODIR": NODIR, "ALL": ALL, "Format": frames.NukeFormat, "GUI": host.gui,
        "INTERACTIVE": host.gui, "NUKE_VERSION_MAJOR": major, "NUKE_VERSION_MINOR": minor, "NUKE_VERSION_RELEASE": 1,
        "NUKE_VERSION_STRING": f"{major}.{minor}v1", "EXE_PATH": "/opt/Nuke", "rawArgs": [], "THREADS": 2,
        "env": dict(host.environment()), "nodes": NodeMaker(host),
        "ProgressTask": type("ProgressTask", (progress.ProgressTask,), {"_host": host}),
    }  # fmt: skip
