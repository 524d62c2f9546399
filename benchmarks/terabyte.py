"""Lakes of any logical size, up to a terabyte and more, in a few percent of it on the disk.

Trials are those of `lakes.py`, with the voltages of four sites. A lake stores equal chunks once, so voltages of at most
`POOL` trials are made, all of them different, and every shard of every array refers to them in another order: within a
shard no two chunks are equal, and manifests are as large, and as hard to compress, as those of a lake in which all are
different. Tables are written for every trial; each has few activations, spread over the real ones, in as
many Parquet files as all of them would need. The newest commits are those of single runs.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from lakes import BATCH, TRIALS_PER_RUN, Template, tables_of

import neurolake as nl
from neurolake.lake.data.arrays import append_chunks
from neurolake.lake.data.parquet import write_file
from neurolake.lake.nodes.entry import SHARD_SIZE, Entry
from neurolake.lake.nodes.fields import fields_of
from neurolake.lake.threads import mapped

SITES = ("soma", "proximal", "distal", "tuft")
POOL = SHARD_SIZE
FEW = 16
RUNS = 40
_ENCODED_AT_ONCE = 512


@dataclass(frozen=True)
class Large:
    """A lake as it was made: its trials, the bytes that its commits refer to, and what making it took."""

    trials: int
    logical: int
    seconds: float


def write(url: Path, source: Template, logical: float, *, pool: int = POOL, seed: int = 0) -> Large:
    """A lake whose newest commit refers to about *logical* bytes, chunks counted as often as they are referred to."""
    began = time.monotonic()
    lake, thin = nl.create(url), thinned(source)
    per_trial = len(SITES) * _chunk_bytes(lake, source)
    trials = max(int(logical / per_trial) // TRIALS_PER_RUN, 2 * RUNS) * TRIALS_PER_RUN
    chunks = _stored(lake, source, min(pool, trials))
    block = min(SHARD_SIZE, len(chunks))
    rng = np.random.default_rng(seed)
    single = trials - RUNS * TRIALS_PER_RUN
    bounds = [*range(0, single, block), *range(single, trials, TRIALS_PER_RUN), trials]
    for first, last in pairwise(bounds):
        append(lake, thin, np.arange(first, last), chunks, rng)
    return Large(trials, logical_bytes(lake), time.monotonic() - began)


def append(
    lake: Any, source: Template, ids: np.ndarray, chunks: Sequence[Entry], rng: np.random.Generator
) -> None:
    """Commit the trials *ids*; their voltages are some of the *chunks*."""
    with lake.transaction(f"Trials {ids[0]} to {ids[-1]}") as tx:
        for name, table in tables_of(source, ids, seed=1):
            # As many files of activations as if there were all.
            rows = FEW * BATCH if name == "synapse_activation" else len(table)
            parts = [table.slice(start, rows) for start in range(0, len(table), max(rows, 1))]
            if not parts:
                continue
            files = list(mapped(lambda part, tx=tx: write_file(part, tx.writer), parts))
            tx.append_files(name, files, fields_of(table.schema), sorted_by=["trial_id"])
        for site in SITES:
            order = rng.permutation(len(chunks))[: len(ids)]
            append_chunks(tx.array(f"voltage/{site}"), len(ids), [chunks[k] for k in order])


def thinned(source: Template) -> Template:
    """The template with `FEW` activations of each trial, spread over all, and without presynaptic spikes."""
    owner = source.synapses["trial_id"].to_numpy()
    starts = np.searchsorted(owner, np.arange(source.size + 1))
    chosen = [np.linspace(first, last - 1, FEW).astype(int) for first, last in pairwise(starts)]
    return replace(
        source, synapses=source.synapses.take(np.concatenate(chosen)), cells=source.cells.slice(0, 0)
    )


def logical_bytes(lake: Any) -> int:
    """What the newest commit refers to, each chunk and file counted as often as it is referred to."""
    ((total,),) = lake.sql("select sum(stored_bytes) from nodes").fetchall()
    return int(total)


def chunks_of(lake: Any, count: int) -> list[Entry]:
    """The first chunks of a lake, for more commits to refer to."""
    entries = lake.head.tree["voltage/soma"].entries
    return [entry for entry in map(entries.get, range(count)) if entry is not None]


def _chunk_bytes(lake: Any, source: Template) -> float:
    """Bytes of a stored voltage of the source; nothing is committed."""
    transaction = lake.transaction("Sizes")
    array = transaction.write_array(
        "voltage", source.voltage * (1 + 1e-6), chunks=(1, source.voltage.shape[1])
    )
    return float(np.mean([entry.size for entry in array.entries().values()]))


def _stored(lake: Any, source: Template, count: int) -> list[Entry]:
    """Arrays without rows, and *count* chunks to fill them with."""
    with lake.transaction("Voltages") as tx:
        length = source.voltage.shape[1]
        made = tx.write_array("voltage/pool", source.voltage[:0], chunks=(1, length))
        for first in range(0, count, _ENCODED_AT_ONCE):
            ids = np.arange(first, min(first + _ENCODED_AT_ONCE, count))
            made = tx.append_array(
                "voltage/pool", source.voltage[ids % source.size] * (1 + 1e-6 * ids)[:, None]
            )
        tx.writer.flush()
        chunks = list(made.entries().values())
        tx.delete("voltage/pool")
        for site in SITES:
            tx.write_array(
                f"voltage/{site}",
                source.voltage[:0],
                chunks=(1, length),
                dimension_names=["trial", "time"],
                attributes=source.attributes,
            )
        tx.write_array("voltage/soma.time", source.time, dimension_names=["time"])
    return chunks
