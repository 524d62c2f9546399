"""Circuits of a lake, run: against plain NEURON, after kill -9, on ranks and threads, cells alone, and with faults."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import small_circuit as small
from under_mpi import run_python

import neurolake
from neurolake.catalog.vocabulary import circuits, runs
from neurolake.catalog.vocabulary.reports import REPORT
from neurolake.lake.errors import InputError, NotFoundError
from neurolake.mechanisms.stimuli.clamps import CurrentClamp

SCRIPT = Path(small.__file__)


@pytest.fixture
def alone() -> Iterator[None]:
    """A NEURON without sections of others."""
    from neuron import h

    for section in list(h.allsec()):
        h.delete_section(sec=section)
    yield
    assert list(h.allsec()) == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a lake with the circuit, and the run `whole` of it."""
    path = tmp_path_factory.mktemp("networks") / "lake"
    small.write_circuit(neurolake.create(path, durable=False))
    assert run_python([SCRIPT, path, "whole", json.dumps({"record": ["soma"]})])[0].startswith("whole")
    return path


def spikes(lake: Any, run: str) -> dict[str, list[tuple[int, float]]]:
    """Spikes by population, in the order of the lake."""
    found = {}
    for population in small.SIZES:
        table = lake.head.tables[circuits.SPIKES.of(circuit=run, population=population)].to_arrow()
        found[population] = list(zip(table["node_id"].to_pylist(), table["time"].to_pylist(), strict=True))
    return found


def report(lake: Any, run: str, population: str = "E", name: str = "soma v") -> np.ndarray:
    values: np.ndarray = lake.head.arrays[f"reports/{run}/{name}/{population}"][...]
    return values


def by_hand() -> tuple[list[tuple[float, int]], dict[int, np.ndarray]]:
    """The same network in plain NEURON."""
    from neuron import h

    h.load_file("stdrun.hoc")
    h.dt, h.celsius = 0.025, 6.3
    cells: dict[int, Any] = {}
    held: list[Any] = []
    times, gids = h.Vector(), h.Vector()
    for cell, train in small.trains().items():
        source = h.VecStim()
        vector = h.Vector(train)
        source.play(vector)
        cells[cell] = source
        held += [vector]
    node = type("Node", (), {})
    for population in ("E", "I"):
        for number in range(small.SIZES[population]):
            node.gid = small.STARTS[population] + number
            cells[node.gid] = small.ball(node)
    for gid, cell in cells.items():
        soma = None if gid < 4 else cell.sections[0]
        detector = h.NetCon(cell, None) if soma is None else h.NetCon(soma(0.5)._ref_v, None, sec=soma)
        if soma is not None:
            detector.threshold = -10
        detector.record(times, gids, gid)
        held.append(detector)
    generator = small.CONFIGURATION["Connection Generator"]["Synapses"]
    for projection, rows in small.edges().items():
        source, target = projection.split("__")
        for label, values in generator[target][source]["mechanisms"].items():
            for first, last, synapse, distance in rows:
                section, position = small.place(projection, synapse)
                end = cells[small.STARTS[target] + last].sections[section]
                process = (h.LinExp2SynNMDA if label == "NMDA" else h.LinExp2Syn)(end(position))
                for name, value in values.items():
                    if name not in ("weight", "g_unit"):
                        setattr(process, name, value)
                begin = small.STARTS[source] + first
                if begin < 4:
                    connection = h.NetCon(cells[begin], process)
                else:
                    soma = cells[begin].sections[0]
                    connection = h.NetCon(soma(0.5)._ref_v, process, sec=soma)
                    connection.threshold = -10
                connection.weight[0], connection.weight[1] = values["weight"], values["g_unit"]
                connection.delay = float(np.float32(max(distance / small.VELOCITY, 0.05)))
                held += [process, connection]
    h.finitialize(-65)
    while h.t < small.T_STOP - 0.0125:
        h.fadvance()
    voltage = {gid: vector.as_numpy().copy() for gid, vector in small.VOLTAGES.items()}
    found = sorted((float(time), int(gid)) for time, gid in zip(times, gids, strict=True))
    cells.clear()
    held.clear()
    small.VOLTAGES.clear()
    for section in list(h.allsec()):
        h.delete_section(sec=section)
    return found, voltage


