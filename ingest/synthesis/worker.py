"""Grows astrocytes with NeuroTS. Run by the interpreter of NeuroTS' environment, which has no neurolake: it imports nothing of it.

``python worker.py JOB RESULT [JOB RESULT …]``: a job is a file of NumPy's with the arrays of one cell and the texts of the three
parameter files; a result is one with the cell's sections. What NeuroTS is given follows ``archngv.building.morphology_synthesis``
(Zisis et al. 2021, doi:10.1093/cercor/bhab254): the cell's domain bounds it, endfeet attract its perivascular processes, and its
synapses, with random points besides, are what processes colonise.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]

PERIVASCULAR, PERISYNAPTIC = "axon", "basal"
_DENSITY = 1.1  # points per µm³ that processes colonise
_SCALE = 1.5  # of the domain that they are in
_MOST = 1_000_000
_HAZARD = 0.01  # per µm outside of the domain
_DIRECTIONS = 256
_SOMA, _TYPES = 1, {"axon": 2, "basal_dendrite": 3, "apical_dendrite": 4}


class DomainWall:
    """Stops processes outside of a domain, the sooner the farther they are.

    Parameters
    ----------
    points, normals
        A point and the outer normal of each face, float64[n, 3], in µm.
    random
        Draws whether a process stops.
    """

    def __init__(self, points: Reals, normals: Reals, random: np.random.Generator) -> None:
        self._points, self._normals, self._random = points, normals, random

    def __call__(self, point: Reals, step: float) -> bool:
        """Return whether a process stops at a place."""
        away = float(((point - self._points) * self._normals).sum(axis=1).max())
        return away > 0.0 and bool((1.0 - np.exp(-_HAZARD * away)) * step >= self._random.random())


def grown(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sections of one cell.

    Parameters
    ----------
    job
        ``soma`` and ``radius``; ``points`` and ``normals`` of the domain's faces, ``low``, ``high`` and ``centroid`` of the domain;
        ``feet`` and ``synapses``, all in µm; ``seed``; and the texts ``parameters``, ``distributions`` and ``context``.

    Returns
    -------
    dict
        ``points`` relative to the soma, float64[n, 3], and ``diameter``, in µm; ``sizes``, ``parent`` and ``type`` of sections,
        of which the first is the soma.
    """
    from diameter_synthesis import build_diameters
    from neurots import AstrocyteGrower
    from neurots.morphmath import sample

    random = np.random.default_rng(int(job["seed"]))
    parameters, distributions, context = (
        json.loads(str(job[name])) for name in ("parameters", "distributions", "context")
    )
    soma, feet = np.asarray(job["soma"], float), np.asarray(job["feet"], np.float32)
    parameters["origin"] = soma
    distributions["soma"]["size"] = {"norm": {"mean": float(job["radius"]), "std": 0.0}}
    context["collision_handle"] = DomainWall(job["points"], job["normals"], random)
    context["space_colonization"]["point_cloud"] = _cloud(job, random)
    if len(feet):
        context["endfeet_targets"] = feet
        parameters[PERIVASCULAR]["target_ids"] = np.arange(len(feet), dtype=np.int32)
    else:
        parameters["grow_types"] = [kind for kind in parameters["grow_types"] if kind != PERIVASCULAR]
        types = parameters["diameter_params"]["neurite_types"]
        parameters["diameter_params"]["neurite_types"] = [kind for kind in types if kind != PERIVASCULAR]
    n = int(sample.n_neurites(distributions[PERISYNAPTIC]["num_trees"], random_generator=random))
    ways, lengths = _trunks(job, n, feet - soma)
    parameters[PERISYNAPTIC]["orientation"], parameters[PERISYNAPTIC]["domain_distances"] = ways, lengths

    # NeuroTS looks at the names of its parameters.
    def thicken(cell: Any, kind: Any, model_params: Any, random_generator: Any) -> Any:
        return build_diameters.build(
            cell, [kind], model_params, parameters["diameter_params"], random_generator=random_generator
        )

    made = AstrocyteGrower(
        input_parameters=parameters,
        input_distributions=distributions,
        context=context,
        external_diametrizer=thicken,
        rng_or_seed=random,
    ).grow()
    return _sections(made, soma, float(job["radius"]))


