"""The fake Nuke: a session with its script, its main thread and its artist."""

import contextlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Self

from nukehost import channels, knobs, menus, module
from nukehost.artist import Artist
from nukehost.callbacks import BUTTON, STILL, Callbacks, Running
from nukehost.controls import Control, Spec
from nukehost.engine import PictureEngine, reload
from nukehost.errors import Fault, NukeError
from nukehost.execution import Execution, Render
from nukehost.graph import Context, Op, Project
from nukehost.knob import Knob
from nukehost.loading import Loader, free_name, root_of
from nukehost.nodes import Group, Node, Root
from nukehost.ofx import OfxClass
from nukehost.operations import Make
from nukehost.pictures import Format
from nukehost.stock import Stock

LIMITED = ("nc", "indie")
"""Editions in which Python gets at no more than ten nodes."""

MOST_NODES = 10
_OURS = "corridorkey_nuke"
_INPUT_CHANGE = Control("inputChange", Spec("Knob"))


class NukeHost(Artist):
    """A Nuke, from `with` to its end, where AssertionError tells of faults that nobody took.

    gui: whether there is an artist, or a terminal. edition: full, indie or nc. has_ofx: the plug-in's binary; without
    it Nuke does not know the class. placeholder: whether a node of an unknown class is there at all after loading.
    """

    def __init__(
        self,
        *,
        gui: bool = True,
        edition: str = "full",
        version: tuple[int, int] = (16, 0),
        has_ofx: Path | None = None,
        views: Sequence[str] = ("main",),
        placeholder: bool = True,
    ) -> None:
        """Be ready to start."""
        super().__init__()
        self.gui, self.edition, self.version = gui, edition, version
        self.project = Project(gui, tuple(views))
        assert not (has_ofx and edition == "nc"), "Nuke Non-commercial loads no plug-ins of others"
        self.ofx = OfxClass(self, has_ofx) if has_ofx else None
        self.makers: dict[str, Make] = {self.ofx.name: self.ofx.make} if self.ofx else {}
        self.classes: dict[str, Stock] = {self.ofx.name: self.ofx.stock} if self.ofx else {}
        self.loader = Loader(self.project, self.classes, placeholder, self.problems)
        self.project.engine = self.engine = PictureEngine(self.makers)
        self.engine.root = self.project.root
        root_of(self.project)
        self.callbacks, self.execution = Callbacks(self), Execution(self)
        self.moment: Context | None = None  # what is just being rendered
        self.groups: list[Op] = []
        self.modified = False
        self.formats: dict[str, Format] = {"HD_1080": Format(1920, 1080, 1.0, "HD_1080")}
        self.menus: dict[str, menus.Menu] = {name: menus.Menu(name) for name in ("Nodes", "Nuke", "Viewer")}
        self.menus["Nodes"].addMenu("Keyer")
        self._queue: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._touched = set[int]()
        self._main = threading.get_ident()
        self.is_running = False
        self.nuke: ModuleType = module.build(self)

    def __enter__(self) -> Self:
        """Start: `import nuke` finds this Nuke."""
        assert "nuke" not in sys.modules, "there is a Nuke in this process already"
        self._main, self.is_running = threading.get_ident(), True
        self._path = list(sys.path)
        _forget_ours()
        sys.modules["nuke"] = self.nuke
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self.is_running = False
        del sys.modules["nuke"]
        _forget_ours()
        sys.path[:] = self._path
        if self.ofx:
            self.ofx.close()
        if kind is None and self.faults:
            raise AssertionError("in Nuke this must not be done:\n" + "\n".join(self.faults))

    @property
    def renders(self) -> list[Render]:
        """All renders of Write nodes."""
        return self.execution.log

    def fault(self, sentence: str) -> Fault:
        """Note what must not be done in Nuke; returns what is to be raised."""
        with self._lock:
            self.faults.append(sentence)
        return Fault(sentence)

    def check_thread(self, what: str) -> None:
        """Raise a fault if this is not Nuke's main thread."""
        if not self.is_running:
            raise self.fault(f"{what} after the end of Nuke")
        if threading.get_ident() != self._main:
            raise self.fault(f"{what} off the main thread")

    def check_dialog(self, what: str) -> None:
        """Raise a fault if no dialog may open now."""
        inner = self.callbacks.inner()
        if not self.gui:
            raise self.fault(f"{what} in a terminal, where nobody sees it")
        if inner or self.execution.current:
            raise self.fault(f"{what} in {inner or 'a render'}")

    def check_still(self, what: str) -> None:
        """Raise a fault if no node may be made or deleted now."""
        if self.callbacks.inner() in STILL:
            raise self.fault(f"{what} in {self.callbacks.inner()}")

    @property
    def context(self) -> Context:
        """The frame, view and scale that hold now."""
        if self.moment:
            return self.moment
        scale = self.root_value("proxy_scale") if self.root_value("proxy") else 1.0
        return Context(self.root_value("frame"), self.view or self.project.views[0], scale)

    def root_value(self, name: str) -> float:
        """Return a number of the root."""
        control = self.project.root.controls[name]
        return self.project.number(self.project.root, control, Context(control.parts[0].value))

    def living(self, op: Op) -> Op:
        """Return a node that Python holds; ValueError if it is gone."""
        self.check_thread(f"access to {op.full_name}")
        if not op.alive:
            raise ValueError("A PythonObject is not attached to a node")
        return op

    def wrap(self, op: Op, *, counts: bool = True) -> Node:
        """Return a node as Python has it."""
        if counts and self.edition in LIMITED and op is not self.project.root:
            self._touched.add(id(op))
            if len(self._touched) > MOST_NODES:
                raise NukeError(f"this edition of Nuke lets Python use {MOST_NODES} nodes; {op.full_name} is one more")
        if op is self.project.root:
            return Root(self, op)
        return (Group if op.is_group else Node)(self, op)

    @property
    def group(self) -> Op:
        """The group in which names are looked up and nodes are made."""
        return self.groups[-1] if self.groups else self.project.root

    def edit(self, op: Op, control: Control, change: Callable[[], None]) -> None:
        """Change a knob and run what watches it."""
        before = control.snapshot()
        change()
        try:
            channels.check(control.text, control.kind, self.project.layers)
        except channels.UnknownChannel as error:
            raise ValueError(str(error)) from error
        if control.snapshot() != before:
            self.modified = True
            self.loader.grow(op, control.name)
            self.callbacks.fire_safely("knobChanged", op, control)

    def rename(self, op: Op, name: str) -> None:
        """Give a node another name, or the script its path."""
        if op.parent is None:
            op.controls["name"].text = name
            return
        op.name = ""
        op.name = op.controls["name"].text = free_name(op.parent, name)

    def wire(self, op: Op, index: int, other: Op | None) -> None:
        """Wire an input as a person does."""
        op.connect(index, other)
        self.modified = True
        self.callbacks.fire_safely("knobChanged", op, _INPUT_CHANGE)

    def show_panel(self, op: Op) -> None:
        """Open a panel."""
        self.callbacks.fire_safely("knobChanged", op, Control("showPanel", Spec("Knob")))

    def delete(self, op: Op) -> None:
        """Delete a node."""
        self.check_still(f"{op.full_name} is deleted")
        self.callbacks.fire_safely("onDestroy", op)
        assert op.parent
        op.parent.children.remove(op)
        for one in (op, *op.walk()):
            one.alive = False
        for one in self.project.root.walk():
            one.inputs = [None if other is op else other for other in one.inputs]
        self.modified = True

    def add(self, kind: str, group: Op, *, by_user: bool) -> list[Op]:
        """Make a node of a class or of a gizmo's text, and run what waits for it; returns all new ones at the top."""
        self.check_still(f"{kind} is made")
        text = self.find_gizmo(kind)
        if text is None and self.loader.stock(kind) is None:
            raise NukeError(f"{kind}: Unknown node class")
        made = [self.loader.make(kind, group)] if text is None else self.loader.read(text, group)
        for op in made if text is not None else ():
            self.rename(op, op.name if op.name[-1].isdigit() else f"{op.name}1")
        self.begin(made, by_user=by_user)
        return made

    def begin(self, made: list[Op], *, by_user: bool = False) -> None:
        """Run the callbacks of new nodes."""
        self.modified = True
        for op in [one for top in made for one in (*top.walk(), top)]:
            self.callbacks.fire_safely("onCreate", op)
        for op in made if by_user else ():
            self.callbacks.fire_safely("onUserCreate", op)

    def run_python(self, text: str) -> None:
        """Run a knob's Python."""
        exec(compile(text, "<knob>", "exec"), {"__name__": "__main__", "nuke": self.nuke})

    def execute_button(self, op: Op, control: Control) -> None:
        """Press a button."""
        if op.kind in ("Read", "Write") and control.name == "reload":
            reload(op)
        elif control.text:
            with self.callbacks.acting(Running(BUTTON, op, control)):
                try:
                    self.run_python(control.text)
                except SystemExit as error:
                    raise self.fault(f"{control.name} of {op.full_name} ends Nuke") from error

    def error_of(self, op: Op) -> str | None:
        """Return why a node cannot be rendered at this frame, None if it can."""
        try:
            self.engine.picture(op, self.context)
        except NukeError as error:
            return str(error)
        return None

    def post(self, action: Callable[[], None]) -> None:
        """Let the main thread do something when its event loop runs."""
        if threading.get_ident() == self._main:
            raise self.fault("executeInMainThread on the main thread, which hangs Nuke")
        if not self.is_running:
            raise self.fault("executeInMainThread after the end of Nuke")
        if not self.gui:
            raise self.fault("executeInMainThread in a terminal, where no event loop runs it")
        self._queue.append(action)

    def run_until(self, condition: Callable[[], Any], seconds: float = 30.0) -> None:
        """Run the event loop until something holds; AssertionError if it does not come to that."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"after {seconds} s it still does not hold"
            self.run_queue()
            time.sleep(0.005)

    def run_queue(self) -> None:
        """Do once all that waits for the main thread."""
        while self._queue:
            action = self._queue.popleft()
            try:
                action()
            except (Exception, SystemExit) as error:  # noqa: BLE001 (Nuke prints it and goes on)
                self.fault(f"what ran in the main thread raised {type(error).__name__}: {error}")

    def find_gizmo(self, kind: str) -> str | None:
        """Return the text of a gizmo that lies on the plug-in path."""
        for folder in self.plugin_path:
            path = Path(folder) / f"{kind}.gizmo"
            if path.is_file():
                return path.read_text()
        return None

    @contextlib.contextmanager
    def within(self, group: Op) -> Iterator[None]:
        """Let names be looked up in a group."""
        self.groups.append(group)
        try:
            yield
        finally:
            self.groups.pop()

    def knob_of(self, op: Op, control: Control) -> Knob:
        """Return a knob as Python has it."""
        return knobs.make(self, op, control) if control.kind != "Knob" else Knob(self, op, control)

    def environment(self) -> Mapping[str, Any]:
        """Return what nuke.env tells."""
        major, minor = self.version
        return {
            "gui": self.gui, "interactive": self.gui, "nc": self.edition == "nc", "indie": self.edition == "indie",
            "nukex": False, "studio": False, "hiero": False, "assist": False, "NukeVersionMajor": major,
            "NukeVersionMinor": minor, "NukeVersionRelease": 1, "NukeVersionString": f"{major}.{minor}v1",
            "LINUX": True, "WIN32": False, "MACOS": False, "64bit": True, "threads": 2, "ExecutablePath": "/opt/Nuke",
            "PluginExt": "so",
        }  # fmt: skip


def _forget_ours() -> None:
    for name in [name for name in sys.modules if name == _OURS or name.startswith(f"{_OURS}.")]:
        del sys.modules[name]
