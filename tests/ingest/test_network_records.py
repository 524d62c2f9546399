"""Records of network runs: profiles of a configuration, cells that are drawn, and synapses."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import small_circuit as small
from nerves import delete_all_sections
from under_mpi import run_python

import neurolake
from neurolake.catalog.vocabulary import circuits, reports, runs
from neurolake.ingest.records.profiles import expanded, sample_seed
from neurolake.ingest.records.requests import RecordRequest, SynapseFilter, sampled, section_places
from neurolake.ingest.text.included import Configuration
from neurolake.lake.errors import InputError

CONFIGURATION: dict[str, Any] = {
    **small.CONFIGURATION,
    "Recording": {
        "Intracellular": {
            "Network default": {
                "fraction": 0.5,
                "dt": 0.5,
                "section quantity": {
                    "v": {"swc types": ["soma"]},
                    "far.v": {"variable": "v", "loc": [0.9, 0.1], "swc types": ["basal", "soma"]},
                },
            },
            "synaptic": {"dt": 0.5, "reduce": True, "synaptic quantity": {"i": {"swc types": ["basal"]}}},
        }
    },
    "Random Seeds": {"Intracellular Recording Sample": 24.0e6},
}
SCRIPT = Path(small.__file__)
RECORDS = [
    "profile:Network default",
    "profile:synaptic",
    "synapses:g@0.5,name=conductances",
    "E:synapses:i@0.5,mechanisms=AMPA,start=10,stop=20",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the lake is, and the configuration as a file."""
    return tmp_path_factory.mktemp("records")


@pytest.fixture(scope="module")
def lake(folder: Path) -> Iterator[Any]:
    """A lake with the circuit, and the run `one` of it."""
    delete_all_sections()
    lake = neurolake.create(folder / "lake", durable=False)
    small.write_circuit(lake)
    with lake.transaction("Say where synapses are") as transaction:
        for population, size in (("E", 30), ("I", 12)):
            node = circuits.SYNAPSES.of(circuit="small", population=population)
            table = lake.head.tables[node].to_arrow()
            assert table.num_rows == size
            inhibitory = np.array([name == 0 for name in table["section_id"].to_pylist()], np.uint8)
            table = table.append_column("type", [inhibitory])
            table = table.append_column("layer", [np.zeros(size, np.int8)])
            transaction.write_table(node, table)
    (folder / "network.yaml").write_text(json.dumps(CONFIGURATION))
    small.run(lake, "one", t_stop=40.0, configuration=CONFIGURATION, record=RECORDS)
    yield lake
    delete_all_sections()


def values(lake: Any, run: str, name: str, population: str = "E") -> np.ndarray:
    found: np.ndarray = lake.head.arrays[f"reports/{run}/{name}/{population}"][...]
    return found


def beside(lake: Any, run: str, name: str, kind: Any, population: str = "E") -> dict[str, list[Any]]:
    node = reports.REPORT.of(circuit=run, report=name, population=population)
    found: dict[str, list[Any]] = lake.head.tables[kind.beside(node)].to_arrow().to_pydict()
    return found


def test_requests_are_read_from_texts() -> None:
    read = RecordRequest.parse
    assert read("soma") == RecordRequest("v")
    assert read("A,B:soma").population == "A,B", "a node set may be called so"
    asked = read(
        "PYR:soma(0.5)+apical(0.1)+basal:ik@0.1, fraction=0.2,limit=3,start=-10,stop=20,layers=SR+2,name=mine"
    )
    assert asked == RecordRequest(
        "ik",
        "soma(0.5)+apical(0.1)+basal",
        "PYR",
        None,
        0.1,
        -10.0,
        20.0,
        "mine",
        0.2,
        3,
        ("SR", "2"),
    )
    assert section_places(asked.place) == {1: 0.5, 4: 0.1, 3: 0.5}
    assert read("synapses").variable == "i"
    asked = read(
        "PYR:synapses:g,mechanisms=AMPA+NMDA,sources=STIM,types=excitatory,sections=apical,sum=section"
    )
    assert asked.synapses == SynapseFilter(("AMPA", "NMDA"), ("STIM",), ("excitatory",), ("apical",), ())
    assert asked.summed == "section"
    asked = read("all:ina+i_membrane,sum=cell,scale=area")
    assert (asked.variables, asked.summed, asked.scaling) == (("ina", "i_membrane"), "cell", "area")
    assert read("E:profile:Network default@0.2").name == "profile Network default "
    for text, said in {
        "set": "a place is soma, all, synapses",
        "profile:a:v": "says itself which variables",
        "soma,fraction=2": "within 0 and 1, not 2",
        "soma,limit=0": "from 1 on",
        "soma,start=x": "is not a time in ms",
        "soma,types=excitatory": "the place is soma",
        "all,layers=SR": "sections of types or synapses",
        "synapses:g,types=exc": "known are: excitatory, inhibitory",
        "synapses:g,sum=network": "known are: section, cell",
        "all:v,sum=section": "known are: cell",
        "synapses:g,scale=area": "scale is area, of variables of segments",
        "apical(1.5)": "within 0 and 1, not 1.5",
        "soma,name=a/b": "without '/'",
    }.items():
        with pytest.raises(InputError, match=said.replace("(", r"\(")):
            read(text)


