"""Bars of progress, as tests see them and as Python makes them."""

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nukehost.host import NukeHost


@dataclass(eq=False)
class Bar:
    """A bar of progress that an artist sees."""

    title: str
    messages: list[str] = field(default_factory=list)
    values: list[int] = field(default_factory=list)
    polls: int = 0
    cancel_at: int | None = None
    is_open: bool = True
    _cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def message(self) -> str:
        """What it says."""
        return self.messages[-1] if self.messages else ""

    @property
    def value(self) -> int:
        """How far it is, of 100."""
        return self.values[-1] if self.values else 0

    def cancel(self) -> None:
        """Press its Cancel."""
        self._cancelled.set()

    def is_cancelled(self) -> bool:
        """Whether Cancel was pressed."""
        self.polls += 1
        return self._cancelled.is_set() or (self.cancel_at is not None and self.polls > self.cancel_at)


class ProgressTask:
    """A bar of progress; any thread may use it. It goes when nobody refers to it any more."""

    _host: "NukeHost"

    def __init__(self, name: str = "") -> None:
        """Show it."""
        if not isinstance(name, str):
            raise self._host.fault(f"ProgressTask of {name!r}, which is no text")
        self._host.check_dialog(f"ProgressTask({name!r})")
        self._bar = Bar(name, cancel_at=self._host.cancels_progress_at)
        self._host.progress.append(self._bar)

    def setMessage(self, message: str) -> None:
        """Say something."""
        if not isinstance(message, str):
            raise self._host.fault(f"setMessage of {message!r}, which is no text")
        self._bar.messages.append(message)

    def setProgress(self, progress: int) -> None:
        """Move the bar."""
        if type(progress) is not int or not 0 <= progress <= 100:
            raise self._host.fault(f"setProgress of {progress!r}, which is no whole number from 0 to 100")
        self._bar.values.append(progress)

    def isCancelled(self) -> bool:
        """Whether somebody pressed Cancel."""
        return self._bar.is_cancelled()

    def __del__(self) -> None:
        """Close it."""
        bar: Any = getattr(self, "_bar", None)
        if bar:
            bar.is_open = False
