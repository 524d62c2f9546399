"""Weights of electrodes compared: of two files, two nodes of a lake, or one of each, whatever their order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...catalog.vocabulary.reports import ELECTRODES, WEIGHT_RANGES
from ...lake.errors import InputError, NotFoundError
from ...lake.names import listed
from ..hdf5.reading import opened
from ..sonata.electrodes import ORIGINS, UNITS, weight_columns
from ..sonata.reports import read_ranges
from .weights import FACTORS, stored_coefficients

if TYPE_CHECKING:
    from ...lake import Lake, Snapshot

Floats: TypeAlias = NDArray[np.float64]
Ids: TypeAlias = NDArray[np.int64]
Origin: TypeAlias = Literal["sonata", "bluerecording"]

BLOCK_VALUES = 2**22
"""So many weights of a side are compared at a time, or those of one node."""


@dataclass(frozen=True)
class ElectrodeDifference:
    """How the weights of one electrode differ.

    Attributes
    ----------
    name
        Of the electrode; ``[3]`` is column 3, which has no name.
    absolute
        The greatest difference, in mV/nA (without a unit for ObjectiveCSD); infinite where one side only is no number.
    relative
        The greatest difference as a part of the larger of both weights.
    beyond
        How many weights differ by more than the tolerance.
    node_id, compartment
        Where the greatest absolute difference is: the node, and the number of its row; None if there is none.
    """

    name: str
    absolute: float
    relative: float
    beyond: int
    node_id: int | None
    compartment: int | None


@dataclass(frozen=True)
class Comparison:
    """What two sets of weights have in common and what they differ in.

    Attributes
    ----------
    nodes, compartments
        How many of both were compared.
    electrodes
        Of those that both have, in the order of the first.
    nodes_only_in, electrodes_only_in
        What the first and what the second alone has.
    shapes
        Nodes whose numbers of compartments differ: the node, and both numbers. They are not compared.
    rtol, atol
        The tolerance.
    """

    nodes: int
    compartments: int
    electrodes: tuple[ElectrodeDifference, ...]
    nodes_only_in: tuple[tuple[int, ...], tuple[int, ...]]
    electrodes_only_in: tuple[tuple[str, ...], tuple[str, ...]]
    shapes: tuple[tuple[int, int, int], ...]
    rtol: float
    atol: float

    @property
    def equal(self) -> bool:
        """Whether both have the same nodes, electrodes and compartments, and no weight is beyond the tolerance."""
        apart = (*self.nodes_only_in, *self.electrodes_only_in, self.shapes)
        return not any(apart) and not any(electrode.beyond for electrode in self.electrodes)

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as JSON allows them: an infinite difference is the text ``inf``."""
        found = {"equal": self.equal, **asdict(self)}
        for electrode in found["electrodes"]:
            for key in ("absolute", "relative"):
                electrode[key] = electrode[key] if np.isfinite(electrode[key]) else str(electrode[key])
        return found

    def problems(self) -> list[str]:
        """Return a line for each thing that only one side has."""
        lines = []
        for what, sides in (("nodes", self.nodes_only_in), ("electrodes", self.electrodes_only_in)):
            lines += [
                f"{what} only in {side}: {listed(only)}"
                for side, only in zip("AB", sides, strict=True)
                if only
            ]
        if self.shapes:
            told = [f"{node} ({first} and {second})" for node, first, second in self.shapes]
            lines.append(f"nodes with other numbers of compartments: {listed(told)}")
        return lines

    def __str__(self) -> str:
        word = "equal" if self.equal else "different"
        worst = max((electrode.absolute for electrode in self.electrodes), default=0.0)
        compared = (
            f"{self.nodes:,} nodes, {self.compartments:,} compartments, {len(self.electrodes):,} electrodes"
        )
        told = f"{word} (rtol {self.rtol:g}, atol {self.atol:g} mV/nA): {compared}; at most {worst:.3g} apart"
        return "\n".join([*self.problems(), told])


