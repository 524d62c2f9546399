"""A cell of a parameter file as a noun: its sections and segments as tables, its experiments as methods."""

import gc
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ...lake.errors import InputError
from ...mechanisms.cell.create import Cell, create_cell
from ...mechanisms.cell.geometry import section_table, segment_table
from ...mechanisms.cell.morphology import read_morphology
from ...mechanisms.errors import ModelError
from ...mechanisms.library import load
from ...mechanisms.live.solver import choose_solver
from ...mechanisms.trial.experiments import Conditions, ExperimentTraces, bac_response, run, step_response
from ...mechanisms.trial.recording import MembraneCurrents, reference
from .model import Given, Tree, read_model
from .worker import forget

if TYPE_CHECKING:
    import pandas as pd

_PLACE = re.compile(r"(?P<section>.+)\((?P<x>[0-9.eE+-]+)\)\.(?P<variable>\w+)")


class LiveCell:
    """A cell in this process's NEURON; see `cell`, which makes it.

    Experiments may be repeated: each takes its electrodes away in the end. Call `close`, or use the cell in ``with``,
    before another cell is made or trials are run in this process.

    Parameters
    ----------
    model
        The cell with NEURON's sections.
    """

    def __init__(self, model: Cell) -> None:
        self._model: Cell | None = model

    @property
    def model(self) -> Cell:
        """Return the cell with NEURON's sections.

        Raises
        ------
        InputError
            The cell is closed.
        """
        if self._model is None:
            raise InputError("this cell is closed; make it again")
        return self._model

    def __repr__(self) -> str:
        return "<closed cell>" if self._model is None else repr(self._model)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of NEURON's sections."""
        self._model = None
        gc.collect()

    @property
    def sections(self) -> "pd.DataFrame":
        """One row per section: names, labels, parents, lengths (um), areas (um2); see `section_table`."""
        import pandas as pd

        return pd.DataFrame(section_table(self.model))

    @property
    def points(self) -> "pd.DataFrame":
        """One row per 3-D point: ``section_id``, ``x``, ``y``, ``z`` and ``diameter`` in um."""
        import pandas as pd

        shape = self.model.branches
        section = np.repeat(np.arange(len(shape)), np.diff(shape.first))
        columns = dict(zip("xyz", shape.points.T, strict=True))
        return pd.DataFrame({"section_id": section, **columns, "diameter": self.model.diameters})

    @property
    def segments(self) -> "pd.DataFrame":
        """One row per segment: places, diameters and lengths (um), areas (um2); see `segment_table`."""
        import pandas as pd

        return pd.DataFrame(segment_table(self.model))

    def places(self, variable: str = "v") -> list[str]:
        """Return the names by which experiments record a range variable of all segments, in the order of `segments`.

        Parameters
        ----------
        variable
            Its name in NEURON, such as ``v`` (mV) or ``ina`` (mA/cm2).
        """
        names = [shape.name for shape in self.model.shapes]
        frame = self.segments
        return [
            f"{names[section]}({x!r}).{variable}"
            for section, x in zip(frame["section_id"], frame["x"].tolist(), strict=True)
        ]

    def state(self) -> "dict[str, pd.DataFrame]":
        """Return the cell as tables, without NEURON: `sections`, `segments` and `points`, by these names."""
        return {"sections": self.sections, "segments": self.segments, "points": self.points}

    def step(
        self,
        amplitude: float,
        *,
        delay: float = 700.0,
        duration: float = 2000.0,
        after: float = 300.0,
        record: Sequence[str] = (),
        dt: float = 0.025,
        v_init: float = -75.0,
        celsius: float = 34.0,
        variable_step: bool = False,
    ) -> "pd.DataFrame":
        """Inject a step of current into the soma.

        Parameters
        ----------
        amplitude
            In nA.
        delay, duration, after
            In ms: before, during and after the step.
        record
            Range variables to record besides, such as ``soma(0.5).ina``: section, relative position, name in NEURON.
        dt, v_init, celsius
            Time step in ms, initial potential in mV, temperature in degC.
        variable_step
            Whether NEURON chooses the time steps, and *dt* is not used.

        Returns
        -------
        pandas.DataFrame
            One row per time (index, ms): ``soma`` in mV, and what *record* names, in NEURON's units.

        Raises
        ------
        InputError
            A section or variable that does not exist.
        """
        conditions = Conditions(dt, v_init, celsius, variable_step)
        experiment = partial(step_response, self.model, amplitude, conditions=conditions)
        return self._recorded(record, partial(experiment, delay=delay, duration=duration, after=after))

    def bac(
        self,
        distance: float,
        *,
        delay: float = 295.0,
        after: float = 200.0,
        record: Sequence[str] = (),
        dt: float = 0.025,
        v_init: float = -75.0,
        celsius: float = 34.0,
        variable_step: bool = False,
    ) -> "pd.DataFrame":
        """Make the cell fire a burst by a somatic spike that meets an apical EPSP.

        Parameters
        ----------
        distance
            Of the EPSP from the soma, in um along the apical dendrite.
        delay, after
            In ms: before the somatic step, and from it to the end.
        record, dt, v_init, celsius, variable_step
            As of `step`.

        Returns
        -------
        pandas.DataFrame
            As of `step`, and ``apical``, the potential in mV at the place of the EPSP.

        Raises
        ------
        InputError
            A section or variable that does not exist, a distance that no apical dendrite reaches.
        """
        conditions = Conditions(dt, v_init, celsius, variable_step)
        experiment = partial(bac_response, self.model, distance, conditions=conditions)
        return self._recorded(record, partial(experiment, delay=delay, after=after))

    def run(
        self,
        t_stop: float,
        record: Sequence[str] = ("soma(0.5).v",),
        *,
        stimulate: Callable[[Cell], None] | None = None,
        dt: float = 0.025,
        v_init: float = -75.0,
        celsius: float = 34.0,
        variable_step: bool = False,
    ) -> "pd.DataFrame":
        """Do an experiment of your own.

        Parameters
        ----------
        t_stop
            End in ms.
        stimulate
            What puts electrodes into the cell: it is given `model` and keeps what it makes with ``keep``.
        record, dt, v_init, celsius, variable_step
            As of `step`.

        Returns
        -------
        pandas.DataFrame
            One row per time (index, ms), one column per variable, in NEURON's units.

        Raises
        ------
        InputError
            A section or variable that does not exist.
        """

        def experiment(record: Mapping[str, Any]) -> ExperimentTraces:
            with self.model.restored():
                if stimulate is not None:
                    stimulate(self.model)
                return run(t_stop, record, Conditions(dt, v_init, celsius, variable_step))

        return self._recorded(record, experiment)

    def _recorded(self, record: Sequence[str], experiment: Callable[..., ExperimentTraces]) -> "pd.DataFrame":
        import pandas as pd

        with MembraneCurrents([name.rpartition(".")[2] for name in record]), _input_errors():
            done = experiment(record={name: self._reference(name) for name in record})
        return pd.DataFrame(dict(done.traces), index=pd.Index(done.time, name="time"))

    def _reference(self, name: str) -> Any:
        """NEURON's reference to what a name means."""
        found = _PLACE.fullmatch(name)
        try:
            x = float(found["x"]) if found else -1.0
        except ValueError:
            x = -1.0
        if found is None or not 0 <= x <= 1:
            raise InputError(f"{name!r}: write SECTION(X).VARIABLE with X from 0 to 1, such as soma(0.5).ina")
        names = [shape.name for shape in self.model.shapes]
        if found["section"] in names:
            section = self.model.sections[names.index(found["section"])]
        elif found["section"] == "soma":
            section = self.model.soma
        else:
            raise InputError(f"{name!r}: no section has this name; `sections` lists them")
        made = reference(section(x), found["variable"])
        if made is None:
            raise InputError(f"{name!r}: the segment has no variable {found['variable']!r}")
        return made


