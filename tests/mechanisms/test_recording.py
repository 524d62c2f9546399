"""Recording sites: named as simrun names them, at the segment nearest to the landmark."""

import numpy as np
import pytest

from neurolake.ingest.text.parameters import parse_parameters
from neurolake.mechanisms.cell.create import create_cell
from neurolake.mechanisms.cell.morphology import read_morphology
from neurolake.mechanisms.errors import ModelError
from neurolake.mechanisms.trial.recording import read_landmarks, site_at

HEADER = "# AmiraMesh 3D ASCII 2.0\ndefine Markers 2\nMarkers { float[3] Coordinates } @1\n"


def test_a_site_is_the_segment_nearest_to_the_landmark(parameters, pyramid, library):
    cell = create_cell(parameters, pyramid)
    for section, share in ((1, 0.3), (4, 0.99), (0, 0.5), (7, 0.0)):
        points = pyramid.shapes[section].points[:, :3]
        point = round(share * (len(points) - 1))
        if share == 0.0:
            point = 1  # the first is its parent's, too
        site = site_at(cell, points[point] + 0.01, "marks", 3)
        assert site.section == section
        at = cell.branches.relative[cell.branches.of(section)][point]
        centres = [segment.x for segment in cell.sections[section]]
        assert site.x == pytest.approx(centres[site.segment])
        assert abs(site.x - at) == pytest.approx(min(abs(x - at) for x in centres))
        distance = cell.distance(section, site.x)
        where = f"sec_{section:03d}_seg_{site.segment:03d}_x_{site.x:.3f}_somaDist_{distance:.1f}"
        assert site.label == f"marks_ID_003_{where}"


def test_landmarks_are_what_follows_the_mark(tmp_path):
    path = tmp_path / "x.landmarkAscii"
    path.write_text(f"{HEADER}@1\n-7.5e+01 4 3.25\n\n1 2 3 \n")
    assert np.array_equal(read_landmarks(path), [[-75.0, 4.0, 3.25], [1.0, 2.0, 3.0]])


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (HEADER, "no landmarks after a line '@1'"),
        (f"{HEADER}@1\n1 2\n", r":5: '1 2', expected three numbers"),
        (f"{HEADER}@1\n1 2 x\n", r":5: '1 2 x', expected three numbers"),
        (f"{HEADER}@1\n1 2 nan\n", r":5: '1 2 nan', expected three numbers"),
    ],
)
def test_what_is_no_landmark(tmp_path, text, match):
    path = tmp_path / "x.landmarkAscii"
    path.write_text(text)
    with pytest.raises(ModelError, match=match):
        read_landmarks(path)
    with pytest.raises(ModelError, match="cannot be read"):
        read_landmarks(tmp_path / "gone")


def test_the_site_of_cell_86_is_named_as_in_its_results(isf_data, library):
    folder = isf_data / "example_86_C2"
    [results] = (isf_data / "simrun_2026").rglob("*_vm_dend_traces.csv")
    path = folder / "biophysical" / "86_C2_center.param"
    tree = parse_parameters(path.read_bytes(), path)
    cell = create_cell(tree, read_morphology(folder / "anatomical" / "86_C2_center.hoc"), path=path)
    landmarks = folder / "apical_proximal_distal_rec_sites.landmarkAscii"
    [place] = read_landmarks(landmarks)
    assert f"_{site_at(cell, place, landmarks.stem, 0).label}_vm_dend" in results.name
