"""One document that says how good a ranking and a policy are, with intervals and definitions."""

from collections.abc import Callable, Sequence

from uplift.arms import CONTROL, Arms
from uplift.errors import ContractError
from uplift.evaluation import metrics
from uplift.evaluation.policy_sums import PolicySums
from uplift.evaluation.policy_value import best_constant, dr_value, hajek_value, ipw_value
from uplift.evaluation.ranked_sums import RankedSums
from uplift.evaluation.resampling import Floats
from uplift.evaluation.uncertainty import from_replicates

Document = dict[str, object]

DEFINITIONS = {
    "ate": "Mean outcome of the arm minus mean outcome of control, rows weighted by 1/propensity.",
    "autoc": "Mean over q of TOC(q): how much larger the effect is in the best share q of the "
    "ranking than in all. Outcome units; 0 for a ranking that knows nothing (Yadlowsky 2021).",
    "rate_qini": "Mean over q of q TOC(q). Outcome units; 0 for a ranking that knows nothing.",
    "radcliffe_q": "Area between the Qini curve Y_T - Y_C N_T/N_C and its chord, over N squared "
    "(Radcliffe and Surry).",
    "qini_auc": "The same area over that of a perfect ranking: scikit-uplift's qini_auc_score with "
    "negative effects. Only for outcomes of 0 and 1.",
    "uplift_by_bin": "Rows in bins of equal size, best priority first: measured is the difference "
    "in means inside the bin, predicted the mean priority there.",
    "value": "Mean outcome per unit had the policy decided for everybody: rows whose arm is the "
    "decision, weighted by 1/propensity (Hajek).",
    "ipw_value": "The same, divided by all rows instead of the summed weights (Horvitz-Thompson).",
    "dr_value": "The same from doubly robust scores: what the model expects of the decision, put "
    "right by the rows that match it. Unbiased whatever the model, and often the steadiest.",
    "best_constant": "The one arm for everybody that was worth most in these rows.",
    "difference": "Value of the first policy minus value of the second on the same replicates.",
    "interval": "low and high bound a percentile interval of the Poisson bootstrap by "
    "randomisation unit, at the level given; null where the data cannot say.",
}


def evaluate(
    arms: Arms,
    rankings: Sequence[RankedSums],
    policies: PolicySums,
    *,
    outcome: str,
    level: float,
    bins: int = 10,
) -> Document:
    """Judge a ranking per treatment, and policies, by rows that none of them was made from.

    Args:
        arms: Of the campaign.
        rankings: Of treatments 1..K in this order, each ranked by the cate of that treatment.
        policies: The constant ones and those to be judged.
        outcome: Name of the outcome, such as ``conversion``.
        level: Of the intervals, such as 0.95.
        bins: Of ``uplift_by_bin``.

    Returns:
        A document for JSON. ``{...}`` stands for an estimate: estimate, low, high, standard_error,
        null where the data cannot say::

            outcome, level, replicates
            treatments: {<arm>: {rows: {treated, control}, ate: {...}, autoc: {...},
                rate_qini: {...}, radcliffe_q: {...}, qini_auc: {...} or null,
                uplift_by_bin: [{bin, predicted, measured: {...}}, ...]}}
            policies: {<policy>: {value: {...}, ipw_value: {...}, dr_value: {...} or null,
                shares: {<arm>: share}}}
            best_constant: name of a policy
            differences: [{policy, against, value: {...}}, ...] given policies against all before
            definitions: {<name>: words}
    """
    if len(rankings) != arms.n_treatments:
        raise ContractError(
            f"{len(rankings)} rankings for {arms.n_treatments} treatments {list(arms.treatments)}; "
            "give one per treatment, in the order of `campaign.treatments`."
        )
    return {
        "outcome": outcome,
        "level": level,
        "replicates": len(policies.n) - 1,
        "treatments": {
            name: _treatment(sums, number, level=level, bins=bins)
            for number, (name, sums) in enumerate(zip(arms.treatments, rankings, strict=True), 1)
        },
        "policies": {name: _policy(policies, name, arms, level) for name in policies.names},
        "best_constant": best_constant(policies),
        "differences": _differences(policies, arms.n_treatments + 1, level),
        "definitions": DEFINITIONS,
    }


def _treatment(sums: RankedSums, treatment: int, *, level: float, bins: int) -> Document:
    def estimate(metric: Callable[[RankedSums, int], Floats]) -> Document:
        return _estimate(metric(sums, treatment), level)

    rows = sums.rows.sum(axis=0)
    by_bin = metrics.uplift_by_bin(sums, treatment, bins=bins)
    return {
        "rows": {"treated": int(rows[treatment]), "control": int(rows[CONTROL])},
        "ate": estimate(metrics.ate),
        "autoc": estimate(metrics.autoc),
        "rate_qini": estimate(metrics.rate_qini),
        "radcliffe_q": estimate(metrics.radcliffe_q),
        "qini_auc": estimate(metrics.qini_auc) if sums.outcome_is_binary else None,
        "uplift_by_bin": [
            {"bin": number, "predicted": float(predicted), "measured": _estimate(measured, level)}
            for number, (predicted, measured) in enumerate(
                zip(by_bin.predicted, by_bin.uplift.T, strict=True), 1
            )
        ],
    }


def _policy(sums: PolicySums, policy: str, arms: Arms, level: float) -> Document:
    decided = sums.decided[sums.index(policy)]
    return {
        "value": _estimate(hajek_value(sums, policy), level),
        "ipw_value": _estimate(ipw_value(sums, policy), level),
        "dr_value": None if sums.a is None else _estimate(dr_value(sums, policy), level),
        "shares": {
            name: float(rows / decided.sum())
            for name, rows in zip(arms.names, decided, strict=True)
        },
    }


def _differences(sums: PolicySums, n_constant: int, level: float) -> list[Document]:
    """Each given policy against every one before it, on the same replicates."""
    return [
        {
            "policy": policy,
            "against": other,
            "value": _estimate(hajek_value(sums, policy) - hajek_value(sums, other), level),
        }
        for position, policy in enumerate(sums.names)
        if position >= n_constant
        for other in sums.names[:position]
    ]


def _estimate(values: Floats, level: float) -> Document:
    return from_replicates(values, level=level).to_document()
