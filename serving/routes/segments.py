"""The response segments of the current run."""

from fastapi import APIRouter

from serving.dependencies import Service
from serving.schemas import Segment, SegmentsResponse

router = APIRouter(prefix="/v1", tags=["segments"])


@router.get("/segments")
async def segments(service: Service) -> SegmentsResponse:
    """How many customers each segment has, and how many of them were given a coupon."""
    facts = service.facts
    customers = sum(size.customers for size in facts.segments.values())
    return SegmentsResponse(
        run_id=service.run_id,
        campaign_id=facts.campaign_id,
        features_as_of=facts.as_of.isoformat(),
        customers=customers,
        segments=[
            Segment(
                segment=name,
                customers=size.customers,
                share=size.customers / customers,
                offers=size.offers,
            )
            for name, size in facts.segments.items()
        ],
    )
