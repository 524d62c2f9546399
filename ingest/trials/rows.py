"""Rows and traces of trials on their way into the lake, from whatever source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import trials as schema
from ...catalog.vocabulary.kinds import TableKind
from ...kernels.trains.spikes import threshold_crossings
from ...lake.data.arrays import encode_chunks
from ...lake.data.codecs import Codec
from ...lake.data.differences import configuration
from ...lake.data.parquet import ROW_GROUP, ParquetBuffer
from ...lake.digest import Digest, digest_of
from ...lake.errors import IngestError
from ...lake.nodes.entry import Entry
from ...lake.objects.store import ObjectWriter
from ...lake.storage.base import Storage

SOMA = "soma"


TIME_CHUNK = 131072


# Along time.
CODEC = configuration(axis=1)


_BUFFERED_ROWS = ROW_GROUP


@dataclass(frozen=True)
class Settings:
    """What holds for every run of an ingest.

    Parameters
    ----------
    storage
        The lake's.
    labels
        Columns to add to `trials`: name to regular expression, whose first group, found in
        sim_trial_index, is the value.
    soma_threshold, dendrite_threshold
        What counts as a spike (mV).
    skip_failures
        Whether a run directory that cannot be read is left out instead of ending the ingest.
    """

    storage: Storage
    labels: Mapping[str, Any]
    soma_threshold: float = 0.0
    dendrite_threshold: float = -30.0
    skip_failures: bool = False


@dataclass(frozen=True, eq=False)
class SiteTraces:
    """Voltage of several trials at one site.

    Attributes
    ----------
    time
        float64[n_time], ms, strictly increasing.
    voltage
        float64[n_trials, n_time], mV, C-contiguous.
    header
        The column titles: that of the time, then one per trial.
    """

    time: NDArray[np.float64]
    voltage: NDArray[np.float64]
    header: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.voltage.shape != (len(self.header) - 1, *self.time.shape):
            shapes = f"time {self.time.shape} and voltage {self.voltage.shape}"
            raise ValueError(f"{len(self.header)} titles, {shapes} do not agree")


@dataclass(frozen=True)
class TraceBlock:
    """The traces of one site of one run, stored: `entries` are chunks of (1, chunk) in row order."""

    site: str
    time: npt.NDArray[np.float64]
    trial_ids: npt.NDArray[np.int64]
    entries: list[Entry]

    @property
    def axis(self) -> Digest:
        """Identity of the time axis."""
        return digest_of(self.time.tobytes())


@dataclass
class GroupResult:
    """What a worker hands back: small tables by name, stored files of the large ones, stored traces."""

    small: dict[str, list[pa.Table]] = field(default_factory=dict)
    large: dict[str, Entry] = field(default_factory=dict)
    traces: list[TraceBlock] = field(default_factory=list)
    parameters: dict[str, pa.Table] = field(default_factory=dict)
    failures: list[tuple[str, IngestError]] = field(default_factory=list)
    trials: int = 0

    def add(self, kind: TableKind, rows: pa.Table) -> None:
        """Add rows of a small table.

        Parameters
        ----------
        kind
            The kind of table.
        rows
            Rows of that kind.
        """
        self.small.setdefault(kind.name, []).append(rows)


class Rows:
    """The rows of a large table, encoded as they come so that few are held.

    Parameters
    ----------
    kind
        The kind of table.
    """

    def __init__(self, kind: TableKind) -> None:
        self.kind = kind
        self._file = ParquetBuffer(kind.schema)
        self._held: list[pa.Table] = []
        self._count = 0

    def add(self, trial_ids: npt.NDArray[np.int64], parts: Sequence[pa.Table]) -> None:
        """Add one table for each trial.

        Parameters
        ----------
        trial_ids
            Number of each trial, int64.
        parts
            One table for each trial.
        """
        for trial, part in zip(trial_ids.tolist(), parts, strict=True):
            key = pa.repeat(pa.scalar(trial, pa.int64()), part.num_rows)
            self._held.append(part.add_column(0, "trial_id", key))
            self._count += part.num_rows
        if self._count >= _BUFFERED_ROWS:
            self._write()

    def finish(self) -> memoryview:
        """Return the Parquet file."""
        self._write()
        return self._file.finish()

    def _write(self) -> None:
        if self._held:
            # Names stay dictionaries, as they were read, all the way into the file.
            table = pa.concat_tables(self._held).select(self.kind.schema.names)
            self._file.write(table.unify_dictionaries().combine_chunks())
        self._held, self._count = [], 0


def store_traces(
    sites: Mapping[str, SiteTraces],
    trial_ids: npt.NDArray[np.int64],
    settings: Settings,
    writer: ObjectWriter,
    result: GroupResult,
) -> None:
    """Store the traces of some trials, by site, and add them and their spikes to the result.

    Parameters
    ----------
    sites
        Traces by recording site.
    trial_ids
        Number of each trial, int64.
    settings
        Options of the ingest.
    writer
        Stores the objects.
    result
        What they are added to.
    """
    for site, traces in sites.items():
        chunks = (1, min(len(traces.time), TIME_CHUNK))
        entries = encode_chunks(traces.voltage, chunks, Codec.named(CODEC), np.nan, writer)
        result.traces.append(TraceBlock(site, traces.time, trial_ids, entries))
        threshold = settings.soma_threshold if site == SOMA else settings.dendrite_threshold
        trial, ordinal, time = threshold_crossings(traces.voltage, traces.time, threshold)
        columns = {
            "trial_id": trial_ids[trial],
            "spike": ordinal,
            "time": time,
            "threshold": np.full(len(time), threshold),
        }
        kind = schema.SPIKE_TIMES if site == SOMA else schema.DENDRITIC_SPIKE_TIMES
        if site != SOMA:
            columns["site"] = pa.repeat(site, len(time))
        result.add(kind, pa.table(columns).select(kind.schema.names).cast(kind.schema))
