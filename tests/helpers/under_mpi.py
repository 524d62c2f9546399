"""Processes under mpiexec, where it is there."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

# Two ranks may share a core, and containers run as root: Open MPI wants to be told so. Ranks that wait give their core to
# other tests.
OPEN_MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
}
_NEURON_SAYS = "numprocs="


def run_python(arguments: Sequence[str | Path], ranks: int = 1) -> list[str]:
    """Run Python with arguments, as one process or as ranks under mpiexec; return the lines that it printed.

    Parameters
    ----------
    arguments
        Of Python.
    ranks
        How many; the test is skipped where there are to be several and there is no mpiexec.
    """
    mpiexec = shutil.which("mpiexec")
    if ranks > 1 and mpiexec is None:
        pytest.skip("mpiexec is missing; on Debian it is in openmpi-bin")
    command = [str(mpiexec), "-n", str(ranks)] if ranks > 1 else []
    done = subprocess.run(
        [*command, sys.executable, *map(str, arguments)],
        env={**os.environ, **OPEN_MPI},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if line and not line.startswith(_NEURON_SAYS)]
