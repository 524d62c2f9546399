"""Reticulum of astrocytes: that of the measured tree which is most like theirs, as ArchNGV gives it."""

import gzip
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from ngv_data import opened

from neurolake.ingest.glia.shapes import measured_bars
from neurolake.kernels.shapes.reticulum import Bar, reticulum_of


def test_five_astrocytes_have_archngvs_reticulum(shared_data: Path) -> None:
    folder = shared_data / "ngv"
    file = folder / "bioname" / "er_data.json.gz"
    measured = measured_bars(gzip.decompress(file.read_bytes()), file)
    for cell in range(5):
        with opened(folder / "functional_expected" / "morphologies" / f"GLIA_{cell:013d}.h5") as shape:
            points, structure = shape["points"][:, :3].astype(float), shape["structure"][:]
            told = {name: values[:] for name, values in shape["organelles/endoplasmic_reticulum"].items()}
        bounds = np.append(structure[:, 0], len(points))
        lengths = np.array(
            [
                np.linalg.norm(np.diff(points[begin:end], axis=0), axis=1).sum()
                for begin, end in pairwise(bounds)
            ]
        )
        found = reticulum_of(lengths, structure[:, 2], [0, len(structure)], measured)
        # ArchNGV numbers sections before it puts the perivascular trees first.
        kind = structure[1:, 1]
        place = np.empty(len(kind), np.int64)
        place[np.lexsort((np.arange(len(kind)), kind != 3))] = np.arange(len(kind))
        order = np.argsort(place[found.section - 1])
        np.testing.assert_array_equal(place[found.section - 1][order], told["section_index"])
        for at, name in enumerate(("surface_area", "volume", "filament_count")):
            np.testing.assert_allclose(found.values[order, at], told[name], rtol=1e-5)


def test_bars_are_matched_by_rank_and_sections_by_path_distance() -> None:
    # A soma, and a tree of a stem of 10 and branches of 5 and 20, of which the longer one parts into 1 and 3.
    lengths, parent = [0.0, 10, 5, 20, 1, 3], [-1, 0, 1, 1, 3, 3]
    none = np.full((1, 1), np.nan)
    measured = [
        [Bar(100.0, np.array([1.0]), none)],
        [
            Bar(50.0, np.array([40.0, 30.0, 8.0]), np.array([[1.0], [2.0], [3.0]])),
            Bar(7.0, np.array([9.0]), np.array([[4.0]])),
            Bar(6.0, np.array([9.0]), none),
        ],
    ]
    found = reticulum_of(lengths, parent, [0, 6], measured)
    # The bars of 1 µm, of 5 µm and of 33 µm, whose sections end at 33, 30 and 10 µm.
    np.testing.assert_array_equal(found.section, [1, 2, 3, 5])
    np.testing.assert_array_equal(found.values[:, 0], [2, 4, 2, 1])


def test_without_measured_trees_it_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing is measured"):
        reticulum_of([0.0], [-1], [0, 1], [])
