"""Reports and circuits of a snapshot, by name."""

from collections.abc import Iterator, Mapping

from ...catalog.vocabulary.reports import REPORT, WEIGHTS
from ..noun import Noun
from .contents import Circuit, circuit, circuit_names
from .reports import ElectrodeWeights, Report, report, report_names, weights, weights_names


class Reports(Noun, Mapping[str, Report]):
    """Reports by name: ``snapshot.reports["reports/run1/soma"].to_pandas(t_stop=100.0)``.

    Where a report has one population, its name may leave that out, and the folder ``reports/`` as well.
    """

    def __getitem__(self, name: str) -> Report:
        """A report.

        Raises
        ------
        NotFoundError
            There is none of that name; the message lists those that exist.
        InputError
            Its frames are not equally far apart.
        """
        return report(self.snapshot, _whole(name, REPORT.folder))

    def __iter__(self) -> Iterator[str]:
        return iter(report_names(self.snapshot))

    def __len__(self) -> int:
        return len(report_names(self.snapshot))

    def __contains__(self, name: object) -> bool:
        return name in report_names(self.snapshot)

    __eq__, __hash__ = Noun.__eq__, Noun.__hash__

    def _contents(self) -> str:
        return ", ".join(self) or "none"


class WeightsByName(Noun, Mapping[str, ElectrodeWeights]):
    """Weights of electrodes by name; names may be shortened as those of `Reports`."""

    def __getitem__(self, name: str) -> ElectrodeWeights:
        """Weights.

        Raises
        ------
        NotFoundError
            There are none of that name; the message lists those that exist.
        """
        return weights(self.snapshot, _whole(name, WEIGHTS.folder))

    def __iter__(self) -> Iterator[str]:
        return iter(weights_names(self.snapshot))

    def __len__(self) -> int:
        return len(weights_names(self.snapshot))

    def __contains__(self, name: object) -> bool:
        return name in weights_names(self.snapshot)

    __eq__, __hash__ = Noun.__eq__, Noun.__hash__

    def _contents(self) -> str:
        return ", ".join(self) or "none"


class Circuits(Noun, Mapping[str, Circuit]):
    """Circuits by name: ``snapshot.circuits["run1"].nodes["cells"].to_pandas()``."""

    def __getitem__(self, name: str) -> Circuit:
        """A circuit.

        Raises
        ------
        NotFoundError
            There is none of that name; the message lists those that exist.
        """
        return circuit(self.snapshot, name)

    def __iter__(self) -> Iterator[str]:
        return iter(circuit_names(self.snapshot))

    def __len__(self) -> int:
        return len(circuit_names(self.snapshot))

    __eq__, __hash__ = Noun.__eq__, Noun.__hash__

    def _contents(self) -> str:
        return ", ".join(self) or "none"


def _whole(name: str, folder: str) -> str:
    """A name with the folder that people may leave out."""
    return name if name.startswith(folder) else folder + name
