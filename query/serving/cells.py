"""Cells in space: their segments, what was recorded of all of them over time, and the cells of circuits."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.dataset as pds
from starlette.responses import Response

from ...catalog.schema import identifier
from ...catalog.vocabulary.runs import REPORT, SEGMENTS
from ...catalog.vocabulary.trials import TRIALS
from ...lake.errors import InputError, NotFoundError
from ..circuits.contents import Circuit, circuit, circuit_names
from ..circuits.reports import Report, report
from ..lake import Snapshot
from .asking import Question
from .bodies import Framed, Json

MOST_FRAMES = 4_000
MOST_SOMATA = 200_000
"""Of one population that are sent; of more, every second, third … is."""
MOST_PARTNERS = 20_000


def cells(question: Question) -> Response:
    """List what has a shape: runs with segments, and populations of circuits with positions or trees.

    Parameters
    ----------
    question
        ``at``.
    """
    snapshot = question.snapshot
    runs = [
        name.removeprefix(SEGMENTS.folder) for name in snapshot.tables if name.startswith(SEGMENTS.folder)
    ]
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
    return Json({"runs": runs, "circuits": found})


def cell(question: Question) -> Response:
    """Return the segments of the cells of a run, or the tree of a cell of a circuit, as capsules.

    ``start`` and ``end`` in µm [segment, 3], ``diameter`` in µm, ``soma_distance`` in µm, ``node_id``, ``section_id``, and ``label``: a number in
    ``labels``. With a run, ``reports`` lists what was recorded of all segments.

    Parameters
    ----------
    question
        ``run``, or ``circuit``, ``population`` and ``node``; and ``at``.

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
    name = SEGMENTS.of(run=run)
    if name not in snapshot.tables:
        raise NotFoundError(f"run {run!r} has no segments in commit {snapshot.commit.id[:12]}")
    rows = snapshot.tables[name].to_arrow()
    head = {"run": run, "reports": _reports(snapshot, run), "trials": _trials(snapshot, run)}
    ends = {
        end: np.stack([np.asarray(rows[f"{end}_{axis}"], np.float32) for axis in "xyz"], axis=1)
        for end in ("start", "end")
    }
    labels = rows["label"].fill_null("unknown").combine_chunks().dictionary_encode()
    return Framed(
        {**head, "labels": labels.dictionary.to_pylist()},
        {
            **ends,
            "diameter": np.asarray(rows["diameter"], np.float32),
            "soma_distance": np.asarray(rows["soma_distance"], np.float32),
            "node_id": np.asarray(rows["node_id"], np.int32),
            "section_id": np.asarray(rows["section_id"], np.int32),
            "label": np.asarray(labels.indices, np.int32),
        },
    )


def _reports(snapshot: Snapshot, run: str) -> list[dict[str, str]]:
    """What was recorded of all segments in trials of a run."""
    begin = f"{REPORT.folder}{run}/"
    pattern = re.compile(re.escape(begin) + r"(?P<trial>[^/]+)/(?P<variable>[^/.]+(?:\[\d+\])?)")
    found = ((name, pattern.fullmatch(name)) for name, node in snapshot.tree.items() if node.kind == "array")
    return [{"node": name, **match.groupdict()} for name, match in found if match]


def _trials(snapshot: Snapshot, run: str) -> list[int]:
    if TRIALS.name not in snapshot.tables:
        return []
    rows = snapshot.tables[TRIALS.name].to_arrow(["trial_id"], pds.field("run") == run)
    return sorted(rows["trial_id"].to_pylist())[:1000]


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


def frames(question: Question) -> Response:
    """Return a report as frames of bytes, uint8[frame, element]: 0 is ``low``, 254 is ``high``, 255 is NaN.

    Parameters
    ----------
    question
        ``report`` (the name of its node), ``begin`` and ``end`` in ms, ``frames`` (how many at most), ``low`` and ``high``, and ``at``.

    Raises
    ------
    InputError
        No value of it is finite.
    """
    found = report(question.snapshot, question.text("report"))
    window = question.span("begin", "end") or (None, None)
    most = question.whole("frames", 1000, 1, MOST_FRAMES)
    data, times = _thinned(found, window, most)
    finite = np.isfinite(data)
    if not finite.any():
        raise InputError(f"{found.name} has no finite value from {times[0]:g} to {times[-1]:g} ms")
    low, high = question.span("low", "high") or (float(data[finite].min()), float(data[finite].max()))
    scale = 254 / (high - low) if high > low else 0.0
    with np.errstate(invalid="ignore"):
        bytes_ = np.where(finite, np.clip(np.rint((data - low) * scale), 0, 254), 255).astype(np.uint8)
    head = {"low": low, "high": high, "unit": found.array.attrs.get("units", "")}
    return Framed(head, {"time": times.astype(np.float32), "frames": bytes_})


def _thinned(
    found: Report, window: Sequence[float | None], most: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Every how-manieth frame, so that there are at most as many as asked for."""
    frames = found.array.shape[0]
    span = (found.t_start, found.t_start + (frames - 1) * found.dt)
    begin, end = (own if own is not None else limit for own, limit in zip(window, span, strict=True))
    count = max(1, int((min(end, span[1]) - max(begin, span[0])) / found.dt) + 1)
    part = found.get(None, begin, end, max(1, -(-count // most)))
    return np.asarray(part.data, np.float32), part.times


def somata(question: Question) -> Response:
    """Return where the cells of a circuit are, by population: arrays [cell, 3] in µm, and every how-manieth cell they tell of.

    Parameters
    ----------
    question
        ``circuit`` and ``at``.
    """
    one = circuit(question.snapshot, question.text("circuit"))
    arrays: dict[str, npt.NDArray[Any]] = {}
    told = []
    for population, table in one.nodes.items():
        if not {"x", "y", "z"} <= set(table.columns):
            continue
        rows = table.to_arrow(["x", "y", "z"])
        step = max(1, -(-len(rows) // MOST_SOMATA))
        arrays[population] = np.stack([np.asarray(rows[axis], np.float32)[::step] for axis in "xyz"], axis=1)
        told.append({"population": population, "cells": table.rows, "step": step})
    return Framed({"circuit": one.name, "populations": told}, arrays)


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
