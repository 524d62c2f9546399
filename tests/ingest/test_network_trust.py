"""Code that a lake keeps of a run, hoc and NMODL, is used only where the user trusts it."""

import copy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import small_circuit as small
from nerves import delete_all_sections

import neurolake
from neurolake.catalog.vocabulary import trials
from neurolake.ingest.trials.kept import KeptCode
from neurolake.ingest.trials.names import file_node
from neurolake.lake.errors import InputError
from neurolake.mechanisms.templates.files import hoc_files

HOC = """begintemplate TrustedBall
public soma, stick, all
create soma, stick
objref all
proc init() {
    connect stick(0), soma(1)
    soma { L = 12 diam = 12 insert hh }
    stick { L = 178 diam = 1 nseg = 5 insert trustedleak }
    all = new SectionList()
    soma all.append()
    stick all.append()
}
endtemplate TrustedBall
"""
MOD = """NEURON {
    SUFFIX trustedleak
    NONSPECIFIC_CURRENT i
    RANGE g, e
}
PARAMETER {
    g = 0.0005 (S/cm2)
    e = -65 (mV)
}
ASSIGNED { v (mV) i (mA/cm2) }
INCLUDE "trusted.inc"
"""
INCLUDED = "BREAKPOINT { i = g * (v - e) }\n"
CONFIGURATION = copy.deepcopy(small.CONFIGURATION)
for _population in ("E", "I"):
    CONFIGURATION["Cell Types"][_population]["template"] = "TrustedBall"


class StopError(Exception):
    """What interrupts a run."""


def run(lake: Any, name: str, **options: Any) -> Any:
    chosen = {
        "t_stop": 20.0,
        "configuration": CONFIGURATION,
        "record": ["soma@0.5"],
        "templates": (),
        **options,
    }
    return small.run(lake, name, **chosen)


