"""Nouns of snapshots and lakes: the same answers as the functions behind them, kept by `derive` without naming inputs."""

import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xarray as xr

import neurolake
from neurolake import InputError, NotFoundError
from neurolake.catalog.vocabulary.trials import SPIKE_TIMES, SYNAPSE_ACTIVATION, TRIALS
from neurolake.query.models import save_model
from neurolake.query.models.lda import fit_lda
from neurolake.query.trials import (
    bin_activations,
    psth,
    spatiotemporal_activations,
    spike_counts,
    spike_triggered_average,
    to_neo,
    voltage_bursts,
    voltage_statistics,
)


@pytest.fixture
def lake(simrun_folder: Path, tmp_path: Path) -> Any:
    """A copy of the small lake, to be written."""
    return neurolake.open(neurolake.open(simrun_folder).copy_to(tmp_path / "lake").url, durable=False)


def test_analyses_are_methods_with_their_own_signatures(simrun_lake: Any) -> None:
    spikes = simrun_lake.head.spikes
    names = [*inspect.signature(psth).parameters.values()]
    assert [*inspect.signature(spikes.psth).parameters.values()] == names[1:]
    assert spikes.psth.__doc__ == psth.__doc__ and {"psth", "counts", "intervals"} <= set(dir(spikes))
    assert {"spikes", "voltages", "activations", "reports", "lfp", "circuits", "models"} <= set(
        dir(simrun_lake)
    )
    assert type(spikes).psth is psth


def test_same_answers(simrun_lake: Any) -> None:
    snapshot = simrun_lake.head
    xr.testing.assert_identical(snapshot.spikes.psth(by="stimulus"), psth(snapshot, by="stimulus"))
    xr.testing.assert_identical(simrun_lake.spikes.counts((0, 50)), spike_counts(snapshot, (0, 50)))
    xr.testing.assert_identical(snapshot.voltages.statistics("soma"), voltage_statistics(snapshot, "soma"))
    xr.testing.assert_identical(snapshot.activations.bin("EI"), bin_activations(snapshot, "EI"))
    old = simrun_lake.at("main~1")
    assert old.spikes.counts().sizes["trial"] < snapshot.spikes.counts().sizes["trial"]
    assert snapshot.voltages.sites[-1] == "soma" and len(snapshot.voltages.sites) == 2
    assert (
        snapshot.spikes == simrun_lake.spikes != old.spikes
        and len({snapshot.spikes, simrun_lake.spikes}) == 1
    )


def test_trials_for_other_libraries(simrun_lake: Any) -> None:
    window = (0.0, 5.0)
    block, trains = simrun_lake.spikes.to_neo(window=window), simrun_lake.spikes.to_elephant(window=window)
    made = to_neo(simrun_lake.head, window=window)
    assert [segment.name for segment in block.segments] == [segment.name for segment in made.segments]
    for segment, train, other in zip(block.segments, trains, made.segments, strict=True):
        assert segment.spiketrains[0].times.tolist() == train.times.tolist()
        assert np.array_equal(segment.analogsignals[0], other.analogsignals[0])


def test_old_spellings_warn(simrun_lake: Any) -> None:
    snapshot = simrun_lake.head
    with pytest.warns(FutureWarning, match=r"write snapshot\.spikes\.psth"):
        found = snapshot.psth(by="stimulus")
    xr.testing.assert_identical(found, snapshot.spikes.psth(by="stimulus"))
    with pytest.warns(FutureWarning, match=r"write snapshot\.activations\.bin"):
        xr.testing.assert_identical(snapshot.bin_activations("EI"), snapshot.activations.bin("EI"))
    with pytest.raises(AttributeError, match="no attribute 'psht'"):
        _ = snapshot.psht


KEPT: list[tuple[Any, dict[str, Any], set[str]]] = [
    (psth, {"by": "stimulus", "t_max": 100.0}, {"trials", "spike_times"}),
    (psth, {"table": "dendritic_spike_times"}, {"trials", "dendritic_spike_times"}),
    (spike_counts, {"window": (0.0, 50.0)}, {"trials", "spike_times"}),
    (
        spike_counts,
        {"window": (0.0, 50.0), "trials": "trial_id in (select trial_id from synapse_activation)"},
        {"trials", "spike_times", "synapse_activation"},
    ),
    (voltage_statistics, {}, {"voltage/soma"}),
    (voltage_statistics, {"trials": "stimulus = 'C2'"}, {"voltage/soma", "trials"}),
    (spike_triggered_average, {"before": 2.0, "after": 1.0}, {"voltage/soma", "spike_times"}),
    (voltage_bursts, {"site": "soma"}, {"voltage/soma", "trials", "spike_times"}),
    (bin_activations, {"by": "cell_type"}, {"trials", "synapse_activation"}),
    (spatiotemporal_activations, {}, {"trials", "synapse_activation"}),
]


