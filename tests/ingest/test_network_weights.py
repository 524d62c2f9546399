"""Weights of synapses that cells have as attributes, by the rules of a configuration."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import small_circuit as small
from hypothesis import given
from hypothesis import strategies as st
from nerves import delete_all_sections

import neurolake
from neurolake.catalog.vocabulary import circuits
from neurolake.ingest.text.expressions import Expression
from neurolake.ingest.wiring.circuit import NetworkSource
from neurolake.ingest.wiring.edges import EdgeTargets, edge_rows
from neurolake.ingest.wiring.faults import Faults
from neurolake.ingest.wiring.readers import connections_of
from neurolake.lake.errors import InputError

RULES: list[dict[str, Any]] = [
    {
        "namespace": ["LTP Weights", "Normal Weights"],
        "expr": "a*ltp + b*(d - n)",
        "parameter": ["ltp", "n"],
        "const": {"a": 3.5, "b": 0.5, "d": 2},
    },
    {"namespace": "Inhibitory Weights"},
]


def with_rules(rules: Any, **more: Any) -> dict[str, Any]:
    tree = copy.deepcopy(small.CONFIGURATION)
    tree["Cell Types"]["E"]["synapses"] = {"weights": rules}
    return {**tree, **more}


def attributes(seed: int, names: tuple[str, ...], numbers: list[int], cells: int = 6) -> pa.Table:
    """What ingest makes of a namespace of weights: lists of a cell's synapses, and of their values in single precision."""
    draw = np.random.default_rng(seed)
    rows = [np.array(numbers)[draw.permutation(len(numbers))] for _ in range(cells)]
    columns: dict[str, Any] = {"node_id": np.arange(cells), "syn_id": pa.array(rows, pa.list_(pa.uint32()))}
    for name in names:
        columns[name] = pa.array(
            [draw.uniform(0.1, 2, len(numbers)) for _ in range(cells)], pa.list_(pa.float32())
        )
    return pa.table(columns)


TABLES = {
    "LTP Weights": attributes(1, ("AMPA", "Kainate"), [0, 1, 2]),
    "Normal Weights": attributes(2, ("AMPA",), [0, 1, 2]),
    # One of the two inhibitory synapses; the other has the weight of the configuration.
    "Inhibitory Weights": attributes(3, ("GABA_A",), [3]),
}


def write(lake: Any, tables: dict[str, pa.Table]) -> None:
    with lake.transaction("Write weights") as transaction:
        for name, table in tables.items():
            transaction.write_table(
                circuits.FEATURES.of(circuit="small", namespace=name, population="E"), table
            )


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    delete_all_sections()
    lake = neurolake.create(tmp_path_factory.mktemp("weights") / "lake", durable=False)
    small.write_circuit(lake)
    write(lake, TABLES)
    yield lake
    delete_all_sections()


def value(namespace: str, column: str, cell: int, synapse: int) -> float:
    table = TABLES[namespace].to_pydict()
    return float(np.float32(table[column][cell][table["syn_id"][cell].index(synapse)]))


def made(lake: Any, rules: Any) -> tuple[dict[tuple[str, int, int], float], Faults, list[str]]:
    """Weight of each synapse by mechanism, cell and number."""
    source = NetworkSource.read(lake.head, "small", with_rules(rules))
    faults, found, targets = Faults(), {}, EdgeTargets()
    for projection in source.projections:
        rows = edge_rows(source, projection, None, 0.025, faults, targets)
        assert rows is not None
        for each in connections_of(rows):
            assert each.kind is not None
            if projection.target == "E":
                keys = zip(
                    [each.kind.label] * len(each), each.target.tolist(), each.number.tolist(), strict=True
                )
                found |= dict(zip(keys, each.weights.tolist(), strict=True))
    return (
        {(label, gid - 4, number): own for (label, gid, number), own in found.items()},
        faults,
        targets.notices,
    )


def test_weights_are_formulas_of_attributes(lake: Any) -> None:
    weights, faults, notices = made(lake, RULES)
    usual, _, _ = made(lake, None)
    assert not list(faults)
    assert notices == [
        "features/small/LTP Weights/E: the configuration has no mechanism Kainate, so these weights are not used"
    ]
    assert weights.keys() == usual.keys()
    for (label, cell, number), own in weights.items():
        told = usual[label, cell, number]
        if label == "AMPA":
            ltp, normal = (
                value("LTP Weights", "AMPA", cell, number),
                value("Normal Weights", "AMPA", cell, number),
            )
            assert own == [3.5 * ltp + 0.5 * (2 - normal), told[1]]
        elif label == "GABA_A" and number == 3:
            assert own == [value("Inhibitory Weights", "GABA_A", cell, number), told[1]]
        else:
            assert own == told


def test_a_run_has_the_weights(lake: Any) -> None:
    flat = [{"namespace": ["LTP Weights"], "expr": "w + 0*x", "parameter": ["x"], "const": {"w": 0.25}}]
    same = with_rules(None)
    same["Connection Generator"]["Synapses"]["E"]["STIM"]["mechanisms"]["AMPA"]["weight"] = 0.25
    runs = {"rules": with_rules(flat), "same": same, "other": with_rules(None), "own": with_rules(RULES)}
    for name, configuration in runs.items():
        small.run(lake, name, t_stop=30.0, configuration=configuration, record=["soma@0.5"])
    found = {name: lake.head.arrays[f"reports/{name}/soma v/E"][...] for name in runs}
    assert np.array_equal(found["rules"], found["same"])
    assert not np.array_equal(found["rules"], found["other"])
    assert not np.array_equal(found["own"], found["other"])


