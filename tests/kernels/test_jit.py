"""How kernels are compiled and run."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neurolake.kernels.jit import jit, over_rows


def test_division_by_zero_is_ieee():
    @jit
    def ratio(a, b):
        return a / b

    assert ratio(1.0, 0.0) == np.inf


def test_a_kernel_that_cannot_be_cached_still_compiles():
    names = {}
    exec("def double(x):\n    return 2 * x", names)  # numba finds no folder to cache code without a file
    assert jit(names["double"])(21) == 42


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


class TestCache:
    """Cached machine code is what the sources say now, in whichever file they changed."""

    JIT = "from neurolake.kernels.jit import jit\n"
    OUTER = JIT + "import inner\nfrom inner import f\n@jit\ndef g(x):\n    return 10 * f(x) + inner.OFFSET\n"

    def answer(self, folder: Path) -> tuple[int, int]:
        """What the kernel gives in a new process, and how often it was compiled there."""
        code = "import outer; print(outer.g(1), sum(outer.g.stats.cache_misses.values()))"
        # Python's own cache goes by time and size, as numba's does.
        done = subprocess.run(
            [sys.executable, "-B", "-c", code], cwd=folder, check=True, capture_output=True, text=True
        )
        value, misses = done.stdout.split()
        return int(value), int(misses)

    def write(self, folder: Path, name: str, text: str) -> None:
        """The same time and, where the tests make it so, the same size."""
        (folder / name).write_text(text)
        os.utime(folder / name, (10**9, 10**9))

    @pytest.mark.parametrize(
        ("inner", "value"),
        [
            (
                "CONSTANT, OFFSET = 1, 0\n@jit\ndef h(x):\n    return x + 9\n@jit\ndef f(x):\n    return h(x)\n",
                100,
            ),
            ("CONSTANT, OFFSET = 2, 0\n@jit\ndef f(x):\n    return x + CONSTANT\n", 30),
            ("CONSTANT, OFFSET = 1, 5\n@jit\ndef f(x):\n    return x + CONSTANT\n", 25),
            ("CONSTANT, OFFSET = 1, 0\n@jit\ndef f(x):\n    return x - CONSTANT\n", 0),
        ],
    )
    def test_another_file_changed(self, tmp_path: Path, inner: str, value: int) -> None:
        self.write(
            tmp_path,
            "inner.py",
            self.JIT + "CONSTANT, OFFSET = 1, 0\n@jit\ndef f(x):\n    return x + CONSTANT\n",
        )
        self.write(tmp_path, "outer.py", self.OUTER)
        assert self.answer(tmp_path) == (20, 1)
        assert self.answer(tmp_path) == (20, 0)
        self.write(tmp_path, "inner.py", self.JIT + inner)
        assert self.answer(tmp_path) == (value, 1)
        assert self.answer(tmp_path) == (value, 0)

    def test_a_class_of_arguments_is_gone(self, tmp_path: Path) -> None:
        text = "from typing import NamedTuple\nclass Old(NamedTuple):\n    x: int\n@jit\ndef f(x):\n    return x.x + 1\n"
        for name, misses in (("Old", 1), ("Old", 0), ("New", 1), ("New", 0)):
            self.write(tmp_path, "outer.py", self.JIT + text.replace("Old", name))
            code = f"import outer; print(outer.f(outer.{name}(1)), sum(outer.f.stats.cache_misses.values()))"
            done = subprocess.run(
                [sys.executable, "-B", "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
            )
            assert done.stdout.split() == ["2", str(misses)]

    def test_a_constant_changed_in_a_file_of_equal_size_and_time(self, tmp_path: Path) -> None:
        for number in (1, 2):
            self.write(tmp_path, "outer.py", self.JIT + f"@jit\ndef g(x):\n    return x + {number}\n")
            assert self.answer(tmp_path) == (1 + number, 1)
