"""Circuits of glia are built from a manifest: every stage once, the same bits with any workers, errors told first."""

import gzip
import shutil
import sys

import h5py
import numpy as np
import pytest
import yaml
from neurots_stub import stub_environment
from typer.testing import CliRunner

import neurolake as nl
from neurolake.catalog.vocabulary.circuits import POINTS, SECTIONS
from neurolake.cli import app
from neurolake.ingest.glia.example import write_example_ngv
from neurolake.ingest.glia.shapes import COLONISED
from neurolake.ingest.glia.space import read_vessels
from neurolake.ingest.glia.stages import STAGES, check_ngv
from neurolake.ingest.synthesis.cells import FILES
from neurolake.ingest.synthesis.environment import PLACE
from neurolake.lake.errors import IngestError, InputError, MissingPackageError, NotFoundError

FOOT_AREA = [60.0, 30.0, 0.0, 300.0]


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """Files of an example, and the lake that it was built in."""
    folder = tmp_path_factory.mktemp("glia")
    manifest = write_example_ngv(folder / "example", 40)
    report = nl.build.ngv(folder / "lake", manifest, "small")
    return folder, manifest, report


def changed(manifest, **changes):
    """The manifest's content with values at dotted keys, its files where they are."""
    tree = yaml.safe_load(manifest.read_text())["ngv"]
    common = tree["common"]
    for key in ("atlas", "vasculature", "base_circuit_sonata"):
        common[key] = str(manifest.parent / common[key])
    for keys, value in changes.items():
        *above, last = keys.split("__")
        inner = tree
        for key in above:
            inner = inner.setdefault(key, {})
        inner[last] = value
    return tree


def states(report):
    return {step.step: step.state for step in report.steps}


def rows(lake, node):
    return nl.open(lake)[node].to_pandas()


def test_one_command_builds_from_the_atlas_to_gap_junctions(example):
    folder, _, report = example
    lake = nl.open(folder / "lake")
    assert report.nodes["astrocytes"] == 40 and set(states(report).values()) == {"computed"}
    astrocytes = lake["nodes/small/astrocytes"].to_pandas()
    assert astrocytes.morphology[3] == "GLIA_0000000000003"
    assert set(astrocytes.model_template) == {"hoc:astrocyte"}
    domains = lake["domains/small/astrocytes"].to_pandas()
    assert len(domains) == 40 and (domains.volume > 0).all()
    feet = lake["edges/small/gliovascular"].to_pandas()
    assert feet.target_node_id.is_monotonic_increasing and (feet.endfoot_id == np.arange(len(feet))).all()
    meshes = lake["meshes/small/endfeet"].to_pandas()
    grown = meshes.surface_area > 0
    assert grown.mean() > 0.9 and (meshes.surface_area <= meshes.unreduced_surface_area + 1e-3).all()
    assert (feet.endfoot_compartment_length[grown.to_numpy()] > 0).all()
    pairs = lake["edges/small/neuroglial"].to_pandas()
    assert len(pairs) and pairs.astrocyte_section_id.notna().all()
    synapses = lake["edges/small/neurons__neurons__chemical"].to_pandas()
    assert (synapses.target_node_id[pairs.synapse_id].to_numpy() == pairs.target_node_id.to_numpy()).all()
    junctions = lake["edges/small/glialglial"].to_pandas()
    there = set(zip(junctions.source_node_id, junctions.target_node_id, strict=True))
    assert there == {(target, source) for source, target in there}
    circuit = lake["circuits"].to_pandas().set_index("name").loc["small"]
    assert circuit.format == "ngv" and "astrocytes" in list(circuit.populations)
    assert next(record.message for record in lake.at("main").history()) == "Build circuit small of glia"


