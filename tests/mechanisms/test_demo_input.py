"""The demo's network: wired once, on the dendrites that its populations ask for."""

import numpy as np
import pytest

from neurolake.mechanisms.demo.input import POPULATIONS, demo_wiring, network_parameters
from neurolake.mechanisms.demo.shape import demo_morphology


def test_it_is_the_same_wiring_each_time():
    again = demo_wiring.__wrapped__()
    for name, values in vars(demo_wiring()).items():
        assert np.array_equal(values, getattr(again, name))


def test_synapses_sit_on_the_dendrites_of_their_population():
    wiring, shapes = demo_wiring(), demo_morphology().shapes
    for number, population in enumerate(POPULATIONS):
        rows = wiring.population == number
        assert rows.sum() == population.cells * population.synapses_per_cell
        names = {shapes[section].name for section in wiring.section_id[rows]}
        assert all(name.startswith(population.domains) for name in names)
        assert np.array_equal(wiring.synapse_id[rows], np.arange(rows.sum()))
        assert np.array_equal(np.unique(wiring.cell_id[rows]), np.arange(population.cells))
    assert ((wiring.x >= 0) & (wiring.x < 1)).all()


def test_network_parameters_name_every_population():
    network = network_parameters("B1", synapse_file="a.syn", connection_file="a.con")["network"]
    assert list(network) == sorted(population.name for population in POPULATIONS)
    principal, surround = network["VPM_B1"], network["VPM_C2"]
    assert principal["celltype"]["pointcell"]["probabilities"] == [0.08, 0.14, 0.05]
    assert surround["celltype"]["pointcell"]["probabilities"] == pytest.approx([0.036, 0.05, 0.02])
    assert set(network["SymLocal1_C2"]["synapses"]["receptors"]) == {"gaba_syn"}
