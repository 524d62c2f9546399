"""A worker's part of a run: one trial simulated, its large arrays stored, the rest handed back.

A process keeps the model that it has built for the next trial of the same run. It makes nothing visible: what it
returns is enough for the driver's commit.
"""

import os
import socket
import tempfile
import threading
import traceback
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...catalog.vocabulary import trials as schema
from ...catalog.vocabulary.kinds import TableKind
from ...lake import Lake
from ...lake.errors import IngestError, InputError
from ...lake.storage.base import Storage
from ...mechanisms.cell.geometry import section_table, segment_table
from ...mechanisms.errors import ModelError
from ...mechanisms.live.solver import choose_solver
from ...mechanisms.trial.contacts import ContactSums, block_of
from ...mechanisms.trial.recording import SegmentFrames
from ...mechanisms.trial.simulation import Played, Recorded, Simulation
from ..lfp.online import Contacts, contacts_of
from ..text.parameters import parse_parameters
from ..trials.frames import FrameWriter, StoredFrames
from .model import Model

_LAST_LINES = 4


@dataclass(frozen=True)
class Setting:
    """What all trials of a run share; small, for it goes to workers with every trial.

    Attributes
    ----------
    storage, commit
        The lake, and the commit that holds the model's files.
    key
        Identity of the model and of what is recorded.
    parameters
        Nodes of the parameter files by ``neuron`` and ``network``.
    files
        Node of each file of the model by its path there.
    mechanisms
        Folders among them.
    draws
        Whether input is drawn, for which the network's .syn and .con are needed.
    recorded, t_stop
        See `mechanisms.trial`.
    probes
        Nodes of electrodes or coefficients by the names of what they record while trials are simulated.
    """

    storage: Storage
    commit: str
    key: str
    parameters: Mapping[str, str]
    files: Mapping[str, str]
    mechanisms: tuple[str, ...]
    draws: bool
    recorded: Recorded
    t_stop: float
    probes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """A trial to simulate: its number, what random numbers are keyed by, and input that is there already."""

    number: int
    seed: int
    draw: int
    played: Played | None = None


@dataclass(frozen=True)
class Finished:
    """A simulated trial; tables as in `simrun_schema`, without ``trial_id``."""

    number: int
    time: npt.NDArray[np.float64]
    voltage: Mapping[str, npt.NDArray[np.float64]]
    synapses: pa.Table
    cells: pa.Table
    frames: Mapping[str, StoredFrames]
    host: str
    potentials: Mapping[str, StoredFrames] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """A trial that was not simulated, with what draws it again and why."""

    number: int
    seed: int
    reason: str

    def __str__(self) -> str:
        return f"trial {self.number} (seed {self.seed}) failed: {self.reason}"


_simulating = threading.Lock()
_held: dict[str, Simulation] = {}
_probes: dict[str, list[Contacts]] = {}


def simulate(setting: Setting, job: Job) -> Finished | Failure:
    """Simulate one trial; return what goes wrong, rather than raise it.

    Parameters
    ----------
    setting
        Model and lake of the run.
    job
        Number and seed of the trial.

    Raises
    ------
    InputError
        The model cannot be built in this process.
    """
    # NEURON has one clock for a process, and workers may have threads.
    with _simulating:
        simulation = model_of(setting)
        sink = _Recorded(setting, simulation)
        try:
            trial = simulation.trial(job.seed, job.draw, t_stop=setting.t_stop, played=job.played, sink=sink)
        # Any kind: mechanisms, modifiers and NEURON itself are other people's code.
        except Exception as error:  # noqa: BLE001
            return Failure(job.number, job.seed, _told(error))
    return Finished(
        number=job.number,
        time=trial.time,
        voltage=trial.voltage,
        synapses=typed(schema.SYNAPSE_ACTIVATION, trial.synapses, "synapse_type"),
        cells=typed(schema.CELL_ACTIVATION, trial.cells, "presynaptic_cell_type"),
        frames=sink.frames.finish(),
        host=socket.gethostname(),
        potentials=sink.finish(),
    )


class _Recorded:
    """Stores those variables that are kept, and what contacts record."""

    def __init__(self, setting: Setting, simulation: Simulation) -> None:
        self._kept = setting.recorded.segments
        self.frames = FrameWriter(setting.storage, simulation.block)
        self._sums: list[ContactSums] = []
        self._written: list[FrameWriter] = []
        for contacts in _probes.get(setting.key, ()):
            writer = FrameWriter(setting.storage, block_of(len(contacts.factors)))
            self._sums.append(ContactSums(contacts.name, contacts.factors, writer))
            self._written.append(writer)

    def __call__(self, frames: SegmentFrames) -> None:
        if self._kept:
            self.frames(SegmentFrames(frames.time, {name: frames.values[name] for name in self._kept}))
        for sums in self._sums:
            sums(frames)

    def finish(self) -> dict[str, StoredFrames]:
        """Signals of the contacts, all of them stored."""
        for sums in self._sums:
            sums.finish()
        return {name: stored for writer in self._written for name, stored in writer.finish().items()}


def forget() -> None:
    """Let go of the model that this process holds, so that NEURON no longer simulates it."""
    with _simulating:
        _drop()


def _drop() -> None:
    for simulation in _held.values():
        _delete(simulation.cell.sections)
    _held.clear()
    _probes.clear()


def _delete(sections: Iterable[Any]) -> None:
    """Delete sections, which something, such as the traceback of an error, may still refer to."""
    from neuron import h

    for section in sections:
        h.delete_section(sec=section)


