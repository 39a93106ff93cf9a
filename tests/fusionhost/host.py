"""The fake Fusion: its states, its console, and what it finds wrong."""

import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fusionhost import names
from fusionhost.calls import Call, Request
from fusionhost.images import Image
from fusionhost.kinds import Kind
from fusionhost.lua_state import LuaState, plain
from fusionhost.operations import Operations
from fusionhost.pixels import Watch
from fusionhost.tool import Tool
from fusionhost.workers import Job, Workers

SANDBOX = "/Users/someone/Library/Containers/com.blackmagic-design.DaVinciResolveLite/Data/tmp"
ATTRIBUTES = ("COMPB_Rendering",)
RGBA_FLOAT = 8


class Fusion:
    """A Fusion of some kind, a context that ends with AssertionError if there are faults which nobody took.

    modules: the folder for `require`. fuses: what the path map "Fuses:" leads to. lines: what was printed. faults: what
    fuses did wrong.
    """

    def __init__(self, kind: Kind, modules: Path, fuses: Path | None = None) -> None:
        """Start its states."""
        self.kind, self.lines, self.faults = kind, list[str](), list[str]()
        self.lock = threading.RLock()  # one caller at a time is in the main state
        self.call: Call | None = None  # what is just being processed
        self._watch, self._tools = Watch(), list[Tool]()
        temporary = SANDBOX if kind.app_store else tempfile.gettempdir()
        self._maps = {"Fuses:": fuses or modules, "Temp:": Path(temporary), "Modules:": modules.parent}
        self._workers = Workers(kind, self.lines.append)
        self._operations = Operations(kind.workers, rough=kind.operations == "rough")
        self.state = LuaState(kind)
        self._bridge = self.state.table(
            {
                "say": self.lines.append, "blame": self.blame, "new_image": self._new_image, "crop": self._crop,
                "operate": self._operate,
                "scan_line": self._scan_line,
                "multi_process": self._multi_process, "map_path": self._map_path,
                "comp_attribute": self._comp_attribute,
            }
        )  # fmt: skip
        self.main = self.state.run(
            "fusion.lua",
            self.state.sealed,
            self.state.pixels,
            self._bridge,
            f"{modules}/?.lua",
            kind.main_ffi,
            kind.operations != "none",
        )

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it. States go when nothing refers to them: Python does not see what they refer to."""
        for tool in self._tools:
            tool.close()
        self.main.close()
        self._workers.close()
        self._operations.close()
        del self.main, self.state, self._bridge
        if kind is None and self.faults:
            raise AssertionError("; ".join(self.faults))

    def register(self, path: Path) -> dict[str, Any]:
        """Run a fuse as the start of Fusion does; returns its id as "id", and its attributes."""
        found: list[dict[str, Any]] = []

        def register(id_: str, kind: str, attributes: Any) -> None:
            found.append({"id": id_, "kind": kind, **plain(attributes)})

        with self.lock:
            problem = self.main.register(str(path), register)
        if problem is not None:
            self.blame(f"the fuse does not register: {problem}")
        if len(found) != 1:
            raise AssertionError(f"{path.name} called FuRegisterClass {len(found)} times; {problem or 'no error'}")
        self._check(found[0])
        return found[0]

    def create(self, path: Path) -> Tool:
        """Add a tool to the comp."""
        attributes = self.register(path)
        self._tools.append(Tool(self, path, attributes, f"{attributes['id']}{len(self._tools) + 1}"))
        return self._tools[-1]

    def take_faults(self) -> list[str]:
        """Return the faults so far and forget them."""
        taken = list(self.faults)
        self.faults.clear()
        return taken

    def blame(self, text: str) -> str:
        """Note a fault; returns it."""
        self.faults.append(text)
        return text

    def begin(self, request: Request) -> Call:
        """Begin a call."""
        self.call = Call(request, self._watch, self.kind.scan_lines)
        return self.call

    def end(self) -> None:
        """End the call, if there is one, and note what was done wrong with pixels."""
        if self.call is not None:
            self.faults.extend(self.call.end())
        self.faults.extend(self._watch.take())
        self.call = None

    def _check(self, registered: dict[str, Any]) -> None:
        """Note what is wrong with a registration."""
        attributes = {name: value for name, value in registered.items() if name not in ("id", "kind")}
        for text in names.mistakes(attributes, names.REGISTRATION):
            self.blame(f"FuRegisterClass: {text}")
        if not names.IDENTIFIER.fullmatch(registered["id"]) or registered["kind"] != "CT_Tool":
            self.blame(f"FuRegisterClass of {registered['id']} as {registered['kind']}")

    def _new_image(self, wanted: Any) -> Any:
        """Image{...}."""
        if self.call is None:
            return None, self.blame("Image outside of Process")
        try:
            number = self.call.new_image(plain(wanted))
        except ValueError as error:
            return None, self.blame(f"Image: {error}")
        return self.state.table(self.call.describe(number))

    def _crop(self, source: int, target: int) -> tuple[None, str] | None:
        """Crop of an image."""
        image, onto = (self.call.image(number) if self.call else None for number in (source, target))
        if image is None or onto is None or not image.has_data or not onto.has_data:
            return None, self.blame("Crop of an image without data, or of one that was freed")
        if onto.facts.unwritable >= 0:
            return None, self.blame("Crop into an input's image, or into one that was set")
        image.crop(onto)
        return None

    def _operate(self, name: str, number: int, options: Any = None) -> Any:
        """CopyOf, AlphaMultiply or ChannelOpOf of an image; returns a new one where there is one."""
        image = self.call.image(number) if self.call else None
        if self.call is None or image is None or not image.has_data or image.format.depth != RGBA_FLOAT:
            return None, self.blame(f"{name} of an image without data, of another depth, or that was freed")
        if name == "AlphaMultiply":
            return self._multiply(image)
        if name == "CopyOf":
            made = number if self.kind.operations == "shared" else self.call.copy_of(number)
        else:
            made = self.call.new_image({"like": number})
        if name == "ChannelOpOf":
            target = self.call.image(made)
            assert target is not None
            self._operations.copy_channels(image, target, plain(options))
        return self.state.table(self.call.describe(made))

    def _multiply(self, image: Image) -> tuple[None, str] | None:
        """AlphaMultiply."""
        if image.facts.unwritable >= 0:
            return None, self.blame("AlphaMultiply of an input's image, or of one that was set")
        self._operations.alpha_multiply(image)
        return None

    def _scan_line(self, number: int) -> int | tuple[None, str]:
        """GetScanLine of an image."""
        image = self.call.image(number) if self.call else None
        if image is None or image.scan_line is None:
            return None, self.blame("GetScanLine of an image that was freed")
        return image.scan_line[0]

    def _multi_process(self, given: Any) -> tuple[None, str] | None:
        """DoMultiProcess."""
        if self.call is None or self.call.request.precalc:
            return None, self.blame("DoMultiProcess outside of Process")
        images = {}
        for name, number in given["images"].items():
            if self.call.image(number) is None:
                return None, self.blame(f"a worker gets an image that was freed ({name})")
            images[name] = self.call.describe(number)
        self.call.jobs += 1
        if self.call.request.status == "OK":  # an aborted render is not worth a worker
            self.lines.extend(self._workers.run(Job(given, images), self.kind.first_index))
        return None

    def _map_path(self, path: str) -> str:
        """MapPath of the comp; a path without a map stays as it is."""
        head, colon, rest = path.partition(":")
        folder = self._maps.get(head + colon)
        return path if folder is None else f"{folder}/{rest}"

    def _comp_attribute(self, name: str) -> Any:
        """GetAttrs of the comp."""
        if name not in ATTRIBUTES:
            return None, f"GetAttrs of {name}"
        return bool(self.call and self.call.request.rendering)
