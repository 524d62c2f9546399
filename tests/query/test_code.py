"""Identity of functions without a version: what they do decides, and all of the user's that they use."""

import functools
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurolake import InputError
from neurolake.query.derive.code import code_digest


def function(text: str, **names: Any) -> Any:
    """The function ``f`` that *text* defines, as in a notebook."""
    module: dict[str, Any] = {"__name__": "__main__", "np": np, **names}
    exec(compile(text, "<cell>", "exec"), module)
    return module["f"]


BASE = """
limit = 3
def helper(x):
    return x + 1
class Scale:
    def of(self, x):
        return 2 * x
def f(x, y=1):
    z = (1, 2.5, "text", None, b"b", 1j, ...)
    return np.mean([helper(v) * Scale().of(y) for v in x if v < limit and v in {1, 2}]), z
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("limit = 3", "limit = 4"),
        ("return x + 1", "return x + 2"),
        ("return 2 * x", "return 3 * x"),
        ("y=1", "y=1.0"),
        ("v < limit", "v <= limit"),
        ('"text"', '"other"'),
        ("{1, 2}", "{1, 3}"),
        ("np.mean", "np.max"),
        ("1j", "2j"),
        ("limit = 3", "limit = [3]"),
    ],
)
def test_another_function_has_another_digest(old: str, new: str) -> None:
    assert old in BASE
    assert code_digest(function(BASE)) != code_digest(function(BASE.replace(old, new)))


def test_layout_and_unused_names_do_not_matter() -> None:
    first = code_digest(function(BASE))
    assert first == code_digest(function(BASE))
    assert first == code_digest(function("# a comment\n\n" + BASE + "\nunused = object()\n", more=object()))


def test_closures() -> None:
    def made(k: Any) -> Any:
        return lambda x: x * k

    assert code_digest(made(2)) == code_digest(made(2)) != code_digest(made(3))
    assert code_digest(made(np.array([1, 2]))) != code_digest(made(np.array([1, 3])))
    assert code_digest(made({"a": 1})) != code_digest(made({"a": 2}))
    assert code_digest(made(frozenset("ab"))) == code_digest(made(frozenset("ba")))
    with pytest.raises(
        InputError, match="'k', which <lambda> uses, is of type object, and nobody could tell"
    ):
        code_digest(made(object()))


def test_partials_and_functions_of_packages() -> None:
    def add(x: Any, y: int) -> Any:
        return x + y

    assert code_digest(functools.partial(add, y=1)) != code_digest(functools.partial(add, y=2))
    assert code_digest(np.mean) == code_digest(np.mean) != code_digest(np.median)
    assert code_digest(np.sqrt) != code_digest(np.exp) and code_digest(len) != code_digest(max)
    assert code_digest(np.mean) == code_digest(functools.partial(np.mean).func)


def test_numba_functions() -> None:
    import numba

    def compiled(k: int) -> Any:
        return numba.njit(lambda x: x * k)

    assert code_digest(compiled(2)) == code_digest(compiled(2)) != code_digest(compiled(3))


def test_functions_that_refer_to_each_other() -> None:
    text = "def f(n): return n and g(n - 1)\ndef g(n): return n and f(n - {})\n"
    assert code_digest(function(text.format(1))) == code_digest(function(text.format(1)))
    assert code_digest(function(text.format(1))) != code_digest(function(text.format(2)))


CLASSES = """
import functools
from dataclasses import dataclass, field
@dataclass(frozen=True)
class Window:
    start: float
    stop: float = 2.0
    names: list = field(default_factory=list)
    @property
    def length(self): return self.stop - self.start
    @staticmethod
    def unit(): return "ms"
class Slow(Window):
    factor = 3
@functools.lru_cache
def cached(x): return x + 10
def f(x): return Slow(x).length * cached(x)
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2.0", "2.5"),
        ("self.stop - self.start", "self.stop"),
        ('"ms"', '"s"'),
        ("factor = 3", "factor = 4"),
        ("x + 10", "x + 11"),
        ("default_factory=list", "default_factory=tuple"),
    ],
)
def test_classes_count_with_all_they_hold(old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))
    digest = code_digest(function(CLASSES))
    assert old in CLASSES and digest == code_digest(function(CLASSES))
    assert code_digest(function(CLASSES.replace(old, new))) != digest


def test_methods_and_objects_are_refused() -> None:
    class Model:
        def run(self, x: Any) -> Any:
            return x

        __call__ = run

    stateful = (Model().run, Model(), np.random.default_rng().normal, np.vectorize(len), [1].count)
    for value in stateful:
        with pytest.raises(InputError, match=r"the function is of type \w+, and nobody could tell"):
            code_digest(value)
    with pytest.raises(InputError, match="of Named is of type Named"):
        code_digest(function("import enum\nclass Named(enum.Enum):\n  one = 'x'\ndef f(): return Named.one"))


def test_modules_of_the_user_count_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = []
    for number in (1, 1, 2):
        path = tmp_path / "my_tools.py"
        path.write_text(f"def shift(x): return x + {number}\n")
        module = types.ModuleType("my_tools")
        module.__file__ = str(path)
        monkeypatch.setitem(sys.modules, "my_tools", module)
        digests.append(code_digest(function("def f(x): return my_tools.shift(x)", my_tools=module)))
    assert digests[0] == digests[1] != digests[2]


def test_the_same_in_every_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np\n"
        + BASE
        + "\nfrom neurolake.query.derive.code import code_digest\nprint(code_digest(f))"
    )
    found = {
        subprocess.run(
            [sys.executable, script],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
