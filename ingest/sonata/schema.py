"""The nodes that SONATA files become: names, columns, units, meaning and source.

Units and meanings of attributes are those of the SONATA format (AllenInstitute/sonata, developer guide) and of
the extension for circuits and simulations by the Blue Brain Project.
"""

from collections.abc import Mapping

import pyarrow as pa

from ...catalog.vocabulary.kinds import REAL, TEXT, WHOLE, TableKind, column

_DOCUMENTED: Mapping[str, tuple[str, str]] = {
    "x": ("position of the soma", "µm"),
    "y": ("position of the soma", "µm"),
    "z": ("position of the soma", "µm"),
    **{f"orientation_{axis}": ("rotation of the cell, part of a unit quaternion", "") for axis in "wxyz"},
    **{f"rotation_angle_{axis}axis": ("rotation of the cell about this axis", "rad") for axis in "xyz"},
    "morphology": ("name of the cell's shape, without folder", ""),
    "mtype": ("morphological type", ""),
    "etype": ("electrical type", ""),
    "layer": ("cortical layer", ""),
    "region": ("region of the brain", ""),
    "model_type": ("biophysical, single_compartment, point_neuron, virtual …", ""),
    "model_template": ("template of the cell's model, <schema>:<resource>", ""),
    "delay": ("time from the spike to the synapse", "ms"),
    "syn_weight": ("weight of the synapse, in the unit of its model", ""),
    "conductance": ("peak conductance of the synapse", "nS"),
    "decay_time": ("decay time constant of the synapse", "ms"),
    "depression_time": ("time constant of recovery from depression", "ms"),
    "facilitation_time": ("time constant of recovery from facilitation", "ms"),
    "u_syn": ("utilisation of synaptic efficacy, 0 to 1", ""),
    "n_rrp_vesicles": ("vesicles in the readily releasable pool", ""),
    "syn_type_id": ("type of the synapse; below 100 inhibitory, from 100 on excitatory", ""),
    "spine_length": ("length of the spine", "µm"),
    "neuromod_dtc": ("decay time constant of the neuromodulator", "ms"),
    **{
        f"{side}_{name}": (f"{meaning}, {where}", unit)
        for side, where in (("afferent", "on the target"), ("efferent", "on the source"))
        for name, meaning, unit in (
            ("section_id", "section of the synapse; 0 is the soma", ""),
            ("section_pos", "relative position along the section, 0 to 1", ""),
            ("segment_id", "segment of the section's points", ""),
            ("segment_offset", "distance from the segment's start", "µm"),
            ("junction_id", "number of the gap junction", ""),
            *(
                (f"{kind}_{axis}", f"place at the {kind}", "µm")
                for kind in ("center", "surface")
                for axis in "xyz"
            ),
        )
    },
}


def attribute(name: str, kind: pa.DataType, source: str) -> pa.Field:
    """The column of an attribute of nodes or edges, documented as far as the format does."""
    meaning, unit = _DOCUMENTED.get(name, ("", ""))
    return column(name, kind, meaning, unit, source)