def test_it_goes_out_as_archngvs_tree_that_others_open(example, tmp_path):
    bluepysnap = pytest.importorskip("bluepysnap")
    morphio = pytest.importorskip("morphio")
    folder, _, report = example
    nl.export(folder / "lake", tmp_path / "out", format="ngv", name="small", dialect="archngv")
    circuit = bluepysnap.Circuit(str(tmp_path / "out/ngv_config.json"))
    assert {"astrocytes", "vasculature"} <= set(circuit.nodes)
    feet = circuit.edges["gliovascular"]
    assert feet.size == report.edges["gliovascular"] and "endfoot_compartment_length" in feet.property_names
    cell = morphio.Morphology(tmp_path / "out/morphologies/GLIA_0000000000003.h5")
    sections = rows(folder / "lake", "morphologies/small.sections")
    assert len(cell.sections) == (sections.morphology == "GLIA_0000000000003").sum() - 1
    radius = rows(folder / "lake", "nodes/small/astrocytes").radius[3]
    assert np.linalg.norm(cell.soma.points, axis=1) == pytest.approx(radius, rel=1e-5)
    with h5py.File(tmp_path / "out/microdomains.h5") as file:
        assert len(file["offsets/points"]) == 41


def test_building_again_computes_nothing(example):
    folder, manifest, _ = example
    report = nl.build.ngv(folder / "lake", manifest, "small")
    assert set(states(report).values()) == {"unchanged"} and report.commit is None


def test_another_overlap_does_not_place_cells_again(example, tmp_path):
    folder, manifest, _ = example
    shutil.copytree(folder / "lake", tmp_path / "lake")
    before = rows(tmp_path / "lake", "domains/small/astrocytes").volume
    other = changed(manifest, microdomains__overlap_distribution__values=[0.3, 0.0])
    report = nl.build.ngv(tmp_path / "lake", other, "small")
    found = states(report)
    same = {"vessels", "somata", "astrocytes", "surface of the vessels", "regions"}
    assert {what for what, state in found.items() if state == "unchanged"} >= same
    assert found["domains"] == found["places of endfeet"] == found["shapes"] == "computed"
    assert (rows(tmp_path / "lake", "domains/small/astrocytes").volume > before - 1e-6).all()
    back = nl.build.ngv(tmp_path / "lake", manifest, "small", branch="main")
    assert states(back)["somata"] == "unchanged"


@pytest.mark.parametrize(
    ("change", "computed"),
    [
        ({"assign_emodels__hoc_template": "other.hoc"}, {"astrocytes"}),
        ({"endfeet_surface_meshes__area_distribution": FOOT_AREA}, {"endfeet", "edges to vessels"}),
        ({"gap_junctions__reach": 2.0}, {"gap junctions"}),
    ],
)
def test_a_change_makes_anew_what_follows_from_it(example, tmp_path, change, computed):
    folder, manifest, _ = example
    shutil.copytree(folder / "lake", tmp_path / "lake")
    report = nl.build.ngv(tmp_path / "lake", changed(manifest, **change), "small")
    found = {what for what, state in states(report).items() if state == "computed"}
    assert found >= computed and not found & {"somata", "domains", "shapes", "synapses in domains"}


def test_sections_are_resampled(example, tmp_path):
    folder, manifest, _ = example
    shutil.copytree(folder / "lake", tmp_path / "lake")
    dense = {"synthesis__resampling": {"enabled": True, "linear-density": 2.0}}
    report = nl.build.ngv(tmp_path / "lake", changed(manifest, **dense), "small")
    assert states(report)["shapes"] == "computed"
    before, after = (len(rows(lake / "lake", "morphologies/small.points")) for lake in (folder, tmp_path))
    assert after > 1.5 * before


def test_neurots_grows_cells_if_it_is_there(example, tmp_path, monkeypatch):
    """A Python that makes of each cell its soma and a line to each endfoot stands for that of NeuroTS."""
    folder, manifest, _ = example
    monkeypatch.setenv(PLACE, str(tmp_path / "environment"))
    other = changed(manifest, synthesis__grower="neurots", synthesis__parameters=str(tmp_path / "tns"))
    with pytest.raises(InputError, match="there is no file"):
        nl.build.ngv(tmp_path / "lake", other, "small")
    (tmp_path / "tns").mkdir()
    for name in FILES:
        (tmp_path / "tns" / name).write_text("{}")
    with pytest.raises(InputError, match="neurolake synthesis install"):
        nl.build.ngv(tmp_path / "lake", other, "small")
    assert not (tmp_path / "lake").exists()
    stub_environment(tmp_path / "environment")
    shutil.copytree(folder / "lake", tmp_path / "lake")
    report = nl.build.ngv(tmp_path / "lake", other, "small")
    assert states(report)["domains"] == "unchanged" and states(report)["shapes"] == "computed"
    sections = rows(tmp_path / "lake", "morphologies/small.sections")
    feet = rows(tmp_path / "lake", "edges/small/gliovascular")
    assert (sections.type == 2).sum() == len(feet) and feet.astrocyte_section_id.notna().all()
    assert nl.open(tmp_path / "lake")[POINTS.of(circuit="small")].attributes["grower"] == "NeuroTS 3.7.0"


