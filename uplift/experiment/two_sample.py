"""Can a model tell the arms apart by what was known before the experiment? It must not.

The classifier two-sample test of Lopez-Paz and Oquab (2017, "Revisiting classifier two-sample
tests"): train on one half, score the other. The statistic is the AUC, and its p-value comes from
permuting the arm labels of the held-out randomisation units (Kim, Ramdas, Singh and Wasserman
2021, "Classification accuracy as a proxy for two-sample testing"): the trained model stays as it
is, so nothing is fitted again and the level is exact, however good or bad the model.
"""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from uplift.arms import CONTROL
from uplift.hashing import hash_uniforms

Vector = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_TREES = 60
_LEAVES = 8
_LEARNING_RATE = 0.1
_MOST_CATEGORIES = 200  # scikit-learn takes 255; a column with more is cut like a number
_ROUNDING = 1e-12  # AUCs that differ by less are the same
_DRAWS_PER_LIMIT = 4  # the smallest p-value is this many times below the limit
_SHUFFLES = 3  # of each feature, to see how much the model goes by it


class _Classifier(Protocol):
    """Of scikit-learn, as far as it is used here."""

    def fit(self, features: Vector, labels: npt.NDArray[np.bool_]) -> object: ...

    def predict_proba(self, features: Vector) -> Vector: ...


@dataclass(frozen=True)
class TwoSampleTest:
    """How well a model tells one treatment from control.

    Attributes:
        auc: On the held-out half; 0.5 is a coin.
        p_value: Chance of such an AUC or a larger one if the labels meant nothing.
        n_held_out: Rows it was found on.
        telling: Features that the model goes by, most telling first; empty unless the p-value is
            small enough to ask.
    """

    auc: float
    p_value: float
    n_held_out: int
    telling: tuple[str, ...] = ()


def permutations_for(p_value: float, n_treatments: int) -> int:
    """How many permutations can show a p-value well below this one for any of K treatments.

    Examples:
        >>> permutations_for(0.001, n_treatments=2)
        8000
    """
    return math.ceil(_DRAWS_PER_LIMIT * n_treatments / p_value)


def two_sample_tests(
    features: Vector,
    arm: npt.ArrayLike,
    cluster_ids: Sequence[str],
    *,
    names: Sequence[str],
    categorical: Sequence[int] = (),
    n_arms: int,
    n_permutations: int,
    explain_below: float,
    salt: str,
    seed: int,
) -> tuple[TwoSampleTest, ...]:
    """The test of each treatment 1..K against control; p-values are not corrected for their number.

    Valid where randomisation units had the same chances: with chances that depend on features, a
    good model tells the arms apart although nothing went wrong.

    Args:
        features: Shape (n, d), NaN where missing; categories by number.
        arm: Shape (n,).
        cluster_ids: Randomisation unit of each row, n texts. Half of the units, by hash, train;
            rows of one unit stay together, and their labels move together.
        names: Of the d features.
        categorical: Which features are categories.
        n_arms: K + 1.
        n_permutations: B; the smallest p-value is 1 / (1 + B).
        explain_below: Features are named where the p-value is below this.
        salt: Another salt is another half.
        seed: Of the model and of the permutations.
    """
    arms = np.asarray(arm, dtype=np.int64)
    trains = hash_uniforms(cluster_ids, salt) < 0.5
    clusters = np.unique(np.asarray(cluster_ids, dtype=object), return_inverse=True)[1]
    return tuple(
        _test(
            features[rows],
            arms[rows] == treatment,
            clusters[rows],
            trains[rows],
            names=names,
            categorical=categorical,
            n_permutations=n_permutations,
            explain_below=explain_below,
            seed=seed,
        )
        for treatment in range(1, n_arms)
        for rows in [np.flatnonzero((arms == CONTROL) | (arms == treatment))]
    )


def auc_of(scores: Vector, is_treated: npt.NDArray[np.bool_]) -> float:
    """Chance that a treated row scores above a control row, ties counting half.

    Examples:
        >>> auc_of(np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, True, False, True]))
        0.875
    """
    n_treated = int(is_treated.sum())
    pairs = n_treated * (is_treated.size - n_treated)
    above = rankdata(scores)[is_treated].sum() - n_treated * (n_treated + 1) / 2.0
    return float(above / pairs)


