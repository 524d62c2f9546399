"""The same work in pandas: reading simrun's CSV files, and writing them as Parquet.

Ragged lists of times are read as ISF's loader reads them: count the commas, then read that many columns.
Numbers are parsed with pandas' default, which gave the exact values with pandas 3.1; older versions may be off
by the last bit.
"""

import io
from pathlib import Path

import pandas as pd

SYNAPSES = [
    "synapse_type",
    "synapse_id",
    "soma_distance",
    "section_id",
    "section_pt_id",
    "dendrite_label",
]
CELLS = ["presynaptic_cell_type", "cell_id"]


def run_folders(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.rglob("*_vm_all_traces.csv"))


def read_traces(path: Path) -> pd.DataFrame:
    """Index: time in ms; one column per trial, mV."""
    return pd.read_csv(path, sep="\t", index_col=0)


def read_lists(path: Path, fields: list[str]) -> pd.DataFrame:
    """One row per line; the times in columns 0, 1, ..., padded with NaN."""
    text = path.read_text()
    times = max((line.count(",") for line in text.splitlines()[1:]), default=0)
    columns = [*fields, *map(str, range(times))]
    return pd.read_csv(
        io.StringIO(text.replace(",", "\t")),
        sep="\t",
        skiprows=1,
        header=None,
        names=[*columns, "after the last comma"],
        usecols=columns,
    )


def convert(run: Path, target: Path) -> None:
    """Write a run directory's traces, synapses and cells as Parquet."""
    folder = target / run.name
    folder.mkdir(parents=True)
    for path in run.glob("*_traces.csv"):
        read_traces(path).to_parquet(folder / f"{path.stem}.parquet")
    for kind, fields in (("synapses", SYNAPSES), ("presynaptic_cells", CELLS)):
        trials = sorted(run.glob(f"simulation_run*_{kind}.csv"))
        frames = {path.name: read_lists(path, fields) for path in trials}
        pd.concat(frames, names=["trial", "row"]).to_parquet(folder / f"{kind}.parquet")
