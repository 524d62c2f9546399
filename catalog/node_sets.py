"""Node sets of SONATA: which nodes of a population a named rule means.

Semantics are those of SONATA's developer guide (AllenInstitute/sonata, "node sets"), with the operators of libsonata:
conditions on properties that must all hold, or a list of other sets, any of which will do.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pds

from ..lake import Snapshot, Table
from ..lake.errors import InputError, NotFoundError
from .vocabulary.circuits import FILES, NODES

Ids = npt.NDArray[np.int64]

_KINDS = ("circuit", "node_sets", "simulation")
"""Files that may hold node sets; the later ones come before the earlier ones."""
_GIVEN = "the rule that was given"
_OPERATORS = {"$gt": pc.greater, "$gte": pc.greater_equal, "$lt": pc.less, "$lte": pc.less_equal}


def node_sets(snapshot: Snapshot, run: str) -> dict[str, Any]:
    """Return rules by name: those of the circuit and, in their place where names are equal, those of the simulation.

    They stand in files of their own, or in configurations themselves, as bmtk has them.

    Parameters
    ----------
    snapshot
        The commit to read.
    run
        Name of the ingest.

    Raises
    ------
    NotFoundError
        The run has no node sets.
    """
    rows = snapshot.tables[FILES.of(circuit=run)].to_arrow(where=pds.field("kind").isin(_KINDS)).to_pylist()
    found: dict[str, Any] = {}
    # The circuit's file was named, and ingested, before the simulation's.
    for row in sorted(rows, key=lambda row: _KINDS.index(row["kind"])):
        content = json.loads(snapshot.files[row["node"]])
        rules = content if row["kind"] == "node_sets" else content.get("node_sets")
        found |= rules if isinstance(rules, Mapping) else {}
    if not found and all(row["kind"] != "node_sets" for row in rows):
        raise NotFoundError(f"{run!r} was ingested without node sets")
    return found


def known_sets(snapshot: Snapshot, run: str) -> dict[str, Any]:
    """Return what `node_sets` does; nothing where the run has no node sets.

    Parameters
    ----------
    snapshot
        The commit to read.
    run
        Name of the ingest.
    """
    try:
        return node_sets(snapshot, run)
    except NotFoundError:
        return {}


def node_set(snapshot: Snapshot, run: str, name: str | Mapping[str, Any], population: str) -> Ids:
    """Return the ids of the nodes of a population that are in a set, ascending, int64.

    Parameters
    ----------
    snapshot
        The commit to read.
    run, population
        Name of the ingest, and the population of the nodes.
    name
        The set; or a rule as node sets have them, such as ``{"layer": {"$gte": 2}}``, which needs no file of node sets.

    Raises
    ------
    NotFoundError
        There is no such run, set or population.
    InputError
        The rule is malformed, refers to itself, or names a property that the nodes do not have or that has
        another type.
    """
    rules: dict[str, Any] = {_GIVEN: name} if isinstance(name, Mapping) else node_sets(snapshot, run)
    table = snapshot.tables[NODES.of(circuit=run, population=population)]
    asked = name if isinstance(name, str) else _GIVEN
    ids = table.to_arrow(["node_id"], _rule(rules, asked, table, population, ()))["node_id"]
    return np.unique(ids.to_numpy()).astype(np.int64)


def _rule(
    rules: Mapping[str, Any], name: str, table: Table, population: str, within: tuple[str, ...]
) -> pds.Expression:
    if name not in rules:
        raise NotFoundError(f"there is no node set {name!r}; there are: {', '.join(rules)}")
    if name in within:
        raise InputError(f"node set {name!r} is made of itself: {' of '.join((*within, name))}")
    rule, found = rules[name], pc.scalar(True)
    if isinstance(rule, list):
        found = pc.scalar(False)
        for other in rule:
            found = found | _rule(rules, str(other), table, population, (*within, name))
        return found
    if not isinstance(rule, Mapping):
        raise InputError(f"node set {name!r} is {rule!r}, expected an object or a list of names")
    for key, value in rule.items():
        found = found & _condition(f"node set {name!r}, {key}", key, value, table, population)
    return found


def _condition(what: str, key: str, value: Any, table: Table, population: str) -> pds.Expression:
    if key == "population":
        return pc.scalar(population in (value if isinstance(value, list) else [value]))
    if key not in table.columns:
        raise InputError(f"{what}: nodes of {population} have {', '.join(table.columns)}")
    kind = table.schema().field(key).type
    if isinstance(value, dict):
        found = pc.scalar(True)
        for operator, operand in value.items():
            found = found & _operation(what, key, operator, _values(what, [operand], kind)[0])
        return found
    return pds.field(key).isin(_values(what, value if isinstance(value, list) else [value], kind))


def _operation(what: str, key: str, operator: str, operand: pa.Scalar) -> pds.Expression:
    if operator == "$regex" and pa.types.is_string(operand.type):
        return pc.match_substring_regex(pds.field(key), operand.as_py())
    if operator in _OPERATORS and not pa.types.is_string(operand.type):
        return _OPERATORS[operator](pds.field(key), operand)
    raise InputError(f"{what}: {operator} is no operator for {operand.type}")


def _values(what: str, values: list[Any], kind: pa.DataType) -> pa.Array:
    """Values in the type of the property: text for text, numbers for numbers."""
    if all(isinstance(value, str) == pa.types.is_string(kind) for value in values):
        try:
            return pa.array(values, kind)
        except (pa.ArrowException, OverflowError, TypeError):
            # A whole number that the type does not have, or a fraction, is not a value of any node.
            return pa.array(values, pa.float64())
    raise InputError(f"{what}: {values!r} for a property of type {kind}")
