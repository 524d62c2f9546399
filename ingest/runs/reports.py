"""Reports of our own runs: variables of all segments over time, kept as SONATA's reports are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...catalog.vocabulary import reports as report_kinds
from ...catalog.vocabulary.runs import REPORT as RUN_REPORT
from ...lake import Transaction
from ...lake.data.arrays import create_array, encode_chunks
from ...lake.data.codecs import Codec
from ...lake.data.types import BLOSC_LZ4
from ...lake.nodes.entry import Entry
from ...lake.objects.store import ObjectWriter
from ...lake.storage.base import Storage
from ...mechanisms.trial.recording import SegmentFrames
from ..sonata.reports import write_times

Columns = Mapping[str, Any]

_CODEC = Codec("blosc", BLOSC_LZ4["configuration"])
_UNITS = {"v": "mV", "i_membrane": "nA"}


def report_node(run: str, number: int, variable: str) -> str:
    """Return the name of the array of a variable of all segments in one trial.

    Parameters
    ----------
    run
        Name of the run.
    number
        Number of the trial in the run.
    variable
        Name of the variable, such as ``v``.
    """
    return RUN_REPORT.of(run=run, trial=f"{number:06d}", variable=variable)


@dataclass(frozen=True)
class StoredFrames:
    """Stored frames of a variable of all segments: `entries` are chunks [time, all segments] in order."""

    time: npt.NDArray[np.float64]
    shape: tuple[int, int]
    chunk: int
    entries: list[Entry]


class FrameWriter:
    """A sink of frames that stores them as they come, a block a chunk.

    Parameters
    ----------
    storage
        The lake's.
    block
        How many frames a block has.
    """

    def __init__(self, storage: Storage, block: int) -> None:
        self._writer = ObjectWriter(storage)
        self._block = block
        self._times: list[npt.NDArray[np.float64]] = []
        self._entries: dict[str, list[Entry]] = {}
        self._segments = 0

    def __call__(self, frames: SegmentFrames) -> None:
        """Store a block; only the last may have fewer frames."""
        self._times.append(frames.time.copy())
        for name, values in frames.values.items():
            self._segments = values.shape[1]
            chunks = (self._block, self._segments)
            self._entries.setdefault(name, []).extend(
                encode_chunks(values, chunks, _CODEC, np.nan, self._writer)
            )

    def finish(self) -> dict[str, StoredFrames]:
        """Make sure that all is stored; what it is, by variable."""
        self._writer.flush()
        if not self._times:
            return {}
        time = np.concatenate(self._times)
        shape = len(time), self._segments
        return {
            name: StoredFrames(time, shape, self._block, entries) for name, entries in self._entries.items()
        }


def put_report(
    transaction: Transaction, node: str, variable: str, frames: StoredFrames, segments: Columns
) -> None:
    """Write the array [time, element] of a report, as SONATA's are kept: times, nodes and elements beside it.

    Parameters
    ----------
    transaction
        Writes the nodes.
    node
        Name of the node.
    variable
        Name of the variable, such as ``v``.
    frames
        The stored frames, with their times in ms.
    segments
        Section and position of each column.
    """
    time = frames.time
    attributes = {"units": _UNITS.get(variable), "variable": variable, "t_start": float(time[0])}
    step = round(float(time[-1] - time[0]) / max(len(time) - 1, 1), 9)
    # A reader that takes times for equal steps must not find one where they vary, or where there is no step.
    if step > 0 and np.allclose(np.diff(time), step, rtol=1e-3, atol=0):
        attributes["dt"] = step
    create_array(
        transaction.store,
        node,
        frames.shape,
        np.float32,
        chunks=(frames.chunk, frames.shape[1]),
        dimension_names=RUN_REPORT.axes,
        attributes=attributes,
        codec=BLOSC_LZ4,
    )
    draft = transaction.drafts.edit(node)
    assert draft is not None, "just made"
    draft.changes.update(enumerate(frames.entries))
    write_times(transaction, node, time)
    for kind, columns in (
        (report_kinds.RANGES, _ranges(np.asarray(segments["node_id"]))),
        (report_kinds.ELEMENTS, _elements(segments)),
    ):
        table = pa.table([columns[name] for name in kind.schema.names], kind.schema)
        transaction.write_table(kind.beside(node), table, doc=kind.doc)


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
