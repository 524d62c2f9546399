"""What circuits of all formats have in common: trees, edges by source, and the table of circuits."""
