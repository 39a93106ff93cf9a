"""Options and fixtures that every test can use."""

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from daemons import EchoDaemon

# A busy machine is no failure.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --update, which rewrites what is rendered and checked in instead of comparing it."""
    parser.addoption("--update", action="store_true", help="rewrite rendered files that are checked in")


def pytest_configure(config: pytest.Config) -> None:
    """Let no test find the daemon of whoever runs the tests, and no thread keep a core busy by waiting."""
    folder = tempfile.TemporaryDirectory(prefix="ckey-")
    config.add_cleanup(folder.cleanup)
    os.environ["CKEY_RUNTIME"] = f"{folder.name}/none"
    # Frames of tests are small: torch's threads would wait for each other, spinning, for longer than they compute.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether rendered files are rewritten instead of compared."""
    return bool(request.config.getoption("--update"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return Path(__file__).parent.parent


@pytest.fixture(scope="session")
def natives(root: Path) -> Path:
    """The folder with the OFX bundle and the client library for every system, built if it is not current."""
    command = [sys.executable, str(root / "ofx_bridge" / "build.py")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return root / "build" / "native"


@pytest.fixture(scope="session")
def bundle_binary(natives: Path) -> Path:
    """The OFX plug-in for this machine, which is Linux."""
    folder = "Linux-aarch64" if platform.machine() == "aarch64" else "Linux-x86-64"
    return natives / "CorridorKey.ofx.bundle" / "Contents" / folder / "CorridorKey.ofx"


@pytest.fixture(scope="session")
def rounds() -> int:
    """How often a repetition runs: 1 in `make test`, 50 in `make soak`."""
    return int(os.environ.get("CKEY_SOAK_ROUNDS", "1"))


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A runtime folder that is not there yet; pytest's own folders are too long for a socket's path."""
    with tempfile.TemporaryDirectory(prefix="ckey-") as folder:
        yield Path(folder) / "run"


@pytest.fixture
def daemon(runtime: Path) -> Iterator[EchoDaemon]:
    """A daemon that gives back what it gets."""
    with EchoDaemon(runtime) as running:
        yield running
