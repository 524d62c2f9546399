"""Sources of synapses: which population, and which of its cells, by distance along two axes.

The order of work is that of MiV-Simulator: every synapse of a cell first gets a population
(`synapse_populations`), then, population by population (`population_rows`), a cell of it (`synapse_sources`).
Everything is keyed by (seed, projection, target cell), so that a cell's connections do not depend on which
others are asked for, on their order, or on the number of threads.
"""

from functools import cache, partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import codes, row_offsets
from ..draws import key_word, stream, uniforms
from ..jit import jit, over_rows
from .arguments import SourcelessError, cell_ids, coordinates
from .arranging import CLUSTERED, PLAIN, SHUFFLED, Scratch, arranged, cable_order, guide_of, rows_by_layer
from .ordering import Ordered, rows_by_node
from .weighting import BAD_WEIGHT, Partners, Targets, Weighting, candidates_by, falls, gaussian

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]


class Sources(NamedTuple):
    """A source for each synapse, in the order of the synapses.

    Attributes
    ----------
    source_node_id
        Node of the source population, int32[n]; -1 where no source is within reach.
    distance
        ``|du| + |dv|`` in µm, float32[n]; NaN where there is no source.
    """

    source_node_id: NDArray[np.int32]
    distance: NDArray[np.float32]


def synapse_populations(
    kind: ArrayLike,
    shares: ArrayLike,
    offsets: ArrayLike,
    cells: ArrayLike,
    *,
    seed: int,
    population: str,
    attempts: int = 10,
) -> NDArray[np.int16]:
    """Choose the source population of each synapse, by the proportions of its kind.

    Parameters
    ----------
    kind
        A code for each combination of synapse type, section type and layer, int[n_synapses].
    shares
        Proportion of each source population, float64[n_kinds, n_populations]; the rows need not sum to 1.
    offsets
        Rows of each target cell, int64[n_cells + 1].
    cells
        Numbers of the target cells, int[n_cells].
    seed, population
        Key of the random numbers; the name of the target population.
    attempts
        A cell is drawn again, at most so often, until each population that has a share in one of its kinds got at
        least one synapse; the last draw stands.

    Returns
    -------
    numpy.ndarray
        Column of *shares*, int16[n_synapses].

    Raises
    ------
    SourcelessError
        All shares of a synapse's kind are zero.
    ValueError
        Shapes differ, or a share is negative or not finite.
    """
    table = np.ascontiguousarray(shares, np.float64)
    if table.ndim != 2:
        raise ValueError(f"shares have shape {table.shape}; expected (n_kinds, n_populations)")
    bad = np.argwhere(~((table >= 0) & (table < np.inf)))
    if len(bad):
        raise ValueError(
            f"shares{bad[0].tolist()} is {table[tuple(bad[0])]}; expected 0 or a positive number"
        )
    ids = cell_ids(cells)
    kinds = codes("kind", kind, len(table), np.shape(kind)[0])
    bounds = row_offsets(offsets, len(ids), len(kinds))
    key = np.array([key_word(seed, "seed"), stream("populations", population)], np.uint64)
    chosen = np.empty(len(kinds), np.int16)
    kernel = partial(_choose, kinds, np.cumsum(table, axis=1), table > 0, bounds, ids, key, attempts, chosen)
    for cell, row in over_rows(kernel, len(ids)):
        if row >= 0:
            raise SourcelessError(
                f"synapse {row} of cell {ids[cell]} is of kind {kinds[row]}, which no population has a share in",
                cell,
                row,
            )
    return chosen


def population_rows(populations: ArrayLike, offsets: ArrayLike, n_populations: int) -> list[Ordered]:
    """Group the rows of synapses by source population, by target cell within it.

    Parameters
    ----------
    populations
        Source population of each synapse, -1 for none, int[n_rows], as of `synapse_populations`.
    offsets
        Where the rows of each target cell begin, and the last ones end, int[n_cells + 1].
    n_populations
        Number of source populations.

    Raises
    ------
    ValueError
        A population is not in ``[-1, n_populations)`` or offsets are not those of the rows.
    """
    chosen = codes("populations", np.asarray(populations) + 1, n_populations + 1, np.shape(populations)[0])
    bounds = row_offsets(offsets, len(np.asarray(offsets)) - 1, len(chosen))
    order = rows_by_node(chosen, n_populations + 1)
    groups = [order.rows[order.offsets[k] : order.offsets[k + 1]] for k in range(1, n_populations + 1)]
    return [Ordered(rows, np.searchsorted(rows, bounds)) for rows in groups]


