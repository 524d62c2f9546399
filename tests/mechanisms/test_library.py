"""Compilation and loading of mechanisms."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

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
        glutamate_syn gaba_syn epsp VecStim ProbAMPANMDA2 ProbUDFsyn2"""
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
    for run in runs:
        assert run.wait() == 0, run.stderr.read().decode()
        run.stderr.close()
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


def test_what_does_not_compile_is_told_with_the_compilers_words(tmp_path):
    theirs = write(tmp_path / "a", "brokenleak")
    (theirs / "brokenleak.mod").write_text("NEURON { SUFFIX brokenleak }\nBREAKPOINT { i = }\n")
    with pytest.raises(ModelError, match=r"do not compile:\n.*syntax error") as refused:
        load(theirs, own=False, tell=silent, cache=tmp_path / "cache")
    assert str(theirs) in str(refused.value)
    assert list((tmp_path / "cache").iterdir()) == []


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
