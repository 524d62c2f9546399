"""Glia: astrocytes between blood vessels and neurons, their domains, endfeet and shapes, and the space that they are in.

Columns are those of ArchNGV's circuits (Zisis et al. 2021, Cerebral Cortex 31:5686), which are SONATA's of nodes and edges with more
attributes; types of numbers are the source's. Ragged data, of which a cell has any number of elements, are two arrays: the elements of all
cells one after another, and beside them, called the same with ``.offsets``, where each begins: those of cell i are
``values[offsets[i]:offsets[i + 1]]`` (`neurolake.lake.data.ragged`).
"""

from collections.abc import Iterable

import pyarrow as pa

from .circuits import EDGE_COLUMNS, FILES, LAYOUT, NODE_COLUMNS
from .kinds import REAL, TEXT, WHOLE, ArrayKind, FileKind, Kind, TableKind, column

FLOAT, UINT, ULONG, INT = pa.float32(), pa.uint32(), pa.uint64(), pa.int32()

OFFSETS = ".offsets"
"""What the name of the offsets of a ragged array ends with."""


def _offsets_of(values: ArrayKind) -> ArrayKind:
    """The offsets of a ragged array: one more than there are cells."""
    name = values.name.rpartition("}")[2].removeprefix(".")
    return ArrayKind(
        values.name + OFFSETS,
        f"where the {name} of each begin, and after the last where they end",
        ("bound",),
        "int64",
    )


def _axes(prefix: str, meaning: str, kind: pa.DataType, suffix: str = "") -> Iterable[pa.Field]:
    return (column(f"{prefix}{axis}{suffix}", kind, meaning, "µm") for axis in "xyz")


_NODE_NUMBERS = ("node_type_id", "node_group_id", "node_group_index")
_EDGE_NUMBERS = ("edge_type_id", "edge_group_id", "edge_group_index")


# Nodes

ASTROCYTES = TableKind(
    "nodes/{circuit}/astrocytes",
    "one astrocyte",
    pa.schema(
        [
            *NODE_COLUMNS.values(),
            *_axes("", "centre of the soma", REAL),
            column("radius", REAL, "of the soma", "µm"),
            column(
                "morphology",
                TEXT,
                "its shape: key of morphologies/{circuit}, and name of its file without suffix",
            ),
            column("mtype", TEXT, "morphological type"),
            column("model_type", TEXT, "astrocyte"),
            column("model_template", TEXT, "template of the cell's model, <schema>:<resource>"),
        ]
    ),
    ("node_id",),
    (*_NODE_NUMBERS, "radius", "morphology", "mtype", "model_type", "model_template"),
    "attributes that the source gives its nodes",
    ("x", "y", "z", "radius"),
)
VASCULATURE = TableKind(
    "nodes/{circuit}/vasculature",
    "one segment of a vessel: an edge of the point graph",
    pa.schema(
        [
            *NODE_COLUMNS.values(),
            *_axes("start_", "where it begins", FLOAT),
            *_axes("end_", "where it ends", FLOAT),
            column("start_diameter", FLOAT, "of the vessel where the segment begins", "µm"),
            column("end_diameter", FLOAT, "of the vessel where the segment ends", "µm"),
            column("start_node", ULONG, "point that it begins at; key of vessels/{circuit}.points"),
            column("end_node", ULONG, "point that it ends at"),
            column(
                "type",
                INT,
                "of the vessel: 1 vein, 2 artery, 3 venule, 4 arteriole, 5 venous capillary, 6 arterial capillary, "
                "7 transitional",
            ),
            column("section_id", UINT, "section that it is part of; key of vessels/{circuit}.sections"),
            column("segment_id", UINT, "number of the segment on its section"),
            column("model_type", TEXT, "vasculature"),
        ]
    ),
    ("node_id",),
    (*_NODE_NUMBERS, "model_type"),
    "attributes that the source gives its nodes",
)
VESSEL_POINTS = TableKind(
    "vessels/{circuit}.points",
    "one point of the vessels' graph, whose edges are the segments",
    pa.schema(
        [
            column("point_id", WHOLE, "number of the point"),
            *_axes("", "its place", FLOAT),
            column("diameter", FLOAT, "of the vessel there", "µm"),
        ]
    ),
    ("point_id",),
)
VESSEL_SECTIONS = TableKind(
    "vessels/{circuit}.sections",
    "one section: a vessel between two branching or end points",
    pa.schema(
        [
            column("section_id", WHOLE, "number of the section"),
            column("type", INT, "of the vessel, as of nodes/{circuit}/vasculature"),
            column("start_node", WHOLE, "point that it begins at"),
            column("end_node", WHOLE, "point that it ends at"),
            column("segments", WHOLE, "how many segments it has"),
            column("length", REAL, "along its segments", "µm"),
            column("area", REAL, "of the mantles of its segments, which are truncated cones", "µm²"),
            column("volume", REAL, "of its segments", "µm³"),
        ]
    ),
    ("section_id",),
)
VESSEL_LINKS = TableKind(
    "vessels/{circuit}.links",
    "one pair of sections, of which the second begins where the first ends",
    pa.schema(
        [
            column("parent_id", WHOLE, "section that ends there", "", "connectivity"),
            column("child_id", WHOLE, "section that begins there", "", "connectivity"),
        ]
    ),
)


