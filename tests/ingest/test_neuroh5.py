"""NeuroH5: what files become, compared with a reader of the specification; what comes out again; what files may share."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from lake_vocabulary import strangers
from neuroh5_checks import by_cell, check_cells, check_edges, check_trees, rows
from neuroh5_files import (
    POPULATIONS,
    contents,
    read_network,
    tree,
    write_attribute,
    write_coordinates,
    write_edges,
    write_network,
    write_synapses,
    write_trees,
    write_types,
)

import neurolake as nl
from neurolake.ingest.neuroh5.export import export_neuroh5
from neurolake.ingest.neuroh5.ingest import ingest_neuroh5
from neurolake.lake.errors import IngestError, InputError


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    return nl.create(tmp_path / "lake", durable=False)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    (tmp_path / "files").mkdir()
    return write_network(tmp_path / "files")


def refused(lake: Any, paths: Any, match: str, **options: Any) -> IngestError:
    """The error of an ingest that leaves nothing behind."""
    before = lake.head.commit.id
    with pytest.raises(IngestError, match=match) as caught:
        ingest_neuroh5(lake, paths, name="net", **options)
    assert lake.head.commit.id == before
    return caught.value


# What files become


def test_every_value_arrives(lake: Any, files: list[Path]) -> None:
    report = ingest_neuroh5(lake, files, name="net")
    assert len(report.added) == 8 and list(strangers(lake)) == [] and report.complete
    seen = {table for path in files for table in check_cells(lake, path)}
    assert {table.split("/")[0] for table in seen} == {"nodes", "synapses", "spikes", "inputs", "features"}
    assert check_trees(lake, files[2]) == 7
    assert check_edges(lake, files[3]) == {("STIM", "PYR"): 6, ("PYR", "PYR"): 3, ("PYR", "INT"): 0}
    assert [row["gid"] for row in rows(lake, "nodes/net/INT")] == [4, 5, 6]
    assert [row["gid"] for row in rows(lake, "nodes/net/PYR")] == [7, 8, 9, 10, 11]
    assert rows(lake, "circuits/net.populations") == [
        {"population": "STIM", "label": 0, "start": 0, "count": 4},
        {"population": "INT", "label": 7, "start": 4, "count": 3},
        {"population": "PYR", "label": 100, "start": 7, "count": 5},
    ]
    assert rows(lake, "circuits/net.layers") == [{"layer": "SO", "label": 0}, {"layer": "SP", "label": 1}]
    assert {"source": "INT", "target": "INT", "kind": "electrical"} in rows(lake, "circuits/net.projections")
    (circuit,) = rows(lake, "circuits")
    assert circuit["format"] == "neuroh5" and circuit["nodes"] == 12 and circuit["edges"] == 6 + 3 + 2


def test_reals_stay_single(lake: Any, files: list[Path]) -> None:
    ingest_neuroh5(lake, files, name="net")
    for table, columns in {
        "nodes/net/PYR": "x y z u v l u_distance v_distance",
        "synapses/net/PYR": "section_pos soma_distance",
        "morphologies/net.points": "x y z diameter",
        "edges/net/STIM__PYR": "distance",
        "spikes/net/INT": "time",
        "inputs/net/Input Spikes A Diag/STIM": "time",
        "trajectories/net/A Diag": "time x y distance",
    }.items():
        schema = lake.head.tables[table].schema()
        assert {str(schema.field(column).type) for column in columns.split()} == {"float"}, table
    report = lake.head.arrays["reports/net/Intracellular soma v/INT"]
    assert report.dtype == lake.head.arrays["lfp/net/electrodes"].dtype == np.float32


def test_trees_are_stored_once(lake: Any, files: list[Path]) -> None:
    ingest_neuroh5(lake, files, name="net")
    names = [row["morphology"] for row in rows(lake, "nodes/net/PYR")]
    assert names == [names[0], names[1], names[0], names[1], names[1]] and names[0] != names[1]
    assert [row["morphology"] for row in rows(lake, "nodes/net/INT")][2] == names[1]
    assert rows(lake, "nodes/net/INT")[1]["morphology"] is None
    points = rows(lake, "morphologies/net.points")
    assert len({row["morphology"] for row in points}) == 3 and len(points) == 10 + 10 + 14


def test_gap_junctions(lake: Any, files: list[Path]) -> None:
    ingest_neuroh5(lake, files, name="net")
    edges = rows(lake, "edges/net/INT__INT__electrical")
    assert [row["source_node_id"] for row in edges] == [1, 2]
    assert [row["afferent_section_pos"] for row in edges] == [1.0, 2.0]
    assert [row["Coupling strength.Source"] for row in edges] == [0.25, 0.5]


def test_recordings_have_one_axis_of_time(lake: Any, files: list[Path]) -> None:
    """Rows of a cell follow each other, whatever cells stand between; times are there once."""
    ingest_neuroh5(lake, files, name="net")
    read = read_network(files[7])["cells"]
    report = nl.circuit(lake, "net").reports["Intracellular soma v/INT"]
    assert report.node_ids.tolist() == [0, 2] and report.dt == 0.1 and report.t_start == -2.0
    data, _, _ = report.get()
    for column, cell in enumerate((0, 2)):
        assert data[:, column].tolist() == read["INT", "Intracellular soma", "v"][cell]
    axis = lake.head.arrays["reports/net/Intracellular soma v/INT.time"][:]
    assert axis.tolist() == read["INT", "Intracellular soma", "t"][2]
    potentials = lake.head.arrays["lfp/net/electrodes"]
    with h5py.File(files[7]) as file:
        for column in range(2):
            assert (
                potentials[:, column].tolist()
                == file[f"Local Field Potential Electrode {column}/v"][()].tolist()
            )
    assert [row["name"] for row in rows(lake, "lfp/net/electrodes.electrodes")] == [
        "Electrode 0",
        "Electrode 1",
    ]


def test_different_axes_of_time_are_kept_as_lists(lake: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "r.h5", "w") as file:
        write_types(file)
        root = "Populations/INT/Intracellular soma"
        write_attribute(file, f"{root}/t", [0, 1], [[0.0, 0.1], [0.0, 0.2]], "<f4")
        write_attribute(file, f"{root}/v", [0, 1], [[1.0, 2.0], [3.0, 4.0]], "<f4")
        for electrode, times in enumerate(([0.0, 0.1], [0.0, 0.3])):
            file[f"Local Field Potential {electrode}/t"] = np.array(times, "f4")
            file[f"Local Field Potential {electrode}/v"] = np.array(times, "f4")
    report = ingest_neuroh5(lake, tmp_path / "r.h5", name="net")
    assert "cells are recorded at different times" in report.notices[0]
    assert by_cell(lake, "features/net/Intracellular soma/INT", "v") == {0: [1.0, 2.0], 1: [3.0, 4.0]}
    assert {"lfp/net/0", "lfp/net/1"} <= set(lake.head.arrays)


def test_metrics_of_vertices(lake: Any, tmp_path: Path) -> None:
    """NeuroH5's tools number cells of all populations together; the lake has them by population, and the file as it was."""
    path = tmp_path / "metrics.h5"
    with begun(path) as file:
        write_attribute(
            file, "Nodes/Vertex Metrics/Vertex indegree", [8, 2, 4, 7], [[5], [0], [3], [9]], "<u4"
        )
        group = file["Nodes/Vertex Metrics/Vertex indegree"]
        group.move("Cell Index", "Node Index")
    assert ingest_neuroh5(lake, path, name="net").notices == []
    for population, expected in (("STIM", {2: [0]}), ("INT", {0: [3]}), ("PYR", {0: [9], 1: [5]})):
        assert by_cell(lake, f"features/net/Vertex Metrics/{population}", "Vertex indegree") == expected
    export_neuroh5(lake.head, tmp_path / "out")
    assert contents(tmp_path / "out/metrics.h5") == contents(path)
    with h5py.File(path, "r+") as file:
        file["Nodes/Vertex Metrics/Vertex indegree/Node Index"][0] = 12
    assert "Node Index: id 12 at position 0, expected 0 to 11" in str(refused(lake, path, "Vertex indegree"))


