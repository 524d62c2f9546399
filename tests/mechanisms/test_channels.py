"""Every channel against its equations, written a second time in NumPy, under voltage clamp.

One section of many uncoupled segments, each held at a potential of its own by an enormous capacitance.
"""

import numpy as np
import pytest

QT = 2.3 ** ((34 - 21) / 10)
VOLTAGES = np.unique(
    np.concatenate(
        [
            np.linspace(-130, 70, 81),
            [-154.9, -66, -64.4, -60, -50, -43.2, -41.2, -38, -35, -34, -32, -27, -17, -16.2, 25, 35],
        ]
    )
)
DT, STEPS = 0.025, 40


def linoid(x, k):
    """x / (exp(x / k) - 1), continued where it is 0 / 0."""
    with np.errstate(invalid="ignore"):
        return np.where(x == 0, k, x / np.expm1(x / k))


def by_rates(a, b, speed=1.0):
    return a / (a + b), 1 / (a + b) / speed


def sodium(v, m=0.0, h=0.0, km=6.0, kh=6.0):
    m, h = v + 38 - m, v + 66 - h
    return {
        "m": by_rates(0.182 * linoid(-m, km), 0.124 * linoid(m, km), QT),
        "h": by_rates(0.015 * linoid(h, kh), 0.015 * linoid(-h, kh), QT),
    }


def ca_hva(v):
    a_h, b_h = 4.57e-4 * np.exp((-13 - v) / 50), 0.0065 / (np.exp((-v - 15) / 28) + 1)
    return {
        "m": by_rates(0.055 * linoid(-27 - v, 3.8), 0.94 * np.exp((-75 - v) / 17)),
        "h": by_rates(a_h, b_h),
    }


def ca_lvast(v):
    v = v + 10
    return {
        "m": (1 / (1 + np.exp(-(v + 30) / 6)), (5 + 20 / (1 + np.exp((v + 25) / 5))) / QT),
        "h": (1 / (1 + np.exp((v + 80) / 6.4)), (20 + 50 / (1 + np.exp((v + 40) / 7))) / QT),
    }


def k_pst(v):
    v = v + 10
    fast, slow = 1.25 + 175.03 * np.exp(0.026 * v), 1.25 + 13 * np.exp(-0.026 * v)
    h_tau = 360 + (1010 + 24 * (v + 55)) * np.exp(-(((v + 75) / 48) ** 2))
    return {
        "m": (1 / (1 + np.exp(-(v + 1) / 12)), np.where(v < -50, fast, slow) / QT),
        "h": (1 / (1 + np.exp((v + 54) / 11)), h_tau / QT),
    }


def k_tst(v):
    v = v + 10
    return {
        "m": (1 / (1 + np.exp(-v / 19)), (0.34 + 0.92 * np.exp(-(((v + 71) / 59) ** 2))) / QT),
        "h": (1 / (1 + np.exp((v + 66) / 10)), (8 + 49 * np.exp(-(((v + 73) / 23) ** 2))) / QT),
    }


def nap_et2(v):
    _, h_tau = by_rates(2.88e-6 * linoid(v + 17, 4.63), 6.94e-6 * linoid(-(v + 64.4), 2.63), QT)
    return {
        "m": (1 / (1 + np.exp(-(v + 52.6) / 4.6)), 6 * sodium(v)["m"][1]),
        "h": (1 / (1 + np.exp((v + 48.8) / 10)), h_tau),
    }


def ih(v):
    return {"m": by_rates(0.00643 * linoid(v + 154.9, 11.9), 0.193 * np.exp(v / 33.1))}


def im(v):
    return {"m": by_rates(3.3e-3 * np.exp(0.1 * (v + 35)), 3.3e-3 * np.exp(-0.1 * (v + 35)), QT)}


def skv3_1(v):
    return {"m": (1 / (1 + np.exp(-(v - 18.7) / 9.7)), 4 / (1 + np.exp(-(v + 46.56) / 44.14)))}


