from .export import export_ngv as export_ngv
from .ingest import ingest_ngv as ingest_ngv
