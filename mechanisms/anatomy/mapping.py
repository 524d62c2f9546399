"""Realisations of the anatomical input of one cell: which presynaptic cells make synapses, and where.

From expected synapses per structure and voxel (`targets`) the synapses of each presynaptic cell are drawn; of many
realisations the most representative one is kept (``map_singlecell_inputs`` of the In Silico Framework, after Egger
et al. 2014, doi:10.3389/fnana.2014.00129). A realisation is a pure function of (seed, number).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...kernels.draws import exponential, key_word, stream, uniforms
from ...kernels.jit import jit
from ..cell.sites import Branches
from ..errors import ModelError
from .lattice import Lattice
from .targets import Affinity, Candidates, candidates, densities, extent

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]

SPREAD = 2.0
"""A representative realisation has every cell type's count within this many standard deviations of its mean."""


@dataclass(frozen=True)
class Axons:
    """Presynaptic cells of one type in one column.

    Attributes
    ----------
    cells
        Number of cells.
    kind
        Kind of axon, a key of the normalising fields and affinities: ``EXC`` or ``INH``.
    boutons
        Bouton fields; each cell has one of them, drawn at random.
    """

    cells: int
    kind: str
    boutons: Sequence[Lattice]


@dataclass(frozen=True)
class Realisation:
    """Synapses on the cell, ordered by population, then presynaptic cell.

    Attributes
    ----------
    populations
        Names, sorted.
    population
        Index into them, int64[n_synapses].
    cell
        Presynaptic cell among all of its population, int64[n_synapses].
    section, point
        Section, and its 3-D point, int64[n_synapses].
    x, soma_distance
        Relative position on the section, and path length to the soma in um, float64[n_synapses].
    """

    populations: tuple[str, ...]
    population: Integers
    cell: Integers
    section: Integers
    point: Integers
    x: Reals
    soma_distance: Reals

    def counts(self) -> Integers:
        """Synapses of each population, int64[n_populations]."""
        return np.bincount(self.population, minlength=len(self.populations)).astype(np.int64)

    def connected(self) -> Integers:
        """Cells of each population with at least one synapse, int64[n_populations]."""
        pairs = np.unique(np.column_stack([self.population, self.cell]), axis=0)
        return np.bincount(pairs[:, 0], minlength=len(self.populations)).astype(np.int64)

    def synapse_rows(self) -> list[tuple[str, int, float]]:
        """Rows of a ``.syn`` file: type, section, x."""
        names = [self.populations[code] for code in self.population]
        return list(zip(names, self.section.tolist(), self.x.tolist(), strict=True))

    def connection_rows(self) -> list[tuple[str, int, int]]:
        """Rows of the ``.con`` file: type, cell, synapse; cells are renumbered over those connected."""
        rows: list[tuple[str, int, int]] = []
        for code, name in enumerate(self.populations):
            _, cell = np.unique(self.cell[self.population == code], return_inverse=True)
            rows += [(name, int(one), synapse) for synapse, one in enumerate(cell.tolist())]
        return rows


