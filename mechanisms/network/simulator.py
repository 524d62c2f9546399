"""A network in this process's NEURON, or this rank's part of one: made step by step, then advanced in time."""

import ctypes
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Self

import numpy as np

from ..errors import ModelError
from ..live.solver import choose_solver
from ..live.tree import root_of
from .attached import Clamp, Observer, Timing
from .cells import Ids, NetworkCell, NetworkNode, Reals
from .connecting import NetworkWiring, complexities
from .frames import FrameTaker, steps_of
from .placement import balance, spread
from .ranks import Ranks
from .templates import CellTemplate
from .wiring import Connections, GapJunctions

_LONGEST_INTERVAL, _NEVER = 10.0, 1e12
_RESTORED = Event()
"""Whether this process has restored a state, where NEURON could not be told to forget that."""
_GLOBALS = ("dt", "celsius", "secondorder", "nrn_netrec_state_adjust")


@dataclass(frozen=True, eq=False)
class NetworkSpikes:
    """Spikes of some time: gid and time in ms of each, in the order of times and then gids."""

    gid: Ids
    time: Reals

    def __len__(self) -> int:
        return len(self.gid)

    @classmethod
    def joined(cls, parts: Sequence["NetworkSpikes"]) -> "NetworkSpikes":
        """Return the spikes of several ranks or intervals, in order.

        Parameters
        ----------
        parts
            Of each.
        """
        gid = np.concatenate([np.empty(0, np.int64), *(part.gid for part in parts)])
        time = np.concatenate([np.empty(0), *(part.time for part in parts)])
        order = np.lexsort([gid, time])
        return cls(gid[order], time[order])


@dataclass(frozen=True)
class Load:
    """What a network costs, and how evenly that is spread.

    Attributes
    ----------
    cells, processes, connections, junctions
        How many cells, point processes, NetCons and sides of gap junctions there are on all ranks.
    ranks, threads
        Mean cost of ranks, and of all their threads, over the highest; 1 is even.
    """

    cells: int
    processes: int
    connections: int
    junctions: int
    ranks: float
    threads: float


