from .runs import NetworkRun as NetworkRun
from .runs import run_network as run_network
