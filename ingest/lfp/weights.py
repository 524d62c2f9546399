"""Coefficients as SONATA's files of electrodes, which libsonata and CoreNEURON read."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...catalog.vocabulary.reports import NEURITES
from ...lake import Snapshot
from ...lake.errors import InputError
from ...lake.nodes.content import coordinates
from ..hdf5.layout import hdf5
from ..outgoing import as_part, new_file

BLOCK_ROWS = 2**14
FACTORS = {"mV/nA": 1.0, "V/nA": 1e-3}
"""Units of weights, and what coefficients in mV/nA are multiplied by."""
CODES = {name: code for code, names in enumerate(NEURITES.values()) for name in names}
KEYS = ("node_id", "section_id", "segment_id")
_UNITS = ("mV/nA", "1", "mV/nA or 1", "1 or mV/nA")


def write_weights(
    path: str | Path,
    coefficients: Any,
    population: str,
    *,
    ones: bool = False,
    units: str = "mV/nA",
    segments: Any = None,
) -> None:
    """Write an electrodes file as SONATA's extension for simulations specifies it: float64, mV/nA.

    Parameters
    ----------
    path
        The file, which must not be there; nothing is left of it if it cannot be written whole.
    coefficients
        [electrode, segment] as `query.lfp.coefficients` gives them, or a lake's array of them. Segments of a node
        stand together, nodes in ascending order, and within a node in the order of the simulator's report.
    population
        Of the nodes.
    ones
        Whether to add a last column of ones, as BlueRecording did before 0.7: its signal is the sum of all currents.
    units
        ``"mV/nA"``, as SONATA says, or ``"V/nA"``, as BlueRecording writes. Coefficients of ObjectiveCSD, which have
        no unit, stay as they are.
    segments
        Table of the segments with ``node_id``, ``section_id``, ``segment_id`` and ``label``, from which the file gets
        the types of neurites that BlueRecording writes since 0.7; None for a file without them.

    Raises
    ------
    InputError
        They are no coefficients in mV/nA, nodes are not in order, an electrode has a name that HDF5 takes for a path,
        or is called like the population (the file has one name for both), a segment is not in the table, or the
        file is there.
    """
    array = coefficients.xarray() if hasattr(coefficients, "xarray") else coefficients
    if array.attrs.get("units") not in _UNITS:
        raise InputError(f"coefficients are in {array.attrs.get('units')!r}; expected mV/nA")
    if units not in FACTORS:
        raise InputError(f"units of weights are {' or '.join(FACTORS)}, not {units!r}")
    names = [as_part(str(name), "electrode") for name in array["electrode"].values]
    as_part(population, "population")
    if population in names:
        raise InputError(
            f"electrode {population!r} is called like the population; the file has one name for both"
        )
    nodes, offsets = _ranges(array["node_id"].values)
    types = None if segments is None else _types(array, segments)
    with new_file(path) as partial, hdf5().File(partial, "w") as file:
        file[f"{population}/node_ids"] = nodes
        file[f"{population}/offsets"] = offsets
        file[f"{population}/node_ids"].attrs["date"] = datetime.now(UTC).date().isoformat()
        if types is not None:
            file[f"{population}/neurite_types"] = types
        _write_factors(file, population, array, ones, _factors(array, FACTORS[units]))
        for column, name in enumerate(names):
            _describe(
                file.create_group(f"electrodes/{name}"), array.isel(electrode=column), column, population
            )


def stored_coefficients(snapshot: Snapshot, name: str) -> Any:
    """Return stored coefficients with their labels, as an array of xarray whose values are read when needed.

    Parameters
    ----------
    snapshot
        The commit to read.
    name
        Name of the array of coefficients.

    Raises
    ------
    NotFoundError
        There is no such array.
    InputError
        It is no array of coefficients.
    """
    import dask.array as da
    import xarray as xr

    array = snapshot.arrays[name]
    dims = _dimensions(snapshot, name)
    if dims != ["electrode", "segment"]:
        raise InputError(f"array {name!r} has the dimensions {dims}; coefficients have electrode and segment")
    labels = {
        key: (_dimensions(snapshot, node), snapshot.arrays[node][...])
        for key, node in coordinates(snapshot.tree, name).items()
    }
    values = da.from_array(array, (array.shape[0], BLOCK_ROWS), asarray=False)
    return xr.DataArray(values, labels, dims, attrs=array.attrs.asdict())


def _dimensions(snapshot: Snapshot, name: str) -> list[str]:
    return [str(dim) for dim in snapshot.tree[name].meta.get("dimension_names") or ()]


def _ranges(node_id: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    falling = np.flatnonzero(np.diff(node_id) < 0)
    if falling.size:
        i = falling[0]
        raise InputError(f"node {node_id[i + 1]} comes after node {node_id[i]}; expected ascending nodes")
    nodes, first = np.unique(node_id, return_index=True)
    return nodes.astype(np.uint64), np.append(first, len(node_id)).astype(np.uint64)


def _types(array: Any, segments: Any) -> NDArray[np.int32]:
    """Codes of the neurites of the columns, by what a table says of their segments."""
    columns = [*KEYS, "label"]
    table = segments.to_arrow(columns) if hasattr(segments, "to_arrow") else segments
    keys = zip(*(np.asarray(table[key]).tolist() for key in KEYS), strict=True)
    codes = {key: CODES.get(label) for key, label in zip(keys, np.asarray(table["label"]), strict=True)}
    wanted = list(zip(*(array[key].values.tolist() for key in KEYS), strict=True))
    lost = next((key for key in wanted if codes.get(key) is None), None)
    if lost is not None:
        told = ", ".join(f"{name} {value}" for name, value in zip(KEYS, lost, strict=True))
        raise InputError(f"the table of segments lacks the neurite of {told}")
    return np.array([codes[key] for key in wanted], np.int32)


def _factors(array: Any, factor: float) -> NDArray[np.float64]:
    """What the coefficients of each electrode are multiplied by."""
    kinds = array["type"].values if "type" in array.coords else np.full(array.sizes["electrode"], "")
    return np.array([1.0 if str(kind).startswith("ObjectiveCSD") else factor for kind in kinds])


def _write_factors(file: Any, population: str, array: Any, ones: bool, factors: NDArray[np.float64]) -> None:
    n_electrodes, n_segments = array.shape
    shape = (n_segments, n_electrodes + ones)
    made = file.create_dataset(f"electrodes/{population}/scaling_factors", shape, np.float64)
    for begin in range(0, n_segments, BLOCK_ROWS):
        block = np.ones((min(BLOCK_ROWS, n_segments - begin), shape[1]))
        block[:, :n_electrodes] = array[:, begin : begin + BLOCK_ROWS].values.T * factors
        made[begin : begin + len(block)] = block


def _describe(group: Any, electrode: Any, column: int, population: str) -> None:
    group["position"] = np.array([electrode[axis].item() for axis in "xyz"], np.float32)
    for key in ("type", "layer", "region"):
        text = str(electrode[key].item()) if key in electrode.coords else ""
        group.create_dataset(key, data=text or "NA", dtype=hdf5().string_dtype())
    group[population] = np.uint64(column)
