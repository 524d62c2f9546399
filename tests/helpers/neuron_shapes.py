"""Sections as NEURON itself makes them of morphology files."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Made = dict[str, Any]
"""``name``, ``L``, ``area``, ``points`` [n, 4], ``parent`` (name or None), ``parent_x``, and ``end``: which is attached."""


def described(section: Any) -> Made:
    """A section of this process's NEURON."""
    parent = section.parentseg()
    ends = (section.x3d, section.y3d, section.z3d, section.diam3d)
    return {
        "name": section.name().rpartition(".")[2],
        "L": section.L,
        "area": sum(segment.area() for segment in section),
        "points": [[end(at) for end in ends] for at in range(int(section.n3d()))],
        "parent": None if parent is None else parent.sec.name().rpartition(".")[2],
        "parent_x": 0.0 if parent is None else parent.x,
        "end": section.orientation(),
    }


_DONE = 7


class _Holder:
    """Sections live as long as this."""

    all: Sequence[Any]


def imported(path: str | Path) -> list[Made]:
    """The sections of an SWC file by NEURON's ``Import3d``."""
    from neuron import h

    h.load_file("import3d.hoc")
    reader, cell = h.Import3d_SWC_read(), _Holder()
    reader.quiet = 1
    reader.input(str(path))
    h.Import3d_GUI(reader, 0).instantiate(cell)
    return [described(section) for section in cell.all]


def loaded(paths: Sequence[str | Path]) -> list[list[Made] | None]:
    """The sections of each hoc or SWC file in a NEURON of its own process; None for a file that NEURON refuses."""
    command = [sys.executable, __file__, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    lines = [line.removeprefix("MADE ") for line in done.stdout.splitlines() if line.startswith("MADE ")]
    return [json.loads(line) for line in lines]


def _load_all(paths: Sequence[str]) -> None:
    """Load each file in a process of its own: what one declares stays declared, and some end NEURON."""
    from neuron import h

    for path in paths:
        child = os.fork()
        if child:
            _, status = os.waitpid(child, 0)
            if os.waitstatus_to_exitcode(status) != _DONE:
                print("\nMADE null", flush=True)
            continue
        if path.endswith(".swc"):
            made = imported(path)
        elif h.load_file(path):
            made = [described(section) for section in h.allsec()]
        else:
            os._exit(1)
        print(f"\nMADE {json.dumps(made)}", flush=True)
        os._exit(_DONE)


if __name__ == "__main__":
    _load_all(sys.argv[1:])
