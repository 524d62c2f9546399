"""Lakes whose digests are all right, and whose content is not what it should be; and every way to read them."""

import copy
import random
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pds
import zarr

import neurolake as nl
from neurolake.lake import Array
from neurolake.lake.errors import NeurolakeError
from neurolake.lake.history.log import new_uuid
from neurolake.lake.history.trees import MALFORMED
from neurolake.lake.nodes.node import Kind, Node, changed_node, tree_digest
from neurolake.query.lake import Lake

VALUES: list[Any] = [
    *(None, True, 0, -1, 1, 1.5, 2**31, 2**40, 2**63, 2**64, 10**400, float("nan")),
    *("", "x", "a" * 10_000, "../../secret", "\x00", "é\u2028", "pickle", "float64", "|O", "gzip"),
    *([], [0], [2**40], [2**40, 2**40], [1] * 100, [[]], ["x"], {}, {"name": "pickle"}, {"x": []}),
]


def twice(values: Any) -> Any:
    """What the result of the small lake is made by."""
    return 2 * values[...]


def small_lake(path: Path) -> Lake:
    """Some of everything that neurolake reads: codecs, coordinates, tables, files, groups and derived results."""
    lake: Lake = nl.create(path, durable=False)
    voltages = np.random.default_rng(0).normal(-70, 5, (4, 40))
    with lake.transaction("a bit of everything") as tx:
        tx.write_array("voltage/soma", voltages, chunks=(2, 40), dimension_names=("trial_id", "time"))
        tx.write_array("voltage/soma.time", np.arange(40) / 4, dimension_names=("time",))
        tx.write_array("voltage/soma.trial_id", np.arange(4), dimension_names=("trial_id",))
        tx.write_array("zstd", np.arange(100), codec={"name": "zstd", "configuration": {"level": 1}})
        zarr.create_array(
            tx.store, name="gzip", data=np.zeros(4000), chunks=(1000,), compressors=zarr.codecs.GzipCodec()
        )
        zarr.create_array(tx.store, name="shards", data=np.arange(64.0), chunks=(4,), shards=(16,))
        zarr.create_group(tx.store, path="group", attributes={"of": "things"})
        tx.write_array("group/inner", np.arange(5))
        trials = {"trial_id": np.arange(4), "run": ["a", "a", "b", "b"], "stimulus": ["x", "y", "x", "y"]}
        tx.write_table("trials", pa.table(trials), sorted_by=["trial_id"])
        spikes = {"trial_id": [0, 0, 1, 3], "site": ["soma"] * 4, "time": [1.0, 2.0, 3.0, 9.5]}
        tx.write_table("spike_times", pa.table(spikes), sorted_by=["trial_id"])
        tx.append_table("spike_times", pa.table({"trial_id": [3], "site": ["soma"], "time": [9.75]}))
        tx.put_file("notes.txt", b"many notes" * 100, attributes={"doc": "notes"})
    with lake.transaction("more"):
        pass
    lake.derive(nl.kernel(version="1")(twice), "voltage/soma")
    return lake


def forge(lake: Lake, nodes: Mapping[str, Node]) -> None:
    """Commit nodes without asking whether they make sense."""
    changes = {name: node.to_json() for name, node in nodes.items()}
    forge_changes(lake, changes, tree_digest({**lake.head.tree, **nodes}))


def forge_json(lake: Lake, name: str, value: Any) -> None:
    """Commit what should be a node's JSON; its digest is right if it is a node."""
    try:
        made = {name: changed_node(value, None, lake.head._history.read_shard)}
        digest = tree_digest({**lake.head.tree, **made})
    except (NeurolakeError, *MALFORMED):
        digest = tree_digest(lake.head.tree)
    forge_changes(lake, {name: value}, digest)


def forge_changes(lake: Lake, changes: Mapping[str, Any], snapshot: str) -> None:
    """Append a record with the digest that it should have."""
    commit, number = lake.head._history.log.head()
    fields = {
        **{name: value for name, value in commit.fields.items() if name not in ("branch", "number", "tree")},
        "uuid": new_uuid(),
        "parents": [commit.reference.to_json()],
        "depth": commit.depth + 1,
        "changes": changes,
        "snapshot": snapshot,
    }
    assert lake.head._history.log.append("main", number + 1, fields)


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*prefix, key)
        yield from paths(inner, (*prefix, key))


