"""The reduced model of synaptic input in space and time: raised cosines, one product of two kernels for each group.

The In Silico Framework's ``modular_reduced_model_inference``: a trial's score is the sum over groups of
activations weighed by a kernel over distance times a kernel over time, both sums of raised cosines, and
optionally a penalty for a recent spike; the weights are those that COBYLA finds to distinguish trials with a
spike best (largest area under the ROC curve). Needs the extra ``neurolake[analysis]``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ...kernels.activity.cosines import projections, raised_cosines
from ...lake.errors import InputError
from ...lake.extras import needed

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Basis:
    """Raised cosines ``cos(a ln(u + c) - phi) / 2 + 1 / 2``; see `neurolake.kernels.activity.cosines.raised_cosines`.

    Parameters
    ----------
    phi
        Phase of each function.
    a
        Factor of the logarithm: how fast the functions widen with *u*.
    c
        What is added to *u*; above 0.
    """

    phi: tuple[float, ...] = tuple(np.arange(1, 11, 0.5).tolist())
    a: float = 2.0
    c: float = 1.0

    def over(self, u: npt.ArrayLike) -> Floats:
        """Return the functions at some places, float64[n_functions, n].

        Parameters
        ----------
        u
            The places, shape (n,).
        """
        return raised_cosines(u, a=self.a, c=self.c, phi=self.phi)


@dataclass(frozen=True)
class Split:
    """One fit: weights in the order of `CosineModel`, and areas under ROC in training and testing.

    Parameters
    ----------
    weights
        Weights of all groups and bases, float64[n_weights].
    roc_auc_train, roc_auc_test
        Area under the ROC curve in training and testing, 0 to 1.
    """

    weights: Floats = field(repr=False)
    roc_auc_train: float
    roc_auc_test: float


@dataclass(frozen=True)
class CosineModel:
    """A fitted model.

    Parameters
    ----------
    groups
        Names of the groups of synapses.
    width
        Length of the window before the time of interest, ms.
    bins
        Number of bins of distance.
    space, time, since_spike
        Bases over bins of distance, over ms before the end of the window, and over ms since the last spike (None:
        spikes before do not matter).
    splits
        One fit for each split into training and testing, best test first.
    """

    groups: tuple[str, ...]
    width: int
    bins: int
    space: Basis
    time: Basis
    since_spike: Basis | None
    splits: tuple[Split, ...]

    @cached_property
    def spatial_kernels(self) -> Floats:
        """Of the best split, shape (groups, bins)."""
        return self._parts(self.splits[0].weights)[0]

    @cached_property
    def temporal_kernels(self) -> Floats:
        """Of the best split, shape (groups, width); the last entry belongs to the last ms of the window."""
        return self._parts(self.splits[0].weights)[1]

    @cached_property
    def since_spike_kernel(self) -> Floats | None:
        """Of the best split, over whole ms since the last spike, shape (width,)."""
        if self.since_spike is None:
            return None
        return self.splits[0].weights[-len(self.since_spike.phi) :] @ self.since_spike.over(
            np.arange(self.width)
        )

    def scores(self, counts: npt.ArrayLike, since_spike: npt.ArrayLike | None = None) -> Floats:
        """Return the score of each trial by the best split, shape (trials,).

        Parameters
        ----------
        counts
            As in `fit_cosines`.
        since_spike
            As in `fit_cosines`, where the model was fitted with it.

        Raises
        ------
        InputError
            Shapes differ from those that were fitted, or *since_spike* is missing or holds no times.
        """
        data = _checked(counts, self.groups)
        if data.shape[2:] != (self.width, self.bins):
            raise InputError(
                f"counts are [.., .., {data.shape[2]}, {data.shape[3]}], not {self.width} x {self.bins}"
            )
        found = np.einsum("gtmz,gm,gz->t", data, self.temporal_kernels, self.spatial_kernels)
        if self.since_spike is not None:
            weights = self.splits[0].weights[-len(self.since_spike.phi) :]
            found = found + weights @ _since(self.since_spike, since_spike, data.shape[1])
        return np.asarray(found, float)

    def _parts(self, weights: Floats) -> tuple[Floats, Floats]:
        across, along = _bases(self.space, self.time, self.bins, self.width)
        x, y = _unpacked(weights, len(self.groups), len(across), len(along))
        return x @ across, y @ along

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays that a lake stores of the model, by name."""
        return {
            "weights": np.stack([split.weights for split in self.splits]),
            "spatial_kernels": self.spatial_kernels,
            "temporal_kernels": self.temporal_kernels,
        }

    def to_attributes(self) -> dict[str, Any]:
        """Return everything else that a lake stores of the model, as JSON."""
        return {
            "model": "raised cosines",
            "groups": list(self.groups),
            "width": self.width,
            "bins": self.bins,
            "space": vars(self.space),
            "time": vars(self.time),
            "since_spike": None if self.since_spike is None else vars(self.since_spike),
            "scores": [[split.roc_auc_train, split.roc_auc_test] for split in self.splits],
        }

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], attributes: Mapping[str, Any]) -> "CosineModel":
        """Return the model that `to_arrays` and `to_attributes` describe.

        Parameters
        ----------
        arrays
            Arrays by name, as of `to_arrays`.
        attributes
            Attributes by name, as of `to_attributes`.
        """
        bases = [
            None
            if attributes[name] is None
            else Basis(**{**attributes[name], "phi": tuple(attributes[name]["phi"])})
            for name in ("space", "time", "since_spike")
        ]
        assert bases[0] is not None and bases[1] is not None, "space and time are never left out"
        splits = zip(np.asarray(arrays["weights"]), attributes["scores"], strict=True)
        return cls(
            tuple(attributes["groups"]),
            attributes["width"],
            attributes["bins"],
            bases[0],
            bases[1],
            bases[2],
            tuple(Split(weights, *scores) for weights, scores in splits),
        )