def traub_miles(v, vt=-56.2):
    u = v - vt
    return {
        "m": by_rates(0.32 * linoid(13 - u, 4), 0.28 * linoid(u - 40, 5)),
        "h": by_rates(0.128 * np.exp((17 - u) / 18), 4 / (1 + np.exp((40 - u) / 5))),
        "n": by_rates(0.032 * linoid(15 - u, 5), 0.5 * np.exp((10 - u) / 40)),
    }


def wang_buzsaki(v):
    return {
        "h": by_rates(0.07 * np.exp(-(v + 58) / 20), 1 / (1 + np.exp(-0.1 * (v + 28))), 5.0),
        "n": by_rates(0.01 * linoid(-(v + 34), 10), 0.125 * np.exp(-(v + 44) / 80), 5.0),
    }


def wang_buzsaki_m(v):
    return by_rates(0.1 * linoid(-(v + 35), 10), 4 * np.exp(-(v + 60) / 18))[0]


def tort_olm(v):
    return {
        "m": by_rates(0.1 * linoid(-(v + 38), 10), 4 * np.exp(-(v + 65) / 18)),
        "h": by_rates(0.07 * np.exp(-(v + 63) / 20), 1 / (1 + np.exp(-(v + 33) / 10))),
        "n": by_rates(0.018 * linoid(25 - v, 25), 0.0036 * linoid(v - 35, 12)),
        "a": (1 / (1 + np.exp(-(v + 14) / 16.6)), np.full_like(v, 5.0)),
        "b": (
            1 / (1 + np.exp((v + 71) / 7.3)),
            1 / (0.000009 / np.exp((v - 26) / 18.5) + 0.014 / (0.2 + np.exp(-(v + 70) / 11))),
        ),
        "r": (
            1 / (1 + np.exp((v + 84) / 10.2)),
            1 / (np.exp(-14.59 - 0.086 * v) + np.exp(-1.87 + 0.0701 * v)),
        ),
    }


# kinetics, power of m, reversal potential (None: the Nernst potential of calcium), current
CHANNELS = {
    "Ca_HVA": (ca_hva, 2, "eca", "ica"),
    "Ca_LVAst": (ca_lvast, 2, "eca", "ica"),
    "Ih": (ih, 1, -45.0, "ihcn"),
    "Im": (im, 1, "ek", "ik"),
    "K_Pst": (k_pst, 2, "ek", "ik"),
    "K_Tst": (k_tst, 4, "ek", "ik"),
    "NaTa_t": (sodium, 3, "ena", "ina"),
    "NaTs2_t": (lambda v: sodium(v, 6, 6), 3, "ena", "ina"),
    "NaTg": (sodium, 3, "ena", "ina"),
    "Nap_Et2": (nap_et2, 3, "ena", "ina"),
    "SKv3_1": (skv3_1, 1, "ek", "ik"),
}

# Mechanisms of several currents: kinetics, and the conductance of each current by its name and reversal potential.
CELLS = {
    "TraubMiles": (
        traub_miles,
        {
            ("ina", "ena"): lambda v, g: 0.056 * g["m"] ** 3 * g["h"],
            ("ik", "ek"): lambda v, g: 0.006 * g["n"] ** 4,
        },
    ),
    "WangBuzsaki": (
        wang_buzsaki,
        {
            ("ina", "ena"): lambda v, g: 0.035 * wang_buzsaki_m(v) ** 3 * g["h"],
            ("ik", "ek"): lambda v, g: 0.009 * g["n"] ** 4,
        },
    ),
    "TortOLM": (
        tort_olm,
        {
            ("ina", "ena"): lambda v, g: 0.03 * g["m"] ** 3 * g["h"],
            ("ik", "ek"): lambda v, g: 0.023 * g["n"] ** 4 + 0.016 * g["a"] * g["b"],
            ("ih_TortOLM", "eh_TortOLM"): lambda v, g: 0.012 * g["r"],
        },
    ),
}
KINETICS = {name: entry[0] for name, entry in (CHANNELS | CELLS).items()}
# Where the time constant is a number in the equations, the mechanism has no variable for it.
CONSTANT = {("TortOLM", "a")}


