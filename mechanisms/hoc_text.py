"""Text in NEURON's language hoc: its tokens, and the value of expressions of numbers. Nothing in it is run."""

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from .errors import ModelError

_TOKEN = re.compile(
    r"""(?P<blank>/\*.*?\*/|//[^\n]*|\\\n|[^\S\n]+)
      | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
      | (?P<name>[A-Za-z_]\w*)
      | (?P<text>"(?:\\.|[^"\\\n])*")
      | (?P<sign>[-+*/]=|[!-/:-@\[-`{-~])
      | (?P<end>\n)""",
    re.DOTALL | re.VERBOSE | re.ASCII,
)
_CONSTANTS: Mapping[str, float] = {
    "PI": math.pi,
    "E": math.e,
    "GAMMA": 0.5772156649015329,
    "DEG": 180 / math.pi,
    "PHI": 1.618033988749895,
}
_FUNCTIONS: Mapping[str, Callable[[float], float]] = {
    "abs": abs,
    "int": math.trunc,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "log10": math.log10,
    "sin": math.sin,
    "cos": math.cos,
    "atan": math.atan,
    "tanh": math.tanh,
}
READING = frozenset({"n3d", "x3d", "y3d", "z3d", "diam3d", "arc3d", "area", "ri", "distance", "secname"})
"""Functions that look at sections and change nothing."""


class Token(NamedTuple):
    """A word, number, text or sign; or, as ``end``, the end of a line.

    Attributes
    ----------
    kind
        ``number``, ``name``, ``text``, ``sign`` or ``end``.
    text
        The token as it is written.
    line
        Number of its line.
    """

    kind: str
    text: str
    line: int


