"""Circuits: nodes, edges and spikes of populations, and the files that they came from.

Units and meanings of attributes are those of the SONATA format (AllenInstitute/sonata, developer guide) and of
the extension for circuits and simulations by the Blue Brain Project.
"""

from collections.abc import Mapping

import pyarrow as pa

from .kinds import REAL, TEXT, WHOLE, FileKind, Kind, TableKind, column

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


NODES = TableKind(
    "nodes/{circuit}/{population}",
    "one node of a population",
    pa.schema([*NODE_COLUMNS.values()]),
    ("node_id",),
    ("node_type_id", "node_group_id", "node_group_index"),
    "attributes that the source gives its nodes",
)
EDGES = TableKind(
    "edges/{circuit}/{population}",
    "one edge of a population",
    pa.schema([*EDGE_COLUMNS.values()]),
    optional=("edge_type_id", "edge_group_id", "edge_group_index"),
    more="attributes that the source gives its edges",
)
BY_SOURCE = TableKind(
    "edges/{circuit}/{population}.by_source",
    "one edge, found by its source; the rest of it is in the table of edges",
    pa.schema([EDGE_COLUMNS[name] for name in ("source_node_id", "target_node_id", "edge_id")]),
    ("source_node_id",),
)


SPIKES = TableKind(
    "spikes/{circuit}/{population}",
    "one spike",
    pa.schema(
        [
            column("node_id", WHOLE, "node that fired", "", "node_ids"),
            column("time", REAL, "when it fired", "ms", "timestamps"),
        ]
    ),
)


COMPARTMENT_SETS = TableKind(
    "compartment_sets/{circuit}",
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
    "sonata/{circuit}.files",
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
INPUTS = TableKind("inputs/{circuit}/{input}/{population}", "one spike of an input", SPIKES.schema)
LAYOUT = TableKind(
    "sonata/{circuit}.layout",
    "one group or dataset of an ingested HDF5 file",
    pa.schema(
        [
            column("file", TEXT, "the file; key of `files`"),
            column("path", TEXT, "path of the group or dataset in the file; '/' is the file's root"),
            column("type", TEXT, "type of the dataset's values, as JSON; null for a group"),
            column(
                "shape", pa.list_(pa.int64()), "its shape; null for a group and for a dataset without one"
            ),
            column("chunks", pa.list_(pa.int64()), "shape of its HDF5 chunks; null where it is contiguous"),
            column("filters", TEXT, "HDF5 filters of its chunks, as JSON"),
            column("attributes", TEXT, "its HDF5 attributes, as JSON"),
            column("node", TEXT, "node that holds its values; null where `value` does"),
            column("part", TEXT, "which part of that node: a column, or '@' and how it is derived"),
            column("value", pa.binary(), "values of a dataset that no table or array stands for"),
        ]
    ),
)
SOURCE_FILE = FileKind("sonata/{circuit}/{path:path}", "a file of the source that is kept as it was")

KINDS: tuple[Kind, ...] = (
    NODES,
    EDGES,
    BY_SOURCE,
    SPIKES,
    INPUTS,
    COMPARTMENT_SETS,
    FILES,
    LAYOUT,
    SOURCE_FILE,
)
ROOMS = ("nodes", "edges", "spikes", "inputs", "reports", "electrodes")
"""First parts of the names of what a circuit holds."""
