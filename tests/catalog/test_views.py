"""SQL on one snapshot: what may be asked, what describes the lake, and damage told before any row."""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import neurolake
from neurolake import CorruptObjectError, QueryError
from neurolake.catalog.schema import CONTENT, LOG
from neurolake.catalog.views import Catalog


def ask(lake: Any, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
    return lake.sql(query, **parameters).fetchall()


@pytest.fixture
def small(tmp_path: Path, own_files: None) -> Any:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    with lake.transaction("fill") as tx:
        tx.write_table("numbers", pa.table({"x": [1, 2, 3]}), doc="a number")
        tx.write_table("letters", pa.table({"y": ["a", "b"]}))
    return lake


def damage(lake: Any, name: str, how: str) -> None:
    (path,) = lake[name].unverified_paths()
    path.chmod(0o644)
    if how == "footer":
        path.write_bytes(path.read_bytes()[:-8] + b"\0" * 8)
    elif how == "bit":
        data = bytearray(path.read_bytes())
        data[10] ^= 1
        path.write_bytes(data)
    else:
        path.unlink()


@pytest.mark.parametrize(
    "query",
    [
        *("copy numbers to 'x.csv'", "create table a as select 1", "attach 'x.db'", "pragma version"),
        *("pragma database_list", "select 1; select 2", "explain select 1", "", " -- nothing"),
        *("explain analyze create table x as select 1", "insert into numbers values (1)", "set threads = 1"),
        *("install httpfs", "load json", "call pragma_version()", "drop view numbers", "begin"),
        *("create or replace view numbers as select 1", "export database 'x'", "prepare a as select 1"),
        *("select 1; drop view numbers", "use memory", "delete from numbers", "vacuum", "detach memory"),
    ],
)
def test_a_query_is_one_select(small: Any, query: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(QueryError, match="a query is one SELECT, this is"):
        small.sql(query)
    assert sorted(tmp_path.rglob("*")) == before
    assert ask(small, "select sum(x) from numbers") == [(6,)]


@pytest.mark.parametrize(
    "query",
    [
        *("select sum(x) from numbers;", "select sum(x) from NUMBERS", 'select sum("x") from "numbers"'),
        *("with a as (from numbers) select sum(x) from a", "from numbers select sum(x)", "values (6)"),
        *(
            "select sum(x) from query_table('num' || 'bers')",
            "from query('select sum(x) from numb' || 'ers')",
        ),
    ],
)
def test_ways_to_select(small: Any, query: str) -> None:
    assert ask(small, query) == [(6,)]


@pytest.mark.parametrize(
    "source",
    [
        *("read_text('{}')", "read_csv('{}')", "read_blob('{}')", "glob('{}')", "read_parquet('{}')"),
        *("parquet_metadata('{}')", "read_json('{}')", "'{}'", "sniff_csv('{}')"),
    ],
)
def test_nothing_outside_the_lake_is_read(small: Any, tmp_path: Path, source: str) -> None:
    for file in (tmp_path / "secret.csv", tmp_path / "lake" / "neurolake.json", Path("/etc/hostname")):
        if not file.exists():
            file.write_text("a,b\n1,2\n")
        for path in (file, f"{small.url}/objects/../../{file.name}"):
            with pytest.raises((QueryError, Exception), match=r"Permission Error|does not exist"):
                small.sql(f"from {source.format(path)}").fetchall()


def test_settings_cannot_be_changed(small: Any) -> None:
    assert ask(small, "select current_setting('enable_external_access')") == [(False,)]
    assert ask(small, "select current_setting('lock_configuration')") == [(True,)]
    with pytest.raises(QueryError):
        small.sql("select set_config('enable_external_access', 'true')")


def test_parameters(simrun_lake: Any) -> None:
    query = "select count(*) from trials where stimulus = $stimulus and trial_id >= $first"
    assert ask(simrun_lake, query, stimulus="C2", first=1) == [(4,)]
    assert ask(simrun_lake, query, stimulus="C2' or true --", first=0) == [(0,)]
    assert ask(simrun_lake, "select count(*) from trials where trial_id in $ids", ids=[0, 6]) == [(2,)]
    with pytest.raises(QueryError, match="Values were not provided for the following parameters: first"):
        ask(simrun_lake, query, stimulus="C2")
    with pytest.raises(QueryError, match="Expected 0, got 1"):
        ask(simrun_lake, "select 1", first=1)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("select * from trails", 'Table with name trails does not exist!\nDid you mean "trials"'),
        ("select stimlus from trials", 'column "stimlus" not found'),
        ("select (", "syntax error"),
    ],
)
def test_errors_say_what_and_where(simrun_lake: Any, query: str, reason: str) -> None:
    with pytest.raises(QueryError, match=reason) as caught:
        simrun_lake.sql(query)
    assert str(caught.value).endswith(f"\n  in: {query}")