def test_sections_have_the_reticulum_of_measured_trees(example, tmp_path):
    folder, manifest, _ = example
    shutil.copytree(folder / "lake", tmp_path / "lake")
    file = tmp_path / "er.json"
    file.write_text(
        '[[[[9.0, 0.0]], [{"ER": [[9.0, 4.0], [{"surface_area": 2, "volume": 3, "filament_count": 4}, null]]}]]]'
    )
    other = changed(manifest, synthesis__reticulum=str(file))
    nl.build.ngv(tmp_path / "lake", other, "small")
    found, sections = (
        rows(tmp_path / "lake", f"morphologies/small.{name}") for name in ("reticulum", "sections")
    )
    assert len(found) and set(found.volume) == {3} and set(found.filament_count) == {4}
    known = set(zip(sections.morphology, sections.section_id - 1, strict=True))
    assert set(zip(found.morphology, found.section_id, strict=True)) <= known
    file.write_text("[[[[9.0]], []]]")
    with pytest.raises(IngestError, match=r"er\.json: it has no barcodes"):
        nl.build.ngv(tmp_path / "lake", other, "small")
    assert nl.build.ngv(tmp_path / "lake", manifest, "small").commit is not None
    assert "morphologies/small.reticulum" not in nl.open(tmp_path / "lake")


def test_bits_do_not_depend_on_workers(example, tmp_path):
    folder, manifest, _ = example
    nl.build.ngv(tmp_path / "lake", manifest, "small", processes=2)
    one, other = nl.open(folder / "lake"), nl.open(tmp_path / "lake")
    assert {name: node.digest for name, node in one.at("main").tree.items()} == {
        name: node.digest for name, node in other.at("main").tree.items()
    }


def test_another_seed_places_cells_elsewhere(example, tmp_path):
    _, manifest, _ = example
    nl.build.ngv(
        tmp_path / "lake", manifest, "small", seed=5, only=["vessels", "atlas", "placement", "astrocytes"]
    )
    nl.build.ngv(
        tmp_path / "lake", manifest, "other", seed=6, only=["vessels", "atlas", "placement", "astrocytes"]
    )
    one, other = (rows(tmp_path / "lake", f"nodes/{name}/astrocytes") for name in ("small", "other"))
    assert len(one) == len(other) == 40 and not np.isin(one.x, other.x).any()


def test_neurons_of_another_circuit_of_the_lake(example, tmp_path):
    folder, manifest, _ = example
    nl.ingest(tmp_path / "lake", manifest.parent / "neurons", name="cells")
    given = changed(manifest)
    del given["common"]["base_circuit_sonata"]
    nl.build.ngv(tmp_path / "lake", given, "glia", neurons="cells")
    found = rows(tmp_path / "lake", "edges/glia/neuroglial")
    assert found.equals(rows(folder / "lake", "edges/small/neuroglial"))
    parts = rows(tmp_path / "lake", "ngv/glia.parts").set_index("part").node
    assert parts["neurons"] == "nodes/cells/neurons"


def test_trees_of_neurons_are_not_replaced(example, tmp_path):
    _, manifest, _ = example
    lake = nl.create(tmp_path / "lake")
    with lake.transaction("trees of neurons") as transaction:
        transaction.write_table("morphologies/net.points", POINTS.schema.empty_table())
    with pytest.raises(InputError, match="give another --name, and --neurons net"):
        nl.build.ngv(lake, manifest, "net", neurons="net")


