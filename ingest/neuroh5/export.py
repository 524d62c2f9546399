"""Export of NeuroH5: the files of an ingest, or what the lake holds of a circuit as Cells and Connections."""

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ...catalog.vocabulary import circuits
from ...lake import Snapshot
from ...lake.errors import InputError, NotFoundError
from ..hdf5.layout import Item, hdf5, layout_items, make_dataset, type_of, write_attributes
from ..outgoing import new_folder
from ..source import Exported, Progress
from .cells import Index
from .collapsed import collapsed_files
from .layout import LINK, OF_TYPE, TYPE
from .stored import StoredValues, fitted

DIALECTS = ("source", "collapsed")


def export_neuroh5(
    snapshot: Snapshot,
    folder: str | Path,
    *,
    name: str | None = None,
    dialect: str = "source",
    progress: Progress | None = None,
) -> Exported:
    """Write a circuit as files of NeuroH5; all files or, on an error, none.

    Parameters
    ----------
    snapshot
        The commit to read.
    folder
        Where to write; empty or not there yet.
    name
        The circuit; may be left out if the lake has one.
    dialect
        ``"source"``: the files that were ingested, with their indexes, types, chunks and links; every dataset equals that of
        the source. ``"collapsed"``: ``cells.h5``, ``connections.h5``, ``gap_junctions.h5``, ``input_spikes.h5`` and
        ``results.h5``, as far as there is something to write, which is also what a circuit becomes that did not come from NeuroH5.
    progress
        Called with bytes done and bytes in all.

    Returns
    -------
    Exported
        Number of files and of bytes written.

    Raises
    ------
    NotFoundError
        The snapshot has no such circuit.
    InputError
        The folder holds something already, or NeuroH5 cannot say what the lake holds.
    """
    if dialect not in DIALECTS:
        raise InputError(f"dialect is one of {', '.join(DIALECTS)}, not {dialect!r}")
    circuit = _chosen(snapshot, name)
    layout = circuits.NEUROH5_LAYOUT.of(circuit=circuit)
    if dialect == "source" and layout in snapshot.tables:
        files, indices = _source_files(snapshot, circuit)
    else:
        files, indices = collapsed_files(snapshot, circuit)
    values = StoredValues(snapshot, circuit, indices)
    total = sum(_size(item) for items in files.values() for item in items)
    done = size = 0
    with new_folder(Path(folder)) as made:
        for called, items in files.items():
            path = made.file(called)
            with hdf5().File(path, "w") as file:
                for item in items:
                    _write(file, item, values)
                    done += _size(item)
                    if progress is not None:
                        progress(done, total)
            size += path.stat().st_size
    return Exported(len(files), size)


def _chosen(snapshot: Snapshot, name: str | None) -> str:
    kinds = (circuits.NODES, circuits.EDGES, circuits.NEUROH5_FILES)
    found = sorted(
        {parts["circuit"] for kind in kinds for node in snapshot.tables if (parts := kind.parts(node))}
    )
    if name is None and len(found) == 1:
        return found[0]
    if name not in found:
        asked = "say which circuit" if name is None and found else f"there is no circuit {name or ''!r}"
        raise NotFoundError(f"{asked}; there are: {', '.join(found) or 'none'}")
    return name


def _source_files(snapshot: Snapshot, circuit: str) -> tuple[dict[str, list[Item]], Mapping[int, Index]]:
    files: dict[str, list[Item]] = {}
    for item in layout_items(snapshot.tables[circuits.NEUROH5_LAYOUT.of(circuit=circuit)].to_arrow()):
        files.setdefault(item.file, []).append(item)
    rows = snapshot.tables[circuits.NEUROH5_ROWS.of(circuit=circuit)].to_arrow()
    numbers, nodes, sizes = (rows[name].to_numpy() for name in ("index", "node_id", "size"))
    last = int(numbers.max(initial=-1)) + 1
    bounds = np.searchsorted(numbers, np.arange(last + 1))
    # An index without rows leaves none in the table; its number may be above all others.
    none = np.empty(0, np.int64)
    indices = _Indices(Index(none, none))
    for number, (low, high) in enumerate(pairwise(bounds.tolist())):
        indices[number] = Index(nodes[low:high], sizes[low:high])
    return files, indices


class _Indices(dict[int, Index]):
    """Indexes by number; those without rows are not listed."""

    def __init__(self, empty: Index) -> None:
        super().__init__()
        self._empty = empty

    def __missing__(self, number: int) -> Index:
        return self._empty


def _size(item: Item) -> int:
    if item.node is None:
        return 0
    return int(np.prod(item.shape or ())) * type_of(json.loads(item.type or "null")).itemsize


def _write(file: Any, item: Item, values: StoredValues) -> None:
    part = item.part or ""
    if part == LINK:
        file[item.path] = file[(item.value or b"").decode()]
    elif part == TYPE:
        file[item.path] = type_of(json.loads(item.type or "null"))
    elif item.type is None:
        write_attributes(file.require_group(item.path), item.attributes)
    elif part.startswith(OF_TYPE):
        make_dataset(file, item, file[part.removeprefix(OF_TYPE)])
    else:
        dataset = make_dataset(file, item)
        if item.node is not None:
            at = 0
            for found in values.blocks(item.node, part):
                block = found[: dataset.shape[0] - at]
                dataset[at : at + len(block)] = fitted(block, dataset.dtype, f"{item.path} ({item.node})")
                at += len(block)