@pytest.mark.parametrize(("function", "params", "inputs"), KEPT)
def test_derive_knows_the_inputs(lake: Any, function: Any, params: dict[str, Any], inputs: set[str]) -> None:
    kept = lake.derive(function, **params)
    [result] = lake.derived()
    assert set(result.inputs) == inputs and not result.stale
    direct = function(lake.head, **params)
    if isinstance(direct, xr.DataArray):
        np.testing.assert_array_equal(kept.xarray().values, direct.values)
    elif isinstance(direct, pd.DataFrame):
        pd.testing.assert_frame_equal(kept.to_pandas(), direct, check_dtype=False)
    else:
        assert set(kept) == set(direct.data_vars)
    # Named inputs are the same question.
    lake.derive(function, sorted(inputs), **params)
    assert len(lake.derived()) == 1
    with lake.transaction("what it does not read") as tx:
        tx.put_file("other", b"x")
    assert not lake.derived()[0].stale


def test_a_result_goes_stale_and_is_refreshed(lake: Any) -> None:
    lake.derive(psth, by="stimulus", t_max=100.0)
    with lake.transaction("one more spike") as tx:
        tx.append_table("spike_times", lake["spike_times"].to_arrow()[-1:])
    assert [result.moved for result in lake.derived()] == [("spike_times",)]
    assert not lake.refresh().left and not lake.derived()[0].stale


def test_a_noun_is_derived_of_its_own_commit(lake: Any) -> None:
    old = lake.at("main~1")
    kept = lake.derive(old.spikes.counts).xarray()
    np.testing.assert_array_equal(kept.values, old.spikes.counts().values)
    assert kept.sizes != lake.spikes.counts().sizes


def test_kernels_of_users_say_what_they_read(lake: Any) -> None:
    @neurolake.kernel(version="1", whole=True, reads=lambda snapshot, given: [given["table"]])
    def rows(snapshot: Any, table: str = "trials") -> int:
        return int(snapshot.tables[table].rows)

    assert lake.derive(rows) == lake["trials"].rows
    assert lake.derive(rows, table="spike_times") == lake["spike_times"].rows
    with pytest.raises(InputError, match="rows: got an unexpected keyword argument 'tabel'"):
        lake.derive(rows, tabel="trials")
    with pytest.raises(InputError, match="does not tell what it reads: name its inputs"):
        lake.derive(lambda table: 1)


def test_models(lake: Any) -> None:
    rng = np.random.default_rng(0)
    counts, spiked = rng.poisson(0.5, (2, 200, 12)), rng.random(200) < 0.5
    made = fit_lda(counts, ["EXC", "INH"], spiked, output=(10, 12), width=4)
    with lake.transaction("a model") as tx:
        save_model(tx, "models/lda", made)
    assert list(lake.models) == ["models/lda"] and "models/lda" in lake.models
    np.testing.assert_array_equal(lake.models["models/lda"].kernels, made.kernels)
    with pytest.raises(NotFoundError, match="there are: models/lda"):
        lake.models["models/x"]
    assert {"window", "seed", "repetitions"} <= set(inspect.signature(lake.models.fit_lda).parameters)


def test_reports_and_circuits(tmp_path: Path) -> None:
    lake: Any = neurolake.create(tmp_path / "lake", durable=False)
    assert list(lake.reports) == list(lake.circuits) == list(lake.models) == lake.voltages.sites == []
    name, values = "reports/run1/soma/cells", np.arange(12.0).reshape(6, 2)
    with lake.transaction("a circuit and its report") as tx:
        tx.write_table("nodes/run1/cells", pa.table({"node_id": [0, 1]}))
        edges = pa.table({"source_node_id": [0], "target_node_id": [1], "edge_id": [0]})
        tx.write_table("edges/run1/cells__cells", edges)
        tx.write_table("edges/run1/cells__cells.by_source", edges)
        tx.write_table("spikes/run1/cells", pa.table({"node_id": [1], "time": [0.5]}))
        attributes = {"units": "mV", "t_start": 0.0, "dt": 0.1}
        tx.write_array(name, values, dimension_names=["time", "element"], attributes=attributes)
        tx.write_array(f"{name}.time", np.arange(6) * 0.1, dimension_names=["time"])
        tx.write_table(f"{name}.nodes", pa.table({"node_id": [0, 1], "start": [0, 1], "stop": [1, 2]}))
        elements = {"node_id": [0, 1], "element_id": [0, 0], "segment_index": [0, 0]}
        tx.write_table(f"{name}.elements", pa.table(elements))
    assert list(lake.reports) == [name] and name in lake.reports
    frame = lake.reports["run1/soma"].to_pandas([1], t_start=0.2)
    assert frame.to_numpy().ravel().tolist() == [5.0, 7.0, 9.0, 11.0]
    assert lake.reports[name].to_xarray(t_stride=2).sizes == {"time": 3, "element": 2}
    assert list(lake.circuits) == ["run1"]
    circuit = lake.circuits["run1"]
    assert circuit.nodes["cells"].rows == 2 and list(circuit.edges) == ["cells__cells"]
    assert circuit.spikes["cells"].to_pandas()["time"].tolist() == [0.5]
    assert list(circuit.reports) == ["soma/cells"]
    assert circuit.snapshot == lake.head and circuit.name == "run1"
    with pytest.raises(NotFoundError, match="there are: run1"):
        lake.circuits["run2"]


