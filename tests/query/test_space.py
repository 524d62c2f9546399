"""What a lake's server tells of space: cells of runs and networks, astrocytes, potentials along probes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from served_lakes import Asker, add_circuit, add_network_run, add_potentials, add_recorded_cell, serving
from small_glia import SmallGlia, write_small_glia

import neurolake as nl
from neurolake.query.animations.shapes import extremes, shaded
from neurolake.query.lake import Lake


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("space") / "lake"


@pytest.fixture(scope="module")
def glia(folder: Path) -> SmallGlia:
    lake = nl.create(folder, durable=False)
    add_recorded_cell(lake)
    add_potentials(lake)
    add_network_run(lake)
    return write_small_glia(lake, "g")


@pytest.fixture(scope="module")
def lake(folder: Path, glia: SmallGlia) -> Lake:
    return Lake.open(folder)


@pytest.fixture(scope="module")
def asker(folder: Path, glia: SmallGlia) -> Iterator[Asker]:
    with serving(folder) as link:
        yield Asker(link)


def test_runs_of_networks_are_one_and_have_parts(asker: Asker) -> None:
    known = {one["run"]: one["parts"] for one in asker.json("cells")["runs"]}
    assert known == {"cell": ["cell"], "net": ["net/A", "net/B"]}
    head, cell = asker.framed("cell", run="net/A")
    assert [(one["variable"], one["trial_id"]) for one in head["reports"]] == [("all v", None)]
    assert cell["node_id"].tolist() == [0, 0, 0, 1, 1, 1]


def test_spikes_of_a_run_in_order_of_time(tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake", durable=False)
    add_circuit(lake)
    add_network_run(lake)
    with serving(tmp_path / "lake") as link:
        asker = Asker(link)
        assert asker.framed("somata", circuit="c")[0]["runs"] == ["net"]
        found = asker.framed("spikes", run="net")[1]
        assert found["cells.node_id"].tolist() == [0, 2] and found["cells.time"].tolist() == [1.0, 3.0]
        assert asker.refused("spikes", run="c")[0] == 404


def test_values_stand_at_their_segments(asker: Asker) -> None:
    node = "reports/net/all v/A"
    head, found = asker.framed("frames", report=node, run="net/A")
    assert (head["low"], head["high"], head["unit"]) == (-70.0, -16.0, "mV")
    back = head["low"] + found["frames"] / 254 * (head["high"] - head["low"])
    np.testing.assert_allclose(back, -70.0 + 10.0 * np.arange(6) + np.arange(5)[:, None], atol=0.11)
    # Of B the soma alone was recorded: its dendrite has no value.
    found = asker.framed("frames", report="reports/net/all v/B", run="net/B")[1]["frames"]
    assert found[:, 0].tolist() == [0, 64, 127, 190, 254] and set(found[:, 1].tolist()) == {255}


def test_a_cell_tells_its_trials_sites_and_contacts(asker: Asker, lake: Lake) -> None:
    head, cell = asker.framed("cell", run="cell")
    assert head["trials"] == [0] and [one["trial_id"] for one in head["reports"]] == [0]
    assert head["potentials"] == ["lfp/cell/000000/probe"]
    (site,) = head["sites"]
    soma = cell["section_id"] == 0
    middle = (cell["start"][soma] + cell["end"][soma]).mean(axis=0) / 2
    assert site["site"] == "soma"
    np.testing.assert_allclose(site["place"], middle, atol=10.0)


def test_bytes_are_values(lake: Lake) -> None:
    values = np.random.default_rng(0).normal(size=(130, 7)).astype(np.float32)
    values[3, 2], values[128, 6] = np.nan, np.inf
    low, high = extremes(values)
    finite = np.isfinite(values)
    assert (low, high) == (values[finite].min(), values[finite].max())
    found = shaded(values, low, high)
    assert (found[~finite] == 255).all() and found[finite].max() == 254
    np.testing.assert_allclose(
        low + found[finite] / 254 * (high - low), values[finite], atol=(high - low) / 500
    )
    assert set(shaded(np.ones((2, 2), np.float32), 1.0, 1.0).ravel().tolist()) == {0}
    assert not np.less_equal(*extremes(np.full((2, 2), np.nan, np.float32)))


def test_potentials_over_depth(asker: Asker) -> None:
    (known,) = asker.json("signals")["signals"]
    assert known == {"signal": "lfp/cell/000000/probe", "groups": [], "shape": [120, 6]}
    head, found = asker.framed("potential", signal=known["signal"], begin=2, end=4, columns=1000)
    time = np.arange(0.0, 12.0, 0.1)[20:40]
    expected = (np.arange(6.0) - 2.0)[:, None] ** 2 * np.sin(time)
    assert head["contacts"] == [f"e{k}" for k in range(6)] and head["samples"] == 20
    np.testing.assert_allclose(found["traces"], expected, atol=1e-5)
    np.testing.assert_allclose(found["time"], time)
    # The deepest row is the last one.
    np.testing.assert_allclose(found["image"], expected[::-1], atol=1e-5)
    np.testing.assert_allclose(found["depth"], np.arange(125, -1, -25), atol=1e-9)
    np.testing.assert_allclose(found["level"], np.arange(0, 126, 25), atol=1e-9)
    few = asker.framed("potential", signal=known["signal"], columns=60)[1]
    np.testing.assert_allclose(
        few["traces"][0], (4 * np.sin(np.arange(120) * 0.1)).reshape(60, 2).mean(axis=1), atol=1e-5
    )


def test_current_source_density_over_depth(asker: Asker) -> None:
    head, found = asker.framed("potential", signal="lfp/cell/000000/probe", of="csd")
    # The second difference of (k - 2)² is 2, at steps of 25 µm; 0.3 S/m.
    expected = -0.3 * 2 / 25.0**2 * np.sin(np.arange(120) * 0.1)
    assert head["unit"] == "nA/µm³" and head["potential"] == "mV"
    np.testing.assert_allclose(found["depth"], [100, 75, 50, 25])
    np.testing.assert_allclose(found["image"], np.tile(expected, (4, 1)), atol=1e-8)


def test_potentials_of_groups_of_cells_and_of_reports(tmp_path: Path) -> None:
    from neurolake.catalog.vocabulary import reports

    lake = nl.create(tmp_path / "lake", durable=False)
    values = np.arange(4 * 2 * 3, dtype=np.float32).reshape(4, 2, 3)
    weights = {"column": [0, 1], "name": ["a", "b"], "x": [0.0, 0.0], "y": [0.0, 0.0], "z": [10.0, 30.0]}
    node = reports.REPORT.of(circuit="run", report="lfp", population="cells")
    electrodes = reports.ELECTRODES.of(circuit="run", file="weights", population="cells")
    with lake.transaction("Record") as tx:
        tx.write_array("lfp/run/probe", values, dimension_names=["time", "group", "electrode"])
        tx.write_array("lfp/run/probe.time", np.arange(4.0), dimension_names=["time"])
        tx.write_array(
            "lfp/run/probe.group", np.array(["A", "B"], np.dtypes.StringDType()), dimension_names=["group"]
        )
        told = {
            "units": "mV",
            "t_start": 0.0,
            "dt": 1.0,
            "report": {"type": "lfp"},
            "weights": electrodes.rpartition("/")[0],
        }
        tx.write_array(
            node,
            np.arange(8, dtype=np.float32).reshape(2, 4),
            dimension_names=reports.REPORT.axes,
            attributes=told,
        )
        elements = {
            "node_id": [0, 0, 1, 1],
            "element_id": [0, 1, 0, 1],
            "segment_index": [0] * 4,
            "element_pos": [0.0] * 4,
        }
        rows = {"node_id": [0, 1], "start": [0, 2], "stop": [2, 4]}
        tx.write_table(reports.ELEMENTS.beside(node), pa.table(elements))
        tx.write_table(reports.RANGES.beside(node), pa.table(rows))
        tx.write_table(electrodes, pa.table(weights))
    with serving(tmp_path / "lake") as link:
        asker = Asker(link)
        assert [one["groups"] for one in asker.json("signals")["signals"]] == [["A", "B"], []]
        both = asker.framed("potential", signal="lfp/run/probe")[1]
        one = asker.framed("potential", signal="lfp/run/probe", group="B")[1]
        np.testing.assert_array_equal(both["traces"], values.sum(axis=1).T)
        np.testing.assert_array_equal(one["traces"], values[:, 1].T)
        # Without places, rows are contacts in their order, and there is no density.
        np.testing.assert_array_equal(both["image"], both["traces"])
        assert "places" in asker.refused("potential", signal="lfp/run/probe", of="csd")[1]
        assert "A, B" in asker.refused("potential", signal="lfp/run/probe", group="C")[1]
        assert "no sample" in asker.refused("potential", signal="lfp/run/probe", begin=7, end=8)[1]
        # A report has an electrode of each cell: the sum is what the contact records.
        head, found = asker.framed("potential", signal=node)
        assert head["contacts"] == ["a", "b"] and found["level"].tolist() == [10.0, 30.0]
        np.testing.assert_array_equal(found["traces"], [[2.0, 10.0], [4.0, 12.0]])
        assert asker.refused("potential", signal=electrodes)[0] == 404


def test_astrocytes_with_domains_endfeet_and_trees(asker: Asker, lake: Lake, glia: SmallGlia) -> None:
    assert asker.framed("somata", circuit="g")[0]["astrocytes"] == "astrocytes"
    head, found = asker.framed("astrocytes", circuit="g", node=[4, 26])
    assert [one["node_id"] for one in head["astrocytes"]] == [4, 26]
    circuit = nl.circuit(lake, "g")
    domain = circuit.astrocytes.domains[4]
    np.testing.assert_allclose(found["4.domain.points"], domain.points, rtol=1e-6)
    np.testing.assert_array_equal(found["4.domain.triangles"], domain.triangles)
    assert head["astrocytes"][0]["domain (µm³)"] == pytest.approx(domain.volume)
    assert head["astrocytes"][0]["endfeet"] == int((glia.endfeet[:, 0] == 4).sum())
    tree = circuit.astrocytes.morphology(4)
    np.testing.assert_allclose(found["4.tree.start"], tree[["x0", "y0", "z0"]], rtol=1e-5)
    assert (found["4.tree.diameter"] > 0).all()
    corners = found["4.endfeet.triangles"]
    assert not corners.size or corners.max() < len(found["4.endfeet.points"])
    assert asker.refused("astrocytes", circuit="g", node=27)[0] == 404
    assert "expected 1 to 100 numbers" in asker.refused("astrocytes", circuit="g", node="x")[1]
