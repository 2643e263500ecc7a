"""Why a decision is what it is: a closed list, and what each reason is called elsewhere.

The names on the right are the reasons of OpenFeature's specification, so that dashboards of flag
services read our decisions too.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, TypeAlias

OpenFeature: TypeAlias = Literal["TARGETING_MATCH", "SPLIT", "DEFAULT", "DISABLED", "ERROR"]
Group: TypeAlias = Literal["policy", "holdout", "explore", "none"]


class Reason(StrEnum):
    """Every reason there is. The first nine are the policy's own."""

    NET_VALUE = "net_value"
    BELOW_THRESHOLD = "below_threshold"
    SURE_THING = "sure_thing"
    LOST_CAUSE = "lost_cause"
    SLEEPING_DOG = "sleeping_dog"
    EXPLORATION = "exploration"
    HOLDOUT = "holdout"
    NOT_CONTACTABLE = "not_contactable"
    NOT_ELIGIBLE = "not_eligible"
    SUPPRESSED = "suppressed"
    PACING = "pacing"
    COUPON_CAP = "coupon_cap"
    TOTAL_CAP = "total_cap"
    SPEND_CAP = "spend_cap"
    FALLBACK = "fallback"


class Fallback(StrEnum):
    """What was missing when nothing could be scored."""

    USER_UNKNOWN = "USER_UNKNOWN"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    LEDGER_UNAVAILABLE = "LEDGER_UNAVAILABLE"


class Degraded(StrEnum):
    """What did not work while the answer was made; the answer says it, and a counter counts it."""

    STORE = "store"  # features were not looked up
    LEDGER = "ledger"  # caps and request ids could not be kept
    LOG = "log"  # the decision is not in the decision log
    RUN = "run"  # a newer run was refused; this one is older than it should be


OPEN_FEATURE: Mapping[Reason, OpenFeature] = {
    Reason.NET_VALUE: "TARGETING_MATCH",
    Reason.BELOW_THRESHOLD: "TARGETING_MATCH",
    Reason.SURE_THING: "TARGETING_MATCH",
    Reason.LOST_CAUSE: "TARGETING_MATCH",
    Reason.SLEEPING_DOG: "TARGETING_MATCH",
    Reason.EXPLORATION: "SPLIT",
    Reason.HOLDOUT: "SPLIT",
    Reason.NOT_CONTACTABLE: "DISABLED",
    Reason.NOT_ELIGIBLE: "DISABLED",
    Reason.SUPPRESSED: "DISABLED",
    Reason.PACING: "DISABLED",
    Reason.COUPON_CAP: "DISABLED",
    Reason.TOTAL_CAP: "DISABLED",
    Reason.SPEND_CAP: "DISABLED",
    Reason.FALLBACK: "ERROR",
}
GROUP: Mapping[Reason, Group] = {
    **{reason: "policy" for reason, name in OPEN_FEATURE.items() if name == "TARGETING_MATCH"},
    **{reason: "none" for reason, name in OPEN_FEATURE.items() if name in {"DISABLED", "ERROR"}},
    Reason.EXPLORATION: "explore",
    Reason.HOLDOUT: "holdout",
}
