"""Nodes of a commit: names to content, in shards of entries."""
