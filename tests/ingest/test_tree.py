"""Parameter files as trees, and networks of a deflected whisker, through their doors."""

import copy
import gzip
import json
import pickle
from pathlib import Path

import numpy as np
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


def test_whatever_comes_into_a_tree_has_attributes(file: Path) -> None:
    tree = nl.parameters(file)
    tree.update({"one": {"a": 1}}, two={"b": [{"c": 2}]})
    tree.update([("three", {"d": 3})])
    assert (tree.one.a, tree.two.b[0].c, tree.three.d) == (1, 2, 3)
    assert tree.setdefault("four", {"e": {"f": 4}}).e.f == 4 == tree.four.e.f
    assert tree.setdefault("four", {}) is tree.four and tree.setdefault("five") is None
    tree |= {"six": {"g": 6}}
    assert tree.six.g == 6 and (tree | {"x": {"y": 7}}).x.y == 7 and ({"x": {"y": 8}} | tree).x.y == 8
    assert type(tree | {}) is type({} | tree) is type(tree)
    places = tree.neuron.places
    places.append({"h": 1})
    places.extend([{"h": 2}])
    places.insert(0, {"h": 0})
    places += [[{"h": 3}]]
    places[1] = {"h": 0.5}
    places[2:3] = [{"h": 0.75}, {"h": 0.8}]
    assert [one.h for one in places[:-1]] == [0, 0.5, 0.75, 0.8, 1, 2] and places[-1][0].h == 3
    assert tree.neuron.places is places and isinstance(places, list)
    assert tree.pop("six").g == 6 and tree.pop("six", None) is None and "six" not in tree
    with pytest.raises(KeyError):
        tree.pop("six")


def test_trees_are_equal_to_dictionaries_of_their_content(file: Path) -> None:
    tree = nl.parameters(file)
    plain = json.loads(json.dumps(tree))
    assert tree == plain and plain == tree and tree != {**plain, "more": 1}
    assert tree.neuron.places == [[1, 2], {"x": 3}] and type(plain["neuron"]["places"]) is list
    shallow = tree.copy()
    assert shallow == copy.copy(tree) == tree and type(shallow) is type(copy.copy(tree)) is type(tree)
    shallow.more = 1
    assert "more" not in tree and shallow.neuron is tree.neuron


def test_copies_are_trees_of_their_own(file: Path) -> None:
    tree = nl.parameters(file)
    for other in (copy.deepcopy(tree), pickle.loads(pickle.dumps(tree))):
        assert other == tree
        other.neuron.Soma.properties.Ra = 1.0
        other.neuron.places[1].x = 4
        other.neuron.places.append({"y": 5})
        assert tree.neuron.Soma.properties.Ra == 100.0 and tree.neuron.places[1].x == 3
        assert other.neuron.places[2].y == 5 and len(tree.neuron.places) == 2


def test_saved_parameters_come_back(file: Path, tmp_path: Path) -> None:
    tree = nl.parameters(file)
    tree.added = (1.5, "µ")
    saved = tree.save(tmp_path / "other.param")
    assert nl.parameters(saved) == tree == json.loads(saved.read_text("utf-8"))
    tree.added = object()
    with pytest.raises(nl.InputError, match=r"other\.param"):
        tree.save(saved)
    assert "added" in nl.parameters(saved)


def test_a_file_is_replaced_as_a_whole(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = nl.parameters(file)
    link = file.with_name("link.param")
    link.symlink_to(file)
    file.chmod(0o640)
    tree.added = np.float64(1.5)
    tree.array = np.arange(2)
    tree.save(link)
    assert link.is_symlink() and file.stat().st_mode & 0o777 == 0o640
    assert nl.parameters(file).added == 1.5 and nl.parameters(file).array == [0, 1]
    before = file.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    tree.added = 2
    with pytest.raises(nl.InputError, match=r"cell\.param: cannot be written: No space left"):
        tree.save(file)
    assert file.read_bytes() == before and {path.name for path in file.parent.iterdir()} == {
        "cell.param",
        "link.param",
    }
    monkeypatch.undo()
    tree.places = [{3: 4}]
    with pytest.raises(nl.InputError, match="text as names, not 3"):
        tree.save(file)
    with pytest.raises(nl.InputError, match="cannot be written"):
        nl.parameters(file).save(file.parent / "gone" / "cell.param")
    assert file.read_bytes() == before


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
