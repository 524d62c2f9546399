"""Rules of connection: fixed degrees by distance, one to one, all to all."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from neurolake.kernels.jit import jit
from neurolake.kernels.network.arguments import SourcelessError
from neurolake.kernels.network.rules import (
    all_to_all,
    fixed_indegree,
    fixed_outdegree,
    one_to_one,
    pairwise_bernoulli,
)
from neurolake.kernels.network.weighting import exponential_decay, gaussian, register_weighting

RNG = np.random.default_rng(1)
TARGET = RNG.uniform(-200, 200, (2, 20))
SOURCE = RNG.uniform(-500, 500, (2, 60))
NEAR = {"reach": (500.0, 400.0), "weighting": gaussian, "parameters": [1000.0, 800.0, 0.0, 0.0]}


def into(degree=10, chosen=range(20), **more):
    chosen = np.asarray(chosen, int)
    return fixed_indegree(
        degree, chosen, tuple(TARGET[:, chosen]), tuple(SOURCE), **{"seed": 1, "projection": "a__b"} | more
    )


def probability(cell):
    du, dv = abs(TARGET[:, cell, None] - SOURCE)
    p = stats.norm.pdf(du, 0, 500 / 3) * stats.norm.pdf(dv, 0, 400 / 3) * (du < 500) * (dv < 400)
    return p / p.sum()


def test_each_target_has_its_in_degree_and_sources_by_distance():
    found = into(20_000, **NEAR)
    np.testing.assert_array_equal(found.target_node_id, np.repeat(np.arange(20), 20_000))
    for cell in (0, 7):
        numbers = np.bincount(found.source_node_id[found.target_node_id == cell], minlength=60)
        p = probability(cell)
        assert (numbers[p == 0] == 0).all()
        many = p * 20_000 > 8
        observed, expected = (
            np.append(numbers[many], numbers[~many].sum()),
            np.append(p[many], p[~many].sum()),
        )
        assert stats.chisquare(observed, expected * 20_000).pvalue > 1e-3
    du, dv = abs(TARGET[:, found.target_node_id] - SOURCE[:, found.source_node_id])
    np.testing.assert_array_equal(found.distance, (du + dv).astype(np.float32))


def test_without_multapses_sources_differ_and_are_drawn_one_after_the_other():
    """2,000 cells at one place: how often each source is among the eight, against NumPy's draws."""
    p = probability(3)
    found = fixed_indegree(
        8,
        np.arange(2000),
        tuple(np.repeat(TARGET[:, 3:4], 2000, axis=1)),
        tuple(SOURCE),
        seed=1,
        projection="a__b",
        multapses=False,
        **NEAR,
    )
    rows = np.sort(found.source_node_id.reshape(2000, 8), axis=1)
    assert (np.diff(rows, axis=1) > 0).all()
    rng = np.random.default_rng(2)
    his = np.concatenate([rng.choice(60, 8, replace=False, p=p) for _ in range(2000)])
    table = np.stack([np.bincount(each, minlength=60) for each in (found.source_node_id, his)])
    assert stats.chi2_contingency(table[:, table.sum(axis=0) > 10]).pvalue > 1e-3


def test_out_degrees_are_sorted_by_target():
    found = fixed_outdegree(
        10, np.arange(20), tuple(TARGET), tuple(SOURCE), seed=1, projection="a__b", multapses=False, **NEAR
    )
    assert (np.bincount(found.source_node_id) == 10).all()
    assert (np.diff(found.target_node_id) >= 0).all()
    # Rows of one target stay in the order of their sources.
    order = np.lexsort((found.source_node_id, found.target_node_id))
    np.testing.assert_array_equal(order, np.arange(len(order)))
    du, dv = abs(TARGET[:, found.source_node_id] - SOURCE[:, found.target_node_id])
    np.testing.assert_array_equal(found.distance, (du + dv).astype(np.float32))
    assert (du < 500).all()
    assert (dv < 400).all()


