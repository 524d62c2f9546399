"""Two results side by side: ``python benchmarks/compare.py BEFORE.json AFTER.json``."""

import json
import sys
from pathlib import Path
from typing import Any

from measure import screen, shown
from rich.table import Table


def main() -> None:
    before, after = (json.loads(Path(path).read_text()) for path in sys.argv[1:3])
    for key in ("commit", "load_before", "load_after", "processor", "packages"):
        if before["machine"][key] != after["machine"][key]:
            screen.print(f"{key}: {before['machine'][key]} | {after['machine'][key]}", markup=False)
    old, new = _by_name(before), _by_name(after)
    table = Table("figure", "unit", "before", "after", "after / before", box=None, pad_edge=False)
    for name in [*new, *(name for name in old if name not in new)]:
        values = [None if figure is None else figure["value"] for figure in (old.get(name), new.get(name))]
        ratio = values[1] / values[0] if None not in values and values[0] else None
        table.add_row(*name, *("" if value is None else shown(value) for value in (*values, ratio)))
    screen.print(table)


def _by_name(result: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(f"{one['section']}: {one['name'].strip()}", one["unit"]): one for one in result["figures"]}


if __name__ == "__main__":
    main()
