"""The raised-cosine model: planted kernels are found again, areas are scikit-learn's, poor data are named."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from neurolake.lake.errors import InputError
from neurolake.query.models.cosines import Basis, CosineModel, fit_cosines, roc_auc

GROUPS = ("EXC", "INH")
SPACE = Basis((1.0, 2.5))
TIME = Basis((2.0, 4.0))


def planted(trials: int = 1500) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Poisson activations [group, trial, ms, bin], kernels over time and space, and spikes they cause."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(1.0, (2, trials, 40, 6))
    time = np.array([[1.0, 0.3], [-0.7, -0.4]]) @ TIME.over(np.arange(40))[:, ::-1]
    space = np.array([[1.0, 0.2], [0.5, 1.0]]) @ SPACE.over(np.arange(6))
    drive = np.einsum("gtmz,gm,gz->t", counts, time, space)
    noise = rng.normal(0, 0.1 * drive.std(), trials)
    return counts, time, space, drive + noise > np.quantile(drive, 0.6)


@pytest.fixture(scope="module")
def model() -> CosineModel:
    counts, _, _, spiked = planted()
    return fit_cosines(counts, GROUPS, spiked, space=SPACE, time=TIME, splits=3, iterations=600)


def test_recovers_planted_kernels(model: CosineModel) -> None:
    _, time, space, _ = planted()
    for group in range(2):
        planted_product = np.outer(time[group], space[group]).ravel()
        found = np.outer(model.temporal_kernels[group], model.spatial_kernels[group]).ravel()
        assert np.corrcoef(planted_product, found)[0, 1] > 0.95
    assert model.splits[0].roc_auc_test > 0.95
    assert [s.roc_auc_test for s in model.splits] == sorted(
        (s.roc_auc_test for s in model.splits), reverse=True
    )


def test_scores_of_new_trials(model: CosineModel) -> None:
    counts, _, _, spiked = planted()
    assert roc_auc(model.scores(counts), spiked) > 0.95
    with pytest.raises(InputError, match=r"counts are \[\.\., \.\., 39, 6\], not 40 x 6"):
        model.scores(counts[:, :, 1:])


def test_a_recent_spike_counts() -> None:
    rng = np.random.default_rng(1)
    counts = rng.poisson(1.0, (1, 800, 10, 3))
    since = np.where(rng.random(800) < 0.3, np.nan, rng.uniform(0, 60, 800))
    spiked = ~(since < 20)
    model = fit_cosines(
        counts, ["EXC"], spiked, since_spike=since, space=Basis((1.0,)), time=Basis((2.0,)), iterations=800
    )
    assert model.splits[0].roc_auc_test > 0.9
    assert model.since_spike_kernel is not None and model.since_spike_kernel.shape == (10,)
    assert roc_auc(model.scores(counts, since), spiked) > 0.9
    with pytest.raises(InputError, match="fitted with since_spike"):
        model.scores(counts)


def test_equal_seeds_give_equal_models() -> None:
    counts, _, _, spiked = planted(300)
    options = {"space": SPACE, "time": TIME, "iterations": 60}
    one, two, other = (fit_cosines(counts, GROUPS, spiked, seed=seed, **options) for seed in (4, 4, 5))  # type: ignore[arg-type]
    assert np.array_equal(one.splits[0].weights, two.splits[0].weights)
    assert not np.array_equal(one.splits[0].weights, other.splits[0].weights)


def test_is_read_back_from_what_a_lake_keeps(model: CosineModel) -> None:
    again = CosineModel.of(model.to_arrays(), json.loads(json.dumps(model.to_attributes())))
    counts = planted()[0]
    assert again.space == model.space and again.since_spike is None
    assert np.array_equal(again.scores(counts), model.scores(counts))


def test_default_bases_are_those_of_isf() -> None:
    basis = Basis()
    assert basis.phi == tuple(np.arange(1, 11, 0.5)) and (basis.a, basis.c) == (2, 1)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2))
def test_area_under_roc_is_that_of_scikit_learn(pairs: list[tuple[int, bool]]) -> None:
    scores, spiked = map(list, zip(*pairs, strict=True))
    if len(set(spiked)) == 1:
        with pytest.raises(InputError, match="of one class"):
            roc_auc(scores, spiked)
    else:
        assert roc_auc(scores, spiked) == pytest.approx(roc_auc_score(spiked, scores), abs=1e-12)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"counts": np.zeros((2, 50, 40))}, r"counts must be \[group, trial, ms, bin\] with 2 groups"),
        ({"groups": ("EXC",)}, "with 1 groups"),
        ({"spiked": np.zeros(49)}, "one value for each of 50 trials"),
        ({"spiked": np.zeros(50)}, "of one class; use more trials"),
        ({"since_spike": np.full(50, -1.0)}, "none negative"),
    ],
)
def test_poor_data(changes: dict[str, object], reason: str) -> None:
    counts, _, _, spiked = planted(50)
    given = {"counts": counts, "groups": GROUPS, "spiked": spiked, **changes}
    with pytest.raises(InputError, match=reason):
        fit_cosines(**given, iterations=5)  # type: ignore[arg-type]
