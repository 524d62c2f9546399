"""The guide's code runs as it stands, in its order, and what it promises holds."""

import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
from nerves import delete_all_sections
from small_cortex import write_small_cortex
from typer.testing import CliRunner

from neurolake.cli import app

GUIDE = (Path(__file__).parents[2] / "docs" / "isf.md").read_text()
BLOCKS = re.findall(r"^```(python|sh)\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
EXAMPLES = "example_data"


@pytest.fixture(scope="module")
def names(cache: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the guide's blocks define, run one after the other; those on ISF's example data where these are."""
    folder = tmp_path_factory.mktemp("guide")
    write_small_cortex(
        folder / "barrel_cortex", excitatory="L4ss", inhibitory="SymLocal1", postsynaptic="L5tt"
    )
    try:
        found = request.getfixturevalue("isf_data") / "example_86_C2"
    except pytest.skip.Exception:
        print(f"blocks on {EXAMPLES} are left out: there are no real data")
    else:
        (folder / EXAMPLES).mkdir()
        (folder / EXAMPLES / "anatomical_constraints").symlink_to(found / "anatomical")
        (folder / EXAMPLES / "functional_constraints").symlink_to(found / "functional")
    delete_all_sections()
    defined: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch, dask.config.set(scheduler="threads"):
        patch.chdir(folder)
        for language, block in BLOCKS:
            if language == "sh":
                for line in block.splitlines():
                    program, *arguments = shlex.split(line)
                    done = CliRunner().invoke(app, arguments)
                    assert (program, done.exit_code) == ("neurolake", 0), f"{line}\n{done.output}"
            elif EXAMPLES not in block or (folder / EXAMPLES).is_dir():
                exec(compile(block, "docs/isf.md", "exec"), defined)
    delete_all_sections()
    return defined


def test_the_code_runs(names: dict[str, Any]) -> None:
    assert ("network" in names) == (Path(names["lake"].url).parent / EXAMPLES).is_dir()
    assert names["voltage"].shape[0] == 1 and names["voltage"].shape[1] > 5000
    assert np.isfinite(names["mean"]["mean"]).all()
    assert names["glm"].splits and 0 <= names["spiking"].min() <= names["spiking"].max() <= 1


def test_each_of_isfs_cells_has_one_of_ours_beside_it() -> None:
    fences = re.findall(r"^```(\w+)$", GUIDE, re.MULTILINE)
    for theirs, ours in pairwise(fences):
        assert theirs != "py" or ours == "python"
    assert fences.count("py") >= 15


def test_sql_sees_stored_frames(names: dict[str, Any]) -> None:
    lake = names["neurolake"].open(Path(names["lake"].url).parent / "tutorial")
    assert lake.sql('select rate from "isf/summary" order by rate').fetchall() == [(1.5,), (2.0,)]


def test_sql_and_frames_agree(names: dict[str, Any]) -> None:
    ((counted,),) = (
        names["lake"]
        .sql(
            "select count(*) from synapse_activation join trials using (trial_id) where sim_trial_index = $trial",
            trial=names["trial"],
        )
        .fetchall()
    )
    assert names["one"][names["times"]].count().sum() == counted > 100
