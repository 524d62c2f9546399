"""Network parameters made from a template per cell type: ongoing activity, and what a deflected whisker evokes.

A model of rat barrel cortex has one population per cell type and column. A template says, per cell type, how
its cells fire and what their synapses do; a count of connected cells determines which populations a cell has.
Evoked activity was measured around one whisker, C2, and is moved to others by symmetry (de Kock et al. 2007,
doi:10.1113/jphysiol.2006.124321; the recipe and the files are those of the In Silico Framework).
"""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from ..errors import ModelError

STIMULUS_MS = 245.0
"""When evoked activity begins, the offset of its bins in ms."""

EVOKED_FILES: Mapping[str, str] = {
    **{
        cell_type: f"{cell_type}_3x3_PSTH_UpState.param"
        for cell_type in ("L2", "L34", "L4py", "L4sp", "L4ss", "L5st", "L5tt", "L6cc", "L6ccinv", "L6ct")
    },
    "VPM": "VPM_3x3_PSTH.param",
    "L1": "L1_3x3_PSTH_template_PW_0-50_10ms.param",
    **{
        cell_type: f"{cell_type}_PSTH_active_timing_normalized_PW_1.0_SuW_0.5.param"
        for cell_type in ("L23Trans", "L45Peak", "L45Sym", "L56Trans")
    },
    **{
        f"SymLocal{k}": f"SymLocal{k}_PSTH_active_timing_normalized_PW_1.0_SuW_0.5.param" for k in range(1, 7)
    },
}
"""File of evoked activity for each cell type of the published model, by its name in the framework's data."""

CellCounts = Mapping[str, Mapping[str, int]]
"""Connected cells: cell type, then column, then number."""

_ROWS = "ABCDE"
_GREEK = ("Alpha", "Beta", "Gamma", "Delta")
_HEADER = ("Presynaptic column", "Presynaptic cell type", "Connected presynaptic cells")


def evoked_network_parameters(
    template: Mapping[str, Any],
    cells: CellCounts,
    evoked: Mapping[str, Mapping[str, Any]],
    *,
    whisker: str,
    synapse_file: str,
    connection_file: str,
    offset: float = STIMULUS_MS,
    all_populations: bool = False,
) -> dict[str, Any]:
    """Parameters of a network while a whisker is deflected (``create_evoked_network_parameter``).

    Populations of the whisker's own and the adjacent columns fire evoked spikes on top of the ongoing ones, if
    their cell type's evoked activity is known for that place; the others only the ongoing ones.

    Parameters
    ----------
    template
        Parameter tree whose ``network`` holds one entry per cell type.
    cells
        Connected cells, from `read_cell_counts`.
    evoked
        Per cell type, a tree with an entry ``<cell type>_<column>`` for the columns around C2.
    whisker
        The deflected whisker, such as ``C2`` or ``Beta``.
    synapse_file, connection_file
        Paths that the populations shall refer to.
    offset
        Beginning of the evoked activity in ms.
    all_populations
        Also write populations without a connected cell.

    Raises
    ------
    ModelError
        A whisker that does not exist, a template without ``network``, a cell type without counts.
    """
    grid_position(whisker)
    result = ongoing_network_parameters(
        template,
        cells,
        synapse_file=synapse_file,
        connection_file=connection_file,
        all_populations=all_populations,
    )
    for name, population in result["network"].items():
        cell_type, column = name.rsplit("_", 1)
        like = seen_from_c2(column, whisker)
        response = None if like is None else evoked.get(cell_type, {}).get(f"{cell_type}_{like}")
        if response is not None:
            population["celltype"] = {
                "spiketrain": {"interval": _interval(population, cell_type)},
                "pointcell": {**deepcopy(response), "offset": offset},
            }
    return result


