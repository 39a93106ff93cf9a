"""Who lives: locks, watches, and children that end with their parent."""

import mmap
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from corridorkey_server import system
from corridorkey_server.system import linux, macos, windows

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="watches processes as Linux does")

DEADLINE = 30.0

HOLDS = (
    "import sys, time\n"
    "from corridorkey_server import system\n"
    "print(system.lock(sys.argv[1]) is not None, flush=True)\n"
    "time.sleep(60)\n"
)
PARENT = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdout=subprocess.PIPE)\n"
    "child.stdout.readline()\n"
    "print(child.pid, flush=True)\n"
    "time.sleep(60)\n"
)


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a program in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True)


def test_one_process_holds_a_lock(tmp_path: Path) -> None:
    """While another process holds the lock it is not had; when that is killed it is, and twice it is not."""
    path = tmp_path / "lock"
    with start(HOLDS, str(path)) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert system.lock(path) is None
        other.kill()
    held = system.lock(path)
    assert held is not None
    assert not os.get_inheritable(held)
    before = sorted(Path("/proc/self/fd").iterdir())
    assert system.lock(path) is None
    assert sorted(Path("/proc/self/fd").iterdir()) == before
    os.close(held)


def test_lock_follows_no_link(tmp_path: Path) -> None:
    """A link that somebody put in the lock's place is an error, and what it points to stays."""
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        system.lock(tmp_path / "lock")
    assert not (tmp_path / "victim").exists()


def test_lock_is_the_users_alone(tmp_path: Path) -> None:
    """The lock's file has no rights for others."""
    held = system.lock(tmp_path / "lock")
    assert held is not None
    os.close(held)
    assert (tmp_path / "lock").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("module", [linux, macos], ids=["linux", "macos"])
def test_child_ends_with_its_parent(module) -> None:
    """When the supervisor is killed, its worker is gone too, whatever it was doing."""
    child = (
        f"import os, time; from {module.__name__} import end_with_parent\n"
        "end_with_parent(os.getppid())\n"
        "print(flush=True); time.sleep(60)\n"
    )
    with start(PARENT, child) as parent:
        assert parent.stdout is not None
        watch = system.watch_process(int(parent.stdout.readline()))
        assert watch is not None
        assert select.select([watch], [], [], 0)[0] == []
        parent.kill()
        assert select.select([watch], [], [], DEADLINE)[0] == [watch]
        os.close(watch)


@pytest.mark.parametrize("module", [linux, macos], ids=["linux", "macos"])
def test_child_whose_parent_is_gone_already_ends(module) -> None:
    """A worker that comes up after its supervisor died does not go on."""
    program = f"from {module.__name__} import end_with_parent; end_with_parent(1); print('went on')"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr == "the process that started this one is gone.\n"


def test_process_that_is_gone_has_no_watch() -> None:
    """Of a process that has ended, or that the kernel could not name, there is nothing to watch."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert system.watch_process(gone.pid) is None
    assert system.watch_process(0) is None


def test_user_is_who_runs_this() -> None:
    """Files that this process makes belong to that user; Windows has one for all."""
    assert system.user() == os.getuid()
    assert windows.user() == 0


def test_memory_held_grows_with_what_is_touched() -> None:
    """What a process touches counts as its own, within what the machine has."""
    before = system.resident_bytes()
    with mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_POPULATE):
        grown = system.resident_bytes() - before
    assert 60 << 20 < grown < 80 << 20
    assert before < system.memory_bytes()
