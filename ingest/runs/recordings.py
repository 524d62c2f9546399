"""Any NEURON model, recorded into a lake while a script simulates it."""

import hashlib
import math
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ...catalog.vocabulary import runs as runs_schema
from ...catalog.vocabulary import trials as schema
from ...kernels.trains.spikes import threshold_crossings
from ...lake import Lake
from ...lake.digest import plain_json
from ...lake.errors import InputError
from ...mechanisms.errors import ModelError
from ...mechanisms.live.recorder import LiveModel, LiveRecorder, Reals
from ...mechanisms.live.spikes import SpikeOrigin
from ...mechanisms.trial.recording import BLOCK_BYTES, SegmentFrames
from ...mechanisms.trial.simulation import SOMA_SITE
from ..trials.frames import FrameWriter, StoredFrames
from ..trials.names import checked_run
from .model import Model, require_neuron
from .stage import Plan, land_recorded, next_number
from .worker import Finished

_SHORTEST = 1e-6
"""What NEURON takes for an interval, in ms."""


@dataclass
class Recording:
    """A recording that is going on; what it became is known when its block has ended.

    Attributes
    ----------
    run
        Its run.
    trial_number, commit
        The trial that it became in the run, and the commit that has it; None before.
    """

    run: str
    trial_number: int | None = field(default=None)
    commit: str | None = field(default=None)


@contextmanager
def record(
    lake: Lake | str | Path,
    run: str,
    *,
    sections: Iterable[Any] | None = None,
    variables: str | Sequence[str] = ("v",),
    dt: float | None = None,
    netcons: Sequence[Any] = (),
    threshold: float = 0.0,
    parameters: Mapping[str, Any] | None = None,
) -> Iterator[Recording]:
    """Record a NEURON model, which need not be known, while the block simulates it; one commit when it ends.

    What is kept is of the last ``finitialize`` in the block: variables of all segments as reports, with the tables
    ``sections/<run>`` and ``segments/<run>``; spikes in ``recorded_spikes``; and, of a model with one soma, its
    potential and spikes as those of simrun results. Each block is a trial of the run. If the block raises, nothing
    is stored.

    The model stays as it is: no diameter, point, switch, Vector or callback of the script's is changed. NEURON computes membrane
    currents from the start of the block on if they are asked for, and no longer than that. Sections without 3-D points are
    placed by us. Sources of spikes are told apart by ``node_id``, ``section_id`` and ``x``; their names have no addresses of
    Python objects and no numbers of deleted objects, so that equal models give equal content.

    Parameters
    ----------
    lake
        An open lake, or the path or URL of one, which is made if it is missing.
    run
        Name of the run; another trial of it if it is there.
    sections
        NEURON's sections, or one; all by default. The block may not make or delete any, nor change ``nseg``, before it
        simulates; nor connections, mechanisms, lengths and diameters while it does.
    variables
        Range variables of all segments, or one, such as ``v``, ``i_membrane`` (nA), ``m_hh`` or, of an array, ``vext[0]``; NaN in
        segments without.
    dt
        Interval of frames in ms; every step by default, whether NEURON's steps are fixed or vary. Between steps that vary,
        frames are linear, because to stop at intervals would change the solution; of fixed steps they are the nearest. Steps
        that vary from cell to cell (``use_local_dt``) cannot be recorded.
    netcons
        NetCons, or one, whose sources' spikes are kept, also those that the script records with ``NetCon.record`` or ``spike_record``. A
        source that has both a Vector and a hoc statement of the script's loses the statement, which NEURON does not show.
    threshold
        In mV: what a spike of a soma crosses upwards. The somata of a cell are the sections whose names begin with ``soma``, in
        any case, or else its root.
    parameters
        What the model was made with: numbers, text, lists and dictionaries by name, NumPy's included. Without them, another
        trial of the run must have the same temperature, ions and values of all mechanisms' parameters.

    Raises
    ------
    InputError
        No sections, a variable that no segment has, steps that vary from cell to cell, a model that the block changed, a
        block that simulates nothing, or a run of that name that was another model; names the section. With several threads
        (``pc.nthread``): membrane currents, and spikes that go into a Vector of the script's. Nothing is stored, and what can
        be seen before is told before anything is simulated.
    """
    require_neuron()
    checked_run(run)
    lake = Lake.of(lake, create=True)
    flat = None if parameters is None else Model(_plain(parameters), None, {})
    dt = None if dt is None else _number("dt", dt)
    if dt is not None and not dt >= _SHORTEST:
        raise InputError(f"dt {dt}: expected an interval in ms above 0, {_SHORTEST:g} at least")
    threshold = _number("threshold", threshold)
    variables = [variables] if isinstance(variables, str) else list(variables)
    if others := [name for name in variables if not isinstance(name, str)]:
        raise InputError(f"variables are names such as 'v', not {others[0]!r}")
    recording = Recording(run)
    with _told():
        live = LiveRecorder(sections, variables, dt, netcons)
    with _told(), live:
        yield recording
    if len(live.time) == 0:
        raise InputError("nothing was simulated in the block: it has no finitialize and run")
    with _told():
        model, frames = live.model(), live.frames()
    plan = _plan(run, model, variables, dt, given=flat is not None)
    number = next_number(lake, run)
    finished = _finished(number, live, _stored(lake, frames))
    spikes = _spikes(live, threshold)
    recording.commit = land_recorded(lake, plan, finished, spikes, flat)
    recording.trial_number = number


