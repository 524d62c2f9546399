"""Reduced models of a snapshot, by name."""

from collections.abc import Iterator, Mapping

from ..noun import Analysis, Noun
from .fit import cosines_of_trials, lda_of_trials
from .stored import Model, model_names, open_model


class Models(Noun, Mapping[str, Model]):
    """Stored models by name, and fits to the trials: ``snapshot.models.fit_lda("EI", output=(255, 265))``."""

    fit_lda = Analysis(lda_of_trials)
    fit_cosines = Analysis(cosines_of_trials)

    def __getitem__(self, name: str) -> Model:
        """The model that a node holds.

        Raises
        ------
        NotFoundError
            There is no model of that name; the message lists those that exist.
        InputError
            The node's attributes are not those that `save_model` writes.
        """
        return open_model(self.snapshot, name)

    def __iter__(self) -> Iterator[str]:
        return iter(model_names(self.snapshot))

    def __len__(self) -> int:
        return len(model_names(self.snapshot))

    def __contains__(self, name: object) -> bool:
        return name in model_names(self.snapshot)

    __eq__, __hash__ = Noun.__eq__, Noun.__hash__

    def _contents(self) -> str:
        return ", ".join(self) or "none"
