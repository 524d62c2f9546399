"""Synapses of edges that name theirs by `synapse_id`, with mechanisms by the rules of MiV-Simulator's configuration.

Each edge gets the point processes that ``Connection Generator / Synapses / TARGET / SOURCE / mechanisms`` lists, with their
parameters; ``Synapse Mechanisms`` says what they are in NEURON, and ``Synapse Parameter Rules`` which parameters are the
mechanism's, and which are weights of the connection. Synapses may have weights of their own, as attributes of their cells
(`circuits.weights`). The delay is the larger of distance / velocity and two time steps. (MiV-
Simulator 0.3, synapses.py; delays in single precision, as it keeps them.)
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...catalog.vocabulary import circuits
from ...mechanisms.network.wiring import Connections, SynapseKind
from ..building.configuration import ProjectionRule
from ..circuits.weights import SynapseWeights, read_weights
from .edges import EdgeRows, distinct

MECHANISMS: Mapping[str, str] = {
    "AMPA": "LinExp2Syn",
    "NMDA": "LinExp2SynNMDA",
    "GABA_A": "LinExp2Syn",
    "GABA_B": "LinExp2Syn",
}
"""What mechanisms are in NEURON, where the configuration does not say it."""
RULES: Mapping[str, Mapping[str, Any]] = {
    "LinExp2Syn": {
        "mech_params": ["tau_rise", "tau_decay", "e"],
        "netcon_params": {"weight": 0, "g_unit": 1},
    },
    "LinExp2SynNMDA": {
        "mech_params": ["tau_rise", "tau_decay", "e", "mg", "Kd", "gamma", "vshift"],
        "netcon_params": {"weight": 0, "g_unit": 1},
    },
    "Exp2Syn": {"mech_params": ["tau1", "tau2", "e"], "netcon_params": {"weight": 0}},
    "ExpSyn": {"mech_params": ["tau", "e"], "netcon_params": {"weight": 0}},
}
"""Which of a mechanism's numbers are its parameters, and which are weights, where the configuration does not say it."""
_GENERATOR = "Connection Generator"
# MiV-Simulator keeps synapses away from the ends of sections, where a segment would be ambiguous.
_ENDS = (0.05, 0.95)


def synapse_connections(rows: EdgeRows) -> Sequence[Connections]:
    """Return the connections of edges that have a `synapse_id`, by mechanism.

    Parameters
    ----------
    rows
        The edges.
    """
    rule = _rule(rows)
    if rule is None or not len(rows):
        return ()
    places = _places(rows)
    delay = _delays(rows)
    if places is None or delay is None:
        return ()
    section, position, swc_type, found = places
    rows.check_sections(section, position)
    rows.check_delays(delay)
    unique = bool(
        ((rows.source.tree.get("Cell Types") or {}).get(rule.target) or {}).get("synapses", {}).get("unique")
    )
    made = []
    for mechanisms, chosen in _mechanisms(rows, rule, swc_type):
        for kind, weights, place in _kinds(rows, rule, mechanisms, shared=not unique):
            chosen = chosen[found[chosen]]
            made.append(
                Connections(
                    name=rows.projection.name,
                    kind=kind,
                    source=rows.source_gid[chosen],
                    target=rows.target_gid[chosen],
                    section=section[chosen].astype(np.int32),
                    position=np.clip(position[chosen].astype(np.float64), *_ENDS),
                    delay=delay[chosen],
                    weights=_weights(rows, rule, kind, weights, place, chosen),
                    number=rows.columns["synapse_id"][chosen].astype(np.int64),
                )
            )
    return made


def _weights(
    rows: EdgeRows,
    rule: ProjectionRule,
    kind: SynapseKind,
    usual: Sequence[float],
    place: int | None,
    chosen: NDArray[np.int64],
) -> NDArray[np.float64]:
    """What the NetCons of some edges begin with, float64[n, k]: the configuration's, and weights of their own where they have any."""
    found = np.tile(np.asarray(usual, np.float64), (len(chosen), 1))
    known = _attribute_weights(rows, rule.target)
    if kind.label not in known.by_mechanism:
        return found
    if place is None:
        rows.faults.add(
            f"{_GENERATOR} / Synapse Parameter Rules / {kind.mechanism} / netcon_params: there is no weight, and cells of {rule.target} have "
            f"weights of {kind.label}"
        )
        return found
    own, there = known.of(
        kind.label, rows.columns["target_node_id"][chosen], rows.columns["synapse_id"][chosen]
    )
    found[there, place] = own[there]
    return found


def _attribute_weights(rows: EdgeRows, population: str) -> SynapseWeights:
    """Weights that cells of a population have as attributes; read once for all of its projections."""
    known = rows.targets.weights
    if population not in known:
        configuration = rows.source.configuration
        assert configuration is not None, "it matches"
        labels = {**MECHANISMS, **((rows.source.tree.get(_GENERATOR) or {}).get("Synapse Mechanisms") or {})}
        known[population], faults, notices = read_weights(
            rows.source.snapshot, rows.source.circuit, population, configuration.configuration, list(labels)
        )
        rows.faults.add(*faults)
        rows.targets.notices.extend(notices)
    return known[population]


def has_synapses(rows: EdgeRows) -> bool:
    """Return whether edges name their synapses, and a configuration says what stands at them.

    Parameters
    ----------
    rows
        The edges.
    """
    return "synapse_id" in rows.columns and rows.source.configuration is not None


