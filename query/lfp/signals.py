"""Signals: coefficients times the membrane currents of a report, in blocks of time and of segments."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ...catalog.vocabulary.circuits import NODES
from ...catalog.vocabulary.reports import ELEMENTS
from ...kernels.lfp.matching import Keys
from ...kernels.lfp.segments import KEYS
from ...lake.errors import InputError
from ..derive.kernels import kernel
from .inputs import columns_of
from .kept import once_kept
from .matching import Groups, grouped, matched
from .products import Product

if TYPE_CHECKING:
    from ..arrays import Array

NANO = {"nA": 1.0, "pA": 1e-3, "uA": 1e3, "µA": 1e3, "mA": 1e6, "A": 1e9}
_OF_UNITS = {"mV/nA": "mV", "1": "nA", "1/µm³": "nA/µm³", "µm": "nA µm"}


@once_kept
def signal(
    report: Any,
    coefficients: Any,
    by: str | None = None,
    *,
    nodes: Any = None,
    t_start: float | None = None,
    t_stop: float | None = None,
    units: str | None = None,
    partial: bool = False,
    dtype: Literal["float32", "float64"] | None = None,
) -> xr.DataArray:
    """Compute what each contact records of a report: the sum over segments of coefficient times membrane current.

    Parameters
    ----------
    report
        Membrane currents: an array of xarray's [time, element] with the coordinates ``time`` in ms and ``node_id``,
        ``section_id`` and ``segment_id`` of the elements (see `currents`).
    coefficients
        [electrode, segment] as `coefficients` returns them.
    by
        None: of all segments together. ``"population"``: the same as one group. ``"cell"``: of each node. Any other:
        a column of *nodes*, such as ``mtype`` or ``layer``; null is the group "".
    nodes
        Table of nodes; for `Lake.derive` by default that of the report's population.
    t_start, t_stop
        Window in ms: times at and after the first and before the second.
    units
        Unit of the currents, in place of the one in the report's attributes: nA, pA, uA, mA or A. Reports that
        were written by libsonata may say mV though they hold currents.
    partial
        Whether to leave out nodes that only the report or only the coefficients have; else they are an error.
    dtype
        ``"float32"`` or ``"float64"``: of the arithmetic and of the result, by default the report's. float32 errs by
        about 1e-6 of the sum of all that is added, regardless of sign, and is twice as fast.

    Returns
    -------
    xarray.DataArray
        [group, electrode, time], without *by* [electrode, time], in mV (nA for coefficients of ObjectiveCSD).
        `Lake.derive` keeps it block by block, where *report* and *coefficients* (and *nodes*) are names of nodes.

    Raises
    ------
    InputError
        The report's unit is not one of currents, segments do not match (nodes are named), a column is not
        there, or no time is within the window.
    """
    table = None if nodes is None else columns_of(nodes, "nodes")
    window = {"t_start": t_start, "t_stop": t_stop}
    made = _signal(
        _labelled_report(report),
        coefficients,
        table,
        by=by,
        **window,
        units=units,
        partial=partial,
        dtype=dtype,
    )
    found: xr.DataArray = made.compute(scheduler="synchronous")
    return found


def currents(values: Any, segments: Any, time: Any, units: str = "nA") -> xr.DataArray:
    """Return membrane currents with the labels that `signal` needs.

    Parameters
    ----------
    values
        [time, segment].
    segments
        A table with ``node_id``, ``section_id`` and ``segment_id`` of the columns, in order.
    time
        Times in ms, shape (n_times,).
    units
        Unit of the currents.
    """
    columns = columns_of(segments, "segments")
    labels = {key: ("element", np.asarray(columns[key])) for key in KEYS}
    return xr.DataArray(
        values, {"time": np.asarray(time, np.float64), **labels}, ("time", "element"), attrs={"units": units}
    )


def _nodes_of(snapshot: Any, report: str) -> str:
    """The table of the nodes of a report that came with its circuit."""
    population = snapshot.arrays[report].attrs.get("population")
    parts = report.split("/")
    guess = NODES.of(circuit=parts[1], population=population) if len(parts) > 2 else ""
    if guess not in snapshot.tree:
        raise InputError(f"nobody knows which nodes {report!r} is about: give nodes, the name of their table")
    return guess


def _reads(snapshot: Any, given: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Inputs and parameters of `lfp_signal` for the arguments of `signal`."""
    report, by = given["report"], given["by"]
    inputs = {"report": report, "elements": ELEMENTS.beside(report), "coefficients": given["coefficients"]}
    if by not in (None, "population", "cell"):
        inputs["nodes"] = given["nodes"] or _nodes_of(snapshot, report)
    return inputs, {name: given[name] for name in ("by", "t_start", "t_stop", "units", "partial", "dtype")}