def test_the_choice_of_cells_is_mivs() -> None:
    """Cells that MiV-Simulator 0.3 recorded of the tutorial's network in a small version, with half of the cells."""
    gids = [np.arange(15, 18), np.arange(12, 15), np.arange(8, 12)]  # OLM, PVBC, PYR
    request = RecordRequest("v", fraction=0.5)
    found = [each.tolist() for each in sampled(request, gids, 24_000_000)]
    assert found == [[15, 17], [12, 14], [8, 11]]
    limited = RecordRequest("v", fraction=0.5, limit=1)
    assert [each.tolist() for each in sampled(limited, gids[:1], 24_000_000)] == [[15]]
    assert [each.tolist() for each in sampled(limited, gids[:1], 24_000_000, one_more=True)] == [[15, 17]]
    assert sampled(RecordRequest("v"), gids, 1) is gids


def test_profiles_are_read_and_their_faults_told() -> None:
    configuration = Configuration.of(CONFIGURATION)
    first, second = expanded(RecordRequest.parse("E:profile:Network default@0.1"), configuration)
    assert (first.name, first.place, first.dt, first.fraction) == ("Network default v", "soma(0.5)", 0.1, 0.5)
    assert (first.population, first.profile) == ("E", "Network default")
    assert (second.name, second.variable, second.place) == (
        "Network default far.v",
        "v",
        "basal(0.9)+soma(0.1)",
    )
    request = RecordRequest.parse("profile:Network default,fraction=1")
    middle = expanded(request, configuration, reproduce=True)[1]
    assert (middle.place, middle.samples) == ("basal(0.5)+soma(0.5)", False)
    (summed,) = expanded(RecordRequest.parse("profile:synaptic"), configuration)
    assert summed.synapses == SynapseFilter(sections=("basal",)) and summed.summed == "section"
    assert sample_seed(configuration) == sample_seed(None) == 24_000_000
    bad = copy.deepcopy(CONFIGURATION)
    bad["Recording"]["Intracellular"]["bad"] = {
        "fraction": -1,
        "reduce": "mean",
        "section quantity": {"v": {"swc types": ["dend"]}, "w": {"swc types": ["soma"], "loc": [0.1, 0.2]}},
        "synaptic quantity": {"i": {"syn types": "inhibitory"}, "g": {"sections": [1]}},
    }
    with pytest.raises(InputError) as told:
        expanded(RecordRequest.parse("profile:bad"), Configuration.of(bad))
    for said in (
        "bad / fraction: expected 0 or more",
        "bad / reduce: expected true or false",
        "v / swc types: there is no name 'dend'",
        "w / loc: expected a list of 1 numbers",
        "syn types: expected a list of names",
        "numbers of sections are not supported",
    ):
        assert said in str(told.value), said
    with pytest.raises(InputError, match="no recording profile 'none'; known are: Network default, synaptic"):
        expanded(RecordRequest.parse("profile:none"), configuration)
    with pytest.raises(InputError, match="has no configuration"):
        expanded(RecordRequest.parse("profile:none"), None)


