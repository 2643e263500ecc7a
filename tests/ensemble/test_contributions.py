"""Against the definition of Shapley, summed over all coalitions, and against LightGBM."""

import math
from itertools import combinations

import numpy as np
import pytest

from tests.ensemble.builders import random_ensemble, strange_rows, stump
from tests.ensemble.test_lightgbm_equality import CASES, fitted, training_rows
from uplift.ensemble import Explainer, FlatEnsemble, constant
from uplift.ensemble.decisions import MISSING_NAN
from uplift.ensemble.flat import Matrix
from uplift.errors import ContractError


def expected(
    ensemble: FlatEnsemble, reference: int, row: Matrix, known: set[int], background: Matrix
) -> Matrix:
    """What a coalition answers: it follows the row where it knows, the background where not."""
    if reference < 0:
        return np.asarray(ensemble.leaf_values[~reference])
    passes = ensemble.passes(background)[:, reference]
    left, right = int(ensemble.left[reference]), int(ensemble.right[reference])
    if ensemble.feature[reference] in known:
        goes_left = ensemble.passes(row[np.newaxis])[0, reference]
        child = left if goes_left else right
        return expected(ensemble, child, row, known, background[passes == goes_left])
    share = passes.mean() if len(passes) else 0.5
    return share * expected(ensemble, left, row, known, background[passes]) + (
        1.0 - share
    ) * expected(ensemble, right, row, known, background[~passes])


def coalition_value(ensemble: FlatEnsemble, row: Matrix, known: set[int], rows: Matrix) -> Matrix:
    """Sum over trees of what a coalition answers, shape (n_outputs,)."""
    answer = np.zeros(ensemble.n_outputs)
    for root, first in zip(ensemble.roots, ensemble.first_output, strict=True):
        leaf = expected(ensemble, int(root), row, known, rows)
        answer[first : first + len(leaf)] += leaf
    return answer


def shapley(ensemble: FlatEnsemble, row: Matrix, background: Matrix) -> Matrix:
    """By the definition, shape (n_outputs, d + 1)."""
    d = ensemble.n_features
    answer = np.zeros((ensemble.n_outputs, d + 1))
    answer[:, -1] = coalition_value(ensemble, row, set(), background)
    for feature in range(d):
        others = [other for other in range(d) if other != feature]
        for size in range(d):
            weight = math.factorial(size) * math.factorial(d - size - 1) / math.factorial(d)
            for coalition in map(set, combinations(others, size)):
                joined = coalition_value(ensemble, row, coalition | {feature}, background)
                alone = coalition_value(ensemble, row, coalition, background)
                answer[:, feature] += weight * (joined - alone)
    return answer


@pytest.mark.parametrize("seed", range(8))
def test_every_contribution_is_its_average_over_all_coalitions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    width = 1 + seed % 2
    ensemble = random_ensemble(rng, most_leaves=12, n_features=4, n_outputs=3, width=width)
    background = strange_rows(rng, [1, 7, 60][seed % 3], 4)
    rows = strange_rows(rng, 12, 4)
    found = Explainer(ensemble, background).contributions(rows)
    for row, contributions in zip(rows, found, strict=True):
        assert contributions == pytest.approx(shapley(ensemble, row, background), abs=1e-12)


@pytest.mark.parametrize("case", [case for case in CASES if "bagging" not in str(CASES[case])])
def test_on_the_training_rows_they_are_those_of_lightgbm(case: str) -> None:
    booster, ensemble = fitted(case)
    rows = training_rows()[0]
    found = Explainer(ensemble, rows).contributions(rows[:300])[:, 0]
    assert found == pytest.approx(booster.predict(rows[:300], pred_contrib=True), abs=1e-9)


def test_they_add_up_to_the_raw_score_where_no_background_row_went() -> None:
    rng = np.random.default_rng(3)
    ensemble = random_ensemble(rng, n_trees=30, most_leaves=80, n_features=6, n_outputs=2)
    rows = strange_rows(rng, 300, 6)  # more than a block
    found = Explainer(ensemble, rows[:1]).contributions(rows)
    assert found.sum(axis=2) == pytest.approx(ensemble.raw(rows), abs=1e-10)


def test_a_column_that_no_node_looks_at_contributes_nothing() -> None:
    ensemble = constant([0.1, 0.3], n_features=2)
    found = Explainer(ensemble, np.zeros((5, 2))).contributions(np.ones((1, 2)))
    assert found.tolist() == [[[0.0, 0.0, 0.1], [0.0, 0.0, 0.3]]]


def test_a_row_is_explained_against_what_is_usual() -> None:
    split = stump(MISSING_NAN)  # at most 0.5 answers 1, more answers 2
    background = np.array([[0.0], [0.0], [0.0], [1.0]])
    found = Explainer(split, background).contributions(np.array([[0.0], [1.0]]))
    assert found.tolist() == [[[-0.25, 1.25]], [[0.75, 1.25]]]


def test_without_background_nothing_is_usual() -> None:
    with pytest.raises(ContractError, match="0 rows of background"):
        Explainer(stump(MISSING_NAN), np.zeros((0, 1)))
