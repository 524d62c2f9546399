"""Kernels are compiled once for what they are made of, wherever that lies, and never run as what they were made of before."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from neurolake.kernels import compiled
from neurolake.kernels.jit import jit

HEAD = "import enum\nfrom typing import NamedTuple\nfrom neurolake.kernels.jit import jit, jit_contracted\n"
INNER = HEAD + "CONSTANT, OFFSET = 1, 0\n@jit\ndef f(x):\n    return x + CONSTANT\n"
OUTER = HEAD + "import inner\nfrom inner import f\n@jit\ndef g(x):\n    return 10 * f(x) + inner.OFFSET\n"
PROCESS = "import outer; print(outer.g({}), sum(outer.g.stats.cache_misses.values()))"


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of compiled kernels, which is empty."""
    monkeypatch.setenv("NEUROLAKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(compiled.numba.config, "CACHE_DIR", "")
    return tmp_path / "cache" / "kernels"


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Execute the texts of modules as a new process would, and return the last module."""

    def execute(**texts: str) -> ModuleType:
        for name, text in texts.items():
            module = ModuleType(name)
            monkeypatch.setitem(sys.modules, name, module)
            exec(compile(text, f"/nowhere/{name}.py", "exec"), vars(module))
        return module

    return execute


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.kernel"))


def misses(kernel: Any) -> int:
    return sum(kernel.stats.cache_misses.values())


def doubling() -> Any:
    @jit
    def double(x: float) -> float:
        return 2 * x

    return double


class TestContent:
    """What a kernel is compiled from decides."""

    @pytest.mark.parametrize(
        ("old", "new", "value"),
        [
            ("CONSTANT, OFFSET = 1, 0", "CONSTANT, OFFSET = 2, 0", 30),
            ("CONSTANT, OFFSET = 1, 0", "CONSTANT, OFFSET = 1, 5", 25),
            ("x + CONSTANT", "x - CONSTANT", 0),
            (
                "@jit\ndef f(x):\n    return x +",
                "@jit\ndef h(x):\n    return x + 9\n@jit\ndef f(x):\n    return h(x) -",
                90,
            ),
            ("@jit", "@jit_contracted", 20),
            ("def f(x):", "def f(x, y=0):", 20),
        ],
    )
    def test_another_file_changed(self, executed: Any, old: str, new: str, value: int) -> None:
        for text, expected in ((INNER, 20), (INNER.replace(old, new), value)):
            for missed in (1, 0):
                outer = executed(inner=text, outer=OUTER)
                assert (outer.g(1), misses(outer.g)) == (expected, missed)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("class Pair(NamedTuple): a: int; b: int", "class Pair(NamedTuple): b: int; a: int"),
            ("PAIR = Pair(1, 2)", "PAIR = Pair(3, 2)"),
        ],
    )
    @pytest.mark.parametrize("text", ["PAIR.a", "Pair(4, 5).a + PAIR.a"])
    def test_fields_of_a_global(self, executed: Any, text: str, old: str, new: str) -> None:
        module = (
            HEAD
            + f"class Pair(NamedTuple): a: int; b: int\nPAIR = Pair(1, 2)\n@jit\ndef g():\n    return {text}\n"
        )
        first, second = executed(outer=module).g, executed(outer=module.replace(old, new)).g
        assert first() == first.py_func() != second() == second.py_func()

    def test_code_that_an_intrinsic_makes(self, executed: Any) -> None:
        module = HEAD + (
            "from numba import types\n"
            "from numba.extending import intrinsic\n"
            "@intrinsic\n"
            "def made(context):\n"
            "    def code(context, builder, signature, arguments):\n"
            "        return context.get_constant(types.int64, 7)\n"
            "    return types.int64(), code\n"
            "@jit\n"
            "def g():\n"
            "    return made()\n"
        )
        for text, expected in ((module, 7), (module.replace("7", "8"), 8)):
            for missed in (1, 0):
                outer = executed(outer=text)
                assert (outer.g(), misses(outer.g)) == (expected, missed)

    def test_fields_of_an_argument(self, executed: Any) -> None:
        text = HEAD + "class Pair(NamedTuple): {}: int; {}: int\n@jit\ndef g(pairs):\n    return pairs[0].a\n"
        for names, value in (("ab", 1), ("ba", 2)):
            outer = executed(outer=text.format(*names))
            assert outer.g((outer.Pair(1, 2),)) == value

    def test_a_member_of_an_enumeration(self, executed: Any) -> None:
        for value in (1, 2):
            text = (
                HEAD + f"class Kind(enum.IntEnum): one = {value}\n@jit\ndef g(x):\n    return x + Kind.one\n"
            )
            outer = executed(outer=text)
            assert (outer.g(0), misses(outer.g)) == (value, 1)

    def test_comments_and_lines_do_not_count(self, executed: Any) -> None:
        assert executed(inner=INNER, outer=OUTER).g(1) == 20
        outer = executed(inner="# new\n\n" + INNER, outer="\n" + OUTER.replace("return", "return  "))
        assert (outer.g(1), misses(outer.g)) == (20, 0)

    def test_a_constant_replaced_in_the_process(self, executed: Any, kept: Path) -> None:
        """What calls a kernel has the constants that this was compiled with: it must not be kept for those of now."""
        outer = executed(inner=INNER, outer=OUTER)
        assert sys.modules["inner"].f(1) == 2
        sys.modules["inner"].CONSTANT = 5
        assert outer.g(1) == 20 and len(files(kept)) == 1
        again = executed(inner=INNER.replace("CONSTANT, OFFSET = 1", "CONSTANT, OFFSET = 5"), outer=OUTER)
        assert again.g(1) == 60

    def test_a_class_of_arguments_is_gone(self, executed: Any) -> None:
        text = HEAD + "class Old(NamedTuple):\n    x: int\n@jit\ndef f(x):\n    return x.x + 1\n"
        for name, missed in (("Old", 1), ("Old", 0), ("New", 1), ("New", 0)):
            outer = executed(outer=text.replace("Old", name))
            assert (outer.f(getattr(outer, name)(1)), misses(outer.f)) == (2, missed)

    def test_what_only_this_process_knows_is_not_kept(self, kept: Path) -> None:
        @jit
        def apply(function: Any, x: int) -> Any:
            return function(x)

        assert apply(doubling(), 21) == 42
        assert [file.name.split("-")[0] for file in files(kept)] == ["doubling.double"]

    def test_settings_of_numba(self, monkeypatch: pytest.MonkeyPatch) -> None:
        first, second = doubling(), doubling()
        assert first(1) == 2
        monkeypatch.setattr(compiled.numba.config, "BOUNDSCHECK", 1)
        assert (second(1), misses(second)) == (2, 1)

    def test_versions(self, monkeypatch: pytest.MonkeyPatch) -> None:
        first, second = doubling(), doubling()
        assert first(1) == 2
        monkeypatch.setattr(compiled, "_VERSIONS", (*compiled._VERSIONS[:-1], "0.1"))
        assert (second(1), misses(second)) == (2, 1)


class TestProcesses:
    """Copies of the sources, and processes at the same time."""

    def process(self, folder: Path, x: str = "1") -> "subprocess.Popen[str]":
        folder.mkdir(exist_ok=True)
        (folder / "inner.py").write_text(INNER)
        (folder / "outer.py").write_text(OUTER)
        command = [sys.executable, "-B", "-c", PROCESS.format(x)]
        return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)

    def test_a_second_copy_compiles_nothing_and_four_at_once_are_right(
        self, tmp_path: Path, kept: Path
    ) -> None:
        numbers = ["1", "1", "1.5", "1.5"]
        running = [self.process(tmp_path / f"copy{k}", x) for k, x in enumerate(numbers)]
        assert [each.communicate()[0].split()[0] for each in running] == ["20", "20", "25.0", "25.0"]
        assert len(files(kept)) == 4 and {file.suffix for file in kept.iterdir()} == {".kernel", ""}
        for x, answer in (("1", "20 0\n"), ("1.5", "25.0 0\n")):
            assert self.process(tmp_path / "other", x).communicate()[0] == answer

    def test_two_write_between_each_others_looks(self) -> None:
        """Of one name, for other types or of other constants: each looks, finds nothing, and then both write."""

        def adding(number: int) -> Any:
            @jit
            def add(x: float) -> float:
                return x + number

            return add

        def interleaved(first: Any, second: Any, x: float) -> Any:
            save = first._cache.save_overload

            def after_the_other(signature: Any, result: Any) -> None:
                second(x)
                save(signature, result)

            first._cache.save_overload = after_the_other
            return first

        assert interleaved(adding(1), adding(2), 1)(1) == 2
        assert interleaved(adding(3), adding(3), 1.5)(1) == 4
        for number, x in ((1, 1), (2, 1), (3, 1), (3, 1.5)):
            add = adding(number)
            assert (add(x), misses(add)) == (x + number, 0)


class TestFiles:
    """Any file may be damaged, and any folder be of somebody else."""

    @pytest.mark.parametrize(
        "damage",
        [
            lambda data: b"",
            lambda data: data[:20],
            lambda data: data[:-1],
            lambda data: data[:2000] + bytes([data[2000] ^ 1]) + data[2001:],
            lambda data: data[:32] + b"cos\nsystem\n(S'exit'\ntR.",
        ],
        ids=["empty", "head", "tail", "bit", "program"],
    )
    def test_a_damaged_file_is_made_anew(self, kept: Path, damage: Callable[[bytes], bytes]) -> None:
        assert doubling()(21) == 42
        (file,) = files(kept)
        file.write_bytes(damage(file.read_bytes()))
        for missed in (1, 0):
            double = doubling()
            assert (double(21), misses(double)) == (42, missed)

    def test_a_file_under_the_name_of_another(self, kept: Path) -> None:
        assert (doubling()(21), doubling()(1.5)) == (42, 3.0)
        one, other = (file.read_bytes() for file in files(kept))
        for file, data in zip(files(kept), (other, one), strict=True):
            file.write_bytes(data)
        double = doubling()
        assert (double(21), double(1.5), misses(double)) == (42, 3.0, 2)

    def test_where_nothing_can_be_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("NEUROLAKE_CACHE", str(tmp_path / "file" / "cache"))
        for _ in range(2):
            double = doubling()
            assert (double(21), misses(double)) == (42, 1)

    def test_what_is_in_a_folder_that_cannot_be_written_is_used(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*arguments: Any) -> None:
            raise PermissionError

        assert doubling()(21) == 42
        monkeypatch.setattr(compiled, "_write", refuse)
        double = doubling()
        assert (double(21), misses(double), double(1.5)) == (42, 0, 3.0)

    def test_the_folder_is_private(self, kept: Path) -> None:
        assert doubling()(21) == 42
        assert kept.stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize("mode", [0o770, 0o707])
    def test_a_folder_that_others_may_write_to_is_not_used(self, kept: Path, mode: int) -> None:
        assert doubling()(21) == 42
        kept.chmod(mode)
        double = doubling()
        with pytest.warns(
            RuntimeWarning, match=r"kernels is another user's, or others may write to it; NEUROLAKE_CACHE"
        ):
            assert (double(21), misses(double)) == (42, 1)

    def test_a_folder_of_another_user_is_not_used(self, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert doubling()(21) == 42
        monkeypatch.setattr(os, "geteuid", lambda: kept.stat().st_uid + 1)
        double = doubling()
        with pytest.warns(RuntimeWarning, match="is another user's"):
            assert (double(21), double(1.5), misses(double)) == (42, 3.0, 2)
        assert len(files(kept)) == 1

    def test_the_folder_that_the_user_chose_for_numba(
        self, tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(compiled.numba.config, "CACHE_DIR", str(tmp_path / "numba"))
        double = doubling()
        assert double(21) == 42 and double.stats.cache_path == str(tmp_path / "numba" / "neurolake")
        assert len(files(tmp_path / "numba" / "neurolake")) == 1 and not kept.exists()

    def test_a_month_unused(self, kept: Path) -> None:
        kept.mkdir(mode=0o700, parents=True)
        ages = {"old.kernel": 31, "recent.kernel": 29, "killed.part": 31, "mine.txt": 31}
        for name, days in ages.items():
            (kept / name).write_text("")
            then = time.time() - days * 24 * 3600
            os.utime(kept / name, (then, then))
        assert doubling()(1) == 2
        left = {path.name for path in kept.iterdir()} & ages.keys()
        assert left == {"recent.kernel", "mine.txt"}
        # It is not looked for again on that day; and what is used stays.
        for file in files(kept):
            os.utime(file, (1, 1))
        assert (doubling()(1), doubling()(1.5)) == (2, 3.0)
        assert (kept / "recent.kernel").exists()
        os.utime(kept / "swept", (1, 1))
        assert doubling()(1 + 1j) == 2 + 2j
        assert not (kept / "recent.kernel").exists() and len(files(kept)) == 3
