"""Voltages and synapse activations as simulations make them: by chance, but from a seed, and as hard to compress."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

STEP_MS = 0.025
TYPES = ("L2", "L34", "L4py", "L4sp", "L4ss", "L5st", "L5tt", "L6cc", "L6ccinv", "L6ct", "VPM", "SymLocal1")
TRIAL_ROWS = 25_000


def voltages(rows: int, samples: int = 25_000, seed: int = 1) -> npt.NDArray[np.float32]:
    """Membrane potentials in mV of leaky integrators under Poisson input, 40 samples a ms, ``(rows, samples)``.

    Blosc makes them smaller by 1.8, and NEURON's own float32 traces by 1.7.
    """
    generator = np.random.default_rng(seed)
    current = np.zeros(rows, np.float32)
    potential = np.full(rows, -65, np.float32)
    out = np.empty((samples, rows), np.float32)
    for sample in range(samples):
        current -= np.float32(STEP_MS / 2) * current
        current[generator.integers(0, rows, rows // 40)] += 8
        potential += np.float32(STEP_MS / 15) * (current - potential - 70)
        potential[potential > -50] = -60
        out[sample] = potential
    return np.ascontiguousarray(out.T)


def activations(rows: int, *, quantised: bool, batch: int = 5_000_000) -> Iterator[pa.Table]:
    """Synapse activations in tables of up to *batch* rows, sorted by trial and synapse.

    Parameters
    ----------
    quantised
        Whether times are multiples of the time step, as simulators write them; else they use all 53 bits.
    """
    generator = np.random.default_rng(2)
    synapses = 12_000
    types = np.sort(generator.integers(0, len(TYPES), synapses))
    distances = generator.gamma(3, 120, synapses)
    sections, points = generator.integers(0, 300, synapses), generator.integers(0, 60, synapses)
    for first in range(0, rows, batch):
        count = min(batch, rows - first)
        trials = (first + np.arange(count)) // TRIAL_ROWS
        ids = np.sort(generator.integers(0, synapses, count) + trials * synapses) % synapses
        times = generator.uniform(0, 345, count)
        yield pa.table(
            {
                "trial_id": trials.astype(np.int32),
                "synapse_type": pa.DictionaryArray.from_arrays(types[ids].astype(np.int32), TYPES).cast(
                    pa.string()
                ),
                "synapse_id": ids.astype(np.int32),
                "soma_distance": distances[ids],
                "section_id": sections[ids].astype(np.int32),
                "section_pt_id": points[ids].astype(np.int32),
                "time": np.round(times / STEP_MS) * STEP_MS if quantised else times,
            }
        )
