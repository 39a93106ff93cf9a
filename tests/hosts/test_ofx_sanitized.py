"""The tests of plug-in and client once more, with C code that watches its own memory (ASan, UBSan)."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from native import is_sanitized

HELD_ELSEWHERE = {
    "test_native_client.py", "test_native_messages.py", "test_native_zmtp.py", "test_native_starter.py",
}  # fmt: skip
"""Files whose code the plug-in's tests run, too, or whose inputs test_native_fuzz has; in soak they run as well."""

FEWEST = 300  # tests; less means that they were not found

WRONG = {
    "heap-buffer-overflow": "#include <stdlib.h>\nint wrong(int at);\n"
    "int wrong(int at) { int *room = calloc(4, sizeof *room); int found = room[at]; free(room); return found; }\n",
    "signed integer overflow": "int wrong(int at);\nint wrong(int at) { return 2147483647 - 3 + at; }\n",
}
CALL = """
import ctypes, sys
from pathlib import Path
from native import compile_c
source = Path(sys.argv[1])
ctypes.CDLL(str(compile_c([source], source.with_suffix(".so"), "-shared", "-fPIC", "-O0"))).wrong(4)
"""

pytestmark = pytest.mark.skipif(is_sanitized(), reason="everything is watched already")


def run(root: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run Python where C code that is compiled watches its memory."""
    command = ["gcc", "-print-file-name=libasan.so"]
    library = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    environment = os.environ | {
        "CKEY_SANITIZE": "1",
        "LD_PRELOAD": library,
        # What was freed is kept for a while: little, or memory that must not grow seems to. Leaks: test_native_cycle.
        "ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=16",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONPATH": str(root / "tests"),
    }
    environment.pop("CKEY_RUNTIME", None)
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)


def suite(root: Path, left_out: set[str]) -> list[Path]:
    """Return the files with tests of C code in this process, without those that are left out."""
    left_out = left_out | {Path(__file__).name, "test_ofx_build.py"}
    patterns = ("hosts/test_ofx_*.py", "e2e/test_native_client*.py", "unit/test_native_*.py")
    found = [path for pattern in patterns for path in sorted((root / "tests").glob(pattern))]
    return [path for path in found if path.name not in left_out]


@pytest.mark.parametrize("words", WRONG)
def test_what_is_wrong_is_caught(words: str, root: Path, tmp_path: Path) -> None:
    """Code that does wrong ends the process that it runs in, with the reason: the tests below would not pass."""
    source = tmp_path / "wrong.c"
    source.write_text(WRONG[words])
    done = run(root, "-c", CALL, source)
    assert done.returncode != 0
    assert words in done.stderr


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_nothing_is_wrong(root: Path, rounds: int) -> None:
    """No test of plug-in or client touches memory that it may not, or does what C does not define; in soak all run."""
    chosen, left_out = (["-m", "not slow"], HELD_ELSEWHERE) if rounds == 1 else ([], set())
    done = run(root, "-m", "pytest", "-q", "-x", "-s", "-p", "no:cacheprovider", *chosen, *suite(root, left_out))
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > FEWEST
