"""Where things are: segments of cells and contacts of electrodes."""

import pyarrow as pa

from .kinds import REAL, TEXT, WHOLE, ArrayKind, GroupKind, Kind, TableKind, column

SEGMENTS = TableKind(
    "segments/{cells}",
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
    "electrodes/{probe}",
    "one contact",
    pa.schema(
        [
            column("name", TEXT, "the contact; no two of a table are the same"),
            *(column(axis, REAL, "its place", "µm") for axis in "xyz"),
            column(
                "type",
                TEXT,
                "how it records: LineSource, PointSource, Reciprocity, DipoleReciprocity, ObjectiveCSD_Sphere, "
                "ObjectiveCSD_Disk or ObjectiveCSD_Plane",
                "",
                "SONATA's names",
            ),
            column("layer", TEXT, "cortical layer that it is in; empty if unknown"),
            column("region", TEXT, "region that it is in; empty if unknown"),
            column("probe", TEXT, "device that it is on"),
            column("radius", REAL, "of ObjectiveCSD's sphere or disk; null: the kernel's default", "µm"),
            column(
                "thickness", REAL, "of ObjectiveCSD's disk or plane, from face to face; null: default", "µm"
            ),
        ]
    ),
)

FIELD = GroupKind(
    "fields/{contact}", "the field of a contact that a solver computed, for coefficients by reciprocity"
)
POTENTIAL = ArrayKind(
    "fields/{contact}/potential",
    "potential on a grid while the contact applies a current",
    ("x", "y", "z"),
    unit="mV",
    attributes={"applied_current": "current that the contact applies, nA"},
)
ELECTRIC = ArrayKind(
    "fields/{contact}/e{axis}",
    "one component of the electric field; an axis along which values lie between grid points is called x_between",
    ("x", "y", "z"),
    unit="V/m",
    attributes={"applied_current": "current that the contact applies, nA"},
)
PLACES = ArrayKind(
    "fields/{contact}/{component}.{axis}", "places along one axis of the grid", ("{axis}",), unit="µm"
)

KINDS: tuple[Kind, ...] = (SEGMENTS, ELECTRODES, FIELD, POTENTIAL, ELECTRIC, PLACES)
