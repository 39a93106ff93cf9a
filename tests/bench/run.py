"""Runs the benchmarks, all or one area, and writes docs/performance.md from the figures that they print."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "performance.md"
AREAS = {
    "fuse": ("fuse.py",),
    "keyer": ("keyer_quality.py", "keyer_speed.py"),
    "network": ("network.py",),
    "ofx": ("ofx.py",),
    "sequence": ("sequence.py",),
    "transport": ("transport.py",),
}
ABOUT = {
    "fuse": "The fuse's Process with an RGBA plate and an RGBA hint, all three outputs, when keying costs nothing; the "
    "worker leaves the out plane as it is. The host is the test suite's: how Fusion binds pixels to Lua, and whether "
    "its JIT runs, is not known, so there are several. `jit`: Pixel and PixPtr are C, called by FFI, two workers; "
    "`jit_one_worker`: one; `jit_table`: they are plain Lua; `jit_fast`: the memory of images is known "
    "(`CKEY_FUSE_FAST=1`); `no_jit`: as `jit`, in LuaJIT's interpreter. `over_memcpy`: against a warm copy between two "
    "planes of the same size. Plate and hint are read pixel by pixel and Foreground is written so; Output and Matte "
    "are made of it by the host's own operations, which are C on two threads here.",
    "keyer": "The procedural keyer against classical keys on the synthetic shots, and the time before and after the "
    "network. A ratio above 1 is how many times smaller our error is, but for `dtssd`, where ours is above the line.",
    "network": "CorridorKey's network on the CPU in fp32, one frame, made-up weights.",
    "ofx": "The OFX plug-in's Render action with an RGBA plate and a hint of one channel, when keying costs nothing: "
    "everything that the action does is inside, no time is subtracted. The worker leaves the out plane as it is; with "
    "`with_worker_copy` it copies the in plane there. The host is the test suite's, in Python: each look at whether it "
    "wants to stop takes `callback_us`, which is inside as well, `abort_calls` times a frame. `rgba_hint`: a grey hint "
    "with a solid alpha, read to its end to know that; hosts that know RGBA alone (Fusion, Silhouette) pay this, "
    "the targets are set on the hint of one channel. `open` to `compose` are the parts of `overhead`, "
    "with a clock in each look, so that they add up to a little more: until the first row, rows into the slot, the "
    "daemon, rows out of the slot. `over_memcpy`: against a warm copy between two planes of the same size.",
    "sequence": "`ckey key` on HD frames from EXR to EXR and PNG, against the same Keyer on frames in memory. "
    "`device_standin` waits half a second a frame, as for an accelerator, and leaves the processor to the files; the "
    "network and the procedural keyer here run on the very cores that compress the files, whose work cannot be hidden.",
    "transport": "A frame's way to the daemon and back without inference (a worker that copies the in plane to the "
    "out plane), against a warm copy between two planes of the same size. `in_slot`: the host renders into the slot "
    "and reads from it; `copied`: it copies in and out; `messages`: the same pixels inside ZeroMQ messages, for the "
    "record. `small_frame`: a frame of 16x16, client to supervisor to worker and back; `hop`: that, less what the same "
    "kind of worker takes when it is asked directly.",
}
LINE = re.compile(r"^figure (\S+) (\S+) (\S+)(?: \(target (\S+) (\S+)\))?$")


def main(only: str | None) -> int:
    """Run the areas and return the exit code; a missed target is shown, not hidden, and is no failure."""
    if only is not None and only not in AREAS:
        print(f"no benchmark area {only!r}; choose one of {', '.join(AREAS)}.", file=sys.stderr)
        return 2
    sections = _read_sections()
    for area in [only] if only else AREAS:
        sections[area] = _section(area, [line for script in AREAS[area] for line in _run(script)])
    PAGE.write_text(_head() + "".join(sections[area] for area in AREAS if area in sections))
    print(f"wrote {PAGE}")
    return 0


def _run(script: str) -> list[str]:
    """Return the figure lines of one benchmark, which are shown as they come."""
    command = [sys.executable, str(HERE / script)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(HERE), str(HERE.parent)))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            print(line, end="", flush=True)
            if LINE.match(line.strip()):
                lines.append(line.strip())
    if process.returncode:
        raise SystemExit(f"{script} failed with exit code {process.returncode}")
    return lines


def _section(area: str, lines: list[str]) -> str:
    rows = "".join(_row(line) for line in lines)
    return f"\n## {area}\n\n{ABOUT[area]}\n\n| figure | value | unit | target | met |\n|---|---|---|---|---|\n{rows}"


def _row(line: str) -> str:
    match = LINE.match(line)
    assert match is not None
    name, value, unit, operator, wanted = match.groups()
    if operator is None:
        return f"| `{name}` | {value} | {unit} | | |\n"
    met = float(value) >= float(wanted) if operator == ">=" else float(value) <= float(wanted)
    return f"| `{name}` | {value} | {unit} | {operator} {wanted} | {'yes' if met else '**no**'} |\n"


def _head() -> str:
    return (
        "# Performance and quality figures\n\nWritten by `make bench` (one area: `make bench ONLY=network`); ratios "
        "come from one run, interleaved.\n\n"
        f"Machine: {_processor()}, {os.cpu_count()} cores, no GPU, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}.\n"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text()) if info.exists() else []
    return names[0] if names else platform.processor() or "unknown processor"


def _read_sections() -> dict[str, str]:
    """Return the page's sections by area, so that one area can be measured alone."""
    if not PAGE.exists():
        return {}
    parts = re.split(r"^(?=\n## )", PAGE.read_text(), flags=re.MULTILINE)
    found = {re.findall(r"^\n?## (\S+)", part)[0]: part for part in parts[1:]}
    return {area: text if text.startswith("\n") else "\n" + text for area, text in found.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else None))
