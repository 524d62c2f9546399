"""Text files of any editor: byte-order marks, and separators within lines, which end no line."""

import pytest

from neurolake.ingest.lfp.electrodes import read_electrodes
from neurolake.ingest.sonata.types import read_types
from neurolake.mechanisms.anatomy.lattice import read_lattice
from neurolake.mechanisms.input.network_parameters import read_cell_counts

SEPARATORS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_within_a_line_end_no_line(mark, end, tmp_path):
    def written(name, text):
        (tmp_path / name).write_bytes((mark + text.replace("\n", end)).encode())
        return tmp_path / name

    region = f"S{SEPARATORS}1"
    electrodes = read_electrodes(
        written("e.csv", f"name,x,y,z,layer,region,type\na,1,2,3,L1,{region},LineSource\n")
    )
    assert list(electrodes.region) == [region]
    types = read_types(written("types.csv", f"node_type_id model\n1 a{SEPARATORS}b\n2 c\n"), "node_type_id")
    assert types.columns["model"].to_pylist() == [f"a{SEPARATORS}b", "c"]
    header = f"# of {SEPARATORS} us\ndefine Lattice 2 2 2\nBoundingBox 0 1 0 1 0 1\n@1\n"
    assert read_lattice(written("a.am", header + "1\n" * 8)).values.sum() == 8
    head = "Presynaptic column\tPresynaptic cell type\tConnected presynaptic cells\n"
    assert read_cell_counts(written("n.csv", f"{head}A{SEPARATORS}1\tL4py\t8\n")) == {
        "L4py": {f"A{SEPARATORS}1": 8}
    }
