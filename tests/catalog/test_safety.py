"""What a shared read-only endpoint must hold against: a query reads the lake, and nothing else of the machine."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import neurolake
from neurolake import InputError, QueryError
from neurolake.catalog import connection

REFUSED = r"Permission Error|does not exist|a query is one SELECT|No files found"


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    with lake.transaction("fill") as tx:
        tx.write_table("trials", pa.table({"trial_id": [0, 1], "stimulus": ["C2", "x'; drop table t; --"]}))
        tx.write_array("v", np.zeros((3, 2)), chunks=(1, 2))
    return lake


def refused(lake: Any, sql: str, reason: str = REFUSED, **parameters: Any) -> None:
    # What is wrong with a file name, DuckDB may find out only when rows are fetched.
    with pytest.raises(QueryError, match=reason or None):
        lake.head._catalog.query(sql, parameters).fetchall()


@pytest.mark.parametrize(
    "text",
    [
        *("C2' or true --", "'; drop view trials; --", "x'; copy trials to '/tmp/x", "$other", "C2\0"),
        *('C2"; select 1', "\\'; attach 'x.db'; --", "union select * from nodes", "` or 1=1"),
    ],
)
def test_a_parameter_is_a_value(lake: Any, text: str) -> None:
    assert lake.sql("select * from trials where stimulus = $text", text=text).fetchall() == []
    assert lake.sql("select $text as said", text=text).fetchall() == [(text,)]
    assert lake.sql("select count(*) from trials").fetchall() == [(2,)]


def test_a_parameter_names_no_table_or_file(lake: Any) -> None:
    refused(lake, "from read_text($file)", file="/etc/passwd")
    refused(lake, "from query($query)", query="select * from read_text('/etc/passwd')")
    refused(lake, "from query_table($name)", name="/etc/passwd")


@pytest.mark.parametrize(
    "query",
    [
        *("copy trials to '{0}/x.csv'", "copy (from trials) to '{0}/x.parquet' (format parquet)"),
        *("insert into trials values (1, 'a')", "update trials set trial_id = 1", "create table x (a int)"),
        *("create view x as select 1", "create macro trace(a) as a", "alter view trials rename to x"),
        *("attach '{0}/x.db'", "attach ':memory:' as x", "detach described", "pragma database_list"),
        *("set enable_external_access = true", "set memory_limit = '1TB'", "reset lock_configuration"),
        *("install httpfs", "load httpfs", "load '{0}/x.duckdb_extension'", "call pragma_version()"),
        *("export database '{0}/x'", "import database '{0}/x'", "checkpoint", "vacuum", "analyze"),
        *("create secret s (type s3)", "prepare p as select 1", "execute p", "explain analyze select 1"),
        *("from query('copy trials to ''{0}/x.csv''')", "from query('attach ''{0}/x.db''')"),
        *("from query('select 1; drop view trials')", "with x as (insert into trials values (1,'')) from x"),
        *("select getenv('HOME')", "select * from write_csv('{0}/x.csv')", "select set_config('a', 'b')"),
        *("select * from duckdb_secrets() where pragma_version()", "from pragma_storage_info('{0}/x')"),
    ],
)
def test_nothing_is_written_or_changed(lake: Any, tmp_path: Path, query: str) -> None:
    lake.sql("from nodes").fetchall()
    before = sorted(tmp_path.rglob("*"))
    refused(lake, query.format(tmp_path), "")
    assert sorted(tmp_path.rglob("*")) == before
    assert lake.sql("select count(*) from trials").fetchall() == [(2,)]


READERS = [
    *("read_text('{}')", "read_blob('{}')", "read_csv('{}')", "read_csv_auto('{}')", "read_json('{}')"),
    *("read_parquet('{}')", "parquet_scan('{}')", "parquet_metadata('{}')", "parquet_schema('{}')"),
    *("sniff_csv('{}')", "read_ndjson_objects('{}')", "'{}'", "query('from read_text(''{}'')')"),
    "query_table('{}')",
]


@pytest.mark.parametrize("reader", READERS)
def test_files_outside_the_lake_stay_closed(lake: Any, tmp_path: Path, reader: str) -> None:
    lake.sql("from nodes").fetchall()
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    cache = lake.objects.cache
    (cache / "other").mkdir(parents=True, exist_ok=True)
    (cache / "other" / "rows.csv").write_text("a,b\n1,2\n")
    places = [
        *("/etc/passwd", str(tmp_path / "secret.csv"), f"{lake.url}/neurolake.json"),
        *(f"{lake.url}/objects/../../secret.csv", f"file://{tmp_path}/secret.csv", str(Path.home() / "*")),
        *(f"{lake.url}/log/main/000000000000", str(cache / "other" / "rows.csv")),
        *(str(cache / "*" / "*"), "~/.bashrc", "https://example.com/x.csv", "s3://lakes/x.csv"),
    ]
    for place in places:
        refused(lake, f"from {reader.format(place)}")


def test_folders_are_not_listed(lake: Any, tmp_path: Path) -> None:
    for place in ("/etc/*", "/*", str(Path.home() / "*"), f"{lake.url}/*", str(tmp_path / "**"), "*"):
        refused(lake, f"from glob('{place}')")


def test_links_lead_nowhere(lake: Any, tmp_path: Path) -> None:
    """Whoever can put links into the lake's folder could read the files anyway; names with '..' are no way out."""
    for place in ("objects/../neurolake.json", "objects/./../neurolake.json", "objects//..//neurolake.json"):
        refused(lake, f"from read_text('{lake.url}/{place}')")


