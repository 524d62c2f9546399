"""Node sets mean what they do to libsonata."""

import json
from pathlib import Path
from typing import Any

import libsonata
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sonata_files import write_nodes

import neurolake
from neurolake.catalog import node_sets as module
from neurolake.catalog.node_sets import node_set
from neurolake.ingest.sonata.ingest import ingest_sonata
from neurolake.lake.errors import InputError, NotFoundError

WORDS = ("aa", "ab", "ba", "c")


def lake_of(folder: Path, rules: Any, size: int = 40) -> tuple[Any, Any]:
    """A snapshot of a population with these sets, and libsonata's view of it."""
    rng = np.random.default_rng(0)
    attributes = {
        "mtype": rng.choice(WORDS, size).tolist(),
        "n": rng.integers(-3, 4, size),
        "v": rng.random(size),
        "layer": rng.integers(0, 3, size).astype("u4"),
        "@library__layer": ["L1", "L2", "L3"],
    }
    path = write_nodes(folder / "nodes.h5", size, **attributes)
    (folder / "sets.json").write_text(json.dumps(rules))
    config = {"networks": {"nodes": [{"nodes_file": "nodes.h5"}]}, "node_sets_file": "sets.json"}
    (folder / "circuit.json").write_text(json.dumps(config))
    lake = neurolake.create(folder / "lake", durable=False)
    ingest_sonata(lake, folder / "circuit.json", name="n")
    return lake.head, libsonata.NodeStorage(str(path)).open_population("cells")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    return lake_of(tmp_path_factory.mktemp("sets"), {})


conditions = st.fixed_dictionaries(
    {},
    optional={
        "mtype": st.sampled_from(WORDS)
        | st.lists(st.sampled_from(WORDS))
        | st.sampled_from(["^a", "b$", "a|c", "[ab]{2}"]).map(lambda text: {"$regex": text}),
        "n": st.integers(-4, 4)
        | st.lists(st.integers(-4, 4))
        | st.tuples(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), st.integers(-4, 4)).map(
            lambda pair: {pair[0]: pair[1]}
        ),
        "v": st.floats(0, 1).map(lambda value: {"$gte": value}),
        "layer": st.sampled_from(["L1", "L2", "L4"]) | st.just(["L3", "L1"]),
        "node_id": st.integers(0, 45) | st.lists(st.integers(0, 45)),
        "population": st.sampled_from(["cells", "others"]) | st.just(["others", "cells"]),
    },
).filter(bool)


@settings(max_examples=150, deadline=None)
@given(rules=st.tuples(conditions, conditions))
def test_any_set_is_what_libsonata_takes(both: Any, rules: Any) -> None:
    snapshot, population = both
    named = {"a": rules[0], "b": rules[1], "c": ["a", "b"], "d": ["c", "a"]}
    expected = libsonata.NodeSets(json.dumps(named))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "node_sets", lambda *_: named)
        for name in named:
            found = node_set(snapshot, "n", name, "cells").tolist()
            assert found == expected.materialize(name, population).flatten().tolist(), name


def test_sets_of_the_ring(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "sonata" / "neurodamus_ringtest"
    lake = neurolake.create(tmp_path / "lake", durable=False)
    ingest_sonata(lake, folder / "simulation_config.json", name="ring")
    expected = libsonata.NodeSets((folder / "nodesets.json").read_text())
    for name in ("RingA", "RingB", "Mosaic", "RingA:oneCell", "ABC"):
        for population in ("RingA", "RingB"):
            nodes = libsonata.NodeStorage(str(folder / f"nodes_{population[-1]}.h5")).open_population(
                population
            )
            found = node_set(lake.head, "ring", name, population).tolist()
            assert found == expected.materialize(name, nodes).flatten().tolist()


@pytest.mark.parametrize(
    ("rule", "match"),
    [
        ({"gone": 1}, "s', gone: nodes of cells have node_id"),
        ({"mtype": 1}, "for a property of type string"),
        ({"n": "1"}, "for a property of type int64"),
        ({"n": {"$regex": "1"}}, "for a property of type int64"),
        ({"n": {"$not": 1}}, r"\$not is no operator for int64"),
        ({"mtype": {"$gt": "a"}}, r"\$gt is no operator for string"),
        (7, "expected an object or a list of names"),
        (["s"], "is made of itself: s of s"),
    ],
)
def test_rules_that_mean_nothing(tmp_path: Path, rule: Any, match: str) -> None:
    snapshot, _ = lake_of(tmp_path, {"s": rule, "all": {}, "half": {"n": 0.5}}, 5)
    with pytest.raises(InputError, match=match):
        node_set(snapshot, "n", "s", "cells")
    assert node_set(snapshot, "n", "all", "cells").tolist() == [0, 1, 2, 3, 4]
    assert node_set(snapshot, "n", "half", "cells").tolist() == []
    with pytest.raises(NotFoundError, match="no node set 'other'; there are: s, all, half"):
        node_set(snapshot, "n", "other", "cells")


def test_runs_without_sets(tmp_path: Path) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    ingest_sonata(lake, write_nodes(tmp_path / "n.h5"), name="n")
    with pytest.raises(NotFoundError, match="'n' was ingested without node sets"):
        node_set(lake.head, "n", "s", "cells")
