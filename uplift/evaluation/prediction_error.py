"""By how much policies promise too much: expected against measured, on held-out rows.

A policy picks the arms that look best, and what looks best looks better than it is: the winner's
curse. Rows that the model has not seen tell by how much. Every row's error, what its arm brought
less what was expected of that arm, speaks for the policies that decide on its arm, weighted by
1 / propensity; the error of control rows speaks against them. Their difference corrects what the
policy expects elsewhere: the doubly robust estimate, in which the model is the control variate.

Valid for decisions made without these rows' outcomes, with the propensities of the experiment, and
for customers of tonight who err as those of the experiment did.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from uplift.arms import CONTROL
from uplift.evaluation.resampling import Floats, Ints, Keys, exact_grid, replicate_sums, round_to
from uplift.evaluation.uncertainty import Estimate, from_replicates


@dataclass(frozen=True)
class ErrorSums:
    """Sums by policy and treatment, for the data (replicate 0) and R bootstrap replicates."""

    n: Floats  # (R + 1, P, K) rows for which the policy decides on the treatment
    error: Floats  # (R + 1, P, K) measured minus expected, outcome units, treatment less control

    def corrected(
        self, policy: int, expected: float, offers: Sequence[int], level: float
    ) -> Estimate:
        """What a policy will bring, from what it expects.

        Args:
            policy: Its position.
            expected: Sum over the customers of tonight, outcome units.
            offers: How many of them get treatment 1..K.
            level: Of the interval.
        """
        n, error = self.n[:, policy], self.error[:, policy]
        each = np.divide(error, n, out=np.zeros_like(error), where=n > 0)
        return from_replicates(expected + each @ np.asarray(offers, dtype=np.float64), level=level)


@dataclass(frozen=True)
class ErrorSumsPlan:
    """What must be known of all rows before any of them can be added up; small, and picklable.

    Attributes:
        n_treatments: K.
        replicates: R, of the Poisson bootstrap by randomisation unit.
        seed: Of the bootstrap.
        grid: ``exact_grid`` of the largest absolute error over its propensity.
    """

    n_treatments: int
    replicates: int
    seed: int
    grid: float

    @classmethod
    def for_rows(
        cls, n_rows: int, largest: float, *, n_treatments: int, replicates: int, seed: int
    ) -> "ErrorSumsPlan":
        """The plan for so many rows, none with a larger |error| / propensity."""
        return cls(n_treatments, replicates, seed, exact_grid(largest, n_rows))

    def add_up(
        self, decided: Ints, arm: Ints, propensity: Floats, error: Floats, keys: Keys
    ) -> list[Floats]:
        """Sums over some of the rows, to be added to those of the others: any order, same bits.

        Args:
            decided: What each policy decides, shape (n, P).
            arm: Drawn, shape (n,).
            propensity: Of the arm drawn, shape (n,).
            error: Measured minus expected outcome in the arm drawn, shape (n,).
            keys: Of the randomisation units, shape (n,).
        """
        weighted = round_to(error / propensity, self.grid)[:, None]
        drawn = arm[:, None]
        speaks = (decided == drawn).astype(np.float64) - (drawn == CONTROL)
        on = np.stack([decided == k for k in range(1, self.n_treatments + 1)], axis=2)
        values = np.concatenate([on.astype(np.float64), on * (weighted * speaks)[:, :, None]])
        n, size = len(arm), on.shape[1] * self.n_treatments
        flat = np.concatenate([values[:n].reshape(n, size), values[n:].reshape(n, size)], axis=1)
        sums = replicate_sums(
            np.zeros(n, dtype=np.int64),
            flat,
            keys,
            n_cells=1,
            replicates=self.replicates,
            seed=self.seed,
        )
        return [sums[:, 0].ravel()]

    def finish(self, parts: Sequence[Floats]) -> ErrorSums:
        """``ErrorSums`` from the parts summed over all rows."""
        shape = (self.replicates + 1, 2, -1, self.n_treatments)
        sums = parts[0].reshape(shape)
        return ErrorSums(n=sums[:, 0].copy(), error=sums[:, 1].copy())
