"""Reports: values of elements over time; and weights of electrodes, with the labels of both."""

from collections.abc import Mapping

import pyarrow as pa

from .kinds import REAL, TEXT, WHOLE, ArrayKind, Kind, TableKind, column

REPORT = ArrayKind(
    "reports/{circuit}/{report}/{population}",
    "values of elements over time",
    ("time", "element"),
    attributes={
        "population": "population of the nodes",
        "units": "unit of the values",
        "t_start": "first time, ms",
        "dt": "step, ms; absent where steps differ",
        "report": "what the simulation's configuration says of it",
        "weights": "file of weights that an lfp report was made with, as in electrodes/{circuit}/{file}",
    },
)
REPORT_TIME = ArrayKind(f"{REPORT.name}.time", "times of the frames", ("time",), "float64", "ms")
ELEMENTS = TableKind(
    "reports/{circuit}/{report}/{population}.elements",
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
    "reports/{circuit}/{report}/{population}.nodes",
    "one node and its columns of a report, or rows of weights",
    pa.schema(
        [
            column("node_id", WHOLE, "the node", "", "node_ids"),
            column("start", WHOLE, "its first one", "", "index_pointers or offsets"),
            column("stop", WHOLE, "the first one after its last", "", "index_pointers or offsets"),
        ]
    ),
)


SYNAPSES = TableKind(
    "reports/{circuit}/{report}/{population}.synapses",
    "one edge that ends at a point process which a synapse report of ours records; edges may share one",
    pa.schema(
        [
            column("element", WHOLE, "column of the array"),
            column("node_id", WHOLE, "the cell"),
            column("synapse_id", WHOLE, "number of the synapse in its cell, or else of the edge"),
            column("section_id", WHOLE, "section of the cell"),
            column(
                "segment_id", WHOLE, "segment of that, from its 0-end on; of sums by section, the first one"
            ),
            column("mechanism", TEXT, "what the configuration calls it, such as AMPA"),
            column("source_population", TEXT, "where the edge comes from"),
            column("source_node_id", WHOLE, "number of the cell there"),
        ]
    ),
)


ELECTRODES = TableKind(
    "electrodes/{circuit}/{file}/{population}.electrodes",
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
WEIGHTS = ArrayKind(
    "electrodes/{circuit}/{file}/{population}",
    "weights of electrodes, as a SONATA file has them",
    ("compartment", "electrode"),
    attributes={
        "population": "population of the nodes",
        "units": "mV/nA or V/nA",
        "origin": "sonata or bluerecording",
    },
)
WEIGHT_RANGES = TableKind(f"{WEIGHTS.name}{RANGES.ending}", RANGES.doc, RANGES.schema)
NEURITES: Mapping[str, tuple[str, ...]] = {
    "soma": ("Soma",),
    # The stub's initial segment stands where the axon was, and is called so by neurodamus.
    "axon": ("Axon", "AIS"),
    "dend": ("Dendrite",),
    "apic": ("ApicalDendrite",),
    "ais": (),
    "node": (),
    "myelin": ("Myelin",),
}
"""Neurites as neurodamus numbers them from 0, and the labels that segments of each have."""
COMPARTMENTS = TableKind(
    f"{WEIGHTS.name}.compartments",
    "one row of the weights, in a file that tells of neurites",
    pa.schema(
        [
            column("node_id", WHOLE, "node that it belongs to"),
            column("neurite_type", WHOLE, "code of its neurite", "", "neurite_types"),
            column("neurite", TEXT, f"what that is: {', '.join(NEURITES)}; null for other codes"),
        ]
    ),
)

LFP = ArrayKind(
    "lfp/{circuit}/{probe}",
    "potential of all cells at electrodes over time, as a simulator computed it",
    ("time", "electrode"),
    attributes={"t_start": "first time, ms", "dt": "step, ms; absent where steps differ"},
)
LFP_TIME = ArrayKind(f"{LFP.name}.time", "times of the potentials", ("time",), "float64", "ms")
LFP_ELECTRODES = TableKind(
    f"{LFP.name}.electrodes",
    "one column of the potentials, in order",
    pa.schema([column("name", TEXT, "the electrode", "", "Local Field Potential <name>")]),
)

KINDS: tuple[Kind, ...] = (
    REPORT,
    REPORT_TIME,
    ELEMENTS,
    RANGES,
    SYNAPSES,
    WEIGHTS,
    WEIGHT_RANGES,
    ELECTRODES,
    LFP,
    LFP_TIME,
    LFP_ELECTRODES,
    COMPARTMENTS,
)