def test_other_weights_are_another_run(tmp_path: Path) -> None:
    delete_all_sections()
    lake = neurolake.create(tmp_path / "lake", durable=False)
    small.write_circuit(lake)
    write(lake, TABLES)
    small.run(lake, "first", t_stop=1.0, configuration=with_rules(RULES))
    write(lake, {"Inhibitory Weights": attributes(4, ("GABA_A",), [3])})
    with pytest.raises(InputError, match="differs; choose another name"):
        small.run(lake, "first", t_stop=1.0, configuration=with_rules(RULES))
    delete_all_sections()


def test_what_is_wrong_with_weights_is_told_before_anything_is_made(lake: Any) -> None:
    bad = {
        "No Numbers": pa.table({"node_id": [0], "AMPA": pa.array([[1.0]])}),
        "Other Names": attributes(5, ("mGluR",), [0]),
        "Strange": attributes(6, ("AMPA",), [0, 77]),
        "Few": attributes(7, ("AMPA",), [0, 1]),
        "Twice": attributes(8, ("AMPA",), [1, 1]),
        "Short": attributes(9, ("AMPA",), [0, 1]).set_column(2, "AMPA", [pa.array([[1.0]] * 6)]),
    }
    write(lake, bad)
    rules = [
        {"namespace": "Absent"},
        {"namespace": "No Numbers"},
        {"namespace": "Other Names"},
        {"namespace": "Strange"},
        {"namespace": ["LTP Weights", "Few"], "expr": "x + y", "parameter": ["x", "y"]},
        {"namespace": "Twice"},
        {"namespace": "Short"},
        {"namespace": "Normal Weights"},
        {"namespace": "Inhibitory Weights", "expr": "log(x - 100)", "parameter": "x"},
        {"namespace": ["LTP Weights", "Few"]},
        {"namespace": "Few", "expr": "__import__('os').getcwd()", "parameter": "x"},
        {"namespace": "Few", "expr": "x + z", "parameter": "x"},
        {"namespace": "Few", "expr": "x", "parameter": ["x", "y"]},
        "Few",
    ]
    with pytest.raises(InputError) as told:
        small.run(lake, "bad", t_stop=1.0, configuration=with_rules(rules))
    for said in (
        "E has no attributes 'Absent': there is no table features/small/Absent/E; it has Few, Inhibitory Weights, LTP Weights",
        "features/small/No Numbers/E: it has no column syn_id",
        "features/small/Other Names/E: it has no column of a mechanism, AMPA or NMDA",
        "there is no synapse 77 of cell 0 (and 5 more), of which there are weights of AMPA",
        "'LTP Weights' and 'Few' are not of the same synapses, such as synapse 2 of cell 0 (and 5 more)",
        "features/small/Twice/E: synapse 1 of cell 0 (and 5 more) is there twice",
        "for a cell, AMPA has another number of values than syn_id",
        "another rule has weights of AMPA, too, of synapse 0 of cell 0",
        "the weight of GABA_A at synapse 3 of cell 0 (and 5 more) is no number",
        "expected a formula of the 2 namespaces",
        "a formula is of numbers, names",
        "'z' is neither a parameter nor a constant; x are",
        "expected 1 names, one of each namespace, not 2",
        "expected a rule with a namespace",
    ):
        assert said in str(told.value), said
    assert "spikes/bad/E" not in lake.head.tables


def test_weights_need_a_place_in_the_connection(lake: Any) -> None:
    rules = {"LinExp2Syn": {"mech_params": ["tau_rise", "tau_decay", "e"], "netcon_params": {"g_unit": 1}}}
    tree = with_rules(RULES)
    tree["Connection Generator"]["Synapse Parameter Rules"] = rules
    for sources in tree["Connection Generator"]["Synapses"].values():
        for rule in sources.values():
            for values in rule["mechanisms"].values():
                values.pop("weight", None)
    source = NetworkSource.read(lake.head, "small", tree)
    faults = Faults()
    rows = edge_rows(source, source.projections[0], None, 0.025, faults)
    assert rows is not None
    connections_of(rows)
    assert any("netcon_params: there is no weight, and cells of E have weights of" in said for said in faults)


NUMBERS = st.floats(-1e3, 1e3).map(lambda number: f"{abs(number)!r}")
FORMULAS = st.recursive(
    st.one_of(NUMBERS, st.sampled_from(["x", "y"])),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda text: f"-{text}"),
        inner.map(lambda text: f"abs({text})"),
    ),
    max_leaves=12,
)


@given(FORMULAS, st.floats(0.1, 10), st.floats(0.1, 10))
def test_formulas_are_what_python_computes(text: str, x: float, y: float) -> None:
    found = Expression.parse(text)({"x": np.array([x]), "y": np.array([y])})
    try:
        wanted = eval(text, {"__builtins__": {}}, {"x": x, "y": y, "abs": abs})
    except ZeroDivisionError:
        return
    assert np.array_equal(np.ravel(found), [wanted])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a +", "is no formula"),
        ("a^b", "a formula is of numbers"),
        ("a.b", "a formula is of numbers"),
        ("a[0]", "a formula is of numbers"),
        ("lambda: 0", "a formula is of numbers"),
        ("open(a)", "a formula is of numbers"),
        ("min(a)", "min has 2 arguments"),
        ("True", "a formula is of numbers"),
        ("'a'", "a formula is of numbers"),
        ("9" * 400, "beyond the range"),
        ("-" * 60 + "a", "nested deeper"),
        ("a" * 1001, "a formula of 1001 characters"),
        ("a\0", "is no formula"),
    ],
)
def test_what_is_no_formula_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Expression.parse(text)


def test_formulas_overflow_at_once() -> None:
    assert Expression.parse("9**9**9**9")({}) == np.inf
    assert Expression.parse("Max(a, 2) * sqrt(4)")({"a": np.array([1.0, 3.0])}).tolist() == [4.0, 6.0]
