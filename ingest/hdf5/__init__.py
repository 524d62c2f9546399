"""HDF5 files: opening, reading in pieces, and their layout to the last attribute."""
