from .loaded import loaded_segments as loaded_segments
from .recorder import LiveModel as LiveModel
from .recorder import LiveRecorder as LiveRecorder
