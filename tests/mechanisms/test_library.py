"""Compilation and loading of mechanisms."""

import platform
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from neurolake.mechanisms import library as library_module
from neurolake.mechanisms.errors import ModelError
from neurolake.mechanisms.library import OWN, load, read_sources

MOD = """: not SUFFIX wrong
COMMENT
nor SUFFIX wrong
ENDCOMMENT
NEURON {{ THREADSAFE SUFFIX {name} NONSPECIFIC_CURRENT i RANGE g }}
PARAMETER {{ g = {g} (S/cm2) }}
ASSIGNED {{ v (mV) i (mA/cm2) }}
BREAKPOINT {{ i = g * v }}
"""


def write(folder: Path, name: str, g: float = 0.5, *, file: str | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{file or name}.mod").write_text(MOD.format(name=name, g=g))
    return folder


def silent(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def folder(cache, tmp_path_factory):
    """A folder of somebody's, loaded in this process."""
    folder = write(tmp_path_factory.mktemp("theirs"), "theirleak")
    load(folder, own=False, tell=silent)
    return folder


def test_every_mechanism_of_the_models_is_there(library):
    named = """CaDynamics_E2 CaDynamics_E2_v2 Ca_HVA Ca_LVAst Ih Im K_Pst K_Tst NaTa_t Nap_Et2 SK_E2 SKv3_1 NaTs2_t NaTg
        glutamate_syn gaba_syn epsp VecStim ProbAMPANMDA2 ProbUDFsyn2
        FieldPotential LinExp2Syn LinExp2SynNMDA SourceCurrent SourceConductance ElectrodeConductance TraubMiles WangBuzsaki TortOLM HalfGap
        LaterWeight"""
    assert set(library.names) == set(named.split())


def test_every_file_cites_its_source_and_is_thread_safe():
    for source in read_sources(OWN):
        assert "THREADSAFE" in source.text, source.name
        assert source.path.stem == source.name
        year = re.search(r"\((19|20)\d\d\)", source.text)
        assert year or source.name == "VecStim", f"{source.name} cites nothing"


def test_a_folder_of_ones_own_becomes_part_of_neuron_and_of_the_digest(folder, library):
    from neuron import h

    section = h.Section(name="one")
    section.insert("theirleak")
    assert section(0.5).theirleak.g == 0.5
    both = load(folder, tell=pytest.fail)
    assert both.names == tuple(sorted([*library.names, "theirleak"]))
    assert len({both.digest, library.digest, load(folder, own=False).digest}) == 3


def test_the_digest_is_of_texts_and_not_of_places(folder, tmp_path):
    here, there = read_sources(folder), read_sources(write(tmp_path / "a", "theirleak"))
    assert [source.digest for source in here] == [source.digest for source in there]
    assert load(tmp_path / "a", own=False, tell=pytest.fail).digest == load(folder, own=False).digest
    (tmp_path / "a" / "units.inc").write_text("UNITSOFF")
    assert read_sources(tmp_path / "a")[0].digest != here[0].digest


def test_what_was_compiled_is_not_compiled_again(tmp_path):
    first, second = [], []
    theirs = write(tmp_path / "mod", "onceleak")
    script = f"""if True:
        from neurolake.mechanisms.library import load
        from pathlib import Path
        load({str(theirs)!r}, own=False, cache=Path({str(tmp_path / "cache")!r}))
        from neuron import h
        h.Section(name="s").insert("onceleak")
    """
    for told in (first, second):
        run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        told.extend(line for line in run.stderr.splitlines() if line.startswith("neurolake:"))
    assert len(first) == 1 and "compiling 1 mechanism" in first[0]
    assert second == []


def test_two_processes_may_compile_at_once(tmp_path):
    theirs = write(tmp_path / "mod", "raceleak")
    script = f"""if True:
        from neurolake.mechanisms.library import load
        from pathlib import Path
        load({str(theirs)!r}, own=False, cache=Path({str(tmp_path / "cache")!r}))
        from neuron import h
        assert h.Section(name="s").insert("raceleak")(0.5).raceleak.g == 0.5
    """
    runs = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) for _ in range(2)]
    told = []
    for run in runs:
        told.append(run.stderr.read().decode())
        assert run.wait() == 0, told[-1]
        run.stderr.close()
    assert sum("compiling" in own for own in told) == 1, "the second waits for the first"
    assert len(list((tmp_path / "cache").iterdir())) == 1, "one library, and nothing left over"


