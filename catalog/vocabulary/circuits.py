"""Circuits: cells, their shapes and synapses, what connects them, their spikes, and the files that they came from.

The names are the same whatever a circuit came from: SONATA, NeuroH5, or construction in the lake. Units and meanings of
attributes are those of the SONATA format (AllenInstitute/sonata, developer guide), of the extension for circuits and simulations
by the Blue Brain Project, and of MiV-Simulator.
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
    "gid": ("number of the cell among those of all populations", ""),
    **dict.fromkeys("uvl", ("position of the soma within the volume's layers", "µm")),
    **{f"{axis}_distance": (f"arc distance of the soma from the origin along {axis}", "µm") for axis in "uv"},
    "morphology": (
        "the cell's shape: a file's name without folder, or the key of morphologies/{circuit}",
        "",
    ),
    "template": ("template of the cell's model", ""),
    "mtype": ("morphological type", ""),
    "etype": ("electrical type", ""),
    "layer": ("cortical layer", ""),
    "region": ("region of the brain", ""),
    "model_type": ("biophysical, single_compartment, point_neuron, virtual …", ""),
    "model_template": ("template of the cell's model, <schema>:<resource>", ""),
    "synapse_id": ("synapse of the target that the edge ends at; key of synapses/{circuit}/{population}", ""),
    "distance": ("sum of the arc distances along u and v between the somata", "µm"),
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
    """Return the column of an attribute of nodes or edges, documented as far as the format does.

    Parameters
    ----------
    name
        Name of the attribute.
    kind
        Arrow type of its values.
    source
        Where its values come from.
    """
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
            column("trial", WHOLE, "number of the trial, where the source has several"),
        ]
    ),
    optional=("trial",),
    single=("time",),
)
INPUTS = TableKind(
    "inputs/{circuit}/{input}/{population}",
    "one spike of an input",
    SPIKES.schema,
    optional=SPIKES.optional,
    single=SPIKES.single,
)


POSITIONS = TableKind(
    "positions/{circuit}/{population}",
    "one cell that construction has placed",
    pa.schema(
        [
            column("node_id", WHOLE, "the cell; cells are numbered by rising u"),
            *(column(axis, REAL, "place of its soma", "µm", f"{axis.upper()} Coordinate") for axis in "xyz"),
            *(
                column(
                    axis, REAL, "the same along the axes of the volume", "µm", f"{axis.upper()} Coordinate"
                )
                for axis in "uvl"
            ),
            column("layer", pa.int8(), "number of its layer"),
        ]
    ),
    ("node_id",),
    single=("x", "y", "z", "u", "v", "l"),
)
DISTANCES = TableKind(
    "distances/{circuit}/{population}",
    "one cell, how far it is from the origin of the volume",
    pa.schema(
        [
            column("node_id", WHOLE, "the cell"),
            column("u_distance", REAL, "signed length of the way along u", "µm", "U Distance"),
            column("v_distance", REAL, "signed length of the way along v", "µm", "V Distance"),
        ]
    ),
    ("node_id",),
    single=("u_distance", "v_distance"),
)


POINTS = TableKind(
    "morphologies/{circuit}.points",
    "one point of a distinct tree; trees of equal content are one",
    pa.schema(
        [
            column(
                "morphology",
                TEXT,
                "the tree: BLAKE3 digest of its content or, where every cell has a file of its own, the file's name",
            ),
            column("point_id", WHOLE, "number of the point in its tree"),
            column("parent_id", WHOLE, "point that it hangs on; -1 at the root", "", "Parent Point"),
            *(column(axis, REAL, "its place", "µm", f"{axis.upper()} Coordinate") for axis in "xyz"),
            column("diameter", REAL, "of the neurite there", "µm", "twice the Radius"),
            column(
                "type",
                pa.int8(),
                "1 soma, 2 axon, 3 basal, 4 apical, 5 trunk, 6 tuft, 7 axon initial segment, 8 axon hillock",
                "",
                "SWC Type",
            ),
            column("layer", pa.int8(), "layer that it is in; -1 if unknown", "", "Point Layer"),
            column(
                "perimeter",
                pa.float32(),
                "of the cross-section there, which is no circle in glia",
                "µm",
                "perimeters",
            ),
        ]
    ),
    ("morphology", "point_id"),
    ("perimeter",),
    single=("x", "y", "z", "diameter"),
)
SECTIONS = TableKind(
    "morphologies/{circuit}.sections",
    "one section of a distinct tree",
    pa.schema(
        [
            column("morphology", TEXT, "the tree; key of `points`"),
            column("section_id", WHOLE, "number of the section in its tree"),
            column("parent_id", WHOLE, "section that it hangs on; null at the root", "", "Source Section"),
            column("type", pa.int8(), "type of its last point"),
            column(
                "points",
                pa.list_(pa.int32()),
                "its points in order; a branch may begin with a point of its parent",
                "",
                "Section",
            ),
            column("rank", WHOLE, "place of the link to its parent in the source's list; null at the root"),
        ]
    ),
    ("morphology", "section_id"),
    ("rank",),
)
SYNAPSES = TableKind(
    "synapses/{circuit}/{population}",
    "one place for a synapse on a cell",
    pa.schema(
        [
            column("node_id", WHOLE, "the cell"),
            column("synapse_id", WHOLE, "number of the synapse in its cell", "", "syn_ids"),
            column("section_id", WHOLE, "section of the cell's tree", "", "syn_secs"),
            column("section_pos", REAL, "relative position along the section, 0 to 1", "", "syn_locs"),
            column("layer", pa.int8(), "layer that it is in; -1 if unknown", "", "syn_layers"),
            column("type", pa.uint8(), "0 excitatory, 1 inhibitory", "", "syn_types"),
            column("swc_type", pa.uint8(), "type of its section, as of points", "", "swc_types"),
            column("soma_distance", REAL, "distance of the synapse from the soma", "µm", "syn_cdists"),
        ]
    ),
    ("node_id",),
    ("layer", "type", "swc_type", "soma_distance"),
    "what the source says of synapses besides",
    ("section_pos", "soma_distance"),
)
FEATURES = TableKind(
    "features/{circuit}/{namespace}/{population}",
    "what a namespace says of a cell; of one that it speaks of several times, there are several rows",
    pa.schema([column("node_id", WHOLE, "the cell")]),
    ("node_id",),
    more="attributes of the namespace, such as those of an input's selectivity; a list where cells have several values",
)
TRAJECTORIES = TableKind(
    "trajectories/{circuit}/{trajectory}",
    "one point of the path that an input follows",
    pa.schema(
        [
            column("time", REAL, "when", "ms", "t"),
            column("x", REAL, "place in the arena", "cm", "x"),
            column("y", REAL, "place in the arena", "cm", "y"),
            column("distance", REAL, "along the path", "cm", "d"),
        ]
    ),
    single=("time", "x", "y", "distance"),
)


CIRCUITS = TableKind(
    "circuits",
    "one circuit",
    pa.schema(
        [
            column("name", TEXT, "the circuit, as in the names of its nodes"),
            column("format", TEXT, "where it came from: sonata, neuroh5, network (built here) …"),
            column("configuration", TEXT, "file node of its resolved configuration; null without one"),
            column("seed", WHOLE, "of its construction; null if unknown"),
            column("populations", pa.list_(pa.string()), "populations of its nodes"),
            column("nodes", WHOLE, "how many nodes it has"),
            column("edges", WHOLE, "how many edges it has"),
        ]
    ),
)
CONFIGURATION = FileKind(
    "circuits/{circuit}.configuration",
    "the resolved configuration that a circuit was built from, as JSON",
)
POPULATIONS = TableKind(
    "circuits/{circuit}.populations",
    "one population of a circuit whose populations are numbered together",
    pa.schema(
        [
            column("population", TEXT, "the population"),
            column("label", WHOLE, "its number in the source", "", "H5Types/Population labels"),
            column("start", WHOLE, "gid of its first cell; gid = start + node_id", "", "H5Types/Populations"),
            column("count", WHOLE, "how many cells it has", "", "H5Types/Populations"),
        ]
    ),
    ("label",),
)
PROJECTIONS = TableKind(
    "circuits/{circuit}.projections",
    "one pair of populations that may be connected",
    pa.schema(
        [
            column("source", TEXT, "population that edges come from"),
            column("target", TEXT, "population that edges go to"),
            column("kind", TEXT, "chemical or electrical"),
        ]
    ),
)
LAYERS = TableKind(
    "circuits/{circuit}.layers",
    "one layer of the volume",
    pa.schema(
        [
            column("layer", TEXT, "the layer", "", "H5Types/Layer tags"),
            column("label", WHOLE, "its number, as in `layer` of synapses and points"),
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
                "kind",
                TEXT,
                "simulation, circuit, nodes, edges, spikes, inputs, stimulus, report, electrodes, types, sets or neuroh5",
            ),
            column("size", WHOLE, "length", "bytes"),
            column("digest", TEXT, "BLAKE3 of the content"),
            column("node", TEXT, "file node that holds the content, where it is kept as it was"),
        ]
    ),
)
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
NEUROH5_FILES = TableKind("neuroh5/{circuit}.files", FILES.doc, FILES.schema)
NEUROH5_LAYOUT = TableKind("neuroh5/{circuit}.layout", LAYOUT.doc, LAYOUT.schema)
NEUROH5_ROWS = TableKind(
    "neuroh5/{circuit}.rows",
    "one row of an index that datasets of the source share: a cell, and how many values it has",
    pa.schema(
        [
            column("index", WHOLE, "the index, as `part` of the layout names it"),
            column("node_id", WHOLE, "the cell", "", "Cell Index, Destination Block Index"),
            column("size", WHOLE, "how many values", "", "Attribute Pointer, Destination Pointer"),
        ]
    ),
    ("index",),
)

KINDS: tuple[Kind, ...] = (
    CIRCUITS,
    CONFIGURATION,
    POPULATIONS,
    PROJECTIONS,
    LAYERS,
    NODES,
    POSITIONS,
    DISTANCES,
    POINTS,
    SECTIONS,
    SYNAPSES,
    EDGES,
    BY_SOURCE,
    SPIKES,
    INPUTS,
    FEATURES,
    TRAJECTORIES,
    COMPARTMENT_SETS,
    FILES,
    LAYOUT,
    SOURCE_FILE,
    NEUROH5_FILES,
    NEUROH5_LAYOUT,
    NEUROH5_ROWS,
)
ROOMS = ("nodes", "edges", "spikes", "inputs", "reports", "electrodes")
"""First parts of the names of what a circuit holds."""
