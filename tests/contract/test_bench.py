"""Benchmarks say what they measure in lines that the performance page is made from."""

from pathlib import Path

import pytest
import run
from figures import figure


@pytest.mark.parametrize("target", ["", ">= 2", "<= 1.05"])
def test_a_figure_is_a_row_of_the_page(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A printed figure is found again with name, value, unit and target."""
    figure("network_512_seconds", 2.34567, "s", target)
    match = run.LINE.match(capsys.readouterr().out.strip())
    assert match is not None
    assert match.groups()[:3] == ("network_512_seconds", "2.346", "s")
    assert " ".join(filter(None, match.groups()[3:])) == target


def test_a_missed_target_shows(capsys: pytest.CaptureFixture[str]) -> None:
    """A figure that misses its target is marked on the page, not left out."""
    figure("ratio", 1.5, "x", ">= 2")
    assert "| **no** |" in run._row(capsys.readouterr().out.strip())


def test_every_area_names_its_scripts(root: Path) -> None:
    """Each area of `make bench` has its scripts and a sentence on the page."""
    assert run.AREAS.keys() == run.ABOUT.keys()
    for scripts in run.AREAS.values():
        assert all((root / "tests" / "bench" / script).is_file() for script in scripts)
