"""Chunks that the first release of the codec of differences wrote are read for ever, by us and by the page's decoder."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from docs_decoder import decoder_of_the_docs
from make_differences_v1 import FOLDER, arrays

from neurolake.lake import Lake

KNOWN: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def lake() -> Lake:
    return Lake.open(FOLDER / "lake", verification="always")


@pytest.mark.parametrize("name", KNOWN)
def test_read(lake: Lake, name: str) -> None:
    array, known = lake[name], KNOWN[name]
    assert array[...].astype(known["type"], copy=False).tobytes().hex() == known["bytes"]
    assert array.shape == tuple(known["shape"])


@pytest.mark.parametrize("name", [name for name in KNOWN if not name.startswith("axes")])
def test_read_by_the_decoder_of_the_docs(lake: Lake, name: str) -> None:
    array, parts = lake[name], []
    for entry in array.entries().values():
        data = array.store_path.store.objects.read(entry.digest, entry.size, entry.place)
        parts.append(decoder_of_the_docs()(data, array.chunks, array.dtype, 0))
    assert np.concatenate(parts)[: array.shape[0]].tobytes().hex() == KNOWN[name]["bytes"]


def test_what_it_shows(lake: Lake) -> None:
    """All that the codec has."""
    heads = []
    for name in KNOWN:
        store = lake[name].store_path.store
        heads += [store.objects.read(e.digest, e.size, e.place)[:8] for e in lake[name].entries().values()]
    assert {head[0] for head in heads} == set(range(11))
    assert {head[1] for head in heads} >= {0, 8} and any(head[4] == 3 for head in heads)


def test_go_on(tmp_path: Path, lake: Lake) -> None:
    """Today's writer appends to them, and encodes the same values anew."""
    shutil.copytree(FOLDER / "lake", tmp_path / "lake")
    again = Lake.open(tmp_path / "lake")
    with again.transaction("again") as tx:
        for name, values, chunks, codec in arrays():
            tx.write_array(f"again/{name}", values, chunks=chunks, codec=codec)
        tx.append_array("types/f8", np.arange(3.0))
    assert again["types/f8"][400:].tolist() == [0.0, 1.0, 2.0]
    for name in KNOWN:
        assert again[f"again/{name}"][...].tobytes() == lake[name][...].tobytes()
    assert not again.verify().damages
