"""Network parameters become populations, or an error that names the place."""

import math

import pytest

from neurolake.ingest.text.parameters import parse_parameters
from neurolake.mechanisms.errors import ModelError
from neurolake.mechanisms.input.populations import SURE, Firing, Receptor, SpikeSource, read_populations

RECEPTOR = {"threshold": 0.5, "delay": 1, "weight": [1.5, 2.5], "parameter": {"tau1": 26}}


def network(**changes):
    population = {
        "celltype": "spiketrain",
        "interval": 100,
        "cellNr": 3,
        "synapses": {"releaseProb": 0.6, "receptors": {"glutamate_syn": RECEPTOR}},
    }
    return {"network": {"L2_C2": {**population, **changes}}}


def firing(celltype, **beside):
    return read_populations(network(celltype=celltype, **beside))["L2_C2"].sources


def point_cell(distribution, **parameters):
    return firing({"pointcell": {"distribution": distribution, **parameters}})[0]


def test_a_population_is_read():
    population = read_populations(network())["L2_C2"]
    assert (population.name, population.cells, population.release) == ("L2_C2", 3, 0.6)
    assert population.sources == (SpikeSource(Firing.TRAIN, "spiketrain", (100.0, 1.0, 0.0, -1.0)),)
    assert population.receptors == (
        Receptor("glutamate_syn", (1.5, 2.5), delay=1.0, threshold=0.5, parameters={"tau1": 26.0}),
    )


def test_one_weight_may_be_a_number():
    parameters = network(
        synapses={"receptors": {"gaba_syn": {"weight": 2, "weightDistribution": "lognormal"}}}
    )
    assert read_populations(parameters)["L2_C2"].receptors == (Receptor("gaba_syn", (2.0,), lognormal=True),)


@pytest.mark.parametrize("synapses", [{"receptors": {}}, {"receptors": {}, "releaseProb": "dynamic"}])
def test_without_a_release_probability_every_spike_passes(synapses):
    assert read_populations(network(synapses=synapses))["L2_C2"].release == 1.0


def test_several_sources_fire_the_same_cells():
    evoked = {"distribution": "PSTH", "intervals": [(0, 1), (2, 4)], "probabilities": [0.5, 1], "offset": 10}
    train, bins = firing(
        {"spiketrain": {"interval": 5.0, "noise": 0.5, "start": 2.0, "nspikes": 4}, "pointcell": evoked}
    )
    assert train.numbers == (5.0, 0.5, 2.0, 4.0)
    assert bins.bins == ((10.0, 1.0, math.log(2)), (12.0, 2.0, SURE))


def test_point_cells_of_every_distribution():
    one = {"offset": 3, "activeFrac": 0.5}
    assert point_cell("normal", spikeT=2, spikeWidth=1, **one).numbers == (0.5, 5.0, 1.0)
    assert point_cell("uniform", window=4, **one).numbers == (0.5, 3.0, 4.0)
    assert point_cell("lognormal", mu=1, sigma=2, **one).numbers == (0.5, 3.0, 1.0, 2.0)
    absolute = point_cell("PSTH_absolute_number", intervals=[[0, 1]], number_active_synapses=[7], offset=3)
    assert absolute.bins == ((3.0, 1.0, 7.0),)
    assert point_cell("PSTH_poissontrain", intervals=[[5, 9]], rates=[8], offset=3).bins == ((5.0, 4.0, 8.0),)
    between = point_cell("PSTH_poissontrain_v2", bins=[0, 1, 3], rates=[8, 9], offset=3)
    assert between.bins == ((0.0, 1.0, 8.0), (1.0, 2.0, 9.0))
    wave = {
        "rate_before_t_offset": 1,
        "mean_rate": 2,
        "max_modulation": 0.5,
        "modulation_frequency": 4,
        "bin_size": 5,
        "offset": 6,
    }
    for phases, last in (
        ({"phase_distribution": "uniform"}, (0.0, -1.0)),
        ({"phase_distribution": "normal", "mean_phase": 7, "std_phase": 8}, (7.0, 8.0)),
        ({"phase_distribution": "none"}, (0.0, 0.0)),
    ):
        assert point_cell("poissontrain_modulated", **wave, **phases).numbers == (1, 2, 0.5, 4, 5, 6, *last)


