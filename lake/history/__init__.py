"""Commits: the log, branches and tags, ancestry, merging and differences."""
