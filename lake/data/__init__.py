"""Arrays and tables: their encoding, reading and writing, and the Zarr store."""
