"""What a network's configuration says: MiV-Simulator's keys, and some of our own, read and checked.

The keys are those of MiV-Simulator's YAML (its tutorial "Constructing Simulation", version 0.3); docs/networks.md lists
them all with units and defaults.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..text.asked import Problem
from ..text.included import Configuration

DEFAULT = "default"

SWC_TYPES = {
    "soma": 1,
    "axon": 2,
    "basal": 3,
    "apical": 4,
    "trunk": 5,
    "tuft": 6,
    "ais": 7,
    "hillock": 8,
}
SYNAPSE_TYPES = {"excitatory": 0, "inhibitory": 1, "modulatory": 2}
SEEDS = {
    "Soma Locations": 60_000_000,
    "Synapse Locations": 0,
    "Synapse Projection Partitions": 18_000_000,
    "Distance-Dependent Connectivity": 2_000_000,
    "Gap Junctions": 70_000_000,
    "Input Selectivity": 4_000_000,
    "Input Spiketrains": 50_000_000,
}
"""Offsets of the seeds of steps, where the configuration does not say them: MiV-Simulator's."""

FEATURES = ("constant", "linear", "receptive field")
RULES = ("gaussian", "uniform", "fixed in-degree", "fixed out-degree", "one-to-one", "all-to-all")
BY_DISTANCE = ("gaussian", "uniform")
"""Rules that choose a source for each synapse; functions of a user's are more."""


@dataclass(frozen=True)
class Definitions:
    """Names, and the numbers that they have in files."""

    populations: Mapping[str, int]
    layers: Mapping[str, int]
    swc_types: Mapping[str, int]
    synapse_types: Mapping[str, int]


@dataclass(frozen=True)
class Geometry:
    """The volume and what is where in it.

    Parameters
    ----------
    layers
        Lowest and highest corner (u, v, l) in µm of each layer's box.
    surfaces
        Vertices in µm and triangles of the surface that closes a layer, where it is not the whole box.
    origin
        Origin of arc distances on the axes U, V and L: ``"median"``, ``"mean"``, ``"min"``, ``"max"`` or a number in µm.
    rotation
        About the axes x, y and z, in degrees.
    counts
        Cells by population and layer.
    constraints
        Lowest and highest z in µm by population and layer.
    minimum_distance
        Of any two cells, in µm.
    relaxation
        Rounds in which cells are pushed away from each other.
    """

    layers: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]]
    surfaces: Mapping[str, tuple[Sequence[Sequence[float]], Sequence[Sequence[int]]]]
    origin: Mapping[str, str | float]
    rotation: tuple[float, ...]
    counts: Mapping[str, Mapping[str, int]]
    constraints: Mapping[str, Mapping[str, tuple[float, ...]]]
    minimum_distance: float
    relaxation: int

    def count(self, population: str) -> int:
        """Return the number of cells of a population.

        Parameters
        ----------
        population
            Name of the population.
        """
        return sum(self.counts.get(population, {}).values())


@dataclass(frozen=True)
class SynapseDensity:
    """How many synapses there are on a µm: mean and standard deviation from segment to segment."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class CellType:
    """What cells of a population are.

    Parameters
    ----------
    template
        Name of the model.
    input
        Whether the cells replay spike trains, as the key ``spike train`` says.
    morphologies
        Files of trees, as the configuration names them; cells take them in turn.
    segments
        Rule that divides sections into segments, and its value: ``("d_lambda", 0.1)``.
    density
        Density of synapses by section, synapse type and layer, in the order that the configuration has them.
    """

    template: str | None
    input: bool
    morphologies: Sequence[str]
    segments: Mapping[str, Any]
    density: Mapping[str, Mapping[str, Mapping[str, SynapseDensity]]]


@dataclass(frozen=True)
class Placement:
    """How synapses are placed.

    Parameters
    ----------
    distribution
        ``"poisson"``, ``"uniform"``, or ``"poisson_miv"``: the process of MiV-Simulator, which differs from Poisson's.
    densities
        ``"layer"``: a segment has the density of its own layer. ``"last"``: that of the last layer which the configuration
        names, as MiV-Simulator has it.
    soma_distance
        ``"path"``: along the tree. ``"radial"``: from the origin of coordinates, as MiV-Simulator has it.
    """

    distribution: Literal["poisson", "uniform", "poisson_miv"] = "poisson"
    densities: Literal["layer", "last"] = "layer"
    soma_distance: Literal["path", "radial"] = "path"


MIV = Placement("poisson_miv", "last", "radial")
MIV_SEGMENTS: Mapping[str, Mapping[str, Any]] = {"PoolosPyramidalCell": {"rule": "count", "value": 1.0}}
"""Segments of templates of MiV-Simulator's that do not follow the d_lambda rule: this one never calls its ``set_nseg``."""


