"""Types of a NeuroH5 file: its populations with their numbers, and the projections that are valid."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ...catalog.vocabulary import circuits
from ..hdf5.layout import hdf5
from ..hdf5.reading import HDF5File

NAME = "H5Types"
ROOT = f"/{NAME}"
LABELS, RANGE, PAIR = "Population labels", "Population range", "Population projections"
POPULATIONS, PROJECTIONS, LAYERS = "Populations", "Valid population projections", "Layer tags"
CHEMICAL, ELECTRICAL = "chemical", "electrical"
MOST_CELLS, MOST_LABELS = 2**32, 2**16

RANGE_TYPE = {"Start": "<u8", "Count": "<u4"}


@dataclass(frozen=True)
class NumberedCells:
    """A population: its number in the enumeration, the gid of its first cell, and how many cells it has."""

    label: int
    start: int
    count: int


@dataclass(frozen=True)
class NetworkTypes:
    """What ``/H5Types`` says.

    Attributes
    ----------
    populations
        By name, by ascending gid.
    projections
        Pairs of source and target that may be connected, in the order of the file; None if the file has no list.
    layers
        Numbers of layers by name; only older files have them.
    """

    populations: Mapping[str, NumberedCells]
    projections: tuple[tuple[str, str], ...] | None
    layers: Mapping[str, int]

    def populations_table(self) -> pa.Table:
        """Return the populations as rows of `circuits.POPULATIONS`."""
        rows = [
            {"population": name, "label": one.label, "start": one.start, "count": one.count}
            for name, one in sorted(self.populations.items(), key=lambda pair: pair[1].label)
        ]
        return pa.Table.from_pylist(rows, circuits.POPULATIONS.schema)

    def projections_table(self, kind: str) -> pa.Table:
        """Return the valid projections as rows of `circuits.PROJECTIONS`.

        Parameters
        ----------
        kind
            Value of the column ``kind``.
        """
        rows = [
            {"source": source, "target": target, "kind": kind} for source, target in self.projections or ()
        ]
        return pa.Table.from_pylist(rows, circuits.PROJECTIONS.schema)

    def layers_table(self) -> pa.Table:
        """Return the layers as rows of `circuits.LAYERS`."""
        rows = [
            {"layer": name, "label": number}
            for name, number in sorted(self.layers.items(), key=lambda pair: pair[1])
        ]
        return pa.Table.from_pylist(rows, circuits.LAYERS.schema)


def read_types(source: HDF5File) -> NetworkTypes:
    """Read the types of a file.

    Parameters
    ----------
    source
        The file that is open.

    Raises
    ------
    IngestError
        A part of them lacks or has another type, a population has no label, or gids of two populations overlap.
    """
    source.at = ROOT
    group = source.file.get(ROOT)
    if group is None or hasattr(group, "dtype"):
        raise source.error(ROOT, "there is no such group; every file of NeuroH5 has its types there")
    rows = _rows(source, group, POPULATIONS, ("Start", "Count", "Population"))
    labels = _labels(source, group, rows.dtype["Population"])
    names = {number: name for name, number in labels.items()}
    found: dict[str, NumberedCells] = {}
    for start, count, label in sorted(zip(*(rows[key].tolist() for key in rows.dtype.names), strict=True)):
        if label not in names:
            raise source.error(f"{ROOT}/{POPULATIONS}", f"population {label} has no name in {LABELS!r}")
        if names[label] in found:
            raise source.error(f"{ROOT}/{POPULATIONS}", f"population {names[label]} is there twice")
        before = max((one.start + one.count for one in found.values()), default=0)
        if start < before or start + count > MOST_CELLS:
            raise source.error(
                f"{ROOT}/{POPULATIONS}",
                f"gids of {names[label]}, {start} to {start + count - 1}, overlap others or are "
                "not of 32 bits",
            )
        found[names[label]] = NumberedCells(label, start, count)
    return NetworkTypes(found, _projections(source, group, names), _layers(source, group))


def _rows(source: HDF5File, group: Any, name: str, fields: tuple[str, ...]) -> Any:
    where = f"{ROOT}/{name}"
    source.at = where
    found = group.get(name)
    if found is None or not hasattr(found, "shape"):
        raise source.error(where, "there is no such dataset")
    names = found.dtype.names
    if names is None or set(names) != set(fields) or any(found.dtype[key].kind not in "iu" for key in fields):
        raise source.error(where, f"its type is {found.dtype}, expected a compound of {', '.join(fields)}")
    if found.shape is None or len(found.shape) != 1:
        raise source.error(where, f"its shape is {found.shape}, expected one axis")
    source.used.add(where)
    return found[...][list(fields)]


def _labels(source: HDF5File, group: Any, kind: np.dtype[Any]) -> dict[str, int]:
    named = group.get(LABELS)
    told = kind if named is None else getattr(named, "dtype", None)
    enum = None if told is None else hdf5().check_enum_dtype(told)
    if enum is None:
        raise source.error(f"{ROOT}/{LABELS}", "there is no such enumeration")
    return {name: int(value) for name, value in enum.items()}


def _projections(
    source: HDF5File, group: Any, names: Mapping[int, str]
) -> tuple[tuple[str, str], ...] | None:
    if PROJECTIONS not in group:
        return None
    rows = _rows(source, group, PROJECTIONS, ("Source", "Destination"))
    pairs = list(zip(rows["Source"].tolist(), rows["Destination"].tolist(), strict=True))
    strange = sorted({label for pair in pairs for label in pair} - names.keys())
    if strange:
        raise source.error(f"{ROOT}/{PROJECTIONS}", f"population {strange[0]} has no name in {LABELS!r}")
    return tuple((names[pre], names[post]) for pre, post in pairs)


def _layers(source: HDF5File, group: Any) -> dict[str, int]:
    named = group.get(LAYERS)
    enum = hdf5().check_enum_dtype(named.dtype) if hasattr(named, "dtype") else None
    return {name: int(number) for name, number in (enum or {}).items()}
