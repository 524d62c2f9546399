"""A lake's server: who may ask, answers that are those of Python, limits, and errors in words."""

import io
import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from served_lakes import HOSTILE, Asker, add_circuit, add_recorded_cell, serving

from neurolake.catalog.vocabulary.runs import NETWORK_RUNS, SIMULATIONS
from neurolake.catalog.vocabulary.sweeps import SWEEPS
from neurolake.catalog.vocabulary.trials import TRIALS
from neurolake.query.lake import Lake
from neurolake.query.serving.application import ENDPOINTS
from neurolake.query.trials.activations import bin_activations

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(simrun_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("served") / "lake"
    shutil.copytree(simrun_folder, copy)
    lake = Lake.open(copy)
    add_recorded_cell(lake)
    with lake.transaction(f"Say {HOSTILE}") as tx:
        tx.write_table("large", pa.table({"n": np.arange(200_000), "text": [HOSTILE] * 200_000}))
        tx.write_table("whole", pa.table({"n": [2**62, 5, None], "x": [np.nan, np.inf, 1.5]}))
    return copy


@pytest.fixture(scope="module")
def link(folder: Path) -> Iterator[str]:
    with serving(folder) as found:
        yield found


@pytest.fixture(scope="module")
def asker(link: str) -> Asker:
    return Asker(link)


@pytest.fixture(scope="module")
def lake(folder: Path) -> Lake:
    return Lake.open(folder)


# Who may ask


def test_the_link_works_once_and_becomes_a_cookie(folder: Path) -> None:
    with serving(folder) as link:
        first = Asker(link)
        assert first.json("lake")["trials"] > 0
        (cookie,) = first.jar
        assert cookie.has_nonstandard_attr("HttpOnly")
        assert cookie.get_nonstandard_attr("SameSite") == "strict"
        with pytest.raises(HTTPError, match="401"):
            Asker(link)


def test_nobody_else_may_ask(asker: Asker) -> None:
    for path, headers in (
        ("api/lake", {}),
        ("", {}),
        ("main.js", {}),
        ("api/lake", {"Cookie": "neurolake-1=guess"}),
        ("?token=guess", {}),
    ):
        request = urllib.request.Request(asker.base + path, headers=headers)
        with pytest.raises(HTTPError) as caught:
            urllib.request.urlopen(request)
        assert caught.value.code == 401
        assert b"neurolake serve" in caught.value.read()


def test_a_name_of_another_machine_is_refused(asker: Asker) -> None:
    cookie = "; ".join(f"{one.name}={one.value}" for one in asker.jar)
    request = urllib.request.Request(
        f"{asker.base}api/lake", headers={"Cookie": cookie, "Host": "evil.example"}
    )
    with pytest.raises(HTTPError, match="403"):
        urllib.request.urlopen(request)


def test_every_answer_forbids_what_is_not_from_here(asker: Asker) -> None:
    for path in ("", "main.js", "api/lake", "api/nothing", "style.css"):
        try:
            headers = asker.get(path).headers
        except HTTPError as error:
            headers = error.headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_nothing_can_be_changed_or_read_beside_the_pages(asker: Asker) -> None:
    cookie = "; ".join(f"{one.name}={one.value}" for one in asker.jar)
    for method, path, status in (
        ("POST", "api/sql", 405),
        ("DELETE", "api/lake", 405),
        ("GET", "../application.py", 404),
        ("GET", "..%2fapplication.py", 404),
        ("GET", "%2e%2e/application.py", 404),
    ):
        request = urllib.request.Request(asker.base + path, method=method, headers={"Cookie": cookie})
        with pytest.raises(HTTPError, match=str(status)):
            urllib.request.urlopen(request)
    status, text = asker.refused("sql", query="create table x as select 1")
    assert status == 400 and "SELECT" in text
    status, text = asker.refused("sql", query="from read_text('/etc/passwd')")
    assert status == 400 and "root:" not in text


# What is answered


def test_every_endpoint_is_documented() -> None:
    page = (ROOT / "docs" / "serve.md").read_text()
    assert [name for name in ENDPOINTS if f"`{name}`" not in page] == []


def test_commits_are_those_of_the_log(asker: Asker, lake: Lake) -> None:
    found = asker.json("commits")
    assert [one["id"] for one in found["commits"]] == [record.id for record in lake.log()]
    assert found["commits"][0]["refs"] == [{"kind": "branch", "name": "main"}]
    assert not found["more"]
    changes = asker.json("changes", old="main~1", new="main")["changes"]
    assert {one["name"] for one in changes} == {"large", "whole"}


def test_rows_come_a_page_at_a_time(asker: Asker, lake: Lake) -> None:
    every = lake["synapse_activation"].to_arrow().to_pylist()
    for offset in (0, 7, len(every) - 3):
        found = asker.json("rows", node="synapse_activation", offset=offset, limit=5)
        names = [column["name"] for column in found["columns"]]
        assert [dict(zip(names, row, strict=True)) for row in found["rows"]] == every[offset : offset + 5]
        assert found["more"] == (offset + 5 < len(every))
        assert found["total"] == len(every)
    deep = asker.json("rows", node="large", offset=199_990, limit=100)
    assert [row[0] for row in deep["rows"]] == list(range(199_990, 200_000))
    chosen = asker.json(
        "rows", node="large", where="n % 1000 = 1", order="n", descending=1, limit=2, offset=1
    )
    assert [row[0] for row in chosen["rows"]] == [198_001, 197_001]
    assert asker.refused("rows", node="nothing")[0] == 404
    assert "no column" in asker.refused("rows", node="large", order="m")[1]


def test_numbers_reach_javascript_as_they_are(asker: Asker) -> None:
    assert asker.json("sql", query="from whole")["rows"] == [[str(2**62), None], [5, None], [None, 1.5]]


def test_sql_in_pages_and_files(asker: Asker, lake: Lake) -> None:
    query = "select trial_id, time from synapse_activation order by all"
    expected = lake.sql(query).to_arrow_table()
    found = asker.json("sql", query=query, limit=3, offset=1)
    assert [tuple(row) for row in found["rows"]] == [
        *zip(*(c.to_pylist()[1:4] for c in expected), strict=True)
    ]
    assert found["more"] and found["commit"] == lake.head.commit.id
    assert pq.read_table(io.BytesIO(asker.raw("sql", query=query, format="parquet"))) == expected
    assert pa.ipc.open_stream(asker.raw("sql", query=query, format="arrow")).read_all() == expected
    csv = pa.csv.read_csv(io.BytesIO(asker.raw("sql", query=query, format="csv")))
    assert csv["time"].to_pylist() == expected["time"].to_pylist()
    assert "READ_PARQUET" in asker.json("plan", query=query)["plan"].upper()


def test_a_query_ends_in_time(asker: Asker) -> None:
    query = "select count(*) from range(1000000) a, range(1000000) b where a.range % 7 = b.range % 11"
    for form in ("json", "csv"):
        status, text = asker.refused("sql", query=query, seconds=0.3, format=form)
        assert status == 400 and "no answer within 0.3 s" in text


def test_an_answer_has_limits_of_rows_and_bytes(asker: Asker) -> None:
    assert "limit" in asker.refused("sql", query="from large", limit=10**6)[1]
    found = asker.json("sql", query="select repeat('x', 100000) as t from range(9000)", limit=9000)
    assert len(json.dumps(found)) < 40 * 2**20
    assert found["rows"][0][0].startswith("xxx") and found["rows"][0][0].endswith("(100,000 letters)")


def test_errors_are_in_words(asker: Asker) -> None:
    assert "trials" in asker.refused("sql", query="select stimulos from trials")[1]
    assert asker.refused("trial", trial=999) == (
        404,
        "there is no trial '999'; `neurolake trials` lists them",
    )
    assert asker.refused("lake", at="nowhere")[0] == 404
    assert "begin and end" in asker.refused("psth", begin=5, end=2)[1]
    assert "there is no /api/nothing" in asker.refused("nothing")[1]
    assert asker.refused("rows")[1] == "say which node: the parameter is missing"


def test_spikes_rates_and_voltages_are_those_of_python(asker: Asker, lake: Lake) -> None:
    head, raster = asker.framed("raster", by="stimulus")
    spikes = lake.sql("select trial_id, time from spike_times order by all").fetchall()
    drawn = sorted(zip(raster["trial"][raster["row"]].tolist(), raster["time"].tolist(), strict=True))
    assert drawn == [(trial, float(np.float32(time))) for trial, time in spikes]
    assert [head["groups"][k] for k in raster["group"]] == sorted(
        stimulus for (stimulus,) in lake.sql("select stimulus from trials").fetchall()
    )
    _, rates = asker.framed("psth", by="stimulus", bin=10)
    expected = lake.spikes.psth("stimulus", edges=rates["x"], kind="rate")
    np.testing.assert_array_equal(rates["values"], expected.values)
    site = "voltage/soma"
    assert {site, "voltage/soma@0-12ms"} < {*asker.json("lake")["sites"]}
    _, mean = asker.framed("mean", site=site, trials="trial_id < 3")
    found = lake.voltages.statistics(site, trials="trial_id < 3")
    np.testing.assert_allclose(mean["values"][0], found["mean"].values.ravel())
    _, trace = asker.framed("trace", trial=0, site=site)
    row = int(np.flatnonzero(lake["voltage/soma.trial"][:] == 0)[0])
    np.testing.assert_array_equal(trace["value"], lake["voltage/soma"][row].astype(np.float32))
    picture = asker.framed("traces", site=site, width=200, height=100)[1]["image"]
    assert picture.shape == (100, 200) and picture.any()


def test_a_window_is_a_part_of_all_times(asker: Asker, lake: Lake) -> None:
    _, whole = asker.framed("psth", of="activations", bin=2, trials="trial_id in (0, 2, 3)")
    edges = whole["x"]
    counts = bin_activations(lake.head, "EI", edges=edges, trials="trial_id in (0, 2, 3)")
    np.testing.assert_allclose(whole["values"], counts.mean("trial").values / 2)
    assert whole["values"].any()
    for of in ("spikes", "activations"):
        _, whole = asker.framed("psth", of=of, bin=2, by="stimulus" if of == "spikes" else "cell_type")
        given = {"of": of, "bin": 2, "begin": 3.3, "end": 7.5}
        _, part = asker.framed("psth", **given, by="stimulus" if of == "spikes" else "cell_type")
        assert part["x"].tolist() == [2, 4, 6, 8]
        np.testing.assert_array_equal(part["values"], whole["values"][:, 1:4])
    _, whole = asker.framed("mean", site="voltage/soma")
    _, part = asker.framed("mean", site="voltage/soma", begin=1, end=2)
    inside = (whole["x"] >= 1) & (whole["x"] < 2)
    np.testing.assert_array_equal(part["values"], whole["values"][:, inside])
    assert "samples from" in asker.refused("mean", site="voltage/soma", begin=1.001, end=1.002)[1]


def test_few_of_the_traces_come_first(asker: Asker, lake: Lake) -> None:
    head, picture = asker.framed("traces", site="voltage/soma", most=2, height=50)
    assert head["drawn"] == 2 < head["traces"] == lake["voltage/soma"].shape[0]
    assert picture["image"].max() <= 2
    _, few = asker.framed("mean", site="voltage/soma", most=1)
    np.testing.assert_allclose(few["values"][0], lake["voltage/soma"][0])


def test_one_trial_and_what_reruns_it(asker: Asker, lake: Lake) -> None:
    found = asker.json("trial", trial=1)
    assert found["facts"]["trial_id"] == 1
    assert "voltage/soma" in found["sites"] and "voltage/soma@0-12ms" not in found["sites"]
    ((count,),) = lake.sql("select count(*) from synapse_activation where trial_id = 1").fetchall()
    assert sum(one["activations"] for one in found["activations"]) == count
    assert f"--trial {found['facts']['sim_trial_index']}" in found["rerun"]
    head, synapses = asker.framed("activations", trial=1)
    assert len(synapses["time"]) == count
    first = head["types"][0]
    some = asker.framed("activations", trial=1, types=first)[1]
    assert len(some["time"]) == np.count_nonzero(synapses["type"] == 0)


def test_a_cell_and_its_potential_over_time(asker: Asker, lake: Lake) -> None:
    assert {"run": "cell", "parts": ["cell"]} in asker.json("cells")["runs"]
    head, cell = asker.framed("cell", run="cell")
    segments = lake["segments/cell"].to_arrow()
    np.testing.assert_allclose(cell["start"][:, 0], segments["start_x"].to_numpy(), rtol=1e-6)
    (report,) = head["reports"]
    told, frames = asker.framed("frames", report=report["node"], frames=4000)
    stored = lake[report["node"]][:]
    assert frames["frames"].shape == stored.shape
    back = told["low"] + frames["frames"] / 254 * (told["high"] - told["low"])
    np.testing.assert_allclose(back, stored, atol=0.51 * (told["high"] - told["low"]) / 254)
    few = asker.framed("frames", report=report["node"], frames=50)[1]["frames"]
    assert 25 <= len(few) <= 50
    assert asker.refused("cell", run="nobody")[0] == 404


def test_circuits_in_space_and_whom_a_cell_is_connected_with(tmp_path: Path) -> None:
    add_circuit(Lake.create(tmp_path / "lake"))
    with serving(tmp_path / "lake") as link:
        asker = Asker(link)
        (known,) = asker.json("cells")["circuits"]
        assert [(one["population"], one["positions"]) for one in known["populations"]] == [
            ("cells", True),
            ("vessels", False),
        ]
        head, arrays = asker.framed("somata", circuit="c")
        assert [(one["cells"], one["step"]) for one in head["populations"]] == [(3, 1), (2, 1)]
        np.testing.assert_array_equal(arrays["cells"], [[0, 0, 1], [10, 5, 2], [20, 0, 3]])
        np.testing.assert_array_equal(arrays["vessels.end"], [[1, 1, 1], [2, 2, 2]])
        np.testing.assert_array_equal(arrays["vessels.diameter"], [4, 5])
        found = asker.json("partners", circuit="c", population="cells", node=2)["partners"]
        assert [(one["side"], one["node_id"], one["edges"]) for one in found] == [
            ("source", 0, 2),
            ("source", 1, 1),
        ]


def test_heat_maps_figures_and_lineage(asker: Asker, lake: Lake) -> None:
    head, heat = asker.framed("heat", array="voltage/soma", columns=100)
    assert heat["image"].shape[0] == lake["voltage/soma"].shape[0]
    np.testing.assert_allclose(heat["image"].mean(axis=1), lake["voltage/soma"][:].mean(axis=1), rtol=0.05)
    assert head["unit"] == "mV"
    assert asker.raw("figure", kind="raster").startswith(b"<?xml")
    assert "no plot" in asker.refused("figure", kind="pie")[1]
    assert asker.json("lineage", node="trials")["name"] == "trials"


def test_how_far_runs_networks_and_sweeps_are(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake", durable=False)

    def commit(notes: dict[str, Any], **tables: dict[str, list[Any]]) -> None:
        with lake.transaction("Go on", notes=notes) as tx:
            for name, rows in tables.items():
                kind = {
                    "simulations": SIMULATIONS,
                    "network_runs": NETWORK_RUNS,
                    "sweeps": SWEEPS,
                    "trials": TRIALS,
                }
                schema = kind[name].schema
                count = len(next(iter(rows.values())))
                whole = {field.name: rows.get(field.name, [None] * count) for field in schema}
                tx.write_table(name, pa.table(whole, schema))

    commit(
        {"run": {"name": HOSTILE, "planned": 10}},
        simulations={"run": [HOSTILE, "net"], "kind": ["cell", "network"]},
    )
    network = {
        "run": ["net"],
        "circuit": ["c"],
        "t_start": [0.0],
        "t_stop": [200.0],
        "t_done": [50.0],
        "seconds": [3.0],
    }
    commit({"run": {"name": "net", "circuit": "c"}}, network_runs=network)
    commit(
        {"run": {"name": HOSTILE, "planned": 10, "failed": 1}},
        trials={"trial_id": [0, 1, 2], "run": [HOSTILE] * 3},
    )
    states = {"sweep": ["s"] * 3, "function": ["run"] * 3, "state": ["done", "done", "failed"]}
    commit({"sweep": "s", "planned": 3}, sweeps=states)
    with serving(tmp_path / "lake") as link:
        run, net, sweep = Asker(link).json("runs")["runs"]
    assert [run[key] for key in ("run", "done", "planned", "failed", "unit")] == [HOSTILE, 3, 10, 1, "trials"]
    assert run["seconds_left"] > 0
    assert [net[key] for key in ("run", "done", "planned", "seconds_left")] == ["net", 50, 200, 9]
    assert [sweep[key] for key in ("done", "failed", "planned", "seconds_left")] == [2, 1, 3, 0]


def test_two_commits_trial_by_trial_and_what_upkeep_noted(folder: Path, tmp_path: Path) -> None:
    lake = Lake.open(shutil.copytree(folder, tmp_path / "lake"))
    with lake.transaction("Drop") as tx:
        tx.replace_rows("trials", lake.head["trials"].to_arrow().slice(0, 0), pads.field("trial_id") == 2)
    lake.verify()
    with serving(tmp_path / "lake") as link:
        asker = Asker(link)
        found = asker.json("changes", old="main~1", new="main")["trials"]
        assert found["removed"] == [[2, 2]] and found["counts"] == [0, 1, 0]
        note = asker.json("upkeep")["upkeep"]["verify"]
        assert note["command"] == "neurolake verify" and note["good"]


def test_a_hundred_requests_at_once(asker: Asker) -> None:
    asked = [("rows", {"node": "large", "offset": 1000 * k, "limit": 10}) for k in range(40)]
    asked += [("raster", {}), ("traces", {"site": "voltage/soma"}), ("lake", {})] * 20
    with ThreadPoolExecutor(100) as pool:
        found = [*pool.map(lambda one: asker.raw(one[0], **one[1]), asked)]
    assert len(found) == 100
    assert [json.loads(body)["rows"][0][0] for body in found[:40]] == [1000 * k for k in range(40)]


def test_the_command_prints_a_link_and_ends_with_ctrl_c(folder: Path) -> None:
    import signal

    command = [sys.executable, "-m", "neurolake", "serve", "--lake", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        link = next(line.strip() for line in lines if "http://" in line)
        assert Asker(link).json("lake")["name"] == "lake"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) in (0, 130)
