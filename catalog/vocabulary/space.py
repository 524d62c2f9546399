"""Where things are: segments of cells and contacts of electrodes."""

import pyarrow as pa

from ...kernels.lfp.electrodes import TYPES
from .kinds import REAL, TEXT, WHOLE, TableKind, column

SEGMENTS = TableKind(
    "segments",
    "one segment of one cell",
    pa.schema(
        [
            column("node_id", WHOLE, "number of the cell in its population"),
            column("section_id", WHOLE, "section of the cell; 0 is the soma where cells come from SONATA"),
            column("segment_id", WHOLE, "number of the segment on its section, from the 0-end"),
            column("label", TEXT, "Soma, Axon, Dendrite, ApicalDendrite, AIS or Myelin"),
            *(
                column(f"{end}_{axis}", REAL, f"place of the segment's {end}", "µm")
                for end in ("start", "end")
                for axis in "xyz"
            ),
            column("diameter", REAL, "mean along the segment", "µm"),
            column("length", REAL, "along the section's line of points", "µm"),
            column(
                "soma_distance", REAL, "path length from the soma's surface to the segment's middle", "µm"
            ),
        ]
    ),
    ("node_id",),
)


ELECTRODES = TableKind(
    "electrodes",
    "one contact",
    pa.schema(
        [
            column("name", TEXT, "the contact; no two of a table are the same"),
            *(column(axis, REAL, "its place", "µm") for axis in "xyz"),
            column("type", TEXT, f"how it records: {', '.join(TYPES)}", "", "SONATA's names"),
            column("layer", TEXT, "cortical layer that it is in; empty where nobody knows"),
            column("region", TEXT, "region that it is in; empty where nobody knows"),
            column("probe", TEXT, "device that it is on"),
            column("radius", REAL, "of ObjectiveCSD's sphere or disk; null: the kernel's default", "µm"),
            column(
                "thickness", REAL, "of ObjectiveCSD's disk or plane, from face to face; null: default", "µm"
            ),
        ]
    ),
)
