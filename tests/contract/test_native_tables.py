"""The parameter table and the protocol's constants in C and Lua; `pytest --update` renders both files anew."""

import subprocess
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from lupa import lua51, luajit21

from corridorkey_models.params import PARAMS, Param, Stage
from corridorkey_server import protocol
from corridorkey_server.layout import HEADER, PAGE, SLOT_MARK
from corridorkey_server.protocol import CODES, MARK, PRIORITIES
from corridorkey_server.wire import MESSAGE_LIMIT

C_HEADER = "ofx_bridge/include/corridorkey_params.h"
LUA_MODULE = "resolve_fuse/Modules/Lua/corridorkey_params.lua"

CONSTANTS = {
    "protocol_version": (protocol.VERSION, "what this side speaks"),
    "protocol_oldest": (protocol.OLDEST, "what it still understands"),
    "message_limit": (MESSAGE_LIMIT, "bytes"),
    "token_size": (protocol.TOKEN_SIZE, "bytes of a session's token"),
    "side_limit": (protocol.SIDE_LIMIT, "pixels, width or height of a frame"),
    "slots": (protocol.SLOTS, "of a session, at most"),
    "page": (PAGE, "bytes; every plane of a slot begins at a multiple of it"),
    "header_size": (HEADER.size, "bytes at the start of a slot"),
}
MARKS = {
    "mark": (MARK, "first frame of every message"),
    "slot_mark": (SLOT_MARK, "first bytes of a slot"),
}
NASTY = (
    'quotes " and \\ and \\n, "',
    "tri??=graph ??/ ?????",
    "tab\t newline\n return\r bell\a del\x7f and digits after\x01123",
    "Größe — \U0001f3ac 0123",
    "*/ // /* %s %d ]] --[[ .. $ ` '",
    "  blanks   at every place, and a tail long enough that it does not fit into one line of the file, so it is cut   ",
    "",
)
"""Text that a careless renderer gets wrong."""


def nasty_rows() -> tuple[Param, ...]:
    """Return parameters as no sane table has them."""
    choice = Param("c", "choice", NASTY[0], "Label", NASTY[1], Stage.VIEW, choices=NASTY)
    texts = [Param(f"t{n}", "bool", True, text, text, Stage.FINISH) for n, text in enumerate(NASTY)]
    number = Param("n", "float", 0.1, "L", "T", Stage.PREDICT, low=-1e-300, high=1e300)
    return (choice, *texts, number)


def quote(text: str | bytes, base: str) -> str:
    """Return `text` as one string literal of printable ASCII; `base` is "o" for C's numbers, "d" for Lua's."""
    data = text.encode() if isinstance(text, str) else text
    return '"' + "".join(chr(byte) if _is_plain(byte) else f"\\{byte:03{base}}" for byte in data) + '"'


def _is_plain(byte: int) -> bool:
    # Two question marks begin a trigraph.
    return 0x20 <= byte < 0x7F and byte not in b'"\\?'


def quote_c(text: str | bytes) -> str:
    """Return `text` as a literal of C and C++."""
    return quote(text, "o")


def quote_lua(text: str | bytes) -> str:
    """Return `text` as a literal of Lua."""
    return quote(text, "d")


def pieces(text: str) -> list[str]:
    """Return `text` cut between words so that each piece fits on a line."""
    cut = textwrap.wrap(
        text, 90, expand_tabs=False, replace_whitespace=False, drop_whitespace=False, break_on_hyphens=False
    )
    return cut or [""]


def render_c(params: Sequence[Param]) -> str:
    """Return the C header."""
    constants = [f"#define CK_{name.upper()} {value} /* {about} */" for name, (value, about) in CONSTANTS.items()]
    marks = [
        f"#define CK_{name.upper()} {quote_c(value)} /* {len(value)} bytes, {about} */"
        for name, (value, about) in MARKS.items()
    ]
    return C_TEMPLATE.format(
        constants="\n".join([*constants, *marks]),
        priorities=_enum("priority", "priorities", dict.fromkeys(PRIORITIES, "")),
        codes=_enum("code", "codes", CODES),
        stages=_enum("stage", "stages", {stage.value: "" for stage in Stage}),
        choices="".join(_c_choices(param) for param in params if param.choices),
        count=len(params),
        rows=",\n".join(map(_c_row, params)),
    )