@dataclass(frozen=True)
class AxonExtent:
    """How far axons reach along u and v, and how far from the soma that begins, in µm."""

    width: tuple[float, ...]
    offset: tuple[float, ...]


@dataclass(frozen=True)
class ProjectionRule:
    """From which population some synapses of another come, and by which rule.

    Parameters
    ----------
    source, target
        The populations.
    type
        Synapse type.
    places
        Section, layer and proportion, as the three parallel lists of the configuration have them.
    contacts
        How many synapses a connection has.
    rule
        How sources are chosen: one of `RULES`, or the name of a function of the user's.
    parameters
        Of such a function; none for the axon extents.
    degree
        Of the rules with a fixed degree.
    mechanisms
        What the configuration says of mechanisms, for a simulator.
    """

    source: str
    target: str
    type: str
    places: Sequence[tuple[str, str, float]]
    contacts: int
    rule: str
    parameters: Sequence[float]
    degree: int | None
    mechanisms: Mapping[str, Any]


@dataclass(frozen=True)
class JunctionPair:
    """Gap junctions between two populations.

    Parameters
    ----------
    source, target
        The populations.
    sections
        Sections that have them, on the source and on the target.
    probability
        Of a pair of cells within reach.
    weights
        Distance in µm and relative weight of a pair.
    coefficient
        Coupling coefficient.
    couplings
        Distance from the soma in µm, and factor of the coupling.
    """

    source: str
    target: str
    sections: tuple[Sequence[str], Sequence[str]]
    probability: float
    weights: Sequence[tuple[float, float]]
    coefficient: float
    couplings: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Stimulus:
    """Inputs: what cells answer to, and when.

    Parameters
    ----------
    types
        Probability of each selectivity type, by population.
    peak_rates
        Rate in Hz of each type, by population.
    temporal_resolution, equilibration
        In ms.
    oscillation
        Frequency in Hz, phase distribution and modulation, as the configuration has them; None without one.
    arenas
        Of each arena its domain and trajectories, as the configuration has them.
    widths
        Standard deviation of receptive fields in cm, by population.
    trials
        How many trials of input spikes there are.
    """

    types: Mapping[str, Mapping[str, float]]
    peak_rates: Mapping[str, Mapping[str, float]]
    temporal_resolution: float
    equilibration: float
    oscillation: Mapping[str, Any] | None
    arenas: Mapping[str, Any]
    widths: Mapping[str, float]
    trials: int


@dataclass(frozen=True)
class NetworkConfiguration:
    """A network's configuration, read and checked."""

    configuration: Configuration
    problems: Sequence[Problem]
    name: str
    definitions: Definitions
    geometry: Geometry
    cells: Mapping[str, CellType]
    extents: Mapping[str, Mapping[str, AxonExtent]]
    velocities: Mapping[str, float]
    projections: Sequence[ProjectionRule]
    junctions: Sequence[JunctionPair]
    stimulus: Stimulus
    placement: Placement = Placement()
    arrangement: Literal["shuffled", "clustered", "plain"] = "shuffled"
    seeds: Mapping[str, int] = field(default_factory=lambda: dict(SEEDS))

    @property
    def populations(self) -> list[str]:
        """Populations that have cells, in the order of their numbers."""
        numbers = self.definitions.populations
        return [name for name in sorted(numbers, key=numbers.__getitem__) if self.geometry.count(name)]

    def as_miv(self) -> "NetworkConfiguration":
        """Return the same network with synapses placed as MiV-Simulator places them."""
        cells = {
            population: replace(kind, segments=MIV_SEGMENTS[kind.template])
            if kind.template is not None
            and kind.template in MIV_SEGMENTS
            and self.configuration.get(("Cell Types", population, "segments")) is None
            else kind
            for population, kind in self.cells.items()
        }
        return replace(self, placement=MIV, cells=cells)

    @property
    def starts(self) -> dict[str, int]:
        """Gid of the first cell of each population: populations follow each other in the order of their numbers."""
        found, start = {}, 0
        for name in self.populations:
            found[name] = start
            start += self.geometry.count(name)
        return found