def synapse_sources(
    layer: ArrayLike,
    soma_distance: ArrayLike,
    offsets: ArrayLike,
    cells: ArrayLike,
    target: tuple[ArrayLike, ArrayLike],
    source: tuple[ArrayLike, ArrayLike],
    extents: ArrayLike,
    *,
    seed: int,
    projection: str,
    contacts: int = 1,
    arrangement: Literal["shuffled", "clustered", "plain"] = "shuffled",
    spread: float = 2.0,
    weighting: Weighting = gaussian,
    parameters: ArrayLike | None = None,
    autapses: bool = True,
    out_of_reach: Literal["error", "drop"] = "error",
) -> Sources:
    """Choose a cell of one source population for each synapse.

    Parameters
    ----------
    layer, soma_distance
        Of each synapse, int[n] and float32[n] (µm). Layers are rows of *extents*. Only the order of distances
        matters, and ``"plain"`` asks for none of them.
    offsets
        Synapses of each target cell, int64[n_cells + 1].
    cells
        Node ids of the target cells, int[n_cells].
    target, source
        Arc distances (u, v) in µm of the target cells, float64[n_cells], and of all cells of the source population.
    extents
        For each layer how far axons reach: width along u and v, offset along u and v, in µm,
        float64[n_layers, 4]. A source is a candidate if ``|du| < width_u / 2`` and ``|dv| < width_v / 2``.
    seed, projection
        Key of the random numbers; the projection's name.
    contacts
        Synapses that a source has on a target cell each time it is drawn.
    arrangement
        How the sources drawn come to the synapses of a layer, which are sorted by soma distance. ``"shuffled"``:
        MiV's clustered shuffle. Each candidate has a centre, uniform in (-1, 1) and rising along u (as node ids do
        there), each of its synapses a normal deviate of *spread* more, and their order is that of the synapses.
        ``"clustered"``: each source has *contacts* synapses in succession. ``"plain"``: in random order; without
        contacts nothing is sorted.
    spread
        Standard deviation of ``"shuffled"``; 0 keeps all synapses of a source together.
    weighting, parameters
        Relative probability of a candidate, see `weighting`; parameters for each layer, float64[n_layers, k],
        by default the *extents*.
    autapses
        Whether a cell may be its own source, where *cells* are of the source population.
    out_of_reach
        What to do with synapses of a layer in which no candidate has a positive weight.

    Returns
    -------
    Sources
        The n synapses of a layer get ``ceil(n / contacts)`` independent draws of candidates.

    Raises
    ------
    SourcelessError
        A synapse has no candidate and *out_of_reach* is ``"error"``.
    ValueError
        Shapes differ, numbers are not finite, an extent is not positive, a weight is negative, or a registered
        weighting has too few parameters.

    Notes
    -----
    With `gaussian`, the probability of a candidate is proportional to ``N(|du| - offset_u; 0, sigma_u)
    N(|dv| - offset_v; 0, sigma_v)``, ``sigma = (width / 2 - offset) / 3``.
    """
    if arrangement not in _ARRANGEMENTS:
        raise ValueError(
            f"arrangement is {arrangement!r}; expected one of {', '.join(map(repr, _ARRANGEMENTS))}"
        )
    if out_of_reach not in ("error", "drop"):
        raise ValueError(f"out_of_reach is {out_of_reach!r}; expected 'error' or 'drop'")
    if contacts < 1:
        raise ValueError(f"contacts is {contacts}; expected 1 or more")
    if not 0 <= spread < np.inf:
        raise ValueError(f"spread is {spread}; expected 0 or a positive number")
    ids = cell_ids(cells)
    u, v = coordinates("target", target, len(ids))
    source_u, source_v = coordinates("source", source)
    reach, numbers = _reaches(extents, parameters)
    layers = codes("layer", layer, len(reach), np.shape(layer)[0])
    bounds = row_offsets(offsets, len(ids), len(layers))
    away = np.ascontiguousarray(soma_distance, np.float32)
    if away.shape != layers.shape:
        raise ValueError(f"soma_distance has shape {away.shape}, layer {layers.shape}; expected the same")
    for row in numbers:
        falls(weighting, row)
    order = np.argsort(source_u, kind="stable")
    key = np.array([key_word(seed, "seed"), stream("sources", projection)], np.uint64)
    found = Sources(np.empty(len(layers), np.int32), np.empty(len(layers), np.float32))
    kernel = partial(
        _sources_by(weighting),
        _Synapses(layers.astype(np.int16, copy=False), away, bounds),
        Targets(ids, u, v),
        Partners(order.astype(np.int32), source_u[order], source_v[order]),
        reach,
        numbers,
        _first_alike(np.concatenate([reach, numbers], axis=1)),
        key,
        _Manner(int(contacts), _ARRANGEMENTS[arrangement], float(spread), bool(autapses)),
        found.source_node_id,
        found.distance,
    )
    for cell, row in over_rows(kernel, len(ids)):
        if row >= 0 and out_of_reach == "error":
            raise SourcelessError(
                f"no cell is in reach of synapse {row} of cell {ids[cell]}, in layer {layers[row]}", cell, row
            )
        if row == BAD_WEIGHT:
            raise ValueError(f"the weighting is negative or not finite for a source of cell {ids[cell]}")
    return found


