"""Lua states, each a LuaJIT of its own."""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fusionhost import pixels
from fusionhost.kinds import Kind

HERE = Path(__file__).parent


class LuaState:
    """One state with `Sealed` and `Pixels` in it. It runs on any thread, on one at a time."""

    def __init__(self, kind: Kind) -> None:
        """Start it."""
        runtime = importlib.import_module(f"lupa.{kind.lua}").LuaRuntime
        self._lua = runtime(register_eval=False, register_builtins=False, unpack_returned_tuples=True)
        if not kind.jit:
            self._lua.execute("jit.off()")
        self._load_file: Callable[[str], Any] = self._lua.eval("loadfile")
        self.sealed = self.run("sealed.lua")
        self.pixels = self.run("pixels.lua", self.sealed, pixels.library(), kind.binding)

    def run(self, name: str, *arguments: object) -> Any:
        """Run one of the Lua files here; returns what it returns."""
        return self._load_file(str(HERE / name))(*arguments)

    def memory(self) -> int:
        """Return how many bytes it holds after collecting garbage; memory of FFI is among them."""
        self._lua.execute("collectgarbage() collectgarbage()")
        return int(1024 * self._lua.eval("collectgarbage('count')"))

    def table(self, values: Mapping[str, object]) -> Any:
        """Return a Lua table."""
        return self._lua.table_from(dict(values))


def plain(value: Any) -> Any:
    """Return a Lua value as Python has it: a table as a dict, entries without a name under their number."""
    if hasattr(value, "items"):
        return {key: plain(one) for key, one in value.items()}
    return value
