"""Gain against spend: the published three customers, and rows that were randomised."""

import numpy as np
import pytest

from uplift.errors import ContractError
from uplift.evaluation.metrics import ate
from uplift.evaluation.ranked_sums import ranked_sums
from uplift.evaluation.scores import adjusted_outcome, arm_scores
from uplift.evaluation.spend_curve import SpendSums, gain_at_spend, spend_curve, spend_sums
from uplift.evaluation.uncertainty import from_replicates
from uplift.policy import spend_steps
from uplift.policy.budget import SpendSteps

GAIN = np.array([[30.0, 10], [40, 50], [10, 55]])  # Alice, Bob, Eve
COST = np.array([[3.0, 6]] * 3)
KNOWN = np.column_stack([np.zeros(3), GAIN])


def walked(steps: SpendSteps, scores: np.ndarray, **how: int | np.ndarray) -> SpendSums:
    return spend_sums(steps.unit, steps.arm, steps.slope, steps.added_cost, scores, **how)


def test_three_customers_and_two_coupons_buy_the_published_gains() -> None:
    sums = walked(spend_steps(GAIN, COST), KNOWN)
    found = [3 * gain_at_spend(sums, spend)[0] for spend in (0, 1, 2, 3, 4, 5, 9)]
    assert found == pytest.approx([0, 40, 70, 97.5, 125, 135, 135])
    assert (3 * spend_curve(sums).at[0]).tolist() == pytest.approx([0, 3, 6, 12, 15])


def test_the_path_follows_predictions_and_the_scores_tell_what_came() -> None:
    steps = spend_steps([[10.0], [5.0]], [[1.0], [1.0]])
    sums = walked(steps, np.array([[0.0, -1.0], [0.0, 3.0]]))
    assert spend_curve(sums).height[0].tolist() == [0, -0.5, 1.0]


def test_equally_steep_steps_are_one_block() -> None:
    steps = spend_steps([[4.0], [8.0], [1.5]], [[2.0], [4.0], [1.0]])
    curve = spend_curve(walked(steps, np.zeros((3, 2))))
    assert curve.at[0] == pytest.approx([0, 2, 7 / 3])


