from .electrodes import read_electrodes as read_electrodes
from .electrodes import store_electrodes as store_electrodes
from .electrodes import write_electrodes as write_electrodes
from .fields import read_sim4life as read_sim4life
from .fields import store_field as store_field
from .segments import ingest_segments as ingest_segments
from .segments import place_segments as place_segments
from .weights import write_weights as write_weights
