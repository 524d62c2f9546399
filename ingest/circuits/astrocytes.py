"""Edges of glia, completed by where they are on the shapes of the astrocytes.

Sections of `astrocyte_section_id` are numbered as MorphIO numbers them, without the soma; those of gap junctions with it, as
TouchDetector does: so it is in ArchNGV's circuits.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary.glia import GLIALGLIAL, GLIOVASCULAR, NEUROGLIAL
from ...catalog.vocabulary.kinds import TableKind
from ...kernels.glia.targets import VesselSegments
from ...kernels.shapes.nearest import foot_compartments, nearest_ends, nearest_segments
from ...kernels.shapes.segments import PlacedSections
from ...kernels.shapes.touches import touches
from ...lake.data.ragged import Ragged

_AXES = "xyz"


def with_compartments(
    edges: pa.Table,
    sections: PlacedSections,
    vessels: VesselSegments,
    surfaces: Ragged,
    areas: NDArray[Any],
    thicknesses: NDArray[Any],
) -> pa.Table:
    """Return endfeet with the astrocyte's section that ends there, and with the compartments that they are.

    Parameters
    ----------
    edges
        Rows of `GLIOVASCULAR`.
    sections
        Sections of all astrocytes where they are.
    vessels
        All segments of the vessels.
    surfaces
        Points of the endfeet's surfaces, by endfoot.
    areas, thicknesses
        Of the endfeet's surfaces, in µm² and µm.

    Returns
    -------
    pa.Table
        The rows, with `astrocyte_section_id` and `endfoot_compartment_*`. Of an astrocyte that has no process to an endfoot,
        the section is the one whose tip is nearest.
    """
    segment, cell = (edges[name].to_numpy().astype(np.int64) for name in ("source_node_id", "target_node_id"))
    places = _places(edges, "endfoot_surface_{}")
    found = nearest_ends(sections, cell, places)
    without = found < 0
    if without.any():
        found[without] = nearest_ends(sections, cell[without], places[without], 3)
    feet = foot_compartments(
        vessels.start[segment], vessels.end[segment], surfaces.values, surfaces.offsets, areas, thicknesses
    )
    return _more(
        edges,
        GLIOVASCULAR,
        {
            "astrocyte_section_id": _numbered(found),
            **{f"endfoot_compartment_{name}": getattr(feet, name) for name in feet._fields},
        },
    )


def with_segments(edges: pa.Table, sections: PlacedSections, synapses: NDArray[Any]) -> pa.Table:
    """Return pairs of astrocyte and synapse with the astrocyte's segment that is nearest to the synapse.

    Parameters
    ----------
    edges
        Rows of `NEUROGLIAL`.
    sections
        Sections of all astrocytes where they are.
    synapses
        Place of each edge's synapse, float[n, 3], in µm.

    Returns
    -------
    pa.Table
        The rows, with the columns `astrocyte_*`; null where the astrocyte is but a soma.
    """
    found = nearest_segments(sections, edges["source_node_id"].to_numpy().astype(np.int64), synapses)
    there = found.section >= 0
    columns: dict[str, Any] = {
        "astrocyte_section_id": _numbered(found.section),
        "astrocyte_segment_id": pa.array(np.maximum(found.segment, 0), mask=~there),
        "astrocyte_segment_offset": pa.array(found.offset, mask=~there),
        "astrocyte_section_pos": pa.array(found.position, mask=~there),
    }
    for at, axis in enumerate(_AXES):
        columns[f"astrocyte_center_{axis}"] = pa.array(found.centre[:, at], mask=~there)
    return _more(edges, NEUROGLIAL, columns)


def gap_junctions_of(sections: PlacedSections, reach: float = 0.0) -> pa.Table:
    """Return gap junctions between astrocytes: where the surfaces of two sections touch, the nearest place of each pair.

    Parameters
    ----------
    sections
        Sections of all astrocytes where they are.
    reach
        Largest distance of surfaces, in µm.

    Returns
    -------
    pa.Table
        Rows of `GLIALGLIAL`, sorted by target: each junction twice, once from either side.
    """
    return touch_table(touches(sections, reach=reach), GLIALGLIAL)


def touch_table(found: Any, kind: TableKind) -> pa.Table:
    """Return touches as rows of a table of edges.

    Parameters
    ----------
    found
        `Touches` of a kernel.
    kind
        What the table is, which has the columns of `GLIALGLIAL`.
    """
    columns: dict[str, Any] = {
        "edge_id": np.arange(len(found.distance)),
        "source_node_id": found.source.cell,
        "target_node_id": found.target.cell,
    }
    for name, side in (("efferent", found.source), ("afferent", found.target)):
        columns |= {
            f"{name}_section_id": side.section,
            f"{name}_segment_id": side.segment,
            f"{name}_segment_offset": side.offset,
            f"{name}_section_pos": side.position,
            f"{name}_section_type": side.type,
        }
    for at, axis in enumerate(_AXES):
        columns[f"efferent_center_{axis}"] = found.source.centre[:, at]
        columns[f"afferent_surface_{axis}"] = found.target.surface[:, at]
    # Surfaces that overlap are at no distance.
    columns["spine_length"] = np.maximum(found.distance, 0.0)
    return _more(None, kind, columns)


def _numbered(section: NDArray[np.int64]) -> pa.Array:
    """Numbers of neurites' sections without the soma, which is section 0; null for none."""
    return pa.array(np.maximum(section - 1, 0), mask=section < 1)


def _places(edges: pa.Table, name: str) -> NDArray[np.float64]:
    return np.stack([edges[name.format(axis)].to_numpy().astype(np.float64) for axis in _AXES], axis=1)


def _more(edges: pa.Table | None, kind: TableKind, columns: dict[str, Any]) -> pa.Table:
    """Append columns in the types and with the documentation of the kind; in the place of those of the same names."""
    fields = [kind.schema.field(name) for name in columns]
    arrays = [
        (values if isinstance(values, pa.Array) else pa.array(values)).cast(field.type)
        for values, field in zip(columns.values(), fields, strict=True)
    ]
    if edges is None:
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))
    kept = edges.select([name for name in edges.column_names if name not in columns])
    return pa.Table.from_arrays(
        [*kept.columns, *arrays], schema=pa.schema([*kept.schema, *fields], kept.schema.metadata)
    )