@pytest.fixture
def clamp(library):
    from neuron import h

    section = h.Section(name="clamp")
    section.nseg, section.Ra, section.cm = len(VOLTAGES), 1e12, 1e9
    h.CVode().active(False)
    h.dt, h.celsius = DT, 34.0
    return section


def hold(section, voltages):
    for segment, v in zip(section, voltages, strict=True):
        segment.v = v


def read(section, name):
    return np.array([getattr(segment, name) for segment in section])


def advance(steps):
    from neuron import h

    for _ in range(steps):
        h.fadvance()


@pytest.mark.parametrize("name", KINETICS)
def test_gates_start_at_their_steady_states(clamp, name):
    from neuron import h

    clamp.insert(name)
    hold(clamp, VOLTAGES)
    h.finitialize()
    for gate, (steady, tau) in KINETICS[name](VOLTAGES).items():
        assert read(clamp, f"{gate}_{name}") == pytest.approx(steady, rel=1e-9, abs=1e-300)
        assert read(clamp, f"{gate}inf_{name}") == pytest.approx(steady, rel=1e-9, abs=1e-300)
        if (name, gate) not in CONSTANT:
            assert read(clamp, f"{gate}tau_{name}") == pytest.approx(tau, rel=1e-9)


@pytest.mark.parametrize("name", KINETICS)
def test_gates_relax_with_their_time_constants(clamp, name):
    from neuron import h

    clamp.insert(name)
    hold(clamp, VOLTAGES)
    h.finitialize()
    before, voltages = KINETICS[name](VOLTAGES), VOLTAGES[::-1]
    hold(clamp, voltages)
    advance(STEPS)
    for gate, (steady, tau) in KINETICS[name](voltages).items():
        start = before[gate][0]
        expected = steady + (start - steady) * np.exp(-STEPS * DT / tau)
        assert read(clamp, f"{gate}_{name}") == pytest.approx(expected, rel=1e-6, abs=1e-12)
        assert abs(expected - start).max() > 1e-3, "the gates moved"


@pytest.mark.parametrize("name", CHANNELS)
def test_current_is_conductance_times_driving_force(clamp, name):
    from neuron import h

    _, power, reversal, current = CHANNELS[name]
    clamp.insert(name)
    for segment in clamp:
        setattr(segment, f"g{name}bar_{name}", 0.25)
    hold(clamp, VOLTAGES)
    h.finitialize()
    gates = CHANNELS[name][0](VOLTAGES)
    opened = gates["m"][0] ** power * (gates["h"][0] if "h" in gates else 1)
    e = read(clamp, reversal) if isinstance(reversal, str) else reversal
    assert read(clamp, f"g{name}_{name}") == pytest.approx(0.25 * opened, rel=1e-9, abs=1e-300)
    assert read(clamp, f"{current}_{name}") == pytest.approx(
        0.25 * opened * (VOLTAGES - e), rel=1e-9, abs=1e-15
    )


@pytest.mark.parametrize("name", CELLS)
def test_currents_of_cells_are_conductances_times_driving_forces(clamp, name):
    from neuron import h

    kinetics, currents = CELLS[name]
    clamp.insert(name)
    hold(clamp, VOLTAGES)
    h.finitialize()
    gates = {gate: steady for gate, (steady, _) in kinetics(VOLTAGES).items()}
    for (current, reversal), conductance in currents.items():
        expected = conductance(VOLTAGES, gates) * (VOLTAGES - read(clamp, reversal))
        assert read(clamp, current) == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_kinetics_do_not_depend_on_celsius(clamp):
    from neuron import h

    clamp.insert("NaTa_t")
    hold(clamp, VOLTAGES)
    taus = []
    for celsius in (6.3, 34.0):
        h.celsius = celsius
        h.finitialize()
        taus.append(read(clamp, "htau_NaTa_t"))
    assert np.array_equal(*taus)


