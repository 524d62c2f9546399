"""Reduced models as nodes: what is saved comes back."""

from pathlib import Path

import numpy as np
import pytest

import neurolake as nl
from neurolake.kernels.activity.reduced import Lookup
from neurolake.lake.errors import InputError, NotFoundError
from neurolake.query.models.cosines import Basis, CosineModel, Split
from neurolake.query.models.lda import LdaModel, Scores
from neurolake.query.models.stored import model_names, open_model, save_model
from neurolake.query.plots.plots import plot


def lda() -> LdaModel:
    kernels = np.random.default_rng(0).normal(size=(2, 2, 20))
    lookup, scores = Lookup(-2, np.array([0.1, 0.5])), Scores(0.9, 0.8, 1.0, 0.9, 0.95)
    return LdaModel(("EXC", "INH"), (30, 50), (45.0, 50.0), kernels, (lookup,) * 2, (scores,) * 2)


def cosines() -> CosineModel:
    basis = Basis((1.0, 2.0, 3.0))
    split = Split(np.random.default_rng(1).normal(size=12), 0.9, 0.8)
    return CosineModel(("EXC", "INH"), 40, 10, basis, basis, None, (split,))


def test_models_come_back(tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake")
    with lake.transaction("models") as tx:
        save_model(tx, "models/lda", lda())
        save_model(tx, "models/cosines", cosines())
    assert model_names(lake.head) == ["models/cosines", "models/lda"]
    one, other = open_model(lake.head, "models/lda"), open_model(lake.head, "models/cosines")
    assert isinstance(one, LdaModel) and isinstance(other, CosineModel)
    np.testing.assert_array_equal(one.kernels, lda().kernels)
    assert (one.groups, one.window, one.scores) == (("EXC", "INH"), (30, 50), lda().scores)
    counts = np.random.default_rng(2).poisson(1.0, (2, 5, 60))
    np.testing.assert_array_equal(one.probabilities(counts), lda().probabilities(counts))
    np.testing.assert_array_equal(other.spatial_kernels, cosines().spatial_kernels)


def test_kernels_over_space_and_time_are_drawn(tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake")
    with lake.transaction("model") as tx:
        save_model(tx, "cosines", cosines())
    space, time = plot(lake.head, "kernels").axes
    assert (space.get_xlabel(), time.get_xlabel()) == (
        "Soma distance (bin)",
        "Time before the end of the window (ms)",
    )
    drawn = [line.get_ydata() for line in time.lines if line.get_label() in ("EXC", "INH")]
    np.testing.assert_allclose(drawn, cosines().temporal_kernels)


def test_what_is_no_model(tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake")
    with lake.transaction("model") as tx:
        save_model(tx, "lda", lda())
        tx.write_array("voltage", np.zeros((2, 2)))
    for name in ("voltage", "nothing"):
        with pytest.raises(NotFoundError, match=f"no model '{name}'; there are: lda"):
            open_model(lake.head, name)
    with lake.transaction("broken") as tx:
        tx.delete("lda/lookup")
    with pytest.raises(InputError, match="'lda' is not a model as save_model writes it: KeyError"):
        open_model(lake.head, "lda")
