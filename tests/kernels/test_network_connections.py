"""Sources of synapses: populations by proportion, cells by distance, contacts along the cable; as MiV-Simulator's own."""

from collections import Counter

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neuroh5_network import attributes, edges
from scipy import stats

from neurolake.kernels.jit import jit
from neurolake.kernels.network.arguments import SourcelessError
from neurolake.kernels.network.arranging import sort_pairs
from neurolake.kernels.network.connections import population_rows, synapse_populations, synapse_sources
from neurolake.kernels.network.ordering import rows_by_node
from neurolake.kernels.network.weighting import decay, exponential_decay, gaussian

EXTENT = [1000.0, 800.0, 0.0, 0.0]


class Case:
    """Some cells with synapses in two layers, and a source population."""

    def __init__(self, n_cells: int = 3, n_synapses: int = 500, n_sources: int = 40, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.offsets = np.arange(n_cells + 1) * n_synapses
        self.layer = rng.integers(0, 2, n_cells * n_synapses)
        self.soma_distance = rng.gamma(2, 100, n_cells * n_synapses).astype(np.float32)
        self.cells = np.arange(n_cells)
        self.target = rng.uniform(-200, 200, (2, n_cells))
        self.source = rng.uniform(-500, 500, (2, n_sources))
        self.extents = np.array([EXTENT, EXTENT])

    def sources(self, chosen=None, **more):
        """Sources of the synapses of the chosen cells, in their order."""
        chosen = np.arange(len(self.cells)) if chosen is None else np.asarray(chosen)
        rows = np.concatenate([np.arange(*self.offsets[k : k + 2]) for k in chosen])
        offsets = np.concatenate([[0], np.cumsum(np.diff(self.offsets)[chosen])])
        return synapse_sources(
            self.layer[rows],
            self.soma_distance[rows],
            offsets,
            self.cells[chosen],
            tuple(self.target[:, chosen]),
            tuple(self.source),
            self.extents,
            **{"seed": 1, "projection": "a__b", **more},
        )

    def expected(self, cell: int, weight=None) -> np.ndarray:
        """The probability of each source, in plain NumPy."""
        du, dv = self.target[:, cell, None] - self.source
        if weight is None:
            width_u, width_v, offset_u, offset_v = self.extents[0]
            sigma_u, sigma_v = (width_u / 2 - offset_u) / 3, (width_v / 2 - offset_v) / 3
            p = stats.norm.pdf(abs(du) - offset_u, 0, sigma_u) * stats.norm.pdf(
                abs(dv) - offset_v, 0, sigma_v
            )
        else:
            p = weight(du, dv)
        p = p * (abs(du) < self.extents[0, 0] / 2) * (abs(dv) < self.extents[0, 1] / 2)
        return p / p.sum()


def assert_drawn_from(numbers: np.ndarray, p: np.ndarray) -> None:
    """Chi-square of counts; classes that are too rare are put together."""
    assert (numbers[p == 0] == 0).all()
    order = np.argsort(-p)
    numbers, expected = numbers[order], p[order] * numbers.sum()
    rare = expected < 8
    if rare.any():
        numbers = np.append(numbers[~rare], numbers[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    keep = expected > 0
    assert stats.chisquare(numbers[keep], expected[keep]).pvalue > 1e-3


@pytest.mark.parametrize("arrangement", ["shuffled", "clustered", "plain"])
@pytest.mark.parametrize("extent", [EXTENT, [700.0, 900.0, 100.0, 50.0]])
def test_sources_are_drawn_by_the_gaussian_of_their_distance(arrangement, extent):
    """20,000 draws of each cell: probabilities 5 % wrong would fail (power > 0.99)."""
    case = Case(n_synapses=20_000)
    case.extents = np.array([extent, extent])
    found = case.sources(arrangement=arrangement)
    for cell in range(3):
        node = found.source_node_id[slice(*case.offsets[cell : cell + 2])]
        assert_drawn_from(np.bincount(node, minlength=40), case.expected(cell))


def test_distances_are_sums_along_both_axes():
    case = Case()
    found = case.sources()
    cell = np.repeat(case.cells, np.diff(case.offsets))
    du, dv = case.target[:, cell] - case.source[:, found.source_node_id]
    np.testing.assert_array_equal(found.distance, (abs(du) + abs(dv)).astype(np.float32))


def test_layers_may_have_extents_of_their_own():
    case = Case(n_synapses=4000)
    case.extents = np.array([[300.0, 300.0, 0.0, 0.0], EXTENT])
    found = case.sources()
    cell = np.repeat(case.cells, np.diff(case.offsets))
    du, dv = abs(case.target[:, cell] - case.source[:, found.source_node_id])
    near = case.layer == 0
    assert du[near].max() < 150
    assert dv[near].max() < 150
    assert du[~near].max() > 150


@jit
def ring(du, dv, parameters):
    away = np.sqrt(du * du + dv * dv)
    return 1.0 if parameters[0] < away < parameters[1] else 0.0


def test_a_weighting_of_the_users_own():
    case = Case(n_synapses=20_000)
    found = case.sources(weighting=ring, parameters=[[100.0, 300.0]] * 2)
    node = found.source_node_id[: case.offsets[1]]
    p = case.expected(0, lambda du, dv: (np.hypot(du, dv) > 100) & (np.hypot(du, dv) < 300))
    assert_drawn_from(np.bincount(node, minlength=40), p)
    found = case.sources(weighting=exponential_decay, parameters=[[150.0]] * 2)
    p = case.expected(0, lambda du, dv: np.exp(-np.hypot(du, dv) / 150))
    assert_drawn_from(np.bincount(found.source_node_id[: case.offsets[1]], minlength=40), p)


@pytest.mark.parametrize("arrangement", ["shuffled", "clustered", "plain"])
@pytest.mark.parametrize("contacts", [2, 3])
def test_contacts_come_together_except_those_left_over(arrangement, contacts):
    case = Case(n_synapses=401, n_sources=400)
    found = case.sources(arrangement=arrangement, contacts=contacts)
    for cell in range(3):
        for layer in range(2):
            rows = np.arange(*case.offsets[cell : cell + 2])
            rows = rows[case.layer[rows] == layer]
            numbers = Counter(found.source_node_id[rows].tolist())
            missing = sum(-count % contacts for count in numbers.values())
            # Of a last group that is not full, any of the synapses may be missing.
            assert missing <= contacts * (contacts - 1)
            assert sum(numbers.values()) == len(rows)
            ordered = found.source_node_id[rows[np.argsort(case.soma_distance[rows], kind="stable")]]
            if arrangement == "clustered":
                whole = ordered[: len(ordered) // contacts * contacts].reshape(-1, contacts)
                assert (whole == whole[:, :1]).all()


def test_a_spread_of_nothing_keeps_a_source_together_on_the_cable():
    case = Case(n_synapses=800)
    found = case.sources(spread=0.0)
    for layer in range(2):
        rows = np.flatnonzero(case.layer[:800] == layer)
        ordered = found.source_node_id[rows[np.argsort(case.soma_distance[rows], kind="stable")]]
        assert np.count_nonzero(np.diff(ordered)) + 1 == len(set(ordered.tolist()))
        # Centres rise with the place of the sources along u.
        assert (np.diff(case.source[0, ordered]) >= 0).all()


def clustering(ranks_by_source) -> float:
    """Mean distance along the cable, in synapses, of successive contacts of one source."""
    return float(np.mean(np.concatenate([np.diff(np.sort(ranks)) for ranks in ranks_by_source])))


def miv_order(counts: np.ndarray, rng: np.random.Generator, spread: float) -> np.ndarray:
    """The clustered shuffle in plain NumPy."""
    centres = np.sort(rng.uniform(-1, 1, len(counts)))
    values = np.repeat(centres, counts) + rng.normal(0, spread, counts.sum())
    return np.repeat(np.arange(len(counts)), counts)[np.argsort(values)]


@pytest.mark.parametrize("spread", [2.0, 0.2])
@pytest.mark.parametrize("n_sources", [30, 1000])
def test_the_shuffle_clusters_contacts_as_miv_simulator_does(spread, n_sources):
    """400 cells against 400 of NumPy's: the distance of successive contacts of a source has one distribution."""
    n_cells, n_synapses = 400, 200
    case = Case(n_cells, n_synapses, n_sources)
    case.layer[:] = 0
    case.target[:] = 0
    found = case.sources(spread=spread)
    rng = np.random.default_rng(5)
    order_u = np.argsort(case.source[0])
    p = case.expected(0)[order_u]
    p, inside = p[p > 0] / p.sum(), order_u[p > 0]
    mine, his, mean_rank = [], [], ([], [])
    for cell in range(n_cells):
        rows = np.arange(*case.offsets[cell : cell + 2])
        sequence = found.source_node_id[rows[np.argsort(case.soma_distance[rows], kind="stable")]]
        other = inside[miv_order(rng.multinomial(n_synapses, p), rng, spread)]
        for one, result, ranks in ((sequence, mine, mean_rank[0]), (other, his, mean_rank[1])):
            result.append(clustering([np.flatnonzero(one == source) for source in np.unique(one)]))
            ranks.append(np.corrcoef(case.source[0, one], np.arange(n_synapses))[0, 1])
    assert stats.ks_2samp(mine, his).pvalue > 1e-3
    assert stats.ks_2samp(*mean_rank).pvalue > 1e-3


@settings(deadline=None)
@given(st.permutations(range(5)), st.integers(1, 5), st.sampled_from(["shuffled", "clustered", "plain"]))
def test_a_cells_sources_depend_on_nothing_else(order, n, arrangement):
    case = Case(n_cells=5, n_synapses=60)
    all_of_them = case.sources(arrangement=arrangement)
    some = case.sources(order[:n], arrangement=arrangement)
    for k, cell in enumerate(order[:n]):
        for one, other in zip(some, all_of_them, strict=True):
            np.testing.assert_array_equal(
                one[k * 60 : (k + 1) * 60], other[slice(*case.offsets[cell : cell + 2])]
            )


def test_any_number_of_threads_gives_the_same(monkeypatch):
    case = Case(n_cells=37, n_synapses=211)
    kind = np.arange(len(case.layer)) % 3
    shares = [[0.5, 0.5, 0.0], [0.2, 0.3, 0.5], [0.0, 0.0, 2.0]]
    found = []
    for threads in (1, 6):
        monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", threads)
        chosen = synapse_populations(kind, shares, case.offsets, case.cells, seed=1, population="b")
        found.append((*case.sources(contacts=2), chosen))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_projections_and_seeds_have_nothing_in_common():
    case = Case(n_sources=1000)
    reference = case.sources().source_node_id
    for more in ({"seed": 2}, {"projection": "a__c"}):
        assert (case.sources(**more).source_node_id == reference).mean() < 0.02


def test_a_cell_is_no_source_of_its_own_unless_it_may():
    case = Case(n_cells=3, n_synapses=3000)
    case.target = case.source[:, :3]
    case.target[:] /= 4
    cell = np.repeat(case.cells, np.diff(case.offsets))
    assert (case.sources().source_node_id == cell).any()
    assert not (case.sources(autapses=False).source_node_id == cell).any()


def test_synapses_out_of_reach_are_an_error_or_dropped():
    case = Case()
    case.target[0, 1] = 5000
    with pytest.raises(SourcelessError, match="in reach of synapse 500 of cell 1, in layer") as caught:
        case.sources()
    assert (caught.value.cell, caught.value.row) == (
        1,
        case.offsets[1] + np.flatnonzero(case.layer[500:] == 0)[0],
    )
    found = case.sources(out_of_reach="drop")
    dropped = np.repeat(case.cells, np.diff(case.offsets)) == 1
    np.testing.assert_array_equal(found.source_node_id < 0, dropped)
    np.testing.assert_array_equal(np.isnan(found.distance), dropped)


def test_no_sources_at_all():
    case = Case(n_sources=0)
    assert (case.sources(out_of_reach="drop").source_node_id == -1).all()


@jit
def negative(du, dv, parameters):
    return -1.0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"arrangement": "sorted"}, "arrangement is 'sorted'"),
        ({"out_of_reach": "keep"}, "out_of_reach is 'keep'"),
        ({"contacts": 0}, "contacts is 0"),
        ({"spread": -1.0}, "spread is -1"),
        ({"weighting": negative}, "negative or not finite for a source of cell 0"),
        ({"parameters": [1.0]}, "a row per layer"),
    ],
)
def test_arguments_that_make_no_sense(more, message):
    with pytest.raises(ValueError, match=message):
        Case().sources(**more)


