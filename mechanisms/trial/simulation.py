"""A trial as a function: a cell with synaptic input, simulated in this process's NEURON, returns arrays and tables.

Every trial is first written down as a table of synapse activations, and that is what is played, with every release
forced. So a trial that was stored can be played again, and a mixture of two is no different from either.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cell.create import Cell, create_cell
from ..cell.morphology import read_morphology
from ..entries import ParameterEntry
from ..errors import ModelError
from ..input.activity import Activations, Activity
from ..input.connectivity import Embedding, embed, read_connections, read_synapses
from ..input.modifiers import modified, read_modifiers
from ..input.network import Connection, Network, stored_synapses
from ..input.populations import MODIFIERS, read_populations
from ..library import Library, load
from .recording import CURRENT, Collected, SegmentFrames, SegmentRecorder, Sink, Site, read_landmarks, site_at

Reals = NDArray[np.float64]
Table = dict[str, NDArray[Any]]

SOMA_SITE = "soma"


@dataclass(frozen=True)
class Recorded:
    """What is kept of a trial besides the potential of the soma.

    Attributes
    ----------
    sites
        Whether the potential is recorded at the landmarks of ``sim.recordingSites``, at every step.
    segments
        Variables of all segments, such as ``v`` and ``i_membrane``.
    dt
        How far frames of all segments are apart, in ms: a multiple of the time step, which it is by default.
    currents
        Whether frames have membrane currents for those who sum them up, even if they are not kept.
    """

    sites: bool = True
    segments: tuple[str, ...] = ()
    dt: float | None = None
    currents: bool = False

    @property
    def variables(self) -> tuple[str, ...]:
        """What frames of all segments have."""
        return tuple(dict.fromkeys([*self.segments, *([CURRENT] if self.currents else [])]))


@dataclass(frozen=True)
class Played:
    """Input that is there already.

    Attributes
    ----------
    synapses, cells
        Tables as in `Trial`; of the first the columns that `stored_synapses` takes are needed.
    until
        Input after this time, in ms, is drawn at random as in other trials.
    """

    synapses: Table
    cells: Table
    until: float = math.inf


@dataclass(frozen=True)
class Trial:
    """What one trial yields, in the vocabulary of simrun results.

    Attributes
    ----------
    time
        Sample times in ms, float64[n_time], as NEURON accumulates them.
    voltage
        Membrane potential in mV by site, float64[n_time] each: ``soma``, and the labels of recording sites.
    segments
        Variables of all segments; None where none were wanted, or where they were handed on.
    synapses
        Activations of synapses, one row each: ``synapse_type``, ``synapse_id``, ``soma_distance`` (um),
        ``section_id``, ``section_pt_id``, ``dendrite_label``, ``activation`` (0 for a synapse's first), ``time``
        (ms). Ordered by type, synapse, time.
    cells
        Presynaptic spikes, one row each: ``presynaptic_cell_type``, ``cell_id``, ``activation`` (0 for a cell's
        first), ``time``. Ordered by type, cell, time.
    """

    time: Reals
    voltage: dict[str, Reals]
    segments: SegmentFrames | None
    synapses: Table
    cells: Table


class Simulation:
    """A cell and the network that drives it, in this process's NEURON; runs any number of trials one by one.

    NEURON simulates everything in a process together: as long as this object lives, keep other models out.

    Parameters
    ----------
    cell, network
        Trees of simrun parameter files; without a network there is no synaptic input.
    folder
        What the paths in them are relative to.
    mechanisms
        Folders of .mod files besides our own.
    recorded
        What to record.
    sources
        What the two trees are called in messages.

    Attributes
    ----------
    notices
        What the morphology's file says and the cell does not have, with file and line; see `Morphology`.
    timing
        ``tStop`` and ``dt`` in ms, ``Vinit`` in mV, ``T`` in degC, as the cell's parameters have them.

    Raises
    ------
    ModelError
        Naming file, line or parameter: whatever keeps the model from being built.
    """

    def __init__(
        self,
        cell: Mapping[str, Any],
        network: Mapping[str, Any] | None,
        folder: str | Path,
        *,
        mechanisms: Sequence[str | Path] = (),
        recorded: Recorded = Recorded(),
        sources: tuple[str | None, str | None] = (None, None),
    ) -> None:
        self.folder = Path(folder)
        self.library: Library = load(*mechanisms)
        top = ParameterEntry(cell, path=sources[0])
        self.timing = _timing(top.entry("sim"))
        filename = top.entry("neuron").value("filename")
        morphology = read_morphology(self.folder / str(filename))
        self.cell: Cell = create_cell(cell, morphology, path=sources[0])
        self.notices = tuple(f"{morphology.path}: {notice}" for notice in morphology.notices)
        self.sites = tuple(self._landmarks(top.entry("sim"))) if recorded.sites else ()
        self._network = None if network is None else ParameterEntry(network, path=sources[1])
        self.populations = {} if network is None else read_populations(network, sources[1])
        self._modifiers = () if network is None else read_modifiers(network, sources[1])
        self._every = _every(recorded.dt, self.timing["dt"])
        variables = recorded.variables
        self._recorder = SegmentRecorder(self.cell.sections, variables) if variables else None

    @property
    def t_stop(self) -> float:
        """The end of a trial in ms, as the cell's parameters have it."""
        return self.timing["tStop"]

    @cached_property
    def embedding(self) -> Embedding | None:
        """Places of synapses and the cells that drive them, from the files that the network names; None without a network.

        Raises
        ------
        ModelError
            The files cannot be read, or do not fit the cell, each other or the populations.
        """
        if self._network is None:
            return None
        synapses, connections = (self.folder / name for name in connectivity_files(self._network))
        found = embed(read_synapses(synapses), read_connections(connections), self.cell.branches)
        Network(self.cell.sections, self.cell.branches, found, self.populations)
        return found

    @cached_property
    def _activity(self) -> Activity | None:
        return None if self.embedding is None else Activity(self.embedding, self.populations)

    def check(self) -> None:
        """Make sure that trials can be drawn: raises what `embedding` does, and ModelError over cell numbers."""
        assert (self._activity is None) == (self._network is None)

    def check_played(self, played: Played | None, source: str | Path | None = None) -> None:
        """Check that input can be played.

        Parameters
        ----------
        played
            The input; None for none.
        source
            Where it comes from, for the message.

        Raises
        ------
        ModelError
            It has sections or populations that the cell or the network does not have.
        """
        if played is None:
            return
        try:
            Network(
                self.cell.sections, self.cell.branches, stored_synapses(played.synapses)[0], self.populations
            )
        except ModelError as error:
            raise ModelError(error.reason, source) from error

    def trial(
        self,
        seed: int,
        number: int,
        *,
        t_stop: float | None = None,
        played: Played | None = None,
        sink: Sink | None = None,
    ) -> Trial:
        """Simulate one trial.

        Parameters
        ----------
        seed, number
            Key of all that is random: equal keys give bit-identical trials, in any order and process.
        t_stop
            Its end in ms; the parameters' ``tStop`` by default.
        played
            Input to play, instead of drawing it or up to a time.
        sink
            What takes frames of all segments, in blocks of `block`, if they are not to be kept in memory.

        Raises
        ------
        ModelError
            Input that does not fit the cell or the populations.
        FloatingPointError
            A potential that is not finite.
        """
        end = self.t_stop if t_stop is None else t_stop
        synapses, cells = self._input(seed, number, end, played)
        # What is connected lives as long as this list.
        connected = self.connected(synapses, seed, number)
        collected = Collected()
        time, voltage = self._simulated(end, sink or collected)
        del connected
        kept = self._recorder is not None and sink is None
        return Trial(time, voltage, collected.frames() if kept else None, synapses, cells)

    @property
    def block(self) -> int:
        """How many frames of all segments come at a time; 0 where none are recorded."""
        return 0 if self._recorder is None else self._recorder.block

    def drawn(self, seed: int, number: int, t_stop: float) -> tuple[Table, Table]:
        """Draw the input of one trial, without simulating it: synapse activations and presynaptic spikes as in `Trial`.

        Parameters
        ----------
        seed
            Seed of the run.
        number
            Number of the trial.
        t_stop
            End of the trial in ms.
        """
        if self._activity is None or self.embedding is None:
            return _synapse_table(None, None, self.cell), _cell_table(None, ())
        activations = self._activity.trial(seed, number, t_stop)
        released = modified(activations, self.embedding, self._modifiers)
        return (
            _synapse_table(released, self.embedding, self.cell),
            _cell_table(activations, self._activity.names),
        )

    def _input(self, seed: int, number: int, t_stop: float, played: Played | None) -> tuple[Table, Table]:
        if played is not None and played.until >= t_stop:
            return played.synapses, played.cells
        synapses, cells = self.drawn(seed, number, t_stop)
        if played is None:
            return synapses, cells
        return (
            _joined(played.synapses, synapses, played.until, SYNAPSE_KEYS),
            _joined(played.cells, cells, played.until, CELL_KEYS),
        )

    def connected(self, synapses: Table, seed: int, number: int) -> list[Connection]:
        """Put synapses into the cell that are activated as a table of a `Trial` says, for as long as the result lives.

        Parameters
        ----------
        synapses
            Of which the columns that `stored_synapses` takes are needed.
        seed, number
            Key of weights that are drawn.

        Returns
        -------
        list of Connection
            One for each synapse, in the order of `stored_synapses`.

        Raises
        ------
        ModelError
            A synapse that does not fit the cell or the populations.
        """
        if not len(synapses["time"]):
            return []
        placed, rows, times = stored_synapses(synapses)
        network = Network(self.cell.sections, self.cell.branches, placed, self.populations)
        return network.connect(rows, times, seed=seed, trial=number)

    def _simulated(self, t_stop: float, sink: Sink) -> tuple[Reals, dict[str, Reals]]:
        from neuron import h

        places = {SOMA_SITE: self.cell.soma(0.5)} | {
            site.label: self.cell.sections[site.section](site.x) for site in self.sites
        }
        vectors = [h.Vector().record(h._ref_t)]
        vectors += [h.Vector().record(place._ref_v) for place in places.values()]
        h.CVode().active(False)
        h.celsius, h.dt = self.timing["T"], self.timing["dt"]
        h.finitialize(self.timing["Vinit"])
        _advance(h, t_stop, self._recorder, self._every, sink)
        time, *voltages = [vector.as_numpy().copy() for vector in vectors]
        for label, voltage in zip(places, voltages, strict=True):
            if not np.isfinite(voltage).all():
                at = time[~np.isfinite(voltage)][0]
                raise FloatingPointError(f"the potential at {label} is not finite from {at:g} ms on")
        return time, dict(zip(places, voltages, strict=True))

    def _landmarks(self, sim: ParameterEntry) -> Sequence[Site]:
        named = sim.tree.get("recordingSites") or ()
        files = [self.folder / str(name) for name in ([named] if isinstance(named, str) else named)]
        return [
            site_at(self.cell, place, file.stem, number)
            for file in files
            for number, place in enumerate(read_landmarks(file))
        ]


def connectivity_files(parameters: ParameterEntry) -> tuple[str, str]:
    """Return the .syn and the .con file that all populations of network parameters name.

    Parameters
    ----------
    parameters
        The network parameters.

    Raises
    ------
    ModelError
        A population names no file, or another one than the rest.
    """
    entry = parameters.entry("network")
    found: dict[tuple[str, str], str] = {}
    for name in entry.tree:
        if name != MODIFIERS:
            synapses = entry.entry(name).entry("synapses")
            pair = synapses.value("distributionFile"), synapses.value("connectionFile")
            found.setdefault((str(pair[0]), str(pair[1])), name)
    if len(found) != 1:
        told = "; ".join(f"{name}: {', '.join(pair)}" for pair, name in list(found.items())[:3]) or "none"
        raise entry.error(f"populations have to share one .syn and one .con file, found {told}")
    return next(iter(found))


def _advance(h: Any, t_stop: float, recorder: SegmentRecorder | None, every: int, sink: Sink) -> None:
    """Step until t_stop has been reached, as NEURON's ``continuerun`` does: the last sample may be after it."""
    if recorder is None:
        while h.t < t_stop:
            h.fadvance()
        return
    recorder.begin(sink)
    step = 0
    while h.t < t_stop:
        h.fadvance()
        step += 1
        if step % every == 0:
            recorder.take()
    recorder.finish()


def _timing(sim: ParameterEntry) -> dict[str, float]:
    if sim.number("tStart", 0.0) != 0:
        raise sim.error("trials start at 0 ms", "tStart")
    return {name: sim.positive(name) for name in ("tStop", "dt")} | {
        name: sim.number(name) for name in ("Vinit", "T")
    }


def _every(wanted: float | None, dt: float) -> int:
    steps = 1 if wanted is None else round(wanted / dt)
    if steps < 1 or (wanted is not None and abs(steps * dt - wanted) > 1e-9 * wanted):
        raise ParameterEntry({}, "sim").error(
            f"frames every {wanted} ms are no multiple of the time step {dt} ms"
        )
    return steps


# Tables

SYNAPSE_KEYS = ("synapse_type", "synapse_id", "section_id", "section_pt_id")
CELL_KEYS = ("presynaptic_cell_type", "cell_id")


def _synapse_table(activations: Activations | None, embedding: Embedding | None, cell: Cell) -> Table:
    nothing = np.zeros(0, np.int64)
    if activations is None or embedding is None:
        whole = dict.fromkeys(("synapse_id", "section_id", "section_pt_id", "activation"), nothing)
        real = dict.fromkeys(("soma_distance", "time"), np.zeros(0))
        return {**whole, **real, **dict.fromkeys(("synapse_type", "dendrite_label"), np.zeros(0, str))}
    row = activations.synapse
    section = embedding.section_id[row]
    return {
        "synapse_type": np.array(embedding.populations)[embedding.population[row]],
        "synapse_id": embedding.synapse_id[row],
        "soma_distance": embedding.soma_distance[row],
        "section_id": section,
        "section_pt_id": embedding.section_pt_id[row],
        "dendrite_label": np.array(cell.labels)[section],
        "activation": _ordinal(row),
        "time": activations.activation_time,
    }


def _cell_table(activations: Activations | None, names: Sequence[str]) -> Table:
    if activations is None:
        whole = dict.fromkeys(("cell_id", "activation"), np.zeros(0, np.int64))
        return {**whole, "presynaptic_cell_type": np.zeros(0, str), "time": np.zeros(0)}
    return {
        "presynaptic_cell_type": np.array(names)[activations.spike_population],
        "cell_id": activations.spike_cell,
        "activation": _ordinal(activations.spike_population, activations.spike_cell),
        "time": activations.spike_time,
    }


def _joined(before: Table, after: Table, until: float, keys: Sequence[str]) -> Table:
    """Rows of one table up to a time, and of the other later on."""
    early, late = before["time"] <= until, after["time"] > until
    return in_order({name: np.concatenate([before[name][early], after[name][late]]) for name in after}, keys)


def in_order(table: Mapping[str, NDArray[Any]], keys: Sequence[str]) -> Table:
    """Return rows in the order of a trial's tables, each numbered within those of equal *keys*.

    Parameters
    ----------
    table
        Columns by name, ``time`` among them.
    keys
        Names of the columns to order by, before the time.
    """
    columns = [table["time"], *(np.unique(table[key], return_inverse=True)[1] for key in reversed(keys))]
    order = np.lexsort(columns)
    ordered = {name: column[order] for name, column in table.items()}
    return {**ordered, "activation": _ordinal(*(column[order] for column in columns[1:]))}


def _ordinal(*keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of each row within its run of equal keys."""
    changes = [key[1:] != key[:-1] for key in keys]
    starts = np.concatenate([[0], np.flatnonzero(np.logical_or.reduce(changes)) + 1])
    ordinal: NDArray[np.int64] = np.arange(len(keys[0]))
    ordinal -= np.repeat(starts, np.diff(starts, append=len(ordinal)))
    return ordinal