def _cloud(job: Mapping[str, Any], random: np.random.Generator) -> NDArray[np.float32]:
    """Synapses, and random points of the enlarged domain; none where there are no synapses."""
    synapses = np.asarray(job["synapses"], np.float32).reshape(-1, 3)
    if not len(synapses):
        return synapses
    centre = np.asarray(job["centroid"], float)
    low, high = (centre + _SCALE * (np.asarray(job[end], float) - centre) for end in ("low", "high"))
    faces = centre + _SCALE * (np.asarray(job["points"], float) - centre)
    offset = (faces * job["normals"]).sum(axis=1)
    tried = int(min(_DENSITY * float(np.prod(high - low)), 10 * _MOST))
    places = random.uniform(low, high, (tried, 3))
    inside = places[((places @ np.asarray(job["normals"]).T) <= offset).all(axis=1)]
    # The share of a box of random points that is inside is that of the volumes.
    wanted = min(len(inside), _MOST)
    return np.concatenate([synapses, inside[: max(wanted - len(synapses), 0)].astype(np.float32)])


def _trunks(job: Mapping[str, Any], n: int, feet: Reals) -> tuple[Reals, Reals]:
    """Directions far from each other and from the endfeet that have much of the domain before them, and how much."""
    at = np.arange(_DIRECTIONS)
    z = 1.0 - (2.0 * at + 1.0) / _DIRECTIONS
    turn = at * np.pi * (3.0 - np.sqrt(5.0))
    ways = np.stack([np.sqrt(1.0 - z * z) * np.cos(turn), np.sqrt(1.0 - z * z) * np.sin(turn), z], axis=1)
    along = ways @ np.asarray(job["normals"]).T
    away = ((np.asarray(job["points"]) - job["soma"]) * job["normals"]).sum(axis=1)
    with np.errstate(divide="ignore"):
        lengths = np.where(along > 1e-9, np.maximum(away, 0.0) / np.maximum(along, 1e-9), np.inf).min(axis=1)
    lengths = np.where(np.isfinite(lengths), lengths, 0.0)
    sizes = np.linalg.norm(feet, axis=1, keepdims=True)
    penalty = _crowding(ways, feet / np.where(sizes > 0, sizes, 1.0)).sum(axis=1)
    others, chosen = len(feet), list[int]()
    longest = max(float(lengths.max()), 1e-9)
    for _ in range(min(n, _DIRECTIONS)):
        cost = 0.95 * penalty / max(others, 1) + 0.05 * (longest - lengths) / longest
        cost[chosen] = np.inf
        chosen.append(int(cost.argmin()))
        penalty = penalty + _crowding(ways, ways[chosen[-1:]])[:, 0]
        others += 1
    return ways[chosen], lengths[chosen]


def _crowding(ways: Reals, others: Reals) -> Reals:
    found: Reals = (np.arccos(np.clip(ways @ others.T, -1.0, 1.0)) / np.pi - 1.0) ** 2
    return found


def _sections(made: Any, soma: Reals, radius: float) -> dict[str, Any]:
    import morphio

    shape = morphio.mut.Morphology(made, options=morphio.Option.nrn_order).as_immutable()
    points, diameter = [np.zeros((1, 3))], [np.array([2.0 * radius])]
    sizes, parent, kind = [1], [-1], [_SOMA]
    for section in shape.iter():
        points.append(np.asarray(section.points, float) - soma)
        diameter.append(np.asarray(section.diameters, float))
        sizes.append(len(section.points))
        parent.append(0 if section.is_root else section.parent.id + 1)
        kind.append(_TYPES[section.type.name])
    return {
        "points": np.concatenate(points),
        "diameter": np.concatenate(diameter),
        "sizes": np.array(sizes),
        "parent": np.array(parent),
        "type": np.array(kind, np.uint8),
    }


def main(paths: list[str]) -> None:
    """Grow the cells of some jobs, one after another.

    Parameters
    ----------
    paths
        Files of jobs and of results, by turns.
    """
    for job, result in zip(paths[::2], paths[1::2], strict=True):
        with np.load(job, allow_pickle=False) as arrays:
            found = grown({name: arrays[name] for name in arrays.files})
        with open(result, "wb") as file:  # noqa: PTH123 - what has no suffix keeps none
            np.savez(file, **found)


if __name__ == "__main__":
    main(sys.argv[1:])
