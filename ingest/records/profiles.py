"""Recording profiles of MiV-Simulator's configurations, ``Recording / Intracellular``, as requests.

A profile says which share of the cells is recorded, how often, which variables of which sections (``section quantity``) and
which of synapses (``synaptic quantity``). (MiV-Simulator 0.3: env.py, cells.py record_cell, network.py make_cells, utils/io.py
recsout.) Two of its habits are only followed where its results are to come out again: it looks for ``loc`` beside a key that profiles do not
have, so that sections are always recorded in their middle; and it records one cell more than ``limit`` says.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...lake.errors import InputError
from ..building.configuration import SWC_TYPES, SYNAPSE_TYPES
from ..text.asked import Asked, unknown
from ..text.included import Configuration, Keys
from .requests import ALL, PROFILE, SECTION, SYNAPSES, RecordRequest, SynapseFilter

SEED = ("Random Seeds", "Intracellular Recording Sample")
"""Where configurations have the seed of the choice of cells."""
USUAL_SEED = 24_000_000
"""The seed where they do not say it: MiV-Simulator's."""
_PROFILES: Keys = ("Recording", "Intracellular")
_KEYS = ("fraction", "limit", "dt", "reduce", "section quantity", "synaptic quantity")
_OF_SECTIONS = ("variable", "swc types", "loc", "layers")
_OF_SYNAPSES = ("syn types", "swc types", "layers", "sources", "syn names", "sections")


def sample_seed(configuration: Configuration | None) -> int:
    """Return the seed of the choice of cells.

    Parameters
    ----------
    configuration
        The circuit's configuration; None where it has none.

    Raises
    ------
    InputError
        It says no whole number.
    """
    if configuration is None:
        return USUAL_SEED
    asked = Asked(configuration)
    seed = asked.or_default(USUAL_SEED, lambda: asked.whole(SEED, USUAL_SEED))
    asked.check()
    return seed


def expanded(
    request: RecordRequest, configuration: Configuration | None, *, reproduce: bool = False
) -> Sequence[RecordRequest]:
    """Return what a request for a profile records, one request for each variable; other requests as they are.

    What the request says itself, such as its cells, interval and fraction, counts more than what the profile says.

    Parameters
    ----------
    request
        The request.
    configuration
        The circuit's configuration; None where it has none.
    reproduce
        Whether sections are recorded in their middle whatever the profile says, as MiV-Simulator does.

    Raises
    ------
    InputError
        There is no such profile, or something in it cannot be understood; tells all of that.
    """
    if not request.of_profile:
        return (request,)
    name = request.place.removeprefix(PROFILE)
    if configuration is None:
        raise InputError(f"{request.told}: the circuit has no configuration, and no recording profiles")
    asked = Asked(configuration)
    profiles = asked.mapping(_PROFILES)
    if name not in profiles:
        raise InputError(f"{request.told}: {unknown('recording profile', name, profiles)}")
    found = _Profile(asked, (*_PROFILES, name), request, reproduce).requests()
    asked.check()
    if not found:
        raise InputError(f"{request.told}: the profile records nothing")
    return found


