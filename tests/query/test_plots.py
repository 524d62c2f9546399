"""Figures of a lake: what the artists hold is what the lake says; the command; what is refused."""

import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

import neurolake as nl
from neurolake import cli
from neurolake.ingest.simrun.ingest import ingest_simrun
from neurolake.kernels.activity.reduced import Lookup
from neurolake.kernels.traces.raster import trace_raster
from neurolake.lake.errors import InputError, NotFoundError, QueryError
from neurolake.query.lake import Snapshot
from neurolake.query.models.lda import LdaModel, Scores
from neurolake.query.models.stored import model_names, open_model, save_model
from neurolake.query.plots import data as plot_data
from neurolake.query.plots.kinds import KINDS
from neurolake.query.plots.plots import plot

TRIALS, TIME = np.arange(10, 22), 0.5 * np.arange(201)
OF_TRIALS = [name for name, kind in KINDS.items() if not kind.options & {"circuit", "report"}]
STIMULI = np.array(["C2", "D1", "C2"] * 4)


def tables() -> dict[str, dict[str, Any]]:
    rng = np.random.default_rng(2)
    return {
        "trials": {
            "trial_id": TRIALS,
            "stimulus": STIMULI.tolist(),
            "number": [f"s{k:02d}" for k in range(12)],
            "t_stop": np.full(12, 100.0),
        },
        "spike_times": {"trial_id": np.sort(rng.choice(TRIALS[1:], 60)), "time": rng.uniform(0, 100, 60)},
        "synapse_activation": {
            "trial_id": rng.choice(TRIALS, 900),
            "cell_type": rng.choice(["VPM", "L1", "L5tt"], 900).tolist(),
            "column": ["C2"] * 900,
            "soma_distance": rng.uniform(0, 430, 900),
            "time": rng.uniform(0, 100, 900),
        },
    }


def model() -> LdaModel:
    kernels = np.random.default_rng(0).normal(size=(3, 2, 20))
    lookup, scores = Lookup(-2, np.array([0.1, 0.5])), Scores(0.9, 0.8, 1.0, 0.9, 0.95)
    return LdaModel(("EXC", "INH"), (30, 50), (45.0, 50.0), kernels, (lookup,) * 3, (scores,) * 3)


DATA = tables()
VOLTAGE = np.random.default_rng(3).normal(0, 1, (12, 201)).cumsum(axis=1) - 65


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = nl.create(tmp_path_factory.mktemp("plots") / "whiskers", durable=False)
    with lake.transaction("tables") as tx:
        for name, columns in DATA.items():
            tx.write_table(name, pa.table(columns))
        tx.write_array("voltage/soma", VOLTAGE, dimension_names=["trial", "time"])
        tx.write_array("voltage/soma.time", TIME, dimension_names=["time"])
        tx.write_array("voltage/soma.trial", TRIALS, dimension_names=["trial"])
        save_model(tx, "models/lda", model())
    return (
        tmp_path_factory.getbasetemp() / next(tmp_path_factory.getbasetemp().glob("plots*")).name / "whiskers"
    )


@pytest.fixture
def snapshot(folder: Path) -> Snapshot:
    return nl.open(folder).head


def spikes_of(stimulus: str) -> tuple[np.ndarray, int]:
    trial, time = (np.asarray(DATA["spike_times"][name]) for name in ("trial_id", "time"))
    ids = TRIALS[stimulus == STIMULI]
    return time[np.isin(trial, ids)], len(ids)


def image_of(figure: Figure) -> Any:
    (drawn,) = figure.axes[0].images
    return drawn


def test_every_figure_states_its_commit(snapshot: Snapshot) -> None:
    for kind in OF_TRIALS:
        words = [text.get_text() for text in plot(snapshot, kind).texts]
        (footer,) = (text for text in words if text.startswith("neurolake"))
        assert "whiskers" in footer and snapshot.commit.id[:12] in footer
        assert f"{snapshot.commit.time:%Y-%m-%d}" in footer


