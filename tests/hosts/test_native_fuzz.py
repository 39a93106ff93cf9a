"""A million broken messages for the C client's decoders, watched by ASan and UBSan."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from corridorkey_server.protocol import Result
from native import SANITIZED, compile_c, sources

MUTANTS, SEED = 1_000_000, 4
KINDS = {"replies": "r", "lease": "l"}


def golden_lines(root: Path) -> Iterator[str]:
    """Yield what a daemon may say, as wire_fuzz reads it: the golden messages, and one with much text."""
    golden = json.loads((root / "tests" / "golden" / "messages.json").read_text())
    for entry in golden["messages"] + golden["read_only"]:
        if entry["table"] in KINDS:
            yield f"{KINDS[entry['table']]} {entry['bytes']}\n"
    texts = {"model": "m" * 256, "quality": "q" * 32, "device": "d" * 128, "notes": ("ß" * 16,) * 16}
    timings = {f"stage {number}": 0.5 for number in range(31)} | {"total": 1.0}
    result = Result(id=4, slot=1, gen=7, empty=False, kept=True, timings=timings, **texts)
    yield f"r {result.encode().hex()}\n"


def test_broken_messages_break_nothing(root: Path, tmp_path: Path) -> None:
    """Of a million mutants each is taken with values in their ranges or refused; no byte beyond them is touched."""
    lines = tmp_path / "golden.txt"
    lines.write_text("".join(golden_lines(root)))
    files = [Path(__file__).parent / "wire_fuzz.c", *sources("client")]
    # With -O1 and sanitizers gcc no longer sees what it knows of lengths.
    program = compile_c(files, tmp_path / "wire_fuzz", *SANITIZED, "-O1", "-Wno-format-truncation")
    command = [str(program), str(lines), str(MUTANTS), str(SEED)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    counts = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    assert counts["accepted"] + counts["refused"] == MUTANTS
    assert counts["accepted"] > MUTANTS // 20
    assert counts["refused"] > MUTANTS // 2
    assert counts["heard"] > MUTANTS // 20
    assert counts["mute"] > MUTANTS // 200