def permutation_p_value(
    scores: Vector,
    is_treated: npt.NDArray[np.bool_],
    clusters: Integers,
    *,
    n_permutations: int,
    seed: int,
) -> float:
    """Share of label permutations, the real one among them, with an AUC this large or larger.

    Labels are permuted between randomisation units; a unit that was seen in two arms counts as one
    unit in each.

    Args:
        scores: Shape (n,).
        is_treated: Shape (n,).
        clusters: Number of the randomisation unit, shape (n,).
        n_permutations: B.
        seed: Of the permutations.
    """
    _, unit = np.unique(clusters * 2 + is_treated, return_inverse=True)
    size = np.bincount(unit).astype(np.float64)
    rank_sum = np.bincount(unit, weights=rankdata(scores))
    n_treated_units = np.unique(unit[is_treated]).size

    def auc(treated: Integers) -> float:
        n_treated = size[treated].sum()
        above = rank_sum[treated].sum() - n_treated * (n_treated + 1) / 2.0
        return float(above / (n_treated * (size.sum() - n_treated)))

    found = auc(np.unique(unit[is_treated]))
    generator = np.random.default_rng(seed)
    as_large = sum(
        auc(generator.choice(size.size, n_treated_units, replace=False, shuffle=False))
        >= found - _ROUNDING
        for _ in range(n_permutations)
    )
    return (1 + as_large) / (1 + n_permutations)


def _test(
    features: Vector,
    is_treated: npt.NDArray[np.bool_],
    clusters: Integers,
    trains: npt.NDArray[np.bool_],
    *,
    names: Sequence[str],
    categorical: Sequence[int],
    n_permutations: int,
    explain_below: float,
    seed: int,
) -> TwoSampleTest:
    held_out = ~trains
    n_held_out = int(held_out.sum())
    if any(np.unique(is_treated[half]).size < 2 for half in (trains, held_out)):
        return TwoSampleTest(0.5, 1.0, n_held_out)  # too small a log to learn anything from
    with _one_thread():
        model = _classifier(features, categorical, seed)
        model.fit(features[trains], is_treated[trains])
        scores = model.predict_proba(features[held_out])[:, 1]
    p_value = permutation_p_value(
        scores,
        is_treated[held_out],
        clusters[held_out],
        n_permutations=n_permutations,
        seed=seed,
    )
    telling: tuple[str, ...] = ()
    if p_value < explain_below:
        with _one_thread():
            telling = _telling(model, features[held_out], is_treated[held_out], names, seed)
    return TwoSampleTest(auc_of(scores, is_treated[held_out]), p_value, n_held_out, telling)


def _one_thread() -> AbstractContextManager[object]:
    """So few rows gain nothing from more, and threads that wait for each other cost seconds."""
    import sklearn.ensemble  # noqa: F401  its threads must be there to be limited
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="openmp")
    return limits


def _classifier(features: Vector, categorical: Sequence[int], seed: int) -> _Classifier:
    """Boosted trees, small enough to find a shift without learning the noise by heart."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    few = [c for c in categorical if not np.nanmax(features[:, c], initial=0) >= _MOST_CATEGORIES]
    model: _Classifier = HistGradientBoostingClassifier(
        max_iter=_TREES,
        max_leaf_nodes=_LEAVES,
        learning_rate=_LEARNING_RATE,
        categorical_features=few or None,
        early_stopping=False,
        random_state=seed,
    )
    return model


def _telling(
    model: _Classifier,
    features: Vector,
    is_treated: npt.NDArray[np.bool_],
    names: Sequence[str],
    seed: int,
) -> tuple[str, ...]:
    """Features whose shuffling costs the model AUC on rows it has not seen, the dearest first."""
    from sklearn.inspection import permutation_importance

    lost = permutation_importance(
        model, features, is_treated, scoring="roc_auc", n_repeats=_SHUFFLES, random_state=seed
    ).importances_mean
    return tuple(names[c] for c in np.argsort(-lost, kind="stable") if lost[c] > 0.0)
