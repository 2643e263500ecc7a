"""All that a policy value needs: sums per policy and bootstrap replicate.

numpy fills ``PolicySums`` here, Spark in ``uplift.spark.policy_sums``, both through the same plan.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uplift.arms import Arms
from uplift.errors import ContractError
from uplift.evaluation.checks import (
    FINITE,
    arms_range,
    check_one_arm_per_unit,
    check_rows,
    refuse,
)
from uplift.evaluation.resampling import (
    Floats,
    Ints,
    Keys,
    exact_grid,
    replicate_sums,
    round_to,
)

NOBODY = "nobody"
EVERYBODY = "everybody:"


def everybody(arm_name: str) -> str:
    """Name of the policy that gives one arm to all."""
    return f"{EVERYBODY}{arm_name}"


@dataclass(frozen=True)
class PolicySums:
    """Sums of P policies over all rows, for the data (replicate 0) and R bootstrap replicates.

    u = 1 / propensity where the arm drawn is the decision, else 0; z = u x outcome;
    a = (1 - u) x the outcome that a model expects of the decision.
    """

    names: tuple[str, ...]  # P: nobody, everybody:<arm> for each treatment, then those given
    n: Floats  # (R + 1,) rows
    u: Floats  # (R + 1, P)
    z: Floats  # (R + 1, P)
    products: Floats  # (2 P, 2 P) sums over the data of products of any two of u and z
    decided: Ints  # (P, K + 1) rows for which the policy decides on an arm
    a: Floats | None = None  # (R + 1, P); null without a model of the outcome

    def index(self, policy: str) -> int:
        """Position of a policy; an unknown name is an error that lists the known ones."""
        if policy not in self.names:
            raise ContractError(f"unknown policy {policy!r}; these sums hold {list(self.names)}.")
        return self.names.index(policy)


@dataclass(frozen=True)
class PolicySumsPlan:
    """What must be known of all rows before any of them can be added up; small, and picklable."""

    arms: Arms
    given: tuple[str, ...]
    replicates: int
    seed: int
    weight_grid: float
    outcome_grid: float
    product_grid: float
    expected_grid: float | None = None  # null: no model of the outcome

    @property
    def names(self) -> tuple[str, ...]:
        """All policies: the constant ones first."""
        return (NOBODY, *map(everybody, self.arms.treatments), *self.given)

    def add_up(
        self,
        arm: Ints,
        outcome: Floats,
        propensity: Floats,
        decisions: Ints,
        keys: Keys,
        expected: Floats | None = None,
    ) -> list[Floats]:
        """Sums over some of the rows, as flat arrays to be added to those of the other rows.

        Added in any order they give the same bits: rows, u and z of the data and of each
        replicate, last the products and how many rows each policy decides on each arm.

        Args:
            arm: Arm drawn, shape (n,).
            outcome: Shape (n,).
            propensity: Of the arm drawn, shape (n,).
            decisions: Of the given policies, shape (n, number of ``given``).
            keys: Of the randomisation units, shape (n,).
            expected: Outcome that a model expects in every arm, shape (n, K + 1).
        """
        n_arms, n_rows = len(self.arms.names), len(arm)
        constant = np.broadcast_to(np.arange(n_arms), (n_rows, n_arms))
        decided = np.column_stack([constant, decisions])
        u = np.where(decided == arm[:, np.newaxis], 1.0 / propensity[:, np.newaxis], 0.0)
        z = u * outcome[:, np.newaxis]
        values = np.column_stack(
            [np.ones(n_rows), round_to(u, self.weight_grid), round_to(z, self.outcome_grid)]
        )
        columns = values[:, 1:]
        if expected is not None and self.expected_grid is not None:
            a = (1.0 - u) * np.take_along_axis(expected, decided, axis=1)
            values = np.column_stack([values, round_to(a, self.expected_grid)])
        nowhere = np.zeros(n_rows, dtype=np.int64)
        weighted = replicate_sums(
            nowhere, values, keys, n_cells=1, replicates=self.replicates, seed=self.seed
        )
        products = np.stack(
            [
                round_to(columns * column[:, np.newaxis], self.product_grid).sum(axis=0)
                for column in columns.T
            ]
        )
        shares = np.stack([np.bincount(column, minlength=n_arms) for column in decided.T])
        return [*weighted[:, 0], np.concatenate([products.ravel(), shares.ravel()])]

    def finish(self, parts: Sequence[Floats]) -> PolicySums:
        """``PolicySums`` from the parts summed over all rows."""
        n_policies = len(self.names)
        weighted, plain = np.stack(parts[:-1]), parts[-1]
        return PolicySums(
            names=self.names,
            n=weighted[:, 0].copy(),
            u=weighted[:, 1 : 1 + n_policies].copy(),
            z=weighted[:, 1 + n_policies : 1 + 2 * n_policies].copy(),
            a=weighted[:, 1 + 2 * n_policies :].copy() if self.expected_grid else None,
            products=plain[: 4 * n_policies**2].reshape(2 * n_policies, 2 * n_policies),
            decided=plain[4 * n_policies**2 :].reshape(n_policies, -1).astype(np.int64),
        )


def policy_sums(
    arm: npt.ArrayLike,
    outcome: npt.ArrayLike,
    propensity: npt.ArrayLike,
    decisions: Mapping[str, npt.ArrayLike],
    *,
    arms: Arms,
    expected: npt.ArrayLike | None = None,
    keys: Keys | None = None,
    replicates: int = 0,
    seed: int = 0,
) -> PolicySums:
    """Sum rows for the constant policies and for the given decisions.

    Args:
        arm: Arm drawn, shape (n,).
        outcome: Shape (n,).
        propensity: Of the arm drawn, shape (n,), strictly between 0 and 1.
        decisions: Arm that each policy decides on, shape (n,), by the policy's name.
        arms: Of the campaign; every one must have rows.
        expected: Outcome that a model expects in every arm, shape (n, K + 1), for ``dr_value``; the
            model must not have learned from these rows.
        keys: ``uplift.hashing.hash_keys`` of the randomisation unit; None makes each row its own.
        replicates: R, of the Poisson bootstrap: the weights of ``ranked_sums`` with this seed.
        seed: Of the bootstrap.

    Examples:
        >>> sums = policy_sums([0, 1, 0, 1], [0.0, 1.0, 1.0, 1.0], [0.5] * 4,
        ...                    {"model": [1, 1, 0, 0]}, arms=Arms(("none", "coupon")))
        >>> sums.names
        ('nobody', 'everybody:coupon', 'model')
        >>> (sums.z[0] / sums.n[0]).tolist()
        [0.5, 1.0, 1.0]
    """
    drawn = np.asarray(arm, dtype=np.int64)
    observed = np.asarray(outcome, dtype=np.float64)
    chance = np.asarray(propensity, dtype=np.float64)
    units = np.arange(len(drawn), dtype=np.uint64) if keys is None else keys
    n_arms = len(arms.names)
    check_rows(drawn, n_arms=n_arms, outcome=observed, propensity=chance, keys=units)
    if keys is not None:
        check_one_arm_per_unit(units, drawn)
    decided = np.empty((len(drawn), len(decisions)), dtype=np.int64)
    for column, (name, decision) in enumerate(decisions.items()):
        decided[:, column] = decision
        outside = decided[:, column][~np.isin(decided[:, column], np.arange(n_arms))]
        refuse(f"policy {name!r}: arm", outside, len(drawn), way_out=arms_range(n_arms))
    mean = None if expected is None else np.asarray(expected, dtype=np.float64)
    if mean is not None:
        _check_expected(mean, len(drawn), n_arms)
    plan = plan_policies(
        arms,
        tuple(decisions),
        n_rows=len(drawn),
        largest_weight=float((1.0 / chance).max()),
        largest_outcome=float(np.abs(observed / chance).max()),
        largest_expected=None if mean is None else float(np.abs(mean).max()),
        replicates=replicates,
        seed=seed,
    )
    return plan.finish(plan.add_up(drawn, observed, chance, decided, units, mean))


def _check_expected(expected: Floats, n_rows: int, n_arms: int) -> None:
    if expected.shape != (n_rows, n_arms):
        raise ContractError(
            f"expected outcomes of shape {expected.shape} for {n_rows} rows and {n_arms} arms; "
            "give one number per row and arm, control first."
        )
    refuse("expected outcome", expected[~np.isfinite(expected)], expected.size, way_out=FINITE)


def plan_policies(
    arms: Arms,
    given: tuple[str, ...],
    *,
    n_rows: int,
    largest_weight: float,
    largest_outcome: float,
    largest_expected: float | None = None,
    replicates: int,
    seed: int,
) -> PolicySumsPlan:
    """A plan whose sums are exact: ``largest_*`` of u, |z| and |expected| over all rows."""
    return PolicySumsPlan(
        arms=arms,
        given=given,
        replicates=replicates,
        seed=seed,
        weight_grid=exact_grid(largest_weight, n_rows),
        outcome_grid=exact_grid(largest_outcome, n_rows),
        product_grid=exact_grid(max(largest_weight, largest_outcome) ** 2, n_rows),
        expected_grid=None
        if largest_expected is None
        else exact_grid(max(largest_weight, 1.0) * largest_expected, n_rows),
    )
