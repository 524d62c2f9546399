"""Synapse positions (``.syn``) and their presynaptic cells (``.con``), as text and as arrays.

Both are the tab-separated lists of the In Silico Framework: lines that start with ``#`` and blank lines are
skipped, a synapse's ID is its running number within its type, and cell IDs count the connected cells of a type.
"""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cell.sites import Branches
from ..errors import ModelError

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class SynapseList:
    """A ``.syn`` file: one row per synapse, in file order.

    Attributes
    ----------
    path
        The file.
    types
        Names of the synapse types, sorted.
    type, synapse_id, section, x
        Index into `types`; running number within the type; section; relative position; [n_synapses].
    pruned
        The fourth column of the pruned variant as given, 0 where there is none, int64[n_synapses].
    line
        Line of the file, int64[n_synapses].
    """

    path: str
    types: tuple[str, ...]
    type: Codes
    synapse_id: Codes
    section: Codes
    x: NDArray[np.float64]
    pruned: Codes
    line: Codes


@dataclass(frozen=True)
class ConnectionList:
    """A ``.con`` file: one row per connected synapse, in file order.

    Attributes
    ----------
    path
        The file.
    synapse_file
        Name of the ``.syn`` file that its header says it belongs to; empty if the header names none.
    types
        Names of the types, sorted.
    type, cell_id, synapse_id
        Index into `types`; presynaptic cell; synapse; int64[n_connections].
    line
        Line of the file, int64[n_connections].
    """

    path: str
    synapse_file: str
    types: tuple[str, ...]
    type: Codes
    cell_id: Codes
    synapse_id: Codes
    line: Codes


@dataclass(frozen=True)
class Embedding:
    """Where the synapses of a cell sit and which cells drive them; ordered by population, then synapse ID.

    Attributes
    ----------
    populations
        Names ``<cell type>_<column>``, sorted.
    population
        Index into `populations`, int64[n_synapses].
    synapse_id, cell_id
        Running numbers within the population; the cell is -1 for a synapse without one, int64[n_synapses].
    section_id, section_pt_id
        Section, and its 3-D point where the synapse sits, int64[n_synapses].
    x
        Relative position as given, float64[n_synapses].
    soma_distance
        Path length at x to the soma's surface in um, float64[n_synapses].
    xyz
        The 3-D point in um, float64[n_synapses, 3].
    pruned
        As in `SynapseList`.
    """

    populations: tuple[str, ...]
    population: Codes
    synapse_id: Codes
    cell_id: Codes
    section_id: Codes
    section_pt_id: Codes
    x: NDArray[np.float64]
    soma_distance: NDArray[np.float64]
    xyz: NDArray[np.float64]
    pruned: Codes

    def __len__(self) -> int:
        return len(self.population)

    def cells(self) -> Codes:
        """Number of connected cells of each population, int64[n_populations]."""
        count = np.zeros(len(self.populations), np.int64)
        np.maximum.at(count, self.population, self.cell_id + 1)
        return count


def read_synapses(path: str | Path) -> SynapseList:
    """Read a ``.syn`` file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ModelError
        With file and line: not three or four columns, sections or flags that are not whole numbers, x outside
        [0, 1], or no synapse at all.
    """
    lines = list(_rows(path, (3, 4), "type, section, x"))
    rows = [_synapse(path, line, fields) for line, fields in lines]
    names, section, x, pruned = zip(*rows, strict=True)
    types, code = _coded(names)
    return SynapseList(
        path=str(path),
        types=types,
        type=code,
        synapse_id=_running(code),
        section=np.array(section, np.int64),
        x=np.array(x),
        pruned=np.array(pruned, np.int64),
        line=np.array([line for line, _ in lines]),
    )


def read_connections(path: str | Path) -> ConnectionList:
    """Read a ``.con`` file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ModelError
        With file and line: not three columns, IDs that are not whole numbers from 0 on, or no connection at all.
    """
    lines = list(_rows(path, (3,), "type, cell ID, synapse ID"))
    rows = [
        (name, _whole(path, line, "cell ID", cell), _whole(path, line, "synapse ID", synapse))
        for line, (name, cell, synapse) in lines
    ]
    names, cells, synapses = zip(*rows, strict=True)
    types, code = _coded(names)
    return ConnectionList(
        path=str(path),
        synapse_file=_named_synapse_file(path),
        types=types,
        type=code,
        cell_id=np.array(cells, np.int64),
        synapse_id=np.array(synapses, np.int64),
        line=np.array([line for line, _ in lines]),
    )