class HocText:
    """Tokens of a hoc file, read one after the other.

    Parameters
    ----------
    text
        The text of the file.
    path
        Name of the file, for messages; None where it has none.

    Attributes
    ----------
    path, rows
        Name of the file, for messages, and its lines.
    variables
        Numbers by name; None for a variable that is not a number, or not one that is known.
    at
        Index of the next token.

    Raises
    ------
    ModelError
        A comment does not end, or something is no word, number, text or sign; the message names the line.
    """

    def __init__(self, text: str, path: str | Path | None) -> None:
        text = re.sub(r"\r\n?", "\n", text.removeprefix("\ufeff"))
        self.path, self.rows, self.at = path, text.split("\n"), 0
        self.variables: dict[str, float | None] = dict(_CONSTANTS)
        self.tokens = self._tokens(text)

    def _tokens(self, text: str) -> list[Token]:
        tokens, at, line = [], 0, 1
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise ModelError(f"{text[at]!r} is no part of hoc", self.path, line)
            kind, matched = str(found.lastgroup), found[0]
            if kind == "sign" and text.startswith("/*", at):
                raise ModelError("a comment that does not end", self.path, line)
            if kind != "blank":
                tokens.append(Token(kind, matched, line))
            if kind in ("end", "blank"):
                line += matched.count("\n")
            at = found.end()
        return [*tokens, Token("end", "", line)]

    # One token after the other

    @property
    def next(self) -> Token:
        """The next token; the last is an ``end``."""
        return self.tokens[self.at]

    @property
    def finished(self) -> bool:
        """Whether the end of the file is reached."""
        return self.at == len(self.tokens) - 1

    def take(self) -> Token:
        """Return the next token, and go on."""
        token = self.next
        if not self.finished:
            self.at += 1
        return token

    def sees(self, *texts: str) -> bool:
        """Tell whether the next token is one of some words and signs.

        Parameters
        ----------
        *texts
            The words and signs.
        """
        return self.next.kind in ("sign", "name") and self.next.text in texts

    def skips(self, text: str) -> bool:
        """Go on if the next token is this word or sign; return whether it is.

        Parameters
        ----------
        text
            The word or sign.
        """
        found = self.sees(text)
        if found:
            self.take()
        return found

    def expect(self, text: str, form: str) -> None:
        """Go on behind a word or sign, which must be there.

        Parameters
        ----------
        text
            The word or sign.
        form
            What is expected, for the message of the error.

        Raises
        ------
        ModelError
            It is missing.
        """
        if not self.skips(text):
            raise self.error(form)

    def name(self, form: str) -> str:
        """Return the next word, which must be there.

        Parameters
        ----------
        form
            What is expected, for the message of the error.

        Raises
        ------
        ModelError
            The next token is no word.
        """
        if self.next.kind != "name":
            raise self.error(form)
        return self.take().text

    def error(self, form: str = "", token: Token | None = None) -> ModelError:
        """Return the error for a statement that does not have the form expected, or is not understood at all.

        Parameters
        ----------
        form
            What is expected; by default the statement as a whole is not understood.
        token
            Where the statement is wrong; by default at the next token.
        """
        token = token or (self.tokens[max(self.at - 1, 0)] if self.next.kind == "end" else self.next)
        reason = (
            f"expected {form}"
            if form
            else (
                "not understood, and may change the shape; load the file in NEURON, and write each section out with "
                "create, connect and pt3dadd"
            )
        )
        return ModelError(f"{self.rows[token.line - 1].strip()!r}: {reason}", self.path, token.line)

    # Numbers

    def arguments(self, form: str) -> list[float | None]:
        """Return the values in brackets, separated by commas; see `expression`.

        Parameters
        ----------
        form
            What is expected, for the message of the error.

        Raises
        ------
        ModelError
            The text has another form.
        """
        self.expect("(", form)
        given: list[float | None] = []
        while not self.skips(")"):
            if given:
                self.expect(",", form)
            given.append(self._plain() if self._is_plain() else self.expression(form))
        return given

    def _is_plain(self) -> bool:
        """Whether the argument is a number and no more, as those of most files are."""
        at = self.at + (self.next.text == "-")
        return (
            at + 1 < len(self.tokens)
            and self.tokens[at].kind == "number"
            and self.tokens[at + 1].text in ",)"
        )

    def _plain(self) -> float:
        sign = -1.0 if self.skips("-") else 1.0
        return sign * float(self.take().text)

    def index(self, form: str) -> int:
        """Return the value of an expression, which must be a whole number from 0.

        Parameters
        ----------
        form
            What is expected, for the message of the error.

        Raises
        ------
        ModelError
            The text has another form, or the value is no such number.
        """
        token, number = self.next, self.number(form)
        if not number.is_integer() or number < 0:
            raise self.error(form, token)
        return int(number)

    def number(self, form: str) -> float:
        """Return the value of an expression, which must be known.

        Parameters
        ----------
        form
            What is expected, for the message of the error.

        Raises
        ------
        ModelError
            The text has another form, or the value is not known.
        """
        token, value = self.next, self.expression(form)
        if value is None:
            raise self.error(f"{form}, with numbers that are known here", token)
        return value

    def expression(self, form: str = "") -> float | None:
        """Return the value of an expression, None where it is not a number that is known here.

        Parameters
        ----------
        form
            The form of the statement, for messages.

        Raises
        ------
        ModelError
            No expression, one that calls what might change a shape, or one of no finite value.
        """
        value = self._product(form)
        while self.sees("+", "-"):
            token = self.take()
            value = self.operated(token, value, self._product(form))
        return value

    def _product(self, form: str) -> float | None:
        value = self._signed(form)
        while self.sees("*", "/", "%"):
            token = self.take()
            value = self.operated(token, value, self._signed(form))
        return value

    def _signed(self, form: str) -> float | None:
        if self.skips("-"):
            value = self._signed(form)
            return None if value is None else -value
        self.skips("+")
        value = self._atom(form)
        if self.sees("^"):
            token = self.take()
            value = self.operated(token, value, self._signed(form))
        return value

    def _atom(self, form: str) -> float | None:
        if self.next.kind == "end":
            raise self.error(form)
        token = self.take()
        if token.kind == "number":
            return float(token.text)
        if token.kind == "text":
            return None
        if token.text == "(":
            value = self.expression(form)
            self.expect(")", form)
            return value
        if token.kind != "name":
            raise self.error(form, token)
        return self._of_name(token, form)

    def _of_name(self, token: Token, form: str) -> float | None:
        if token.text == "new":
            self.name("a template after new")
            if self.sees("("):
                self.arguments(form)
            return None
        if self.sees("("):
            return self._called(token, self.arguments(form))
        if self.skips("["):
            self.expression(form)
            self.expect("]", form)
            return None
        return self.variables.get(token.text)

    def _called(self, token: Token, given: list[float | None]) -> float | None:
        if token.text in READING:
            return None
        if token.text not in _FUNCTIONS or len(given) != 1:
            raise self.error(token=token)
        return self._finite(token, lambda number: float(_FUNCTIONS[token.text](number)), given[0])

    def operated(self, token: Token, left: float | None, right: float | None) -> float | None:
        """Apply the sign of a token (``+``, or ``+=``) to two values; None where one is not known.

        Parameters
        ----------
        token
            The token of the sign.
        left, right
            The values; None for one that is not known.
        """
        if left is None:
            return None
        operations: dict[str, Callable[[float], float]] = {
            "+": lambda right: left + right,
            "-": lambda right: left - right,
            "*": lambda right: left * right,
            "/": lambda right: left / right,
            "%": lambda right: left % right,
            "^": lambda right: math.pow(left, right),
        }
        return self._finite(token, operations[token.text[0]], right)

    def _finite(
        self, token: Token, operation: Callable[[float], float], number: float | None
    ) -> float | None:
        if number is None:
            return None
        try:
            value = operation(number)
        except (ArithmeticError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise self.error("numbers that a finite one comes of", token)
        return value
