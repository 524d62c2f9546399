"""Signals: coefficients times currents, by groups and windows, in blocks; and from real reports through a lake."""

import subprocess
import sys
from pathlib import Path

import large_signals
import numpy as np
import pyarrow as pa
import pytest

import neurolake
from neurolake.ingest.lfp.electrodes import store_electrodes
from neurolake.ingest.lfp.weights import write_weights
from neurolake.kernels import lfp as kernels
from neurolake.query import lfp
from neurolake.query.lfp import products as lfp_products

TIMES = 0.5 * np.arange(11)


def cells(count=24, n_cells=4):
    rng = np.random.default_rng(1)
    start = rng.uniform(-200, 200, (count, 3))
    end = start + 10
    columns = {
        "node_id": 5 + 2 * np.sort(np.arange(count) % n_cells),
        "section_id": np.arange(count) // 2 % 3,
        "segment_id": np.arange(count) % 2,
        "diameter": np.ones(count),
    }
    places = {"start": start, "end": end}
    return columns | {
        f"{name}_{axis}": values[:, i] for name, values in places.items() for i, axis in enumerate("xyz")
    }


NODES = {"node_id": [11, 9, 7, 5], "mtype": ["PC", None, "PC", "BC"], "layer": [5, 5, 2, 2]}


@pytest.fixture
def case():
    """Segments, coefficients, and a report of all times and segments."""
    columns = cells()
    factors = lfp.coefficients(columns, lfp.laminar_probe(3, 50, first=(250, 0, 0)), soma="line")
    values = np.random.default_rng(2).normal(size=(len(TIMES), 24))
    return columns, factors, lfp.currents(values, columns, TIMES)


@pytest.fixture
def lake(tmp_path):
    return neurolake.create(tmp_path / "lake", durable=False)


def write_report(lake, report, name="reports/run/i/cells", *, units="nA", order=None, dtype=np.float64):
    columns = np.arange(report.sizes["element"]) if order is None else order
    with lake.transaction("report") as transaction:
        attributes = {"units": units, "population": "cells"}
        values = report.values[:, columns].astype(dtype)
        transaction.write_array(
            name, values, chunks=(4, 5), dimension_names=["time", "element"], attributes=attributes
        )
        transaction.write_array(f"{name}.time", report["time"].values, dimension_names=["time"])
        names = {"node_id": "node_id", "element_id": "section_id", "segment_index": "segment_id"}
        elements = {own: report[key].values[columns] for own, key in names.items()}
        transaction.write_table(f"{name}.elements", pa.table(elements))
        transaction.write_table("nodes/run/cells", pa.table(NODES))
    return name


def write_coefficients(lake, columns):
    with lake.transaction("segments") as transaction:
        transaction.write_table("segments/cells", pa.table(columns))
    store_electrodes(lake, "probe", lfp.laminar_probe(3, 50, first=(250, 0, 0)))
    return lake.derive(
        lfp.coefficients, segments="segments/cells", electrodes="electrodes/probe", soma="line"
    ).path


# Sums


def test_a_signal_is_the_product(case):
    _, factors, report = case
    found = lfp.signal(report, factors)
    np.testing.assert_allclose(found, factors.values @ report.values.T, rtol=1e-12)
    assert (found.dims, found.attrs["units"]) == (("electrode", "time"), "mV")
    np.testing.assert_array_equal(found["time"], TIMES)
    np.testing.assert_array_equal(found["z"], [0, -50, -100])


