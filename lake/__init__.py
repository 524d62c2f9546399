"""The store: versioned, content-addressed arrays, tables and files."""