def cell(
    parameters: Given,
    *,
    morphology: str | Path | None = None,
    mechanisms: Sequence[str | Path] = (),
    paths: Sequence[str | Path] = (),
) -> LiveCell:
    """Return a cell in this process's NEURON, for experiments.

    Parameters
    ----------
    parameters
        Cell parameter file (.param), its tree, or the tree's ``neuron``.
    morphology
        File to use instead of ``neuron.filename``, which is relative to the parameter file.
    mechanisms
        Folders of .mod files besides our own.
    paths
        Where to find files of other machines: ``OLD=NEW`` for what a path begins with or is called, or a folder to
        look in.

    Returns
    -------
    LiveCell
        To be closed before the next one is made: NEURON simulates all cells of a process together.

    Raises
    ------
    IngestError
        A parameter file that cannot be understood, a file that is not found.
    InputError
        Parameters that no cell can be made of, or another cell that is still there.
    """

    def whole(_: str, tree: Tree) -> Tree:
        return {**(tree if "neuron" in tree else {"neuron": tree}), "sim": {}}

    found = read_model(parameters, morphology=morphology, paths=paths, change=whole)
    path = parameters if isinstance(parameters, str | Path) else None
    with _input_errors():
        load(*mechanisms)
        check_alone()
        shape = read_morphology(found.origin[found.cell["neuron"]["filename"]])
        return LiveCell(create_cell(found.cell, shape, path=path))


def check_alone() -> None:
    """Let go of the model of earlier trials, and refuse other sections in this process.

    Raises
    ------
    InputError
        There are other sections in this process.
    """
    from neuron import h

    forget()
    gc.collect()
    if any(True for _ in h.allsec()):
        raise InputError("another cell is in this process; close it, or use a new process")
    choose_solver()


@contextmanager
def _input_errors() -> Iterator[None]:
    try:
        yield
    except ModelError as error:
        raise InputError(str(error)) from error
