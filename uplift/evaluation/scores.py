"""Scores of single rows: numbers whose mean is the outcome had everybody been given an arm.

The chances of the arms are known, so the scores are unbiased whatever the nuisance models say;
good models only take noise away (Robins, Rotnitzky and Zhao 1994).
"""

import numpy as np
import numpy.typing as npt

from uplift.arms import CONTROL
from uplift.errors import ContractError
from uplift.evaluation.checks import FINITE, check_rows, refuse
from uplift.evaluation.resampling import Floats


def arm_scores(
    arm: npt.ArrayLike,
    outcome: npt.ArrayLike,
    propensity: npt.ArrayLike,
    *,
    n_arms: int,
    expected: npt.ArrayLike | None = None,
) -> Floats:
    """Doubly robust score of every arm: expected outcome, corrected where the arm was drawn.

    Args:
        arm: Arm drawn, shape (n,).
        outcome: Shape (n,).
        propensity: Of the arm drawn, shape (n,), strictly between 0 and 1.
        n_arms: K + 1; every arm must appear.
        expected: Outcomes that a model expects in each arm, shape (n, K + 1), made without these
            rows. None expects control's mean of everybody: the IPW score, free of the outcome's
            level.

    Returns:
        Shape (n, K + 1); differences of columns are scores of effects.

    Examples:
        >>> arm_scores([0, 1], [1.0, 4.0], [0.5, 0.5], n_arms=2).tolist()
        [[1.0, 1.0], [1.0, 7.0]]
    """
    drawn = np.asarray(arm, dtype=np.int64)
    observed = np.asarray(outcome, dtype=np.float64)
    chance = np.asarray(propensity, dtype=np.float64)
    check_rows(drawn, n_arms=n_arms, outcome=observed, propensity=chance)
    if expected is None:
        control = drawn == CONTROL
        level = np.average(observed[control], weights=1.0 / chance[control])
        scores = np.full((len(drawn), n_arms), level)
    else:
        scores = np.array(expected, dtype=np.float64)
        if scores.shape != (len(drawn), n_arms):
            raise ContractError(
                f"expected outcomes of shape {scores.shape} for {len(drawn)} rows and {n_arms} "
                "arms; give one column per arm, control first."
            )
        refuse("expected", scores[~np.isfinite(scores)], scores.size, way_out=FINITE)
    rows = np.arange(len(drawn))
    scores[rows, drawn] += (observed - scores[rows, drawn]) / chance
    return scores


def adjusted_outcome(
    outcome: npt.ArrayLike, expected: npt.ArrayLike, propensities: npt.ArrayLike, treatment: int
) -> Floats:
    """The outcome less what a model expects whatever is done: the same effect, less noise.

    Handed to ``ranked_sums`` in the outcome's place with weight 1 / propensity, it turns every
    metric that compares ``treatment`` with control by IPW into its doubly robust form: with two
    arms the IPW score of this difference is the AIPW score, to the letter.

    Args:
        outcome: Shape (n,).
        expected: Outcomes that a model expects in each arm, shape (n, K + 1), made without these
            rows.
        propensities: Chance of every arm, shape (n, K + 1).
        treatment: To be compared with control.

    Examples:
        >>> adjusted_outcome([3.0], [[1.0, 2.0]], [[0.25, 0.75]], 1).tolist()
        [1.75]
    """
    mu, chance = (np.asarray(table, dtype=np.float64) for table in (expected, propensities))
    pair = [CONTROL, treatment]
    # each arm's expectation counts by the chance of the other: that is where the noise is
    level = (mu[:, pair] * chance[:, pair[::-1]]).sum(axis=1) / chance[:, pair].sum(axis=1)
    return np.asarray(np.asarray(outcome, dtype=np.float64) - level)