def test_extents_that_make_no_sense():
    case = Case()
    case.extents = np.array([EXTENT, [100.0, 100.0, 60.0, 0.0]])
    with pytest.raises(ValueError, match="extent of layer 1"):
        case.sources()
    case.extents = case.extents[:1]
    with pytest.raises(ValueError, match="0 <= layer < 1"):
        case.sources()


def test_populations_are_chosen_by_their_proportions():
    kind, shares = np.repeat([0, 1], 20_000), np.array([[0.5, 0.3, 0.2, 0.0], [0.0, 0.0, 0.25, 0.75]])
    chosen = synapse_populations(kind, shares, [0, 40_000], [3], seed=1, population="b")
    assert_drawn_from(np.bincount(chosen[:20_000], minlength=4), shares[0])
    assert_drawn_from(np.bincount(chosen[20_000:], minlength=4), shares[1])
    rows = population_rows(chosen, [0, 15_000, 40_000], 4)
    for population, (those, offsets) in enumerate(rows):
        np.testing.assert_array_equal(those, np.flatnonzero(chosen == population))
        assert offsets.tolist() == [0, (those < 15_000).sum(), len(those)]


def test_a_cell_is_drawn_again_until_each_population_has_a_synapse():
    """Of ten synapses 0.9 ** 10 = 35 % of the cells would have none of the second population."""
    offsets, kind = np.arange(1001) * 10, np.zeros(10_000, int)
    once, often = (
        synapse_populations(kind, [[0.9, 0.1]], offsets, np.arange(1000), seed=1, population="b", attempts=n)
        for n in (1, 10)
    )
    assert 0.29 < (once.reshape(-1, 10) == 0).all(axis=1).mean() < 0.41
    assert (often.reshape(-1, 10) == 0).all(axis=1).mean() < 0.005


