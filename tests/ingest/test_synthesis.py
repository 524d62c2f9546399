"""NeuroTS in an environment of its own: what it is given, what of it is kept, and what is told where it fails."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from neurots_stub import stub_environment
from scipy.spatial import ConvexHull
from typer.testing import CliRunner

from neurolake.cli import app
from neurolake.ingest.synthesis import environment as places
from neurolake.ingest.synthesis.cells import Grounds, neurots_cells, parameter_texts
from neurolake.ingest.synthesis.worker import DomainWall, _cloud, _trunks
from neurolake.kernels.glia.growth import GrownCells
from neurolake.kernels.glia.planes import domain_planes
from neurolake.lake.errors import InputError


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment whose Python is a stub; the file that it logs to."""
    monkeypatch.setenv(places.PLACE, str(tmp_path / "environment"))
    return stub_environment(tmp_path / "environment")


def grounds(n: int, radius: float = 5.0) -> Grounds:
    """Cells in a row with a foot each, and as many synapses as their number."""
    hulls = [
        ConvexHull(np.random.default_rng(k).normal(0, 20, (12, 3)) + np.array([60 * k, 0, 0]))
        for k in range(n)
    ]
    planes = domain_planes(
        np.concatenate([hull.points for hull in hulls]),
        np.concatenate([hull.simplices for hull in hulls]),
        12 * np.arange(n + 1),
        np.concatenate([[0], np.cumsum([len(hull.simplices) for hull in hulls])]),
    )
    somata = np.array([[60.0 * k, 0, 0] for k in range(n)])
    synapses = np.concatenate(
        [np.zeros((0, 3)), *(somata[k] + np.random.default_rng(k).normal(0, 6, (k, 3)) for k in range(n))]
    )
    offsets = np.concatenate([[0], np.cumsum(np.arange(n))])
    return Grounds(
        planes,
        somata,
        np.full(n, radius),
        (somata + np.array([9.0, 0, 0]), np.arange(n + 1)),
        (synapses, offsets),
        np.arange(n),
    )


def grown(cells: int, texts: dict[str, str] | None = None, seed: int = 1, **more: Any) -> GrownCells:
    return neurots_cells(grounds(cells, **more), texts or {"parameters": "{}"}, seed=seed, processes=2)


def test_each_cell_is_grown_once_for_what_it_grows_from(stub: Path) -> None:
    first = grown(12)
    assert sorted(map(float, stub.read_text().split())) == [60.0 * k for k in range(12)]
    np.testing.assert_array_equal(first.parent, [-1, 0] * 12)
    np.testing.assert_array_equal(first.cells, 2 * np.arange(13))
    np.testing.assert_array_equal(first.points[:3], [[0, 0, 0], [4.5, 0, 0], [9, 0, 0]])
    again = grown(14)
    assert len(stub.read_text().split()) == 14, "two more cells"
    np.testing.assert_array_equal(again.points[: len(first.points)], first.points)
    grown(3, seed=2)
    grown(3, {"parameters": "{ }"})
    assert len(stub.read_text().split()) == 20, "another seed, and other parameters"


def test_a_cell_that_cannot_grow_is_named_and_the_others_are_kept(stub: Path) -> None:
    some = grounds(3)
    with pytest.raises(InputError, match="could not grow astrocyte 2: it is too large"):
        neurots_cells(some._replace(radii=np.array([5.0, 5.0, 60.0])), {}, seed=1)
    neurots_cells(some, {}, seed=1)
    assert stub.read_text().split().count("0.0") == 1


def test_without_the_environment_the_command_that_makes_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(places.PLACE, str(tmp_path / "none"))
    with pytest.raises(InputError, match="neurolake synthesis install"):
        grown(1)
    shown = CliRunner().invoke(app, ["synthesis", "show"])
    assert shown.exit_code == 0 and "not installed" in shown.output


def test_a_parameter_file_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "tns_parameters.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"tns_distributions\.json is missing"):
        parameter_texts(tmp_path)


# What NeuroTS is given


def job() -> dict[str, Any]:
    """A cube of 40 µm, longer along x, with its soma in the middle."""
    half = np.array([30.0, 20, 20])
    normals = np.concatenate([np.eye(3), -np.eye(3)])
    return {
        "soma": np.zeros(3),
        "points": normals * half.max(),
        "normals": normals,
        "low": -half,
        "high": half,
        "centroid": np.zeros(3),
        "synapses": np.ones((10, 3)),
    } | {"points": np.concatenate([np.diag(half), -np.diag(half)])}


def test_trunks_are_apart_from_each_other_and_from_endfeet() -> None:
    ways, lengths = _trunks(job(), 6, np.array([[9.0, 0, 0]]))
    np.testing.assert_allclose(np.linalg.norm(ways, axis=1), 1)
    assert ways[0, 0] < -0.9, "away from the endfoot"
    apart = np.arccos(np.clip(ways @ ways.T, -1, 1))[np.triu_indices(6, 1)]
    assert apart.min() > 0.5
    assert (lengths >= 20 - 1e-9).all() and lengths.max() <= np.linalg.norm([30, 20, 20]) + 1e-9


def test_points_to_colonise_are_synapses_and_random_ones_of_the_enlarged_domain() -> None:
    cloud = _cloud(job(), np.random.default_rng(0))
    volume = 1.5**3 * 60 * 40 * 40
    assert len(cloud) == pytest.approx(1.1 * volume, rel=0.01)
    np.testing.assert_array_equal(cloud[:10], np.ones((10, 3)))
    assert (np.abs(cloud) <= 1.5 * np.array([30, 20, 20]) + 1e-4).all()
    assert len(_cloud(job() | {"synapses": np.zeros((0, 3))}, np.random.default_rng(0))) == 0


def test_processes_stop_outside_of_the_domain_the_sooner_the_farther() -> None:
    told = job()
    wall = DomainWall(told["points"], told["normals"], np.random.default_rng(0))
    stops = [np.mean([wall(np.array([x, 0, 0]), 1.0) for _ in range(4000)]) for x in (29.0, 40.0, 130.0)]
    assert stops[0] == 0
    assert stops[1:] == pytest.approx([1 - np.exp(-0.1), 1 - np.exp(-1)], abs=0.04)


def test_neurots_grows_cells_to_their_endfeet(shared_data: Path, tmp_path: Path) -> None:
    if places.interpreter() is None:
        pytest.skip(f"NeuroTS is not installed in {places.environment()}: neurolake synthesis install")
    source = shared_data / "ngv" / "bioname"
    for name in ("parameters", "context"):
        (tmp_path / f"tns_{name}.json").write_text((source / f"tns_{name}.json").read_text(encoding="utf-8"))
    packed = (source / "tns_distributions.json.gz").read_bytes()
    (tmp_path / "tns_distributions.json").write_bytes(gzip.decompress(packed))
    some = grounds(3)
    cells = neurots_cells(some, parameter_texts(tmp_path), seed=3)
    sizes = np.diff(cells.offsets)
    assert (sizes[cells.type != 1] >= 2).all() and len(cells.cells) == 4
    for c in range(3):
        rows = np.arange(cells.cells[c], cells.cells[c + 1])
        assert cells.parent[rows[0]] == -1 and len(rows) > 10
        ends = cells.points[cells.offsets[rows + 1] - 1][cells.type[rows] == 2]
        away = np.linalg.norm(ends + some.somata[c] - some.feet[0][c], axis=1)
        assert away.min() < 1e-3
