"""Writes ``tests/data/format-v2``: a small lake with what version 2 of the format adds to version 1, and what it holds.

``python tests/helpers/make_format_v2.py`` makes it anew. Once version 2 is out, it is read for ever and never
written again.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
from lake_contents import contents
from make_format_v1 import no_chance

from neurolake.lake import Lake
from neurolake.lake.history.log import FOLD_AFTER

FOLDER = Path(__file__).parents[1] / "data" / "format-v2"


def rows(number: int) -> pa.Table:
    """One row, and a type of each kind; from the tenth on with one column more."""
    more = {"more": [number / 2]} if number >= 10 else {}
    return pa.table({"n": [number], "text": [f"ü{number}"], "list": [[number, None]], "real": [0.5], **more})


def make(root: Path) -> Lake:
    """The lake, at *root*: rows in records, in a pack since the tree was stored, and again in records."""
    lake = Lake.create(root)
    for number in range(FOLD_AFTER + 4):
        with lake.transaction(f"row {number}") as tx:
            tx.append_table("rows", rows(number))
            if number == 3:
                tx.write_table("other", pa.table({"x": [1.5, None]}), doc="Small, and never changed")
    return lake


def expected(lake: Lake) -> dict[str, Any]:
    """What the newest commit holds, as JSON has it."""
    return contents(lake.head)


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder, no_chance():
        lake = make(Path(folder) / "lake")
        shutil.copytree(lake.url, FOLDER / "lake", ignore=shutil.ignore_patterns("tmp"))
    found = json.dumps(expected(Lake.open(FOLDER / "lake")), sort_keys=True, ensure_ascii=False)
    (FOLDER / "expected.json").write_text(f"{found}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
