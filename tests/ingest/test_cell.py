"""A cell through its door: tables, experiments, and what is refused."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copyfile

import numpy as np
import pytest

import neurolake as nl
from neurolake.ingest.demo import write_demo_model
from neurolake.ingest.runs.cell import LiveCell
from neurolake.query import isf


@pytest.fixture(scope="module")
def file(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_demo_model(tmp_path_factory.mktemp("model")).cell


@pytest.fixture(scope="module")
def cell(file: Path) -> Iterator[LiveCell]:
    with nl.cell(file) as made:
        yield made


def test_tables_agree(cell: LiveCell) -> None:
    sections, segments = cell.sections, cell.segments
    by_section = segments.groupby("section_id")
    assert by_section.size().tolist() == sections.n_segments.tolist()
    assert by_section.length.sum().to_numpy() == pytest.approx(sections.length.to_numpy())
    assert by_section.area.sum().to_numpy() == pytest.approx(sections.area.to_numpy())


def test_a_step_may_be_repeated_and_records_what_is_named(cell: LiveCell) -> None:
    first = cell.step(1.0, delay=5, duration=10, after=5, record=["soma(0.5).ina", "soma(0.5).v"])
    assert list(first) == ["soma", "soma(0.5).ina", "soma(0.5).v"]
    assert first.index[-1] == pytest.approx(20.0)
    assert np.array_equal(first["soma"], first["soma(0.5).v"]) and first["soma(0.5).ina"].min() < 0
    again = cell.step(1.0, delay=5, duration=10, after=5, record=["soma(0.5).ina", "soma(0.5).v"])
    assert again.equals(first)
    assert cell.run(20).max().item() < first["soma"].max()


def test_your_own_experiment_with_variable_steps(cell: LiveCell) -> None:
    from neurolake.mechanisms.cell.modify import soma_current_injection

    own = cell.run(20, stimulate=lambda model: soma_current_injection(model, 0.2, 5, 10), variable_step=True)
    step = cell.step(0.2, delay=5, duration=10, after=5)
    assert len(own) < len(step) and own.index[-1] == 20.0
    assert np.interp(12.0, own.index, own["soma(0.5).v"]) == pytest.approx(
        np.interp(12.0, step.index, step["soma"]), abs=1.0
    )


@pytest.mark.parametrize("name", ["soma.v", "soma(2).v", "soma(.).v", "nothing(0.5).v", "soma(0.5).nothing"])
def test_a_place_that_does_not_exist(cell: LiveCell, name: str) -> None:
    with pytest.raises(nl.InputError, match=r"soma\(0\.5\)|no section"):
        cell.run(1, [name])


def test_a_second_cell_is_refused(cell: LiveCell, file: Path) -> None:
    with pytest.raises(nl.InputError, match="another cell"):
        nl.cell(file)


def test_the_part_of_the_neuron_from_elsewhere(cell: LiveCell, file: Path) -> None:
    sections = cell.sections
    cell.close()
    with pytest.raises(nl.InputError, match="closed"):
        _ = cell.sections
    with nl.cell(nl.parameters(file).neuron, paths=[file.parent]) as made:
        assert made.sections.equals(sections)


def test_what_no_cell_can_be_made_of(file: Path) -> None:
    tree = nl.parameters(file)
    del tree.neuron["Soma"]
    with pytest.raises(nl.InputError, match="Soma"):
        nl.cell(tree, paths=[file.parent])


def test_a_morphology_by_its_address(cell: LiveCell, file: Path, tmp_path: Path) -> None:
    """As parameter files of the In Silico Framework name files of databases, wherever these lie."""
    cell.close()
    db = isf.open(tmp_path / "lake")
    tree = nl.parameters(file)
    with db.create_managed_folder("anatomical_constraints") as folder:
        copyfile(file.parent / tree.neuron.filename, folder.join("cell.hoc"))
    with nl.cell(file) as made:
        sections = made.sections
    tree.neuron["filename"] = db.address("anatomical_constraints", "cell.hoc")
    with nl.cell(tree) as made:
        assert made.sections.equals(sections)
    isf.register(tmp_path / "lake", "2019-02-15_1137_VHVcuAZ")
    tree.neuron["filename"] = "mdb://2019-02-15_1137_VHVcuAZ/anatomical_constraints/cell.hoc"
    with nl.cell(tree) as made:
        assert made.sections.equals(sections)
    for address, told in (
        ("mdb://nobody/anatomical_constraints/cell.hoc", "no lake 'nobody' is registered"),
        ("mdb://2019-02-15_1137_VHVcuAZ/morphology/cell.hoc", "has no file 'morphology/cell.hoc'"),
    ):
        tree.neuron["filename"] = address
        with pytest.raises(nl.IngestError, match=told):
            nl.cell(tree)


def test_a_morphology_among_results_by_its_address(file: Path, tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake", durable=False)
    nl.run(lake, file, trials=1, t_stop=1, name="short", seed=1, processes=1)
    isf.open(lake)
    tree = nl.parameters(file)
    tree.neuron["filename"] = f"mdb://{lake.id}/morphology/{Path(tree.neuron.filename).name}"
    with nl.cell(tree) as made, pytest.raises(nl.InputError, match="another cell"):
        nl.cell(file)
    with nl.cell(tree) as again:
        assert len(again.sections) > 1
    assert repr(made) == "<closed cell>"