def compare_weights(
    a: str | Path,
    b: str | Path,
    *,
    lake: "Lake | Snapshot | str | Path | None" = None,
    at: str | datetime = "main",
    population: str | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    origins: tuple[Origin, Origin] = ("sonata", "sonata"),
) -> Comparison:
    """Compare weights of electrodes, node by node and electrode by electrode, in whatever order each side has them.

    Parameters
    ----------
    a, b
        An electrodes file (HDF5) or, if there is no such file, a node of the lake: weights that were ingested, or
        coefficients.
    lake, at
        An open lake, the path or URL of one, or a snapshot; and its branch, commit or time.
    population
        Of the nodes, in files; by default the only one that a file has.
    rtol, atol
        Two weights are equal if they differ by no more than *atol* (mV/nA) + *rtol* times the larger of them.
    origins
        Of each file: ``"sonata"`` (mV/nA) or ``"bluerecording"`` (V/nA, and before 0.7 columns by sorted name).
        Nodes know it.

    Returns
    -------
    Comparison
        The greatest differences of each electrode, and what only one side has. Weights are compared in mV/nA.

    Raises
    ------
    NotFoundError
        There is neither such a file nor such a node.
    IngestError
        A file is malformed.
    InputError
        A node holds no weights, a file has several populations, or an option is not known.
    """
    if any(origin not in ORIGINS for origin in origins) or not (rtol >= 0 and atol >= 0):
        raise InputError(f"origins are {' or '.join(ORIGINS)}, rtol and atol at least 0")
    with ExitStack() as stack:
        snapshot = _snapshot(lake, at)
        first, second = (
            _file(stack, Path(given), population, origin)
            if Path(given).is_file()
            else _node(snapshot, str(given))
            for given, origin in zip((a, b), origins, strict=True)
        )
        return _compared(first, second, rtol, atol)


def _snapshot(lake: Any, at: str | datetime) -> "Snapshot | None":
    from ...lake import Lake, Snapshot

    return lake if lake is None or isinstance(lake, Snapshot) else Lake.of(lake).at(at)


# Both kinds of sides


@dataclass(frozen=True)
class _Side:
    """Weights in mV/nA: names by column, rows by node, and what reads rows."""

    names: Sequence[str]
    ranges: Mapping[str, Ids]
    rows: Callable[[int, int], Floats]

    def rows_of(self, nodes: Ids) -> Floats:
        """Rows of nodes, which are numbers in `ranges`."""
        starts, stops = self.ranges["start"][nodes], self.ranges["stop"][nodes]
        new = np.flatnonzero(np.r_[True, starts[1:] != stops[:-1]])
        last = np.r_[new[1:], len(nodes)] - 1
        runs = zip(starts[new].tolist(), stops[last].tolist(), strict=True)
        return np.concatenate([self.rows(start, stop) for start, stop in runs])


def _file(stack: ExitStack, path: Path, population: str | None, origin: str) -> _Side:
    source = stack.enter_context(opened(path))
    known = {name: group for name, group in source.groups("electrodes").items() if "scaling_factors" in group}
    if population not in known and (population is not None or len(known) != 1):
        asked = "say which population" if population is None else f"there is no population {population!r}"
        raise InputError(f"{path}: {asked}; it has weights of: {', '.join(known) or 'none'}")
    own = population or next(iter(known))
    factors = source.dataset(known[own], "scaling_factors", "f", shape=(None, None))
    if own not in source.groups("/"):
        raise source.error(f"/{own}", "there is no such group")
    ranges = read_ranges(source, source.file[own], ("node_ids", "offsets"), len(factors))
    columns = weight_columns(source, own, factors.shape[1], origin)
    scale = _scale(UNITS[origin], columns)
    return _Side(_names(columns), ranges, lambda start, stop: factors[start:stop] * scale)


def _node(snapshot: "Snapshot | None", name: str) -> _Side:
    if snapshot is None or name not in snapshot.arrays:
        raise NotFoundError(
            f"there is neither a file {name!r} nor, in the lake that was given, an array of that name"
        )
    if WEIGHT_RANGES.beside(name) in snapshot.tables:
        array = snapshot.arrays[name]
        table = snapshot.tables[WEIGHT_RANGES.beside(name)].to_arrow()
        columns = snapshot.tables[ELECTRODES.beside(name)].to_arrow().to_pylist()
        scale = _scale(str(array.attrs["units"]), columns)
        ranges = {key: table[key].to_numpy() for key in ("node_id", "start", "stop")}
        return _Side(_names(columns), ranges, lambda start, stop: array[start:stop, :] * scale)
    found = stored_coefficients(snapshot, name)
    labels = [found[key].values for key in ("node_id", "section_id", "segment_id")]
    order = np.lexsort(labels[::-1])
    nodes, starts = np.unique(labels[0][order], return_index=True)
    ranges = {"node_id": nodes, "start": starts, "stop": np.r_[starts[1:], len(order)]}
    return _Side([str(name) for name in found["electrode"].values], ranges, _sorted_rows(found, order))


def _sorted_rows(coefficients: Any, order: Ids) -> Callable[[int, int], Floats]:
    """What reads the columns of coefficients as rows, sorted; neighbours are near each other in most lakes."""

    def rows(start: int, stop: int) -> Floats:
        wanted = order[start:stop]
        low = int(wanted.min()) if len(wanted) else 0
        block = coefficients[:, low : int(wanted.max(initial=-1)) + 1].values
        made: Floats = block[:, wanted - low].T
        return made

    return rows


