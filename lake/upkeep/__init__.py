"""Keeping a lake whole and small: verify, repair, collect garbage, expire, compact, transfer."""