@settings(deadline=None)
@given(st.permutations(range(20)), st.integers(1, 20), st.booleans())
def test_a_cells_edges_depend_on_nothing_else(order, n, multapses):
    everything, some = into(multapses=multapses), into(chosen=order[:n], multapses=multapses)
    for k, cell in enumerate(order[:n]):
        np.testing.assert_array_equal(
            some.source_node_id[10 * k : 10 * k + 10], everything.source_node_id[10 * cell : 10 * cell + 10]
        )


def test_any_number_of_threads_gives_the_same(monkeypatch):
    found = []
    for threads in (1, 5):
        monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", threads)
        found.append((*into(), *into(multapses=False)))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_autapses():
    cells = np.arange(60)
    for multapses in (True, False):
        options = {"seed": 1, "projection": "a__a", "multapses": multapses}
        found = fixed_indegree(30, cells, tuple(SOURCE), tuple(SOURCE), **options)
        assert (found.source_node_id == found.target_node_id).any()
        found = fixed_indegree(30, cells, tuple(SOURCE), tuple(SOURCE), autapses=False, **options)
        assert not (found.source_node_id == found.target_node_id).any()


def test_too_few_candidates():
    with pytest.raises(
        SourcelessError, match="cell 3 has 60 candidates in reach; expected at least 61"
    ) as caught:
        into(61, chosen=[3], multapses=False)
    assert caught.value.cell == 0
    with pytest.raises(SourcelessError, match="has 0 candidates"):
        into(reach=(1e-9, 1e-9))


@jit
def falling(du, dv, parameters):
    return -du


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"degree": -1}, "degree is -1"),
        ({"reach": (0.0, 1.0)}, "reach is"),
        ({"parameters": [[1.0]]}, "parameters have shape"),
        ({"weighting": falling}, "negative or not finite"),
    ],
)
def test_arguments_that_make_no_sense(more, message):
    with pytest.raises(ValueError, match=message):
        into(**more)


MANY = np.random.default_rng(8).uniform(-600, 600, (2, 4000))


@pytest.mark.parametrize("multapses", [True, False])
@pytest.mark.parametrize(
    ("weighting", "parameters", "weight"),
    [
        (gaussian, [1000.0, 800.0, 0.0, 0.0], lambda u, v: np.exp(-4.5 * ((u / 500) ** 2 + (v / 400) ** 2))),
        (exponential_decay, [120.0], lambda u, v: np.exp(-np.hypot(u, v) / 120)),
    ],
)
def test_drawing_among_many_is_exact(multapses, weighting, parameters, weight):
    """1,000 cells at one place draw 20 of 4,000 partners, of which not all are looked at: where they lie.

    40 classes of equal probability: an error of a tenth in one of them would fail.
    """
    du, dv = 30.0 - MANY[0], -70.0 - MANY[1]
    p = weight(du, dv) * (abs(du) < 500) * (abs(dv) < 400)
    p /= p.sum()
    found = fixed_indegree(
        20, np.arange(1000), (np.full(1000, 30.0), np.full(1000, -70.0)), tuple(MANY), seed=1, projection="a__b",
        reach=(500.0, 400.0), weighting=weighting, parameters=parameters, multapses=multapses,
    )  # fmt: skip
    for values in (abs(du) + abs(dv), du, dv):
        order = np.argsort(values)
        classes = np.empty(4000, int)
        classes[order] = np.minimum(np.cumsum(p[order]) * 40, 39)
        expected = np.bincount(classes, weights=p, minlength=40) * 20_000
        numbers = np.bincount(classes[found.source_node_id], minlength=40)
        # Without multapses near partners are a little rarer: at most 20 of 1,600 are taken.
        assert stats.chisquare(numbers, expected).pvalue > 1e-3
    if not multapses:
        assert (np.diff(np.sort(found.source_node_id.reshape(1000, 20), axis=1), axis=1) > 0).all()


@jit
def twice(du, dv, parameters):
    return parameters[0] * abs(du)