def _enum(noun: str, plural: str, words: dict[str, str]) -> str:
    """Return an enum, its count and the array of its words, each of `words` with what it means."""
    upper = f"CK_{noun.upper()}"
    commas = [","] * (len(words) - 1) + [""]
    about = [f" /* {meaning} */" if meaning else "" for meaning in words.values()]
    rows = [
        f"    {upper}_{word.upper()}{comma}{said}\n" for word, comma, said in zip(words, commas, about, strict=True)
    ]
    array = f"static const char *const ck_{plural}[{upper}_COUNT] = {{\n{_c_words(words)}\n}};"
    return f"enum ck_{noun} {{\n{''.join(rows)}}};\n#define {upper}_COUNT {len(words)}\n\n{array}"


def _c_words(words: Iterable[str]) -> str:
    return ",\n".join(f"    {quote_c(word)}" for word in words)


def _c_choices(param: Param) -> str:
    arrays = {"choices": param.choices, "labels": param.choice_labels}
    return "".join(
        f"static const char *const ck_{noun}_{param.name}[] = {{\n{_c_words(words)}\n}};\n"
        for noun, words in arrays.items()
    )


def _c_row(param: Param) -> str:
    values = [repr(float(value)) for value in (_index(param), param.low or 0, param.high or 0)]
    count, name = len(param.choices), param.name
    choices = f"ck_choices_{name}, ck_labels_{name}, {count}" if count else "0, 0, 0"
    tooltip = "\n     ".join(map(quote_c, pieces(param.tooltip)))
    head = f"{quote_c(param.name)}, CK_KIND_{param.kind.upper()}, {', '.join(values)}"
    tail = f"CK_STAGE_{param.stage.value.upper()}, {choices}"
    return f"    {{{head},\n     {quote_c(param.label)},\n     {tooltip},\n     {tail}}}"


def _index(param: Param) -> float:
    """Return the default as the C table holds it."""
    return param.choices.index(str(param.default)) if param.choices else float(param.default)


def render_lua(params: Sequence[Param]) -> str:
    """Return the Lua module."""
    constants = [f"    {name} = {value}, -- {about}" for name, (value, about) in CONSTANTS.items()]
    marks = [f"    {name} = {quote_lua(value)}, -- {about}" for name, (value, about) in MARKS.items()]
    return LUA_TEMPLATE.format(
        constants="\n".join([*constants, *marks]),
        priorities="".join(f"        {quote_lua(word)},\n" for word in PRIORITIES),
        codes="".join(f"        {quote_lua(word)}, -- {about}\n" for word, about in CODES.items()),
        rows="".join(map(_lua_row, params)),
    )


def _lua_row(param: Param) -> str:
    fields = "".join(f"            {name} = {value},\n" for name, value in _lua_fields(param))
    return f"        {{\n{fields}        }},\n"


def _lua_fields(param: Param) -> Iterator[tuple[str, str]]:
    yield "name", quote_lua(param.name)
    yield "kind", quote_lua(param.kind)
    yield "default", _lua_value(param.default)
    if param.kind == "float":
        yield "low", repr(param.low)
        yield "high", repr(param.high)
    yield "label", quote_lua(param.label)
    yield "tooltip", "\n                .. ".join(map(quote_lua, pieces(param.tooltip)))
    yield "stage", quote_lua(param.stage.value)
    if param.choices:
        yield "choices", _lua_words(param.choices)
        yield "labels", _lua_words(param.choice_labels)


def _lua_words(words: Iterable[str]) -> str:
    return "{\n" + "".join(f"                {quote_lua(word)},\n" for word in words) + "            }"


def _lua_value(value: object) -> str:
    if isinstance(value, str):
        return quote_lua(value)
    return repr(value).lower()