# Edges

GLIOVASCULAR = TableKind(
    "edges/{circuit}/gliovascular",
    "one endfoot: from the segment of a vessel to an astrocyte",
    pa.schema(
        [
            *EDGE_COLUMNS.values(),
            column("endfoot_id", ULONG, "number of the endfoot, which is that of the edge"),
            *_axes("endfoot_surface_", "place of the endfoot on the vessel's surface", FLOAT),
            column("vasculature_section_id", UINT, "section of the vessel"),
            column("vasculature_segment_id", UINT, "segment on that section"),
            column(
                "astrocyte_section_id",
                UINT,
                "section of the astrocyte that ends at the endfoot; numbered without the soma, so it is section_id less 1",
            ),
            column("endfoot_compartment_length", FLOAT, "along the vessel; 0 if it did not grow", "µm"),
            column("endfoot_compartment_diameter", FLOAT, "of a cylinder of the endfoot's volume", "µm"),
            column("endfoot_compartment_perimeter", FLOAT, "the endfoot's area over its length", "µm"),
        ]
    ),
    ("target_node_id",),
    (
        *_EDGE_NUMBERS,
        "astrocyte_section_id",
        *(f"endfoot_compartment_{name}" for name in ("length", "diameter", "perimeter")),
    ),
    "attributes that the source gives its edges",
)
NEUROGLIAL = TableKind(
    "edges/{circuit}/neuroglial",
    "one synapse within the domain of an astrocyte: from the astrocyte to the neuron after the synapse",
    pa.schema(
        [
            *EDGE_COLUMNS.values(),
            column("synapse_id", ULONG, "the synapse: `edge_id` of the edge between neurons"),
            column(
                "astrocyte_section_id",
                UINT,
                "section of the astrocyte that is nearest to the synapse; numbered without the soma, so it is section_id less 1",
            ),
            column("astrocyte_segment_id", UINT, "segment of the section's points"),
            column("astrocyte_segment_offset", FLOAT, "distance from the segment's start", "µm"),
            column("astrocyte_section_pos", FLOAT, "relative position along the section, 0 to 1"),
            *_axes("astrocyte_center_", "that place on the astrocyte", FLOAT),
        ]
    ),
    ("target_node_id",),
    (
        *_EDGE_NUMBERS,
        "astrocyte_section_id",
        "astrocyte_segment_id",
        "astrocyte_segment_offset",
        "astrocyte_section_pos",
        *(f"astrocyte_center_{axis}" for axis in "xyz"),
    ),
    "attributes that the source gives its edges",
)
_SIDES = (("efferent", "source"), ("afferent", "target"))
GLIALGLIAL = TableKind(
    "edges/{circuit}/glialglial",
    "one gap junction between astrocytes",
    pa.schema(
        [
            *EDGE_COLUMNS.values(),
            *(
                column(f"{side}_{name}", kind, f"{meaning}, on the {end}", unit)
                for side, end in _SIDES
                for name, kind, meaning, unit in (
                    ("section_id", INT, "section of the junction; 0 is the soma", ""),
                    ("segment_id", INT, "segment of the section's points", ""),
                    ("segment_offset", FLOAT, "distance from the segment's start", "µm"),
                    ("section_pos", FLOAT, "relative position along the section, 0 to 1", ""),
                    ("section_type", pa.uint8(), "1 soma, 2 perivascular, 3 perisynaptic", ""),
                )
            ),
            *_axes("efferent_center_", "place at the centre, on the source", FLOAT),
            *_axes("afferent_surface_", "place at the surface, on the target", FLOAT),
            column("spine_length", FLOAT, "distance between the two surfaces", "µm"),
        ]
    ),
    ("target_node_id",),
    (
        *_EDGE_NUMBERS,
        *(
            f"{side}_{name}"
            for side, _ in _SIDES
            for name in ("segment_offset", "section_pos", "section_type")
        ),
    ),
    "attributes that the source gives its edges",
)
TOUCHES = TableKind(
    "touches/{circuit}/{touches}",
    "one place where a detector of touches found two cells next to each other, in the order of its file",
    pa.schema(
        [
            *(
                column(f"{side}_{name}", INT, f"{meaning}, on the {side} side")
                for side in ("pre", "post")
                for name, meaning in (
                    ("node_id", "cell"),
                    ("section_id", "section"),
                    ("segment_id", "segment"),
                )
            ),
            column("branch_order", INT, "of the branch on the post side"),
            column("soma_distance", FLOAT, "distance from the soma", "µm"),
            *(
                column(f"{side}_{name}", FLOAT, f"{meaning}, on the {side} side", unit)
                for name, meaning, unit in (
                    ("segment_offset", "distance from the segment's start", "µm"),
                    ("section_fraction", "relative position along the section, 0 to 1", ""),
                )
                for side in ("pre", "post")
            ),
            *_axes("pre_", "place of the touch, on the pre side", FLOAT),
            *_axes("post_", "place of the touch, on the post side", FLOAT),
            column("spine_length", FLOAT, "distance between the two surfaces", "µm"),
            column(
                "branch_type",
                pa.uint8(),
                "16 times the type of the pre side's section plus that of the post side's; a type is that of points less 1",
            ),
            *_axes("pre_", "centre of the branch there, on the pre side", FLOAT, "_center"),
            *_axes("post_", "surface of the branch there, on the post side", FLOAT, "_surface"),
        ]
    ),
    optional=(
        *(f"{side}_section_fraction" for side in ("pre", "post")),
        *(f"{side}_{axis}" for side in ("pre", "post") for axis in "xyz"),
        "spine_length",
        "branch_type",
        *(f"pre_{axis}_center" for axis in "xyz"),
        *(f"post_{axis}_surface" for axis in "xyz"),
    ),
)
TOUCH_CELLS = TableKind(
    "touches/{circuit}/{touches}.cells",
    "one cell of the pre side of touches, in the order of its file",
    pa.schema(
        [
            column("node_id", WHOLE, "the cell"),
            column("count", WHOLE, "how many touches it has"),
            column("offset", WHOLE, "where the first of them is in the file", "bytes"),
        ]
    ),
)


