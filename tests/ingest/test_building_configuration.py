"""Configurations of networks: YAML of several files, every value asked for, every fault told by file, line and key."""

import copy
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

import neurolake as nl
from neurolake.ingest.building.configuration import MIV
from neurolake.ingest.building.reading import network_configuration
from neurolake.ingest.demo import NETWORK, write_demo_network
from neurolake.ingest.text.included import Configuration

TUTORIAL = Path("miv_tutorial", "config", "Microcircuit_Small.yaml")


def tree() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(NETWORK)
    return found


def told(change: Any) -> list[str]:
    """Problems of the example after a change."""
    changed = tree()
    change(changed)
    return [str(problem) for problem in nl.build.check(changed)]


# YAML


def test_files_are_included_wherever_they_stand(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "root.yaml").write_text("a: !include sub/one.yaml\nb: [1, !include two.yaml]\n")
    (tmp_path / "sub" / "one.yaml").write_text("c: 1e6\nd: !include three.yaml\n")
    (tmp_path / "sub" / "three.yaml").write_text("- x\n- 1e-3\n")
    (tmp_path / "two.yaml").write_text("")
    found = Configuration.read(tmp_path / "root.yaml")
    assert found.tree == {"a": {"c": 1e6, "d": ["x", 1e-3]}, "b": [1, None]}
    assert [path.name for path in found.files] == ["root.yaml", "one.yaml", "three.yaml", "two.yaml"]
    assert found.places["a", "d", 1] == (tmp_path / "sub" / "three.yaml", 2)
    assert str(found.error(("a", "c"), "no")) == f"{tmp_path / 'sub' / 'one.yaml'}:1: a / c: no"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\nb: !include missing.yaml", r"root\.yaml:2: b: there is no file 'missing\.yaml'"),
        ("a: !include root.yaml", r"root\.yaml:1: a: 'root\.yaml' includes itself"),
        ("a: 1\nb:\n  - !python/object/apply:os.system [ls]", r"root\.yaml:3: .*python.* is not known"),
        ("a: 1\nb: 2\na: 3", r"root\.yaml:3: the key 'a' is in this mapping already, in line 1"),
        ("a: [1, 2", r"root\.yaml:\d+: not YAML"),
        ("- 1", r"root\.yaml:1: expected a mapping at the top, found a list"),
        ("", r"expected a mapping at the top, found nothing"),
        ("? [1, 2]\n: 3", r"root\.yaml:1: a key is text or a number"),
    ],
)
def test_what_is_no_configuration_is_told_by_line(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "root.yaml").write_text(text)
    with pytest.raises(nl.IngestError, match=reason):
        Configuration.read(tmp_path / "root.yaml")


def test_aliases_do_not_fill_the_memory(tmp_path: Path) -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (tmp_path / "root.yaml").write_text("\n".join(lines))
    with pytest.raises(nl.IngestError, match="more than 100,000 values"):
        Configuration.read(tmp_path / "root.yaml")


def test_merged_keys_give_way(tmp_path: Path) -> None:
    (tmp_path / "root.yaml").write_text("base: &b {x: 1, y: 2}\nmade: {<<: *b, y: 3}\n")
    assert Configuration.read(tmp_path / "root.yaml").tree["made"] == {"x": 1, "y": 3}


# The tutorial, and the example


def test_the_tutorial_has_one_key_without_effect(shared_data: Path) -> None:
    (problem,) = nl.build.check(shared_data / TUTORIAL)
    assert (problem.level, problem.key) == ("notice", "Geometry / Cell Constraints / PC")
    assert problem.file is not None and problem.file.endswith("Geometry_Small.yaml") and problem.line == 18
    found = network_configuration(Configuration.read(shared_data / TUTORIAL))
    assert found.populations == ["STIM", "PYR", "PVBC", "OLM"]
    assert found.starts == {"STIM": 0, "PYR": 10, "PVBC": 90, "OLM": 143}
    assert found.seeds["Synapse Projection Partitions"] == 18_000_000
    assert found.stimulus.equilibration == 250.0
    assert len(found.projections) == 10


def test_the_example_has_no_fault(tmp_path: Path) -> None:
    assert nl.build.check(write_demo_network(tmp_path)) == []
    assert nl.build.check(tree()) == []
    with pytest.raises(nl.IngestError, match="has something in it"):
        write_demo_network(tmp_path)


def test_old_networks_are_reproduced_by_name() -> None:
    assert MIV.distribution == "poisson_miv" and MIV.densities == "last" and MIV.soma_distance == "radial"


# Faults


def _set(keys: str, value: Any) -> Any:
    def change(found: dict[str, Any]) -> None:
        *above, last = keys.split("/")
        for key in above:
            found = found[key]
        found[last] = value

    return change


