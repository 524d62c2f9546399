from .export import export_simrun as export_simrun
from .ingest import ingest_simrun as ingest_simrun
