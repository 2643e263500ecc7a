"""An evaluation from its sums to its verdict: what the document and the page are made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from uplift.arms import Arms
from uplift.evaluation.gate import Evidence, Verdict
from uplift.evaluation.policy_sums import PolicySums
from uplift.evaluation.ranked_sums import RankedSums
from uplift.evaluation.resampling import Floats


@dataclass(frozen=True, eq=False)
class Story:
    """All that is told of a challenger, to machines and to people.

    Attributes:
        arms: Of the campaign.
        rankings: Of held-out rows for treatments 1..K, each by the challenger's cate.
        by_response: The same rows ranked by who buys, if there is such a model.
        policies: On net value in euro.
        evidence: What the gate saw.
        verdict: What it said.
        effects: Predicted for some held-out customers, shape (n, K).
        expected: Outcomes predicted for them, shape (n, K + 1).
        challenger: Name of its policy.
        model: Version of the challenger, and how it was learned, in words.
        consequence: Who serves from now on, in words.
        share: Of customers reached where two rankings are compared.
        level: Of the intervals.
    """

    arms: Arms
    rankings: Sequence[RankedSums]
    by_response: RankedSums | None
    policies: PolicySums
    evidence: Evidence
    verdict: Verdict
    effects: Floats
    expected: Floats
    challenger: str
    model: str
    consequence: str
    share: float
    level: float
