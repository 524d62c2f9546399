"""Trials: spikes, rates and voltages of those that meet a condition, and all that is known of one."""

from typing import Any

import numpy as np
from starlette.responses import Response

from ...catalog.vocabulary.trials import DENDRITIC_SPIKE_TIMES, SPIKE_TIMES, SYNAPSE_ACTIVATION, TRIALS
from ..animations import shapes
from ..animations.films import rerun_command
from ..lake import Snapshot
from ..plots import data
from ..trials.parameters import of_trial, trial_id
from ..trials.trains import trains
from ..trials.voltages import recording, rows_of, sites_of
from .asking import Question, answer, records
from .bodies import Framed, Json

MOST_SPIKES = 500_000
"""In one raster."""
MOST_SAMPLES = 20_000
"""In one trace that is drawn; longer ones are drawn as least and greatest value of parts."""


def _chosen(question: Question) -> dict[str, Any]:
    by = question.texts("by")
    return {"trials": question.text("trials", "true"), "by": data.expression(by)}


def raster(question: Question) -> Response:
    """Return the spikes of the chosen trials in order of their groups: row, time in ms, and the trial and group of each row.

    Parameters
    ----------
    question
        ``trials`` (a condition in SQL), ``by`` (columns of trials, or SQL over them), ``table`` and ``at``.
    """
    table = question.text("table", SPIKE_TIMES.name)
    found = trains(question.snapshot, **_chosen(question), table=table)
    order = np.argsort(found.group, kind="stable")
    row = np.empty(len(order), np.int64)
    row[order] = np.arange(len(order))
    kept = slice(0, MOST_SPIKES)
    arrays = {
        "row": row[found.trial][kept].astype(np.int32),
        "time": found.time[kept].astype(np.float32),
        "trial": found.trials[order].astype(np.int32),
        "group": found.group[order].astype(np.int32),
    }
    head = {"groups": found.labels, "spikes": len(found.time), "drawn": len(arrays["time"])}
    return Framed({**head, "commit": question.snapshot.commit.id}, arrays)


def psth(question: Question) -> Response:
    """Return firing rates of groups of trials in Hz, or activations of groups of synapses per trial and ms.

    Parameters
    ----------
    question
        ``trials``, ``by``, ``of`` (``spikes`` or ``activations``), ``begin`` and ``end`` in ms, ``bin`` in ms and ``at``.
    """
    of = question.text("of", "spikes")
    read = data.activation_histograms if of == "activations" else data.spike_histograms
    width = question.real("bin", 1.0 if of == "activations" else 5.0, 1e-3, 1e6)
    assert width is not None, "it has a default"
    found = read(
        question.snapshot,
        by=question.texts("by"),
        trials=question.text("trials", "true"),
        window=question.span("begin", "end"),
        width=width,
    )
    return _curves(found)


def mean(question: Question) -> Response:
    """Return mean and SD of the voltage of groups of trials in mV.

    Parameters
    ----------
    question
        ``site``, ``trials``, ``by``, ``begin`` and ``end`` in ms, and ``at``.
    """
    found = data.voltage_means(
        question.snapshot,
        question.text("site", "soma"),
        by=question.texts("by"),
        trials=question.text("trials", "true"),
        window=question.span("begin", "end"),
    )
    return _curves(found)