def test_lfp(tmp_path: Path) -> None:
    lake: Any = neurolake.create(tmp_path / "lake", durable=False)
    segments = {
        "node_id": [0, 0],
        "section_id": [0, 1],
        "segment_id": [0, 0],
        "start_x": [0.0, 10.0],
        "end_x": [10.0, 20.0],
        "diameter": [2.0, 1.0],
        "label": ["Soma", "dend"],
    }
    segments |= {f"{end}_{axis}": [0.0, 0.0] for end in ("start", "end") for axis in "yz"}
    contacts = {"name": ["a"], "x": [5.0], "y": [100.0], "z": [0.0], "type": ["PointSource"]}
    with lake.transaction("places") as tx:
        tx.write_table("segments/cell", pa.table(segments))
        tx.write_table("electrodes/probe", pa.table(contacts))
    assert lake.lfp.electrodes == ["electrodes/probe"] and lake.lfp.segments == ["segments/cell"]
    found = lake.lfp.coefficients("segments/cell", "electrodes/probe")
    # Point sources: 1 / (4 pi sigma r), µm and S/m to mV/nA.
    distance = np.array([100.0, np.hypot(10.0, 100.0)])
    np.testing.assert_allclose(found.values[0], 1 / (4 * np.pi * 0.3 * distance), rtol=1e-12)
    kept = lake.derive(neurolake.lfp.coefficients, segments="segments/cell", electrodes="electrodes/probe")
    np.testing.assert_array_equal(kept[...], found.values)
    with pytest.warns(FutureWarning, match=r"write lake\.derive\(nl\.lfp\.coefficients"):
        again = neurolake.lfp.coefficients("segments/cell", "electrodes/probe", lake=lake)
    assert again.path == kept.path
    assert "minimum_distance" in inspect.signature(lake.lfp.coefficients).parameters


ABSENT: dict[str, Any] = {
    "psth": lambda lake: lake.spikes.psth(),
    "counts": lambda lake: lake.spikes.counts(),
    "bursts": lambda lake: lake.spikes.bursts(),
    "features": lambda lake: lake.spikes.features(),
    "bin": lambda lake: lake.activations.bin(),
    "batches": lambda lake: lake.activations.batches(size=1, window=(0, 10)),
    "spatiotemporal": lambda lake: lake.activations.spatiotemporal(),
    "statistics": lambda lake: lake.voltages.statistics(),
    "quantiles": lambda lake: lake.voltages.quantiles(),
    "density": lambda lake: lake.voltages.density(),
    "average": lambda lake: lake.voltages.spike_triggered_average(),
    "cosines": lambda lake: lake.models.fit_cosines(),
    "lda": lambda lake: lake.models.fit_lda(),
    "raster": lambda lake: neurolake.plot(lake, "raster"),
    "plot of activations": lambda lake: neurolake.plot(lake, "activations"),
}


@pytest.mark.parametrize("question", ABSENT)
@pytest.mark.parametrize("tables", ["none", "empty"])
def test_b8_lakes_without_trials_say_what_is_missing(tmp_path: Path, question: str, tables: str) -> None:
    """What is missing, by its name, and how lakes get it; nothing of bins or of functions of SQL."""
    lake = neurolake.create(tmp_path / "lake", durable=False)
    if tables == "empty":
        with lake.transaction("tables without rows") as tx:
            for kind in (TRIALS, SYNAPSE_ACTIVATION, SPIKE_TIMES):
                tx.write_table(kind.name, kind.schema.empty_table())
    with pytest.raises((NotFoundError, InputError)) as told:
        ABSENT[question](lake)
    message = str(told.value)
    assert (
        re.search("trials|synapse_activation|recordings", message) and "nl.run" in message
    ) or "has a stimulus" in message, message
    assert "bins" not in message and not message.startswith("trace")