def test_a_synapse_that_no_population_can_have():
    with pytest.raises(SourcelessError, match="synapse 2 of cell 9 is of kind 1") as caught:
        synapse_populations([0, 0, 1, 0], [[1.0], [0.0]], [0, 1, 4], [7, 9], seed=1, population="b")
    assert (caught.value.cell, caught.value.row) == (1, 2)
    with pytest.raises(ValueError, match=r"shares\[0, 1\] is -1"):
        synapse_populations([0], [[1.0, -1.0]], [0, 1], [7], seed=1, population="b")
    with pytest.raises(ValueError, match="offsets"):
        synapse_populations([0], [[1.0]], [0, 2], [7], seed=1, population="b")


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 3), max_size=300))
def test_the_sort_is_numpys_stable_one(numbers):
    keys, names = np.array(numbers, np.uint32), np.arange(len(numbers), dtype=np.int32)
    expected = np.argsort(keys, kind="stable")
    sort_pairs(keys.copy(), names, len(numbers), np.empty_like(keys), np.empty_like(names))
    np.testing.assert_array_equal(names, expected)


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), max_size=200), st.integers(1, 4))
def test_rows_by_node_are_numpys_stable_order(nodes, threads):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba.config, "NUMBA_NUM_THREADS", threads)
        patch.setattr("neurolake.kernels.jit.SERIAL_SIZE", 0)
        found = rows_by_node(np.array(nodes, int), 10)
    np.testing.assert_array_equal(found.rows, np.argsort(np.array(nodes, int), kind="stable"))
    np.testing.assert_array_equal(found.offsets, np.searchsorted(np.sort(nodes), np.arange(11)))


