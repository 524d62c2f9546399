"""ArchNGV's grouped properties: domains and meshes of endfeet, in the layouts of versions 1 and 2."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import glia
from ...catalog.vocabulary.kinds import ArrayKind
from ...lake import Transaction
from ...lake.data.ragged import Ragged, fault_of, write_ragged
from ..circuits.polyhedra import domain_tables, endfoot_table
from ..circuits.tables import write_blocks
from ..hdf5.reading import HDF5File, Ids

BLOCK_ELEMENTS = 2**20
PIECE, FLAT = "@piece.", "@flat."
"""Parts of ragged data: the elements of one thing; one column of offsets that stand beside each other."""

_AREAS = ("surface_area", "unreduced_surface_area", "surface_thickness")

Read = Callable[[int, int], Ragged]
"""Reads the elements of a half-open range of things."""
Where = Callable[[int], Any]
"""Says where in a file the elements of a thing are, for messages."""


def ragged_nodes(kinds: tuple[ArrayKind, ArrayKind], parts: Mapping[str, str]) -> tuple[str, str]:
    """Return the names of ragged data: of the values and of the offsets.

    Parameters
    ----------
    kinds
        What they are.
    parts
        Parts of their names.
    """
    return kinds[0].of(**parts), kinds[1].of(**parts)


def put_ragged(
    transaction: Transaction,
    kinds: tuple[ArrayKind, ArrayKind],
    nodes: tuple[str, str],
    pieces: Iterator[Ragged],
) -> None:
    """Write ragged data of kinds of the vocabulary.

    Parameters
    ----------
    transaction
        Writes the nodes.
    kinds
        What values and offsets are.
    nodes
        Their names.
    pieces
        The data in parts.
    """
    values, offsets = kinds
    told = {"long_name": values.doc, **({"units": values.unit} if values.unit else {})}
    write_ragged(transaction, nodes, pieces, dimension_names=(values.axes, offsets.axes), attributes=told)


# Domains

_DOMAINS = {
    "points": (glia.DOMAIN_POINTS, glia.DOMAIN_POINT_OFFSETS),
    "triangle_data": (glia.DOMAIN_TRIANGLES, glia.DOMAIN_TRIANGLE_OFFSETS),
    "neighbors": (glia.DOMAIN_NEIGHBOURS, glia.DOMAIN_NEIGHBOUR_OFFSETS),
}


def ingest_domains(
    source: HDF5File, circuit: str, population: str, transaction: Transaction, size: int | None
) -> None:
    """Write the domains of a file: ragged points, triangles and neighbours, and the tables of domains and faces.

    Parameters
    ----------
    source
        The file that is open, of either version.
    circuit, population
        What the domains are of.
    transaction
        Writes the nodes.
    size
        How many cells the population has; None if that is not known.

    Raises
    ------
    IngestError
        A dataset lacks, is of another type or shape, or says what cannot be; names it.
    """
    data, parts = source.file["data"], {"circuit": circuit, "population": population}
    nodes = {name: ragged_nodes(kinds, parts) for name, kinds in _DOMAINS.items()}
    values = {
        "points": source.dataset(data, "points", "f", shape=(None, 3)),
        "triangle_data": source.dataset(data, "triangle_data", shape=(None, 4)),
        "neighbors": source.dataset(data, "neighbors"),
    }
    offsets = _domain_offsets(source, values, nodes)
    count = len(offsets["points"]) - 1
    if size is not None and count != size:
        raise source.error(
            "/offsets", f"it is of {count} domains, the population {population!r} has {size} cells"
        )
    reads = {name: _reader(source, values[name], offsets[name]) for name in values}
    scales = _scales(source, data, count)
    spans = list(_spans([*offsets.values()]))

    def pieces(name: str) -> Iterator[Ragged]:
        for low, high in spans:
            piece = reads[name](low, high)
            if name == "points":
                _check_finite(source, partial(_dataset, name), piece)
            elif name == "triangle_data":
                _check_corners(
                    source, partial(_dataset, name), piece, np.diff(offsets["points"][low : high + 1]), 1
                )
            yield piece

    for name in ("points", "triangle_data", "neighbors"):
        put_ragged(transaction, _DOMAINS[name], nodes[name], pieces(name))
        source.claim(values[name], nodes[name][0])
    domains, faces = glia.DOMAINS.of(**parts), glia.DOMAIN_FACES.of(**parts)
    for node, kind, at in ((domains, glia.DOMAINS, 0), (faces, glia.DOMAIN_FACES, 1)):
        blocks = (
            domain_tables(
                reads["points"](low, high),
                reads["triangle_data"](low, high),
                reads["neighbors"](low, high),
                _part(scales, low, high),
                low,
            )[at]
            for low, high in spans
        )
        write_blocks(transaction, node, kind, kind.schema, blocks)
    if scales is not None:
        source.claim(data["scaling_factors"], domains, "scale")


def put_scales(transaction: Transaction, circuit: str, regular: str, overlapping: str) -> None:
    """Write by how much domains were enlarged, where the lake has them before and after and no file says it.

    Points are moved along the lines from the mean of the domain's points: the scale is that of the least squares.

    Parameters
    ----------
    transaction
        Writes the nodes.
    circuit
        Name of the circuit.
    regular, overlapping
        What the domains before and after are called.
    """
    node = glia.DOMAINS.of(circuit=circuit, population=overlapping)
    table = transaction.table(node)
    if table is None or glia.DOMAINS.of(circuit=circuit, population=regular) not in transaction.drafts:
        return
    rows = table.to_arrow()
    kinds = _DOMAINS["points"]
    before, after = (
        Ragged(
            *(
                transaction.array(name)[...]
                for name in ragged_nodes(kinds, {"circuit": circuit, "population": each})
            )
        )
        for each in (regular, overlapping)
    )
    if rows["scale"].null_count < len(rows) or not np.array_equal(before.offsets, after.offsets):
        return
    owner, sizes = before.owners, np.maximum(before.sizes, 1)[:, None]
    arms = []
    for points in (before, after):
        places = points.values.astype(np.float64)
        sums = np.stack([np.bincount(owner, places[:, axis], len(points)) for axis in range(3)], axis=1)
        arms.append(places - (sums / sizes)[owner])
    least = np.bincount(owner, (arms[0] ** 2).sum(axis=1), len(before))
    along = np.bincount(owner, (arms[0] * arms[1]).sum(axis=1), len(before))
    scales = pa.array(along / np.where(least > 0, least, 1), mask=least <= 0)
    at = rows.column_names.index("scale")
    kind = glia.DOMAINS
    transaction.write_table(
        node, rows.set_column(at, kind.schema.field("scale"), scales), doc=kind.doc, sorted_by=kind.sorted_by
    )


def _part(values: Any, low: int, high: int) -> Any:
    return None if values is None else values[low:high].astype(np.float64)


def _scales(source: HDF5File, data: Any, count: int) -> Any:
    if "scaling_factors" not in data:
        return None
    found = source.dataset(data, "scaling_factors", "f", length=count)
    # A column of reals gives back what is of double precision, and of single precision too.
    values = found[...]
    if not np.isfinite(values).all():
        at = int(np.argmin(np.isfinite(values)))
        raise source.error(found, f"{values[at]} at position {at} is no number")
    return values


def _domain_offsets(
    source: HDF5File, values: dict[str, Any], nodes: dict[str, tuple[str, str]]
) -> dict[str, Ids]:
    stored = source.file["offsets"]
    if hasattr(stored, "shape"):
        # Version 1: a column for each.
        table = source.dataset(source.file, "offsets", shape=(None, 3))
        columns = table[...]
        found = {
            name: _checked(source, table, columns[:, at], values[name]) for at, name in enumerate(values)
        }
        source.claim(table, nodes["points"][1], FLAT + ",".join(pair[1] for pair in nodes.values()))
        return found
    found = {}
    for name, dataset in values.items():
        given = source.dataset(stored, name)
        found[name] = _checked(source, given, given[...], dataset)
        source.claim(given, nodes[name][1])
    lengths = {len(each) for each in found.values()}
    if len(lengths) > 1:
        raise source.error(
            stored, f"its datasets have lengths {', '.join(map(str, sorted(lengths)))}, expected one"
        )
    return found


def _checked(source: HDF5File, where: Any, offsets: NDArray[Any], values: Any) -> Ids:
    wrong = fault_of(offsets, len(values))
    if wrong is not None:
        raise source.error(where, f"{wrong} ({values.name})")
    return offsets.astype(np.int64)


# Endfeet

_ENDFEET = {
    "points": (glia.MESH_POINTS, glia.MESH_POINT_OFFSETS),
    "triangles": (glia.MESH_TRIANGLES, glia.MESH_TRIANGLE_OFFSETS),
}
ENDFEET_MESH = "endfeet"
"""Name of the meshes of endfeet among those of a circuit."""


def ingest_endfeet(source: HDF5File, circuit: str, transaction: Transaction, size: int | None) -> None:
    """Write the meshes of endfeet of a file, and the table of endfeet.

    Parameters
    ----------
    source
        The file that is open, of either version.
    circuit
        Name of the circuit.
    transaction
        Writes the nodes.
    size
        How many endfeet there are; None if that is not known.

    Raises
    ------
    IngestError
        A dataset lacks, is of another type or shape, or says what cannot be; names it.
    """
    nodes = {
        name: ragged_nodes(kinds, {"circuit": circuit, "mesh": ENDFEET_MESH})
        for name, kinds in _ENDFEET.items()
    }
    first = "objects" in source.file
    count, reads, sizes = (_objects if first else _together)(source, nodes)
    if size is not None and count != size:
        raise source.error("/", f"it is of {count} endfeet, the circuit has {size}")
    group = source.file["attributes" if first else "data"]
    attributes = {name: source.dataset(group, name, "f", length=count) for name in _AREAS if name in group}
    spans = list(_spans([*sizes.values()]))

    def pieces(name: str) -> Iterator[Ragged]:
        for low, high in spans:
            piece = reads[name](low, high)
            where = partial(_object, name, low) if first else partial(_dataset, name)
            if name == "triangles":
                _check_corners(source, where, piece, np.diff(sizes["points"][low : high + 1]), 0)
            else:
                _check_finite(source, where, piece)
            yield piece

    for name, kinds in _ENDFEET.items():
        put_ragged(transaction, kinds, nodes[name], pieces(name))
    node, kind = glia.ENDFEET.of(circuit=circuit), glia.ENDFEET
    blocks = (
        endfoot_table(
            reads["points"](low, high),
            reads["triangles"](low, high),
            {name: dataset[low:high] for name, dataset in attributes.items()},
            low,
        )
        for low, high in spans
    )
    write_blocks(transaction, node, kind, kind.schema_of(["endfoot_id", "points", "triangles"]), blocks)
    for name, dataset in attributes.items():
        source.claim(dataset, node, name)


def _object(name: str, first: int, thing: int) -> str:
    return f"/objects/endfoot_{first + thing}/{name}"


def _dataset(name: str, thing: int) -> str:
    return f"/data/{name}"


def _together(
    source: HDF5File, nodes: dict[str, tuple[str, str]]
) -> tuple[int, dict[str, Read], dict[str, Ids]]:
    """Version 2: all endfeet in one dataset."""
    data, stored = source.file["data"], source.file["offsets"]
    if hasattr(stored, "shape"):
        raise source.error("/offsets", "expected a group with offsets of points and triangles")
    reads, offsets = dict[str, Read](), dict[str, Ids]()
    for name, kinds in (("points", "f"), ("triangles", "iu")):
        values = source.dataset(data, name, kinds, shape=(None, 3))
        given = source.dataset(stored, name)
        offsets[name] = _checked(source, given, given[...], values)
        reads[name] = _reader(source, values, offsets[name])
        source.claim(values, nodes[name][0])
        source.claim(given, nodes[name][1])
    if len(offsets["points"]) != len(offsets["triangles"]):
        raise source.error(stored, "offsets of points and triangles are of different numbers of endfeet")
    return len(offsets["points"]) - 1, reads, offsets


def _objects(
    source: HDF5File, nodes: dict[str, tuple[str, str]]
) -> tuple[int, dict[str, Read], dict[str, Ids]]:
    """Version 1: a group for each endfoot."""
    objects = source.groups("objects")
    names = [f"endfoot_{number}" for number in range(len(objects))]
    strange = sorted(set(objects) - set(names))
    if strange:
        raise source.error(
            f"/objects/{strange[0]}", f"{len(names)} endfeet are called endfoot_0 to endfoot_{len(names) - 1}"
        )
    found: dict[str, list[Any]] = {"points": [], "triangles": []}
    for number, name in enumerate(names):
        for part, kinds in (("points", "f"), ("triangles", "iu")):
            dataset = source.dataset(objects[name], part, kinds, shape=(None, 3))
            source.claim(dataset, nodes[part][0], f"{PIECE}{number}")
            found[part].append(dataset)
    types = {
        part: np.result_type(*(each.dtype for each in datasets), np.float32 if part == "points" else np.int64)
        for part, datasets in found.items()
    }
    offsets = {
        part: np.concatenate([[0], np.cumsum([len(each) for each in datasets], dtype=np.int64)]).astype(
            np.int64
        )
        for part, datasets in found.items()
    }

    def reader(part: str) -> Read:
        empty = np.empty((0, 3), types[part])

        def read(low: int, high: int) -> Ragged:
            return Ragged(
                np.concatenate([empty, *(each[...] for each in found[part][low:high])]),
                offsets[part][low : high + 1] - offsets[part][low],
            )

        return read

    return len(names), {part: reader(part) for part in found}, offsets


# Reading in parts


def _reader(source: HDF5File, values: Any, offsets: Ids) -> Read:
    def read(low: int, high: int) -> Ragged:
        source.at = values.name
        first, stop = int(offsets[low]), int(offsets[high])
        return Ragged(values[first:stop], offsets[low : high + 1] - first)

    return read


def _spans(offsets: list[Ids]) -> Iterator[tuple[int, int]]:
    """Ranges of things that have about as many elements as are read at a time; one range if there are no things."""
    total = np.sum(offsets, axis=0)
    low, count = 0, len(total) - 1
    while low < count or not low:
        high = int(np.searchsorted(total, total[low] + BLOCK_ELEMENTS, "right")) - 1
        high = min(max(high, low + 1), count)
        yield low, high
        if high <= low:
            return
        low = high


def _check_corners(source: HDF5File, where: Where, piece: Ragged, sizes: Ids, skipped: int) -> None:
    """Raise `IngestError` unless corners are points of their thing."""
    corners = piece.values
    limits = sizes[piece.owners][:, None]
    wrong = (corners < 0).any(axis=1) | (corners[:, skipped:] >= limits).any(axis=1)
    if wrong.any():
        at = int(np.argmax(wrong))
        thing = int(piece.owners[at])
        raise source.error(
            where(thing),
            f"triangle {corners[at].tolist()} of one that has points 0 to {int(sizes[thing]) - 1}",
        )


def _check_finite(source: HDF5File, where: Where, piece: Ragged) -> None:
    wrong = ~np.isfinite(piece.values).all(axis=1)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise source.error(where(int(piece.owners[at])), f"a point at {piece.values[at].tolist()}")
