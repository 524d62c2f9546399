"""Figures of circuits of glia: each shows what the circuit holds, with units on its axes."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from small_glia import SIDE, SmallGlia, write_small_glia

import neurolake as nl
from neurolake.query.plots.configured import Configured, configured

pytest.importorskip("matplotlib")

MANIFEST = b"""
ngv:
  cell_placement: {soma_radius: [3.0, 0.5, 1.0, 5.0]}
  microdomains: {overlap_distribution: {type: normal, values: [0.1, 1.0e-7]}}
  gliovascular_connectivity: {connection: {endfeet_distribution: [2, 2, 0, 15]}}
  endfeet_surface_meshes: {area_distribution: [192.0, 160.0, 0.0, 1000.0], thickness_distribution: [1.0, 0.1, 0.01, 2.0]}
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, SmallGlia]:
    lake = nl.create(tmp_path_factory.mktemp("figures") / "lake", durable=False)
    made = write_small_glia(lake, "g")
    with lake.transaction("Keep the manifest") as tx:
        tx.put_file("ngv/g/bioname/MANIFEST.yaml", MANIFEST)
    return lake, made


def labels(figure: Any) -> set[str]:
    found = {figure.get_supxlabel(), figure.get_supylabel()}
    for ax in figure.axes:
        found |= {ax.get_xlabel(), ax.get_ylabel(), getattr(ax, "get_zlabel", str)()}
    return found


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        ("domains", {}, {"x (µm)", "y (µm)"}),
        ("domains", {"axis": "x", "level": 15.0}, {"y (µm)", "z (µm)"}),
        ("vessels", {"circuit": "g"}, {"x (µm)", "y (µm)", "z (µm)"}),
        ("astrocyte", {"node": 4}, {"x (µm)", "y (µm)", "z (µm)"}),
        ("glia-distributions", {}, {"Share", "Endfeet of an astrocyte", "Area of an endfoot (µm²)"}),
        ("places", {"bin": 5.0}, {"Pair correlation g", "L less the distance (µm)", "Distance (µm)"}),
    ],
)
def test_figures_have_their_axes(
    written: tuple[Any, SmallGlia], tmp_path: Path, kind: Any, options: dict[str, Any], expected: set[str]
) -> None:
    figure = nl.plot(written[0], kind, tmp_path / "figure.png", **options)
    assert expected <= labels(figure)
    assert (tmp_path / "figure.png").stat().st_size > 5000


def test_a_plane_cuts_nine_squares_and_what_is_in_them(written: tuple[Any, SmallGlia]) -> None:
    lake, made = written
    (ax,) = nl.plot(lake, "domains", level=13.0).axes
    squares = [patch for patch in ax.patches if type(patch).__name__ == "Polygon" and patch.get_fill()]
    assert len(squares) == 9
    for square in squares:
        corners = square.get_xy()[:-1]
        assert np.ptp(corners, axis=0) == pytest.approx([SIDE * 1.1] * 2, rel=1e-5)
    shades = {
        tuple(np.round(square.get_xy().mean(axis=0) / SIDE - 0.5).astype(int)): square.get_facecolor()
        for square in squares
    }
    assert all(shades[i, j] != shades[i + 1, j] for i in range(2) for j in range(3)), "neighbours differ"
    circles = [patch for patch in ax.patches if type(patch).__name__ == "Circle"]
    black = [circle for circle in circles if circle.get_facecolor()[:3] != (1.0, 1.0, 1.0)]
    assert len(black) == (np.abs(made.somata[:, 2] - 13) < 3).sum()
    rings = {tuple(np.round(circle.center, 3)) for circle in circles} - {
        tuple(np.round(circle.center, 3)) for circle in black
    }
    assert rings == {(11.0, 11.0), (51.0, 51.0)}


def test_distributions_stand_beside_the_configured_ones(written: tuple[Any, SmallGlia]) -> None:
    lake, made = written
    wanted = configured(lake.head, "g")
    assert wanted["endfeet"] == Configured(2.0, 2.0, 0.0, 15.0, whole=True)
    assert set(wanted) == {"radius", "overlap", "endfeet", "area", "thickness"}
    figure = nl.plot(lake, "glia-distributions")
    ax = next(ax for ax in figure.axes if ax.get_xlabel() == "Endfeet of an astrocyte")
    bars = [patch.get_height() for patch in ax.patches if type(patch).__name__ == "Rectangle"]
    counts = np.bincount(np.bincount(made.endfeet[:, 0], minlength=27))
    np.testing.assert_allclose(bars, counts / 27)
    assert "as configured" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_configured_shares_are_those_of_the_truncated_normal() -> None:
    from scipy.stats import truncnorm

    one = Configured(5.6, 0.74, 4.0, 6.0)
    edges = np.linspace(3, 7, 30)
    other = truncnorm((4.0 - 5.6) / 0.74, (6.0 - 5.6) / 0.74, 5.6, 0.74)
    np.testing.assert_allclose(one.shares(edges), np.diff(other.cdf(edges)), atol=1e-12)
    assert Configured(0.1, 0.0).shares(np.array([0, 0.05, 0.15])).tolist() == [0, 1]


def test_an_astrocyte_has_its_synapses_and_endfeet(written: tuple[Any, SmallGlia]) -> None:
    lake, made = written
    (ax,) = nl.plot(lake, "astrocyte", node=0).axes
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    assert f"synapses ({(made.neuroglial[:, 0] == 0).sum()})" in told
    assert f"endfeet ({(made.endfeet[:, 0] == 0).sum()})" in told
    assert {"domain (10,648 µm³)", "perivascular", "perisynaptic", "vessels", "soma"} <= set(told)


def test_a_circuit_with_somata_alone_is_drawn(tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake", durable=False)
    cells = {"node_id": [0, 1], "x": [0.0, 5.0], "y": [0.0, 6.0], "z": [0.0, 7.0]}
    with lake.transaction("Write") as tx:
        tx.write_table("nodes/g/astrocytes", pa.table(cells))
    assert nl.plot(lake, "astrocyte", node=1).axes
    assert nl.plot(lake, "glia-distributions").axes[0].get_xlabel() == "Nearest soma (µm)"
    with pytest.raises(nl.NotFoundError, match="has no domains"):
        nl.plot(lake, "domains")
    with pytest.raises(nl.NotFoundError, match="has no vasculature"):
        nl.plot(lake, "vessels")
    with pytest.raises(nl.NotFoundError, match="no astrocyte 2; there are 0 to 1"):
        nl.plot(lake, "astrocyte", node=2)


def test_what_cannot_be_drawn_is_told(written: tuple[Any, SmallGlia]) -> None:
    with pytest.raises(nl.InputError, match="no domain is at z = 99 µm; they are from -1 to 61 µm"):
        nl.plot(written[0], "domains", level=99.0)
    with pytest.raises(nl.InputError, match="axis is 'w'; expected x, y or z"):
        nl.plot(written[0], "domains", axis="w")