@pytest.mark.parametrize(
    ("by", "groups", "labels"),
    [
        ("cell", [0, 1, 2, 3], [5, 7, 9, 11]),
        ("population", [0, 0, 0, 0], ["population"]),
        ("mtype", [1, 2, 0, 2], ["", "BC", "PC"]),
        ("layer", [0, 0, 1, 1], [2, 5]),
    ],
)
def test_groups_of_cells(case, by, groups, labels):
    columns, factors, report = case
    found = lfp.signal(report, factors, by, nodes=NODES)
    group = np.array(groups)[(columns["node_id"] - 5) // 2]
    expected = [factors.values[:, group == g] @ report.values[:, group == g].T for g in range(len(labels))]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found["group"].values.tolist() == labels
    np.testing.assert_allclose(found.sum("group"), lfp.signal(report, factors), atol=1e-12)


@pytest.mark.parametrize(
    ("window", "kept"),
    [((1.0, 2.5), slice(2, 5)), ((None, 0.6), slice(0, 2)), ((4.9999999, None), slice(10, 11))],
)
def test_windows_of_time_are_half_open(case, window, kept):
    _, factors, report = case
    found = lfp.signal(report, factors, t_start=window[0], t_stop=window[1])
    np.testing.assert_array_equal(found["time"], TIMES[kept])
    np.testing.assert_allclose(found, lfp.signal(report, factors)[:, kept], rtol=1e-12)


def test_columns_are_matched_by_what_they_are(case):
    columns, factors, report = case
    mixed = np.random.default_rng(3).permutation(24)
    other = lfp.currents(report.values[:, mixed], {key: columns[key][mixed] for key in columns}, TIMES)
    np.testing.assert_allclose(lfp.signal(other, factors), lfp.signal(report, factors), rtol=1e-12)
    cell = lfp.signal(other, factors, "cell")
    np.testing.assert_allclose(cell, lfp.signal(report, factors, "cell"), rtol=1e-10)


def test_units_are_turned_into_nanoamperes(case):
    _, factors, report = case
    pico = (1000 * report).assign_attrs(units="pA")
    np.testing.assert_allclose(lfp.signal(pico, factors), lfp.signal(report, factors), rtol=1e-12)
    lie = report.assign_attrs(units="mV")
    with pytest.raises(neurolake.InputError, match="is in 'mV'; membrane currents are in one of nA"):
        lfp.signal(lie, factors)
    np.testing.assert_array_equal(lfp.signal(lie, factors, units="nA"), lfp.signal(report, factors))
    with pytest.raises(neurolake.InputError, match="does not say in which unit"):
        lfp.signal(report.drop_attrs(), factors)


@pytest.mark.parametrize("block", [64, 500, 4000])
def test_blocks_make_no_difference(case, monkeypatch, block):
    _, factors, report = case
    expected = [lfp.signal(report, factors, by, nodes=NODES) for by in ("cell", "mtype")]
    monkeypatch.setattr(lfp_products, "BLOCK_BYTES", block)
    for by, values in zip(("cell", "mtype"), expected, strict=True):
        np.testing.assert_allclose(
            lfp.signal(report, factors, by, nodes=NODES), values, rtol=1e-10, atol=1e-14
        )


def test_densities_give_currents(case):
    columns, _, report = case
    contacts = lfp.Electrodes(["a"], np.zeros((1, 3)), ["ObjectiveCSD_Sphere"], radius=np.array([1e4]))
    found = lfp.signal(report, lfp.coefficients(columns, contacts))
    np.testing.assert_allclose(found[0], report.sum("element"), rtol=1e-12)
    assert found.attrs["units"] == "nA"


def test_other_kernels_give_coefficients_too(case):
    columns, _, report = case
    start, end = (
        np.stack([columns[f"{name}_{axis}"] for axis in "xyz"], axis=1) for name in ("start", "end")
    )
    moment = lfp.labelled(
        kernels.dipole_moment(start, end), columns, {"axis": list("xyz")}, dim="axis", units="µm"
    )
    found = lfp.signal(report, moment, "cell")
    assert (found.dims, found.attrs["units"]) == (("group", "axis", "time"), "nA µm")
    one = columns["node_id"] == 7
    expected = report.values[:, one] @ ((start + end) / 2)[one]
    np.testing.assert_allclose(found.sel(group=7).T, expected, rtol=1e-12)
    layers = kernels.laminar_csd(start, end, [[-200, 0], [0, 200]], 300.0)
    density = lfp.signal(report, lfp.labelled(layers, columns, dim="layer", units="1/µm³"))
    assert (density.shape, density.attrs["units"]) == ((2, 11), "nA/µm³")
    with pytest.raises(neurolake.InputError, match=r"expected \(n_rows, 24\)"):
        lfp.labelled(layers[:, 1:], columns)


# What is refused


def test_segments_that_do_not_match_are_named(case):
    columns, factors, report = case
    with pytest.raises(
        neurolake.InputError,
        match=r"^6 columns of the report have no coefficient, the first of node 9, section 0, segment 0; of nodes 9 \(partial",
    ):
        lfp.signal(report, factors[:, columns["node_id"] != 9])
    with pytest.raises(
        neurolake.InputError, match=r"12 coefficients have no column in the report.*of nodes 5, 7 \(partial"
    ):
        lfp.signal(report[:, columns["node_id"] > 8], factors)
    some = lfp.signal(report[:, columns["node_id"] > 6], factors[:, columns["node_id"] != 9], partial=True)
    both = (columns["node_id"] > 6) & (columns["node_id"] != 9)
    np.testing.assert_allclose(some, factors.values[:, both] @ report.values[:, both].T, rtol=1e-12)
    # A node that both have must be whole.
    with pytest.raises(neurolake.InputError, match=r"1 columns of the report.* of nodes 5$"):
        lfp.signal(report, factors[:, 1:], partial=True)
    with pytest.raises(neurolake.InputError, match="no node in common"):
        lfp.signal(report[:, columns["node_id"] > 8], factors[:, columns["node_id"] < 8], partial=True)
    twice = factors.assign_coords(segment_id=("segment", np.zeros(24, np.int64)))
    with pytest.raises(
        neurolake.InputError, match=r"the coefficients have node 5, section 0, segment 0 twice \(11 more"
    ):
        lfp.signal(report, twice)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"by": "mtype"}, "give nodes"),
        ({"by": "etype", "nodes": NODES}, "no column 'etype'; it has node_id, mtype, layer"),
        ({"by": "mtype", "nodes": {"node_id": [5, 7], "mtype": ["a", "b"]}}, "no nodes 9, 11"),
        ({"dtype": "int8"}, "dtype is 'int8'"),
        ({"t_start": 9.0}, "no time of the report is within 9.0 to None ms; its times are 0.0 to 5.0 ms"),
        ({"t_start": 2.0, "t_stop": 2.0}, "no time of the report"),
    ],
)
def test_bad_questions_are_told(case, options, reason):
    _, factors, report = case
    with pytest.raises(neurolake.InputError, match=reason):
        lfp.signal(report, factors, **options)