def test_axes_say_what_they_are_in(snapshot: Snapshot) -> None:
    for kind in OF_TRIALS:
        ax = plot(snapshot, kind).axes[0]
        words = ax.get_xlabel() + ax.get_ylabel()
        assert re.search(r"\((ms|mV|Hz|µm)\)|per trial", words), (kind, words)


def test_titles_say_which_trials(snapshot: Snapshot) -> None:
    assert plot(snapshot, "mean").get_suptitle() == "12 trials"
    assert plot(snapshot, "mean", trials="stimulus = 'D1'").get_suptitle() == "4 trials with stimulus = 'D1'"
    assert plot(snapshot, "mean", title="Mine").get_suptitle() == "Mine"
    long = " or ".join(f"trial_id = {trial}" for trial in TRIALS)
    assert len(plot(snapshot, "mean", trials=long).get_suptitle()) < 100


def test_raster(snapshot: Snapshot) -> None:
    ax = plot(snapshot, "raster").axes[0]
    trial, time = (np.asarray(DATA["spike_times"][name]) for name in ("trial_id", "time"))
    for rows, stimulus, first in zip(ax.collections, ("C2", "D1"), (0, 8 + 2), strict=True):
        ids = TRIALS[stimulus == STIMULI]
        ours = np.isin(trial, ids)
        expected = sorted(zip(first + np.searchsorted(ids, trial[ours]), time[ours], strict=True))
        segments = np.array(rows.get_segments())
        drawn = sorted(zip(segments[:, :, 1].mean(axis=1).round(6), segments[:, 0, 0], strict=True))
        np.testing.assert_allclose(drawn, expected)
    assert [text.get_text() for text in ax.texts] == ["C2 (8)", "D1 (4)"]
    part = plot(snapshot, "raster", window=(20, 40), trials="stimulus = 'D1'").axes[0]
    assert part.get_xlim() == (20, 40)
    d1, _ = spikes_of("D1")
    assert len(part.collections[0].get_segments()) == np.sum((d1 >= 20) & (d1 <= 40))


def test_psth_of_spikes(snapshot: Snapshot) -> None:
    figure = plot(snapshot, "psth", bin=7, window=(10, 50))
    edges = np.array([10, 17, 24, 31, 38, 45])  # only whole bins
    for label in ("C2", "D1"):
        (drawn,) = (patch for patch in figure.axes[0].patches if patch.get_label() == label)
        time, n = spikes_of(label)
        assert drawn.get_data().edges.tolist() == edges.tolist()
        np.testing.assert_allclose(drawn.get_data().values, np.histogram(time, edges)[0] / n / 0.007)
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["C2", "D1"]


def test_psth_of_activations(snapshot: Snapshot) -> None:
    figure = plot(snapshot, "psth", of="activations", by=["EI", "proximal"], bin=10)
    data = DATA["synapse_activation"]
    exc = np.isin(data["cell_type"], ["VPM", "L5tt"])
    (drawn,) = (patch for patch in figure.axes[0].patches if patch.get_label() == "EXC__prox")
    expected = np.histogram(data["time"][exc], np.arange(0, 101, 10))[0] / 12 / 10
    np.testing.assert_allclose(drawn.get_data().values, expected, rtol=1e-6)


def test_many_groups_have_axes_each(snapshot: Snapshot) -> None:
    figure = plot(snapshot, "psth", by="number", bin=100)
    assert [ax.get_title(loc="left") for ax in figure.axes] == DATA["trials"]["number"]
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    counts = [np.sum(DATA["spike_times"]["trial_id"] == trial) for trial in TRIALS]
    drawn = [ax.patches[0].get_data().values[0] for ax in figure.axes]
    np.testing.assert_allclose(drawn, np.array(counts) / 0.1)
    assert figure.axes[0].get_ylim()[1] > max(drawn)


