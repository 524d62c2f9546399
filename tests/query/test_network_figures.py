"""Figures of circuits: every kind is drawn from what the lake holds, with units on its axes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurolake as nl
from neurolake.ingest.demo import write_demo_network

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("figures")
    nl.build.network(folder / "lake", write_demo_network(folder / "files"), "net")
    opened = nl.open(folder / "lake")
    chance = np.random.default_rng(1)
    with opened.transaction("A report") as tx:
        time = np.arange(0.0, 1000.0, 0.5)
        signal = np.sin(2 * np.pi * 40 * time / 1000) + 0.1 * chance.standard_normal(len(time))
        tx.write_array("wave", signal, dimension_names=["time"], attributes={"units": "mV"})
        tx.write_array("wave.time", time, dimension_names=["time"], attributes={"units": "ms"})
    return str(folder / "lake")


def labels(figure: Any) -> set[str]:
    found = {figure.get_supxlabel(), figure.get_supylabel()}
    for ax in figure.axes:
        found |= {ax.get_xlabel(), ax.get_ylabel(), getattr(ax, "get_zlabel", str)()}
    return found


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        ("cells", {}, {"x (µm)", "y (µm)", "z (µm)"}),
        ("cells", {"population": "PYR"}, {"x (µm)"}),
        ("distances", {}, {"Share", "Distance (µm)"}),
        ("distances", {"projection": "STIM__PYR", "bin": 20.0}, {"Distance (µm)"}),
        ("degrees", {}, {"Share of cells", "Edges of a cell"}),
        ("matrix", {}, {"Source", "Target", "Edges"}),
        ("tree", {"population": "PYR", "node": 3}, {"x (µm)", "y (µm)", "z (µm)"}),
        ("population-raster", {}, {"Cell", "Time (ms)"}),
        ("rates", {"window": (0.0, 500.0)}, {"Mean rate of a cell (Hz)", "Time (ms)"}),
    ],
)
def test_figures_have_their_axes(
    lake: str, tmp_path: Path, kind: Any, options: dict[str, Any], expected: set[str]
) -> None:
    figure = nl.plot(lake, kind, tmp_path / "figure.png", **options)
    assert expected <= labels(figure)
    assert (tmp_path / "figure.png").stat().st_size > 5000
    commit = nl.open(lake).head.commit.id[:12]
    assert any(text.get_text().startswith("neurolake") and commit in text.get_text() for text in figure.texts)


def test_the_matrix_has_every_edge(lake: str) -> None:
    figure = nl.plot(lake, "matrix")
    drawn = figure.axes[0].images[0].get_array()
    circuit = nl.circuit(lake, "net")
    assert drawn is not None and drawn.sum() == sum(circuit.counts["edges"].values())
    one = nl.plot(lake, "matrix", projection="STIM__PVBC").axes[0].images[0].get_array()
    assert one is not None and one.sum() == circuit.edges["STIM__PVBC"].rows


def test_edges_follow_the_configured_extents(lake: str) -> None:
    """Every source's in-degree is its density; so the share of each distance is that of the kernel."""
    (ax,) = nl.plot(lake, "distances", projection="STIM__PYR", bin=100.0).axes
    bars = np.array([bar.get_height() for bar in ax.patches if hasattr(bar, "get_height")])
    lines = {line.get_label(): np.asarray(line.get_ydata()) for line in ax.lines}
    expected = lines["as configured"][: len(bars)]
    assert np.abs(bars - expected).max() < 0.02
    assert np.abs(bars - lines["pairs of cells"][: len(bars)]).max() > 0.05


def test_a_tree_has_the_synapses_of_its_cell(lake: str) -> None:
    figure = nl.plot(lake, "tree", population="PYR", node=5)
    circuit = nl.circuit(lake, "net")
    edges = sum(
        circuit.snapshot.sql(
            f'select count(*) from "edges/net/{one}__PYR" where target_node_id = 5'
        ).fetchall()[0][0]
        for one in ("STIM", "PYR", "PVBC")
    )
    assert sum(len(points.get_offsets()) for points in figure.axes[0].collections) == edges


def test_a_spectrogram_shows_the_frequency_of_a_wave(lake: str) -> None:
    pytest.importorskip("scipy")
    figure = nl.plot(lake, "spectrogram")
    assert {"Signal (mV)", "Frequency (Hz)", "Time (ms)", "Power (dB)"} <= labels(figure)
    mesh = figure.axes[1].collections[0]
    power = np.asarray(mesh.get_array()).reshape(mesh.get_coordinates().shape[0] - 1, -1)
    frequency = mesh.get_coordinates()[:-1, 0, 1] + np.diff(mesh.get_coordinates()[:, 0, 1]) / 2
    assert abs(frequency[power.mean(axis=1).argmax()] - 40) < 5


def test_what_cannot_be_drawn_is_told(lake: str, tmp_path: Path) -> None:
    with pytest.raises(nl.InputError, match="cells has no option 'projection'"):
        nl.plot(lake, "cells", projection="STIM__PYR")
    with pytest.raises(nl.NotFoundError, match="there is no projection 'A__B'"):
        nl.plot(lake, "degrees", projection="A__B")
    with pytest.raises(nl.NotFoundError, match="PYR has no cell 1000"):
        nl.plot(lake, "tree", population="PYR", node=1000)
    with nl.create(tmp_path / "empty").transaction("Begin") as tx:
        tx.put_file("note", b"nothing")
    with pytest.raises(nl.NotFoundError, match="say which circuit to draw; there are: none"):
        nl.plot(tmp_path / "empty", "cells")
    with pytest.raises(nl.NotFoundError, match="say which report to draw; there are: none"):
        nl.plot(tmp_path / "empty", "spectrogram")
