"""Anatomical input from files to files, on densities of known number."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_cortex import write_small_cortex
from typer.testing import CliRunner

import neurolake as nl
from neurolake.cli import app


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    write_small_cortex(tmp_path, excitatory="L4", inhibitory="IN", postsynaptic="L5")
    return {
        "morphology": tmp_path / "cell.hoc",
        "output": tmp_path / "out",
        "cell_type": "L5",
        "cell_numbers": tmp_path / "nrCells.csv",
        "affinities": tmp_path / "ConnectionsV8.csv",
        "boutons": tmp_path / "boutons",
        "targets": {
            kind: tmp_path / f"{name}NormalizationPSTs.am" for kind, name in (("EXC", "EX"), ("INH", "INH"))
        },
        "inhibitory": ["IN"],
    }


def test_synapses_are_as_many_as_the_densities_say(given: dict[str, Any]) -> None:
    made = nl.map_synapses(**given, realisations=20)
    rows = [line.split("\t") for line in made.synapses.read_text().splitlines() if line[:1] not in ("#", "")]
    assert len(rows) == made.count and {row[1] for row in rows} == {"1"}
    columns = pd.read_csv(made.summary).set_index("cell_type")
    # 40 um of dendrite at one target per um are a fifth of 200: two of each cell's ten boutons.
    assert columns.synapses_mean["L4"] == pytest.approx(80, abs=5 * np.sqrt(80 / 20))
    assert columns.synapses_mean["IN"] == pytest.approx(20, abs=5 * np.sqrt(20 / 20))
    with pytest.raises(
        nl.InputError, match=r"'cell.syn' would be written over another file: one that is there"
    ):
        nl.map_synapses(**given, realisations=20)
    marks = (made.landmarks / "L4_A.landmarkAscii").read_text()
    assert f"define Markers {sum(row[0] == 'L4_A' for row in rows)}\n" in marks
    first = made.synapses.read_bytes(), made.connections.read_bytes()
    again = nl.map_synapses(**given | {"output": given["output"].with_name("again")}, realisations=20)
    assert (again.synapses.read_bytes(), again.connections.read_bytes()) == first


def test_a_cell_type_without_affinities(given: dict[str, Any]) -> None:
    with pytest.raises(nl.InputError, match="L6"):
        nl.map_synapses(**given | {"cell_type": "L6"})


def test_the_command_writes_the_same(given: dict[str, Any], tmp_path: Path) -> None:
    made = nl.map_synapses(**given, realisations=2)
    options = {
        "output": tmp_path / "other",
        "excitatory-targets": given["targets"]["EXC"],
        "inhibitory-targets": given["targets"]["INH"],
        "inhibitory": "IN",
        "realisations": 2,
        **{
            name.replace("_", "-"): given[name]
            for name in ("cell_type", "cell_numbers", "affinities", "boutons")
        },
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    done = CliRunner().invoke(app, ["map", str(given["morphology"]), *words])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "other" / "cell.con").read_bytes() == made.connections.read_bytes()