@pytest.mark.parametrize("voltage", [None, (-75.0, -60.0)])
def test_traces_fill_the_pixels_of_the_axes(snapshot: Snapshot, voltage: Any) -> None:
    figure = plot(snapshot, "traces", window=(10, 90), trials="stimulus = 'C2'", voltage=voltage)
    drawn = image_of(figure)
    t0, t1, low, high = drawn.get_extent()
    box = figure.axes[0].get_window_extent()
    values = VOLTAGE[STIMULI == "C2"]
    height, width = drawn.get_array().shape
    assert (width, height) == (round(box.width), round(box.height)) and (t0, t1) == (10, 90)
    expected = trace_raster(values, TIME, width=width, height=height, v_min=low, v_max=high, window=(10, 90))
    np.testing.assert_array_equal(drawn.get_array().filled(0), expected[::-1])
    assert figure.axes[0].get_ylim() == (low, high)
    inside = values[:, 20:181]
    assert (
        (low, high) == voltage
        if voltage
        else (low <= inside.min() and high >= inside.max() and low % 10 == 0)
    )


def test_limits_guessed_from_some_traces_hold_all(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plot_data, "_SAMPLE", 1)
    _, _, low, high = image_of(plot(snapshot, "traces")).get_extent()
    assert low == np.floor(VOLTAGE.min() / 10) * 10 and high == np.ceil(VOLTAGE.max() / 10) * 10


def test_mean(snapshot: Snapshot) -> None:
    ax = plot(snapshot, "mean", by="stimulus", window=(0, 50)).axes[0]
    for line, band, stimulus in zip(ax.lines, ax.collections, ("C2", "D1"), strict=True):
        values = VOLTAGE[stimulus == STIMULI][:, :100]
        assert line.get_label() == stimulus and line.get_xdata().tolist() == TIME[:100].tolist()
        np.testing.assert_allclose(line.get_ydata(), values.mean(axis=0), rtol=1e-12)
        top = values.mean(axis=0) + values.std(axis=0)
        assert band.get_paths()[0].vertices[:, 1].max() == pytest.approx(top.max())


def test_density(snapshot: Snapshot) -> None:
    drawn = image_of(plot(snapshot, "density"))
    _, _, low, high = drawn.get_extent()
    values = drawn.get_array().filled(0)
    assert (low, high) == (np.floor(VOLTAGE.min()), np.floor(VOLTAGE.max()) + 1) and values.shape[1] == 200
    edges = np.arange(low, high + 1)
    for sample in (0, 77, 198):
        np.testing.assert_allclose(values[:, sample], np.histogram(VOLTAGE[:, sample], edges)[0] / 12)


def test_density_pools_samples(snapshot: Snapshot) -> None:
    pooled, (low, high) = plot_data.pooled_density(
        snapshot, "soma", trials="true", window=(0, 100), voltage=(-100, 0), columns=10
    )
    part = VOLTAGE[:, (TIME >= 20) & (TIME < 30)]
    expected = np.histogram(part, np.arange(-100, 1))[0] / part.size
    np.testing.assert_allclose(pooled[2], expected, atol=1e-15)
    assert (low, high) == (-100, 0)


def test_activations(snapshot: Snapshot) -> None:
    drawn = image_of(plot(snapshot, "activations", bin=10, trials="stimulus = 'D1'"))
    data = DATA["synapse_activation"]
    ours = np.isin(data["trial_id"], TRIALS[STIMULI == "D1"])
    bins = (np.arange(0, 451, 50), np.arange(0, 101, 10))
    expected = np.histogram2d(data["soma_distance"][ours], data["time"][ours], bins)[0] / 4
    np.testing.assert_allclose(drawn.get_array(), expected)
    assert drawn.get_extent() == [0, 100, 0, 450]


def test_bars_of_spikes(snapshot: Snapshot) -> None:
    ax = plot(snapshot, "bars", window=(20, 60)).axes[0]
    trial, time = (np.asarray(DATA["spike_times"][name]) for name in ("trial_id", "time"))
    inside = trial[(time >= 20) & (time < 60)]
    for bar, error, stimulus in zip(ax.patches, ax.collections[0].get_segments(), ("C2", "D1"), strict=True):
        counts = np.array([np.sum(inside == one) for one in TRIALS[stimulus == STIMULI]])
        assert bar.get_height() == pytest.approx(counts.mean())
        half = counts.std(ddof=1) / np.sqrt(len(counts))
        np.testing.assert_allclose(error[:, 1], [counts.mean() - half, counts.mean() + half])
    assert ax.get_ylabel() == "Spikes per trial from 20 to 60 ms, mean ± SEM"


