"""neurolake: a versioned, content-addressed data lake for neural simulation."""

__version__ = "0.1.0"