def embed(synapses: SynapseList, connections: ConnectionList, cell: Branches) -> Embedding:
    """Place synapses on a cell and assign their presynaptic cells.

    A ``.con`` that was made for another ``.syn`` only warns, for files are renamed; what the two say must agree.

    Parameters
    ----------
    synapses
        The synapses of a ``.syn`` file.
    connections
        The connections of a ``.con`` file.
    cell
        The postsynaptic cell.

    Raises
    ------
    ModelError
        With file and line: a section that the cell does not have, a connection of a type or synapse that is
        not in the ``.syn``, a synapse connected twice, or cell IDs of a type that are not 0, 1, 2 ...
    """
    beyond = (synapses.section < 0) | (synapses.section >= len(cell))
    _refuse(
        synapses, beyond, lambda row: f"section {synapses.section[row]}: the cell has {len(cell)} sections"
    )
    _check_header(synapses, connections)
    cell_of = _cells(synapses, connections)
    order = np.lexsort((synapses.synapse_id, synapses.type))
    section, x = synapses.section[order], synapses.x[order]
    point = cell.nearest_points(section, x)
    return Embedding(
        populations=synapses.types,
        population=synapses.type[order],
        synapse_id=synapses.synapse_id[order],
        cell_id=cell_of[order],
        section_id=section,
        section_pt_id=point,
        x=x,
        soma_distance=cell.soma_distances(section, x),
        xyz=cell.points[cell.first[section] + point],
        pruned=synapses.pruned[order],
    )


def _check_header(synapses: SynapseList, connections: ConnectionList) -> None:
    named, given = connections.synapse_file, Path(synapses.path).name
    if named and named != given:
        warnings.warn(
            f"{connections.path}: says that it belongs to {named}, and is used with {given}", stacklevel=3
        )


def _cells(synapses: SynapseList, connections: ConnectionList) -> Codes:
    """Presynaptic cell of each synapse in file order, -1 where it has none."""
    known = {name: code for code, name in enumerate(synapses.types)}
    code: Codes = np.array([known.get(name, -1) for name in connections.types])[connections.type]
    _refuse(
        connections,
        code < 0,
        lambda row: f"type {connections.types[connections.type[row]]} has no synapses in {synapses.path}",
    )
    size = np.bincount(synapses.type, minlength=len(known))
    _refuse(
        connections,
        connections.synapse_id >= size[code],
        lambda row: (
            f"synapse {connections.synapse_id[row]} of {synapses.types[code[row]]}: "
            f"{synapses.path} has {size[code[row]]} of that type"
        ),
    )
    first = np.cumsum(size) - size
    target = first[code] + connections.synapse_id
    _check_once(connections, target)
    _check_cells(connections, synapses.types)
    cell = np.full(len(synapses.type), -1, np.int64)
    cell[target] = connections.cell_id
    in_file_order: Codes = cell[first[synapses.type] + synapses.synapse_id]
    return in_file_order


def _check_once(connections: ConnectionList, target: Codes) -> None:
    again = np.ones(len(target), bool)
    again[np.unique(target, return_index=True)[1]] = False
    _refuse(connections, again, lambda row: f"synapse {connections.synapse_id[row]} is connected before")


def _check_cells(connections: ConnectionList, types: Sequence[str]) -> None:
    for code, name in enumerate(connections.types):
        rows = np.flatnonzero(connections.type == code)
        cells = np.unique(connections.cell_id[rows])
        if cells[-1] != len(cells) - 1:
            row = rows[connections.cell_id[rows].argmax()]
            reason = (
                f"cell {cells[-1]} of {name}, but only {len(cells)} cells are connected: IDs count from 0"
            )
            raise ModelError(reason, connections.path, int(connections.line[row]))


def _refuse(rows: SynapseList | ConnectionList, wrong: NDArray[np.bool_], reason: Any) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        raise ModelError(reason(row), rows.path, int(rows.line[row]))


def _rows(path: str | Path, widths: tuple[int, ...], expected: str) -> Iterator[tuple[int, list[str]]]:
    empty = True
    for number, line in enumerate(_lines(path), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) not in widths:
            reason = f"{len(fields)} tab-separated columns, expected {expected}"
            raise ModelError(reason, path, number)
        empty = False
        yield number, fields
    if empty:
        raise ModelError(f"no rows, expected {expected}", path)


def _lines(path: str | Path) -> list[str]:
    try:
        return Path(path).read_text("utf-8-sig").split("\n")
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror}", path) from error
    except UnicodeDecodeError as error:
        raise ModelError("not UTF-8 text", path) from error


def _named_synapse_file(path: str | Path) -> str:
    """The last word of the second line that is not empty."""
    header = [line.split() for line in _lines(path) if line.strip()][1:2]
    return header[0][-1] if header and header[0][0] == "#" else ""


def _synapse(path: str | Path, line: int, fields: list[str]) -> tuple[str, int, float, int]:
    name, section, text, *flag = fields
    try:
        x = float(text)
    except ValueError:
        raise ModelError(f"x is {text!r}, expected a number", path, line) from None
    if not 0 <= x <= 1:
        raise ModelError(f"x is {text}, expected 0 to 1", path, line)
    pruned = _whole(path, line, "pruned flag", flag[0]) if flag else 0
    return name, _whole(path, line, "section", section), x, pruned


def _whole(path: str | Path, line: int, name: str, text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ModelError(f"{name} is {text!r}, expected a whole number from 0 on", path, line)
    return int(text)


def _coded(names: Iterable[str]) -> tuple[tuple[str, ...], Codes]:
    types, code = np.unique(np.array(list(names)), return_inverse=True)
    return tuple(types.tolist()), code.astype(np.int64)


def _running(code: Codes) -> Codes:
    """Running number of each element among its equals."""
    order = np.argsort(code, kind="stable")
    size = np.bincount(code)
    running = np.empty(len(code), np.int64)
    running[order] = np.arange(len(code)) - np.repeat(np.cumsum(size) - size, size)
    return running