def _rule(rows: EdgeRows) -> ProjectionRule | None:
    projection, configuration = rows.projection, rows.source.configuration
    assert configuration is not None, "it matches"
    for rule in configuration.projections:
        if (rule.source, rule.target) == (projection.source, projection.target):
            if not rule.mechanisms:
                break
            return rule
    rows.faults.add(
        f"{projection.node}: the configuration says nothing of its mechanisms; expected {_GENERATOR} / Synapses / "
        f"{projection.target} / {projection.source} / mechanisms"
    )
    return None


def _places(rows: EdgeRows) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.bool_]] | None:
    """Section, position and section type of each edge's synapse, and whether it has one."""
    node = circuits.SYNAPSES.of(circuit=rows.source.circuit, population=rows.projection.target)
    if node not in rows.source.snapshot.tables:
        rows.faults.add(f"{rows.projection.node}: its edges end at synapses, and there is no table {node}")
        return None
    names = ["node_id", "synapse_id", "section_id", "section_pos", "swc_type"]
    table = rows.source.snapshot.tables[node].to_arrow(names)
    columns = {name: table[name].to_numpy() for name in names}
    wide = np.int64(2**32)
    known = columns["node_id"].astype(np.int64) * wide + columns["synapse_id"].astype(np.int64)
    asked = rows.columns["target_node_id"].astype(np.int64) * wide + rows.columns["synapse_id"].astype(
        np.int64
    )
    order = np.argsort(known, kind="stable")
    at = np.minimum(np.searchsorted(known[order], asked), max(len(order) - 1, 0))
    found = known[order][at] == asked if len(order) else np.zeros(len(asked), bool)
    if not found.all():
        bad = int(np.argmin(found))
        rows.faults.add(
            f"{rows.projection.node}: edge {int(rows.numbers[bad])} ends at synapse {int(rows.columns['synapse_id'][bad])} of cell "
            f"{int(rows.columns['target_node_id'][bad])}, which is not in {node}"
        )
        if not len(order):
            return None
    row = order[at]
    section, position = columns["section_id"][row], columns["section_pos"][row]
    return np.where(found, section, 0), np.where(found, position, 0.5), columns["swc_type"][row], found


def _delays(rows: EdgeRows) -> NDArray[np.float64] | None:
    if "delay" in rows.columns:
        return rows.columns["delay"].astype(np.float64)
    configuration = rows.source.configuration
    assert configuration is not None, "it matches"
    velocity = configuration.velocities.get(rows.projection.source)
    if "distance" not in rows.columns:
        rows.faults.add(f"{rows.projection.node}: it has neither a column delay nor distance")
        return None
    if velocity is None:
        rows.faults.add(
            f"{rows.projection.node}: the configuration has no {_GENERATOR} / Connection Velocity / {rows.projection.source}"
        )
        return None
    found = rows.columns["distance"].astype(np.float64) / velocity
    return np.maximum(found, 2 * rows.dt).astype(np.float32).astype(np.float64)


def _mechanisms(
    rows: EdgeRows, rule: ProjectionRule, swc_type: NDArray[Any]
) -> Iterator[tuple[Mapping[str, Any], NDArray[np.int64]]]:
    """Mechanisms, and the edges that have them: those of the section's type, or else of all."""
    configuration = rows.source.configuration
    assert configuration is not None, "it matches"
    by_type = rule.mechanisms.get("swctype mechanisms", {})
    every = rule.mechanisms.get("mechanisms")
    if not by_type:
        yield every or {}, np.arange(len(rows))
        return
    names = {number: name for name, number in configuration.definitions.swc_types.items()}
    for number, chosen in distinct(swc_type):
        mechanisms = by_type.get(names.get(number, ""), by_type.get(number, by_type.get(str(number), every)))
        if mechanisms is None:
            rows.faults.add(
                f"{rows.projection.node}: the configuration has no mechanisms for sections of type {names.get(number, number)}"
            )
            continue
        yield mechanisms, chosen


def _kinds(
    rows: EdgeRows, rule: ProjectionRule, mechanisms: Mapping[str, Any], *, shared: bool
) -> Iterator[tuple[SynapseKind, list[float], int | None]]:
    """What stands at the synapses, the weights of their connections, and which of these is called so."""
    generator = rows.source.tree.get(_GENERATOR) or {}
    known = {**MECHANISMS, **(generator.get("Synapse Mechanisms") or {})}
    rules = {**RULES, **(generator.get("Synapse Parameter Rules") or {})}
    where = f"{_GENERATOR} / Synapses / {rule.target} / {rule.source} / mechanisms"
    for label, given in mechanisms.items():
        mechanism = known.get(label, label)
        said = rules.get(mechanism)
        if said is None:
            rows.faults.add(f"{where} / {label}: there are no Synapse Parameter Rules for {mechanism}")
            continue
        of_mechanism, of_connection = (
            list(said.get("mech_params") or ()),
            dict(said.get("netcon_params") or {}),
        )
        parameters: dict[str, float] = {}
        weights = [0.0] * (1 + max(of_connection.values(), default=0))
        for name, value in given.items():
            number = value[0] if isinstance(value, list) and len(value) == 1 else value
            if not isinstance(number, int | float) or isinstance(number, bool):
                rows.faults.add(f"{where} / {label} / {name}: expected a number, found {value!r}")
            elif name in of_mechanism:
                parameters[name] = float(number)
            elif name in of_connection:
                weights[of_connection[name]] = float(number)
            else:
                rows.faults.add(
                    f"{where} / {label} / {name}: {mechanism} has no such parameter; it has {', '.join([*of_mechanism, *of_connection])}"
                )
        yield SynapseKind(mechanism, label, parameters, shared), weights, of_connection.get("weight")
