"""What sweeps leave: which run had which parameters, and what came of it."""

import pyarrow as pa

from .kinds import REAL, TEXT, Kind, TableKind, column

SWEEPS = TableKind(
    "sweeps",
    "one combination of parameters of a sweep",
    pa.schema(
        [
            column("sweep", TEXT, "the sweep"),
            column("run", TEXT, "the run that has these parameters; null if it did not begin"),
            column(
                "function",
                TEXT,
                "what simulated it: run, run_network or the name of a function of the user's",
            ),
            column("parameters", TEXT, "values of the combination by path, as JSON"),
            column("results", TEXT, "scalar results by name, as JSON"),
            column(
                "state", TEXT, "done or failed; what failed is tried again when the sweep is called again"
            ),
            column("reason", TEXT, "why it failed"),
            column("seconds", REAL, "how long it took when it was simulated last", "s"),
            column("key", TEXT, "digest of all that decides the run, but how much of it there is to be"),
            column(
                "extent", TEXT, "how much of the run there is to be, such as the number of trials, as JSON"
            ),
        ]
    ),
)

KINDS: tuple[Kind, ...] = (SWEEPS,)
