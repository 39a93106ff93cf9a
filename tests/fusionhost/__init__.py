"""A strict fake of Fusion for tests: it runs a fuse in LuaJIT, and notices what real ones may punish.

>>> from fusionhost import POINTER, Fusion, Picture
>>> def key(fuse, modules, plate, hint):
...     with Fusion(POINTER, modules) as fusion:
...         tool = fusion.create(fuse)
...         tool.set("Screen", "Blue")
...         return tool.process({"Input": Picture(plate), "AlphaHint": Picture(hint)}).outputs["Output"]

Pictures are numpy arrays with the top row first; so are outputs. Kinds of hosts differ where nobody has told how real
ones are. A broken rule is a sentence in `fusion.faults`; a context with faults ends with AssertionError, unless they
were taken. Pixels are watched by C code, so that a wrong access is a fault and no crash; memory that a fuse reaches by
address of its own is only watched around images, and only for writes. Images live as long as one call of Process.
"""

from fusionhost.calls import Result
from fusionhost.host import Fusion
from fusionhost.images import POISON, Picture
from fusionhost.kinds import (
    APP_STORE,
    BROKEN_WORKERS,
    DECEPTIVE_SCAN_LINES,
    KINDS,
    LOSES_PARTS,
    NO_FFI,
    NO_JIT,
    NO_WORKER_FFI,
    ONE_BASED,
    POINTER,
    POINTER20,
    RAISES_ABORT,
    REPEATS_PARTS,
    REQUIRE_FFI,
    SCAN_LINES,
    TABLE,
    TABLE20,
    UNRULY,
    Kind,
)  # fmt: skip
from fusionhost.tool import Tool

__all__ = [
    "APP_STORE", "BROKEN_WORKERS", "DECEPTIVE_SCAN_LINES", "KINDS", "LOSES_PARTS", "NO_FFI", "NO_JIT", "NO_WORKER_FFI",
    "ONE_BASED", "POINTER", "POINTER20", "POISON", "RAISES_ABORT", "REPEATS_PARTS", "REQUIRE_FFI", "SCAN_LINES",
    "TABLE", "TABLE20", "UNRULY", "Fusion", "Kind", "Picture", "Result", "Tool",
]  # fmt: skip