PSTH = {"distribution": "PSTH", "intervals": [[0, 1]], "probabilities": [0.5], "offset": 0}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"interval": 0}, r"network.L2_C2.interval: 0, expected a number above 0"),
        ({"interval": "often"}, r"network.L2_C2.interval: 'often', expected a number"),
        ({"interval": math.nan}, r"interval: nan, expected a number"),
        ({"noise": 2}, r"noise: 2, expected a number from 0 to 1"),
        ({"cellNr": 1.5}, r"cellNr: 1.5, expected a whole number from 0"),
        ({"celltype": "loud"}, r"celltype: 'loud', expected 'spiketrain' or 'pointcell'"),
        ({"celltype": {"loud": {}}}, r"celltype.loud: 'loud', expected"),
        ({"celltype": {"spiketrain": {}}}, r"celltype.spiketrain: no 'interval'"),
        ({"celltype": {"pointcell": {}}}, r"pointcell: no 'distribution'"),
        ({"celltype": {"pointcell": {"distribution": "gamma"}}}, r"'gamma', expected one of PSTH, normal"),
        ({"celltype": {"pointcell": {**PSTH, "probabilities": [1.5]}}}, r"probabilities: 1.5 in the list"),
        ({"celltype": {"pointcell": {**PSTH, "probabilities": [0, 1]}}}, r"intervals: expected a .* each of the 2"),
        ({"celltype": {"pointcell": {**PSTH, "intervals": [[1, 0]]}}}, r"intervals: \[1, 0\] in the list"),
        ({"celltype": {"pointcell": {**PSTH, "intervals": [3]}}}, r"intervals: 3 in the list"),
        ({"synapses": {}}, r"synapses: no 'receptors'"),
        ({"synapses": {"receptors": {}, "releaseProb": 2}}, r"releaseProb: 2, expected a number from 0 to 1"),
        ({"synapses": {"receptors": {"g": {}}}}, r"receptors.g: no 'weight'"),
        ({"synapses": {"receptors": {"g": {"weight": ["a"]}}}}, r"receptors.g.weight: 'a' in the list"),
        ({"synapses": {"receptors": {"g": {"weight": 0, "weightDistribution": "lognormal"}}}}, r"above 0"),
        ({"synapses": {"receptors": {"g": {"weight": 1, "weightDistribution": "flat"}}}}, r"'flat', expected 'log"),
        ({"synapses": {"receptors": {"g": {"weight": 1, "delay": -1}}}}, r"delay: -1, expected a number from 0"),
        ({"synapses": {"receptors": {"g": {"weight": 1, "parameter": {"e": None}}}}}, r"parameter.e: None, exp"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(changes, reason):
    with pytest.raises(ModelError, match=reason) as caught:
        read_populations(network(**changes), "n.param")
    assert str(caught.value).startswith("n.param: network.L2_C2")


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"bins": [0, 1], "rates": [1, 2]}, "2 edges and 2 rates, expected one edge more"),
        ({"bins": [1, 0], "rates": [1]}, "edges do not ascend"),
        ({"bins": [0, 1], "rates": [-1]}, "rates: -1 in the list"),
    ],
)
def test_rates_between_edges_that_cannot_be(parameters, reason):
    with pytest.raises(ModelError, match=reason):
        point_cell("PSTH_poissontrain_v2", **parameters)


def test_a_phase_distribution_that_is_not_known():
    wave = dict.fromkeys(
        ("rate_before_t_offset", "mean_rate", "max_modulation", "modulation_frequency", "bin_size", "offset"),
        1,
    )
    with pytest.raises(ModelError, match="phase_distribution: 'square', expected"):
        point_cell("poissontrain_modulated", phase_distribution="square", **wave)


def test_a_part_of_a_cell_cannot_be_active():
    with pytest.raises(ModelError, match="number_active_synapses: expected whole numbers"):
        point_cell("PSTH_absolute_number", intervals=[[0, 1]], number_active_synapses=[0.5], offset=0)


def test_a_file_without_a_network():
    with pytest.raises(ModelError, match=r"n.param: no 'network'"):
        read_populations({}, "n.param")


def test_real_networks_of_2015_and_today_are_read(isf_data):
    for path in ("example_86_C2/functional/network.param", "simrun_2015_C2center/20240_network_model.param"):
        file = isf_data / path
        populations = read_populations(parse_parameters(file.read_bytes(), file), file)
        assert len(populations) == 278
        assert sum(population.cells for population in populations.values()) > 18_000
        assert {receptor.mechanism for each in populations.values() for receptor in each.receptors} == {
            "glutamate_syn",
            "gaba_syn",
        }
