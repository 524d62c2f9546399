"""Inputs of a network: what its cells answer to, and the spike trains that they get."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import circuits
from ...catalog.vocabulary.kinds import column
from ...kernels import network as kernels
from ...kernels.draws import key_word, stream, uniforms
from .configuration import FEATURES
from .construction import Construction
from .steps import Outcome, Output, Parts, Step, table_of

FEATURE_STEP = Step("network.features", "1")
SPIKE_STEP = Step("network.input_spikes", "1")

_FEATURE_COLUMNS = [
    column("type", pa.string(), "constant, linear or receptive field"),
    column("peak_rate", pa.float32(), "greatest rate", "Hz", "Peak Rate"),
    column("x", pa.float32(), "centre of the receptive field in the arena", "cm", "X Offset"),
    column("y", pa.float32(), "centre of the receptive field in the arena", "cm", "Y Offset"),
    column("width", pa.float32(), "standard deviation of the receptive field", "cm", "Field Width"),
]


def feature_output(circuit: str, arena: str, population: str) -> dict[str, Output]:
    """Return the node of a population's features in an arena.

    Parameters
    ----------
    circuit
        Name of the circuit.
    arena
        Name of the arena.
    population
        Name of the population.
    """
    kind = circuits.FEATURES
    node = kind.of(circuit=circuit, namespace=f"Selectivity {arena}", population=population)
    return {"features": Output(kind, node)}


def spikes_output(circuit: str, arena: str, trajectory: str, population: str) -> dict[str, Output]:
    """Return the node of a population's input spikes on a trajectory.

    Parameters
    ----------
    circuit
        Name of the circuit.
    arena
        Name of the arena.
    trajectory
        Name of the trajectory.
    population
        Name of the population.
    """
    kind = circuits.INPUTS
    node = kind.of(circuit=circuit, input=f"Input Spikes {arena} {trajectory}", population=population)
    return {"spikes": Output(kind, node)}


def build_features(of: Construction, arena: str, population: str) -> Outcome:
    """Store the features of a population's cells: type, peak rate and, where the type needs one, a place.

    Parameters
    ----------
    of
        The network under construction.
    arena
        Name of the arena.
    population
        Name of the population.
    """
    stimulus = of.network.stimulus
    nodes = circuits.NODES.of(circuit=of.circuit, population=population)
    params = {
        "population": population,
        "types": dict(stimulus.types[population]),
        "peak rates": dict(stimulus.peak_rates.get(population, {})),
        "domain": stimulus.arenas[arena]["domain"],
        "width": stimulus.widths.get(population),
        "seed": of.seed_of("Input Selectivity"),
    }

    def make(parts: Parts) -> None:
        gids = of.build.table(nodes).to_arrow(["gid"])["gid"].to_numpy()
        names = list(params["types"])
        chosen = kernels.chosen_features(
            gids, list(params["types"].values()), seed=params["seed"], population=population
        )
        fields = np.array([name == "receptive field" for name in names])[chosen]
        domain = np.array(params["domain"], float)
        places = _drawn(gids, params["seed"], population)
        low, high = domain.min(axis=0), domain.max(axis=0)
        centre = np.where(fields[:, None], low + places * (high - low), np.nan)
        rates = np.array([params["peak rates"][name] for name in names])
        columns = {
            "node_id": np.arange(len(gids)),
            "type": pa.array(names).take(pa.array(chosen)),
            "peak_rate": rates[chosen].astype(np.float32),
            "x": centre[:, 0].astype(np.float32),
            "y": centre[:, 1].astype(np.float32),
            "width": np.where(fields, params["width"] or np.nan, np.nan).astype(np.float32),
        }
        parts.write("features", table_of(circuits.FEATURES, columns, _FEATURE_COLUMNS))

    return of.build.run(
        FEATURE_STEP,
        feature_output(of.circuit, arena, population),
        make,
        inputs={"nodes": nodes},
        params=params,
    )


def build_spikes(of: Construction, arena: str, trajectory: str, population: str) -> Outcome:
    """Store the input spikes of a population on a trajectory, drawn anew for each trial.

    Parameters
    ----------
    of
        The network under construction.
    arena
        Name of the arena.
    trajectory
        Name of the trajectory.
    population
        Name of the population.
    """
    stimulus = of.network.stimulus
    inputs = {
        "nodes": circuits.NODES.of(circuit=of.circuit, population=population),
        "features": feature_output(of.circuit, arena, population)["features"].node,
    }
    path = stimulus.arenas[arena]["trajectories"][trajectory]
    params = {
        "population": population,
        "path": path["path"],
        "velocity": path["velocity"],
        "dt": stimulus.temporal_resolution,
        "equilibration": stimulus.equilibration,
        "oscillation": _oscillation(stimulus.oscillation, population),
        "refractory": 3.0,
        "trials": stimulus.trials,
        "seed": of.seed_of("Input Spiketrains"),
    }

    def make(parts: Parts) -> None:
        keys = ("Stimulus", "Arena", arena, "Trajectory", trajectory)
        try:
            columns = _spikes(of, inputs, params)
        except (ValueError, TypeError) as error:
            raise of.network.configuration.error(keys, str(error)) from error
        parts.write("spikes", table_of(circuits.INPUTS, columns, [circuits.INPUTS.schema.field("time")]))

    outputs = spikes_output(of.circuit, arena, trajectory, population)
    return of.build.run(SPIKE_STEP, outputs, make, inputs=inputs, params=params)


def _spikes(of: Construction, inputs: Mapping[str, str], params: Mapping[str, Any]) -> dict[str, Any]:
    nodes = of.build.table(inputs["nodes"]).to_arrow(["node_id", "gid", "u_distance"])
    features = of.build.table(inputs["features"]).to_arrow()
    gids, population = nodes["gid"].to_numpy(), params["population"]
    run = kernels.trajectory(params["path"], params["velocity"], params["dt"], params["equilibration"])
    rates = _rates(features, run)
    modulation = params["oscillation"]
    if modulation is not None:
        phases = kernels.preferred_phases(
            gids, tuple(modulation["phase range"]), seed=params["seed"], population=population
        )
        rates *= kernels.phase_modulation(
            run.time,
            phases,
            frequency=modulation["frequency"],
            depth=modulation["depth"],
            position=nodes["u_distance"].to_numpy().astype(float),
            slope=modulation["slope"],
            offset=modulation["offset"],
        )
    rates *= kernels.equilibration_ramp(run.time)
    found = kernels.input_spikes(
        run.time,
        rates,
        gids,
        seed=params["seed"],
        population=population,
        n_trials=params["trials"],
        refractory=params["refractory"],
    )
    node = np.repeat(nodes["node_id"].to_numpy(), np.diff(found.offsets))
    return {"node_id": node, "time": found.time, "trial": found.trial.astype(np.int64)}


def _rates(features: pa.Table, run: kernels.Trajectory) -> NDArray[np.float64]:
    """Rate of each cell along a trajectory, float64[n_cells, n_time], in Hz."""
    kinds, peak = features["type"].to_numpy(), features["peak_rate"].to_numpy().astype(float)
    rates = np.empty((len(kinds), len(run.time)))
    constant, linear, field = (kinds == kind for kind in FEATURES)
    rates[constant] = kernels.constant_rates(peak[constant], len(run.time))
    signal = run.distance / run.distance[-1]
    rates[linear] = kernels.linear_rates(np.clip(signal, 0.0, 1.0), peak[linear])
    centre = np.stack([features[axis].to_numpy().astype(float) for axis in "xy"], axis=1)
    width = features["width"].to_numpy().astype(float)
    rates[field] = kernels.receptive_field_rates(run.position, centre[field], width[field], peak[field])
    return rates


def _oscillation(found: Mapping[str, Any] | None, population: str) -> dict[str, Any] | None:
    """The modulation of a population's rates; None without any."""
    if found is None or population not in found["modulation"]:
        return None
    return {
        **{name: found[name] for name in ("frequency", "slope", "offset")},
        **found["modulation"][population],
    }


def _drawn(gids: NDArray[np.int64], seed: int, population: str) -> NDArray[np.float64]:
    """Two numbers in (0, 1] for each cell."""
    word, zero, of = key_word(seed, "seed"), np.uint64(0), stream("receptive field", population)
    return np.array([uniforms(word, zero, of, int(gid), 0) for gid in gids])
