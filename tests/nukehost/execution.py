"""Rendering of Write nodes over frames and views."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nukehost import files
from nukehost.channels import chosen
from nukehost.engine import file_of
from nukehost.errors import NukeError
from nukehost.graph import Context, Op

if TYPE_CHECKING:
    from nukehost.host import NukeHost


@dataclass
class Render:
    """One render: what was asked for, at which scale, and which files were written."""

    node: str
    frames: list[int]
    views: list[str]
    scale: float
    written: list[Path] = field(default_factory=list)
    error: str = ""


class Execution:
    """Renders, one at a time."""

    def __init__(self, host: "NukeHost") -> None:
        """Begin with nothing to render."""
        self.host = host
        self.current: Render | None = None
        self.log: list[Render] = []
        self.cancel_after: int | None = None

    def run(self, op: Op, frames: Sequence[int], views: Sequence[str]) -> None:
        """Render a Write; NukeError if it fails or is cancelled."""
        if self.current:
            raise NukeError("I'm already executing something else")
        scale = self.host.root_value("proxy_scale") if self.host.root_value("proxy") else 1.0
        self._check(op, frames, views)
        self.current = Render(op.full_name, list(frames), list(views), scale)
        self.log.append(self.current)
        try:
            self._run(op, self.current)
        except NukeError as error:
            self.current.error = str(error)
            raise
        finally:
            self.current = self.cancel_after = None
            self.host.moment = None

    def _check(self, op: Op, frames: Sequence[int], views: Sequence[str]) -> None:
        if op.kind != "Write":
            raise NukeError(f"{op.full_name} is a {op.kind}, which cannot be executed")
        if not frames:
            raise NukeError(f"{op.full_name}: there are no frames to execute")
        if set(views) - set(self.host.project.views):
            raise NukeError(f"there are no views {', '.join(sorted(set(views) - set(self.host.project.views)))}")
        if len(views) > 1 and "%v" not in op.evaluated("file", self.host.context).lower():
            raise NukeError("the fake Nuke does not write several views into one file; name them by %V")

    def _run(self, op: Op, render: Render) -> None:
        self._fire("beforeRender", op)
        for frame in render.frames:
            for view in render.views:
                self.host.moment = Context(frame, view, render.scale)
                self._stop_if_cancelled(render)
                self._fire("beforeFrameRender", op)
                render.written.append(self._write(op, self.host.moment))
                self._fire("afterFrameRender", op)
        self._stop_if_cancelled(render)
        self._fire("afterRender", op)

    def _stop_if_cancelled(self, render: Render) -> None:
        if self.cancel_after is not None and len(render.written) >= self.cancel_after:
            raise NukeError("Cancelled")

    def _fire(self, name: str, op: Op) -> None:
        try:
            self.host.callbacks.fire(name, op)
        except Exception as error:
            raise NukeError(str(error)) from error

    def _write(self, op: Op, context: Context) -> Path:
        if op.value("disable", context):
            raise NukeError(f"{op.full_name} is disabled; there is nothing to execute")
        picture = self.host.engine.picture(op, context)
        path = Path(file_of(op, context))
        if op.control("file_type").to_script() != "exr" and path.suffix != ".exr":
            raise NukeError(f"{op.full_name}: the fake Nuke writes nothing but exr")
        if not path.name:
            raise NukeError(f"{op.full_name}: no filename")
        if op.value("create_directories", context):
            path.parent.mkdir(parents=True, exist_ok=True)
        if not path.parent.is_dir():
            raise NukeError(f"{op.full_name}: {path.parent}: No such directory; cannot write {path.name}")
        names = chosen(op.evaluated("channels", context), picture.planes, op.project.layers)
        knobs = {name: op.choice(name, context) for name in ("datatype", "compression")}
        files.write(path, picture, names, knobs)
        return path
