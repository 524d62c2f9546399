"""Made-up activity of the size of a study, and how others count it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

N_TYPES, N_COLUMNS = 22, 24  # cell types and columns of the barrel cortex model; 278 of the pairs occur in it
N_POPULATIONS = 278
SYNAPSES, SECOND = 4000, 0.25  # synapses that are active in a trial, and the share of them active twice
DT, V_REST, V_SPIKE = 0.025, -70.0, 20.0
EDGES = np.arange(301.0)


@dataclass(frozen=True)
class Activations:
    """One row for each activation, ordered by trial, as a lake's table."""

    trial: np.ndarray
    population: np.ndarray
    distance: np.ndarray
    time: np.ndarray

    @property
    def ei(self) -> np.ndarray:
        return (self.population % 3 == 0).astype(np.int8)

    def first(self, n_trials: int) -> "Activations":
        end = int(np.searchsorted(self.trial, n_trials))
        return Activations(self.trial[:end], self.population[:end], self.distance[:end], self.time[:end])


def activations(n_trials: int) -> Activations:
    """Uniform in time and distance: nothing about it is easy to predict."""
    rng = np.random.default_rng(0)
    n = n_trials * SYNAPSES
    twice = rng.random(n) < SECOND
    rows = np.repeat(np.arange(n), 1 + twice)
    population = rng.integers(0, N_POPULATIONS, n).astype(np.int16)
    return Activations(
        rows // SYNAPSES, population[rows], rng.uniform(0, 1300, n)[rows], rng.uniform(0, 320, len(rows))
    )


def wide_frame(rows: Activations) -> pd.DataFrame:
    """As the In Silico Framework keeps them: a row for each synapse, its times in columns named 0 and 1."""
    same = np.zeros(len(rows.time), bool)
    same[1:] = rows.distance[1:] == rows.distance[:-1]
    frame = pd.DataFrame({"trial": rows.trial, "soma_distance": rows.distance})
    frame["synapse_type"] = [f"{'L' if k % 3 else 'I'}{k % N_TYPES}_C{k // N_TYPES}" for k in rows.population]
    frame["0"], frame["1"] = rows.time, np.append(np.where(same[1:], rows.time[1:], np.nan), np.nan)
    return frame[~same].reset_index(drop=True)


def count_with_pandas(frame: pd.DataFrame, by: list[str]) -> dict[tuple, np.ndarray]:
    """The In Silico Framework's way: names from text, groups of rows, a histogram of each group's times."""
    cell_type, column = frame.synapse_type.str.split("_").str[0], frame.synapse_type.str.split("_").str[1]
    ei = np.where(cell_type.str.startswith("L"), "EXC", "INH")
    named = frame.assign(
        cell_type=cell_type, column=column, EI=ei, z=np.floor(frame.soma_distance / 50).astype(int)
    )
    return {key: _histogram(rows) for key, rows in named.groupby(by)}


def _histogram(rows: pd.DataFrame) -> np.ndarray:
    values = rows[[name for name in rows.columns if name.isdigit()]].to_numpy()
    return np.histogram(values[~np.isnan(values)], EDGES)[0]


def traces(n_trials: int, n_time: int = 12_000) -> np.ndarray:
    """float32 noise around rest, and six spikes of 2 ms in each trial."""
    rng = np.random.default_rng(0)
    noise = rng.normal(V_REST, 3, 1 << 20).astype(np.float32)
    voltage = np.empty((n_trials, n_time), np.float32)
    for row in voltage:
        start = rng.integers(0, len(noise) - n_time)
        row[:] = noise[start : start + n_time]
        for spike in rng.integers(0, n_time - 80, 6):
            row[spike : spike + 80] += V_SPIKE - V_REST
    return voltage
