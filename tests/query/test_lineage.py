"""Lineage: down to what was ingested and by which commits, and up to what was made."""

import json
from pathlib import Path
from typing import Any

import derivations
import numpy as np
import pytest
from typer.testing import CliRunner

import neurolake
from neurolake import NotFoundError
from neurolake.cli import app
from neurolake.lake.nodes.content import content, with_attribute
from neurolake.lake.nodes.derived import Origin
from neurolake.query.derive.lineage import Lineage


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    with lake.transaction("ingest v") as tx:
        tx.write_array("v", np.arange(12.0).reshape(3, 4))
    with lake.transaction("append to v") as tx:
        tx.append_array("v", np.ones((1, 4)))
    with lake.transaction("something else") as tx:
        tx.put_file("notes", b"text")
    return lake


def messages(part: Any) -> list[str]:
    return [record.message for record in part.commits]


def test_down_to_the_ingested(lake: Any) -> None:
    trace = lake.derive(derivations.mean_trace, "v")
    digest = content(lake.head.tree, "v")
    lake.derive(derivations.largest, trace.path)
    with lake.transaction("v moves on") as tx:
        tx.write_array("v", np.zeros((3, 4)))
    end = lake.lineage(lake.derived()[1].name)
    assert (end.kind, end.origin.kernel, messages(end)) == (
        "file",
        "largest",
        [f"Derive largest from {trace.path}"],
    )
    (middle,) = end.inputs
    assert (middle.name, middle.kind, messages(middle)) == (trace.path, "array", ["Derive mean_trace from v"])
    (source,) = middle.inputs
    assert (source.name, source.origin, source.content) == ("v", None, digest)
    assert messages(source) == ["append to v", "ingest v"] and source.inputs == ()


def test_up_to_what_was_made(lake: Any) -> None:
    trace = lake.derive(derivations.mean_trace, "v")
    lake.derive(derivations.largest, trace.path)
    lake.derive(lambda notes: len(notes), "notes")
    assert [made.kernel for made in lake.lineage("v").results] == ["mean_trace", "largest"]
    assert [made.kernel for made in lake.lineage(trace.path).results] == ["largest"]
    assert messages(lake.lineage("v")) == ["append to v", "ingest v"]
    assert [made.kernel for made in lake.lineage("notes").results] == ["lambda"]
    with pytest.raises(NotFoundError):
        lake.lineage("w")


def test_a_part_of_a_result_is_of_the_result(lake: Any) -> None:
    parts = lake.derive(lambda v: {"a": v[0], "b": v[1]}, "v")
    lake.derive(derivations.largest, parts["a"].path)
    found = lake.lineage(parts["a"].path)
    assert found.origin.kernel == "lambda" and [made.kernel for made in found.results] == ["largest"]
    below = lake.lineage(lake.derived()[1].name).inputs[0]
    assert below.name == parts["a"].path and below.origin.kernel == "lambda" and below.inputs[0].name == "v"


def test_a_commit_that_is_not_in_the_lake(lake: Any, tmp_path: Path) -> None:
    lake.derive(derivations.mean_trace, "v")
    (made,) = lake.derived()
    said = {**made.origin.to_json(), "commit": "0" * 64}
    other = neurolake.create(tmp_path / "other", durable=False)
    with other.transaction("copied by hand") as tx:
        tx.write_array(made.name, np.zeros(3), attributes={"derived": said})
    (source,) = other.lineage(made.name).inputs
    assert (source.name, source.kind, source.content) == ("v", None, made.inputs["v"])


def test_a_record_that_names_itself_ends(lake: Any) -> None:
    name = f"derived/loop/{'0' * 32}"
    said = {
        "kernel": "loop",
        "version": "1",
        "function": "m:f",
        "whole": False,
        "arguments": [name],
        "inputs": {name: "0" * 64},
        "params": {},
    }
    for _ in range(2):
        with lake.transaction("forge") as tx:
            tx.put_file(name, b"x", attributes={"derived": {**said, "commit": lake.head.commit.id}})
    assert lake.lineage(name).inputs[0].inputs[0].kind is None
    assert lake.derived()[0].stale


def test_the_command(lake: Any) -> None:
    trace = lake.derive(derivations.mean_trace, "v", scale=2.5)
    runner = CliRunner()
    shown = runner.invoke(app, ["lineage", trace.path, "--lake", lake.url])
    assert shown.exit_code == 0, shown.output
    assert "by mean_trace(scale=2.5), version 1, of derivations:mean_trace" in shown.stdout
    assert "append to v" in shown.stdout
    with lake.transaction("v moves on") as tx:
        tx.write_array("v", np.zeros((3, 4)))
    shown = runner.invoke(app, ["lineage", "v", "--lake", lake.url])
    assert f"    {trace.path}  (stale)" in shown.stdout
    said = json.loads(runner.invoke(app, ["lineage", trace.path, "--lake", lake.url, "--json"]).stdout)
    assert said["derived"]["params"] == {"scale": 2.5}
    assert [commit["message"] for commit in said["inputs"][0]["commits"]] == ["append to v", "ingest v"]
    assert runner.invoke(app, ["lineage", "w", "--lake", lake.url]).exit_code != 0


def test_a_long_chain_and_a_wide_one(tmp_path: Path) -> None:
    """Deep: no limit of recursion. Wide: what two results share is told once, so that 2 ** 40 ways are no more than 40."""
    lake = neurolake.create(tmp_path / "lake", durable=False)
    with lake.transaction("Begin") as tx:
        tx.write_array("a", np.arange(3.0))
    tree = {name: lake.head.tree[name] for name in lake.head.tree}

    def result(number: int, inputs: list[str]) -> str:
        made = Origin(
            kernel="k", version="1", code=None, function="m:f", whole=True, arguments=inputs,
            inputs={name: content(tree, name) for name in inputs}, params={"number": number},
            commit=lake.head.commit.id,
        )  # fmt: skip
        tree[made.result] = with_attribute(tree["a"], "derived", made.to_json())
        return made.result

    def committed() -> None:
        with lake.transaction("Derive") as tx:
            tx.drafts.apply({name: node for name, node in tree.items() if name != "a"})

    deep = ["a"]
    for number in range(40):
        deep.append(result(number, [deep[-1]]))
        committed()
    wide = ["a", "a"]
    for number in range(20):
        wide = [result(100 + 2 * number + side, sorted(set(wide))) for side in (0, 1)]
        committed()
    found = lake.lineage(deep[-1])
    depth = 0
    while found.inputs:
        found, depth = found.inputs[0], depth + 1
    assert depth == 40 and found.name == "a"
    many = lake.lineage(wide[0])
    assert len(list(many.lines())) < 500
    assert len(json.dumps(many.to_json())) < 200_000
    chain = Lineage("a", "array", "0" * 64)
    for _ in range(5000):
        chain = Lineage("r", "array", "0" * 64, inputs=(chain,))
    assert len(list(chain.lines())) == 5001
    assert '"deeper": true' in json.dumps(chain.to_json())
