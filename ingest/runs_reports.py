"""Reports of our own runs: variables of all segments over time, kept as SONATA's reports are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..lake import Transaction
from ..lake.arrays import CHUNK_BYTES, create_array, encode_chunks
from ..lake.codecs import BLOSC_LZ4, Codec
from ..lake.entry import Entry
from ..lake.objects import ObjectWriter
from . import sonata_schema
from .simrun_layout import sim_trial_index

Columns = Mapping[str, Any]

_CODEC = Codec("blosc", BLOSC_LZ4["configuration"])
_UNITS = {"v": "mV", "i_membrane": "nA"}


def report_node(run: str, number: int, variable: str) -> str:
    """The array of a variable of all segments in one trial."""
    return f"reports/{sim_trial_index(run, number)}/{variable}"


@dataclass(frozen=True)
class Frames:
    """Stored frames of a variable of all segments: `entries` are chunks [time, all segments] in order."""

    time: npt.NDArray[np.float64]
    shape: tuple[int, int]
    chunk: int
    entries: list[Entry]


def store_frames(
    values: npt.NDArray[np.float32], time: npt.NDArray[np.float64], writer: ObjectWriter
) -> Frames:
    """Store frames [time, segment] in chunks of all segments, about a MiB each."""
    rows = max(1, min(len(values), CHUNK_BYTES // max(values.itemsize * values.shape[1], 1)))
    entries = encode_chunks(values, (rows, values.shape[1]), _CODEC, np.nan, writer)
    return Frames(time, (len(values), values.shape[1]), rows, entries)


def put_report(transaction: Transaction, node: str, variable: str, frames: Frames, segments: Columns) -> None:
    """Make *node* the array [time, element] of a report, as SONATA's are kept: times, nodes and elements beside it."""
    time = frames.time
    attributes = {"units": _UNITS.get(variable), "variable": variable, "t_start": float(time[0])}
    step = round(float(time[-1] - time[0]) / max(len(time) - 1, 1), 9)
    # A reader that takes times for equal steps must not find one where they vary.
    if np.allclose(np.diff(time), step, rtol=1e-3, atol=0):
        attributes["dt"] = step
    create_array(
        transaction.store,
        node,
        frames.shape,
        np.float32,
        chunks=(frames.chunk, frames.shape[1]),
        dimension_names=["time", "element"],
        attributes=attributes,
        codec=BLOSC_LZ4,
    )
    draft = transaction.drafts.edit(node)
    assert draft is not None, "just made"
    draft.changes.update(enumerate(frames.entries))
    transaction.write_array(f"{node}.time", time, dimension_names=["time"], attributes={"units": "ms"})
    for kind, columns in (
        (sonata_schema.RANGES, _ranges(np.asarray(segments["node_id"]))),
        (sonata_schema.ELEMENTS, _elements(segments)),
    ):
        table = pa.table([columns[name] for name in kind.schema.names], kind.schema)
        transaction.write_table(f"{node}{kind.name}", table, doc=kind.doc)


def _ranges(node: Any) -> Columns:
    nodes, start, count = np.unique(node, return_index=True, return_counts=True)
    return {"node_id": nodes, "start": start, "stop": start + count}


def _elements(segments: Columns) -> Columns:
    return {
        "node_id": segments["node_id"],
        "element_id": segments["section_id"],
        "segment_index": segments["segment_id"],
        "element_pos": segments["x"],
    }