def test_the_lake_holds_what_a_profile_says(lake: Any) -> None:
    draw = np.random.RandomState(24_000_000)
    chosen = {name: np.flatnonzero(draw.uniform(size=small.SIZES[name]) <= 0.5) for name in ("E", "I")}
    for population, cells in chosen.items():
        assert 0 < len(cells) < small.SIZES[population]
        for name in ("Network default v", "Network default far.v"):
            nodes = beside(lake, "one", name, reports.RANGES, population)
            assert nodes["node_id"] == cells.tolist()
    elements = beside(lake, "one", "Network default far.v", reports.ELEMENTS)
    assert elements["element_id"] == [0, 1] * len(chosen["E"]), "soma and stick, in the order of sections"
    assert elements["element_pos"] == [0.1, 0.9] * len(chosen["E"])
    told = lake.head.arrays["reports/one/Network default v/E"].attrs["report"]
    assert told == {
        "variable_name": "v",
        "type": "compartment",
        "sections": "soma",
        "compartments": "center",
        "profile": "Network default",
        "fraction": 0.5,
        "limit": None,
        "seed": 24_000_000,
    }
    settings = json.loads(lake.head.tables[runs.SIMULATIONS.name].to_arrow()["settings"][0].as_py())
    assert settings["record"][0][-1]["seed"] == 24_000_000


def test_synapses_are_point_processes_and_the_edges_that_end_at_them(lake: Any) -> None:
    conductances = values(lake, "one", "conductances")
    found = beside(lake, "one", "conductances", reports.SYNAPSES)
    ends = beside(lake, "one", "conductances", reports.ELEMENTS)
    assert conductances.shape == (81, len(ends["node_id"]))
    assert lake.head.arrays["reports/one/conductances/E"].attrs["units"] == "uS"
    edges = small.edges()
    wanted = sorted(
        (target, synapse, label, source.split("__")[0], number)
        for source in ("STIM__E", "I__E")
        for label in (("AMPA", "NMDA") if source == "STIM__E" else ("GABA_A",))
        for number, target, synapse, _ in edges[source]
    )
    names = ("node_id", "synapse_id", "mechanism", "source_population", "source_node_id")
    assert sorted(zip(*(found[name] for name in names), strict=True)) == wanted
    # Two inhibitory synapses are on the soma's only segment, and share a point process.
    shared = [at for at in set(found["element"]) if found["element"].count(at) == 2]
    assert len(shared) == small.SIZES["E"]
    for at, node, synapse, section, segment in zip(
        *(found[name] for name in ("element", "node_id", "synapse_id", "section_id", "segment_id")),
        strict=True,
    ):
        assert ends["node_id"][at] == node
        assert ends["element_id"][at] == synapse or at in shared
        where, position = small.place("STIM__E" if synapse < 3 else "I__E", synapse)
        assert (section, segment) == (where, int(position * (5 if where else 1)))
    excitatory = [at for at, name in zip(found["element"], found["mechanism"], strict=True) if name == "AMPA"]
    assert conductances[:, excitatory].max() > 0.001
    part = values(lake, "one", "synapses i")
    times = lake.head.arrays["reports/one/synapses i/E.time"][...]
    assert (times[0], times[-1], part.shape) == (10.0, 20.0, (21, 18))


def test_sums_are_those_of_their_synapses(lake: Any) -> None:
    small.run(lake, "each", t_stop=40.0, configuration=CONFIGURATION, record=["synapses:i@0.5"])
    alone, summed = values(lake, "each", "synapses i"), values(lake, "one", "synaptic synapses i")
    rows = beside(lake, "each", "synapses i", reports.SYNAPSES)
    sums = beside(lake, "one", "synaptic synapses i", reports.SYNAPSES)
    assert beside(lake, "one", "synaptic synapses i", reports.ELEMENTS)["element_id"] == [1] * 12
    for element in range(summed.shape[1]):
        at = sums["element"].index(element)
        own = {
            column
            for column, node, name, section in zip(
                rows["element"], rows["node_id"], rows["mechanism"], rows["section_id"], strict=True
            )
            if (node, name, section) == (sums["node_id"][at], sums["mechanism"][at], 1)
        }
        assert len(own) == 3
        np.testing.assert_allclose(
            summed[:, element], alone[:, sorted(own)].sum(axis=1), rtol=1e-5, atol=1e-9
        )


@pytest.mark.parametrize(("threads", "ranks"), [(2, 1), (1, 2)])
def test_ranks_and_threads_change_nothing(lake: Any, folder: Path, threads: int, ranks: int) -> None:
    name = f"of{ranks}x{threads}"
    options = {
        "t_stop": 40.0,
        "record": RECORDS,
        "threads": threads,
        "commit_every": 15,
        "configuration": str(folder / "network.yaml"),
    }
    run_python([SCRIPT, folder / "lake", name, json.dumps(options)], ranks)
    head = lake.head
    ours = [node for node in [*head.arrays, *head.tables] if node.startswith("reports/one/")]
    assert len(ours) > 20
    for node in ours:
        other = node.replace("/one/", f"/{name}/")
        if node in head.arrays:
            assert np.array_equal(head.arrays[node][...], head.arrays[other][...]), node
        else:
            assert head.tables[node].to_arrow().equals(head.tables[other].to_arrow()), node