class InputMapper:
    """Draws realisations of the synapses of presynaptic axons on one cell.

    Parameters
    ----------
    cell, diameter
        The postsynaptic cell, and its diameter at each 3-D point in um.
    axons
        Presynaptic populations by name ``<cell type>_<column>``.
    affinities
        Per kind of axon, the affinity of each structure.
    targets
        Per kind of axon, all postsynaptic targets per voxel; all on one grid, which is that of the mapping.

    Raises
    ------
    ModelError
        A kind of axon without field or affinities, cells without bouton fields, or fields of different grids.
    """

    def __init__(
        self,
        cell: Branches,
        diameter: Reals,
        axons: Mapping[str, Axons],
        affinities: Mapping[str, Mapping[str, Affinity]],
        targets: Mapping[str, Lattice],
    ) -> None:
        _check(axons, affinities, targets)
        self._cell = cell
        self._names = tuple(sorted(axons))
        self._cells = [axons[name].cells for name in self._names]
        own = extent(cell, diameter, next(iter(targets.values())))
        self._candidates = candidates(cell, own.grid)
        self._fields = []
        for name in self._names:
            one = axons[name]
            fields = [densities(own, affinities[one.kind], targets[one.kind], each) for each in one.boutons]
            self._fields.append(_cumulative(fields, self._candidates))

    def realisation(self, seed: int, number: int) -> Realisation:
        """Draw one realisation; a pure function of its arguments and of what the mapper was made of.

        Parameters
        ----------
        seed
            Seed of the random numbers.
        number
            Number of the realisation.

        Raises
        ------
        ValueError
            Either is not in ``[0, 2**64)``.
        """
        key = np.array([key_word(seed, "seed"), key_word(number, "number"), 0], np.uint64)
        drawn = [self._draw(key, code) for code in range(len(self._names))]
        population = np.repeat(np.arange(len(drawn)), [len(cell) for cell, _ in drawn])
        cell, row = (np.concatenate([each[k] for each in drawn]) for k in (0, 1))
        section = np.searchsorted(self._cell.first, row, side="right") - 1
        x = self._cell.relative[row]
        return Realisation(
            populations=self._names,
            population=population,
            cell=cell,
            section=section,
            point=row - self._cell.first[section],
            x=x,
            soma_distance=self._cell.soma_distances(section, x),
        )

    def _draw(self, key: NDArray[np.uint64], code: int) -> tuple[Integers, Integers]:
        key[2] = stream("anatomy", self._names[code])
        sums, cells = self._fields[code], self._cells[code]
        if not len(sums):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        size = max(64, int(2 * cells * sums[:, -1].max()))
        while True:
            cell, row = np.empty(size, np.int64), np.empty(size, np.int64)
            some = self._candidates
            count = synapses(cell, row, key, cells, sums, some.points, some.first)
            if count <= size:
                return cell[:count], row[:count]
            size = count


def representative(realisations: Sequence[Realisation]) -> int:
    """Return the index of the realisation whose synapse counts per cell type are nearest to the mean.

    Distances are Euclidean in units of each type's standard deviation, among the realisations with all types
    within `SPREAD` of them; among all, if there is none. A cell type is a population's name up to its last ``_``.

    Parameters
    ----------
    realisations
        Realisations of one mapper.
    """
    counts = np.array([_by_type(each)[0] for each in realisations])
    spread = counts.std(axis=0)
    score = np.divide(counts - counts.mean(axis=0), spread, out=np.zeros_like(counts), where=spread > 0)
    distance = np.sqrt((score**2).sum(axis=1))
    ordinary = (np.abs(score) <= SPREAD).all(axis=1)
    return int(np.where(ordinary | ~ordinary.any(), distance, np.inf).argmin())


def summary(realisations: Sequence[Realisation]) -> dict[str, NDArray[np.object_] | Reals]:
    """Summarise each cell type: what realisations have in common, and what the representative one has.

    Parameters
    ----------
    realisations
        Realisations of one mapper.

    Returns
    -------
    dict
        Columns ``cell_type``; ``synapses``, ``cells`` (connected ones) and ``soma_distance`` (mean over synapses, in
        um) of the representative realisation; and the mean and standard deviation of each over all realisations
        (``..._mean``, ``..._sd``).
    """
    rows = np.array([_by_type(each) for each in realisations])
    columns: dict[str, NDArray[np.object_] | Reals] = {
        "cell_type": np.array(_types(realisations[0].populations), object)
    }
    chosen = rows[representative(realisations)]
    for k, name in enumerate(("synapses", "cells", "soma_distance")):
        columns[name] = chosen[k]
        columns[f"{name}_mean"], columns[f"{name}_sd"] = rows[:, k].mean(axis=0), rows[:, k].std(axis=0)
    return columns


