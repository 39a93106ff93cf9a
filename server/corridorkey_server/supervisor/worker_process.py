"""The supervisor's end of one worker process. Knows no sessions and no frames."""

import os
from collections.abc import Sequence

from ..errands import REPORTS
from .child_process import ChildProcess


class WorkerProcess(ChildProcess):
    """One worker, from its start to its end; see ChildProcess.

    Attributes:
        device: where it keys, empty until it is ready.
        memory: kind, used and total bytes as it said last.
    """

    def __init__(self, command: Sequence[str], device: str) -> None:
        """Start `command`; it is ready seconds later."""
        self.device = ""
        self.memory: dict[str, object] = {}
        super().__init__([*command, "--parent", str(os.getpid()), "--device", device], REPORTS)

    @property
    def is_ready(self) -> bool:
        """Whether it has its device."""
        return bool(self.device)
