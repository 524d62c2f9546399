"""Potentials at contacts of probes: over depth, as current source density, and where the contacts are."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from starlette.responses import Response

from ...catalog.vocabulary import reports, runs, space
from ...lake.errors import InputError, NotFoundError
from ..circuits.reports import report
from ..lake import Snapshot
from ..lfp.analysis import by_depth, csd, depths
from .asking import Question
from .bodies import Framed, Json
from .images import pooled

MOST_COLUMNS = 4_000
_PLACES = ("x", "y", "z")


def signals(question: Question) -> Response:
    """List the potentials at contacts: of runs, of files that came in, reports of the kind lfp, and what was computed of currents.

    Parameters
    ----------
    question
        ``at``.
    """
    snapshot = question.snapshot
    return Json(
        {"signals": [_told(snapshot, name) for name in snapshot.arrays if _is_signal(snapshot, name)]}
    )


def _is_signal(snapshot: Snapshot, name: str) -> bool:
    if {"time", "electrode"} <= set(_axes(snapshot, name)):
        return True
    if not reports.REPORT.parts(name):
        return False
    told = snapshot.arrays[name].attrs.asdict().get("report")
    return isinstance(told, dict) and told.get("type") == "lfp"


def _told(snapshot: Snapshot, name: str) -> dict[str, Any]:
    groups: list[str] = []
    beside = runs.NETWORK_LFP_GROUPS.beside(name)
    if "group" in _axes(snapshot, name) and beside in snapshot.arrays:
        groups = [str(one) for one in np.asarray(snapshot.arrays[beside][:])]
    return {"signal": name, "groups": groups, "shape": list(snapshot.arrays[name].shape)}


def _axes(snapshot: Snapshot, name: str) -> tuple[str | None, ...]:
    return tuple(getattr(snapshot.arrays[name].metadata, "dimension_names", None) or ())


def potential(question: Question) -> Response:
    """Return potentials over depth, and at each contact, with the contacts' places.

    ``image`` is float32[depth, column], deepest last, ``depth`` its depths in µm, ``level`` that of each contact, ``traces`` float32[contact, column] in the signal's unit, ``time`` the
    begin of each column in ms, ``place`` the contacts' places in µm [contact, 3]. Columns are means over parts of the time. Contacts whose places
    the lake does not know have neither depth nor place, and the image is in their order.

    Parameters
    ----------
    question
        ``signal`` (the name of its node), ``group`` (one of its groups of cells; by default their sum), ``of`` (``values``, or ``csd``), ``begin``
        and ``end`` in ms, ``columns`` (how many at most), and ``at``.

    Raises
    ------
    NotFoundError
        There is no such signal or group.
    InputError
        No sample lies in the window, or a current source density needs places, at three depths, that are not known.
    """
    name = question.text("signal")
    found = _signal(question.snapshot, name, question.text("group", ""))
    found = _window(found, name, question.span("begin", "end"))
    begins, times, values = _columns(found, question.whole("columns", 1000, 1, MOST_COLUMNS))
    coarse = xr.DataArray(
        values,
        {key: part for key, part in found.coords.items() if part.dims == ("electrode",)},
        ("electrode", "column"),
        attrs=found.attrs,
    )
    of = question.text("of", "values")
    placed = set(_PLACES) <= set(coarse.coords)
    if of == "csd" and not placed:
        raise InputError(
            f"the places of the contacts of {name} are not known, which a current source density needs"
        )
    picture = csd(coarse) if of == "csd" else by_depth(coarse) if placed else coarse
    row = "depth" if placed else "electrode"
    rows = np.asarray(picture.transpose(row, "column").values, np.float32)
    names = coarse["electrode"].values if "electrode" in coarse.coords else range(len(values))
    head = {
        "signal": name,
        "unit": str(picture.attrs.get("units", "")),
        "potential": str(found.attrs.get("units", "")),
        "contacts": [str(one) for one in names],
        "begin": float(found["time"].values[0]),
        "end": float(found["time"].values[-1]),
        "samples": found.sizes["time"],
    }
    arrays: dict[str, npt.NDArray[Any]] = {
        "image": rows[::-1] if placed else rows,
        "depth": np.asarray(picture["depth"].values[::-1] if placed else [], np.float64),
        "level": depths(coarse) if placed else np.empty(0),
        "traces": values,
        "time": times[begins],
        "place": np.stack([coarse[axis].values for axis in _PLACES], axis=1).astype(np.float32)
        if placed
        else np.empty((0, 3), np.float32),
    }
    return Framed(head, arrays)


def _window(found: xr.DataArray, name: str, window: tuple[float, float] | None) -> xr.DataArray:
    times = np.asarray(found["time"].values, np.float64)
    first, last = np.searchsorted(times, window) if window else (0, len(times))
    if first >= last:
        raise InputError(f"{name} has no sample in {window}; it is from {times[0]:g} to {times[-1]:g} ms")
    return found.isel(time=slice(int(first), int(last)))


def _columns(
    found: xr.DataArray, most: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Where each column begins, the times, and means over columns, float32[contact, column]."""
    values = np.asarray(found.transpose("electrode", "time").values, np.float32)
    picture, begins = pooled(values, most)
    return begins, np.asarray(found["time"].values, np.float64), picture


