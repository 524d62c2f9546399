"""The anatomical input of a cell, drawn and written as files: synapses, connections, a summary, landmarks."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ...lake.errors import InputError
from ...mechanisms.anatomy.files import read_affinities, read_axons, read_cell_numbers
from ...mechanisms.anatomy.lattice import read_lattice
from ...mechanisms.anatomy.mapping import InputMapper, representative, summary
from ...mechanisms.cell.morphology import read_morphology
from ...mechanisms.cell.sites import branches
from ...mechanisms.errors import ModelError
from ..outgoing import Outgoing, as_part
from .anatomy import format_con, format_landmarks, format_syn


@dataclass(frozen=True)
class MappedSynapses:
    """Files of one realisation of a cell's synapses, and how many synapses it has."""

    synapses: Path
    connections: Path
    summary: Path
    landmarks: Path
    count: int


def map_synapses(
    morphology: str | Path,
    output: str | Path,
    *,
    cell_type: str,
    cell_numbers: str | Path,
    affinities: str | Path,
    boutons: str | Path,
    targets: Mapping[Literal["EXC", "INH"], str | Path],
    inhibitory: Collection[str],
    realisations: int = 50,
    seed: int = 0,
) -> MappedSynapses:
    """Draw the synapses of presynaptic axons on a cell and write the representative realisation.

    Parameters
    ----------
    morphology
        The postsynaptic cell (.hoc), at its place among the fields.
    output
        Folder to write NAME.syn, NAME.con, NAME_summary.csv and ``landmarks`` (a file per population) into.
    cell_type
        Of the postsynaptic cell, as in *affinities*.
    cell_numbers, affinities
        ``nrCells.csv`` and ``ConnectionsV8.csv``.
    boutons
        Folder of bouton fields, COLUMN/CELL TYPE/*.am.
    targets
        Field of all postsynaptic targets for each kind of axon.
    inhibitory
        Cell types whose axons are inhibitory.
    realisations
        How many are drawn, of which the representative one is written.
    seed
        Of the random numbers; equal seeds give equal files.

    Returns
    -------
    MappedSynapses
        The files.

    Raises
    ------
    InputError
        A file that does not read, or from which no input can be drawn; fewer than one realisation; a file that is
        there already, or a population whose name is a path.
    """
    if realisations < 1:
        raise InputError(f"realisations must be at least 1, not {realisations}")
    try:
        shapes = read_morphology(morphology).shapes
        cell = branches(
            [shape.points for shape in shapes],
            labels=[shape.label for shape in shapes],
            parents=[shape.parent for shape in shapes],
            parent_x=[shape.parent_x for shape in shapes],
        )
        mapper = InputMapper(
            cell,
            np.concatenate([shape.points[:, 3] for shape in shapes]),
            read_axons(boutons, read_cell_numbers(cell_numbers), inhibitory),
            read_affinities(affinities, cell_type),
            {kind: read_lattice(path) for kind, path in targets.items()},
        )
    except ModelError as error:
        raise InputError(str(error)) from error
    name, folder = Path(morphology).stem, Path(output)
    outgoing = Outgoing(folder)
    synapses, connections, table = (
        outgoing.file(f"{name}{ending}") for ending in (".syn", ".con", "_summary.csv")
    )
    drawn = [mapper.realisation(seed, number) for number in range(realisations)]
    one = drawn[representative(drawn)]
    landmarks = [
        outgoing.file(f"landmarks/{as_part(population, 'population')}.landmarkAscii")
        for population in one.populations
    ]
    made = MappedSynapses(synapses, connections, table, folder / "landmarks", len(one.cell))
    made.synapses.write_text(format_syn(name, one.synapse_rows()))
    made.connections.write_text(format_con(made.synapses.name, one.connection_rows()))
    columns = summary(drawn)
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    made.summary.write_text("".join(",".join(map(str, row)) + "\n" for row in (tuple(columns), *rows)))
    places = cell.points[cell.first[one.section] + one.point]
    for code, path in enumerate(landmarks):
        path.write_text(format_landmarks(places[one.population == code].tolist()))
    return made
