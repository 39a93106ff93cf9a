"""The C client under sanitizers that Python cannot be run under: no memory is left over, no thread races another."""

import os
import subprocess
from pathlib import Path

import pytest

from daemons import EchoDaemon
from native import SANITIZED, compile_c, is_sanitized, sources

FRAMES = 300  # of a thread
THREADS = 8
RACES = ("-fsanitize=thread", "-O1", "-Wno-format-truncation")
LEAKS = (*SANITIZED, "-O1", "-Wno-format-truncation")  # with -O1 and sanitizers gcc no longer sees what it knows

LEAKING = "#include <stdlib.h>\nint main(void) { return malloc(1000) == NULL; }\n"
RACING = """
#include <pthread.h>
static int count;
static void *work(void *nothing) { count++; return nothing; }
int main(void) {
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) if (pthread_create(&threads[i], NULL, work, NULL) != 0) return 1;
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    return count != 2;
}
"""

pytestmark = pytest.mark.skipif(is_sanitized(), reason="these programs bring their own sanitizers")


def run(program: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a program that a sanitizer watches."""
    watched = {"ASAN_OPTIONS": "detect_leaks=1", "TSAN_OPTIONS": "halt_on_error=1"}
    environment = os.environ | watched | {"LD_PRELOAD": ""}
    command = [str(program), *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def cycle(folder: Path, flags: tuple[str, ...], threads: int, rounds: int) -> dict[str, int]:
    """Run client_cycle with a sanitizer, which has to have nothing to say; returns what it counted."""
    files = [Path(__file__).parent / "client_cycle.c", *sources("client")]
    done = run(compile_c(files, folder / "client_cycle", *flags), threads, FRAMES * rounds)
    assert done.returncode == 0, done.stderr[-6000:]
    assert done.stderr == ""
    words = done.stdout.split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))


@pytest.fixture
def found(daemon: EchoDaemon, monkeypatch: pytest.MonkeyPatch) -> EchoDaemon:
    """A daemon where the program finds it."""
    monkeypatch.setenv("CKEY_RUNTIME", str(daemon.place.folder))
    return daemon


@pytest.mark.parametrize(
    ("flags", "text", "words"), [(LEAKS, LEAKING, "detected memory leaks"), (RACES, RACING, "data race")]
)
def test_the_sanitizers_see(flags: tuple[str, ...], text: str, words: str, tmp_path: Path) -> None:
    """A leak and a race that are there are reported."""
    source = tmp_path / "wrong.c"
    source.write_text(text)
    done = run(compile_c([source], tmp_path / "wrong", *flags))
    assert done.returncode != 0
    assert words in done.stderr


@pytest.mark.soak
@pytest.mark.parametrize("threads", [1, THREADS])
def test_no_memory_is_left_over(threads: int, found: EchoDaemon, tmp_path: Path, rounds: int) -> None:
    """However its frames end, what a client took is given back when it is closed, here and in the daemon."""
    counts = cycle(tmp_path, LEAKS, threads, rounds)
    assert counts["failed"] == 0
    assert counts["keyed"] > FRAMES // 12
    assert found.status()["session_count"] == 0


@pytest.mark.soak
def test_threads_do_not_race(found: EchoDaemon, tmp_path: Path, rounds: int) -> None:
    """Threads that share a client, and open and close others beside it, keep to its locks."""
    counts = cycle(tmp_path, RACES, THREADS, rounds)
    assert counts["failed"] == 0
    assert counts["keyed"] > THREADS * FRAMES // 12
    assert found.status()["frames"]["keyed"] >= counts["keyed"]
