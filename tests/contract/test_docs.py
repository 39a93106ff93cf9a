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


KNOBS = "| knob | default | what it does |\n|---|---|---|\n"


def render_knobs() -> str:
    """Return the table of docs/nuke.md that has a row for each parameter."""
    rows = (f"| `{p.name}` | {describe_value(p.default)} | {p.tooltip} |" for p in PARAMS)
    return KNOBS + "\n".join(rows) + "\n"


def render_parameters() -> str:
    """Return docs/parameters.md."""
    rows = (
        f"| `{p.name}` | {describe_value(p.default)} | {describe_range(p)} | {p.stage.value} | {p.tooltip} |"
        for p in PARAMS
    )
    return HEAD + "\n".join(rows) + "\n"


def text_of(node: ast.expr) -> str:
    """Return what a literal says, less what is filled in."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)


def raised_in(source: str) -> Iterator[str]:
    """Yield what the errors of a Python file say, less what is filled in."""
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and hasattr(errors, call.func.id):
            yield from map(text_of, call.args)


def literals_of(source: str) -> list[str]:
    """Return the strings of a C, Lua or Python file; those that stand side by side are one."""
    return re.findall(r'"((?:[^"\\\n]|\\.)*)"', re.sub(r'"\s*\n\s*f?"', "", source))


def sentences(root: Path) -> list[str]:
    """Return all that an artist can be told in a host, and the sentence that is put together as it is said."""
    python = (path for folder in ("models", "server") for path in (root / folder).rglob("*.py"))
    said = [sentence for path in python for sentence in raised_in(path.read_text())]
    said += [text for path in (root / "ofx_bridge").rglob("*.c") for text in literals_of(path.read_text())]
    fuse = (*(root / "resolve_fuse").rglob("*.lua"), *(root / "resolve_fuse").glob("*.fuse"))
    said += [text for path in fuse for text in literals_of(path.read_text())]
    node = (*(root / "nuke_gizmo").rglob("*.py"), *(root / "nuke_gizmo").rglob("*.gizmo"))
    said += [text for path in node for text in literals_of(path.read_text())]
    with pytest.raises(errors.CheckpointError) as missing:
        read_installed(Path("/nowhere/green.safetensors"))
    return [*said, str(missing.value)]


@pytest.mark.parametrize("page", ["ofx.md", "resolve.md", "nuke.md"])
def test_messages_that_artists_look_up_are_said(page: str, root: Path) -> None:
    """What a page's table of troubles quotes in italics is what the node says."""
    quoted = re.findall(r"^\| \*(.+?)\*", (root / "docs" / page).read_text(), re.MULTILINE)
    said = sentences(root)
    assert len(quoted) > 3
    assert not [message for message in quoted if not any(message in sentence for sentence in said)]


def refusals(root: Path) -> Iterator[str]:
    """Yield the sentences of the package in Nuke: cause; next step."""
    for path in (root / "nuke_gizmo" / "python").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        documentation = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in parts | documentation:
                text = text_of(node)
                if "; " in text and text.endswith("."):
                    yield text


def test_what_nuke_refuses_is_on_its_page(root: Path) -> None:
    """Each sentence that a button may answer with has a row that tells its cause."""
    rows = re.findall(r"^\| (.*?) \|", (root / "docs" / "nuke.md").read_text(), re.MULTILINE)
    quoted = [piece for row in rows for piece in re.findall(r"\*([^*]+)\*", row)]
    found = list(refusals(root))
    assert len(found) > 30
    assert not [sentence for sentence in found if not any(piece in sentence for piece in quoted)]


def test_parameter_page_is_fresh(root: Path, update: bool) -> None:
    """docs/parameters.md is the table."""
    page = root / "docs" / "parameters.md"
    if update:
        page.write_text(render_parameters())
    assert page.read_text() == render_parameters(), "run: pytest --update tests/contract"


def test_knob_table_is_fresh(root: Path, update: bool) -> None:
    """The page of Nuke has a row for each parameter, as the table says."""
    page = root / "docs" / "nuke.md"
    head, _, rest = page.read_text().partition(KNOBS)
    fresh = head + render_knobs() + "\n" + rest.partition("\n\n" if rest.startswith("|") else "\n")[2]
    if update:
        page.write_text(fresh)
    assert page.read_text() == fresh, "run: pytest --update tests/contract"


def test_command_line_page_names_every_command(root: Path) -> None:
    """docs/command-line.md has a section for each subcommand and none for others."""
    lines = (root / "docs" / "command-line.md").read_text().splitlines()
    sections = {line.removeprefix("## ckey ") for line in lines if line.startswith("## ckey ")}
    assert sections == set(COMMANDS)
