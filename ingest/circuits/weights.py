"""Weights of synapses that a circuit holds as attributes of its cells, by the rules of MiV-Simulator's configurations.

``Cell Types / POPULATION / synapses / weights`` is a list of rules. A rule names namespaces, each of which has for a cell the numbers of
synapses (``syn_id``) and a value of each for mechanisms (``AMPA`` …). A synapse's weight is the formula ``expr`` of these values, one of
each namespace in the order of ``parameter``, and of the numbers in ``const``; without a formula it is the value of the one namespace. It
takes the place of the weight that the projection's mechanism has. (MiV-Simulator 0.3, network.py connect_cells; the example of rules with
several namespaces is that of Soltesz lab's dentate model.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import circuits
from ...lake import Snapshot
from ...lake.errors import InputError
from ..text.asked import Asked, Stopped
from ..text.expressions import Expression
from ..text.included import Configuration, Keys

SYNAPSE = "syn_id"
"""Attribute of the numbers of synapses."""
_KEYS = ("namespace", "expr", "parameter", "const")
_WIDE = np.int64(2**32)

Keyed = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Keys of synapses as of `synapse_keys`, ascending, and a value of each."""


@dataclass(frozen=True)
class WeightRule:
    """How weights are made of attributes.

    Attributes
    ----------
    key
        Where the configuration says it, for messages.
    namespaces
        Namespaces of attributes.
    formula
        What makes a weight of the values; None where that is the value itself.
    parameters
        Names in the formula of the namespaces' values, in their order.
    constants
        Numbers in the formula, by name.
    """

    key: str
    namespaces: Sequence[str]
    formula: Expression | None = None
    parameters: Sequence[str] = ()
    constants: Mapping[str, float] = field(default_factory=dict)


def weight_rules(configuration: Configuration, population: str) -> tuple[Sequence[WeightRule], Sequence[str]]:
    """Return the rules of the weights of a population's synapses, and what is wrong with them.

    Parameters
    ----------
    configuration
        The circuit's configuration.
    population
        The population.
    """
    asked = Asked(configuration)
    keys: Keys = ("Cell Types", population, "synapses", "weights")
    told = configuration.get(keys)
    if told is None:
        return (), ()
    places: list[Keys] = [keys] if isinstance(told, Mapping) else []
    if isinstance(told, list):
        places = [(*keys, at) for at in range(len(told))]
    if not places:
        asked.note(keys, f"expected rules, each with a namespace, not {told!r:.80}")
    rules = []
    for place in places:
        try:
            rules.append(_rule(asked, place))
        except Stopped:
            continue
    return rules, [str(problem) for problem in asked.problems if problem.level == "error"]


def _rule(asked: Asked, keys: Keys) -> WeightRule:
    shown = " / ".join(map(str, keys))
    if not isinstance(asked.configuration.get(keys), Mapping):
        raise asked.stop(keys, "expected a rule with a namespace")
    asked.known(keys, _KEYS)
    namespaces = _names(asked, (*keys, "namespace"))
    if asked.configuration.get((*keys, "expr")) is None:
        if len(namespaces) > 1:
            raise asked.stop(
                (*keys, "expr"), f"it is missing: expected a formula of the {len(namespaces)} namespaces"
            )
        return WeightRule(shown, namespaces)
    try:
        formula = Expression.parse(str(asked.configuration.get((*keys, "expr"))))
    except InputError as error:
        raise asked.stop((*keys, "expr"), str(error)) from error
    parameters = _names(asked, (*keys, "parameter"))
    if len(parameters) != len(namespaces):
        raise asked.stop(
            (*keys, "parameter"),
            f"expected {len(namespaces)} names, one of each namespace, not {len(parameters)}",
        )
    constants = asked.each((*keys, "const"), asked.number)
    unknown = sorted(formula.names - {*parameters, *constants})
    if unknown:
        raise asked.stop(
            (*keys, "expr"),
            f"{unknown[0]!r} is neither a parameter nor a constant; {', '.join([*parameters, *constants])} are",
        )
    return WeightRule(shown, namespaces, formula, parameters, constants)


def _names(asked: Asked, keys: Keys) -> list[str]:
    """A name, or a list of names."""
    value = asked.configuration.get(keys)
    found = [value] if isinstance(value, str) else asked.texts(keys)
    if not found:
        raise asked.stop(keys, "expected a name, or a list of names")
    return found