class LiveNetwork:
    """A network of cells, simulated by this process or together with other ranks.

    The order of calls is that of a network's life: `make`, `connect`, `join`, `attach`, `start`, `advance`, `close`; all
    ranks make the same calls. What is simulated does not depend on how many ranks and threads there are.

    Parameters
    ----------
    timing
        When and how it is simulated.
    ranks
        This process among others.
    threads
        NEURON's threads of each rank.

    Raises
    ------
    ModelError
        NEURON in this process holds sections of another model.
    """

    def __init__(self, timing: Timing, ranks: Ranks | None = None, threads: int = 1) -> None:
        self.ranks = Ranks() if ranks is None else ranks
        from neuron import h

        others = [section.name() for section in h.allsec()]
        if others:
            raise ModelError(
                f"NEURON in this process holds {len(others)} sections, such as {others[0]}, that would be simulated with the "
                "network: run it in a new process"
            )
        choose_solver()
        self.timing, self.threads = timing, max(1, threads)
        self._h, self._context = h, self.ranks.context
        self._context.gid_clear()
        self._cells: dict[int, NetworkCell] = {}
        self._detectors: list[Any] = []
        self._attached: list[Any] = []
        self._frames: list[FrameTaker] = []
        self._wiring = NetworkWiring(self._context, self._cells)
        self._step, self._celsius = 0, timing.celsius
        self._times, self._ids = h.Vector(), h.Vector()
        self._junctions = False
        self.end = steps_of(timing.t_stop, timing.dt, "the end")
        self._before = {name: getattr(h, name) for name in (*_GLOBALS, *timing.values)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def cells(self) -> Mapping[int, NetworkCell]:
        """Cells of this rank, by gid."""
        return self._cells

    @property
    def placed(self) -> Mapping[int, int]:
        """How many point processes each cell of this rank has, by gid."""
        return self._wiring.placed

    @property
    def time(self) -> float:
        """Present time in ms."""
        return float(self._h.t)

    @property
    def step(self) -> int:
        """How many time steps were taken."""
        return self._step

    # Making

    def make(
        self,
        nodes: Sequence[NetworkNode],
        template: Callable[[NetworkNode], CellTemplate],
        costs: Sequence[float] | Reals | None = None,
    ) -> Ids:
        """Make the cells of this rank, and let their spikes be seen; return their gids, int64[n].

        Parameters
        ----------
        nodes
            All cells of the network, in the order of their gids; the same on all ranks.
        template
            What makes a cell.
        costs
            Guess of what each costs; alike by default. The costliest are spread first.

        Raises
        ------
        ModelError
            A cell cannot be made.
        """
        self._h.dt, self._h.celsius = self.timing.dt, self.timing.celsius
        where = spread(np.ones(len(nodes)) if costs is None else costs, self.ranks.size)
        for node, rank in zip(nodes, where.tolist(), strict=True):
            if rank != self.ranks.rank:
                continue
            cell = template(node).build(node)
            self._cells[cell.gid] = cell
            self._detect(cell)
        # Templates may set it, each in its way: it is the network's. Of ranks, the last that has cells says it.
        if self.timing.own_celsius:
            told = [float(self._h.celsius) for _ in list(self._cells)[:1]]
            self._celsius = next((each[0] for each in reversed(self.ranks.all(told)) if each), self._celsius)
        self._h.celsius = self._celsius
        return np.array(sorted(self._cells), np.int64)

    def _detect(self, cell: NetworkCell) -> None:
        self._context.set_gid2node(cell.gid, self.ranks.rank)
        if cell.process is not None:
            detector = self._h.NetCon(cell.process, None)
        else:
            where = cell.detector
            if where is None:
                raise ModelError(f"cell {cell.gid} has sections, and nothing that sees its spikes")
            section = cell.sections[where.section]
            detector = self._h.NetCon(section(where.x)._ref_v, None, sec=section)
            detector.threshold = where.threshold
        self._context.cell(cell.gid, detector)
        self._detectors.append(detector)

    def connect(self, edges: Iterable[Connections]) -> None:
        """Make synapses and connections of edges that end at this rank's cells.

        Parameters
        ----------
        edges
            By projection, in the same order on all ranks.
        """
        for each in edges:
            self._wiring.connect(each)

    def join(self, junctions: Iterable[GapJunctions]) -> None:
        """Make gap junctions.

        Parameters
        ----------
        junctions
            All of the network, in the same order on all ranks.
        """
        for each in junctions:
            self._junctions = self._junctions or bool(len(each))
            self._wiring.join(each)

    def attach(self, clamps: Iterable[Clamp]) -> None:
        """Attach clamps.

        Parameters
        ----------
        clamps
            What acts on cells from outside.
        """
        self._attached += [clamp.attach(self._cells, self.timing) for clamp in clamps]

    def load(self) -> Load:
        """Return what the network costs, and how evenly that is spread; all ranks call it."""
        cells = [self._cells[gid] for gid in sorted(self._cells)]
        costs = complexities(cells, self._wiring.placed)
        threads = np.bincount(spread(costs, self.threads), costs, minlength=self.threads)
        wiring = self._wiring
        counts = (len(cells), wiring.processes, wiring.connections, len(wiring.sides))
        told = self.ranks.all((counts, float(costs.sum()), threads.tolist()))
        loads = np.array([load for _, load, _ in told])
        every = np.array([load for *_, own in told for load in own])
        made, processes, connections, junctions = (
            np.array([numbers for numbers, *_ in told]).sum(axis=0).tolist()
        )
        return Load(
            cells=made,
            processes=processes,
            connections=connections,
            junctions=junctions,
            ranks=balance(loads, np.arange(len(loads)), len(loads)),
            threads=balance(every, np.arange(len(every)), len(every)),
        )

    # Running

    def start(self, observers: Sequence[Observer] = (), state: bytes | None = None) -> None:
        """Initialise the network, or restore a state of it, and begin to observe it.

        Parameters
        ----------
        observers
            Take frames while it runs.
        state
            What `state` returned on this rank, in a network made in the same way.

        Raises
        ------
        ModelError
            A delay is shorter than the time step, a variable is recorded that no segment has, or the state is of another
            network.
        """
        h, context = self._h, self._context
        if self._junctions or self.ranks.size > 1:
            context.setup_transfer()
        context.set_maxstep(_LONGEST_INTERVAL)
        self._thread()
        context.spike_record(-1, self._times, self._ids)
        h.secondorder, h.nrn_netrec_state_adjust = self.timing.second_order, int(self.timing.adjust_events)
        h.dt, h.celsius = self.timing.dt, self._celsius
        for name, value in self.timing.values.items():
            setattr(h, name, value)
        cells = [self._cells[gid] for gid in sorted(self._cells)]
        made = self._wiring.made
        self._frames = [FrameTaker(each, cells, made, self.ranks, self.timing.dt) for each in observers]
        try:
            h.finitialize(self.timing.v_init)
        except RuntimeError as error:
            # NEURON says here which mechanisms cannot be shared by threads.
            hint = "; use one thread, and ranks to share the cells" if "thread safe" in str(error) else ""
            raise ModelError(f"NEURON cannot begin: {error}{hint}") from error
        if self.threads > 1:
            self._wiring.send_singly()
        if state is not None:
            self._restore(state)
        else:
            self._observe()

    def rewind(self) -> None:
        """Go back to before `start`, so that the same network is simulated again, with other observers."""
        self._step = 0
        self._frames.clear()
        self._ids.resize(0)
        self._times.resize(0)

    def _thread(self) -> None:
        self._context.nthread(self.threads)
        if self.threads == 1:
            return
        cells = [self._cells[gid] for gid in sorted(self._cells) if self._cells[gid].sections]
        where = spread(complexities(cells, self._wiring.placed), self.threads)
        lists = [self._h.SectionList() for _ in range(self.threads)]
        taken = set()
        for cell, thread in zip(cells, where.tolist(), strict=True):
            for section in cell.sections:
                root = root_of(section)
                if root not in taken:
                    taken.add(root)
                    lists[thread].append(sec=root)
        # Sections that no cell names, such as those that hold point processes, are simulated by the first thread.
        others = self._h.SectionList()
        others.allroots()
        for section in others:
            if section not in taken:
                lists[0].append(sec=section)
        for thread, sections in enumerate(lists):
            self._context.partition(thread, sections)

    def advance(self, time: float, stop: Callable[[], bool] = lambda: False) -> None:
        """Simulate until a time, or until *stop* says so after a frame.

        Parameters
        ----------
        time
            In ms; the end at most.
        stop
            Asked after each frame on every rank; must answer the same on all of them.
        """
        until, dt = min(round(time / self.timing.dt), self.end), self.timing.dt
        due = {each: each.next(self._step + 1) for each in self._frames}
        while self._step < until:
            target = min([until, *(step for step in due.values() if step is not None)])
            self._context.psolve(target * dt)
            self._step = target
            for each, step in due.items():
                if step == target:
                    each.take(target * dt)
                    due[each] = each.next(target + 1)
            if stop():
                break

    def _observe(self) -> None:
        for each in self._frames:
            if each.next(self._step) == self._step:
                each.take(self._step * self.timing.dt)

    def flush(self) -> None:
        """Hand all frames that were taken to their observers."""
        for each in self._frames:
            each.flush()

    def finish(self) -> None:
        """Hand the last frames to observers, and tell them that there are no more."""
        for each in self._frames:
            each.finish()

    def spikes(self) -> NetworkSpikes:
        """Return the spikes of this rank's cells since the last call."""
        own = NetworkSpikes(self._ids.as_numpy().astype(np.int64), self._times.as_numpy().copy())
        self._ids.resize(0)
        self._times.resize(0)
        return NetworkSpikes.joined([own])

    def check_finite(self) -> None:
        """Look whether the potential of a cell is no number.

        Raises
        ------
        ModelError
            It is; names the cell.
        """
        for gid, cell in self._cells.items():
            if cell.sections and not np.isfinite(cell.sections[cell.soma](0.5).v):
                raise ModelError(f"the potential of cell {gid} is no number at {self.time:g} ms")

    # State

    def state(self) -> bytes:
        """Return the state of this rank, from which `start` goes on.

        It is NEURON's SaveState and what that lacks: the number of steps, the voltages that gap junctions see of their other
        side until the next step, where random streams of synapses are, and events that one thread has sent to another and that are not in its queue yet.
        """
        if self.threads > 1:
            # Any event without a statement makes all threads take up what others have sent them; this one is never due.
            self._h.CVode().event(_NEVER)
        seen = np.array([side.vgap for side in self._wiring.sides])
        streams = self._wiring.stream_places()
        counts = np.array([self._step, len(seen), len(streams)], "<i8")
        head = counts.tobytes() + seen.astype("<f8").tobytes() + streams.astype("<f8").tobytes()
        with _scratch() as path:
            saved, file = self._h.SaveState(), self._h.File(str(path))
            saved.save()
            saved.fwrite(file)
            file.close()
            return head + path.read_bytes()

    def _restore(self, state: bytes) -> None:
        step, count, streams = np.frombuffer(state[:24], "<i8").tolist()
        if count != len(self._wiring.sides) or streams != len(self._wiring.stream_places()):
            raise ModelError(
                "the saved state is of a network with other gap junctions or synapses, or of other ranks"
            )
        numbers = np.frombuffer(state[24:], "<f8", count + streams)
        _forget_processes()
        with _scratch() as path:
            path.write_bytes(state[24 + 8 * (count + streams) :])
            saved, file = self._h.SaveState(), self._h.File(str(path))
            try:
                saved.fread(file)
                saved.restore()
            except RuntimeError as error:
                # States tell point processes by numbers that NEURON gives in a process.
                raise ModelError(
                    f"the saved state does not fit ({error}): NEURON in this process may hold point processes of another model; "
                    "go on in a new process"
                ) from None
            finally:
                file.close()
        for side, seen in zip(self._wiring.sides, numbers[:count].tolist(), strict=True):
            side.vgap = seen
        self._wiring.set_streams(numbers[count:])
        self._step = step
        if abs(self._h.t - step * self.timing.dt) > self.timing.dt / 4:
            raise ModelError("the saved state does not fit the time step of this run")

    def close(self) -> None:
        """Take the network out of this process's NEURON."""
        h = self._h
        self._frames.clear()
        self._attached.clear()
        self._context.gid_clear()
        self._detectors.clear()
        self._wiring = NetworkWiring(self._context, {})
        self._cells.clear()
        self._context.nthread(1)
        # All there are are the network's; those of hoc's cells went with the cells.
        for section in list(h.allsec()):
            h.delete_section(sec=section)
        choose_solver()
        for name, value in self._before.items():
            setattr(h, name, value)


def _forget_processes() -> None:
    """Let NEURON look anew for the point processes that a state names.

    It keeps their addresses from the first state on that a process has restored, whatever network that was of, and has a function that
    forgets them (``SelfEvent::savestate_free``), which it never calls: the second state would write to what is gone.
    """
    import neuron

    # Symbols of NEURON are this process's own only where whatever loaded it first said so; its library has them anyway.
    own = Path(neuron.__file__).parent.glob(".data/lib/libnrniv.*")
    for library in (None, "libnrniv.so", *map(str, own)):
        try:
            forget = ctypes.CDLL(library)._ZN9SelfEvent14savestate_freeEv
        except (OSError, AttributeError):
            continue
        forget.restype = None
        forget()
        return
    if _RESTORED.is_set():
        raise ModelError(
            "this process has restored a state before, and this NEURON does not restore two: go on in a new process"
        )
    _RESTORED.set()


@contextmanager
def _scratch() -> Iterator[Path]:
    """A file for NEURON to write to or read from, for as long as the block lasts."""
    handle, name = tempfile.mkstemp(prefix="neurolake-state-")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
