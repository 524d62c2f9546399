"""Synapses of SONATA edges, of both dialects: those of the Allen Institute's bmtk, and those of the Blue Brain Project.

An edge of bmtk's names the point process in ``model_template`` and its parameters in ``dynamics_params``; it ends at
``afferent_section_id`` and ``afferent_section_pos``, or has ``nsyns`` synapses anywhere on ``target_sections`` within
``distance_range`` (µm from the soma's middle along the tree). An edge of the Blue Brain Project's says the numbers of its synapse
itself, and ``syn_type_id`` whether that is excitatory (from 100 on) or inhibitory.

Semantics: AllenInstitute/sonata (developer guide, "edges"), bmtk 1.1 (bionet), BlueBrain/sonata-extension ("edges") and neurodamus.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import md5
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels.draws import key_word, stream, uniforms
from ...mechanisms.entries import is_number
from ...mechanisms.errors import ModelError
from ...mechanisms.network.connecting import lognormals
from ...mechanisms.network.wiring import Connections, SynapseKind
from ...mechanisms.templates.dynamics import dynamics_of, numbers_of
from ...mechanisms.templates.files import content_named
from ...mechanisms.templates.reach import Reach, reach, shapes_of
from .edges import EdgeRows, distinct

EXCITATORY, INHIBITORY = "ProbAMPANMDA_EMS", "ProbGABAAB_EMS"
"""Point processes of the Blue Brain Project, which users bring along."""
SECTIONS: Mapping[str, str] = {
    **dict.fromkeys(("soma", "somatic"), "soma"),
    **dict.fromkeys(("axon", "axonal"), "axon"),
    **dict.fromkeys(("dend", "basal"), "dend"),
    **dict.fromkeys(("apic", "apical"), "apic"),
}
"""Parts of a cell by the names that ``target_sections`` has for them."""

EXP2SYN: Mapping[str, str] = {"tau1": "tau1", "tau2": "tau2", "e": "erev"}
"""Columns of edges of the type ``Exp2Syn_synapse``, by the variables of Exp2Syn."""

_PROCESSES = {"exp2syn": "Exp2Syn", "expsyn": "ExpSyn"}
# What bmtk's files call variables of point processes.
_VARIABLES = {
    "ExpSyn": {"tau1": "tau"},
    "exp1syn": {"tau_1": "tau"},
    "exp1isyn": {"tau_1": "tau"},
}
_REVERSAL = {"erev": "e"}
_FIRST_EXCITATORY = 100
_TIMES = {"Use": "u_syn", "Dep": "depression_time", "Fac": "facilitation_time"}
_DECAY = {EXCITATORY: "tau_d_AMPA", INHIBITORY: "tau_d_GABAA"}
_RATIO = {EXCITATORY: "NMDA_ratio", INHIBITORY: "GABAB_ratio"}
_CALCIUM = "extracellular_calcium"
_NO = (None, "", "NULL")
_RISE, _RISE_TIME = 150, (0.2, 0.1)
"""How far the key of rise times is from that of release, and mean and variance of these in ms (neurodamus, GABAABHelper)."""


def sonata_connections(rows: EdgeRows) -> list[Connections]:
    """Return the connections of SONATA edges, by what stands at their synapses.

    Parameters
    ----------
    rows
        The edges.
    """
    columns = rows.columns
    delay = columns["delay"].astype(np.float64) if "delay" in columns else None
    if delay is None or not np.isfinite(delay).all():
        rows.faults.add(f"{rows.projection.node}: not all of its edges have a delay")
        return []
    rows.check_delays(delay)
    made: list[Connections] = []
    templates = rows.targets.templates
    points = [
        gid for gid in np.unique(rows.target_gid).tolist() if gid in templates and templates[gid].artificial
    ]
    for artificial, chosen in distinct(np.isin(rows.target_gid, points)):
        if artificial:
            made.append(_to_points(rows, chosen, delay))
        elif "model_template" in columns:
            made += _to_named(rows, chosen, delay)
        elif "conductance" in columns and "syn_type_id" in columns:
            made += _to_typed(rows, chosen, delay)
        elif {"conductance", *EXP2SYN.values()} <= columns.keys():
            made.append(_to_exponentials(rows, chosen, delay))
        else:
            rows.faults.add(
                f"{rows.projection.node}: nothing says what its synapses are: expected model_template (as bmtk has it), or "
                "conductance and syn_type_id, or conductance, tau1, tau2 and erev (as the Blue Brain Project has them)"
            )
            break
    return made


def _to_points(rows: EdgeRows, chosen: NDArray[np.int64], delay: NDArray[np.float64]) -> Connections:
    """Edges that end at point processes, with a weight each: that of all their synapses, with the ``sign`` of their parameters."""
    weights = synapse_weights(rows, chosen)
    if "afferent_section_id" not in rows.columns:
        weights = weights * _counts(rows, chosen)
        files = _texts(rows, "dynamics_params", len(rows))[chosen]
        for file, own in distinct(files.astype(str)):
            numbers = _numbers(rows, file, f"{rows.projection.node}, to point processes")
            weights[own] *= (numbers or {}).get("sign", 1.0)
    return Connections(
        rows.projection.name,
        None,
        rows.source_gid[chosen],
        rows.target_gid[chosen],
        np.zeros(len(chosen), np.int32),
        np.zeros(len(chosen)),
        delay[chosen],
        weights[:, None],
        rows.numbers[chosen],
    )


def _to_named(rows: EdgeRows, chosen: NDArray[np.int64], delay: NDArray[np.float64]) -> Iterator[Connections]:
    """Edges that name their point process and the file of its parameters."""
    names = rows.columns["model_template"][chosen].astype(str)
    files = _texts(rows, "dynamics_params", len(rows))[chosen]
    for (name, file), own in _pairs(names, files):
        of = chosen[own]
        if name in ("None", "", "NULL"):
            rows.faults.add(
                f"{rows.projection.node}: edge {int(rows.numbers[of[0]])} names no model_template"
            )
            continue
        kind = _kind(rows, name, file)
        if kind is not None:
            yield _placed(rows, of, kind, delay, synapse_weights(rows, of))


def _kind(rows: EdgeRows, name: str, file: str) -> SynapseKind | None:
    process = _PROCESSES.get(name, name)
    numbers = _numbers(rows, file, f"{rows.projection.node}, model_template {name}")
    if numbers is None:
        return None
    called = _REVERSAL | _VARIABLES.get(process, {})
    return SynapseKind(process, name, {called.get(key, key): value for key, value in numbers.items()})


def _numbers(rows: EdgeRows, file: str, what: str) -> dict[str, float] | None:
    """Numbers in a file of parameters; None where it cannot be read, which is told."""
    content = content_named(file, rows.targets.search) if file else None
    try:
        told = dynamics_of({"dynamics_params": file}, {} if content is None else {file: content}, what)
        return numbers_of(told, what)
    except ModelError as error:
        rows.faults.add(str(error))
        return None


def _to_typed(rows: EdgeRows, chosen: NDArray[np.int64], delay: NDArray[np.float64]) -> Iterator[Connections]:
    """Edges of the Blue Brain Project's: conductance in nS, utilisation and its time constants of their own."""
    excitatory = rows.columns["syn_type_id"][chosen] >= _FIRST_EXCITATORY
    for is_excitatory, own in distinct(excitatory):
        of, process = chosen[own], EXCITATORY if is_excitatory else INHIBITORY
        parameters = {
            name: np.abs(rows.columns[column][of].astype(np.float64))
            for name, column in {**_TIMES, _DECAY[process]: "decay_time"}.items()
            if column in rows.columns
        }
        if "n_rrp_vesicles" in rows.columns:
            parameters["Nrrp"] = np.maximum(rows.columns["n_rrp_vesicles"][of].astype(np.float64), 1.0)
        if "Use" in parameters:
            parameters["Use"] = parameters["Use"] * by_calcium(rows, of)
        conditions = rows.targets.search.settings.get("conditions") or {}
        if process == INHIBITORY and conditions.get("randomize_gaba_rise_time"):
            cells, numbers = rows.target_gid[of].tolist(), rows.numbers[of].tolist()
            parameters["tau_r_GABAA"] = lognormals(cells, numbers, _release_seed(rows) + _RISE, *_RISE_TIME)
        ratios = rows.columns.get("conductance_scale_factor", np.full(len(rows), -1.0))[of].astype(np.float64)
        weights = rows.columns["conductance"][of].astype(np.float64)
        # Edges may say what share the slower conductance has; below 0, they do not.
        for said, part in distinct(ratios >= 0):
            more = {_RATIO[process]: ratios[part]} if said else {}
            own_numbers = {name: values[part] for name, values in parameters.items()} | more
            made = _placed(rows, of[part], SynapseKind(process, process), delay, weights[part], own_numbers)
            yield replace(made, seed=_release_seed(rows))