def weight_nodes(configuration: Configuration, circuit: str, population: str) -> Sequence[str]:
    """Return the tables that hold weights of a population's synapses, whether they are there or not.

    Parameters
    ----------
    configuration
        The circuit's configuration.
    circuit, population
        Names of both.
    """
    return [
        circuits.FEATURES.of(circuit=circuit, namespace=name, population=population)
        for rule in weight_rules(configuration, population)[0]
        for name in rule.namespaces
    ]


def synapse_keys(node_id: NDArray[Any], synapse_id: NDArray[Any]) -> NDArray[np.int64]:
    """Return a number for each synapse of a population, int64[n]: of its cell and of its own number.

    Parameters
    ----------
    node_id, synapse_id
        Cells, and numbers of synapses in their cells, each below 2**31 and 2**32.
    """
    found: NDArray[np.int64] = node_id.astype(np.int64) * _WIDE + synapse_id.astype(np.int64)
    return found


@dataclass(frozen=True, eq=False)
class SynapseWeights:
    """Weights of a population's synapses, by mechanism; see `read_weights`."""

    by_mechanism: Mapping[str, Keyed]

    def of(
        self, mechanism: str, node_id: NDArray[Any], synapse_id: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the weights of some synapses, float64[n], and whether each has one, bool[n].

        Parameters
        ----------
        mechanism
            What the configuration calls it.
        node_id, synapse_id
            The synapses.
        """
        keys, values = self.by_mechanism.get(mechanism, (np.empty(0, np.int64), np.empty(0)))
        if not len(keys):
            return np.zeros(len(node_id)), np.zeros(len(node_id), bool)
        asked = synapse_keys(node_id, synapse_id)
        at = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
        return values[at], keys[at] == asked


def read_weights(
    snapshot: Snapshot,
    circuit: str,
    population: str,
    configuration: Configuration,
    mechanisms: Sequence[str],
) -> tuple[SynapseWeights, Sequence[str], Sequence[str]]:
    """Read the weights of a population's synapses; return them, what is wrong, and what users should know.

    Parameters
    ----------
    snapshot
        The commit.
    circuit, population
        Names of both.
    configuration
        The circuit's configuration.
    mechanisms
        What the configuration calls mechanisms that may have weights.
    """
    rules, problems = weight_rules(configuration, population)
    faults, notices = list(problems), list[str]()
    found: dict[str, Keyed] = {}
    for rule in rules:
        parts = [
            _attributes(snapshot, circuit, population, name, rule, faults, notices, mechanisms)
            for name in rule.namespaces
        ]
        if any(part is None for part in parts):
            continue
        for mechanism in sorted({name for part in parts if part is not None for name in part}):
            made = _weights(rule, mechanism, [(part or {}).get(mechanism) for part in parts], faults)
            if made is None:
                continue
            before = found.get(mechanism)
            if before is not None:
                double = np.intersect1d(before[0], made[0])
                if len(double):
                    faults.append(
                        f"{rule.key}: another rule has weights of {mechanism}, too, of {_told(double)}"
                    )
                    continue
                joined = np.concatenate([before[0], made[0]])
                order = np.argsort(joined)
                made = joined[order], np.concatenate([before[1], made[1]])[order]
            found[mechanism] = made
    if found:
        faults += _unknown(snapshot, circuit, population, found)
    return SynapseWeights(found), faults, notices


def _attributes(
    snapshot: Snapshot,
    circuit: str,
    population: str,
    namespace: str,
    rule: WeightRule,
    faults: list[str],
    notices: list[str],
    mechanisms: Sequence[str],
) -> dict[str, Keyed] | None:
    """Values of the synapses of each mechanism in one namespace; None, and a fault, where it has none."""
    node = circuits.FEATURES.of(circuit=circuit, namespace=namespace, population=population)
    if node not in snapshot.tables:
        known = [
            parts["namespace"]
            for name in snapshot.tables
            if (parts := circuits.FEATURES.parts(name))
            and (parts["circuit"], parts["population"]) == (circuit, population)
        ]
        faults.append(
            f"{rule.key} / namespace: {population} has no attributes {namespace!r}: there is no table {node}; it has "
            f"{', '.join(sorted(known)) or 'none'}"
        )
        return None
    table = snapshot.tables[node].to_arrow()
    names = [name for name in table.schema.names if name not in ("node_id", SYNAPSE)]
    own = [name for name in names if name in mechanisms]
    if SYNAPSE not in table.schema.names or not own:
        lacking = (
            SYNAPSE if SYNAPSE not in table.schema.names else f"of a mechanism, {' or '.join(mechanisms)}"
        )
        faults.append(f"{node}: it has no column {lacking}; it has {', '.join(table.schema.names)}")
        return None
    foreign = sorted(set(names) - set(own))
    if foreign:
        notices.append(
            f"{node}: the configuration has no mechanism {', '.join(foreign)}, so these weights are not used"
        )
    sizes, synapses = _flat(table[SYNAPSE])
    nodes = np.repeat(table["node_id"].to_numpy(), sizes)
    keys = synapse_keys(nodes, synapses)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    double = keys[1:][np.diff(keys) == 0]
    if len(double):
        faults.append(f"{node}: {_told(double)} is there twice")
        return None
    found: dict[str, Keyed] = {}
    for name in own:
        counts, values = _flat(table[name])
        # A mechanism that a cell's synapses do not have is left out there.
        there = np.repeat(counts > 0, sizes)
        if not np.array_equal(counts[counts > 0], sizes[counts > 0]):
            faults.append(f"{node}: for a cell, {name} has another number of values than {SYNAPSE}")
            continue
        spread = np.full(len(keys), np.nan)
        spread[there] = values.astype(np.float64)
        chosen = there[order]
        found[name] = keys[chosen], spread[order][chosen]
    return found


def _flat(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """How many values each row has, and all values."""
    whole = column.combine_chunks()
    if not pa.types.is_list(whole.type):
        valid = np.asarray(whole.is_valid())
        return valid.astype(np.int64), whole.drop_null().to_numpy(zero_copy_only=False)
    sizes = np.asarray(pa.compute.list_value_length(whole).fill_null(0)).astype(np.int64)
    return sizes, whole.flatten().to_numpy(zero_copy_only=False)


def _weights(
    rule: WeightRule, mechanism: str, parts: Sequence[Keyed | None], faults: list[str]
) -> Keyed | None:
    first = parts[0]
    for name, part in zip(rule.namespaces, parts, strict=True):
        if part is None or first is None or not np.array_equal(part[0], first[0]):
            one, other = (np.empty(0, np.int64) if each is None else each[0] for each in (first, part))
            lacking = np.setxor1d(one, other)
            told = f", such as {_told(lacking)}" if len(lacking) else ""
            faults.append(
                f"{rule.key}: weights of {mechanism} need a value of each namespace, and {rule.namespaces[0]!r} and {name!r} are not of "
                f"the same synapses{told}"
            )
            return None
    assert first is not None, "it was looked at"
    values = first[1]
    if rule.formula is not None:
        named = zip(rule.parameters, (part[1] for part in parts if part is not None), strict=True)
        values = np.broadcast_to(rule.formula({**rule.constants, **dict(named)}), first[0].shape)
    bad = ~np.isfinite(values)
    if bad.any():
        faults.append(f"{rule.key}: the weight of {mechanism} at {_told(first[0][bad])} is no number")
        return None
    return first[0], np.ascontiguousarray(values)


def _unknown(snapshot: Snapshot, circuit: str, population: str, found: Mapping[str, Keyed]) -> list[str]:
    """What to say of weights of synapses that cells do not have."""
    node = circuits.SYNAPSES.of(circuit=circuit, population=population)
    if node not in snapshot.tables:
        return []
    table = snapshot.tables[node].to_arrow(["node_id", "synapse_id"])
    known = synapse_keys(table["node_id"].to_numpy(), table["synapse_id"].to_numpy())
    faults = []
    for mechanism, (keys, _) in found.items():
        strange = np.setdiff1d(keys, known)
        if len(strange):
            faults.append(f"{node}: there is no {_told(strange)}, of which there are weights of {mechanism}")
    return faults


def _told(keys: NDArray[np.int64]) -> str:
    """The first of some synapses."""
    more = f" (and {len(keys) - 1:,} more)" if len(keys) > 1 else ""
    return f"synapse {int(keys[0] % _WIDE)} of cell {int(keys[0] // _WIDE)}{more}"
