"""The command line: what it prints, where, and how it ends."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from command_line import Command, Ended
from simrun_trees import SITE, Run, digests, read_lake, read_tree, write_run

import neurolake
from neurolake import cli
from neurolake.lake import errors
from neurolake.lake.console import GROUPS


def spawn(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "neurolake", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100, **options)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write_run(tmp_path / "tree" / "stim_C2", Run(seed=1))
    write_run(tmp_path / "tree" / "stim_D1", Run(seed=2))
    return tmp_path / "tree"


def commands() -> list[list[str]]:
    """All commands, such as ["ingest", "simrun"]."""

    def below(group: Any, names: list[str]) -> list[list[str]]:
        if not hasattr(group, "commands"):
            return [names]
        return [path for name, inner in group.commands.items() for path in below(inner, [*names, name])]

    return below(typer.main.get_command(cli.app), [])


def one_line(text: str) -> bool:
    return text.startswith("neurolake: ") and text.count("\n") == 1 and "Traceback" not in text


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_help_has_an_example(run: Command, command: list[str]) -> None:
    ended = run(*command, "--help")
    assert (ended.code, ended.err) == (0, "")
    example = " ".join(ended.out.split()).partition("Example: ")[2]
    assert "Raises" not in ended.out, "a section for callers"
    assert example.startswith(f"neurolake {' '.join(command)} ")


def test_without_a_command_it_tells_them(run: Command) -> None:
    ended = run()
    text = ended.out + ended.err
    assert all(
        name in text for name in ("create", "ingest", "export", "sql", "ls", "log", "show", "describe")
    )


def test_version(run: Command) -> None:
    assert run("--version") == Ended(0, f"neurolake {neurolake.__version__}\n", "")
    done = spawn("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"neurolake {neurolake.__version__}\n", "")


@pytest.mark.parametrize(
    "arguments",
    [
        *(
            ["nonsense"],
            ["sql"],
            ["sql", "select 1"],
            ["ingest", "simrun"],
            ["log", "--lake", "x", "--number", "0"],
        ),
        *(["ls", "--lake", "x", "--wrong"], ["ingest", "simrun", "x", "--lake", "y", "--processes", "many"]),
        ["ingest", "simrun", "x", "--lake", "y", "--processes", "0"],
    ],
)
def test_wrong_usage(
    run: Command, arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("NEUROLAKE_LAKE", raising=False)
    monkeypatch.chdir(tmp_path)
    ended = run(*arguments)
    assert ended.code == 2 and "Usage: neurolake" in ended.err and "Traceback" not in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e999"])
@pytest.mark.parametrize(
    "command",
    [
        ["gc", "--grace-hours"],
        ["expire", "--older-than-days"],
        ["copy", "there", "--history-days"],
        ["verify", "--sample"],
        ["sql", "select 1", "--timeout"],
    ],
)
def test_numbers_are_finite(
    run: Command, tmp_path: Path, simrun_folder: Path, command: list[str], number: str
) -> None:
    ended = run(*command, number, "--lake", simrun_folder)
    assert ended.code == 2 and "Usage: neurolake" in ended.err and not ended.out
    assert "Invalid value for" in ended.err


@pytest.mark.parametrize("days", ["1e6", "1e300"])
def test_lengths_of_time_that_no_calendar_has(run: Command, simrun_folder: Path, days: str) -> None:
    ended = run("expire", "--older-than-days", days, "--lake", simrun_folder)
    assert ended.code == 2 and len(ended.err.splitlines()) == 1 and "calendar" in ended.err


def test_garbage_of_any_age(run: Command, lake: Path) -> None:
    ended = run("gc", "--grace-hours", 23_999_999_975, "--lake", lake)
    assert ended.code == 0 and not ended.err
    ended = run("gc", "--grace-hours", "1e300", "--lake", lake)
    assert ended.code == 2 and len(ended.err.splitlines()) == 1 and "calendar" in ended.err


def test_create(run: Command, tmp_path: Path) -> None:
    ended = run("create", tmp_path / "a lake")
    assert ended == Ended(0, f"Made a lake at {tmp_path / 'a lake'}\n", "")
    assert list(neurolake.open(tmp_path / "a lake")) == []
    again = run("create", tmp_path / "a lake")
    assert again.code == 2 and "exists and is not an empty folder" in again.err and one_line(again.err)


@pytest.mark.parametrize(
    "arguments",
    [
        *(["ls"], ["log"], ["show"], ["describe"], ["sql", "select 1"], ["export", "simrun", "copy"]),
    ],
)
def test_a_path_that_is_no_lake(run: Command, tmp_path: Path, arguments: list[str], monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for path in ("gone", "folder"):
        ended = run(*arguments, "--lake", path)
        assert ended.code == 1 and one_line(ended.err) and f"{path} is not a lake" in ended.err
        assert ended.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_ingest_makes_the_lake_and_says_what_it_did(run: Command, tree: Path, tmp_path: Path) -> None:
    (tree / "x_running").mkdir()
    lake = tmp_path / "lake"
    ended = run("ingest", "simrun", tree, "--lake", lake, "--label", "whisker=stim_(..)", "-m", "first")
    assert ended.code == 0 and ended.err == "still running, left out: x_running\n"
    first, last = ended.out.splitlines()
    assert re.fullmatch(
        rf"Ingested 4 trials of 2 run directories \([\d.]+ MB in [\d.]+ s, [\d,]+ MB/s\) into {lake}", first
    )
    opened = neurolake.open(lake)
    assert last == f"Commit {opened.head.commit.id[:12]}" and opened.head.commit.message == "first"
    assert read_lake(opened.head) == read_tree(tree)
    assert opened.sql("select distinct whisker from trials order by 1").fetchall() == [("C2",), ("D1",)]


def test_ingest_again(run: Command, tree: Path, tmp_path: Path) -> None:
    arguments = ("ingest", "simrun", tree, "--lake", tmp_path / "lake")
    run(*arguments)
    ended = run(*arguments)
    assert ended == Ended(0, "Nothing new: the lake has 2 of these run directories already.\n", "")
    write_run(tree / "stim_E1", Run(seed=3))
    ended = run(*arguments)
    assert "Ingested 2 trials of 1 run directory" in ended.out
    assert "2 run directories were there already." in ended.out
    (tree / "stim_E1" / "20261120-2051_seed3_pid1003" / "more.txt").write_text("changed")
    ended = run(*arguments)
    changed = "changed since it was ingested, left as it was: stim_E1/20261120-2051_seed3_pid1003\n"
    assert (ended.code, ended.err) == (3, changed)


def test_ingest_recognises_a_path(run: Command, tree: Path, tmp_path: Path, monkeypatch: Any) -> None:
    lake = tmp_path / "lake"
    ended = run("ingest", tree, "--lake", lake, "-m", "first")
    first, second, last = ended.out.splitlines()
    assert (ended.code, ended.err) == (0, "")
    assert first == f"{tree} is a folder of simrun results of the In Silico Framework."
    assert second.startswith("Ingested 4 trials of 2 run directories (") and last.startswith("Commit ")
    opened = neurolake.open(lake)
    assert read_lake(opened.head) == read_tree(tree) and opened.head.commit.message == "first"
    again = run("ingest", "--lake", lake, tree)  # options may come first
    assert again.out.splitlines()[1] == "Nothing new: the lake has 2 of these run directories already."
    # A folder that is called like a command is meant with a slash.
    monkeypatch.chdir(tree.parent)
    tree.rename(tree.parent / "simrun")
    assert "Nothing new" in run("ingest", "./simrun", "--lake", lake).out
    told = run("ingest", tmp_path / "gone", "--lake", lake)
    assert told.code == 2 and "gone: there is no such file or folder" in told.err and one_line(told.err)
    (tmp_path / "notes.txt").write_text("hello")
    told = run("ingest", tmp_path / "notes.txt", "--lake", lake)
    assert told.code == 2 and "no format recognises it" in told.err and "\n  sonata: " in told.err
    told = run("ingest", "./simrun", "--lake", lake, "--format", "sonata")
    assert told.code == 2 and "there is no SONATA configuration in this folder" in told.err
    assert "simrun" in run("ingest", "--help").out and "simrun" in run("ingest").out + run("ingest").err


def test_ingest_of_a_bad_file(run: Command, tree: Path, tmp_path: Path) -> None:
    name = "stim_D1/20261120-2051_seed2_pid1002"
    file = tree / name / "simulation_run0001_synapses.csv"
    file.write_text(file.read_text()[:-10])
    lake = tmp_path / "lake"
    ended = run("ingest", "simrun", tree, "--lake", lake)
    line = file.read_text().count("\n") + 1
    assert ended == Ended(
        2, "", f"neurolake: {file}:{line}: the last line does not end: the file is cut short\n"
    )
    assert list(neurolake.open(lake)) == []
    ended = run("ingest", "simrun", tree, "--lake", lake, "--on-error", "skip")
    assert ended.code == 3 and "Ingested 2 trials of 1 run directory" in ended.out
    assert (
        ended.err == f"left out: {name}\n  {file}:{line}: the last line does not end: the file is cut short\n"
    )
    ended = run("ingest", "simrun", tree, "--lake", lake, "--on-error", "skip")
    assert ended.code == 3 and "Nothing new" in ended.out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--on-error", "ignore"], "'stop' or 'skip'"),
        (["--label", "whisker"], "write NAME=REGEX"),
        (["--label", "a=("], "no regular expression"),
        (["--scheduler", "nowhere://x"], "no dask scheduler answers"),
    ],
)
def test_ingest_with_wrong_options(
    run: Command, tree: Path, tmp_path: Path, arguments: list[str], reason: str
) -> None:
    ended = run("ingest", "simrun", tree, "--lake", tmp_path / "lake", *arguments)
    assert ended.code == 2 and reason in ended.err and one_line(ended.err)


def test_ingest_of_nothing(run: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path, reason in (("gone", "expected a directory"), ("empty", "no simrun results: expected")):
        ended = run("ingest", "simrun", tmp_path / path, "--lake", tmp_path / "lake")
        assert ended.code == 2 and reason in ended.err and one_line(ended.err)


def test_ingest_into_something_else(run: Command, tree: Path) -> None:
    ended = run("ingest", "simrun", tree, "--lake", tree)
    assert ended.code == 2 and "exists and is not an empty folder" in ended.err and one_line(ended.err)


def test_ingest_into_a_file_url(run: Command, tree: Path, tmp_path: Path) -> None:
    assert run("ingest", "simrun", tree, "--lake", f"file://{tmp_path}/lake").code == 0
    assert (
        run("sql", "select count(*) n from trials", "--lake", f"file://{tmp_path}/lake", "-f", "csv").out
        == '"n"\n4\n'
    )


def test_relative_paths_spaces_and_foreign_letters(
    run: Command, tree: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    tree.rename(tmp_path / "Ergebnisse für 大脑 [bold]")
    monkeypatch.chdir(tmp_path)
    ended = run("ingest", "simrun", "Ergebnisse für 大脑 [bold]", "--lake", "der See [red]")
    assert ended.code == 0 and f"into {tmp_path}/der See [red]\n" in ended.out
    assert (
        "Ingest simrun results from Ergebnisse für 大脑 [bold]" in run("log", "--lake", "der See [red]").out
    )


def test_a_plan_is_shown_and_not_followed(run: Command, tree: Path, tmp_path: Path) -> None:
    run("ingest", "simrun", tree, "--lake", tmp_path / "lake")
    ended = run(
        "sql", "select stimulus, count(*) from trials group by all", "--explain", "--lake", tmp_path / "lake"
    )
    assert ended.code == 0 and "Hash Group By" in ended.out
    assert run("sql", "select nothing_there from trials", "--explain", "--lake", tmp_path / "lake").code != 0


def test_a_query_is_read_from_a_file(run: Command, tree: Path, tmp_path: Path) -> None:
    run("ingest", "simrun", tree, "--lake", tmp_path / "lake")
    (tmp_path / "count.sql").write_text("select count(*) as trials from trials")
    output = tmp_path / "count.parquet"
    ended = run("sql", tmp_path / "count.sql", "--output", output, "--lake", tmp_path / "lake")
    assert ended.code == 0 and pq.read_table(output).to_pydict()["trials"][0] > 0


def test_an_interrupted_ingest_leaves_nothing(tree: Path, tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from neurolake import cli; from neurolake.ingest.simrun import ingest as simrun; "
        "simrun.stage = lambda *a, **k: os.kill(os.getpid(), signal.SIGINT); cli.main()"
    )
    command = [sys.executable, "-c", script, "ingest", "simrun", tree, "--lake", tmp_path / "lake"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "neurolake: interrupted\n")
    assert list(neurolake.open(tmp_path / "lake")) == []


def test_an_interrupt_ends_all_processes_quietly(tree: Path, tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from neurolake import cli; from neurolake.ingest.simrun import ingest as simrun; "
        "simrun._SMALLEST_GROUP = 1; "
        "bar = lambda *a, **k: os.killpg(0, signal.SIGINT); "
        "from contextlib import nullcontext; from neurolake.ingest import commands; commands.progress = lambda what: nullcontext(bar); cli.main()"
    )
    arguments = ["ingest", "simrun", tree, "--lake", tmp_path / "lake", "--processes", "2"]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert (done.returncode, done.stderr) == (130, "neurolake: interrupted\n")
    assert list(neurolake.open(tmp_path / "lake")) == []


def test_export(run: Command, simrun_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    ended = run("export", "simrun", copy, "--lake", simrun_folder, "--at", "main~1")
    files = [path for path in copy.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    assert ended == Ended(0, f"Wrote {len(files)} files ({size / 1e6:.1f} MB) to {copy}\n", "")
    run("ingest", "simrun", copy, "--lake", tmp_path / "lake")
    assert digests(neurolake.open(tmp_path / "lake").head) == digests(
        neurolake.open(simrun_folder).at("main~1")
    )
    again = run("export", "simrun", copy, "--lake", simrun_folder)
    assert again.code == 2 and "not an empty folder" in again.err and one_line(again.err)


def test_export_of_one_run(run: Command, simrun_folder: Path, tmp_path: Path) -> None:
    name = "stim_C2/20261120-2051_seed1_pid1001"
    assert run("export", "simrun", tmp_path / "copy", "--lake", simrun_folder, "--run", name).code == 0
    assert {
        path.parent.relative_to(tmp_path / "copy").as_posix() for path in (tmp_path / "copy").rglob("*.csv")
    } == {name}
    ended = run("export", "simrun", tmp_path / "other", "--lake", simrun_folder, "--run", "nothing")
    assert ended.code == 1 and "no run 'nothing'" in ended.err and one_line(ended.err)
    neurolake.create(tmp_path / "empty")
    ended = run("export", "simrun", tmp_path / "other", "--lake", tmp_path / "empty")
    assert ended.code == 1 and "holds no simrun results" in ended.err


def test_export_to_where_nothing_can_be_written(run: Command, simrun_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = run("export", "simrun", tmp_path / "file" / "copy", "--lake", simrun_folder)
    assert ended.code == 5 and one_line(ended.err)


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_sql(run: Command, simrun_folder: Path, tmp_path: Path, form: str) -> None:
    query = "select stimulus, count(*) as n from trials group by all order by all"
    ended = run("sql", query, "--lake", simrun_folder, "--format", form)
    expected = {
        "table": "stimulus  n\nC2        5\nD1        2\n",
        "csv": '"stimulus","n"\n"C2",5\n"D1",2\n',
        "json": '[{"stimulus": "C2", "n": 5},\n {"stimulus": "D1", "n": 2}]\n',
    }[form]
    assert ended == Ended(0, expected, "")
    assert run("sql", "-", "--lake", simrun_folder, "-f", form, stdin=query).out == expected
    assert run("sql", query, "--lake", simrun_folder, "-f", form, "-o", tmp_path / "file").out == ""
    assert (tmp_path / "file").read_text() == expected


def test_sql_of_an_older_commit(run: Command, simrun_folder: Path) -> None:
    ended = run(
        "sql", "select count(*) n from trials", "--lake", simrun_folder, "--at", "main~1", "-f", "csv"
    )
    assert ended.out == '"n"\n5\n'
    ended = run("sql", "select 1", "--lake", simrun_folder, "--at", "main~9")
    assert ended.code == 1 and one_line(ended.err)


def test_sql_to_parquet(run: Command, simrun_folder: Path, tmp_path: Path) -> None:
    query = "from trials order by trial_id"
    assert run("sql", query, "--lake", simrun_folder, "-f", "parquet", "-o", tmp_path / "a.parquet").code == 0
    expected = neurolake.open(simrun_folder)["trials"].to_arrow().to_pylist()
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == expected
    command = [sys.executable, "-m", "neurolake", "sql", query, "--lake", str(simrun_folder), "-f", "parquet"]
    piped = subprocess.run(command, capture_output=True, check=True).stdout
    assert pq.read_table(io.BytesIO(piped)).to_pylist() == expected


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("select * from nothing", "Table with name nothing does not exist"),
        ("drop view trials", "a query is one SELECT, this is DROP"),
        ("select cast(stimulus as int) from trials", "Could not convert string"),
        ("", "this is nothing"),
    ],
)
def test_sql_that_fails(run: Command, simrun_folder: Path, query: str, reason: str) -> None:
    ended = run("sql", query, "--lake", simrun_folder, "-f", "csv")
    assert ended.code == 2 and ended.err.startswith("neurolake: ") and reason in ended.err
    assert "Traceback" not in ended.err


def test_sql_with_wrong_options(run: Command, simrun_folder: Path, tmp_path: Path) -> None:
    ended = run("sql", "select 1", "--lake", simrun_folder, "--format", "xml")
    assert ended.code == 2 and "choose table, csv, json, parquet" in ended.err and one_line(ended.err)
    for form in ("table", "csv", "json", "parquet"):
        ended = run("sql", "select 1", "--lake", simrun_folder, "-f", form, "-o", tmp_path / "no" / "file")
        assert ended.code == 5 and "No such file or directory" in ended.err and one_line(ended.err)


def test_output_to_a_program_is_never_cut(run: Command, simrun_folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    ended = run("sql", "select repeat('x', 5000) as a, repeat('y', 5000) as b", "--lake", simrun_folder)
    assert "x" * 5000 in ended.out and "y" * 5000 in ended.out and len(ended.out.splitlines()) == 2
    for command in ("ls", "describe"):
        text = run(command, "--lake", simrun_folder).out
        assert "…" not in text
        assert all(name in text for name in neurolake.open(simrun_folder).head.tables)
    assert f"voltage/{SITE}.trial" in run("ls", "--lake", simrun_folder).out


def test_a_reader_that_stops_listening(simrun_folder: Path) -> None:
    query = "select a.range from range(300000) a"
    command = f"{sys.executable} -m neurolake sql '{query}' --lake {simrun_folder} -f csv | head -2"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout == '"range"\n0\n' and done.stderr == ""


def test_ls(run: Command, simrun_folder: Path) -> None:
    ended = run("ls", "--lake", simrun_folder)
    lines = [line.split() for line in ended.out.splitlines()]
    assert lines[0] == ["node", "kind", "rows", "or", "shape", "stored"]
    assert [line[0] for line in lines[1:]] == sorted(neurolake.open(simrun_folder))
    assert ["trials", "table", "7"] in [line[:3] for line in lines]
    assert ["voltage/soma", "array", "7", "x", "200"] in [line[:5] for line in lines]
    names = [line.split()[0] for line in run("ls", "voltage/", "--lake", simrun_folder).out.splitlines()[1:]]
    assert names == [name for name in sorted(neurolake.open(simrun_folder)) if name.startswith("voltage/")]


def test_log(run: Command, simrun_folder: Path) -> None:
    log = neurolake.open(simrun_folder).log()
    lines = run("log", "--lake", simrun_folder).out.splitlines()
    assert [line.split()[0] for line in lines] == [record.id[:12] for record in log]
    assert [line.split(maxsplit=4)[4] for line in lines] == [
        "Ingest second",
        "Ingest first",
        "Create the lake",
    ]
    assert run("log", "--lake", simrun_folder, "-n", 1).out.splitlines() == lines[:1]
    assert run("log", "--lake", simrun_folder, "--at", "main~1").out.splitlines() == lines[1:]


def test_show(run: Command, simrun_folder: Path) -> None:
    text = run("show", "--lake", simrun_folder).out
    record = neurolake.open(simrun_folder).head.commit
    for fact in (
        record.id,
        record.snapshot,
        record.author,
        "Ingest second",
        "notes.ingest.trials",
        "neurolake",
    ):
        assert fact in text
    assert "  changed  trials\n" in text and "  added    " not in text.replace("added  ", "")
    first = run("show", "main~1", "--lake", simrun_folder).out
    assert "  added  trials\n" in first and "  changed  " not in first
    assert run("show", "main~2", "--lake", simrun_folder).code == 0


def test_describe_gives_units(run: Command, simrun_folder: Path) -> None:
    text = run("describe", "synapse_activation", "--lake", simrun_folder).out
    assert text.splitlines()[1].startswith(
        "synapse_activation: one activation of one synapse in one trial  ("
    )
    rows = {line.split()[0]: line for line in text.splitlines()[3:]}
    assert re.search(
        r"double\s+µm\s+path length from the synapse to the soma\s+simulation_run", rows["soma_distance"]
    )
    assert re.search(r"double\s+ms\s+when the synapse was activated", rows["time"])
    all_tables = run("describe", "--lake", simrun_folder).out
    assert all(f"\n{name}: " in all_tables for name in neurolake.open(simrun_folder).head.tables)
    array = run("describe", "voltage/soma", "--lake", simrun_folder).out
    assert re.search(r"units\s+mV", array) and re.search(
        r"dimensions\s+\('trial', 'time'\)|\['trial', 'time'\]", array
    )
    ended = run("describe", "nothing", "--lake", simrun_folder)
    assert ended.code == 1 and "there is no table 'nothing'" in ended.err and one_line(ended.err)


def test_names_and_messages_are_not_markup(run: Command, tmp_path: Path) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    with lake.transaction("[bold]message[/bold] :fire: [/]") as tx:
        tx.write_array("[red]a[/red] :fire:", [1, 2])
    for command in (["log"], ["show"], ["ls"], ["sql", "select message from commits"]):
        assert ":fire:" in run(*command, "--lake", tmp_path / "lake").out
    assert "[bold]message[/bold] :fire: [/]" in run("log", "--lake", tmp_path / "lake").out
    assert "[red]a[/red] :fire:" in run("describe", "[red]a[/red] :fire:", "--lake", tmp_path / "lake").out


def test_the_lake_may_come_from_the_environment(run: Command, simrun_folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("NEUROLAKE_LAKE", str(simrun_folder))
    assert run("sql", "select count(*) as n from trials", "-f", "csv").out == '"n"\n7\n'


def test_damage_has_its_own_exit_code(run: Command, simrun_folder: Path, tmp_path: Path) -> None:
    lake = shutil.copytree(simrun_folder, tmp_path / "lake")
    (path, *_) = neurolake.open(lake)["synapse_activation"].unverified_paths()
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-20])
    for command in (["sql", "from synapse_activation"], ["export", "simrun", tmp_path / "copy"]):
        ended = run(*command, "--lake", lake)
        assert (ended.code, ended.out) == (4, "") and one_line(ended.err) and "object" in ended.err
    assert run("ls", "--lake", lake).code == run("sql", "from spike_times", "--lake", lake).code == 0


def test_a_newer_format_has_its_own_message(run: Command, tmp_path: Path) -> None:
    neurolake.create(tmp_path / "lake")
    marker = tmp_path / "lake" / "neurolake.json"
    text = json.loads(marker.read_text()) | {"format": 99}
    marker.chmod(0o644)
    marker.write_text(json.dumps(text))
    ended = run("ls", "--lake", tmp_path / "lake")
    assert ended.code == 1 and "format 99" in ended.err and one_line(ended.err)


def test_a_full_disk_is_one_line(run: Command, tree: Path, tmp_path: Path, monkeypatch: Any) -> None:
    run("create", tmp_path / "lake")

    def full(path: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    ended = run("ingest", "simrun", tree, "--lake", tmp_path / "lake")
    assert ended.code == 5 and "No space left on device" in ended.err and one_line(ended.err)


def test_csv_is_read_as_it_was_meant(run: Command, simrun_folder: Path) -> None:
    query = "select time, soma_distance from synapse_activation order by all"
    text = run("sql", query, "--lake", simrun_folder, "-f", "csv").out
    rows = [tuple(map(float, row)) for row in list(csv.reader(io.StringIO(text)))[1:]]
    assert rows == neurolake.open(simrun_folder).sql(query).fetchall()
    assert os.environ.get("NEUROLAKE_CACHE")


@pytest.fixture
def lake(run: Command, tree: Path, tmp_path: Path) -> Path:
    assert run("ingest", "simrun", tree, "--lake", tmp_path / "lake").code == 0
    return tmp_path / "lake"


def test_versions(run: Command, lake: Path, tmp_path: Path) -> None:
    """Branch, tag, change, compare, merge, revert, copy, push, pull and verify, as a person would."""
    where = ("--lake", lake)
    assert run("branch", "side", *where).code == 0 and run("tag", "v1", *where).code == 0
    with neurolake.open(lake).transaction("On the side", branch="side") as tx:
        tx.put_file("note", b"1")
    assert [line.split()[1] for line in run("branch", *where).out.splitlines()] == ["main", "side"]
    assert run("diff", "main", "side", *where).out == "added    file   note\n"
    assert json.loads(run("diff", "main", "side", "--json", *where).out)["name"] == "note"
    assert run("copy", tmp_path / "copy", *where).code == 0
    assert run("merge", "side", *where).code == 0 and "note" in run("ls", *where).out
    assert run("push", tmp_path / "copy", *where).out == "Sent 0 commits\n"
    assert "note" in neurolake.open(tmp_path / "copy")
    assert run("revert", "main", *where).code == 0 and "note" not in run("ls", *where).out
    assert run("cherry-pick", "side", *where).code == 0 and "note" in run("ls", *where).out
    assert run("pull", lake, "--lake", tmp_path / "copy").code == 0
    assert run("tag", "v1", "--move", *where).code == 0 and run("tag", "v1", "--delete", *where).code == 0
    assert run("branch", "main", "--move", "--at", "main~1", *where).code == 2
    assert run("verify", *where).out.startswith("0 damaged")
    assert "condemned 0" in run("gc", "--dry-run", *where).out


def test_verify_names_the_damage_and_repairs_it(run: Command, lake: Path, tmp_path: Path) -> None:
    assert run("copy", tmp_path / "copy", "--lake", lake).code == 0
    damaged = max(lake.rglob("*.parquet"), key=lambda path: path.stat().st_size)
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 4
    damaged.write_bytes(data)
    ended = run("verify", "--lake", lake)
    assert ended.code == 4 and damaged.name in ended.err and "needed by" in ended.err
    assert run("verify", "--lake", lake, "--repair-from", tmp_path / "copy").code == 0
    assert run("verify", "--lake", lake).code == 0


def test_help_has_groups_and_each_command_is_in_one(run: Command) -> None:
    text = run("-h").out
    heads = [line[:-1] for line in text.splitlines() if re.fullmatch(r"\w[\w ]*:", line)]
    assert heads == ["Options", "Write", "Ask", "Simulate", "Circuits", "Versions", "Upkeep"]
    group: Any = typer.main.get_command(cli.app)
    assert {name for name, one in group.commands.items() if one.rich_help_panel not in GROUPS} == set()
    listed = re.findall(r"^  ([a-z][a-z-]*)  ", text, re.MULTILINE)
    assert sorted(listed) == sorted(group.commands)


def test_every_command_has_the_shared_options(run: Command) -> None:
    for command in commands():
        ended = run(*command, "-h")
        assert ended.code == 0 and "--quiet" in ended.out and "--verbose" in ended.out, command
        # `create` and `demo` make their lakes, `synthesis` an environment; the others go from files to files.
        without = command[0] in ("create", "demo", "map", "parameters", "synthesis") or [*command] in (
            ["lfp", "compare"],
            ["build", "example"],
            ["build", "ngv-example"],
        )
        assert without or "--lake" in ended.out, command


READS = [
    *(["status"], ["usage"], ["ls"], ["log"], ["show"], ["describe"], ["describe", "voltage/soma"]),
    *(["branch"], ["tag"], ["diff"], ["verify"], ["gc", "--dry-run"], ["find", "--hash"]),
    *(["compact"], ["expire", "--older-than-days", "9999"], ["lineage", "voltage/soma"], ["refresh"]),
    *(["trials"], ["params", "show", "0"], ["params", "diff", "0", "1"], ["sql", "from trials"]),
]


@pytest.fixture(scope="module")
def tagged(simrun_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of that lake, with a tag."""
    folder = shutil.copytree(simrun_folder, tmp_path_factory.mktemp("tagged") / "lake")
    neurolake.open(folder).tags.create("v1")
    return folder