def _to_exponentials(rows: EdgeRows, chosen: NDArray[np.int64], delay: NDArray[np.float64]) -> Connections:
    """Edges of the type ``Exp2Syn_synapse``: conductance in µS and time constants of their own."""
    numbers = {name: rows.columns[column][chosen].astype(np.float64) for name, column in EXP2SYN.items()}
    weights = rows.columns["conductance"][chosen].astype(np.float64)
    return _placed(rows, chosen, SynapseKind("Exp2Syn", "Exp2Syn"), delay, weights, numbers)


def _release_seed(rows: EdgeRows) -> int:
    """Key of random release, as neurodamus has it, with the seed of the run: of the populations and of ``run.synapse_seed``."""
    told = rows.targets.search.settings.get("run", {}).get("synapse_seed", 0)
    ends = []
    for name in (rows.projection.source, rows.projection.target):
        # Twelve bits of a digest of the population's name.
        digest = md5(name.encode(), usedforsecurity=False).digest()
        ends.append(((digest[1] & 0x0F) << 8) + digest[0])
    own = int(told) if is_number(told) else 0
    return (ends[0] * 65536 + ends[1] + own + 300 + rows.targets.seed) % 2**32


def by_calcium(rows: EdgeRows, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what extracellular calcium makes of release: a Hill function that is 1 at 2 mM (neurodamus, synapse_reader); 1 where nothing says it.

    Parameters
    ----------
    rows
        Edges of a projection.
    chosen
        Rows of those that are asked for, int64[n].
    """
    conditions = rows.targets.search.settings.get("conditions") or {}
    if conditions.get(_CALCIUM) is None:
        return np.ones(len(chosen))
    calcium = conditions[_CALCIUM]
    half = rows.columns.get("u_hill_coefficient")
    if half is None or not is_number(calcium) or calcium <= 0:
        rows.faults.add(
            f"{rows.projection.node}: conditions.{_CALCIUM} is {calcium!r}: expected a number above 0, and edges with u_hill_coefficient"
        )
        return np.ones(len(chosen))
    k, c = half[chosen].astype(np.float64) ** 4, float(calcium) ** 4
    found: NDArray[np.float64] = (k + 16.0) / 16.0 * c / (k + c)
    return found


@dataclass(frozen=True, eq=False)
class SynapsePlaces:
    """Where synapses are.

    Attributes
    ----------
    edge
        The edge of each, by its place among those that were asked for, int64[n].
    section, position
        Section, int32[n], and relative position on it, float64[n].
    """

    edge: NDArray[np.int64]
    section: NDArray[np.int32]
    position: NDArray[np.float64]


def _placed(
    rows: EdgeRows,
    chosen: NDArray[np.int64],
    kind: SynapseKind,
    delay: NDArray[np.float64],
    weights: NDArray[np.float64],
    parameters: Mapping[str, NDArray[np.float64]] | None = None,
) -> Connections:
    places = synapse_places(rows, chosen)
    edge = places.edge
    return Connections(
        rows.projection.name,
        kind,
        rows.source_gid[chosen][edge],
        rows.target_gid[chosen][edge],
        places.section,
        places.position,
        delay[chosen][edge],
        weights[edge][:, None],
        rows.numbers[chosen][edge],
        {name: values[edge] for name, values in (parameters or {}).items()},
    )


def synapse_places(rows: EdgeRows, chosen: NDArray[np.int64], first: int = 0) -> SynapsePlaces:
    """Return where edges end: at their afferent section, or at synapses that are drawn on the sections they ask for.

    Parameters
    ----------
    rows
        Edges of a projection.
    chosen
        Rows of those that are asked for, int64[n].
    first
        Number of the first synapse of each that is drawn.
    """
    if "afferent_section_id" in rows.columns:
        return _given(rows, chosen)
    return _drawn(rows, chosen, first)


def _given(rows: EdgeRows, chosen: NDArray[np.int64]) -> SynapsePlaces:
    section = rows.columns["afferent_section_id"].astype(np.int64)
    if "afferent_section_pos" in rows.columns:
        position = rows.columns["afferent_section_pos"].astype(np.float64)
    elif {"afferent_segment_id", "afferent_segment_offset"} <= rows.columns.keys():
        position = _along(rows, section)
    else:
        rows.faults.add(
            f"{rows.projection.node}: it has afferent_section_id, but neither afferent_section_pos nor afferent_segment_id with "
            "afferent_segment_offset"
        )
        return SynapsePlaces(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0))
    rows.check_sections(section, position)
    return SynapsePlaces(np.arange(len(chosen)), section[chosen].astype(np.int32), position[chosen])


def _along(rows: EdgeRows, section: NDArray[np.int64]) -> NDArray[np.float64]:
    """Relative positions of points that are an offset (µm) after a point of their section's."""
    point = rows.columns["afferent_segment_id"].astype(np.int64)
    offset = rows.columns["afferent_segment_offset"].astype(np.float64)
    found = np.full(len(rows), np.nan)
    told = False
    for at, (node, own) in enumerate(
        zip(rows.columns["target_node_id"].tolist(), section.tolist(), strict=True)
    ):
        shape = rows.shapes.get(node)
        if shape is None:
            told = True
            continue
        if not 0 <= own < len(shape.sections):
            found[at] = 0.5  # told where sections are checked
            continue
        points = shape.sections[own]
        places = np.stack([shape.x[points], shape.y[points], shape.z[points]], axis=1)
        arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1))])
        if own == 0 or arc[-1] == 0:
            found[at] = 0.5  # somata are points to neurodamus
        elif 0 <= point[at] < len(arc):
            found[at] = min((arc[point[at]] + offset[at]) / arc[-1], 1.0)
    if told:
        rows.faults.add(
            f"{rows.projection.node}: it says segments and no afferent_section_pos, which takes the trees of its cells: ingest the circuit "
            "with its morphologies"
        )
        return np.where(np.isnan(found), 0.5, found)
    return found


