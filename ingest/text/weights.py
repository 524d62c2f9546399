"""Parameters of a circuit that are to be others than in its configuration, for one run."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ...lake.errors import InputError
from .included import Configuration
from .paths import told_unknown, with_values

WEIGHTS = "weights"
"""What paths begin with that stand for the weights of mechanisms: ``weights.TARGET.MECHANISM``, or with the source between."""

_GENERATOR, _SYNAPSES = "Connection Generator", "Synapses"
_MECHANISMS, _BY_TYPE = "mechanisms", "swctype mechanisms"


def with_network_values(
    configuration: Configuration | None, values: Mapping[str, Any]
) -> Configuration | None:
    """Return a configuration in which some parameters are others.

    Parameters
    ----------
    configuration
        That of the circuit; None where it has none.
    values
        New values by path: names joined by dots, such as ``Connection Generator.Connection Velocity.PYR``; or
        ``weights.PYR.AMPA``, which is the weight of a mechanism at all synapses of a population, and ``weights.PYR.STIM.AMPA``
        at those of one source.

    Raises
    ------
    InputError
        There is no parameter of a path; all of them are named, each with the nearest that there is.
    """
    if not values:
        return configuration
    if configuration is None:
        raise InputError(f"values: the circuit has no configuration, and no parameter {next(iter(values))!r}")
    # A weight may be left to its default, and is set nevertheless.
    weights = dict(_weights(configuration.tree))
    tree: Any = with_values(configuration.tree, {})
    rest, wrong = {}, []
    for path, value in values.items():
        if not path.startswith(f"{WEIGHTS}."):
            rest[path] = value
            continue
        places = weights.get(path)
        if places is None:
            wrong.append(told_unknown(path, list(weights)))
            continue
        for place in places:
            at = tree
            for key in place:
                at = at[key]
            at["weight"] = value
    try:
        tree = with_values(tree, rest)
    except InputError as error:
        wrong.append(str(error))
    if wrong:
        raise InputError("; ".join(wrong))
    return replace(configuration, tree=tree)


def _weights(tree: Mapping[str, Any]) -> dict[str, list[tuple[str, ...]]]:
    """Where mechanisms stand whose weights each path means."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for place in _mechanisms(tree):
        target, source, label = place[2], place[3], place[-1]
        for path in (f"{WEIGHTS}.{target}.{label}", f"{WEIGHTS}.{target}.{source}.{label}"):
            found.setdefault(path, []).append(place)
    return found


def _mechanisms(tree: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    synapses = _mapping(_mapping(tree.get(_GENERATOR)).get(_SYNAPSES))
    for target, sources in synapses.items():
        for source, rule in _mapping(sources).items():
            above = (_GENERATOR, _SYNAPSES, target, source)
            for label, numbers in _mapping(_mapping(rule).get(_MECHANISMS)).items():
                if isinstance(numbers, Mapping):
                    yield (*above, _MECHANISMS, label)
            for kind, labels in _mapping(_mapping(rule).get(_BY_TYPE)).items():
                for label, numbers in _mapping(labels).items():
                    if isinstance(numbers, Mapping):
                        yield (*above, _BY_TYPE, kind, label)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