def test_names_of_python_are_not_tables(simrun_lake: Any) -> None:
    for name in ("sql", "text", "cursor", "rows", "lake", "snapshot", "DESCRIPTIONS"):
        with pytest.raises(QueryError, match="does not exist"):
            simrun_lake.sql(f"from {name}")


def test_nodes(simrun_lake: Any) -> None:
    head = simrun_lake.head
    found = {row[0]: row for row in ask(simrun_lake, "from nodes")}
    assert list(found) == sorted(head)
    name, kind, doc, rows, shape, data_type, stored, objects, digest, chunks, dimensions = found["trials"]
    assert (name, kind, doc, rows, shape) == ("trials", "table", "one simulated trial", 7, None)
    assert (data_type, objects, digest) == (None, 2, head["trials"].digest)
    assert (chunks, dimensions) == (None, None)
    assert found["voltage/soma"][9:] == ([1, 200], ["trial", "time"])
    assert stored == sum(entry.size for entry in head["trials"].files)
    assert found["voltage/soma"][2:6] == ("membrane potential", None, [7, 200], "float64")
    assert {row[1] for row in found.values()} == {"table", "array", "file"}


def test_columns(simrun_lake: Any) -> None:
    found = ask(
        simrun_lake,
        'select type, unit, meaning, source from columns where "column" = \'soma_distance\' order by "table" desc',
    )
    path = "simulation_run<N>_synapses.csv"
    assert found[0] == ("double", "µm", "path length from the synapse to the soma", path)
    described = ask(simrun_lake, 'select "table", "column" from columns where meaning is null')
    assert described == []
    counted = ask(simrun_lake, "select count(*) from columns")
    assert counted == [(sum(len(table.columns) for table in simrun_lake.head.tables.values()),)]


def test_commits(simrun_lake: Any) -> None:
    log = simrun_lake.log()
    found = ask(simrun_lake, "from commits")
    assert [row[0] for row in found] == [record.id for record in log]
    assert [row[3] for row in found] == ["Ingest second", "Ingest first", "Create the lake"]
    for (_, time, author, _, _, snapshot), record in zip(found, log, strict=True):
        assert isinstance(time, datetime) and time == record.time.replace(tzinfo=None)
        assert (author, snapshot) == (record.author, record.snapshot)
    assert [row[4] for row in found] == [[log[1].id], [log[2].id], []]


def test_tables_of_the_lake_come_first(tmp_path: Path) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    with lake.transaction("own nodes") as tx:
        tx.write_table("nodes", pa.table({"cell": [7]}))
        tx.write_table("odd \"name's/part", pa.table({"x": [8]}))
    assert ask(lake, "from nodes") == [(7,)]
    assert ask(lake, 'from "odd ""name\'s/part"') == [(8,)]


@pytest.mark.parametrize("how", ["footer", "bit", "gone"])
def test_damage_is_told_before_any_row(small: Any, how: str) -> None:
    damage(small, "numbers", how)
    lake = neurolake.open(small.url)
    assert ask(lake, "from letters") == [("a",), ("b",)]
    assert [row[0] for row in ask(lake, "select name from nodes")] == ["letters", "numbers"]
    for query in (
        "from numbers",
        "from NUMBERS",
        "from query_table('num' || 'bers')",
        "select count(*) from numbers",
    ):
        with pytest.raises(CorruptObjectError):
            lake.sql(query)


