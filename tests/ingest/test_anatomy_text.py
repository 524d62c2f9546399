"""Anatomy files, as text and as NEURON reads them."""

import subprocess
import sys

import numpy as np

from neurolake.ingest.simrun.anatomy import format_con, format_landmarks, format_section, format_syn

SOMA = np.array([[0, 0, -5.0, 8.0], [0, 0, 5.0, 8.0]])
DENDRITE = np.array([[0, 0, 5.0, 1.5], [0.25, 0, 45.0, 1.0], [0, 0, 105.5, 0.5]])


def test_a_section_in_hoc():
    assert format_section("dend_0", DENDRITE[:1], parent="soma", parent_x=0.5) == (
        "{create dend_0}\n{connect dend_0(0), soma(0.500000)}\n{access dend_0}\n{nseg = 1}\n{pt3dclear()}\n"
        "{pt3dadd(0.000000,0.000000,5.000000,1.500000)}\n\n"
    )


def test_neuron_reads_the_morphology(tmp_path):
    file = tmp_path / "cell.hoc"
    file.write_text(
        format_section("soma", SOMA) + format_section("dend_0", DENDRITE, parent="soma", parent_x=0.5)
    )
    code = (
        "import sys; from neuron import h; h.load_file(sys.argv[1]); "
        "print(h.soma.L, round(h.dend_0.L, 4), h.dend_0.n3d(), h.dend_0.parentseg().x, h.dend_0.parentseg().sec.name())"
    )
    command = [sys.executable, "-c", code, str(file)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    length = np.linalg.norm(np.diff(DENDRITE[:, :3], axis=0), axis=1).sum()
    assert answer.split() == ["10.0", str(round(length, 4)), "3", "0.5", "soma"]


def test_synapses_keep_their_position_exactly():
    text = format_syn("cell", [("VPM_C2", 3, 0.1), ("VPM_C2", 4, 1 / 3)])
    assert text.splitlines() == [
        "# Synapse distribution file",
        "# corresponding to cell: cell",
        "# Type - section - section.x",
        "",
        "VPM_C2\t3\t0.1",
        "VPM_C2\t4\t0.3333333333333333",
    ]


def test_connections_name_their_synapse_file():
    lines = format_con("cell.syn", [("VPM_C2", 0, 5)]).splitlines()
    assert lines[1].split()[-1] == "cell.syn"
    assert lines[3:] == ["", "VPM_C2\t0\t5"]


def test_landmarks_are_counted_and_follow_the_mark():
    lines = format_landmarks([(1.0, -2.5, 3.0), (0.0, 0.0, 0.0)]).splitlines()
    assert "define Markers 2" in lines
    assert lines[lines.index("@1") + 1 :] == ["1.000000 -2.500000 3.000000", "0.000000 0.000000 0.000000"]