def test_a_run_that_was_interrupted_goes_on_with_its_records(lake: Any) -> None:
    """With the profile of the configuration that the lake keeps of the circuit."""

    class StopError(Exception):
        pass

    def stop(done: float, end: float) -> None:
        raise StopError

    node = "network/stored.json"
    with lake.transaction("Keep the configuration") as transaction:
        transaction.put_file(node, json.dumps(CONFIGURATION).encode())
        rows = lake.head.tables[circuits.CIRCUITS.name].to_arrow().to_pylist()
        kept = pa.Table.from_pylist([{**rows[0], "configuration": node}], circuits.CIRCUITS.schema)
        transaction.write_table(circuits.CIRCUITS.name, kept)
    options = {"t_stop": 40.0, "configuration": None, "record": RECORDS, "commit_every": 15.0}
    with pytest.raises(StopError):
        small.run(lake, "stopped", progress=stop, **options)
    assert len(values(lake, "stopped", "conductances")) == 31
    small.run(lake, "stopped", resume=True, **options)
    for name in ("conductances", "synaptic synapses i", "synapses i", "Network default v"):
        assert np.array_equal(values(lake, "stopped", name), values(lake, "one", name)), name
    assert beside(lake, "stopped", "conductances", reports.SYNAPSES) == beside(
        lake, "one", "conductances", reports.SYNAPSES
    )


def test_what_is_wrong_with_records_is_told_before_anything_is_made(lake: Any) -> None:
    with pytest.raises(InputError) as told:
        small.run(
            lake,
            "bad",
            configuration=CONFIGURATION,
            record=[
                "profile:nothing",
                "E:synapses:volts",
                "STIM:synapses:i",
                "I:synapses:i,mechanisms=NMDA",
                "E:synapses:i,sources=NOBODY",
                "basal,layers=SR",
                "I:synapses:g,types=inhibitory",
                "soma",
                "I:soma@0.5",
            ],
        )
    for said in (
        "there is no recording profile 'nothing'; known are: Network default, synaptic",
        "no variable 'volts' at these synapses: LinExp2Syn has e, falling, g, i",
        "no cell of STIM that is simulated has such a synapse",
        "--record I:synapses:i: no cell of I that is simulated has such a synapse",
        "there is no population 'NOBODY'",
        "there is no layer 'SR'; the configuration has L",
        "--record I:synapses:g: no cell of I",
        "both make a report 'soma v' of I: give one another name, ,name=…",
    ):
        assert said in str(told.value), said
    assert "spikes/bad/E" not in lake.head.tables


def test_cells_without_such_synapses_and_empty_choices_are_told(lake: Any) -> None:
    done = small.run(
        lake,
        "few",
        t_stop=5.0,
        cells={"E": [0, 1]},
        inputs_from="one",
        configuration=CONFIGURATION,
        record=["E:synapses:i,layers=L,types=inhibitory", "soma,fraction=0.0", "soma,limit=1,name=first"],
    )
    assert "soma:v: none of the cells that are simulated was drawn" in "\n".join(done.notices)
    head = lake.head
    assert head.arrays["reports/few/synapses i/E"].shape == (201, 2)
    assert beside(lake, "few", "first", reports.RANGES)["node_id"] == [0]
    assert "reports/few/soma v/E" not in head.arrays


def test_synapse_reports_go_out_to_sonata(lake: Any, tmp_path: Path) -> None:
    libsonata = pytest.importorskip("libsonata")
    neurolake.export(lake, tmp_path / "out", runs=["one"], format="sonata", dialect="libsonata")
    path = tmp_path / "out" / "reports" / "conductances.h5"
    report = libsonata.ElementReportReader(path)["E"]
    frames = report.get(node_ids=[2])
    at = beside(lake, "one", "conductances", reports.RANGES)
    start, stop = at["start"][2], at["stop"][2]
    assert np.array_equal(np.asarray(frames.data), values(lake, "one", "conductances")[:, start:stop])
    ends = beside(lake, "one", "conductances", reports.ELEMENTS)["element_id"][start:stop]
    assert [tuple(each) for each in np.asarray(frames.ids).tolist()] == [(2, each) for each in ends]
    told = json.loads((tmp_path / "out" / "simulation_config.json").read_text())["reports"]["conductances"]
    assert (told["type"], told["variable_name"]) == ("synapse", "g")
