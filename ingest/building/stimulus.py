"""Reading of what a network's configuration says of inputs."""

from typing import Any

from ..text.asked import Asked
from ..text.included import Keys
from .configuration import FEATURES, Definitions, Stimulus


class StimulusReader:
    """Reads the key ``Stimulus``, and notes what is wrong with it.

    Parameters
    ----------
    asked
        The configuration, and its problems so far.
    """

    def __init__(self, asked: Asked) -> None:
        self.asked = asked

    def stimulus(self, known: Definitions) -> Stimulus:
        """Return what the configuration says of features and input spikes.

        Parameters
        ----------
        known
            The configuration's definitions.
        """
        asked = self.asked
        keys: Keys = ("Stimulus",)
        asked.known(
            keys,
            (
                "Spatial Resolution",
                "Temporal Resolution",
                "Equilibration Duration",
                "Selectivity Type Probabilities",
                "Peak Rate",
                "Global Oscillation",
                "Arena",
                "Field Width",
                "Trials",
            ),
        )
        types: dict[str, dict[str, float]] = {}
        rates: dict[str, dict[str, float]] = {}
        for name, found, least in (("Selectivity Type Probabilities", types, 0.0), ("Peak Rate", rates, 0.0)):
            self.asked.named((*keys, name), known.populations, "population")
            for population in asked.mapping((*keys, name)):
                place: Keys = (*keys, name, population)
                found[population] = asked.each(place, lambda at, least=least: asked.number(at, least=least))  # type: ignore[misc]
        widths = asked.each((*keys, "Field Width"), lambda at: asked.number(at, above=0.0))
        for population, chances in types.items():
            place = (*keys, "Selectivity Type Probabilities", population)
            if abs(sum(chances.values()) - 1.0) > 1e-6:
                asked.note(place, f"probabilities sum to {sum(chances.values()):g}, not to 1")
            for kind in chances:
                if kind not in FEATURES:
                    asked.note((*place, kind), f"there are features of type {', '.join(FEATURES)}")
                if kind == "receptive field" and population not in widths:
                    asked.note((*place, kind), f"there is no Stimulus / Field Width / {population}, in cm")
                if kind not in rates.get(population, {}):
                    asked.note((*place, kind), f"there is no Stimulus / Peak Rate / {population} / {kind}")
        return Stimulus(
            types=types,
            peak_rates=rates,
            temporal_resolution=self.asked.or_default(
                1.0, lambda: asked.number((*keys, "Temporal Resolution"), 1.0, above=0.0)
            ),
            equilibration=self.asked.or_default(
                0.0, lambda: asked.number((*keys, "Equilibration Duration"), 0.0, least=0.0)
            ),
            oscillation=self._oscillation((*keys, "Global Oscillation")),
            arenas=asked.each((*keys, "Arena"), self._arena),
            widths=widths,
            trials=self.asked.or_default(1, lambda: asked.whole((*keys, "Trials"), 1, least=1)),
        )

    def _oscillation(self, keys: Keys) -> dict[str, Any] | None:
        """The oscillation that modulates rates: frequency, slope, offset, and range and depth by population."""
        asked = self.asked
        if asked.configuration.get(keys) is None:
            return None
        asked.known(keys, ("frequency", "Phase Distribution", "Phase Modulation"))
        place: Keys = (*keys, "Phase Distribution")
        asked.known(place, ("slope", "offset"))
        modulation = asked.each(
            (*keys, "Phase Modulation"),
            lambda at: {
                "phase range": list(asked.numbers((*at, "phase range"), 2)),
                "depth": asked.number((*at, "depth"), least=0.0),
            },
        )
        return {
            "frequency": self.asked.or_default(1.0, lambda: asked.number((*keys, "frequency"), above=0.0)),
            "slope": self.asked.or_default(0.0, lambda: asked.number((*place, "slope"), 0.0)),
            "offset": self.asked.or_default(0.0, lambda: asked.number((*place, "offset"), 0.0)),
            "modulation": modulation,
        }

    def _arena(self, keys: Keys) -> dict[str, Any]:
        """An arena: its corners, and paths with their velocities."""
        asked = self.asked
        asked.known(keys, ("Domain", "Trajectory", "default run velocity"))
        asked.known((*keys, "Domain"), ("vertices", "simplices"))
        default = asked.configuration.get((*keys, "default run velocity"))

        def trajectory(at: Keys) -> dict[str, Any]:
            asked.known(at, ("path", "run velocity"))
            return {
                "path": self._corners((*at, "path"), 2),
                "velocity": asked.number((*at, "run velocity"), default, above=0.0),
            }

        return {
            "domain": self._corners((*keys, "Domain", "vertices"), 3),
            "trajectories": asked.each((*keys, "Trajectory"), trajectory),
        }

    def _corners(self, keys: Keys, least: int) -> list[list[float]]:
        found = self.asked.configuration.get(keys)
        if not isinstance(found, list) or len(found) < least:
            raise self.asked.stop(keys, f"expected {least} points or more, [[x, y], …] in cm")
        return [list(self.asked.numbers((*keys, at), 2)) for at in range(len(found))]
