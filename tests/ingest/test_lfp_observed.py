"""Potentials of networks while they run: those of stored currents, on any number of ranks and threads."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_circuit as small
from lake_vocabulary import strangers
from nerves import delete_all_sections
from typer.testing import CliRunner
from under_mpi import run_python

import neurolake
from neurolake import InputError
from neurolake.cli import app
from neurolake.ingest.lfp.electrodes import store_electrodes
from neurolake.query import lfp

SCRIPT = Path(__file__).parents[1] / "helpers" / "observed_network.py"
PROBE = lfp.laminar_probe(4, 100.0, first=(30.0, 10.0, 150.0))


def observed(folder: Path, threads: int = 1, ranks: int = 1) -> tuple[Any, Any]:
    lake = neurolake.create(folder / f"lake{ranks}{threads}", durable=False)
    store_electrodes(lake, "probe", PROBE)
    sphere = lfp.Electrodes(["all"], np.zeros((1, 3)), ["ObjectiveCSD_Sphere"], radius=np.array([1e5]))
    store_electrodes(lake, "sphere", sphere)
    out = folder / f"out{ranks}{threads}.npz"
    run_python([SCRIPT, lake.url, out, str(threads)], ranks)
    return np.load(out), lake


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    return observed(tmp_path_factory.mktemp("alone"))


def segments_of(found: Any, population: str) -> dict[str, Any]:
    return {key.partition(".")[2]: found[key] for key in found if key.startswith(f"{population}.")}


def test_online_is_offline_for_each_population(alone: tuple[Any, Any]) -> None:
    found, _ = alone
    assert np.allclose(found["time"], np.arange(201) * 0.1 - 5)
    for at, population in enumerate(("ball", "rod")):
        segments = segments_of(found, population)
        factors = lfp.coefficients(segments, PROBE)
        own = np.isin(found["gid"], np.arange(7) if at == 0 else np.arange(7, 11))
        currents = lfp.currents(found["currents"][:, own], segments, found["time"])
        offline = lfp.signal(currents, factors).values.T
        scale = np.abs(offline).max()
        assert scale > 1e-6
        np.testing.assert_allclose(found["probe"][:, at], offline, rtol=0, atol=2e-6 * scale)


def test_the_sum_of_currents_is_what_is_injected(alone: tuple[Any, Any]) -> None:
    found, _ = alone
    time = found["time"] + 5
    for at, gids in enumerate((range(7), range(7, 11))):
        # The current at the time of a frame is that of the step before it.
        on = [(time > 2 + gid % 3 + 0.01) & (time < 12 + gid % 3 + 0.01) for gid in gids]
        injected = 0.3 * np.sum(on, axis=0)
        np.testing.assert_allclose(found["sphere"][1:, at, 0], injected[1:], atol=2e-6)


def test_cells_are_where_their_nodes_are(alone: tuple[Any, Any]) -> None:
    found, lake = alone
    draw = np.random.default_rng(3)
    ball = segments_of(found, "ball")
    for node in range(7):
        place = draw.uniform(-200, 200, 3)
        draw.uniform(-3, 3, 3)
        own = ball["node_id"] == node
        soma, stick = own & (ball["section_id"] == 0), own & (ball["section_id"] == 1)
        start, end = (
            np.stack([ball[f"{side}_{axis}"] for axis in "xyz"], axis=1) for side in ("start", "end")
        )
        assert ball["label"][soma].tolist() == ["Soma"] and stick.sum() == 5
        np.testing.assert_allclose((start[soma] + end[soma])[0] / 2, place, atol=1e-4)
        length = np.linalg.norm(end[stick][-1] - start[stick][0])
        assert length == pytest.approx(180, rel=1e-5)
    assert (
        len(
            {
                tuple(
                    np.round(end[ball["section_id"] == 1][4::5][at] - start[ball["section_id"] == 0][at], 2)
                )
                for at in range(7)
            }
        )
        == 7
    )
    assert list(strangers(lake)) == []


def test_it_is_in_the_lake_as_a_signal(alone: tuple[Any, Any]) -> None:
    found, lake = alone
    signal = lake["lfp/run-1-1/probe"].xarray()
    assert signal.dims == ("time", "group", "electrode") and signal["group"].values.tolist() == [
        "ball",
        "rod",
    ]
    assert np.array_equal(signal.values, found["probe"]) and np.array_equal(signal["time"], found["time"])
    assert lfp.csd(signal).sizes["depth"] == 2
    offline = lake.derive(
        lfp.coefficients, segments="segments/run-1-1/rod", electrodes="electrodes/probe"
    ).xarray()
    assert offline.shape == (4, 24)


@pytest.mark.parametrize(("threads", "ranks"), [(2, 1), (1, 2), (2, 2)])
def test_ranks_and_threads_give_the_same(
    alone: tuple[Any, Any], tmp_path: Path, threads: int, ranks: int
) -> None:
    other, _ = observed(tmp_path, threads, ranks)
    found, _ = alone
    assert np.array_equal(found["currents"], other["currents"])
    for name in ("probe", "sphere"):
        scale = np.abs(found[name]).max()
        np.testing.assert_allclose(other[name], found[name], rtol=0, atol=2e-7 * scale)
    for population in ("ball", "rod"):
        for key, values in segments_of(found, population).items():
            assert np.array_equal(values, other[f"{population}.{key}"]), key


@pytest.fixture
def network(tmp_path: Path) -> Any:
    """A lake with a circuit, and electrodes; NEURON has no sections before and after."""
    delete_all_sections()
    lake = neurolake.create(tmp_path / "lake", durable=False)
    small.write_circuit(lake)
    store_electrodes(lake, "probe", lfp.laminar_probe(3, 60.0, first=(20.0, 30.0, 80.0)))
    yield lake
    delete_all_sections()


def test_a_run_of_a_circuit_records_potentials(network: Any, tmp_path: Path) -> None:
    lake = network
    options: dict[str, Any] = {
        "t_stop": 30.0,
        "equilibration": 5.0,
        "dt_record": 0.25,
        "lfp": "electrodes/probe",
    }
    small.run(lake, "both", record=["all:i_membrane"], commit_every=12.0, **options)
    online = lake["lfp/both/probe"].xarray()
    assert online["group"].values.tolist() == ["E", "I"] and float(online["time"][0]) == -5.0
    for population in ("E", "I"):
        factors = lake.derive(
            lfp.coefficients, segments=f"segments/both/{population}", electrodes="electrodes/probe"
        )
        node = f"reports/both/all i_membrane/{population}"
        offline = lake.derive(lfp.signal, report=node, coefficients=factors.path).xarray()
        own = online.sel(group=population).transpose("electrode", "time")
        assert np.array_equal(offline["time"], own["time"])
        scale = float(np.abs(offline).max())
        np.testing.assert_allclose(own, offline, rtol=0, atol=2e-6 * scale)
    neurolake.plot(lake, "population-raster", tmp_path / "raster.png", circuit="both")
    page = ["lfp", "plot", "lfp/both/probe", "--group", "E", "--segments", "segments/both/E"]
    drawn = CliRunner().invoke(app, [*page, "-o", str(tmp_path / "lfp.png"), "--lake", lake.url])
    assert drawn.exit_code == 0, drawn.output
    assert all((tmp_path / name).stat().st_size > 5000 for name in ("raster.png", "lfp.png"))
    # Coefficients are of one population, and others are not recorded by them.
    factors = lake.derive(lfp.coefficients, segments="segments/both/I", electrodes="electrodes/probe")
    small.run(lake, "some", **{**options, "lfp": {"some": factors.path}})
    some = lake["lfp/some/some"].xarray()
    assert some["group"].values.tolist() == ["I"]
    np.testing.assert_array_equal(some.sel(group="I"), online.sel(group="I"))
    small.run(lake, "alone", **options)
    assert np.array_equal(lake["lfp/alone/probe"][...], online.values)
    assert not [name for name in lake.head.arrays if name.startswith("reports/alone")]
    assert list(strangers(lake, "derived/", "nodes/", "edges/", "synapses/", "inputs/")) == []
    with pytest.raises(InputError, match="did you mean 'electrodes/probe'"):
        small.run(lake, "wrong", lfp="electrodes/probes")
    with pytest.raises(InputError, match="differs"):
        small.run(lake, "alone", **{**options, "dt_record": 0.5})
