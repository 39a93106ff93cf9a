"""Documents that are rendered from the code are as the code says; `pytest --update` rewrites them."""

from pathlib import Path

from corridorkey_models.params import PARAMS
from corridorkey_server.cli import COMMANDS
from corridorkey_server.commands.params import describe_range, describe_value

HEAD = """# Parameters

Every host and the command line build their controls from this table (`models/corridorkey_models/params.py`). Lengths
in pixels are those of a picture 1920 pixels wide and are scaled to the frame. On the command line each is an option
of the same name, with `-` for `_`.

| name | default | accepts | stage | what it does |
|---|---|---|---|---|
"""


def render_parameters() -> str:
    """Return docs/parameters.md."""
    rows = (
        f"| `{p.name}` | {describe_value(p.default)} | {describe_range(p)} | {p.stage.value} | {p.tooltip} |"
        for p in PARAMS
    )
    return HEAD + "\n".join(rows) + "\n"


def test_parameter_page_is_fresh(root: Path, update: bool) -> None:
    """docs/parameters.md is the table."""
    page = root / "docs" / "parameters.md"
    if update:
        page.write_text(render_parameters())
    assert page.read_text() == render_parameters(), "run: pytest --update tests/contract"


def test_command_line_page_names_every_command(root: Path) -> None:
    """docs/command-line.md has a section for each subcommand and none for others."""
    lines = (root / "docs" / "command-line.md").read_text().splitlines()
    sections = {line.removeprefix("## ckey ") for line in lines if line.startswith("## ckey ")}
    assert sections == set(COMMANDS)
