"""May the challenger serve? Two questions to held-out rows, and the answer in words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uplift.arms import Arms
from uplift.evaluation.metrics import autoc
from uplift.evaluation.policy_sums import PolicySums
from uplift.evaluation.policy_value import hajek_value
from uplift.evaluation.ranked_sums import RankedSums
from uplift.evaluation.uncertainty import Estimate, from_replicates


@dataclass(frozen=True)
class Verdict:
    """Whether the challenger is promoted, and one sentence for every question that was asked."""

    promoted: bool
    reasons: tuple[str, ...]


def verdict(
    arms: Arms,
    rankings: Sequence[RankedSums],
    policies: PolicySums,
    *,
    challenger: str,
    level: float,
) -> Verdict:
    """The answer of ``judge`` for the sums of held-out rows.

    Args:
        arms: Of the campaign.
        rankings: Of treatments 1..K by the challenger's cate.
        policies: On net value in euro: the constant ones, the challenger's and its rivals'.
        challenger: The name of its policy.
        level: Of the intervals; that of AUTOC is raised, because each treatment is one more chance
            to look good by luck.
    """
    surer = 1.0 - (1.0 - level) / arms.n_treatments
    own = hajek_value(policies, challenger)
    return judge(
        {
            name: from_replicates(autoc(sums, number), level=surer)
            for number, (name, sums) in enumerate(zip(arms.treatments, rankings, strict=True), 1)
        },
        {
            rival: from_replicates(own - hajek_value(policies, rival), level=level)
            for rival in policies.names
            if rival != challenger
        },
        level=surer,
    )


def judge(autoc: Mapping[str, Estimate], leads: Mapping[str, Estimate], *, level: float) -> Verdict:
    """Promote a challenger whose ranking beats chance and whose policy nobody clearly beats.

    The ranking beats chance if the interval of AUTOC lies above 0 for at least one treatment. The
    policy may fall short of a rival by one standard error of the paired difference: less is
    what two equal policies differ by, so a model is not refused for bad luck alone. The margin
    shrinks as the log grows.

    Args:
        autoc: Of the challenger's ranking, by treatment.
        leads: Value of the challenger's policy minus that of a rival, in euro per unit net of
            costs, on the same replicates, by rival: the constant policies and the champion.
        level: Of the intervals of ``autoc``, for the words.

    Examples:
        >>> judge(
        ...     {"coupon": Estimate(0.02, 0.01, 0.03, 0.005)},
        ...     {"nobody": Estimate(-0.5, -0.9, -0.1, 0.2)},
        ...     level=0.95,
        ... ).promoted
        False
    """
    answers = [_ranking(autoc, level), *(_lead(rival, lead) for rival, lead in leads.items())]
    return Verdict(all(good for good, _ in answers), tuple(words for _, words in answers))


def _ranking(autoc: Mapping[str, Estimate], level: float) -> tuple[bool, str]:
    proven = {name: estimate for name, estimate in autoc.items() if estimate.low > 0.0}
    shown = "; ".join(
        f"{name} {e.estimate:.4g} ({100 * level:.4g} % interval {e.low:.4g} to {e.high:.4g})"
        for name, e in (proven or autoc).items()
    )
    if proven:
        return True, f"The ranking beats chance, AUTOC above 0: {shown}."
    return False, f"The ranking does not beat chance for any treatment, AUTOC: {shown}."


def _lead(rival: str, lead: Estimate) -> tuple[bool, str]:
    if not (math.isfinite(lead.estimate) and math.isfinite(lead.standard_error)):
        return False, f"The policy cannot be compared with {rival}: too few rows match both."
    amount = f"{abs(lead.estimate):.4g} euro per unit"
    error = f"standard error {lead.standard_error:.4g}"
    if lead.estimate >= 0.0:
        return True, f"The policy earns {amount} more than {rival} ({error})."
    if lead.estimate + lead.standard_error >= 0.0:
        return True, f"The policy earns {amount} less than {rival}, within one {error}."
    return False, f"The policy earns {amount} less than {rival}, more than one {error}."
