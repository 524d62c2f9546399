"""What another process does with an ISF database."""

from neurolake.query.isf import database as isf


def assign_keys(url: str, name: str, count: int) -> None:
    """Assign keys of its own, and one that others assign too."""
    db = isf.open(url)
    for number in range(count):
        db["mine", f"{name}{number}"] = number
        db["shared"] = (name, number)