# In and out


def test_files_come_out_as_they_went_in(lake: Any, files: list[Path], tmp_path: Path) -> None:
    ingest_neuroh5(lake, files, name="net")
    written = export_neuroh5(lake.head, tmp_path / "out", name="net")
    assert written.files == len(files)
    for path in files:
        assert contents(tmp_path / "out" / path.name) == contents(path), path.name


def test_again_does_nothing_and_further_files_add(lake: Any, files: list[Path], tmp_path: Path) -> None:
    other = nl.create(tmp_path / "other", durable=False)
    ingest_neuroh5(other, files, name="net")
    for path in files:
        assert ingest_neuroh5(lake, path, name="net").commit is not None
    again = ingest_neuroh5(lake, files[0].parent, name="net")
    assert again.commit is None and len(again.unchanged) == len(files)

    def tables(which: Any) -> dict[str, str]:
        rooms = ("circuits", "neuroh5")
        return {name: which.head.tree[name].digest for name in which.head if not name.startswith(rooms)}

    assert tables(lake) == tables(other)
    export_neuroh5(lake.head, tmp_path / "out")
    for path in files:
        assert contents(tmp_path / "out" / path.name) == contents(path), path.name


def test_the_front_door(tmp_path: Path, files: list[Path]) -> None:
    report = nl.ingest(tmp_path / "lake", files[0].parent, name="net")
    assert report.format == "neuroh5" and len(report.added) == 8
    assert nl.ingest(tmp_path / "lake", files[:2], name="net").commit is None
    written = nl.export(tmp_path / "lake", tmp_path / "out", format="neuroh5", name="net")
    assert written.files == 8
    with pytest.raises(InputError, match="one path at a time"):
        nl.ingest(tmp_path / "lake", files[:2], format="sonata")