def test_arrays_without_labels_are_refused(case):
    _, factors, report = case
    with pytest.raises(neurolake.InputError, match="dimensions time and element"):
        lfp.signal(report.values, factors)
    with pytest.raises(neurolake.InputError, match="no coordinate 'section_id'"):
        lfp.signal(report.drop_vars("section_id"), factors)
    with pytest.raises(neurolake.InputError, match="coefficients are"):
        lfp.signal(report, factors.values)


# Over a lake


def test_a_lake_keeps_signals_with_their_labels(case, lake):
    columns, factors, report = case
    name, known = write_report(lake, report), write_coefficients(lake, columns)
    whole = lake.derive(lfp.signal, report=name, coefficients=known)
    np.testing.assert_allclose(whole[...], lfp.signal(report, factors), rtol=1e-12)
    grouped = lake.derive(lfp.signal, report=name, coefficients=known, by="mtype", t_start=1.0)
    labelled = grouped.xarray()
    expected = lfp.signal(report, factors, "mtype", nodes=NODES, t_start=1.0)
    np.testing.assert_allclose(labelled, expected, rtol=1e-12)
    assert labelled.dims == ("group", "electrode", "time")
    assert labelled["group"].values.tolist() == ["", "BC", "PC"]
    np.testing.assert_array_equal(labelled["time"], expected["time"])
    assert labelled["z"].values.tolist() == [0, -50, -100]
    assert labelled.attrs["units"] == "mV"
    assert {own.kernel for own in lake.derived()} == {"lfp_coefficients", "lfp_signal"}
    assert lake.derive(lfp.signal, report=name, coefficients=known).path == whole.path


