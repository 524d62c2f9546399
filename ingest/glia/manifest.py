"""What ArchNGV's MANIFEST.yaml says: files, and the parameters of each stage."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ...kernels.glia.placement import POTENTIALS, Walk
from ..text.asked import Asked, Problem
from ..text.included import Configuration, Keys

SECTION = "ngv"
"""Key that the rest of the manifest may stand below."""

GROWERS = ("space_colonization", "neurots")
PARAMETERS = "tns_parameters.json"
STRATEGIES = ("maximum_reachout", "random_selection")

_COMMON = (
    "seed",
    "parallel",
    "log_level",
    "region",
    "mask",
    "atlas",
    "vasculature",
    "vasculature_mesh",
    "base_circuit",
    "base_circuit_sonata",
    "base_circuit_cells",
    "base_circuit_connectome",
    "base_spatial_synapse_index_dir",
    "node_population_name",
    "edge_population_name",
)
_STAGES = (
    "common",
    "assign_emodels",
    "cell_placement",
    "microdomains",
    "gliovascular_connectivity",
    "endfeet_surface_meshes",
    "synthesis",
    "gap_junctions",
    "vessel_surface",
    "tetrahedral_mesh",
)


@dataclass(frozen=True)
class Truncated:
    """A truncated normal distribution.

    Parameters
    ----------
    mean, deviation, low, high
        Before it is cut: mean and standard deviation; and where it is cut.
    """

    mean: float
    deviation: float
    low: float
    high: float

    @property
    def numbers(self) -> tuple[float, float, float, float]:
        """The four numbers, in their order."""
        return self.mean, self.deviation, self.low, self.high


@dataclass(frozen=True)
class SomaRules:
    """How somata are placed.

    Parameters
    ----------
    density
        Name of the volume with cells per mm³.
    radius
        Of the somata in µm.
    potentials
        Numbers of each potential, by name.
    walk
        Trials of each soma.
    avoid
        ``segments`` or ``points`` of the vessels, which somata do not overlap.
    """

    density: str
    radius: Truncated
    potentials: Mapping[str, Sequence[float]]
    walk: Walk
    avoid: str


@dataclass(frozen=True)
class FootRules:
    """How astrocytes reach for vessels, and what their endfeet become.

    Parameters
    ----------
    density
        Places per µm of a vessel.
    strategy
        How an astrocyte chooses among them.
    reproduce
        ``archngv`` for its arithmetic on the way to the vessel's surface; None for ours.
    count
        Endfeet of an astrocyte.
    cutoff
        Distance in µm from its place that an endfoot grows to at most.
    area, thickness
        Of endfeet, in µm² and µm.
    """

    density: float
    strategy: str
    reproduce: Literal["archngv"] | None
    count: Truncated
    cutoff: float
    area: Truncated
    thickness: Truncated


@dataclass(frozen=True)
class ShapeRules:
    """How astrocytes get their shapes.

    Parameters
    ----------
    grower
        ``space_colonization``, or ``neurots``.
    parameters
        Folder with NeuroTS' parameters, where it grows the cells.
    density
        Points per µm of sections that are resampled; None to leave them as they grew.
    perimeters
        Slope, intercept and standard deviation in µm of perimeters over diameters, and weights of neighbouring points; None
        without perimeters.
    reticulum
        File of measured trees with the endoplasmic reticulum of their sections; None without.
    """

    grower: str
    parameters: Path | None
    density: float | None
    perimeters: tuple[float, float, float, tuple[float, ...]] | None
    reticulum: Path | None


@dataclass(frozen=True)
class Manifest:
    """What a circuit of glia is built from.

    Parameters
    ----------
    configuration
        The file that says so.
    seed
        Of all random numbers.
    region, mask
        Region of the atlas that is built, with all within it, and volume of a further mask; None for all.
    volumes
        Files of the atlas by name of the volume.
    hierarchy
        File of the atlas' regions; None where no region is asked for.
    vasculature, mesh
        Files of the vessels, and of their surface; None where that is to be made.
    voxel
        Cells in µm of the grid that a surface is made on; None for a choice by the vessels' radii.
    neurons
        Configuration or files of the neurons' circuit; none where there are no neurons, or they are in the lake.
    node_population, edge_population
        Populations of neurons and of the edges between them, where the circuit has several.
    somata, feet
        Rules of placement, and of endfeet.
    overlap
        Mean and standard deviation of the part of a domain that it shares with others.
    template
        Template of the cells' model.
    shapes
        How astrocytes get their shapes.
    reach
        Distance of surfaces in µm up to which astrocytes have gap junctions.
    problems
        What is wrong with the manifest, or has no effect.
    """

    configuration: Configuration
    seed: int
    region: str | None
    mask: str | None
    volumes: Mapping[str, Path]
    hierarchy: Path | None
    vasculature: Path | None
    mesh: Path | None
    voxel: float | None
    neurons: tuple[Path, ...]
    node_population: str | None
    edge_population: str | None
    somata: SomaRules
    feet: FootRules
    overlap: tuple[float, float]
    template: str
    shapes: ShapeRules
    reach: float
    problems: Sequence[Problem] = field(default=(), compare=False)


def manifest_of(
    source: str | Path | Mapping[str, Any] | Configuration, maps: Mapping[str, str], *, neurons: bool
) -> Manifest:
    """Read a manifest; everything that is wrong with it is in its problems.

    Parameters
    ----------
    source
        The YAML file, or its content.
    maps
        What beginnings of file names become.
    neurons
        Whether the manifest's neurons are wanted; those of a circuit in the lake need no files.

    Raises
    ------
    IngestError, InputError
        The file is missing or is not YAML.
    """
    return _Reading(Configuration.of(source), maps).manifest(neurons)


class _Reading:
    def __init__(self, configuration: Configuration, maps: Mapping[str, str]) -> None:
        self.asked = Asked(configuration)
        self.maps = maps
        self.top: Keys = (SECTION,) if isinstance(configuration.tree.get(SECTION), Mapping) else ()

    def manifest(self, neurons: bool) -> Manifest:
        asked, common = self.asked, (*self.top, "common")
        asked.known(self.top, _STAGES)
        asked.mapping(common, needed=True)
        asked.known(common, _COMMON)
        asked.known((*self.top, "vessel_surface"), ("voxel",))
        asked.known((*self.top, "gap_junctions"), ("reach",))
        asked.known((*self.top, "assign_emodels"), ("hoc_template", "templates_dir"))
        region, mask = (self._optional((*common, key)) for key in ("region", "mask"))
        somata = self._somata()
        names = list(dict.fromkeys([somata.density, "brain_regions", *([mask] if mask else [])]))
        volumes = {name: path for name in names if (path := self._atlas(name, ".nrrd")) is not None}
        voxel_keys = (*self.top, "vessel_surface", "voxel")
        return Manifest(
            asked.configuration,
            self._or(0, lambda: asked.whole((*common, "seed"), 0, most=2**31 - 1)),
            region,
            mask,
            volumes,
            self._atlas("hierarchy", ".json") if region else None,
            self._file((*common, "vasculature")),
            self._file((*common, "vasculature_mesh")),
            None
            if asked.configuration.get(voxel_keys) is None
            else self._or(None, lambda: asked.number(voxel_keys, above=0.0)),
            self._neurons(common) if neurons else (),
            self._optional((*common, "node_population_name")),
            self._optional((*common, "edge_population_name")),
            somata,
            self._feet(),
            self._overlap(),
            self._template(),
            self._shapes(),
            self._or(0.0, lambda: asked.number((*self.top, "gap_junctions", "reach"), 0.0, least=0.0)),
            asked.problems,
        )

    def _or(self, default: Any, read: Callable[[], Any]) -> Any:
        return self.asked.or_default(default, read)

    def _optional(self, keys: Keys) -> str | None:
        if self.asked.configuration.get(keys) in (None, ""):
            return None
        found: str | None = self._or(None, lambda: self.asked.text(keys))
        return found

    def _file(self, keys: Keys) -> Path | None:
        name = self._optional(keys)
        return None if name is None else self._or(None, lambda: self.asked.file(keys, name, self.maps))

    def _atlas(self, name: str, suffix: str) -> Path | None:
        keys: Keys = (*self.top, "common", "atlas")
        if name == "" or (folder := self._or(None, lambda: self.asked.text(keys))) is None:
            return None
        path = f"{folder.rstrip('/')}/{name}{suffix}"
        found: Path | None = self._or(None, lambda: self.asked.file(keys, path, self.maps))
        return found

    def _neurons(self, common: Keys) -> tuple[Path, ...]:
        """The files of cells and edges of the neurons' circuit, or else its configuration."""
        keys = [(*common, f"base_circuit_{part}") for part in ("cells", "connectome")]
        if any(self._optional(each) is None for each in keys):
            keys = [(*common, "base_circuit_sonata")]
        paths = [self._file(each) for each in keys]
        return tuple(path for path in paths if path is not None)

    def _somata(self) -> SomaRules:
        asked, keys = self.asked, (*self.top, "cell_placement")
        asked.known(keys, ("density", "soma_radius", "Energy", "MetropolisHastings", "avoid"))
        density = self._or("", lambda: asked.text((*keys, "density"), "[density]astrocytes"))
        energy: Keys = (*keys, "Energy", "potentials")
        asked.named(energy, POTENTIALS, "potential")
        potentials = asked.each(energy, lambda place: asked.numbers(place, POTENTIALS.get(str(place[-1]), 1)))
        known = {name: numbers for name, numbers in potentials.items() if name in POTENTIALS}
        if asked.configuration.get(energy) is None:
            known = {"spring": (32.0, 1.0)}
        walk: Keys = (*keys, "MetropolisHastings")
        asked.known(walk, ("n_initial", "beta", "ntrials", "cutoff_radius"))
        return SomaRules(
            density,
            self._truncated((*keys, "soma_radius"), (5.6, 0.74, 0.1, 20.0), positive=True),
            known,
            Walk(
                self._or(10, lambda: asked.whole((*walk, "n_initial"), 10)),
                self._or(3, lambda: asked.whole((*walk, "ntrials"), 3)),
                self._or(0.01, lambda: asked.number((*walk, "beta"), 0.01, least=0.0)),
                self._or(60.0, lambda: asked.number((*walk, "cutoff_radius"), 60.0, above=0.0)),
            ),
            asked.choice((*keys, "avoid"), ("segments", "points")),
        )

    def _feet(self) -> FootRules:
        asked, keys = self.asked, (*self.top, "gliovascular_connectivity")
        asked.known(keys, ("graph_targeting", "connection", "surface_targeting"))
        asked.known((*keys, "graph_targeting"), ("linear_density",))
        asked.known((*keys, "connection"), ("reachout_strategy", "endfeet_distribution"))
        asked.known((*keys, "surface_targeting"), ("reproduce",))
        exact: Keys = (*keys, "surface_targeting", "reproduce")
        place: Keys = (*keys, "graph_targeting", "linear_density")
        meshes: Keys = (*self.top, "endfeet_surface_meshes")
        asked.known(meshes, ("fmm_cutoff_radius", "area_distribution", "thickness_distribution"))
        return FootRules(
            self._or(0.17, lambda: asked.number(place, 0.17, above=0.0)),
            asked.choice((*keys, "connection", "reachout_strategy"), STRATEGIES),
            None if asked.configuration.get(exact) is None else asked.choice(exact, ("archngv",)),
            self._truncated((*keys, "connection", "endfeet_distribution"), (2.0, 2.0, 0.0, 15.0)),
            self._or(1000.0, lambda: asked.number((*meshes, "fmm_cutoff_radius"), 1000.0, above=0.0)),
            self._truncated((*meshes, "area_distribution"), (192.0, 160.0, 0.0, 1000.0)),
            self._truncated((*meshes, "thickness_distribution"), (0.97, 0.1, 0.01, 2.0)),
        )

    def _overlap(self) -> tuple[float, float]:
        keys: Keys = (*self.top, "microdomains", "overlap_distribution")
        self.asked.known(keys[:-1], ("overlap_distribution",))
        self.asked.known(keys, ("type", "values"))
        self.asked.choice((*keys, "type"), ("normal",))
        found = self._or((0.1, 1e-7), lambda: self.asked.numbers((*keys, "values"), 2, (0.1, 1e-7)))
        if not 0.0 <= found[0] < 2.0 or found[1] < 0.0:
            self.asked.note(
                (*keys, "values"),
                f"expected a mean from 0 to below 2 and a standard deviation of 0 or more, not {list(found)}",
            )
        return found[0], found[1]

    def _shapes(self) -> ShapeRules:
        asked, keys = self.asked, (*self.top, "synthesis")
        asked.known(keys, ("grower", "parameters", "perimeter_distribution", "resampling", "reticulum"))
        asked.known((*keys, "resampling"), ("enabled", "linear-density"))
        grower = asked.choice((*keys, "grower"), GROWERS)
        folder: Path | None = None
        if grower == "neurots":
            place: Keys = (*keys, "parameters")
            name = self._or(".", lambda: asked.text(place, "."))
            file = self._or(None, lambda: asked.file(place, f"{name}/{PARAMETERS}", self.maps))
            folder = None if file is None else file.parent
        again: Keys = (*keys, "resampling", "linear-density")
        wanted = asked.configuration.get((*keys, "resampling", "enabled"), False) is True
        density = self._or(None, lambda: asked.number(again, 2.0, above=0.0)) if wanted else None
        return ShapeRules(grower, folder, density, self._perimeters(), self._file((*keys, "reticulum")))

    def _perimeters(self) -> tuple[float, float, float, tuple[float, ...]] | None:
        asked = self.asked
        keys: Keys = (*self.top, "synthesis", "perimeter_distribution")
        asked.known(keys, ("enabled", "statistical_model", "smoothing"))
        if (
            asked.configuration.get(keys) is None
            or asked.configuration.get((*keys, "enabled"), True) is False
        ):
            return None
        model: Keys = (*keys, "statistical_model")
        asked.known(model, ("slope", "intercept", "standard_deviation"))
        asked.known((*keys, "smoothing"), ("window",))
        numbers = [
            self._or(default, partial(asked.number, (*model, name), default))
            for name, default in (("slope", 2.06), ("intercept", 1.022), ("standard_deviation", 1.1161))
        ]
        place: Keys = (*keys, "smoothing", "window")
        given = asked.configuration.get(place, [1.0] * 5)
        size = len(given) if isinstance(given, list) else 5
        window = self._or((1.0,) * 5, lambda: asked.numbers(place, size, (1.0,) * size))
        if size % 2 == 0 or not sum(window) > 0.0 or min(window) < 0.0:
            asked.note(place, f"expected an odd number of weights that are 0 or more, not {list(window)}")
        return numbers[0], numbers[1], numbers[2], tuple(window)

    def _template(self) -> str:
        """As ArchNGV writes it: hoc:, and the name without .hoc."""
        keys: Keys = (*self.top, "assign_emodels", "hoc_template")
        name = self._or("astrocyte", lambda: self.asked.text(keys, "astrocyte"))
        return name if ":" in name else f"hoc:{name.removesuffix('.hoc')}"

    def _truncated(
        self, keys: Keys, default: tuple[float, float, float, float], *, positive: bool = False
    ) -> Truncated:
        numbers = self._or(default, partial(self.asked.numbers, keys, 4, default))
        mean, deviation, low, high = numbers
        if deviation < 0.0 or low > high or low < 0.0 or (positive and low <= 0.0):
            self.asked.note(
                keys,
                "expected mean, standard deviation (0 or more), least and largest value "
                f"({'above 0' if positive else '0 or more'}, rising), not {list(numbers)}",
            )
            return Truncated(*default)
        return Truncated(mean, deviation, low, high)