def test_two_names_of_a_file(lake: Any, tmp_path: Path) -> None:
    """Files of one name in two folders are two files."""
    paths = []
    for at, namespace in enumerate(("Coordinates", "Generated Coordinates")):
        (tmp_path / str(at)).mkdir()
        paths.append(tmp_path / str(at) / "coords.h5")
        with h5py.File(paths[-1], "w") as file:
            write_types(file)
            write_coordinates(file, namespace)
    ingest_neuroh5(lake, paths, name="net")
    export_neuroh5(lake.head, tmp_path / "out")
    for name, path in zip(("coords.h5", "coords-2.h5"), paths, strict=True):
        assert contents(tmp_path / "out" / name) == contents(path)


# What files share, and where they disagree


def begun(path: Path, **options: Any) -> Any:
    file = h5py.File(path, "w")
    write_types(file, **options)
    return file


def test_files_that_disagree(lake: Any, tmp_path: Path) -> None:
    paths = [tmp_path / "a.h5", tmp_path / "b.h5"]

    def each(write: Any) -> list[Path]:
        for seed, path in enumerate(paths):
            with begun(path) as file:
                write(file, seed)
        return paths

    error = refused(
        lake,
        each(lambda f, n: write_coordinates(f, seed=n)),
        "L Coordinate/Attribute Value: cell 0 of INT has another l elsewhere",
    )
    assert error.path == str(paths[1])
    error = refused(
        lake, each(lambda f, n: write_synapses(f, "PYR", [0, 1], [2, 3], seed=n)), "something else than"
    )
    assert "/Populations/PYR/Synapse Attributes/swc_types/Attribute Value" in str(error)
    error = refused(
        lake, each(lambda f, n: write_trees(f, "PYR", [1], [tree(n)])), "cell 1 of PYR has another tree"
    )
    refused(
        lake,
        each(lambda f, n: write_edges(f, "PYR", "STIM", [(n, [[0]])])),
        "/Projections/PYR/STIM.* says something else",
    )
    with begun(paths[0]):
        pass
    with begun(paths[1], populations={**POPULATIONS, "INT": (7, 4)}):
        pass
    error = refused(lake, paths, "/H5Types/Populations")
    assert error.path == str(paths[1])


def test_what_the_lake_has_is_not_changed(lake: Any, tmp_path: Path) -> None:
    """Another ingest under the same name may add, and may not say something else."""
    for name, counts in (("a", [2, 3]), ("b", [2, 4])):
        with begun(tmp_path / f"{name}.h5") as file:
            write_synapses(file, "PYR", [0, 1], counts)
    ingest_neuroh5(lake, tmp_path / "a.h5", name="net")
    error = refused(lake, tmp_path / "b.h5", "says something else than 'synapses/net/PYR'")
    assert "choose another --name" in str(error)


