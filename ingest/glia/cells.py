"""Astrocytes: where their somata are, their nodes, and their domains."""

from typing import Any

import numpy as np

from ...catalog.vocabulary import glia
from ...kernels.draws import truncated_normals
from ...kernels.glia.obstacles import segment_obstacles
from ...kernels.glia.placement import placed_somata
from ...kernels.glia.shapes import overlap_scale, region_domains, scaled_domains, within_region
from ...lake.data.ragged import Ragged
from ...lake.errors import InputError
from ..building.steps import Outcome, Output, Parts, Step
from ..circuits.polyhedra import domain_tables
from .construction import (
    AXES,
    DOMAIN_DATA,
    POPULATION,
    GliaConstruction,
    columns_of,
    soma_names,
    vessel_segments,
)
from .space import BRAIN_REGIONS, region_inputs, region_voxels, voxels

PLACEMENT = Step("ngv.placement", "1")
ASTROCYTES = Step("ngv.astrocytes", "1")
DOMAINS = Step("ngv.domains", "1")

SOMATA = "somata"


def build_somata(of: GliaConstruction) -> Outcome:
    """Place the somata of astrocytes.

    Parameters
    ----------
    of
        The circuit under construction.

    Raises
    ------
    InputError
        They find no room, or volumes of the atlas differ in size.
    """
    rules = of.manifest.somata
    bounded = of.manifest.region is not None or of.manifest.mask is not None
    inputs = {
        "density": glia.VOXELS.of(circuit=of.circuit, volume=rules.density),
        **(region_inputs(of) if bounded else {}),
    }
    if of.manifest.vasculature is not None:
        inputs["vessels"] = of.table(glia.VASCULATURE)
    params: dict[str, Any] = {
        "region": of.manifest.region,
        "mask": of.manifest.mask,
        "radius": list(rules.radius.numbers),
        "potentials": {name: list(numbers) for name, numbers in rules.potentials.items()},
        "walk": list(rules.walk),
        "avoid": rules.avoid,
        "seed": of.seed,
    }

    def make(parts: Parts) -> None:
        density, offset, voxel = voxels(of, rules.density)
        if bounded:
            region = region_voxels(of)
            if region.mask.shape != density.shape:
                raise InputError(
                    f"the volumes {rules.density} and {BRAIN_REGIONS} have {density.shape} and "
                    f"{region.mask.shape} voxels; expected as many"
                )
            density = np.where(region.mask, density, 0.0)
        obstacles = None
        if "vessels" in inputs:
            vessels = vessel_segments(of)
            ends = (
                (vessels.start, vessels.end) if rules.avoid == "segments" else (vessels.start, vessels.start)
            )
            radii = vessels.start_diameter / 2.0, vessels.end_diameter / 2.0
            if rules.avoid == "points":
                ends = tuple(np.concatenate([vessels.start, vessels.end]) for _ in range(2))  # type: ignore[assignment]
                radii = tuple(np.concatenate(radii) for _ in range(2))  # type: ignore[assignment]
            obstacles = segment_obstacles(*ends, *radii)
        try:
            found = placed_somata(
                density,
                offset,
                voxel,
                rules.radius.numbers,
                seed=of.seed,
                population=POPULATION,
                potentials=rules.potentials,
                walk=rules.walk,
                obstacles=obstacles,
            )
        except ValueError as error:
            raise InputError(f"placement of somata: {error}") from error
        columns = {
            "node_id": np.arange(len(found.radii)),
            **{axis: found.points[:, at] for at, axis in enumerate(AXES)},
            "radius": found.radii,
        }
        parts.write(SOMATA, columns_of(glia.ASTROCYTES, columns))

    outputs = {SOMATA: Output(glia.STAGES, of.stage(SOMATA))}
    return of.build.run(PLACEMENT, outputs, make, inputs=inputs, params=params)


def build_astrocytes(of: GliaConstruction) -> Outcome:
    """Store the nodes of astrocytes: somata, and what they are.

    Parameters
    ----------
    of
        The circuit under construction.
    """

    def make(parts: Parts) -> None:
        names = ["node_id", *AXES, "radius"]
        values = of.columns(of.stage(SOMATA), names)
        n = len(values[0])
        columns = {
            **dict(zip(names, values, strict=True)),
            "morphology": soma_names(n),
            "mtype": ["ASTROCYTE"] * n,
            "model_type": ["astrocyte"] * n,
            "model_template": [of.manifest.template] * n,
        }
        told = {"population": POPULATION, "size": n}
        parts.write("astrocytes", columns_of(glia.ASTROCYTES, columns), told)

    outputs = {"astrocytes": Output(glia.ASTROCYTES, of.table(glia.ASTROCYTES))}
    return of.build.run(
        ASTROCYTES,
        outputs,
        make,
        inputs={SOMATA: of.stage(SOMATA)},
        params={"template": of.manifest.template},
    )


def build_domains(of: GliaConstruction) -> Outcome:
    """Share out the region between the astrocytes, and enlarge the domains so that they overlap.

    Parameters
    ----------
    of
        The circuit under construction.

    Raises
    ------
    InputError
        The region has no piece that is large enough.
    """
    outputs = {
        "domains": Output(glia.DOMAINS, of.table(glia.DOMAINS, {"population": POPULATION})),
        "faces": Output(glia.DOMAIN_FACES, of.table(glia.DOMAIN_FACES, {"population": POPULATION})),
    }
    for data in DOMAIN_DATA:
        outputs |= data.outputs({"circuit": of.circuit, "population": POPULATION})
    params = {
        "region": of.manifest.region,
        "mask": of.manifest.mask,
        "overlap": list(of.manifest.overlap),
        "seed": of.seed,
    }

    def make(parts: Parts) -> None:
        somata = of.stage(SOMATA)
        centres, (radii,) = of.places(somata, AXES), of.columns(somata, ["radius"])
        region = region_voxels(of)
        mean, deviation = of.manifest.overlap
        overlap = truncated_normals(
            len(radii), mean, deviation, 0.0, 1.999, seed=of.seed, purpose="overlap", population=POPULATION
        )
        try:
            whole, box = region_domains(centres, radii, region)
        except ValueError as error:
            raise InputError(f"domains: {error}") from error
        scale = overlap_scale(overlap)
        found = within_region(scaled_domains(whole, scale, *box), centres, region)
        triangles = np.column_stack([found.faces, found.triangles])
        data = (
            Ragged(found.points.astype(np.float32), found.point_offsets),
            Ragged(triangles, found.triangle_offsets),
            Ragged(found.neighbors, found.triangle_offsets),
        )
        for kind, values in zip(DOMAIN_DATA, data, strict=True):
            kind.write(parts, values)
        domains, faces = domain_tables(*data, scale)
        parts.write("domains", domains)
        parts.write("faces", faces)

    return of.build.run(
        DOMAINS, outputs, make, inputs={SOMATA: of.stage(SOMATA), **region_inputs(of)}, params=params
    )