def _signal(snapshot: Snapshot, name: str, group: str) -> xr.DataArray:
    """A signal of contacts over time; the sum over groups where none is chosen."""
    if name not in snapshot.arrays or not _is_signal(snapshot, name):
        raise NotFoundError(f"{name!r} is no potential at contacts")
    if reports.REPORT.parts(name) and "electrode" not in _axes(snapshot, name):
        return _of_report(snapshot, name)
    found = snapshot.xarray(name)
    assert isinstance(found, xr.DataArray), "it is an array"
    if "group" in found.dims:
        labels = [str(one) for one in found["group"].values]
        if group and group not in labels:
            raise NotFoundError(f"{name} has no group {group!r}; there are: {', '.join(labels)}")
        found = found.isel(group=labels.index(group)) if group else found.sum("group", keep_attrs=True)
    if set(_PLACES) <= set(found.coords):
        return found
    beside = reports.LFP_ELECTRODES.beside(name)
    if beside not in snapshot.tables:
        return found
    names = snapshot.tables[beside].to_arrow()["name"].to_pylist()
    return _placed(snapshot, found, names)


def _of_report(snapshot: Snapshot, name: str) -> xr.DataArray:
    """What all cells together make at each electrode of a report of the kind lfp."""
    opened = report(snapshot, name)
    part = opened.get()
    electrodes, at = np.unique(part.ids[:, 1], return_inverse=True)
    order = np.argsort(at, kind="stable")
    begins = np.searchsorted(at[order], np.arange(len(electrodes)))
    values = np.add.reduceat(np.asarray(part.data)[:, order], begins, axis=1)
    found = xr.DataArray(
        values, {"time": part.times}, ("time", "electrode"), attrs={"units": opened.units or ""}
    )
    weights = _weights(snapshot, opened.array.attrs.asdict().get("weights"))
    if weights is None or electrodes[-1] >= len(weights):
        return found.assign_coords(electrode=electrodes)
    rows = weights.iloc[electrodes]
    named = {"electrode": rows["name"].to_numpy(object)} | {
        axis: ("electrode", rows[axis].to_numpy()) for axis in _PLACES
    }
    return found.assign_coords(named)


def _weights(snapshot: Snapshot, told: object) -> pd.DataFrame | None:
    """Electrodes of the weights that a report was made with."""
    names = [
        name
        for name in snapshot.tables
        if reports.ELECTRODES.parts(name) and (told is None or name.startswith(str(told)))
    ]
    return snapshot.tables[names[0]].to_arrow().to_pandas() if names else None


def _placed(snapshot: Snapshot, found: xr.DataArray, names: list[str]) -> xr.DataArray:
    """Contacts by their names, with places where a table of electrodes has all of them."""
    found = found.assign_coords(electrode=names)
    for name, table in snapshot.tables.items():
        if space.ELECTRODES.parts(name) and {"name", *_PLACES} <= set(table.columns):
            rows = table.to_arrow(["name", *_PLACES]).to_pandas().drop_duplicates("name").set_index("name")
            if set(names) <= set(rows.index):
                return found.assign_coords(
                    {axis: ("electrode", rows.loc[names, axis].to_numpy()) for axis in _PLACES}
                )
    return found
