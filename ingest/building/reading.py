"""Reading of a network's configuration: every value is looked at, and what is wrong with it noted by its key."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..text.asked import Asked
from ..text.included import Configuration, Keys, shown
from .configuration import (
    DEFAULT,
    SEEDS,
    SWC_TYPES,
    SYNAPSE_TYPES,
    CellType,
    Definitions,
    Geometry,
    NetworkConfiguration,
    Placement,
    SynapseDensity,
)
from .stimulus import StimulusReader
from .wiring import ConnectionReader

_TOP = (
    "Model Name",
    "Dataset Name",
    "Definitions",
    "Geometry",
    "Cell Types",
    "Synapse Placement",
    "Connection Generator",
    "Stimulus",
    "Random Seeds",
    "Global Parameters",
    "Recording",
    "Analysis",
    "Network Clamp",
    "Cell Data",
    "Connection Data",
    "Gap Junction Data",
)


def network_configuration(
    configuration: Configuration, weightings: Sequence[str] = ()
) -> NetworkConfiguration:
    """Read what a configuration says of a network.

    Parameters
    ----------
    configuration
        The configuration, with its included files.
    weightings
        Names of functions that the rules of projections may name.

    Whatever is wrong with it is in `NetworkConfiguration.problems`; what could not be read is left out of the rest.
    """
    asked = Asked(configuration)
    reader, wiring = _Reader(asked), ConnectionReader(asked, weightings)
    asked.known((), _TOP)
    definitions = reader.definitions()
    geometry = reader.geometry(definitions)
    cells = reader.cells(definitions)
    generator: Keys = ("Connection Generator",)
    asked.known(
        generator,
        (
            "Synapse Mechanisms",
            "Synapse Parameter Rules",
            "Axon Extent",
            "Connection Velocity",
            "Synapses",
            "Gap Junctions",
            "Arrangement",
        ),
    )
    projections = wiring.projections(definitions, geometry)
    extents = wiring.extents(definitions, geometry)
    for projection in projections:
        if projection.rule == "gaussian" and projection.source not in extents:
            asked.note(
                (*generator, "Synapses", projection.target, projection.source),
                f"there is no {shown((*generator, 'Axon Extent', projection.source))}, which says how far axons reach",
            )
    return NetworkConfiguration(
        configuration=configuration,
        problems=asked.problems,
        name=asked.or_default("network", lambda: asked.text(("Model Name",), "network")),
        definitions=definitions,
        geometry=geometry,
        cells=cells,
        extents=extents,
        velocities=wiring.velocities(definitions),
        projections=projections,
        junctions=wiring.junctions(definitions),
        stimulus=StimulusReader(asked).stimulus(definitions),
        placement=reader.placement(),
        arrangement=asked.choice((*generator, "Arrangement"), ("shuffled", "clustered", "plain")),
        seeds={
            **SEEDS,
            **asked.each(
                ("Random Seeds",),
                asked.whole,
            ),
        },
    )


def layers_of(asked: Asked, surface: Keys) -> list[str]:
    """Return the layers that have an extent.

    Parameters
    ----------
    asked
        The configuration, and its problems so far.
    surface
        Names of the keys that lead to the surface, from the top.
    """
    return list(asked.mapping((*surface, "Layer Extents")))


class _Reader:
    """Reads the parts of a configuration, and notes what is wrong with them."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked

    def definitions(self) -> Definitions:
        keys: Keys = ("Definitions",)
        self.asked.known(
            keys,
            (
                "SWC Types",
                "Synapse Types",
                "Synapse Mechanisms",
                "Layers",
                "Populations",
                "Input Selectivity Types",
            ),
        )
        # What their columns, and NeuroH5's datasets, can hold.
        defaults: dict[str, tuple[Mapping[str, int] | None, int]] = {
            "Populations": (None, 2**16 - 1),
            "Layers": (None, 2**7 - 1),
            "SWC Types": (SWC_TYPES, 2**7 - 1),
            "Synapse Types": (SYNAPSE_TYPES, 2**8 - 1),
        }
        found = {name: self._numbers((*keys, name), *known) for name, known in defaults.items()}
        return Definitions(found["Populations"], found["Layers"], found["SWC Types"], found["Synapse Types"])

    def _numbers(self, keys: Keys, default: Mapping[str, int] | None, most: int) -> dict[str, int]:
        """Names with distinct numbers; *default* where the configuration says none, which must be said without one."""
        if default is not None and self.asked.configuration.get(keys) is None:
            return dict(default)
        found = self.asked.each(keys, lambda place: self.asked.whole(place, most=most), needed=True)
        seen: dict[int, str] = {}
        for name, number in found.items():
            if number in seen:
                self.asked.note((*keys, name), f"{seen[number]} has the number {number} too")
            seen[number] = name
        return found

    # Geometry

    def geometry(self, known: Definitions) -> Geometry:
        asked = self.asked
        keys: Keys = ("Geometry",)
        surface: Keys = (*keys, "Parametric Surface")
        asked.known(
            keys,
            ("Parametric Surface", "Cell Distribution", "Cell Constraints", "Minimum Distance", "Relaxation"),
        )
        asked.known(surface, ("Origin", "Layer Extents", "Layer Surfaces", "Rotation"))
        asked.named((*surface, "Layer Surfaces"), layers_of(asked, surface), "layer with an extent")
        layers = asked.each((*surface, "Layer Extents"), self._box, needed=True)
        self.asked.named((*surface, "Layer Extents"), [*known.layers, DEFAULT], "layer")
        counts = self._counts((*keys, "Cell Distribution"), known, layers)
        constraints: dict[str, dict[str, tuple[float, ...]]] = {}
        for population in asked.mapping((*keys, "Cell Constraints")):
            place: Keys = (*keys, "Cell Constraints", population)
            if population not in counts:
                asked.note(
                    place, f"no population {population!r} has cells, so this constrains nothing", "notice"
                )
                continue
            constraints[population] = asked.each(place, self._range)
            for layer in constraints[population]:
                if not counts[population].get(layer):
                    asked.note((*place, layer), f"{population} has no cells in this layer", "notice")
        return Geometry(
            layers=layers,
            surfaces=asked.each((*surface, "Layer Surfaces"), self._surface),
            origin={axis: self._origin((*surface, "Origin", axis)) for axis in "UVL"},
            rotation=self.asked.or_default(
                (0.0, 0.0, 0.0), lambda: asked.numbers((*surface, "Rotation"), 3, (0.0, 0.0, 0.0))
            ),
            counts=counts,
            constraints=constraints,
            minimum_distance=self.asked.or_default(
                0.0, lambda: asked.number((*keys, "Minimum Distance"), 0.0, least=0.0)
            ),
            relaxation=self.asked.or_default(0, lambda: asked.whole((*keys, "Relaxation"), 0)),
        )

    def _box(self, keys: Keys) -> tuple[tuple[float, ...], tuple[float, ...]]:
        value = self.asked.configuration.get(keys)
        if not isinstance(value, list) or len(value) != 2:
            raise self.asked.stop(keys, "expected two corners, [[u, v, l], [u, v, l]] in µm")
        low, high = (self.asked.numbers((*keys, at), 3) for at in (0, 1))
        if not all(one < other for one, other in zip(low, high, strict=True)):
            raise self.asked.stop(
                keys, f"the second corner must be above the first, not {list(high)} after {list(low)}"
            )
        return low, high

    def _range(self, keys: Keys) -> tuple[float, ...]:
        low, high = self.asked.numbers(keys, 2)
        if low >= high:
            raise self.asked.stop(keys, f"expected [lowest, highest] in µm, not [{low:g}, {high:g}]")
        return low, high

    def _origin(self, keys: Keys) -> str | float:
        value = self.asked.configuration.get(keys, "median")
        if value in ("median", "mean", "min", "max") or (
            isinstance(value, int | float) and not isinstance(value, bool)
        ):
            return value if isinstance(value, str) else float(value)
        self.asked.note(keys, f"expected median, mean, min, max or a number in µm, not {value!r:.80}")
        return "median"

    def _counts(self, keys: Keys, known: Definitions, layers: Mapping[str, Any]) -> dict[str, dict[str, int]]:
        counts = {}
        self.asked.named(keys, known.populations, "population")
        for population in self.asked.mapping(keys, needed=True):
            counts[population] = self.asked.each((*keys, population), self.asked.whole)
            for layer, count in counts[population].items():
                if count and layer not in layers:
                    self.asked.note(
                        (*keys, population, layer),
                        f"there is no layer {layer!r}; Layer Extents has {', '.join(layers) or 'none'}",
                    )
        for population in known.populations:
            if not sum(counts.get(population, {}).values()):
                self.asked.note(("Definitions", "Populations", population), "it has no cells", "notice")
        return counts

    # Cells

    def cells(self, known: Definitions) -> dict[str, CellType]:
        keys: Keys = ("Cell Types",)
        self.asked.named(keys, known.populations, "population")
        return self.asked.each(keys, lambda place: self._cell_type(place, known))

    def _cell_type(self, keys: Keys, known: Definitions) -> CellType:
        asked = self.asked
        asked.known(
            keys,
            (
                "template",
                "template file",
                "morphology",
                "segments",
                "synapses",
                "mechanism file",
                "mechanism",
                "spike train",
                "properties",
            ),
        )
        named = asked.configuration.get((*keys, "morphology"), [])
        files = [named] if isinstance(named, str) else asked.texts((*keys, "morphology")) if named else []
        density: dict[str, dict[str, dict[str, SynapseDensity]]] = {}
        place: Keys = (*keys, "synapses", "density")
        self.asked.named(place, known.swc_types, "section")
        for section in asked.mapping(place):
            self.asked.named((*place, section), known.synapse_types, "synapse type")
            density[section] = {}
            for kind in asked.mapping((*place, section)):
                self.asked.named((*place, section, kind), [*known.layers, DEFAULT], "layer")
                density[section][kind] = asked.each((*place, section, kind), self._density)
        asked.known(
            (*keys, "synapses"), ("density", "weights", "unique", "correct for spines", "deterministic")
        )
        template = None
        if asked.configuration.get((*keys, "template")) is not None:
            template = asked.text((*keys, "template"))
        return CellType(
            template=template,
            input=asked.configuration.get((*keys, "spike train")) is not None,
            morphologies=files,
            segments=self._segments((*keys, "segments")),
            density=density,
        )

    def _density(self, keys: Keys) -> SynapseDensity:
        self.asked.known(keys, ("mean", "variance"))
        return SynapseDensity(
            self.asked.number((*keys, "mean"), least=0.0),
            self.asked.number((*keys, "variance"), 0.0, least=0.0),
        )

    def _segments(self, keys: Keys) -> dict[str, Any]:
        asked = self.asked
        rule = self.asked.or_default(
            "d_lambda", lambda: asked.text((*keys, "rule"), "d_lambda", ("d_lambda", "length", "count"))
        )
        default = {"d_lambda": 0.1, "length": 40.0, "count": 1.0}[rule]
        asked.known(keys, ("rule", "value", "frequency", "Ra", "cm"))
        found = {
            "rule": rule,
            "value": self.asked.or_default(
                default, lambda: asked.number((*keys, "value"), default, above=0.0)
            ),
        }
        if rule == "d_lambda":
            found |= {
                "frequency": asked.or_default(
                    100.0, lambda: asked.number((*keys, "frequency"), 100.0, above=0.0)
                ),
                "Ra": asked.or_default(35.4, lambda: asked.number((*keys, "Ra"), 35.4, above=0.0)),
                "cm": asked.or_default(1.0, lambda: asked.number((*keys, "cm"), 1.0, above=0.0)),
            }
        return found

    def placement(self) -> Placement:
        keys: Keys = ("Synapse Placement",)
        choices = {
            "distribution": ("poisson", "uniform", "poisson_miv"),
            "densities": ("layer", "last"),
            "soma_distance": ("path", "radial"),
        }
        self.asked.known(keys, [name.replace("_", " ") for name in choices])
        found = {
            name: self.asked.choice((*keys, name.replace("_", " ")), known) for name, known in choices.items()
        }
        return Placement(**found)

    def _surface(self, keys: Keys) -> tuple[list[list[float]], list[list[int]]]:
        """A closed surface: its vertices, and the three vertices of each triangle."""
        asked = self.asked
        asked.known(keys, ("vertices", "triangles"))
        points, faces = (asked.configuration.get((*keys, name)) for name in ("vertices", "triangles"))
        if not isinstance(points, list) or not isinstance(faces, list):
            raise asked.stop(keys, "expected vertices, [[x, y, z], …] in µm, and triangles, [[i, j, k], …]")
        vertices = [list(asked.numbers((*keys, "vertices", at), 3)) for at in range(len(points))]
        triangles = [
            [asked.whole((*keys, "triangles", at, corner), most=len(vertices) - 1) for corner in range(3)]
            for at in range(len(faces))
        ]
        return vertices, triangles
