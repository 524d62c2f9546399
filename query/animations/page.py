"""A film as one page that needs nothing else: the segments, their values, and what plays them."""

import html
from pathlib import Path
from typing import Any

import numpy as np

from .embedding import loader, packed, player_style, script_json
from .film import LASTING, Film
from .shapes import shaded

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="{footer}">
<title>{title}</title>
<style>
body {{ margin: 0; background: #10151a; color: #e8ebee; font: 15px/1.5 system-ui, sans-serif; }}
main {{ display: grid; grid-template-rows: auto minmax(0, 1fr) auto; height: 100vh; }}
h1 {{ font-size: 1rem; margin: 0; padding: 0.6rem 1rem; }}
footer {{ padding: 0.3rem 1rem; color: #a3adb7; font-size: 12px; }}
{style}
</style>
<main><h1>{title}</h1><div id="player"></div><footer>{footer}</footer></main>
<script type="application/json" id="film">{film}</script>
<script type="module">
{loader}
const {{ player }} = await loaded("player.js");
player(document.getElementById("player"), JSON.parse(document.getElementById("film").textContent));
</script>
</html>
"""


def film_data(film: Film) -> dict[str, Any]:
    """Return a film as JSON, arrays in base64, for ``player.js``.

    Parameters
    ----------
    film
        The film.
    """
    low, high = film.look.limits
    arrays = {
        **film.cell.arrays,
        "time": film.times.astype(np.float32),
        "frames": shaded(film.values, low, high),
    }
    told: dict[str, Any] = {
        "low": low,
        "high": high,
        "quantity": film.quantity,
        "lasting": LASTING,
        "types": [],
        "labels": film.cell.labels,
        "sites": [vars(one) for one in film.sites],
    }
    if film.sites:
        arrays |= {"recorded": film.voltage_times, "sites": film.voltages}
    if film.synapses is not None and film.places is not None:
        arrays |= {"place": film.places, "at": film.synapses.time, "type": film.synapses.kind}
        told["types"] = film.synapses.kinds
    return {**told, "arrays": packed(arrays)}


def write_page(film: Film, path: Path) -> None:
    """Write a film as a page that plays it in space; it works without a network.

    Parameters
    ----------
    film
        The film.
    path
        The file.
    """
    text = _PAGE.format(
        title=html.escape(film.title),
        footer=html.escape(film.footer),
        style=player_style(),
        loader=loader("player.js"),
        film=script_json(film_data(film)),
    )
    path.write_text(text, encoding="utf-8")