@pytest.mark.usefixtures("alone")
def test_a_circuit_does_what_the_same_network_in_plain_neuron_does(folder: Path) -> None:
    """Point processes are shared here and not there, so that sums of currents may differ in the last bits."""
    from neurolake.mechanisms.library import load

    load()
    plain, voltage = by_hand()
    lake = neurolake.open(folder)
    found = spikes(lake, "whole")
    told = sorted((t, small.STARTS[name] + cell) for name, rows in found.items() for cell, t in rows)
    assert len(found["E"]) > 20
    assert len(found["I"]) > 5
    assert told == plain
    table = np.stack([voltage[gid] for gid in range(4, 10)], axis=1)
    np.testing.assert_allclose(report(lake, "whole"), table, rtol=0, atol=1e-4)


def test_the_lake_tells_of_a_run(folder: Path) -> None:
    head = neurolake.open(folder).head
    row = head.tables[runs.NETWORK_RUNS.name].to_arrow().to_pylist()[0]
    assert (row["run"], row["circuit"], row["cells"], row["edges"]) == ("whole", "small", 13, 42)
    assert (row["t_start"], row["t_done"], row["t_stop"]) == (0.0, small.T_STOP, small.T_STOP)
    simulation = head.tables[runs.SIMULATIONS.name].to_arrow().to_pylist()[0]
    assert simulation["kind"] == "network"
    assert json.loads(simulation["settings"])["celsius"] == 6.3
    assert not [node for node in head.files if runs.STATE.parts(node)], "a run that has ended keeps no state"
    elements = head.tables["reports/whole/soma v/I.elements"].to_arrow().to_pydict()
    assert elements["node_id"] == [0, 1, 2]
    assert elements["element_id"] == [0, 0, 0]
    assert report(neurolake.open(folder), "whole").shape == (4801, 6)
    assert np.allclose(head.arrays["reports/whole/soma v/E.time"][...], np.arange(4801) * 0.025)


@pytest.mark.parametrize(("threads", "ranks"), [(2, 1), (1, 2), (2, 2)])
def test_ranks_and_threads_change_nothing(folder: Path, threads: int, ranks: int) -> None:
    name = f"of{ranks}x{threads}"
    options = {"threads": threads, "record": ["soma", "I:all:i_membrane@0.5"], "commit_every": 30}
    run_python([SCRIPT, folder, name, json.dumps(options)], ranks)
    lake = neurolake.open(folder)
    assert spikes(lake, name) == spikes(lake, "whole")
    assert np.array_equal(report(lake, name), report(lake, "whole"))
    currents = report(lake, name, "I", "all i_membrane")
    assert currents.shape == (241, 18)
    # Nothing is injected, and what flows out of a cell flows into it elsewhere.
    assert np.abs(currents.reshape(241, 3, 6).sum(axis=2)).max() < 1e-6 * np.abs(currents).max()
    for other in lake.head.arrays:
        parts = REPORT.parts(other)
        if parts is not None and (parts["report"], parts["population"]) == ("all i_membrane", "I"):
            assert np.array_equal(lake.head.arrays[other][...], currents), other


def test_a_run_that_was_killed_goes_on_to_the_same_end(folder: Path) -> None:
    """With kill -9 in the middle: what was committed stays, and the rest is what it would have been."""
    options = {"record": ["soma"], "commit_every": 2.0}
    process = subprocess.Popen([sys.executable, SCRIPT, folder, "killed", json.dumps(options)])
    lake = neurolake.open(folder)
    done = 0.0
    while done < 20 and process.poll() is None:
        time.sleep(0.02)
        rows = lake.head.tables[runs.NETWORK_RUNS.name].to_arrow().to_pylist()
        done = next((row["t_done"] for row in rows if row["run"] == "killed"), 0.0)
    process.send_signal(signal.SIGKILL)
    process.wait()
    row = next(
        each
        for each in lake.head.tables[runs.NETWORK_RUNS.name].to_arrow().to_pylist()
        if each["run"] == "killed"
    )
    assert 20 <= row["t_done"] < small.T_STOP, "it was killed in time"
    kept = spikes(lake, "killed")
    assert all(time <= row["t_done"] for rows in kept.values() for _, time in rows)
    with pytest.raises(InputError, match="was interrupted at"):
        small.run(lake, "killed", **options)
    run_python([SCRIPT, folder, "killed", json.dumps({**options, "resume": True})])
    assert spikes(lake, "killed") == spikes(lake, "whole")
    assert np.array_equal(report(lake, "killed"), report(lake, "whole"))
    assert np.array_equal(
        lake.head.arrays["reports/killed/soma v/E.time"][...],
        lake.head.arrays["reports/whole/soma v/E.time"][...],
    )


