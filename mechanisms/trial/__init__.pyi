from .experiments import ExperimentTraces as ExperimentTraces
from .experiments import bac_response as bac_response
from .experiments import step_response as step_response
from .recording import Site as Site
from .recording import read_landmarks as read_landmarks
from .simulation import Recorded as Recorded
from .simulation import Simulation as Simulation
from .simulation import Trial as Trial
