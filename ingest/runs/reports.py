"""Reports of our own runs: variables of all segments over time, kept as SONATA's reports are."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from ...catalog.vocabulary import reports as report_kinds
from ...catalog.vocabulary.runs import REPORT as RUN_REPORT
from ...lake import Transaction
from ..sonata.reports import write_times
from ..trials.frames import StoredFrames, put_frames

Columns = Mapping[str, Any]

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
    attributes = {"units": _UNITS.get(variable), "variable": variable}
    put_frames(transaction, node, frames, RUN_REPORT.axes, attributes)
    write_times(transaction, node, frames.time)
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
