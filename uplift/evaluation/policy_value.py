"""What a policy is worth: the mean outcome had it decided for everybody, from randomised rows.

A row speaks for a policy if its arm happens to be what the policy decides for it; 1 / propensity
makes up for the rows that do not. Valid for decisions made without looking at these rows'
outcomes, with the propensities of the experiment.
"""

import math
from collections.abc import Callable

import numpy as np

from uplift.errors import ContractError
from uplift.evaluation.policy_sums import EVERYBODY, NOBODY, PolicySums
from uplift.evaluation.resampling import Floats


def ipw_value(sums: PolicySums, policy: str) -> Floats:
    """Mean of z over all rows, shape (R + 1,): unbiased, but moves with a shift of the outcome."""
    value: Floats = sums.z[:, sums.index(policy)] / sums.n
    return value


def hajek_value(sums: PolicySums, policy: str) -> Floats:
    """Mean outcome of the matching rows weighted by u, shape (R + 1,).

    Follows a shift of the outcome exactly, and is the steadier of the two where outcomes are far
    from 0. Not a number in a replicate where no row matches.
    """
    at = sums.index(policy)
    value: Floats = np.full(len(sums.n), np.nan)
    np.divide(sums.z[:, at], sums.u[:, at], out=value, where=sums.u[:, at] > 0)
    return value


def dr_value(sums: PolicySums, policy: str) -> Floats:
    """Mean of the doubly robust scores expected + u x (outcome - expected), shape (R + 1,).

    Unbiased whatever the model expects, for the propensities are known; the better it expects, the
    steadier (Dudik, Langford and Li 2011, "Doubly robust policy evaluation and learning"). The
    model must not have learned from these rows.

    Raises:
        ContractError: The sums were taken without a model of the outcome.
    """
    if sums.a is None:
        raise ContractError(
            "these policy sums hold no expected outcomes; give `expected` when summing, or ask for "
            "`hajek_value`."
        )
    at = sums.index(policy)
    value: Floats = (sums.z[:, at] + sums.a[:, at]) / sums.n
    return value


def best_constant(sums: PolicySums) -> str:
    """The constant policy of the largest ``hajek_value`` in the data, the first among equals.

    Picked by the rows that value it, so its own value flatters: whoever is set against it is
    judged strictly.
    """
    constant = [name for name in sums.names if name == NOBODY or name.startswith(EVERYBODY)]

    def worth(name: str) -> float:
        value = float(hajek_value(sums, name)[0])
        return value if math.isfinite(value) else -math.inf

    return max(constant, key=worth)


def ipw_standard_error(sums: PolicySums, policy: str, *, against: str | None = None) -> float:
    """In closed form, of ``ipw_value`` or of its paired difference to another policy.

    Valid only if the rows were randomised one by one; otherwise use the replicates.
    """
    return _standard_error(sums, policy, against, _ipw_influence)


def hajek_standard_error(sums: PolicySums, policy: str, *, against: str | None = None) -> float:
    """In closed form, linearised, of ``hajek_value`` or of its paired difference to another policy.

    Valid only if many rows match, and were randomised one by one; otherwise use the replicates.
    """
    return _standard_error(sums, policy, against, _hajek_influence)


def _ipw_influence(sums: PolicySums, at: int) -> Floats:
    """What the value's error is a mean of, as a combination of the columns u and z."""
    combination = np.zeros(2 * len(sums.names))
    combination[len(sums.names) + at] = 1.0
    return combination


def _hajek_influence(sums: PolicySums, at: int) -> Floats:
    combination = np.zeros(2 * len(sums.names))
    combination[at] = -sums.z[0, at] / sums.u[0, at]
    combination[len(sums.names) + at] = 1.0
    scaled: Floats = combination * sums.n[0] / sums.u[0, at]
    return scaled


def _standard_error(
    sums: PolicySums,
    policy: str,
    against: str | None,
    influence: Callable[[PolicySums, int], Floats],
) -> float:
    combination = influence(sums, sums.index(policy))
    if against is not None:
        combination = combination - influence(sums, sums.index(against))
    n = sums.n[0]
    mean = combination @ np.concatenate([sums.u[0], sums.z[0]]) / n
    variance = combination @ sums.products @ combination / n - mean**2
    # Rounding may leave a difference of equal policies a hair below 0.
    return float(np.sqrt(max(variance, 0.0) / (n - 1)))