def test_what_is_spilled_cannot_be_read(lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROLAKE_MEMORY", "70MB")
    snapshot = neurolake.open(lake.url).head
    query = """from (select range as n, repeat('spilled secret ', 3) || range as text from range(2_000_000))
      order by hash(n)"""
    # A cursor keeps the rows of a result; a relation would not.
    rows = snapshot._catalog._connection.cursor().execute(query)
    assert len(rows.fetchmany(10)) == 10
    folder = Path(snapshot.sql("select current_setting('temp_directory')").fetchall()[0][0])
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    spilled = b"".join(path.read_bytes() for path in folder.iterdir())
    assert len(spilled) > 10**7 and b"spilled secret" not in spilled
    with pytest.raises(QueryError):
        snapshot.sql("set temp_directory = '/tmp'")


def test_memory_is_bounded_and_named(lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROLAKE_MEMORY", "1 GB")
    limit = "select current_setting('memory_limit')"
    assert neurolake.open(lake.url).sql(limit).fetchall() == [("953.6 MiB",)]
    for wrong in ("lots", "4", "-1GB", "1GB'; select 1; --"):
        monkeypatch.setenv("NEUROLAKE_MEMORY", wrong)
        with pytest.raises(InputError, match="NEUROLAKE_MEMORY is a size such as 4GB"):
            neurolake.open(lake.url).sql("select 1")


def test_nothing_is_left_behind(lake: Any, tmp_path: Path) -> None:
    program = """if True:
        import sys, neurolake
        lake = neurolake.open(sys.argv[1])
        print(lake.sql("select current_setting('temp_directory')").fetchall()[0][0])
        lake.sql("from nodes").fetchall()
        lake.sql("select count(*) from (select * from range(1000000) order by hash(range))").fetchall()
        try:
            lake.sql("from trace('nothing')")
        except neurolake.QueryError:
            pass
        kept = lake.sql("from trials")
    """
    home = tmp_path / "work"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", program, lake.url], capture_output=True, text=True, cwd=home, check=True
    )
    assert done.stderr == ""
    assert not Path(done.stdout.strip()).parent.exists() and list(home.iterdir()) == []


def test_names_in_errors_are_near(lake: Any) -> None:
    for query, near in [
        ("from trails", 'Did you mean "trials"'),
        ("from nods", 'Did you mean "nodes"'),
        ("from array_chunk", 'Did you mean "array_chunks"'),
        ("select stimulos from trials", 'Candidate bindings: .*"stimulus"'),
        ("select trials.stimulos from trials", 'Did you mean "stimulus"'),
        ("select trials.qqq from trials", "The columns are: stimulus, trial_id"),
        ("from zzzzzz", "The tables are: array_chunks, .*trials"),
    ]:
        with pytest.raises(QueryError, match=near) as caught:
            lake.sql(query)
        assert str(caught.value).endswith(f"\n  in: {query}")
        with pytest.raises(QueryError, match=near):
            lake.head._catalog.explain(query)


def test_explain(lake: Any) -> None:
    catalog = lake.head._catalog
    plan = catalog.explain("select stimulus from trials where trial_id = $n", {"n": 1})
    assert re.search(r"(?i)parquet", plan) and "trial_id" in plan
    with pytest.raises(QueryError):
        catalog.explain("analyze select 1")
    assert catalog.explain("select 1;")


def test_the_memory_of_other_processes_is_not_shared() -> None:
    here = connection._spill_folder(os.getpid())
    assert here == connection._spill_folder(os.getpid()) != connection._spill_folder(-1)
