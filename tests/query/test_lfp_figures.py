"""Figures of potentials: what is drawn where, and what is refused."""

import numpy as np
import pytest
import xarray as xr

import neurolake
from neurolake.query import lfp
from neurolake.query.lfp.figures import signal_page

figure = pytest.importorskip("matplotlib.figure")


@pytest.fixture
def ax():
    return figure.Figure().subplots()


def probe_signal(n_contacts=5, n_times=20, spacing=50.0):
    rng = np.random.default_rng(0)
    places = {"x": np.full(n_contacts, 7.0), "y": np.zeros(n_contacts), "z": spacing * np.arange(n_contacts)}
    coords = {axis: ("electrode", values) for axis, values in places.items()}
    values = rng.normal(size=(n_contacts, n_times))
    return xr.DataArray(
        values, {**coords, "time": np.arange(n_times) * 0.5}, ("electrode", "time"), attrs={"units": "mV"}
    )


def cells():
    start = np.array([[0.0, 0, 0], [0, 0, 10], [100, 0, 0]])
    columns = {f"start_{axis}": start[:, i] for i, axis in enumerate("xyz")}
    columns |= {f"end_{axis}": start[:, i] + 10 for i, axis in enumerate("xyz")}
    return columns | {
        "node_id": [1, 1, 2],
        "label": ["Soma", "Dendrite", "Dendrite"],
        "diameter": [20.0, 1, 2],
    }


def test_traces_stand_at_their_contacts_and_have_a_scale(ax):
    signal = probe_signal()
    lfp.probe_traces(ax, signal)
    traces = ax.lines[:5]
    for line, place, values in zip(traces, signal["z"].values, signal.values, strict=True):
        x, y = line.get_data()
        assert x.mean() == pytest.approx(7)
        assert y[0] == place
        moved = (values - values[0]) * 50 / np.abs(signal.values - signal.values[:, :1]).max()
        np.testing.assert_allclose(y - place, moved)
    np.testing.assert_array_equal(ax.lines[5].get_ydata(), signal["z"])
    assert ax.texts[0].get_text().endswith("mV, 9.5 ms")


def test_the_amplitude_can_be_chosen(ax):
    lfp.probe_traces(ax, probe_signal(), amplitude=2.0)
    assert ax.texts[0].get_text() == "2 mV, 9.5 ms"
    y = ax.lines[0].get_ydata()
    np.testing.assert_allclose(y, (probe_signal()[0] - probe_signal()[0, 0]) * 25)


def test_maps_have_zero_in_the_middle_and_depths_at_their_place(ax):
    signal = probe_signal()
    lfp.depth_map(ax, signal, label="LFP")
    mesh = ax.collections[0]
    top = np.abs(signal.values).max()
    assert mesh.get_clim() == (-top, top)
    np.testing.assert_allclose(mesh.get_array(), signal.values)
    np.testing.assert_allclose(ax.get_ylim(), (-25, 225))
    np.testing.assert_allclose(ax.get_xlim(), (-0.25, 9.75))
    assert ax.figure.axes[1].get_ylabel() == "LFP (mV)"
    lfp.depth_map(ax, lfp.csd(signal), limit=2.0)
    assert ax.collections[-1].get_clim() == (-2, 2)


def test_cells_are_lines_and_contacts_squares(ax):
    lfp.cell_and_contacts(ax, cells(), lfp.laminar_probe(4, 30, first=(50, 0, 0)))
    lines, somata = ax.collections
    np.testing.assert_array_equal(lines.get_segments()[1], [[0, 10], [10, 20]])
    assert lines.get_linewidths() == [4.0, 0.4, 0.8]
    assert len({tuple(colour) for colour in lines.get_colors()}) == 2
    np.testing.assert_array_equal(somata.get_offsets(), [[5, 5]])
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [50] * 4)
    assert ax.get_aspect() == 1
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x (µm)", "z (µm)")


@pytest.mark.parametrize(
    ("draw", "reason"),
    [
        (lambda ax: lfp.probe_traces(ax, probe_signal()[:, :1]), "two times or more"),
        (lambda ax: lfp.probe_traces(ax, probe_signal(), plane="xt"), "plane is 'xt'"),
        (lambda ax: lfp.depth_map(ax, probe_signal(1)), "two or more of each"),
        (lambda ax: lfp.cell_and_contacts(ax, {}), "no column 'start_x'"),
    ],
)
def test_what_cannot_be_drawn_is_told(ax, draw, reason):
    with pytest.raises(neurolake.InputError, match=reason):
        draw(ax)


@pytest.mark.parametrize(
    ("contacts", "segments", "panels"), [(5, True, 4), (5, False, 3), (3, False, 2), (1, True, 2)]
)
def test_a_page_shows_what_there_is(contacts, segments, panels, tmp_path):
    made = signal_page(probe_signal(contacts), cells() if segments else None, title="A", footer="B")
    bars = [ax for ax in made.axes if ax.get_label() == "<colorbar>"]
    assert len(made.axes) - len(bars) == panels
    made.savefig(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 10_000
