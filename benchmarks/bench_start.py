"""How long a new process takes to its first answer, beside the import of the libraries that it stands on."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
from measure import Figures, interleaved, run

import neurolake as nl

BASE = "import duckdb, pyarrow.parquet, numpy"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake = nl.create(Path(folder) / "lake")
        with lake.transaction("Trials to count") as transaction:
            transaction.write_table("trials", pa.table({"trial_id": range(1000)}))
        neurolake = [sys.executable, "-m", "neurolake"]
        commands: dict[str, Sequence[str]] = {
            f'python -c "{BASE}"': [sys.executable, "-c", BASE],
            'neurolake sql "select count(*) from trials"': [
                *[*neurolake, "sql", "select count(*) from trials"],
                *["--lake", lake.url],
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