def fit_cosines(
    counts: npt.ArrayLike,
    groups: Sequence[str],
    spiked: npt.ArrayLike,
    *,
    since_spike: npt.ArrayLike | None = None,
    space: Basis | None = None,
    time: Basis | None = None,
    penalty: Basis | None = None,
    test_size: float = 0.3,
    splits: int = 1,
    iterations: int = 5000,
    seed: int = 0,
) -> CosineModel:
    """Fit the model.

    Parameters
    ----------
    counts
        Synapse activations in the window before the time of interest, shape (groups, trials, ms, bins of
        distance).
    groups
        Their names.
    spiked
        Whether each trial has a spike then, shape (trials,).
    since_spike
        Time from the last spike to the time of interest, ms; NaN where there was none. Shape (trials,).
    space, time, penalty
        Bases; ISF's by default. *penalty* is that over *since_spike*.
    test_size
        Fraction of the trials that are kept for testing, drawn anew for each split.
    splits
        Number of fits, each to another part of the trials.
    iterations
        COBYLA's limit of evaluations.
    seed
        Makes draws and starting weights (uniform in [-1, 1]) repeatable; split s uses seed + s.

    Raises
    ------
    InputError
        Shapes disagree, or all trials are of one class in training or testing.
    """
    data, flags = _checked(counts, groups), np.asarray(spiked, bool)
    if flags.shape != data.shape[1:2]:
        raise InputError(
            f"spiked must have one value for each of {data.shape[1]} trials, not shape {flags.shape}"
        )
    space, time = space or Basis(), time or Basis()
    across, along = _bases(space, time, data.shape[3], data.shape[2])
    weighed = np.stack([projections(group, across, along) for group in data])
    penalty = (penalty or Basis()) if since_spike is not None else None
    since = np.empty((0, len(flags))) if penalty is None else _since(penalty, since_spike, len(flags))
    fits = [_fit(weighed, since, flags, test_size, iterations, seed + turn) for turn in range(splits)]
    fits.sort(key=lambda split: -split.roc_auc_test)
    return CosineModel(tuple(groups), data.shape[2], data.shape[3], space, time, penalty, tuple(fits))


