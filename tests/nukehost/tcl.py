"""The Tcl that gizmos use in their texts: [value x], [knob x], [string equal a b], [file dirname p], [format f v],
[expr e], [exists x], [metadata -n N k], [if c {a} else {b}] and [return x]; $name; backslashes.

>>> class Empty:
...     def text(self, path): return "a b"
>>> substitute("<[value x]>[string equal {a b} [value x]]", Empty())
'<a b>1'
"""

import posixpath
import re
from collections.abc import Callable
from typing import Protocol

from nukehost.expression import ExpressionError, closing, evaluate

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_LETTERS = {"n": "\n", "t": "\t"}


class TclError(Exception):
    """A Tcl text that the fake cannot evaluate, with what it stumbles over."""


class Scope(Protocol):
    """Where a text is evaluated."""

    def text(self, path: str) -> str:
        """Return the value of a knob as text."""

    def raw(self, path: str) -> str:
        """Return what stands in a knob."""

    def exists(self, path: str) -> bool:
        """Whether there is such a node or knob."""

    def metadata(self, node: str, key: str) -> str:
        """Return what comes with a picture, "" if there is nothing."""

    def number(self, path: str) -> object:
        """Return what a name in an expression stands for."""

    def command(self, text: str) -> str:
        """Run a command."""

    def variable(self, name: str) -> str:
        """Return what $name stands for."""


def substitute(text: str, scope: Scope) -> str:
    """Return a text with its commands, variables and escapes replaced."""
    found, at = list[str](), 0
    while at < len(text):
        letter = text[at]
        if letter == "[":
            end = _closing(text, at + 1)
            found.append(run(text[at + 1 : end], scope))
            at = end + 1
        elif letter == "$" and (variable := _VARIABLE.match(text, at)):
            found.append(scope.variable(variable[1] or variable[2]))
            at = variable.end()
        elif letter == "\\" and at + 1 < len(text):
            found.append(_LETTERS.get(text[at + 1], text[at + 1]))
            at += 2
        else:
            found.append(letter)
            at += 1
    return "".join(found)


def run(command: str, scope: Scope) -> str:
    """Return what a command gives."""
    words = _words(command, scope)
    name, rest = (words[0], words[1:]) if words else ("", [])
    if name not in _COMMANDS:
        raise TclError(f"the fake Nuke does not know the command [{command}]")
    try:
        return _COMMANDS[name](rest, scope)
    except ExpressionError as error:
        raise TclError(f"[{command}]: {error}") from error
    except (IndexError, ValueError) as error:
        raise TclError(f"[{command}] is wrong: {error}") from error


def _closing(text: str, start: int) -> int:
    try:
        return closing(text, start)
    except ExpressionError as error:
        raise TclError(str(error)) from error


def _words(command: str, scope: Scope) -> list[str]:
    """Return the words of a command; braces protect what is in them."""
    words, at = list[str](), 0
    while at < len(command):
        if command[at].isspace():
            at += 1
        elif command[at] == ";":
            raise TclError(f"[{command}] is more than one command")
        elif command[at] == "{":
            end = _brace(command, at)
            words.append(command[at + 1 : end])
            at = end + 1
        else:
            word, at = _plain(command, at)
            words.append(substitute(word, scope))
    return words


def _brace(command: str, start: int) -> int:
    depth = 0
    for at in range(start, len(command)):
        if command[at - 1] != "\\":
            depth += (command[at] == "{") - (command[at] == "}")
        if depth == 0:
            return at
    raise TclError(f"[{command}]: a brace is never closed")


def _plain(command: str, start: int) -> tuple[str, int]:
    """Return the word that begins at `start`, not yet substituted, and where it ends."""
    quote = command[start] == '"'
    at = start + quote
    while at < len(command) and not (command[at] == '"' if quote else command[at].isspace() or command[at] == ";"):
        if command[at] == "[":
            at = _closing(command, at + 1)
        at += 2 if command[at] == "\\" else 1
    if quote and at >= len(command):
        raise TclError(f"[{command}]: a quote is never closed")
    return command[start + quote : at], at + quote


def _value(words: list[str], scope: Scope) -> str:
    (path,) = words
    return scope.text(path)


def _knob(words: list[str], scope: Scope) -> str:
    (path,) = words
    return scope.raw(path)


def _string(words: list[str], _: Scope) -> str:
    what, *rest = words
    if what == "equal" and len(rest) == 2:
        return str(int(rest[0] == rest[1]))
    if what == "length" and len(rest) == 1:
        return str(len(rest[0]))
    raise TclError(f"the fake Nuke does not know [string {what}] of {len(rest)} words")


def _file(words: list[str], _: Scope) -> str:
    what, path = words
    if what == "dirname":
        return posixpath.dirname(path.rstrip("/")) or ("/" if path.startswith("/") else ".")
    if what in ("tail", "rootname", "extension"):
        stem, ending = posixpath.splitext(path)
        return {"tail": posixpath.basename(path), "rootname": stem, "extension": ending}[what]
    raise TclError(f"the fake Nuke does not know [file {what}]")


def _format(words: list[str], _: Scope) -> str:
    pattern, *values = words
    kinds = [kind for kind in re.findall(r"%[-+ 0#]*\d*(?:\.\d+)?([a-zA-Z%])", pattern) if kind != "%"]
    if len(kinds) != len(values) or set(kinds) - set("dgfesx"):
        raise TclError(f"[format {pattern}] of {len(values)} values")
    convert: dict[str, Callable[[str], object]] = {"d": int, "x": int, "s": str}
    return pattern % tuple(convert.get(kind, float)(value) for kind, value in zip(kinds, values, strict=True))


def _expr(words: list[str], scope: Scope) -> str:
    value = evaluate(" ".join(words), scope, tcl=True)
    return f"{value:.12g}"


def _exists(words: list[str], scope: Scope) -> str:
    (path,) = words
    return str(int(scope.exists(path)))


def _metadata(words: list[str], scope: Scope) -> str:
    node = ""
    if words[0] == "-n":
        node, words = words[1], words[2:]
    (key,) = words
    if key.startswith("-"):
        raise TclError(f"the fake Nuke does not know [metadata {key}]")
    return scope.metadata(node, key)


def _if(words: list[str], scope: Scope) -> str:
    condition, then, *rest = words
    if rest and (len(rest) != 2 or rest[0] != "else"):
        raise TclError("the fake Nuke knows [if c {a}] and [if c {a} else {b}]")
    if evaluate(condition, scope, tcl=True):
        return run(then, scope)
    return run(rest[1], scope) if rest else ""


def _return(words: list[str], _: Scope) -> str:
    return words[0] if words else ""


_COMMANDS: dict[str, Callable[[list[str], Scope], str]] = {
    "value": _value,
    "knob": _knob,
    "string": _string,
    "file": _file,
    "format": _format,
    "expr": _expr,
    "exists": _exists,
    "metadata": _metadata,
    "if": _if,
    "return": _return,
}
