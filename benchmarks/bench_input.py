"""How long the input of a trial takes to draw, beside one NumPy generator per cell in the same run."""

import argparse
from pathlib import Path

import numpy as np
from measure import Figures, interleaved

from neurolake.ingest.text.parameters import parse_parameters
from neurolake.mechanisms.cell.sites import branches
from neurolake.mechanisms.input.activity import Activity
from neurolake.mechanisms.input.connectivity import Embedding, embed, read_connections, read_synapses
from neurolake.mechanisms.input.populations import Firing, Population, SpikeSource, read_populations

T_STOP = 300.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    embedding, populations = network(arguments.data / "isf" / "example_86_C2")
    activity = Activity(embedding, populations)
    activity.trial(0, 0, T_STOP)
    times = interleaved(
        {
            "neurolake": lambda: activity.trial(1, 2, T_STOP),
            "NumPy, a loop over cells": lambda: looped(embedding, populations, 1),
        },
        arguments.rounds,
    )
    figures = Figures("input")
    figures.settings = {"synapses": len(embedding), "populations": len(populations), "t_stop": T_STOP}
    for name, timing in times.items():
        figures.add("input of one trial", name, timing.median, "s", f"median of {arguments.rounds}")
    figures.report()


def network(folder: Path) -> tuple[Embedding, dict[str, Population]]:
    """The network of cell 86; synapses sit on sections of no particular shape."""
    [stem] = [file.with_suffix("") for file in folder.glob("anatomical/*/*.syn")]
    synapses, connections = read_synapses(f"{stem}.syn"), read_connections(f"{stem}.con")
    sections = int(synapses.section.max()) + 1
    cell = branches(
        [np.array([[0.0, 0, 0], [0, 0, 1]])] * sections,
        labels=["Soma", *["Dendrite"] * (sections - 1)],
        parents=[-1, *[0] * (sections - 1)],
        parent_x=[0.5] * sections,
    )
    parameters = folder / "functional" / "network.param"
    populations = read_populations(parse_parameters(parameters.read_bytes(), parameters), parameters)
    return embed(synapses, connections, cell), populations


def looped(embedding: Embedding, populations: dict[str, Population], seed: int) -> int:
    """The same distributions with a generator per cell; gives the number of activations."""
    activations = 0
    for code, name in enumerate(embedding.populations):
        ours = embedding.cell_id[embedding.population == code]
        fan_out = np.bincount(ours, minlength=populations[name].cells)
        for cell, synapses in enumerate(fan_out):
            generator = np.random.Generator(np.random.Philox(key=[seed, (code << 32) | cell]))
            spikes = sum(fired(generator, source) for source in populations[name].sources)
            activations += int((generator.random((synapses, spikes)) < populations[name].release).sum())
    return activations


def fired(generator: np.random.Generator, source: SpikeSource) -> int:
    if source.firing == Firing.TRAIN:
        gaps = generator.exponential(source.numbers[0], int(2 * T_STOP / source.numbers[0]) + 10)
        return int((np.cumsum(gaps) <= T_STOP).sum())
    begin, width, hazard = np.array(source.bins).reshape(-1, 3).T
    active = generator.random(len(begin)) < -np.expm1(-hazard)
    return len(begin[active] + width[active] * generator.random(int(active.sum())))


if __name__ == "__main__":
    main()
