"""Synapses, connections and gap junctions of the cells of one rank."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .cells import NetworkCell
from .sources import VECTOR
from .wiring import Connections, GapJunctions, MadeSynapses

MINI_DELAY, _SPONTANEOUS, _REPLAYED = 0.1, 1, 2
"""Of spontaneous events in ms."""
GAP = "HalfGap"
"""Our mechanism of one side of a gap junction."""
LATER = "LaterWeight"
"""Our mechanism of a weight that changes."""
# Events at that very time have the new weight, in whatever order NEURON's queues, which depend on threads, hold them.
_EARLY = 1e-6

_CELL, _SYNAPSE = 251, 100
"""What neurodamus adds to the numbers of cells and synapses, for streams of Random123."""

_Key = tuple[int, int, tuple[float, ...]]


class NetworkWiring:
    """Connects cells of this process's NEURON, in the order in which it is told to.

    Synapses that share a point process are those of one projection and kind that stand on one segment and have the same
    weights, now and later. So events that arrive at a point process at the same time are alike, and their order, which depends on ranks and
    threads, changes nothing.

    Parameters
    ----------
    context
        NEURON's ParallelContext.
    cells
        Cells of this rank by gid.

    Attributes
    ----------
    processes, connections
        How many point processes and NetCons there are.
    sides
        The sides of gap junctions.
    placed
        How many point processes each cell has, by gid.
    streams
        Synapses that can say, as NEURON's BBSaveState asks them, where their random streams are.
    made
        Synapses that are to be observed.
    """

    def __init__(self, context: Any, cells: Mapping[int, NetworkCell]) -> None:
        from neuron import h

        self._h, self._context, self._cells = h, context, cells
        self._held: list[Any] = []
        self._sources: dict[tuple[int, int, int], int] = {}
        self._first: dict[int, Any] = {}
        self.processes = self.connections = 0
        self.sides: list[Any] = []
        self.placed: dict[int, int] = {}
        self.streams: list[Any] = []
        self.made: list[MadeSynapses] = []

    def connect(self, edges: Connections) -> None:
        """Make the synapses and connections of those edges whose targets are on this rank.

        Parameters
        ----------
        edges
            Edges of one projection; those of other ranks are passed over.

        Raises
        ------
        ModelError
            NEURON has no such mechanism, its connections have fewer weights, or a cell has no such section.
        """
        shared: dict[_Key, Any] = {}
        kind = edges.kind
        make = None if kind is None else self._maker(kind.mechanism)
        own = list(edges.parameters.items())
        later = sorted(edges.later.items())
        observed = () if kind is None or edges.observed is None else np.any(edges.observed, axis=0).tolist()
        kept: list[int] = []
        processes: list[Any] = []
        rows = zip(
            edges.source.tolist(),
            edges.target.tolist(),
            edges.section.tolist(),
            edges.position.tolist(),
            edges.delay.tolist(),
            edges.weights.tolist(),
            strict=True,
        )
        for row, (source, target, section, position, delay, weights) in enumerate(rows):
            cell = self._cells.get(target)
            if cell is None:
                continue
            if kind is None:
                process = cell.process
            else:
                place = _section(cell, section, f"{edges.name}, edge {int(edges.number[row])}")
                changes = [float(values[row]) for _, values in later]
                key = target * 65536 + section, int(position * place.nseg), (*weights, *changes)
                process = shared.get(key) if kind.shared else None
                if process is None:
                    process = make(place(position))  # type: ignore[misc]
                    for name, value in kind.parameters.items():
                        setattr(process, name, value)
                    for name, values in own:
                        setattr(process, name, float(values[row]))
                    if edges.seed is not None and hasattr(process, "setRNG"):
                        # As neurodamus numbers streams of Random123: cell, synapse, key.
                        process.setRNG(target + _CELL, int(edges.number[row]) + _SYNAPSE, edges.seed)
                        if hasattr(process, "bbsavestate"):
                            self.streams.append(process)
                    self._held.append(process)
                    self.processes += 1
                    self.placed[target] = self.placed.get(target, 0) + 1
                    if kind.shared:
                        shared[key] = process
                if observed and observed[row]:
                    kept.append(row)
                    processes.append(process)
            connection = self._context.gid_connect(source, process)
            connection.delay = delay
            self._first.setdefault(source, connection)
            count = int(connection.wcnt())
            if count < len(weights):
                told = kind.mechanism if kind is not None else cell.process.hname()
                raise ModelError(
                    f"{edges.name}: connections to {told} have {count} weights, {len(weights)} were given"
                )
            for at, weight in enumerate(weights):
                connection.weight[at] = weight
            self._held.append(connection)
            self.connections += 1
            for time, values in later:
                self._change(process, connection, time, float(values[row]))
            if kind is not None and edges.minis is not None and len(edges.minis[row]):
                self._play(kind.mechanism, process, edges.minis[row], weights, MINI_DELAY, _SPONTANEOUS)
            if edges.replays is not None and len(edges.replays[row]):
                name = "" if kind is None else kind.mechanism
                self._play(name, process, edges.replays[row], weights, delay, _REPLAYED)
        if kept:
            self.made.append(MadeSynapses(edges.take(np.array(kept, np.int64)), processes))

    def send_singly(self) -> None:
        """Let each spike become an event for each connection, after NEURON's initialisation.

        Where all connections of a source have one delay, NEURON makes one event for all of them on a thread. A state that is restored puts
        those of all threads onto that of the source (``PreSynSave::savestate_restore``): some cells would get spikes several times, and
        others never. NEURON gives it up for a source of which it was asked where a delay stands.
        """
        for connection in self._first.values():
            _ = connection.delay

    def stream_places(self) -> NDArray[np.float64]:
        """Return where random streams are, float64[n]."""
        found = [self._place(process) for process in self.streams]
        return np.concatenate([np.empty(0), *found])

    def set_streams(self, places: NDArray[np.float64]) -> None:
        """Put random streams where they were.

        Parameters
        ----------
        places
            As `stream_places` returned them, in a network made in the same way.
        """
        at = 0
        for process in self.streams:
            count = len(self._place(process))
            how, values = self._h.Vector([1.0]), self._h.Vector(places[at : at + count])
            process.bbsavestate(how._ref_x[0], values._ref_x[0])
            at += count

    def _place(self, process: Any) -> NDArray[np.float64]:
        # Asked with -1 it says how many numbers it has, with 0 it gives them, and with 1 it takes them.
        how, none = self._h.Vector([-1.0]), self._h.Vector([0.0])
        process.bbsavestate(how._ref_x[0], none._ref_x[0])
        values = self._h.Vector(max(int(how[0]), 1))
        count, how[0] = int(how[0]), 0.0
        process.bbsavestate(how._ref_x[0], values._ref_x[0])
        found: NDArray[np.float64] = np.array(values)[:count]
        return found

    def _change(self, process: Any, connection: Any, time: float, weight: float) -> None:
        """Let the first weight of a connection be another one from a time on."""
        change = self._maker(LATER)(process.get_segment())
        change.at, change.before, change.value = max(time - _EARLY, 0.0), connection.weight[0], weight
        self._h.setpointer(connection._ref_weight[0], "weight", change)
        self._held.append(change)

    def _play(
        self, mechanism: str, process: Any, times: Any, weights: Sequence[float], delay: float, told: int
    ) -> None:
        """Let events of a synapse's own arrive, with the weights of those that its source sends."""
        source, played = getattr(self._h, VECTOR)(), self._h.Vector(times)
        source.play(played)
        connection = self._h.NetCon(source, process)
        connection.delay = delay
        for at, weight in enumerate(weights):
            connection.weight[at] = weight
        # Synapses of the Blue Brain Project are told what an event is: 1 is a spontaneous one, 2 one that is replayed.
        place = int(getattr(self._h, f"nc_type_param_{mechanism}", 0))
        if place:
            connection.weight[place] = told
        self._held += [source, played, connection]

    def join(self, junctions: GapJunctions) -> None:
        """Make the sides of gap junctions that are on this rank; all ranks are told of all junctions.

        Parameters
        ----------
        junctions
            Gap junctions of one projection.
        """
        make = self._maker(GAP)
        for ends, sections, positions, conductances in zip(
            junctions.gid.tolist(),
            junctions.section.tolist(),
            junctions.position.tolist(),
            junctions.conductance.tolist(),
            strict=True,
        ):
            names = [
                self._source(*end, junctions.name) for end in zip(ends, sections, positions, strict=True)
            ]
            for side, other in ((0, 1), (1, 0)):
                cell = self._cells.get(ends[side])
                if cell is None:
                    continue
                process = make(_section(cell, sections[side], junctions.name)(positions[side]))
                process.g = conductances[side]
                self._context.target_var(process, process._ref_vgap, names[other])
                self.sides.append(process)
                self.placed[ends[side]] = self.placed.get(ends[side], 0) + 1

    def _source(self, gid: int, section: int, position: float, name: str) -> int:
        """Number of a place whose voltage is sent to others; the same on all ranks."""
        key = gid, section, round(position * 2**32)
        number = self._sources.get(key)
        if number is None:
            number = self._sources[key] = len(self._sources)
            cell = self._cells.get(gid)
            if cell is not None:
                place = _section(cell, section, name)
                self._context.source_var(place(position)._ref_v, number, sec=place)
        return number

    def _maker(self, mechanism: str) -> Any:
        found = getattr(self._h, mechanism, None)
        if found is None:
            raise ModelError(f"NEURON has no point process {mechanism!r}; name the folder of its .mod file")
        return found


