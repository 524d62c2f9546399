"""The tables and bouton fields that the anatomical input of a cell is made of, read from the framework's files."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ..errors import ModelError
from .lattice import read_lattice
from .mapping import Axons
from .targets import STRUCTURES, Affinity

KINDS = {"EXCITATORY": "EXC", "INHIBITORY": "INH"}


def read_affinities(path: str | Path, cell_type: str) -> dict[str, dict[str, Affinity]]:
    """Read the affinities of one postsynaptic cell type to ``EXC`` and ``INH`` axons (``ConnectionsV8.csv``).

    A tab-separated header, then rows of: presynaptic cells (a text with EXCITATORY or INHIBITORY), postsynaptic
    type, constants per length of soma, apical and basal dendrite, and per area of the same.

    Parameters
    ----------
    path
        The file.
    cell_type
        The postsynaptic cell type.

    Raises
    ------
    ModelError
        With file and line: a row of the cell type that does not read; or no rows for it.
    """
    found: dict[str, dict[str, Affinity]] = {}
    for line, fields in _rows(path):
        kind = next((short for name, short in KINDS.items() if name in fields[0]), None)
        if kind and fields[1:2] == [cell_type]:
            found[kind] = _affinities(fields[2:], path, line)
    if set(found) != set(KINDS.values()):
        raise ModelError(f"no rows of both {' and '.join(KINDS)} axons for {cell_type!r}", path)
    return found


def read_cell_numbers(path: str | Path) -> dict[str, dict[str, int]]:
    """Read numbers of cells by cell type, then column (``nrCells.csv``: a header ``CELL TYPE`` and columns, a row per type).

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ModelError
        With file and line: another header, or a row that is not one whole number per column.
    """
    rows = list(_rows(path))
    if not rows or rows[0][1][0] != "CELL TYPE":
        raise ModelError("expected a header of CELL TYPE and columns", path, 1)
    columns = rows[0][1][1:]
    numbers = {}
    for line, (cell_type, *counts) in rows[1:]:
        if len(counts) != len(columns) or not all(count.strip().isdigit() for count in counts):
            raise ModelError(f"expected a cell type and {len(columns)} whole numbers", path, line)
        numbers[cell_type] = dict(zip(columns, map(int, counts), strict=True))
    return numbers


def read_axons(
    folder: str | Path, numbers: Mapping[str, Mapping[str, int]], inhibitory: Collection[str]
) -> dict[str, Axons]:
    """Presynaptic populations, with the bouton fields ``<folder>/<column>/<cell type>/*.am``.

    Parameters
    ----------
    folder
        ``singleaxon_boutons_ascii``.
    numbers
        Cells by type and column; populations without cells are left out.
    inhibitory
        Cell types whose axons are of the kind ``INH``; all others are ``EXC``.

    Raises
    ------
    ModelError
        Cells without a bouton field, or a field that does not read.
    """
    axons = {}
    for cell_type, columns in numbers.items():
        for column, cells in columns.items():
            if cells:
                place = Path(folder) / column / cell_type
                files = sorted(place.glob("*.am"))
                if not files:
                    raise ModelError(f"{cells} cells of {cell_type} in {column}, but no bouton field", place)
                kind = "INH" if cell_type in inhibitory else "EXC"
                axons[f"{cell_type}_{column}"] = Axons(cells, kind, tuple(map(read_lattice, files)))
    return axons


def _affinities(fields: list[str], path: str | Path, line: int) -> dict[str, Affinity]:
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        numbers = []
    if len(numbers) != 2 * len(STRUCTURES):
        raise ModelError(f"expected {2 * len(STRUCTURES)} constants after the two types", path, line)
    return {name: Affinity(numbers[k], numbers[k + 3]) for k, name in enumerate(STRUCTURES)}


def _rows(path: str | Path) -> Iterator[tuple[int, list[str]]]:
    try:
        text = Path(path).read_text("utf-8-sig", errors="replace")
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror}", path) from error
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line.rstrip().split("\t")
