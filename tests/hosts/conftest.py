"""The plug-in as hosts load it, and daemons for it to talk to."""

import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import native
import small_fuse
from commands import ckey
from corridorkey_server.client import Client
from corridorkey_server.host_files import find_library, system_name
from corridorkey_server.rendezvous import Rendezvous
from daemons import EchoDaemon

collect_ignore = ["nuke_smoke.py"]
"""What Nuke itself runs."""

if native.is_sanitized():
    os.environ.pop("LD_PRELOAD", None)  # programs that tests start are not watched, and are quicker without


@pytest.fixture(scope="session")
def plug_in(request: pytest.FixtureRequest) -> Path:
    """The plug-in's binary: the bundle's own, or one that watches its own memory (CKEY_SANITIZE)."""
    if not native.is_sanitized():
        return Path(request.getfixturevalue("bundle_binary"))
    folder = Path(tempfile.mkdtemp(prefix="ckey-c-"))
    flags = ("-shared", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off")
    return native.compile_c(native.sources("client", "plugin"), folder / "CorridorKey.ofx", *flags)


@pytest.fixture
def binary(plug_in: Path, tmp_path: Path) -> Path:
    """The plug-in as a process has it that has not loaded it before: what was said in another test is not known."""
    return Path(shutil.copy(plug_in, tmp_path / "CorridorKey.ofx"))


@pytest.fixture
def nowhere(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place where no daemon is, which the plug-in looks at."""
    monkeypatch.setenv("CKEY_RUNTIME", str(runtime))
    return runtime


@pytest.fixture
def crew() -> Iterator[ThreadPoolExecutor]:
    """Threads of a host."""
    with ThreadPoolExecutor(10) as threads:
        yield threads


@pytest.fixture
def echo(daemon: EchoDaemon, monkeypatch: pytest.MonkeyPatch) -> EchoDaemon:
    """A daemon that gives back what it gets, where the plug-in finds it."""
    monkeypatch.setenv("CKEY_RUNTIME", str(daemon.place.folder))
    # The first frame would otherwise wait for the worker, which a busy machine is slow to start.
    with daemon.client() as client:
        client.status()
    return daemon


@pytest.fixture
def client_library(natives: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The client library for this machine, where the fuse finds it."""
    library = find_library(system=system_name(), package=natives.parents[1] / "server" / "corridorkey_server")
    monkeypatch.setenv("CKEY_LIBRARY", str(library))
    return library


@pytest.fixture(scope="session")
def real_daemon() -> Iterator[Rendezvous]:
    """The product's daemon with the procedural keyer, on the processor."""
    with tempfile.TemporaryDirectory(prefix="ckey-") as folder:
        runtime = Path(folder) / "run"
        assert ckey(runtime, "start", "--device", "cpu", "--model", "procedural").returncode == 0
        yield Rendezvous(runtime)
        assert ckey(runtime, "stop", "--now").returncode == 0


@pytest.fixture
def keying(real_daemon: Rendezvous, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A Python client of the product's daemon, which the plug-in finds, too."""
    monkeypatch.setenv("CKEY_RUNTIME", str(real_daemon.folder))
    os.environ.pop("CKEY_DEVICE", None)
    with Client("test", real_daemon) as client:
        yield client


@pytest.fixture(scope="module")
def common() -> Iterator[EchoDaemon]:
    """One daemon that gives back what it gets, for all tests of a file."""
    with tempfile.TemporaryDirectory(prefix="ckey-") as folder, EchoDaemon(Path(folder) / "run") as running:
        yield running


@pytest.fixture
def write(tmp_path: Path) -> small_fuse.Write:
    """Writes the small fuse with something else in it."""
    return functools.partial(small_fuse.write, tmp_path)


@pytest.fixture
def plate() -> NDArray[np.float32]:
    """Pixels that are all different."""
    return np.random.default_rng(4).normal(size=(6, 9, 4)).astype(np.float32)
