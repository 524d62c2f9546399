"""A model of cortex for anatomical mapping, in the published files' formats, small and of known densities."""

from pathlib import Path

import numpy as np

from neurolake.ingest.simrun.anatomy import format_section


def write_field(path: Path, value: float) -> Path:
    """An Amira field of 2 x 2 x 2 voxels of 100 um, all of one value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "# AmiraMesh 3D ASCII 2.0\n\ndefine Lattice 2 2 2\n\nParameters {\n"
        '    BoundingBox -50 50 -50 50 -50 50,\n    CoordType "uniform"\n}\n\n@1\n' + f"{value}\n" * 8
    )
    return path


def write_small_cortex(folder: Path, *, excitatory: str, inhibitory: str, postsynaptic: str) -> None:
    """Write a cell of 40 um of dendrite, 40 and 10 presynaptic cells of ten boutons each, one target per um.

    Parameters
    ----------
    folder
        Where: ``cell.hoc``, ``nrCells.csv``, ``ConnectionsV8.csv``, ``boutons``, ``EXNormalizationPSTs.am`` and
        ``INHNormalizationPSTs.am``.
    excitatory, inhibitory, postsynaptic
        Cell types.
    """
    folder.mkdir(parents=True, exist_ok=True)
    soma = np.array([[-5.0, 0, 0, 10], [0, 0, 0, 10], [5, 0, 0, 10]])
    dendrite = np.column_stack([np.arange(5.0, 46), np.zeros(41), np.zeros(41), np.ones(41)])
    (folder / "cell.hoc").write_text(
        format_section("soma", soma) + format_section("dend_1", dendrite, parent="soma")
    )
    (folder / "nrCells.csv").write_text(f"CELL TYPE\tA\n{excitatory}\t40\n{inhibitory}\t10\n")
    rows = [f"{kind}\t{postsynaptic}\t0\t0\t1\t0\t0\t0\n" for kind in ("EXCITATORY", "INHIBITORY")]
    (folder / "ConnectionsV8.csv").write_text("pre\tpost\n" + "".join(rows))
    for cell_type in (excitatory, inhibitory):
        write_field(folder / "boutons" / "A" / cell_type / "axon.am", 10.0)
    for name in ("EX", "INH"):
        write_field(folder / f"{name}NormalizationPSTs.am", 200.0)
