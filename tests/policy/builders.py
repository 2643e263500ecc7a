"""A policy made by hand, to be changed one field at a time."""

from uplift.arms import Arms
from uplift.policy import Policy, ValueRule

PRICES = ValueRule(
    basis="conversion",
    margin_per_conversion_eur=30.0,
    margin_rate=0.3,
    contact_cost_eur=(0.1, 0.1),
    redemption_cost_eur=(5.0, 10.0),
)


def policy(**changes: object) -> Policy:
    """Nobody held out, nobody explores, no limit on spending, unless ``changes`` says so."""
    fields: dict[str, object] = {
        "campaign_id": "coupon",
        "arms": Arms(("no_coupon", "coupon_5", "coupon_10")),
        "model_version": "0123456789ab",
        "as_of": "2026-06-01T00:00:00Z",
        "value": PRICES,
        "shadow_price": 0.0,
        "budget_eur": None,
        "holdout_share": 0.0,
        "exploration_share": 0.0,
        "salt": "policy-1",
        "sure_thing_conversion": 0.2,
        "harm_tolerance": 0.005,
    }
    return Policy(**{**fields, **changes})  # type: ignore[arg-type]
