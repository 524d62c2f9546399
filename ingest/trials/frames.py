"""Frames over time that are stored as they come, and become an array of the lake later."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...lake import Transaction
from ...lake.data.arrays import create_array, encode_chunks
from ...lake.data.codecs import Codec
from ...lake.data.differences import configuration
from ...lake.nodes.entry import Entry
from ...lake.objects.store import ObjectWriter
from ...lake.storage.base import Storage
from ...mechanisms.trial.recording import SegmentFrames

# Along time.
_CODEC = configuration(axis=0)


@dataclass(frozen=True)
class StoredFrames:
    """Stored frames of a variable: `entries` are chunks [time, …] in order, each with all of the other axes."""

    time: npt.NDArray[np.float64]
    shape: tuple[int, ...]
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
        self._shape: tuple[int, ...] = ()

    def __call__(self, frames: SegmentFrames) -> None:
        """Store a block; only the last may have fewer frames."""
        self._times.append(frames.time.copy())
        for name, values in frames.values.items():
            self._shape = values.shape[1:]
            chunks = (self._block, *self._shape)
            entries = encode_chunks(values, chunks, Codec.named(_CODEC), np.nan, self._writer)
            self._entries.setdefault(name, []).extend(entries)

    def finish(self) -> dict[str, StoredFrames]:
        """Make sure that all is stored; what it is, by variable."""
        self._writer.flush()
        if not self._times:
            return {}
        time = np.concatenate(self._times)
        shape = len(time), *self._shape
        return {
            name: StoredFrames(time, shape, self._block, entries) for name, entries in self._entries.items()
        }


def put_frames(
    transaction: Transaction,
    node: str,
    frames: StoredFrames,
    axes: Sequence[str],
    attributes: Mapping[str, Any],
) -> None:
    """Write stored frames as an array of float32, with its first time and its step as attributes.

    Parameters
    ----------
    transaction
        Writes the node.
    node
        Name of the node.
    frames
        The stored frames, with their times in ms.
    axes
        Names of the dimensions, time first.
    attributes
        Further attributes.
    """
    time = frames.time
    told = {**attributes, "t_start": float(time[0])}
    step = round(float(time[-1] - time[0]) / max(len(time) - 1, 1), 9)
    # A reader that takes times for equal steps must not find one where they vary, or where there is no step.
    if step > 0 and np.allclose(np.diff(time), step, rtol=1e-3, atol=0):
        told["dt"] = step
    create_array(
        transaction.store,
        node,
        frames.shape,
        np.float32,
        chunks=(frames.chunk, *frames.shape[1:]),
        dimension_names=axes,
        attributes=told,
        codec=_CODEC,
    )
    draft = transaction.drafts.edit(node)
    assert draft is not None, "just made"
    draft.changes.update(enumerate(frames.entries))
