"""How kernels are compiled and run."""

import subprocess
import sys

import numpy as np
import pytest

from neurolake.kernels.jit import jit, over_rows


def test_division_by_zero_is_ieee():
    @jit
    def ratio(a, b):
        return a / b

    assert ratio(1.0, 0.0) == np.inf


@pytest.mark.parametrize("n_rows", [0, 1, 2, 7, 100])
def test_every_row_once(n_rows):
    seen = np.zeros(n_rows, int)

    def visit(begin, end):
        seen[begin:end] += 1

    over_rows(visit, n_rows)
    assert (seen == 1).all()


def test_an_error_in_a_thread_surfaces():
    def fail(begin, end):
        raise ValueError(f"rows {begin} to {end}")

    with pytest.raises(ValueError, match="rows 0 to"):
        over_rows(fail, 10)


def test_the_face_does_not_import_numba():
    code = "import sys, neurolake; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