def test_a_lakes_report_in_another_order_and_its_units(case, lake):
    columns, factors, report = case
    known = write_coefficients(lake, columns)
    mixed = np.random.default_rng(4).permutation(24)
    name = write_report(lake, report, units="mV", order=mixed, dtype=np.float32)
    before = lake.head.commit.id
    with pytest.raises(neurolake.InputError, match="'mV'"):
        lake.derive(lfp.signal, report=name, coefficients=known)
    assert lake.head.commit.id == before
    found = lake.derive(lfp.signal, report=name, coefficients=known, by="cell", units="nA")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[...], lfp.signal(report, factors, "cell"), atol=1e-5)


def test_nobody_knows_the_nodes_of_a_report(case, lake):
    columns, _, report = case
    name, known = write_report(lake, report, "elsewhere"), write_coefficients(lake, columns)
    with pytest.raises(neurolake.InputError, match="which nodes 'elsewhere' is about"):
        lake.derive(lfp.signal, report=name, coefficients=known, by="mtype")
    found = lake.derive(lfp.signal, report=name, coefficients=known, by="mtype", nodes="nodes/run/cells")
    assert found.shape == (3, 3, 11)


def test_memory_is_bounded_whatever_the_reports_length(lake):
    """A report of 256 MB and a signal of 32 MB take no more than a quarter of these beyond a short report's."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the memory of a process is read from /proc")
    blocks = {"short": 2, "long": 64}
    for name, count in blocks.items():
        block = large_signals.write(lake, name, count)
    command = [sys.executable, large_signals.__file__, lake.url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    taken, report, made = map(int, done.stdout.split())
    assert (report, made) == (64 * 2**22, 64 * 2**19)
    assert taken < (report + made) / 4, f"{taken / 1e6:.0f} MB"
    by_cell = block.reshape(-1, 16, 64).sum(axis=2, dtype=np.float64).T
    found = neurolake.open(lake.url)
    last = next(own.name for own in found.derived() if "reports/long" in own.inputs)
    np.testing.assert_allclose(found[last][:, 3, -1024:], by_cell, atol=1e-4)


# Real reports


@pytest.fixture
def neuron(shared_data, lake):
    """The NEURON cell of the reference: report, expected signal, segments."""
    pytest.importorskip("h5py")
    from neurolake.ingest.sonata.ingest import ingest_sonata

    for name in ("i_membrane", "lfp_line_expected", "electrodes_line"):
        ingest_sonata(lake, shared_data / "lfp" / "neuron_sonata" / f"{name}.h5", name="n")
    known = np.load(shared_data / "lfp" / "lfpykit_cell_given.npz")
    _, counts = np.unique(known["section"], return_counts=True)
    columns = {
        "node_id": np.full(989, 7),
        "section_id": known["section"],
        "segment_id": np.concatenate([np.arange(count) for count in counts]),
        "diameter": known["d"],
        **{f"{end}_{axis}": known[axis][:, i] for i, end in enumerate(("start", "end")) for axis in "xyz"},
    }
    with lake.transaction("segments") as transaction:
        transaction.write_table("segments/cell", pa.table(columns))
    store_electrodes(lake, "probe", lfp.Electrodes([f"E{i}" for i in range(20)], known["electrodes"]))
    return known


def test_report_times_electrodes_is_the_expected_signal(neuron, lake):
    options = {"sigma": float(neuron["sigma"]), "soma": "line"}
    factors = lake.derive(
        lfp.coefficients, segments="segments/cell", electrodes="electrodes/probe", **options
    )
    found = lake.derive(lfp.signal, report="reports/n/i_membrane/cell", coefficients=factors.path)
    expected = lake["reports/n/lfp_line_expected/cell"][...].T
    currents = lake["reports/n/i_membrane/cell"][...]
    scale = np.abs(factors[...]) @ np.abs(currents.T)
    assert found.dtype == np.float32
    assert (np.abs(found[...] - expected) <= 5e-6 * scale).all()
    exact = lake.derive(
        lfp.signal, report="reports/n/i_membrane/cell", coefficients=factors.path, dtype="float64"
    )
    np.testing.assert_allclose(exact[...], expected, rtol=2 * np.finfo(np.float32).eps)


def test_weights_that_came_with_a_simulation(neuron, lake):
    options = {"sigma": float(neuron["sigma"]), "soma": "line"}
    ours = lake.derive(
        lfp.coefficients, segments="segments/cell", electrodes="electrodes/probe", **options
    ).xarray()
    theirs = lfp.weights(lake, "electrodes/n/electrodes_line/cell", "reports/n/i_membrane/cell").xarray()
    np.testing.assert_allclose(theirs, ours, rtol=1e-9)
    for key in ("electrode", "node_id", "section_id", "segment_id"):
        assert theirs[key].values.tolist() == ours[key].values.tolist()


def test_membrane_currents_of_a_cell_add_up_to_what_was_injected(neuron, lake):
    sphere = lfp.Electrodes(["all"], np.zeros((1, 3)), ["ObjectiveCSD_Sphere"], radius=np.array([1e6]))
    store_electrodes(lake, "sphere", sphere)
    factors = lake.derive(lfp.coefficients, segments="segments/cell", electrodes="electrodes/sphere")
    found = lake.derive(
        lfp.signal, report="reports/n/i_membrane/cell", coefficients=factors.path, dtype="float64"
    )[0]
    assert set(np.abs(found.round(4)).tolist()) == {0.0, 1.48, 1.5}
    np.testing.assert_allclose(found, found.round(2), atol=1e-5)


def test_the_ring_tests_lfp_reports(shared_data, lake):
    """Its reports are of another run than its currents; but all cells are alike there, and the first report tells theirs."""
    pytest.importorskip("h5py")
    from neurolake.ingest.sonata.ingest import ingest_sonata

    folder = shared_data / "sonata" / "neurodamus_ringtest"
    for name in (
        "lfp_3elec_ringA",
        "lfp_2elec_ringA_cell0",
        "reference/lfp_reports/lfp_single_A",
        "reference/lfp_reports/lfp_single_B",
        "reference/reports/compartment_i_membrane",
    ):
        ingest_sonata(lake, folder / f"{name}.h5", name="ring")
    told = lake["reports/ring/lfp_single_A/RingA"][...].astype(np.float64)
    source = "reports/ring/compartment_i_membrane/RingA"
    all_three = lfp.weights(lake, "electrodes/ring/lfp_3elec_ringA/RingA", source)
    by_cell = np.concatenate([all_three[:, 5 * cell : 5 * cell + 5] for cell in range(3)])
    same = np.linalg.lstsq(by_cell, told.T, rcond=None)[0].T
    elements = lake[f"{source}.elements"].to_pandas()
    names = {"section_id": "element_id", "segment_id": "segment_index"}
    labels = {"node_id": elements["node_id"], **{own: elements[key] for own, key in names.items()}}
    report = lfp.currents(np.tile(same, 3), labels, np.arange(20) * 0.1)
    found = lfp.signal(report, all_three.xarray(), "cell")
    np.testing.assert_allclose(
        found.transpose("time", "group", "electrode").values.reshape(20, 9), told, atol=1e-6
    )
    only_first = lfp.weights(lake, "electrodes/ring/lfp_2elec_ringA_cell0/RingA", source)
    second = lfp.signal(report, only_first.xarray(), partial=True)
    np.testing.assert_allclose(second.T, lake["reports/ring/lfp_single_B/RingA"][...], rtol=1e-6, atol=1e-9)


# Files of weights


def test_libsonata_reads_the_weights_that_we_write(case, tmp_path):
    libsonata = pytest.importorskip("libsonata")
    _, factors, _ = case
    write_weights(tmp_path / "weights.h5", factors, "cells", ones=True)
    population = libsonata.ElectrodeReader(str(tmp_path / "weights.h5")).open_population("cells")
    found = population.get()
    np.testing.assert_array_equal(np.asarray(found.data)[:, :3], factors.values.T)
    np.testing.assert_array_equal(np.asarray(found.data)[:, 3], 1)
    assert list(population.node_ids) == [5, 7, 9, 11]
    assert list(population.electrode_names)[:3] == ["0", "1", "2"]


def test_weights_come_back_through_a_lake(case, lake, tmp_path):
    from neurolake.ingest.sonata.ingest import ingest_sonata

    _, factors, report = case
    write_weights(tmp_path / "weights.h5", factors, "cells")
    ingest_sonata(lake, tmp_path / "weights.h5", name="run")
    name = write_report(lake, report)
    found = lfp.weights(lake, "electrodes/run/weights/cells", name)
    np.testing.assert_array_equal(found[...], factors.values)
    volts = lfp.weights(lake, "electrodes/run/weights/cells", name, units="V/nA")
    np.testing.assert_array_equal(volts[...], 1000 * factors.values)
    np.testing.assert_allclose(
        lake.derive(lfp.signal, report=name, coefficients=found.path)[...],
        lfp.signal(report, factors),
        rtol=1e-12,
    )
    with pytest.raises(neurolake.InputError, match="weights are in 'kV/nA'"):
        lfp.weights(lake, "electrodes/run/weights/cells", name, units="kV/nA")
    short = write_report(lake, report[:, 1:], "reports/run/short/cells")
    with pytest.raises(neurolake.InputError, match="node 5 has 6 rows of weights and 5 columns"):
        lfp.weights(lake, "electrodes/run/weights/cells", short)


def test_weights_that_cannot_be_written_leave_nothing(case, tmp_path):
    _, factors, _ = case
    path = tmp_path / "weights.h5"
    for wrong, population, reason in (
        (factors[:, ::-1], "cells", "node 9 comes after node 11"),
        (factors, "1", "electrode '1' is called like the population"),
        (factors.assign_attrs(units="V/nA"), "cells", "coefficients are in 'V/nA'"),
    ):
        with pytest.raises(neurolake.InputError, match=reason):
            write_weights(path, wrong, population)
    broken = factors.assign_coords(z=("electrode", np.array(["a", "b", "c"], object)))
    with pytest.raises(ValueError, match="could not convert"):
        write_weights(path, broken, "cells")
    assert not list(tmp_path.iterdir())
    write_weights(path, factors, "cells")
    with pytest.raises(neurolake.InputError, match="exists already"):
        write_weights(path, factors, "cells")


# On a cluster


def test_workers_of_a_cluster_compute_and_store_blocks(case, lake, scheduler, monkeypatch):
    from distributed import Client

    columns, factors, report = case
    name = write_report(lake, report)
    monkeypatch.setattr(lfp_products, "BLOCK_BYTES", 500)
    with Client(scheduler):
        known = write_coefficients(lake, columns)
        found = lake.derive(lfp.signal, report=name, coefficients=known, by="cell")
    np.testing.assert_array_equal(lake[known][...], factors)
    np.testing.assert_allclose(found[...], lfp.signal(report, factors, "cell"), rtol=1e-12)
