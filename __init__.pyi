from .ingest.door import export as export
from .ingest.door import ingest as ingest
from .ingest.runs.cell import cell as cell
from .ingest.runs.evoked import evoked_parameters as evoked_parameters
from .ingest.runs.recordings import record as record
from .ingest.runs.reruns import rerun as rerun
from .ingest.runs.runs import run as run
from .ingest.simrun.mapping import map_synapses as map_synapses
from .ingest.text.tree import parameters as parameters
from .lake.errors import ConflictError as ConflictError
from .lake.errors import CorruptObjectError as CorruptObjectError
from .lake.errors import FormatError as FormatError
from .lake.errors import IngestError as IngestError
from .lake.errors import InputError as InputError
from .lake.errors import NeurolakeError as NeurolakeError
from .lake.errors import NotFoundError as NotFoundError
from .lake.errors import QueryError as QueryError
from .lake.errors import ReadOnlyError as ReadOnlyError
from .lake.errors import StorageError as StorageError
from .query import lfp as lfp
from .query.circuits.contents import circuit as circuit
from .query.derive.kernels import kernel as kernel
from .query.lake import Lake as Lake
from .query.opening import create as create
from .query.opening import open as open
from .query.plots.plots import plot as plot

__version__: str