@kernel(version="1", asked=signal, reads=_reads)
def lfp_signal(
    report: "Array",
    elements: Any,
    coefficients: "Array",
    nodes: Any = None,
    *,
    by: str | None,
    t_start: float | None,
    t_stop: float | None,
    units: str | None,
    partial: bool,
    dtype: str | None,
) -> xr.DataArray:
    """Compute a signal from nodes of a lake: the kernel of `signal`.

    Parameters
    ----------
    report
        The currents, [time, element].
    elements
        Table of the report's elements.
    coefficients
        The coefficients, [electrode, segment].
    nodes
        Table of the population's nodes; None where *by* needs none.
    by, t_start, t_stop, units, partial, dtype
        See `signal`.
    """
    columns = columns_of(elements, "elements")
    names = {"node_id": "node_id", "section_id": "element_id", "segment_id": "segment_index"}
    labelled = report.xarray().assign_coords({key: ("element", columns[own]) for key, own in names.items()})
    # Not xarray's own reading: whole boxes go by the lake's path into memory.
    source = _Report(report, labelled)
    table = None if nodes is None else columns_of(nodes, "nodes")
    window = {"t_start": t_start, "t_stop": t_stop}
    return _signal(source, coefficients, table, by=by, **window, units=units, partial=partial, dtype=dtype)


@dataclass(frozen=True, eq=False)
class _Report:
    """Values that can be read box by box, and their labels."""

    values: Any
    labels: xr.DataArray

    def times(self, t_start: float | None, t_stop: float | None) -> slice:
        """Rows of a window."""
        time = self.labels["time"].values
        low = 0 if t_start is None else int(np.searchsorted(time, t_start - _slack(time)))
        high = len(time) if t_stop is None else int(np.searchsorted(time, t_stop - _slack(time)))
        if low >= high:
            what = f"{time[0]} to {time[-1]} ms" if len(time) else "none"
            raise InputError(
                f"no time of the report is within {t_start} to {t_stop} ms; its times are {what}"
            )
        return slice(low, high)


def _slack(time: NDArray[np.float64]) -> float:
    # Times are sums of steps, and off by rounding.
    return 1e-6 * float(time[1] - time[0]) if len(time) > 1 else 0.0


def _labelled_report(report: Any) -> _Report:
    if not isinstance(report, xr.DataArray) or report.dims != ("time", "element"):
        raise InputError(
            "a report is an array of xarray's with the dimensions time and element; see lfp.currents"
        )
    missing = [key for key in ("time", *KEYS) if key not in report.coords]
    if missing:
        raise InputError(f"the report has no coordinate {missing[0]!r}; see lfp.currents")
    return _Report(report.data, report)


def _signal(
    report: _Report,
    coefficients: Any,
    nodes: Mapping[str, Any] | None,
    *,
    by: str | None,
    t_start: float | None,
    t_stop: float | None,
    units: str | None,
    partial: bool,
    dtype: str | None,
) -> xr.DataArray:
    """The labelled signal as dask's blocks; everything is checked."""
    factors = coefficients.xarray() if hasattr(coefficients, "xarray") else coefficients
    if not isinstance(factors, xr.DataArray) or factors.ndim != 2 or not set(KEYS) <= set(factors.coords):
        raise InputError("coefficients are [electrode, segment] with node_id, section_id and segment_id")
    if dtype not in (None, "float32", "float64"):
        raise InputError(f"dtype is {dtype!r}; expected 'float32' or 'float64'")
    scale = _scale(report.labels.attrs.get("units"), units)
    keys = [
        Keys(*(np.asarray(array.coords[key].values, np.int64) for key in KEYS))
        for array in (report.labels, factors)
    ]
    columns, factor_of = matched(keys[0], keys[1], partial)
    population = str(report.labels.attrs.get("population", "population"))
    groups = grouped(keys[0].node_id[columns], by, population, nodes)
    source = coefficients if hasattr(coefficients, "read_box") else factors.data
    rows = report.times(t_start, t_stop)
    kind = np.dtype(dtype or ("float32" if report.values.dtype == np.float32 else "float64"))
    values = Product(report.values, source, columns, factor_of, groups, scale, rows, kind).lazy()
    return labelled_signal(values, factors, groups, report.labels["time"].values[rows], by, population)


def labelled_signal(
    values: Any, coefficients: xr.DataArray, groups: Groups, time: Any, by: str | None, population: str
) -> xr.DataArray:
    """Label a signal [group, electrode, time] with its contacts and, if *by* is given, its groups.

    Parameters
    ----------
    values
        The signal, of NumPy or dask.
    coefficients
        The coefficients, with the labels of the contacts.
    groups
        The groups.
    time
        Times in ms, float64[n_time].
    by
        What groups the nodes; None for a signal without groups.
    population
        Name of the population.
    """
    row = str(coefficients.dims[0])
    labels = {key: value for key, value in coefficients.coords.items() if value.dims == (row,)}
    made = xr.DataArray(
        values,
        {"group": groups.labels, **labels, "time": ("time", time, {"units": "ms"})},
        ("group", row, "time"),
        name="signal",
        attrs={"units": _units(coefficients.attrs.get("units")), "by": by or "", "population": population},
    )
    return made.isel(group=0, drop=True) if by is None else made


def _scale(told: Any, given: str | None) -> float:
    unit = given or told
    if unit in NANO:
        return NANO[unit]
    what = "does not say in which unit it is" if unit is None else f"is in {unit!r}"
    raise InputError(
        f"the report {what}; membrane currents are in one of {', '.join(NANO)}. If it holds currents nevertheless (some "
        "writers put mV in every file), say in which unit: units='nA'"
    )


def _units(told: Any) -> str:
    return " or ".join(_OF_UNITS.get(unit, f"{unit} nA") for unit in str(told or "mV/nA").split(" or "))