@pytest.mark.parametrize("m, h, km, kh", [(0, 0, 6, 6), (6, -4, 6, 6), (0, 0, 7, 9), (10, 3, 8, 5)])
def test_natg_shifts_and_slopes(clamp, m, h, km, kh):
    from neuron import h as hoc

    clamp.insert("NaTg")
    for segment in clamp:
        own = segment.NaTg
        own.vshiftm, own.vshifth, own.slopem, own.slopeh = m, h, km, kh
    hold(clamp, VOLTAGES)
    hoc.finitialize()
    for gate, (steady, tau) in sodium(VOLTAGES, m, h, km, kh).items():
        assert read(clamp, f"{gate}_NaTg") == pytest.approx(steady, rel=1e-9, abs=1e-300)
        assert read(clamp, f"{gate}tau_NaTg") == pytest.approx(tau, rel=1e-9)


def test_sk_opens_with_calcium(clamp):
    from neuron import h

    clamp.insert("SK_E2")
    calcium = np.geomspace(1e-9, 1e-1, len(VOLTAGES))
    for segment, cai in zip(clamp, calcium, strict=True):
        segment.cai = cai
        segment.SK_E2.gSK_E2bar = 0.5
    h.finitialize(-60)
    steady = 1 / (1 + (0.00043 / calcium) ** 4.8)
    assert read(clamp, "z_SK_E2") == pytest.approx(steady, rel=1e-9, abs=1e-16)
    assert read(clamp, "ik_SK_E2") == pytest.approx(
        0.5 * steady * (-60 - read(clamp, "ek")), rel=1e-9, abs=1e-14
    )
    for segment, cai in zip(clamp, calcium[::-1], strict=True):
        segment.cai = cai
    advance(STEPS)
    relaxed = steady[::-1] + (steady - steady[::-1]) * np.exp(-STEPS * DT / 1.0)
    assert read(clamp, "z_SK_E2") == pytest.approx(relaxed, rel=1e-9, abs=1e-15)


def test_sk_is_shut_without_calcium(clamp):
    from neuron import h

    clamp.insert("SK_E2")
    for segment, cai in zip(clamp, np.linspace(-1e-6, 0, len(VOLTAGES)), strict=True):
        segment.cai = cai
    h.finitialize(-60)
    assert read(clamp, "z_SK_E2").tolist() == [0.0] * len(VOLTAGES)


@pytest.mark.parametrize("name, start", [("CaDynamics_E2", 5e-5), ("CaDynamics_E2_v2", 1e-4)])
def test_calcium_returns_to_its_rest(clamp, name, start):
    from neuron import h

    clamp.insert(name)
    for segment in clamp:
        getattr(segment, name).decay = 2.0
    h.finitialize(-70)
    assert read(clamp, "cai") == pytest.approx(start, rel=1e-12)
    advance(STEPS)
    assert read(clamp, "cai") == pytest.approx(1e-4 + (start - 1e-4) * np.exp(-STEPS * DT / 2.0), rel=1e-12)


def test_calcium_takes_in_its_share_of_the_current(clamp):
    from neuron import h

    decay, gamma, depth, faraday = 20.0, 0.02, 0.1, 96485.33212
    for mechanism in ("CaDynamics_E2_v2", "Ca_HVA"):
        clamp.insert(mechanism)
    for segment in clamp:
        segment.CaDynamics_E2_v2.decay, segment.CaDynamics_E2_v2.gamma = decay, gamma
        segment.Ca_HVA.gCa_HVAbar = 1e-3
    hold(clamp, VOLTAGES)
    h.finitialize()
    for _ in range(5):
        before = read(clamp, "cai")
        advance(1)
        # The step in time uses the current at its start, which is what is read after it.
        inflow = -1e4 * read(clamp, "ica") * gamma / (2 * faraday * depth)
        steady = 1e-4 + inflow * decay
        assert read(clamp, "cai") == pytest.approx(steady + (before - steady) * np.exp(-DT / decay), rel=1e-9)
    assert read(clamp, "cai").max() > 1.2e-4, "calcium flowed in"
