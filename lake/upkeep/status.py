"""Where a lake stands, without reading what it holds."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ..history.log import MAIN, Commit
from ..history.trees import History
from ..nodes.shown import About, Shown
from ..objects.condemned import sets


@dataclass(frozen=True, repr=False)
class Status(Shown):
    """Where a lake stands.

    Parameters
    ----------
    url
        What opens it.
    branches, tags
        Commits by name.
    nodes
        How many nodes of each kind the main branch holds.
    condemned
        How many sets of objects await deletion; see `garbage.collect`.
    """

    url: str
    branches: Mapping[str, Commit]
    tags: Mapping[str, Commit]
    nodes: Mapping[str, int]
    condemned: int

    @property
    def facts(self) -> dict[str, object]:
        """All of it, in words."""
        kinds = ", ".join(f"{count} {kind}s" for kind, count in sorted(self.nodes.items()))
        tips = {f"branch {name}": _said(tip) for name, tip in self.branches.items()}
        tags = {f"tag {name}": _said(tip) for name, tip in self.tags.items()}
        return {"url": self.url, "nodes": kinds or "none", **tips, **tags, "condemned sets": self.condemned}

    def _about(self) -> About:
        lines = "".join(f"\n  {name}: {value}" for name, value in self.facts.items() if name != "url")
        return About(f"<Status of {self.url}>{lines}", self.facts)


def _said(tip: Commit) -> str:
    return f"{tip.id[:8]}, {tip.time:%Y-%m-%d %H:%M}, {tip.message}"


def status(history: History) -> Status:
    """Return the status of a lake.

    Parameters
    ----------
    history
        History of the lake.

    Raises
    ------
    CorruptObjectError
        What a branch or tag means cannot be read.
    """
    log = history.log
    branches = {name: log.tip(name) for name in log.names()}
    targets = {name: log.points_at(name, "tags") for name in log.names("tags")}
    tags = {name: log.read(target) for name, target in targets.items() if target is not None}
    tree = history.tree(branches[MAIN]) if MAIN in branches else {}
    kinds = Counter(str(node.kind) for node in tree.values())
    return Status(history.objects.storage.url, branches, tags, kinds, len(sets(history.objects.storage)))
