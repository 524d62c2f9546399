"""The guide's code runs, and what it promises holds."""

import re
from pathlib import Path
from typing import Any

import pytest

from neurolake.lake import Lake

GUIDE = (Path(__file__).parents[2] / "docs" / "isf.md").read_text()


@pytest.fixture(scope="module")
def names(simrun_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the guide's blocks define, run one after the other."""
    folder = tmp_path_factory.mktemp("guide")
    Lake.open(simrun_folder).copy_to(folder / "my-lake")
    found: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL):
            exec(compile(block, "docs/isf.md", "exec"), found)
    return found


def test_the_code_runs(names: dict[str, Any]) -> None:
    assert names["lake"] and names["total"] == names["st"].count().sum()
    assert names["voltage"].shape == (1, 200) and len(names["times"]) == 4


def test_sql_sees_stored_frames(names: dict[str, Any]) -> None:
    rows = names["lake"].sql('select rate from "isf/summary" order by rate').fetchall()
    assert rows == [(1.5,), (2.0,)]


def test_sql_and_frames_agree(names: dict[str, Any]) -> None:
    ((counted,),) = names["lake"].sql("select count(*) from synapse_activation").fetchall()
    frame = names["db"]["synapse_activation"].compute()
    assert frame[names["times"]].count().sum() == counted
