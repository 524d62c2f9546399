from .contents import Circuit as Circuit
from .contents import circuit as circuit
from .reports import ElectrodeWeights as ElectrodeWeights
from .reports import Report as Report
from .reports import report as report
from .reports import weights as weights