class _Profile:
    """Reads a profile, and notes what is wrong with it."""

    def __init__(self, asked: Asked, keys: Keys, request: RecordRequest, reproduce: bool) -> None:
        self.asked, self.keys, self.reproduce = asked, keys, reproduce
        self.name = str(keys[-1])
        self.request = request

    def requests(self) -> list[RecordRequest]:
        asked, keys, given = self.asked, self.keys, self.request
        asked.known(keys, _KEYS)
        fraction = asked.or_default(1.0, lambda: asked.number((*keys, "fraction"), 1.0, least=0.0))
        limit = asked.or_default(-1, lambda: asked.whole((*keys, "limit"), -1, least=-(2**31)))
        dt = None
        if asked.configuration.get((*keys, "dt")) is not None:
            dt = asked.or_default(None, lambda: asked.number((*keys, "dt"), above=0.0))
        reduced = asked.configuration.get((*keys, "reduce"))
        if reduced not in (None, True, False):
            asked.note((*keys, "reduce"), f"expected true or false, not {reduced!r:.80}")
        base = replace(
            given,
            dt=dt if given.dt is None else given.dt,
            fraction=fraction if given.fraction is None else given.fraction,
            limit=given.limit if given.limit is not None else limit if limit > 0 else None,
            profile=self.name,
        )
        found = asked.each((*keys, "section quantity"), lambda place: self._sections(place, base))
        summed = SECTION if reduced is True else ""
        more = asked.each((*keys, "synaptic quantity"), lambda place: self._synapses(place, base, summed))
        return [*found.values(), *more.values()]

    def _sections(self, keys: Keys, base: RecordRequest) -> RecordRequest:
        asked, label = self.asked, str(keys[-1])
        asked.known(keys, _OF_SECTIONS)
        variable = asked.text((*keys, "variable"), label)
        types = self._names((*keys, "swc types"), tuple(SWC_TYPES))
        layers = self._names((*keys, "layers"))
        types = types or (tuple(SWC_TYPES) if layers else ())
        places = asked.configuration.get((*keys, "loc"))
        where = [0.5] * len(types)
        if places is not None:
            where = list(asked.numbers((*keys, "loc"), len(types)))
            if not all(0 <= x <= 1 for x in where):
                raise asked.stop((*keys, "loc"), "expected positions within 0 and 1, one of each swc type")
        if self.reproduce:
            where = [0.5] * len(types)
        place = "+".join(f"{kind}({x!r})" for kind, x in zip(types, where, strict=True)) or ALL
        return replace(base, variable=variable, place=place, layers=layers, label=f"{self.name} {label}")

    def _synapses(self, keys: Keys, base: RecordRequest, summed: str) -> RecordRequest:
        asked, variable = self.asked, str(keys[-1])
        asked.known(keys, _OF_SYNAPSES)
        if asked.configuration.get((*keys, "sections")) is not None:
            raise asked.stop((*keys, "sections"), "numbers of sections are not supported; say swc types")
        chosen = SynapseFilter(
            mechanisms=self._names((*keys, "syn names")),
            sources=self._names((*keys, "sources")),
            types=self._names((*keys, "syn types"), tuple(self._known("Synapse Types", SYNAPSE_TYPES))),
            sections=self._names((*keys, "swc types"), tuple(SWC_TYPES)),
            layers=self._names((*keys, "layers")),
        )
        label = f"{self.name} {SYNAPSES} {variable}"
        return replace(base, variable=variable, place=SYNAPSES, synapses=chosen, label=label, summed=summed)

    def _known(self, name: str, usual: Sequence[str] | dict[str, int]) -> list[str]:
        return list(self.asked.mapping(("Definitions", name))) or list(usual)

    def _names(self, keys: Keys, known: Sequence[str] = ()) -> tuple[str, ...]:
        """A list of names, or of numbers as layers have them; empty if it is missing."""
        value = self.asked.configuration.get(keys)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(each, str | int) for each in value):
            raise self.asked.stop(keys, f"expected a list of names, not {value!r:.80}")
        for each in value:
            if known and each not in known:
                raise self.asked.stop(keys, unknown("name", str(each), known))
        return tuple(str(each) for each in value)


def told_sample(request: RecordRequest, seed: int) -> dict[str, Any]:
    """Return how the cells of a request were chosen, as JSON has it; empty where all were.

    Parameters
    ----------
    request
        The request.
    seed
        The seed of the choice.
    """
    found: dict[str, float | int | str | None] = (
        {} if request.profile is None else {"profile": request.profile}
    )
    if request.samples:
        share = 1.0 if request.fraction is None else request.fraction
        found |= {"fraction": share, "limit": request.limit, "seed": seed}
    return found


def told_request(request: RecordRequest, seed: int) -> list[Any]:
    """Return a request as the settings of a run have it, as JSON.

    Parameters
    ----------
    request
        The request.
    seed
        The seed of the choice of cells.
    """
    told: list[Any] = [request.name, request.population, request.nodes, request.dt]
    more = {**told_sample(request, seed), **({"layers": request.layers} if request.layers else {})}
    if request.label is not None:
        more |= {"place": request.place, "variable": request.variable}
    added = {name: value for name in ("summed", "scaling") if (value := getattr(request, name))}
    if request.of_synapses:
        chosen = {name: value for name, value in vars(request.synapses).items() if value}
        more["synapses"] = {**chosen, **added}
    else:
        more |= added
    return [*told, str(request.start), str(request.stop), *([more] if more else [])]