def mutated(meta: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """A JSON object with one or two of its values replaced, taken out, doubled or nested deeply."""
    draw, made = random.Random(seed), copy.deepcopy(dict(meta))
    for _ in range(draw.choice([1, 1, 1, 2])):
        places = list(paths(made))
        if not places:
            return {"x": draw.choice(VALUES)}
        *above, last = draw.choice(places)
        inner: Any = made
        for key in above:
            inner = inner[key]
        kind = draw.choice(["replace"] * 5 + ["remove", "double", "nest"])
        if kind == "replace":
            inner[last] = copy.deepcopy(draw.choice(VALUES))
        elif kind == "remove":
            del inner[last]
        elif kind == "double":
            inner[last] = [inner[last], inner[last]]
        else:
            for _ in range(draw.choice([2, 200])):
                inner[last] = [inner[last]]
    return made


def readers(name: str, kind: Kind, scratch: Path) -> dict[str, Callable[[Lake], Any]]:
    """Every way to read node *name*, once of that kind, and to do something with the lake as a whole."""
    of_kind: dict[Kind, dict[str, Callable[[Lake], Any]]] = {
        "array": {
            "values": lambda lake: lake[name][...],
            "value": lambda lake: lake[name][(0,) * lake[name].ndim],
            "orthogonal": lambda lake: lake[name].oindex[[0]],
            "dask": lambda lake: lake[name].dask()[_corner(lake[name])].compute(),
            "xarray": lambda lake: lake.head.xarray(name)[_corner(lake[name])].load(),
            "entries": lambda lake: lake[name].entries(),
            "derive": lambda lake: lake.derive(nl.kernel(version="2")(twice), name),
        },
        "table": {
            "arrow": lambda lake: lake[name].to_arrow(),
            "pandas": lambda lake: lake[name].to_pandas(),
            "where": lambda lake: lake[name].to_arrow(where=pds.field("trial_id") == 3),
            "dask": lambda lake: lake[name].dask(where=[("trial_id", "==", 3)]).compute(),
            "sql": asked(f'select * from "{name}"'),
        },
        "file": {"bytes": lambda lake: lake[name]},
        "group": {"xarray": lambda lake: lake.head.xarray(name).load()},
    }
    described = ("nodes", "columns", "array_chunks", "parquet_files", "parquet_columns", "files", "derived")
    return {
        "open": lambda lake: [repr(lake), lake._repr_html_(), len(lake), lake.status()],
        "show": lambda lake: [repr(lake[name]), getattr(lake[name], "_repr_html_", str)()],
        **of_kind[kind],
        **{f"sql of {table}": asked(f"from {table}") for table in (*described, "trials", "runs", "commits")},
        "trace": asked("select sum(value), count(*) from trace('soma', [0, 3], 1, 5)"),
        "psth": lambda lake: lake.spikes.psth(),
        "statistics": lambda lake: lake.voltages.statistics("soma"),
        "history": lambda lake: [lake.log(), lake.diff("main~1", "main"), lake.head.history()],
        "derived": lambda lake: repr(lake.derived()),
        "lineage": lambda lake: list(lake.lineage(name).lines()),
        "refresh": lambda lake: lake.refresh(dry_run=True),
        "verify": lambda lake: str(lake.verify()),
        "garbage": lambda lake: str(lake.collect_garbage(dry_run=True)),
        "copy": lambda lake: lake.copy_to(scratch / new_uuid()),
        "copy of the newest": lambda lake: lake.copy_to(scratch / new_uuid(), history=timedelta(0)),
        "push": lambda lake: lake.push(nl.create(scratch / new_uuid(), durable=False), to="other"),
        "change": lambda lake: change(lake, name),
        "compact": lambda lake: lake.compact(),
    }


def _corner(array: Array) -> tuple[slice, ...]:
    return (slice(2),) * array.ndim


def asked(query: str) -> Callable[[Lake], Any]:
    """A reader that asks in SQL."""
    return lambda lake: lake.sql(query).fetchall()


def change(lake: Lake, name: str) -> None:
    """Commit something more in a node."""
    with lake.transaction("more", branch="main") as tx:
        kind = tx.drafts[name].kind
        if kind == "array":
            array = tx.array(name)
            rows = np.zeros((1, *(min(length, 2) for length in array.shape[1:5])), array.dtype)
            tx.append_array(name, rows)
        elif kind == "table":
            tx.append_table(name, pa.table({"trial_id": [9]}))
        else:
            tx.put_file("other", b"more")


def told(read: Callable[[Lake], Any], lake: Lake) -> Exception | None:
    """What a reader raises."""
    try:
        read(lake)
    except Exception as error:  # noqa: BLE001 - what it is, is the question
        return error
    return None