def test_many_bars_lie(snapshot: Snapshot) -> None:
    ax = plot(snapshot, "bars", of="activations", by=["cell_type", "floor(soma_distance / 200)"]).axes[0]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    data = DATA["synapse_activation"]
    far = (np.array(data["cell_type"]) == "VPM") & (np.floor(data["soma_distance"] / 200) == 1)
    bar = ax.patches[labels.index("VPM__1.0")]
    assert len(labels) == 9 and bar.get_width() == pytest.approx(far.sum() / 12)


def test_kernels(snapshot: Snapshot) -> None:
    (ax,) = plot(snapshot, "kernels").axes
    bold = [line for line in ax.lines if line.get_label() in ("EXC", "INH")]
    for line, weights in zip(bold, model().kernels.mean(axis=0), strict=True):
        np.testing.assert_allclose(line.get_ydata(), weights)
        assert line.get_xdata().tolist() == list(range(-20, 0))
    assert len(ax.lines) == 2 * (1 + 3 + 1)


def test_models_are_kept(snapshot: Snapshot) -> None:
    kept = open_model(snapshot, "models/lda")
    assert isinstance(kept, LdaModel) and model_names(snapshot) == ["models/lda"]
    np.testing.assert_array_equal(kept.kernels, model().kernels)
    assert kept.scores == model().scores and kept.groups == ("EXC", "INH")


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (["sparks"], {}, InputError, "no plot 'sparks'; there are: raster, psth, traces, mean, density"),
        (["raster", "x.gif"], {}, InputError, r"x.gif: a figure is written as .png, .svg, .pdf"),
        (["raster"], {"site": "soma"}, InputError, "raster has no option 'site'; it has: by, trials, window"),
        (["raster"], {"trials": "trial_id < 0"}, InputError, "no trial meets 'trial_id < 0'"),
        (["traces"], {"trials": "trial_id < 0"}, InputError, "no trial of voltage/soma meets 'trial_id < 0'"),
        (["mean"], {"trials": "trial_id < 0"}, InputError, "no trial meets 'trial_id < 0'"),
        (["activations"], {"trials": "trial_id < 0"}, InputError, "no trial meets 'trial_id < 0'"),
        (["activations"], {"window": (500, 600)}, InputError, "no synapse is activated from 500 to 600 ms"),
        (
            ["traces"],
            {"window": (500, 600)},
            InputError,
            "0 samples from 500 to 600 ms; it goes from 0 to 100",
        ),
        (["mean"], {"window": (5, 4)}, InputError, r"window is \(5, 4\); expected two finite numbers"),
        (["traces"], {"site": "tuft"}, QueryError, "no site or array 'tuft'"),
        (["psth"], {"of": "dreams"}, InputError, "of is 'dreams'; expected spikes or activations"),
        (["psth"], {"bin": -1}, InputError, "bins of -1 ms"),
        (["psth"], {"by": "whisker"}, QueryError, "whisker"),
        (["bars"], {"of": "activations", "by": "soma_distance * 10"}, InputError, "groups are too many"),
        (["kernels"], {"model": "models/glm"}, NotFoundError, "no model 'models/glm'; there are: models/lda"),
        (["density"], {"width": 0}, InputError, "a figure of 0 x None inches"),
        (["density"], {"voltage": (100, 120)}, None, ""),
    ],
)
def test_what_makes_no_sense(
    snapshot: Snapshot, arguments: list[str], options: dict[str, Any], error: Any, message: str
) -> None:
    if error is None:
        assert not image_of(plot(snapshot, *arguments, **options)).get_array().filled(0).any()
        return
    with pytest.raises(error, match=message):
        plot(snapshot, *arguments, **options)


