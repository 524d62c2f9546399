TITLE Intracellular calcium in a thin shell below the membrane

COMMENT
Equations: Destexhe A, Mainen ZF, Sejnowski TJ (1994) Synthesis of models for excitable membranes, synaptic transmission
and neuromodulation using a common kinetic formalism. J Comput Neurosci 1:195-230. As used by Hay et al. (2011)
PLoS Comput Biol 7:e1002107: a share gamma of the calcium that enters stays free and leaves exponentially.
As CaDynamics_E2, but the concentration starts at its rest, minCai.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX CaDynamics_E2_v2
    USEION ca READ ica WRITE cai
    RANGE decay, gamma, minCai, depth
}

UNITS {
    (mV) = (millivolt)
    (mA) = (milliamp)
    (molar) = (1/liter)
    (mM) = (millimolar)
    (um) = (micron)
    FARADAY = (faraday) (coulombs)
}

PARAMETER {
    gamma = 0.05 (1)    : share of the entering calcium that is not buffered
    decay = 80 (ms)     : time constant of removal
    depth = 0.1 (um)    : of the shell
    minCai = 1e-4 (mM)
}

ASSIGNED { ica (mA/cm2) }

STATE { cai (mM) }

INITIAL { cai = minCai }

BREAKPOINT { SOLVE shell METHOD cnexp }

DERIVATIVE shell {
    cai' = -(10000) * ica * gamma / (2 * FARADAY * depth) - (cai - minCai) / decay
}
