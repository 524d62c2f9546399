"""Trials: what simrun results and runs of our own become."""

import pyarrow as pa

from .kinds import REAL, TEXT, WHOLE, ArrayKind, FileKind, Kind, TableKind, column

_TRIAL = column("trial_id", WHOLE, "the trial, numbered through the lake; key of `trials`")
_SYNAPSES, _CELLS = "simulation_run<N>_synapses.csv", "simulation_run<N>_presynaptic_cells.csv"
_SOMA, _SITE = "<prefix>_vm_all_traces.csv", "<prefix>_<site>_vm_dend_traces.csv"

TRIALS = TableKind(
    "trials",
    "one simulated trial",
    pa.schema(
        [
            column("trial_id", WHOLE, "number of the trial in this lake; other tables refer to it"),
            column(
                "sim_trial_index", TEXT, "ISF's key: path of the run directory / trial number, six digits"
            ),
            column("run", TEXT, "path of the run directory below the ingested folder"),
            column("trial_number", WHOLE, "number of the trial in its run", source=f"name of {_SYNAPSES}"),
            column(
                "stimulus",
                TEXT,
                "what was applied: first token of sim_trial_index, or the second where the first is 'stim'",
            ),
            column("date", TEXT, "time stamp of the run", source="name of the run directory"),
            column("seed", WHOLE, "seed of the run's random numbers", source="file and directory names"),
            column("pid", WHOLE, "process that simulated the run", source="file and directory names"),
            column("hostname", TEXT, "machine that simulated the run", source="hostname_<name>"),
            column("dt", REAL, "mean sampling interval of the traces, to 1e-9 ms", "ms", _SOMA),
            column("t_start", REAL, "time of the first sample", "ms", _SOMA),
            column("t_stop", REAL, "time of the last sample", "ms", _SOMA),
            column("neuron_parameters", TEXT, "digest of the cell's parameter file; key of `parameters`"),
            column("network_parameters", TEXT, "digest of the network's parameter file; key of `parameters`"),
        ]
    ),
    ("trial_id",),
)

SYNAPSE_ACTIVATION = TableKind(
    "synapse_activation",
    "one activation of one synapse in one trial",
    pa.schema(
        [
            _TRIAL,
            column("synapse_type", TEXT, "presynaptic population, <cell type>_<column>", "", _SYNAPSES),
            column("cell_type", TEXT, "presynaptic cell type: synapse_type up to its first '_'"),
            column("column", TEXT, "presynaptic column: second part of synapse_type, if it has one"),
            column(
                "synapse_id", WHOLE, "number of the synapse in its type; -1 in files without", "", _SYNAPSES
            ),
            column("soma_distance", REAL, "path length from the synapse to the soma", "µm", _SYNAPSES),
            column(
                "section_id", WHOLE, "section that the synapse is on, in order of creation", "", _SYNAPSES
            ),
            column("section_pt_id", WHOLE, "3-D point of that section", "", _SYNAPSES),
            column("dendrite_label", TEXT, "Soma, Dendrite or ApicalDendrite", "", _SYNAPSES),
            column(
                "activation", pa.int32(), "0 for the synapse's first time in the file's row, 1 for the next"
            ),
            column("time", REAL, "when the synapse was activated", "ms", _SYNAPSES),
        ]
    ),
    ("trial_id",),
)

CELL_ACTIVATION = TableKind(
    "cell_activation",
    "one spike of one presynaptic cell in one trial, before release probability",
    pa.schema(
        [
            _TRIAL,
            column("presynaptic_cell_type", TEXT, "population, <cell type>_<column>", "", _CELLS),
            column("cell_type", TEXT, "cell type: the population's name up to its first '_'"),
            column("column", TEXT, "column: second part of the population's name, if it has one"),
            column("cell_id", WHOLE, "number of the cell in its population", "", _CELLS),
            column("activation", pa.int32(), "0 for the cell's first time in the file's row, 1 for the next"),
            column("time", REAL, "when the cell fired", "ms", _CELLS),
        ]
    ),
    ("trial_id",),
)

