"""Trees that networks are built with: cut into sections as MiV-Simulator cuts them, and faults told by line."""

from pathlib import Path

import numpy as np
import pytest

import neurolake as nl
from neurolake.ingest.building.trees import read_trees_of
from neurolake.ingest.demo import write_demo_network

ROOT = "1 1 0 0 0 5 -1\n"


@pytest.mark.parametrize("population", ["PYR", "PVBC", "OLM"])
def test_trees_are_those_that_neurotrees_import_makes(shared_data: Path, population: str) -> None:
    h5py = pytest.importorskip("h5py")
    made = read_trees_of(shared_data / "miv_tutorial" / "morphology" / f"{population}.swc")
    with h5py.File(shared_data / "neuroh5" / "cells.h5") as file:
        trees = file[f"Populations/{population}/Trees"]

        def first(name: str) -> np.ndarray:
            low, high = trees[name]["Attribute Pointer"][:2]
            return np.asarray(trees[name]["Attribute Value"][low:high])

        for ours, theirs in (
            (made.x, "X Coordinate"), (made.y, "Y Coordinate"), (made.z, "Z Coordinate"), (made.type, "SWC Type"),
            (made.layer, "Point Layer"), (made.parent, "Parent Point"), (made.packed, "Section"),
            (made.link_parent, "Source Section"), (made.link_child, "Destination Section"),
        ):  # fmt: skip
            np.testing.assert_array_equal(ours, first(theirs), err_msg=theirs)
        np.testing.assert_array_equal(made.diameter, 2 * first("Radius"))
    made.check()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", r"no points: expected lines of number, type"),
        (ROOT + "2 3 1 0 0 1\n", r":2: expected number, type, x, y, z, radius, parent"),
        (ROOT + "2 3 1 0 nan 1 1\n", r":2: expected number, type"),
        (ROOT + "1 3 1 0 0 1 1\n", r":2: the number 1 stands in the file already|:2: the number 1 is .*already"),
        (ROOT + "2 3 1 0 0 -1 1\n", r":2: a radius of -1 µm is below zero"),
        (ROOT + "2 3 1 0 0 1 9\n", r":2: its parent 9 is not in the file"),
        (ROOT + "# more\n\n2 3 1 0 0 1 -1\n", r":4: a second root"),
        ("1 1 0 0 0 5 2\n2 1 1 0 0 5 1\n", r":1: no point is the root"),
        (ROOT + "2 3 1 0 0 1 1\n3 3 2 0 0 1 4\n4 3 3 0 0 1 3\n", r":3: this point is above itself in the tree"),
    ],
)  # fmt: skip
def test_faults_of_swc_are_told_by_line(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "cell.swc").write_text(text)
    with pytest.raises(nl.IngestError, match=reason):
        read_trees_of(tmp_path / "cell.swc")


def test_parents_may_come_after_their_children(tmp_path: Path) -> None:
    (tmp_path / "cell.swc").write_text(ROOT + "2 3 2 0 0 1 3 7\n3 3 1 0 0 1 1 6\n")
    made = read_trees_of(tmp_path / "cell.swc")
    assert made.parent.tolist() == [-1, 2, 0] and made.layer.tolist() == [-1, 7, 6]
    assert made.packed.tolist() == [2, 1, 0, 2, 2, 1]


def test_morphio_reads_the_same_tree_of_another_format(tmp_path: Path) -> None:
    morphio = pytest.importorskip("morphio")
    folder = write_demo_network(tmp_path / "files").parent
    morphio.mut.Morphology(str(folder / "PYR.swc")).write(str(tmp_path / "PYR.h5"))
    swc, h5 = read_trees_of(folder / "PYR.swc"), read_trees_of(tmp_path / "PYR.h5")
    for one in (swc, h5):
        one.check()
    assert sorted(zip(h5.x.tolist(), h5.y.tolist(), h5.z.tolist(), strict=True)) == sorted(
        zip(swc.x.tolist(), swc.y.tolist(), swc.z.tolist(), strict=True)
    )
    with pytest.raises(nl.IngestError, match="not a morphology"):
        (tmp_path / "bad.asc").write_text("(nothing")
        read_trees_of(tmp_path / "bad.asc")