def roc_auc(scores: npt.ArrayLike, spiked: npt.ArrayLike) -> float:
    """Return the area under the ROC curve: how often a trial with a spike scores higher than one without; ties count half.

    Parameters
    ----------
    scores
        Score of each trial, shape (n_trials,).
    spiked
        Whether each trial has a spike, bool[n_trials].

    Raises
    ------
    InputError
        All trials are of one class.
    """
    from scipy.stats import rankdata

    flags = np.asarray(spiked, bool)
    hits = int(flags.sum())
    pairs = hits * (len(flags) - hits)
    if not pairs:
        raise InputError(f"all {len(flags)} trials are of one class; there is nothing to tell apart")
    return float((rankdata(scores)[flags].sum() - hits * (hits + 1) / 2) / pairs)


def _fit(
    weighed: Floats, since: Floats, spiked: Flags, test_size: float, iterations: int, seed: int
) -> Split:
    minimize = _minimize()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(spiked))
    test, train = np.split(order, [round(test_size * len(order))])
    for name, part in (("testing", test), ("training", train)):
        if len(set(spiked[part].tolist())) < 2:
            raise InputError(f"all {len(part)} trials for {name} are of one class; use more trials")
    groups, n_space, n_time, _ = weighed.shape
    size = groups * (n_space + n_time) + len(since)
    trained, tested = ((weighed[..., part], since[:, part], spiked[part]) for part in (train, test))
    start = rng.uniform(-1, 1, size)
    found = minimize(
        lambda weights: -_area(weights, *trained), start, method="COBYLA", options={"maxiter": iterations}
    )
    weights = np.asarray(found.x, float)
    return Split(weights, _area(weights, *trained), _area(weights, *tested))


def _area(weights: Floats, weighed: Floats, since: Floats, spiked: Flags) -> float:
    groups, n_space, n_time, _ = weighed.shape
    x, y = _unpacked(weights, groups, n_space, n_time)
    scores = np.einsum("gijt,gi,gj->t", weighed, x, y, optimize=True)
    return roc_auc(scores + weights[len(weights) - len(since) :] @ since, spiked)


def _unpacked(weights: Floats, groups: int, n_space: int, n_time: int) -> tuple[Floats, Floats]:
    """Weights of the bases over space, shape (groups, n_space), and over time, (groups, n_time)."""
    middle = groups * n_space
    x, y = weights[:middle], weights[middle : middle + groups * n_time]
    return x.reshape(groups, n_space), y.reshape(groups, n_time)


def _bases(space: Basis, time: Basis, bins: int, width: int) -> tuple[Floats, Floats]:
    return space.over(np.arange(bins)), time.over(np.arange(width))[:, ::-1]


def _since(basis: Basis, since_spike: npt.ArrayLike | None, trials: int) -> Floats:
    """Basis functions at the times since the last spike, shape (functions, trials); 0 where there was none."""
    if since_spike is None:
        raise InputError("the model was fitted with since_spike: give it, too")
    times = np.asarray(since_spike, float)
    if times.shape != (trials,) or np.any(times < 0):
        raise InputError(f"since_spike must be times in ms, none negative, one for each of {trials} trials")
    known = ~np.isnan(times)
    found = np.zeros((len(basis.phi), trials))
    found[:, known] = basis.over(times[known])
    return found


def _checked(counts: npt.ArrayLike, groups: Sequence[str]) -> Floats:
    data = np.asarray(counts, float)
    if data.ndim != 4 or data.shape[0] != len(groups) or 0 in data.shape:
        raise InputError(
            f"counts must be [group, trial, ms, bin] with {len(groups)} groups, not {data.shape}"
        )
    return data


def _minimize() -> Any:
    with needed("reduced models", "analysis"):
        from scipy.optimize import minimize
    return minimize