@pytest.mark.usefixtures("alone")
def test_a_cell_alone_with_its_recorded_inputs_does_what_it_did(folder: Path) -> None:
    lake = neurolake.open(folder)
    small.run(lake, "again")
    whole = {gid: vector.as_numpy().copy() for gid, vector in small.VOLTAGES.items()}
    small.VOLTAGES.clear()
    done = small.run(lake, "clamp", cells={"E": [2]}, inputs_from="whole", record=["soma"])
    # The array that NEURON gives does not keep the Vector.
    recorded = small.VOLTAGES.pop(6)
    alone = recorded.as_numpy().copy()
    assert not small.VOLTAGES, "no other cell was made"
    assert np.abs(alone - whole[6]).max() < 1e-9
    assert alone.max() > 0, "it fires"
    assert done.cells < 13
    own = [(cell, t) for cell, t in spikes(lake, "whole")["E"] if cell == 2]
    table = lake.head.tables["spikes/clamp/E"].to_arrow()
    assert table["time"].to_pylist() == [t for _, t in own]
    replay = small.run(lake, "replay", inputs_from="whole")
    assert replay.spikes == {name: len(rows) for name, rows in spikes(lake, "whole").items()}


def test_the_same_again_does_nothing_and_another_of_the_name_is_refused(folder: Path) -> None:
    lake = neurolake.open(folder)
    before = lake.head.commit.id
    done = small.run(lake, "whole", record=["soma"])
    assert done.commit is None
    assert "already" in done.summary("lake")
    with pytest.raises(InputError, match="differs; choose another name"):
        small.run(lake, "whole", record=["soma"], v_init=-70)
    step = CurrentClamp("step", {4: (1.0, 2.0, 0.1)})
    with pytest.raises(InputError, match=r"differs; choose another name.*clamps"):
        small.run(lake, "whole", record=["soma"], clamps=[step])
    nameless = type("Own", (), {"name": "mine", "mechanisms": ()})()
    with pytest.raises(InputError, match="'mine' is a Own, which has no property identity"):
        small.run(lake, "whole", record=["soma"], clamps=[nameless])
    with pytest.raises(InputError, match="choose another name"):
        small.run(lake, "small")
    with pytest.raises(NotFoundError, match="no run 'new'"):
        small.run(lake, "new", resume=True)
    with pytest.raises(NotFoundError, match="no circuit 'none'"):
        small.run(lake, "new", circuit="none")
    assert lake.head.commit.id == before


@pytest.mark.usefixtures("alone")
def test_everything_that_is_wrong_is_told_before_anything_is_made(folder: Path, tmp_path: Path) -> None:
    configuration = json.loads(json.dumps(small.CONFIGURATION))
    synapses = configuration["Connection Generator"]["Synapses"]
    synapses["E"]["STIM"]["mechanisms"]["AMPA"]["tau"] = 3
    synapses["I"]["E"]["mechanisms"] = {"mGluR": {"weight": 1}}
    configuration["Cell Types"]["I"]["template"] = "Unknown"
    configuration["Connection Generator"]["Synapse Parameter Rules"] = {
        "GABAslow": {"mech_params": ["tau"], "netcon_params": {"weight": 0}}
    }
    configuration["Connection Generator"]["Synapse Mechanisms"] = {"GABA_A": "GABAslow"}
    synapses["E"]["I"]["mechanisms"] = {"GABA_A": {"tau": 3, "weight": 1}}
    lake = neurolake.create(tmp_path / "lake", durable=False)
    small.write_circuit(lake)
    with lake.transaction("Damage") as transaction:
        node = "edges/small/E__I"
        table = lake.head.tables[node].to_arrow().to_pandas()
        table.loc[3, "synapse_id"] = 99
        table["delay"] = 1.0
        table.loc[1, "delay"] = -1.0
        transaction.write_table(
            node,
            pa.Table.from_pandas(table, preserve_index=False),
            attributes=lake.head.tables[node].attributes,
        )
        places = lake.head.tables["synapses/small/E"].to_arrow().to_pandas()
        places.loc[2, "section_id"] = 7
        transaction.write_table("synapses/small/E", pa.Table.from_pandas(places, preserve_index=False))
        cells = lake.head.tables["nodes/small/I"].to_arrow().to_pandas()
        cells.loc[0, "gid"] = 5
        transaction.write_table("nodes/small/I", pa.Table.from_pandas(cells, preserve_index=False))
        late = pa.table({"node_id": [0], "time": [1.0]})
        transaction.write_table("inputs/small/other/ELSEWHERE", late)
    with pytest.raises(InputError) as told:
        small.run(
            lake,
            "bad",
            configuration=configuration,
            inputs=["in", "other", "nothing"],
            record=["soma:volts", "NOBODY:soma", "set:nowhere"],
        )
    for said in (
        "there is no template 'Unknown'",
        "AMPA / tau: LinExp2Syn has no such parameter",
        "there are no Synapse Parameter Rules for mGluR",
        "mechanism 'GABAslow', of synapses of I__E, is not there: expected GABAslow.mod",
        "neurolake's own",
        "edge 3 ends at synapse 99 of cell 0",
        "edge 1: its delay of -1 ms is negative",
        "ends at a section that its cell does not have: section 7",
        "the gid 5 is that of several cells, of E and I",
        "there is no population 'ELSEWHERE'",
        "there is no input 'nothing'",
        "no mechanism has a variable 'volts'",
        "there is no population 'NOBODY', and no node set of that name",
        "--record set nowhere:v: there is no such compartment set",
    ):
        assert said in str(told.value), said
    assert "spikes/bad/E" not in lake.head.tables


