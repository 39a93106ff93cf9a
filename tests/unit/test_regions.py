"""Memory that processes share and none can take away from the others."""

import errno
import fcntl
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from corridorkey_models.errors import ResourceError
from corridorkey_server.system import Region

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel what became of the memory")

PAGE = mmap.PAGESIZE
SIZE = 64 * PAGE


@pytest.fixture
def region() -> Iterator[Region]:
    """A region of 64 pages."""
    region = Region.create(SIZE)
    yield region
    region.close()


def backed(region: Region) -> int:
    """Return how many bytes of the region take memory."""
    return os.fstat(region.fileno()).st_blocks * 512


def mappings() -> list[str]:
    """Return what the kernel says of each mapping of a region in this process."""
    text = Path("/proc/self/smaps").read_text()
    start = text.find("/memfd:corridorkey")
    return text[start:].split("/memfd:corridorkey")[1:] if start >= 0 else []


def run(program: str, *regions: Region) -> subprocess.CompletedProcess[str]:
    """Run a program that inherits the regions and has their descriptors as its arguments."""
    numbers = [region.fileno() for region in regions]
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, numbers)],
        pass_fds=numbers,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_new_region_is_zero_and_has_its_memory(region: Region) -> None:
    """All of it is backed when it is handed out, so that no frame waits for pages or dies for lack of them."""
    assert region.size == SIZE
    assert backed(region) == SIZE
    assert region.read(SIZE) == bytes(SIZE)
    assert not os.get_inheritable(region.fileno())


@pytest.mark.parametrize("size", [0, SIZE - 1, SIZE + 1])
def test_size_is_sealed(region: Region, size: int) -> None:
    """Neither the descriptor nor the file behind it lets anybody change the size, nor loosen that rule."""
    with pytest.raises(PermissionError):
        os.ftruncate(region.fileno(), size)
    with pytest.raises(PermissionError):
        os.truncate(f"/proc/self/fd/{region.fileno()}", size)
    with pytest.raises(PermissionError):
        fcntl.fcntl(region.fileno(), 1033, 0x10)
    assert os.fstat(region.fileno()).st_size == SIZE


def test_opening_the_file_again_does_not_shrink_it(region: Region) -> None:
    """Opening it with truncation is refused; opening it for writing writes within it and not beyond."""
    path = Path(f"/proc/self/fd/{region.fileno()}")
    with pytest.raises(PermissionError):
        path.open("wb")
    with path.open("r+b", buffering=0) as file:
        assert file.write(b"within") == 6
        file.seek(SIZE)
        with pytest.raises(PermissionError):
            file.write(b"beyond")
    assert region.read(6) == b"within"
    assert os.fstat(region.fileno()).st_size == SIZE


def test_another_process_writes_and_cannot_shrink(region: Region) -> None:
    """Who was given a region sees the same bytes, and cannot pull it away from under a reader."""
    mapping = region.map()
    ran = run(
        "import os, sys\n"
        "from corridorkey_server.system import Region\n"
        "region = Region(int(sys.argv[1]))\n"
        "region.map()[-5:] = b'there'\n"
        "try: os.ftruncate(region.fileno(), 0)\n"
        "except PermissionError: sys.exit(7)\n",
        region,
    )
    assert ran.returncode == 7, ran.stderr
    assert mapping[-5:] == b"there"
    mapping.close()


def test_header_is_written_without_a_mapping(region: Region) -> None:
    """The supervisor writes headers and never maps; who maps sees what it wrote."""
    region.write(b"header", PAGE - 3)
    assert region.read(8, PAGE - 4) == b"\0header\0"
    assert mappings() == []
    mapping = region.map()
    assert mapping[PAGE - 3 : PAGE + 3] == b"header"
    assert len(mappings()) == 1
    mapping.close()


@pytest.mark.parametrize(("size", "offset"), [(1, SIZE), (SIZE + 1, 0), (2, SIZE - 1), (1, -1)])
def test_nothing_outside_is_touched(region: Region, size: int, offset: int) -> None:
    """Bytes that are not in the region are neither written nor read, not even in part."""
    with pytest.raises(ValueError, match="are not in a region"):
        region.write(b"x" * size, offset)
    with pytest.raises(ValueError, match="are not in a region"):
        region.read(size, offset)
    assert region.read(SIZE) == bytes(SIZE)


def test_mapping_has_its_pages_and_stays_here(region: Region) -> None:
    """A mapping is all there before the first touch, and is marked not to be copied into children."""
    mapping = region.map()
    (said,) = mappings()
    resident = next(line for line in said.splitlines() if line.startswith("Rss:"))
    flags = next(line for line in said.splitlines() if line.startswith("VmFlags:"))
    assert int(resident.split()[1]) * 1024 == SIZE
    assert "dc" in flags.split()
    mapping.close()


