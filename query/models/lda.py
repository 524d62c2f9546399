"""The reduced model of synaptic input by linear discriminant analysis (In Silico Framework, ``rm_get_kernel``).

It asks which weighted sum of recent synapse activations, by group and time, best distinguishes trials with a
spike in a window from trials without: one weight for each group and millisecond before the end of the window
(the kernels), and the spike probability for each value of the sum (the lookup). Needs the extra
``neurolake[analysis]``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ...kernels.activity.reduced import Lookup, causal_convolution, spike_lookup
from ...lake.errors import InputError
from ...lake.extras import needed

# ISF scales every kernel to this Euclidean norm, so that kernels of different fits compare.
NORM = 7.260991424242837

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """How well one fit separates the classes: fractions of right answers on held-out trials, and areas under ROC.

    Parameters
    ----------
    accuracy
        Fraction of right answers on held-out trials.
    accuracy_without_spike, accuracy_with_spike
        The same of trials of either class.
    roc_auc_test, roc_auc_all
        Area under the ROC curve of the held-out and of all trials, 0 to 1.
    """

    accuracy: float
    accuracy_without_spike: float
    accuracy_with_spike: float
    roc_auc_test: float
    roc_auc_all: float


@dataclass(frozen=True)
class LdaModel:
    """A fitted model.

    Parameters
    ----------
    groups
        Names of the groups of synapses.
    window, output
        Half-open ranges in ms: of the activations used, and of the spikes predicted.
    kernels
        Weights, shape (repetitions, groups, ms of the window).
    lookups, scores
        One for each repetition.
    """

    groups: tuple[str, ...]
    window: tuple[int, int]
    output: tuple[float, float]
    kernels: Floats = field(repr=False)
    lookups: tuple[Lookup, ...] = field(repr=False)
    scores: tuple[Scores, ...]

    @cached_property
    def score(self) -> float:
        """ISF's figure of merit, between 0 and 2: the classes' median accuracies added."""
        return float(
            np.median([one.accuracy_with_spike for one in self.scores])
            + np.median([one.accuracy_without_spike for one in self.scores])
        )

    def values(self, counts: npt.ArrayLike, repetition: int = 0) -> Floats:
        """Return the LDA value of each trial, shape (trials,).

        Parameters
        ----------
        counts
            Activations per group, trial and ms from 0 ms on; shape (groups, trials, at least window's end).
        repetition
            Number of the repetition whose weights to use.
        """
        data = _checked(counts, self.groups, self.window)
        first, last = self.window
        found: Floats = np.einsum("gtm,gm->t", data[:, :, first:last], self.kernels[repetition])
        return found

    def probabilities(self, counts: npt.ArrayLike, repetition: int = 0) -> Floats:
        """Return the spike probability of each trial in the output window, shape (trials,); see `values`.

        Parameters
        ----------
        counts, repetition
            As of `values`.
        """
        return self.lookups[repetition](self.values(counts, repetition))

    def rolling(self, counts: npt.ArrayLike, repetition: int = 0) -> Floats:
        """Return the LDA value of each trial as if the window ended after every ms, shape (trials, ms).

        Before 0 ms there is no activation. Entry m uses activations up to and including ms m, so that
        entry ``window[1] - 1`` equals `values`.

        Parameters
        ----------
        counts, repetition
            As of `values`.
        """
        data = _checked(counts, self.groups, (0, 1))
        total = np.zeros(data.shape[1:])
        for group, kernel in zip(data, self.kernels[repetition], strict=True):
            causal_convolution(group, kernel, out=total)
        return total

    def rolling_psth(self, counts: npt.ArrayLike, *, refractory: float = 0.0, repetition: int = 0) -> Floats:
        """Return expected spikes per trial and output window ending after every ms, shape (ms,).

        With a *refractory* period in ms the rate is lowered by the fraction of trials that have just spiked:
        p(m) (1 - sum of the spikes expected in the period before m).

        Parameters
        ----------
        counts, repetition
            As of `values`.
        refractory
            Refractory period in ms.
        """
        width = self.output[1] - self.output[0]
        raw: Floats = self.lookups[repetition](self.rolling(counts, repetition)).mean(axis=0)
        if refractory <= 0:
            return raw
        period, spikes = round(refractory), np.zeros(len(raw))
        for m, probability in enumerate(raw):
            recent = spikes[max(m - period, 0) : m].sum() / width
            spikes[m] = probability * max(0.0, 1 - recent)
        return spikes

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays that a lake stores of the model, by name."""
        return {
            "kernels": self.kernels,
            "lookup": np.concatenate([one.probability for one in self.lookups]),
        }

    def to_attributes(self) -> dict[str, Any]:
        """Return everything else that a lake stores of the model, as JSON."""
        return {
            "model": "lda",
            "groups": list(self.groups),
            "window": list(self.window),
            "output": list(self.output),
            "lookups": [[one.first, len(one.probability)] for one in self.lookups],
            "scores": [vars(one) for one in self.scores],
        }

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], attributes: Mapping[str, Any]) -> "LdaModel":
        """Return the model that `to_arrays` and `to_attributes` describe.

        Parameters
        ----------
        arrays
            Arrays by name, as of `to_arrays`.
        attributes
            Attributes by name, as of `to_attributes`.
        """
        ends = np.cumsum([length for _, length in attributes["lookups"]])
        parts = np.split(np.asarray(arrays["lookup"]), ends[:-1])
        return cls(
            tuple(attributes["groups"]),
            tuple(attributes["window"]),
            tuple(attributes["output"]),
            np.asarray(arrays["kernels"]),
            tuple(Lookup(first, part) for (first, _), part in zip(attributes["lookups"], parts, strict=True)),
            tuple(Scores(**one) for one in attributes["scores"]),
        )