@pytest.mark.parametrize(
    ("keys", "value", "reason"),
    [
        ("Geometry/Cell Distribution/PYR", {"SX": 5}, "PYR / SX: there is no layer 'SX'"),
        ("Geometry/Cell Distribution/PYX", {"SP": 5}, "there is no population 'PYX'"),
        ("Geometry/Cell Distribution/PYR", {"SP": -5}, "expected 0 or more, not -5"),
        ("Geometry/Cell Distribution/PYR", {"SP": 1.5}, "expected a whole number, not 1.5"),
        ("Geometry/Parametric Surface/Layer Extents/SP", [[0, 0], [1, 1]], "expected a list of 3 numbers"),
        ("Geometry/Parametric Surface/Layer Extents/SP", [[0, 0, 5], [1, 1, 5]], "must be above the first"),
        ("Geometry/Parametric Surface/Origin", {"U": "middle"}, "expected median, mean, min, max or a number"),
        ("Definitions/Populations", {"STIM": 1, "PYR": 1, "PVBC": 2}, "STIM has the number 1 too"),
        ("Definitions/Populations", None, "Definitions / Populations: it is missing"),
        ("Cell Types/PYR/synapses/density", {"dendrite": {}}, "there is no section 'dendrite'"),
        ("Cell Types/PYR/synapses/density/basal", {"fast": {}}, "there is no synapse type 'fast'"),
        ("Cell Types/PYR/synapses/density/basal/excitatory", {"SO": {"mean": "a"}}, "expected a number, not 'a'"),
        ("Cell Types/PYR/synapses/density/basal/excitatory", {"SO": {"variance": 1}}, "mean: it is missing"),
        ("Connection Generator/Synapses/PYR/STIM/proportions", [0.6, 1.0, 0.3], "sum to 0.9, not to 1"),
        ("Connection Generator/Synapses/PYR/STIM/proportions", [0.6, 1.0], "expected a list of 3 numbers"),
        ("Connection Generator/Synapses/PYR/STIM/layers", ["SR", "SLM"], "there are 3 sections and 2 layers"),
        ("Connection Generator/Synapses/PYR/STIM/layers", ["SR", "SLM", "SX"], "there is no layer 'SX'"),
        ("Connection Generator/Synapses/PYR/STIM/type", "exciting", "expected one of excitatory"),
        ("Connection Generator/Synapses/PYR/STIM/contacts", 0, "expected 1 or more, not 0"),
        ("Connection Generator/Synapses/PYR/STIM/rule", "random", "expected one of gaussian"),
        ("Connection Generator/Axon Extent/STIM", {"default": {"width": [100, 100], "offset": [60, 0]}}, "twice its offset"),
        ("Connection Generator/Axon Extent", {}, "Axon Extent / STIM, which says how far axons reach"),
        ("Stimulus/Selectivity Type Probabilities/STIM", {"constant": 0.5}, "probabilities sum to 0.5, not to 1"),
        ("Stimulus/Peak Rate", {}, "there is no Stimulus / Peak Rate / STIM / constant"),
        ("Stimulus/Field Width", {}, "there is no Stimulus / Field Width / STIM"),
        ("Stimulus/Arena/A/Trajectory/Diag", {"path": [[0, 0]], "run velocity": 1}, "expected 2 points or more"),
        ("Stimulus/Arena/A/Trajectory/Diag", {"path": [[0, 0], [1, 1]], "run velocity": 0}, "expected more than 0"),
    ],
)  # fmt: skip
def test_a_fault_is_told_by_its_key(keys: str, value: Any, reason: str) -> None:
    found = [text for text in told(_set(keys, value)) if text.startswith("error")]
    assert any(reason in text for text in found), found


def test_what_has_no_effect_is_told() -> None:
    found = told(_set("Geometry/Cell Constraints", {"PC": {"SP": [0, 1]}, "PYR": {"SLM": [0, 1]}}))
    assert len(found) == 2 and all(text.startswith("notice") for text in found)
    assert "nothing reads this key" in told(_set("Geometri", {}))[0]


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    text = NETWORK.replace("PYR: {SP: 60}", "PYR: {SX: 60}")
    (tmp_path / "n.yaml").write_text(text)
    line = 1 + text[: text.index("PYR: {SX")].count("\n")
    assert any(
        problem.line == line and problem.file == str(tmp_path / "n.yaml")
        for problem in nl.build.check(tmp_path / "n.yaml")
    )
    with pytest.raises(nl.InputError, match=rf"n\.yaml:{line}: error: .*there is no layer 'SX'"):
        nl.build.network(tmp_path / "lake", tmp_path / "n.yaml")
    assert not (tmp_path / "lake").exists()


def _mutated(chance: random.Random) -> dict[str, Any]:
    """The example with one value replaced, removed or misspelt."""
    found = tree()
    at: Any = found
    while True:
        key = chance.choice(list(at) if isinstance(at, dict) else list(range(len(at))))
        inner = at[key]
        if isinstance(inner, dict | list) and inner and chance.random() < 0.8:
            at = inner
            continue
        break
    kind = chance.randrange(4)
    if kind == 0 and isinstance(at, dict):
        at[f"{key}x"] = at.pop(key)
    elif kind == 1 and isinstance(at, dict):
        del at[key]
    else:
        at[key] = chance.choice([None, -1, "wrong", [], {}, [1, "a"], {"x": {"y": 1}}, 1e300, True])
    return found


@pytest.mark.parametrize("block", range(4))
def test_mutated_configurations_are_told_and_never_break(block: int) -> None:
    """100 configurations: each is understood, or every fault has a key; reading changes nothing of them."""
    chance, faulty = random.Random(block), 0
    for _ in range(25):
        mutated = _mutated(chance)
        before = copy.deepcopy(mutated)
        problems = nl.build.check(mutated)
        assert mutated == before
        assert all(problem.key and problem.reason for problem in problems)
        faulty += bool(problems)
    assert faulty >= 12
