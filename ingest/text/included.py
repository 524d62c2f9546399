"""Configurations: YAML of one or several files as one tree, which knows the file and line of each of its values.

``!include other.yaml`` stands for what the other file holds. No other tag of a user's is read, so a configuration
holds plain values only, and nothing in it is run.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import yaml

from ...lake.digest import plain_json
from ...lake.errors import IngestError, InputError

Keys = tuple[str | int, ...]
"""Where a value stands: names in mappings and positions in lists, from the root."""

INCLUDE = "!include"
LARGEST = 100_000
"""Values that a configuration may have, counting those that stand in several places as often."""
DEEPEST = 100

_STANDARD = "tag:yaml.org,2002:"
_MERGE = f"{_STANDARD}merge"
_PLAIN = {f"{_STANDARD}{kind}" for kind in ("null", "bool", "int", "float", "str", "timestamp")}


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which also takes 1e6 for a number, as YAML 1.2 and JSON do."""


_Loader.add_implicit_resolver(
    f"{_STANDARD}float", re.compile(r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+\Z"), list("-+0123456789")
)


class Written(NamedTuple):
    """A file, and a line of it counted from 1."""

    path: Path
    line: int


@dataclass(frozen=True)
class Configuration:
    """A tree of plain values: mappings, lists, text, numbers, truth values and None.

    Parameters
    ----------
    tree
        The values; a mapping.
    places
        Where each stands; empty if the tree was not read from files.
    files
        The files, that which includes the others first.
    """

    tree: Mapping[str, Any]
    places: Mapping[Keys, Written]
    files: tuple[Path, ...] = ()

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a YAML file and what it includes.

        Parameters
        ----------
        path
            The file. Files that it includes are looked for in its folder, and in that of the file that names them.

        Raises
        ------
        IngestError
            A file is missing or is not YAML, a tag is unknown, a key stands twice in one mapping, or files include each
            other; names the file and the line.
        """
        reader = _Reader(Path(path).expanduser())
        tree = reader.read(reader.root, (), ())
        if not isinstance(tree, dict):
            raise IngestError(
                f"expected a mapping at the top, found {_kind(tree)}", reader.root, reader.line(())
            )
        return cls(tree, reader.places, tuple(reader.files))

    @classmethod
    def of(cls, source: "str | Path | Mapping[str, Any] | Configuration") -> "Configuration":
        """Return the configuration in a file, of a mapping, or as given.

        Parameters
        ----------
        source
            Path of a YAML file, a mapping or a configuration.

        Raises
        ------
        IngestError, InputError
            As `read` does; or a mapping holds what JSON cannot say.
        """
        if isinstance(source, Configuration):
            return source
        if isinstance(source, Mapping):
            return cls(plain_json(source, "the configuration"), {})
        return cls.read(source)

    def error(self, keys: Sequence[str | int], reason: str) -> InputError:
        """Return the error to raise about the value at *keys*, or about the value above it.

        Parameters
        ----------
        keys
            Names of the keys that lead to the value, from the top.
        reason
            What is wrong, and what was expected.
        """
        said = f"{shown(keys)}: {reason}" if keys else reason
        for length in range(len(keys), -1, -1):
            place = self.places.get(tuple(keys[:length]))
            if place is not None:
                return IngestError(said, place.path, place.line)
        return InputError(said)

    def folder(self, keys: Sequence[str | int]) -> Path:
        """Return the folder of the file that holds the value at *keys*; the current folder for a mapping.

        Parameters
        ----------
        keys
            Names of the keys that lead to the value, from the top.
        """
        for length in range(len(keys), -1, -1):
            place = self.places.get(tuple(keys[:length]))
            if place is not None:
                return place.path.parent
        return Path()

    def get(self, keys: Sequence[str | int], default: Any = None) -> Any:
        """Return the value at *keys*; *default* if there is none.

        Parameters
        ----------
        keys
            Names of the keys that lead to the value, from the top.
        default
            Value if there is none.
        """
        found: Any = self.tree
        for key in keys:
            try:
                found = found[key]
            except (KeyError, IndexError, TypeError):
                return default
        return found


def shown(keys: Sequence[str | int]) -> str:
    """Return keys as people read them: ``Geometry / Cell Distribution / PYR``.

    Parameters
    ----------
    keys
        Names of the keys that lead to the value, from the top.
    """
    return " / ".join(map(str, keys))


class _Reader:
    """Reads a file and those that it includes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.places: dict[Keys, Written] = {}
        self.files: list[Path] = []
        self._left = LARGEST

    def line(self, keys: Keys) -> int | None:
        place = self.places.get(keys)
        return None if place is None else place.line

    def read(self, path: Path, keys: Keys, above: tuple[Path, ...]) -> Any:
        """The value of a whole file, which stands at *keys*; *above* are the files that led to it."""
        try:
            text = path.read_bytes()
        except OSError as error:
            raise IngestError(f"cannot be read: {error.strerror}", path) from error
        if path not in self.files:
            self.files.append(path)
        try:
            node = yaml.compose(text, _Loader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            reason = getattr(error, "problem", None) or str(error).splitlines()[0]
            raise IngestError(f"not YAML: {reason}", path, None if mark is None else mark.line + 1) from error
        except RecursionError as error:
            raise IngestError(f"nested deeper than {DEEPEST} levels", path) from error
        # An empty file holds nothing.
        return None if node is None else self._value(node, keys, path, (*above, path.resolve()))

    def _value(self, node: yaml.Node, keys: Keys, path: Path, above: tuple[Path, ...]) -> Any:
        line = node.start_mark.line + 1
        self.places.setdefault(keys, Written(path, line))
        self._left -= 1
        if self._left < 0 or len(keys) > DEEPEST:
            limit = f"more than {LARGEST:,} values" if self._left < 0 else f"more than {DEEPEST} levels"
            raise IngestError(f"{limit}, or aliases that repeat each other", path, line)
        if node.tag == INCLUDE:
            return self._included(node, keys, path, above)
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_STANDARD}map":
            pairs = list(self._pairs(node, path))
            return {key: self._value(value, (*keys, key), path, above) for key, value in pairs}
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_STANDARD}seq":
            return [self._value(part, (*keys, at), path, above) for at, part in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag in _PLAIN:
            return _scalar(node, path)
        raise IngestError(
            f"{shown(keys)}: the tag {node.tag.removeprefix(_STANDARD)!r} is not known; {INCLUDE} is",
            path,
            line,
        )

    def _pairs(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, yaml.Node]]:
        """Keys and values of a mapping; those merged with ``<<`` come first and give way."""
        found: dict[str, yaml.Node] = {}
        merged: dict[str, yaml.Node] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag == _MERGE:
                for part in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    if not isinstance(part, yaml.MappingNode):
                        raise IngestError("what << names is not a mapping", path, line)
                    merged = {**dict(self._pairs(part, path)), **merged}
                continue
            if not isinstance(key, yaml.ScalarNode) or key.tag not in _PLAIN:
                raise IngestError("a key is text or a number", path, line)
            # As JSON writes keys: text. A population may be called 7.
            name = str(key.value)
            if name in found:
                first = found[name].start_mark.line + 1
                raise IngestError(f"the key {name!r} is in this mapping already, in line {first}", path, line)
            found[name] = value
        yield from {**merged, **found}.items()

    def _included(self, node: yaml.Node, keys: Keys, path: Path, above: tuple[Path, ...]) -> Any:
        line = node.start_mark.line + 1
        name = node.value if isinstance(node, yaml.ScalarNode) else ""
        if not name:
            raise IngestError(f"{INCLUDE} needs the name of a file", path, line)
        places = list(dict.fromkeys(folder / name for folder in (path.parent, self.root.parent)))
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            looked = " and ".join(str(place.parent) for place in places)
            raise IngestError(f"{shown(keys)}: there is no file {name!r} to include in {looked}", path, line)
        if found.resolve() in above:
            raise IngestError(f"{shown(keys)}: {name!r} includes itself", path, line)
        return self.read(found, keys, above)


def _scalar(node: yaml.ScalarNode, path: Path) -> Any:
    construct: Callable[[yaml.Node], Any] = _Loader("").construct_object
    try:
        value = construct(node)
        return plain_json(value, node.value)
    except (ValueError, InputError, yaml.YAMLError) as error:
        raise IngestError(f"{node.value!r} is no value: {error}", path, node.start_mark.line + 1) from error


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    return "a list" if isinstance(value, list) else "a single value"
