"""Objects named by their content: packs, copies, and what garbage collection condemned."""
