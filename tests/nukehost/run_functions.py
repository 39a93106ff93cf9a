"""nuke's functions that render, talk, and let the main thread work."""

# ruff: noqa: ARG002 (signatures are Nuke's, of which the fake does not use all)

import threading
from collections.abc import Callable, Mapping
from typing import Any

from nukehost.frames import FrameRange, FrameRanges
from nukehost.graph import Op
from nukehost.nodes import Node
from nukehost.session_part import Part


class RunFunctions(Part):
    """Renders, dialogs, threads."""

    def execute(
        self, nameOrNode: Any, start: Any = None, end: Any = None, incr: int = 1, *rest: Any, **named: Any
    ) -> None:
        """Render a Write over frames: (node, first, last, incr, views) or (node, ranges, views)."""
        op = self._executable(nameOrNode)
        if isinstance(start, FrameRanges):
            frames, views = start.toFrameList(), end
        else:
            root = self._host.project.root
            first = root.value("first_frame", self._host.context) if start is None else start
            last = root.value("last_frame", self._host.context) if end is None else end
            frames, views = list(FrameRange(int(first), int(last), incr)), rest[0] if rest else None
        views = named.pop("views", views)
        if named.keys() - {"continueOnError"}:
            raise TypeError(f"execute does not take {', '.join(named)}")
        if isinstance(views, str):
            raise self._host.fault("execute wants a list of views")
        self._host.execution.run(op, frames, views or self._host.project.views)

    def _executable(self, what: Any) -> Op:
        if isinstance(what, list | tuple):
            self._host.fault("execute of a list; executeMultiple takes lists")
            raise TypeError("execute takes a node or its name")
        found = self._named(what) if isinstance(what, str) else what
        if not isinstance(found, Node):
            raise ValueError(f"there is no node {what}")
        return found._op

    def executing(self, f: float | None = None) -> bool:
        """Whether something is rendered."""
        return self._host.execution.current is not None

    def message(self, prompt: str) -> None:
        """Show a dialog that says something."""
        if not isinstance(prompt, str):
            raise TypeError(f"a text is wanted, not {prompt!r}")
        self._host.check_dialog(f"message({prompt!r})")
        self._host.messages.append(prompt)

    def ask(self, prompt: str) -> bool:
        """Show a dialog that asks something."""
        self._host.check_dialog(f"ask({prompt!r})")
        self._host.asked.append(prompt)
        if not self._host.answers:
            raise self._host.fault(f"ask({prompt!r}), to which the test has no answer")
        return self._host.answers.pop(0)

    def warning(self, message: str) -> None:
        """Write to the console."""
        self._host.log.append(str(message))

    def debug(self, message: str) -> None:
        """Write to the console."""
        self._host.log.append(str(message))

    def error(self, message: str) -> None:
        """Write to the console."""
        self._host.log.append(str(message))

    def tprint(self, *args: Any, sep: str = " ", end: str = "\n", file: Any = None) -> None:
        """Write to the terminal."""
        self._host.log.append(sep.join(map(str, args)))

    def executeInMainThread(
        self, call: Callable[..., Any], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> None:
        """Let the main thread call something later."""
        arguments = args if isinstance(args, tuple) else (args,)
        self._host.post(lambda: call(*arguments, **(kwargs or {})))

    def executeInMainThreadWithResult(
        self, call: Callable[..., Any], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Let the main thread call something and wait; None if that raises."""
        arguments, done, found = args if isinstance(args, tuple) else (args,), threading.Event(), list[Any]()

        def work() -> None:
            try:
                found.append(call(*arguments, **(kwargs or {})))
            finally:
                done.set()

        self._host.post(work)
        while not done.wait(0.05):
            if not self._host.is_running:
                raise self._host.fault("executeInMainThreadWithResult still waits at the end of Nuke")
        return found[0] if found else None

    def _named(self, name: str) -> Node | None:
        op = self._host.group.find(name)
        return self._host.wrap(op) if op else None