_ARRANGEMENTS = {"shuffled": SHUFFLED, "clustered": CLUSTERED, "plain": PLAIN}


class _Synapses(NamedTuple):
    layer: NDArray[np.int16]
    soma_distance: NDArray[np.float32]
    offsets: Integers


class _Manner(NamedTuple):
    contacts: int
    arrangement: int
    spread: float
    autapses: bool


def _reaches(extents: ArrayLike, parameters: ArrayLike | None) -> tuple[Reals, Reals]:
    """Half of the widths along u and v, and the parameters, of each layer."""
    reach = np.ascontiguousarray(extents, np.float64)
    if reach.ndim != 2 or reach.shape[1] != 4:
        raise ValueError(f"extents have shape {reach.shape}; expected (n_layers, 4)")
    good = (reach[:, 2:] >= 0) & (reach[:, :2] / 2 > reach[:, 2:]) & (reach[:, 2:] < np.inf)
    bad = np.flatnonzero(~good.all(axis=1))
    if bad.size:
        raise ValueError(
            f"the extent of layer {bad[0]} is {reach[bad[0]].tolist()}; expected widths above twice their offsets"
        )
    numbers = reach if parameters is None else np.ascontiguousarray(parameters, np.float64)
    if numbers.ndim != 2 or len(numbers) != len(reach):
        raise ValueError(
            f"parameters have shape {numbers.shape}; expected ({len(reach)}, k), a row per layer"
        )
    return reach[:, :2] / 2, numbers


def _first_alike(rows: Reals) -> Integers:
    """For each row the first one that is equal: layers with one extent share their candidates."""
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    alike: Integers = first[inverse.reshape(-1)].astype(np.int64)
    return alike


