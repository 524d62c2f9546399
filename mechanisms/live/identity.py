"""What makes two models in NEURON the same: their mechanisms, and the values of everything that is a parameter."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

_COMMENT = re.compile(r"\bCOMMENT\b.*?\bENDCOMMENT\b|[:?][^\n]*", re.DOTALL)
_PARAMETERS = re.compile(r"\bPARAMETER\s*\{(?P<body>[^}]*)\}")
# As MechanismStandard counts kinds of variables.
_GLOBAL, _PARAMETER = -1, 1
_ION = "_ion"


def mechanisms_digest(sections: Sequence[Any]) -> str:
    """Return the SHA-256 over names and NMODL texts of the mechanisms and point processes in sections, in hexadecimal.

    Parameters
    ----------
    sections
        NEURON's sections.
    """
    segments = [segment for section in sections for segment in section]
    names = {mechanism.name() for segment in segments for mechanism in segment}
    names |= {own.hname().split("[")[0] for segment in segments for own in segment.point_processes()}
    texts = _texts()
    digest = hashlib.sha256()
    for name in sorted(names):
        for part in (name, texts.get(name, "")):
            digest.update(len(part.encode()).to_bytes(8, "little") + part.encode())
    return digest.hexdigest()


def parameters_digest(sections: Sequence[Any]) -> str:
    """Return the SHA-256 over what a model was set to, in hexadecimal.

    That is the temperature; of each section the axial resistance and how its ions are computed; of each segment the capacitance,
    the parameters of its density mechanisms, and concentrations and reversal potentials of its ions; and the mechanisms'
    parameters that all segments share.

    Parameters
    ----------
    sections
        NEURON's sections.
    """
    from neuron import h

    names: dict[str, list[str]] = {}
    digest = hashlib.sha256(np.float64(h.celsius).tobytes())
    for section in sections:
        ions = [own.name() for own in section(0.5) if own.name().endswith(_ION)]
        styles = [h.ion_style(ion, sec=section) for ion in ions]
        digest.update(np.array([section.Ra, *styles], np.float64).tobytes())
        for segment in section:
            values = [segment.cm]
            for mechanism in segment:
                kind = mechanism.name()
                if kind not in names:
                    names[kind] = list(_varied(kind))
                    digest.update(kind.encode())
                for name in names[kind]:
                    own = getattr(segment, name)
                    values += list(own) if type(own).__name__ == "RangeVar" else [own]
            digest.update(np.array(values, np.float64).tobytes())
    texts = _texts()
    for kind in sorted(names):
        for name in _shared(kind, texts.get(kind, "")):
            digest.update(name.encode() + np.array(getattr(h, name), np.float64).tobytes())
    return digest.hexdigest()


def _varied(mechanism: str) -> Iterator[str]:
    """Range variables of a mechanism that can be set from segment to segment; an ion's can, however it is computed."""
    if mechanism.endswith(_ION):
        ion = mechanism.removesuffix(_ION)
        yield from (f"e{ion}", f"{ion}i", f"{ion}o")
    else:
        yield from _standard(mechanism, _PARAMETER)


def _shared(mechanism: str, text: str) -> Iterator[str]:
    """Global variables of a mechanism that its text declares as parameters; others, such as rates, are computed."""
    declared = {
        word
        for block in _PARAMETERS.finditer(_COMMENT.sub(" ", text))
        for word in re.findall(r"(\w+)\s*=", block["body"])
    }
    for name in _standard(mechanism, _GLOBAL):
        if (
            mechanism.endswith(_ION)
            or name == f"usetable_{mechanism}"
            or name.removesuffix(f"_{mechanism}") in declared
        ):
            yield name


def _standard(mechanism: str, kind: int) -> Iterator[str]:
    from neuron import h

    standard, name = h.MechanismStandard(mechanism, kind), h.ref("")
    for number in range(int(standard.count())):
        standard.name(name, number)
        yield name[0]


def _texts() -> dict[str, str]:
    """The NMODL text of every mechanism in this process, as NEURON keeps it."""
    from neuron import h

    found, name = {}, h.ref("")
    for kind in (0, 1):
        mechanisms = h.MechanismType(kind)
        for number in range(int(mechanisms.count())):
            mechanisms.select(number)
            mechanisms.selected(name)
            found[name[0]] = mechanisms.code() or ""
    return found
