from .addresses import get_db_by_unique_id as get_db_by_unique_id
from .addresses import register as register
from .addresses import registered as registered
from .addresses import resolve_db_path as resolve_db_path
from .database import Database as Database
from .database import open as open
