"""Every table and array that a lake may hold: name, columns, types, units, meanings, sources."""
