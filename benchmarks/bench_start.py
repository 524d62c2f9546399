"""How long a new process takes to its first answer, beside the import of the libraries that it stands on."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from measure import Figures, interleaved, run

import neurolake as nl

BASE = "import duckdb, pyarrow.parquet, numpy"
DASK = "import neurolake; neurolake.open({!r})['voltage/soma'].dask().mean().compute()"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake = nl.create(Path(folder) / "lake")
        with lake.transaction("Trials to count") as transaction:
            trials = range(1000)
            transaction.write_table(
                "trials", pa.table({"trial_id": trials, "stimulus": ["A1"] * len(trials)})
            )
            spikes = {
                "trial_id": trials,
                "spike": [0] * len(trials),
                "time": [float(n % 300) for n in trials],
            }
            transaction.write_table("spike_times", pa.table(spikes))
            transaction.write_array("voltage/soma", np.zeros((len(trials), 100)))
        neurolake = [sys.executable, "-m", "neurolake"]
        commands: dict[str, Sequence[str]] = {
            f'python -c "{BASE}"': [sys.executable, "-c", BASE],
            'neurolake sql "select count(*) from trials"': [
                *[*neurolake, "sql", "select count(*) from trials"],
                *["--lake", lake.url],
            ],
            "python -c \"…['voltage/soma'].dask().mean().compute()\"": [
                sys.executable,
                "-c",
                DASK.format(lake.url),
            ],
            'python -c "import dask.array, zarr"': [sys.executable, "-c", "import dask.array, zarr"],
            "neurolake plot raster": [
                *[*neurolake, "plot", "raster", "-o", f"{folder}/raster.png", "--lake", lake.url]
            ],
            "neurolake --help": [*neurolake, "--help"],
            'python -c "import neurolake"': [sys.executable, "-c", "import neurolake"],
        }
        # Users run compiled modules; where Python is told not to keep them, it compiles ours in every process.
        started = {
            name: partial(run, command, PYTHONDONTWRITEBYTECODE="") for name, command in commands.items()
        }
        interleaved(started, 1)
        times = interleaved(started, arguments.rounds)
    figures = Figures("start")
    figures.settings = {"rounds": arguments.rounds}
    for name, timing in times.items():
        figures.add_time("a new process, warm", name, timing, "ms")
    base, *ours = times
    for name in ours:
        figures.add(f"beside {base}", name, times[name].median / times[base].median, "x")
    figures.report()


if __name__ == "__main__":
    main()