def test_without_neurons_there_are_no_synapses(example, tmp_path):
    _, manifest, _ = example
    given = changed(manifest)
    del given["common"]["base_circuit_sonata"]
    report = nl.build.ngv(tmp_path / "lake", given, "glia")
    assert "there are no neurons, so no synapses" in report.notices
    assert "edges/glia/neuroglial" not in nl.open(tmp_path / "lake").at("main").tree


def test_stages_that_need_others_say_so(example, tmp_path):
    _, manifest, _ = example
    with pytest.raises(NotFoundError, match="the step that makes it has not been built"):
        nl.build.ngv(tmp_path / "lake", manifest, "small", only=["domains"])
    with pytest.raises(InputError, match=f"no stage 'microdomains'; stages are {STAGES[0]}"):
        nl.build.ngv(tmp_path / "lake", manifest, "small", only=["microdomains"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cell_placement__Energy__potentials": {"gravity": [1.0]}}, "there is no potential 'gravity'"),
        ({"cell_placement__soma_radius": [5.6, 0.74, 20, 0.1]}, "least and largest value"),
        ({"cell_placement__MetropolisHastings__ntrials": -1}, "expected 0 or more"),
        ({"microdomains__overlap_distribution__values": [2.5, 0.1]}, "from 0 to below 2"),
        ({"microdomains__overlap_distribution__type": "gamma"}, "expected one of normal"),
        (
            {"gliovascular_connectivity__connection__reachout_strategy": "all"},
            "expected one of maximum_reachout",
        ),
        ({"endfeet_surface_meshes__area_distribution": [1, 2]}, "a list of 4 numbers"),
        ({"common__vasculature": None}, "expected a file of vessels"),
        ({"common__vasculature": "nowhere.h5"}, "there is no file"),
        ({"common__mask": "[mask]none"}, "there is no file"),
        ({"synthesis__perimeter_distribution__smoothing__window": [1, 1]}, "an odd number of weights"),
    ],
)
def test_a_manifest_with_errors_builds_nothing(example, tmp_path, change, message):
    _, manifest, _ = example
    with pytest.raises(InputError, match=message):
        nl.build.ngv(tmp_path / "lake", changed(manifest, **change), "small")
    assert not (tmp_path / "lake").exists()


def test_errors_name_file_line_and_key(example, tmp_path):
    _, manifest, _ = example
    text = manifest.read_text().replace("ntrials: 3", "ntrials: many").replace("seed: 0", "seed: 1.5")
    (tmp_path / "MANIFEST.yaml").write_text(text.replace("atlas: atlas", f"atlas: {manifest.parent}/atlas"))
    problems = [str(problem) for problem in check_ngv(tmp_path / "MANIFEST.yaml")]
    line = next(at for at, row in enumerate(text.splitlines(), 1) if "ntrials" in row)
    assert any(f"MANIFEST.yaml:{line}: error: ngv / cell_placement" in problem for problem in problems)
    assert any("common / seed: expected a whole number" in problem for problem in problems)


def test_a_region_that_is_not_there_and_a_damaged_volume(example, tmp_path):
    _, manifest, _ = example
    with pytest.raises(InputError, match="no region 'Thalamus' in the atlas; known are Cortex, L1, L2"):
        nl.build.ngv(tmp_path / "lake", changed(manifest, common__region="Thalamus"), "small")
    shutil.copytree(manifest.parent, tmp_path / "files")
    volume = tmp_path / "files/atlas/[density]astrocytes.nrrd"
    volume.write_bytes(volume.read_bytes()[:-20])
    with pytest.raises(IngestError, match=r"astrocytes\.nrrd"):
        nl.build.ngv(tmp_path / "other", tmp_path / "files/MANIFEST.yaml", "small")
    assert "nodes/small/astrocytes" not in nl.open(tmp_path / "other").at("main").tree


