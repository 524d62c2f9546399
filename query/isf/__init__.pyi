from .database import Database as Database
from .database import open as open