@pytest.mark.parametrize("command", READS, ids=" ".join)
def test_answers_as_json(run: Command, tagged: Path, command: list[str]) -> None:
    if "--hash" in command:
        command = [*command, neurolake.open(tagged).head.commit.id[:8]]
    ended = run(*command, "--json", "--lake", tagged)
    assert ended.err == "" and ended.code == 0
    rows = command[0] in ("trials", "params", "sql")
    values = json.loads(ended.out) if rows else [json.loads(line) for line in ended.out.splitlines()]
    assert (values or command[0] == "params") and all(isinstance(value, dict) for value in values)


def test_json_says_what_is_there(run: Command, simrun_folder: Path) -> None:
    lake = neurolake.open(simrun_folder)

    def told(*command: str) -> list[Any]:
        return [
            json.loads(line) for line in run(*command, "--json", "--lake", simrun_folder).out.splitlines()
        ]

    assert [one["commit"] for one in told("log")] == [commit.id for commit in lake.log()]
    (status,) = told("status")
    files = [path for path in simrun_folder.rglob("*") if path.is_file() and path.name != "neurolake.json"]
    assert status["commit"]["commit"] == lake.head.commit.id and status["branches"] == ["main"]
    assert status["nodes"]["tables"] == len(lake.head.tables)
    assert status["nodes"]["arrays"] == len(lake.head.arrays)
    assert abs(status["bytes"] - sum(path.stat().st_size for path in files)) < 1000
    assert {one["name"]: one["rows"] for one in told("ls") if one["kind"] == "table"} == {
        name: table.rows for name, table in lake.head.tables.items()
    }
    (shown,) = told("show")
    assert shown["changes"]["trials"] == "changed"
    stored = [one["stored_bytes"] for one in told("usage")]
    assert stored == sorted(stored, reverse=True) and len(stored) == len(lake.head)