@contextmanager
def _cleared() -> Iterator[None]:
    """Delete the sections that the block makes, if it fails."""
    from neuron import h

    before = list(h.allsec())
    try:
        yield
    except BaseException:
        _delete([section for section in h.allsec() if section not in before])
        raise


@contextmanager
def built(model: Model, recorded: Recorded, *, keep: bool = False) -> Iterator[Simulation]:
    """Build a model in this process for as long as the block lasts, or longer; errors name the files as given.

    Parameters
    ----------
    model
        The cell and its network.
    recorded
        What is recorded.
    keep
        Whether the model stays for the next trials.

    Raises
    ------
    IngestError, InputError
        The model cannot be built, or the network's files do not fit it.
    """
    # NEURON prints a warning where it looks for a screen and finds none.
    os.environ.setdefault("NEURON_MODULE_OPTIONS", "-nogui")
    with tempfile.TemporaryDirectory(prefix="neurolake-") as folder:
        try:
            with _cleared():
                simulation = _simulation(model, Path(folder), recorded)
                yield simulation
            if not keep:
                _delete(simulation.cell.sections)
        except ModelError as error:
            raise _explained(error, Path(folder), model) from error


def _explained(error: ModelError, folder: Path, model: Model) -> InputError:
    if error.path is None:
        return InputError(error.reason)
    path = Path(error.path)
    inside = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
    reason = error.reason.replace(f"{folder}/", "")
    for name, origin in model.origin.items():
        reason = reason.replace(name, origin) if "/" in name else reason
    return IngestError(reason, model.origin.get(inside, inside), error.line)


def _simulation(model: Model, folder: Path, recorded: Recorded) -> Simulation:
    model.write(folder)
    return Simulation(
        model.cell,
        model.network,
        folder,
        mechanisms=[folder / name for name in model.mechanisms],
        recorded=recorded,
        sources=(model.origin.get("cell"), model.origin.get("network")),
    )


def model_of(setting: Setting) -> Simulation:
    """Return the model of a setting, built unless this process holds it.

    Parameters
    ----------
    setting
        Model and lake of the run.
    """
    if setting.key not in _held:
        _drop()
        _check_alone()
        # The driver has told of what is merely odd, once.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with built(_fetched(setting), setting.recorded, keep=True) as simulation:
                if setting.draws:
                    simulation.check()
        _held[setting.key] = simulation
        _probes[setting.key] = _contacts(setting, simulation)
    return _held[setting.key]


def _contacts(setting: Setting, simulation: Simulation) -> list[Contacts]:
    snapshot = Lake(setting.storage).at(setting.commit)
    segments = geometry_of(simulation)[1] if setting.probes else {}
    return [contacts_of(snapshot, name, node, segments) for name, node in setting.probes.items()]


def geometry_of(simulation: Simulation) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return sections and segments of a cell, as columns of `runs_schema`.

    Parameters
    ----------
    simulation
        The model in this process.
    """
    sections, segments = section_table(simulation.cell), segment_table(simulation.cell)
    sections["node_id"] = sections["section_id"] * 0
    segments["node_id"] = segments["section_id"] * 0
    segments["label"] = sections["label"][segments["section_id"]]
    return sections, segments


def _check_alone() -> None:
    from neuron import h

    others = [section.name() for section in h.allsec()]
    if others:
        raise InputError(
            f"NEURON in this process holds {len(others)} sections, such as {others[0]}, that would be simulated"
            " with every trial: run in processes of their own (processes=2), or from a new one"
        )
    choose_solver()


def _fetched(setting: Setting) -> Model:
    snapshot = Lake(setting.storage).at(setting.commit)
    trees = {name: parse_parameters(snapshot.files[node], node) for name, node in setting.parameters.items()}
    files = {path: snapshot.files[node] for path, node in setting.files.items()}
    return Model(trees["neuron"], trees.get("network"), files, setting.mechanisms)


def _told(error: BaseException) -> str:
    """The error, and where it came from if that is not for the user to know by heart."""
    reason = str(error) or type(error).__name__
    if isinstance(error, ModelError | InputError | FloatingPointError):
        return reason
    places = traceback.format_tb(error.__traceback__)[-1].strip().splitlines()[:_LAST_LINES]
    return "\n  ".join([f"{type(error).__name__}: {reason}", *places])


def typed(kind: TableKind, columns: Mapping[str, npt.NDArray[Any]], population: str) -> pa.Table:
    """Return columns of a trial as a table, with cell type and column added and names as dictionaries.

    Parameters
    ----------
    kind
        The kind of table.
    columns
        Values by column, all of one length.
    population
        Name of the population.
    """
    names, codes = np.unique(np.asarray(columns[population], str), return_inverse=True)
    parts = [name.split("_") for name in names.tolist()]
    made = {
        "cell_type": _repeated([part[0] for part in parts], codes),
        "column": _repeated([part[1] if len(part) > 1 else None for part in parts], codes),
    }
    for name, values in columns.items():
        column = kind.schema.field(name).type
        made[name] = _text(values) if column == pa.string() else pa.array(values).cast(column)
    return pa.table({name: made[name] for name in kind.schema.names if name != "trial_id"})


def _text(values: npt.NDArray[Any]) -> pa.Array:
    names, codes = np.unique(np.asarray(values, str), return_inverse=True)
    return _repeated(names.tolist(), codes)


def _repeated(names: Sequence[str | None], codes: npt.NDArray[Any]) -> pa.Array:
    encoded = pa.array(names, pa.string()).dictionary_encode()
    rows = encoded.indices.take(pa.array(codes.astype(np.int32)))
    return pa.DictionaryArray.from_arrays(rows, encoded.dictionary)
