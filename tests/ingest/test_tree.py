"""Parameter files as trees, and networks of a deflected whisker, through their doors."""

import copy
import gzip
import json
import pickle
from pathlib import Path

import pytest
from typer.testing import CliRunner

import neurolake as nl
from neurolake.cli import app
from neurolake.ingest.text.parameters import parse_parameters

TEXT = "{'neuron': {'Soma': {'properties': {'Ra': 100.0,}}, 'places': ((1, 2), {'x': 3})}, 'none': None, '<b>': {}}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cell.param"
    path.write_text(TEXT)
    return path


def test_names_are_attributes_and_items(file: Path) -> None:
    tree = nl.parameters(file)
    assert tree.neuron.Soma.properties.Ra == tree["neuron"]["Soma"]["properties"]["Ra"] == 100.0
    assert tree.neuron.places[1].x == 3
    tree.neuron.Soma.properties.Ra = 150.0
    tree.sim = {"dt": 0.025}
    assert tree["neuron"]["Soma"]["properties"] == {"Ra": 150.0} and tree.sim.dt == 0.025
    del tree.sim
    assert "sim" not in tree and "neuron" in dir(tree)


def test_what_is_missing_is_named_with_what_is_there(file: Path) -> None:
    tree = nl.parameters(file)
    with pytest.raises(AttributeError, match=r"'Axon'; there are: Soma, places"):
        _ = tree.neuron.Axon
    with pytest.raises(AttributeError, match="method"):
        tree.items = 3


def test_copies_are_trees_of_their_own(file: Path) -> None:
    tree = nl.parameters(file)
    for other in (copy.deepcopy(tree), pickle.loads(pickle.dumps(tree))):
        other.neuron.Soma.properties.Ra = 1.0
        assert tree.neuron.Soma.properties.Ra == 100.0


def test_saved_parameters_come_back(file: Path, tmp_path: Path) -> None:
    tree = nl.parameters(file)
    tree.added = (1.5, "µ")
    saved = tree.save(tmp_path / "other.param")
    assert nl.parameters(saved) == tree == json.loads(saved.read_text("utf-8"))
    tree.added = object()
    with pytest.raises(nl.InputError, match=r"other\.param"):
        tree.save(saved)
    assert "added" in nl.parameters(saved)


def test_a_tree_is_shown(file: Path) -> None:
    tree = nl.parameters(file)
    assert repr(tree.neuron.Soma) == "properties\n  Ra: 100.0"
    assert "<b>" not in tree._repr_html_() and "<summary>Soma</summary>" in tree._repr_html_()
    shown = CliRunner().invoke(app, ["parameters", "show", str(file), "neuron.Soma"])
    assert shown.stdout == "properties\n  Ra: 100.0\n"
    missing = CliRunner().invoke(app, ["parameters", "show", str(file), "neuron.Axon"])
    assert isinstance(missing.exception, nl.InputError)
    with pytest.raises(nl.InputError, match=r"gone\.param"):
        nl.parameters(file.with_name("gone.param"))


@pytest.fixture
def model(isf_data: Path) -> list[str]:
    folder = isf_data / "example_86_C2"
    functional = folder / "functional"
    template = "ongoing_activity/ongoing_activity_celltype_template_exc_conductances_fitted.param"
    cells = folder / "anatomical" / "example_embedding_86_C2_center" / "NumberOfConnectedCells.csv"
    return [str(functional / template), str(cells), str(functional / "evoked_activity")]


@pytest.mark.parametrize("whisker", ["C2", "B1"])
def test_evoked_networks_are_those_the_framework_made(
    isf_data: Path, model: list[str], tmp_path: Path, whisker: str
) -> None:
    data = gzip.decompress((isf_data / "golden" / f"network_{whisker}_stim.param.gz").read_bytes())
    golden = parse_parameters(data, "golden")
    files = next(iter(golden["network"].values()))["synapses"]
    options = ["--synapses", files["distributionFile"], "--connections", files["connectionFile"]]
    command = ["parameters", "evoked", *model, *options, "--to", str(tmp_path), "--whisker", whisker]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0 and "278 populations" in done.stdout
    assert nl.parameters(tmp_path / f"network_{whisker}.param").network == golden["network"]


def test_a_network_is_made_for_each_of_the_nine_whiskers(model: list[str], tmp_path: Path) -> None:
    command = [
        "parameters",
        "evoked",
        *model,
        "--synapses",
        "a.syn",
        "--connections",
        "a.con",
        "--to",
        str(tmp_path),
    ]
    assert CliRunner().invoke(app, command, catch_exceptions=False).exit_code == 0
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {f"network_{row}{arc}.param" for row in "BCD" for arc in "123"}


def test_a_whisker_that_does_not_exist_is_refused(model: list[str]) -> None:
    with pytest.raises(nl.InputError, match="Z9"):
        nl.evoked_parameters(*model, whisker="Z9", synapse_file="a.syn", connection_file="a.con")