def test_a_node_that_is_none():
    with pytest.raises(ValueError, match=r"node_id\[1\] is 3"):
        rows_by_node([0, 3], 3)


def test_gaussian_is_greatest_at_its_offset():
    extent = np.array([700.0, 900.0, 100.0, 50.0])
    assert gaussian(100.0, -50.0, extent) == 1
    assert gaussian(350.0, 50.0, extent) == pytest.approx(np.exp(-4.5))


def test_the_fast_exponential():
    x = np.concatenate([np.linspace(0, 50, 5001), [100.0, 699.0, 1e4, np.inf]])
    found = np.array([decay(each) for each in x])
    np.testing.assert_allclose(found[x <= 50], np.exp(-x[x <= 50]), rtol=1e-12)
    np.testing.assert_allclose(found[x == 100], np.exp(-100), rtol=1e-9)
    assert (found[x > 600] < 1e-300).all()
    assert (found >= 0).all()


# Sources of each population's synapses in the tutorial: synapse type, section and layer with their proportions.
E, I = 0, 1
SOMA, BASAL, APICAL, AIS = 1, 3, 4, 7
SO, SP, SR, SLM = 5, 6, 8, 9
TUTORIAL = {
    "PYR": {
        "STIM": (E, [(SOMA, SP, 0.5), (BASAL, SO, 0.5), (APICAL, SR, 0.5), (APICAL, SLM, 0.5)]),
        "PYR": (E, [(SOMA, SP, 0.5), (BASAL, SO, 0.5), (APICAL, SR, 0.5), (APICAL, SLM, 0.5)]),
        "PVBC": (I, [(SOMA, SP, 1.0), (BASAL, SO, 0.5), (APICAL, SR, 1.0), (AIS, SP, 1.0), (AIS, SR, 1.0)]),
        "OLM": (I, [(SOMA, SO, 1.0), (BASAL, SO, 0.5), (APICAL, SLM, 1.0)]),
    },
    "PVBC": {
        "PYR": (E, [(SOMA, SP, 0.5), (APICAL, SLM, 0.5), (APICAL, SR, 0.5), (BASAL, SO, 0.5)]),
        "STIM": (E, [(SOMA, SP, 0.5), (APICAL, SLM, 0.5), (APICAL, SR, 0.5), (BASAL, SO, 0.5)]),
        "PVBC": (I, [(SOMA, SP, 1.0), (APICAL, SP, 1.0), (APICAL, SR, 1.0), (BASAL, SO, 1.0)]),
        "OLM": (I, [(APICAL, SLM, 1.0)]),
    },
    "OLM": {
        "PYR": (E, [(APICAL, SLM, 1.0), (BASAL, SR, 1.0), (BASAL, SO, 1.0)]),
        "PVBC": (I, [(BASAL, SO, 1.0), (SOMA, SP, 1.0), (APICAL, SR, 1.0)]),
    },
}


