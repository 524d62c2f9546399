"""What simulations left in a lake, under the keys that the In Silico Framework's database has for it."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from posixpath import basename, dirname, join
from typing import Any

import pandas as pd
import pyarrow.compute as pc
import pyarrow.dataset as pds

from ...catalog.vocabulary.trials import (
    CELL_ACTIVATION,
    DENDRITIC_SPIKE_TIMES,
    FILES,
    SPIKE_TIMES,
    SYNAPSE_ACTIVATION,
    TRACES,
    TRIALS,
)
from ...lake import Snapshot
from .folders import checkout
from .frames import INDEX, activations, index_of, spike_times, voltage_traces
from .keys import Path
from .trials import Trials

SOMA = "soma"
_THRESHOLD = -30.0


@dataclass(frozen=True)
class Result:
    """A key that the lake's own nodes answer: the node it mostly comes from, and what reads it.

    Parameters
    ----------
    node
        Name of the node that it mostly comes from.
    read
        Function that returns its value.
    """

    node: str
    read: Callable[[], Any]


class Results:
    """Keys of `snapshot` that ISF's database initialisation would make, by path; sub-databases have two parts.

    Parameters
    ----------
    snapshot
        The commit to read.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._hashes: dict[str, str] = {}

    @cached_property
    def by_path(self) -> Mapping[Path, Result]:
        """All of them; the same keys as ISF's where the lake has what they need, none of the others."""
        if TRIALS.name not in self._snapshot.tables:
            return {}
        return dict([*self._tables(), *self._voltages(), *self._files()])

    def _tables(self) -> Iterator[tuple[Path, Result]]:
        snapshot, tables = self._snapshot, self._snapshot.tables
        yield (INDEX,), Result(TRIALS.name, lambda: index_of(Trials.of(snapshot).index))
        yield ("metadata",), Result(TRIALS.name, self._metadata)
        for name in (SYNAPSE_ACTIVATION.name, CELL_ACTIVATION.name):
            if name in tables and tables[TRIALS.name].rows:
                yield (name,), Result(name, partial(activations, snapshot, name))
        if SPIKE_TIMES.name in tables:
            yield ("spike_times",), Result(SPIKE_TIMES.name, lambda: spike_times(snapshot))

    def _voltages(self) -> Iterator[tuple[Path, Result]]:
        snapshot = self._snapshot
        for site in self._sites:
            path = ("voltage_traces",) if site == SOMA else ("dendritic_recordings", site)
            yield path, Result(TRACES.name, partial(voltage_traces, snapshot, site))
        for site in self._sites - {SOMA}:
            for threshold in self._thresholds:
                where = (pds.field("site") == site) & (pds.field("threshold") == threshold)
                path = ("dendritic_spike_times", f"{site}_{threshold}")
                yield (
                    path,
                    Result(
                        DENDRITIC_SPIKE_TIMES.name,
                        partial(spike_times, snapshot, DENDRITIC_SPIKE_TIMES.name, where),
                    ),
                )

    def _files(self) -> Iterator[tuple[Path, Result]]:
        if self._listed is None:
            return
        yield ("simresult_path",), Result(FILES.name, lambda: self._root)
        yield ("filelist",), Result(FILES.name, self._filelist)
        if self._of_kind("neuron_parameters") or self._of_kind("network_parameters"):
            yield ("parameterfiles",), Result(FILES.name, self._parameter_files)
        for key, files in self._folders.items():
            if files:
                yield (key,), Result(FILES.name, partial(checkout, self._snapshot, files))

    @property
    def _sites(self) -> set[str]:
        if TRACES.name not in self._snapshot.tables:
            return set()
        return set(pc.unique(self._snapshot.tables[TRACES.name].to_arrow(["site"])["site"]).to_pylist())

    @property
    def _thresholds(self) -> list[float]:
        table = self._snapshot.tables.get(DENDRITIC_SPIKE_TIMES.name)
        found = [] if table is None else pc.unique(table.to_arrow(["threshold"])["threshold"]).to_pylist()
        # Without any spike there is no evidence; do as ISF does.
        return found or [_THRESHOLD]

    # Files

    @cached_property
    def _listed(self) -> list[dict[str, Any]] | None:
        table = self._snapshot.tables.get(FILES.name)
        return None if table is None else table.to_arrow(["run", "path", "kind", "node"]).to_pylist()

    def _of_kind(self, *kinds: str) -> list[dict[str, Any]]:
        return [row for row in self._listed or () if row["kind"] in kinds]

    @cached_property
    def _root(self) -> str:
        """The folder last ingested, to which paths of the table ``files`` are relative."""
        notes = (record.provenance.get("notes", {}).get("ingest", {}) for record in self._snapshot.history())
        source = next((str(note["source"]) for note in notes if note.get("format") == "simrun"), "")
        runs = {row["run"] for row in self._listed or ()}
        # A run directory that was ingested by itself is in the folder above.
        return dirname(source) if basename(source) in runs else source

    def _filelist(self) -> list[str]:
        return sorted(row["path"] for row in self._of_kind("soma_traces"))

    def _metadata(self) -> pd.DataFrame:
        names = {(row["run"], row["kind"]): basename(row["path"]) for row in self._of_kind("soma_traces")}
        rows = self._snapshot.tables[TRIALS.name].to_arrow([INDEX, "run", "trial_number"])
        rows = rows.filter(pc.is_valid(rows[INDEX])).sort_by(INDEX).to_pylist()
        columns: dict[str, list[Any]] = {
            INDEX: [row[INDEX] for row in rows],
            "path": [row["run"] for row in rows],
            "trialnr": [f"{row['trial_number']:06d}" for row in rows],
            "voltage_traces_file_name": [names.get((row["run"], "soma_traces")) for row in rows],
        }
        for column, kind, ending in (
            ("synapses_file_name", "synapses", "synapses"),
            ("cells_file_name", "cells", "presynaptic_cells"),
        ):
            numbered = {
                (row["run"], _trial_number(row["path"], ending)): basename(row["path"])
                for row in self._of_kind(kind)
            }
            if numbered:
                columns[column] = [numbered.get((row["run"], row["trial_number"])) for row in rows]
        return pd.DataFrame(columns)

    def _parameter_files(self) -> pd.DataFrame:
        rows = {
            (row["run"], row["kind"]): row for row in self._of_kind("neuron_parameters", "network_parameters")
        }
        trials = Trials.of(self._snapshot)
        found = {
            kind: [rows.get((run, f"{kind}_parameters")) for run in trials.runs]
            for kind in ("neuron", "network")
        }
        paths = {
            f"path_{kind}": [row and join(self._root, row["path"]) for row in files]
            for kind, files in found.items()
        }
        hashes = {
            f"hash_{kind}": [row and self._md5(row["node"]) for row in files] for kind, files in found.items()
        }
        return pd.DataFrame(paths | hashes, index_of(trials.index))

    @property
    def _folders(self) -> dict[str, dict[str, str]]:
        """File nodes of ISF's managed folders by the name that each has there."""
        hashed = {
            "parameterfiles_cell_folder": self._of_kind("neuron_parameters"),
            "parameterfiles_network_folder": self._of_kind("network_parameters"),
            "syn_folder": self._ending(".syn"),
            "con_folder": self._ending(".con"),
        }
        named = {"morphology": self._ending(".hoc"), "recsites_folder": self._ending(".landmarkascii")}
        return {
            **{key: {self._md5(row["node"]): row["node"] for row in rows} for key, rows in hashed.items()},
            **{key: _named(rows) for key, rows in named.items()},
        }

    def _ending(self, suffix: str) -> list[dict[str, Any]]:
        return [row for row in self._listed or () if row["node"] and row["path"].lower().endswith(suffix)]

    def _md5(self, node: str) -> str:
        if node not in self._hashes:
            content = self._snapshot.files[node]
            self._hashes[node] = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return self._hashes[node]


def _trial_number(path: str, ending: str) -> int:
    return int(basename(path).removeprefix("simulation_run").removesuffix(f"_{ending}.csv"))


def _named(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Nodes by the base name of their file; by its whole path where files of one name differ."""
    nodes: dict[str, set[str]] = {}
    for row in rows:
        nodes.setdefault(basename(row["path"]), set()).add(row["node"])
    return {
        name if len(nodes[name := basename(row["path"])]) == 1 else row["path"]: row["node"] for row in rows
    }
