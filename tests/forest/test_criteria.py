"""Gains by hand, by definition, and the splits that causalml chooses."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.forest.builders import (
    ONE_TREE,
    arm_sums,
    gain_by_definition,
    normaliser_by_definition,
    possible_splits,
)
from uplift.forest import ForestRows, grow_forest
from uplift.forest.bins import Matrix
from uplift.forest.criteria import normaliser, split_gain
from uplift.forest.settings import CRITERIA

every_criterion = pytest.mark.parametrize("criterion", list(CRITERIA))


def gain(
    criterion: str, low: Matrix, total: Matrix, *, is_binary: bool = True, shrinkage: float = 0.0
) -> float:
    low, total = np.asarray(low, dtype=np.float64), np.asarray(total, dtype=np.float64)
    mean = total[:, 2:] / total[:, 1:2]
    per_share = total[:, 1].sum() / total[:, 1]
    node = np.column_stack([mean, mean[:, 0], per_share])
    return float(split_gain(CRITERIA[criterion], is_binary, low, total, node, shrinkage))


# Control buys 1 in 4 on either side; treatment 3 in 4 on the low side, 1 in 4 on the high one.
LOW = [[4, 4, 1, 1], [4, 4, 3, 3]]
TOTAL = [[8, 8, 2, 2], [8, 8, 4, 4]]

KL_LOW = 0.75 * math.log(0.75 / 0.25) + 0.25 * math.log(0.25 / 0.75)
KL_NODE = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        ("euclidean", 0.5 * 2 * 0.5**2 - 2 * 0.25**2),
        ("kl", 0.5 * KL_LOW - KL_NODE),
        ("chi_square", (0.5 * 0.5**2 - 0.25**2) / (0.25 * 0.75)),
        ("cts", 0.5 * 0.75 + 0.5 * 0.25 - 0.5),
        ("ddp", 0.5),
        ("causal", 0.25**2),  # either side is a quarter off the node's effect of a quarter
    ],
)
def test_gains_are_those_computed_by_hand(criterion: str, expected: float) -> None:
    assert gain(criterion, LOW, TOTAL) == pytest.approx(expected, abs=1e-15)


def test_by_hand_with_three_arms_an_effect_of_each_treatment_adds_up() -> None:
    low, total = [*LOW, LOW[1]], [*TOTAL, TOTAL[1]]
    for criterion in ("euclidean", "kl", "chi_square", "ddp", "causal"):
        assert gain(criterion, low, total) == pytest.approx(2 * gain(criterion, LOW, TOTAL))
    assert gain("cts", low, total) == pytest.approx(gain("cts", LOW, TOTAL))


def test_by_hand_a_child_of_four_rows_shrunk_by_four_moves_half_as_far() -> None:
    assert gain("ddp", LOW, TOTAL, shrinkage=4.0) == pytest.approx(0.25)
    # 8 rows of a child and 2 x 4 of its parent
    assert gain("causal", LOW, TOTAL, shrinkage=4.0) == pytest.approx(0.25 * 0.25**2)


def test_a_continuous_outcome_is_judged_on_its_own_spread() -> None:
    low = [[2, 2, 2.0, 4.0], [2, 2, 6.0, 20.0]]  # 0, 2 and 2, 4: variance 1, effect 2
    total = [[4, 4, 4.0, 8.0], [4, 4, 8.0, 24.0]]  # and 0, 2 and 0, 2; treated: variance 2
    spread_of_treated = 24 / 4 - 2**2
    assert gain("chi_square", low, total, is_binary=False) == pytest.approx(0.5 * 2**2 - 1)
    normal = 0.5 * (math.log(1 / spread_of_treated) + (spread_of_treated + 1) / 1 - 1)
    assert gain("kl", low, total, is_binary=False) == pytest.approx(0.5 * (0.5 * 2**2) - normal)


tables = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@every_criterion
@pytest.mark.parametrize("is_binary", [True, False])
@given(rng=tables, n_arms=st.integers(2, 4))
def test_gains_are_those_of_the_rows_themselves(
    criterion: str, is_binary: bool, rng: np.random.Generator, n_arms: int
) -> None:
    n_rows = 8 * n_arms
    arm = np.arange(n_rows) % n_arms
    low = np.arange(n_rows) // n_arms % 2 == 0
    rng.shuffle(low)
    assume(all(low[arm == k].any() and not low[arm == k].all() for k in range(n_arms)))
    outcome = rng.integers(0, 2 if is_binary else 9, n_rows).astype(np.float64)
    assume(is_binary or outcome.max() > 1.0)
    found = gain(
        criterion,
        arm_sums(arm[low], outcome[low], n_arms),
        arm_sums(arm, outcome, n_arms),
        is_binary=is_binary,
    )
    assert found == pytest.approx(gain_by_definition(criterion, arm, outcome, low), abs=1e-9)


@pytest.mark.parametrize("criterion", ["kl", "euclidean", "chi_square"])
@given(rng=tables, n_arms=st.integers(2, 4))
def test_normalisers_are_those_of_the_rows_themselves(
    criterion: str, rng: np.random.Generator, n_arms: int
) -> None:
    arm = np.arange(12 * n_arms) % n_arms
    low = rng.random(12 * n_arms) < rng.random()
    assume(low[arm == 0].any() and not low[arm == 0].all())
    nothing = np.zeros(len(arm))
    found = normaliser(
        CRITERIA[criterion],
        arm_sums(arm[low], nothing[low], n_arms),
        arm_sums(arm, nothing, n_arms),
    )
    assert found == pytest.approx(normaliser_by_definition(criterion, arm, low), abs=1e-9)


@pytest.mark.parametrize("criterion", ["kl", "euclidean", "chi_square"])
@given(rng=tables)
def test_a_normalised_tree_of_one_split_finds_what_trying_them_all_finds(
    criterion: str, rng: np.random.Generator
) -> None:
    arm, outcome = np.arange(24) % 2, rng.integers(0, 2, 24) * 1.0
    features = rng.integers(0, 6, (24, 2)) * 1.0
    settings = replace(ONE_TREE, criterion=criterion, is_normalised=True)
    rows = ForestRows(features, arm, outcome, np.full(24, 0.5))
    forest = grow_forest(rows, 2, settings=settings, seed=0, n_threads=1)
    best = 1e-9
    for column in features.T:
        for _, _, low in possible_splits(column):
            if min(min(low[arm == k].sum(), (~low)[arm == k].sum()) for k in range(2)) >= 1:
                worth = gain_by_definition(criterion, arm, outcome, low)
                best = max(best, worth / normaliser_by_definition(criterion, arm, low))
    assert max(float(forest.trees[0].tree.gain[0]), 1e-9) == pytest.approx(best, abs=1e-8)


@every_criterion
@pytest.mark.parametrize("is_binary", [True, False])
@given(rng=tables, n_arms=st.integers(2, 3), with_missing=st.booleans())
def test_a_tree_of_one_split_finds_what_trying_them_all_finds(
    criterion: str, is_binary: bool, rng: np.random.Generator, n_arms: int, with_missing: bool
) -> None:
    n_rows = 24
    arm = np.arange(n_rows) % n_arms
    features = rng.integers(-3, 4, (n_rows, 2)) / 2.0
    if with_missing:
        features[rng.random(features.shape) < 0.2] = np.nan
    outcome = rng.integers(0, 2 if is_binary else 9, n_rows) * 1.0
    settings = replace(ONE_TREE, criterion=criterion)
    forest = grow_forest(
        ForestRows(features, arm, outcome, np.full(n_rows, 1.0 / n_arms)),
        n_arms,
        settings=settings,
        seed=0,
        n_threads=1,
    )
    best = 1e-9
    for column in features.T:
        for _, _, low in possible_splits(column):
            in_both = [min(low[arm == k].sum(), (~low)[arm == k].sum()) for k in range(n_arms)]
            if min(in_both) >= 1:
                best = max(best, gain_by_definition(criterion, arm, outcome, low))
    found = float(forest.trees[0].tree.gain[0])
    assert max(found, 1e-9) == pytest.approx(best, abs=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("kl", "KL"), ("euclidean", "ED"), ("chi_square", "Chi"), ("cts", "CTS"), ("ddp", "DDP")],
)
def test_the_first_split_is_that_of_causalml(ours: str, theirs: str) -> None:
    from causalml.inference.tree import UpliftTreeClassifier

    rng = np.random.default_rng(8)
    for _ in range(5):
        features = rng.integers(0, 12, (400, 3)).astype(np.float64)
        arm = rng.integers(0, 2, 400)
        chance = 0.3 + 0.3 * arm * (features[:, 1] > 6)
        outcome = (rng.random(400) < chance).astype(np.float64)
        tree = UpliftTreeClassifier(
            control_name="0",
            evaluationFunction=theirs,
            max_depth=1,
            min_samples_leaf=20,
            min_samples_treatment=10,
            n_reg=0,
            normalization=False,
        )
        tree.fit(X=features, treatment=arm.astype(str), y=outcome)
        settings = replace(ONE_TREE, criterion=ours, min_leaf_rows=20, min_arm_rows=10)
        forest = grow_forest(
            ForestRows(features, arm, outcome, np.full(400, 0.5)), 2, settings=settings, seed=0
        )
        assert forest.ensemble.feature[0] == tree.tree_.feature[0]
        between = (forest.ensemble.threshold[0], forest.ensemble.threshold[0] + 1.0)
        assert between[0] <= tree.tree_.threshold[0] < between[1]
