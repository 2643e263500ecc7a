"""The response segments of the current run."""

from fastapi import APIRouter

from serving.access import MayExport
from serving.dependencies import InOffice
from serving.schemas import Segment, SegmentsResponse

router = APIRouter(prefix="/v1", tags=["segments"])


@router.get("/segments")
async def segments(office: InOffice, _: MayExport) -> SegmentsResponse:
    """How many customers each segment has, and how many of them were given a coupon."""
    service = office.desk.service
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
                share=size.customers / customers if customers else 0.0,
                offers=size.offers,
            )
            for name, size in facts.segments.items()
        ],
    )
