"""Arithmetic that configurations contain as text, such as ``a*ltp + b*(d*ltd + lnw)``: read into a tree, and never run as code."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...lake.errors import InputError

Reals = NDArray[np.float64]

FUNCTIONS: Mapping[str, tuple[Callable[..., Any], int]] = {
    "abs": (np.abs, 1),
    "Abs": (np.abs, 1),
    "exp": (np.exp, 1),
    "log": (np.log, 1),
    "sqrt": (np.sqrt, 1),
    "tanh": (np.tanh, 1),
    "min": (np.minimum, 2),
    "Min": (np.minimum, 2),
    "max": (np.maximum, 2),
    "Max": (np.maximum, 2),
}
"""Functions that may be called, and how many arguments each has."""
_OPERATIONS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
_LONGEST, _DEEPEST = 1000, 50


@dataclass(frozen=True, eq=False)
class Expression:
    """A formula of numbers, names, + - * / **, brackets, and `FUNCTIONS`.

    Attributes
    ----------
    text
        As it was written.
    names
        Names in it, without those of functions.
    """

    text: str
    names: frozenset[str]
    _tree: ast.expr

    @classmethod
    def parse(cls, text: str) -> "Expression":
        """Read a formula.

        Parameters
        ----------
        text
            The formula.

        Raises
        ------
        InputError
            It is none, or has something else in it.
        """
        if len(text) > _LONGEST:
            raise InputError(f"a formula of {len(text)} characters; at most {_LONGEST} are read")
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        # ValueError: null characters; the others: brackets nested too deep.
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise InputError(f"{text!r} is no formula") from error
        names: set[str] = set()
        _check(tree, text, names, 0)
        return cls(text, frozenset(names), tree)

    def __call__(self, values: Mapping[str, Reals | float]) -> Reals:
        """Return its values, float64; NaN or infinite where it has none.

        Parameters
        ----------
        values
            Numbers, or arrays of one shape, by name.
        """
        with np.errstate(all="ignore"):
            return np.asarray(_value(self._tree, values), np.float64)


def _check(node: ast.expr, text: str, names: set[str], depth: int) -> None:
    if depth > _DEEPEST:
        raise InputError(f"{text!r} is nested deeper than {_DEEPEST} levels")
    parts: list[ast.expr] = []
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            try:
                float(value)
            except OverflowError:
                raise InputError(f"{text!r} has a number beyond the range of float64") from None
        case ast.Name(id=name):
            names.add(name)
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATIONS:
            parts = [left, right]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            parts = [operand]
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            if len(arguments) != FUNCTIONS[name][1]:
                raise InputError(f"{text!r}: {name} has {FUNCTIONS[name][1]} arguments")
            parts = arguments
        case _:
            raise InputError(
                f"{text!r} has {ast.unparse(node)[:40]!r}; a formula is of numbers, names, + - * / **, brackets and {', '.join(FUNCTIONS)}"
            )
    for part in parts:
        _check(part, text, names, depth + 1)


def _value(node: ast.expr, values: Mapping[str, Reals | float]) -> Any:
    match node:
        case ast.Constant(value=int() | float() as value):
            # NumPy's own, which overflows to infinity and does not grow without end.
            return np.float64(value)
        case ast.Name(id=name):
            return np.asarray(values[name], np.float64)
        case ast.BinOp(left=left, op=operator, right=right):
            return _OPERATIONS[type(operator)](_value(left, values), _value(right, values))
        case ast.UnaryOp(op=sign, operand=operand):
            value = _value(operand, values)
            return -value if isinstance(sign, ast.USub) else value
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return FUNCTIONS[name][0](*(_value(each, values) for each in arguments))
    raise AssertionError("it was checked")