# Domains and meshes

DOMAINS = TableKind(
    "domains/{circuit}/{population}",
    "one cell's domain, a polyhedron; its points and triangles are in ragged arrays beside",
    pa.schema(
        [
            column("node_id", WHOLE, "the cell"),
            column("volume", REAL, "of the domain", "µm³"),
            column("area", REAL, "of its surface", "µm²"),
            *_axes("centroid_", "mean of its points", REAL),
            *_axes("min_", "low corner of its bounding box", REAL),
            *_axes("max_", "high corner of its bounding box", REAL),
            column(
                "scale",
                REAL,
                "by how much it was enlarged about the mean of its points to overlap; null if unknown",
                "",
                "data/scaling_factors",
            ),
            column("faces", WHOLE, "how many faces it has"),
            column("boundary", pa.bool_(), "whether one of its faces is a wall of the region's bounding box"),
        ]
    ),
    ("node_id",),
)
DOMAIN_FACES = TableKind(
    "domains/{circuit}/{population}.faces",
    "one face of a domain",
    pa.schema(
        [
            column("node_id", WHOLE, "the cell"),
            column("face", WHOLE, "number of the face in its domain"),
            column(
                "neighbour",
                WHOLE,
                "cell on the other side; -1 to -6 are walls of the bounding box: low and high x, y, z",
            ),
            column("triangles", WHOLE, "how many triangles it is made of"),
            column("area", REAL, "of the face", "µm²"),
        ]
    ),
    ("node_id", "face"),
)
DOMAIN_POINTS = ArrayKind(
    "domains/{circuit}/{population}.points",
    "points of the domains, ragged: those of cell i are points[offsets[i]:offsets[i + 1]]",
    ("point", "axis"),
    unit="µm",
)
DOMAIN_POINT_OFFSETS = _offsets_of(DOMAIN_POINTS)
DOMAIN_TRIANGLES = ArrayKind(
    "domains/{circuit}/{population}.triangles",
    "triangles of the domains, ragged: number of the face that each is part of, and its three points, by their number in the domain",
    ("triangle", "face_and_corners"),
)
DOMAIN_TRIANGLE_OFFSETS = _offsets_of(DOMAIN_TRIANGLES)
DOMAIN_NEIGHBOURS = ArrayKind(
    "domains/{circuit}/{population}.neighbours",
    "cell on the other side of each triangle, ragged; -1 to -6 are walls, as of the table of faces",
    ("triangle",),
)
DOMAIN_NEIGHBOUR_OFFSETS = _offsets_of(DOMAIN_NEIGHBOURS)

