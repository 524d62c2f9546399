"""The LDA model: a planted kernel is found again, scores are scikit-learn's, poor data are named."""

import json

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from neurolake.lake.errors import InputError
from neurolake.query.models.lda import NORM, LdaModel, _balanced, fit_lda, spikes_within

GROUPS = ("EXC", "INH")
WIDTH = 20


def planted(trials: int = 12_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Poisson activations, a kernel [group, ms], and spikes drawn from a logistic function of their product."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson([[[4.0]], [[2.0]]], (2, trials, 60))
    ago = np.arange(WIDTH)[::-1]
    kernel = np.stack([np.exp(-ago / 4.0), -0.8 * np.exp(-ago / 8.0)])
    drive = np.einsum("gtm,gm->t", counts[:, :, 40 - WIDTH : 40], kernel)
    chance = 1 / (1 + np.exp(-(drive - np.quantile(drive, 0.7))))
    return counts, kernel, rng.random(trials) < chance


def fitted(**changes: object) -> tuple[np.ndarray, np.ndarray, np.ndarray, LdaModel]:
    counts, kernel, spiked = planted()
    options = {"output": (30, 40), "width": WIDTH, **changes}
    return counts, kernel, spiked, fit_lda(counts, GROUPS, spiked, **options)  # type: ignore[arg-type]


def test_recovers_a_planted_kernel() -> None:
    _, kernel, _, model = fitted()
    assert model.window == (20, 40) and model.kernels.shape == (5, 2, WIDTH)
    for found in model.kernels:
        assert np.corrcoef(found.ravel(), kernel.ravel())[0, 1] >= 0.95
        assert np.linalg.norm(found) == pytest.approx(NORM)


def test_scores_are_those_of_scikit_learn() -> None:
    counts, _, spiked, model = fitted()
    x = np.concatenate(list(counts[:, :, 20:40]), axis=1).astype(float)
    for turn, scores in enumerate(model.scores):
        chosen = _balanced(spiked, turn)
        x_train, x_test, y_train, y_test = train_test_split(
            x[chosen], spiked[chosen], test_size=0.4, random_state=turn
        )
        direct = LinearDiscriminantAnalysis(solver="eigen", n_components=1).fit(x_train, y_train)
        assert scores.accuracy == direct.score(x_test, y_test)
        assert scores.accuracy_with_spike == direct.score(x_test[y_test], y_test[y_test])
        assert scores.roc_auc_test == pytest.approx(
            roc_auc_score(y_test, direct.decision_function(x_test)), abs=1e-12
        )
        assert scores.roc_auc_all == pytest.approx(
            roc_auc_score(spiked, direct.decision_function(x)), abs=1e-12
        )
    assert 1.2 < model.score < 2


def test_classes_are_balanced() -> None:
    spiked = np.arange(100) < 20
    chosen = _balanced(spiked, 3)
    assert len(set(chosen)) == 40 and spiked[chosen].sum() == 20


def test_probabilities_follow_the_fractions_seen() -> None:
    counts, _, spiked, model = fitted(step=1)
    told = model.probabilities(counts)
    for low in np.arange(0.1, 0.9, 0.2):
        near = (told >= low) & (told < low + 0.2)
        assert spiked[near].mean() == pytest.approx(told[near].mean(), abs=0.05)


def test_beyond_the_lookup_the_ends_hold() -> None:
    lookup = fitted()[3].lookups[0]
    assert lookup([-1e6])[0] == lookup.probability[0]
    assert lookup([1e6])[0] == lookup.probability[-1]


def test_rolling_is_static_at_the_end_of_the_window() -> None:
    counts, _, _, model = fitted()
    rolling = model.rolling(counts[:, :50])
    assert rolling.shape == (50, 60)
    np.testing.assert_allclose(rolling[:, 39], model.values(counts[:, :50]), rtol=1e-9)
    first = counts[:, :50, 0].T @ model.kernels[0][:, -1]  # before 0 ms there is nothing
    np.testing.assert_allclose(rolling[:, 0], first, rtol=1e-9, atol=1e-9)


def test_refractory_trials_spike_less() -> None:
    counts, _, _, model = fitted()
    free, held = (model.rolling_psth(counts[:, :500], refractory=ms) for ms in (0, 10))
    assert np.all(held <= free) and held[1:].sum() < free[1:].sum() and held[0] == free[0]


def test_equal_seeds_give_equal_models() -> None:
    one, two, other = (fitted(seed=seed)[3] for seed in (1, 1, 2))
    assert np.array_equal(one.kernels, two.kernels) and one.scores == two.scores
    assert not np.array_equal(one.kernels[0], other.kernels[0])


def test_is_read_back_from_what_a_lake_keeps() -> None:
    counts, _, _, model = fitted()
    again = LdaModel.of(model.to_arrays(), json.loads(json.dumps(model.to_attributes())))
    assert again.scores == model.scores and again.output == model.output and again.groups == model.groups
    for turn in range(5):
        assert np.array_equal(again.probabilities(counts, turn), model.probabilities(counts, turn))


def test_left_out_trials_do_not_matter() -> None:
    counts, _, spiked = planted()
    dropped = np.arange(len(spiked)) % 3 == 0
    options = {"output": (30, 40), "width": WIDTH}
    wild = np.where(dropped[:, np.newaxis], 99, counts)
    one = fit_lda(counts[:, ~dropped], GROUPS, spiked[~dropped], **options)  # type: ignore[arg-type]
    two = fit_lda(wild, GROUPS, spiked, dropped=dropped, **options)  # type: ignore[arg-type]
    np.testing.assert_array_equal(one.kernels, two.kernels)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"groups": ("EXC",)}, r"counts must be \[group, trial, ms\] with 1 groups, not \(2, 400, 60\)"),
        ({"spiked": np.zeros(400)}, "0 of 400 trials are with a spike"),
        ({"spiked": np.ones(400)}, "0 of 400 trials are without a spike"),
        ({"spiked": np.ones(399)}, r"spiked must have one value for each of 400 trials, not shape \(399,\)"),
        ({"width": 30}, r"\d+ trials for training vary in \d+ of 60 weights"),
        ({"window": (50, 70)}, r"the window \[50, 70\) ms is not within the 60 ms"),
    ],
)
def test_poor_data(changes: dict[str, object], reason: str) -> None:
    counts, _, _ = planted(400)
    spiked = np.arange(400) < 40
    options = {"groups": GROUPS, "spiked": spiked, "output": (30, 40), "width": WIDTH, **changes}
    with pytest.raises(InputError, match=reason):
        fit_lda(counts, **options)  # type: ignore[arg-type]


def test_spikes_within_a_window() -> None:
    found = spikes_within([0, 1, 1, 3], [255.0, 254.9, 265.0, 264.9], 5, 255, 265)
    assert found.tolist() == [True, False, False, True, False]
