"""Current source density, filters, spectra, and signals of running simulations."""

import numpy as np
import pytest
import xarray as xr

import neurolake
from neurolake.query import lfp

TIME = np.arange(2000) * 0.5  # ms


def probe_signal(values, depths, *, x=None):
    places = {
        "x": np.zeros(len(depths)) if x is None else x,
        "y": np.zeros(len(depths)),
        "z": np.asarray(depths),
    }
    coords = {axis: ("electrode", np.asarray(values, float)) for axis, values in places.items()}
    time = np.arange(values.shape[1]) * 0.5
    return xr.DataArray(values, {**coords, "time": time}, ("electrode", "time"), attrs={"units": "mV"})


# Current source density


def test_csd_of_a_parabola_is_its_curvature_on_uneven_depths():
    depths = np.array([50.0, -100, 0, 130, 300])
    values = np.stack([2e-3 * depths**2 + 5, depths], axis=1)
    found = lfp.csd(probe_signal(values, depths), 0.4)
    np.testing.assert_allclose(found, np.repeat([[-0.4 * 4e-3, 0]], 3, axis=0), atol=1e-12)
    np.testing.assert_allclose(found["depth"], [0, 50, 130])
    assert (found.dims, found.attrs["units"]) == (("depth", "time"), "nA/µm³")


def test_contacts_of_one_depth_are_averaged_and_the_axis_is_the_probes():
    staggered = probe_signal(
        np.array([[0.0], [2], [1], [3], [4], [4]]), [0, 0, 20, 20, 40, 40.0], x=[0, 16, 0, 16, 0, 16]
    )
    levels = lfp.by_depth(staggered, (0, 0, 1))
    np.testing.assert_allclose(levels[:, 0], [1, 2, 4])
    np.testing.assert_allclose(lfp.csd(staggered, 1.0, direction=(0, 0, 2)), [[-1 / 400]])
    sideways = staggered.rename(x="z", z="x")
    np.testing.assert_allclose(lfp.by_depth(sideways, (1, 0, 0))[:, 0], [1, 2, 4])


def test_csd_of_coefficients_gives_csd_of_signals():
    rng = np.random.default_rng(0)
    ends = rng.uniform(-50, 50, (2, 3, 30))
    cell = {
        f"{end}_{axis}": ends[i, j] for i, end in enumerate(("start", "end")) for j, axis in enumerate("xyz")
    }
    cell |= {"section_id": np.arange(30), "segment_id": np.zeros(30, int)}
    factors = lfp.coefficients(
        cell, lfp.laminar_probe(6, 40, first=(90, 0, 0)), "point", minimum_distance=None
    )
    report = lfp.currents(rng.normal(size=(7, 30)), cell | {"node_id": np.zeros(30)}, np.arange(7.0))
    density = lfp.csd(factors)
    assert density.attrs["units"] == "1/µm³"
    np.testing.assert_allclose(lfp.signal(report, density), lfp.csd(lfp.signal(report, factors)), atol=1e-15)
    assert lfp.signal(report, density).attrs["units"] == "nA/µm³"


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (lambda s: lfp.csd(s[:2]), "at 2 depths"),
        (lambda s: lfp.csd(s, -1.0), "sigma is -1"),
        (lambda s: lfp.csd(s.drop_vars("y")), "coordinates x, y and z"),
        (lambda s: lfp.csd(s, direction=(0, 0, 0)), "not all 0"),
        (lambda s: lfp.filtered(s), "not None and None"),
        (lambda s: lfp.filtered(s, 1500.0), "in 0 to 1000 Hz"),
        (lambda s: lfp.filtered(s, 50.0, 20.0), "not 50.0 and 20.0"),
        (lambda s: lfp.filtered(s[:, :5], 50.0), "too short"),
        (lambda s: lfp.filtered(s.assign_coords(time=TIME[:20] ** 2), 50.0), "not evenly spaced"),
        (lambda s: lfp.spectrum(s[:, :1]), "two times or more"),
        (lambda s: lfp.spectrum(s, window_ms=0.5), "a window of 1 samples"),
        (lambda s: lfp.spectrum(s, window_ms=1e3), "expected 2 to 20"),
    ],
)
def test_what_cannot_be_done_is_told(ask, reason):
    pytest.importorskip("scipy")
    with pytest.raises(neurolake.InputError, match=reason):
        ask(probe_signal(np.zeros((3, 20)), [0, 1.0, 2]))


