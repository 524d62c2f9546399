"""Coefficients that came with a simulation: SONATA's weights of electrodes, with the labels of a report."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ...catalog.vocabulary.reports import ELECTRODES, ELEMENTS, WEIGHT_RANGES
from ...lake.errors import InputError
from ..derive.derivation import derive
from ..derive.kernels import kernel
from .inputs import columns_of

if TYPE_CHECKING:
    from ..arrays import Array
    from ..base import Lake

_MV_PER_NA = {"mV/nA": 1.0, "V/nA": 1e3}


def weights(
    lake: "Lake", name: str, report: str, *, units: str | None = None, branch: str = "main"
) -> "Array":
    """Derive coefficients from the weights of an electrodes file that was ingested, with the labels of a report.

    Weights name nodes but not segments: their rows are in the order of the report's columns of each node.

    Parameters
    ----------
    lake
        The lake, which keeps the coefficients.
    name
        The array [compartment, electrode], as ``electrodes/<ingest>/<file>/<population>``.
    report
        A compartment report of the same cells.
    units
        ``mV/nA`` or ``V/nA``; by default the unit that the ingest recorded.
    branch
        Branch to read, and to keep the coefficients on.

    Returns
    -------
    Array
        The derived node that holds coefficients [electrode, segment] in mV/nA, as `coefficients` returns
        them; nodes of the report that have no weights are left out.

    Raises
    ------
    InputError
        A node has different numbers of rows and columns; the message names it.
    NotFoundError
        The lake has no such node.
    """
    inputs = {
        "values": name,
        "ranges": WEIGHT_RANGES.beside(name),
        "electrodes": ELECTRODES.beside(name),
        "elements": ELEMENTS.beside(report),
    }
    made: Array = derive(lake, lfp_weights, inputs, branch=branch, at=None, params={"units": units})
    return made


@kernel(version="1")
def lfp_weights(
    values: "Array", ranges: Any, electrodes: Any, elements: Any, units: str | None
) -> xr.DataArray:
    """Compute coefficients from weights: the kernel of `weights`.

    Parameters
    ----------
    values
        The weights, [compartment, electrode].
    ranges
        Table of the rows of each node.
    electrodes
        Table of the electrodes.
    elements
        Table of the elements of the report.
    units
        ``mV/nA`` or ``V/nA``; None for the unit that is stored with the weights.

    Raises
    ------
    InputError
        The unit is another, or a node has different numbers of rows and columns.
    """
    unit = units or values.attrs.get("units")
    if unit not in _MV_PER_NA:
        raise InputError(f"weights are in {unit!r}; expected one of {', '.join(_MV_PER_NA)}")
    columns = columns_of(elements, "elements")
    rows, kept = _rows(columns_of(ranges, "ranges"), columns["node_id"])
    table = columns_of(electrodes, "electrodes")
    names = [str(column if one is None else one) for column, one in enumerate(table["name"])]
    labels = {axis: ("electrode", np.asarray(table[axis], np.float64), {"units": "µm"}) for axis in "xyz"}
    texts = {
        key: ("electrode", np.array(["" if one is None else str(one) for one in table[key]], object))
        for key in ("type", "layer", "region")
    }
    keys = {"node_id": "node_id", "section_id": "element_id", "segment_id": "segment_index"}
    return xr.DataArray(
        values.dask()[rows].T * _MV_PER_NA[unit],
        {
            "electrode": np.array(names, object),
            **labels,
            **texts,
            **{key: ("segment", columns[own][kept]) for key, own in keys.items()},
        },
        ("electrode", "segment"),
        name="coefficients",
        attrs={"units": "mV/nA"},
    )


def _rows(ranges: Mapping[str, Any], nodes: NDArray[np.int64]) -> tuple[Any, NDArray[np.int64]]:
    """Row of the weights for those columns of the report whose node has weights, and those columns."""
    ids, first, size = ranges["node_id"], ranges["start"], ranges["stop"] - ranges["start"]
    kept = np.flatnonzero(np.isin(nodes, ids))
    own, counts = np.unique(nodes[kept], return_counts=True)
    order = np.argsort(ids)
    at = order[np.searchsorted(ids[order], own)]
    wrong = np.flatnonzero(size[at] != counts)
    if wrong.size:
        i = wrong[0]
        raise InputError(
            f"node {own[i]} has {size[at[i]]} rows of weights and {counts[i]} columns of the report; {wrong.size:,} "
            "nodes differ so"
        )
    if not len(kept):
        raise InputError("no node of the report has weights")
    # The n-th column of a node, wherever it is, has the n-th row of that node.
    ordered = np.argsort(nodes[kept], kind="stable")
    rows = np.empty(len(kept), np.int64)
    begins = np.cumsum(counts) - counts
    rows[ordered] = np.repeat(first[at] - begins, counts) + np.arange(len(kept))
    whole = len(rows) and (np.diff(rows) == 1).all()
    return slice(int(rows[0]), int(rows[-1]) + 1) if whole else rows, kept
