"""What a lake costs to keep: time to open, describe, commit to, verify and sweep it, and bytes by what they hold."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from lakes import TRIALS_PER_RUN, Template, append
from measure import Figures, Timing, seconds, tree_bytes

import neurolake as nl

PIECES = {
    "activations": "synapse_activation",
    "cells": "cell_activation",
    "spikes": "spike_times",
    "trials": "trials",
    "voltages": "voltage/soma",
}


def upkeep(folder: Path, source: Template, size: int, rounds: int) -> Iterator[tuple[str, Timing]]:
    """Names and times. What is committed goes to a copy; the lake stays as it is."""
    cache = Path(os.environ["NEUROLAKE_CACHE"])

    def opened() -> Any:
        lake = nl.open(folder)
        assert lake.head.tree
        return lake

    yield "open", Timing([seconds(opened) for _ in range(rounds)])
    times = []
    for _ in range(rounds):
        shutil.rmtree(cache, ignore_errors=True)
        lake = opened()
        times.append(seconds(lambda lake=lake: _described(lake)))
    yield "catalog from nothing", Timing(times)
    commits, catalogs = _commits(folder, source, size, rounds)
    yield "commit of a run (8 trials)", commits
    yield "catalog after that commit", catalogs
    yield "verify", Timing([seconds(lambda: nl.open(folder).verify())])
    yield "gc, dry run", Timing([seconds(lambda: nl.open(folder).collect_garbage(dry_run=True))])


def _commits(folder: Path, source: Template, size: int, rounds: int) -> tuple[Timing, Timing]:
    # No file of a lake is ever changed, so that hard links make a copy; commits to it leave the original alone.
    copy = folder.with_suffix(".copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy, copy_function=os.link)
    lake, commits, catalogs = nl.open(copy), [], []
    voltages = "voltage/soma" in lake.head.arrays
    for turn in range(rounds):
        ids = np.arange(size, size + TRIALS_PER_RUN) + turn * TRIALS_PER_RUN
        os.sync()
        commits.append(seconds(lambda ids=ids: append(lake, source, ids, voltages=voltages)))
        catalogs.append(seconds(lambda: _described(lake)))
    shutil.rmtree(copy)
    return Timing(commits), Timing(catalogs)


def _described(lake: Any) -> None:
    # Statistics of chunks and files need no Parquet file read.
    lake.sql("select count(*), sum(size) from parquet_files").fetchall()


def add_bytes(figures: Figures, section: str, folder: Path, size: int) -> None:
    """Bytes for each trial: of what is stored, of the manifests around it, and of the log."""
    lake = nl.open(folder)
    rows = dict(lake.sql("select name, stored_bytes from nodes").fetchall())
    for title, node in PIECES.items():
        if node in rows:
            figures.add(section, f"bytes of {title}", rows[node] / size, "B/trial")
    log = tree_bytes(folder / "log")
    rest = tree_bytes(folder) - log - sum(filter(None, rows.values()))
    figures.add(section, "bytes of manifests, and of packs beside their chunks", rest / size, "B/trial")
    figures.add(section, "bytes of the log", log / size, "B/trial")