def test_a_weighting_is_held_to_what_it_is_registered_as():
    register_weighting(twice, 1, lambda parameters: True)
    with pytest.raises(ValueError, match="registered as falling, rises"):
        fixed_indegree(
            3, [0], ([0.0], [0.0]), tuple(MANY), seed=1, projection="a", weighting=twice, parameters=[1.0]
        )
    for weighting, n in ((twice, 1), (gaussian, 4), (exponential_decay, 1)):
        with pytest.raises(ValueError, match=f"0 parameters are given; the weighting reads {n}"):
            into(weighting=weighting)


def test_among_many_a_cells_edges_depend_on_nothing_else():
    cells = np.arange(4000)
    options = {"seed": 1, "projection": "a", "autapses": False, "multapses": False} | NEAR
    everything = fixed_indegree(5, cells, tuple(MANY), tuple(MANY), **options)
    some = cells[[7, 3900, 12]]
    few = fixed_indegree(5, some, tuple(MANY[:, some]), tuple(MANY), **options)
    np.testing.assert_array_equal(few.source_node_id, everything.source_node_id.reshape(-1, 5)[some].ravel())
    assert not (everything.source_node_id == everything.target_node_id).any()


def bernoulli(chosen, source=MANY, **more):
    chosen = np.asarray(chosen, int)
    return pairwise_bernoulli(
        chosen, tuple(MANY[:, chosen]), tuple(source), **{"seed": 1, "projection": "a__b"} | NEAR | more
    )


def test_each_pair_is_connected_with_its_probability():
    """200 by 4,000 pairs in 20 classes of their probability: a tenth more in one of them would fail."""
    found = bernoulli(np.arange(200))
    du, dv = (abs(MANY[axis, :200, None] - MANY[axis]) for axis in (0, 1))
    p = np.exp(-4.5 * ((du / 500) ** 2 + (dv / 400) ** 2)) * (du < 500) * (dv < 400)
    connected = np.zeros((200, 4000), int)
    np.add.at(connected, (found.target_node_id, found.source_node_id), 1)
    assert connected.max() == 1
    assert (connected[p == 0] == 0).all()
    order = np.argsort(p[p > 0])
    for part in np.array_split(order, 20):
        expected, variance = p[p > 0][part].sum(), (p * (1 - p))[p > 0][part].sum()
        assert abs(connected[p > 0][part].sum() - expected) < 4 * np.sqrt(variance)
    assert (np.diff(found.target_node_id) >= 0).all()
    distance = (du + dv)[found.target_node_id, found.source_node_id]
    np.testing.assert_array_equal(found.distance, distance.astype(np.float32))


def test_a_pair_depends_on_nothing_else(monkeypatch):
    everything = bernoulli(np.arange(50))
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 7)
    some = bernoulli([3, 40], MANY[:, :1000])
    for cell in (3, 40):
        mine = some.source_node_id[some.target_node_id == cell]
        his = everything.source_node_id[everything.target_node_id == cell]
        assert sorted(mine) == sorted(his[his < 1000])
    alone = bernoulli(np.arange(50), autapses=False)
    assert not (alone.source_node_id == alone.target_node_id).any()
    # The probability of a cell with itself is 1.
    assert len(everything.source_node_id) == len(alone.source_node_id) + 50


def test_probabilities_that_are_none():
    with pytest.raises(ValueError, match="of a source of cell 2 is negative, above 1 or not finite"):
        bernoulli([2], weighting=twice, parameters=[1.0])
    with pytest.raises(ValueError, match="of a source of cell 2 is negative"):
        bernoulli([2], weighting=falling)


def test_one_to_one_and_all_to_all():
    found = one_to_one(4, 4)
    assert found.source_node_id.tolist() == found.target_node_id.tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="as many of both"):
        one_to_one(3, 4)
    found = all_to_all(2, 3)
    assert list(zip(found.target_node_id.tolist(), found.source_node_id.tolist(), strict=True)) == [
        (0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1),
    ]  # fmt: skip
    assert len(all_to_all(3, 3, autapses=False).source_node_id) == 6
    assert len(into(0).source_node_id) == 0
    with pytest.raises(ValueError, match="expected 0 or more"):
        all_to_all(-1, 3)
