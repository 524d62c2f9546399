"""What the parts of a model are, to be compared with what they are later."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ModelError
from .tree import connection, stable_names


@dataclass(frozen=True)
class _Section:
    segments: int
    connection: Any
    mechanisms: frozenset[str]
    length: float
    diameters: tuple[float, ...]


class Structure:
    """Sections as they are now: how many segments each has, its connection, mechanisms, length and diameters.

    Parameters
    ----------
    sections
        NEURON's sections.
    names
        What they are called in messages.
    complete
        Whether these are all sections there are, so that none may come.
    """

    def __init__(self, sections: Sequence[Any], names: Sequence[str], *, complete: bool) -> None:
        self._names, self._complete = dict(zip(sections, names, strict=True)), complete
        self._sections = {section: _looked_at(section) for section in sections}
        self._changes = _changes()

    def check(self, when: str = "in the block") -> None:
        """Make sure that sections are what they were, but for shapes and mechanisms, which NEURON takes in when it initialises.

        Parameters
        ----------
        when
            When something would have changed, for messages.

        Raises
        ------
        ModelError
            A section was deleted, made or divided again; the message names it.
        """
        for section, name in self._names.items():
            before, now = self._sections[section].segments, _now(section, name, when).segments
            if now != before:
                raise ModelError(
                    f"section {name} has {now} segments and had {before}, because nseg was set {when}: set it before"
                )
        self._check_new(when)

    def check_simulated(self) -> None:
        """Make sure that what NEURON computed with is what this was.

        Changes after the last step, such as a model that was deleted, were not computed with.

        Raises
        ------
        ModelError
            Something differs; names the section.
        """
        if _changes() == self._changes:
            return
        when = "after finitialize"
        self.check(when)
        for section, name in self._names.items():
            for told in _differences(self._sections[section], _now(section, name, when)):
                raise ModelError(
                    f"section {name} {told} {when}: change the model before, or record it in blocks of its own"
                )

    def _check_new(self, when: str) -> None:
        from neuron import h

        new = [section for section in h.allsec() if section not in self._names] if self._complete else []
        if new:
            raise ModelError(f"section {stable_names(new)[0]} was made {when}: make the model before it")


def _now(section: Any, name: str, when: str) -> _Section:
    try:
        return _looked_at(section)
    except ReferenceError:
        raise ModelError(f"section {name} was deleted {when}: record what is left") from None


def _changes() -> tuple[float, float]:
    """How often NEURON has taken in a change of sections, mechanisms or shapes; it does so before it computes."""
    from neuron import h

    solver = h.CVode()
    return solver.structure_change_count(), solver.diam_change_count()


def _looked_at(section: Any) -> _Section:
    return _Section(
        section.nseg,
        connection(section),
        frozenset(mechanism.name() for mechanism in section(0.5)),
        section.L,
        tuple(segment.diam for segment in section),
    )


def _differences(before: _Section, now: _Section) -> Iterator[str]:
    if now.connection != before.connection:
        yield "was connected otherwise"
    for verb, names in (
        ("was given", now.mechanisms - before.mechanisms),
        ("lost", before.mechanisms - now.mechanisms),
    ):
        if names:
            yield f"{verb} the mechanism {min(names)}"
    if now.length != before.length:
        yield f"became {now.length:g} um long and was {before.length:g} um"
    if now.diameters != before.diameters:
        yield "was given other diameters"