def simulate(n: int, seed: int) -> tuple[np.ndarray, ...]:
    """Effects x and 2 x - 0.5 for 1 and 1.5 euro; three arms at chances .5, .3, .2."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.2, 3, n)
    chances = np.array([0.5, 0.3, 0.2])
    arm = rng.choice(3, n, p=chances)
    gain = np.column_stack([x, 2 * x - 0.5])
    truth = np.column_stack([np.zeros(n), gain])
    outcome = 20 + x + truth[np.arange(n), arm] + rng.normal(size=n)
    return gain, arm, outcome, chances[arm], truth


def test_randomised_rows_find_the_true_curve_within_four_standard_errors() -> None:
    gain, arm, outcome, chance, truth = simulate(20_000, 1)
    steps = spend_steps(2 * gain, np.broadcast_to([1.0, 1.5], gain.shape))
    scores = arm_scores(arm, outcome, chance, n_arms=3)
    sums = walked(steps, scores, replicates=100, max_blocks=50)
    known = walked(steps, truth, max_blocks=50)
    assert sums.gain.shape == (101, 50)
    for spend in (0.2, 0.6, 1.2):
        found = from_replicates(gain_at_spend(sums, spend), level=0.95)
        assert abs(found.estimate - gain_at_spend(known, spend)[0]) < 4 * found.standard_error


def test_models_of_the_outcome_take_noise_away_and_leave_the_gain() -> None:
    gain, arm, outcome, chance, truth = simulate(4000, 2)
    steps = spend_steps(2 * gain, np.broadcast_to([1.0, 1.5], gain.shape))
    expected = 20 + gain[:, :1] + truth
    errors = []
    for model in (None, expected):
        scores = arm_scores(arm, outcome, chance, n_arms=3, expected=model)
        sums = walked(steps, scores, replicates=100, max_blocks=50)
        found = from_replicates(gain_at_spend(sums, 1.0), level=0.95)
        errors.append(found.standard_error)
        true = gain_at_spend(walked(steps, truth, max_blocks=50), 1.0)[0]
        assert abs(found.estimate - true) < 4 * found.standard_error
    assert errors[1] < 0.8 * errors[0]


def test_a_household_moves_together() -> None:
    gain, arm, outcome, chance, _ = simulate(200, 3)
    steps = spend_steps(gain, np.full_like(gain, 0.5))
    keys = np.zeros(200, dtype=np.uint64)
    sums = walked(steps, arm_scores(arm, outcome, chance, n_arms=3), keys=keys, replicates=30)
    drawn = sums.n[1:] > 0
    curve = spend_curve(sums)
    assert curve.height[1:][drawn] == pytest.approx(curve.height[:1].repeat(drawn.sum(), axis=0))


def test_with_two_arms_the_adjusted_outcome_is_the_doubly_robust_score() -> None:
    rng = np.random.default_rng(5)
    n, chance = 50, rng.uniform(0.2, 0.8, 50)
    arm = (rng.uniform(size=n) < chance).astype(int)
    outcome, expected = rng.normal(size=n), rng.normal(size=(n, 2))
    propensities = np.column_stack([1 - chance, chance])
    drawn = propensities[np.arange(n), arm]
    scores = arm_scores(arm, outcome, drawn, n_arms=2, expected=expected)
    adjusted = adjusted_outcome(outcome, expected, propensities, 1)
    assert np.where(arm == 1, 1, -1) * adjusted / drawn == pytest.approx(
        scores[:, 1] - scores[:, 0]
    )


def test_adjusting_leaves_the_effect_and_takes_noise_away() -> None:
    gain, arm, outcome, chance, truth = simulate(4000, 6)
    propensities = np.broadcast_to([0.5, 0.3, 0.2], (4000, 3))
    errors = []
    for values in (outcome, adjusted_outcome(outcome, 20 + gain[:, :1] + truth, propensities, 2)):
        sums = ranked_sums(np.zeros(4000), arm, values, n_arms=3, weight=1 / chance, replicates=200)
        found = from_replicates(ate(sums, 2), level=0.95)
        assert abs(found.estimate - truth[:, 2].mean()) < 4 * found.standard_error
        errors.append(found.standard_error)
    assert errors[1] < 0.7 * errors[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit": [0, 5]}, "unit 5 in 1 of 2 rows; the scores have 2 rows"),
        ({"arm": [1, 0]}, "arm 0 in 1 of 2 rows; steps lead to treatments 1 to 1"),
        ({"slope": [1.0, np.nan]}, "slope nan in 1 of 2 rows"),
        ({"added_cost": [1.0, -1.0]}, "added_cost -1.0 in 1 of 2 rows"),
        ({"scores": [[0.0, np.nan], [0.0, 1.0]]}, "scores nan in 1 of 4 rows"),
    ],
)
def test_steps_that_lead_nowhere_are_refused(change: dict[str, list[float]], message: str) -> None:
    good = {
        "unit": [0, 1],
        "arm": [1, 1],
        "slope": [2.0, 1.0],
        "added_cost": [1.0, 1.0],
        "scores": [[0.0, 1.0], [0.0, 1.0]],
    }
    with pytest.raises(ContractError, match=message):
        spend_sums(**{**good, **change})


def test_negative_spend_is_refused() -> None:
    with pytest.raises(ContractError, match="spend -1"):
        gain_at_spend(walked(spend_steps(GAIN, COST), KNOWN), -1)


@pytest.mark.parametrize(
    ("expected", "message"), [(np.zeros((2, 3)), r"shape \(2, 3\)"), ([[0, 0], [0, np.nan]], "nan")]
)
def test_expected_outcomes_must_fit(expected: np.ndarray, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        arm_scores([0, 1], [0, 1], [0.5, 0.5], n_arms=2, expected=expected)


@pytest.mark.parametrize("chance", [0.0, 1.0, np.nan])
def test_a_chance_of_none_or_all_is_refused(chance: float) -> None:
    with pytest.raises(ContractError, match=r"propensity .* strictly between 0 and 1"):
        arm_scores([0, 1], [0, 1], [0.5, chance], n_arms=2)