def fit_lda(
    counts: npt.ArrayLike,
    groups: Sequence[str],
    spiked: npt.ArrayLike,
    *,
    output: tuple[float, float] = (255, 265),
    width: int = 80,
    window: tuple[int, int] | None = None,
    dropped: npt.ArrayLike | None = None,
    test_size: float = 0.4,
    repetitions: int = 5,
    step: int = 5,
    seed: int = 0,
) -> LdaModel:
    """Fit the model.

    Each repetition draws as many trials of the larger class as the smaller has, keeps *test_size* of them for the
    scores, and fits scikit-learn's discriminant (solver "eigen", no shrinkage) to the rest.

    Parameters
    ----------
    counts
        Synapse activations, shape (groups, trials, ms), in bins of 1 ms from 0 ms on.
    groups
        Their names.
    spiked
        Whether each trial has a spike in *output*, shape (trials,); see `spikes_within`.
    output
        Half-open window of the spikes, ms.
    width, window
        Activations to use: *window* [first, last) in ms, by default the *width* ms that end where *output*
        does.
    dropped
        Trials to leave out, such as those that spiked just before *output*; shape (trials,).
    test_size
        Fraction of the drawn trials that are kept for the scores.
    repetitions
        Number of fits, each to other trials.
    step
        Bin width of the lookup, in units of the LDA value.
    seed
        Makes the draws repeatable: repetition r uses seed + r.

    Raises
    ------
    InputError
        Shapes disagree, a class has fewer than five trials, or the activations do not determine the weights
        (more weights than independent trials).
    """
    first, last = window or (round(output[1]) - width, round(output[1]))
    data = _checked(counts, groups, (first, last))
    kept = ~_flags(dropped, data, "dropped") if dropped is not None else np.ones(data.shape[1], bool)
    y = _flags(spiked, data, "spiked")[kept]
    x = np.moveaxis(data[:, kept, first:last], 0, 1).reshape(int(kept.sum()), -1)
    _check_classes(y)
    fits = [_fit(x, y, test_size, step, seed + turn) for turn in range(repetitions)]
    kernels = np.stack([weights.reshape(len(groups), -1) for weights, _, _ in fits])
    return LdaModel(
        tuple(groups),
        (first, last),
        (float(output[0]), float(output[1])),
        kernels,
        tuple(lookup for _, lookup, _ in fits),
        tuple(scores for _, _, scores in fits),
    )


