"""Contacts of a lake that stimulate: what they would record of a current of a segment is what their current makes there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...lake import Lake, Snapshot
from ...lake.errors import InputError
from ...lake.nodes.content import content
from ...mechanisms.errors import ModelError
from ...mechanisms.network.attached import Timing
from ...mechanisms.network.cells import NetworkCell, NetworkNode, Reals
from ...mechanisms.stimuli.fields import FIELD, FieldClamp, FieldSource
from ...mechanisms.stimuli.signals import Waveform, digest_of_values, parse_signal
from .observed import Columns, PlacedCells
from .online import check_probes, contact_names, contacts_of, is_electrodes, population_of

_SHOWN = 10


@dataclass(frozen=True, eq=False)
class PlacedField:
    """A field around cells that are placed in the network's space; it learns where they are when it is checked.

    Attributes
    ----------
    name
        Of the input.
    """

    name: str
    _nodes: dict[int, NetworkNode] = field(default_factory=dict, repr=False, kw_only=True)

    @property
    def mechanisms(self) -> Sequence[str]:
        """Our mechanism of potentials."""
        return (FIELD,)

    @property
    def identity(self) -> str:
        """What decides what it does, as a digest."""
        return digest_of_values([type(self).__name__, [source.identity for source in self.sources]])

    @property
    def sources(self) -> Sequence[FieldSource]:
        """What makes it."""
        raise NotImplementedError

    def check(self, nodes: Mapping[int, NetworkNode], timing: Timing) -> Sequence[str]:
        """Return what hinders it.

        Parameters
        ----------
        nodes
            All cells by gid.
        timing
            When the network is simulated.
        """
        self._nodes.update(nodes)
        return FieldClamp(self.name, self.sources).check(nodes, timing)

    def attach(self, cells: Mapping[int, NetworkCell], timing: Timing) -> Any:
        """Put the field around the cells that are there.

        Parameters
        ----------
        cells
            The cells of this rank, by gid.
        timing
            When the network is simulated.

        Raises
        ------
        ModelError
            It makes no finite potential at a segment.
        """
        return FieldClamp(self.name, self.sources).attach(cells, timing)

    def segments(self, cells: Sequence[NetworkCell]) -> Columns:
        """Return segments of cells in the network's space.

        Parameters
        ----------
        cells
            Cells with sections.
        """
        return PlacedCells(self._nodes).segments(cells)


@dataclass(frozen=True, eq=False)
class ContactField(PlacedField):
    """The field of contacts that pass currents into the tissue: a clamp of a network.

    A current of 1 nA at a contact makes the potential at a segment that a current of 1 nA of the segment makes at the contact
    (reciprocity; Helmholtz 1853), which is its coefficient in mV/nA.

    Attributes
    ----------
    snapshot
        The commit that has the contacts.
    node
        Electrodes, coefficients or weights, as of `run_network`'s *lfp*.
    currents
        In nA, into the tissue, by name of the contact.
    """

    snapshot: Snapshot
    node: str
    currents: Mapping[str, Waveform]

    @property
    def identity(self) -> str:
        """What decides what it does, as a digest: the contacts and their currents."""
        currents = {name: current.identity for name, current in self.currents.items()}
        return digest_of_values([type(self).__name__, str(content(self.snapshot.tree, self.node)), currents])

    @property
    def sources(self) -> Sequence[FieldSource]:
        """A source for each contact; around cells of one population, where the coefficients are of one."""
        known: list[Mapping[str, Reals]] = []
        cells = None
        if self.node in self.snapshot.tree and not is_electrodes(self.snapshot, self.node):
            population = population_of(self.snapshot, self.node)
            cells = frozenset(gid for gid, node in self._nodes.items() if node.population == population)

        def potentials(contact: str, own: Sequence[NetworkCell]) -> Reals:
            if not known:
                known.append(self._coefficients(own))
            return known[0][contact]

        def of(contact: str) -> FieldSource:
            return FieldSource(lambda own: potentials(contact, own), self.currents[contact], cells, contact)

        return [of(contact) for contact in self.currents]

    def check(self, nodes: Mapping[int, NetworkNode], timing: Timing) -> Sequence[str]:
        """Return what hinders it, such as contacts that are not there.

        Parameters
        ----------
        nodes
            All cells by gid.
        timing
            When the network is simulated.
        """
        told = list(super().check(nodes, timing))
        try:
            check_probes(self.snapshot, {self.name: self.node})
            there = contact_names(self.snapshot, self.node)
        except InputError as error:
            return [*told, str(error)]
        absent = [contact for contact in self.currents if contact not in there]
        if absent:
            known = ", ".join(there[:_SHOWN]) + (f" … ({len(there)} in all)" if len(there) > _SHOWN else "")
            told.append(f"input {self.name}: {self.node} has no contact {absent[0]!r}; there are {known}")
        return told

    def _coefficients(self, own: Sequence[NetworkCell]) -> Mapping[str, Reals]:
        try:
            found = contacts_of(self.snapshot, self.name, self.node, self.segments(own))
        except InputError as error:
            raise ModelError(str(error)) from error
        names = [str(name) for name in np.asarray(found.labels["electrode"]).tolist()]
        return dict(zip(names, found.factors, strict=True))


@dataclass(frozen=True, eq=False)
class PointField(PlacedField):
    """The field of points that pass one current into an unbounded homogeneous medium.

    Attributes
    ----------
    places
        In µm, float64[n, 3].
    shares
        What part of the current each passes, float64[n].
    current
        In nA, into the tissue.
    sigma
        Conductivity in S/m.
    cells
        Gids of the cells around which it is; None for all.
    """

    places: Reals
    shares: Reals
    current: Waveform
    sigma: float
    cells: frozenset[int] | None = None

    @property
    def sources(self) -> Sequence[FieldSource]:
        """One source: the sum of all points."""
        decided_by = digest_of_values([self.places, self.shares, self.sigma])
        return [FieldSource(self._potentials, self.current, self.cells, decided_by)]

    def _potentials(self, own: Sequence[NetworkCell]) -> Reals:
        """1 / (4 pi sigma r) from each point to the middle of each segment, in mV/nA."""
        from ...kernels.lfp.sources import point_source_potential

        columns = self.segments(own)
        start, end = (
            np.stack([columns[f"{side}_{axis}"] for axis in "xyz"], axis=1) for side in ("start", "end")
        )
        made = point_source_potential(start, end, None, self.places, self.sigma, minimum_distance=None)
        found: Reals = self.shares @ made
        return found


@dataclass(frozen=True, eq=False)
class UniformField(PlacedField):
    """Electric fields that are the same everywhere: potentials whose gradients they are, 0 in the middle of each cell's soma.

    Attributes
    ----------
    fields
        Strengths along x, y and z in V/m, and how each goes over time.
    cells
        Gids of the cells around which they are; None for all.
    """

    fields: Sequence[tuple[tuple[float, float, float], Waveform]]
    cells: frozenset[int] | None = None

    @property
    def sources(self) -> Sequence[FieldSource]:
        """One for each field."""
        return [
            FieldSource(
                partial(self._potentials, strength), wave, self.cells, digest_of_values(list(strength))
            )
            for strength, wave in self.fields
        ]

    def _potentials(self, strength: tuple[float, float, float], own: Sequence[NetworkCell]) -> Reals:
        """What a field makes of the way from the soma to the middle of each segment, in mV."""
        columns = self.segments(own)
        middle = np.stack([(columns[f"start_{axis}"] + columns[f"end_{axis}"]) / 2 for axis in "xyz"], axis=1)
        for cell in own:
            rows = columns["gid"] == cell.gid
            middle[rows] -= middle[rows & (columns["section_id"] == cell.soma)].mean(axis=0)
        # V/m times µm is 1e-3 mV.
        found: Reals = 1e-3 * middle @ np.array(strength)
        return found


def contact_field(
    lake: Lake | Snapshot | str | Path, node: str, currents: Mapping[str, Waveform], *, name: str = "field"
) -> ContactField:
    """Return the field of contacts of a lake, for the *clamps* of `run_network`.

    Parameters
    ----------
    lake
        An open lake, a commit of one, or the path or URL of one, which has the contacts.
    node
        A table of electrodes, an array of coefficients or weights: ``electrodes/probe``.
    currents
        In nA, into the tissue, by name of the contact; at most four of them.
    name
        Of the input, for messages.

    Raises
    ------
    InputError
        The node is neither electrodes nor coefficients.
    """
    snapshot = lake if isinstance(lake, Snapshot) else Lake.of(lake).head
    check_probes(snapshot, {name: node})
    return ContactField(name, snapshot, node, dict(currents))


def parsed_fields(lake: Lake | Snapshot | str | Path, texts: Sequence[str]) -> list[ContactField]:
    """Return the fields that texts say, such as ``electrodes/probe/e0=pulses:amplitude=-2e5,width=0.2,frequency=130,delay=100,duration=300``.

    A text is a node of contacts, a slash and the name of one of them, an equals sign, and a signal in nA: a shape with numbers (`parse_signal`),
    or a file of two columns, time in ms and current in nA, that ends in .csv.

    Parameters
    ----------
    lake
        An open lake, a commit of one, or the path or URL of one, which has the contacts.
    texts
        What was given.

    Raises
    ------
    InputError
        Texts say no field; tells what is wrong with each.
    """
    snapshot = lake if isinstance(lake, Snapshot) else Lake.of(lake).head
    wrong: list[str] = []
    currents: dict[str, dict[str, Waveform]] = {}
    for text in texts:
        where, equals, said = text.partition("=")
        node, _, contact = where.rpartition("/")
        if not equals or not node or not contact:
            wrong.append(f"--stimulate {text}: write NODE/CONTACT=SIGNAL")
            continue
        try:
            signal = _current(said)
        except ValueError as error:
            wrong.append(f"--stimulate {text}: {error}")
            continue
        if contact in currents.setdefault(node, {}):
            wrong.append(f"--stimulate {text}: the contact has a current already")
        currents[node][contact] = signal
    made = []
    for node, own in currents.items():
        try:
            made.append(contact_field(snapshot, node, own, name=node))
        except InputError as error:
            wrong.append(f"--stimulate {node}: {error}")
    if wrong:
        raise InputError("\n".join(wrong))
    return made


def _current(said: str) -> Waveform:
    path = Path(said).expanduser()
    if path.suffix != ".csv":
        return parse_signal(said)
    if not path.is_file():
        raise ValueError(f"there is no file {said}")
    try:
        rows = np.loadtxt(path, delimiter=",", ndmin=2, comments="#")
    except ValueError as error:
        raise ValueError(
            f"{said}: expected lines of two numbers with a comma between them: {error}"
        ) from error
    if rows.shape[1] != 2 or len(rows) < 2:
        raise ValueError(f"{said}: expected two lines or more, of time in ms and current in nA")
    found = Waveform(rows[:, 0].copy(), rows[:, 1].copy())
    if found.faults:
        raise ValueError(f"{said}: {found.faults[0]}")
    return found
