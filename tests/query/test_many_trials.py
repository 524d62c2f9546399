"""The server with 18,000 trials: every answer of the page of trials is right and bounded, for many who ask at once."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from served_lakes import HOSTILE, Asker, serving

from neurolake.catalog.vocabulary.trials import SPIKE_TIMES, SYNAPSE_ACTIVATION, TRIALS
from neurolake.query.lake import Lake
from neurolake.query.serving import trials as module

TRIALS_N = 18_000
SAMPLES = 24
STIMULI = (HOSTILE, "B'1", 'C"2')


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("many") / "lake"
    lake = Lake.create(folder, durable=False)
    ids = np.arange(TRIALS_N)
    with lake.transaction(HOSTILE, author=HOSTILE) as tx:
        for kind, columns in (
            (
                TRIALS,
                {
                    "trial_id": ids,
                    "stimulus": [STIMULI[k % 3] for k in ids],
                    "t_stop": np.full(len(ids), 24.0),
                },
            ),
            (SPIKE_TIMES, {"trial_id": ids, "spike": np.zeros(len(ids), np.int32), "time": ids % 20 + 0.5}),
            (
                SYNAPSE_ACTIVATION,
                {
                    "trial_id": np.repeat(ids, 2),
                    "cell_type": ["L5tt", HOSTILE] * len(ids),
                    "soma_distance": np.tile([10.0, 600.0], len(ids)),
                    "time": np.repeat(ids % 12, 2) + np.tile([0.0, 5.0], len(ids)),
                },
            ),
        ):
            count = len(next(iter(columns.values())))
            whole = [pa.array(columns.get(field.name, [None] * count), field.type) for field in kind.schema]
            tx.write_table(kind.name, pa.table(whole, kind.schema), sorted_by=["trial_id"])
        values = (-65.0 + ids[:, None] % 7 + np.arange(SAMPLES)).astype(np.float32)
        tx.write_array("voltage/soma", values, chunks=(500, SAMPLES), dimension_names=["trial", "time"])
        tx.write_array("voltage/soma.time", np.arange(float(SAMPLES)), dimension_names=["time"])
    with serving(folder) as found:
        yield found


@pytest.fixture(scope="module")
def asker(link: str) -> Asker:
    return Asker(link)


def test_all_of_them(asker: Asker) -> None:
    assert asker.json("lake")["trials"] == TRIALS_N
    head, picture = asker.framed("traces")
    assert head["traces"] == head["drawn"] == TRIALS_N
    # Each trace passes through each column, and each sample is at one of seven voltages.
    assert picture["image"].shape == (300, 1000) and picture["image"].max() <= TRIALS_N
    head, mean = asker.framed("mean", by="stimulus")
    assert sorted(head["groups"]) == sorted(STIMULI)
    every = np.arange(TRIALS_N)
    for label, values in zip(head["groups"], mean["values"], strict=True):
        level = -65 + (every[every % 3 == STIMULI.index(label)] % 7).mean()
        np.testing.assert_allclose(values, level + np.arange(SAMPLES), rtol=1e-6)
    head, raster = asker.framed("raster", by="stimulus")
    assert head["spikes"] == len(raster["time"]) == len(raster["trial"]) == TRIALS_N


def test_activations_counted_before_and_now_are_the_same(asker: Asker) -> None:
    for trials in ("true", "trial_id % 5 = 0", "stimulus = 'B''1'", "trial_id between 100 and 8000"):
        given = {"of": "activations", "bin": 2, "trials": trials}
        _, counted = asker.framed("psth", **given)
        # Bins of another width are counted by DuckDB, and sum up to the same.
        _, fine = asker.framed("psth", **{**given, "bin": 0.5})
        np.testing.assert_allclose(
            counted["values"], fine["values"].reshape(len(fine["values"]), -1, 4).mean(axis=2)
        )
        assert counted["values"].any()


def test_a_hundred_ask_at_once(asker: Asker) -> None:
    asked = [("traces", {"trials": f"trial_id % 4 = {k % 4}"}) for k in range(25)]
    asked += [("mean", {"trials": f"trial_id % 4 = {k % 4}"}) for k in range(25)]
    asked += [("psth", {"of": "activations", "bin": 1 + k % 3}) for k in range(25)]
    asked += [("trial", {"trial": 700 * k}) for k in range(25)]
    with ThreadPoolExecutor(100) as pool:
        found = [*pool.map(lambda one: asker.raw(one[0], **one[1]), asked)]
    answers: dict[str, set[bytes]] = {}
    for one, body in zip(asked[:75], found, strict=False):
        answers.setdefault(json.dumps(one), set()).add(body)
    assert [len(same) for same in answers.values()] == [1] * 11
    assert [json.loads(body)["trial"] for body in found[75:]] == [700 * k for k in range(25)]


def test_rows_are_bounded_and_wrong_conditions_are_told(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_SPIKES", 100)
    head, raster = asker.framed("raster", trials="trial_id < 15000")
    assert head["spikes"] == 15_000 and len(raster["time"]) == 100
    for name in ("raster", "psth", "mean", "traces"):
        status, text = asker.refused(name, trials=HOSTILE)
        assert status == 400 and text
        assert asker.refused(name, trials="trial_id < 0")[0] == 400
        # An error is not kept.
        assert asker.refused(name, trials="trial_id < 0")[0] == 400
    assert asker.refused("trial", trial=HOSTILE)[0] == 404
    assert asker.refused("rows", node=HOSTILE)[0] == 404
