"""A stored trial as a cell: in NEURON, with its synapses at their places, and what the lake has of its voltages."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.dataset as pds

from ...catalog.vocabulary.reports import REPORT_TIME
from ...catalog.vocabulary.trials import TRACES, VOLTAGE_TIME
from ...lake import Lake, Snapshot
from ...lake.errors import InputError, NotFoundError
from ...lake.history.log import MAIN
from ...mechanisms.input.network import Connection, stored_synapses
from ...mechanisms.trial.simulation import SOMA_SITE, Recorded, Simulation, Table
from .cell import LiveCell, check_alone
from .model import require_neuron
from .modify import Modifications, Modify
from .reports import report_node
from .stored import Row, stored_trials
from .worker import built

if TYPE_CHECKING:
    import pandas as pd


class TrialCell(LiveCell):
    """The cell of a stored trial in this process's NEURON, with its synapses; see `trial_cell`, which makes it.

    The synapses are activated in every experiment: `play` is the trial again, `step` or `run` the trial with
    something added. Call `close`, or use the cell in ``with``, before another one is made.

    Parameters
    ----------
    simulation
        The model of the trial in this process.
    connections
        NEURON's point processes of each synapse.
    snapshot
        The commit to read.
    row
        Row of ``trials``.
    table
        Columns of the trial's ``synapse_activation``.
    t_stop
        End of the trial in ms; by default that of the simulation.

    Attributes
    ----------
    trial
        The trial's row of the table ``trials``.
    t_stop
        End of the trial in ms.
    connections
        NEURON's point processes of each synapse, in the order of `synapses`.
    """

    def __init__(
        self,
        simulation: Simulation,
        connections: Sequence[Connection],
        snapshot: Snapshot,
        row: Row,
        table: Table,
        t_stop: float | None,
    ) -> None:
        super().__init__(simulation.cell)
        self.trial = dict(row)
        self.t_stop = simulation.t_stop if t_stop is None else t_stop
        self.connections = list(connections)
        self._timing = simulation.timing
        self._sites = {site.label: (site.section, site.x) for site in simulation.sites}
        self._snapshot = snapshot
        self._table = table

    def __repr__(self) -> str:
        return f"<{super().__repr__().strip('<>')}, trial {self.trial['sim_trial_index']}>"

    def close(self) -> None:
        """Let go of NEURON's sections and synapses."""
        self.connections.clear()
        super().close()

    @property
    def activations(self) -> "pd.DataFrame":
        """One row per synapse activation, with the columns of ``synapse_activation``; times in ms."""
        import pandas as pd

        return pd.DataFrame(self._table)

    @property
    def synapses(self) -> "pd.DataFrame":
        """One row per synapse that was activated.

        Returns
        -------
        pandas.DataFrame
            ``synapse_type``, ``synapse_id``, ``section_id``, ``section_pt_id``; ``position`` relative along the section and
            ``x``, ``y``, ``z`` (um) of the 3-D point it is at; ``soma_distance`` (um) and ``dendrite_label`` as they are
            stored; ``times``, a list of its activations in ms.
        """
        import pandas as pd

        placed, row, time = stored_synapses(self._table)
        order = np.lexsort((time, row))
        first = np.searchsorted(row[order], np.arange(len(placed.synapse_id)))
        shape = self.model.branches
        point = shape.first[placed.section_id] + placed.section_pt_id
        xyz = shape.points[point, :3]
        return pd.DataFrame(
            {
                "synapse_type": np.array(placed.populations, object)[placed.population],
                "synapse_id": placed.synapse_id,
                "section_id": placed.section_id,
                "section_pt_id": placed.section_pt_id,
                "position": shape.relative[point],
                **{axis: xyz[:, column] for column, axis in enumerate("xyz")},
                "soma_distance": self._table["soma_distance"][order][first],
                "dendrite_label": self._table["dendrite_label"][order][first],
                "times": [part.tolist() for part in np.split(time[order], first[1:])] if len(first) else [],
            }
        )

    @property
    def voltage(self) -> "pd.DataFrame":
        """Stored potentials in mV: one row per time (index, ms), one column per recording site."""
        import pandas as pd

        found = {}
        if TRACES.name in self._snapshot.tables:
            where = pds.field("trial_id") == self.trial["trial_id"]
            for row in self._snapshot.tables[TRACES.name].to_arrow(where=where).to_pylist():
                times = self._snapshot.arrays[VOLTAGE_TIME.beside(row["array"])][...]
                found[row["site"]] = pd.Series(self._snapshot.arrays[row["array"]][row["row"]], times)
        return pd.DataFrame(found).rename_axis(index="time")

    def frames(self, variable: str = "v") -> "pd.DataFrame":
        """Return a stored variable of all segments.

        Parameters
        ----------
        variable
            Its name in NEURON, such as ``v`` or ``i_membrane``.

        Returns
        -------
        pandas.DataFrame
            One row per time (index, ms), one column per row of `segments`; float32, in NEURON's unit.

        Raises
        ------
        NotFoundError
            It was not recorded.
        """
        import pandas as pd

        node = report_node(self.trial["run"], self.trial["trial_number"], variable)
        if node not in self._snapshot.arrays:
            raise NotFoundError(
                f"the lake has no {variable} of all segments of this trial: record it with "
                f"play(cell.places({variable!r})), or keep it with nl.rerun(…, record='all-segments:{variable}')"
            )
        times = pd.Index(self._snapshot.arrays[REPORT_TIME.beside(node)][...], name="time")
        return pd.DataFrame(self._snapshot.arrays[node][...], index=times)

    def play(
        self, record: Sequence[str] = (), *, t_stop: float | None = None, variable_step: bool = False
    ) -> "pd.DataFrame":
        """Simulate the trial again in this process, with its own time step, temperature and initial potential.

        Parameters
        ----------
        record
            Range variables to record besides, as of `step`; ``cell.places("v")`` are those of all segments.
        t_stop
            End in ms; that of the trial by default.
        variable_step
            Whether NEURON chooses the time steps.

        Returns
        -------
        pandas.DataFrame
            One row per time (index, ms): ``soma`` and the recording sites in mV, and what *record* names.

        Raises
        ------
        InputError
            A section or variable that does not exist.
        """
        timing = self._timing
        return self.run(
            self.t_stop if t_stop is None else t_stop,
            [SOMA_SITE, *self._sites, *record],
            dt=timing["dt"],
            v_init=timing["Vinit"],
            celsius=timing["T"],
            variable_step=variable_step,
        )

    def state(self) -> "dict[str, Any]":
        """Return the cell and its trial as tables, without NEURON: those of `LiveCell.state` and those of the trial."""
        return {
            **super().state(),
            "synapses": self.synapses,
            "activations": self.activations,
            "voltage": self.voltage,
            "trial": self.trial,
        }

    def _reference(self, name: str) -> Any:
        if name == SOMA_SITE:
            return self.model.soma(0.5)._ref_v
        if name in self._sites:
            section, x = self._sites[name]
            return self.model.sections[section](x)._ref_v
        return super()._reference(name)


