import numpy as np

from tests.learners.builders import eight_rows, recipe_of
from uplift.ensemble import FlatEnsemble, constant
from uplift.learners.cross_validation import held_out_effects
from uplift.learners.data import TrainingData
from uplift.learners.meta import fit_t_learner
from uplift.learners.nuisance import assign_folds


def test_each_fold_is_answered_by_a_model_of_the_others() -> None:
    data = TrainingData(
        features=np.zeros((60, 1)),
        arm=np.arange(60) % 2,
        outcome=np.random.default_rng(1).normal(size=60),
        propensity=np.full(60, 0.5),
    )
    effects, fold = held_out_effects(
        data, lambda rows: fit_t_learner(rows, 2, recipe_of()), n_folds=3, salt="s"
    )
    assert fold.tolist() == assign_folds(data, 3, salt="s").tolist()
    for number in range(3):
        rest = fold != number
        means = [data.outcome[rest & (data.arm == arm)].mean() for arm in (0, 1)]
        np.testing.assert_allclose(effects[fold == number, 0], means[1] - means[0])


def test_effects_are_treatments_less_control() -> None:
    def fit(rows: TrainingData) -> FlatEnsemble:
        return constant([1.0, 3.0, 7.0], n_features=2)

    effects, _ = held_out_effects(eight_rows(), fit, n_folds=2, salt="s")
    assert effects.tolist() == [[2.0, 6.0]] * 8