SPIKE_TIMES = TableKind(
    "spike_times",
    "one spike at the soma; a trial without spikes has no row here",
    pa.schema(
        [
            _TRIAL,
            column("spike", pa.int32(), "0 for the trial's first spike, 1 for the next"),
            column("time", REAL, "first sample at or above the threshold", "ms", _SOMA),
            column("threshold", REAL, "voltage crossed upwards", "mV"),
        ]
    ),
    ("trial_id",),
)

DENDRITIC_SPIKE_TIMES = TableKind(
    "dendritic_spike_times",
    "one spike at a dendritic recording site",
    pa.schema(
        [
            _TRIAL,
            column("site", TEXT, "recording site; key of `recording_sites`"),
            column("spike", pa.int32(), "0 for the first spike of trial and site, 1 for the next"),
            column("time", REAL, "first sample at or above the threshold", "ms", _SITE),
            column("threshold", REAL, "voltage crossed upwards", "mV"),
        ]
    ),
    ("trial_id",),
)

RECORDING_SITES = TableKind(
    "recording_sites",
    "one place where voltage was recorded",
    pa.schema(
        [
            column("site", TEXT, "'soma', or the label in the trace file's name"),
            column("landmark", TEXT, "stem of the landmark file", source="site label"),
            column("landmark_id", WHOLE, "number of the landmark in that file", source="site label"),
            column("section_id", WHOLE, "section recorded from", source="site label"),
            column("segment_id", WHOLE, "segment of that section", source="site label"),
            column("x", REAL, "relative position along the section, 0 to 1", "", "site label, 3 decimals"),
            column("soma_distance", REAL, "path length to soma(0)", "µm", "site label, 1 decimal"),
        ]
    ),
)

TRACES = TableKind(
    "traces",
    "one voltage trace: where it is stored",
    pa.schema(
        [
            _TRIAL,
            column("site", TEXT, "recording site; key of `recording_sites`"),
            column("array", TEXT, "array that holds it; its times are the array of that name + '.time'"),
            column("row", WHOLE, "row of that array"),
        ]
    ),
    ("trial_id",),
)

PARAMETERS = TableKind(
    "parameters",
    "one value of one parameter file",
    pa.schema(
        [
            column("file", TEXT, "digest of the parameter file; `trials` refers to it"),
            column("path", TEXT, "keys from the outermost to the value, joined by '.'"),
            column("type", TEXT, "float, int, bool, text, null, list or dict (an empty one)"),
            column("number", REAL, "the value, where it is a number"),
            column("text", TEXT, "the value as text; lists as JSON"),
        ]
    ),
)

FILES = TableKind(
    "files",
    "one file of the ingested folder",
    pa.schema(
        [
            column("run", TEXT, "run directory it belongs to; null for files beside"),
            column("path", TEXT, "path below the ingested folder"),
            column(
                "kind",
                TEXT,
                "what it holds, such as synapses, soma_traces, network_parameters, template, mechanism, attachment",
            ),
            column("size", WHOLE, "length", "bytes"),
            column("digest", TEXT, "BLAKE3 of the content"),
            column("header", TEXT, "first line of a table, as written"),
            column("node", TEXT, "file node that holds the content, where it is kept as it was"),
        ]
    ),
)

VOLTAGE = ArrayKind(
    "voltage/{site}",
    "membrane potential at one site, a trial a row; sites with several time axes have an array for each",
    ("trial", "time"),
    "float64",
    "mV",
    {"site": "recording site; key of `recording_sites`", "time_axis": "digest of the times"},
)
VOLTAGE_TIME = ArrayKind("voltage/{site}.time", "times of the samples", ("time",), "float64", "ms")
VOLTAGE_TRIAL = ArrayKind("voltage/{site}.trial", "trial_id of each row", ("trial",), "int64")

FILE = FileKind("files/{content}", "a source file, named by the BLAKE3 digest of its content")

TABLES = (
    TRIALS,
    SYNAPSE_ACTIVATION,
    CELL_ACTIVATION,
    SPIKE_TIMES,
    DENDRITIC_SPIKE_TIMES,
    RECORDING_SITES,
    TRACES,
    PARAMETERS,
    FILES,
)
KINDS: tuple[Kind, ...] = (*TABLES, VOLTAGE, VOLTAGE_TIME, VOLTAGE_TRIAL, FILE)