MESHES = TableKind(
    "meshes/{circuit}/{mesh}",
    "one mesh of triangles; its points and triangles are in ragged arrays beside",
    pa.schema(
        [
            column("mesh_id", WHOLE, "number of the mesh; its elements of the ragged arrays"),
            column("points", WHOLE, "how many points it has"),
            column("triangles", WHOLE, "how many triangles it has"),
            column("area", REAL, "of its triangles", "µm²"),
        ]
    ),
    ("mesh_id",),
)
ENDFEET = TableKind(
    "meshes/{circuit}/endfeet",
    "one endfoot: its part of the vessels' surface; one that did not grow has no triangles",
    pa.schema(
        [
            column("endfoot_id", WHOLE, "the endfoot; its elements of the ragged arrays"),
            column("points", WHOLE, "how many points it has"),
            column("triangles", WHOLE, "how many triangles it has"),
            column("surface_area", REAL, "of its triangles; 0 if it did not grow", "µm²"),
            column("unreduced_surface_area", REAL, "before it was reduced to its share", "µm²"),
            column("surface_thickness", REAL, "of the endfoot on the vessel", "µm"),
        ]
    ),
    ("endfoot_id",),
    ("surface_area", "unreduced_surface_area", "surface_thickness"),
    "what the source says of endfeet besides",
    ("surface_area", "unreduced_surface_area", "surface_thickness"),
)
MESH_POINTS = ArrayKind(
    "meshes/{circuit}/{mesh}.points",
    "points of the meshes, ragged: of every endfoot, or of the vessels' surface as one",
    ("point", "axis"),
    unit="µm",
)
MESH_POINT_OFFSETS = _offsets_of(MESH_POINTS)
MESH_TRIANGLES = ArrayKind(
    "meshes/{circuit}/{mesh}.triangles",
    "triangles of the meshes, ragged: three points of each, by their number in the mesh",
    ("triangle", "corner"),
)
MESH_TRIANGLE_OFFSETS = _offsets_of(MESH_TRIANGLES)


# Shapes

