"""What contacts record of a network while it runs: each rank sums up its own cells, and rank 0 has the sum of all."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import runs
from ...lake import Snapshot, Transaction
from ...lake.errors import InputError
from ...mechanisms.errors import ModelError
from ...mechanisms.live.loaded import SOMA, loaded_segments
from ...mechanisms.network.attached import FrameColumns
from ...mechanisms.network.cells import NetworkCell, NetworkNode
from ...mechanisms.network.ranks import Ranks
from ...mechanisms.trial.contacts import ContactSums
from ...mechanisms.trial.recording import CURRENT, SegmentFrames
from .online import Contacts, append_potentials, contacts_of, is_electrodes, population_of
from .segments import placed, rotations

Columns = dict[str, NDArray[Any]]


class PlacedCells:
    """Segments of a rank's cells in the network's space; cells of one tree that are divided alike are computed once.

    Parameters
    ----------
    nodes
        Cells by gid: positions of their somata, and what `rotations` reads; where the attribute ``recenter`` is 0, the tree
        is placed as it is.
    """

    def __init__(self, nodes: Mapping[int, NetworkNode]) -> None:
        self._nodes = nodes
        self._known: dict[tuple[Any, ...], tuple[Columns, NDArray[np.float64]]] = {}

    def segments(self, cells: Sequence[NetworkCell]) -> Columns:
        """Return segments as columns of ``segments/…``, with ``gid``, in the order of cells, sections, and from the 0-end on.

        Parameters
        ----------
        cells
            Cells with sections.

        Raises
        ------
        ModelError
            The orientation of a cell is no rotation.
        """
        parts = [self._segments(cell) for cell in cells]
        if not parts:
            names = [name for name in runs.SEGMENTS.schema.names if name != "label"]
            return {
                "gid": np.empty(0, np.int64),
                "label": np.empty(0, object),
                **{name: np.empty(0) for name in names},
            }
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _segments(self, cell: NetworkCell) -> Columns:
        node = self._nodes[cell.gid]
        own, center = self._local(cell, node)
        given = {
            key: np.array([value])
            for key, value in node.attributes.items()
            if key.startswith(("orient", "rotat"))
        }
        try:
            turn = rotations(given, 1)[0]
        except ValueError as error:
            raise ModelError(f"{node.population} {node.node_id}: {error}") from error
        place = np.asarray(node.position, np.float64)
        if node.attributes.get("recenter") == 0:
            place = place + turn @ center
        count = len(own["x"])
        return {
            **placed(own, turn, place),
            "gid": np.full(count, cell.gid, np.int64),
            "node_id": np.full(count, node.node_id, np.int64),
        }

    def _local(self, cell: NetworkCell, node: NetworkNode) -> tuple[Columns, NDArray[np.float64]]:
        """Segments with the soma's centre at 0, and where that was."""
        counts = tuple(section.nseg for section in cell.sections)
        # Cells without a tree of the lake are what their template makes of them, each for itself.
        key = (cell.gid,) if node.shape is None else (node.population, node.shape.name, counts)
        if key not in self._known:
            found = loaded_segments(cell.sections)
            found["label"] = np.where(found["section_id"] == cell.soma, SOMA, found["label"])
            center = _center(cell.sections[cell.soma], found, cell.soma)
            for end in ("start", "end"):
                for at, axis in enumerate("xyz"):
                    found[f"{end}_{axis}"] = found[f"{end}_{axis}"] - center[at]
            del found["name"]
            self._known[key] = found, center
        return self._known[key]


def _center(soma: Any, segments: Columns, section: int) -> NDArray[np.float64]:
    """Mean of the soma's 3-D points, as of trees; of its ends where it has none."""
    points = [[getattr(soma, f"{axis}3d")(at) for axis in "xyz"] for at in range(int(soma.n3d()))]
    if not points:
        own = segments["section_id"] == section
        points = [[segments[f"{end}_{axis}"][own].mean() for axis in "xyz"] for end in ("start", "end")]
    found: NDArray[np.float64] = np.mean(points, axis=0)
    return found


