"""Customers who asked to be left alone get nothing, whatever a request or the night says."""

import logging
from collections.abc import Sequence

from serving.keeping import Found
from serving.reasons import Degraded, Fallback, Reason
from serving.schemas.decisions import DecisionRequest
from serving.values import Decision
from uplift.audience.suppression import Suppressions
from uplift.errors import UpliftError
from uplift.logs import event

_LOG = logging.getLogger(__name__)
_NOTHING = Decision(None, "unknown", Reason.SUPPRESSED, 1.0)
_UNREADABLE = Decision(
    None,
    "unknown",
    Reason.FALLBACK,
    1.0,
    fallback=Fallback.STORE_UNAVAILABLE,
    degraded=(Degraded.STORE,),
)


def left_alone(
    found: Sequence[Found], requests: Sequence[DecisionRequest], suppressions: Suppressions
) -> list[Found]:
    """The decisions, with nothing said of whoever is suppressed; errors stay what they are.

    While the list cannot be read nobody gets anything: it may hold any of them.
    """
    try:
        gone = suppressions.among(request.user_id for request in requests)
    except UpliftError as error:
        event(_LOG, "suppressions.unreadable", level=logging.ERROR, error=str(error))
        return [one if isinstance(one, UpliftError) else _UNREADABLE for one in found]
    if not gone:
        return list(found)
    return [
        _NOTHING if request.user_id in gone and isinstance(one, Decision) else one
        for request, one in zip(requests, found, strict=True)
    ]
