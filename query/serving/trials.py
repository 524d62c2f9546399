"""Trials: spikes, rates and voltages of those that meet a condition, and all that is known of one."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from starlette.responses import Response

from ...catalog.vocabulary.trials import DENDRITIC_SPIKE_TIMES, SPIKE_TIMES, SYNAPSE_ACTIVATION, TRIALS
from ...lake.errors import InputError
from ..animations import shapes
from ..animations.films import rerun_command
from ..lake import Snapshot
from ..plots import data
from ..trials.activations import bin_activations
from ..trials.parameters import of_trial, trial_id
from ..trials.trains import grouped, trains
from ..trials.voltages import recording, rows_of, sites_of
from .asking import Made, Question, answer, records
from .bodies import Framed, Json, Ready, unframed

MOST_SPIKES = 500_000
"""In one raster."""
MOST_COUNTS = 30_000_000
"""Trials times ms of which activations are counted before anybody asks."""
MOST_TRACES = 10**9
"""In one picture, unless less is asked for."""
MOST_SAMPLES = 20_000
"""In one trace that is drawn; longer ones are drawn as least and greatest value of parts."""

Pause = Callable[[], None]


def _chosen(question: Question) -> dict[str, Any]:
    return {"trials": question.text("trials", "true"), "by": list(question.texts("by"))}


def raster(question: Question) -> Response:
    """Return the spikes of the chosen trials in order of their groups: row, time in ms, and the trial and group of each row.

    Parameters
    ----------
    question
        ``trials`` (a condition in SQL), ``by`` (columns of trials, or SQL over them), ``table`` and ``at``.
    """
    table, chosen = question.text("table", SPIKE_TIMES.name), _chosen(question)

    def make(pause: Pause) -> Made:
        by = data.expression(chosen["by"])
        found = trains(question.snapshot, trials=chosen["trials"], by=by, table=table)
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
        return {**head, "commit": question.snapshot.commit.id}, arrays

    return Ready(question.kept("raster", {**chosen, "table": table}, make))


def psth(question: Question) -> Response:
    """Return firing rates of groups of trials in Hz, or activations of groups of synapses per trial and ms.

    Bins begin at multiples of their width, so that those of a window are some of those of all times.

    Parameters
    ----------
    question
        ``trials``, ``by``, ``of`` (``spikes`` or ``activations``), ``begin`` and ``end`` in ms, ``bin`` in ms and ``at``.

    Raises
    ------
    InputError
        There are more bins than can be drawn.
    """
    of, chosen = question.text("of", "spikes"), _chosen(question)
    width = question.real("bin", 1.0 if of == "activations" else 5.0, 1e-3, 1e6)
    assert width is not None, "it has a default"
    bins = len(data.whole_bins(question.snapshot, None, width)) - 1
    first, last = 0, bins
    if window := question.span("begin", "end"):
        first = min(max(0, int(window[0] / width + 1e-9)), bins - 1)
        last = max(first + 1, min(bins, math.ceil(window[1] / width - 1e-9)))
    if last - first > MOST_SAMPLES:
        raise InputError(f"{last - first:,} bins of {width:g} ms; choose wider bins, or a shorter time")
    # The window is a part of what is kept, unless that is too much.
    begin, end = (0, bins) if bins <= MOST_SAMPLES else (first, last)

    def make(pause: Pause) -> Made:
        if (
            of == "activations"
            and not chosen["by"]
            and (counted := _counted(question, chosen["trials"], width))
        ):
            labels, values = counted
            edges = np.asarray(width * np.arange(begin, end + 1), np.float64)
            values = values[:, begin:end]
            return _curves(data.Curves(labels, edges, values, np.zeros(values.shape), data.ACTIVATIONS))
        read = data.activation_histograms if of == "activations" else data.spike_histograms
        times = (begin * width, end * width)
        return _curves(read(question.snapshot, **chosen, window=times, width=width))

    given = {**chosen, "of": of, "bin": width, "begin": begin, "end": end}
    head, arrays = unframed(question.kept("psth", given, make))
    part = slice(first - begin, last - begin)
    return Framed(
        {**head, "step": 1},
        {
            "x": arrays["x"][part.start : part.stop + 1],
            "values": arrays["values"][:, part],
            "spread": arrays["spread"][:, part],
        },
    )


def count_activations(question: Question) -> None:
    """Count the activations of every trial and ms once, of which those of any trials are sums; of very many nothing.

    Parameters
    ----------
    question
        ``at``.
    """
    snapshot = question.snapshot
    edges = data.whole_bins(snapshot, None, 1.0)
    if len(edges) * snapshot.tables[TRIALS.name].rows > MOST_COUNTS:
        return

    def make(pause: Pause) -> Made:
        found = bin_activations(snapshot, edges=edges)
        arrays = {"trial": found["trial"].values, "counts": found.values}
        return {"groups": found["group"].values.tolist()}, arrays

    question.kept("counts", {}, make)


def _counted(
    question: Question, trials: str, width: float
) -> tuple[tuple[str, ...], npt.NDArray[np.float64]] | None:
    """Activations of chosen trials per trial and ms, by group and whole bin, if `count_activations` has counted them."""
    if width != int(width) or (body := question.found("counts", {})) is None:
        return None
    head, arrays = unframed(body)
    ids, _, _ = grouped(question.snapshot, trials, None)
    ours = arrays["counts"][:, np.isin(arrays["trial"], ids)].sum(axis=1, dtype=np.int64)
    whole = ours.shape[1] // int(width) * int(width)
    bins = ours[:, :whole].reshape(len(ours), -1, int(width)).sum(axis=2)
    return tuple(head["groups"]), np.asarray(bins / len(ids) / width, np.float64)


def mean(question: Question) -> Response:
    """Return mean and SD of the voltage of groups of trials in mV.

    Parameters
    ----------
    question
        ``site``, ``trials``, ``by``, ``most`` (of how many traces of each group at most; evenly chosen), ``begin`` and ``end`` in ms, and ``at``.

    Raises
    ------
    InputError
        The window holds fewer than two samples.
    """
    site, chosen = question.text("site", "soma"), _chosen(question)
    most = question.whole("most", MOST_TRACES, 1, MOST_TRACES)

    def make(pause: Pause) -> Made:
        found = data.voltage_means(question.snapshot, site, **chosen, window=None, most=most, pause=pause)
        return _curves(found)

    head, arrays = unframed(question.kept("mean", {**chosen, "site": site, "most": most}, make))
    part = slice(None)
    if window := question.span("begin", "end"):
        part = slice(*np.searchsorted(arrays["x"], window))
        if part.stop - part.start < 2:
            raise InputError(
                f"{site} has {part.stop - part.start} samples from {window[0]:g} to {window[1]:g} ms"
            )
    step = max(1, -(-len(arrays["x"][part]) // MOST_SAMPLES))
    part = slice(part.start, part.stop, step)
    names = {"x": arrays["x"][part], "values": arrays["values"][:, part], "spread": arrays["spread"][:, part]}
    return Framed({**head, "step": step}, names)


def _curves(found: data.Curves) -> Made:
    arrays = {"x": found.x, "values": found.values, "spread": found.spread}
    return {"groups": found.labels, "unit": found.unit}, arrays


def traces(question: Question) -> Response:
    """Draw all voltage traces of the chosen trials into an image: how many pass through each pixel, uint16, row 0 at the top.

    Parameters
    ----------
    question
        ``site``, ``trials``, ``most`` (how many traces at most; evenly chosen), ``begin`` and ``end`` in ms, ``low`` and ``high`` in mV, ``width`` and
        ``height`` in pixels, and ``at``.
    """
    site, trials = question.text("site", "soma"), question.text("trials", "true")
    most = question.whole("most", MOST_TRACES, 1, MOST_TRACES)
    width, height = question.whole("width", 1000, 16, 4096), question.whole("height", 300, 16, 4096)
    window, voltage = question.span("begin", "end"), question.span("low", "high")

    def make(pause: Pause) -> Made:
        source = recording(question.snapshot, site)
        rows = rows_of(question.snapshot, source, trials)
        drawn = rows[:: -(-len(rows) // most)]
        shown = window or (float(source.times[0]), float(source.times[-1]))
        image, limits = data.trace_image(
            source, drawn, width=width, height=height, window=shown, voltage=voltage, pause=pause
        )
        head = {"traces": len(rows), "drawn": len(drawn), "unit": "mV"}
        edges = {"begin": shown[0], "end": shown[1], "low": limits[0], "high": limits[1]}
        return {**head, **edges}, {"image": np.minimum(image, 65535).astype(np.uint16)}

    given = {"site": site, "trials": trials, "most": most, "size": [width, height]}
    return Ready(question.kept("traces", {**given, "window": window, "voltage": voltage}, make))


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
