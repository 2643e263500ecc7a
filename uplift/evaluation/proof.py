"""Does a ranking beat chance? One p-value from several rankings of rows that were never seen.

A model may be tested on every part of the log that it has not learned from. Two models that
learned from each other's rows cannot both be tested, for their luck agrees; models that learn from
the parts before and are tested on the next can: given what came before, every test is standard
normal where nothing is to be found, and so is their weighted sum (Wager 2024, "Sequential
validation of treatment heterogeneity"). Which learner is tested next may depend on all earlier
tests, so choosing the best one so far costs nothing. The last test is that of the challenger on
the rows held out. Nearly all rows take part in a test, so weak but real differences are found.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from uplift.arms import CONTROL
from uplift.errors import ContractError
from uplift.evaluation.calibration import best_linear_predictor
from uplift.evaluation.metrics import autoc
from uplift.evaluation.ranked_sums import RankedSums

_LEAST_REPLICATES = 20


@dataclass(frozen=True)
class RankingTest:
    """One ranking of rows that its model had not seen.

    Attributes:
        z: Standard normal where no ranking can find anything, larger the better it finds. Not a
            number where the ranking is constant or the data cannot say.
        rows: How many rows were ranked, the treatment's and control's.
    """

    z: float
    rows: int

    def to_document(self) -> dict[str, float | int | None]:
        """For JSON."""
        return {"z": self.z if math.isfinite(self.z) else None, "rows": self.rows}


@dataclass(frozen=True)
class RankingProof:
    """What all tests say together.

    Attributes:
        z: Of all tests, standard normal where nothing is to be found.
        p_value: One-sided: the chance of such a z where nothing is to be found; 1 without a test.
        tests: In the order in which they were made.
    """

    z: float
    p_value: float
    tests: tuple[RankingTest, ...]


def ranking_test(sums: RankedSums, treatment: int) -> RankingTest:
    """Test one ranking by two statistics that see differences of different shape.

    AUTOC sees a small, strongly responding top; the slope of the best linear predictor sees
    differences spread over everybody. Each is divided by its standard error, and their sum by the
    standard error of the sum, all from the same replicates: one test at its stated level, not the
    better of two.

    Args:
        sums: Ranked by the effect predicted for this treatment, with replicates.
        treatment: Compared with control.
    """
    rows = int(sums.rows[:, [CONTROL, treatment]].sum())
    parts = np.stack([autoc(sums, treatment), best_linear_predictor(sums, treatment).slope])
    if not np.isfinite(parts[:, 0]).all():
        return RankingTest(math.nan, rows)
    parts = parts[:, np.isfinite(parts).all(axis=0)]
    if parts.shape[1] < _LEAST_REPLICATES + 1:
        return RankingTest(math.nan, rows)
    errors = parts[:, 1:].std(axis=1, ddof=1, keepdims=True)
    if not errors.all():
        return RankingTest(math.nan, rows)
    both = (parts / errors).sum(axis=0)
    return RankingTest(float(both[0] / both[1:].std(ddof=1)), rows)


def combine(tests: Sequence[RankingTest]) -> RankingProof:
    """Weigh tests by the root of their rows; those that cannot say anything count as 0.

    Examples:
        >>> proof = combine([RankingTest(1.5, 100), RankingTest(2.0, 100)])
        >>> round(proof.z, 3), round(proof.p_value, 4)
        (2.475, 0.0067)
    """
    if any(test.rows < 1 for test in tests):
        raise ContractError("a test of 0 rows is none; leave it out.")
    if not tests:
        return RankingProof(math.nan, 1.0, ())
    weights = np.sqrt([test.rows for test in tests])
    found = np.nan_to_num([test.z for test in tests], nan=0.0)
    z = float(weights @ found / math.sqrt(weights @ weights))
    return RankingProof(z, 1.0 - NormalDist().cdf(z), tuple(tests))
