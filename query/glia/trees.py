"""Sizes of the trees of cells: length, area and volume of each section, and how far along the tree it begins and ends."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...catalog.joins import branches
from ...catalog.schema import identifier
from ...catalog.vocabulary import circuits
from ...lake.errors import NotFoundError
from .asking import GliaTables

Reals = npt.NDArray[np.float64]


def tree_segments(
    tables: GliaTables, circuit: str, morphologies: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return the segments of trees: pairs of successive points of a section.

    Parameters
    ----------
    tables
        The circuit.
    circuit
        The circuit that has the trees, which may be another for neurons.
    morphologies
        Trees; all by default.

    Returns
    -------
    One segment a row: ``morphology``, ``section_id``, ``type`` (of the section), ``segment_id`` on it, its ends ``x0`` to ``z1`` and its middle
    ``x``, ``y``, ``z`` in µm, relative to the soma, ``length`` (µm), ``area`` (µm²) and ``volume`` (µm³) as a truncated cone.

    Raises
    ------
    NotFoundError
        The circuit has no trees.
    """
    names = [kind.of(circuit=circuit) for kind in (circuits.SECTIONS, circuits.POINTS)]
    if names[0] not in tables.snapshot.tables:
        raise NotFoundError(
            f"the circuit {circuit!r} has no trees; of its nodes {names[0]!r} would have them"
        )
    sections, points = (identifier(name) for name in names)
    chosen = "true" if morphologies is None else "morphology in (select unnest($trees::varchar[]))"
    more = {} if morphologies is None else {"trees": list(morphologies)}
    query = branches(sections, points, chosen=chosen)
    return tables.frame(f"{query} order by morphology, section_id, segment_id", None, more)


def section_sizes(tables: GliaTables, morphologies: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the sizes of the sections of astrocytes' trees.

    Parameters
    ----------
    tables
        The circuit.
    morphologies
        Trees; all by default.

    Returns
    -------
    One section a row: ``morphology``, ``section_id``, ``parent_id`` (-1 at the root), ``type``, ``length`` (µm), ``area`` (µm²), ``volume``
    (µm³), and ``path_begin`` and ``path_end``, the way along the tree from its first point (µm). A soma has no length.

    Raises
    ------
    NotFoundError
        The circuit has no trees.
    """
    segments = tree_segments(tables, tables.circuit, morphologies)
    sizes = segments.groupby(["morphology", "section_id"], sort=False)[["length", "area", "volume"]].sum()
    name = circuits.SECTIONS.of(circuit=tables.circuit)
    columns = ["morphology", "section_id", "parent_id", "type"]
    sections = tables.snapshot.tables[name].to_arrow(columns).to_pandas()
    if morphologies is not None:
        sections = sections[sections["morphology"].isin(list(morphologies))]
    found: pd.DataFrame = sections.merge(sizes, how="left", on=["morphology", "section_id"])
    found["parent_id"] = found["parent_id"].fillna(-1).astype(np.int64)
    found[["length", "area", "volume"]] = found[["length", "area", "volume"]].fillna(0.0)
    soma = (found["type"] == 1).to_numpy()
    found.loc[soma, "length"] = 0.0
    ends = _path_ends(found)
    found["path_begin"], found["path_end"] = ends - found["length"].to_numpy(), ends
    return found


def _path_ends(sections: pd.DataFrame) -> Reals:
    """How far each section's end is along the tree, a level of all trees at a time."""
    keys = pd.MultiIndex.from_frame(sections[["morphology", "section_id"]])
    parent = keys.get_indexer(pd.MultiIndex.from_frame(sections[["morphology", "parent_id"]]))
    length = sections["length"].to_numpy(float)
    ends: Reals = np.where(parent < 0, length, np.nan)
    while (open_ := np.isnan(ends) & ~np.isnan(ends[parent])).any():
        ends[open_] = ends[parent[open_]] + length[open_]
    return ends