def test_the_lake_of_the_folder(
    run: Command, simrun_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEUROLAKE_LAKE", raising=False)
    inside = next(folder for folder in sorted(simrun_folder.iterdir()) if folder.is_dir())
    for folder in (simrun_folder, inside):
        monkeypatch.chdir(folder)
        ended = run("status", "--json", "--verbose")
        assert json.loads(ended.out)["lake"] == str(simrun_folder)
        assert ended.err == f"lake: {simrun_folder} (from the current folder)\n"
    other = neurolake.create(tmp_path / "other")
    monkeypatch.setenv("NEUROLAKE_LAKE", other.url)
    assert json.loads(run("status", "--json").out)["lake"] == other.url
    assert run("status", "-v").err == f"lake: {other.url} (from NEUROLAKE_LAKE)\n"
    ended = run("status", "--json", "-v", "--lake", simrun_folder)
    assert json.loads(ended.out)["lake"] == str(simrun_folder)
    assert ended.err == f"lake: {simrun_folder} (from --lake)\n"


def test_quiet_says_nothing_of_what_was_done(run: Command, tree: Path, tmp_path: Path) -> None:
    (tree / "x_running").mkdir()
    ended = run("ingest", "simrun", tree, "--lake", tmp_path / "lake", "--quiet")
    assert ended == Ended(0, "", "still running, left out: x_running\n")
    assert run("tag", "v1", "-q", "--lake", tmp_path / "lake") == Ended(0, "", "")
    assert run("--quiet", "tag", "v1", "--delete", "--lake", tmp_path / "lake") == Ended(0, "", "")
    assert run("log", "-q", "--lake", tmp_path / "lake").out.count("\n") == 2
    again = run("ingest", "simrun", tree, "--lake", tmp_path / "lake", "--json")
    assert len(json.loads(again.out)["unchanged"]) == 2


def test_verbose_says_where_an_error_comes_from(run: Command, tmp_path: Path) -> None:
    neurolake.create(tmp_path / "lake")
    ended = run("describe", "nothing", "-v", "--lake", tmp_path / "lake")
    assert ended.code == 1 and "Traceback" in ended.err
    assert ended.err.splitlines()[-1].startswith("neurolake: there is no table 'nothing'")


def test_exit_codes_are_documented() -> None:
    """The table of docs/cli.md is that of the errors, and every error has a code of it."""
    text = (Path(__file__).parents[1] / "docs" / "cli.md").read_text()
    told = dict(re.findall(r"^\| (\d+) \| (.+) \|$", text, re.MULTILINE))
    assert {int(code): meaning for code, meaning in told.items()} == errors.EXIT_CODES

    def kinds(error: type[errors.NeurolakeError]) -> Iterator[type[errors.NeurolakeError]]:
        yield error
        for kind in error.__subclasses__():
            yield from kinds(kind)

    assert {kind.exit_code for kind in kinds(errors.NeurolakeError)} <= errors.EXIT_CODES.keys()


# One that DuckDB can stop, and one that it cannot: it makes a single value, of 4 GB.
LONG = [
    "select count(*) from range(1000000000000) a where a.range % 7 = 3",
    "select length(repeat('x', 4000000000))",
]


@pytest.mark.parametrize("query", LONG)
def test_a_query_has_a_timeout(simrun_folder: Path, query: str) -> None:
    done = spawn("sql", query, "--timeout", "0.2", "--lake", simrun_folder)
    assert (done.returncode, done.stdout, done.stderr) == (124, "", "neurolake: no answer within 0.2 s\n")


@pytest.mark.parametrize("presses", [1, 2])
@pytest.mark.parametrize("query", LONG)
def test_a_query_can_be_interrupted(simrun_folder: Path, query: str, presses: int) -> None:
    script = (
        "import os, signal, threading, time; from neurolake import cli; from neurolake.query import waiting\n"
        "def press():\n"
        "    while signal.getsignal(signal.SIGINT) is signal.default_int_handler: time.sleep(0.01)\n"
        f"    for _ in range({presses}): time.sleep(0.5); os.kill(os.getpid(), signal.SIGINT)\n"
        "threading.Thread(target=press, daemon=True).start(); cli.main()"
    )
    command = [sys.executable, "-c", script, "sql", query, "--lake", str(simrun_folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "neurolake: interrupted\n")


def test_what_duckdb_makes_of_an_interruption(
    run: Command, simrun_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query that the main thread waits for ends in a RuntimeError of this text; others are not hidden."""

    def interrupted(*arguments: object) -> None:
        raise RuntimeError("Query interrupted")

    monkeypatch.setattr(neurolake.lake.Lake, "log", interrupted)
    assert run("log", "--lake", simrun_folder) == Ended(130, "", "neurolake: interrupted\n")

    def broken(*arguments: object) -> None:
        raise RuntimeError("something else")

    monkeypatch.setattr(neurolake.lake.Lake, "log", broken)
    with pytest.raises(RuntimeError, match="something else"):
        run("log", "--lake", simrun_folder)


@pytest.mark.parametrize("kind", ["field", "sonata", "neuroh5", "segments"])
@pytest.mark.parametrize("content", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n" + bytes(100), None])
def test_what_hdf5_says_is_one_line(run: Command, tmp_path: Path, kind: str, content: bytes | None) -> None:
    path = tmp_path / "x.h5"
    path.mkdir() if content is None else path.write_bytes(content)
    ended = run("ingest", kind, path, "--lake", tmp_path / "lake")
    assert (ended.code and len(ended.err.strip().splitlines()) == 1) or "Usage: " in ended.err


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with names and values that ASCII does not have."""
    lake = neurolake.create(tmp_path_factory.mktemp("foreign") / "lake", durable=False)
    with lake.transaction("Grüße") as tx:
        tx.write_table("täble", pa.table({"ö": ["日本"]}))
    return Path(lake.url)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize(
    "command",
    [["log"], ["ls"], ["describe"], ["sql", "from täble"], ["usage"], ["sql", "select ö"], ["ls", "--json"]],
)
def test_a_terminal_may_have_another_encoding(foreign: Path, encoding: str, command: list[str]) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "neurolake", *command, "--lake", str(foreign)]
    ended = subprocess.run(command, capture_output=True, env=environment, check=False, timeout=100)
    told = ended.stdout.decode(encoding) + ended.stderr.decode(encoding)
    assert "Traceback" not in told
    if "--json" in command and encoding == "ascii":
        assert ended.returncode == 5 and "takes ascii, which has no" in told
    else:
        assert ended.returncode == (2 if "select ö" in command else 0)
        assert ("\\xf6" if encoding == "ascii" else "ö") in told or "ö" not in " ".join(command)


def test_a_query_is_unicode(run: Command, foreign: Path) -> None:
    ended = run("sql", "select '\udcff'", "--lake", foreign)
    assert ended.code == 2 and len(ended.err.splitlines()) == 1 and "another encoding" in ended.err
