"""How builds of Fusion may differ, as far as nobody has told: each is a kind of host."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Kind:
    """One build of Fusion.

    lua: luajit21 or luajit20. jit: whether its compiler is on. binding: whether Pixel and PixPtr are C structs
    ("pointer") or tables ("table"). workers: how many states run what DoMultiProcess gets. worker_ffi: how FFI is found
    there: as a "global", by "require", "none"; or "broken": found, but PixPtr raises. main_ffi: whether it is found in
    the main state. scan_lines: what GetScanLine leads to: "none" (no such method), the lowest row with the others after
    it ("bottom_up"), the top row ("top_down"), the lowest with space between rows ("padded"), the same in images that
    are wider than 8 ("padded_large"), the addresses of rows ("rows"), memory that is no image's ("wrong"), that for
    inputs only ("wrong_inputs"), or a copy of the image as it is when it is asked for ("copy"). app_store: whether its
    folders are those of a sandbox. first_index: of the parts that DoMultiProcess spreads. parts: what becomes of them:
    each runs "once", or "twice", or every seventh is "lost". raises_abort: whether an aborted render is told by an
    error in what the tool calls. operations: whether CopyOf, AlphaMultiply and ChannelOpOf are "exact", "rough" (their
    pixels are a little off), "shared" (a copy is the image itself), or "none" (there are no such methods).
    """

    label: str
    lua: str = "luajit21"
    jit: bool = True
    binding: str = "pointer"
    workers: int = 2
    worker_ffi: str = "global"
    main_ffi: bool = True
    scan_lines: str = "none"
    app_store: bool = False
    first_index: int = 0
    parts: str = "once"
    raises_abort: bool = False
    operations: str = "exact"


POINTER = Kind("pointer")
POINTER20 = Kind("pointer-2.0", lua="luajit20")
TABLE = Kind("table", binding="table")
TABLE20 = Kind("table-2.0", binding="table", lua="luajit20")
NO_JIT = Kind("no-jit", jit=False)
REQUIRE_FFI = Kind("require-ffi", worker_ffi="require")
NO_WORKER_FFI = Kind("no-worker-ffi", worker_ffi="none")
BROKEN_WORKERS = Kind("broken-workers", worker_ffi="broken")

# These cannot work for a tool that needs FFI, or a way out of the sandbox.
NO_FFI = Kind("no-ffi", worker_ffi="none", main_ffi=False)
APP_STORE = Kind("app-store", app_store=True)

ONE_BASED = Kind("one-based", first_index=1)
RAISES_ABORT = Kind("raises-abort", raises_abort=True)
LOSES_PARTS = Kind("loses-parts", parts="lost")
REPEATS_PARTS = Kind("repeats-parts", parts="twice")

NO_OPERATIONS = Kind("no-operations", operations="none")
ROUGH_OPERATIONS = Kind("rough-operations", operations="rough")
SHARED_OPERATIONS = Kind("shared-operations", operations="shared")

# Those in which a tool has to give the same pixels.
KINDS = (POINTER, POINTER20, TABLE, TABLE20, NO_JIT, REQUIRE_FFI, NO_WORKER_FFI, BROKEN_WORKERS)

# Those in which it can, though a tool that only does as documents say would not.
UNRULY = (ONE_BASED, RAISES_ABORT, LOSES_PARTS, REPEATS_PARTS, NO_OPERATIONS, ROUGH_OPERATIONS, SHARED_OPERATIONS)

SCAN_LINES = tuple(
    replace(POINTER, label=f"scan-{layout}", scan_lines=layout)
    for layout in ("bottom_up", "top_down", "padded", "rows", "wrong")
)

# Those in which what a small image lets read does not hold for every image, or not for what is written.
DECEPTIVE_SCAN_LINES = tuple(
    replace(POINTER, label=f"scan-{layout}", scan_lines=layout) for layout in ("padded_large", "wrong_inputs", "copy")
)
