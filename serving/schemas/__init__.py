"""What goes over the wire: closed, checked, with examples that the tests replay."""

from serving.schemas.about import (
    CustomerResponse,
    Live,
    ModelResponse,
    PolicyResponse,
    Ready,
    ReloadResponse,
    Segment,
    SegmentsResponse,
)
from serving.schemas.batches import (
    BatchItem,
    BatchRequest,
    BatchResponse,
    UpliftItem,
    UpliftRequest,
    UpliftResponse,
)
from serving.schemas.common import Fault, Problem
from serving.schemas.decisions import DecisionRequest, DecisionResponse

__all__ = [
    "BatchItem",
    "BatchRequest",
    "BatchResponse",
    "CustomerResponse",
    "DecisionRequest",
    "DecisionResponse",
    "Fault",
    "Live",
    "ModelResponse",
    "PolicyResponse",
    "Problem",
    "Ready",
    "ReloadResponse",
    "Segment",
    "SegmentsResponse",
    "UpliftItem",
    "UpliftRequest",
    "UpliftResponse",
]
