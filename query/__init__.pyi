from . import lfp as lfp
