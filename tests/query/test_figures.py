"""Figures: what the axes say, and the data behind the artists."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import same_color, to_rgb
from matplotlib.figure import Figure

from neurolake.query.plots import images as figures_images
from neurolake.query.plots import rasters as figures
from neurolake.query.plots.groups import band, bars, kernels
from neurolake.query.plots.rasters import Responses, overview, psth, raster, voltages
from neurolake.query.plots.style import COLOURS, colours, page

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


def test_the_heights_of_ticks_may_be_of_several_rows(ax):
    raster(ax, [5], [1.0], n_trials=2000, tick=40)
    (segment,) = ax.collections[0].get_segments()
    assert segment[:, 1].tolist() == [-15.0, 25.0]


def test_groups_beyond_the_palette_have_colours_of_their_own():
    many = colours(30)
    assert len(set(many)) == 30 and colours(3) == list(COLOURS[:3])
    lightness = [np.dot(to_rgb(colour), (0.2126, 0.7152, 0.0722)) for colour in many]
    assert np.all(np.diff(lightness) > 0)


def test_pages_have_their_texts_and_size():
    made = page(5, 4, title="Title", footer="commit 1a2b")
    assert made.get_size_inches().tolist() == [5, 4] and made.get_suptitle() == "Title"
    assert [text.get_text() for text in made.texts if text.get_text() != "Title"] == ["commit 1a2b"]


@pytest.mark.parametrize(("n", "lying"), [(6, False), (7, True)])
def test_bars(ax, n, lying):
    labels = [f"G{k}" for k in range(n)]
    bars(ax, labels, np.arange(n) + 1.0, np.full(n, 0.5), label="Spikes per trial")
    lengths = [bar.get_width() if lying else bar.get_height() for bar in ax.patches]
    assert lengths == (np.arange(n) + 1.0).tolist()
    ticks = ax.get_yticklabels() if lying else ax.get_xticklabels()
    assert [tick.get_text() for tick in ticks] == labels
    assert (ax.get_xlabel() if lying else ax.get_ylabel()) == "Spikes per trial"


def test_images_are_white_where_there_is_nothing(ax):
    drawn = figures_images.traces(ax, [[0, 1], [3, 12]], (0, 2), (-70, -60), most=12)
    assert drawn.get_array().mask.tolist() == [[False, False], [True, False]]
    assert drawn.get_array()[0].tolist() == [3, 12]  # the lower row of pixels
    assert (drawn.norm.vmin, drawn.norm.vmax) == (1, 12)
    assert [label.get_text() for label in drawn.colorbar.ax.get_yticklabels()] == ["1", "12"]


def test_activations_are_coloured_from_zero(ax):
    drawn = figures_images.activations(ax, [[0.0, 2.0], [np.nan, 4.0]], (0, 2), (0, 100), label="Per trial")
    assert (drawn.norm.vmin, drawn.norm.vmax) == (0, 4)
    assert ax.get_xlabel() == "Time (ms)" and ax.get_ylabel() == "Soma distance (µm)"
    assert drawn.colorbar.ax.get_ylabel() == "Per trial"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ax: bars(ax, ["a"], [1.0, 2.0], [0.0], label=""), r"values have shape \(2,\), errors \(1,\)"),
        (
            lambda ax: band(ax, [0.0], [1.0], [1.0, 2.0], colour=COLOURS[0]),
            "x, mean and deviation have shapes",
        ),
        (lambda ax: kernels(ax, [0.0], [1.0], colour="k", label=""), r"weights have shape \(1,\)"),
        (lambda ax: figures_images.activations(ax, [1.0], (0, 1), (0, 1), label=""), "expected two axes"),
    ],
)
def test_shapes_must_match(ax, call, message):
    with pytest.raises(ValueError, match=message):
        call(ax)
