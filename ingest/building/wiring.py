"""Reading of what a network's configuration says of connections."""

from collections import defaultdict
from collections.abc import Sequence

from ..text.asked import Asked, Stopped, unknown
from ..text.included import Keys
from .configuration import (
    BY_DISTANCE,
    DEFAULT,
    RULES,
    AxonExtent,
    Definitions,
    Geometry,
    JunctionPair,
    ProjectionRule,
)


class ConnectionReader:
    """Reads the key ``Connection Generator``, and notes what is wrong with it.

    Parameters
    ----------
    asked
        The configuration, and its problems so far.
    weightings
        Names of the user's functions that rules may name.
    """

    def __init__(self, asked: Asked, weightings: Sequence[str]) -> None:
        self.asked = asked
        self.weightings = weightings

    def velocities(self, known: Definitions) -> dict[str, float]:
        """Return the velocities of axons in µm/ms, by population.

        Parameters
        ----------
        known
            The configuration's definitions.
        """
        keys: Keys = ("Connection Generator", "Connection Velocity")
        self.asked.named(keys, known.populations, "population")
        return self.asked.each(keys, lambda place: self.asked.number(place, above=0.0))

    def extents(self, known: Definitions, geometry: Geometry) -> dict[str, dict[str, AxonExtent]]:
        """Return how far axons reach, by population that has cells, and layer.

        Parameters
        ----------
        known
            The configuration's definitions.
        geometry
            Layers, and cells of each population.
        """
        keys: Keys = ("Connection Generator", "Axon Extent")
        found = {}
        for population in self.asked.mapping(keys):
            if not geometry.count(population):
                self.asked.note(
                    (*keys, population),
                    f"no population {population!r} has cells, so this has no effect",
                    "notice",
                )
            else:
                self.asked.named((*keys, population), [*known.layers, DEFAULT], "layer")
                found[population] = self.asked.each((*keys, population), self._extent)
        return found

    def _extent(self, keys: Keys) -> AxonExtent:
        width = self.asked.numbers((*keys, "width"), 2)
        offset = self.asked.numbers((*keys, "offset"), 2, (0.0, 0.0))
        if not all(0 <= 2 * inner < outer for inner, outer in zip(offset, width, strict=True)):
            raise self.asked.stop(
                keys,
                f"a width must be more than twice its offset, not {list(width)} with offsets {list(offset)}",
            )
        return AxonExtent(width, offset)

    def projections(self, known: Definitions, geometry: Geometry) -> list[ProjectionRule]:
        """Return the rules of all pairs of populations that have cells.

        Parameters
        ----------
        known
            The configuration's definitions.
        geometry
            Layers, and cells of each population.
        """
        keys: Keys = ("Connection Generator", "Synapses")
        found: list[ProjectionRule] = []
        self.asked.named(keys, known.populations, "population")
        for target in self.asked.mapping(keys):
            self.asked.named((*keys, target), known.populations, "population")
            for population in (target, *self.asked.mapping((*keys, target))):
                if population in known.populations and not geometry.count(population):
                    self.asked.note((*keys, target), f"population {population} has no cells", "notice")
            made = self.asked.each((*keys, target), lambda place: self._projection(place, known))
            found += made.values()
            self._check_proportions((*keys, target), list(made.values()))
        return [one for one in found if geometry.count(one.source) and geometry.count(one.target)]

    def _projection(self, keys: Keys, known: Definitions) -> ProjectionRule:
        asked, (target, source) = self.asked, (str(keys[-2]), str(keys[-1]))
        asked.known(
            keys,
            (
                "type",
                "sections",
                "layers",
                "proportions",
                "contacts",
                "mechanisms",
                "swctype mechanisms",
                "rule",
                "degree",
                "parameters",
            ),
        )
        kind = asked.text((*keys, "type"), None, list(known.synapse_types))
        rule = asked.text((*keys, "rule"), "gaussian", [*RULES, *self.weightings])
        degree = asked.whole((*keys, "degree"), None, least=1) if rule.startswith("fixed") else None
        places: list[tuple[str, str, float]] = []
        if rule in (*BY_DISTANCE, *self.weightings):
            sections, layers = asked.texts((*keys, "sections")), asked.texts((*keys, "layers"))
            proportions = asked.numbers((*keys, "proportions"), len(sections))
            if len(layers) != len(sections):
                raise asked.stop(
                    (*keys, "layers"), f"there are {len(sections)} sections and {len(layers)} layers"
                )
            for name, values, names in (
                ("sections", sections, known.swc_types),
                ("layers", layers, known.layers),
            ):
                for at, value in enumerate(values):
                    if value not in names and value != DEFAULT:
                        asked.note((*keys, name, at), unknown(name[:-1], value, names))
            places = list(zip(sections, layers, proportions, strict=True))
        mechanisms = {
            name: asked.mapping((*keys, name))
            for name in ("mechanisms", "swctype mechanisms")
            if asked.configuration.get((*keys, name)) is not None
        }
        rules = asked.mapping(("Connection Generator", "Synapse Mechanisms"))
        for mechanism in mechanisms.get("mechanisms", {}):
            if rules and mechanism not in rules:
                asked.note(
                    (*keys, "mechanisms", mechanism),
                    f"Synapse Mechanisms does not know it; it has {', '.join(rules)}",
                )
        return ProjectionRule(
            source=source,
            target=target,
            type=kind,
            places=places,
            contacts=asked.whole((*keys, "contacts"), 1, least=1),
            rule=rule,
            parameters=self._parameters((*keys, "parameters"), rule),
            degree=degree,
            mechanisms=mechanisms,
        )

    def _parameters(self, keys: Keys, rule: str) -> list[float]:
        """Numbers that a function of the user's takes."""
        found = self.asked.configuration.get(keys)
        if found is None:
            return []
        if rule not in self.weightings:
            self.asked.note(keys, f"the rule {rule} takes no parameters", "notice")
            return []
        length = len(found) if isinstance(found, list) else 1
        return list(self.asked.numbers(keys, length))

    def _check_proportions(self, keys: Keys, projections: Sequence[ProjectionRule]) -> None:
        """Proportions of all sources of a place for synapses sum to 1."""
        sums: dict[tuple[str, str, str], float] = defaultdict(float)
        for projection in projections:
            for section, layer, proportion in projection.places:
                sums[projection.type, section, layer] += proportion
        for (kind, section, layer), total in sums.items():
            if abs(total - 1.0) > 1e-6:
                self.asked.note(
                    keys, f"proportions of {kind} synapses on {section} in {layer} sum to {total:g}, not to 1"
                )

    # Gap junctions

    def junctions(self, known: Definitions) -> list[JunctionPair]:
        """Return the pairs of populations that have gap junctions.

        Parameters
        ----------
        known
            The configuration's definitions.
        """
        keys: Keys = ("Connection Generator", "Gap Junctions")
        asked, found = self.asked, []
        if asked.configuration.get(keys) is None:
            return []
        weights = self._curve((*keys, "Connection Weights"))
        couplings = self._curve((*keys, "Coupling Weights"))
        self.asked.named((*keys, "Locations"), known.populations, "population")
        for source in asked.mapping((*keys, "Locations"), needed=True):
            self.asked.named((*keys, "Locations", source), known.populations, "population")
            for target in asked.mapping((*keys, "Locations", source)):
                pair = (source, target)
                try:
                    found.append(
                        JunctionPair(
                            source,
                            target,
                            self._sections((*keys, "Locations", *pair), known),
                            asked.number((*keys, "Connection Probabilities", *pair), least=0.0),
                            weights,
                            asked.number((*keys, "Coupling Coefficients", *pair), least=0.0),
                            couplings,
                        )
                    )
                except Stopped:
                    continue
        return found

    def _sections(self, keys: Keys, known: Definitions) -> tuple[Sequence[str], Sequence[str]]:
        names = self.asked.texts(keys)
        for at, name in enumerate(names):
            if name not in known.swc_types:
                raise self.asked.stop((*keys, at), unknown("section", name, known.swc_types))
        return names, names

    def _curve(self, keys: Keys) -> list[tuple[float, float]]:
        """Pairs of numbers in order: a mapping from the first to the second."""
        found = []
        for name, value in self.asked.each(keys, self.asked.number, needed=True).items():
            try:
                found.append((float(name), value))
            except ValueError:
                self.asked.note((*keys, name), "expected a distance in µm")
        if 0 < len(found) < 4:
            self.asked.note(keys, "a cubic polynomial is fitted: expected four pairs or more")
        return sorted(found)
