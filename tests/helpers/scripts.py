"""What scripts of users do with NEURON, and NEURON as they find it: empty, with its own settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

KEEP: list[Any] = []
"""What a script still refers to: NEURON's objects live that long."""


@contextmanager
def neuron_alone() -> Iterator[Any]:
    """NEURON without sections and with a fixed step of 0.025 ms, at the beginning and in the end."""
    from neuron import h

    h.load_file("stdrun.hoc")
    _clear(h)
    h.celsius, h.dt, h.t, h.steps_per_ms = 6.3, 0.025, 0, 40
    try:
        yield h
    finally:
        _clear(h)


def _clear(h: Any) -> None:
    KEEP.clear()
    for section in list(h.allsec()):
        h.delete_section(sec=section)
    solver = h.CVode()
    solver.active(False)
    solver.use_local_dt(False)
    solver.use_fast_imem(False)
    h.ParallelContext().nthread(1)


class Cell:
    """A cell of a script's own, which has no name."""


def section(
    h: Any,
    name: str,
    parent: Any = None,
    end: int = 0,
    *,
    cell: Any = None,
    mechanism: str = "pas",
    **more: Any,
) -> Any:
    """Make a section of 20 by 20 um, or with other values of ``L``, ``diam``, ``nseg``."""
    made = h.Section(name=name) if cell is None else h.Section(name=name, cell=cell)
    made.L, made.diam, made.nseg = more.get("L", 20.0), more.get("diam", 20.0), more.get("nseg", 1)
    made.insert(mechanism)
    if parent is not None:
        made.connect(parent, end)
    KEEP.append(made)
    return made


def clamp(segment: Any, delay: float = 1.0, duration: float = 1.0, amplitude: float = 0.5) -> Any:
    """Inject a step of current (ms, ms, nA)."""
    from neuron import h

    made = h.IClamp(segment)
    made.delay, made.dur, made.amp = delay, duration, amplitude
    KEEP.append(made)
    return made


def run(h: Any, t_stop: float = 10.0) -> None:
    """Simulate from -65 mV on."""
    h.finitialize(-65)
    h.continuerun(t_stop)
