"""Ask: SQL, dask, derived results and plots on a pinned snapshot."""