def test_forked_child_has_no_mapping() -> None:
    """A child that a host forks does not keep a slot's memory, and dies if it touches it."""
    ran = run(
        "import os, resource, sys\n"
        "from corridorkey_server.system import Region\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        "mapping = Region.create(4096).map()\n"
        "child = os.fork()\n"
        "if child == 0: os._exit(mapping[0])\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) + 100)\n"
    )
    assert ran.returncode == 100 - signal.SIGSEGV, ran.stderr


def test_emptied_region_takes_no_memory_and_reads_zero(region: Region) -> None:
    """Memory from the offset on goes back although it is mapped; what is before it and the mapping stay."""
    mapping = region.map()
    mapping[:] = b"x" * SIZE
    region.empty(PAGE)
    assert backed(region) == PAGE
    assert mapping[: PAGE + 1] == b"x" * PAGE + b"\0"
    assert mapping[PAGE:] == bytes(SIZE - PAGE)
    mapping.close()


def test_filled_region_is_backed_again(region: Region) -> None:
    """After filling, the whole region takes memory again and the old mapping shows what others write."""
    mapping = region.map()
    region.write(b"header")
    region.empty(PAGE)
    region.fill()
    assert backed(region) == SIZE
    region.write(b"again", SIZE - 5)
    assert mapping[:6] == b"header"
    assert mapping[-5:] == b"again"
    mapping.close()


def test_emptying_nothing_changes_nothing(region: Region) -> None:
    """The end of the region is a place to empty from; beyond it is none."""
    region.empty(SIZE)
    assert backed(region) == SIZE
    with pytest.raises(ValueError, match="are not in a region"):
        region.empty(SIZE + 1)


def test_closing_is_final_and_harmless_twice(region: Region) -> None:
    """A closed region has no descriptor, what is mapped stays, and closing again closes nobody else's descriptor."""
    mapping = region.map()
    region.close()
    assert region.fileno() == -1
    other = os.open("/dev/null", os.O_RDONLY)
    region.close()
    os.fstat(other)
    os.close(other)
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        region.write(b"x")
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        region.empty(0)
    mapping[0] = 1
    mapping.close()


@pytest.mark.parametrize(("limit", "words"), [("FSIZE", "file too large"), ("NOFILE", "too many open files")])
def test_refused_memory_is_a_sentence_and_leaves_nothing(limit: str, words: str) -> None:
    """When the system refuses, the user is told what to do and no descriptor is left open."""
    ran = run(
        "import os, resource, sys\n"
        "from corridorkey_models.errors import ResourceError\n"
        "from corridorkey_server.system import Region\n"
        "before = os.listdir('/proc/self/fd')\n"
        f"limit = {{'FSIZE': 1 << 20, 'NOFILE': len(before) - 1}}['{limit}']\n"
        f"kind = resource.RLIMIT_{limit}\n"
        "_, most = resource.getrlimit(kind)\n"
        "resource.setrlimit(kind, (limit, most))\n"
        "try: Region.create(8 << 20)\n"
        "except ResourceError as error: print(error)\n"
        "resource.setrlimit(kind, (most, most))\n"
        "sys.exit(os.listdir('/proc/self/fd') != before)\n"
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"8 MB of shared memory could not be had: {words}; close other programs and try again.\n"


def test_region_that_cannot_be_filled_says_so(region: Region) -> None:
    """Filling raises as creating does, so that a slot that was emptied fails with a sentence too."""
    region.close()
    with pytest.raises(ResourceError, match="could not be had: bad file descriptor"):
        region.fill()


def longest_pause(work: Callable[[], object]) -> tuple[float, float]:
    """Return how long the work took and how long another thread that wants to run every millisecond could not."""
    pauses, stop = [0.0], threading.Event()

    def tick() -> None:
        last = time.perf_counter()
        while not stop.is_set():
            time.sleep(0.001)
            now = time.perf_counter()
            pauses.append(now - last)
            last = now

    thread = threading.Thread(target=tick)
    thread.start()
    begun = time.perf_counter()
    work()
    took = time.perf_counter() - begun
    stop.set()
    thread.join()
    return took, max(pauses)


def test_other_threads_run_while_memory_is_made() -> None:
    """The supervisor answers while a helper thread makes a slot: no pause is near as long as the making."""
    shares = []
    for _ in range(10):
        regions: list[Region] = []
        took, pause = longest_pause(lambda made=regions: made.append(Region.create(128 << 20)))
        regions[0].close()
        shares.append(pause / took)
        if shares[-1] < 0.5:
            break
    assert min(shares) < 0.5
