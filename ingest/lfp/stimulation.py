"""Contacts of a lake that stimulate: what they would record of a current of a segment is what their current makes there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...lake import Lake, Snapshot
from ...lake.errors import InputError
from ...mechanisms.errors import ModelError
from ...mechanisms.network.attached import Timing
from ...mechanisms.network.cells import NetworkCell, NetworkNode, Reals
from ...mechanisms.stimuli.fields import FIELD, FieldClamp, FieldSource
from ...mechanisms.stimuli.signals import Waveform
from .observed import PlacedCells
from .online import check_probes, contacts_of


@dataclass(frozen=True, eq=False)
class ContactField:
    """The field of contacts that pass currents into the tissue: a clamp of a network.

    A current of 1 nA at a contact makes the potential at a segment that a current of 1 nA of the segment makes at the contact
    (reciprocity; Helmholtz 1853), which is its coefficient in mV/nA.

    Attributes
    ----------
    name
        Of the input.
    snapshot
        The commit that has the contacts.
    node
        Electrodes, coefficients or weights, as of `run_network`'s *lfp*.
    currents
        In nA, into the tissue, by name of the contact.
    """

    name: str
    snapshot: Snapshot
    node: str
    currents: Mapping[str, Waveform]
    _nodes: dict[int, NetworkNode] = field(default_factory=dict, repr=False)

    @property
    def mechanisms(self) -> Sequence[str]:
        """Our mechanism of potentials."""
        return (FIELD,)

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
        told = list(self._clamp().check(nodes, timing))
        try:
            check_probes(self.snapshot, {self.name: self.node})
        except InputError as error:
            told.append(str(error))
        return told

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
            There is no such contact, or it has no coefficient for a segment.
        """
        return self._clamp().attach(cells, timing)

    def _clamp(self) -> FieldClamp:
        known: list[Mapping[str, Reals]] = []

        def potentials(contact: str, own: Sequence[NetworkCell]) -> Reals:
            if not known:
                known.append(self._coefficients(own))
            if contact not in known[0]:
                raise ModelError(
                    f"input {self.name}: {self.node} has no contact {contact!r}; there are {', '.join(known[0])}"
                )
            return known[0][contact]

        def of(contact: str) -> FieldSource:
            return FieldSource(lambda own: potentials(contact, own), self.currents[contact])

        return FieldClamp(self.name, [of(contact) for contact in self.currents])

    def _coefficients(self, own: Sequence[NetworkCell]) -> Mapping[str, Reals]:
        segments = PlacedCells(self._nodes).segments(own)
        try:
            found = contacts_of(self.snapshot, self.name, self.node, segments)
        except InputError as error:
            raise ModelError(str(error)) from error
        names = [str(name) for name in np.asarray(found.labels["electrode"]).tolist()]
        return dict(zip(names, found.factors, strict=True))


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