def spikes_within(
    trial: npt.ArrayLike, time: npt.ArrayLike, trials: int, begin: float, end: float
) -> npt.NDArray[np.bool_]:
    """Return whether each trial has a spike with begin <= time < end, bool[trials].

    Parameters
    ----------
    trial
        Number of the trial of each spike from 0, int[n_spikes].
    time
        Time of each spike in ms, shape (n_spikes,).
    trials
        Number of trials.
    begin, end
        Window in ms.
    """
    at, when = np.asarray(trial, np.int64), np.asarray(time, float)
    found = np.zeros(trials, bool)
    found[at[(when >= begin) & (when < end)]] = True
    return found


def _fit(
    x: Floats, y: npt.NDArray[np.bool_], test_size: float, step: int, seed: int
) -> tuple[Floats, Lookup, Scores]:
    learn = _sklearn()
    chosen = _balanced(y, seed)
    x_train, x_test, y_train, y_test = learn.train_test_split(
        x[chosen], y[chosen], test_size=test_size, random_state=seed
    )
    _check_rank(x_train, y_train)
    model = learn.LinearDiscriminantAnalysis(solver="eigen", n_components=1).fit(x_train, y_train)
    weights = model.coef_[0] * (NORM / np.linalg.norm(model.coef_[0]))
    values, told = x @ weights, model.predict(x_test)
    right = told == y_test
    scores = Scores(
        float(right.mean()),
        float(right[~y_test].mean()),
        float(right[y_test].mean()),
        float(learn.roc_auc_score(y_test, x_test @ weights)),
        float(learn.roc_auc_score(y, values)),
    )
    try:
        return weights, spike_lookup(values, y, step=step), scores
    except ValueError as error:
        raise InputError(f"the lookup cannot be made: {error}") from error


def _balanced(y: npt.NDArray[np.bool_], seed: int) -> npt.NDArray[np.int64]:
    """Numbers of trials, as many of either class."""
    rng = np.random.default_rng(seed)
    classes = [np.flatnonzero(y == spiked) for spiked in (False, True)]
    smallest = min(map(len, classes))
    return np.concatenate([rng.permutation(members)[:smallest] for members in classes])


def _checked(counts: npt.ArrayLike, groups: Sequence[str], window: tuple[int, int]) -> Floats:
    data = np.asarray(counts, float)
    if data.ndim != 3 or data.shape[0] != len(groups):
        raise InputError(f"counts must be [group, trial, ms] with {len(groups)} groups, not {data.shape}")
    if not 0 <= window[0] < window[1] <= data.shape[2]:
        raise InputError(
            f"the window [{window[0]}, {window[1]}) ms is not within the {data.shape[2]} ms of counts"
        )
    return data


def _flags(values: npt.ArrayLike, data: Floats, name: str) -> npt.NDArray[np.bool_]:
    flags = np.asarray(values, bool)
    if flags.shape != (data.shape[1],):
        raise InputError(
            f"{name} must have one value for each of {data.shape[1]} trials, not shape {flags.shape}"
        )
    return flags


def _check_classes(y: npt.NDArray[np.bool_]) -> None:
    for spiked in (True, False):
        have = int((y == spiked).sum())
        if have < 5:
            kind = "with" if spiked else "without"
            raise InputError(
                f"{have} of {len(y)} trials are {kind} a spike in the output window; 5 are needed"
            )


def _check_rank(x: Floats, y: npt.NDArray[np.bool_]) -> None:
    within = np.concatenate([x[y == spiked] - x[y == spiked].mean(axis=0) for spiked in (False, True)])
    rank = int(np.linalg.matrix_rank(within))
    if rank < x.shape[1]:
        raise InputError(
            f"{len(x)} trials for training vary in {rank} of {x.shape[1]} weights (groups x ms) only, which does "
            "not determine them; use more trials, fewer groups, or a shorter window"
        )


def _sklearn() -> Any:
    with needed("reduced models", "analysis"):
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
        from sklearn.metrics import roc_auc_score
        from sklearn.model_selection import train_test_split
    from types import SimpleNamespace

    return SimpleNamespace(
        LinearDiscriminantAnalysis=LinearDiscriminantAnalysis,
        roc_auc_score=roc_auc_score,
        train_test_split=train_test_split,
    )