def test_damage_beside_the_question_is_no_matter(small: Any) -> None:
    lake = neurolake.open(small.url)
    assert ask(lake, "select sum(x) from numbers") == [(6,)]
    damage(lake, "letters", "gone")
    assert ask(lake, "select sum(x) from numbers") == [(6,)]


def test_a_lake_that_moved_answers(simrun_folder: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(simrun_folder, tmp_path / "it's here, ü")
    assert ask(neurolake.open(moved), "select count(*) from trials") == [(7,)]


def test_an_empty_lake_answers(tmp_path: Path) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    assert ask(lake, "select count(*) from nodes") == [(0,)]
    assert ask(lake, "select message from commits") == [("Create the lake",)]


def test_tables_are_listed_with_comments(simrun_lake: Any) -> None:
    query = "select comment from duckdb_columns() where table_name = $table and column_name = $column"
    (text,) = [text for (text,) in ask(simrun_lake, query, table="spike_times", column="threshold") if text]
    assert text == "voltage crossed upwards [mV]"
    views = {name for (name,) in ask(simrun_lake, "select view_name from duckdb_views() where not internal")}
    assert views >= {*simrun_lake.head.tables, "nodes", "array_chunks", "runs"}
    bare = """select table_name, column_name from duckdb_columns() where comment is null and not internal
      and database_name = 'memory'"""
    assert ask(simrun_lake, bare) == []


def test_a_listing_reads_no_table(small: Any) -> None:
    damage(small, "numbers", "bit")
    damage(small, "letters", "gone")
    lake = neurolake.open(small.url)
    names = {name for (name,) in ask(lake, "select table_name from information_schema.tables")}
    assert "numbers" in names and "letters" not in names
    for name in ("numbers", "letters"):
        with pytest.raises(CorruptObjectError):
            lake.sql(f"from {name}")


def test_every_question_can_be_asked_of_every_lake(small: Any, simrun_lake: Any) -> None:
    from neurolake.catalog.schema import DESCRIPTIONS

    for name, description in DESCRIPTIONS.items():
        columns = [column.name for column in description.columns]
        for lake in (small, simrun_lake):
            assert lake.sql(f"select * from {name}").columns == columns, name
    assert ask(small, "select (select count(*) from trials) + (select count(*) from runs)") == [(0,)]


def test_runs(simrun_lake: Any) -> None:
    found = ask(simrun_lake, "select trials, first_trial_id, last_trial_id, stimulus from runs order by 2")
    assert found == [(2, 0, 1, "C2"), (3, 2, 4, "C2"), (2, 5, 6, "D1")]


def test_files_of_a_lake_without_a_table_of_them(tmp_path: Path) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    with lake.transaction("notes") as tx:
        tx.put_file("notes/a.txt", b"abc")
    digest = lake.head.tree["notes/a.txt"].entries.get(0).digest
    assert ask(lake, "select path, size, digest, node from files") == [
        ("notes/a.txt", 3, digest, "notes/a.txt")
    ]


def test_refs_are_those_of_now(tmp_path: Path) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    with lake.transaction("one") as tx:
        tx.write_table("t", pa.table({"x": [1]}))
    pinned = lake.head
    query = "select name, kind, commit, message from refs order by name"
    assert ask(pinned, query) == [("main", "branch", pinned.commit.id, "one")]
    lake.tags.create("v1")
    lake.branches.create("side")
    with lake.transaction("two") as tx:
        tx.write_table("t", pa.table({"x": [2]}))
    assert ask(pinned, query) == [
        ("main", "branch", lake.head.commit.id, "two"),
        ("side", "branch", pinned.commit.id, "one"),
        ("v1", "tag", pinned.commit.id, "one"),
    ]
    assert ask(pinned, "select count(*) from commits") == [(2,)]


def test_derived_results(tmp_path: Path) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    with lake.transaction("inputs") as tx:
        tx.write_table("t", pa.table({"x": [1]}))
        tx.write_table("u", pa.table({"x": [2]}))
    inputs = {name: lake[name].digest for name in ("t", "u")}
    made = {"kernel": "psth", "version": "2", "code": "abc", "inputs": inputs, "params": {"bin": 1.0}}
    with lake.transaction("results") as tx:
        told = {"derived": {**made, "commit": lake.head.commit.id}}
        tx.write_table("derived/psth/1", pa.table({"y": [1.0]}), attributes=told)
        tx.write_array("derived/psth/2", [1.0], attributes=told)
        tx.put_file("derived/psth/3", b"x", attributes={"derived": {"kernel": "psth", "inputs": {}}})
        tx.put_file("derived/psth/4", b"x", attributes={"derived": "by hand"})
    query = "select name, kernel, version, code, inputs, params, stale from derived order by name"
    first, second, third = ask(lake, query)
    assert first == ("derived/psth/1", "psth", "2", "abc", inputs, '{"bin": 1.0}', False)
    assert second == ("derived/psth/2", *first[1:]) and third[:3] == ("derived/psth/3", "psth", None)
    with lake.transaction("move an input") as tx:
        tx.write_table("u", pa.table({"x": [3]}))
    assert [row[-1] for row in ask(lake, query)] == [True, True, False]
    with lake.transaction("lose an input") as tx:
        tx.delete("u")
    assert ask(lake, "select count(*) from derived where stale") == [(2,)]


def test_parquet_statistics(small: Any) -> None:
    (row,) = ask(small, "select * from parquet_columns where \"table\" = 'numbers'")
    assert row == ("numbers", 0, "x", 1.0, 3.0, "1", "3", 0)
    (entry,) = small["numbers"].files
    assert ask(small, "from parquet_files where digest = $digest", digest=entry.digest) == [
        ("numbers", 0, entry.digest, entry.size, 3)
    ]


def test_the_schema_of_trials_is_that_of_the_ingester() -> None:
    from neurolake.catalog.schema import CONTENT
    from neurolake.catalog.vocabulary import trials as simrun_schema

    types = {"string": "VARCHAR", "int64": "BIGINT", "double": "DOUBLE"}
    for kind in (simrun_schema.TRIALS, simrun_schema.PARAMETERS, simrun_schema.FILES):
        ours = {column.name: (column.type, column.unit) for column in CONTENT[kind.name].columns}
        theirs = {
            field.name: (types[str(field.type)], (field.metadata or {}).get(b"unit", b"").decode())
            for field in kind.schema
        }
        assert ours == theirs, kind.name


@pytest.mark.parametrize("table", sorted({*CONTENT, *LOG}))
def test_a_question_that_failed_can_be_asked_again(small: Any, table: str) -> None:
    """Whichever statement of those that make what it asks for did not come through."""
    query = f"from {table} order by all"
    right = small.head.sql(query).fetchall()
    for failing in range(20):
        catalog = Catalog(small.at(small.head.commit.id))
        connection = Unsteady(catalog._connection, failing)
        catalog._connection = catalog._descriptions._connection = connection
        try:
            assert catalog.query(query).fetchall() == right
        except QueryError as error:
            assert "out of memory" in str(error)
            assert catalog.query(query).fetchall() == right
        if connection.left >= 0:
            return
    pytest.fail("it takes more statements than that")


class Unsteady:
    """A connection of which one statement fails, after so many others."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, after: int) -> None:
        self._connection, self.left = connection, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, text: str) -> duckdb.DuckDBPyConnection:
        self.left -= text != "rollback"
        if self.left == -1 and text != "rollback":
            raise duckdb.OutOfMemoryException("out of memory")
        return self._connection.execute(text)


def test_history_that_was_away_is_told_when_it_is_back(small: Any) -> None:
    record = Path(small.url) / "log/main/000000000000"
    kept = record.read_bytes()
    snapshot = neurolake.open(small.url).head
    record.unlink()
    snapshot.log.forget()
    for _ in range(2):
        with pytest.raises(CorruptObjectError, match="is missing"):
            snapshot.sql("from commits")
    record.write_bytes(kept)
    assert snapshot.sql("from commits").fetchall() == small.sql("from commits").fetchall()
