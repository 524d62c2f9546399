from .export import export_neuroh5 as export_neuroh5
from .ingest import ingest_neuroh5 as ingest_neuroh5
