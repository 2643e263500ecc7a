"""What a check is: one question, its answer in plain words, and how much doubt it raises."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import chdtrc

from uplift.experiment.counts import Counts

Verdict = Literal["pass", "warn", "fail"]

WORSE_LAST: tuple[Verdict, ...] = ("pass", "warn", "fail")

_FEWEST_EXPECTED = 5.0  # below it, Pearson's statistic has another distribution


@dataclass(frozen=True)
class Check:
    """One question with its answer.

    Attributes:
        name: Of the question; ``uplift.experiment.checks.words`` spells it out.
        verdict: What the numbers say, whoever may have overridden it.
        value: The number found.
        threshold: Where doubt begins.
        message: One sentence with the value and its extent.
        overridden_by: Who takes the responsibility for a failure, and why; null where nobody does.
    """

    name: str
    verdict: Verdict
    value: float
    threshold: float
    message: str
    overridden_by: str | None = None

    @property
    def counts_as(self) -> Verdict:
        """An overridden failure stays a doubt, and stops nothing."""
        return "warn" if self.verdict == "fail" and self.overridden_by else self.verdict

    def override(self, by: str | None) -> "Check":
        """The same check, with who answers for it; a check that did not fail needs nobody."""
        return replace(self, overridden_by=by) if by and self.verdict == "fail" else self


def grade(doubtful: bool, refused: bool) -> Verdict:
    """The worse of what holds."""
    if refused:
        return "fail"
    return "warn" if doubtful else "pass"


def p_value_between_arms(hits: Counts, n: Counts) -> float:
    """How often chance makes the shares of the arms differ this much (Pearson's chi-square).

    Valid for units drawn one by one. Where fewer than five hits or misses are expected in an arm,
    nothing can be told from them, and the answer is 1.

    Args:
        hits: Units with the property per arm, shape (K+1,).
        n: All units per arm, shape (K+1,).

    Examples:
        >>> round(p_value_between_arms(np.array([60, 40]), np.array([100, 100])), 4)
        0.0047
    """
    share = hits.sum() / n.sum()
    expected = np.array([share, 1.0 - share])[:, None] * n
    if expected.min() < _FEWEST_EXPECTED:
        return 1.0
    observed = np.array([hits, n - hits])
    chi2 = float(np.sum((observed - expected) ** 2 / expected))
    return float(chdtrc(n.size - 1, chi2))


def shares_in_words(hits: Counts, n: Counts) -> str:
    """The share in every arm, control first."""
    return ", ".join(f"{hit / size:.2%}" for hit, size in zip(hits, n, strict=True))


def of_experiments(p_value: float) -> str:
    """A p-value as a share of experiments without any fault.

    Examples:
        >>> of_experiments(0.0472), of_experiments(1.0)
        ('4.72 % of experiments', '100 % of experiments')
    """
    return f"{100.0 * p_value:.3g} % of experiments"
