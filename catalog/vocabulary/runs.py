"""What runs of our own add to the tables of simrun results: where they came from, and the geometry of the cell."""

import pyarrow as pa

from . import reports
from .kinds import REAL, TEXT, WHOLE, ArrayKind, FileKind, Kind, TableKind, column
from .space import SEGMENTS as PLACED

SIMULATIONS = TableKind(
    "simulations",
    "one run that neurolake simulated or recorded",
    pa.schema(
        [
            column("run", TEXT, "the run; `trials` has its trials"),
            column(
                "kind",
                TEXT,
                "run: input drawn; rerun: stored input; crossing: both; record: a script's model; network: of a circuit",
            ),
            column("seed", WHOLE, "key of all that is random in it, with the number of the trial"),
            column("t_stop", REAL, "end of a trial; null where a script decides", "ms"),
            column("neuron_parameters", TEXT, "digest of the cell's parameters; key of `parameters`"),
            column("network_parameters", TEXT, "digest of the network's parameters; key of `parameters`"),
            column("mechanisms", TEXT, "SHA-256 over the NMODL text of all mechanisms that could be used"),
            column("neuron", TEXT, "version of NEURON"),
            column(
                "code_commit", TEXT, "git commit of the working folder when it began; null outside of git"
            ),
            column("code_dirty", pa.bool_(), "whether that folder had changes which were not committed"),
            column("settings", TEXT, "what was recorded, changed or given besides, as JSON"),
        ]
    ),
)

NETWORK_RUNS = TableKind(
    "network_runs",
    "one run of a circuit",
    pa.schema(
        [
            column("run", TEXT, "the run; its spikes are in spikes/{run}/…, its records in reports/{run}/…"),
            column("circuit", TEXT, "the circuit that was simulated"),
            column("content", TEXT, "digest of the circuit's tables that were read"),
            column("cells", WHOLE, "how many cells were simulated"),
            column("edges", WHOLE, "how many edges ended at them"),
            column("t_start", REAL, "time at which the simulation began", "ms"),
            column("t_stop", REAL, "time at which it is to end", "ms"),
            column("t_done", REAL, "time up to which it is stored", "ms"),
            column("dt", REAL, "time step", "ms"),
            column("ranks", WHOLE, "processes that simulated it"),
            column("threads", WHOLE, "threads of each"),
            column("seconds", REAL, "how long the simulation took so far, without making the network", "s"),
        ]
    ),
)
STATE = FileKind(
    "states/{run}/{rank}",
    "state of a rank at the last commit of a network run that has not ended, from which --resume goes on",
)

RECORDED_SPIKES = TableKind(
    "recorded_spikes",
    "one spike of a recorded NEURON model",
    pa.schema(
        [
            column("trial_id", WHOLE, "the trial; key of `trials`"),
            column("source", TEXT, "section of the soma, or what a NetCon listens to; no two have one name"),
            column("node_id", WHOLE, "cell of the source; null for what is on no recorded section"),
            column("section_id", WHOLE, "section of the source"),
            column("x", REAL, "where on that, 0 to 1"),
            column("spike", pa.int32(), "0 for the source's first spike in the trial, 1 for the next"),
            column(
                "time", REAL, "a NetCon's event, or a soma's first sample at or above the threshold", "ms"
            ),
            column(
                "threshold", REAL, "voltage crossed upwards; null for NetCons, which have their own", "mV"
            ),
        ]
    ),
    ("trial_id",),
)

SECTIONS = TableKind(
    "sections/{run:path}",
    "one section of the cells of a run",
    pa.schema(
        [
            column("node_id", WHOLE, "number of the cell; 0 where there is one"),
            column("section_id", WHOLE, "number of the section, in order of creation"),
            column("name", TEXT, "its name in NEURON"),
            column("label", TEXT, "Soma, Axon, Dendrite, ApicalDendrite, AIS or Myelin; null where unknown"),
            column("parent_id", WHOLE, "section it starts from; -1 for a root"),
            column("parent_x", REAL, "where on that, 0 to 1"),
            column("length", REAL, "length", "µm"),
            column("area", REAL, "membrane area, without that of spines", "µm²"),
            column("n_segments", WHOLE, "number of segments"),
            column("n_points", WHOLE, "number of 3-D points"),
            column("soma_distance", REAL, "path length from the soma's surface to the section's 0-end", "µm"),
        ]
    ),
    ("node_id", "section_id"),
)

SEGMENTS = TableKind(
    "segments/{run:path}",
    "one segment of the cells of a run, in the order of columns of its reports",
    pa.schema(
        [
            *PLACED.schema,
            column("x", REAL, "relative position of the middle on its section"),
            column("area", REAL, "membrane area, without that of spines", "µm²"),
        ]
    ),
    ("node_id", "section_id", "segment_id"),
)

REPORT = ArrayKind(
    "reports/{run:path}/{trial}/{variable}",
    "a variable of all segments in one trial",
    ("time", "element"),
    "float32",
    attributes={
        "variable": "NEURON's name",
        "t_start": "first time, ms",
        "dt": "step, ms; none where it varies",
    },
)

REPORT_TIME = ArrayKind(
    f"{REPORT.name}{reports.REPORT_TIME.ending}", reports.REPORT_TIME.doc, ("time",), "float64", "ms"
)
ELEMENTS = TableKind(f"{REPORT.name}{reports.ELEMENTS.ending}", reports.ELEMENTS.doc, reports.ELEMENTS.schema)
RANGES = TableKind(f"{REPORT.name}{reports.RANGES.ending}", reports.RANGES.doc, reports.RANGES.schema)

LFP = ArrayKind(
    "lfp/{run:path}/{trial}/{probe}",
    "what contacts recorded of all segments in one trial, summed up while it was simulated",
    ("time", "electrode"),
    "float32",
    attributes={
        "t_start": "first time, ms",
        "dt": "step, ms",
        "coefficients": "node of the electrodes, coefficients or weights",
        "coefficients_content": "digest of that node's content",
    },
)
LFP_TIME = ArrayKind(
    f"{LFP.name}{reports.REPORT_TIME.ending}", reports.REPORT_TIME.doc, ("time",), "float64", "ms"
)
LFP_LABELS = ArrayKind(
    f"{LFP.name}.{{label}}",
    "names (electrode), places (x, y, z in µm), types, layers, regions or probes of the contacts",
    ("electrode",),
)

NETWORK_LFP = ArrayKind(
    "lfp/{run}/{probe}",
    "what contacts recorded of all cells of each population of a network, summed up while it was simulated",
    ("time", "group", "electrode"),
    "float32",
    attributes={**LFP.attributes, "by": "what groups the cells: population"},
)
NETWORK_LFP_GROUPS = ArrayKind(f"{NETWORK_LFP.name}.group", "names of the populations", ("group",))
NETWORK_LFP_LABELS = ArrayKind(f"{NETWORK_LFP.name}.{{label}}", LFP_LABELS.doc, ("electrode",))

KINDS: tuple[Kind, ...] = (
    SIMULATIONS,
    NETWORK_RUNS,
    STATE,
    RECORDED_SPIKES,
    SECTIONS,
    SEGMENTS,
    REPORT,
    REPORT_TIME,
    ELEMENTS,
    RANGES,
    LFP,
    LFP_TIME,
    LFP_LABELS,
    NETWORK_LFP,
    NETWORK_LFP_GROUPS,
    NETWORK_LFP_LABELS,
)
