"""What a configuration is asked for: values of the type expected, and a list of all that is wrong with it."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from ...lake.errors import InputError
from .included import Configuration, Keys, shown

Value = TypeVar("Value")
Level = Literal["error", "notice"]


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with a configuration (``"error"``), or that has no effect (``"notice"``).

    Parameters
    ----------
    key
        Where it stands, such as ``Geometry / Cell Distribution / PYR``.
    reason
        What is wrong, and what was expected.
    file, line
        Where that is written; None for a configuration that was not read from files.
    """

    level: Level
    key: str
    reason: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = "" if self.file is None else f"{self.file}:{self.line}: "
        return f"{place}{self.level}: {self.key}: {self.reason}"


class Stopped(Exception):  # noqa: N818 - it never reaches a user
    """A value that is wrong has been noted; what was to be made of it cannot be."""


@dataclass
class Asked:
    """A configuration, and what was found to be wrong with it so far."""

    configuration: Configuration
    problems: list[Problem] = field(default_factory=list)

    def note(self, keys: Sequence[str | int], reason: str, level: Level = "error") -> None:
        """Note a problem of the value at *keys*.

        Parameters
        ----------
        keys
            Names of the keys that lead to the value, from the top.
        reason
            What is wrong, and what was expected.
        level
            ``error``, or ``notice``.
        """
        error = self.configuration.error(keys, reason)
        file, line = getattr(error, "path", None), getattr(error, "line", None)
        self.problems.append(Problem(level, shown(keys) or "the configuration", reason, file, line))

    def stop(self, keys: Sequence[str | int], reason: str) -> Stopped:
        """Note a problem; return what to raise.

        Parameters
        ----------
        keys
            Names of the keys that lead to the value, from the top.
        reason
            What is wrong, and what was expected.
        """
        self.note(keys, reason)
        return Stopped()

    def check(self) -> None:
        """Raise the errors that were noted, together.

        Raises
        ------
        InputError
            An error was noted.
        """
        errors = [str(problem) for problem in self.problems if problem.level == "error"]
        if errors:
            more = f"\nand {len(errors) - 10} more" if len(errors) > 10 else ""
            raise InputError("\n".join(errors[:10]) + more)

    # Values

    @staticmethod
    def or_default(default: Value, read: Callable[[], Value]) -> Value:
        """Return what *read* returns; *default* if it stops.

        Parameters
        ----------
        default
            Value if *read* stops.
        read
            Reads a value of the configuration.
        """
        try:
            return read()
        except Stopped:
            return default

    def choice(self, keys: Keys, choices: Sequence[str]) -> Any:
        """Return the text at *keys*; the first choice if it is missing or not a choice.

        Parameters
        ----------
        keys
            Names of the keys that lead to the value, from the top.
        choices
            Allowed texts.
        """
        return self.or_default(choices[0], lambda: self.text(keys, choices[0], choices))

    def named(self, keys: Keys, known: Iterable[str], what: str) -> None:
        """Note the keys of a mapping that are not known names.

        Parameters
        ----------
        keys
            Names of the keys that lead to the value, from the top.
        known
            The known names.
        what
            What it is called in messages.
        """
        for name in self.mapping(keys):
            if name not in known:
                self.note((*keys, name), unknown(what, name, known))

    def each(self, keys: Keys, read: Callable[[Keys], Value], needed: bool = False) -> dict[str, Value]:
        """Return what *read* makes of each entry of a mapping, without those at which it stops.

        Parameters
        ----------
        keys
            Names of the keys that lead to the value, from the top.
        read
            Called with the keys of each entry.
        needed
            Whether the mapping must exist.
        """
        found: dict[str, Value] = {}
        for name in self.mapping(keys, needed):
            try:
                found[name] = read((*keys, name))
            except Stopped:
                continue
        return found

    def mapping(self, keys: Keys, needed: bool = False) -> Mapping[str, Any]:
        """Return the mapping at *keys*; an empty one if it is missing or another value.

        Parameters
        ----------
        keys
            Names of the keys that lead to the value, from the top.
        needed
            Whether the mapping must exist.
        """
        value = self.configuration.get(keys)
        if value is None:
            if needed:
                self.note(keys, "it is missing")
            return {}
        if not isinstance(value, Mapping):
            self.note(keys, f"expected a mapping, not {value!r:.80}")
            return {}
        return value

    def known(self, keys: Keys, names: Sequence[str]) -> None:
        """Note the keys of a mapping that nothing reads.

        Parameters
        ----------
        keys
            Names of the keys that lead to the value, from the top.
        names
            The keys that are read.
        """
        for name in self.mapping(keys):
            if name not in names:
                self.note((*keys, name), f"nothing reads this key; known are: {', '.join(names)}", "notice")

    def number(
        self,
        keys: Keys,
        default: float | None = None,
        *,
        least: float | None = None,
        above: float | None = None,
    ) -> float:
        """Return the real number at *keys*.

        Parameters
        ----------
        keys
            Names of the keys that lead to the value, from the top.
        default
            Value if it is missing; without one it must exist.
        least
            Smallest number allowed.
        above
            Number that it must be greater than.
        """
        value = self.configuration.get(keys, default)
        if not _is_number(value):
            raise self.stop(keys, _expected("a number", value))
        if (least is not None and value < least) or (above is not None and value <= above):
            bound = f"{least:g} or more" if least is not None else f"more than {above:g}"
            raise self.stop(keys, f"expected {bound}, not {value:g}")
        return float(value)

    def whole(self, keys: Keys, default: int | None = None, *, least: int = 0, most: int = 2**53) -> int:
        """Return the whole number at *keys*; 1.5e6 is one.

        Parameters
        ----------
        keys
            Names of the keys that lead to the value, from the top.
        default
            Value if it is missing; without one it must exist.
        least
            Smallest number allowed.
        most
            Largest number allowed.
        """
        value = self.number(keys, default, least=least)
        if value != int(value) or value > most:
            bound = f" of at most {most:,}" if most < 2**53 else ""
            raise self.stop(keys, f"expected a whole number{bound}, not {value:g}")
        return int(value)

    def text(self, keys: Keys, default: str | None = None, choices: Sequence[str] = ()) -> str:
        """Return the text at *keys*.

        Parameters
        ----------
        keys
            Names of the keys that lead to the value, from the top.
        default
            Value if it is missing; without one it must exist.
        choices
            Allowed texts; any by default.
        """
        value = self.configuration.get(keys, default)
        if not isinstance(value, str):
            raise self.stop(keys, _expected("text", value))
        if choices and value not in choices:
            raise self.stop(keys, f"expected one of {', '.join(choices)}, not {value!r}")
        return value

    def texts(self, keys: Keys) -> list[str]:
        """Return the list of texts at *keys*.

        Parameters
        ----------
        keys
            Names of the keys that lead to the value, from the top.
        """
        values = self.configuration.get(keys)
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self.stop(keys, _expected("a list of names", values))
        return list(values)

    def numbers(self, keys: Keys, length: int, default: Sequence[float] | None = None) -> tuple[float, ...]:
        """Return the list of numbers at *keys*.

        Parameters
        ----------
        keys
            Names of the keys that lead to the value, from the top.
        length
            Number of numbers.
        default
            Value if it is missing; without one it must exist.
        """
        values = self.configuration.get(keys, default)
        good = isinstance(values, list | tuple) and len(values) == length
        if not good or not all(map(_is_number, values)):
            raise self.stop(keys, _expected(f"a list of {length} numbers", values))
        return tuple(float(value) for value in values)

    def file(self, keys: Keys, name: str, maps: Mapping[str, str]) -> Path:
        """Return the path of the file that the value at *keys* names.

        Parameters
        ----------
        keys
            Names of the keys that lead to the value, from the top.
        name
            Name of the file.
        maps
            What beginnings of names become, as ``--map OLD=NEW`` says.
        """
        for old, new in maps.items():
            if name.startswith(old):
                name = new + name.removeprefix(old)
                break
        path = Path(name).expanduser()
        folders = [self.configuration.folder(keys)]
        if self.configuration.files:
            folders.append(self.configuration.files[0].parent)
        places = list(dict.fromkeys(folder / path for folder in folders))
        for place in places:
            if place.is_file():
                return place
        looked = " or ".join(str(place) for place in places)
        raise self.stop(keys, f"there is no file {looked}; --map OLD=NEW says where files are now")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _expected(what: str, value: Any) -> str:
    return f"it is missing: expected {what}" if value is None else f"expected {what}, not {value!r:.80}"


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Return what to say of a name that is not known.

    Parameters
    ----------
    what
        What it is called in messages.
    name
        The unknown name.
    known
        The known names.
    """
    return f"there is no {what} {name!r}; known are: {', '.join(known) or 'none'}"
