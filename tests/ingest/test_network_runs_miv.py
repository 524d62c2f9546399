"""The network of MiV-Simulator's tutorial with its own templates and mechanisms: its spikes and potentials come out again."""

import os
from pathlib import Path

import numpy as np
import pytest
from under_mpi import run_python

import neurolake

CASES = "NEUROLAKE_MIV_CASES"
FILES = ("types", "cells", "connections", "input_features", "input_spikes", "results", "coords")
COUNTS = {"STIM": 292, "PYR": 29, "PVBC": 59, "OLM": 58}
TRACES = {
    "Intracellular soma.0 v/PYR": ("PYR", 0),
    "Intracellular soma.1 v/PYR": ("PYR", 1),
    "Intracellular soma v/PVBC": ("PVBC", 0),
    "Intracellular soma v/OLM": ("OLM", 0),
}
"""Potentials of MiV's, their population and section."""


@pytest.fixture(scope="module")
def cases() -> Path:
    """The folder 1-construction of MiV-Simulator-Cases, whose licence does not let us keep it."""
    folder = os.environ.get(CASES)
    if not folder:
        pytest.skip(
            f"no templates of MiV-Simulator: set {CASES} to the folder 1-construction of MiV-Simulator-Cases"
        )
    return Path(folder)


def test_spikes_and_potentials_are_those_of_mivs_results(
    cases: Path, shared_data: Path, tmp_path: Path
) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    files = [shared_data / "neuroh5" / f"{name}.h5" for name in FILES]
    neurolake.ingest(lake, files, name="miv", format="neuroh5")
    configuration = shared_data / "miv_tutorial" / "config" / "Microcircuit_Small.yaml"
    options = {
        "--tstop": 300,
        "--v-init": -75,
        "--reproduce": "miv",
        "--config": configuration,
        "--templates": cases / "templates",
        "--mechanisms": cases / "mechanisms",
        # Of the tutorial's profile, but that the results are of half of the cells.
        "--record": "profile:Network default,fraction=0.5",
        "--name": "ours",
    }
    command = ["-m", "neurolake", "run-network", "miv", "--lake", tmp_path / "lake"]
    run_python([*command, *(str(word) for pair in options.items() for word in pair)])
    head = lake.head
    for population, count in COUNTS.items():
        theirs, ours = (
            head.tables[f"spikes/{run}/{population}"].to_pandas().sort_values(["node_id", "time"])
            for run in ("miv", "ours")
        )
        assert len(ours) == len(theirs) == count
        assert ours["node_id"].tolist() == theirs["node_id"].tolist()
        # Their times are float32.
        assert np.abs(ours["time"].to_numpy() - theirs["time"].to_numpy()).max() < 1e-4
    for name, (population, section) in TRACES.items():
        theirs = head.arrays[f"reports/miv/{name}"][...]
        cells = head.tables[f"reports/miv/{name}.elements"].to_arrow()["node_id"].to_pylist()
        own = f"reports/ours/Network default v/{population}"
        elements = head.tables[f"{own}.elements"].to_arrow().to_pandas()
        chosen = elements[elements["element_id"] == section]
        assert chosen["node_id"].tolist() == cells, "the same cells are drawn"
        ours = head.arrays[own][...][: len(theirs), chosen.index]
        assert np.abs(ours - theirs).max() < 1e-4
