"""Stale results: seen, computed anew in order, replaced and explained; a lake never chooses what runs."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import derivations
import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import neurolake
from neurolake import CorruptObjectError, InputError, NotFoundError
from neurolake.cli import app
from neurolake.query.derive.kernels import kernel


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    write(lake, 0.0)
    return lake


def write(lake: Any, offset: float) -> None:
    with lake.transaction(f"write {offset}") as tx:
        tx.write_array("v", np.arange(12.0).reshape(3, 4) + offset, dimension_names=["trial", "time"])
        tx.write_table("trials", pa.table({"trial_id": [1, 2], "stimulus": ["C2", "C2"]}))


def stale(lake: Any) -> dict[str, bool]:
    return {made.kernel: made.stale for made in lake.derived()}


def test_moved_inputs_make_stale_and_refresh_renews(lake: Any) -> None:
    old = lake.derive(derivations.mean_trace, "v", scale=2.0)
    kept = lake.derive(derivations.per_stimulus, ["trials"])
    write(lake, 1.0)
    assert stale(lake) == {"mean_trace": True, "per-stimulus": False}
    assert lake.sql("select kernel, stale from derived order by kernel").fetchall() == [
        ("mean_trace", True),
        ("per-stimulus", False),
    ]
    planned = lake.refresh(dry_run=True)
    assert dict(planned.done) == {old.path: None} and not planned.left and stale(lake)["mean_trace"]
    done = lake.refresh()
    (new,) = done.done.values()
    assert dict(done.done) == {old.path: new} and not done.left
    assert old.path not in lake and kept.name in lake and not any(stale(lake).values())
    np.testing.assert_array_equal(lake[new][...], [10.0, 12.0, 14.0, 16.0])
    np.testing.assert_array_equal(lake.at("main~1")[old.path][...], [8.0, 10.0, 12.0, 14.0])
    assert lake.derive(derivations.mean_trace, "v", scale=2.0).path == new
    assert not lake.refresh().done


def test_chains_are_renewed_in_order(lake: Any) -> None:
    first = lake.derive(derivations.mean_trace, "v")
    lake.derive(derivations.largest, first.path)
    write(lake, 1.0)
    assert stale(lake) == {"mean_trace": True, "largest": True}
    assert [made.kernel for made in lake.derived()] == ["mean_trace", "largest"]
    (end,) = (made.name for made in lake.derived() if made.kernel == "largest")
    done = lake.refresh(end)
    assert set(done.done) == {first.path, end} and stale(lake) == {"mean_trace": False, "largest": False}
    value = lake.derived()[1]
    assert list(value.inputs) == [lake.derived()[0].name]
    assert lake.derive(derivations.largest, lake.derived()[0].name) == 8
    lineage = lake.lineage(value.name)
    assert [part.name for part in lineage.inputs[0].inputs] == ["v"]


def test_a_chain_whose_middle_comes_out_the_same_is_not_computed_again(lake: Any) -> None:
    @kernel(version="1")
    def shape(v: Any) -> Any:
        return np.array(v.shape)

    first = lake.derive(shape, "v")
    lake.derive(derivations.largest, first.path)
    (_, before) = lake.derived()
    write(lake, 1.0)
    derivations.CALLS.clear()
    done = lake.refresh()
    assert done.done[before.name] == before.name and derivations.CALLS == []
    (new, after) = lake.derived()
    assert list(after.inputs) == [new.name] and after.name == before.name and not after.stale


def test_what_was_renewed_earlier_is_found_by_those_made_of_it(lake: Any) -> None:
    parts = lake.derive(lambda v: {"a": v[...], "b": 1}, "v")
    lake.derive(derivations.largest, [parts["a"].path])
    for offset in (1.0, 2.0):
        write(lake, offset)
        first = next(made.name for made in lake.derived() if made.kernel == "lambda")
        assert set(lake.refresh(first).done) == {first}
    assert stale(lake) == {"lambda": False, "largest": True}
    assert not lake.refresh().left and not any(stale(lake).values())
    assert lake.derived()[0].origin.replaces  # while another still named it
    write(lake, 3.0)
    assert not lake.refresh().left
    assert lake.derived()[1].inputs.keys() == {f"{lake.derived()[0].name}/a"}


def test_what_cannot_be_renewed_says_why(lake: Any) -> None:
    @kernel(version="1")
    def picky(v: Any) -> Any:
        if v[0, 0] > 0:
            raise ZeroDivisionError("not these")
        return v[0]

    versions = [kernel(version=version, name="aged")(lambda t, n=version: n) for version in ("1", "2")]
    names = {}
    for name, function, node in (("picky", picky, "v"), ("aged", versions[0], "trials")):
        lake.derive(function, node)
        names[name] = next(made.name for made in lake.derived() if made.kernel == name)
    lake.derive(derivations.largest, names["picky"])
    from neurolake.query.derive import kernels as registry

    del registry._VERSIONED["aged", "1"]
    write(lake, 1.0)
    with lake.transaction("gone") as tx:
        tx.delete("trials")
    before = lake.head
    done = lake.refresh()
    assert not done.done and lake.head == before
    assert done.left[names["picky"]] == "ZeroDivisionError: not these"
    assert done.left[names["aged"]] == (
        "InputError: there is no kernel 'aged' version 1 in this process, only version 2"
    )
    (left,) = set(done.left) - set(names.values())
    assert done.left[left] == f"it is made from {names['picky']}, which could not be computed anew"
    kernel(version="1", name="aged")(versions[0])
    assert "there is no node 'trials'" in lake.refresh(names["aged"]).left[names["aged"]]


def test_names_of_results_only(lake: Any) -> None:
    for name in ("v", "derived/x/1", f"derived/x/{'0' * 32}"):
        with pytest.raises(NotFoundError, match="there is no derived result"):
            lake.refresh(name)
    with pytest.raises(InputError, match="module 'no_such_module' cannot be imported"):
        lake.refresh(modules=["no_such_module"])


def in_another_process(lake: Any, *options: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "neurolake", "refresh", "--lake", lake.url, *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)


MODULE = """
import pathlib
import neurolake
pathlib.Path("imported").touch()

