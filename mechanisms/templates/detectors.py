"""Where spikes of cells of MiV-Simulator's templates are seen: where the template says, or where MiV-Simulator looks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..network.cells import Detector, NetworkNode

_SOMA, _AXON, _INITIAL = 1, 2, 7
_AWAY, _THRESHOLD = 100.0, -30.0


def template_detector(made: Any, sections: Sequence[Any], default: Detector) -> Detector:
    """Return where a template's own ``connect2target`` sees the spikes of a cell.

    Parameters
    ----------
    made
        The cell, as hoc has it.
    sections
        Its sections.
    default
        Where they are seen if the template has no such function.
    """
    if not hasattr(made, "connect2target"):
        return default
    connection = made.connect2target(None)
    where = connection.preseg()
    return Detector(list(sections).index(where.sec), float(where.x), float(connection.threshold))


def initial_segment_detector(
    made: Any, sections: Sequence[Any], soma: Detector, node: NetworkNode
) -> Detector:
    """Return where spikes are seen on the axon initial segment: in the middle of the second section of the axon, as neurodamus sees them.

    Parameters
    ----------
    made
        The cell, as hoc has it.
    sections
        Its sections.
    soma
        Where spikes would be seen at the soma.
    node
        The cell, for messages.

    Raises
    ------
    ModelError
        The cell has no second section of the axon.
    """
    try:
        section = made.axon[1]
    except (AttributeError, LookupError) as error:
        raise ModelError(
            f"cell {node.gid} has no axon[1], where spike_location 'AIS' sees spikes; 'soma' is the other place"
        ) from error
    return Detector(list(sections).index(section), 0.5, soma.threshold)


def axon_detector(sections: Sequence[Any], types: NDArray[np.int8]) -> Detector:
    """Return where MiV-Simulator sees a cell's spikes: at -30 mV, on the axon 100 µm from the soma, if it has one.

    Its distance is the way along the section, and the lengths of that section and of those between it and the root, as if each
    hung on the end of the one before. Without an axon it is the middle of the first initial segment, or else of the last soma.
    (MiV-Simulator, cells.init_spike_detector and cells.get_distance_to_node)

    Parameters
    ----------
    sections
        NEURON's sections.
    types
        SWC type of each, int8[n_sections].
    """
    axons = np.flatnonzero(types == _AXON).tolist()
    for at in axons:
        before, section = 0.0, sections[at]
        while (above := section.parentseg()) is not None:
            before, section = before + section.L, above.sec
        for segment in sections[at]:
            if before + segment.x * sections[at].L >= _AWAY:
                return Detector(at, float(segment.x), _THRESHOLD)
    if axons:
        return Detector(axons[-1], 1.0, _THRESHOLD)
    initial, somata = np.flatnonzero(types == _INITIAL), np.flatnonzero(types == _SOMA)
    return Detector(int(initial[0] if len(initial) else somata[-1] if len(somata) else 0), 0.5, _THRESHOLD)