def _types(populations: Sequence[str]) -> list[str]:
    """Cell types of populations: their names up to the last ``_``, sorted."""
    return sorted({name.rsplit("_", 1)[0] for name in populations})


def _by_type(one: Realisation) -> Reals:
    """Synapses, connected cells and mean soma distance of each cell type, float64[3, n_types]."""
    types = _types(one.populations)
    column = np.array([types.index(name.rsplit("_", 1)[0]) for name in one.populations], np.int64)
    count = np.bincount(column, one.counts(), len(types))
    cells = np.bincount(column, one.connected(), len(types))
    distance = np.bincount(column[one.population], one.soma_distance, len(types))
    return np.array([count, cells, distance / np.maximum(count, 1)])


def _check(
    axons: Mapping[str, Axons],
    affinities: Mapping[str, Mapping[str, Affinity]],
    targets: Mapping[str, Lattice],
) -> None:
    for name, one in axons.items():
        if one.kind not in targets or one.kind not in affinities:
            raise ModelError(f"{name}: axons of kind {one.kind!r} have no field of targets or no affinities")
        if one.cells and not one.boutons:
            raise ModelError(f"{name}: {one.cells} cells, but no bouton field")
    grids = [(field.origin.tolist(), field.spacing.tolist()) for field in targets.values()]
    if any(grid != grids[0] for grid in grids):
        raise ModelError("the fields of targets have different grids")


def _cumulative(fields: Sequence[Reals], places: Candidates) -> Reals:
    """Sums of expected synapses over structures and voxels that hold a point, float64[n_fields, n_groups]."""
    empty = np.diff(places.first) == 0
    rows = [np.cumsum(np.where(empty, 0.0, field.ravel())) for field in fields]
    return np.array(rows).reshape(len(rows), len(empty))


@jit
def synapses(
    cell: Integers,
    row: Integers,
    key: NDArray[np.uint64],
    cells: int,
    sums: Reals,
    points: Integers,
    first: Integers,
) -> int:
    """Synapses of the cells of one population: presynaptic cell and row of the 3-D points.

    A cell's number of synapses is Poisson distributed with its field's sum; each falls into a group (structure and
    voxel) in proportion to it, which makes the numbers per group independent and Poisson distributed. Within a
    group a cell takes points that it has not taken, as long as there are.

    Parameters
    ----------
    cell, row
        Where they go, int64 of one length; beyond it they are counted only.
    key
        Seed, number and stream, uint64[3].
    cells
        Number of presynaptic cells.
    sums
        Cumulative expected synapses of each field, float64[n_fields, n_groups].
    points, first
        As in `Candidates`.

    Returns
    -------
    int
        The number of synapses.
    """
    n = 0
    groups = np.empty(len(cell), np.int64)
    for one in range(cells):
        pick, _ = uniforms(key[0], key[1], key[2], one, 0)
        field = sums[min(int(pick * len(sums)), len(sums) - 1)]
        start, draw = n, 1
        gap, place = uniforms(key[0], key[1], key[2], one, draw)
        passed = exponential(gap)
        while passed < field[-1]:
            group = min(np.searchsorted(field, place * field[-1]), len(field) - 1)
            size = first[group + 1] - first[group]
            taken = 0
            for k in range(start, min(n, len(cell))):
                taken += groups[k] == group
            while True:
                draw += 1
                choice, _ = uniforms(key[0], key[1], key[2], one, draw)
                chosen = points[first[group] + min(int(choice * size), size - 1)]
                if taken >= size or not _among(row, start, min(n, len(cell)), chosen):
                    break
            if n < len(cell):
                cell[n] = one
                row[n] = chosen
                groups[n] = group
            n += 1
            draw += 1
            gap, place = uniforms(key[0], key[1], key[2], one, draw)
            passed += exponential(gap)
    return n


@jit
def _among(row: Integers, begin: int, end: int, chosen: int) -> bool:
    found = False
    for k in range(begin, end):
        found |= row[k] == chosen
    return found