@jit
def _choose(
    kind: NDArray[Any],
    sums: Reals,
    has: NDArray[np.bool_],
    offsets: Integers,
    cells: Integers,
    key: NDArray[np.uint64],
    attempts: int,
    chosen: NDArray[np.int16],
    begin: int,
    end: int,
) -> tuple[int, int]:
    """Choose populations for the synapses of cells; the first synapse that none can have, and its cell."""
    n = sums.shape[1]
    present = np.empty(len(sums), np.bool_)
    wanted, got = np.empty(n, np.bool_), np.empty(n, np.int64)
    for k in range(begin, end):
        first, last, drawn = offsets[k], offsets[k + 1], 0
        present[:] = False
        for row in range(first, last):
            if sums[kind[row], n - 1] <= 0.0:
                return k, row
            present[kind[row]] = True
        wanted[:] = False
        for code in range(len(sums)):
            if present[code]:
                wanted |= has[code]
        for _ in range(max(attempts, 1)):
            got[:] = 0
            spare = -1.0
            for row in range(first, last):
                if spare >= 0.0:
                    number, spare = spare, -1.0
                else:
                    number, spare = uniforms(key[0], np.uint64(0), key[1], cells[k], drawn)
                    drawn += 1
                part = sums[kind[row]]
                number *= part[n - 1]
                p = 0
                # A number is in (0, 1]: a population without a share has an empty range.
                while part[p] < number:
                    p += 1
                chosen[row] = p
                got[p] += 1
            if ((got > 0) | ~wanted).all():
                break
    return -1, -1


@cache
def _sources_by(weighting: Weighting) -> Any:
    """The kernel that chooses sources, with a weighting compiled into it."""

    candidates = candidates_by(weighting)

    @jit
    def chosen_sources(
        synapses: _Synapses,
        targets: Targets,
        sources: Partners,
        reach: Reals,
        numbers: Reals,
        alike: Integers,
        key: NDArray[np.uint64],
        manner: _Manner,
        node: NDArray[np.int32],
        distance: NDArray[np.float32],
        begin: int,
        end: int,
    ) -> tuple[int, int]:
        """Choose sources for the synapses of cells; the first synapse that none can have, and its cell."""
        n_layers, n_sources = len(reach), len(sources.u)
        place, sums = np.empty(n_sources, np.int32), np.empty(n_sources)
        away = np.empty((2, n_sources))
        guide = np.empty(n_sources, np.int32)
        most = 0
        for k in range(begin, end):
            most = max(most, synapses.offsets[k + 1] - synapses.offsets[k])
        rows, taken = np.empty(most, np.int32), np.empty(most + manner.contacts, np.int32)
        scratch = Scratch(
            np.empty(most + manner.contacts, np.uint32),
            np.empty(most + manner.contacts, np.uint32),
            np.empty(most + manner.contacts, np.int32),
            np.empty(most + manner.contacts),
        )
        starts = np.empty(n_layers + 1, np.int64)
        missing_cell, missing_row = -1, -1
        for k in range(begin, end):
            first = synapses.offsets[k]
            layer = synapses.layer[first : synapses.offsets[k + 1]]
            rows_by_layer(layer, starts, rows)
            excluded = -1 if manner.autapses else targets.ids[k]
            drawn, known, n_candidates = 0, -1, 0
            for code in range(n_layers):
                chosen = rows[starts[code] : starts[code + 1]]
                if len(chosen) == 0:
                    continue
                if alike[code] != known:
                    n_candidates = candidates(
                        sources,
                        targets.u[k],
                        targets.v[k],
                        reach[code, 0],
                        reach[code, 1],
                        numbers[code],
                        excluded,
                        place,
                        away,
                        sums,
                    )
                    guide_of(sums[: max(n_candidates, 0)], guide)
                    known = alike[code]
                if n_candidates < 0:
                    return k, BAD_WEIGHT
                if n_candidates == 0:
                    for row in chosen:
                        node[first + row], distance[first + row] = -1, np.nan
                    if missing_row < 0:
                        missing_cell, missing_row = k, first + chosen[0]
                    continue
                if manner.arrangement != PLAIN:
                    cable_order(synapses.soma_distance[first:], chosen, scratch)
                drawn = arranged(
                    sums[:n_candidates],
                    guide,
                    key,
                    targets.ids[k],
                    drawn,
                    manner.contacts,
                    manner.arrangement,
                    manner.spread,
                    len(chosen),
                    taken,
                    scratch,
                )
                for i in range(len(chosen)):
                    source = place[taken[i]]
                    row = first + chosen[i]
                    node[row] = sources.node[source]
                    distance[row] = abs(targets.u[k] - sources.u[source]) + abs(
                        targets.v[k] - sources.v[source]
                    )
        return missing_cell, missing_row

    return chosen_sources
