"""Batches for machine learning: binned activations, voltages and spikes of trials, in a repeatable random order.

Trials are read a block at a time, so that a lake may be larger than memory. Each epoch puts the blocks in another
order, and the trials within each block; trials of different blocks share a batch only where blocks meet.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from ...catalog.traces import Recording
from ...lake.errors import InputError
from ..base import Snapshot
from ..prefetch import prefetched
from .activations import By, bin_activations
from .spikes import spike_counts
from .voltages import blocks, recording


@dataclass(frozen=True, eq=False)
class Batch:
    """Some trials, along the first axis of every array.

    Attributes
    ----------
    trial
        trial_id, int64[batch].
    activity
        Synapse activations, float32[batch, group, time].
    voltage
        Voltages in mV, float32[batch, sample]; None unless asked for.
    target
        Spikes in the target's window, int64[batch]; None unless asked for.
    """

    trial: Any
    activity: Any
    voltage: Any = None
    target: Any = None

    def map(self, function: Callable[[Any], Any]) -> "Batch":
        """Return another batch, of what a function returns for every array.

        Parameters
        ----------
        function
            Called with each array of the batch.
        """
        made = {name: function(value) for name, value in vars(self).items() if value is not None}
        return replace(self, **made)

    def joined(self, other: "Batch") -> "Batch":
        """Join the trials of two batches, those of this one first.

        Parameters
        ----------
        other
            A batch of the same arrays.
        """
        pairs = {name: (value, getattr(other, name)) for name, value in vars(self).items()}
        return Batch(
            **{
                name: None if one is None else np.concatenate([one, two])
                for name, (one, two) in pairs.items()
            }
        )

    def __len__(self) -> int:
        return len(self.trial)


@dataclass(frozen=True, eq=False)
class Batches:
    """Batches of trials; every iteration starts over, in the same order.

    Attributes
    ----------
    size
        Trials of a batch; the last one of an epoch may have fewer.
    epochs
        How often each trial comes.
    seed
        Seed of the order; None for the order of trial_id.
    prefetch
        Batches that a thread makes ready ahead.
    """

    size: int
    epochs: int
    seed: int | None
    prefetch: int
    _counts: xr.DataArray = field(repr=False)
    _target: npt.NDArray[np.int64] | None = field(repr=False)
    _source: Recording | None = field(repr=False)
    _samples: slice = field(repr=False)
    _convert: Callable[[Any], Any] | None = field(repr=False)

    @property
    def groups(self) -> list[str]:
        """Names of the groups of synapses."""
        return [str(name) for name in self._counts["group"].values]

    @property
    def times(self) -> npt.NDArray[np.float64]:
        """Where the time bins begin, ms."""
        return np.asarray(self._counts["time"].values, np.float64)

    @property
    def sample_times(self) -> npt.NDArray[np.float64] | None:
        """Times of the voltages, ms."""
        return None if self._source is None else self._source.times[self._samples]

    @property
    def trials(self) -> npt.NDArray[np.int64]:
        """trial_id of all that come, rising."""
        return np.asarray(self._counts["trial"].values, np.int64)

    def __len__(self) -> int:
        return self.epochs * -(-len(self.trials) // self.size)

    def __iter__(self) -> Iterator[Batch]:
        made = (batch for epoch in range(self.epochs) for batch in self._epoch(epoch))
        for batch in prefetched(made, self.prefetch):
            yield batch if self._convert is None else batch.map(self._convert)

    @cached_property
    def _starts(self) -> npt.NDArray[np.int64]:
        """Number of the first trial of each block, and of all trials."""
        return np.cumsum([0, *self._counts.data.chunks[1]])

    def _epoch(self, epoch: int) -> Iterator[Batch]:
        held: Batch | None = None
        for number, order in self._order(epoch):
            block = _part(self._block(number), order)
            block = block if held is None else held.joined(block)
            whole = len(block) - len(block) % self.size
            for first in range(0, whole, self.size):
                yield _part(block, slice(first, first + self.size))
            held = _part(block, slice(whole, None)) if whole < len(block) else None
        if held is not None:
            yield held

    def _order(self, epoch: int) -> Iterator[tuple[int, npt.NDArray[np.intp]]]:
        """Blocks, and the order of the trials within each."""
        sizes = np.diff(self._starts)
        if self.seed is None:
            yield from ((number, np.arange(size)) for number, size in enumerate(sizes))
            return
        rng = np.random.default_rng([self.seed, epoch])
        yield from ((int(number), rng.permutation(sizes[number])) for number in rng.permutation(len(sizes)))

    def _block(self, number: int) -> Batch:
        rows = slice(*self._starts[number : number + 2])
        counts = self._counts.data.blocks[:, number].compute(scheduler="synchronous")
        trial = self.trials[rows]
        return Batch(
            trial,
            np.moveaxis(counts, 0, 1),
            None if self._source is None else _voltages(self._source, trial, self._samples),
            None if self._target is None else self._target[rows],
        )


def batches(
    snapshot: Snapshot,
    *,
    size: int,
    window: tuple[float, float],
    by: By = "EI",
    width: float = 1.0,
    voltage: str | None = None,
    target: tuple[float, float] | None = None,
    trials: str = "true",
    where: str = "true",
    distance_width: float = 50.0,
    l1: Literal["INH", "EXC"] = "INH",
    seed: int | None = None,
    epochs: int = 1,
    prefetch: int = 2,
    torch: bool = False,
) -> Batches:
    """Batches of binned activations, and of voltages and spikes if asked for, for machine learning.

    Parameters
    ----------
    snapshot
        The commit to read.
    size
        Trials of a batch; the last one of an epoch may have fewer.
    window, width
        Activations and voltages at ``begin <= time < end`` in ms, activations in bins of *width* ms, of which the
        window must be a whole number; as in ``numpy.histogram``, the last bin holds *end* too.
    by, where, distance_width, l1
        What groups synapses, and which count; see `neurolake.query.trials.activations.bin_activations`.
    voltage
        Recording site, such as ``soma``.
    target
        Window of the spikes to count, ``begin <= time < end`` in ms.
    trials
        Condition on trials in SQL.
    seed
        Seed of the order of the trials; without one they come in order of trial_id. The order is the same for
        the same seed and the same content of the tables; see above for how it is mixed.
    epochs
        How often each trial comes, each time in another order if there is a seed.
    prefetch
        Batches that a thread makes ready ahead; 0 for none. In memory are these, and two blocks of trials of some
        4,000,000 activations with their counts and voltages.
    torch
        Whether to hand out PyTorch's tensors, which share the memory of the arrays (DLPack).

    Returns
    -------
    Batches
        To iterate over; its ``groups``, ``times`` and ``sample_times`` label the axes.

    Raises
    ------
    NotFoundError, QueryError
        The lake does not hold what is asked for, or a condition is not valid SQL.
    InputError
        A number or window makes no sense, no trial meets the condition, or a trial has no voltage at the site.
    ImportError
        *torch* is asked for and not installed.
    """
    for name, value, least in (("size", size, 1), ("epochs", epochs, 1), ("prefetch", prefetch, 0)):
        if value < least:
            raise InputError(f"{name} is {value}; expected {least} or more")
    convert = _torch() if torch else None
    counts = bin_activations(
        snapshot,
        by,
        edges=_edges(window, width),
        where=where,
        trials=trials,
        distance_width=distance_width,
        l1=l1,
        dtype=np.float32,
        lazy=True,
    )
    source = None if voltage is None else _checked(recording(snapshot, voltage), counts["trial"].values)
    samples = slice(0) if source is None else slice(*source.span(*window))
    spikes = None if target is None else spike_counts(snapshot, target, trials=trials).values
    return Batches(size, epochs, seed, prefetch, counts, spikes, source, samples, convert)


def _edges(window: tuple[float, float], width: float) -> npt.NDArray[np.float64]:
    begin, end = window
    if not (width > 0 and np.isfinite([begin, end]).all() and begin < end):
        raise InputError(
            f"bins of {width} ms from {begin} to {end} ms; expected begin < end and a width above 0"
        )
    bins = round((end - begin) / width)
    if not bins or abs(bins * width - (end - begin)) > 1e-6 * width:
        raise InputError(f"{begin} to {end} ms is no whole number of bins of {width} ms")
    return np.linspace(begin, end, bins + 1)


def _checked(source: Recording, trials: npt.NDArray[np.int64]) -> Recording:
    missing = trials[source.rows(trials) < 0]
    if len(missing):
        raise InputError(
            f"{len(missing)} of {len(trials)} trials have no trace in {source.array.path}, the first of them trial_id "
            f"{missing[0]}; leave them out with trials="
        )
    return source


def _voltages(source: Recording, trials: npt.NDArray[np.int64], samples: slice) -> npt.NDArray[np.float32]:
    row = source.rows(trials)
    order = np.argsort(row)
    found = np.empty((len(row), samples.stop - samples.start), np.float32)
    first = 0
    for part, values in blocks(source, row[order], samples):
        found[order[first : first + len(part)]] = values
        first += len(part)
    return found


def _part(batch: Batch, rows: slice | npt.NDArray[np.intp]) -> Batch:
    # A view would keep the whole block in memory.
    return batch.map(lambda values: values[rows].copy(order="C"))


def _torch() -> Callable[[Any], Any]:
    try:
        found: Callable[[Any], Any] = import_module("torch").from_dlpack
    except ImportError as error:
        raise ImportError("tensors need PyTorch: pip install torch") from error
    return found