def ongoing_network_parameters(
    template: Mapping[str, Any],
    cells: CellCounts,
    *,
    synapse_file: str,
    connection_file: str,
    all_populations: bool = False,
) -> dict[str, Any]:
    """Return parameters of a network at rest (``create_ongoing_network_parameter``).

    Parameters
    ----------
    template, cells, synapse_file, connection_file, all_populations
        As of `evoked_network_parameters`.

    Raises
    ------
    ModelError
        The template has no ``network``, or a cell type has no counts.
    """
    network = {
        f"{cell_type}_{column}": _population(parameters, number, synapse_file, connection_file)
        for cell_type, parameters in _entry(template, "network").items()
        for column, number in _counts(cells, cell_type).items()
        if number or all_populations
    }
    kept = {key: deepcopy(template[key]) for key in ("info", "NMODL_mechanisms") if key in template}
    return {**kept, "network": network}


def grid_position(column: str) -> tuple[int, int]:
    """Return row (A is 0) and arc of a column; the Greek ones lie at arc 0, half a row below that of their number.

    Parameters
    ----------
    column
        Name of the column, such as ``C2`` or ``Beta``.

    Raises
    ------
    ModelError
        It is not a column of the barrel field.
    """
    if column in _GREEK:
        return _GREEK.index(column), 0
    if len(column) == 2 and column[0] in _ROWS and column[1] in "1234":
        return _ROWS.index(column[0]), int(column[1])
    raise ModelError(f"{column!r} is no column of the barrel field: A1 to E4, {', '.join(_GREEK)}")


def seen_from_c2(column: str, whisker: str) -> str | None:
    """Return the whisker whose deflection looks in column C2 as that of *whisker* looks in *column*.

    Parameters
    ----------
    column, whisker
        Such as ``B1`` and ``Alpha``.

    Returns
    -------
    str | None
        One of the nine whiskers around C2; None if the two are not adjacent.

    Examples
    --------
    >>> seen_from_c2("B1", "C2"), seen_from_c2("Alpha", "B1"), seen_from_c2("E1", "C2")
    ('D3', 'D3', None)
    """
    (row, arc), (own_row, own_arc) = grid_position(column), grid_position(whisker)
    down, right = row - own_row, arc - own_arc
    # A Greek column touches the lettered ones of its own and of the next row, not of the row above.
    greek_below = (down, right) in ((1, -1), (-1, 1)) and 0 in (arc, own_arc)
    if max(abs(down), abs(right)) > 1 or greek_below:
        return None
    return f"{_ROWS[2 - down]}{2 - right}"


def read_cell_counts(path: str | Path) -> dict[str, dict[str, int]]:
    """Read ``NumberOfConnectedCells.csv``: connected cells by cell type, then column.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ModelError
        With file and line: another header, not three columns, no whole number, or a population given twice.
    """
    counts: dict[str, dict[str, int]] = {}
    for number, line in enumerate(_text(path).split("\n"), 1):
        fields = line.split("\t")
        if number == 1 and tuple(fields) != _HEADER:
            raise ModelError(f"expected a header of {', '.join(_HEADER)}", path, 1)
        if number == 1 or not line.strip():
            continue
        if len(fields) != 3 or not fields[2].strip().isdigit():
            raise ModelError("expected column, cell type and a whole number, separated by tabs", path, number)
        column, cell_type, cells = fields
        if column in counts.setdefault(cell_type, {}):
            raise ModelError(f"{cell_type} in {column} is counted twice", path, number)
        counts[cell_type][column] = int(cells)
    return counts


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"cannot be read: {error}", path) from error


def _entry(tree: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    if not isinstance(tree.get(key), Mapping):
        raise ModelError(f"the template has no dictionary {key!r}")
    value: Mapping[str, Any] = tree[key]
    return value


def _counts(cells: CellCounts, cell_type: str) -> Mapping[str, int]:
    if cell_type not in cells:
        raise ModelError(f"cell type {cell_type} of the template has no counts of connected cells")
    return cells[cell_type]


def _interval(population: dict[str, Any], cell_type: str) -> Any:
    if "interval" not in population:
        raise ModelError(f"cell type {cell_type} of the template has no 'interval' of ongoing activity")
    return population.pop("interval")


def _population(template: Mapping[str, Any], cells: int, synapse_file: str, connection_file: str) -> Any:
    population = deepcopy(dict(template))
    files = {"distributionFile": synapse_file, "connectionFile": connection_file}
    population["synapses"] = {**population.get("synapses", {}), **files}
    population["cellNr"] = cells
    return population
