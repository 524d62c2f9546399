"""Gap junctions of a network."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import circuits
from ...catalog.vocabulary.kinds import column
from ...kernels import network as kernels
from .configuration import JunctionPair
from .connections import by_source, edge_attributes
from .construction import Construction
from .steps import Outcome, Output, Parts, Step, table_of
from .trees import cell_trees, tree_outputs

STEP = Step("network.junctions", "1")

_MORE = [
    circuits.attribute(name, kind, source)
    for name, kind, source in (
        ("efferent_section_id", pa.int64(), "Location/Source section"),
        ("efferent_section_pos", pa.float32(), "Location/Source position"),
        ("afferent_section_id", pa.int64(), "Location/Destination section"),
        ("afferent_section_pos", pa.float32(), "Location/Destination position"),
    )
] + [
    column("efferent_coupling", pa.float32(), "coupling at the source", "", "Coupling strength/Source"),
    column("afferent_coupling", pa.float32(), "coupling at the target", "", "Coupling strength/Destination"),
]


def junction_output(circuit: str, pair: JunctionPair) -> dict[str, Output]:
    """Return the nodes of the gap junctions between two populations.

    Parameters
    ----------
    circuit
        Name of the circuit.
    pair
        The two populations, and the rule.
    """
    node = circuits.EDGES.of(circuit=circuit, population=f"{pair.source}__{pair.target}__electrical")
    return {
        "junctions": Output(circuits.EDGES, node),
        "junctions by source": Output(circuits.BY_SOURCE, circuits.BY_SOURCE.beside(node)),
    }


def build_junctions(of: Construction, pair: JunctionPair) -> Outcome:
    """Store the gap junctions between two populations.

    Parameters
    ----------
    of
        The network under construction.
    pair
        The two populations, and the rule.

    Raises
    ------
    InputError
        A population has several trees, or no section that may have gap junctions.
    """
    trees = tree_outputs(of.circuit)
    inputs = {part: output.node for part, output in trees.items()}
    inputs["source"] = circuits.NODES.of(circuit=of.circuit, population=pair.source)
    inputs["target"] = circuits.NODES.of(circuit=of.circuit, population=pair.target)
    sections = [[of.network.definitions.swc_types[name] for name in names] for names in pair.sections]
    params = {
        "source": pair.source,
        "target": pair.target,
        "sections": sections,
        "probability": pair.probability,
        "weights": [list(point) for point in pair.weights],
        "coefficient": pair.coefficient,
        "couplings": [list(point) for point in pair.couplings],
        "seed": of.seed_of("Gap Junctions"),
    }
    keys = ("Connection Generator", "Gap Junctions", "Locations", pair.source, pair.target)

    def make(parts: Parts) -> None:
        known = cell_trees(of.build.table(inputs["points"]), of.build.table(inputs["sections"]))
        nodes = [
            of.build.table(inputs[end]).to_arrow(["x", "y", "z", "morphology"])
            for end in ("source", "target")
        ]
        somata = [
            np.stack([table[axis].to_numpy().astype(float) for axis in "xyz"], axis=1) for table in nodes
        ]
        try:
            sites = [_sites(known, table, types) for table, types in zip(nodes, sections, strict=True)]
            found = kernels.gap_junctions(
                somata[0],
                None if pair.source == pair.target else somata[1],
                sites[0],
                sites[1],
                _rule(pair),
                seed=of.seed_of("Gap Junctions"),
                projection=f"{pair.source}__{pair.target}",
            )
        except ValueError as error:
            raise of.network.configuration.error(keys, str(error)) from error
        columns: dict[str, Any] = {
            "edge_id": np.arange(len(found.source_node_id)),
            "source_node_id": found.source_node_id,
            "target_node_id": found.target_node_id,
            "efferent_section_id": found.source_section_id,
            "efferent_section_pos": found.source_section_pos,
            "afferent_section_id": found.target_section_id,
            "afferent_section_pos": found.target_section_pos,
            "efferent_coupling": found.source_coupling,
            "afferent_coupling": found.target_coupling,
        }
        table = table_of(circuits.EDGES, columns, _MORE)
        parts.write(
            "junctions",
            table,
            edge_attributes(pair.source, pair.target, "__electrical"),
        )
        by_source(parts, "junctions", np.bincount(found.source_node_id, minlength=len(somata[0])), of.workers)

    return of.build.run(STEP, junction_output(of.circuit, pair), make, inputs=inputs, params=params)


def _rule(pair: JunctionPair) -> kernels.JunctionRule:
    """The rule of two populations: cubic polynomials through the tables of the configuration."""
    reach, weight = zip(*pair.weights, strict=True)
    distance, factor = zip(*pair.couplings, strict=True)
    return kernels.JunctionRule(
        pair.probability,
        (min(reach), max(reach)),
        tuple(np.polyfit(reach, weight, 3)),
        pair.coefficient,
        tuple(np.polyfit(distance, factor, 3)),
    )


def _sites(known: dict[str, kernels.CellTree], nodes: pa.Table, types: list[int]) -> kernels.JunctionSites:
    """Sections of a population's tree that may have gap junctions."""
    names = nodes["morphology"].unique().to_pylist()
    if len(names) != 1:
        raise ValueError(f"cells with gap junctions must share one tree, not {len(names)}")
    tree = known[names[0]]
    lengths = kernels.section_lengths(tree)
    chosen = np.flatnonzero(np.isin(tree.type, types))
    return kernels.JunctionSites(chosen.astype(np.int32), _starts(tree)[chosen], lengths[chosen])


def _starts(tree: kernels.CellTree) -> NDArray[np.float64]:
    """Path from the root's beginning to the beginning of each section, in µm."""
    starts = np.zeros(len(tree.parent))
    for section, under in enumerate(tree.parent.tolist()):
        if under < 0:
            continue
        first = tree.points[tree.offsets[section]]
        points = tree.points[tree.offsets[under] : tree.offsets[under + 1]]
        steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
        nearest = int(np.argmin(np.linalg.norm(points - first, axis=1)))
        gap = float(np.linalg.norm(points[nearest] - first))
        starts[section] = starts[under] + steps[:nearest].sum() + gap
    return starts
