"""A file for other clients of DuckDB: complete, documented, and in nobody's way."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import neurolake
from neurolake import InputError, StorageError
from neurolake.catalog import attach
from neurolake.cli import app

# What a client does that knows nothing of neurolake.
READER = """
import json, sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
for line in sys.stdin:
    print(json.dumps(connection.execute(line).fetchall(), default=str), flush=True)
"""


def answers(file: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def attached(simrun_lake: Any, tmp_path: Path) -> Path:
    attach(simrun_lake.head, tmp_path / "lake.duckdb")
    return tmp_path / "lake.duckdb"


@pytest.mark.parametrize(
    "query",
    [
        *("select * from trials order by trial_id", "select count(*), max(time) from synapse_activation"),
        *("from nodes order by name", "from columns order by all", "from commits order by all", "from refs"),
        *("from parquet_files order by all", "from parquet_columns order by all", "from runs order by run"),
        *("from array_chunks order by all", "from files order by all", "from parameters order by all"),
        "from derived",
    ],
)
def test_it_says_what_the_lake_says(simrun_lake: Any, attached: Path, query: str) -> None:
    found = answers(attached, query)
    assert found == simrun_lake.sql(query).fetchall()
    assert found or query == "from derived"


def test_columns_have_comments(attached: Path) -> None:
    found = dict(
        answers(
            attached,
            "select column_name, comment from duckdb_columns() where table_name = 'synapse_activation'",
        )
    )
    path = "simulation_run<N>_synapses.csv"
    assert found["soma_distance"] == f"path length from the synapse to the soma [µm]; from {path}"
    bare = "select count(*) from duckdb_columns() where comment is null and schema_name = 'main' and not internal"
    assert answers(attached, bare) == [(0,)]
    assert answers(attached, "select comment from duckdb_views() where view_name = 'trials'") == [
        ("one simulated trial",)
    ]


def test_another_process_reads_while_a_writer_commits(tmp_path: Path) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    with lake.transaction("one") as tx:
        tx.append_table("numbers", pa.table({"x": [1, 2, 3]}))
    attach(lake.head, tmp_path / "lake.duckdb")
    command = [sys.executable, "-c", READER, str(tmp_path / "lake.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        for number in range(4):
            process.stdin.write("select sum(x), count(*) from numbers\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline()) == [[6, 3]]
            with lake.transaction("more") as tx:
                tx.append_table("numbers", pa.table({"x": [number]}))
            # While the other process has the file open, it can be made again, and another be made beside.
            attach(lake.head, tmp_path / "lake.duckdb", replace=True)
            assert answers(tmp_path / "lake.duckdb", "select count(*) from numbers") == [(4 + number,)]
        process.stdin.close()


def test_names_that_need_care(tmp_path: Path) -> None:
    lake = neurolake.create(tmp_path / "it's a lake", durable=False)
    with lake.transaction("names") as tx:
        for number, name in enumerate(["nodes", "pieces", "odd \"name's/part", "fall"]):
            tx.write_table(name, pa.table({"x": [number]}), doc="it's")
    attach(lake.head, tmp_path / "a file's name.duckdb")
    for number, name in enumerate(["nodes", "pieces", 'odd ""name\'s/part', "fall"]):
        assert answers(tmp_path / "a file's name.duckdb", f'from "{name}"') == [(number,)]


def test_an_empty_lake(tmp_path: Path) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    attach(lake.head, tmp_path / "lake.duckdb")
    assert answers(tmp_path / "lake.duckdb", "select count(*) from trials") == [(0,)]
    assert answers(tmp_path / "lake.duckdb", "select message from commits") == [("Create the lake",)]


def test_what_is_there_stays(simrun_lake: Any, tmp_path: Path) -> None:
    file = tmp_path / "lake.duckdb"
    file.write_text("mine")
    with pytest.raises(InputError, match="exists"):
        attach(simrun_lake.head, file)
    assert file.read_text() == "mine"
    with pytest.raises(StorageError, match="cannot write"):
        attach(simrun_lake.head, tmp_path / "nowhere" / "lake.duckdb")
    assert [path.name for path in tmp_path.iterdir()] == ["lake.duckdb"]
    attach(simrun_lake.head, file, replace=True)
    assert answers(file, "select count(*) from trials") == [(7,)]


def test_older_clients_can_read_it(attached: Path) -> None:
    # The header names the storage version: 64 is that of DuckDB 0.10 to 1.1.
    assert int.from_bytes(attached.read_bytes()[12:20], "little") == 64


def test_command(simrun_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "lake.duckdb"
    done = CliRunner().invoke(app, ["attach", str(simrun_folder), str(file), "--at", "main~1"])
    assert done.exit_code == 0, done.output
    assert answers(file, "select count(*) from trials") == [(5,)]
    again = CliRunner().invoke(app, ["attach", str(file), "--lake", str(simrun_folder), "--replace"])
    assert again.exit_code == 0 and answers(file, "select count(*) from trials") == [(7,)]


def test_a_remote_lake_is_refused(s3: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not on this machine"):
        attach(neurolake.create(s3).head, tmp_path / "lake.duckdb")
