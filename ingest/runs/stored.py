"""Trials that a lake holds, and what is needed to simulate them: parameters, files, activations."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pds
from numpy.typing import NDArray

from ...catalog.vocabulary import trials as schema
from ...lake import Snapshot
from ...lake.errors import InputError, NotFoundError
from ...mechanisms.trial.simulation import SYNAPSE_KEYS, Played, in_order
from .model import Model, read_model
from .modify import Modifications
from .stage import simulation_row

Row = Mapping[str, Any]
Columns = dict[str, NDArray[Any]]


@contextmanager
def stored_trials(snapshot: Snapshot) -> Iterator["StoredTrials"]:
    """Open the trials of a commit, for as long as the block lasts.

    Parameters
    ----------
    snapshot
        The commit to read.
    """
    with tempfile.TemporaryDirectory(prefix="neurolake-") as folder:
        yield StoredTrials(snapshot, Path(folder))


class StoredTrials:
    """Trials of a snapshot, and what is needed to simulate them; files of the lake are written to a folder.

    Parameters
    ----------
    snapshot
        The commit to read.
    folder
        Folder for the files that the trials need.
    """

    def __init__(self, snapshot: Snapshot, folder: Path) -> None:
        self._snapshot = snapshot
        self._folder = folder

    def chosen(self, trials: Sequence[str | int] | None) -> dict[str, list[Row]]:
        """Return the rows of ``trials`` by run.

        Parameters
        ----------
        trials
            Names of runs, keys ``sim_trial_index`` or numbers ``trial_id``; None for all.

        Raises
        ------
        NotFoundError
            There is no such trial, or no trial at all.
        """
        if schema.TRIALS.name not in self._snapshot.tables:
            raise NotFoundError("this snapshot holds no trials")
        rows = self._snapshot.tables[schema.TRIALS.name].to_arrow().to_pylist()
        keys = ("run", "sim_trial_index", "trial_id")
        wanted = None if trials is None else set(trials)
        found = [row for row in rows if wanted is None or wanted & {row[key] for key in keys}]
        missing = (wanted or set()) - {row[key] for row in found for key in keys}
        if missing or not found:
            raise NotFoundError(f"there is no trial {sorted(map(str, missing))[:3] or 'to run again'}")
        runs: dict[str, list[Row]] = {}
        for row in sorted(found, key=lambda row: (row["run"], row["trial_number"])):
            runs.setdefault(row["run"], []).append(row)
        return runs

    def t_stop(self, run: str) -> float | None:
        """Return the end of a run's trials in ms; None if this program did not simulate it.

        Parameters
        ----------
        run
            Name of the run.
        """
        row = simulation_row(self._snapshot, run)
        return None if row is None else row["t_stop"]

    def played(self, row: Row, changes: Modifications, until: float = np.inf) -> Played:
        """Return the input of a trial, with modifications.

        Parameters
        ----------
        row
            Row of ``trials``.
        changes
            The modifications to apply.
        until
            Time in ms up to which the stored input is played.
        """
        tables = [
            columns_of(
                self._snapshot.tables[kind.name].to_arrow(where=pds.field("trial_id") == row["trial_id"])
            )
            for kind in (schema.SYNAPSE_ACTIVATION, schema.CELL_ACTIVATION)
        ]
        changed = changes.apply("activations", tables[0])
        synapses = tables[0] if changed is tables[0] else in_order(changed, SYNAPSE_KEYS)
        return Played(synapses, tables[1], until)

    def model(
        self,
        rows: Sequence[Row],
        changes: Modifications,
        *,
        connectivity: bool,
        morphology: str | Path | None = None,
        mechanisms: Sequence[str | Path] | None = None,
        paths: Sequence[str | Path] = (),
    ) -> Model:
        """Return the model of a run's trials, with modifications.

        Parameters
        ----------
        rows
            Rows of ``trials``, all of one model.
        changes
            The modifications to apply.
        connectivity
            Whether the network's synapses are needed.
        morphology
            File of the morphology; by default that of the parameters.
        mechanisms
            Folders of mechanisms; by default those of the run.
        paths
            Folders in which files are looked for.

        Raises
        ------
        InputError
            The trials differ in their parameters.
        NotFoundError
            The lake has no parameters of the cell.
        """
        row = rows[0]
        for key in ("neuron_parameters", "network_parameters"):
            if any(other[key] != row[key] for other in rows):
                raise InputError(f"trials of run {row['run']!r} differ in their {key}")
        cell = self._parameters(row, "neuron")
        if cell is None:
            raise NotFoundError(f"the lake has no parameters of the cell of run {row['run']!r}")
        return read_model(
            cell,
            self._parameters(row, "network"),
            morphology=morphology,
            mechanisms=self._own_mechanisms(row["run"]) if mechanisms is None else mechanisms,
            paths=[*paths, self._files],
            connectivity=connectivity,
            change=changes.apply,
        )

    @cached_property
    def _files(self) -> Path:
        """The folder with all files beside runs that the lake holds."""
        for path, node in self._listed(pds.field("run").is_null(), "path"):
            target = self._folder / path
            # The path comes from a lake, which another user may have made.
            if not target.resolve().is_relative_to(self._folder.resolve()):
                raise InputError(f"the lake names a file {path!r}, which is outside the folder to write")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self._snapshot.files[node])
        return self._folder

    def _parameters(self, row: Row, kind: str) -> Path | None:
        digest = row[f"{kind}_parameters"]
        if digest is None:
            return None
        nodes = [node for _, node in self._listed(pds.field("digest") == digest, "digest")]
        if not nodes:
            return None
        path, content = self._files / f"{kind}.param", self._snapshot.files[nodes[0]]
        if path.exists() and path.read_bytes() != content:
            # A file beside the runs has that name, or another run's parameters.
            path = self._files / f"{kind}-{digest}.param"
        path.write_bytes(content)
        return path

    def _listed(self, where: pds.Expression, column: str) -> list[tuple[str, str]]:
        rows = self._snapshot.tables[schema.FILES.name].to_arrow(
            [column, "node"], where & pds.field("node").is_valid()
        )
        return list(zip(*(values.to_pylist() for values in rows.columns), strict=True))

    def _own_mechanisms(self, run: str) -> list[Path]:
        row = simulation_row(self._snapshot, run)
        folders = [] if row is None else json.loads(row["settings"]).get("mechanisms", [])
        return [self._files / folder for folder in folders]


def columns_of(table: pa.Table) -> Columns:
    """Return columns of ``synapse_activation`` or ``cell_activation`` as a trial has them.

    Parameters
    ----------
    table
        The rows.
    """
    return {
        name: np.asarray(table[name].combine_chunks().cast(kind).to_numpy(zero_copy_only=False), dtype)
        for name in table.column_names
        if name not in ("trial_id", "cell_type", "column")
        for kind, dtype in [_kind(table.schema.field(name).type)]
    }


def _kind(kind: pa.DataType) -> tuple[pa.DataType, Any]:
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        return pa.string(), str
    return kind, None


def no_cells() -> Columns:
    """Presynaptic spikes of a trial without any."""
    return {
        "presynaptic_cell_type": np.zeros(0, str),
        "cell_id": np.zeros(0, np.int64),
        "activation": np.zeros(0, np.int32),
        "time": np.zeros(0),
    }
