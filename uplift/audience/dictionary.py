"""What each column of an audience file means, for whoever opens it."""

from collections.abc import Sequence

from uplift.arms import Arms

_FIXED = {
    "unit_id": "the customer",
    "segment": "persuadable: a coupon pays; sure_thing: buys anyway; lost_cause: buys hardly ever; "
    "sleeping_dog: every coupon does harm",
    "evidence": "how sure the segment is: strong, or weak where the interval of the effect leaves "
    "another one open",
    "decile": "1 to 10: tenth of all customers by net value, 1 the best",
    "net_value_eur": "expected gain less cost of the best coupon, euro; the least loss where no "
    "coupon pays",
    "best_coupon": "the coupon that pays best, whatever the budget; empty where none does",
    "decision": "what the policy decided tonight, within the budget",
    "reason": "why it decided that",
    "decision_propensity": "chance that the decision had, over holdout, exploration and ties",
    "persuadable_low": "chance, at least, that the best coupon makes the customer buy who would "
    "not without it",
    "persuadable_high": "the same, at most",
    "contactable": "whether anything may be sent",
    "as_of": "the moment that the features describe",
    "model_version": "the model that scored",
    "policy_version": "the policy that decided",
    "change": "since the earlier export: added, changed or removed",
}
_PER_ARM = {
    "conversion": "expected chance of converting with {arm}",
    "revenue": "expected revenue with {arm}, euro",
    "uplift": "effect of {arm} on the chance of converting",
    "gain_eur": "expected incremental margin of {arm}, euro",
    "cost_eur": "expected spend on {arm}, euro",
    "evidence": "strong if the interval of {arm}'s net value lies on one side of 0, else weak",
}
_ATTRIBUTE = "attribute of the customer"


def data_dictionary(columns: Sequence[str], arms: Arms) -> dict[str, str]:
    """The meaning of each column, in their order."""
    per_arm = {
        f"{what}_{slug}": meaning.format(arm=name)
        for what, meaning in _PER_ARM.items()
        for name, slug in zip(arms.names, arms.slugs, strict=True)
    }
    known = {**_FIXED, **per_arm}
    return {column: known.get(column, _ATTRIBUTE) for column in columns}
