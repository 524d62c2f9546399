"""The decoder of the codec of differences that docs/format.md prints."""

import re
from pathlib import Path
from typing import Any

FORMAT = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")


def decoder_of_the_docs() -> Any:
    block = next(
        block for block in re.findall(r"```python\n(.*?)```", FORMAT, re.DOTALL) if "def decoded" in block
    )
    assert len(block.splitlines()) <= 24
    names: dict[str, Any] = {}
    exec(block, names)
    return names["decoded"]