def _number(name: str, value: Any) -> float:
    """A finite number; NumPy's shorter ones as they are written, so that 0.1 is 0.1."""
    try:
        number = float(str(value)) if isinstance(value, np.floating) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name} {value!r}: expected a number")
    return number


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ModelError as error:
        raise InputError(str(error)) from error


def _plain(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Parameters as plain values; their names are text, since they become paths."""
    for key in parameters:
        if not isinstance(key, str):
            raise InputError(f"parameters have text as names, not {key!r}")
        if isinstance(parameters[key], Mapping):
            _plain(parameters[key])
    plain: Mapping[str, Any] = plain_json(dict(parameters), "parameters")
    return plain


def _plan(run: str, model: LiveModel, variables: Sequence[str], dt: float | None, *, given: bool) -> Plan:
    geometry = hashlib.sha256()
    for name in ("section_id", "start_x", "start_y", "start_z", "diameter", "length"):
        geometry.update(np.ascontiguousarray(model.segments[name]).tobytes())
    for name in ("parent_id", "parent_x"):
        geometry.update(np.ascontiguousarray(model.sections[name]).tobytes())
    settings = {"segments": list(variables), "dt": dt, "geometry": geometry.hexdigest()}
    if not given:
        # Where a script names the parameters of its trials, they may differ from trial to trial.
        settings["parameters"] = model.parameters
    return Plan(run, "record", None, None, None, model.mechanisms, settings, model.sections, model.segments)


def _stored(lake: Lake, frames: SegmentFrames) -> dict[str, StoredFrames]:
    n_segments = next(iter(frames.values.values())).shape[1] if frames.values else 1
    block = max(1, BLOCK_BYTES // (np.float32().itemsize * n_segments))
    writer = FrameWriter(lake.storage, min(block, len(frames.time)))
    writer(frames)
    return writer.finish()


def _finished(number: int, live: LiveRecorder, frames: Mapping[str, StoredFrames]) -> Finished:
    nothing = {
        kind.name: kind.schema.empty_table().drop_columns("trial_id")
        for kind in (schema.SYNAPSE_ACTIVATION, schema.CELL_ACTIVATION)
    }
    somata = live.somata
    return Finished(
        number=number,
        time=live.time,
        voltage={SOMA_SITE: somata[0][1]} if len(somata) == live.n_cells == 1 else {},
        synapses=nothing[schema.SYNAPSE_ACTIVATION.name],
        cells=nothing[schema.CELL_ACTIVATION.name],
        frames=frames,
        host=socket.gethostname(),
    )


def _spikes(live: LiveRecorder, threshold: float) -> pa.Table:
    """Rows of ``recorded_spikes`` without ``trial_id``."""
    parts: list[tuple[SpikeOrigin, Reals, float | None]] = [
        (source, own, None) for source, own in live.spikes
    ]
    if live.somata:
        voltage = np.stack([own for _, own in live.somata])
        soma, _, times = threshold_crossings(voltage, live.time, threshold)
        parts += [(source, times[soma == row], threshold) for row, (source, _) in enumerate(live.somata)]
    columns = {
        "source": [source.name for source, times, _ in parts for _ in times],
        "node_id": [source.node_id for source, times, _ in parts for _ in times],
        "section_id": [source.section_id for source, times, _ in parts for _ in times],
        "x": [source.x for source, times, _ in parts for _ in times],
        "spike": [number for _, times, _ in parts for number in range(len(times))],
        "time": [time for _, times, _ in parts for time in times.tolist()],
        "threshold": [crossed for _, times, crossed in parts for _ in times],
    }
    kind = runs_schema.RECORDED_SPIKES.schema
    return pa.table([pa.array(columns[name], kind.field(name).type) for name in columns], names=list(columns))
