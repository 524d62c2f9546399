"""Cells in space: their segments, what was recorded of all of them over time, and the cells of circuits."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.dataset as pds
from starlette.responses import Response

from ...catalog.schema import identifier
from ...catalog.vocabulary.circuits import SPIKES
from ...catalog.vocabulary.runs import NETWORK_RUNS
from ...catalog.vocabulary.trials import TRIALS
from ...lake.data.tables import Table
from ...lake.errors import InputError, NotFoundError
from ..animations import shapes
from ..circuits.contents import Circuit, circuit, circuit_names
from ..lake import Snapshot
from .asking import Question
from .bodies import Framed, Json

MOST_FRAMES = 4_000
MOST_SOMATA = 200_000
"""Of one population that are sent; of more, every second, third … is."""
MOST_PARTNERS = 20_000
MOST_TRIALS = 1_000
MOST_SPIKES = 200_000
"""Of each population that are sent, the first ones."""


def cells(question: Question) -> Response:
    """List what has a shape: runs with segments, with the parts of networks, and populations of circuits with positions or trees.

    Parameters
    ----------
    question
        ``at``.
    """
    snapshot = question.snapshot
    found = []
    for name in circuit_names(snapshot):
        one = circuit(snapshot, name)
        populations = [
            {
                "population": population,
                "nodes": table.rows,
                "positions": {"x", "y", "z"} <= set(table.columns),
                "trees": one.has_trees and "morphology" in table.columns,
            }
            for population, table in one.nodes.items()
        ]
        found.append({"circuit": name, "populations": populations})
    return Json({"runs": _runs(snapshot), "circuits": found})


def _runs(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Runs by name; segments of a network's populations are parts of one."""
    networks = set()
    if NETWORK_RUNS.name in snapshot.tables:
        networks = {*snapshot.tables[NETWORK_RUNS.name].to_arrow(["run"])["run"].to_pylist()}
    parts: dict[str, list[str]] = {}
    for name in shapes.runs_with_segments(snapshot):
        run = name.rpartition("/")[0]
        parts.setdefault(run if run in networks else name, []).append(name)
    return [{"run": run, "parts": names} for run, names in parts.items()]


def cell(question: Question) -> Response:
    """Return the segments of the cells of a run, or the tree of a cell of a circuit, as capsules.

    ``start`` and ``end`` in µm [segment, 3], ``diameter`` in µm, ``soma_distance`` in µm, ``node_id``, ``section_id``, and ``label``: a number in
    ``labels``. With a run, ``reports`` lists what was recorded of segments, ``sites`` where voltage was, and ``potentials`` the arrays of
    what contacts recorded.

    Parameters
    ----------
    question
        ``run`` (of a network ``RUN/POPULATION``), or ``circuit``, ``population`` and ``node``; and ``at``.

    Raises
    ------
    NotFoundError
        There is no such run or cell.
    """
    snapshot = question.snapshot
    run = question.text("run", "")
    if not run:
        one = circuit(snapshot, question.text("circuit"))
        return _tree(one, question.text("population"), question.whole("node", 0, 0, 2**53))
    found, trials = shapes.capsules(snapshot, run), _trials(snapshot, run)
    reports = shapes.recorded(snapshot, run)
    head = {
        "run": run,
        "reports": [{**vars(one), "trial_id": trials.get(one.trial)} for one in reports],
        "sites": [vars(one) for one in shapes.sites(snapshot, found)],
        "potentials": shapes.potentials(snapshot, run),
        "trials": [*trials.values()],
        "labels": found.labels,
    }
    return Framed(head, found.arrays)


def _trials(snapshot: Snapshot, run: str) -> dict[str, int]:
    """Trials of a run, by their number in it as reports are called by it."""
    if TRIALS.name not in snapshot.tables:
        return {}
    rows = snapshot.tables[TRIALS.name].to_arrow(["trial_id", "trial_number"], pds.field("run") == run)
    numbered = zip(rows["trial_number"].to_pylist(), rows["trial_id"].to_pylist(), strict=True)
    return {f"{number:06d}": trial for number, trial in sorted(numbered)[:MOST_TRIALS]}