RETICULUM = TableKind(
    "morphologies/{circuit}.reticulum",
    "the endoplasmic reticulum in one section of a tree",
    pa.schema(
        [
            column("morphology", TEXT, "the tree; key of `points`"),
            column(
                "section_id",
                UINT,
                "the section; numbered without the soma, so it is that of `sections` less 1",
                "",
                "section_index",
            ),
            column("volume", FLOAT, "of the reticulum", "µm³"),
            column("surface_area", FLOAT, "of the reticulum", "µm²"),
            column("filament_count", UINT, "how many filaments it has"),
        ]
    ),
    ("morphology",),
)


# Space

VOXELS = ArrayKind(
    "atlas/{circuit}/{volume}",
    "values of voxels, such as densities in cells/mm³ or numbers of regions; voxel 0 begins at the offset",
    ("x", "y", "z"),
    attributes={
        "voxel_size": "edges of a voxel along x, y, z, µm",
        "offset": "corner of the first voxel, µm",
        "header": "fields of the file's header, as they were",
    },
)
VOXEL_VECTORS = ArrayKind(
    VOXELS.name,
    "several values of each voxel, such as directions",
    ("component", *VOXELS.axes),
    attributes=VOXELS.attributes,
)
REGIONS = TableKind(
    "atlas/{circuit}.regions",
    "one region of the atlas",
    pa.schema(
        [
            column("region_id", WHOLE, "number of the region, as in the voxels", "", "id"),
            column("acronym", TEXT, "short name", "", "acronym"),
            column("name", TEXT, "name", "", "name"),
            column("parent_id", WHOLE, "region that it is part of; null at the root"),
            column("depth", WHOLE, "how many regions it is within"),
        ]
    ),
)


# What the circuit came from

PARTS = TableKind(
    "ngv/{circuit}.parts",
    "one part of a circuit of neurons, glia and vessels; those of its neurons may be of another circuit of the lake",
    pa.schema(
        [
            column(
                "part",
                TEXT,
                "neurons, synapses (edges between neurons), astrocytes, vasculature, gliovascular, neuroglial, glialglial, "
                "domains, endfeet, vessel_mesh, morphologies or atlas",
            ),
            column("node", TEXT, "table that holds it; for the atlas, the beginning of its nodes' names"),
        ]
    ),
)
NGV_FILES = TableKind(
    "ngv/{circuit}.files",
    FILES.doc,
    pa.schema(
        [
            *FILES.schema,
            column("layout", TEXT, "`file` of the layout that it has, if not its path: shapes share theirs"),
        ]
    ),
)
NGV_LAYOUT = TableKind("ngv/{circuit}.layout", LAYOUT.doc, LAYOUT.schema)
NGV_FILE = FileKind(
    "ngv/{circuit}/{path:path}", "a file of the source that is kept as it was, such as a configuration"
)
STAGES = TableKind(
    "stages/{circuit}/{stage}",
    "one row of an intermediate file of construction that says other than the circuit's own table",
    pa.schema([]),
    more="columns of the file",
)

# fmt: off
KINDS: tuple[Kind, ...] = (
    ASTROCYTES, VASCULATURE, VESSEL_POINTS, VESSEL_SECTIONS, VESSEL_LINKS, GLIOVASCULAR, NEUROGLIAL,
    GLIALGLIAL, TOUCHES, TOUCH_CELLS, DOMAINS, DOMAIN_FACES, DOMAIN_POINTS, DOMAIN_POINT_OFFSETS,
    DOMAIN_TRIANGLES, DOMAIN_TRIANGLE_OFFSETS, DOMAIN_NEIGHBOURS, DOMAIN_NEIGHBOUR_OFFSETS, MESHES, ENDFEET,
    MESH_POINTS, MESH_POINT_OFFSETS, MESH_TRIANGLES, MESH_TRIANGLE_OFFSETS, RETICULUM, VOXELS, VOXEL_VECTORS,
    REGIONS, PARTS, NGV_FILES, NGV_LAYOUT, NGV_FILE, STAGES,
)
# fmt: on