NODE_COLUMNS = {
    "node_id": column("node_id", WHOLE, "number of the node in its population", "", "node_id, or the row"),
    "node_type_id": column(
        "node_type_id", WHOLE, "type of the node; -1 where there are none", "", "node_type_id"
    ),
    "node_group_id": column("node_group_id", WHOLE, "group that holds its attributes", "", "node_group_id"),
    "node_group_index": column("node_group_index", WHOLE, "its row in that group", "", "node_group_index"),
}
EDGE_COLUMNS = {
    "edge_id": column("edge_id", WHOLE, "number of the edge in its population: its row in the file"),
    "source_node_id": column("source_node_id", WHOLE, "node that the edge comes from", "", "source_node_id"),
    "target_node_id": column("target_node_id", WHOLE, "node that the edge goes to", "", "target_node_id"),
    "edge_type_id": column(
        "edge_type_id", WHOLE, "type of the edge; -1 where there are none", "", "edge_type_id"
    ),
    "edge_group_id": column("edge_group_id", WHOLE, "group that holds its attributes", "", "edge_group_id"),
    "edge_group_index": column("edge_group_index", WHOLE, "its row in that group", "", "edge_group_index"),
}
BY_SOURCE = TableKind(
    ".by_source",
    "one edge, found by its source; the rest of it is in the table of edges",
    pa.schema([EDGE_COLUMNS[name] for name in ("source_node_id", "target_node_id", "edge_id")]),
    ("source_node_id",),
)
SPIKES = TableKind(
    "spikes",
    "one spike",
    pa.schema(
        [
            column("node_id", WHOLE, "node that fired", "", "node_ids"),
            column("time", REAL, "when it fired", "ms", "timestamps"),
        ]
    ),
)
ELEMENTS = TableKind(
    ".elements",
    "one column of the array, in order",
    pa.schema(
        [
            column("node_id", WHOLE, "node that it belongs to", "", "mapping/node_ids"),
            column(
                "element_id",
                WHOLE,
                "section of a compartment report, electrode of an lfp report, synapse of a synapse report",
                "",
                "mapping/element_ids",
            ),
            column("segment_index", WHOLE, "how many columns of this node and element come before it"),
            column("element_pos", REAL, "relative position along the section", "", "mapping/element_pos"),
        ]
    ),
)
RANGES = TableKind(
    ".nodes",
    "one node and its columns of a report, or rows of weights",
    pa.schema(
        [
            column("node_id", WHOLE, "the node", "", "node_ids"),
            column("start", WHOLE, "its first one", "", "index_pointers or offsets"),
            column("stop", WHOLE, "the first one after its last", "", "index_pointers or offsets"),
        ]
    ),
)
ELECTRODES = TableKind(
    ".electrodes",
    "one column of the weights",
    pa.schema(
        [
            column("column", WHOLE, "column of the weights"),
            column("name", TEXT, "the electrode; null for a column without one"),
            column("x", REAL, "its position", "µm", "position"),
            column("y", REAL, "its position", "µm", "position"),
            column("z", REAL, "its position", "µm", "position"),
            column(
                "type",
                TEXT,
                "how the weights were computed: LineSource, PointSource, Reciprocity …",
                "",
                "type",
            ),
            column("layer", TEXT, "cortical layer that it is in", "", "layer"),
            column("region", TEXT, "region that it is in", "", "region"),
            column("radius", REAL, "of ObjectiveCSD's sphere or disk", "µm", "attribute radius of type"),
            column("thickness", REAL, "of ObjectiveCSD's disk or plane", "µm", "attribute thickness of type"),
            column("all_ones", pa.bool_(), "whether all weights are 1, which makes the sum of currents"),
        ]
    ),
)
COMPARTMENT_SETS = TableKind(
    "compartment_sets",
    "one compartment of one set",
    pa.schema(
        [
            column("name", TEXT, "the set"),
            column("population", TEXT, "population of its nodes"),
            column("node_id", WHOLE, "the node"),
            column("section_id", WHOLE, "the section"),
            column("offset", REAL, "relative position along the section, 0 to 1"),
        ]
    ),
)
FILES = TableKind(
    "files",
    "one file of the ingest",
    pa.schema(
        [
            column("path", TEXT, "path below the folder that holds all files of the ingest"),
            column(
                "kind", TEXT, "simulation, circuit, nodes, edges, spikes, report, electrodes, types or sets"
            ),
            column("size", WHOLE, "length", "bytes"),
            column("digest", TEXT, "BLAKE3 of the content"),
            column("node", TEXT, "file node that holds the content, where it is kept as it was"),
        ]
    ),
)
ROOMS = ("nodes", "edges", "spikes", "inputs", "reports", "electrodes")