_TYPES = {
    1: "Soma",
    2: "Axon",
    3: "Dendrite",
    4: "ApicalDendrite",
    5: "Trunk",
    6: "Tuft",
    7: "AIS",
    8: "Hillock",
}


def _tree(one: Circuit, population: str, node: int) -> Response:
    points = one.morphology(population, node)
    place = points[["x", "y", "z"]].to_numpy(np.float32)
    section = points["section_id"].to_numpy(np.int32)
    first, last = _pairs(section, points["parent_id"].fillna(-1).to_numpy(np.int64), place)
    kinds = points["type"].to_numpy(np.int64)[last]
    known = sorted({*kinds.tolist()})
    return Framed(
        {
            "circuit": one.name,
            "population": population,
            "node": node,
            "reports": [],
            "labels": [_TYPES.get(kind, f"type {kind}") for kind in known],
        },
        {
            "start": place[first],
            "end": place[last],
            "diameter": points["diameter"].to_numpy(np.float32)[last],
            "soma_distance": np.linalg.norm(place[first] - place[0], axis=1).astype(np.float32),
            "node_id": np.full(len(first), node, np.int32),
            "section_id": section[last],
            "label": np.searchsorted(known, kinds).astype(np.int32),
        },
    )


def _pairs(
    section: npt.NDArray[np.int32], parent: npt.NDArray[np.int64], place: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Points that are joined: those that follow each other in a section, and a section's first with its parent's nearest."""
    inside = np.flatnonzero(section[1:] == section[:-1])
    begins = np.flatnonzero(np.diff(section, prepend=-1))
    ends = np.append(begins[1:], len(section))
    spans = {int(section[begin]): slice(begin, end) for begin, end in zip(begins, ends, strict=True)}
    joined = []
    for begin in begins.tolist():
        before = spans.get(int(parent[begin]))
        if before is None:
            continue
        nearest = before.start + int(np.argmin(np.linalg.norm(place[before] - place[begin], axis=1)))
        joined.append((nearest, begin))
    more = np.array(joined, np.int64).reshape(-1, 2)
    return np.concatenate([inside, more[:, 0]]), np.concatenate([inside + 1, more[:, 1]])


def values(question: Question) -> Response:
    """Return a report as frames of bytes, uint8[frame, element]: 0 is ``low``, 254 is ``high``, 255 is NaN.

    With ``run``, columns are the segments of that run in their order, and 255 also stands for those that were not recorded.

    Parameters
    ----------
    question
        ``report`` (the name of its node), ``run``, ``begin`` and ``end`` in ms, ``frames`` (how many at most), ``low`` and ``high``, and ``at``.

    Raises
    ------
    InputError
        No value of it is finite.
    """
    snapshot = question.snapshot
    node, most = question.text("report"), question.whole("frames", 1000, 1, MOST_FRAMES)
    data, times, unit = shapes.frames(snapshot, node, question.span("begin", "end"), most)
    low, high = question.span("low", "high") or shapes.extremes(data)
    if not low <= high:
        raise InputError(f"{node} has no finite value from {times[0]:g} to {times[-1]:g} ms")
    found = shapes.shaded(data, low, high)
    if run := question.text("run", ""):
        columns = shapes.on_segments(snapshot, node, shapes.capsules(snapshot, run))
        if columns is not None:
            found = np.where(columns >= 0, found[:, columns], np.uint8(255))
    return Framed(
        {"low": low, "high": high, "unit": unit}, {"time": times.astype(np.float32), "frames": found}
    )


def somata(question: Question) -> Response:
    """Return where a circuit's nodes are, by population: cells as points [cell, 3], segments of vessels as capsules, in µm.

    A population ``P`` of cells is the array ``P``; one of vessels the arrays ``P.start``, ``P.end`` and ``P.diameter``. ``step`` tells every
    how-manieth node is in them, ``astrocytes`` which population are these, if any, and ``runs`` whose spikes there are.

    Parameters
    ----------
    question
        ``circuit`` and ``at``.
    """
    one = circuit(question.snapshot, question.text("circuit"))
    arrays: dict[str, npt.NDArray[Any]] = {}
    told = []
    for population, table in one.nodes.items():
        known = set(table.columns)
        step = max(1, -(-table.rows // MOST_SOMATA))

        def places(table: Table = table, step: int = step, prefix: str = "") -> npt.NDArray[np.float32]:
            names = [f"{prefix}{axis}" for axis in "xyz"]
            rows = table.to_arrow(names)
            return np.stack([np.asarray(rows[name], np.float32)[::step] for name in names], axis=1)

        if {"start_x", "end_x", "start_diameter"} <= known:
            arrays[f"{population}.start"], arrays[f"{population}.end"] = (
                places(prefix="start_"),
                places(prefix="end_"),
            )
            arrays[f"{population}.diameter"] = np.asarray(
                table.to_arrow(["start_diameter"])["start_diameter"], np.float32
            )[::step]
        elif {"x", "y", "z"} <= known:
            arrays[population] = places()
        else:
            continue
        told.append({"population": population, "cells": table.rows, "step": step})
    head = {"circuit": one.name, "populations": told, "astrocytes": _astrocytes(one)}
    return Framed({**head, "runs": _fired(question.snapshot, one.name)}, arrays)


def _fired(snapshot: Snapshot, circuit: str) -> list[str]:
    """Runs of a circuit, or the circuit itself where spikes came with it, that have spikes."""
    runs = {circuit}
    if NETWORK_RUNS.name in snapshot.tables:
        rows = snapshot.tables[NETWORK_RUNS.name].to_arrow(["run"], pds.field("circuit") == circuit)
        runs |= {*rows["run"].to_pylist()}
    found = {
        parts["circuit"]
        for name, table in snapshot.tables.items()
        if (parts := SPIKES.parts(name)) and table.rows
    }
    return sorted(found & runs)


def spikes(question: Question) -> Response:
    """Return the spikes of a network run in order of time: cell and time in ms, an array ``P.node_id`` and ``P.time`` for each population ``P``.

    Parameters
    ----------
    question
        ``run`` and ``at``.

    Raises
    ------
    NotFoundError
        There are no spikes of that run.
    """
    snapshot, run = question.snapshot, question.text("run")
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name in snapshot.tables:
        parts = SPIKES.parts(name)
        if parts is None or parts["circuit"] != run:
            continue
        query = f'select node_id, "time" from {identifier(name)} order by "time" limit {MOST_SPIKES}'  # noqa: S608
        rows = snapshot.sql(query).to_arrow_table()
        for column, kind in (("node_id", np.int32), ("time", np.float32)):
            arrays[f"{parts['population']}.{column}"] = np.asarray(rows[column], kind)
    if not arrays:
        raise NotFoundError(f"there are no spikes of a run {run!r}")
    return Framed({"run": run}, arrays)


def _astrocytes(one: Circuit) -> str | None:
    if not one.glia.has("astrocytes"):
        return None
    return one.glia.name("astrocytes").rpartition("/")[2]


def partners(question: Question) -> Response:
    """Return the cells that one cell is connected with: population, node_id, side (``source`` or ``target``) and number of edges.

    Parameters
    ----------
    question
        ``circuit``, ``population``, ``node`` and ``at``.
    """
    snapshot = question.snapshot
    one = circuit(snapshot, question.text("circuit"))
    population, node = question.text("population"), question.whole("node", 0, 0, 2**53)
    rows: list[dict[str, Any]] = []
    for name, projection in one.projections.items():
        for own, other, ends in (
            ("target", "source", (projection.target, projection.source)),
            ("source", "target", (projection.source, projection.target)),
        ):
            if ends[0] != population:
                continue
            query = (
                f"select {other}_node_id as node_id, count(*) as edges from {identifier(projection.node)} "  # noqa: S608
                f"where {own}_node_id = {node} group by 1 order by 1 limit {MOST_PARTNERS}"
            )
            found = snapshot.sql(query).fetchall()
            rows += [
                {"projection": name, "side": other, "population": ends[1], "node_id": partner, "edges": edges}
                for partner, edges in found
            ]
    return Json({"circuit": one.name, "population": population, "node": node, "partners": rows})