def test_dask_workers_load_it(folder, scheduler):
    from distributed import Client

    with Client(scheduler) as client:
        there = client.submit(load, folder, own=False, pure=False).result()
    assert there == load(folder, own=False)


@pytest.mark.parametrize(
    "g, process",
    [(0.5, "otherwise, in"), (0.7, "has been loaded in this process")],
    ids=["folders", "process"],
)
def test_one_name_is_one_mechanism(folder, tmp_path, g, process):
    first = write(tmp_path / "a", "theirleak", g)
    folders = [first] if g != 0.5 else [first, write(tmp_path / "b", "theirleak", 0.9)]
    with pytest.raises(ModelError, match=process) as refused:
        load(*folders, own=False)
    assert "theirleak" in str(refused.value) and refused.value.path.endswith("theirleak.mod")


def test_one_name_twice_in_a_folder_is_refused(tmp_path):
    write(tmp_path / "a", "twiceleak")
    with pytest.raises(ModelError, match="twiceleak"):
        load(write(tmp_path / "a", "twiceleak", 0.1, file="other"), own=False)


@pytest.mark.parametrize("name", ["pas", "IClamp", "hh"])
def test_neurons_own_names_are_taken(tmp_path, name):
    with pytest.raises(ModelError, match=f"NEURON has something called '{name}' already"):
        load(write(tmp_path / "a", name), own=False)


def test_where_the_cache_cannot_be_written_a_process_has_its_own(tmp_path, monkeypatch):
    used = []
    monkeypatch.setattr(library_module, "_load_new", lambda sources, cache, tell: used.append(cache))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NEUROLAKE_CACHE", str(tmp_path / "file" / "cache"))
    load(write(tmp_path / "a", "lastleak"), own=False, tell=silent)
    assert used[0].name == "mechanisms" and used[0].parent.is_dir() and tmp_path not in used[0].parents


def test_what_does_not_compile_is_told_with_the_compilers_words(tmp_path):
    theirs = write(tmp_path / "a", "brokenleak")
    (theirs / "brokenleak.mod").write_text("NEURON { SUFFIX brokenleak }\nBREAKPOINT { i = }\n")
    with pytest.raises(ModelError, match=r"do not compile:\n.*syntax error") as refused:
        load(theirs, own=False, tell=silent, cache=tmp_path / "cache")
    assert str(theirs) in str(refused.value)
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("NEURON { SUFFIX wrongleak }\nPARAMETER { g = 1 }\nBREAKPOINT { g = (2 }\n", 3),
        ("NEURON { SUFFIX wrongleak }\nUNITS { (foo) = (barbar) }\n", 2),
        (
            "NEURON { SUFFIX wrongleak NONSPECIFIC_CURRENT i }\nASSIGNED { i v }\nBREAKPOINT {\n  i = gg * v\n}\n",
            4,
        ),
    ],
    ids=["syntax", "units", "undeclared"],
)
def test_what_does_not_compile_is_told_at_its_line(tmp_path, text, line):
    theirs = write(tmp_path / "a", "rightleak")
    (theirs / "wrongleak.mod").write_text(text)
    with pytest.raises(ModelError, match="do not compile") as refused:
        load(theirs, own=False, tell=silent, cache=tmp_path / "cache")
    assert refused.value.path == str(theirs / "wrongleak.mod") and refused.value.line == line
    assert "Traceback" not in str(refused.value) and "make:" not in str(refused.value)


