"""The examples of docs/python.md run as they stand."""

import re
from pathlib import Path

import pytest

from daemons import EchoDaemon


def test_examples_of_the_python_page_run(root: Path, daemon: EchoDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever copies the page's code keys frames with it."""
    monkeypatch.setenv("CKEY_RUNTIME", str(daemon.place.folder))
    blocks = re.findall(r"```python\n(.*?)```", (root / "docs" / "python.md").read_text(), re.DOTALL)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert len(blocks) == 2
    assert daemon.status()["frames"]["keyed"] == 3
