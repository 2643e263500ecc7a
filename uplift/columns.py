"""Column names, once. Inputs are renamed to these at the border and never again."""

# who, when, what was done
UNIT_ID = "unit_id"
EXPERIMENT_ID = "experiment_id"
CLUSTER_ID = "cluster_id"  # the randomisation unit; the unit itself where units were drawn
ARM = "arm"  # int, 0 is control; a name only in raw inputs and exports
ASSIGNED_AT = "assigned_at"
PROPENSITY = "propensity"  # chance of the arm actually drawn
PROPENSITIES = "propensities"  # array<double>, chance of arms 0..K where nobody drew them
IS_TRIMMED = "is_trimmed"  # some arm hardly ever meets such a unit; left out of comparisons
SPLIT = "split"  # "train" or "test"
AS_OF = "as_of"

# events
EVENT_TYPE = "event_type"
EVENT_AT = "event_at"
VALUE = "value"
LOGGED_AT = "logged_at"  # when an event or an assignment was written down; null where unknown

# outcomes
CONVERSION = "conversion"  # 0.0 or 1.0
REVENUE = "revenue"  # euro

# customers
CONTACTABLE = "contactable"  # permission to send anything at all

# scores; arrays run over arms 0..K or treatments 1..K
MODEL_VERSION = "model_version"
EXPECTED_CONVERSION = "expected_conversion"  # array<double>, arms 0..K
EXPECTED_REVENUE = "expected_revenue"  # array<double>, arms 0..K; absent where not modelled
CATE = "cate"  # array<double>, treatments 1..K, on conversion
GAIN = "gain"  # array<double>, treatments 1..K, euro
COST = "cost"  # array<double>, treatments 1..K, euro
BEST_ARM = "best_arm"  # int, by net value when money is free (shadow price 0)
SEGMENT = "segment"
EVIDENCE = "evidence"  # strong or weak: whether held-out rows bear the segment out
ARM_EVIDENCE = "arm_evidence"  # array<string>, treatments 1..K: the same for each arm's net value
PERSUADABLE_LOW = "persuadable_low"  # chance that the customer is one, for the best arm: at least
PERSUADABLE_HIGH = "persuadable_high"  # ... at most
ELIGIBLE = "eligible_arms"  # array<boolean>, treatments 1..K; absent: all may be sent
GROUP = "group"  # value of the attribute whose shares are limited; absent: none is
DECILE = "decile"  # 1 is the best tenth by priority
PRIORITY = "priority"  # what we rank by: the best treatment's net value, euro

# decisions
DECISION_ARM = "decision_arm"  # int, after budget, holdout and exploration
REASON = "reason"
DECISION_PROPENSITY = "decision_propensity"
