"""What glia are built in: the atlas' volumes and regions, vessels, and the vessels' surface."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import glia
from ...kernels.glia.regions import Region, region_of
from ...kernels.vessels.fronts import TriangleMesh, uneven_edges
from ...kernels.vessels.surfaces import vessel_surface
from ...lake.data.ragged import Ragged
from ...lake.digest import digest_of
from ...lake.errors import IngestError, InputError
from ...lake.extras import needed
from ...lake.names import listed
from ..building.steps import Outcome, Output, Parts, Step
from ..circuits.polyhedra import mesh_table
from ..circuits.vessels import (
    SectionMorphology,
    VesselError,
    graph_tables,
    point_segments,
    segments_of,
)
from ..hdf5.reading import HDF5File, opened
from ..ngv.atlas import region_table
from ..ngv.parts import VESSEL_MESH
from ..spatial.nrrd import read_nrrd
from ..spatial.obj import read_obj
from .construction import MESH_DATA, GliaConstruction, vessel_segments

VOLUME = Step("ngv.volume", "1")
REGIONS = Step("ngv.regions", "1")
VESSELS = Step("ngv.vessels", "1")
SURFACE = Step("ngv.surface", "1")
GIVEN_SURFACE = Step("ngv.given_surface", "1")

BRAIN_REGIONS = "brain_regions"

_FINEST, _COARSEST = 0.4, 1.0  # cells of the grid that a surface is made on, in µm


def build_volume(of: GliaConstruction, name: str) -> Outcome:
    """Store a volume of the atlas.

    Parameters
    ----------
    of
        The circuit under construction.
    name
        Name of the volume.

    Raises
    ------
    IngestError
        The file is no volume of voxels.
    """
    path = of.manifest.volumes[name]

    def make(parts: Parts) -> None:
        volume = read_nrrd(path)
        if volume.values.ndim != 3:
            raise IngestError(f"its voxels have {volume.values.shape[0]} values each; expected one", path)
        told = {
            "voxel_size": list(volume.voxel_size),
            "offset": list(volume.offset),
            "header": dict(volume.header),
        }
        parts.write_array("volume", volume.values, told)

    outputs = {"volume": Output(glia.VOXELS, glia.VOXELS.of(circuit=of.circuit, volume=name))}
    return of.build.run(VOLUME, outputs, make, inputs={}, params={"file": digest_of(path.read_bytes())})


def build_regions(of: GliaConstruction, path: Path) -> Outcome:
    """Store the tree of the atlas' regions.

    Parameters
    ----------
    of
        The circuit under construction.
    path
        File of the regions.

    Raises
    ------
    IngestError
        The file is no tree of regions.
    """

    def make(parts: Parts) -> None:
        parts.write("regions", region_table(path))

    outputs = {"regions": Output(glia.REGIONS, of.table(glia.REGIONS))}
    return of.build.run(REGIONS, outputs, make, inputs={}, params={"file": digest_of(path.read_bytes())})


def build_vessels(of: GliaConstruction, path: Path) -> Outcome:
    """Store vessels: their segments, and the graph of their points and sections.

    Parameters
    ----------
    of
        The circuit under construction.
    path
        HDF5 file of sections, of a graph of points, or of SONATA nodes.

    Raises
    ------
    IngestError
        The file holds no vessels.
    """
    kinds = {
        "segments": glia.VASCULATURE,
        "points": glia.VESSEL_POINTS,
        "sections": glia.VESSEL_SECTIONS,
        "links": glia.VESSEL_LINKS,
    }
    outputs = {part: Output(kind, of.table(kind)) for part, kind in kinds.items()}

    def make(parts: Parts) -> None:
        segments = read_vessels(path)
        try:
            graph = graph_tables(segments)
        except VesselError as error:
            raise IngestError(str(error), path) from error
        parts.write("segments", segments, {"population": "vasculature", "size": segments.num_rows})
        for part, table in zip(("points", "sections", "links"), graph, strict=True):
            parts.write(part, table)

    return of.build.run(VESSELS, outputs, make, inputs={}, params={"file": digest_of(path.read_bytes())})


def read_vessels(path: Path) -> pa.Table:
    """Read the segments of vessels.

    Parameters
    ----------
    path
        HDF5 file of sections, of a graph of points, or of SONATA nodes.

    Returns
    -------
    pyarrow.Table
        Rows of `VASCULATURE`.

    Raises
    ------
    IngestError
        The file holds no vessels; names the dataset.
    """
    with needed("vessels in HDF5", "sonata"), opened(path) as source:
        file = source.file
        try:
            if "structure" in file:
                read = {
                    "points": source.dataset(file, "points", "f", shape=(None, 4)),
                    "structure": source.dataset(file, "structure", shape=(None, 2)),
                    "connectivity": source.dataset(file, "connectivity", shape=(None, 2)),
                }
                sections = SectionMorphology(*(dataset[...] for dataset in read.values()))
                if not len(sections.structure):
                    raise source.error("/structure", "it has no sections")
                sections.check()
                return segments_of(sections)
            if "nodes" in file:
                return _nodes(source)
            if "edges" in file:
                return _graph(source)
        except VesselError as error:
            raise source.error(f"/{error.part}", error.reason) from error
        raise source.error("/", "there are no sections (/structure), nodes or edges of vessels")


def _graph(source: HDF5File) -> pa.Table:
    file = source.file
    places = source.dataset(file, "points", "f", shape=(None, 3))[...]
    edges = source.dataset(file, "edges", shape=(None, 2))[...]
    diameters = source.dataset(file, "point_properties/diameter", "f", length=len(places))[...]
    points = np.column_stack([places, diameters]).astype(np.float32)
    if not np.isfinite(points).all():
        raise source.error("/points", "not all of its points are places")
    columns = []
    for name, default in (
        ("type", np.zeros(len(edges))),
        ("section_id", np.arange(len(edges))),
        ("segment_id", np.zeros(len(edges))),
    ):
        known = f"edge_properties/{name}" in file
        columns.append(
            source.dataset(file, f"edge_properties/{name}", length=len(edges))[...]
            if known
            else default.astype(np.int64)
        )
    return point_segments(points, edges, *columns)


def _nodes(source: HDF5File) -> pa.Table:
    """Segments of a file of SONATA nodes with one population."""
    populations = list(source.groups("nodes"))
    group = "/".join(["nodes", *populations[:1], *(["0"] if populations else [])])
    schema = glia.VASCULATURE.schema
    optional = set(glia.VASCULATURE.optional)
    names = [name for name in schema.names if name not in optional and name != "node_id"]
    values = [source.dataset(source.file, f"{group}/{name}", "iuf")[...] for name in names]
    count = len(values[0])
    columns = {
        "node_id": np.arange(count),
        "node_type_id": np.full(count, -1),
        **dict(zip(names, values, strict=True)),
        "model_type": pa.repeat(pa.scalar("vasculature"), count),
    }
    wanted = [name for name in schema.names if name in columns]
    table = pa.table([columns[name] for name in wanted], names=wanted)
    return table.cast(glia.VASCULATURE.schema_of(wanted))


def build_surface(of: GliaConstruction) -> Outcome:
    """Store the surface of the vessels: the one that is given, or one made of their segments.

    Parameters
    ----------
    of
        The circuit under construction.

    Raises
    ------
    IngestError, InputError
        The file is no mesh, or no surface can be made of the vessels.
    """
    kind = glia.MESHES
    outputs = {"mesh": Output(kind, of.table(kind, {"mesh": VESSEL_MESH}))}
    for data in MESH_DATA:
        outputs |= data.outputs({"circuit": of.circuit, "mesh": VESSEL_MESH})
    path = of.manifest.mesh

    def write(parts: Parts, points: Ragged, triangles: Ragged) -> None:
        for data, values in zip(MESH_DATA, (points, triangles), strict=True):
            data.write(parts, values)
        parts.write("mesh", mesh_table(points, triangles))

    if path is not None:

        def given(parts: Parts) -> None:
            points, triangles, _ = read_obj(path)
            if not len(triangles.values):
                raise IngestError("it has no triangles", path)
            write(parts, points, triangles)

        params = {"file": digest_of(path.read_bytes())}
        return of.build.run(GIVEN_SURFACE, outputs, given, inputs={}, params=params)

    def make(parts: Parts) -> None:
        mesh = _surface(of)
        write(
            parts,
            Ragged(mesh.points.astype(np.float32), np.array([0, len(mesh.points)])),
            Ragged(mesh.triangles, np.array([0, len(mesh.triangles)])),
        )

    inputs = {"vessels": of.table(glia.VASCULATURE)}
    return of.build.run(SURFACE, outputs, make, inputs=inputs, params={"voxel": of.manifest.voxel})


def _surface(of: GliaConstruction) -> TriangleMesh:
    vessels = vessel_segments(of)
    radii = (vessels.start_diameter / 2.0, vessels.end_diameter / 2.0)
    voxel = of.manifest.voxel
    if voxel is None:
        # Thin vessels need some cells across.
        thin = float(np.quantile(np.concatenate(radii), 0.05)) if len(radii[0]) else _COARSEST
        voxel = min(max(thin / 2.0, _FINEST), _COARSEST)
    try:
        mesh = vessel_surface(vessels.start, vessels.end, *radii, voxel)
    except ValueError as error:
        raise InputError(f"the vessels' surface: {error}") from error
    open_edges = (uneven_edges(mesh)[:, 2] % 2).sum()
    if open_edges:
        raise InputError(f"the vessels' surface has {open_edges} open edges; use another voxel")
    return mesh


def voxels(of: GliaConstruction, name: str) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64]]:
    """Return a volume of the atlas: its values, its corner and the edges of a voxel in µm.

    Parameters
    ----------
    of
        The circuit under construction.
    name
        Name of the volume.
    """
    node = glia.VOXELS.of(circuit=of.circuit, volume=name)
    told = of.build.attributes(node)
    return of.build.array(node), np.array(told["offset"], float), np.array(told["voxel_size"], float)


def region_inputs(of: GliaConstruction) -> dict[str, str]:
    """Return the nodes that tell which voxels are in the region.

    Parameters
    ----------
    of
        The circuit under construction.
    """
    names = [BRAIN_REGIONS, *([of.manifest.mask] if of.manifest.mask else [])]
    found = {name: glia.VOXELS.of(circuit=of.circuit, volume=name) for name in names}
    if of.manifest.region:
        found["regions"] = of.table(glia.REGIONS)
    return found


def region_voxels(of: GliaConstruction) -> Region:
    """Return the voxels of the region that is built: of the named one and of all within it, or of any; within the mask.

    Parameters
    ----------
    of
        The circuit under construction.

    Raises
    ------
    InputError
        There is no such region, or no voxel belongs to it.
    """
    ids, offset, voxel = voxels(of, BRAIN_REGIONS)
    name = of.manifest.region
    chosen = ids != 0
    if name is not None:
        chosen = np.isin(ids, _within(of, name))
    if of.manifest.mask:
        mask = voxels(of, of.manifest.mask)
        if mask[0].shape != ids.shape:
            raise InputError(
                f"the volumes {of.manifest.mask} and {BRAIN_REGIONS} have {mask[0].shape} and {ids.shape} voxels; "
                "expected as many"
            )
        chosen &= mask[0] != 0
    if not chosen.any():
        raise InputError(f"no voxel of {BRAIN_REGIONS} belongs to the region {name or 'of the whole atlas'}")
    return region_of(chosen, offset, voxel)


def _within(of: GliaConstruction, name: str) -> list[int]:
    """Numbers of a region and of all within it."""
    rows = of.build.table(of.table(glia.REGIONS)).to_arrow().to_pylist()
    found = {row["region_id"] for row in rows if name in (row["acronym"], row["name"])}
    if not found:
        known = listed((row["acronym"] for row in rows), most=20)
        raise InputError(f"there is no region {name!r} in the atlas; known are {known}")
    # Rows are in the order of the tree: parents come first.
    for row in rows:
        if row["parent_id"] in found:
            found.add(row["region_id"])
    return sorted(found)
