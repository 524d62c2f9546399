"""Modules of the pages as one text, for pages and notebooks that have nothing else to load them from."""

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

PAGES = Path(__file__).parents[1] / "pages"
_IMPORT = re.compile(r'from\s*"\./([\w./]+)"')
# A module's imports are by address: each module gets one, after those that it imports.
_LOADER = """
const texts = {texts};
const made = {{}};
async function loaded(name) {{
  for (const [part, text] of Object.entries(texts)) {{
    if (made[part]) continue;
    const linked = text.replace(/from "neurolake\\/([\\w./]+)"/g, (_, other) => `from "${{made[other]}}"`);
    made[part] = URL.createObjectURL(new Blob([linked], {{ type: "text/javascript" }}));
  }}
  return import(made[name]);
}}
"""


def loader(*modules: str) -> str:
    """Return a script that defines ``loaded(name)``, which imports a module of the pages.

    Parameters
    ----------
    modules
        Names of files of the pages; what they import comes with them.
    """
    texts: dict[str, str] = {}

    def add(name: str) -> None:
        if name in texts:
            return
        text = (PAGES / name).read_text()
        for part in _IMPORT.findall(text):
            add(part)
        texts[name] = _IMPORT.sub(r'from "neurolake/\1"', text)

    for name in modules:
        add(name)
    return _LOADER.format(texts=script_json(texts))


def script_json(value: Any) -> str:
    """Return JSON that may stand in a script of a page: no text in it ends the script.

    Parameters
    ----------
    value
        What `json.dumps` takes.
    """
    return json.dumps(value).replace("<", "\\u003c")


def packed(arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, dict[str, Any]]:
    """Return arrays as JSON: type, shape and, in base64, values.

    Parameters
    ----------
    arrays
        Arrays by name.
    """
    return {
        name: {
            "type": value.dtype.name,
            "shape": list(value.shape),
            "data": base64.b64encode(np.ascontiguousarray(value).tobytes()).decode(),
        }
        for name, value in arrays.items()
    }


def player_style() -> str:
    """Return the style of the player and of the curves beside it."""
    return "".join((PAGES / name).read_text() for name in ("vendor/uplot.css", "player.css"))