def _drawn(rows: EdgeRows, chosen: NDArray[np.int64], first: int) -> SynapsePlaces:
    """Places on the sections that the edge asks for: a function of the seed, the edge, and the synapse's number."""
    counts = _counts(rows, chosen).astype(np.int64)
    wanted = _texts(rows, "target_sections", len(rows))[chosen]
    ranges = _texts(rows, "distance_range", len(rows))[chosen]
    edge = np.repeat(np.arange(len(chosen)), counts)
    section, position = np.zeros(len(edge), np.int32), np.full(len(edge), 0.5)
    which = first + np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    draws = _draws(rows, np.repeat(rows.numbers[chosen], counts), which)
    keys = [
        f"{target}|{text}|{span}"
        for target, text, span in zip(
            rows.columns["target_node_id"][chosen].tolist(), wanted, ranges, strict=True
        )
    ]
    for _, own in distinct(np.array(keys)):
        stretches = _stretches(rows, int(chosen[own[0]]), wanted[own[0]], ranges[own[0]])
        here = np.isin(edge, own)
        if stretches is not None:
            section[here], position[here] = stretches.place(draws[here])
    return SynapsePlaces(edge, section, position)


def _draws(rows: EdgeRows, edge: NDArray[np.int64], which: NDArray[np.int64]) -> NDArray[np.float64]:
    """A uniform number for each synapse, whatever is drawn besides."""
    seed, zero = key_word(rows.targets.seed, "seed"), np.uint64(0)
    purpose = stream("synapse places", rows.projection.name)
    found = [
        uniforms(seed, zero, purpose, *pair)[0] for pair in zip(edge.tolist(), which.tolist(), strict=True)
    ]
    return np.array(found, np.float64)