def trial_cell(
    lake: Lake | str | Path,
    trial: str | int,
    *,
    at: str | datetime = MAIN,
    modify: Modify = (),
    morphology: str | Path | None = None,
    mechanisms: Sequence[str | Path] | None = None,
    paths: Sequence[str | Path] = (),
) -> TrialCell:
    """Return the cell of a stored trial in this process's NEURON, with its synapses and their activations.

    Parameters
    ----------
    lake
        An open lake, or the path or URL of one.
    trial
        Its sim_trial_index or trial_id.
    at
        The commit to read.
    modify
        What to change, as of `rerun`.
    morphology, mechanisms, paths
        As of `rerun`.

    Returns
    -------
    TrialCell
        To be closed before the next cell is made: NEURON simulates all cells of a process together.

    Raises
    ------
    NotFoundError
        There is no such trial or commit, or the lake has no parameters of its cell.
    IngestError
        A file that parameters name is not found, or cannot be understood.
    InputError
        More than one trial is meant; the model cannot be built; another cell is still there.
    """
    require_neuron()
    snapshot, changes = Lake.of(lake).at(at), Modifications.of(modify)
    with stored_trials(snapshot) as stored:
        rows = [(run, row) for run, found in stored.chosen([trial]).items() for row in found]
        if len(rows) > 1:
            raise InputError(
                f"{trial!r} means {len(rows)} trials, a cell is of one: give its sim_trial_index"
            )
        [(run, row)] = rows
        files: dict[str, Any] = {"morphology": morphology, "mechanisms": mechanisms, "paths": paths}
        model = stored.model([row], changes, connectivity=False, **files)
        table = stored.played(row, changes).synapses
        check_alone()
        with built(model, Recorded(), keep=True) as simulation:
            connections = simulation.connected(table, row["seed"] or 0, row["trial_number"])
        return TrialCell(simulation, connections, snapshot, row, table, stored.t_stop(run))
