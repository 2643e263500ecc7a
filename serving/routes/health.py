"""For whoever watches the process: does it live, can it decide?"""

from fastapi import APIRouter, Request, Response

from serving.contract import problems
from serving.dependencies import Service
from serving.errors import not_ready
from serving.schemas import Live, Ready
from uplift.errors import UpliftError

router = APIRouter(tags=["health"])


@router.get("/livez")
async def live() -> Live:
    """The process answers. Restart it if this fails."""
    return Live()


@router.get("/readyz", response_model=Ready, responses=problems(503))
async def ready(request: Request, service: Service) -> Ready | Response:
    """Model and feature store answer. Send no traffic if this fails."""
    try:
        service.require_ready()
    except UpliftError:
        return not_ready(request)
    return Ready(
        run_id=service.run_id,
        model_version=service.model.version,
        policy_version=service.policy.version,
    )