def _stretches(rows: EdgeRows, row: int, text: str, span: str) -> Reach | None:
    node, gid = rows.projection.node, int(rows.target_gid[row])
    parts = _literal(text) if text else ["soma", "axon", "dend", "apic"]
    low, high = _literal(span) if span else (0.0, np.inf)
    unknown = [part for part in parts if part not in SECTIONS]
    if unknown:
        rows.faults.add(f"{node}: target_sections {text}: no part of a cell is called {unknown[0]!r}")
        return None
    try:
        shapes = shapes_of(rows.targets.templates.get(gid), rows.targets.nodes[gid])
    except ModelError as error:
        rows.faults.add(f"{node}: {error}")
        return None
    if shapes is None:
        rows.faults.add(
            f"{node}: it has target_sections and no afferent_section_id, and of cell {int(rows.columns['target_node_id'][row])} the "
            "sections are not known before it is made: give its edges a section, or its circuit trees"
        )
        return None
    found = reach(shapes, {SECTIONS[part] for part in parts}, float(low), float(high))
    if not len(found.section):
        rows.faults.add(
            f"{node}: cell {int(rows.columns['target_node_id'][row])} has no {', '.join(parts)} at {low:g} to {high:g} µm from its soma"
        )
        return None
    return found


def _literal(text: str) -> Any:
    """A list that a CSV file has as text, such as ``"['basal', 'apical']"``; nothing else is read."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return [text]


def _texts(rows: EdgeRows, name: str, count: int) -> NDArray[Any]:
    """A column of text, empty where there is none."""
    if name not in rows.columns:
        return np.full(count, "", object)
    return np.array(["" if value in _NO else str(value) for value in rows.columns[name].tolist()], object)


def _counts(rows: EdgeRows, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    found = rows.columns.get("nsyns")
    return np.ones(len(chosen)) if found is None else found[chosen].astype(np.float64)


def synapse_weights(rows: EdgeRows, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return weights by the function that the edge names: bmtk's ``wmax``, or ``gaussianLL`` of the difference of two tuning angles.

    Parameters
    ----------
    rows
        Edges of a projection.
    chosen
        Rows of those that are asked for, int64[n].
    """
    if "syn_weight" not in rows.columns:
        # Edges of the Blue Brain Project's that end at point processes.
        if "conductance" in rows.columns:
            return rows.columns["conductance"][chosen].astype(np.float64)
        rows.faults.add(f"{rows.projection.node}: its edges have neither syn_weight nor conductance")
        return np.zeros(len(chosen))
    weights = rows.columns["syn_weight"][chosen].astype(np.float64)
    names = _texts(rows, "weight_function", len(rows))[chosen]
    for name, own in distinct(names.astype(str)):
        if name == "gaussianLL":
            weights[own] *= _by_tuning(rows, chosen[own])
        elif name not in ("", "wmax", "set_syn_weight", "default_weight_fnc"):
            rows.faults.add(
                f"{rows.projection.node}: weight_function {name!r} is not known; there are wmax and gaussianLL"
            )
    return weights