@pytest.mark.parametrize("target", TUTORIAL)
def test_as_miv_simulator_connected_the_same_cells_and_synapses(shared_data, target):
    """Same positions and synapses: numbers per source population and cell, and distances, as in its file."""
    folder = shared_data / "neuroh5"
    offsets, synapses = attributes(folder / "cells.h5", target, "Synapse Attributes")
    places = {
        name: tuple(
            attributes(folder / "cells.h5", name, "Arc Distances")[1][f"{axis} Distance"] for axis in "UV"
        )
        for name in ("STIM", "PYR", "PVBC", "OLM")
    }
    names, n_cells = list(TUTORIAL[target]), len(offsets) - 1
    columns = [synapses[name].astype(int) for name in ("syn_types", "swc_types", "syn_layers")]
    kinds, kind = np.unique(np.stack(columns, 1), axis=0, return_inverse=True)
    shares = np.zeros((len(kinds), len(names)))
    for p, name in enumerate(names):
        synapse_type, lines = TUTORIAL[target][name]
        for section, layer, proportion in lines:
            shares[(kinds == (synapse_type, section, layer)).all(axis=1), p] = proportion
    cells = np.arange(n_cells)
    chosen = synapse_populations(kind, shares, offsets, cells, seed=1, population=target)
    real = {name: edges(folder / "connections.h5", target, name) for name in names}
    assert sum(len(each["source"]) for each in real.values()) == len(chosen)

    for type_ in (E, I):
        those = [p for p, name in enumerate(names) if TUTORIAL[target][name][0] == type_]
        numbers = np.array([[(chosen == p).sum(), len(real[names[p]]["source"])] for p in those])
        assert len(those) == 1 or stats.chi2_contingency(numbers).pvalue > 1e-3

    for p, rows in enumerate(population_rows(chosen, offsets, len(names))):
        name = names[p]
        found = synapse_sources(
            synapses["syn_layers"][rows.rows],
            synapses["syn_cdists"][rows.rows],
            rows.offsets,
            cells,
            places[target],
            places[name],
            np.tile([2500.0, 2500.0, 0.0, 0.0], (10, 1)),  # those of this file, not the tutorial's
            seed=1,
            projection=f"{name}__{target}",
        )
        n_sources = len(places[name][0])
        his = real[name]
        pairs = np.array(
            [
                np.bincount(
                    np.repeat(cells, np.diff(rows.offsets)) * n_sources + found.source_node_id,
                    minlength=n_cells * n_sources,
                ),
                np.bincount(his["target"] * n_sources + his["source"], minlength=n_cells * n_sources),
            ]
        )
        for cell in cells:
            table = pairs[:, cell * n_sources : (cell + 1) * n_sources]
            table = table[:, table.sum(axis=0) > 9]
            assert table.shape[1] < 2 or stats.chi2_contingency(table).pvalue > 1e-4
        # Distances are few and repeated: Kolmogorov and Smirnov's test errs on the side of agreement.
        assert stats.ks_2samp(found.distance, his["distance"]).pvalue > 1e-3
        assert set(np.round(found.distance, 2).tolist()) >= set(np.round(his["distance"], 2).tolist())
        if target == "PYR" and name in ("PYR", "STIM"):
            out = pairs.reshape(2, n_cells, n_sources).sum(axis=1)
            assert np.corrcoef(out)[0, 1] > 0.99
