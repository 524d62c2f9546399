"""Files of network parameters for a deflected whisker, made from files of templates."""

from collections.abc import Mapping
from pathlib import Path

from ...lake.errors import InputError
from ...mechanisms.errors import ModelError
from ...mechanisms.input.network_parameters import (
    EVOKED_FILES,
    STIMULUS_MS,
    evoked_network_parameters,
    read_cell_counts,
)
from ..text.tree import Parameters, parameters

WHISKERS = ("B1", "B2", "B3", "C1", "C2", "C3", "D1", "D2", "D3")
"""The nine whiskers whose evoked activity the published model describes in full."""


def evoked_parameters(
    template: str | Path,
    cells: str | Path,
    evoked: str | Path,
    *,
    whisker: str,
    synapse_file: str | Path,
    connection_file: str | Path,
    offset: float = STIMULUS_MS,
    files: Mapping[str, str] = EVOKED_FILES,
) -> Parameters:
    """Return parameters of a network while a whisker is deflected (``create_evoked_network_parameter``).

    Parameters
    ----------
    template
        Parameter file with one entry per cell type in ``network``.
    cells
        ``NumberOfConnectedCells.csv``.
    evoked
        Folder with a file of evoked activity per cell type.
    whisker
        The deflected whisker, such as ``C2``.
    synapse_file, connection_file
        The ``.syn`` and ``.con`` that the populations refer to, written as they are given.
    offset
        Beginning of the evoked activity in ms.
    files
        File name in *evoked* of each cell type; a cell type without one fires ongoing spikes only.

    Returns
    -------
    Parameters
        To be changed, or written with `Parameters.save`.

    Raises
    ------
    InputError
        A file that cannot be read, a whisker that does not exist, a template without ``network``, a cell type
        without counts.
    IngestError
        A parameter file that does not parse.
    """
    folder = Path(evoked)
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder of evoked activity")
    try:
        made = evoked_network_parameters(
            parameters(template),
            read_cell_counts(cells),
            {cell_type: parameters(folder / name) for cell_type, name in files.items()},
            whisker=whisker,
            synapse_file=str(synapse_file),
            connection_file=str(connection_file),
            offset=offset,
        )
    except ModelError as error:
        raise InputError(str(error)) from error
    return Parameters(made)
