"""Options and fixtures that every test can use."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failure.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --update, which rewrites what is rendered and checked in instead of comparing it."""
    parser.addoption("--update", action="store_true", help="rewrite rendered files that are checked in")


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether rendered files are rewritten instead of compared."""
    return bool(request.config.getoption("--update"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return Path(__file__).parent.parent


@pytest.fixture
def rounds() -> int:
    """How often a repetition runs: 1 in `make test`, 50 in `make soak`."""
    return int(os.environ.get("CKEY_SOAK_ROUNDS", "1"))
