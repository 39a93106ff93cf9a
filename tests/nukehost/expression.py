"""Nuke's expression language, as far as gizmos use it; values are numbers or arrays of pixels.

>>> class Empty:
...     def number(self, path): raise ExpressionError(path)
...     def command(self, text): return "1.5"
...     def variable(self, name): return "1"
>>> evaluate("$gui && 2*[value x] > 2 ? max(1, 7 % 4) : 0", Empty())
3.0
"""

import math
import re
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

Value = Any  # float, or an array of pixels


class ExpressionError(Exception):
    """An expression that the fake cannot evaluate, with what it stumbles over."""


class Surroundings(Protocol):
    """What an expression refers to."""

    def number(self, path: str) -> Value:
        """Return what a name stands for."""

    def command(self, text: str) -> str:
        """Run what stands in brackets."""

    def variable(self, name: str) -> str:
        """Return what $name stands for."""


_TOKEN = re.compile(
    r"\s*(?:(?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<name>[A-Za-z_]\w*(?:\.\w+)*)"
    r"|\$(?P<variable>\w+)|(?P<sign>&&|\|\||==|!=|<=|>=|\*\*|[-+*/%<>!?:(),\[]))"
)
_LEVELS = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/", "%"))


def _divide(one: Value, other: Value) -> Value:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.equal(other, 0), 0.0, np.divide(one, np.where(np.equal(other, 0), 1, other)))[()]


_BINARY: dict[str, Callable[[Value, Value], Value]] = {
    "==": lambda one, other: np.equal(one, other) * 1.0,
    "!=": lambda one, other: np.not_equal(one, other) * 1.0,
    "<": lambda one, other: np.less(one, other) * 1.0,
    "<=": lambda one, other: np.less_equal(one, other) * 1.0,
    ">": lambda one, other: np.greater(one, other) * 1.0,
    ">=": lambda one, other: np.greater_equal(one, other) * 1.0,
    "+": lambda one, other: one + other,
    "-": lambda one, other: one - other,
    "*": lambda one, other: one * other,
    "/": _divide,
    "%": np.fmod,
    "&&": lambda one, other: (np.not_equal(one, 0) & np.not_equal(other, 0)) * 1.0,
    "||": lambda one, other: (np.not_equal(one, 0) | np.not_equal(other, 0)) * 1.0,
}
_FUNCTIONS: dict[str, tuple[int, Callable[..., Value]]] = {
    "abs": (1, np.abs),
    "ceil": (1, np.ceil),
    "clamp": (3, np.clip),
    "exp": (1, np.exp),
    "floor": (1, np.floor),
    "fmod": (2, np.fmod),
    "int": (1, np.trunc),
    "pow": (2, np.power),
    "rint": (1, np.rint),
    "sqrt": (1, np.sqrt),
    "trunc": (1, np.trunc),
}
_WORDS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}


def evaluate(text: str, around: Surroundings, *, tcl: bool = False) -> Value:
    """Return the value of an expression; tcl: of Tcl's `expr`, where `true` is a number and 1/2 is 0."""
    parser = _Evaluator(text, around, tcl)
    value = parser.ternary(True)
    if parser.peek():
        raise ExpressionError(f"{text!r}: {parser.peek()!r} is left over")
    return float(value) if np.ndim(value) == 0 else value


