"""Potentials that are recorded while trials are simulated: those of the same currents, when they are kept."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from lake_vocabulary import strangers
from nerves import delete_all_sections
from typer.testing import CliRunner

import neurolake
from neurolake import InputError
from neurolake.catalog.vocabulary import reports
from neurolake.cli import app
from neurolake.ingest.demo import DemoModel, write_demo_model
from neurolake.ingest.lfp.electrodes import store_electrodes
from neurolake.ingest.lfp.online import contacts_of, named_probes, population_of
from neurolake.query import lfp

PROBE, SPHERE = "electrodes/probe", "electrodes/sphere"
CURRENTS = "soma,all-segments:i_membrane"
STEP = {"soma_current_injection": {"amplitude": 0.75, "delay": 2, "duration": 6}}


@pytest.fixture(scope="module", autouse=True)
def alone() -> None:
    delete_all_sections()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> DemoModel:
    return write_demo_model(tmp_path_factory.mktemp("model"))


def with_electrodes(lake: Any) -> Any:
    store_electrodes(lake, "probe", lfp.laminar_probe(5, 100.0, first=(40.0, 0.0, 200.0)))
    # All segments are within it, so that it records the sum of their currents.
    sphere = lfp.Electrodes(["all"], np.zeros((1, 3)), ["ObjectiveCSD_Sphere"], radius=np.array([1e5]))
    store_electrodes(lake, "sphere", sphere)
    return lake


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    return with_electrodes(neurolake.create(tmp_path / "lake", durable=False))


def simulate(lake: Any, model: DemoModel, **more: Any) -> Any:
    options: dict[str, Any] = {"trials": 1, "t_stop": 12.0, "seed": 7, "processes": 1, **more}
    done = neurolake.run(lake, model.cell, model.networks["C2"], **options)
    assert not done.failures
    return done


def test_online_is_offline(lake: Any, model: DemoModel) -> None:
    simulate(lake, model, record=CURRENTS, lfp=PROBE)
    node = "lfp/stim_C2/seed7/000000/probe"
    online = lake[node].xarray()
    factors = lake.derive(lfp.coefficients, segments="segments/stim_C2/seed7", electrodes=PROBE)
    offline = lake.derive(
        lfp.signal, report="reports/stim_C2/seed7/000000/i_membrane", coefficients=factors.path
    ).xarray()
    assert online.dims == ("time", "electrode") and online.dtype == np.float32
    scale = float(np.abs(offline).max())
    assert scale > 1e-5
    np.testing.assert_allclose(online.transpose("electrode", "time"), offline, rtol=0, atol=1e-6 * scale)
    for label in ("time", "electrode", "x", "y", "z", "type", "layer", "region", "probe"):
        assert np.array_equal(online[label].values, offline[label].values), label
    assert online.attrs["units"] == offline.attrs["units"] == "mV"
    assert lfp.csd(online).sizes == {"time": online.sizes["time"], "depth": 3}
    # Coefficients of the lake, in another order and of more cells, are those of the electrodes.
    other = factors.xarray().isel(segment=slice(None, None, -1)).compute()
    more = other.assign_coords(node_id=other.node_id + 5)
    transaction = lake.transaction("Put coefficients")
    transaction.write_array(
        "more",
        np.concatenate([more.values, other.values], 1),
        dimension_names=["electrode", "segment"],
        attributes={"units": "mV/nA"},
    )
    for key in ("node_id", "section_id", "segment_id"):
        both = np.concatenate([more[key].values, other[key].values])
        transaction.write_array(f"more.{key}", both, dimension_names=["segment"])
    for key in ("x", "y", "z"):
        transaction.write_array(f"more.{key}", other[key].values, dimension_names=["electrode"])
    transaction.commit()
    simulate(lake, model, name="again", lfp={"a": "more", "b": PROBE})
    again = [lake[f"lfp/again/seed7/000000/{name}"][...] for name in "ab"]
    assert np.array_equal(again[0], again[1]) and np.array_equal(again[1], online.values)
    assert list(strangers(lake, "derived/", "more")) == []


def test_currents_are_not_kept_and_their_sum_is_what_is_injected(lake: Any, model: DemoModel) -> None:
    done = neurolake.run(
        lake,
        model.cell,
        trials=1,
        t_stop=12.0,
        name="step",
        processes=1,
        functions=STEP,
        seed=1,
        lfp=[PROBE, SPHERE],
        dt_record=0.5,
    )
    assert not done.failures
    assert not [name for name in lake.head.arrays if name.startswith("reports/")]
    total = lake["lfp/step/seed1/000000/sphere"].xarray()
    time = total["time"].values
    assert np.allclose(np.diff(time), 0.5) and total.attrs["units"] == "nA"
    # A frame has the currents of the step before it.
    injected = np.where((time > 2.01) & (time < 8.01), 0.75, 0.0)
    np.testing.assert_allclose(total.values[1:, 0], injected[1:], atol=1e-5)
    (row,) = lake.head.tables["simulations"].to_arrow().to_pylist()
    assert "electrodes/probe" in row["settings"]


def test_processes_rerun_and_sweep(lake: Any, model: DemoModel, tmp_path: Path, scheduler: str) -> None:
    other = with_electrodes(neurolake.create(tmp_path / "other", durable=False))
    simulate(lake, model, trials=2, lfp=PROBE)
    simulate(other, model, trials=2, lfp=PROBE, scheduler=scheduler)
    nodes = [f"lfp/stim_C2/seed7/{number:06d}/probe" for number in range(2)]
    first = [lake[node][...] for node in nodes]
    assert all(np.array_equal(values, other[node][...]) for node, values in zip(nodes, first, strict=True))
    assert not np.array_equal(*first)
    neurolake.rerun(lake, ["stim_C2/seed7/000001"], name="re", processes=1, lfp=PROBE)
    assert np.array_equal(lake["lfp/re/stim_C2/seed7/000001/probe"][...], first[1])
    swept = partial(neurolake.run, lake, model.cell, model.networks["C2"], trials=1, t_stop=5.0, lfp=PROBE)
    done = neurolake.sweep(swept, {"seed": [1, 2]}, processes=1)
    assert [f"lfp/{run}/000000/probe" in lake.head.arrays for run in done.frame().run] == [True, True]
    assert neurolake.sweep(swept, {"seed": [1, 2]}, processes=1).unchanged == 2
    # Electrodes of the same name that stand elsewhere make other runs.
    store_electrodes(lake, "probe", lfp.laminar_probe(5, 100.0, first=(80.0, 0.0, 200.0)))
    assert neurolake.sweep(swept, {"seed": [1]}, processes=1).done == 1


def test_bad_probes_are_told_before_anything_is_simulated(lake: Any, model: DemoModel) -> None:
    head = lake.head.commit.id
    with pytest.raises(
        InputError, match="'electrodes/prob' is not in the lake; did you mean 'electrodes/probe'"
    ):
        simulate(lake, model, lfp="electrodes/prob")
    with pytest.raises(InputError, match="have equal names"):
        simulate(lake, model, lfp=[PROBE, PROBE])
    assert lake.head.commit.id == head
    simulate(lake, model)
    factors = lake.derive(lfp.coefficients, segments="segments/stim_C2/seed7", electrodes=PROBE)
    part = factors.xarray().isel(segment=slice(3, None)).compute()
    transaction = lake.transaction("Put some")
    transaction.write_array("some", part.values, dimension_names=["electrode", "segment"])
    for key in ("node_id", "section_id", "segment_id"):
        transaction.write_array(f"some.{key}", part[key].values, dimension_names=["segment"])
    transaction.commit()
    with pytest.raises(
        InputError, match=r"some: 3 segments .* the first of node 0, section 0, segment 0; of nodes 0"
    ):
        simulate(lake, model, name="x", lfp="some")
    with pytest.raises(InputError, match="is neither electrodes nor"):
        simulate(lake, model, name="x", lfp="segments/stim_C2/seed7")
    with pytest.raises(InputError, match="stim_C2/seed7"):
        simulate(lake, model, lfp=PROBE)


def test_names_of_probes() -> None:
    assert named_probes(None) == {} and named_probes(PROBE) == {"probe": PROBE}
    assert named_probes(["electrodes/run1/file/cells"]) == {"file": "electrodes/run1/file/cells"}
    for bad in ({"a/b": PROBE}, {"a.b": PROBE}, {"": PROBE}):
        with pytest.raises(InputError, match="part of a node's name"):
            named_probes(bad)


def test_the_command(lake: Any, model: DemoModel) -> None:
    files = ["--cell", str(model.cell), "--trials", "1", "--tstop", "3", "--seed", "1", "--processes", "1"]
    done = CliRunner().invoke(
        app, ["run", *files, "--lake", lake.url, "--lfp", PROBE, "--lfp", f"s={SPHERE}"]
    )
    assert done.exit_code == 0, done.output
    names = [name for name in lake.head.arrays if name.startswith("lfp/") and "." not in name]
    assert [name.rpartition("/")[2] for name in names] == ["probe", "s"]


@pytest.mark.parametrize(("units", "scale"), [("mV/nA", 1.0), ("V/nA", 1e3)])
def test_weights_that_came_with_a_simulation(lake: Any, units: str, scale: float) -> None:
    node, counts = "electrodes/run1/coeffs/cells", {3: 2, 8: 3}
    weights = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    transaction = lake.transaction("Put weights")
    transaction.write_array(
        node,
        weights,
        dimension_names=reports.WEIGHTS.axes,
        attributes={"units": units, "population": "cells"},
    )
    ranges = {"node_id": [3, 8], "start": [0, 2], "stop": [2, 5]}
    transaction.write_table(
        reports.WEIGHT_RANGES.beside(node), pa.table(ranges, reports.WEIGHT_RANGES.schema)
    )
    kind = reports.ELECTRODES
    rows = [
        {"column": 0, "name": "a", "x": 1.0, "y": 2.0, "z": 3.0, "type": "LineSource"},
        {"column": 1, "name": None},
        {"column": 2, "name": "b", "type": "LineSource"},
    ]
    table = pa.Table.from_pylist([{**dict.fromkeys(kind.schema.names), **row} for row in rows], kind.schema)
    transaction.write_table(kind.beside(node), table)
    transaction.commit()
    segments = {
        "node_id": np.repeat([*counts], [*counts.values()]),
        "section_id": np.zeros(5, np.int64),
        "segment_id": np.array([0, 1, 0, 1, 2]),
    }
    found = contacts_of(lake.head, "p", node, segments)
    np.testing.assert_allclose(found.factors, scale * weights[:, [0, 2]].T, rtol=1e-6)
    assert found.labels["electrode"].tolist() == ["a", "b"] and found.labels["x"].tolist()[0] == 1.0
    assert found.units == "mV" and population_of(lake.head, node) == "cells"
    own = {key: values[2:] for key, values in segments.items()}
    assert np.array_equal(contacts_of(lake.head, "p", node, own).factors, found.factors[:, 2:])
    wrong = {key: values[1:] for key, values in segments.items()}
    with pytest.raises(InputError, match="not of as many segments as are simulated, of nodes 3"):
        contacts_of(lake.head, "p", node, wrong)
