from .modify import rerun_modifier as rerun_modifier
from .recordings import Recording as Recording
from .recordings import record as record
from .reruns import cross_over as cross_over
from .reruns import rerun as rerun
from .reruns import run_existing_activations as run_existing_activations
from .runs import run as run
from .trial_cell import TrialCell as TrialCell