class ContactRecord:
    """Observes membrane currents of all cells, and holds on rank 0 what contacts record of them, by population.

    Parameters
    ----------
    name, node
        What the signal is called, and the node of electrodes or coefficients.
    snapshot
        The commit that has it.
    nodes
        All cells of the network by gid, on every rank.
    ranks
        This process among others.
    dt
        How far frames are apart, in ms.
    shift
        What is taken from the simulation's time for that of the lake, in ms.

    Attributes
    ----------
    contacts
        The contacts, with the coefficients of this rank's segments.
    segments
        Segments of the cells of all ranks by population, on rank 0.
    populations
        Names of the groups of the signal.
    waiting
        Bytes of what waits to be stored.
    """

    variables: Sequence[str] = (CURRENT,)
    start, stop = 0.0, float("inf")

    def __init__(
        self,
        name: str,
        node: str,
        snapshot: Snapshot,
        nodes: Mapping[int, NetworkNode],
        ranks: Ranks,
        dt: float,
        shift: float = 0.0,
    ) -> None:
        self._name, self._node, self._snapshot = name, node, snapshot
        self._nodes, self._ranks, self._shift = nodes, ranks, shift
        self.dt, self.waiting = dt, 0
        # Electrodes are of all cells; coefficients and weights of one population, whose nodes they name.
        self._only = population_of(snapshot, node)
        self._cells: list[NetworkCell] = []
        self._parts: list[SegmentFrames] = []
        self.populations: list[str] = []
        self.segments: dict[str, Columns] = {}

    def places(self, cell: NetworkCell) -> Sequence[tuple[int, float]] | None:
        """Return that all segments of a cell are observed, or none of a population that coefficients are not of.

        Parameters
        ----------
        cell
            A cell of this rank.
        """
        if self._only not in (None, self._nodes[cell.gid].population):
            return ()
        self._cells.append(cell)
        return None

    def begin(self, columns: FrameColumns) -> None:
        """Compute coefficients of this rank's segments.

        Parameters
        ----------
        columns
            What the columns of all blocks are.

        Raises
        ------
        InputError
            There are none for a segment, or a contact is on one; on all ranks.
        """
        fault = ""
        owners = {self._nodes[cell.gid].population for cell in self._cells}
        everyone = sorted(set[str]().union(*self._ranks.all(owners)))
        try:
            if len(everyone) > 1 and not is_electrodes(self._snapshot, self._node):
                raise InputError(
                    f"lfp: {self._node}: nobody knows which population its coefficients are of, and there are "
                    f"{', '.join(everyone)}: give electrodes"
                )
            segments = PlacedCells(self._nodes).segments(self._cells)
            self.contacts: Contacts = contacts_of(self._snapshot, self._name, self._node, segments)
        except (InputError, ModelError) as error:
            fault = str(error)
        if faults := [told for told in self._ranks.all(fault) if told]:
            raise InputError(faults[0])
        populations = np.array([self._nodes[gid].population for gid in segments["gid"].tolist()], object)
        first: dict[str, int] = {}
        for gids in self._ranks.all(
            {name: int(segments["gid"][populations == name].min()) for name in set(populations)}
        ):
            for name, gid in gids.items():
                first[name] = min(gid, first.get(name, gid))
        self.populations = sorted(first, key=lambda name: first[name])
        groups = np.array([self.populations.index(name) for name in populations], np.intp)
        self._sums = ContactSums(
            self._name,
            self.contacts.factors,
            self._keep,
            groups,
            n_groups=len(self.populations),
            total=self._ranks.sum,
        )
        self._bytes = 4 * len(self.populations) * len(self.contacts.factors)
        self._gather(segments, populations)

    def _gather(self, segments: Columns, populations: NDArray[Any]) -> None:
        told = self._ranks.gather((segments, populations))
        if not told:
            return
        whole = {name: np.concatenate([part[name] for part, _ in told]) for name in segments}
        named = np.concatenate([names for _, names in told])
        order = np.argsort(whole["gid"], kind="stable")
        for name in self.populations:
            own = order[named[order] == name]
            self.segments[name] = {key: values[own] for key, values in whole.items()}

    def take(self, frames: SegmentFrames) -> None:
        """Add up a block.

        Parameters
        ----------
        frames
            Currents of this rank's segments.
        """
        self.waiting += len(frames.time) * self._bytes
        self._sums(frames)
        # Ranks add up here, where all of them are.
        self._sums.finish()

    def _keep(self, block: SegmentFrames) -> None:
        if self._ranks.first:
            self._parts.append(SegmentFrames(block.time - self._shift, dict(block.values)))

    def finish(self) -> None:
        """Do nothing: what waits is stored with the last commit."""

    def taken(self) -> SegmentFrames | None:
        """Return what waits, [time, population, contact] by the signal's name, and wait no longer with it."""
        self.waiting = 0
        if not self._parts:
            return None
        parts, self._parts = self._parts, []
        values = np.concatenate([part.values[self._name] for part in parts])
        return SegmentFrames(np.concatenate([part.time for part in parts]), {self._name: values})

    def store(self, transaction: Transaction, run: str, part: SegmentFrames) -> None:
        """Write what waited into the lake, and with the first of it the segments of the cells.

        Parameters
        ----------
        transaction
            Writes the nodes.
        run
            Name of the run.
        part
            What `taken` has returned.
        """
        node = runs.NETWORK_LFP.of(run=run, probe=self._name)
        if node not in transaction.drafts:
            kind = runs.SEGMENTS
            for population, columns in self.segments.items():
                table = pa.table([columns[name] for name in kind.schema.names], kind.schema)
                named = kind.of(run=f"{run}/{population}")
                if named not in transaction.drafts:
                    transaction.write_table(named, table, doc=kind.doc, sorted_by=kind.sorted_by)
        append_potentials(
            transaction, node, part.time, part.values[self._name], self.contacts, self.populations, self.dt
        )