def with_mechanism(name: str) -> dict[str, Any]:
    """The configuration with another point process at synapses."""
    tree = copy.deepcopy(CONFIGURATION)
    rules = {
        name: {"mech_params": ["tau_rise", "tau_decay", "e"], "netcon_params": {"weight": 0, "g_unit": 1}}
    }
    tree["Connection Generator"] |= {"Synapse Mechanisms": {"AMPA": name}, "Synapse Parameter Rules": rules}
    return tree


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A lake with the run `whole`, and `half` that was interrupted; the folders of their code are gone."""
    delete_all_sections()
    folder = tmp_path_factory.mktemp("trust")
    lake = neurolake.create(folder / "lake", durable=False)
    small.write_circuit(lake)
    for name, text in {
        "code/cells/ball.hoc": HOC,
        "code/ball.hoc": "// nothing\n",
        "nmodl/first/trustedleak.mod": MOD,
        "nmodl/first/trusted.inc": INCLUDED,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    code: dict[str, Any] = {"templates": [folder / "code"], "mechanisms": [folder / "nmodl"]}
    run(lake, "whole", **code)

    def stop(done: float, end: float) -> None:
        raise StopError

    with pytest.raises(StopError):
        run(lake, "half", commit_every=10.0, progress=stop, **code)
    shutil.rmtree(folder / "code")
    shutil.rmtree(folder / "nmodl")
    yield lake
    delete_all_sections()


def same(lake: Any, name: str) -> bool:
    one, other = (lake.head.arrays[f"reports/{each}/soma v/E"][...] for each in ("whole", name))
    return bool(np.array_equal(one, other))


def test_a_lake_keeps_what_was_run(lake: Any) -> None:
    code = KeptCode.of(lake.head, "whole")
    assert sorted(code.files) == [
        "mechanisms/trusted.inc",
        "mechanisms/trustedleak.mod",
        "templates/ball.hoc",
        "templates/cells/ball.hoc",
    ]
    assert lake.head.files[code.files["templates/cells/ball.hoc"]] == HOC.encode()
    assert code.told("mechanisms") == "trusted.inc, trustedleak.mod"


def test_nothing_that_a_lake_keeps_is_run_without_trust(lake: Any) -> None:
    before = lake.head.commit.id
    for options in ({}, {"resume": True}):
        with pytest.raises(InputError) as told:
            run(lake, "half", **options)
        for said in (
            "the run 'half' was simulated with ball.hoc, cells/ball.hoc, trusted.inc, trustedleak.mod",
            "name the folders of its templates and mechanisms (--templates, --mechanisms)",
            "run what the lake keeps of the run 'half', which is code, with --trust-templates",
        ):
            assert said in str(told.value)
    with pytest.raises(InputError) as told:
        run(lake, "new")
    assert "there is no template 'TrustedBall'" in str(told.value)
    assert "no folder was named; run what the lake keeps of the run 'half', which is code" in str(told.value)
    with pytest.raises(InputError) as told:
        run(lake, "new", templates={"TrustedBall": small.ball}, configuration=with_mechanism("Elsewhere"))
    assert "mechanism 'Elsewhere'" in str(told.value) and "with --trust-templates" in str(told.value)
    with pytest.raises(InputError) as told:
        run(lake, "new", templates={"Other": small.ball})
    assert "there is no template 'TrustedBall'" in str(told.value)
    assert "--trust-templates" not in str(told.value), "it would not help"
    assert lake.head.commit.id == before


def test_a_run_goes_on_and_another_is_made_with_trust(lake: Any) -> None:
    assert run(lake, "whole", trust_templates=True).commit is None, "it is there already"
    done = run(lake, "half", resume=True, trust_templates=True)
    assert done.notices == [
        "code that the lake keeps of the run half is used: ball.hoc, cells/ball.hoc, trusted.inc, trustedleak.mod"
    ]
    assert same(lake, "half")
    run(lake, "clamp", cells={"E": [2]}, inputs_from="whole", trust_templates=True)
    run(lake, "again", trust_templates=True)
    assert same(lake, "again")
    assert KeptCode.of(lake.head, "again").files == KeptCode.of(lake.head, "whole").files
    with pytest.raises(InputError, match="there is no such folder of templates"):
        run(lake, "named", templates=["nowhere"], trust_templates=True)


def test_trust_in_nothing_is_an_error(tmp_path: Path) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    small.write_circuit(lake)
    with pytest.raises(InputError, match="keeps no templates or mechanisms of a run of this circuit"):
        run(lake, "new", trust_templates=True)


@pytest.mark.parametrize("path", ["templates/../../evil.hoc", "templates/..\\evil.hoc", "mechanisms"])
def test_a_path_that_leads_out_of_its_folder_is_refused(tmp_path: Path, path: str) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    with lake.transaction("Write a hostile file") as transaction:
        transaction.put_file(file_node(path, b"x"), b"x")
        row = {
            "run": "bad",
            "path": path,
            "kind": "template",
            "size": 1,
            "digest": "",
            "node": file_node(path, b"x"),
        }
        transaction.write_table(trials.FILES.name, pa.Table.from_pylist([row], trials.FILES.schema))
    with pytest.raises(InputError, match="leads out of its folder"):
        KeptCode.of(lake.head, "bad")


def test_hoc_of_several_folders_fits_into_one(tmp_path: Path) -> None:
    texts = {
        "a/x.hoc": "1",
        "a/s/x.hoc": "2",
        "b/x.hoc": "3",
        "b/s/x.hoc": "2",
        "c/s/x.hoc": "4",
        "c/s/t/x.hoc": "5",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = hoc_files([tmp_path / name for name in "abc"])
    assert {name: path.read_text() for name, path in found.items()} == {
        "x.hoc": "1",
        "s/x.hoc": "2",
        "+1/x.hoc": "3",
        "s+2/x.hoc": "4",
    }
    for name, path in found.items():
        (tmp_path / "all" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "all" / name)
    assert sorted(hoc_files([tmp_path / "all"])) == sorted(found), "they keep their names"
