"""A model as one bundle: parameters of a cell and its network, and every file that they name."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from ...lake.digest import digest_of
from ...lake.errors import IngestError, InputError, NotFoundError
from ...lake.extras import needed
from ...lake.names import listed
from ...mechanisms.input.populations import MODIFIERS
from ..text.parameters import parse_parameters
from ..text.paths import TreeValues
from .addressed import ADDRESS, addressed_file

Tree = Mapping[str, Any]
Given = str | Path | Tree
"""A parameter file, or what such a file holds."""

What = Literal["cell", "network"]

_INCLUDED = (".mod", ".inc", ".h", ".hpp")


@dataclass(frozen=True)
class Model:
    """A cell, with or without a network, and all that it is made of.

    Attributes
    ----------
    cell, network
        Parameter trees whose paths are keys of `files`.
    files
        Content by relative path, which contains the content's digest: equal models are equal.
    mechanisms
        Folders among the files that hold .mod files.
    origin
        Where each file, ``cell`` and ``network`` came from, for messages.
    """

    cell: Tree
    network: Tree | None
    files: Mapping[str, bytes]
    mechanisms: tuple[str, ...] = ()
    origin: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def trees(self) -> dict[str, Tree]:
        """The parameters: ``neuron`` and, if there is a network, ``network``."""
        network = {} if self.network is None else {"network": self.network}
        return {"neuron": self.cell, **network}

    @cached_property
    def texts(self) -> dict[str, bytes]:
        """The parameters as files."""
        return {name: _text(tree) for name, tree in self.trees.items()}

    @cached_property
    def digests(self) -> dict[str, str]:
        """Digests of these files."""
        return {name: digest_of(text) for name, text in self.texts.items()}

    def write(self, folder: Path) -> Path:
        """Write the files below a folder, to which the paths in the trees then lead.

        Parameters
        ----------
        folder
            An existing folder.
        """
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder


def _text(tree: Tree) -> bytes:
    try:
        return (json.dumps(tree, indent=4, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise InputError(f"parameters are text, numbers, lists and dictionaries: {error}") from error


def read_model(
    cell: Given,
    network: Given | None = None,
    *,
    morphology: str | Path | None = None,
    synapses: str | Path | None = None,
    connections: str | Path | None = None,
    mechanisms: Sequence[str | Path] = (),
    paths: Sequence[str | Path] = (),
    functions: Mapping[str, Tree] | None = None,
    values: Mapping[str, Any] | None = None,
    connectivity: bool = True,
    change: Callable[[What, Tree], Tree] = lambda what, tree: tree,
) -> Model:
    """Read parameter files and everything that they name.

    Parameters
    ----------
    cell, network
        Parameter files of simrun, or their trees. Folders named under ``NMODL_mechanisms`` are not followed: they
        are of another machine, and hold what we have.
    morphology, synapses, connections
        Files to use instead of those that are named.
    mechanisms
        Folders of .mod files besides our own.
    paths
        Where to find files of other machines: ``OLD=NEW`` for what a path begins with or is called, or a folder to
        look in, and below, for a file of the same name, if it is not where its path says. Addresses
        ``mdb://<id>/<key>/<file>`` lead into lakes that were opened as databases before.
    functions
        Functions to call on the cell besides those that its parameters name, with their arguments.
    values
        New values of parameters of the cell and the network by path.
    connectivity
        Whether the network's .syn and .con are read; activations that are there already do without.
    change
        What is made of the trees before anything else.

    Raises
    ------
    IngestError
        A parameter file cannot be understood, or a file is not found.
    InputError
        There is no parameter of a path.
    """
    chosen = TreeValues(values or {})

    def made(what: What, tree: Tree) -> Tree:
        return chosen.changed(what, change(what, tree))

    tree, at = _tree(cell, "cell", made)
    network_tree, network_at = (None, None) if network is None else _tree(network, "network", made)
    chosen.finish()
    found = _Files([_Rule.of(rule) for rule in paths])
    cell_tree = _cell(tree, at, found, morphology, functions or {})
    if network_tree is not None and connectivity:
        network_tree = _network(network_tree, network_at, found, synapses, connections)
    folders = tuple(found.add_folder(Path(folder)) for folder in mechanisms)
    origin = {"cell": _name(cell, "cell"), "network": _name(network, "network")}
    return Model(cell_tree, network_tree, found.content, folders, {**origin, **found.origin})


def _name(given: Given | None, what: str) -> str:
    return f"parameters of the {what}" if given is None or isinstance(given, Mapping) else str(given)


def _tree(given: Given, what: What, change: Callable[[What, Tree], Tree]) -> tuple[Tree, Path | None]:
    """A tree, and the file that it stands in."""
    if isinstance(given, Mapping):
        return change(what, parse_parameters(_text(given), _name(given, what))), None
    path = Path(given).expanduser()
    try:
        return change(what, parse_parameters(path.read_bytes(), path)), path
    except OSError as error:
        raise IngestError(f"cannot be read: {error.strerror}", path) from error


def _cell(
    tree: Tree, at: Path | None, found: "_Files", morphology: str | Path | None, functions: Mapping[str, Tree]
) -> Tree:
    where = at or "parameters of the cell"
    neuron, sim = (_part(tree, name, where) for name in ("neuron", "sim"))
    asked = {**(neuron.get("cell_modify_functions") or {}), **functions}
    sites = sim.get("recordingSites") or []
    if isinstance(sites, str):
        sites = [sites]
    if not isinstance(sites, list):
        raise IngestError("sim.recordingSites: expected a file, or a list of files", where)
    return {
        **tree,
        "neuron": {
            **neuron,
            "filename": found.add(neuron.get("filename"), at, "neuron.filename", morphology, "morphology"),
            **({"cell_modify_functions": asked} if asked else {}),
        },
        "sim": {**sim, "recordingSites": [found.add(own, at, "sim.recordingSites") for own in sites]},
    }


def _network(
    tree: Tree,
    at: Path | None,
    found: "_Files",
    synapses: str | Path | None,
    connections: str | Path | None,
) -> Tree:
    where = at or "parameters of the network"
    network = dict(_part(tree, "network", where))
    for name, population in network.items():
        if name == MODIFIERS:
            continue
        own = dict(_part(_part(network, name, where), "synapses", where))
        for key, instead, option in (
            ("distributionFile", synapses, "synapses"),
            ("connectionFile", connections, "connections"),
        ):
            own[key] = found.add(own.get(key), at, f"network.{name}.synapses.{key}", instead, option)
        network[name] = {**population, "synapses": own}
    return {**tree, "network": network}


def _part(tree: Tree, name: str, where: str | Path) -> dict[str, Any]:
    value = tree.get(name)
    if not isinstance(value, dict):
        raise IngestError(f"no dictionary {name!r}, as such parameters have", where)
    return value


@dataclass(frozen=True)
class _Rule:
    """``OLD=NEW``, or a folder to look in, where *old* is None."""

    old: str | None
    new: Path

    @classmethod
    def of(cls, rule: str | Path) -> "_Rule":
        old, equals, new = str(rule).partition("=")
        made = cls(old, Path(new).expanduser()) if equals else cls(None, Path(old).expanduser())
        if equals and not (old and new):
            raise InputError(f"{rule}: write OLD=NEW, or a folder")
        if not equals and not made.new.is_dir():
            raise InputError(f"{rule}: there is no such folder; write OLD=NEW, or a folder to look in")
        return made

    def candidates(self, named: str) -> Iterator[Path]:
        """Where a file may be that a parameter file calls *named*."""
        name = PurePosixPath(named).name
        if self.old is None:
            yield from sorted(path for path in self.new.rglob("*") if path.name == name)
        elif self.old in (named, name):
            yield self.new
        elif named.startswith(self.old.rstrip("/") + "/"):
            yield self.new / named[len(self.old.rstrip("/")) + 1 :]


class _Files:
    """Files that parameters name, found and read once each."""

    def __init__(self, rules: Sequence[_Rule]) -> None:
        self._rules = rules
        self._known: dict[tuple[str, Path | None], str] = {}
        self.content: dict[str, bytes] = {}
        self.origin: dict[str, str] = {}

    def add(
        self,
        named: Any,
        at: Path | None,
        key: str,
        instead: str | Path | None = None,
        option: str | None = None,
    ) -> str:
        """The relative path of the file that parameter *key* of the file *at* names."""
        where = at or "given parameters"
        if instead is None and not (isinstance(named, str) and named):
            raise IngestError(f"{key}: expected the path of a file, found {named!r}", where)
        if (str(instead or named), at) not in self._known:
            path = self._found(str(named), at) if instead is None else Path(instead).expanduser()
            if path is None:
                other = f" or --{option} FILE" if option else ""
                raise IngestError(
                    f"{key}: there is no file {named!r}; say where it is with --map OLD=NEW or --map FOLDER"
                    f"{other} (in Python paths=[...])",
                    where,
                )
            self._known[str(instead or named), at] = self._read(path, f"anatomy/{{}}/{path.name}")
        return self._known[str(instead or named), at]

    def add_folder(self, folder: Path) -> str:
        """The relative path of a folder of .mod files."""
        if not folder.is_dir():
            raise IngestError("no such folder of mechanisms", folder)
        files = sorted(path for path in folder.iterdir() if path.suffix in _INCLUDED)
        if not any(path.suffix == ".mod" for path in files):
            raise IngestError("no .mod files in this folder of mechanisms", folder)
        digest = digest_of(b"".join(path.name.encode() + b"\n" + path.read_bytes() for path in files))
        for path in files:
            self._read(path, f"mechanisms/{digest[:16]}/{path.name}")
        self.origin[f"mechanisms/{digest[:16]}"] = str(folder)
        return f"mechanisms/{digest[:16]}"

    def _found(self, named: str, at: Path | None) -> Path | None:
        """What rules say of this very file, or what its path says, or else a file of its name in a folder."""
        own = Path(named).expanduser()
        near = own if at is None else at.parent / own
        said = [path for rule in self._rules if rule.old is not None for path in rule.candidates(named)]
        for path in (*said, near, own):
            if path.is_file():
                return path
        if named.startswith(ADDRESS):
            try:
                return addressed_file(named)
            except NotFoundError as error:
                raise IngestError(f"{named}: {error}", at or "given parameters") from error
        for rule in self._rules:
            found = {digest_of(path.read_bytes()): path for path in rule.candidates(named) if path.is_file()}
            if len(found) > 1:
                choice = listed(found.values())
                raise IngestError(f"several files are called {own.name}: {choice}", rule.new)
            if found:
                return next(iter(found.values()))
        return None

    def _read(self, path: Path, name: str) -> str:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise IngestError(f"cannot be read: {error.strerror}", path) from error
        relative = name.format(digest_of(content)[:16])
        self.content[relative], self.origin[relative] = content, str(path)
        return relative


def require_neuron() -> None:
    """Make sure that NEURON is there before anything is read or written.

    Raises
    ------
    MissingPackageError
        It is not installed; says how to install it.
    """
    # NEURON prints a warning where it looks for a screen and finds none.
    os.environ.setdefault("NEURON_MODULE_OPTIONS", "-nogui")
    with needed("simulations", "simulate"):
        import neuron  # noqa: F401
