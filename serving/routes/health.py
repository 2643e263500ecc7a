"""For whoever watches the process: does it live, can it decide, what does it count?"""

from fastapi import APIRouter, Request, Response

from serving.access import HasKey
from serving.contract import problems
from serving.dependencies import InOffice
from serving.errors import not_ready
from serving.metrics import CONTENT_TYPE
from serving.reasons import Degraded
from serving.schemas import Live, Ready
from uplift.errors import UpliftError

router = APIRouter(tags=["health"])


@router.get("/health/live")
async def live() -> Live:
    """The process answers. Restart it if this fails."""
    return Live()


@router.get("/health/ready", response_model=Ready, responses=problems(503))
async def ready(request: Request, office: InOffice) -> Ready | Response:
    """Model and feature store answer. Send no traffic if this fails."""
    service = office.desk.service
    try:
        service.require_ready()
    except UpliftError:
        return not_ready(request)
    return Ready(
        run_id=service.run_id,
        model_version=service.model.version,
        policy_version=service.policy.version,
        degraded=[] if office.runs.refused is None else [Degraded.RUN],
    )


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(office: InOffice, _: HasKey) -> Response:
    """All counters, as Prometheus reads them."""
    return Response(office.metrics.text(), media_type=CONTENT_TYPE)