@neurolake.kernel(version="1")
def first(v):
    return v[0]

def plain(v):
    return v[...].sum() + {number}
"""


def test_functions_of_the_user_are_imported_only_when_named(lake: Any, tmp_path: Path) -> None:
    (tmp_path / "my_kernels.py").write_text(MODULE.format(number=0))
    script = (
        "import sys, my_kernels, neurolake\nlake = neurolake.open(sys.argv[1])\n"
        "lake.derive(my_kernels.first, 'v'), lake.derive(my_kernels.plain, 'v')"
    )
    subprocess.run([sys.executable, "-c", script, lake.url], check=True, cwd=tmp_path)
    write(lake, 1.0)
    (tmp_path / "imported").unlink()
    done = in_another_process(lake, folder=tmp_path)
    assert done.returncode == 1 and not (tmp_path / "imported").exists()
    assert done.stdout.count("import my_kernels, where it was defined") == 2
    done = in_another_process(lake, "--import", "my_kernels", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "imported").exists() and not any(stale(lake).values())
    write(lake, 2.0)
    (tmp_path / "my_kernels.py").write_text(MODULE.format(number=1))
    done = in_another_process(lake, "--import", "my_kernels", folder=tmp_path)
    assert done.returncode == 1 and "the code of my_kernels:plain is another now" in done.stdout
    assert stale(lake) == {"first": False, "plain": True}


@pytest.mark.parametrize(
    ("function", "modules"),
    [
        ("os:system", []),
        ("os:system", ["os"]),
        ("posixpath:os.system", ["posixpath"]),
        ("my_kernels_unnamed:f", []),
        ("neurolake.lake.core:os.system", []),
        ("neurolake..os:system", []),
        ("builtins:exec", ["builtins"]),
    ],
)
def test_a_forged_record_makes_nothing_run(
    lake: Any, tmp_path: Path, function: str, modules: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_kernels_unnamed.py").write_text("import pathlib; pathlib.Path('ran').touch()")
    name = f"derived/system/{'0' * 32}"
    said = {
        "kernel": "system",
        "code": "0" * 64,
        "function": function,
        "whole": False,
        "arguments": [],
        "inputs": {"v": "0" * 64},
        "params": {"command": "touch ran"},
        "commit": lake.head.commit.id,
    }
    with lake.transaction("forge") as tx:
        tx.put_file(name, b"x", attributes={"derived": said})
    assert "InputError" in lake.refresh(modules=modules).left[name]
    assert not (tmp_path / "ran").exists()


def test_malformed_records_are_reported(lake: Any) -> None:
    name = f"derived/x/{'1' * 32}"
    for said in ({}, 3, {"kernel": "x"}, {"kernel": 3, "extra": 1}):
        with lake.transaction("forge") as tx:
            tx.put_file(name, b"x", attributes={"derived": said})
        with pytest.raises(CorruptObjectError, match="what it says of its origin cannot be read"):
            lake.derived()
        assert lake.sql("select count(*) from derived").fetchall()[0][0] in (0, 1)


def test_the_command(lake: Any) -> None:
    old = lake.derive(derivations.mean_trace, "v")
    runner = CliRunner()
    assert runner.invoke(app, ["refresh", "--lake", lake.url]).exit_code == 0
    write(lake, 1.0)
    dry = runner.invoke(app, ["refresh", "--lake", lake.url, "--dry-run"])
    assert dry.exit_code == 0 and f"would compute {old.path} anew" in dry.stdout and old.path in lake
    done = runner.invoke(app, ["refresh", "--lake", lake.url, old.path])
    (new,) = (made.name for made in lake.derived())
    assert done.exit_code == 0 and f"{old.path} -> {new}" in done.stdout