def test_the_same_in_another_order_is_the_same(lake: Any, tmp_path: Path) -> None:
    with begun(tmp_path / "a.h5") as file:
        write_synapses(file, "PYR", [0, 1], [2, 3])
        write_edges(file, "PYR", "STIM", [(0, [[1], [2, 3]])])
    with begun(tmp_path / "b.h5") as file, h5py.File(tmp_path / "a.h5") as other:
        for name, group in other["Populations/PYR/Synapse Attributes"].items():
            values = group["Attribute Value"][()]
            path = f"Populations/PYR/Synapse Attributes/{name}"
            write_attribute(file, path, [1, 0], [values[2:], values[:2]], values.dtype.str)
        write_edges(file, "PYR", "STIM", [(1, [[2, 3]]), (0, [[1]])])
    ingest_neuroh5(lake, [tmp_path / "a.h5", tmp_path / "b.h5"], name="net")
    export_neuroh5(lake.head, tmp_path / "out")
    for name in ("a.h5", "b.h5"):
        assert contents(tmp_path / "out" / name) == contents(tmp_path / name)


# Steps that ran twice


def twice(path: Path) -> Path:
    with begun(path) as file:
        root = "Populations/PYR/Generated Coordinates/X Coordinate"
        write_attribute(file, root, [0, 1, 0, 1], [[1.0], [2.0], [3.0], [4.0]], "<f4")
    return path


def test_a_construction_that_ran_twice(lake: Any, tmp_path: Path) -> None:
    path = twice(tmp_path / "a.h5")
    error = refused(lake, path, "2 cells are there more than once, the first is cell 0")
    assert "/Populations/PYR/Generated Coordinates/X Coordinate/Cell Index" in str(error)
    for which, expected in (("first", {0: [1.0], 1: [2.0]}), ("last", {0: [3.0], 1: [4.0]})):
        ingest_neuroh5(lake, path, name=which, repeated=which)
        table = lake.head.tables[f"nodes/{which}/PYR"].to_arrow(["node_id", "x"]).to_pylist()
        assert {row["node_id"]: [row["x"]] for row in table if row["x"] is not None} == expected
    with pytest.raises(InputError, match="repeated is one of"):
        ingest_neuroh5(lake, path, repeated="both")


def test_connections_that_were_made_twice(lake: Any, tmp_path: Path) -> None:
    """The same destination in several blocks is how writers append; the same synapse twice is a step that ran twice."""
    told = {"Synapses/syn_id": ([0, 1, 2, 3], "<u4")}
    with begun(tmp_path / "more.h5") as file:
        write_edges(file, "PYR", "STIM", [(2, [[0, 1]]), (2, [[3, 3]])], told)
    ingest_neuroh5(lake, tmp_path / "more.h5", name="more")
    assert [row["edge_id"] for row in rows(lake, "edges/more/STIM__PYR")] == [0, 1, 2, 3]
    with begun(tmp_path / "twice.h5") as file:
        write_edges(
            file, "PYR", "STIM", [(2, [[0, 1]]), (2, [[3, 3]])], {"Synapses/syn_id": ([0, 1, 0, 1], "<u4")}
        )
    refused(lake, tmp_path / "twice.h5", "1 cells are there more than once, the first is cell 2")
    for which, sources in (("first", [0, 1]), ("last", [3, 3])):
        ingest_neuroh5(lake, tmp_path / "twice.h5", name=which, repeated=which)
        assert [row["source_node_id"] for row in rows(lake, f"edges/{which}/STIM__PYR")] == sources


def test_results_that_were_written_twice_are_told(lake: Any, tmp_path: Path) -> None:
    with begun(tmp_path / "r.h5") as file:
        root = "Populations/INT/Intracellular soma"
        for name in "tv":
            write_attribute(file, f"{root}/{name}", [0, 0], [[0.0, 0.1], [0.0, 0.1]], "<f4")
        trains = [[1.0, 2.0], [2.0], [1.0, 2.0], [3.0]]
        write_attribute(file, "Populations/INT/Spike Events/t", [0, 1, 0, 1], trains, "<f4")
        trials = [[0, 0], [0], [0, 0], [0]]
        write_attribute(file, "Populations/INT/Spike Events/Trial Index", [0, 1, 0, 1], trials, "u1")
        write_attribute(file, "Populations/INT/AMPA Spike Counts/PYR", [0, 0], [[1], [2]], "<u4")
    notices = ingest_neuroh5(lake, tmp_path / "r.h5", name="net").notices
    assert any("times go back" in line for line in notices)
    assert any("/Populations/INT/Spike Events: 2 spikes are there again" in line for line in notices)
    assert any("AMPA Spike Counts/PYR: cells are there more than once" in line for line in notices)
    assert by_cell(lake, "features/net/AMPA Spike Counts/INT", "PYR") == {0: [1, 2]}