def test_somata_stay_in_the_region(example, tmp_path):
    _, manifest, _ = example
    stages = ["vessels", "atlas", "placement", "astrocytes", "domains"]
    nl.build.ngv(tmp_path / "lake", changed(manifest, common__region="L1"), "upper", only=stages)
    found = rows(tmp_path / "lake", "nodes/upper/astrocytes")
    whole = nl.open(tmp_path / "lake")["atlas/upper/brain_regions"]
    middle = whole.attrs["voxel_size"][1] * (whole.shape[1] // 2)
    assert 0 < len(found) < 40 and (found.y >= middle).all()
    domains = rows(tmp_path / "lake", "domains/upper/astrocytes")
    assert (domains.min_y >= middle - 1e-3).all()


def test_commands(tmp_path):
    run = CliRunner().invoke
    made = run(app, ["build", "ngv-example", str(tmp_path / "files"), "--astrocytes", "12"])
    assert made.exit_code == 0, made.output
    manifest, lake = str(tmp_path / "files/MANIFEST.yaml"), str(tmp_path / "lake")
    assert (
        "no errors" in run(app, ["build", "ngv", manifest, "--lake", lake, "--name", "a", "--check"]).output
    )
    stages = [option for stage in ("vessels", "atlas", "placement") for option in ("--only", stage)]
    built = run(app, ["build", "ngv", manifest, "--lake", lake, "--name", "a", *stages])
    assert built.exit_code == 0 and "somata" in built.output
    assert run(app, ["build", "ngv-example", str(tmp_path / "files")]).exit_code != 0


def test_vessels_are_the_segments_that_vascpy_makes(shared_data):
    ngv = shared_data / "ngv"
    segments = read_vessels(ngv / "functional_inputs/atlas/vasculature.h5").to_pandas()
    path = ngv / "functional_expected/sonata/networks/nodes/vasculature/nodes.h5"
    with h5py.File(path) as file:
        for name, values in file["nodes/vasculature/0"].items():
            if name in segments and name != "model_type":
                np.testing.assert_array_equal(segments[name], values[:], err_msg=name)
    assert read_vessels(path).to_pandas().equals(segments)


def test_archngvs_functional_inputs_build_to_the_end(shared_data, tmp_path):
    ngv = shared_data / "ngv"
    mesh = gzip.decompress((ngv / "functional_inputs/atlas/vasculature_remeshed.obj.gz").read_bytes())
    (tmp_path / "vasculature.obj").write_bytes(mesh)
    report = nl.build.ngv(
        tmp_path / "lake",
        ngv / "bioname/MANIFEST.yaml",
        "functional",
        maps={
            "../data/atlas/vasculature.obj": str(tmp_path / "vasculature.obj"),
            "../data": str(ngv / "functional_inputs"),
        },
    )
    assert report.nodes == {"astrocytes": 5, "vasculature": 584}
    lake = nl.open(tmp_path / "lake")
    areas = lake["meshes/functional/endfeet"].to_pandas().surface_area
    # The manifest wants 200 ± 10 µm²; the largest is at the distribution's end.
    assert 150 < np.median(areas) < 250
    domains = lake["domains/functional/astrocytes"].to_pandas()
    assert 70**3 < domains.volume.sum() < 70**3 * 1.01756**3


def test_shapes_say_what_they_were_made_by(example):
    folder, _, _ = example
    for kind in (POINTS, SECTIONS):
        assert nl.open(folder / "lake")[kind.of(circuit="small")].attributes["grower"] == COLONISED


def test_endfeet_can_be_placed_with_archngvs_rounding(example, tmp_path):
    folder, manifest, _ = example
    shutil.copytree(folder / "lake", tmp_path / "lake")
    change = changed(manifest, gliovascular_connectivity__surface_targeting={"reproduce": "archngv"})
    before = rows(tmp_path / "lake", "stages/small/gliovascular")
    nl.build.ngv(tmp_path / "lake", change, "small", only=["gliovascular"])
    after = rows(tmp_path / "lake", "stages/small/gliovascular")
    assert 0 < len(after) <= len(before) and not before.equals(after)


def test_an_example_that_cannot_be_written_whole_is_not_begun(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingPackageError, match="h5py"):
        write_example_ngv(tmp_path / "files", 12)
    assert not (tmp_path / "files").exists()
