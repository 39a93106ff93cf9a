"""What this process has: descriptors, threads, child processes and memory, to see what a plug-in adds to them."""

import ctypes
import gc
import os
import resource
import threading
import time
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 0.1


@dataclass(frozen=True)
class Footprint:
    """All that was there at one moment."""

    descriptors: frozenset[str]
    threads: frozenset[int]
    children: frozenset[int]
    past_children: int

    @classmethod
    def take(cls) -> "Footprint":
        """Look at this process."""
        threads = frozenset(int(task.name) for task in Path("/proc/self/task").iterdir())
        past = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt
        return cls(_descriptors(), threads, _children(), past)

    def growth(self) -> list[str]:
        """Say what was added since; what Python's own threads are does not count."""
        patience = time.monotonic() + PATIENCE
        while (found := self._growth(Footprint.take())) and time.monotonic() < patience:
            time.sleep(PATIENCE / 10)  # a thread of Python that begins or ends is not known as one for a moment
        return found

    def _growth(self, later: "Footprint") -> list[str]:
        found = [f"it opened {one}" for one in sorted(later.descriptors - self.descriptors)]
        ours = {thread.native_id for thread in threading.enumerate()}
        if later.threads - self.threads - ours:
            found.append("it started a thread")
        if later.children - self.children or later.past_children != self.past_children:
            found.append("it started a process")
        return found


class MallocInfo(ctypes.Structure):
    """What mallinfo2 of glibc returns."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "mapped", "usmblks", "fsmblks", "given", "fordblks", "keepcost",
    ))  # fmt: skip


def allocated() -> int:
    """Return how many bytes of this process malloc has given away; most of Python's own are not among them."""
    gc.collect()
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = MallocInfo
    info = mallinfo()
    return int(info.given + info.mapped)


def _descriptors() -> frozenset[str]:
    found = set()
    for link in list(Path("/proc/self/fd").iterdir()):
        try:
            found.add(f"descriptor {link.name}, {link.readlink()}")
        except FileNotFoundError:  # the listing's own
            continue
    return frozenset(found)


def _children() -> frozenset[int]:
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            status = (process / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(status.rsplit(")", 1)[1].split()[1]) == os.getpid():
            found.add(int(process.name))
    return frozenset(found)
