"""A parameter tree with its place in the file, which errors about a value name."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import ModelError


@dataclass(frozen=True)
class ParameterEntry:
    """A dictionary in a parameter file.

    Attributes
    ----------
    tree
        Its names and values.
    place
        Keys from the outermost to it, joined by dots; empty for the whole file.
    path
        The file, if it is known.
    """

    tree: Mapping[str, Any]
    place: str = ""
    path: str | Path | None = None

    def error(self, reason: str, key: str = "") -> ModelError:
        """Return an error that names the file and the place in it.

        Parameters
        ----------
        reason
            What is wrong.
        key
            Name in the dictionary that is wrong; by default the whole entry.
        """
        place = ".".join(part for part in (self.place, key) if part)
        return ModelError(f"{place}: {reason}" if place else reason, self.path)

    def value(self, key: str) -> Any:
        """Return the value of a name.

        Parameters
        ----------
        key
            Name in the dictionary.

        Raises
        ------
        ModelError
            The name is missing.
        """
        if key not in self.tree:
            raise self.error(f"no {key!r}")
        return self.tree[key]

    def entry(self, key: str) -> "ParameterEntry":
        """Return a dictionary within this one.

        Parameters
        ----------
        key
            Name in the dictionary.

        Raises
        ------
        ModelError
            The name is missing, or no dictionary.
        """
        value = self.value(key)
        if not isinstance(value, Mapping):
            raise self.error("expected a dictionary", key)
        return ParameterEntry(value, f"{self.place}.{key}" if self.place else key, self.path)

    def number(
        self,
        key: str,
        default: float | None = None,
        *,
        low: float = -math.inf,
        high: float = math.inf,
        whole: bool = False,
    ) -> float:
        """Return a finite number.

        Parameters
        ----------
        key
            Name in the dictionary.
        default
            The number where the name is missing; by default that is an error.
        low, high
            Least and greatest number that is allowed.
        whole
            Whether it must be a whole number.

        Raises
        ------
        ModelError
            The name is missing, or its value is no such number.
        """
        if key not in self.tree and default is not None:
            return default
        value = self.value(key)
        if not is_number(value) or not low <= value <= high or (whole and value != int(value)):
            kind = "a whole number" if whole else "a number"
            bounds = "" if (low, high) == (-math.inf, math.inf) else f" from {low:g} to {high:g}"
            raise self.error(f"{value!r}, expected {kind}{bounds}", key)
        return float(value)

    def positive(self, key: str) -> float:
        """Return a number above 0.

        Parameters
        ----------
        key
            Name in the dictionary.

        Raises
        ------
        ModelError
            The name is missing, or its value is no such number.
        """
        value = self.number(key)
        if value <= 0:
            raise self.error(f"{value:g}, expected a number above 0", key)
        return value

    def numbers(self, key: str, *, low: float = -math.inf, high: float = math.inf) -> list[float]:
        """Return a list of finite numbers.

        Parameters
        ----------
        key
            Name in the dictionary.
        low, high
            Least and greatest number that is allowed.

        Raises
        ------
        ModelError
            The name is missing, or its value is no list of such numbers.
        """
        values = self.value(key)
        if not isinstance(values, list | tuple):
            raise self.error("expected a list of numbers", key)
        for value in values:
            if not is_number(value) or not low <= value <= high:
                raise self.error(f"{value!r} in the list, expected numbers from {low:g} to {high:g}", key)
        return [float(value) for value in values]


def is_number(value: Any) -> bool:
    """Tell whether a value is a finite int or float; truth values are not.

    Parameters
    ----------
    value
        Any value.
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
