"""Figures: what the axes say, and the data behind the artists."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure

from neurolake.query import figures
from neurolake.query.figures import Responses, overview, psth, raster, voltages
from neurolake.query.figures_style import COLOURS

EDGES = np.array([0.0, 10.0, 20.0, 30.0])


@pytest.fixture
def ax():
    return Figure().subplots()


def responses(n_trials, seed=0):
    rng = np.random.default_rng(seed)
    n = 3 * n_trials
    return Responses(rng.integers(0, n_trials, n), rng.uniform(0, 30, n), rng.normal(-65, 5, (n_trials, 301)))


@pytest.fixture(scope="module")
def figure():
    both = {"C2": responses(8), "B1": responses(2, seed=1)}
    drawn = overview(
        both,
        np.linspace(0, 30, 301),
        edges=EDGES,
        stimulus_time=12.0,
        title="Demo",
        footer="neurolake · commit 1a2b3c4d",
    )
    return both, drawn


def test_psth_draws_each_group_in_its_colour(ax):
    psth(ax, EDGES, {"C2": [1.0, 0.0, 2.0], "B1": [0.5, 0.5, 0.5]}, ylabel="Rate (Hz)")
    outlines = [patch for patch in ax.patches if patch.get_label() in ("C2", "B1")]
    assert [patch.get_data().values.tolist() for patch in outlines] == [[1.0, 0.0, 2.0], [0.5, 0.5, 0.5]]
    assert all(np.array_equal(patch.get_data().edges, EDGES) for patch in outlines)
    assert [
        same_color(patch.get_edgecolor(), colour) for patch, colour in zip(outlines, COLOURS, strict=False)
    ] == [True] * 2
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["C2", "B1"]
    assert ax.get_ylabel() == "Rate (Hz)"
    assert ax.get_xlim() == (0.0, 30.0)


def test_one_group_needs_no_legend(ax):
    psth(ax, EDGES, {"C2": [1.0, 0.0, 2.0]})
    assert ax.get_legend() is None


def test_raster_has_a_tick_per_spike_and_the_first_trial_on_top(ax):
    raster(ax, [0, 0, 2], [1.0, 2.0, 3.0], n_trials=4, first_row=10, label="C2")
    ticks = [segment.tolist() for segment in ax.collections[0].get_segments()]
    assert [(tick[0][0], np.mean([end[1] for end in tick])) for tick in ticks] == [
        (1.0, 10.0),
        (2.0, 10.0),
        (3.0, 12.0),
    ]
    bottom, top = ax.get_ylim()
    assert bottom > 13
    assert top < 10
    assert ax.texts[0].get_text() == "C2"


def test_raster_without_spikes_keeps_its_rows(ax):
    raster(ax, np.empty(0, int), np.empty(0), n_trials=3)
    assert ax.get_ylim()[0] > 2


def test_voltages_draw_mean_deviation_and_examples(ax):
    time = np.arange(4.0)
    voltage = np.array([[-70.0, -60.0, 0.0, -70.0], [-60.0, -60.0, -40.0, np.nan]])
    voltages(ax, time, voltage, examples=1)
    example, mean = (line.get_ydata() for line in ax.lines)
    assert example.tolist() == voltage[0].tolist()
    assert mean.tolist() == [-65.0, -60.0, -20.0, -70.0]
    band = ax.collections[0].get_paths()[0].vertices
    assert {(0.0, -70.0), (0.0, -60.0), (2.0, -40.0), (2.0, 0.0)} <= set(map(tuple, band.tolist()))
    assert "mV" in ax.get_ylabel()


def test_overview_has_the_panels_and_their_units(figure):
    _, drawn = figure
    spikes, rates, *traces = drawn.axes
    assert [ax.get_ylabel() for ax in (spikes, rates)] == ["Trial", "Rate (Hz)"]
    assert [ax.get_ylabel() for ax in traces] == [r"$V_\mathrm{m}$ (mV)"] * 2
    assert traces[-1].get_xlabel() == "Time (ms)"
    assert [ax.get_title(loc="left") for ax in drawn.axes] == ["a", "b", "c", ""]
    assert [text.get_text() for text in spikes.texts] == ["C2\n8 trials", "B1\n2 trials", "stimulus"]
    assert "neurolake · commit 1a2b3c4d" in [text.get_text() for text in drawn.texts]
    assert drawn.get_suptitle() == "Demo"
    assert {ax.get_xlim() for ax in drawn.axes} == {(0.0, 30.0)}
    assert len({ax.get_ylim() for ax in traces}) == 1


def test_overview_draws_rates_in_hertz(figure):
    both, drawn = figure
    found = {
        patch.get_label(): patch.get_data().values
        for patch in drawn.axes[1].patches
        if patch.get_label() in both
    }
    for stimulus, seen in both.items():
        counts = np.histogram(seen.time, EDGES)[0]
        assert np.allclose(found[stimulus], counts / len(seen.voltage) / 0.010)  # 10 ms
    assert all(12.0 in np.ravel(ax.lines[-1].get_xdata()) for ax in drawn.axes)


def test_overview_is_written_as_png(figure, tmp_path):
    _, drawn = figure
    drawn.savefig(tmp_path / "overview.png", dpi=60)
    assert (tmp_path / "overview.png").read_bytes().startswith(b"\x89PNG")


def test_more_stimuli_than_colours():
    many = {f"W{k}": responses(1) for k in range(len(COLOURS) + 1)}
    drawn = overview(many, np.linspace(0, 30, 301), edges=EDGES)
    assert len(drawn.axes) == 2 + len(many)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ax: psth(ax, EDGES, {"C2": [1.0]}), r"'C2' has shape \(1,\); expected \(3,\)"),
        (lambda ax: raster(ax, [0], [1.0, 2.0]), r"trial has shape \(1,\), time \(2,\)"),
        (lambda ax: raster(ax, [0, 5], [1.0, 2.0], n_trials=5), "trials are 0 to 5; expected 0 to 4"),
        (lambda ax: voltages(ax, [0.0], [[1.0, 2.0]]), r"voltage has shape \(1, 2\), time \(1,\)"),
        (lambda ax: voltages(ax, [0.0], np.empty((0, 1))), "n_trials >= 1"),
        (lambda ax: overview({}, [0.0], edges=EDGES), "at least one stimulus"),
    ],
)
def test_errors_say_what_is_wrong(ax, call, message):
    with pytest.raises(ValueError, match=message):
        call(ax)


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'neurolake\[plot\]'"):
        overview({"C2": responses(1)}, np.linspace(0, 30, 301), edges=EDGES)


def test_importing_it_imports_neither_matplotlib_nor_numba():
    code = f"import sys, {figures.__name__}; sys.exit(bool({{'matplotlib', 'numba'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
