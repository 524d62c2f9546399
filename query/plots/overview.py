"""One figure of a lake's trials: spikes, firing rates and voltages of each stimulus."""

from pathlib import Path

import numpy as np
import pyarrow.dataset as pds

from ...catalog.vocabulary.trials import SPIKE_TIMES, TRIALS, VOLTAGE, VOLTAGE_TIME
from ...kernels.activity.binning import bin_edges
from ...lake.errors import NotFoundError
from ..base import Snapshot
from .rasters import Responses, overview

SITE = "soma"
_DEMO_SPIKES = (
    "select stimulus, count(distinct t.trial_id) as trials, "
    "count(distinct s.trial_id) as with_spike_in_100_to_130_ms "
    "from trials t left join spike_times s on s.trial_id = t.trial_id and s.time >= 100 and s.time < 130 "
    "group by all order by stimulus"
)
_DEMO_SYNAPSES = (
    "select cell_type, count(*) as activations, avg(soma_distance) as mean_soma_distance "
    "from synapse_activation group by all order by activations desc"
)
DEMO_QUERIES = (_DEMO_SPIKES, _DEMO_SYNAPSES)


def responses(
    snapshot: Snapshot,
) -> tuple[dict[str, Responses], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Return somatic spikes and voltages of each stimulus, and the sample times they share.

    Trials on another time axis than that of ``voltage/soma`` are left out.

    Parameters
    ----------
    snapshot
        The commit to read.

    Raises
    ------
    NotFoundError
        The snapshot holds no somatic voltages.
    """
    array = VOLTAGE.of(site=SITE)
    if array not in snapshot.arrays or TRIALS.name not in snapshot.tables:
        raise NotFoundError("the lake holds no somatic voltages; ingest some results first")
    places = snapshot.sql(
        "select stimulus, list(trial_id order by trial_id), list(row order by trial_id) "
        'from traces join trials using (trial_id) where "array" = $array group by stimulus order by stimulus desc',
        array=array,
    ).fetchall()
    found = {}
    for stimulus, trials, rows in places:
        spikes = snapshot.tables[SPIKE_TIMES.name].to_arrow(
            ["trial_id", "time"], pds.field("trial_id").isin(trials)
        )
        trial = np.searchsorted(trials, spikes["trial_id"].to_numpy())
        voltage = np.stack([snapshot.arrays[array][row] for row in rows])
        found[stimulus] = Responses(trial, spikes["time"].to_numpy(), voltage)
    return found, snapshot.arrays[VOLTAGE_TIME.beside(array)][...]


def save_overview(
    snapshot: Snapshot, output: Path, *, bin_size: float = 5.0, stimulus_time: float | None = None
) -> None:
    """Draw the overview of a snapshot into an image file; it states the commit.

    Parameters
    ----------
    snapshot
        The commit to read.
    output
        The file; its ending determines the format (png, svg, pdf).
    bin_size
        Width of the bins of firing rates, in ms.
    stimulus_time
        Where to draw a line, in ms.

    Raises
    ------
    NotFoundError
        The snapshot holds no somatic voltages.
    ImportError
        matplotlib is not installed; it comes with ``neurolake[plot]``.
    """
    by_stimulus, times = responses(snapshot)
    trials = sum(len(part.voltage) for part in by_stimulus.values())
    figure = overview(
        by_stimulus,
        times,
        edges=bin_edges(float(times[0]), float(times[-1]), bin_size),
        stimulus_time=stimulus_time,
        title=f"{trials} trials, {len(by_stimulus)} stimuli",
        footer=f"neurolake · commit {snapshot.commit.id[:12]}",
    )
    figure.savefig(output)
