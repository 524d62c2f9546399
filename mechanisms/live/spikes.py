"""Spikes of the sources that a script's NetCons listen to, recorded beside whatever the script does with them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .tree import object_name, stable_names


@dataclass(frozen=True)
class SpikeOrigin:
    """What fires.

    Attributes
    ----------
    name
        The same in every process, and no other source's.
    node_id, section_id, x
        Where it is on the model; None for what is not on a recorded section.
    """

    name: str
    node_id: int | None = None
    section_id: int | None = None
    x: float | None = None


class SpikeListener:
    """Takes the times at which the source of a NetCon fires.

    A source of NEURON writes into one Vector and calls one callback. The times are taken by a Vector of ours where the script has none,
    which any number of threads can fill, and else by a callback, which calls the script's own.

    Parameters
    ----------
    netcon
        Any NetCon of the source.
    origin
        What the source is.

    Attributes
    ----------
    origin
        As given.
    vector
        The Vector of ours.
    theirs
        The callback that the script has, while ours is in its place.
    """

    def __init__(self, netcon: Any, origin: SpikeOrigin) -> None:
        from neuron import h

        self.origin, self.vector = origin, h.Vector()
        self.theirs: Any = None
        self._netcon, self._h = netcon, h
        self._called: list[float] = []
        self._calls = False

    def __call__(self) -> None:
        """Take a spike: NEURON calls this in the place of the script's callback."""
        self._called.append(self._h.t)
        _call(self.theirs)

    @property
    def times(self) -> NDArray[np.float64]:
        """Spike times in ms since the last ``finitialize``, ascending."""
        return np.unique(np.array(self._called if self._calls else self.vector, np.float64))

    def listen(self) -> None:
        """Begin to take times, or make sure of it before NEURON initialises.

        Raises
        ------
        ModelError
            The source writes into a Vector of the script's, and NEURON has several threads, which cannot call Python.
        """
        self._called.clear()
        vector = self._netcon.get_recordvec()
        calls = vector is not None and vector != self.vector
        if self._calls and not calls:
            self.leave()
        self._calls = calls
        if not calls:
            self._netcon.record(self.vector)
            return
        now = _released(self._netcon)
        if not any(link is self for link in _chain(now)):
            self.theirs, now = now, self
        if self._h.ParallelContext().nthread() > 1:
            self._netcon.record(now)
            self.leave()
            raise ModelError(
                f"spikes of {self.origin.name} go into a Vector of the script's, and with several threads NEURON gives them to "
                "nothing else as well: take them from the lake instead of NetCon.record or spike_record, or use one thread"
            )
        self._netcon.record(now)

    def leave(self) -> bool:
        """Put back what the script had; whether all times came here, and the script did not take the source for itself."""
        if not self._calls:
            vector = self._netcon.get_recordvec()
            if vector == self.vector:
                self._netcon.record()
            return vector == self.vector or _is_gone(self._netcon)
        now = _released(self._netcon)
        before = next((link for link in _chain(now) if link.theirs is self), None)
        if before is not None:
            # Another listener came later and stays.
            before.theirs = self.theirs
        kept = now is self or before is not None
        if (theirs := self.theirs if now is self else now) is not None:
            self._netcon.record(theirs)
        return kept or _is_gone(self._netcon)


def listeners(
    netcons: Iterable[Any], sections: Sequence[Any], node_of: Mapping[Any, int]
) -> list[SpikeListener]:
    """Return a listener to each source of NetCons, which listens from now on.

    Parameters
    ----------
    netcons
        NetCons; several of one source count once.
    sections
        The recorded sections, in the order of their IDs.
    node_of
        The number of each section's cell.

    Raises
    ------
    ModelError
        See `SpikeListener.listen`; then none listens.
    """
    from neuron import h

    every = list(h.allsec())
    names = dict(zip(every, stable_names(every), strict=True))
    numbers = {section: number for number, section in enumerate(sections)}
    others = Counter[Any]()

    def origin(netcon: Any) -> SpikeOrigin:
        segment, made = netcon.preseg(), netcon.pre()
        if segment is None and made is not None:
            return SpikeOrigin(object_name(made))
        section = segment.sec if segment is not None else _section_of(netcon)
        if section is None:
            # In another process.
            return SpikeOrigin(f"gid {int(netcon.srcgid())}")
        place, x = (f"{segment.x:g}", float(segment.x)) if segment is not None else ("", None)
        if x is None:
            # Something other than a potential; NEURON does not report what.
            place = f"source {others[section]}"
            others[section] += 1
        name, number = f"{names[section]}({place})", numbers.get(section)
        return SpikeOrigin(name) if number is None else SpikeOrigin(name, node_of[section], number, x)

    found: dict[str, SpikeListener] = {}
    try:
        for netcon in _checked(netcons):
            # Names of Vectors that live are their own.
            if str(netcon.get_recordvec()) in found:
                continue
            listener = SpikeListener(netcon, origin(netcon))
            listener.listen()
            if listener.theirs in found.values():
                listener.leave()
            else:
                found[str(listener.vector)] = listener
    except BaseException:
        for listener in found.values():
            listener.leave()
        raise
    return list(found.values())


def _checked(netcons: Any) -> Iterator[Any]:
    """The NetCons to use, as a list; one alone is a list of one."""
    from neuron import hoc

    alone = isinstance(netcons, hoc.HocObject) and netcons.hname().startswith("NetCon[")
    for one in [netcons] if alone else netcons:
        if not isinstance(one, hoc.HocObject) or not one.hname().startswith("NetCon["):
            raise ModelError(f"{one!r} is no NetCon: give h.NetCon(source, None)")
        yield one


def _section_of(netcon: Any) -> Any:
    from neuron import h

    # NEURON makes the section the accessed one where the source is on a section; -1 is what has none.
    if netcon.preloc() == -1:
        return None
    section = h.cas()
    h.pop_section()
    return section


def _is_gone(netcon: Any) -> bool:
    return netcon.preseg() is None and netcon.pre() is None and _section_of(netcon) is None


def _released(netcon: Any) -> Any:
    """Take away the callback of a source and return it; NEURON keeps it as an object that is gone then."""
    from neuron import h

    kept = h.List("PythonObject")
    before = [kept.o(number) for number in range(int(kept.count()))]
    netcon.record("")
    left = Counter(id(kept.o(number)) for number in range(int(kept.count())))
    for one in before:
        if not left[id(one)]:
            return one
        left[id(one)] -= 1
    return None


def _chain(callback: Any) -> Iterator[SpikeListener]:
    """The listeners that call each other, the last that came first."""
    while isinstance(callback, SpikeListener):
        yield callback
        callback = callback.theirs


def _call(theirs: Any) -> None:
    if isinstance(theirs, tuple):
        # NEURON takes a callable and its arguments, or its one argument.
        function, given = theirs
        function(*given) if isinstance(given, tuple) else function(given)
    elif theirs is not None:
        theirs()