def alone(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script with a process of NEURON of its own."""
    code = f"""if True:
        from pathlib import Path
        import neurolake.mechanisms.library as library
        from neurolake.mechanisms.errors import ModelError
        told = []
        def load(*folders, own=False):
            return library.load(*folders, own=own, tell=told.append, cache=Path("cache"))
        {script.strip()}
    """
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=False
    )


def test_mechanisms_of_ones_own_are_used_instead_of_ours(tmp_path):
    write(write(tmp_path / "ours", "sharedleak", 0.1), "otherleak")
    write(tmp_path / "theirs", "sharedleak", 0.7)
    done = alone(
        """
        library.OWN = Path("ours")
        both = load("theirs", own=True)
        assert [source.path.parent.name for source in both.sources] == ["ours", "theirs"]
        assert [line for line in told if "instead of" in line and "sharedleak" in line]
        from neuron import h
        section = h.Section(name="s")
        assert section.insert("sharedleak")(0.5).sharedleak.g == 0.7
        section.insert("otherleak")
        told.clear()
        assert load("theirs", own=True) == both and not told
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr


def test_a_library_of_the_working_folder_is_used_or_named(tmp_path):
    write(tmp_path / "mod", "autoleak", 0.3)
    write(tmp_path / "other", "autoleak", 0.4)
    made = subprocess.run(
        [str(Path(sysconfig.get_path("scripts")) / "nrnivmodl"), "mod"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout
    done = alone(
        """
        load("mod")
        assert not told
        from neuron import h
        assert h.Section(name="s").insert("autoleak")(0.5).autoleak.g == 0.3
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    done = alone(
        """
        try:
            load("other")
        except ModelError as error:
            print(error)
        """,
        tmp_path,
    )
    assert "NEURON has something called 'autoleak' already" in done.stdout, done.stderr
    assert str(tmp_path / platform.machine()) in done.stdout and "loads by itself" in done.stdout


FUNCTIONS = "NEURON {{ SUFFIX nothing }}\nFUNCTION {name}(x) {{ {name} = {by}*x }}\n"
IONS = "NEURON {{ SUFFIX {name} USEION {ion} READ {ion}i VALENCE {charge} RANGE x }}\nASSIGNED {{ {ion}i x }}\nBREAKPOINT {{ x = {ion}i }}\n"


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (FUNCTIONS.format(name="twicefold", by=2), FUNCTIONS.format(name="twicefold", by=3), "'twicefold'"),
        ("", FUNCTIONS.format(name="sin", by=3), "called 'sin' already"),
        ("", IONS.format(name="caion", ion="ca", charge=3), "ca has VALENCE 3 here and 2 in NEURON itself"),
        (
            IONS.format(name="oneion", ion="zz", charge=3),
            IONS.format(name="twoion", ion="zz", charge=2),
            "zz has VALENCE 2 here and 3 in ",
        ),
    ],
    ids=["functions", "built in", "ca", "ions"],
)
@pytest.mark.parametrize("before", [False, True], ids=["together", "one after the other"])
def test_what_neuron_would_end_the_process_over_is_told(tmp_path, first, second, told, before):
    for name, text in (("a", first), ("b", second)):
        (tmp_path / name).mkdir()
        write(tmp_path / name, f"plain{name}leak")
        if text:
            (tmp_path / name / f"file{name}.mod").write_text(text)
    done = alone(
        f"""
        {'load("a")' if before else ""}
        try:
            load("a", "b")
        except ModelError as error:
            print(error)
        """,
        tmp_path,
    )
    assert done.returncode == 0 and told in done.stdout, (done.stdout, done.stderr)
    assert "fileb.mod" in done.stdout


def test_a_machine_without_compiler_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelError, match=r"no 'make' on this machine.*C\+\+ compiler"):
        load(write(tmp_path / "a", "lonelyleak"), own=False, tell=silent)


@pytest.mark.parametrize(
    "text, match",
    [(None, "no such folder"), ("", "names the mechanism"), (b"", r"no \.mod files")],
)
def test_folders_without_mechanisms_are_refused(tmp_path, text, match):
    folder = tmp_path / "a"
    if text is not None:
        folder.mkdir()
        (folder / ("a.mod" if text == "" else "a.txt")).write_text("")
    with pytest.raises(ModelError, match=match):
        load(folder, own=False)
