"""Documents are as the code says; `pytest --update` rewrites those that are rendered from it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from corridorkey_models import errors
from corridorkey_models.checkpoints import read_installed
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


def raised_in(source: str) -> Iterator[str]:
    """Yield what the errors of a Python file say, less what is filled in."""
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and hasattr(errors, call.func.id):
            for said in call.args:
                parts = said.values if isinstance(said, ast.JoinedStr) else [said]
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)


def literals_of(source: str) -> list[str]:
    """Return the strings of a C or Lua file; those that stand side by side are one."""
    return re.findall(r'"((?:[^"\\\n]|\\.)*)"', re.sub(r'"\s*\n\s*"', "", source))


def sentences(root: Path) -> list[str]:
    """Return all that an artist can be told in a host, and the sentence that is put together as it is said."""
    python = (path for folder in ("models", "server") for path in (root / folder).rglob("*.py"))
    said = [sentence for path in python for sentence in raised_in(path.read_text())]
    said += [text for path in (root / "ofx_bridge").rglob("*.c") for text in literals_of(path.read_text())]
    fuse = (*(root / "resolve_fuse").rglob("*.lua"), *(root / "resolve_fuse").glob("*.fuse"))
    said += [text for path in fuse for text in literals_of(path.read_text())]
    with pytest.raises(errors.CheckpointError) as missing:
        read_installed(Path("/nowhere/green.safetensors"))
    return [*said, str(missing.value)]


@pytest.mark.parametrize("page", ["ofx.md", "resolve.md"])
def test_messages_that_artists_look_up_are_said(page: str, root: Path) -> None:
    """What a page's table of troubles quotes in italics is what the node says."""
    quoted = re.findall(r"^\| \*(.+?)\*", (root / "docs" / page).read_text(), re.MULTILINE)
    said = sentences(root)
    assert len(quoted) > 3
    assert not [message for message in quoted if not any(message in sentence for sentence in said)]


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