C_TEMPLATE = """\
/* SPDX-License-Identifier: Apache-2.0 */
/* The parameter table and the protocol's constants, rendered from models/corridorkey_models/params.py and
   server/corridorkey_server/protocol.py. Do not edit: `pytest --update tests/contract` writes it anew. */
#ifndef CORRIDORKEY_PARAMS_H
#define CORRIDORKEY_PARAMS_H

{constants}

/* Priorities and codes go over the wire as their words, which are found here by number. */
{priorities}

{codes}

{stages}

enum ck_kind {{
    CK_KIND_BOOL,
    CK_KIND_FLOAT,
    CK_KIND_CHOICE
}};

typedef struct ck_param {{
    const char *name;
    enum ck_kind kind;
    double default_value;       /* a bool's is 0 or 1, a choice's the index of its word */
    double low, high;           /* inclusive range of a float, else 0 */
    const char *label;
    const char *tooltip;
    enum ck_stage stage;        /* the earliest that a change makes necessary */
    const char *const *choices; /* words of a choice in their permanent order, else null */
    const char *const *labels;  /* what an artist reads for each */
    int choice_count;
}} ck_param;

{choices}
#define CK_PARAM_COUNT {count}

static const ck_param ck_params[CK_PARAM_COUNT] = {{
{rows}
}};

#endif
"""

LUA_TEMPLATE = """\
-- SPDX-License-Identifier: Apache-2.0
-- The parameter table and the protocol's constants, rendered from models/corridorkey_models/params.py and
-- server/corridorkey_server/protocol.py. Do not edit: `pytest --update tests/contract` writes it anew.
return {{
{constants}
    priorities = {{
{priorities}    }},
    codes = {{
{codes}    }},
    params = {{
{rows}    }},
}}
"""

PROGRAM = """
#include "table.h"
#include <stdio.h>

static void text(const char *words) { fputs(words, stdout); putchar(0); }
static void number(double value) { printf("%.17g", value); putchar(0); }

int main(void)
{
    for (int i = 0; i < CK_PARAM_COUNT; i++) {
        const ck_param *p = &ck_params[i];
        text(p->name); number(p->kind); number(p->default_value); number(p->low); number(p->high);
        text(p->label); text(p->tooltip); text(ck_stages[p->stage]); number(p->choice_count);
        for (int k = 0; k < p->choice_count; k++) { text(p->choices[k]); text(p->labels[k]); }
    }
    for (int i = 0; i < CK_CODE_COUNT; i++) text(ck_codes[i]);
    for (int i = 0; i < CK_PRIORITY_COUNT; i++) text(ck_priorities[i]);
    text(ck_codes[CK_CODE_DRAINING]); text(ck_priorities[CK_PRIORITY_BATCH]); text(CK_MARK); text(CK_SLOT_MARK);
    number(sizeof(CK_SLOT_MARK) - 1); number(CK_PROTOCOL_VERSION); number(CK_PROTOCOL_OLDEST); number(CK_MESSAGE_LIMIT);
    number(CK_TOKEN_SIZE); number(CK_SIDE_LIMIT); number(CK_SLOTS); number(CK_PAGE); number(CK_HEADER_SIZE);
    return 0;
}
"""
"""Prints the whole header, each value ended by a zero byte."""


def expected_from_c(params: Sequence[Param]) -> list[str]:
    """Return what the program has to print."""
    rows = chain.from_iterable(map(_c_facts, params))
    marks = [MARK.decode(), SLOT_MARK.rstrip(b"\0").decode(), str(len(SLOT_MARK))]
    return [*rows, *CODES, *PRIORITIES, "draining", "batch", *marks, *(str(value) for value, _ in CONSTANTS.values())]


def _c_facts(param: Param) -> Iterable[str]:
    numbers = (["bool", "float", "choice"].index(param.kind), _index(param), param.low or 0, param.high or 0)
    texts = (param.label, param.tooltip, param.stage.value, str(len(param.choices)))
    choices = chain.from_iterable(zip(param.choices, param.choice_labels, strict=True))
    return (param.name, *(f"{float(value):.17g}" for value in numbers), *texts, *choices)


