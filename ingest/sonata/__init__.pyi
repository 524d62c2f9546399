from .export import export_sonata as export_sonata
from .ingest import ingest_sonata as ingest_sonata
