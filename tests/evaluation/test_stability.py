"""Two refits agree or they do not; limits speak."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from uplift.errors import ContractError
from uplift.evaluation.ranked_sums import RankedSums, ranked_sums
from uplift.evaluation.stability import Stability, StabilityLimits, compare_refits, uplift_by_fold


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=40))
def test_the_rank_correlation_is_spearmans_with_ties(pairs: list[tuple[int, int]]) -> None:
    a, b = zip(*pairs, strict=True)
    found = compare_refits(a, b).spearman
    if len(set(a)) == 1 or len(set(b)) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)


@pytest.mark.parametrize(
    ("spearman", "slope", "verdict", "words"),
    [
        (0.60, 0.90, "pass", ()),
        (0.36, 0.71, "pass", ()),
        (0.34, 0.90, "warn", ("rank correlation.*0.34, below 0.35",)),
        (0.60, 0.69, "warn", ("slope is 0.69, below 0.7",)),
        (0.34, 0.40, "block", ("rank correlation", "slope is 0.4, below 0.5")),
        (0.21, None, "block", ("0.21, below 0.25",)),
        (-0.9, 1.0, "block", ("-0.9",)),
        (0.60, math.nan, "block", ("no calibration slope",)),
    ],
)
def test_the_worse_answer_is_the_verdict(
    spearman: float, slope: float | None, verdict: str, words: tuple[str, ...]
) -> None:
    found = Stability(spearman, slope)
    assert found.verdict == verdict
    assert len(found.reasons) == len(words)
    for reason, expected in zip(found.reasons, words, strict=True):
        assert re.search(expected, reason)


def test_a_model_that_says_the_same_of_everybody_is_blocked() -> None:
    found = compare_refits([1.0, 1.0, 1.0], [1.0, 2.0, 3.0])
    assert found.verdict == "block"
    assert "same for everybody" in found.reasons[0]


def test_limits_can_be_given() -> None:
    lax = StabilityLimits(0.0, -0.5, 0.0, 0.0)
    assert compare_refits([1, 2, 3], [1, 3, 2], slope=0.1, limits=lax).verdict == "pass"


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([1, 2], [1, 2, 3], r"shapes \(2,\) and \(3,\)"),
        ([1], [1], "two or more customers"),
        ([[1, 2]], [[1, 2]], "those of one treatment"),
        ([1, np.nan], [1, 2], "effect_a nan in 1 of 2 rows"),
        ([1, 2], [1, np.inf], "effect_b inf in 1 of 2 rows"),
    ],
)
def test_effects_that_cannot_be_compared_are_refused(
    a: list[float], b: list[float], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        compare_refits(a, b)


def fold(seed: int, effect: float, n: int = 4000) -> RankedSums:
    rng = np.random.default_rng(seed)
    priority, arm = rng.uniform(size=n), rng.integers(0, 2, n)
    outcome = arm * effect * (priority > 0.5) + rng.normal(size=n)
    return ranked_sums(priority, arm, outcome, n_arms=2, replicates=100, max_blocks=40)


def test_folds_that_differ_by_luck_alone_are_equal_and_others_are_not() -> None:
    alike = uplift_by_fold([fold(1, 1.0), fold(2, 1.0), fold(3, 1.0)], 1, bins=2)
    assert alike.uplift.shape == alike.standard_error.shape == (3, 2)
    assert alike.p_equal.min() > 0.01
    other = uplift_by_fold([fold(1, 1.0), fold(2, 0.0), fold(3, 1.0)], 1, bins=2)
    assert other.p_equal[0] < 1e-6
    assert other.p_equal[1] > 0.01


def test_one_fold_cannot_be_compared() -> None:
    with pytest.raises(ContractError, match="1 folds"):
        uplift_by_fold([fold(1, 1.0)], 1)
