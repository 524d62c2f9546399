"""Touches between two populations of a circuit: where the shapes of their cells are near each other."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ...catalog.vocabulary import circuits
from ...catalog.vocabulary.kinds import column
from ...kernels.shapes.segments import PlacedSections
from ...kernels.shapes.touches import KEEP, Keep, Touches
from ...kernels.shapes.touches import touches as touches_of
from ...lake import Lake, Transaction
from ...lake.errors import InputError, NotFoundError
from ...lake.history.log import MAIN
from ..building.network import Built
from ..building.steps import Build, Output, Parts, Step, StepReport, table_of
from ..circuits.placed import placed_sections
from ..circuits.registry import put_circuit
from ..lfp.segments import rotations

STEP = Step("contacts.touches", "1")
KIND = "touches"

_TURNS = (
    *(f"orientation_{axis}" for axis in "wxyz"),
    *(f"rotation_angle_{axis}axis" for axis in "xyz"),
)
_SIDES = (("efferent", "source"), ("afferent", "target"))
_MORE = [
    *(
        circuits.attribute(f"{side}_{name}", kind, "")
        for side, _ in _SIDES
        for name, kind in (
            ("section_id", pa.int32()),
            ("segment_id", pa.int32()),
            ("segment_offset", pa.float32()),
            ("section_pos", pa.float32()),
        )
    ),
    *(
        column(f"{side}_section_type", pa.uint8(), f"SWC type of the section, on the {end}")
        for side, end in _SIDES
    ),
    *(
        circuits.attribute(f"{side}_{place}_{axis}", pa.float32(), "")
        for side, _ in _SIDES
        for place in ("center", "surface")
        for axis in "xyz"
    ),
    column("distance", pa.float32(), "between the surfaces; negative where they overlap", "µm"),
]


def touches(
    lake: Lake | str | Path,
    circuit: str,
    source: str,
    target: str | None = None,
    *,
    reach: float = 0.0,
    keep: Keep = "sections",
    branch: str = MAIN,
    message: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Built:
    """Store where cells of two populations touch, as edges ``edges/<circuit>/<source>__<target>__touches``.

    Computed once for the content of the cells and their trees, the reach and what is kept.

    Parameters
    ----------
    lake
        An open lake, or the path or URL of one.
    circuit
        The circuit, with the trees of its cells in the lake.
    source, target
        Its populations. Without a target, or with the same one, touches are between different cells of the source, and each is
        there from both sides.
    reach
        Largest distance of surfaces, in µm.
    keep
        Of several touches between the same ``"sections"``, or the same ``"cells"``, only the nearest; or ``"all"``.
    branch, message
        The branch to commit to, and the commit's message.
    progress
        Called with the name of the step as it begins.

    Returns
    -------
    Built
        What became of the step. ``print`` shows it.

    Raises
    ------
    NotFoundError
        There is no such circuit or population, or their trees are not in the lake.
    InputError
        Reach or *keep* cannot be used, or a cell has a tree that the circuit does not have.
    ConflictError
        Another process changes the circuit.
    """
    began = time.perf_counter()
    if not 0 <= reach < np.inf:
        raise InputError(f"reach is {reach}: give a distance in µm, 0 or more")
    if keep not in KEEP:
        raise InputError(f"keep is {keep!r}: it is one of {', '.join(KEEP)}")
    populations = source, target or source
    name = f"{populations[0]}__{populations[1]}__{KIND}"
    store = Lake.of(lake)
    build = Build(store, branch, circuit, f"neurolake build touches {circuit} {' '.join(populations)}")
    inputs = {
        "points": circuits.POINTS.of(circuit=circuit),
        "sections": circuits.SECTIONS.of(circuit=circuit),
        **{
            end: circuits.NODES.of(circuit=circuit, population=population)
            for end, population in zip(("source", "target"), populations, strict=True)
        },
    }
    for what, node in inputs.items():
        if node not in build.tree:
            raise NotFoundError(
                f"there is no table {node!r}: touches of {circuit!r} need its "
                + (
                    "trees in the lake"
                    if what in ("points", "sections")
                    else f"population {node.rpartition('/')[2]!r}"
                )
            )
    node = circuits.EDGES.of(circuit=circuit, population=name)
    outputs = {
        "touches": Output(circuits.EDGES, node),
        "touches by source": Output(circuits.BY_SOURCE, circuits.BY_SOURCE.beside(node)),
    }

    def make(parts: Parts) -> None:
        trees = [build.table(inputs[part]).to_arrow() for part in ("points", "sections")]
        cells = [_placed(build, inputs["source"], *trees)]
        if populations[0] != populations[1]:
            cells.append(_placed(build, inputs["target"], *trees))
        found = touches_of(cells[0], cells[1] if len(cells) > 1 else None, reach=reach, keep=keep)
        attributes = {
            "population": name,
            "source_population": populations[0],
            "target_population": populations[1],
            "reach": reach,
            "keep": keep,
        }
        parts.write("touches", _rows(found), attributes)
        order = np.argsort(found.source.cell, kind="stable")
        index = {
            "source_node_id": found.source.cell[order],
            "target_node_id": found.target.cell[order],
            "edge_id": order,
        }
        parts.write("touches by source", table_of(circuits.BY_SOURCE, index))

    if progress is not None:
        progress(name)
    report = Built(store.url, circuit)
    outcome = build.run(STEP, outputs, make, inputs=inputs, params={"reach": reach, "keep": keep})
    report.steps.append(StepReport(name, outcome.state, outcome.rows, time.perf_counter() - began))
    report.nodes = {
        population: build.table(circuits.NODES.of(circuit=circuit, population=population)).rows
        for population in populations
    }
    report.edges = {name: outcome.rows}
    report.commit = build.finish(
        message or f"Find touches of {populations[0]} and {populations[1]} in {circuit}",
        {"circuit": circuit, "touches": name},
        lambda node: False,
        lambda transaction: _counted(transaction, circuit),
    )
    report.seconds = time.perf_counter() - began
    return report


def _placed(build: Build, node: str, points: pa.Table, sections: pa.Table) -> PlacedSections:
    """The sections of a population where its cells are."""
    table = build.table(node)
    known = table.schema().names
    missing = [name for name in ("x", "y", "z", "morphology") if name not in known]
    if missing:
        raise NotFoundError(f"cells of {node!r} have no {missing[0]!r}: touches need places and shapes")
    rows = table.to_arrow([name for name in ("x", "y", "z", "morphology", *_TURNS) if name in known])
    columns: dict[str, Any] = {name: rows[name].to_numpy() for name in rows.column_names if name in _TURNS}
    try:
        turned = rotations(columns, len(rows)) if columns else None
    except ValueError as error:
        raise InputError(f"{node}: {error}") from error
    places = np.stack([rows[axis].to_numpy().astype(np.float64) for axis in "xyz"], axis=1)
    return placed_sections(points, sections, rows["morphology"], places, turned)


def _rows(found: Touches) -> pa.Table:
    columns: dict[str, Any] = {
        "edge_id": np.arange(len(found.distance)),
        "source_node_id": found.source.cell,
        "target_node_id": found.target.cell,
    }
    for name, side in (("efferent", found.source), ("afferent", found.target)):
        columns |= {
            f"{name}_section_id": side.section,
            f"{name}_segment_id": side.segment,
            f"{name}_segment_offset": side.offset,
            f"{name}_section_pos": side.position,
            f"{name}_section_type": side.type,
        }
        for place, points in (("center", side.centre), ("surface", side.surface)):
            columns |= {f"{name}_{place}_{axis}": points[:, at] for at, axis in enumerate("xyz")}
    columns["distance"] = found.distance
    return table_of(circuits.EDGES, columns, _MORE)


def _counted(transaction: Transaction, circuit: str) -> None:
    """Bring the circuit's row in the table of circuits up to date."""
    known = transaction.table(circuits.CIRCUITS.name)
    rows = [] if known is None else known.to_arrow().to_pylist()
    for row in rows:
        if row["name"] == circuit:
            put_circuit(
                transaction, circuit, row["format"], configuration=row["configuration"], seed=row["seed"]
            )