def _section(cell: NetworkCell, section: int, what: str) -> Any:
    """A section of a cell; cells that a template makes have sections that are not known before."""
    if not 0 <= section < len(cell.sections):
        raise ModelError(
            f"{what}: it ends at section {section} of cell {cell.gid}, which has {len(cell.sections)} sections"
        )
    return cell.sections[section]


def lognormals(
    cells: Sequence[int], synapses: Sequence[int], seed: int, mean: float, variance: float
) -> NDArray[np.float64]:
    """Return a number of each synapse, drawn from a lognormal distribution by NEURON's Random123, as neurodamus draws them, float64[n].

    Parameters
    ----------
    cells, synapses
        Gid of the cell and number of each synapse.
    seed
        Key of the streams.
    mean, variance
        Of the distribution.
    """
    from neuron import h

    found = np.empty(len(cells))
    for at, (cell, synapse) in enumerate(zip(cells, synapses, strict=True)):
        stream = h.Random()
        stream.Random123(cell + _CELL, synapse + _SYNAPSE, seed)
        stream.lognormal(mean, variance)
        found[at] = stream.repick()
    return found


def complexities(
    cells: Sequence[NetworkCell], placed: Mapping[int, int]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return what a step of each cell costs, in units of one mechanism of one segment, float64[n_cells].

    Parameters
    ----------
    cells
        The cells.
    placed
        How many point processes each has, by gid.
    """
    found = np.empty(len(cells))
    for at, cell in enumerate(cells):
        cost = 0.1
        for section in cell.sections:
            # Of a section, all segments have the same mechanisms; its tree costs two of them.
            mechanisms = sum(1 for _ in section(0.5))
            cost += section.nseg * (2 + mechanisms)
        found[at] = cost + placed.get(cell.gid, 0)
    return found