# Filters and spectra


def waves(*frequencies):
    return np.sum([np.sin(2e-3 * np.pi * f * TIME) for f in frequencies], axis=0)


def test_filters_keep_what_is_in_the_band():
    pytest.importorskip("scipy")
    given = probe_signal(np.tile(waves(5, 50, 400), (3, 1)), [0, 1.0, 2])
    middle = slice(400, -400)
    for (low, high), kept in (((None, 15), 5), ((200, None), 400), ((20, 120), 50)):
        found = lfp.filtered(given, low, high)
        np.testing.assert_allclose(found[0, middle], waves(kept)[middle], atol=0.02)
    assert found.attrs["filter"] == "bandpass 20-120 Hz"
    assert found.coords.keys() == given.coords.keys()


def test_spectra_keep_the_power():
    pytest.importorskip("scipy")
    given = probe_signal(np.stack([waves(50), 2 * waves(120)]), [0, 1.0])
    found = lfp.spectrum(given, window_ms=500.0)
    assert found["frequency"][found.argmax("frequency")].values.tolist() == [50, 120]
    np.testing.assert_allclose(found.integrate("frequency"), [0.5, 2.0], rtol=0.01)
    assert (found.dims, found.attrs["units"]) == (("electrode", "frequency"), "mV²/Hz")
    assert lfp.spectrum(given).sizes["frequency"] == 1001


# While a simulation runs


@pytest.fixture
def running():
    rng = np.random.default_rng(0)
    ends = rng.uniform(-50, 50, (2, 3, 30))
    cell = {
        f"{end}_{axis}": ends[i, j] for i, end in enumerate(("start", "end")) for j, axis in enumerate("xyz")
    }
    cell |= {
        "section_id": np.arange(30),
        "segment_id": np.zeros(30, int),
        "node_id": np.repeat([3, 1, 2], 10),
    }
    factors = lfp.coefficients(
        cell, lfp.laminar_probe(4, 40, first=(90, 0, 0)), "point", minimum_distance=None
    )
    return factors, lfp.currents(rng.normal(size=(20, 30)), cell, np.arange(20) * 0.1)


@pytest.mark.parametrize("by", [None, "cell", "kind"])
def test_blocks_of_a_run_make_the_signal_of_its_report(running, by):
    factors, report = running
    nodes = {"node_id": [1, 2, 3], "kind": ["a", "b", "a"]}
    record = lfp.Recorder(factors, by, nodes=nodes, dtype="float64")
    for begin, end in ((0, 7), (7, 7), (7, 8), (8, 20)):
        assert record(report.values[begin:end], report["time"].values[begin:end]) is None
    expected = lfp.signal(report, factors, by, nodes=nodes)
    found = record.signal()
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found.dims == expected.dims
    for key in expected.coords:
        assert found[key].values.tolist() == expected[key].values.tolist()
    assert repr(record) == "<Recorder of 4 contacts, 30 segments, 20 times>"


def test_a_recorder_holds_no_currents(running):
    factors, report = running
    record = lfp.Recorder(factors)
    block = report.values.astype(np.float32)
    record(block, report["time"].values)
    block[:] = np.nan
    found = record.signal()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, lfp.signal(report, factors), atol=1e-4)
    assert lfp.Recorder(factors).signal().shape == (4, 0)


@pytest.mark.parametrize(
    ("values", "time", "reason"),
    [
        (np.zeros((2, 29)), [0, 1], "shape .2, 29."),
        (np.zeros((2, 30)), [0, 1, 2], "expected .3, 30."),
        (np.zeros((2, 30)), [1, 1], "times do not rise"),
        (np.zeros((1, 30)), [-0.1], "times do not rise"),
        (np.zeros((1, 30)), 5.0, "one each"),
    ],
)
def test_blocks_that_do_not_fit(running, values, time, reason):
    record = lfp.Recorder(running[0])
    record(np.zeros((1, 30)), [0.5])
    with pytest.raises(neurolake.InputError, match=reason):
        record(values, time)


def test_a_recorder_needs_labels(running):
    with pytest.raises(neurolake.InputError, match="coefficients are"):
        lfp.Recorder(running[0].values)