def test_a_lake_without_anything(tmp_path: Path) -> None:
    nothing = nl.create(tmp_path / "lake").head
    for kind, message in {
        "raster": "no table trials",
        "kernels": "no reduced model",
        "activations": "no table",
    }.items():
        with pytest.raises(NotFoundError, match=message):
            plot(nothing, kind)


Ended = tuple[int, str, str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["neurolake", "plot", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, *capfd.readouterr()

    return run


def test_the_command_writes_every_format(run: Callable[..., Ended], folder: Path, tmp_path: Path) -> None:
    commit = nl.open(folder).head.commit.id[:12]
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    for suffix, start in starts.items():
        output = tmp_path / f"raster.{suffix}"
        assert run("raster", "--lake", folder, "-o", output) == (0, f"Wrote {output}\n", "")
        data = output.read_bytes()
        assert data.startswith(start)
        assert commit.encode("utf-16-be" if suffix == "pdf" else "ascii") in data


def test_vector_formats_keep_rasters_as_images(
    run: Callable[..., Ended], folder: Path, tmp_path: Path
) -> None:
    for kind in ("traces", "density", "activations"):
        assert run(kind, "--lake", folder, "-o", tmp_path / "figure.svg")[0] == 0
        text = (tmp_path / "figure.svg").read_text()
        assert "<image" in text and len(text) < 3_000_000


def test_the_command_takes_options(run: Callable[..., Ended], folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "psth.svg"
    options = ["--of", "activations", "--by", "EI", "--by", "proximal", "--window", 10, 50, "--bin", 2]
    size = ["--width", 5, "--height", 4, "--title", "Of all", "--trials", "stimulus = 'C2'"]
    assert run("psth", *options, *size, "--lake", folder, "-o", output)[0] == 0
    text = output.read_text()
    assert 'width="360pt" height="288pt"' in text and "Of all" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sparks", "-o", "x.png"], "there are: raster, psth"),
        (["raster", "-o", "x.bmp"], ".png, .svg, .pdf"),
        (["raster", "-o", "x.png", "--trials", "trial_id = 0"], "no trial meets 'trial_id = 0'"),
        (["raster", "-o", "x.png", "--model", "m"], "no option 'model'"),
    ],
)
def test_the_command_refuses(
    run: Callable[..., Ended],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(*arguments, "--lake", folder)
    assert code == 2 and message in err and err.count("\n") == 1 and not list(tmp_path.iterdir())


def test_without_matplotlib_the_extra_is_named(
    run: Callable[..., Ended], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, _, err = run("raster", "--lake", folder, "-o", tmp_path / "x.png")
    assert code == 2 and "pip install 'neurolake[plot]'" in err


def test_real_trials(isf_data: Path, tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake", durable=False)
    ingest_simrun(lake, isf_data / "simrun_2026", processes=1)
    snapshot, voltage = lake.head, lake["voltage/soma"][...]
    line = plot(snapshot, "mean", tmp_path / "mean.png").axes[0].lines[0]
    np.testing.assert_allclose(line.get_ydata(), voltage.mean(axis=0), rtol=1e-12)
    drawn = image_of(plot(snapshot, "traces", tmp_path / "traces.pdf")).get_array()
    assert drawn.sum(axis=0).min() >= len(voltage) and drawn.max() <= len(voltage)
    heat = image_of(plot(snapshot, "activations", bin=1)).get_array()
    rows = snapshot.tables["synapse_activation"].rows
    assert 0.99 * rows < heat.sum() * len(voltage) <= rows + 1e-6


def test_a_figure_is_a_page_of_its_own(simrun_lake: Any, tmp_path: Path) -> None:
    nl.plot(simrun_lake, "raster", tmp_path / "raster.html", title="<b>A & B")
    text = (tmp_path / "raster.html").read_text()
    assert "<title>&lt;b&gt;A &amp; B</title>" in text
    assert text.count("<svg") == 1 and "<script" not in text
    assert f"commit {simrun_lake.head.commit.id[:12]}" in text
