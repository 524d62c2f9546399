"""Networks built in a lake: what comes out, what is computed again after a change, and what a stopped build leaves."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dask
import numba
import numpy as np
import pytest
import yaml
from command_line import Command
from deadly_workers import Deadly
from distributed import Client, LocalCluster

import neurolake as nl
from neurolake.ingest.building.configuration import SEEDS
from neurolake.ingest.demo import NETWORK, write_demo_network
from neurolake.lake.nodes.content import content

TUTORIAL = Path("miv_tutorial", "config", "Microcircuit_Small.yaml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the example's files."""
    return write_demo_network(tmp_path_factory.mktemp("example") / "files").parent


@pytest.fixture(scope="module")
def built(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    """A lake with the example, for reading only, and what building it told."""
    lake = tmp_path_factory.mktemp("built") / "lake"
    return str(lake), nl.build.network(lake, folder / "network.yaml", "net")


def config(folder: Path) -> dict[str, Any]:
    """The example as a mapping, with its trees by their whole path."""
    found: dict[str, Any] = yaml.safe_load(NETWORK)
    for population in ("PYR", "PVBC"):
        found["Cell Types"][population]["morphology"] = str(folder / f"{population}.swc")
    return found


def contents(lake: Any, circuit: str, ref: str = "main") -> dict[str, str]:
    """Content of all nodes of a circuit, by name without the circuit's."""
    tree = lake.at(ref).tree
    names = [name for name in tree if f"/{circuit}/" in name or f"/{circuit}." in name]
    return {name.replace(circuit, "*", 1): content(tree, name) for name in names}


def states(report: Any) -> dict[str, str]:
    return {step.step: step.state for step in report.steps}


# What comes out


def test_the_example_has_the_cells_that_it_asks_for(built: tuple[str, Any]) -> None:
    lake, report = nl.open(built[0]), built[1]
    assert report.nodes == {"STIM": 20, "PYR": 60, "PVBC": 8}
    assert set(states(report).values()) == {"computed"}
    rows = lake.head.sql('select layer, count(*) from "nodes/net/PVBC" group by 1 order by 1').fetchall()
    assert rows == [(5, 2), (6, 6)]
    gids = lake.head.sql('select min(gid), max(gid) from "nodes/net/PYR"').fetchall()
    assert gids == [(20, 79)]
    cells = np.concatenate(
        [np.array(lake.head.sql(f'select x, y, z from "nodes/net/{p}"').fetchall()) for p in report.nodes]
    )
    gaps = np.linalg.norm(cells[:, None] - cells[None], axis=2) + 1e9 * np.eye(len(cells))
    # Places are kept as float32.
    assert gaps.min() > 10 - 1e-3
    order = lake.head.sql('select u from "nodes/net/PYR" order by node_id').fetchall()
    assert order == sorted(order)


def test_the_tables_fit_together(built: tuple[str, Any]) -> None:
    circuit = nl.circuit(built[0], "net")
    checks = circuit.check()
    assert len(checks) > 25 and all(check.passed for check in checks), [
        str(c) for c in checks if not c.passed
    ]
    (row,) = circuit.snapshot.sql("select name, format, seed, nodes, edges from circuits").fetchall()
    assert row == ("net", "network", 0, 88, sum(built[1].edges.values()))
    kept = json.loads(circuit.snapshot.files["circuits/net.configuration"])
    assert kept["Geometry"]["Minimum Distance"] == 10


def test_every_synapse_has_the_source_that_its_place_allows(built: tuple[str, Any]) -> None:
    head = nl.open(built[0]).head
    total = head.sql('select count(*) from "synapses/net/PYR"').fetchall()[0][0]
    edges = sum(head.tables[f"edges/net/{source}__PYR"].rows for source in ("STIM", "PYR", "PVBC"))
    assert edges == total
    share = head.sql(
        """
        select s.swc_type, s.layer, s.type, count(*) from "edges/net/STIM__PYR" as e
        join "synapses/net/PYR" as s on s.node_id = e.target_node_id and s.synapse_id = e.synapse_id group by all
        """
    ).fetchall()
    assert {(section, layer, kind) for section, layer, kind, _ in share} == {(4, 8, 0), (4, 9, 0), (3, 5, 0)}
    counts = {(section, layer): count for section, layer, _, count in share}
    places = head.sql(
        'select swc_type, layer, count(*) from "synapses/net/PYR" where type = 0 group by all'
    ).fetchall()
    for section, layer, count in places:
        chance = {(4, 8): 0.6, (4, 9): 1.0, (3, 5): 0.4}[section, layer]
        assert abs(counts[section, layer] - chance * count) <= 4 * np.sqrt(count * chance * (1 - chance))


def test_distances_are_those_of_the_cells(built: tuple[str, Any]) -> None:
    head = nl.open(built[0]).head
    worst = head.sql(
        """
        select max(abs(e.distance - abs(a.u_distance - b.u_distance) - abs(a.v_distance - b.v_distance)))
        from "edges/net/PYR__PVBC" as e join "nodes/net/PYR" as a on a.node_id = e.source_node_id
        join "nodes/net/PVBC" as b on b.node_id = e.target_node_id
        """
    ).fetchall()[0][0]
    assert worst < 1e-3
    assert head.sql('select max(abs(u_distance - u + 250)) from "distances/net/PYR" join "positions/net/PYR" using (node_id)').fetchall()[0][0] < 1e-3  # fmt: skip


def test_inputs_have_their_rates(built: tuple[str, Any]) -> None:
    head = nl.open(built[0]).head
    kinds = dict(
        head.sql('select type, count(*) from "features/net/Selectivity A/STIM" group by 1').fetchall()
    )
    assert set(kinds) <= {"constant", "receptive field"} and sum(kinds.values()) == 20
    rows = head.sql(
        """
        select count(*), min(time), max(time), count(distinct trial) from "inputs/net/Input Spikes A Diag/STIM"
        join "features/net/Selectivity A/STIM" using (node_id) where type = 'constant'
        """
    ).fetchall()[0]
    seconds = 2 * np.hypot(100, 100) / 100
    assert rows[1] >= -100 and rows[2] <= 1000 * seconds / 2 and rows[3] == 2
    expected = kinds["constant"] * 10 * (seconds + 2 * 0.05)
    assert abs(rows[0] - expected) < 5 * np.sqrt(expected)


def test_circuits_are_asked(built: tuple[str, Any]) -> None:
    circuit = nl.circuit(built[0], "net")
    found = circuit.connectivity().set_index(["source", "target"])
    assert len(found) == 6 and found.loc[("STIM", "PYR"), "in_degree"] == pytest.approx(
        found.loc[("STIM", "PYR"), "edges"] / 60
    )
    projection = circuit.projections["PYR__PYR"]
    ends = projection.table.to_arrow(["source_node_id", "target_node_id"]).to_pandas().to_numpy()
    for side, column in (("source", 0), ("target", 1)):
        degrees = projection.degrees(side)
        np.testing.assert_array_equal(degrees["edges"], np.bincount(ends[:, column], minlength=60))
        partners = [len(set(ends[ends[:, column] == node][:, 1 - column])) for node in range(60)]
        np.testing.assert_array_equal(degrees["partners"], partners)
    matrix = np.zeros((60, 60), bool)
    matrix[ends[:, 0], ends[:, 1]] = True
    both = int((matrix & matrix.T & ~np.eye(60, dtype=bool)).sum()) // 2
    one = int(np.triu(matrix ^ matrix.T).sum())
    assert projection.motifs() == {
        "none": 60 * 59 // 2 - both - one, "one": one, "both": both, "self": int(matrix.trace())
    }  # fmt: skip
    shared = projection.shared_inputs().set_index(["first", "second"])["shared"]
    assert shared[0, 1] == int((matrix[:, 0] & matrix[:, 1]).sum())
    histogram = projection.distances(100.0)
    assert histogram["edges"].sum() == len(ends)
    reached = circuit.reached("STIM", 0, 1)
    direct = set(circuit.projections["STIM__PYR"].table.to_arrow(["source_node_id", "target_node_id"]).to_pandas().query("source_node_id == 0")["target_node_id"])  # fmt: skip
    assert set(reached.query("population == 'PYR'")["node_id"]) == direct
    with pytest.raises(nl.InputError, match="connects two populations"):
        circuit.projections["STIM__PYR"].motifs()


def test_a_cell_has_its_tree_where_it_is(built: tuple[str, Any], folder: Path) -> None:
    circuit = nl.circuit(built[0], "net")
    points = circuit.morphology("PYR", 7)
    rows = np.loadtxt(folder / "PYR.swc")
    soma = circuit.nodes["PYR"].to_arrow(where=None).to_pylist()[7]
    assert len(points) >= len(rows)
    first = points.iloc[0]
    assert first[["x", "y", "z"]].to_numpy(float) == pytest.approx(
        rows[0, 2:5] + [soma["x"], soma["y"], soma["z"]], abs=1e-3
    )
    assert first["diameter"] == pytest.approx(2 * rows[0, 5])
    with pytest.raises(nl.NotFoundError, match="no cell 99"):
        circuit.morphology("PYR", 99)
    with pytest.raises(nl.NotFoundError, match="STIM have no trees"):
        circuit.morphology("STIM", 0)


# What is computed again


def test_a_second_build_computes_nothing(built: tuple[str, Any], folder: Path) -> None:
    before = nl.open(built[0]).head.commit.id
    again = nl.build.network(built[0], folder / "network.yaml", "net")
    assert set(states(again).values()) == {"unchanged"} and again.commit is None
    assert nl.open(built[0]).head.commit.id == before
    assert list(nl.open(built[0]).branches) == ["main"]


def test_a_change_makes_anew_what_follows_from_it(folder: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    changed = config(folder)
    nl.build.network(lake, changed, "net")
    changed["Connection Generator"]["Axon Extent"]["PVBC"]["default"]["width"] = [500, 500]
    report = nl.build.network(lake, changed, "net")
    assert {step for step, state in states(report).items() if state == "computed"} == {
        "edges to PYR",
        "edges to PVBC",
    }
    changed["Cell Types"]["PVBC"]["synapses"]["density"]["soma"]["inhibitory"]["default"]["mean"] = 0.6
    report = nl.build.network(lake, changed, "net")
    assert {step for step, state in states(report).items() if state == "computed"} == {
        "synapses of PVBC", "edges to PVBC"
    }  # fmt: skip
    # Whoever builds what was there before, under another name or on another branch, finds it.
    old = nl.open(lake)
    assert set(states(nl.build.network(lake, changed, "twin")).values()) == {"found"}
    assert contents(old, "net") == contents(old, "twin")
    old.branches.create("side", "main~3")
    report = nl.build.network(lake, changed, "net", branch="side")
    assert "computed" not in states(report).values()
    assert contents(old, "net", "side") == contents(old, "net")


def test_what_is_built_no_more_is_removed(folder: Path, tmp_path: Path) -> None:
    changed = config(folder)
    nl.build.network(tmp_path / "lake", changed, "net")
    del changed["Connection Generator"]["Synapses"]["PVBC"]["PVBC"]
    del changed["Cell Types"]["PVBC"]["synapses"]["density"]["soma"]
    nl.build.network(tmp_path / "lake", changed, "net")
    head = nl.open(tmp_path / "lake").head
    assert not [name for name in head if "PVBC__PVBC" in name]
    assert [name for name in head if "PYR__PVBC" in name]


def test_only_some_steps(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(nl.NotFoundError, match=r"there is no 'positions/net/STIM': the step that makes it"):
        nl.build.network(tmp_path / "lake", folder / "network.yaml", "net", only=["distances"])
    report = nl.build.network(tmp_path / "lake", folder / "network.yaml", "net", only=["types", "positions"])
    assert len(report.steps) == 4
    report = nl.build.network(tmp_path / "lake", folder / "network.yaml", "net", only=["distances"])
    assert len(report.steps) == 3 and "positions/net/PYR" in nl.open(tmp_path / "lake").head
    with pytest.raises(nl.InputError, match="there is no step 'edges'; steps are types"):
        nl.build.network(tmp_path / "lake", folder / "network.yaml", "net", only=["edges"])


def test_the_seed_decides(built: tuple[str, Any], folder: Path, tmp_path: Path) -> None:
    nl.build.network(tmp_path / "lake", folder / "network.yaml", "net", seed=1)
    one, other = contents(nl.open(built[0]), "net"), contents(nl.open(tmp_path / "lake"), "net")
    assert one.keys() == other.keys()
    same = {name for name in one if one[name] == other[name]}
    assert not any(name.startswith(("positions/", "synapses/", "edges/", "inputs/")) for name in same)
    assert "morphologies/*.points" in same


def test_every_step_has_the_seed_of_its_name(folder: Path, tmp_path: Path) -> None:
    """The names are MiV-Simulator's; one that is read under another name would do nothing, without a word."""
    follows = {
        "Soma Locations": "positions of PYR",
        "Synapse Locations": "synapses of PYR",
        "Synapse Projection Partitions": "edges to PYR",
        "Distance-Dependent Connectivity": "edges to PYR",
        "Input Selectivity": "features of STIM in A",
        "Input Spiketrains": "input spikes of STIM in A on Diag",
    }
    assert {*follows, "Gap Junctions"} == set(SEEDS)
    nl.build.network(tmp_path / "lake", config(folder), "net")
    for number, (name, step) in enumerate(follows.items(), 1):
        report = nl.build.network(
            tmp_path / "lake", {**config(folder), "Random Seeds": {name: number}}, f"net{number}"
        )
        found = [one for one, state in states(report).items() if state == "computed"]
        # Nothing before the step is computed: its kind comes first.
        assert step in found and step.split()[0] == found[0].split()[0]


def test_the_chain_of_steps_is_known(built: tuple[str, Any]) -> None:
    lake = nl.open(built[0])
    chain = lake.lineage("edges/net/STIM__PYR")

    def kernels(found: Any) -> set[str]:
        return {found.origin.kernel, *(kernel for part in found.inputs for kernel in kernels(part))}

    assert kernels(chain) == {
        "network.connections", "network.synapses", "network.nodes", "network.trees", "network.positions",
        "network.distances",
    }  # fmt: skip
    assert not any(made.stale for made in lake.derived())
    results = {made.name for made in lake.lineage("positions/net/PYR").results}
    assert {"nodes/net/PYR", "edges/net/STIM__PYR"} <= results


def test_a_stale_step_says_how_it_is_made_anew(folder: Path, tmp_path: Path) -> None:
    nl.build.network(tmp_path / "lake", folder / "network.yaml", "net")
    lake = nl.open(tmp_path / "lake")
    with lake.transaction("Move a cell") as tx:
        tx.write_table("positions/net/STIM", tx.table("positions/net/STIM").to_arrow().slice(1))
    assert {made.name for made in lake.derived() if made.stale} >= {"distances/net/STIM", "nodes/net/STIM"}
    left = lake.refresh().left
    assert "build that again" in left["distances/net/STIM"]
    report = nl.build.network(tmp_path / "lake", folder / "network.yaml", "net")
    assert {step for step, state in states(report).items() if state == "computed"} == {"positions of STIM"}
    assert not any(made.stale for made in nl.open(tmp_path / "lake").derived())


# Workers


def test_the_same_bits_with_one_two_and_a_cluster(
    built: tuple[str, Any], folder: Path, tmp_path: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = contents(nl.open(built[0]), "net")
    for name, options in (("two", {"processes": 2}), ("cluster", {"scheduler": scheduler})):
        lake = tmp_path / name
        nl.build.network(lake, folder / "network.yaml", "net", **options)  # type: ignore[arg-type]
        assert contents(nl.open(lake), "net") == one


STOPPED = """
import sys
import neurolake as nl
nl.build.network(sys.argv[1], sys.argv[2], "net", progress=lambda step: print(step, flush=True))
"""


@pytest.mark.skipif(os.name != "posix", reason="killing needs POSIX")
def test_a_killed_build_shows_nothing_and_goes_on(
    built: tuple[str, Any], folder: Path, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    nl.create(lake)
    command = [sys.executable, "-c", STOPPED, str(lake), str(folder / "network.yaml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("synapses of PVBC"):
                time.sleep(0.005)
                process.send_signal(signal.SIGKILL)
                break
    assert process.wait() == -signal.SIGKILL
    opened = nl.open(lake)
    assert len(opened.head) == 0 and not opened.verify().damages
    report = nl.build.network(lake, folder / "network.yaml", "net")
    found = states(report)
    assert found["positions of PYR"] == found["synapses of PYR"] == "found"
    assert found["edges to PYR"] == "computed"
    assert contents(nl.open(lake), "net") == contents(nl.open(built[0]), "net")
    assert list(nl.open(lake).branches) == ["main"]


# Faults, rules and gap junctions


def test_a_synapse_without_a_source_is_told_with_its_place(folder: Path, tmp_path: Path) -> None:
    wrong = config(folder)
    wrong["Connection Generator"]["Synapses"]["PYR"]["PVBC"] |= {
        "sections": ["apical", "soma"], "layers": ["SR", "default"], "proportions": [1, 1]
    }  # fmt: skip
    with pytest.raises(
        nl.InputError, match=r"no population is a source of inhibitory synapses on basal in layer S[OP]"
    ):
        nl.build.network(tmp_path / "lake", wrong, "net")
    assert len(nl.open(tmp_path / "lake").head) == 0


def test_synapses_beyond_all_axons_are_counted(folder: Path, tmp_path: Path) -> None:
    far = config(folder)
    far["Connection Generator"]["Axon Extent"]["PVBC"]["default"]["width"] = [40, 40]
    report = nl.build.network(tmp_path / "lake", far, "net")
    assert any("have no cell of PVBC within reach" in notice for notice in report.notices)
    assert all(check.passed for check in nl.circuit(tmp_path / "lake", "net").check())
    head = nl.open(tmp_path / "lake").head
    ids = head.sql('select edge_id from "edges/net/PVBC__PYR" order by 1').fetchnumpy()["edge_id"]
    np.testing.assert_array_equal(ids, np.arange(len(ids)))


def test_cells_that_find_no_room(folder: Path, tmp_path: Path) -> None:
    full = config(folder)
    full["Geometry"]["Minimum Distance"] = 200
    with pytest.raises(nl.InputError, match=r"Cell Distribution / STIM: layer SP has room for \d+ of 20"):
        nl.build.network(tmp_path / "lake", full, "net")


def test_a_missing_tree_is_told(folder: Path, tmp_path: Path) -> None:
    lost = config(folder)
    lost["Cell Types"]["PYR"]["morphology"] = "/nowhere/PYR.swc"
    with pytest.raises(nl.InputError, match=r"there is no file /nowhere/PYR\.swc; --map OLD=NEW"):
        nl.build.network(tmp_path / "lake", lost, "net")
    report = nl.build.network(tmp_path / "lake", lost, "net", maps={"/nowhere": str(folder)}, only=["trees"])
    assert states(report) == {"trees": "computed"}


def test_rules_need_no_synapses(folder: Path, tmp_path: Path) -> None:
    ruled = config(folder)
    for kind in ("PYR", "PVBC"):
        del ruled["Cell Types"][kind]["synapses"]
    ruled["Connection Generator"]["Synapses"] = {
        "PYR": {
            "STIM": {"type": "excitatory", "rule": "fixed in-degree", "degree": 5},
            "PYR": {"type": "excitatory", "rule": "one-to-one"},
        },
        "PVBC": {
            "PYR": {"type": "excitatory", "rule": "fixed out-degree", "degree": 3},
            "PVBC": {"type": "inhibitory", "rule": "all-to-all"},
        },
    }
    nl.build.network(tmp_path / "lake", ruled, "net")
    circuit = nl.circuit(tmp_path / "lake", "net")
    assert set(circuit.projections["STIM__PYR"].degrees()["edges"]) == {5}
    assert set(circuit.projections["PYR__PVBC"].degrees("source")["edges"]) == {3}
    assert circuit.edges["PYR__PYR"].rows == 60 and circuit.edges["PVBC__PVBC"].rows == 64
    assert all(check.passed for check in circuit.check())


def test_gap_junctions(folder: Path, tmp_path: Path) -> None:
    coupled = config(folder)
    coupled["Connection Generator"]["Gap Junctions"] = {
        "Locations": {"PVBC": {"PVBC": ["basal", "apical"]}},
        "Connection Probabilities": {"PVBC": {"PVBC": 0.5}},
        "Connection Weights": {"0": 1.0, "100": 0.8, "200": 0.5, "400": 0.2, "800": 0.1},
        "Coupling Coefficients": {"PVBC": {"PVBC": 0.01}},
        "Coupling Weights": {"0": 1.0, "100": 0.9, "200": 0.8, "400": 0.7},
    }
    nl.build.network(tmp_path / "lake", coupled, "net")
    circuit = nl.circuit(tmp_path / "lake", "net")
    edges = circuit.edges["PVBC__PVBC__electrical"].to_pandas()
    assert len(edges) == 14  # half of the 28 pairs
    assert (edges["source_node_id"] != edges["target_node_id"]).all()
    assert (
        edges[["efferent_section_pos", "afferent_section_pos"]].apply(lambda at: at.between(0, 1)).all().all()
    )
    assert circuit.projections["PVBC__PVBC__electrical"].electrical
    assert all(check.passed for check in circuit.check())


# Commands


def test_the_commands(run: Command, tmp_path: Path) -> None:
    done = run("build", "example", tmp_path / "files")
    assert done.code == 0, done.err
    file, lake = tmp_path / "files" / "network.yaml", tmp_path / "lake"
    assert "no errors" in run("build", "network", file, "--lake", lake, "--check").out
    built = json.loads(run("build", "network", file, "--lake", lake, "--name", "net", "--json").out)
    assert built["nodes"] == {"STIM": 20, "PYR": 60, "PVBC": 8} and built["commit"]
    assert "nothing new" in run("build", "network", file, "--lake", lake, "--name", "net").out
    assert run("circuit", "ls", "--lake", lake).out.splitlines()[1].split()[:2] == ["net", "88"]
    assert "STIM" in run("circuit", "show", "net", "--lake", lake).out
    assert run("circuit", "check", "net", "--lake", lake).code == 0
    broken = nl.open(lake)
    with broken.transaction("Lose a cell") as tx:
        tx.write_table("nodes/net/PVBC", tx.table("nodes/net/PVBC").to_arrow().slice(0, 5))
    done = run("circuit", "check", "net", "--lake", lake)
    assert done.code == 3 and "FAIL  populations have as many cells as is said" in done.out
    file.write_text(file.read_text().replace("SP: 60", "SP: many"))
    done = run("build", "network", file, "--lake", lake, "--check")
    assert done.code == 2 and "expected a number, not 'many'" in done.out


# The tutorial of MiV-Simulator

MADE_THERE = {"PYR": 2_671_902, "PVBC": 435_557, "OLM": 160_528}


def test_the_tutorial_is_built_as_it_is(shared_data: Path, tmp_path: Path) -> None:
    """Synapses as many as MiV-Simulator placed; a network's number varies with the density of each segment too."""
    report = nl.build.network(tmp_path / "lake", shared_data / TUTORIAL, "ca1", reproduce="miv")
    assert report.nodes == {"STIM": 10, "PYR": 80, "PVBC": 53, "OLM": 44}
    circuit = nl.circuit(tmp_path / "lake", "ca1")
    for population, count in MADE_THERE.items():
        assert circuit.synapses[population].rows == pytest.approx(count, rel=0.01)
    assert sum(report.edges.values()) == pytest.approx(3.27e6, rel=0.01)
    assert len(circuit.projections) == 10
    assert all(check.passed for check in circuit.check())


# Functions, surfaces, files of NeuroH5, and workers of the user's


@numba.njit
def near(du: float, dv: float, parameters: Any) -> float:
    return 1.0 if du * du + dv * dv < parameters[0] ** 2 else 0.0


@numba.njit
def far(du: float, dv: float, parameters: Any) -> float:
    return 1.0 if du * du + dv * dv >= parameters[0] ** 2 else 0.0


def test_sources_by_a_function_of_ones_own(folder: Path, tmp_path: Path) -> None:
    own = config(folder)
    own["Connection Generator"]["Synapses"]["PYR"]["STIM"] |= {"rule": "mine", "parameters": [150]}
    with pytest.raises(nl.InputError, match=r"rule: expected one of gaussian, uniform, .*, not 'mine'"):
        nl.build.network(tmp_path / "lake", own, "net")
    distances = {}
    for name, function in (("near", near), ("far", far)):
        report = nl.build.network(tmp_path / "lake", own, "net", weightings={"mine": function})
        assert (states(report)["edges to PYR"] == "computed" and states(report)["synapses of PYR"] != "computed") or name == "near"  # fmt: skip
        found = nl.open(tmp_path / "lake").head.sql(
            """
            select max((a.u_distance - b.u_distance) ^ 2 + (a.v_distance - b.v_distance) ^ 2) ^ 0.5,
                min((a.u_distance - b.u_distance) ^ 2 + (a.v_distance - b.v_distance) ^ 2) ^ 0.5
            from "edges/net/STIM__PYR" as e join "nodes/net/STIM" as a on a.node_id = e.source_node_id
            join "nodes/net/PYR" as b on b.node_id = e.target_node_id
            """
        )
        distances[name] = found.fetchall()[0]
    assert distances["near"][0] < 150.01 and distances["far"][1] > 149.99
    again = nl.build.network(tmp_path / "lake", own, "net", weightings={"mine": far}, processes=2)
    assert set(states(again).values()) == {"unchanged"}


def test_cells_within_a_surface(folder: Path, tmp_path: Path) -> None:
    bent = config(folder)
    surface = bent["Geometry"]["Parametric Surface"]
    # A pyramid in the layer.
    corners = [[100, 100, 100], [400, 100, 100], [400, 400, 100], [100, 400, 100], [250, 250, 150]]
    faces = [[0, 2, 1], [0, 3, 2], [0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]
    surface["Layer Surfaces"] = {"SP": {"vertices": corners, "triangles": list(faces)}}
    nl.build.network(tmp_path / "lake", bent, "net", only=["types", "positions"])
    xyz = np.array(nl.open(tmp_path / "lake").head.sql('select x, y, z from "positions/net/PYR"').fetchall())
    reach = 150 * (1 - (xyz[:, 2] - 100) / 50)
    assert len(xyz) == 60 and (np.abs(xyz[:, :2] - 250).max(axis=1) <= reach + 1e-3).all()
    surface["Layer Surfaces"]["SP"]["triangles"][0] = [0, 2, 9]
    with pytest.raises(
        nl.InputError, match=r"triangles / 0 / 2: expected a whole number of at most 4, not 9"
    ):
        nl.build.network(tmp_path / "lake", bent, "net", only=["positions"])
    surface["Layer Surfaces"]["SP"]["triangles"] = faces[:-1]
    with pytest.raises(nl.InputError, match=r"Cell Distribution / STIM: .*edge"):
        nl.build.network(tmp_path / "lake", bent, "net", only=["positions"])


def test_trees_of_a_file_of_neuroh5(built: tuple[str, Any], folder: Path, tmp_path: Path) -> None:
    files = tmp_path / "files"
    nl.export(built[0], files, format="neuroh5", name="net")
    (cells,) = [path for path in files.iterdir() if "ells" in path.name]
    grown = config(folder)
    del grown["Cell Types"]["PVBC"]["synapses"]
    grown["Connection Generator"]["Synapses"].pop("PVBC")
    grown["Cell Types"]["PVBC"].pop("morphology")
    grown["Cell Types"]["PYR"]["morphology"] = str(cells)
    nl.build.network(tmp_path / "lake", grown, "net")
    head = nl.open(tmp_path / "lake").head
    trees = dict(head.sql('select morphology, count(*) from "nodes/net/PYR" group by 1').fetchall())
    own = dict(
        nl.open(built[0]).head.sql('select morphology, count(*) from "nodes/net/PYR" group by 1').fetchall()
    )
    assert set(own) <= set(trees) and sum(trees.values()) == 60
    assert all(check.passed for check in nl.circuit(tmp_path / "lake", "net").check())


def test_killed_workers_change_nothing(built: tuple[str, Any], folder: Path, tmp_path: Path) -> None:
    quiet = {"logging": {"distributed": "critical"}}
    with (
        dask.config.set(quiet),
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        markers = [str(tmp_path / f"marker {number}") for number in range(2)]
        client.register_plugin(Deadly("write", 1, markers))
        nl.build.network(
            tmp_path / "lake", folder / "network.yaml", "net", scheduler=cluster.scheduler_address
        )
        assert all(Path(marker).exists() for marker in markers)
        assert contents(nl.open(tmp_path / "lake"), "net") == contents(nl.open(built[0]), "net")
        # One that dies at every attempt ends the build, and leaves nothing to be seen.
        client.register_plugin(Deadly("write", 1, [str(tmp_path / f"more {number}") for number in range(99)]))
        with pytest.raises(nl.StorageError, match="died several times"):
            nl.build.network(
                tmp_path / "other", folder / "network.yaml", "net", scheduler=cluster.scheduler_address
            )
        assert len(nl.open(tmp_path / "other").head) == 0