def _names(columns: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"[{number}]" if row["name"] is None else str(row["name"]) for number, row in enumerate(columns)]


def _scale(units: str, columns: Sequence[Mapping[str, Any]]) -> Floats:
    """What makes mV/nA of each column; those of ones and of ObjectiveCSD have no unit."""
    if units not in FACTORS:
        raise InputError(f"units of weights are {' or '.join(FACTORS)}, not {units!r}")
    plain = [row["name"] is None or str(row["type"]).startswith("ObjectiveCSD") for row in columns]
    return np.where(plain, 1.0, 1 / FACTORS[units])


# Comparing


def _compared(a: _Side, b: _Side, rtol: float, atol: float) -> Comparison:
    _, first, second = np.intersect1d(a.ranges["node_id"], b.ranges["node_id"], return_indices=True)
    counts = [side.ranges["stop"] - side.ranges["start"] for side in (a, b)]
    same = counts[0][first] == counts[1][second]
    shapes = zip(
        a.ranges["node_id"][first[~same]].tolist(),
        counts[0][first[~same]].tolist(),
        counts[1][second[~same]].tolist(),
        strict=True,
    )
    first, second = first[same], second[same]
    names = [name for name in a.names if name in set(b.names)]
    columns = [np.array([side.names.index(name) for name in names], np.int64) for side in (a, b)]
    found = _Greatest(len(names))
    for part in _blocks(counts[0][first], max(1, len(a.names), len(b.names))):
        nodes = first[part]
        left = a.rows_of(nodes)[:, columns[0]]
        right = b.rows_of(second[part])[:, columns[1]]
        within = np.concatenate([np.arange(count) for count in counts[0][nodes].tolist()])
        found.add(left, right, np.repeat(a.ranges["node_id"][nodes], counts[0][nodes]), within, rtol, atol)
    ids = [set(side.ranges["node_id"].tolist()) for side in (a, b)]
    return Comparison(
        len(first),
        int(counts[0][first].sum()),
        tuple(found.of(number, name) for number, name in enumerate(names)),
        (tuple(sorted(ids[0] - ids[1])), tuple(sorted(ids[1] - ids[0]))),
        tuple(tuple(name for name in own.names if name not in names) for own in (a, b)),  # type: ignore[arg-type]
        tuple(shapes),
        rtol,
        atol,
    )


def _blocks(counts: Ids, columns: int) -> Iterator[slice]:
    """Parts of nodes with about `BLOCK_VALUES` weights each."""
    of = np.cumsum(counts) * columns // BLOCK_VALUES
    edges = [*np.flatnonzero(np.diff(of, prepend=-1)).tolist(), len(counts)]
    yield from (slice(begin, end) for begin, end in pairwise(edges))


class _Greatest:
    """The greatest differences so far, by electrode."""

    def __init__(self, electrodes: int) -> None:
        self.absolute, self.relative = np.zeros((2, electrodes))
        self.beyond, self.node, self.row = np.zeros((3, electrodes), np.int64)

    def add(self, a: Floats, b: Floats, nodes: Ids, rows: Ids, rtol: float, atol: float) -> None:
        """Look at more weights, shape (n_rows, n_electrodes), of these nodes and of these rows of theirs."""
        if not a.size:
            return
        with np.errstate(invalid="ignore", over="ignore"):
            apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
            apart[np.isnan(apart)] = np.inf
            larger = np.fmax(np.abs(a), np.abs(b))
            relative = np.where(apart > 0, apart / np.where(np.isfinite(apart), larger, 1.0), 0.0)
            self.beyond += (apart > atol + rtol * np.where(np.isfinite(larger), larger, 0.0)).sum(axis=0)
        worst = apart.argmax(axis=0)
        new = np.take_along_axis(apart, worst[None], axis=0)[0]
        higher = new > self.absolute
        self.node[higher], self.row[higher] = nodes[worst[higher]], rows[worst[higher]]
        self.absolute = np.maximum(self.absolute, new)
        self.relative = np.maximum(self.relative, relative.max(axis=0))

    def of(self, number: int, name: str) -> ElectrodeDifference:
        """What is known of an electrode."""
        absolute, relative = float(self.absolute[number]), float(self.relative[number])
        place = (int(self.node[number]), int(self.row[number])) if absolute > 0 else (None, None)
        return ElectrodeDifference(name, absolute, relative, int(self.beyond[number]), *place)
