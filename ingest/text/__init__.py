"""Text files: delimited numbers and parameter files."""