@pytest.mark.usefixtures("alone")
def test_gap_junctions_of_a_circuit_couple_its_cells(folder: Path, tmp_path: Path) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    small.write_circuit(lake, junctions=True)
    done = small.run(lake, "coupled", record=["soma"])
    assert done.load is not None
    assert done.load.junctions == 4
    before = neurolake.open(folder)
    assert not np.array_equal(report(lake, "coupled")[:, 1], report(before, "whole")[:, 1])
    assert np.array_equal(report(lake, "coupled")[:, 3][:200], report(before, "whole")[:, 3][:200])


def test_the_command_runs_a_circuit_on_ranks(folder: Path, tmp_path: Path) -> None:
    """With templates of ours, which the command finds by their names."""
    configuration = json.loads(json.dumps(small.CONFIGURATION))
    for population in ("E", "I"):
        configuration["Cell Types"][population]["template"] = "BasketCell"
    path = tmp_path / "network.yaml"
    path.write_text(json.dumps(configuration))
    asked = ["-m", "neurolake", "run-network", "small", "--lake", folder, "--tstop", "40", "--config", path]
    told = run_python([*asked, "--name", "one", "--record", "soma@0.1"])
    assert told[0].startswith("Simulated small (13 cells, 42 edges) from 0 to 40 ms as one")
    twice = run_python([*asked, "--name", "two", "--threads", "2", "--record", "soma@0.1"], ranks=2)
    assert [line for line in twice if line.startswith("Spikes")] == [
        line for line in told if line.startswith("Spikes")
    ]
    lake = neurolake.open(folder)
    assert spikes(lake, "one") == spikes(lake, "two")
    assert np.array_equal(report(lake, "one"), report(lake, "two"))
    assert sum(map(len, spikes(lake, "one").values())) > 20


@pytest.mark.usefixtures("alone")
def test_places_are_sections_of_a_type_and_compartments_of_a_set(folder: Path, tmp_path: Path) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    small.write_circuit(lake)
    kind = circuits.COMPARTMENT_SETS
    rows = {
        "name": ["ends", "ends", "other"],
        "population": ["E", "E", "I"],
        "node_id": [4, 1, 0],
        "section_id": [1, 0, 0],
        "offset": [0.9, 0.5, 0.5],
    }
    with lake.transaction("Write a set") as transaction:
        transaction.write_table(kind.of(circuit="small"), pa.table(rows, kind.schema))
    small.run(lake, "placed", t_stop=20.0, record=["E:basal@0.5", "set:ends@0.5", "all@0.5"])
    whole = report(lake, "placed", name="all v").reshape(41, 6, 6)
    assert np.array_equal(report(lake, "placed", name="basal v"), whole[:, :, 3])
    assert "reports/placed/basal v/I" not in lake.head.arrays
    assert np.array_equal(
        report(lake, "placed", name="ends v"), np.stack([whole[:, 1, 0], whole[:, 4, 5]], axis=1)
    )
    elements = lake.head.tables["reports/placed/ends v/E.elements"].to_arrow().to_pydict()
    assert elements["node_id"] == [1, 4]
    assert elements["element_id"] == [0, 1]
    with pytest.raises(InputError, match="a place is soma, all, synapses, set:NAME"):
        small.run(lake, "bad", record=["dendrite:v:x"])
