"""SONATA files for tests: small ones made here, and what two HDF5 files differ in."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

SORTING = h5py.enum_dtype({"none": 0, "by_id": 1, "by_time": 2}, basetype="u1")


def contents(path: Path) -> dict[str, Any]:
    """Everything a file holds, in a form that can be compared: bit for bit, with types and attributes."""
    found: dict[str, Any] = {}
    with h5py.File(path) as file:
        found["/"] = _attributes(file)
        file.visititems(lambda name, item: found.setdefault(f"/{name}", _described(item)) and None)
    return found


def _described(item: Any) -> Any:
    if isinstance(item, h5py.Group):
        return _attributes(item)
    layout = [str(item.dtype), _enum(item.dtype), item.shape, item.chunks, item.compression]
    if item.shape is None:
        return [*layout, _attributes(item)]
    values = item[...]
    data = values.tolist() if values.dtype.kind == "O" else values.tobytes()
    return [*layout, h5py.check_string_dtype(item.dtype), data, _attributes(item)]


def _attributes(item: Any) -> dict[str, Any]:
    def value(name: str) -> Any:
        stored = item.attrs.get_id(name)
        return str(stored.dtype), _enum(stored.dtype), stored.shape, np.asarray(item.attrs[name]).tolist()

    return {name: value(name) for name in item.attrs}


def _enum(dtype: Any) -> Any:
    return h5py.check_enum_dtype(dtype)


def write_report(
    path: Path,
    data: Any,
    nodes: Any = (0, 1),
    pointers: Any = None,
    elements: Any = None,
    *,
    population: str = "cells",
    time: Any = None,
    units: str = "mV",
    compressed: bool = False,
) -> Path:
    """A report of one population; nodes share the elements equally unless *pointers* says otherwise."""
    data = np.asarray(data)
    frames, size = data.shape
    shares = np.linspace(0, size, len(nodes) + 1).astype("u8") if pointers is None else pointers
    with h5py.File(path, "a") as file:
        group = file.create_group(f"report/{population}")
        packed = {"chunks": data.shape, "compression": "gzip", "shuffle": True} if compressed else {}
        group.create_dataset("data", data=data, **packed)
        group["data"].attrs["units"] = units
        mapping = group.create_group("mapping")
        mapping["node_ids"] = np.asarray(nodes, "u8")
        mapping["index_pointers"] = np.asarray(shares, "u8")
        mapping["element_ids"] = np.zeros(size, "u4") if elements is None else np.asarray(elements, "u4")
        mapping["time"] = np.array([0, frames * 0.1, 0.1] if time is None else time, "f8")
        mapping["time"].attrs["units"] = "ms"
    return path


def write_spikes(
    path: Path, nodes: Any, times: Any, *, sorting: Any = None, population: str = "cells"
) -> Path:
    """Spikes of one population; *sorting* is a number of the enumeration, text, or nothing."""
    with h5py.File(path, "a") as file:
        group = file.create_group(f"spikes/{population}")
        group["node_ids"] = np.asarray(nodes, "u8")
        group["timestamps"] = np.asarray(times, "f8")
        group["timestamps"].attrs["units"] = "ms"
        if isinstance(sorting, str):
            group.attrs["sorting"] = sorting
        elif sorting is not None:
            group.attrs.create("sorting", sorting, dtype=SORTING)
    return path


def write_nodes(path: Path, size: int = 3, *, population: str = "cells", **attributes: Any) -> Path:
    """A population of nodes with one group; datasets by name, '__' for '/'."""
    with h5py.File(path, "a") as file:
        group = file.create_group(f"nodes/{population}")
        group["node_type_id"] = np.full(size, -1)
        part = group.create_group("0")
        for name, values in attributes.items():
            part[name.replace("__", "/")] = values
    return path


def write_edges(
    path: Path,
    source: Any,
    target: Any,
    *,
    population: str = "joined",
    nodes: str | None = "cells",
    index: Any = None,
    **attributes: Any,
) -> Path:
    """A population of edges with one group; *index* is a pair of datasets for target_to_source."""
    with h5py.File(path, "a") as file:
        group = file.create_group(f"edges/{population}")
        for name, ids in (("source_node_id", source), ("target_node_id", target)):
            group[name] = np.asarray(ids, "u8")
            if nodes is not None:
                group[name].attrs["node_population"] = nodes
        group["edge_type_id"] = np.full(len(source), -1)
        part = group.create_group("0")
        for name, values in attributes.items():
            part[name] = values
        if index is not None:
            ranges, edges = index
            made = group.create_group("indices/target_to_source")
            made["node_id_to_ranges"] = np.asarray(ranges, "u8").reshape(-1, 2)
            made["range_to_edge_id"] = np.asarray(edges, "u8").reshape(-1, 2)
    return path