class _Evaluator:
    """Evaluates while it reads; what is not to be evaluated is read with `live` False."""

    def __init__(self, text: str, around: Surroundings, tcl: bool) -> None:
        self.text, self.around, self.tcl, self.at = text, around, tcl, 0
        self.kind = self.token = ""
        self._advance()

    def fail(self, sentence: str) -> ExpressionError:
        return ExpressionError(f"{self.text!r}: {sentence}")

    def peek(self) -> str:
        return self.token

    def _advance(self) -> None:
        found = _TOKEN.match(self.text, self.at)
        if not found:
            if self.text[self.at :].strip():
                raise self.fail(f"the fake Nuke does not know {self.text[self.at :].strip()[:12]!r}")
            self.kind = self.token = ""
            return
        self.at, self.kind = found.end(), found.lastgroup or ""
        self.token = found[self.kind]

    def _accept(self, token: str) -> bool:
        if self.token != token or self.kind != "sign":
            return False
        self._advance()
        return True

    def _expect(self, token: str) -> None:
        if not self._accept(token):
            raise self.fail(f"{token!r} is missing before {self.token or 'the end'!r}")

    def ternary(self, live: bool) -> Value:
        condition = self.level(0, live)
        if not self._accept("?"):
            return condition
        if np.ndim(condition):
            first = self.ternary(live)
            self._expect(":")
            return np.where(condition != 0, first, self.ternary(live))
        first = self.ternary(live and bool(condition))
        self._expect(":")
        second = self.ternary(live and not condition)
        return first if condition else second

    def level(self, level: int, live: bool) -> Value:
        if level == len(_LEVELS):
            return self.unary(live)
        value = self.level(level + 1, live)
        while self.kind == "sign" and self.token in _LEVELS[level]:
            sign = self.token
            self._advance()
            settled = np.ndim(value) == 0 and ((sign == "&&" and not value) or (sign == "||" and bool(value)))
            other = self.level(level + 1, live and not settled)
            value = self._binary(sign, value, other)
        return value

    def _binary(self, sign: str, value: Value, other: Value) -> Value:
        if sign == "/" and self.tcl and float(value).is_integer() and float(other).is_integer():
            return float(value // other) if other else 0.0
        return _BINARY[sign](value, other)

    def unary(self, live: bool) -> Value:
        if self._accept("!"):
            return np.equal(self.unary(live), 0) * 1.0
        if self._accept("-"):
            return -self.unary(live)
        if self._accept("+"):
            return self.unary(live)
        value = self.primary(live)
        return np.power(value, self.unary(live)) if self._accept("**") else value

    def primary(self, live: bool) -> Value:
        kind, token = self.kind, self.token
        if kind == "sign" and token == "[":
            return self._bracket(live)
        self._advance()
        if kind == "number":
            return float(int(token, 16)) if token[:2] in ("0x", "0X") else float(token)
        if kind == "variable":
            return self._as_number(self.around.variable(token), f"${token}")
        if kind == "name":
            return self._call(token, live) if self._accept("(") else self._name(token, live)
        if kind == "sign" and token == "(":
            value = self.ternary(live)
            self._expect(")")
            return value
        raise self.fail(f"a value is missing before {token or 'the end'!r}")

    def _name(self, name: str, live: bool) -> Value:
        if self.tcl:
            if name not in _WORDS:
                raise self.fail(f"{name} stands where Tcl wants a number; is [value {name}] meant?")
            return _WORDS[name]
        if name == "pi":
            return math.pi
        return self.around.number(name) if live else 0.0

    def _call(self, name: str, live: bool) -> Value:
        values = [self.ternary(live)]
        while self._accept(","):
            values.append(self.ternary(live))
        self._expect(")")
        if name in ("min", "max") and len(values) > 1:
            reduce = np.minimum if name == "min" else np.maximum
            return _fold(reduce, values)
        if name not in _FUNCTIONS or _FUNCTIONS[name][0] != len(values):
            raise self.fail(f"the fake Nuke does not know {name}() of {len(values)} values")
        return _FUNCTIONS[name][1](*values) if live else 0.0

    def _bracket(self, live: bool) -> Value:
        end = closing(self.text, self.at)
        command, self.at = self.text[self.at : end], end + 1
        self._advance()
        return self._as_number(self.around.command(command), f"[{command}]") if live else 0.0

    def _as_number(self, text: str, what: str) -> float:
        if self.tcl and text in _WORDS:
            return _WORDS[text]
        try:
            return float(text)
        except ValueError:
            raise self.fail(f"{what} is {text!r}, which is no number") from None


def _fold(reduce: Callable[[Value, Value], Value], values: list[Value]) -> Value:
    found = values[0]
    for value in values[1:]:
        found = reduce(found, value)
    return found


def closing(text: str, start: int) -> int:
    """Return where the bracket closes whose content begins at `start`."""
    depth, at = 1, start
    while at < len(text):
        letter = text[at]
        at += 1 if letter == "\\" else 0
        depth += (letter == "[") - (letter == "]")
        if depth == 0:
            return at
        at += 1
    raise ExpressionError(f"{text!r}: a bracket is never closed")
