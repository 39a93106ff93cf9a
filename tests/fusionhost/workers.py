"""The states that run what DoMultiProcess gets, each on a thread of its own."""

import ctypes
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fusionhost.kinds import Kind
from fusionhost.lua_state import LuaState

Record = Mapping[str, object]


class _Worker:
    """One state and its thread."""

    def __init__(self, kind: Kind, say: Callable[[str], None]) -> None:
        """Start both."""
        self.thread = ThreadPoolExecutor(1)
        self.state = LuaState(kind)
        self.run = self.state.run("worker.lua", self.state.sealed, self.state.pixels, say, kind.worker_ffi, kind.parts)

    def work(self, job: "Job", first: int, step: int, last: int) -> list[str]:
        """Do a part of a job; returns its errors."""
        table = self.state.table
        images = table({name: table(record) for name, record in job.images.items()})
        return list(self.run(job.init, job.run, table(job.values), images, first, step, last).values())


class Job:
    """What DoMultiProcess got: bytecode, values and images by name, and how many parts there are."""

    def __init__(self, given: Any, images: Mapping[str, Record]) -> None:
        """Copy it out of the main state; `given` is what fusion.lua made of it."""
        self.init = ctypes.string_at(given["init"], given["init_size"]) or None
        self.run = ctypes.string_at(given["run"], given["run_size"])
        self.values = dict(given["values"].items())
        self.images = images
        self.count: int = given["count"]


class Workers:
    """All of them."""

    def __init__(self, kind: Kind, say: Callable[[str], None]) -> None:
        """Start them."""
        self._workers = [_Worker(kind, say) for _ in range(kind.workers)]

    def run(self, job: Job, lowest: int) -> list[str]:
        """Spread a job over all, its parts counted from `lowest`; returns each different error once."""
        step, last = len(self._workers), lowest + job.count - 1
        parts = [one.thread.submit(one.work, job, first, step, last) for first, one in enumerate(self._workers, lowest)]
        return list(dict.fromkeys(text for part in parts for text in part.result()))

    def close(self) -> None:
        """End them."""
        for one in self._workers:
            one.thread.shutdown()
        self._workers.clear()