def _curves(found: data.Curves) -> Response:
    step = max(1, -(-found.values.shape[1] // MOST_SAMPLES))
    arrays = {"x": found.x, "values": found.values[:, ::step], "spread": found.spread[:, ::step]}
    if found.values.shape[1] == len(found.x):
        arrays["x"] = found.x[::step]
    return Framed({"groups": found.labels, "unit": found.unit, "step": step}, arrays)


def traces(question: Question) -> Response:
    """Draw all voltage traces of the chosen trials into an image: how many pass through each pixel, uint16, row 0 at the top.

    Parameters
    ----------
    question
        ``site``, ``trials``, ``begin`` and ``end`` in ms, ``low`` and ``high`` in mV, ``width`` and ``height`` in pixels, and ``at``.
    """
    source = recording(question.snapshot, question.text("site", "soma"))
    rows = rows_of(question.snapshot, source, question.text("trials", "true"))
    window = question.span("begin", "end") or (float(source.times[0]), float(source.times[-1]))
    image, limits = data.trace_image(
        source,
        rows,
        width=question.whole("width", 800, 16, 4096),
        height=question.whole("height", 300, 16, 4096),
        window=window,
        voltage=question.span("low", "high"),
    )
    head = {"traces": len(rows), "begin": window[0], "end": window[1], "low": limits[0], "high": limits[1]}
    return Framed({**head, "unit": "mV"}, {"image": np.minimum(image, 65535).astype(np.uint16)})


def trace(question: Question) -> Response:
    """Return the voltage of one trial at one site; where it has many samples, the least and greatest of parts of them.

    Parameters
    ----------
    question
        ``trial`` (trial_id or sim_trial_index), ``site``, ``begin`` and ``end`` in ms, and ``at``.
    """
    snapshot = question.snapshot
    number = trial_id(snapshot, question.text("trial"))
    source = recording(snapshot, question.text("site", "soma"))
    rows = rows_of(snapshot, source, f"trial_id = {number}")
    part = data.span(source, question.span("begin", "end"))
    values = np.asarray(source.array[int(rows[0]), part], np.float64)
    times, values = _thinned(np.asarray(source.times[part]), values)
    head = {"trial": number, "site": source.array.path, "unit": "mV"}
    return Framed(head, {"time": times, "value": values.astype(np.float32)})


def _thinned(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most about `MOST_SAMPLES` samples; spikes are kept, because the extremes of each part are."""
    parts = MOST_SAMPLES // 2
    if len(values) <= MOST_SAMPLES:
        return times, values
    length = -(-len(values) // parts)
    whole = len(values) // length * length
    shaped = values[:whole].reshape(-1, length)
    low, high = shaped.argmin(axis=1), shaped.argmax(axis=1)
    first = np.arange(len(shaped)) * length
    kept = np.unique(np.concatenate([first + low, first + high, np.arange(whole, len(values))]))
    return times[kept], values[kept]


def trial(question: Question) -> Response:
    """Tell what is known of one trial: its row, sites, spikes, activations by type, parameters, and the command that reruns it.

    Parameters
    ----------
    question
        ``trial`` (trial_id or sim_trial_index) and ``at``.
    """
    snapshot = question.snapshot
    number = trial_id(snapshot, question.text("trial"))
    (facts,) = records(answer(snapshot, f"from {TRIALS.name} where trial_id = {number}"))
    return Json(
        {
            "trial": number,
            "facts": facts,
            "sites": _sites(snapshot, number),
            "spikes": _times(snapshot, SPIKE_TIMES.name, number),
            "dendritic_spikes": _times(snapshot, DENDRITIC_SPIKE_TIMES.name, number),
            "activations": _activations(snapshot, number),
            "parameters": of_trial(snapshot, number).fetchall(),
            "rerun": _rerun(question.lake.url, facts),
            "commit": snapshot.commit.id,
        }
    )


def _sites(snapshot: Snapshot, number: int) -> list[str]:
    """Sites where a trial was recorded; of those with several arrays, the one that holds it."""
    wanted = np.array([number])
    return [site for site in sites_of(snapshot) if recording(snapshot, site).rows(wanted)[0] >= 0]


def _times(snapshot: Snapshot, table: str, number: int) -> list[float]:
    if table not in snapshot.tables:
        return []
    query = f'select "time" from {table} where trial_id = {number} order by 1'  # noqa: S608
    return [time for (time,) in snapshot.sql(query).fetchall()]


def _activations(snapshot: Snapshot, number: int) -> list[dict[str, Any]]:
    if SYNAPSE_ACTIVATION.name not in snapshot.tables:
        return []
    query = (
        f"select cell_type, count(*) as activations, count(distinct (synapse_type, synapse_id)) as synapses, "  # noqa: S608
        f"avg(soma_distance) as soma_distance from {SYNAPSE_ACTIVATION.name} where trial_id = {number} "
        "group by 1 order by 2 desc"
    )
    return records(answer(snapshot, query))


def _rerun(url: str, facts: dict[str, Any]) -> str | None:
    index = facts.get("sim_trial_index")
    return None if index is None else rerun_command(url, index)


def activations(question: Question) -> Response:
    """Return when and where synapses were activated in one trial: type, time in ms, section and distance from the soma in µm.

    Parameters
    ----------
    question
        ``trial``, ``types`` (names of presynaptic cell types; all by default) and ``at``.
    """
    snapshot = question.snapshot
    number = trial_id(snapshot, question.text("trial"))
    found = shapes.activations(snapshot, number, question.texts("types"))
    return Framed(
        {"trial": number, "types": found.kinds},
        {
            "type": found.kind,
            "time": found.time,
            "section_id": found.section_id,
            "soma_distance": found.soma_distance,
        },
    )
