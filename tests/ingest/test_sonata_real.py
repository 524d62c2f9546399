"""Real SONATA of both dialects: into a lake and out again, equal in every dataset, type and attribute."""

from pathlib import Path
from typing import Any

import pytest
from sonata_files import contents

import neurolake
from neurolake.ingest.sonata.export import export_sonata
from neurolake.ingest.sonata.ingest import ingest_sonata

RING = "sonata/neurodamus_ringtest"
CONFIGS = {
    "iclamp": "sonata/bmtk_bio_1cell/config.simulation_iclamp.json",
    "syns": "sonata/bmtk_bio_1cell/config.simulation_syns.json",
    "ring": f"{RING}/simulation_config.json",
    "gap_junctions": f"{RING}/circuit_config_gj.json",
    "neuromodulation": f"{RING}/circuit_config_neuromodulation.json",
    "big": f"{RING}/circuit_config_bigA.json",
    "b": f"{RING}/circuit_config_RingB.json",
    "bluerecording": "lfp/br_e2e/simulation_config.json",
}
# What is no SONATA, or is ingested by a configuration above.
OTHERS = ("gapjunctions", "br_onecell")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return neurolake.create(tmp_path_factory.mktemp("sonata") / "lake", durable=False)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_comes_out_as_it_went_in(
    shared_data: Path, tmp_path: Path, lake: Any, name: str
) -> None:
    source = shared_data / CONFIGS[name]
    report = ingest_sonata(lake, source, name=name, on_error="skip")
    assert [error.reason.split()[0] for _, error in report.failures] == (
        ["output.spikes_file"] if name == "bluerecording" else []
    )
    export_sonata(lake.head, tmp_path / "out", runs=[name])
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) == len(report.added) >= 3
    for path in files:
        before = source.parent / path.relative_to(tmp_path / "out")
        if path.suffix == ".h5":
            assert contents(path) == contents(before), before
        else:
            assert path.read_bytes() == before.read_bytes()


def test_every_file_comes_out_as_it_went_in(shared_data: Path, tmp_path: Path, lake: Any) -> None:
    files = sorted(path for folder in ("sonata", "lfp") for path in (shared_data / folder).rglob("*.h5"))
    files = [path for path in files if not any(other in str(path) for other in OTHERS)]
    assert len(files) > 40
    for at, path in enumerate(files):
        # libsonata's own files have an attribute of another length than its population.
        ingest_sonata(lake, path, name=f"file{at}", on_error="skip")
        export_sonata(lake.head, tmp_path / str(at), runs=[f"file{at}"])
        assert contents(tmp_path / str(at) / path.name) == contents(path), path


def test_again_is_nothing_new(shared_data: Path, lake: Any) -> None:
    source = shared_data / CONFIGS["syns"]
    assert ingest_sonata(lake, source, name="twice").commit is not None
    again = ingest_sonata(lake, source, name="twice")
    assert again.commit is None and not again.nodes and len(again.unchanged) == 10