def _by_tuning(rows: EdgeRows, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    angles = []
    for end in ("source", "target"):
        column = rows.source.populations[getattr(rows.projection, end)].columns.get("tuning_angle")
        if column is None or "weight_sigma" not in rows.columns:
            rows.faults.add(
                f"{rows.projection.node}: gaussianLL needs weight_sigma, and tuning_angle of {getattr(rows.projection, end)}"
            )
            return np.ones(len(chosen))
        angles.append(column[rows.columns[f"{end}_node_id"][chosen]].astype(np.float64))
    # The difference of two orientations, 0 to 90 degrees.
    apart = np.abs(np.abs(np.abs(180.0 - np.abs(angles[1] - angles[0]) % 360.0) - 90.0) - 90.0)
    sigma = rows.columns["weight_sigma"][chosen].astype(np.float64)
    found: NDArray[np.float64] = np.exp(-((apart / sigma) ** 2))
    return found


def _pairs(first: NDArray[Any], second: NDArray[Any]) -> Iterator[tuple[tuple[str, str], NDArray[np.int64]]]:
    joined = np.array([f"{a}\x00{b}" for a, b in zip(first, second, strict=True)])
    for key, own in distinct(joined):
        a, _, b = str(key).partition("\x00")
        yield (a, b), own


def is_sonata(rows: EdgeRows) -> bool:
    """Return whether edges are those of a SONATA circuit.

    Parameters
    ----------
    rows
        The edges.
    """
    return "synapse_id" not in rows.columns and rows.source.format == "sonata"