def compile_c(source: Path, *options: str, compiler: str = "gcc") -> None:
    """Compile `source`; every warning is an error."""
    strict = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
    ran = subprocess.run([compiler, *options, *strict, str(source)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def to_python(value: Any) -> Any:
    """Return a table of Lua as lists and dictionaries, its strings decoded."""
    if isinstance(value, bytes):
        return value.decode()
    if not hasattr(value, "items"):
        return value
    pairs = {to_python(key): to_python(item) for key, item in value.items()}
    is_list = list(pairs) == list(range(1, len(pairs) + 1))
    return list(pairs.values()) if is_list else pairs


def expected_from_lua(param: Param) -> dict[str, Any]:
    """Return one row of the Lua table."""
    row = {name: getattr(param, name) for name in ("name", "kind", "default", "label", "tooltip")}
    row |= {"stage": param.stage.value}
    row |= {"low": param.low, "high": param.high} if param.kind == "float" else {}
    return row | ({"choices": list(param.choices), "labels": list(param.choice_labels)} if param.choices else {})


@pytest.mark.parametrize(("path", "render"), [(C_HEADER, render_c), (LUA_MODULE, render_lua)])
def test_native_table_is_fresh(path: str, render: Any, root: Path, update: bool) -> None:
    """What the plug-ins compile in and load is the table."""
    file = root / path
    if update:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(render(PARAMS))
    assert file.read_text() == render(PARAMS), "run: pytest --update tests/contract"


def test_native_tables_are_plain_and_fit_a_screen(root: Path) -> None:
    """Both files are ASCII, so that no editor or compiler guesses, and no line is longer than 120 characters."""
    for path in (C_HEADER, LUA_MODULE):
        lines = (root / path).read_text(encoding="ascii").splitlines()
        assert max(map(len, lines)) <= 120


@pytest.mark.parametrize(("compiler", "suffix", "standard"), [("gcc", "c", "c11"), ("g++", "cpp", "c++17")])
def test_header_compiles_alone(compiler: str, suffix: str, standard: str, root: Path, tmp_path: Path) -> None:
    """The header needs nothing included before it, and no compiler has a word against it."""
    source = tmp_path / f"only.{suffix}"
    source.write_text(f'#include "{root / C_HEADER}"\n#include "{root / C_HEADER}"\nint main(void) {{ return 0; }}\n')
    compile_c(source, f"-std={standard}", "-fsyntax-only", compiler=compiler)


@pytest.mark.parametrize("params", [PARAMS, nasty_rows()], ids=["table", "nasty"])
def test_c_program_reads_the_same_values(params: Sequence[Param], tmp_path: Path) -> None:
    """A program compiled with the header prints exactly what the table holds."""
    (tmp_path / "table.h").write_text(render_c(params))
    (tmp_path / "print.c").write_text(PROGRAM)
    compile_c(tmp_path / "print.c", "-std=c11", "-o", str(tmp_path / "print"))
    printed = subprocess.run([tmp_path / "print"], capture_output=True, check=True).stdout
    assert printed.decode().split("\0")[:-1] == expected_from_c(params)


@pytest.mark.parametrize("lua", [luajit21, lua51], ids=["luajit", "lua51"])
@pytest.mark.parametrize("params", [PARAMS, nasty_rows()], ids=["table", "nasty"])
def test_lua_module_holds_the_same_values(params: Sequence[Param], lua: Any) -> None:
    """The module, loaded by LuaJIT and by Lua 5.1, is the table."""
    module = to_python(lua.LuaRuntime(encoding=None).execute(render_lua(params)))
    assert module.pop("params") == [expected_from_lua(param) for param in params]
    marks = {name: value.decode() for name, (value, _) in MARKS.items()}
    constants = {name: value for name, (value, _) in CONSTANTS.items()}
    assert module == {**constants, **marks, "priorities": list(PRIORITIES), "codes": list(CODES)}
